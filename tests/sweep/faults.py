"""Connections on which the n-th statement fails: refused by the database, or the connection lost before or after it."""

import os
import re
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any
from unittest import mock

import psycopg
from psycopg._cursor_base import BaseCursor
from psycopg.pq import TransactionStatus
from psycopg.sql import Composable
from sqlalchemy import Engine, event

from app.core import at_once

Steps = Generator[Any, Any, Any]
"""What psycopg does for one statement, as the generators of which all of it is made."""


class Mode(StrEnum):
    """How a statement fails."""

    CANCELLED = "57014"
    SERIALIZATION = "40001"
    DISK_FULL = "53100"
    LOST_BEFORE = "lost before it"
    LOST_AFTER = "lost after it"

    @property
    def loses_the_connection(self) -> bool:
        """Whether the connection is gone, or only the statement."""
        return self in (Mode.LOST_BEFORE, Mode.LOST_AFTER)


ERRORS = (Mode.CANCELLED, Mode.SERIALIZATION, Mode.DISK_FULL)
CONNECT = "CONNECT"


@dataclass(frozen=True)
class Plan:
    """Which statements fail: from the one with number *first* to *last*; without a *last* until there is an answer."""

    first: int = 1
    last: int | None = 0

    def has(self, number: int) -> bool:
        """Whether the statement of that number fails."""
        return self.first <= number and (self.last is None or number <= self.last)


NOTHING = Plan()


@dataclass
class Faults:
    """Counts the statements of the pools that it watches, and fails those that are chosen.

    Attributes:
        seen: Statements since it was armed, in order.
        met: Those of them that failed.
    """

    mode: Mode | None = None
    plan: Plan = NOTHING
    armed: bool = False
    seen: list[str] = field(default_factory=list)
    met: list[str] = field(default_factory=list)

    def watch(self, pool: Engine) -> None:
        """Let *pool* make connections of ours from now on; those that it has are closed."""

        def connect(dialect: Any, record: Any, args: list[Any], values: dict[str, Any]) -> Any:
            if self.meets(CONNECT) is not None:
                raise psycopg.OperationalError("connection refused (planted)")
            made = SweptConnection.connect(*args, **values)
            made.faults = self
            return made

        event.listen(pool, "do_connect", connect)
        pool.dispose()

    def arm(self, mode: Mode | None, plan: Plan) -> None:
        """Begin to count at 1; the statements of *plan* fail by *mode*."""
        self.mode, self.plan, self.armed = mode, plan, True
        self.seen, self.met = [], []

    def disarm(self) -> None:
        """Everything works again."""
        self.armed = False

    def meets(self, statement: str) -> Mode | None:
        """How this statement is to fail; None when it is not."""
        if not self.armed:
            return None
        self.seen.append(statement)
        if self.mode is None or not self.plan.has(len(self.seen)):
            return None
        self.met.append(statement)
        return self.mode


class SweptConnection(psycopg.Connection[Any]):
    """A connection on which everything that is sent to the server passes ``swept``.

    These are psycopg's own generators, the lowest place above the library in C: BEGIN, COMMIT and savepoints as
    well as queries, in a pipeline or not.
    """

    faults: Faults | None = None

    def _exec_command(self, command: Any, *args: Any, **values: Any) -> Steps:
        if isinstance(command, Composable):
            command = command.as_bytes(self)
        plain = command.decode() if isinstance(command, bytes) else command
        send = partial(psycopg.Connection._exec_command, self, command, *args, **values)
        return (yield from self.swept(plain, send))

    def swept(self, message: str, send: Callable[[], Steps]) -> Steps:
        """Send a message, unless one of its statements is to fail: then only those before it are done."""
        statements = statements_of(message)
        for number, statement in enumerate(statements):
            mode = self.faults.meets(" ".join(statement.split())) if self.faults else None
            if mode is not None:
                return (
                    yield from self._fails(
                        mode, statements[:number], statement, statements[number + 1 :], send
                    )
                )
        return (yield from send())

    def _fails(
        self, mode: Mode, before: list[str], statement: str, after: list[str], send: Callable[[], Steps]
    ) -> Steps:
        # Without a transaction of its own or around it, a message of several is one that is undone as a whole.
        has_begun = self.pgconn.transaction_status != TransactionStatus.IDLE or self._pipeline is not None
        if not has_begun and before and not before[0].upper().startswith("BEGIN"):
            before = []
        for one in before:
            yield from psycopg.Connection._exec_command(self, one.encode())
        if mode == Mode.LOST_BEFORE:
            self.cut()
            if not before:
                return (yield from send())
        if mode == Mode.LOST_AFTER:
            if before or after:
                yield from psycopg.Connection._exec_command(self, statement.encode())
            else:
                yield from send()
            if self._pipeline:  # so far it only waits to be sent
                yield from self._pipeline._sync_gen()
                yield from self._pipeline._fetch_gen(flush=True)
            self.cut()
        if mode.loses_the_connection:
            self.pgconn.consume_input()  # libpq finds out, and raises as it does
        yield from self._refused(mode, statement)
        raise AssertionError("the planted error was not raised")

    def _refused(self, mode: Mode, statement: str) -> Steps:
        """Let the database itself raise in place of *statement*, so that the transaction fails as it would."""
        command = statement.split(None, 1)[0].upper()
        if command == "COMMIT":  # whatever a COMMIT fails by, the transaction is over
            if self._pipeline:
                yield from self._pipeline._sync_gen()
            yield from psycopg.Connection._exec_command(self, b"ROLLBACK")
            if self._pipeline:
                yield from self._pipeline._sync_gen()
            raise psycopg.errors.lookup(mode)("planted")
        if command in ("BEGIN", "ROLLBACK") or self.pgconn.transaction_status == TransactionStatus.INERROR:
            raise psycopg.errors.lookup(mode)("planted")
        planted = f"DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{mode}'; END $$"
        yield from psycopg.Connection._exec_command(self, planted.encode())
        if self._pipeline:
            yield from self._pipeline._sync_gen()
            yield from self._pipeline._fetch_gen(flush=True)

    def cut(self) -> None:
        """Close the wire under the library's feet: it learns so at its next word, the server at once."""
        with socket.socket(fileno=os.dup(self.pgconn.socket)) as wire:
            wire.shutdown(socket.SHUT_RDWR)


# Psycopg's own ways to send a query, whatever kind of cursor they are asked of.
_PREPARED = BaseCursor._maybe_prepare_gen
_COPY = BaseCursor._start_copy_gen
_STREAM = BaseCursor._stream_send_gen
# And that of the product, which sends its messages past every cursor.
_EXCHANGED = at_once.exchanged


def _query(self: Any, pgq: Any, **values: Any) -> Steps:
    return (yield from _swept(self, pgq.query, partial(_PREPARED, self, pgq, **values)))


def _copy(self: Any, statement: Any, params: Any = None) -> Steps:
    yield from self._conn._start_query()  # its BEGIN goes first, as it does on the wire
    return (yield from _swept(self, statement, partial(_COPY, self, statement, params)))


def _stream(self: Any, query: Any, *args: Any, **values: Any) -> Steps:
    yield from self._conn._start_query()
    return (yield from _swept(self, query, partial(_STREAM, self, query, *args, **values)))


def _exchanged(connection: Any, message: bytes) -> Steps:
    send = partial(_EXCHANGED, connection, message)
    if not isinstance(connection, SweptConnection):
        return (yield from send())
    return (yield from connection.swept(message.decode(), send))


def _swept(cursor: Any, query: Any, send: Callable[[], Steps]) -> Steps:
    connection = cursor._conn
    if not isinstance(connection, SweptConnection):
        return (yield from send())
    return (yield from connection.swept(query.decode() if isinstance(query, bytes) else str(query), send))


@contextmanager
def every_cursor() -> Iterator[None]:
    """Let the queries of every cursor pass ``swept``, also of those that are made past the connection."""
    with (
        mock.patch.object(BaseCursor, "_maybe_prepare_gen", _query),
        mock.patch.object(BaseCursor, "_start_copy_gen", _copy),
        mock.patch.object(BaseCursor, "_stream_send_gen", _stream),
        mock.patch.object(at_once, "exchanged", _exchanged),
    ):
        yield


_PIECE = re.compile(r"(?i:E)'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"[^\"]*\"|(\$\w*\$).*?\1|--[^\n]*|;|.", re.S)


def statements_of(message: str) -> list[str]:
    """The statements of a message to the database, which may hold several."""
    found = [""]
    for piece in _PIECE.finditer(message):
        if piece[0] == ";":
            found.append("")
        else:
            found[-1] += piece[0]
    return [one.strip() for one in found if one.strip()]
