"""Push: judges mutations one after the other, each in its own savepoint; groups stand or fall together."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any
from uuid import UUID

import orjson

from sync.ahead import Plan, Planner, is_plain, write
from sync.errors import Refused
from sync.inbox import InboxItem
from sync.judge import Decided, Judge, Sender
from sync.policy import SyncEntity
from sync.registry import Registry
from sync.rooms import Rooms
from sync.stamps import corrected_time
from sync.states import DeviceState, StoredVerdict
from sync.stores.push import Opening, PushStore
from sync.values import wire_time
from sync.verdicts import Status, Verdict
from sync.wire import (
    Intent,
    Mutation,
    age_of,
    envelope_of,
    group_of,
    intent_of,
    is_id,
    payload_of,
    storable,
)

CHUNK = 50
"""Mutations in one transaction, and members of one group."""

FEW = 3
"""So many are judged one by one where judging them together failed."""

NO_RECORD = UUID(int=0)
REUSED = "mutation_id_reused"
CHANGED = "group_changed"
FAILED = "group_failed"


@dataclass(slots=True)
class Pushed:
    """What a chunk came to: verdicts in ``n`` order, and whether a new id carried an old ``n``.

    ``created`` names the records that it made: parked work may wait for them; ``at_once`` counts what
    was written together with others; ``marks`` is how many waited for the sequencer at its end, as far as
    they were counted.
    """

    verdicts: list[Verdict]
    highest_n: int
    cloned: bool
    created: list[UUID] = field(default_factory=list)
    at_once: int = 0
    marks: int = 0


@dataclass(frozen=True, slots=True)
class Unit:
    """What stands or falls together: one mutation, or the members of a group that came in one request.

    The members of a run stand and fall each for itself.
    """

    group: UUID | None
    members: tuple[Mutation, ...]
    is_run: bool = False


def units_of(mutations: Sequence[Mutation]) -> list[Unit]:
    """Mutations by unit, each in ``n`` order; units by their lowest ``n``."""
    members: dict[UUID, list[Mutation]] = {}
    for mutation in mutations:
        group = group_of(mutation)
        if group is not None:
            members.setdefault(group, []).append(mutation)
    units = []
    for mutation in mutations:
        group = group_of(mutation)
        if group is None:
            units.append(Unit(None, (mutation,)))
        elif members[group][0] is mutation:
            units.append(Unit(group, tuple(members[group])))
    return units


def chunks_of(mutations: Sequence[Mutation]) -> Iterator[list[Mutation]]:
    """Mutations by transaction: at most ``CHUNK`` in each, no unit in two."""
    chunk: list[Mutation] = []
    for unit in units_of(mutations):
        if chunk and len(chunk) + len(unit.members) > CHUNK:
            yield chunk
            chunk = []
        chunk += unit.members
    if chunk:
        yield chunk


def fault_of(members: Sequence[Mutation]) -> str | None:
    """Why these cannot be a group, whatever they want; None for nothing."""
    if len(members) > CHUNK:
        return "group_too_large"
    if len({m.id for m in members}) < len(members):
        return "group_member_twice"
    if any(after.n != before.n + 1 for before, after in pairwise(members)):
        return "group_not_consecutive"
    return None


class Afresh(Exception):
    """A plain edit that was judged without a savepoint failed: the transaction is to be made again, with one."""


class Pusher:
    """Judges the mutations of one chunk inside one transaction.

    Plain edits that follow one another are judged as a run: read together, written together. Where anything
    of that fails, halves of the run are tried, and in the end each by itself, so that nobody's failure is
    another's. ``runs`` turns that off, for tests that compare the two.
    """

    runs = True

    def __init__(
        self,
        store: PushStore,
        registry: Registry,
        rooms: Rooms,
        sender: Sender,
        *,
        fresh: Callable[[], None] = lambda: None,
        boldly: bool = False,
    ) -> None:
        """Join store, rooms and sender.

        Args:
            store: Of the transaction that *rooms* writes in.
            registry: The synced entities.
            rooms: Service functions bound to the user.
            sender: Who pushes.
            fresh: Called before each mutation; drops what an earlier one left in memory.
            boldly: A plain edit is all that the transaction holds, so that its savepoint can be spared; where the
                edit fails, ``Afresh`` is raised, and the caller rolls back.
        """
        self.store = store
        self.registry = registry
        self.rooms = rooms
        self.sender = sender
        self.fresh = fresh
        self.boldly = boldly
        self.device = DeviceState(0)
        self._claimed: set[UUID] = set()
        self._repeated: set[UUID] = set()
        self._at_once = 0

    def push(self, mutations: Sequence[Mutation]) -> Pushed:
        """Judge a chunk in ``n`` order (at most 50, no group in part); the caller commits."""
        return self._each(mutations, self._judge, self._judge_group, judges=True)

    def quarantine(self, mutations: Sequence[Mutation]) -> Pushed:
        """Set a chunk aside, unjudged, for somebody to decide; the caller commits."""
        return self._each(mutations, self._set_aside, self._set_group_aside)

    def judge_parked(self, mutation: Mutation) -> Decided | None:
        """Judge what waited for its record, now that it is there; None while its author may not know of it.

        The first verdict stays; the caller closes the inbox item and commits.
        """
        self.device = self.store.lock_device()
        decided = self._decide(mutation)
        waits = decided.verdict.status == Status.REJECTED and decided.verdict.code == "not_found"
        return None if waits else decided

    def _each(
        self,
        mutations: Sequence[Mutation],
        judge: Callable[[Mutation, dict[UUID, StoredVerdict]], Verdict],
        judge_group: Callable[[UUID, Sequence[Mutation], dict[UUID, StoredVerdict]], list[Verdict]],
        *,
        judges: bool = False,
    ) -> Pushed:
        self.device = self.store.lock_device()
        known = self.store.verdicts([m.id for m in mutations])
        self._repeated = {one for one, times in Counter(m.id for m in mutations).items() if times > 1}
        answered: list[tuple[Mutation, Verdict]] = []
        if judges:
            self._hold([m for m in mutations if m.id not in known])
        for unit in self._with_runs(mutations, known) if judges and self.runs else units_of(mutations):
            self.fresh()
            if unit.is_run:
                verdicts = self._judge_run(unit.members, known)
            elif unit.group is None:
                verdicts = [judge(unit.members[0], known)]
            else:
                verdicts = judge_group(unit.group, unit.members, known)
            answered += zip(unit.members, verdicts, strict=True)
        answered.sort(key=lambda pair: pair[0].n)
        pushed = Pushed([verdict for _, verdict in answered], self.device.highest_n, False)
        pushed.at_once = self._at_once
        for mutation, verdict in answered:
            if not verdict.replayed and verdict.code != REUSED:
                pushed.cloned = pushed.cloned or mutation.n <= pushed.highest_n
                pushed.highest_n = max(pushed.highest_n, mutation.n)
            if _has_made(mutation, verdict) and verdict.record_id is not None:
                pushed.created.append(verdict.record_id)
        self.store.note_device(pushed.highest_n, self.device.also_known_as)
        return pushed

    def _judge(self, mutation: Mutation, known: dict[UUID, StoredVerdict]) -> Verdict:
        stored = known.get(mutation.id)
        if stored is None and not self._claim(mutation):
            stored = self.store.verdicts([mutation.id])[mutation.id]
        if stored is not None:
            return self._replay(mutation, stored)
        decided = self._decide(mutation)
        self.store.answer_many([(mutation.id, _columns_of(decided, self.sender.now))])
        known[mutation.id] = _as_stored(mutation, self.sender.device_id, decided.verdict)
        return decided.verdict

    def _claim(self, mutation: Mutation) -> bool:
        if mutation.id in self._claimed:
            self._claimed.remove(mutation.id)  # once: the next one of this id is a replay
            return True
        return self.store.claim(self._row_of(mutation))

    def _hold(self, mutations: Sequence[Mutation]) -> None:
        """Lock what a chunk is about to touch in one order, whatever the order of its mutations.

        Two phones that edit the same records in other orders would else wait for each other until the database
        has noticed. Claims come before locks here too: who waits for a claim must not hold what its owner needs.
        """
        if self._is_one_run(mutations):
            return
        wanted = self._targets(mutations)
        if sum(map(len, wanted.values())) < 2:
            return
        alone = [m for m in mutations if group_of(m) is None and m.id not in self._repeated]
        if alone:
            self._claimed |= self.store.claim_many([self._row_of(m) for m in alone])
        for name, ids in sorted(wanted.items()):
            entity = self.registry.find(name)
            seen = self.rooms.sees_which(entity, sorted(ids)) if entity else set()
            if entity and seen:
                self.store.lock(entity, seen)

    def _targets(self, mutations: Sequence[Mutation]) -> dict[str, set[UUID]]:
        """The records that mutations name, by the entity, where they may be locked at all.

        What fields point to is held by the services too, weakly; here as strongly as what is edited, since one
        record may be both, and a lock that grows stronger is no longer taken in order.
        """
        found: dict[str, set[UUID]] = {}
        for mutation in mutations:
            envelope = envelope_of(mutation)
            entity = self.registry.find(envelope.entity)
            if entity is None:
                continue
            named = [] if envelope.op == "create" else [(entity, envelope.record_id)]
            for target, record_id in (*named, *self._referred(entity, mutation)):
                if record_id is not None and self._is_lockable(target):
                    found.setdefault(target.name, set()).add(record_id)
        return found

    def _referred(self, entity: SyncEntity, mutation: Mutation) -> Iterator[tuple[SyncEntity, UUID]]:
        sent = mutation.raw.get("fields")
        for name, value in sent.items() if isinstance(sent, dict) else ():
            known = entity.fields.get(name)
            target = self.registry.find(known.refers) if known and known.refers else None
            if target is not None and is_id(value):
                yield target, UUID(value)

    def _is_lockable(self, entity: SyncEntity) -> bool:
        may_change = entity.pushable and not entity.append_only
        return may_change and entity.shape_for(self.sender.shape_class) is not None

    def _is_one_run(self, mutations: Sequence[Mutation]) -> bool:
        """Whether all is judged together, where the records are locked in order anyway."""
        records = {str(m.raw.get("record_id")) for m in mutations}
        return (
            self.runs
            and len(records) == len(mutations)
            and all(is_plain(m, self.registry, self.rooms) for m in mutations)
            and len({m.raw["entity"] for m in mutations}) == 1  # plain ones have a text there
        )

    # -- runs

    def _with_runs(
        self, mutations: Sequence[Mutation], known: Mapping[UUID, StoredVerdict]
    ) -> Iterator[Unit]:
        """The units, plain edits of distinct records that follow one another as one."""
        run: list[Mutation] = []
        taken: set[Any] = set()
        for unit in units_of(mutations):
            first = unit.members[0]
            plain = unit.group is None and is_plain(first, self.registry, self.rooms)
            if run and (not plain or {first.id, first.raw["record_id"]} & taken or first.id in known):
                yield Unit(None, tuple(run), is_run=True)
                run, taken = [], set()
            if (
                plain and first.id not in known
            ):  # asked again: the run that was just judged may have made it known
                run.append(first)
                taken |= {first.id, first.raw["record_id"]}
            else:
                yield unit
        if run:
            yield Unit(None, tuple(run), is_run=True)

    def _judge_run(self, run: Sequence[Mutation], known: dict[UUID, StoredVerdict]) -> list[Verdict]:
        """Verdicts on plain edits of distinct records, in their order."""
        unclaimed = [m for m in run if m.id not in self._claimed]
        if unclaimed:
            self._claimed |= self.store.claim_many([self._row_of(m) for m in unclaimed])
        claimed = self._claimed.copy()
        verdicts: list[Verdict] = []
        for ours, found in groupby(run, lambda m: m.id in claimed):
            members = list(found)
            # What another request judged meanwhile: what follows is judged in the light of it.
            verdicts += self._judge_claimed(members, known) if ours else self._singly(members, known)
        return verdicts

    def _judge_claimed(self, run: Sequence[Mutation], known: dict[UUID, StoredVerdict]) -> list[Verdict]:
        planner = Planner(self.store, self.registry, self.rooms, self.sender, self._devices)
        try:
            with nullcontext() if self.boldly else self.store.savepoint():
                plans = planner.plans(run)
                decided = write(list(_plain(plans)), self.store, self.rooms)
        except Exception as error:
            return self._judge_halves(run, known, error)
        verdicts = self._keep_many(run, decided, known)
        while len(verdicts) < len(
            run
        ):  # the next one is not plain; none of the others' records is touched by it
            verdicts += self._singly([run[len(verdicts)]], known)
            verdicts += self._write_next(run[len(verdicts) :], plans[len(verdicts) :], known)
        return verdicts

    def _write_next(
        self, run: Sequence[Mutation], plans: Sequence[Plan | None], known: dict[UUID, StoredVerdict]
    ) -> list[Verdict]:
        """Verdicts on the plain ones that *run* begins with."""
        plain = list(_plain(plans))
        if not plain:
            return []
        try:
            with self.store.savepoint():
                decided = write(plain, self.store, self.rooms)
        except Exception as error:
            return self._judge_halves(run[: len(plain)], known, error)
        return self._keep_many(run, decided, known)

    def _judge_halves(
        self, run: Sequence[Mutation], known: dict[UUID, StoredVerdict], error: Exception
    ) -> list[Verdict]:
        """After a failure of a run, of which nothing is left: so that it is only of the one that is at fault."""
        if self.rooms.is_transient(error):
            raise error
        if self.boldly:
            raise Afresh from error
        if len(run) <= FEW:
            return self._singly(run, known)
        middle = len(run) // 2
        return self._judge_claimed(run[:middle], known) + self._judge_claimed(run[middle:], known)

    def _singly(self, mutations: Iterable[Mutation], known: dict[UUID, StoredVerdict]) -> list[Verdict]:
        verdicts = []
        for mutation in mutations:
            self.fresh()
            verdicts.append(self._judge(mutation, known))
        return verdicts

    def _keep_many(
        self, run: Sequence[Mutation], decided: Sequence[Decided], known: dict[UUID, StoredVerdict]
    ) -> list[Verdict]:
        """Keep the verdicts on the first ones of *run*, as many as were decided."""
        if decided:
            self.store.answer_many([(one.verdict.id, _columns_of(one, self.sender.now)) for one in decided])
        for mutation, one in zip(run, decided, strict=False):
            self._claimed.remove(mutation.id)
            if mutation.id in self._repeated:
                known[mutation.id] = _as_stored(mutation, self.sender.device_id, one.verdict)
        self._at_once += len(decided)
        return [one.verdict for one in decided]

    # -- groups

    def _judge_group(
        self, group: UUID, members: Sequence[Mutation], known: dict[UUID, StoredVerdict]
    ) -> list[Verdict]:
        """Verdicts on a group, in the order of its members."""
        if self._is_known(group, members, known):
            return [self._again(m, known) for m in members]
        fault = fault_of(members)
        if fault is not None:
            return [self._refuse(m, known, fault) for m in members]
        reused = [m for m in members if not self.store.claim(self._row_of(m))]
        if reused:  # under other content: the group is part of the content
            detail = {"mutation_id": str(reused[0].id)}
            ours = [m for m in members if m not in reused]
            self._keep(known, {m.id: _refused(m, FAILED, detail) for m in ours}, ours)
            return [
                Verdict(m.id, Status.REJECTED, REUSED) if m in reused else _refused(m, FAILED, detail).verdict
                for m in members
            ]
        decided = self._decide_group(members)
        self._keep(known, decided, members)
        return [decided[m.id].verdict for m in members]

    def _is_known(self, group: UUID, members: Sequence[Mutation], known: dict[UUID, StoredVerdict]) -> bool:
        if not self.store.lock_group(group):
            return False
        known |= self.store.verdicts([m.id for m in members])  # of another device, while this one waited
        return True

    def _again(self, mutation: Mutation, known: dict[UUID, StoredVerdict]) -> Verdict:
        """A member of a group that was delivered before: its first verdict, or it is none of its members."""
        stored = known.get(mutation.id)
        if stored is None:
            return self._refuse(mutation, known, CHANGED)
        return self._replay(mutation, stored, CHANGED)

    def _refuse(self, mutation: Mutation, known: dict[UUID, StoredVerdict], code: str) -> Verdict:
        """Refuse what is no sound member of its group; a second one of the same id is told the same."""
        refused = _refused(mutation, code)
        if self.store.claim(self._row_of(mutation)):
            self._keep(known, {mutation.id: refused}, [mutation])
            return refused.verdict
        known |= self.store.verdicts([mutation.id])
        return (
            refused.verdict if known[mutation.id].code == code else self._replay(mutation, known[mutation.id])
        )

    def _keep(
        self,
        known: dict[UUID, StoredVerdict],
        decided: Mapping[UUID, Decided],
        members: Sequence[Mutation],
    ) -> None:
        for mutation in members:
            one = decided[mutation.id]
            self.store.answer(mutation.id, _columns_of(one, self.sender.now))
            known[mutation.id] = _as_stored(mutation, self.sender.device_id, one.verdict)

    def _decide_group(self, members: Sequence[Mutation]) -> dict[UUID, Decided]:
        """Apply all members, or none and tell why."""
        with self.store.nested() as whole:
            decided, failed = self._try_group(members)
            if failed is None:
                return decided
            whole.rollback()
        mutation, one, tell = failed
        self.fresh()
        if tell is not None:
            self.rooms.refused(*tell)
        detail = {"mutation_id": str(mutation.id)}
        found = {m.id: _refused(m, FAILED, detail) for m in members}
        if one.whole is not None:
            with self.store.savepoint():
                conflict_id = self._open_group(members, mutation, one.whole)
            one = replace(one, verdict=replace(one.verdict, conflict_id=conflict_id))
        return found | {mutation.id: one}

    def _try_group(
        self, members: Sequence[Mutation]
    ) -> tuple[dict[UUID, Decided], tuple[Mutation, Decided, tuple[Intent, Refused] | None] | None]:
        """Judge the members in order; a delete waits for those that hang on its record and go in the same group."""
        decided: dict[UUID, Decided] = {}
        waiting = list(members)
        while waiting:
            hung: list[tuple[Mutation, Decided, tuple[Intent, Refused] | None]] = []
            for mutation in waiting:
                self.fresh()
                one, why = self._attempt(mutation)
                if one.verdict.code == "has_dependants":
                    hung.append((mutation, one, why))
                elif one.verdict.status == Status.REJECTED or one.whole is not None:
                    return decided, (mutation, one, why)
                else:
                    self.store.answer(mutation.id, _columns_of(one, self.sender.now))
                    decided[mutation.id] = one
            if len(hung) == len(waiting):
                return decided, hung[0]
            waiting = [mutation for mutation, _, _ in hung]
        return decided, None

    def _open_group(
        self, members: Sequence[Mutation], failed: Mutation, item: InboxItem, *, judged: bool = True
    ) -> UUID:
        """One inbox item for the whole group; its customer is named where all members are about one."""
        accounts = {self._account_of(m) for m in members} if judged else {None}
        shown = [self._member(m, item if m is failed else None) for m in members]
        self.store.write_as(failed.id, envelope_of(failed).occurred_at, None, {})
        return self.rooms.open_item(
            InboxItem(
                kind="group",
                entity=item.entity,
                record_id=item.record_id,
                account_id=accounts.pop() if len(accounts) == 1 else None,
                record_version=0,
                mine={"members": shown},
                code=item.code,
            ),
            failed.id,
            envelope_of(failed).occurred_at,
            self._made(failed),
        )

    def _account_of(self, mutation: Mutation) -> UUID | None:
        """The customer that a mutation is about, by the record or by what is to become it."""
        envelope = envelope_of(mutation)
        entity = self.registry.find(envelope.entity)
        if entity is None or entity.account_field is None or envelope.record_id is None:
            return None
        found = self.store.account_of(entity, envelope.record_id)
        if found is not None or envelope.op != "create":
            return found
        fields = mutation.raw.get("fields")
        value = fields.get(entity.account_field) if isinstance(fields, dict) else None
        return UUID(value) if is_id(value) else None

    def _member(self, mutation: Mutation, item: InboxItem | None = None) -> dict[str, Any]:
        """A mutation as the inbox holds it, so that it can be done by a person."""
        raw, envelope = mutation.raw, envelope_of(mutation)
        found: dict[str, Any] = {
            "mutation_id": str(mutation.id),
            "n": mutation.n,
            "entity": envelope.entity,
            "record_id": str(envelope.record_id or NO_RECORD),
            "op": envelope.op,
            "fields": storable(self.rooms.keepable(raw.get("fields") or {})),
            "base": storable(self.rooms.keepable(raw.get("base") or self.sender.bases.get(mutation.id, {}))),
            "at": wire_time(self._made(mutation)),
        }
        if item is not None:
            found["kind"] = item.kind
            if isinstance(item.mine, Mapping) and item.mine.get("status"):
                found["status"] = item.mine["status"]
        return found

    def _made(self, mutation: Mutation) -> datetime:
        """When a mutation was made, by the server's clock."""
        return corrected_time(
            now=self.sender.now,
            sent_at=self.sender.sent_at,
            occurred_at=envelope_of(mutation).occurred_at,
            age_ms=age_of(mutation),
            floor=None,
        )

    # -- quarantine

    def _set_aside(self, mutation: Mutation, known: dict[UUID, StoredVerdict]) -> Verdict:
        stored = known.get(mutation.id)
        if stored is None and not self.store.claim(self._row_of(mutation)):
            stored = self.store.verdicts([mutation.id])[mutation.id]
        if stored is not None:
            return self._replay(mutation, stored)
        envelope = envelope_of(mutation)
        self.store.write_as(mutation.id, envelope.occurred_at, None, {})
        item = InboxItem(
            kind="quarantined",
            entity=envelope.entity,
            record_id=envelope.record_id or NO_RECORD,
            account_id=None,
            record_version=0,
            mine=self._member(mutation),
            code="quarantined",
        )
        with self.store.savepoint():
            conflict_id = self.rooms.open_item(item, mutation.id, envelope.occurred_at, self._made(mutation))
        return self._kept_aside(mutation, known, conflict_id)

    def _set_group_aside(
        self, group: UUID, members: Sequence[Mutation], known: dict[UUID, StoredVerdict]
    ) -> list[Verdict]:
        """A sound group waits as a whole; what is none, member by member."""
        if self._is_known(group, members, known) or fault_of(members) or any(m.id in known for m in members):
            return [self._set_aside(m, known) for m in members]
        taken = [m for m in members if not self.store.claim(self._row_of(m))]
        if taken:
            known |= self.store.verdicts([m.id for m in taken])
        ours = [m for m in members if m not in taken]
        if not ours:
            return [self._replay(m, known[m.id]) for m in members]
        first = envelope_of(ours[0])
        item = InboxItem(
            "group", first.entity, first.record_id or NO_RECORD, None, 0, mine=None, code="quarantined"
        )
        with self.store.savepoint():
            conflict_id = self._open_group(ours, ours[0], item, judged=False)
        kept = {m.id: self._kept_aside(m, known, conflict_id) for m in ours}
        return [kept[m.id] if m.id in kept else self._replay(m, known[m.id]) for m in members]

    def _kept_aside(self, mutation: Mutation, known: dict[UUID, StoredVerdict], conflict_id: UUID) -> Verdict:
        verdict = Verdict(mutation.id, Status.CONFLICT, "quarantined", conflict_id=conflict_id)
        self._keep(known, {mutation.id: Decided(verdict)}, [mutation])
        return verdict

    # -- one mutation

    def _replay(self, mutation: Mutation, stored: StoredVerdict, reused: str = REUSED) -> Verdict:
        if stored.hash != mutation.hash:
            return Verdict(mutation.id, Status.REJECTED, reused)
        if stored.device_id != self.sender.device_id:
            self.device = self.device.known_as(stored.device_id)
        return Verdict(
            mutation.id,
            stored.status,
            stored.code,
            stored.detail,
            stored.version,
            stored.fields or {},
            stored.conflict_id,
            replayed=True,
            entity=stored.entity,
            record_id=stored.record_id,
        )

    def _decide(self, mutation: Mutation) -> Decided:
        decided, why = self._attempt(mutation)
        if why is not None:
            self.rooms.refused(*why)
        return decided

    def _attempt(self, mutation: Mutation) -> tuple[Decided, tuple[Intent, Refused] | None]:
        """Judge one mutation in its own savepoint; also gives what it was refused for."""
        try:
            intent = intent_of(mutation)
        except Refused as refused:
            return _rejected(mutation, refused), None
        judge = self._judge_of(intent)
        try:
            try:
                with self.store.savepoint():
                    return judge.decide(), None
            except Refused as refused:
                if not (judge.saw and refused.code == "not_found"):
                    raise
            # It left the user's scope between two statements: its work may be kept.
            judge = self._judge_of(intent)
            with self.store.savepoint():
                return judge.decide(), None
        except Refused as refused:
            return _rejected(mutation, refused, intent, judge.at), (intent, refused)
        except Exception as error:
            if self.rooms.is_transient(error):
                raise
            refused_by_data = self.rooms.refusal_of(error)
            if refused_by_data is not None:
                return _rejected(mutation, refused_by_data, intent, judge.at), None
            self.rooms.report(error)
            with self.store.savepoint():
                return judge.failed(error), None

    def _judge_of(self, intent: Intent) -> Judge:
        return Judge(intent, self.store, self.registry, self.rooms, self.sender, self._devices)

    @property
    def _devices(self) -> list[UUID]:
        return [self.sender.device_id, *self.device.also_known_as]

    def _row_of(self, mutation: Mutation) -> dict[str, Any]:
        return claim_of(mutation, self.rooms.keepable)


def claim_of(mutation: Mutation, keepable: Callable[[Any], Any]) -> dict[str, Any]:
    """The columns of the verdict key; whatever is unsound in the envelope is left to the payload."""
    envelope = envelope_of(mutation)
    return {
        "id": mutation.id,
        "n": mutation.n,
        "hash": mutation.hash,
        "entity": envelope.entity,
        "record_id": envelope.record_id or NO_RECORD,
        "op": envelope.op,
        "group_id": envelope.group,
        "base_version": envelope.base_version,
        "payload": payload_of(keepable(mutation.raw)),
        "occurred_at": envelope.occurred_at,
    }


def opening_of(
    tenant_id: UUID, user_id: UUID, device_id: UUID, chunk: Sequence[Mutation], keepable: Callable[[Any], Any]
) -> Opening:
    """What a chunk asks before anything is judged."""
    alone = chunk[0] if len(chunk) == 1 and group_of(chunk[0]) is None else None
    claim = claim_of(alone, keepable) if alone else None
    return Opening(tenant_id, user_id, device_id, tuple(m.id for m in chunk), claim)


def _plain(plans: Sequence[Plan | None]) -> Iterator[Plan]:
    """The plans that come before the first mutation which is judged by itself."""
    for plan in plans:
        if plan is None:
            return
        yield plan


def _has_made(mutation: Mutation, verdict: Verdict) -> bool:
    made = verdict.status in (Status.APPLIED, Status.MERGED) and not verdict.replayed
    return made and mutation.raw.get("op") == "create"


def _refused(mutation: Mutation, code: str, detail: dict[str, Any] | None = None) -> Decided:
    """A member that falls with its group."""
    envelope = envelope_of(mutation)
    return Decided(
        Verdict(
            mutation.id,
            Status.REJECTED,
            code,
            detail,
            entity=envelope.entity,
            record_id=envelope.record_id,
        )
    )


def _rejected(
    mutation: Mutation, refused: Refused, intent: Intent | None = None, at: datetime | None = None
) -> Decided:
    verdict = Verdict(
        mutation.id,
        Status.REJECTED,
        refused.code,
        storable(refused.detail),
        entity=intent.entity if intent else "",
        record_id=intent.record_id if intent else None,
    )
    return Decided(verdict, at)


def _columns_of(decided: Decided, now: datetime) -> dict[str, Any]:
    """The columns of a verdict; *now* is the service's idea of it, whichever clock is ahead counts."""
    verdict = decided.verdict
    return {
        "status": str(verdict.status),
        "code": verdict.code,
        "detail": _json(verdict.detail),
        "fields": _json(dict(verdict.fields)),
        "version": verdict.version,
        "conflict_id": verdict.conflict_id,
        "stamp_at": decided.stamp_at,
        "judged_at": now,
    }


def _as_stored(mutation: Mutation, device_id: UUID, verdict: Verdict) -> StoredVerdict:
    """What a later delivery in the same chunk is to find."""
    return StoredVerdict(
        device_id,
        mutation.hash,
        str(verdict.status),
        verdict.code,
        verdict.detail,
        dict(verdict.fields),
        verdict.version,
        verdict.conflict_id,
        verdict.entity,
        verdict.record_id or NO_RECORD,
    )


def _json(value: Mapping[str, Any] | None) -> str:
    return orjson.dumps(value).decode()
