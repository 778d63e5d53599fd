"""All checks in one order, and those of them without which nothing may start."""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError

from app.config import Config
from app.doctor import backlog, live, roles, schema, server
from app.doctor.finding import PARTS, VARIABLE, Check, Finding, Subject, connect, connected
from sync.stores.epochs import note_identity

TOPICS: Final = {
    "Roles": roles.CHECKS,
    "PostgreSQL": server.CHECKS,
    "Schema": schema.CHECKS,
    "Sync": backlog.CHECKS,
    "Live pings": live.CHECKS,
}


class StartRefused(Exception):
    """Serving would lose data or fail; the message says why and what to do."""


def examined(config: Config) -> Iterator[tuple[str, Finding]]:
    """Every finding with its topic; when a role cannot connect, only that is told."""
    reachable = list(_reached(config))
    yield from (("Connections", finding) for finding in reachable)
    if not all(finding.ok for finding in reachable):
        return
    with connected(config) as subject:
        for topic, checks in TOPICS.items():
            yield from ((topic, finding) for finding in _findings(subject, checks))


def refuse_unsafe_start(config: Config) -> None:
    """Let the web server and the scheduler start only where acknowledged edits last and the schema fits.

    Raises:
        StartRefused: Otherwise. ``FIELDMERGE_UNSAFE_DURABILITY=for-tests-only`` lets the first pass.
        sqlalchemy.exc.OperationalError: The database does not answer.
    """
    checks: list[Check] = [schema.migrations]
    if not config.unsafe_durability:
        checks.append(server.durability)
    _refuse(config, checks)


def accept_database(config: Config) -> None:
    """Take the database as it is now for the one that it should be: its operator has looked.

    Raises:
        sqlalchemy.exc.OperationalError: The database does not answer.
    """
    with connect(config, "engine") as connection:
        note_identity(connection)


def refuse_impossible_upgrade(config: Config) -> None:
    """Let migrations begin only where the roles allow all of them.

    Raises:
        StartRefused: Otherwise.
        sqlalchemy.exc.OperationalError: The database does not answer.
    """
    _refuse(config, roles.BEFORE_UPGRADE)


def _refuse(config: Config, checks: Sequence[Check]) -> None:
    with connected(config) as subject:
        wrong = [finding for finding in _findings(subject, checks) if not finding.ok]
    if wrong:
        raise StartRefused("\n".join(f"{finding.text}\n  → {finding.advice}" for finding in wrong))


def _findings(subject: Subject, checks: Sequence[Check]) -> Iterator[Finding]:
    for check in checks:
        try:
            yield from check(subject)
        except DBAPIError as error:
            yield Finding(
                False,
                f"{check.__name__.replace('_', ' ')} could not be looked at: {_line(error)}",
                "If the migrations are applied, this is a fault of ours: report it, please.",
            )


def _reached(config: Config) -> Iterator[Finding]:
    for part in PARTS:
        try:
            with connect(config, part):
                yield Finding(True, f"{VARIABLE[part]} connects.")
        except OperationalError as error:
            yield Finding(
                False,
                f"{VARIABLE[part]} does not connect: {_line(error)}",
                "Is the server running, and are host, port, role and password right?",
            )


def _line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
