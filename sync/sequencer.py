"""The sequencer: turns marks into feed rows, one consistent snapshot at a time."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from uuid import UUID

from sync.policy import SyncEntity
from sync.registry import Registry
from sync.stores.sequencer import Engine, FeedStore, sqlstate_of

POISON_CLASSES = ("22", "23", "54")
"""SQLSTATE classes that are the data's fault: data exception, integrity violation, limit exceeded."""

REQUEST_MARKS = 5_000
"""Larger backlogs belong to the scheduler, not to a request."""

MIN_INTERVAL_S = 0.05
"""At most 20 drains a second for a tenant and process."""

UNUSED_POSITION = 1 << 60
"""Where rolled-back tries write, so that they meet no position of the feed."""

Mark = tuple[str, UUID]


@dataclass(frozen=True, slots=True)
class Drained:
    """What one drain did: the tenant's head afterwards and how much went into the feed."""

    position: int
    marks: int
    rows: int
    quarantined: tuple[Mark, ...] = ()
    alarms: tuple[Mark, ...] = ()


@dataclass(slots=True)
class _Work:
    """Records of one drain: touched ones are rendered anew, weak ones only if their buckets changed."""

    touched: dict[str, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    weak: dict[str, set[UUID]] = field(default_factory=lambda: defaultdict(set))


def drain(
    engine: Engine,
    registry: Registry,
    tenant_id: UUID,
    *,
    now: datetime,
    lock_timeout_ms: int = 200,
    statement_timeout_ms: int = 0,
) -> Drained | None:
    """Sequence every mark that one snapshot sees.

    The tenant's lock table is locked BEFORE the snapshot of the repeatable-read transaction is
    taken; a lock asked for later would let a drain work on a snapshot older than the drain
    before it.

    Args:
        engine: Pool of the engine role.
        registry: The synced entities.
        tenant_id: Whose marks.
        now: Server time, aware UTC; decides windows and date-limited memberships.
        lock_timeout_ms: How long to wait for another drain.
        statement_timeout_ms: 0 for none (the scheduler's drains of large backlogs).

    Returns:
        What was done; None when another drain held the lock all the time.
    """
    excluded: dict[Mark, tuple[str, str]] = {}
    while True:
        try:
            return _drain_once(engine, registry, tenant_id, now, lock_timeout_ms, statement_timeout_ms, excluded)
        except Exception as error:
            state = sqlstate_of(error)
            if state == "55P03":  # lock_not_available
                return None
            if state is None or state[:2] not in POISON_CLASSES:
                raise
            found = _find_poison(engine, registry, tenant_id, now, lock_timeout_ms, set(excluded))
            if not found:
                raise
            excluded |= found


def _drain_once(
    engine: Engine,
    registry: Registry,
    tenant_id: UUID,
    now: datetime,
    lock_timeout_ms: int,
    statement_timeout_ms: int,
    excluded: Mapping[Mark, tuple[str, str]],
) -> Drained:
    with FeedStore.locked(engine, tenant_id, lock_timeout_ms, statement_timeout_ms) as store:
        ids, marks = store.marks()
        if not ids:
            return Drained(store.position(), 0, 0)
        work = _Work()
        for entity, record_id, weak in marks:
            if (entity, record_id) not in excluded:
                (work.weak if weak else work.touched)[entity].add(record_id)
        start = store.position()
        run = _Run(store, registry, now, start, quarantined=store.quarantined() | set(excluded))
        run.subscriptions(work)
        for entity in registry.entities:
            run.sequence(entity, work)
        for (name, record_id), (state, message) in excluded.items():
            run.set_aside(registry.get(name), record_id, state, message)
        store.forget_quarantine({(e, r) for e, r in run.quarantined if r in work.touched[e]} - set(excluded))
        store.finish(ids, start, run.position)
        return Drained(run.position, len(ids), run.position - start, tuple(excluded), tuple(run.alarms))


class _Run:
    """One drain in progress, with the position reached so far."""

    def __init__(
        self, store: FeedStore, registry: Registry, now: datetime, position: int, *, quarantined: set[Mark]
    ) -> None:
        self.store = store
        self.registry = registry
        self.now = now
        self.position = position
        self.quarantined = quarantined
        self.alarms: list[Mark] = []

    def subscriptions(self, work: _Work) -> None:
        """Recompute what marked users subscribe to, and mark what is theirs where it changed."""
        users = work.touched["user"] | work.weak["user"]
        everybody = bool(work.touched["territory"] or work.touched["org_unit"])
        if not users and not everybody:
            return
        changed = self.store.refresh_subscriptions(
            self.registry.subscriptions_sql, None if everybody else sorted(users), self.now
        )
        if not changed:
            return
        for entity in self.registry.entities:
            if entity.of_users:
                work.weak[entity.name] |= self.store.ids(entity.of_users, users=changed, now=self.now)

    def sequence(self, entity: SyncEntity, work: _Work) -> None:
        """Render the entity's touched records and re-bucket its weak ones."""
        touched = work.touched[entity.name]
        known_bad = {r for e, r in self.quarantined if e == entity.name}
        weak = work.weak[entity.name] - touched - known_bad
        everything = sorted(touched | weak)
        if not everything:
            return
        moved = self.store.rebucketed(entity, everything, self.now)
        lost = self.store.rows_without_ledger_delete(entity, sorted(touched))
        for record_id in lost:
            self.alarms.append((entity.name, record_id))
            self.store.alarm("mark_without_row", entity.name, record_id, "a mark has no row and the ledger no delete")
        rendered = sorted((touched | (weak & moved)) - lost)
        if rendered:
            self.position += self.store.write(entity, rendered, self.now, self.position)
        for child, sql in entity.children.items():
            if moved:
                work.weak[child] |= self.store.ids(sql, ids=sorted(moved), now=self.now)
        for other in self.registry.entities:
            if other.followers and rendered:
                work.touched[other.name] |= self.store.ids(
                    other.followers, ids=rendered, entity=entity.name, now=self.now
                )

    def set_aside(self, entity: SyncEntity, record_id: UUID, state: str, message: str) -> None:
        """Quarantine a record: its last body stays; where its bucket rule fails it is gone."""
        if not self.store.succeeds(lambda: self.store.rebucketed(entity, [record_id], self.now)):
            self.position += self.store.withdraw(entity, record_id, self.position)
        self.store.quarantine(entity.name, record_id, state, message)
        self.store.alarm("quarantined", entity.name, record_id, f"{state}: {message}")


def _find_poison(
    engine: Engine, registry: Registry, tenant_id: UUID, now: datetime, lock_timeout_ms: int, known: set[Mark]
) -> dict[Mark, tuple[str, str]]:
    """The marked records that cannot be bucketed or rendered, found by halving in rolled-back tries."""
    found: dict[Mark, tuple[str, str]] = {}
    with FeedStore.locked(engine, tenant_id, lock_timeout_ms, 0, commit=False) as store:
        _, marks = store.marks()
        by_entity: dict[str, set[UUID]] = defaultdict(set)
        for name, record_id, _ in marks:
            if (name, record_id) not in known:
                by_entity[name].add(record_id)
        for entity in registry.entities:
            for record_id, reason in _halve(store, entity, sorted(by_entity[entity.name]), now):
                found[entity.name, record_id] = reason
    return found


def _halve(
    store: FeedStore, entity: SyncEntity, ids: Sequence[UUID], now: datetime
) -> Iterable[tuple[UUID, tuple[str, str]]]:
    if not ids:
        return
    reason = store.failure(lambda: (store.rebucketed(entity, ids, now), store.write(entity, ids, now, UNUSED_POSITION)))
    if reason is None:
        return
    if len(ids) == 1:
        yield ids[0], reason
        return
    middle = len(ids) // 2
    yield from _halve(store, entity, ids[:middle], now)
    yield from _halve(store, entity, ids[middle:], now)


class Drainer:
    """Drains on behalf of requests: bounded, one waiting thread per process, never in a row too fast."""

    def __init__(self, engine: Engine, registry: Registry, clock: Callable[[], datetime]) -> None:
        """Use *engine* (a small pool of the engine role's own)."""
        self._engine = engine
        self._registry = registry
        self._clock = clock
        self._waiting = Lock()
        self._last: dict[UUID, float] = {}

    def drain_if_due(self, tenant_id: UUID, waiting_marks: int) -> Drained | None:
        """Drain the tenant now, unless there is nothing to do, too much for a request, or no room.

        Args:
            tenant_id: Whose marks.
            waiting_marks: How many the request has seen; more than 5,000 are left to the scheduler.

        Returns:
            What was drained; None when it was left to somebody else.
        """
        if not 0 < waiting_marks <= REQUEST_MARKS or not self._waiting.acquire(timeout=0.2):
            return None
        try:
            pause = self._last.get(tenant_id, 0.0) + MIN_INTERVAL_S - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            self._last[tenant_id] = time.monotonic()
            return drain(
                self._engine,
                self._registry,
                tenant_id,
                now=self._clock(),
                lock_timeout_ms=200,
                statement_timeout_ms=15_000,
            )
        finally:
            self._waiting.release()


def drain_all(engine: Engine, registry: Registry, *, now: datetime) -> dict[UUID, Drained]:
    """Drain every tenant that has marks; for the scheduler and the command line."""
    done: dict[UUID, Drained] = {}
    for tenant_id in tenants_with_marks(engine):
        result = drain(engine, registry, tenant_id, now=now, lock_timeout_ms=2_000)
        if result is not None:
            done[tenant_id] = result
    return done


def tenants_with_marks(engine: Engine) -> list[UUID]:
    """Tenants whose marks wait, asked tenant by tenant along the index."""
    return FeedStore.tenants_with_marks(engine)



