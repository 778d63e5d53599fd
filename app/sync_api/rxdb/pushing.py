"""Pushes of the RxDB client: rows become mutations, those that wait for a parent are held."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from app.core.db import Database, savepoint
from app.core.errors import DomainError
from app.core.scope import Actor, ActorQuery
from app.identity.service import actor_query
from app.sync_api.pushing import Identity, Pushing, Standing
from app.sync_api.rxdb.kept import (
    Held,
    earlier_of,
    held_of,
    hold,
    let_go,
    take_numbers,
    waiting_users,
)
from app.sync_api.rxdb.translating import Told, Translator, name_of
from app.sync_api.rxdb.unjudged import intent_of
from app.sync_api.rxdb.wire import Row
from app.sync_api.synced import Synced
from app.sync_api.wire import DEFAULT_BYTES, DEFAULT_LIMIT, SyncRequest
from sync.registry import Registry
from sync.stores.epochs import lives
from sync.stores.push import PushStore
from sync.verdicts import Verdict
from sync.wire import Mutation

HELD_FOR = timedelta(hours=24)
IN_FLIGHT = timedelta(minutes=1)
"""So long after it came may another request still be judging a row."""

NOBODYS = UUID(int=0)


@dataclass(slots=True)
class Judged:
    """What became of rows: verdicts by record, the records that are held, those that are not, and marks that wait."""

    verdicts: dict[UUID, Verdict] = field(default_factory=dict)
    held: set[UUID] = field(default_factory=set)
    done: set[UUID] = field(default_factory=set)
    passed_over: set[UUID] = field(default_factory=set)
    marks: int = 0


class RowPushing:
    """Judges the rows that phones push, for one process."""

    def __init__(
        self,
        db: Database,
        registry: Registry,
        synced: Mapping[str, Synced],
        clock: Callable[[], datetime],
        pushing: Pushing | None = None,
    ) -> None:
        """Join the pools, the policies and the rooms' verbs; *pushing* is the engine's way of a write."""
        self.db = db
        self.registry = registry
        self.synced = synced
        self.clock = clock
        self.pushing = pushing or Pushing(db, registry, synced, clock)

    def push(
        self, who: Identity, query: ActorQuery, entity: str, rows: Sequence[Row], arrived: datetime
    ) -> Judged:
        """Judge rows of one collection, and what waited for them.

        Raises:
            OutcomeUnknown: 503; send it again.
        """
        judged = Judged()
        waiting = self._waiting(who)
        queue: list[Held] = []
        for row in rows:
            before = waiting.get((entity, row.id))
            if before is None:
                queue.append(Held(entity, who.device_id, row, arrived))
                continue
            # What waits was never judged: a newer state of its document is judged in its place.
            judged.held.add(row.id)
            self._hold(who, entity, [Row(row.id, row.new, before.row.assumed)])
        while ready := self._ready(who, query, queue):
            for ones in ready.values():
                self._judge(who, query, ones, arrived, judged)
            queue = [one for one in queue if one.row.id not in judged.done]
        self._hold(who, entity, [one.row for one in queue])
        judged.held |= {one.row.id for one in queue}
        # Asked once more after that: the parent may have come meanwhile, and seen nothing wait.
        self._judge_held(who, arrived, judged)
        judged.held -= judged.done
        return judged

    def _judge_held(self, who: Identity, arrived: datetime, judged: Judged) -> None:
        """Judge what waits for nothing any more, each row as work of the device that sent it."""
        while ready := self._ready(who, _rights(who, arrived), self._waiting(who).values()):
            for (device_id, _), ones in ready.items():
                sender = replace(who, device_id=device_id)
                self._judge(sender, _rights(sender, arrived), ones, arrived, judged)
                self._let_go(who, ones)

    def _waiting(self, who: Identity) -> dict[tuple[str, UUID], Held]:
        with self.db.session(who.tenant_id) as session:
            held = held_of(session.connection(), who.tenant_id, who.user_id)
        return {(one.entity, one.row.id): one for one in held}

    def _hold(self, who: Identity, entity: str, rows: Sequence[Row]) -> None:
        if rows:
            now = self.clock()
            with self.db.session(who.tenant_id) as session:
                for row in rows:
                    hold(session.connection(), *who.ids, entity, row, now)

    def _let_go(self, who: Identity, held: Sequence[Held]) -> None:
        with self.db.session(who.tenant_id) as session:
            let_go(session.connection(), who.tenant_id, who.user_id, held)

    def _ready(
        self, who: Identity, query: ActorQuery, queue: Iterable[Held]
    ) -> dict[tuple[UUID, str], list[Held]]:
        """Those that wait for nothing, by device and collection."""
        found: dict[tuple[UUID, str], list[Held]] = {}
        queue = list(queue)
        if not queue:
            return found
        now = self.clock()
        with self._reading(who, query) as (translator_of, _):
            for one in queue:
                translator = translator_of(one.entity)
                # A record that was made and deleted on the phone while it waited: another request may be making it.
                unmade = one.revision > 0 and one.row.is_delete and one.row.assumed is None
                waits = translator.waits(one.row)
                if unmade and now - one.held_at < IN_FLIGHT:
                    waits = not translator.sees(one.row.id)
                if not waits:
                    found.setdefault((one.device_id, one.entity), []).append(one)
        return found

    def _judge(
        self,
        who: Identity,
        query: ActorQuery,
        ones: Sequence[Held],
        arrived: datetime,
        judged: Judged,
    ) -> None:
        """Judge rows of one collection."""
        entity, rows = ones[0].entity, [one.row for one in ones]
        judged.done |= {row.id for row in rows}
        told: list[Told] = []
        with self._reading(who, query) as (translator_of, store):
            translator = translator_of(entity)
            earlier = earlier_of(
                store.connection, who.tenant_id, who.user_id, entity, [row.id for row in rows]
            )
            for row in rows:
                found = translator.told(row, earlier.get(row.id, []), arrived)
                if isinstance(found, Told):
                    told.append(found)
            epoch = translator.epoch
        if not told:
            return
        mutations = self._numbered(who, [one.raw for one in told])
        standing = Standing(epoch.id, epoch.started_at, epoch.generation, frozenset({epoch.id}))
        pushed = self.pushing.push(who, query, request_of(mutations), None, standing)
        judged.marks += pushed.marks
        for verdict in pushed.verdicts:
            if verdict.record_id is not None:
                judged.verdicts[verdict.record_id] = verdict

    @contextmanager
    def _reading(
        self, who: Identity, query: ActorQuery
    ) -> Iterator[tuple[Callable[[str], Translator], PushStore]]:
        """A transaction that is undone: what is read for a translation may be locked, and nothing is written."""
        with self.db.session(who.tenant_id, user_id=who.user_id, device_id=who.device_id) as session:
            actor: Actor = query.read(session.execute(query.statement, dict(query.values)).one_or_none())
            store = PushStore(session.connection(), *who.ids, partial(savepoint, session))
            epoch = lives(store.connection, who.tenant_id, who.device_id).present

            def translator_of(entity: str) -> Translator:
                return Translator(
                    session, actor, self.synced[entity], self.synced, store, epoch, who.device_id
                )

            yield translator_of, store
            session.rollback()

    # -- time

    def pass_on_of(self, _: Database, tenant_id: UUID, now: datetime) -> int:
        """``pass_on`` as the scheduler calls it."""
        return self.pass_on(tenant_id, now)

    def pass_on(self, tenant_id: UUID, now: datetime) -> int:
        """Judge what waited and need not any more; what waited for a day goes to the inbox. Gives how many."""
        with self.db.session(tenant_id) as session:
            users = waiting_users(session.connection(), tenant_id)
        return sum(self._pass_on(tenant_id, user, now) for user in users)

    def _pass_on(self, tenant_id: UUID, user_id: UUID, now: datetime) -> int:
        who = Identity(tenant_id, user_id, NOBODYS)
        before = self._waiting(who).values()
        judged = Judged()
        # Dismissed since: nobody judges it, and a person decides.
        with suppress(DomainError):
            self._judge_held(who, now, judged)
        overdue: dict[UUID, list[Held]] = {}
        for one in before:
            if one.held_at <= now - HELD_FOR and one.row.id not in judged.verdicts:
                overdue.setdefault(one.device_id, []).append(one)
        for device_id, ones in overdue.items():
            self._set_aside(replace(who, device_id=device_id), ones)
        return len(judged.verdicts) + sum(map(len, overdue.values()))

    def _set_aside(self, who: Identity, overdue: Sequence[Held]) -> None:
        """Have a person decide what the parent never came for."""
        rows: dict[str, list[Row]] = {}
        for one in overdue:
            rows.setdefault(one.entity, []).append(one.row)
        for entity, ones in rows.items():
            self.set_aside(who, entity, ones, self.clock())
        self._let_go(who, overdue)

    def set_aside(self, who: Identity, entity: str, rows: Sequence[Row], arrived: datetime) -> None:
        """Keep rows in the inbox, unjudged, for a person to decide.

        Raises:
            OutcomeUnknown: 503; send it again.
        """
        policy, told = self.registry.get(entity), list[dict[str, Any]]()
        with self.db.session(who.tenant_id) as session:
            connection = session.connection()
            store = PushStore(connection, *who.ids, partial(savepoint, session))
            ids = [row.id for row in rows]
            earlier = earlier_of(connection, who.tenant_id, who.user_id, entity, ids)
            for row in rows:
                state = store.record(policy, row.id)
                present = None if state is None or state.deleted else state.fields
                name, meant = (
                    name_of(entity, row, earlier.get(row.id, []), arrived),
                    intent_of(policy, row, present),
                )
                if name is not None and meant is not None:
                    told.append({"id": str(name), "entity": entity, "record_id": str(row.id), **meant})
            session.rollback()
        if told:
            self.pushing.quarantine(who, request_of(self._numbered(who, told)))

    def _numbered(self, who: Identity, told: Sequence[dict[str, Any]]) -> list[Mutation]:
        with self.db.session(who.tenant_id) as session:
            first = take_numbers(session.connection(), who.tenant_id, who.device_id, len(told))
        return [Mutation(UUID(raw["id"]), n, raw | {"n": n}) for n, raw in enumerate(told, first)]


def _rights(who: Identity, now: datetime) -> ActorQuery:
    """Reads the user's rights, whatever became of the device: it has pushed this while it was not locked out."""
    query = actor_query(who.tenant_id, who.user_id, None, now, password_may_be_due=True)
    return replace(
        query, read=lambda row, known=None: replace(query.read(row, known), device_id=who.device_id)
    )


def request_of(mutations: Sequence[Mutation]) -> SyncRequest:
    """The engine's request for these mutations."""
    told = (1, None, "rxdb", 0, None)
    return SyncRequest(1, None, None, list(mutations), DEFAULT_LIMIT, DEFAULT_BYTES, 0, told)
