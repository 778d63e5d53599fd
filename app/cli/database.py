"""`flask db`: migrations."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import Connection, text

from app import migrating
from app.core.db import role_names
from app.doctor.examination import refuse_impossible_upgrade
from app.doctor.finding import connect
from app.http.services import services

# People who write SQL and lost their group or their role, by a restore into another cluster for one.
STRAYED: Final = text(
    """
    SELECT p.role_name, r.oid IS NOT NULL FROM sql_users p LEFT JOIN pg_roles r ON r.rolname = p.role_name
    WHERE r.oid IS NULL OR NOT pg_has_role(r.oid, :people, 'MEMBER')
    ORDER BY p.role_name
    """
)


@click.group("db")
def db() -> None:
    """Apply and compare migrations."""


@db.command("upgrade")
@click.option("--revision", default="head", show_default=True, help="How far.")
def upgrade(revision: str) -> None:
    """Apply the migrations that are missing."""
    config = services().config
    refuse_impossible_upgrade(config)
    with connect(config, "owner") as connection:
        before = migrating.applied(connection)
        try:
            with _steps_told():
                migrating.upgrade(config, revision)
        except CommandError as error:
            raise click.ClickException(str(error)) from error
        after = migrating.applied(connection)
        was = "already" if after == before else f"it was at {_named(before)}"
        click.echo(f"The database is at {_named(after)} ({was}).")
        _readmit_people(connection, role_names(config)["sql"])


@db.command("current")
def current() -> None:
    """Show revisions; exit status 1 when they differ.

    That of the database, and that for which this code was written.
    """
    with connect(services().config, "owner") as connection:
        found = migrating.applied(connection)
    click.echo(f"database: {_named(found)}\ncode:     {_named(migrating.newest())}")
    if found != migrating.newest():
        raise SystemExit(1)


@db.command("check")
def check() -> None:
    """Compare the database with the models.

    For those who write migrations: says what `alembic revision --autogenerate` would write, with exit
    status 1, or that there is nothing.
    """
    try:
        migrating.compare(services().config)
    except CommandError as error:
        raise click.ClickException(str(error)) from error


def _readmit_people(connection: Connection, group: str) -> None:
    """Put people who write SQL back into their group; name those whose role is gone."""
    for name, has_role in connection.execute(STRAYED, {"people": group}).all():
        if not has_role:
            click.echo(f"SQL user {name} has no database role any more: flask sql-user create {name}")
            continue
        grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(name))
        connection.exec_driver_sql(grant.as_string())
        click.echo(f"SQL user {name} is a member of {group} again.")


@contextmanager
def _steps_told() -> Iterator[None]:
    """Show the name of each migration when it begins."""
    log = logging.getLogger("alembic.runtime.migration")
    told = _Told(logging.INFO)
    log.addHandler(told)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(told)


class _Told(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("Running"):
            click.echo(record.getMessage(), err=True)


def _named(revisions: set[str]) -> str:
    return ", ".join(sorted(revisions)) or "no revision"


COMMANDS = (db,)
