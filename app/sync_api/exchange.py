"""One round trip of a phone: judge what it pushed, drain, answer what it lacks from one snapshot."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Protocol, Self, cast
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from app.core.at_once import Gathering
from app.core.db import WRITER, Database, set_writer, writer_values
from app.core.scope import Actor, ActorQuery
from app.http.transaction import note_accesses
from app.identity import service as identity
from app.sync_api.looking import look, look_in
from app.sync_api.metrics import DRAINS_FAILED
from app.sync_api.pushing import Identity, NotOfThisLife, Pushing, Standing
from app.sync_api.scopes import Scopes
from app.sync_api.synced import Synced
from app.sync_api.wire import SyncRequest
from sync.cursor import Cursor, CursorInvalid, decode, encode
from sync.errors import RequestInvalid
from sync.packing import PLAIN, Packing
from sync.pull import Ask, Page, Restored, Worth, in_order, pull, worth_of
from sync.push import Pushed
from sync.registry import Registry
from sync.render import body_sql
from sync.segments import Segments
from sync.sequencer import REQUEST_MARKS, Drainer
from sync.stores.driver import statement
from sync.stores.epochs import begin_epoch, lives, note_carried
from sync.stores.feed import FeedReader, keep_given, keep_left_out, keep_set, set_id_of
from sync.stores.glance import Awaited, Glance, NotAtAGlance
from sync.stores.support import note_clone
from sync.verdicts import Verdict

log = structlog.get_logger(__name__)

BOOKKEEPING = timedelta(seconds=60)
"""How stale a device's row may be when nothing else is to be written."""

HEADS = 10_000
"""Companies of which a process remembers where the feed ends."""

PERSONAL = ("account", "contact", "visit", "activity", "task", "conflict")
"""Entities whose reading is written down in the access log."""


@dataclass(frozen=True, slots=True)
class _DeviceRow:
    highest_n: int
    known: tuple[Any, ...]
    last_sync_at: datetime | None


class Trace(Protocol):
    """Writes down that a device synced; ``sync.stores.support.note_sync_trace``."""

    def __call__(
        self,
        connection: Connection,
        tenant_id: UUID,
        device_id: UUID,
        /,
        *,
        at: datetime,
        kind: str,
        duration_ms: int,
        mutations: int,
        verdicts: Mapping[str, int],
        changes: int,
        removed: int,
        position: int | None,
        has_more: bool,
        directives: Sequence[str],
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Sent:
    """The body of an answer, and how it is compressed already, if it is."""

    body: bytes
    encoding: str


@dataclass(slots=True)
class _Answer:
    """What was found for one request, on its way out."""

    pushed: Pushed
    actor: Actor
    device: _DeviceRow
    page: Page
    records: dict[tuple[str, UUID], str]
    started: float
    held: bool

    @property
    def directives(self) -> list[str]:
        """What the device has to do."""
        told = {"rebase": self.page.rebase, "upgrade": self.held, "reauth": self.pushed.cloned}
        return [name for name, is_told in told.items() if is_told]


@dataclass(frozen=True, slots=True)
class PulledPage:
    """Whose a page is, for a door that fills it of several."""

    actor: Actor
    device: _DeviceRow
    started: float

    @classmethod
    def of(cls, actor: Actor, row: Any, started: float) -> Self:
        """Of the actor and of the row of ``GLANCE`` in one snapshot."""
        return cls(actor, _device_of(row), started)

    def answer(self, page: Page) -> _Answer:
        """The page as an answer to a request without mutations."""
        return _Answer(Pushed([], 0, False), self.actor, self.device, page, {}, self.started, False)


class Exchange:
    """Serves ``POST /sync`` for one process."""

    def __init__(
        self,
        db: Database,
        registry: Registry,
        synced: Mapping[str, Synced],
        drainer: Drainer,
        clock: Callable[[], datetime],
        key: bytes,
        *,
        events_path: str | None = None,
        trace: Trace | None = None,
    ) -> None:
        """Join the parts.

        Args:
            db: The pools.
            registry: Policies.
            synced: Policies with their schemas and verbs.
            drainer: Sequences for requests.
            clock: Server time, aware UTC.
            key: Secret under which cursors are made.
            events_path: Where the live pings are served, if they are.
            trace: Keeps the last syncs of each device for support.
        """
        self.db = db
        self.registry = registry
        self.synced = synced
        self.pushing = Pushing(db, registry, synced, clock)
        self.drainer = drainer
        self.clock = clock
        self.key = key
        self.events_path = events_path
        self.trace = trace
        self.segments = Segments()
        self.scopes = Scopes()
        self._heads: dict[UUID, int] = {}

    def answer(
        self,
        who: Identity,
        request: SyncRequest,
        query: ActorQuery,
        packing: Packing = PLAIN,
    ) -> Sent:
        """The whole answer as JSON.

        Args:
            who: From the access token.
            request: Checked envelope.
            query: Reads user, role, scope and the device's state; raises Unauthenticated.
            packing: How the answer is compressed when it is large.

        Raises:
            RequestInvalid: 400; nothing was judged.
            Unauthenticated: 401.
            Unavailable: 503; send it again.
        """
        started = time.monotonic()
        cursor = self._cursor(who, request.cursor)
        if cursor is None and request.mutations:
            raise RequestInvalid("mutations_without_cursor", "/mutations")
        pushed, unjudged = Pushed([], 0, False), False
        if cursor is not None and request.mutations:
            judged = self._pushed(who, query, request, cursor)
            if judged is None:
                cursor, unjudged = None, True
            else:
                pushed = judged
        has_drained = pushed.marks > 0
        if has_drained:
            self._drain(who, pushed.marks, scope_differs=False)
        answer = None
        if cursor is not None:
            answer = self._glanced(who, query, request, cursor, pushed, started)
        answer = answer or self._pulled(who, query, request, cursor, pushed, started, packing, has_drained)
        # A phone whose work was not judged has to come again with it.
        answer.page.has_more = answer.page.has_more or unjudged
        self._keep(who, request, answer)
        page = answer.page
        return _json(
            pushed.verdicts,
            answer.records,
            page,
            epoch=page.cursor.epoch,
            # A phone that stays where it was keeps its token.
            token=request.cursor if page.cursor == cursor else encode(page.cursor, self.key),
            now=self.clock(),
            events=self.events_path,
            directives=answer.directives,
            packing=packing,
        )

    def push(self, who: Identity, request: SyncRequest, query: ActorQuery) -> Pushed | None:
        """Judge and sequence, and give nothing back: for clients that pull by a request of its own.

        Args:
            who: From the access token.
            request: With mutations, and a cursor.
            query: As for ``answer``.

        Returns:
            None where nothing was judged, because of what the cursor is worth: the client has to pull first.

        Raises:
            Unauthenticated: 401.
            Unavailable: 503; send it again.
        """
        cursor = self._cursor(who, request.cursor)
        pushed = None if cursor is None else self._pushed(who, query, request, cursor)
        if pushed is not None and pushed.marks:
            self._drain(who, pushed.marks, scope_differs=False)
        return pushed

    def bodies(
        self, who: Identity, query: ActorQuery, wanted: Mapping[str, Collection[UUID]]
    ) -> dict[tuple[str, UUID], str]:
        """Bodies of records as they are now: of those in the caller's scope, in their shape."""
        with self._opened() as (connection, session):
            set_writer(session, who.tenant_id, user_id=who.user_id, device_id=who.device_id)
            actor = query.read(session.execute(query.statement, query.values).one_or_none())
            return self._bodies(connection, session, actor, wanted)

    def farewell(self, who: Identity, request: SyncRequest) -> Sent:
        """The answer to a revoked device, or to a device of a dismissed user: nothing is pulled.

        Args:
            who: From the farewell token.
            request: Checked envelope; its cursor is of no interest.

        Raises:
            Unauthenticated: 401; the device has confirmed before that it wiped itself.
            Unavailable: 503; send it again.
        """
        started = time.monotonic()
        pushed, directives = Pushed([], 0, False), ["wipe"]
        if request.mutations:
            pushed = self.pushing.quarantine(who, request)
        now = self.clock()
        with self.db.session(who.tenant_id, user_id=who.user_id, device_id=who.device_id) as session:
            connection = session.connection()
            epoch = lives(connection, who.tenant_id, who.device_id).present.id
            if request.wiped and not request.mutations and not request.pending:
                identity.confirm_wipe(session, who.tenant_id, who.user_id, who.device_id, now=now)
                directives = []
            _note_sync(connection, who, request, now)
            if self.trace is not None:
                self.trace(
                    connection,
                    who.tenant_id,
                    who.device_id,
                    at=now,
                    kind="farewell",
                    duration_ms=_ms_since(started),
                    mutations=len(request.mutations),
                    verdicts=_counted(pushed),
                    changes=0,
                    removed=0,
                    position=None,
                    has_more=False,
                    directives=directives,
                )
        return _json(
            pushed.verdicts,
            {},
            None,
            epoch=epoch,
            token=None,
            now=now,
            events=None,
            directives=directives,
        )

    def _cursor(self, who: Identity, token: str | None) -> Cursor | None:
        if token is None:
            return None
        try:
            return decode(token, self.key, tenant_id=who.tenant_id, device_id=who.device_id)
        except CursorInvalid as error:
            raise RequestInvalid("cursor_invalid", "/cursor") from error

    # -- epoch

    def _pushed(
        self, who: Identity, query: ActorQuery, request: SyncRequest, cursor: Cursor
    ) -> Pushed | None:
        """The mutations judged; None when they were not, because of what the cursor is worth.

        That is asked before anything is judged, by the first message of the push, and more closely where the
        cursor is not simply good. Without mutations the pull finds the same by itself.
        """
        try:
            return self.pushing.push(who, query, request, cursor)
        except NotOfThisLife:
            standing = self._standing(who, cursor)
        return self.pushing.push(who, query, request, cursor, standing) if standing else None

    def _standing(self, who: Identity, cursor: Cursor) -> Standing | None:
        """In which life of the database the mutations are judged; None when they are not."""
        with self.snapshot(who) as (connection, _):
            reader = FeedReader(connection, who.tenant_id, frozenset())
            highest_n = _device_row(connection, who).highest_n
            worth = worth_of(reader, cursor, reader.head(), highest_n)
            known = lives(connection, who.tenant_id, who.device_id)
        if worth is Worth.EVIDENCE:
            self._begin_epoch(who, cursor.epoch)
        if worth in (Worth.EVIDENCE, Worth.OF_ENDED_EPOCH):
            return None
        carried = known.carried
        if worth is Worth.CARRIED:
            carried |= {cursor.epoch}
            with self.db.session(who.tenant_id) as session:
                note_carried(session.connection(), who.tenant_id, who.device_id, who.user_id, cursor.epoch)
        present = known.present
        return Standing(present.id, present.started_at, present.generation, carried | {present.id})

    def _begin_epoch(self, who: Identity, seen: UUID) -> None:
        """The database was taken back: from now on this is another life of it."""
        log.error("database_restored", tenant_id=str(who.tenant_id), ended_epoch=str(seen))
        with self.db.session(who.tenant_id) as session:
            begin_epoch(session.connection(), seen)

    # -- pull

    @contextmanager
    def _opened(self) -> Iterator[tuple[Connection, Session]]:
        """One repeatable-read, read-only transaction that has seen nothing yet, nor knows whose it is."""
        with self.db.app.connect() as raw:
            connection = raw.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin(), Session(connection, expire_on_commit=False) as session:
                yield connection, session

    @contextmanager
    def snapshot(self, who: Identity) -> Iterator[tuple[Connection, Session]]:
        """One repeatable-read, read-only transaction with the tenant set."""
        with self._opened() as (connection, session):
            set_writer(session, who.tenant_id, user_id=who.user_id, device_id=who.device_id)
            yield connection, session

    def _glanced(
        self,
        who: Identity,
        query: ActorQuery,
        request: SyncRequest,
        cursor: Cursor,
        pushed: Pushed,
        started: float,
    ) -> _Answer | None:
        """The answer when nothing waits and nothing is new, or what is new is known where to look for.

        None when more has to be read. Whoever has pushed has drained: marks that came since are of others.
        """
        awaited = Awaited.of(cursor, limit=request.limit, pending=request.pending)
        if awaited is None and (pushed.verdicts or any(walk.kind == "gain" for walk in cursor.walks)):
            return None
        # What is new is read along where something probably is; else by a second look, once the first has said so.
        is_read_along = bool(pushed.verdicts) or self._heads.get(who.tenant_id, 0) > cursor.position
        while True:
            seen = self._looked(who, query, cursor, awaited if is_read_along else None, pushed)
            if seen is None:
                return None
            actor, row, delta = seen
            glance = Glance(row, actor.scope.buckets, awaited=awaited if is_read_along else None, delta=delta)
            self._note_head(who.tenant_id, row.position)
            drained, live = glance.buckets(who.user_id)
            if (glance.marks and not pushed.marks) or drained != live:
                return None
            device = _device_of(row)
            ask = self._ask(who, actor, request, device)
            try:
                page = pull(glance, self.registry, cursor, ask, set_id_of)
            except NotAtAGlance:
                if is_read_along or awaited is None or not glance.news:
                    return None
                is_read_along = True
                continue
            except Restored:
                return None
            records = self._records_of(page, pushed.verdicts)
            if records is None:
                return None
            return _Answer(pushed, actor, device, page, records, started, ask.changes_held)

    def _looked(
        self, who: Identity, query: ActorQuery, cursor: Cursor, awaited: Awaited | None, pushed: Pushed
    ) -> tuple[Actor, Any, Sequence[Any]] | None:
        """The actor, the row of ``GLANCE`` and what was read along; None when that cannot be had at one look.

        Buckets that are known are not read but supposed, for the caller to prove by marks and drained buckets; not
        where marks are to be expected, with which nothing is proved.
        """
        known = None if pushed.marks or query.brief is None else self.scopes.of(who)
        if known is not None:
            rows = self._look(who, query, cursor, awaited, briefly=True)
            if rows is None or rows[1] is None:
                return None
            if known.is_of(*rows[:2]):
                return query.read(rows[0], known.buckets), rows[1], rows[2]
        rows = self._look(who, query, cursor, awaited)
        if rows is None or rows[1] is None:
            return None
        actor = query.read(rows[0])
        if query.brief is not None:
            self.scopes.learn(who, *rows[:2], actor.scope.buckets)
        return actor, rows[1], rows[2]

    def _look(
        self,
        who: Identity,
        query: ActorQuery,
        cursor: Cursor,
        awaited: Awaited | None,
        *,
        briefly: bool = False,
    ) -> tuple[Any, Any, Sequence[Any]] | None:
        rows = look(self.db, who, query, cursor, awaited, briefly=briefly)
        if rows is None:  # the server was restarted: perhaps because the database was taken back
            self.scopes.forget()
        return rows

    def _note_head(self, tenant_id: UUID, position: int) -> None:
        """Remember where a company's feed ends, to guess whether a phone that stands before it lacks something."""
        if len(self._heads) >= HEADS:
            self._heads.clear()
        self._heads[tenant_id] = position

    def _pulled(
        self,
        who: Identity,
        query: ActorQuery,
        request: SyncRequest,
        cursor: Cursor | None,
        pushed: Pushed,
        started: float,
        packing: Packing,
        has_drained: bool,
    ) -> _Answer:
        may_drain = True
        while True:
            try:
                with self._opened() as (connection, session):
                    seen, row = look_in(self.db, connection, who, query, cursor)
                    actor = query.read(seen)
                    shapes = self.registry.shapes_of(actor.scope.shape)
                    feed = FeedReader(
                        connection,
                        who.tenant_id,
                        actor.scope.buckets,
                        packing=packing,
                        segments=self.segments,
                        expected=in_order(product(actor.scope.buckets, shapes)),
                    )
                    reader = Glance(row, actor.scope.buckets, feed)
                    due = self._due(who, reader, feed, has_drained) if may_drain else None
                    if due is None:
                        device = _device_of(row)
                        ask = self._ask(who, actor, request, device)
                        page = pull(reader, self.registry, cursor, ask, set_id_of)
                        records = self._records(connection, session, actor, pushed.verdicts)
                        return _Answer(pushed, actor, device, page, records, started, ask.changes_held)
            except Restored as restored:
                self._begin_epoch(who, restored.epoch)
                cursor = None
                continue
            may_drain = False
            self._drain(who, *due)

    def _due(
        self, who: Identity, reader: Glance, feed: FeedReader, has_drained: bool
    ) -> tuple[int, bool] | None:
        """Marks that wait, and whether the user's live scope is no longer what was drained; None for neither.

        After a drain of the request's own, marks alone are those that others have made since.
        """
        drained, live = reader.buckets(who.user_id)
        wanted = reader.marks and not (has_drained and drained == live)
        marks = feed.waiting_marks(REQUEST_MARKS + 1) if wanted else 0
        return (marks, drained != live) if marks or drained != live else None

    def _drain(self, who: Identity, marks: int, scope_differs: bool) -> None:
        """Sequence what waits; called while no connection is held.

        A drain that fails is the scheduler's to repeat and the operator's to mend: phones are served
        what was sequenced before.
        """
        if scope_differs:
            with self.db.session(who.tenant_id) as session:
                session.execute(text("SELECT sync_mark_user(:user)"), {"user": who.user_id})
        try:
            self.drainer.drain_if_due(who.tenant_id, marks + scope_differs)
        except Exception:
            DRAINS_FAILED.inc()
            log.exception("drain_failed", tenant_id=str(who.tenant_id))

    def _ask(self, who: Identity, actor: Actor, request: SyncRequest, device: _DeviceRow) -> Ask:
        return Ask(
            tenant_id=who.tenant_id,
            device_id=who.device_id,
            user_id=who.user_id,
            shape_class=actor.scope.shape,
            schema_version=request.schema_version,
            limit=request.limit,
            byte_limit=request.byte_limit,
            pending=request.pending,
            highest_n=device.highest_n,
            changes_held=request.schema_version < self.registry.oldest_schema,
        )

    def _records_of(self, page: Page, verdicts: Sequence[Verdict]) -> dict[tuple[str, UUID], str] | None:
        """Bodies for the verdicts where the page has them as they were judged; None where it lacks one.

        What is in the page is in the scope, and the feed has it in the actor's shape.
        """
        given = {(row.entity, row.record_id): row for row in page.changes}
        found: dict[tuple[str, UUID], str] = {}
        for verdict in verdicts:
            if verdict.entity not in self.synced or verdict.record_id is None:
                continue
            row = given.get((verdict.entity, verdict.record_id))
            if row is None or row.body is None or row.version != verdict.version:
                return None
            found[verdict.entity, verdict.record_id] = row.body
        return found

    def _records(
        self, connection: Connection, session: Session, actor: Actor, verdicts: Sequence[Verdict]
    ) -> dict[tuple[str, UUID], str]:
        """Bodies for the verdicts: of records in scope, in the actor's shape, as they are now."""
        wanted: dict[str, set[UUID]] = defaultdict(set)
        for verdict in verdicts:
            if verdict.entity in self.synced and verdict.record_id is not None:
                wanted[verdict.entity].add(verdict.record_id)
        return self._bodies(connection, session, actor, wanted)

    def _bodies(
        self,
        connection: Connection,
        session: Session,
        actor: Actor,
        wanted: Mapping[str, Collection[UUID]],
    ) -> dict[tuple[str, UUID], str]:
        found: dict[tuple[str, UUID], str] = {}
        for name, ids in wanted.items():
            one = self.synced[name]
            shape = one.policy.shape_for(actor.scope.shape)
            seen = one.told(session, actor, sorted(ids)) if shape else set()
            if shape is None or not seen:
                continue
            rows = connection.execute(
                text(
                    f"SELECT t.id, {body_sql(one.policy, shape)} FROM {one.policy.table} t"  # noqa: S608
                    # What the sequencer set aside cannot be rendered here either.
                    " WHERE t.tenant_id = :tenant AND t.id = ANY(:ids) AND NOT EXISTS (SELECT 1"
                    " FROM sync_quarantine q WHERE q.tenant_id = :tenant AND q.entity = :entity"
                    " AND q.record_id = t.id)"
                ),
                {"tenant": actor.tenant_id, "ids": sorted(seen), "entity": name},
            )
            found |= {(name, row[0]): row[1] for row in rows}
        return found

    def _keep(self, who: Identity, request: SyncRequest, answer: _Answer) -> None:
        """Keep what the next request will be asked by, before the answer leaves.

        That is the subscription set that the cursor names, what was given of which channel, what the device
        tells of itself, and whose data it got.
        """
        page, device, now = answer.page, answer.device, self.clock()
        fresh = device.last_sync_at is not None and now - device.last_sync_at < BOOKKEEPING
        written_before = request.cursor is not None and not (
            page.new_set or page.left_out_anew or page.carried
        )
        quiet = not (request.mutations or page.changes or page.sheaves or page.removed)
        if device.known == request.told and fresh and written_before and quiet:
            return
        shown = {entity: count for entity, count in page.entities.items() if entity in PERSONAL}
        at_once = Gathering()
        connection = cast(Connection, at_once)
        at_once.execute(WRITER, writer_values(who.tenant_id, user_id=who.user_id, device_id=who.device_id))
        keep_set(connection, who.tenant_id, page.channels)
        keep_given(connection, who.tenant_id, who.user_id, page.given)
        if page.left_out_anew:
            keep_left_out(connection, who.tenant_id, who.user_id, page.budget.left_out)
        _note_sync(connection, who, request, now)
        if page.carried is not None:
            note_carried(connection, who.tenant_id, who.device_id, who.user_id, page.carried)
        if answer.pushed.cloned:
            note_clone(connection, who.tenant_id, who.device_id, now)
        if shown:
            note_accesses(connection, answer.actor, shown, "sync")
        if self.trace is not None:
            self.trace(
                connection,
                who.tenant_id,
                who.device_id,
                at=now,
                kind="first" if request.cursor is None else "push" if request.mutations else "delta",
                duration_ms=_ms_since(answer.started),
                mutations=len(request.mutations),
                verdicts=_counted(answer.pushed),
                changes=page.entities.total(),
                removed=len(page.removed),
                position=page.cursor.position,
                has_more=page.has_more,
                directives=answer.directives,
            )
        self.db.tell(at_once.said)


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _counted(pushed: Pushed) -> dict[str, int]:
    return Counter(str(verdict.status) for verdict in pushed.verdicts)


def _device_row(connection: Connection, who: Identity) -> _DeviceRow:
    row = connection.execute(
        text(
            "SELECT highest_n, schema_version, app_version, platform, pending, last_error, last_sync_at"
            " FROM sync_devices WHERE tenant_id = :tenant AND device_id = :device"
        ),
        {"tenant": who.tenant_id, "device": who.device_id},
    ).one_or_none()
    return _DeviceRow(0, (), None) if row is None else _DeviceRow(row[0], tuple(row[1:6]), row[6])


def _device_of(row: Any) -> _DeviceRow:
    """What a row of ``GLANCE`` tells of the device."""
    if row.highest_n is None:
        return _DeviceRow(0, (), None)
    told = (row.schema_version, row.app_version, row.platform, row.pending, row.last_error)
    return _DeviceRow(row.highest_n, told, row.last_sync_at)


def _note_sync(connection: Connection, who: Identity, request: SyncRequest, now: datetime) -> None:
    schema, app, platform, pending, last_error = request.told
    connection.execute(
        statement(
            "INSERT INTO sync_devices (tenant_id, device_id, user_id, schema_version, app_version, platform,"
            " pending, last_error, last_sync_at)"
            " VALUES (:tenant, :device, :user, :schema, :app, :platform, :pending, :error, :now)"
            " ON CONFLICT (tenant_id, device_id) DO UPDATE SET schema_version = :schema, app_version = :app,"
            " platform = :platform, pending = :pending, last_error = :error, last_sync_at = :now"
        ),
        {
            "tenant": who.tenant_id,
            "device": who.device_id,
            "user": who.user_id,
            "schema": schema,
            "app": app,
            "platform": platform,
            "pending": pending,
            "error": last_error,
            "now": now,
        },
    )


def _json(
    verdicts: Sequence[Verdict],
    records: Mapping[tuple[str, UUID], str],
    page: Page | None,
    *,
    epoch: UUID,
    token: str | None,
    now: datetime,
    events: str | None,
    directives: Sequence[str],
    packing: Packing = PLAIN,
) -> Sent:
    """The answer by concatenation: bodies are already the bytes of the wire, and what is bound in sheaves is packed."""
    tail = {
        "epoch": epoch,
        "cursor": token,
        "has_more": page is not None and page.has_more,
        "server_time": now.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z",
        "budget": page and page.budget,
        "events": events,
        "directives": list(directives),
    }
    changes = page.changes if page else ()
    removed = page.removed if page else ()
    front = "".join(
        (
            '{"verdicts":[',
            ",".join(_verdict(v, records) for v in verdicts),
            '],"changes":[',
            ",".join(
                f'{{"entity":"{r.entity}","id":"{r.record_id}","version":{r.version},"record":{r.body}}}'
                for r in changes
            ),
        )
    ).encode()
    back = b"".join(
        (
            b'],"removed":[',
            ",".join(
                f'{{"entity":"{e}","id":"{i}","reason":"{reason}"}}' for e, i, reason in removed
            ).encode(),
            b"],",
            orjson.dumps(tail)[1:],
        )
    )
    bound = [s.piece for sheaf in (page.sheaves if page else ()) for s in sheaf.segments if s.piece]
    if not bound:
        return Sent(front + back, "")
    comma = packing.piece(b",")
    pieces = [packing.piece(front + b"," if changes else front)]
    for piece in bound:
        pieces += (piece, comma)
    pieces[-1] = packing.piece(back)
    return Sent(packing.whole(pieces), packing.encoding)


def _verdict(verdict: Verdict, records: Mapping[tuple[str, UUID], str]) -> str:
    head = orjson.dumps(
        {
            "id": verdict.id,
            "status": str(verdict.status),
            "code": verdict.code,
            "detail": verdict.detail,
            "version": verdict.version,
            "fields": dict(verdict.fields),
            "conflict_id": verdict.conflict_id,
            "replayed": verdict.replayed,
        }
    ).decode()
    body = records.get((verdict.entity, verdict.record_id), "null") if verdict.record_id else "null"
    return f'{head[:-1]},"record":{body}}}'
