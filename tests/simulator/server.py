"""The real server of a simulation: application, database and their clock, made once for many histories."""

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from unittest import mock
from uuid import UUID

import orjson
import psycopg
from flask import Flask
from sqlalchemy import event
from werkzeug.test import Client

import localpg
from app.config import Config
from app.core import ids
from app.core.clock import clock_at
from app.core.db import Database
from app.factory import create_app
from app.http.auth import issue_access_token, issue_farewell_token
from app.http.services import services
from sync import sequencer
from tests.servers import migrated_database

# The database asks its own clock in triggers; here it is a sequence that the simulator sets and every look moves
# on by a microsecond, so that the database and the application live at one time.
CLOCK = """
CREATE SEQUENCE sim_clock;
GRANT ALL ON SEQUENCE sim_clock TO PUBLIC;
CREATE FUNCTION sim_now() RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$ SELECT 'epoch'::timestamptz + nextval('public.sim_clock') * interval '1 microsecond' $$;
GRANT EXECUTE ON FUNCTION sim_now() TO PUBLIC;
"""
FUNCTIONS_WITH_A_CLOCK = """
SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid) FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f' AND p.prosrc LIKE '%clock_timestamp()%'
"""


@dataclass
class Answered:
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        """The body, read."""
        return orjson.loads(self.body)


class Server:
    """One application on one database."""

    def __init__(self, config: Config, app: Flask) -> None:
        self.config = config
        self.app = app
        self.db: Database = services(app).db
        self.client = Client(app.wsgi_app)
        self.owner = psycopg.connect(config.database_owner_url, autocommit=True)
        self.engine = psycopg.connect(config.database_engine_url, autocommit=True)
        self.requests = 0
        self.name = self.owner.info.dbname
        self.has_backup = False
        _install_clock(self.owner)

    def close(self) -> None:
        """Let go of every connection, and of a backup."""
        self.owner.close()
        self.engine.close()
        self.db.dispose()
        self._administer(f'DROP DATABASE IF EXISTS "{self.name}_backup"')

    @contextmanager
    def losing_its_connection(self, statement: int) -> Iterator[None]:
        """Let the database end the session of a request just before its statement number *statement*."""
        count = iter(range(1, 1 << 30))

        def before(connection: Any, cursor: Any, *_: Any) -> None:
            if next(count) == statement:
                pid = cursor.connection.info.backend_pid
                with psycopg.connect(self.config.database_url, autocommit=True) as killer:
                    killer.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])

        event.listen(self.db.app, "before_cursor_execute", before)
        try:
            yield
        finally:
            event.remove(self.db.app, "before_cursor_execute", before)

    # -- backup and restore

    def back_up(self) -> None:
        """Copy the whole database as it is now."""
        with self._alone():
            self._administer(
                f'DROP DATABASE IF EXISTS "{self.name}_backup"',
                f'CREATE DATABASE "{self.name}_backup" TEMPLATE "{self.name}" STRATEGY file_copy',
            )
        self.has_backup = True

    def restore(self) -> None:
        """Put the copy in the place of the database; it can be put back again later."""
        with self._alone():
            self._administer(
                f'DROP DATABASE "{self.name}" WITH (FORCE)',
                f'CREATE DATABASE "{self.name}" TEMPLATE "{self.name}_backup" STRATEGY file_copy',
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.owner.close()
        self.engine.close()
        self.db.dispose()
        try:
            yield
        finally:
            self.owner = psycopg.connect(self.config.database_owner_url, autocommit=True)
            self.engine = psycopg.connect(self.config.database_engine_url, autocommit=True)

    def _administer(self, *statements: str) -> None:
        given = os.environ.get("FIELDMERGE_TEST_SERVER")
        with ExitStack() as stack:
            if given is None:
                local = localpg.start("test", durable=False)
                stack.callback(local.release)
                given = local.urls_for("postgres").admin
            admin = stack.enter_context(psycopg.connect(given, autocommit=True))
            for statement in statements:
                admin.execute(statement)

    def set_clock(self, now: datetime) -> None:
        """Let the database's clock say *now*."""
        self.owner.execute("SELECT setval('sim_clock', %s)", [int(now.timestamp() * 1_000_000)])

    @contextmanager
    def at(self, now: datetime) -> Iterator[None]:
        """Let everything on the server happen at *now*."""
        self.set_clock(now)
        with clock_at(now):
            yield

    def token(
        self, tenant_id: UUID, user_id: UUID, device_id: UUID, now: datetime, *, farewell: bool = False
    ) -> str:
        """An access token, as a login would give it, or a farewell's, as a refresh does."""
        if farewell:
            return issue_farewell_token(self.config, tenant_id, user_id, device_id, now)
        return issue_access_token(self.config, tenant_id, user_id, device_id, now)

    def call(
        self,
        method: str,
        path: str,
        token: str,
        body: Any = None,
        *,
        client: Client | None = None,
        **headers: str,
    ) -> Answered:
        """One request through the whole WSGI stack."""
        self.requests += 1
        response = (client or self.client).open(
            path,
            method=method,
            data=None if body is None else orjson.dumps(body),
            content_type="application/json" if body is not None else None,
            headers={"Authorization": f"Bearer {token}", **headers},
        )
        return Answered(response.status_code, response.get_data(), dict(response.headers))


def _install_clock(owner: psycopg.Connection[Any]) -> None:
    owner.execute(CLOCK)
    for name, definition in owner.execute(FUNCTIONS_WITH_A_CLOCK).fetchall():
        if not name.startswith(("sync_begin_epoch",)):
            owner.execute(definition.replace("clock_timestamp()", "public.sim_now()"))


@contextmanager
def server_on(config: Config) -> Iterator[Server]:
    """A server on an empty, migrated database whose durability nobody needs."""
    with psycopg.connect(config.database_owner_url, autocommit=True) as owner:
        name = owner.info.dbname
        owner.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    config = replace(config, log_level="CRITICAL")
    server = Server(config, create_app(config))
    # Requests drain as often as they like: the pause between drains is real time, of which there is none here.
    with mock.patch.object(sequencer, "MIN_INTERVAL_S", 0.0):
        try:
            yield server
        finally:
            server.close()


@contextmanager
def own_server() -> Iterator[Server]:
    """A server with a database of its own, dropped afterwards."""
    with migrated_database() as config, server_on(config) as server:
        yield server


@contextmanager
def minted_ids(seed: int) -> Iterator[None]:
    """Ids that the application mints follow from the seed, and from the order in which it mints them."""
    chance = random.Random(f"{seed}/minted")
    serial = iter(range(1, 1 << 40))

    def uuid7() -> UUID:
        return UUID(
            int=(0x019CA000_0000 + next(serial) << 80) | 0x7 << 76 | 0x8 << 60 | chance.getrandbits(60)
        )

    with mock.patch.object(ids, "uuid7", uuid7):
        yield
