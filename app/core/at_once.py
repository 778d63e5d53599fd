"""Many statements in one message to the database, and their results in one answer."""

import hashlib
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import ClientCursor
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import namedtuple_row
from sqlalchemy import PoolProxiedConnection, TextClause
from sqlalchemy.dialects.postgresql.psycopg import dialect

from sync.stores.driver import driver_errors

Said = tuple[TextClause | str, Mapping[str, Any]]
"""A statement, as text() or in the words of the driver, and its values."""

_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
_DIALECT = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy types it partly
_PREPARED = "fieldmerge_prepared"


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement with numbered places."""

    name: str
    sql: str
    places: tuple[str, ...]
    plain: str
    order: tuple[str, ...]


class AtOnce:
    """Sends statements together: one message there, one back, whatever their number.

    Each statement is prepared once on each connection, so that it is not planned at every request; behind
    a pooler, which gives another connection at every transaction, it is sent whole.
    """

    def __init__(self, *, prepares: bool) -> None:
        """Say whether statements may be prepared."""
        self._prepares = prepares
        self._known: dict[str, _Statement] = {}

    def ask(
        self, pooled: PoolProxiedConnection, said: Sequence[Said], *, begin: str = "", end: str = ""
    ) -> list[list[Any]]:
        """The rows of each statement, as named tuples.

        Args:
            pooled: The connection; without *begin* its transaction has done nothing yet, and goes on.
            said: The statements.
            begin: With what the message starts a transaction; the connection is in none. Without *end* it goes
                on, and the connection begins and ends none by itself (AUTOCOMMIT).
            end: With what the message ends it.

        Raises:
            DBAPIError: As the engine would; the transaction is over, or has to be rolled back.
        """
        driver: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
        statements = [self._statement(one) for one, _ in said]
        message, values = self._message(statements, said)
        message = ";".join(part for part in (begin, message, end) if part)
        with driver_errors():
            autocommit, is_whole = driver.autocommit, bool(begin and end)
            if is_whole:
                driver.autocommit = True
            try:
                if self._prepares:
                    _prepare(driver, pooled.info, statements)
                try:
                    found = _results(driver, message, values)
                except psycopg.errors.InvalidSqlStatementName:
                    # The driver lets go of all prepared statements after a rollback, of ours too.
                    driver.rollback()
                    pooled.info[_PREPARED] = _still_prepared(driver)
                    _prepare(driver, pooled.info, statements)
                    found = _results(driver, message, values)
            finally:
                if is_whole and not driver.closed:
                    driver.rollback()  # nothing, where the message has ended its transaction
                    driver.autocommit = autocommit
        return found[1 if begin else 0 : len(said) + (1 if begin else 0)]

    def go_on(self, pooled: PoolProxiedConnection, said: Sequence[Said]) -> list[list[Any]]:
        """The rows of each statement, in the middle of a transaction that must not be begun anew.

        Raises:
            DBAPIError: As the engine would, also where the driver has let go of what was prepared, as it does after
                a savepoint that was rolled back: the transaction has to be rolled back and made again.
        """
        driver: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
        statements = [self._statement(one) for one, _ in said]
        with driver_errors():
            if self._prepares:
                _prepare(driver, pooled.info, statements)
            return _results(driver, *self._message(statements, said))

    def close(
        self, pooled: PoolProxiedConnection, said: Sequence[Said], *, end: str, as_prepared: bool = False
    ) -> list[list[Any]]:
        """The same for the end of a transaction that has done something, of which nothing may be prepared anew.

        What was prepared is gone after a savepoint that was rolled back, and asking anew would be too late. Whoever
        can make the whole transaction anew says *as_prepared*.
        """
        driver: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
        statements = [self._statement(one) for one, _ in said]
        with driver_errors():
            if as_prepared and self._prepares:
                _prepare(driver, pooled.info, statements)
            message, values = self._message(statements, said, as_prepared=as_prepared)
            return _results(driver, ";".join(part for part in (message, end) if part), values)[: len(said)]

    def _message(
        self, statements: Sequence[_Statement], said: Sequence[Said], *, as_prepared: bool = True
    ) -> tuple[str, list[Any]]:
        """The words and values of statements that were prepared, where they may be."""
        by_name = self._prepares and as_prepared
        parts: list[str] = []
        values: list[Any] = []
        for statement, (_, asked) in zip(statements, said, strict=True):
            values += [asked[name] for name in (statement.places if by_name else statement.order)]
            parts.append(_execute(statement) if by_name else statement.plain)
        return ";".join(parts), values

    @staticmethod
    def sent(said: TextClause | str) -> str:
        """A statement in the words of the driver."""
        return said if isinstance(said, str) else str(said.compile(dialect=_DIALECT))

    def _statement(self, said: TextClause | str) -> _Statement:
        text = said if isinstance(said, str) else said.text
        found = self._known.get(text)
        if found is None:
            sent = self.sent(said)
            # By what it says: two threads that meet a new statement at once must not call two by one name.
            name = f"fieldmerge_{hashlib.sha256(sent.encode()).hexdigest()[:24]}"
            found = self._known[text] = _numbered(name, sent)
        return found


class Gathering:
    """Takes statements as a connection does, to be sent at once; for those that need no result."""

    def __init__(self) -> None:
        """Start empty."""
        self.said: list[Said] = []

    def execute(self, statement: TextClause, values: Mapping[str, Any]) -> None:
        """Remember a statement."""
        self.said.append((statement, values))


def _numbered(name: str, sent: str) -> _Statement:
    places: list[str] = []
    order: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] is None:
            return "%"
        order.append(found[1])
        if found[1] not in places:
            places.append(found[1])
        return f"${places.index(found[1]) + 1}"

    sql = _PARAMETER.sub(number, sent)
    plain = _PARAMETER.sub(lambda found: "%%" if found[1] is None else "%s", sent)
    return _Statement(name, sql, tuple(places), plain, tuple(order))


def _execute(statement: _Statement) -> str:
    return f"EXECUTE {statement.name} ({', '.join(['%s'] * len(statement.places))})"


def _prepare(
    driver: psycopg.Connection[Any], info: MutableMapping[Any, Any], statements: Sequence[_Statement]
) -> None:
    prepared: set[str] = info.setdefault(_PREPARED, set())
    for statement in statements:
        if statement.name not in prepared:
            with ClientCursor(driver) as cursor:
                cursor.execute(f"PREPARE {statement.name} AS {statement.sql}".encode())
            prepared.add(statement.name)


def _still_prepared(driver: psycopg.Connection[Any]) -> set[str]:
    """Those of ours that the connection knows; what was prepared after the rollback is there still."""
    with ClientCursor(driver) as cursor:
        return {row[0] for row in cursor.execute("SELECT name FROM pg_prepared_statements")}


def _results(driver: psycopg.Connection[Any], message: str, values: Sequence[Any]) -> list[list[Any]]:
    found: list[list[Any]] = []
    with ClientCursor(driver, row_factory=namedtuple_row) as cursor:
        cursor.execute(message.encode(), values)
        while True:
            # Asking the cursor for its description would describe every column.
            found.append(cursor.fetchall() if _has_rows(cursor.pgresult) else [])
            if not cursor.nextset():
                return found


def _has_rows(result: PGresult | None) -> bool:
    return result is not None and result.status == ExecStatus.TUPLES_OK
