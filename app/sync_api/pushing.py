"""The first half of a sync request: mutations judged in chunks, each in a transaction of its own."""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.db import WRITER, WRITER_BY_KEYS, Database, savepoint, writer_values
from app.core.errors import DomainError, Unavailable
from app.core.many import SENDER
from app.core.masking import mask_json
from app.core.scope import Actor, ActorQuery, Role, Scope
from app.identity import service as identity
from app.inbox import service as inbox
from app.sync_api.metrics import AT_ONCE, MUTATIONS, VERDICTS
from app.sync_api.rooms import RoomVerbs, is_transient
from app.sync_api.synced import Synced
from app.sync_api.wire import SyncRequest
from sync.cursor import Cursor
from sync.judge import PARKED, Sender
from sync.pull import Worth, worth_of
from sync.push import Afresh, Pushed, Pusher, chunks_of, opening_of
from sync.registry import Registry
from sync.sequencer import REQUEST_MARKS
from sync.stores.driver import Said
from sync.stores.glance import STANDING, Glance, parameters
from sync.stores.push import Ask, Opening, Parked, PushStore, parked_and_arrived, parked_on
from sync.verdicts import Status
from sync.wire import Mutation

TRIES = 5

Found = TypeVar("Found")
log = structlog.get_logger(__name__)

ActorOf = Callable[[Session], Actor]


class NotOfThisLife(Exception):
    """What a cursor is worth has to be asked more closely before anything is judged."""


class OutcomeUnknown(Unavailable):
    """The connection was lost in COMMIT: send the same mutations again, the answer tells which were judged."""

    code = "outcome_unknown"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the token says it is; the rights are read from the database."""

    tenant_id: UUID
    user_id: UUID
    device_id: UUID

    @property
    def ids(self) -> tuple[UUID, UUID, UUID]:
        """Tenant, user and device."""
        return self.tenant_id, self.user_id, self.device_id


@dataclass(frozen=True, slots=True)
class Standing:
    """The life of the database in which a request is judged, and the ended ones whose bases still hold for it.

    ``known_epochs`` are the present epoch and those that a valid cursor of the device carried on;
    ``farewell`` is said of a device that was locked out and may only leave its work behind.
    """

    epoch: UUID
    epoch_started_at: datetime
    generation: int
    known_epochs: frozenset[UUID]
    farewell: bool = False


class Pushing:
    """Judges what phones push, for one process."""

    def __init__(
        self,
        db: Database,
        registry: Registry,
        synced: Mapping[str, Synced],
        clock: Callable[[], datetime],
    ) -> None:
        """Join the pools, the policies and the rooms' verbs; *clock* gives server time, aware UTC."""
        self.db = db
        self.registry = registry
        self.synced = synced
        self.clock = clock

    def push(
        self,
        who: Identity,
        query: ActorQuery,
        request: SyncRequest,
        cursor: Cursor | None,
        standing: Standing | None = None,
    ) -> Pushed:
        """Judge the mutations of a request, lowest ``n`` first.

        Args:
            who: From the access token.
            query: Reads user, role, scope and the device's state; raises Unauthenticated.
            request: Checked envelope.
            cursor: Where the phone stands; a door that keeps no such place names the standing.
            standing: The life of the database, where it was asked for before.

        Raises:
            NotOfThisLife: The cursor is none of this life of the database, or not good; nothing was judged.
            OutcomeUnknown: 503; chunks before the failing one are judged and committed.
        """
        now = self.clock()
        found = [standing] if standing else []

        def judge(chunk: Sequence[Mutation]) -> Pushed:
            # Where the life was asked for more closely, the device may have no row yet.
            opening = None if standing else opening_of(*who.ids, chunk, mask_json)
            if opening is not None and opening.claim is not None:
                try:
                    return self._judge(who, query, request, cursor, chunk, now, found, opening, boldly=True)
                except Afresh:
                    opening = opening_of(*who.ids, chunk, mask_json)
            return self._judge(who, query, request, cursor, chunk, now, found, opening)

        return self._chunks(who, request, judge, lambda: _waits_for_records(found[0], now))

    def _judge(
        self,
        who: Identity,
        query: ActorQuery,
        request: SyncRequest,
        cursor: Cursor | None,
        chunk: Sequence[Mutation],
        now: datetime,
        found: list[Standing],
        opening: Opening | None,
        *,
        boldly: bool = False,
    ) -> Pushed:
        """One chunk in its transaction; *found* is the standing, or is given it by the first chunk."""
        # What one edit needs is found by keys; what a chunk of any kind needs is planned for what it is.
        writer = WRITER_BY_KEYS if boldly else WRITER
        said: list[Said] = [
            (writer, writer_values(who.tenant_id, user_id=who.user_id, device_id=who.device_id)),
            (STANDING, parameters(*who.ids, cursor)),
            (query.statement, query.values),
        ]
        with self.db.begun([*said, *(opening.said() if opening else ())]) as (session, results):
            if not found:
                found.append(_standing_of(results[1], cursor))
            actor = query.read(next(iter(results[2]), None))
            if opening and not opening.take(results[3:]):
                raise NotOfThisLife
            store = _store(session, who, opening, self._asker(session) if boldly else None)
            if boldly:
                session.info[SENDER] = store.ask
            rooms = RoomVerbs(self.synced, session, actor, store, now)
            sender = _sender(who, actor, now, request, found[0])
            pusher = Pusher(
                store, self.registry, rooms, sender, fresh=session.expunge_all, boldly=boldly and Pusher.runs
            )
            part = pusher.push(chunk)
            try:
                said = [*store.unsaid(), store.marks(REQUEST_MARKS + 1)]
                ended = self.db.end(session, said, as_prepared=boldly)
            except DBAPIError as error:
                if boldly and not is_transient(error):
                    raise Afresh from error  # a deferred constraint, or what was prepared is gone
                raise
            part.marks = ended[-1][0][0]
            return part

    def _asker(self, session: Session) -> Ask:
        """Sends statements in the middle of the session's transaction."""
        return partial(self.db.at_once.go_on, session.connection().connection)

    def quarantine(self, who: Identity, request: SyncRequest) -> Pushed:
        """Set the mutations of a locked-out device aside, unjudged; its user may be no user any more.

        Raises:
            OutcomeUnknown: 503; chunks before the failing one are kept and committed.
        """
        now = self.clock()
        actor = _without_rights(who, now)

        def set_aside(chunk: Sequence[Mutation]) -> Pushed:
            with self.db.session(who.tenant_id, user_id=who.user_id, device_id=who.device_id) as session:
                sender = _sender(who, actor, now, request, None)
                pusher = _pusher(self.registry, self.synced, session, actor, sender, who, now)
                return pusher.quarantine(chunk)

        return self._chunks(who, request, set_aside, lambda: False)

    def _chunks(
        self,
        who: Identity,
        request: SyncRequest,
        judge: Callable[[Sequence[Mutation]], Pushed],
        parks: Callable[[], bool],
    ) -> Pushed:
        whole = Pushed([], 0, False)
        for chunk in chunks_of(request.mutations):
            part = _persistently(partial(judge, chunk))
            whole.verdicts += part.verdicts
            whole.cloned = whole.cloned or part.cloned
            whole.marks = part.marks
            AT_ONCE.inc(part.at_once)
            if part.created and parks():
                self._judge_parked(who.tenant_id, part.created)
        MUTATIONS.inc(len(request.mutations))
        for verdict in whole.verdicts:
            VERDICTS.labels("replayed" if verdict.replayed else str(verdict.status)).inc()
        return whole

    def _judge_parked(self, tenant_id: UUID, created: Sequence[UUID]) -> None:
        """What fails here is judged by the scheduler: the push that made the records is done."""
        try:
            judge_parked(self.db, self.registry, self.synced, tenant_id, created, self.clock())
        except Exception:
            log.exception("parked_not_judged", tenant_id=str(tenant_id))


def judge_parked(
    db: Database,
    registry: Registry,
    synced: Mapping[str, Synced],
    tenant_id: UUID,
    record_ids: Sequence[UUID],
    now: datetime,
) -> int:
    """Judge what waits for records that were just made, each under its author's rights.

    Returns:
        How many were judged; the others go on waiting.
    """
    with db.session(tenant_id) as session:
        waiting = parked_on(session.connection(), tenant_id, record_ids, now)
    return sum(_judge_one(db, registry, synced, tenant_id, one, now) for one in waiting)


def judge_parked_of_tenant(
    db: Database, registry: Registry, synced: Mapping[str, Synced], tenant_id: UUID, now: datetime
) -> int:
    """The same for all that waits for a record which is there by now, whoever made it."""
    with db.session(tenant_id) as session:
        waiting = parked_and_arrived(session.connection(), tenant_id, registry.entities, now)
    return sum(_judge_one(db, registry, synced, tenant_id, one, now) for one in waiting)


def _judge_one(
    db: Database,
    registry: Registry,
    synced: Mapping[str, Synced],
    tenant_id: UUID,
    parked: Parked,
    now: datetime,
) -> bool:
    who = Identity(tenant_id, parked.user_id, parked.device_id)

    def judge() -> bool:
        with db.session(tenant_id, user_id=who.user_id, device_id=who.device_id) as session:
            try:
                actor = identity.actor_of(
                    session, tenant_id, who.user_id, None, now, password_may_be_due=True
                )
            except DomainError:  # dismissed since: a person decides
                return False
            return _judge_now(registry, synced, session, replace(actor, device_id=who.device_id), parked, now)

    return _persistently(judge)


def _judge_now(
    registry: Registry,
    synced: Mapping[str, Synced],
    session: Session,
    actor: Actor,
    parked: Parked,
    now: datetime,
) -> bool:
    who = Identity(actor.tenant_id, actor.user_id, parked.device_id)
    store = _store(session, who)
    taken = store.take_parked(parked.mutation_id)
    if taken is None:
        return False
    payload, n, made = taken
    item = inbox.lock_parked(session, who.tenant_id, parked.conflict_id)
    if item is None or payload is None:
        store.unpark(parked.mutation_id)
        return False
    raw = json.loads(payload) if isinstance(payload, str) else payload
    # Its time was reckoned when it came: it is as old as it was then.
    mutation = Mutation(parked.mutation_id, n, raw | {"age_ms": None})
    epoch = UUID(int=0)
    known = frozenset({UUID(raw["epoch"])} if parked.base_known and raw.get("epoch") else ())
    sender = Sender(
        who.user_id, who.device_id, actor.scope.shape, made or now, None, epoch=epoch, known_epochs=known
    )
    decided = _pusher(registry, synced, session, actor, sender, who, now).judge_parked(mutation)
    if decided is None:
        return False
    store.write_as(None, None, None, {})
    verdict = decided.verdict
    inbox.close_judged(
        session,
        item,
        status=str(verdict.status),
        code=verdict.code,
        conflict_id=verdict.conflict_id,
        now=now,
    )
    store.unpark(parked.mutation_id)
    return verdict.status != Status.REJECTED


def _standing_of(rows: Sequence[Any], cursor: Cursor | None) -> Standing:
    """The life of the database in which a good cursor was made, of one row of ``STANDING``."""
    row = next(iter(rows), None)
    if row is None or cursor is None or row.epoch != cursor.epoch:
        raise NotOfThisLife
    reader = Glance(row, frozenset())
    if worth_of(reader, cursor, reader.head(), row.highest_n) is not Worth.GOOD:
        raise NotOfThisLife
    return Standing(row.epoch, row.started_at, row.generation, frozenset((*row.carried, row.epoch)))


def _store(
    session: Session, who: Identity, opening: Opening | None = None, ask: Ask | None = None
) -> PushStore:
    return PushStore(
        session.connection(),
        who.tenant_id,
        who.user_id,
        who.device_id,
        partial(savepoint, session),
        opening,
        ask,
    )


def _pusher(
    registry: Registry,
    synced: Mapping[str, Synced],
    session: Session,
    actor: Actor,
    sender: Sender,
    who: Identity,
    now: datetime,
) -> Pusher:
    store = _store(session, who)
    rooms = RoomVerbs(synced, session, actor, store, now)
    return Pusher(store, registry, rooms, sender, fresh=session.expunge_all)


def _sender(
    who: Identity, actor: Actor, now: datetime, request: SyncRequest, standing: Standing | None
) -> Sender:
    sender = Sender(
        who.user_id,
        who.device_id,
        actor.scope.shape,
        now,
        request.sent_at,
        seen=request.seen,
        bases=request.bases,
    )
    if standing is None:
        return sender
    return replace(
        sender,
        epoch=standing.epoch,
        epoch_started_at=standing.epoch_started_at,
        known_epochs=standing.known_epochs,
        generation=standing.generation,
    )


def _waits_for_records(standing: Standing | None, now: datetime) -> bool:
    return standing is not None and standing.generation > 1 and now < standing.epoch_started_at + PARKED


def _without_rights(who: Identity, now: datetime) -> Actor:
    """Somebody who may see and do nothing: their work is only kept."""
    scope = Scope(who.user_id, Role.PARTNER, frozenset(), frozenset(), now)
    return Actor(who.tenant_id, who.user_id, who.device_id, scope)


def _persistently(work: Callable[[], Found]) -> Found:
    """The result of *work*, tried again while the trouble may pass."""
    for attempt in range(1, TRIES + 1):
        try:
            return work()
        except Exception as error:
            if not is_transient(error):
                raise
            if attempt == TRIES:
                raise OutcomeUnknown(retry_after_s=random.randint(1, 4)) from error  # noqa: S311
            time.sleep(0.02 * attempt * (1 + random.random()))  # noqa: S311  (spreads load)
    raise AssertionError("unreachable")
