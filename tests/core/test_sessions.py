"""What a session of one company leaves behind for the next one on the same connection: nothing."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.config import Config
from app.core.db import Database
from tests.servers import admin_of
from tests.world import World

WHOSE = text("SELECT DISTINCT tenant_id FROM accounts")
SETTINGS = text(
    "SELECT concat("
    + ", ".join(f"current_setting('app.{n}', true)" for n in ("tenant", "user", "device", "actor"))
    + ")"
)


@pytest.fixture
def narrow(migrated: Config) -> Iterator[Database]:
    """One connection: whoever comes next is given the same one."""
    made = Database(replace(migrated, pool_size=1))
    yield made
    made.dispose()


def raising(error: BaseException) -> Any:
    def end(_session: Session, _config: Config) -> None:
        raise error

    return end


def killed(session: Session, config: Config) -> None:
    pid = session.scalar(text("SELECT pg_backend_pid()"))
    with admin_of(config) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    session.execute(WHOSE)


def broken(session: Session, _config: Config) -> None:
    session.execute(text("SELECT 1/0"))


def written_without_a_commit(session: Session, _config: Config) -> None:
    session.execute(text("UPDATE accounts SET name = 'half done'"))
    raise RuntimeError


ENDS = {
    "an error of the program": raising(RuntimeError()),
    "the end of the process": raising(SystemExit()),
    "a signal": raising(KeyboardInterrupt()),
    "an error of the database": broken,
    "a connection that was killed": killed,
    "half a write": written_without_a_commit,
}


@pytest.mark.parametrize("how", ENDS)
def test_a_request_that_dies_leaves_nothing_for_the_next(
    how: str, narrow: Database, migrated: Config, world: World
) -> None:
    world.account()
    other = World(world.app, world.db)
    other.account()

    for _ in range(3):
        with (
            suppress(BaseException),
            narrow.session(world.id, user_id=world.unit_id, actor="cli:x") as session,
        ):
            assert session.scalars(WHOSE).all() == [world.id]
            ENDS[how](session, migrated)

        with narrow.app.connect() as bare:
            assert bare.scalar(SETTINGS) == ""
            assert bare.execute(WHOSE).all() == []
        with narrow.session(None) as session:
            assert session.scalars(WHOSE).all() == []
        with narrow.session(other.id) as session:
            assert session.scalars(WHOSE).all() == [other.id]
    assert world.sql("SELECT 1 FROM accounts WHERE tenant_id = :tenant AND name = 'half done'") == []
