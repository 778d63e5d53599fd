"""The one thread that knows the database: it listens, admits streams, and finds whom a change concerns."""

import contextlib
import os
import random
import select
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.clock import utc_now
from app.core.db import set_writer, sqlalchemy_url
from app.core.errors import DomainError, Forbidden, Unavailable
from app.core.scope import Actor, Role
from app.events.audience import Audience, Hall
from app.events.metrics import LISTENING, PINGS
from app.events.queries import head_of, probe
from app.events.stream import Ending, Stream
from app.identity.service import actor_of
from app.sync_api.registry import REGISTRY
from sync.pull import Channel

APPLICATION_NAME: Final = "fieldmerge-events"
FEED_CHANNEL: Final = "fieldmerge_sync"  # tenant:position, of every drain
PEOPLE_CHANNEL: Final = "fieldmerge_people"  # tenant:user, whose rights, devices or subscriptions changed
LISTENERS: Final = frozenset({Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.ADMIN, Role.PARTNER})

_READ, _WRITE = 0, 1
_NO_DATABASE = (DBAPIError, psycopg.Error, OSError)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How the desk spreads its work. Times in seconds.

    Attributes:
        gather: How long notifications of one company are gathered into one question.
        recheck: How often everybody is looked at again, for what changes by time alone.
        slice: How many people are looked at between two looks at the notifications.
        retry_first: Pause after the first failure to connect; it doubles with each.
        retry_most: Longest pause.
    """

    gather: float = 0.1
    recheck: float = 60.0
    slice: int = 25
    retry_first: float = 0.25
    retry_most: float = 15.0


class Desk:
    """Serves all streams of a process with one connection.

    ``join``, ``leave`` and ``stop`` may be called from any thread and return at once; everything else
    happens in the thread that calls ``run``. LISTEN needs a connection straight to PostgreSQL.
    """

    def __init__(
        self, url: str, *, pace: Pace | None = None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Prepare; nothing connects before ``run``.

        Args:
            url: Direct address of the database, as the app role: row-level security holds here too.
            pace: How the work is spread.
            clock: Server time, aware UTC.
        """
        self._engine = create_engine(
            sqlalchemy_url(url),
            poolclass=NullPool,
            connect_args={
                "application_name": APPLICATION_NAME,
                "connect_timeout": 5,
                # A server that vanished without a word is noticed within half a minute.
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 20_000,
                "options": "-c statement_timeout=10000 -c idle_in_transaction_session_timeout=60000",
            },
        )
        self._pace = pace or Pace()
        self._clock = clock
        self._audience = Audience()
        self._asked: deque[tuple[str, Stream]] = deque()
        self._due: dict[UUID, float] = {}
        self._people: dict[tuple[UUID, UUID], bool] = {}
        self._recheck_at = 0.0
        self._stopping = False
        self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.listening = False

    # -- from any thread

    def join(self, stream: Stream) -> None:
        """Have a stream admitted or refused soon; it is told."""
        self._ask("join", stream)

    def leave(self, stream: Stream) -> None:
        """Forget a stream."""
        self._ask("leave", stream)

    def stop(self) -> None:
        """End ``run`` soon."""
        self._stopping = True
        self._wake()

    def _ask(self, what: str, stream: Stream) -> None:
        self._asked.append((what, stream))
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it wakes anyway
            os.write(self._bell[_WRITE], b".")

    # -- the thread

    def run(self) -> None:
        """Serve until ``stop``; a lost database is connected to again."""
        pause = self._pace.retry_first
        while not self._stopping:
            try:
                with self._connected() as line:
                    pause = self._pace.retry_first
                    self._serve(line)
            except _NO_DATABASE as error:
                cause = error.orig if isinstance(error, DBAPIError) else error
                log.warning("events.no_database", error=type(cause).__name__)
            except Exception:  # whatever it is, 1,000 phones still want to be served
                log.exception("events.failed")
            if not self._stopping:
                self._stand_by(pause * random.uniform(0.75, 1.25))  # noqa: S311  (spreads load)
                pause = min(2 * pause, self._pace.retry_most)
        self._refuse_all()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection that listens. Whoever is connected may have missed something and is told."""
        with self._engine.connect() as line:
            for channel in (FEED_CHANNEL, PEOPLE_CHANNEL):
                line.exec_driver_sql(f"LISTEN {channel}")
            line.commit()
            self._due = dict.fromkeys(self._audience.halls, time.monotonic())
            self._people = dict.fromkeys(self._audience.everybody(), True)
            self._recheck_at = time.monotonic() + self._pace.recheck
            self.listening = True
            LISTENING.set(1)
            log.info("events.listens", streams=len(self._people))
            try:
                yield line
            except psycopg.Error:  # told by the driver itself: the pool does not know yet
                line.invalidate()
                raise
            finally:
                self.listening = False
                LISTENING.set(0)

    def _stand_by(self, seconds: float) -> None:
        """Without a database streams are held, new ones refused."""
        until = time.monotonic() + seconds
        while not self._stopping and (left := until - time.monotonic()) > 0:
            self._wait([self._bell[_READ]], left)
            self._refuse_all()

    def _refuse_all(self) -> None:
        while self._asked:
            what, stream = self._asked.popleft()
            if what == "join":
                stream.refuse(Unavailable("No database."))
            else:
                self._audience.leave(stream)

    def _serve(self, line: Connection) -> None:
        driver: Any = line.connection.driver_connection
        while not self._stopping:
            # What came with the answer of a question lies with the driver: no socket tells of it.
            self._hear(driver)
            self._wait([self._bell[_READ], driver.fileno()], self._until_next())
            self._hear(driver)
            self._answer(line)
            self._ask_feed(line)
            self._look_at_people(line)

    def _hear(self, driver: Any) -> None:
        for notice in driver.notifies(timeout=0):
            self._heard(notice.channel, notice.payload)

    def _until_next(self) -> float:
        if self._asked or self._people:
            return 0.0
        next_at = min(self._due.values(), default=self._recheck_at)
        return max(0.0, min(next_at, self._recheck_at) - time.monotonic())

    def _wait(self, files: list[int], seconds: float) -> None:
        # Not select(): with a thousand phones the numbers of files go beyond its 1,024.
        poll = select.poll()
        for file in files:
            poll.register(file, select.POLLIN)
        poll.poll(seconds * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(self._bell[_READ], 65_536)

    def _heard(self, channel: str, payload: str) -> None:
        tenant, _, rest = payload.partition(":")
        try:
            tenant_id = UUID(tenant)
            user_id = UUID(rest) if channel == PEOPLE_CHANNEL else None
        except ValueError:  # anybody who can log in can NOTIFY
            return
        if user_id is None:
            if tenant_id in self._audience.halls:
                self._due.setdefault(tenant_id, time.monotonic() + self._pace.gather)
        elif self._audience.listener(tenant_id, user_id) is not None:
            self._people[tenant_id, user_id] = True

    @contextmanager
    def _tenant(self, line: Connection, tenant_id: UUID) -> Iterator[Session]:
        with Session(line) as session, session.begin():
            set_writer(session, tenant_id)
            yield session

    # -- joining

    def _answer(self, line: Connection) -> None:
        """Let in and forget some; those of one company are read in one transaction."""
        asked = [self._asked.popleft() for _ in range(min(self._pace.slice, len(self._asked)))]
        joining: dict[UUID, list[Stream]] = defaultdict(list)
        for what, stream in asked:
            if what == "join" and not stream.abandoned:
                joining[stream.tenant_id].append(stream)
        try:
            for tenant_id, streams in joining.items():
                self._admit(line, tenant_id, streams)
        except Exception:
            for stream in (one for streams in joining.values() for one in streams):
                stream.refuse(Unavailable("No database."))  # who was let in does not hear it
            raise
        finally:
            for what, stream in asked:
                if what == "leave":
                    self._audience.leave(stream)

    def _admit(self, line: Connection, tenant_id: UUID, streams: list[Stream]) -> None:
        """Read who they are and what they are given; refuse those who are not let in."""
        known: list[tuple[Stream, Actor, bool]] = []
        with self._tenant(line, tenant_id) as session:
            for stream in streams:
                try:
                    actor = self._actor(session, stream)
                except DomainError as error:
                    stream.refuse(error)
                else:
                    known.append((stream, actor, self._is_behind(session, stream, actor)))
            head = head_of(session, tenant_id)  # read after the scope: a ping promises both
        for stream, actor, behind in known:
            for other in self._audience.admit(stream, actor.role, channels_of(actor), head):
                other.end(Ending.REPLACED)
            stream.admit()
            if behind:
                stream.ping(head)
                PINGS.inc()

    def _is_behind(self, session: Session, stream: Stream, actor: Actor) -> bool:
        """Whether it missed a change; one that does not say what it knows may have."""
        if stream.after is None or stream.after > head_of(session, stream.tenant_id):
            return True
        return bool(probe(session, stream.tenant_id, channels_of(actor), stream.after).channels)

    def _actor(self, session: Session, stream: Stream) -> Actor:
        actor = actor_of(session, stream.tenant_id, stream.user_id, stream.device_id, self._clock())
        if actor.role not in LISTENERS:
            raise Forbidden
        return actor

    # -- telling

    def _ask_feed(self, line: Connection) -> None:
        now = time.monotonic()
        for tenant_id in [tenant for tenant, due in self._due.items() if due <= now]:
            hall = self._audience.halls.get(tenant_id)
            if hall is not None:
                self._ask_feed_of(line, hall)
            del self._due[tenant_id]

    def _ask_feed_of(self, line: Connection, hall: Hall) -> None:
        """One question for all who are connected, however many drains there were."""
        with self._tenant(line, hall.tenant_id) as session:
            found = probe(session, hall.tenant_id, hall.channels(), hall.told)
        hall.told = found.head
        PINGS.inc(sum(listener.ping_news(found.head) for listener in hall.concerned(found.channels)))

    def _look_at_people(self, line: Connection) -> None:
        """Look again at some whose rights may have changed; once in a while at everybody."""
        if time.monotonic() >= self._recheck_at:
            self._recheck_at = time.monotonic() + self._pace.recheck
            for person in self._audience.everybody():
                self._people.setdefault(person, False)
        due: dict[UUID, list[UUID]] = defaultdict(list)
        for tenant_id, user_id in islice(self._people, self._pace.slice):
            due[tenant_id].append(user_id)
        for tenant_id, users in due.items():
            self._look_at(line, tenant_id, users)

    def _look_at(self, line: Connection, tenant_id: UUID, users: list[UUID]) -> None:
        """End the streams of people that may not go on; tell the others where their scope changed."""
        found: dict[UUID, dict[Stream, Actor | None]] = {}
        with self._tenant(line, tenant_id) as session:
            for user_id in users:
                listener = self._audience.listener(tenant_id, user_id)
                streams = listener.streams if listener else []
                found[user_id] = {stream: self._actor_or_none(session, stream) for stream in streams}
            head = head_of(session, tenant_id)
        for user_id, actors in found.items():
            self._follow(tenant_id, user_id, actors, head, tell=self._people.pop((tenant_id, user_id)))

    def _actor_or_none(self, session: Session, stream: Stream) -> Actor | None:
        try:
            return self._actor(session, stream)
        except DomainError:
            return None

    def _follow(
        self, tenant_id: UUID, user_id: UUID, actors: dict[Stream, Actor | None], head: int, *, tell: bool
    ) -> None:
        """Do for a user's streams what follows from what was read."""
        listener = self._audience.listener(tenant_id, user_id)
        actor = next((found for found in actors.values() if found is not None), None)
        if listener is None:
            return
        ending = {stream: Ending.REAUTH for stream, found in actors.items() if found is None}
        if actor is not None:
            channels = channels_of(actor)
            if tell or channels != listener.channels or actor.role is not listener.role:
                PINGS.inc(listener.ping(head))
            if actor.role is not listener.role:
                ending = dict.fromkeys(actors, Ending.RECONNECT) | ending
            self._audience.halls[tenant_id].give(user_id, actor.role, channels)
        for stream, why in ending.items():
            self._audience.leave(stream)
            stream.end(why)


def channels_of(actor: Actor) -> frozenset[Channel]:
    """What a person's phones read of the feed: each bucket in each shape that their role is shown."""
    shapes = REGISTRY.shapes_of(actor.scope.shape)
    return frozenset((bucket, shape) for bucket in actor.scope.buckets for shape in shapes)
