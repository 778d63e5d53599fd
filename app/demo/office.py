"""The head office of the story: a manager at a desk over REST, and somebody with psql."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from examples.phone import Phone

Json = dict[str, Any]


class Desk:
    """REST requests of one person, from a device that holds no records."""

    def __init__(self, device: Phone) -> None:
        """Sit down at a device that is logged in."""
        self._client = device.client

    def get(self, path: str) -> Json:
        """Read one thing."""
        return self._client.call("GET", path)

    def all(self, path: str) -> Iterator[Json]:
        """Every item of a list, over its pages."""
        cursor, mark = "", "&" if "?" in path else "?"
        while True:
            page = self._client.call("GET", f"{path}{mark}limit=200{cursor}")
            yield from page["items"]
            if page.get("next_cursor") is None:
                return
            cursor = f"&cursor={page['next_cursor']}"

    def post(self, path: str, body: Json) -> Json:
        """Make something."""
        return self._client.call("POST", path, lambda: body)

    def put(self, path: str, body: Json) -> Json:
        """Set something to exactly this."""
        return self._client.call("PUT", path, lambda: body)

    def patch(self, path: str, changes: Json) -> Json:
        """Change something as it stands."""
        version = self.get(path)["version"]
        return self._client.call("PATCH", path, lambda: changes, if_match=f'"{version}"')

    def command(self, path: str, name: str, arguments: Json) -> Json:
        """Do something with a record as it stands."""
        version = self.get(path)["version"]
        return self._client.call("POST", f"{path}/{name}", lambda: arguments, if_match=f'"{version}"')


class SqlPerson:
    """Somebody who writes SQL by hand, with psql where there is one."""

    def __init__(self, name: str, url: str, psql: Path | None = None) -> None:
        """Take a name, as the ledger shows it, and an address with password."""
        self.name = name
        self._address = {name: str(value) for name, value in conninfo_to_dict(url).items()}
        self._psql = psql

    @property
    def tool(self) -> str:
        """What the SQL is written with."""
        return "psql" if self._psql else "psycopg"

    def update_account(self, account_id: UUID, **values: str) -> None:
        """One UPDATE statement, committed.

        Raises:
            RuntimeError: It changed no row, or another number than one.
        """
        changes = ", ".join(f"{column} = {_quoted(value)}" for column, value in values.items())
        done = self._run(f"UPDATE accounts SET {changes} WHERE id = '{account_id}'")  # noqa: S608 - that is the point
        if done != "UPDATE 1":
            raise RuntimeError(f"expected UPDATE 1, not {done!r}")

    def _run(self, statement: str) -> str:
        if self._psql is None:
            with psycopg.connect(make_conninfo(**self._address)) as connection:
                return connection.execute(statement.encode()).statusmessage or ""
        # The password goes by the environment: command lines are shown to every user of the machine.
        address = {name: value for name, value in self._address.items() if name != "password"}
        done = subprocess.run(  # noqa: S603 - the psql of the database server
            [
                self._psql,
                "-X",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                make_conninfo(**address),
            ],
            input=statement + ";\n",
            env={
                **os.environ,
                "PGPASSWORD": self._address.get("password", ""),
                "PGCLIENTENCODING": "UTF8",
            },
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
