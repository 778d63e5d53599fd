"""What a run stands on: a durable PostgreSQL of its own, the product, Kinto and the floor; all stopped at the end."""

import json
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jwt
import psycopg
from sqlalchemy import text

import localpg
from app import migrating
from app.config import Config
from app.core.clock import utc_now
from app.core.db import Database
from app.http.auth import issue_access_token
from app.serve import Supervisor
from benchmarks.client import Connection, crowd
from benchmarks.company import Company, open_company
from benchmarks.kinto import Kinto, installed
from benchmarks.kinto import serving as kinto_serving
from benchmarks.peer import THREADS, WORKERS, Web, peer
from benchmarks.phone import Phone, Target
from benchmarks.processes import tree

WARM, WARMING = "warm", 8
"""A small territory, whose reps sync once with workers that are new."""
RELOAD_S = 60
SECRET = "benchmarks-only-" + "7f3kq9z2m5x8c1v4b6n0a3s5d7f9g2h4j"
CONNECTIONS = 300
Tell = Callable[[str], None]
SIGN_IN = """
    WITH registered AS (
        INSERT INTO devices (tenant_id, id, user_id, name, platform, registered_at, last_seen_at)
        SELECT tenant_id, gen_random_uuid(), id, 'bench', 'linux', now(), now() FROM users
        WHERE tenant_id = %(tenant)s AND login = ANY(%(logins)s) RETURNING user_id, id
    ), signed_in AS (
        INSERT INTO refresh_families
            (tenant_id, id, user_id, device_id, generation, started_at, rotated_at, expires_at)
        SELECT %(tenant)s, gen_random_uuid(), user_id, id, 1, now(), now(), now() + interval '1 day' FROM registered
    )
    SELECT u.login, u.id, r.id FROM registered r JOIN users u ON u.tenant_id = %(tenant)s AND u.id = r.user_id
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers of a run, the company in them, and the office's own connection to the database."""

    config: Config
    web: Web
    server: localpg.Server
    database: str
    db: Database
    company: Company
    office: psycopg.Connection[Any]
    tell: Tell

    def phone(self, login: str) -> Phone:
        """A phone of one person."""
        return self.phones([login])[0]

    def phones(self, logins: Sequence[str]) -> list[Phone]:
        """Phones that are signed in for a day, by SQL: logging in and renewing tokens are not measured."""
        found = self.office.execute(SIGN_IN, {"tenant": self.company.id, "logins": list(logins)})
        whose = {login: (user, device) for login, user, device in found}
        config = replace(self.config, access_token_s=24 * 3600)
        return [
            Phone(self.web.url, issue_access_token(config, self.company.id, *whose[login], utc_now()))
            for login in logins
        ]

    def anew(self) -> None:
        """Give the web server new workers, which have nothing in their memory but what a small sync needs."""
        before = set(tree(self.web.pid)[1:])
        os.kill(self.web.pid, signal.SIGHUP)
        deadline = time.monotonic() + RELOAD_S
        while len(now := set(tree(self.web.pid)[1:])) != WORKERS or now & before:
            if time.monotonic() > deadline:
                raise TimeoutError("the web server has no new workers")
            time.sleep(0.05)
        Connection.broken_at = time.monotonic()
        crowd([phone.first_sync for phone in self.phones([f"{WARM}-{n}" for n in range(WARMING)])])

    def targets(self, name: str, first: int, count: int) -> list[Target]:
        """Accounts of a territory *name*, to be edited."""
        rows = self.office.execute(
            "SELECT a.id::text, a.version FROM accounts a"
            " JOIN territories t ON t.tenant_id = a.tenant_id AND t.id = a.territory_id"
            " WHERE a.tenant_id = %s AND t.code = %s ORDER BY a.id OFFSET %s LIMIT %s",
            (self.company.id, name, first, count),
        )
        return [Target(*row) for row in rows]

    def touch(self, name: str, count: int) -> None:
        """The office changes some accounts of a territory; sequenced before anything is measured."""
        self.edit(name, count)
        self.company.drain()

    def edit(self, name: str, count: int) -> None:
        """The same, and it waits to be sequenced."""
        with self.db.session(self.company.id, actor="import:bench") as session:
            session.execute(
                text(
                    "UPDATE accounts SET notes = left(notes, 8) || :mark WHERE tenant_id = :tenant AND id IN"
                    " (SELECT a.id FROM accounts a JOIN territories t"
                    "   ON t.tenant_id = a.tenant_id AND t.id = a.territory_id"
                    "  WHERE a.tenant_id = :tenant AND t.code = :code ORDER BY a.id LIMIT :count)"
                ),
                {"tenant": self.company.id, "code": name, "count": count, "mark": secrets.token_hex(4)},
            )

    def bucket(self, name: str) -> str:
        """The bucket of a territory."""
        row = self.office.execute(
            "SELECT 'territory:' || id FROM territories WHERE tenant_id = %s AND code = %s",
            (self.company.id, name),
        ).fetchone()
        assert row is not None
        return str(row[0])

    def analyze(self) -> None:
        """As autovacuum would after such an import, at a moment that we choose."""
        self.office.execute("VACUUM ANALYZE")


@dataclass(frozen=True, slots=True)
class Floor:
    """The bare Flask routes."""

    web: Web
    token: str

    def asks(self, path: str) -> tuple[Connection, bytes]:
        """A connection, and the bytes of a request."""
        connection = Connection(self.web.url)
        body = b'{"schema_version":1}'
        return connection, connection.request("POST", path, body, authorization=f"Bearer {self.token}")


def _database(tell: Tell) -> localpg.Server:
    """The server of the benchmarks, durable, with room for the pools of all that are compared."""
    server = localpg.start("bench", progress=tell, durable=True)
    with psycopg.connect(server.urls.admin, autocommit=True) as admin:
        ((most,),) = admin.execute("SHOW max_connections").fetchall()
        if int(most) >= CONNECTIONS:
            return server
        admin.execute(f"ALTER SYSTEM SET max_connections = {CONNECTIONS}")
    server.stop()
    return localpg.start("bench", progress=tell, durable=True)


@contextmanager
def stage(tell: Tell, *, scheduler: bool = False) -> Iterator[Stage]:
    """PostgreSQL with durable settings, a database with all migrations, and the product serving it.

    Args:
        tell: Told what is going on.
        scheduler: Whether the scheduler runs too; what is measured request by request does without its noise.
    """
    server = _database(tell)
    name = f"bench_{secrets.token_hex(4)}"
    try:
        urls = server.create_database(name)
        config = Config(
            database_owner_url=urls.owner,
            database_engine_url=urls.engine,
            database_url=urls.app,
            secret_key=SECRET,
        )
        migrating.upgrade(config)
        env = {
            "DATABASE_URL": urls.app,
            "DATABASE_ENGINE_URL": urls.engine,
            "DATABASE_OWNER_URL": urls.owner,
            "FIELDMERGE_SECRET_KEY": SECRET,
            "FIELDMERGE_LOG_LEVEL": "ERROR",
        }
        with (
            tempfile.TemporaryDirectory() as folder,
            Supervisor(
                env,
                pid_file=(pid_file := Path(folder) / "serve.pid"),
                log=Path(folder) / "serve.log",
                workers=WORKERS,
                threads=THREADS,
                scheduler=scheduler,
                events=False,
            ) as supervisor,
            psycopg.connect(urls.admin, autocommit=True) as office,
        ):
            supervisor.wait_ready("/healthz")
            db = Database(config)
            running = Stage(
                config,
                Web(supervisor.url, _master(pid_file)),
                server,
                name,
                db,
                open_company(db),
                office,
                tell,
            )
            try:
                yield running
            finally:
                db.dispose()
    finally:
        server.drop_database(name)
        server.release()


@contextmanager
def kinto(stage: Stage) -> Iterator[Kinto]:
    """Kinto on a database of its own of the same server."""
    python = installed(stage.tell)
    name = f"{stage.database}_kinto"
    urls = stage.server.create_database(name)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            kinto_serving(python, urls.owner, Path(folder)) as running,
        ):
            yield running
    finally:
        stage.server.drop_database(name)


@contextmanager
def floor(stage: Stage) -> Iterator[Floor]:
    """The bare Flask routes, asking a table of their own."""
    owner, key = stage.config.database_owner_url, secrets.token_urlsafe(48)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE floor (id integer PRIMARY KEY, position bigint NOT NULL)")
        connection.execute("INSERT INTO floor SELECT n, n FROM generate_series(1, 16000) AS n")
    env = {"FLOOR_KEY": key, "FLOOR_DATABASE": owner}
    with (
        tempfile.TemporaryDirectory() as folder,
        peer(sys.executable, ["benchmarks.floor:app"], env, Path(folder) / "floor.log", "/healthz") as web,
    ):
        yield Floor(web, jwt.encode({"sub": "1"}, key, algorithm="HS256"))


def _master(pid_file: Path) -> int:
    """The web server's first process: the last that the supervisor has noted."""
    noted = json.loads(pid_file.read_text(encoding="utf-8"))["processes"]
    return int(list(noted)[-1])


def tell(sentence: str) -> None:
    """Say what goes on, beside the report."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {sentence}\n")
    sys.stderr.flush()
