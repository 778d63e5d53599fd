"""Many statements in one message to the database, and their results in one answer."""

import hashlib
import re
from collections import namedtuple
from collections.abc import Callable, Generator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import ClientCursor, generators
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import PoolProxiedConnection, TextClause
from sqlalchemy.dialects.postgresql.psycopg import dialect

from sync.stores.driver import Said, driver_errors

_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
_PLAIN = re.compile(r"[A-Za-z0-9_:.-]*").fullmatch
_DIALECT = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy types it partly
_PREPARED = "fieldmerge_prepared"
_TRANSFORMER = "fieldmerge_transformer"


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement with numbered places."""

    name: str
    sql: str
    places: tuple[str, ...]
    execute: bytes
    plain: bytes
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
        self._makers: dict[str, Callable[[Sequence[Any]], Any]] = {}

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
        info = pooled.info
        statements = [self._statement(one) for one, _ in said]
        with driver_errors():
            if not begin and driver.pgconn.transaction_status == TransactionStatus.IDLE:
                driver.execute("SELECT")  # the driver begins its transaction
            try:
                if self._prepares:
                    _prepare(driver, info, statements)
                message = self._message(driver, info, statements, said, begin=begin, end=end)
                try:
                    found = self._sent(driver, info, message, statements, 1 if begin else 0)
                except psycopg.errors.InvalidSqlStatementName:
                    # The driver lets go of all prepared statements after a rollback, of ours too.
                    driver.rollback()
                    info[_PREPARED] = _still_prepared(driver)
                    _prepare(driver, info, statements)
                    found = self._sent(driver, info, message, statements, 1 if begin else 0)
            finally:
                # Nothing, where the message has ended its transaction.
                is_whole = bool(begin and end) and not driver.closed
                if is_whole and driver.pgconn.transaction_status != TransactionStatus.IDLE:
                    driver.rollback()
        return found

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
            message = self._message(driver, pooled.info, statements, said)
            return self._sent(driver, pooled.info, message, statements, 0)

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
            message = self._message(driver, pooled.info, statements, said, end=end, whole=not as_prepared)
            return self._sent(driver, pooled.info, message, statements, 0)

    def _message(
        self,
        driver: psycopg.Connection[Any],
        info: MutableMapping[Any, Any],
        statements: Sequence[_Statement],
        said: Sequence[Said],
        *,
        begin: str = "",
        end: str = "",
        whole: bool = False,
    ) -> bytes:
        """All in one; statements in full where nothing is prepared, or where they are to be sent *whole*."""
        literal = _transformer(driver, info).as_literal
        parts = [begin.encode()] if begin else []
        for statement, (_, asked) in zip(statements, said, strict=True):
            plain = whole or not self._prepares
            names = statement.order if plain else statement.places
            values = tuple(_literal(literal, asked[name]) for name in names)
            parts.append((statement.plain if plain else statement.execute) % values)
        if end:
            parts.append(end.encode())
        return b";".join(parts)

    def _sent(
        self,
        driver: psycopg.Connection[Any],
        info: MutableMapping[Any, Any],
        message: bytes,
        statements: Sequence[_Statement],
        first: int,
    ) -> list[list[Any]]:
        """Send a message, and give the rows of the statements, of which *first* is the place of the first.

        Past the driver's cursors: describing each result and making a class for its rows took them longer than
        PostgreSQL needs for an answer.
        """
        with driver.lock:
            results = driver.wait(exchanged(driver, message))
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result, encoding=driver.info.encoding)
        transformer = _transformer(driver, info)
        found: list[list[Any]] = []
        for statement, result in zip(statements, results[first:], strict=False):
            if result.status != ExecStatus.TUPLES_OK:
                found.append([])
                continue
            maker = self._makers.get(statement.name)
            if maker is None:
                maker = self._makers[statement.name] = _maker(result)
            transformer.set_pgresult(result)
            found.append(transformer.load_rows(0, result.ntuples, maker))
        transformer.set_pgresult(None)
        return found

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
    execute = f"EXECUTE {name} ({', '.join(['%s'] * len(places))})" if places else f"EXECUTE {name}"
    return _Statement(name, sql, tuple(places), execute.encode(), plain.encode(), tuple(order))


def _prepare(
    driver: psycopg.Connection[Any], info: MutableMapping[Any, Any], statements: Sequence[_Statement]
) -> None:
    """Prepare what is not yet, in no transaction where none is open: the message begins its own."""
    prepared: set[str] = info.setdefault(_PREPARED, set())
    new = {statement.name: statement for statement in statements if statement.name not in prepared}
    if not new:
        return
    is_idle = driver.pgconn.transaction_status == TransactionStatus.IDLE
    autocommit = driver.autocommit
    if is_idle:
        driver.autocommit = True
    try:
        for statement in new.values():
            with ClientCursor(driver) as cursor:
                cursor.execute(f"PREPARE {statement.name} AS {statement.sql}".encode())
            prepared.add(statement.name)
    finally:
        if is_idle and not driver.closed:
            driver.autocommit = autocommit


def _still_prepared(driver: psycopg.Connection[Any]) -> set[str]:
    """Those of ours that the connection knows; what was prepared after the rollback is there still."""
    with ClientCursor(driver) as cursor:
        found = {row[0] for row in cursor.execute("SELECT name FROM pg_prepared_statements")}
    driver.rollback()
    return found


def exchanged(driver: psycopg.Connection[Any], message: bytes) -> Generator[Any, Any, list[PGresult]]:
    """Send a message and wait for all that comes back, as the driver's own cursors do."""
    driver.pgconn.send_query(message)
    results: list[PGresult] = yield from generators.execute(driver.pgconn)
    return results


def _transformer(driver: psycopg.Connection[Any], info: MutableMapping[Any, Any]) -> Any:
    """Of the connection; it remembers how values of each type are written and read."""
    found = info.get(_TRANSFORMER)
    if found is None:
        found = info[_TRANSFORMER] = Transformer(driver)
    return found


def _literal(literal: Callable[[Any], Any], value: Any) -> bytes:
    """As the driver writes it, which needs ten times as long for what is asked with most."""
    kind = type(value)
    if kind is UUID:  # half of all values, and nothing in them needs to be quoted
        return b"'%032x'::uuid" % value.int
    if kind is str and _PLAIN(value):
        return b"'%b'" % value.encode()
    if kind is datetime and value.tzinfo is UTC:
        return b"'%b'::timestamptz" % value.isoformat().encode()
    if kind is list and len(value) == 1 and type(value[0]) is UUID:
        return b"'{%032x}'::uuid[]" % value[0].int
    return b"NULL" if value is None else bytes(literal(value))


def _maker(result: PGresult) -> Callable[[Sequence[Any]], Any]:
    """Makes a named tuple of a row."""
    names = [(result.fname(n) or b"").decode() for n in range(result.nfields)]
    kind: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # its names are the database's
    maker: Callable[[Sequence[Any]], Any] = kind._make
    return maker
