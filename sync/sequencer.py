"""The sequencer: turns marks into feed rows, one consistent snapshot at a time."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Condition
from uuid import UUID

from sync.policy import SyncEntity
from sync.registry import Registry
from sync.stores.sequencer import Engine, FeedStore, Reason, is_poison, portions, sqlstate_of

REQUEST_MARKS = 5_000
"""Larger backlogs belong to the scheduler, not to a request."""

MIN_INTERVAL_S = 0.05
"""At most 20 drains a second for a tenant and process."""

WAIT_S = 0.2
"""How long a request waits for another's drain."""

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
    settings = (engine, registry, tenant_id, now, lock_timeout_ms, statement_timeout_ms)
    try:
        try:
            return _drain_once(*settings, careful=False)
        except Exception as error:
            if not is_poison(error):
                raise
        return _drain_once(*settings, careful=True)
    except Exception as error:
        if sqlstate_of(error) == "55P03":  # lock_not_available
            return None
        raise


def _drain_once(
    engine: Engine,
    registry: Registry,
    tenant_id: UUID,
    now: datetime,
    lock_timeout_ms: int,
    statement_timeout_ms: int,
    careful: bool,
) -> Drained:
    """One drain; a *careful* one first looks for poison.

    It looks in the same snapshot and under the same lock: between two transactions another drain
    could take the marks, or somebody mend the record, whose mark would then be deleted unserved.
    """
    with FeedStore.locked(engine, tenant_id, lock_timeout_ms, statement_timeout_ms) as store:
        ids, marks = store.marks()
        start, quarantined = store.standing()
        if not ids:
            return Drained(start, 0, 0)
        store.expect_many(len(marks), start)
        poison = _find_poison(store, registry, now, marks, quarantined) if careful else {}
        run = _Run(store, registry, now, start, quarantined, poison)
        touched = run.everything(_work_of(marks))
        run.set_aside()
        store.forget_quarantine({(e, r) for e, r in quarantined if r in touched[e]} - set(poison))
        store.finish(ids, start, run.position)
        return Drained(run.position, len(ids), run.position - start, tuple(poison), tuple(run.alarms))


def _work_of(marks: Iterable[tuple[str, UUID, bool]]) -> _Work:
    work = _Work()
    for entity, record_id, weak in marks:
        (work.weak if weak else work.touched)[entity].add(record_id)
    return work


class _Run:
    """One drain in progress, with the position reached so far.

    ``poison`` are records that this drain found to fail, ``quarantined`` those that an earlier one did.
    """

    def __init__(
        self,
        store: FeedStore,
        registry: Registry,
        now: datetime,
        position: int,
        quarantined: set[Mark],
        poison: dict[Mark, Reason],
    ) -> None:
        self.store = store
        self.registry = registry
        self.now = now
        self.position = position
        self.quarantined = quarantined
        self.poison = poison
        self.alarms: list[Mark] = []

    def everything(self, work: _Work) -> Mapping[str, set[UUID]]:
        """Sequence all of *work*; gives what was touched in the end."""
        self.subscriptions(work)
        for entity in self.registry.entities:
            self.sequence(entity, work)
        return work.touched

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
                # What shows the state of others is rendered anew even where its buckets stay: its viewer may have
                # lost what it shows.
                marks = work.touched if entity.followers else work.weak
                marks[entity.name] |= self.store.ids(entity.of_users, "users", changed, now=self.now)

    def sequence(self, entity: SyncEntity, work: _Work) -> None:
        """Render the entity's touched records and re-bucket its weak ones."""
        touched, weak, broken = self.sorted_out(entity, work)
        if not (touched or weak or broken):  # of most entities, and nothing comes of nothing
            return
        moved = self.write(entity, touched, weak)
        for record_id in sorted(broken):
            # Its last body may stay where it is, but not where the record is no more.
            self.position += self.store.withdraw(entity, record_id, self.now, self.position)
            # It may have moved though none of its bodies did: what hangs on it must not stay behind.
            moved.add(record_id)
        for child, sql in entity.children.items():
            work.weak[child] |= self.store.ids(sql, "ids", moved, now=self.now)
        rendered = touched | (weak & moved)
        for other in self.registry.entities:
            if other.followers:
                found = self.store.ids(other.followers, "ids", rendered, entity=entity.name, now=self.now)
                work.touched[other.name] |= found - self._known_bad(other)

    def sorted_out(self, entity: SyncEntity, work: _Work) -> tuple[set[UUID], set[UUID], set[UUID]]:
        """Touched records, weak ones, and those of either that cannot be rendered now."""
        poison = {r for e, r in self.poison if e == entity.name}
        touched, weak = work.touched[entity.name], work.weak[entity.name]
        broken = poison | (weak - touched) & self._known_bad(entity)
        return touched - broken, weak - touched - broken, broken

    def _known_bad(self, entity: SyncEntity) -> set[UUID]:
        return {r for e, r in self.quarantined if e == entity.name}

    def write(self, entity: SyncEntity, touched: set[UUID], weak: set[UUID]) -> set[UUID]:
        """Write what is to be written of these; gives those whose buckets changed."""
        moved: set[UUID] = set()
        for some in portions(touched | weak):
            moved |= self._write_some(entity, some, touched.intersection(some), weak.intersection(some))
        return moved

    def _write_some(
        self, entity: SyncEntity, everything: list[UUID], touched: set[UUID], weak: set[UUID]
    ) -> set[UUID]:
        moved = self.store.rebucketed(entity, everything, self.now)
        rendered = touched | (weak & moved)
        lost = self.store.rows_without_ledger_delete(entity, sorted(rendered))
        for record_id in sorted(lost):
            self.alarms.append((entity.name, record_id))
            self.store.alarm(
                "mark_without_row", entity.name, record_id, "a mark has no row and the ledger no delete"
            )
        if rendered - lost:
            self.position += self.store.write(entity, sorted(rendered - lost), self.now, self.position)
        return moved - lost

    def set_aside(self) -> None:
        """Quarantine the poison of this drain."""
        for (entity, record_id), (state, message) in self.poison.items():
            self.store.quarantine(entity, record_id, state, message)
            self.store.alarm("quarantined", entity, record_id, f"{state}: {message}")


def _find_poison(
    store: FeedStore,
    registry: Registry,
    now: datetime,
    marks: Iterable[tuple[str, UUID, bool]],
    quarantined: set[Mark],
) -> dict[Mark, Reason]:
    """The records that cannot be bucketed or rendered, found by halving in tries that are rolled back.

    The whole drain is tried, because what is not marked itself may fail too: children of an account
    that moved, inbox items that follow their record.
    """
    found: dict[Mark, Reason] = {}
    with store.undone():
        work = _work_of(marks)
        run = _Run(store, registry, now, UNUSED_POSITION, quarantined, found)
        run.subscriptions(work)
        for entity in registry.entities:
            touched, weak, _ = run.sorted_out(entity, work)
            for record_id, reason in _halve(run, entity, touched, weak):
                found[entity.name, record_id] = reason
            run.sequence(entity, work)
    return found


def _halve(
    run: _Run, entity: SyncEntity, touched: set[UUID], weak: set[UUID]
) -> Iterator[tuple[UUID, Reason]]:
    ids = sorted(touched | weak)
    reason = run.store.failure(lambda: run.write(entity, touched, weak)) if ids else None
    if reason is None:
        return
    if len(ids) == 1:
        yield ids[0], reason
        return
    for half in (set(ids[: len(ids) // 2]), set(ids[len(ids) // 2 :])):
        yield from _halve(run, entity, touched & half, weak & half)


class Drainer:
    """Drains on behalf of requests: bounded, one drain at a time in a process, never in a row too fast.

    Requests that come while another's drain is about to begin are served by that one.
    """

    def __init__(self, engine: Engine, registry: Registry, clock: Callable[[], datetime]) -> None:
        """Use *engine* (a small pool of the engine role's own)."""
        self._engine = engine
        self._registry = registry
        self._clock = clock
        self._changed = Condition()
        self._draining = False
        self._last: dict[UUID, float] = {}
        self._done: dict[UUID, tuple[float, Drained]] = {}

    def drain_if_due(self, tenant_id: UUID, waiting_marks: int) -> Drained | None:
        """Drain the tenant now, unless there is nothing to do, too much for a request, or no room.

        Args:
            tenant_id: Whose marks.
            waiting_marks: How many the request has seen; more than 5,000 are left to the scheduler.

        Returns:
            What was drained; None when it was left to somebody else.
        """
        if not 0 < waiting_marks <= REQUEST_MARKS:
            return None
        came = time.monotonic()
        with self._changed:
            while self._draining:
                left = came + WAIT_S - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
                if (drained := self._seen(tenant_id, came)) is not None:
                    return drained
            self._draining = True
        try:
            return self._drain(tenant_id)
        finally:
            with self._changed:
                self._draining = False
                self._changed.notify_all()

    def _seen(self, tenant_id: UUID, came: float) -> Drained | None:
        """The last drain, if it began after a request came, and so has seen all that the request had committed."""
        began, drained = self._done.get(tenant_id, (came, None))
        return drained if began > came else None

    def _drain(self, tenant_id: UUID) -> Drained | None:
        pause = self._last.get(tenant_id, 0.0) + MIN_INTERVAL_S - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        began = self._last[tenant_id] = time.monotonic()
        drained = drain(
            self._engine,
            self._registry,
            tenant_id,
            now=self._clock(),
            lock_timeout_ms=200,
            statement_timeout_ms=15_000,
        )
        if drained is not None:
            self._done[tenant_id] = (began, drained)
        return drained


def drain_all(engine: Engine, registry: Registry, *, now: datetime) -> dict[UUID, Drained]:
    """Drain every tenant that has marks; for the scheduler and the command line.

    Raises:
        ExceptionGroup: Drains that failed, after all the others were done.
    """
    done: dict[UUID, Drained] = {}
    failures: list[Exception] = []
    for tenant_id in tenants_with_marks(engine):
        try:
            result = drain(engine, registry, tenant_id, now=now, lock_timeout_ms=2_000)
        except Exception as error:
            error.add_note(f"while draining tenant {tenant_id}")
            failures.append(error)
            continue
        if result is not None:
            done[tenant_id] = result
    if failures:
        raise ExceptionGroup("some tenants could not be drained", failures)
    return done


def tenants_with_marks(engine: Engine) -> list[UUID]:
    """Tenants whose marks wait, asked tenant by tenant along the index."""
    return FeedStore.tenants_with_marks(engine)
