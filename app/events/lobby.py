"""The held connections: a greenlet each, woken by the thread that knows the database."""

import random
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Self

import gevent
from gevent.event import Event

from app.config import Config
from app.core.clock import utc_now
from app.core.errors import Unavailable
from app.events.desk import Desk
from app.events.metrics import DROPPED, STREAMS
from app.events.stream import Ending, News, Stream
from app.http.auth import AccessClaims
from app.http.errors import retry_after_s

SOCKET: Final = "fieldmerge.socket"
ADMISSION_S: Final = 20.0  # a thousand phones may come at once
RETRY_MS: Final = (2_000, 12_000)
FULL_RETRY_S: Final = 10
JITTER: Final = 0.25
STILL_HERE: Final = b": still here\n\n"
_READABLE = 1


class HeldStream(Stream):
    """A stream, with what wakes its greenlet."""

    def __init__(self, claims: AccessClaims, after: int | None, ring: Callable[[Any], None]) -> None:
        """Of the token's device; integrations have none and get no stream."""
        if claims.device_id is None:
            raise ValueError("a stream belongs to a device")
        super().__init__(claims.tenant_id, claims.user_id, claims.device_id, after, ring)
        self.event = Event()

    def next(self, seconds: float) -> News:
        """What came, after waiting for it up to so long."""
        self.event.wait(max(0.0, seconds))
        self.event.clear()
        return self.take()


class Bell:
    """Wakes greenlets from the database's thread."""

    def __init__(self) -> None:
        self._rung: deque[HeldStream] = deque()
        self._watcher = gevent.get_hub().loop.async_()
        self._watcher.start(self._deliver)

    def ring(self, stream: HeldStream) -> None:
        """There is news for this stream; from any thread."""
        self._rung.append(stream)
        self._watcher.send()

    def _deliver(self) -> None:
        while self._rung:
            self._rung.popleft().event.set()


class Lobby:
    """Every stream of the process."""

    def __init__(self, config: Config, desk: Desk) -> None:
        """Streams are let in by *desk*, which runs in another thread."""
        self._desk = desk
        self._most = config.events_max
        self._heartbeat_s = float(config.events_heartbeat_s)
        self._bell = Bell()
        self._open: set[HeldStream] = set()
        self._closing = False

    @property
    def ready(self) -> bool:
        """Whether phones are let in and the database is heard."""
        return self._desk.listening and not self._closing

    @property
    def count(self) -> int:
        """How many streams there are."""
        return len(self._open)

    def enter(
        self,
        claims: AccessClaims,
        expires: datetime,
        after: int | None,
        environ: dict[str, Any],
        *,
        says_resync: bool = False,
    ) -> "Chunks":
        """Hold the connection of a request.

        Args:
            claims: Of a proved token, with a device.
            expires: When the token does.
            after: Position that the phone was told last.
            environ: Of the request, with its socket.
            says_resync: Its phone speaks as the RxDB client does.

        Raises:
            Unavailable: There are too many, or there is no database.
            DomainError: Users and devices that are not let in (any more).
        """
        if self._closing or len(self._open) >= self._most:
            DROPPED.labels("full").inc()
            raise Unavailable("Too many connections.", retry_after_s=FULL_RETRY_S + 5 * retry_after_s())
        stream = HeldStream(claims, after, self._bell.ring)
        self._open.add(stream)
        STREAMS.set(len(self._open))
        try:
            first = self._admit(stream)
        except BaseException:
            self.leave(stream)
            raise
        changed = _resync if says_resync else _changed
        return Chunks(stream, first, expires, self._heartbeat_s, environ[SOCKET], self.leave, changed)

    def _admit(self, stream: HeldStream) -> News:
        """Ask the desk, and wait for its word; a ping may come with it."""
        self._desk.join(stream)
        until = time.monotonic() + ADMISSION_S
        while (left := until - time.monotonic()) > 0:
            news = stream.next(left)
            if news.refusal is not None:
                raise news.refusal
            if news.admitted:
                return news
        DROPPED.labels("no_answer").inc()
        raise Unavailable("No database.")

    def leave(self, stream: HeldStream) -> None:
        """Let go of a stream."""
        if stream in self._open:
            self._open.discard(stream)
            STREAMS.set(len(self._open))
            stream.abandoned = True
            self._desk.leave(stream)

    def close(self) -> None:
        """Take nobody in any more and send everybody away, to come back."""
        self._closing = True
        for stream in list(self._open):
            stream.end(Ending.RECONNECT)


class Chunks:
    """The body of the answer: what to write next, waited for.

    The connection is given up at once when the other side closes it (or sends anything, which nobody who
    waits for events does). ``close`` is called however the answer ends.
    """

    def __init__(
        self,
        stream: HeldStream,
        first: News,
        expires: datetime,
        heartbeat_s: float,
        connection: Any,
        leave: Callable[[HeldStream], None],
        changed: Callable[[int], bytes],
    ) -> None:
        """Of an admitted stream; *first* came with its admission, *changed* words a ping."""
        self._stream = stream
        self._changed = changed
        self._waiting = [f"retry: {random.randint(*RETRY_MS)}\n\n".encode(), *self._lines(first)]  # noqa: S311
        self._over = first.ending is not None
        self._expires = expires
        self._heartbeat_s = heartbeat_s
        self._leave = leave
        self._gone = False
        self._watcher = gevent.get_hub().loop.io(connection.fileno(), _READABLE)
        self._watcher.start(self._on_readable)

    def _on_readable(self) -> None:
        self._watcher.stop()
        self._gone = True
        self._stream.event.set()

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> bytes:
        """What to write next; a comment when nothing came for a while."""
        if self._waiting:
            whole, self._waiting = b"".join(self._waiting), []
            return whole
        quiet_until = time.monotonic() + self._heartbeat_s * random.uniform(1, 1 + JITTER)  # noqa: S311
        while not (self._over or self._gone):
            left = (self._expires - utc_now()).total_seconds()
            if left <= 0:
                self._over = True
                return _ended(Ending.REAUTH)
            quiet = quiet_until - time.monotonic()
            if quiet <= 0:
                return STILL_HERE
            news = self._stream.next(min(left, quiet))
            self._over = news.ending is not None
            if lines := self._lines(news):
                return b"".join(lines)
        raise StopIteration

    def _lines(self, news: News) -> list[bytes]:
        found = [] if news.position is None else [self._changed(news.position)]
        return found if news.ending is None else [*found, _ended(news.ending)]

    def close(self) -> None:
        """Let go of everything; more than once does no harm."""
        self._watcher.stop()
        self._watcher.close()
        self._leave(self._stream)


def _changed(position: int) -> bytes:
    return f'id: {position}\nevent: changed\ndata: {{"position": {position}}}\n\n'.encode()


def _resync(position: int) -> bytes:
    return f"id: {position}\ndata: RESYNC\n\n".encode()


def _ended(ending: Ending) -> bytes:
    return f"event: {ending}\ndata: {{}}\n\n".encode()
