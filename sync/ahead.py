"""Judging ahead: what plain edits of distinct records come to is decided before any of them is written."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from sync.errors import Refused
from sync.inbox import InboxItem
from sync.judge import Decided, Judge, Sender
from sync.policy import SyncEntity
from sync.registry import Registry
from sync.rooms import Checked, Rooms
from sync.states import History, HistoryAsked, Loss, RecordState, Writer
from sync.stores.driver import Said
from sync.stores.push import PushStore
from sync.wire import Intent, Mutation, group_of, intent_of

Found = tuple[RecordState, HistoryAsked, History]


class NotPlain(Exception):
    """More is wanted than to write fields of a record that was read ahead: it is judged by itself."""


@dataclass(slots=True)
class Plan:
    """What a plain edit comes to, once it is written.

    Attributes:
        version: The record's, as it was read.
        writer: What the capture triggers are to be told; None where nothing is written.
        changes: Fields to write; None for none.
        raises: Whether stamps are raised though no field changes.
        losses: What lost, for the ledger.
        decided: The verdict, but for the version.
    """

    mutation: Mutation
    entity: SyncEntity
    record_id: UUID
    version: int
    writer: Writer | None = None
    changes: Mapping[str, Any] | None = None
    raises: bool = False
    losses: list[Loss] = field(default_factory=list)
    decided: Decided | None = None

    @property
    def present_version(self) -> int:
        """The version that the record will have, as far as can be told before it is written."""
        return self.version + (self.changes is not None)


class Planner:
    """Judges runs of plain edits; each is judged by the same judge as any mutation."""

    def __init__(
        self, store: PushStore, registry: Registry, rooms: Rooms, sender: Sender, devices: Sequence[UUID]
    ) -> None:
        """Join what the judge needs; arguments as for it."""
        self.store = store
        self.registry = registry
        self.rooms = rooms
        self.sender = sender
        self.devices = devices

    def plans(self, run: Sequence[Mutation]) -> list[Plan | None]:
        """What each comes to, locked; None for those that have to be judged by themselves.

        Args:
            run: Plain edits of distinct records.
        """
        intents = [_intent(mutation) for mutation in run]
        found = self._found([intent for intent in intents if intent])
        return [
            self._plan(intent, *found[intent.mutation.id]) if intent and intent.mutation.id in found else None
            for intent in intents
        ]

    def _found(self, intents: Sequence[Intent]) -> dict[UUID, Found]:
        """What was read for each that the user may edit, by the id of its mutation."""
        if self.store.asks_at_once:
            return {intent.mutation.id: found for intent in intents if (found := self._hold(intent))}
        states = self._states(intents)
        asked = {i.mutation.id: self._asked(i) for i in intents if i.record_id in states}
        histories = self.store.histories(list(asked.values()), self.devices) if asked else []
        pasts = dict(zip(asked, zip(asked.values(), histories, strict=True), strict=True))
        return {
            i.mutation.id: (states[i.record_id], *pasts[i.mutation.id])
            for i in intents
            if i.mutation.id in pasts
        }

    def _hold(self, intent: Intent) -> Found | None:
        """The same for one, by one message: locked by the room, and read under its lock."""
        entity, asked = self.registry.get(intent.entity), self._asked(intent)
        holding = self.rooms.holding(entity, intent.record_id, intent.fields)
        held, state, past = self.store.hold(holding, entity, asked, self.devices)
        return (state, asked, past) if self.rooms.held(entity, held) and state else None

    def _states(self, intents: Sequence[Intent]) -> dict[UUID, RecordState]:
        """The records that the user sees; what they may not know of is neither read nor locked."""
        wanted: dict[str, list[UUID]] = defaultdict(list)
        for intent in intents:
            wanted[intent.entity].append(intent.record_id)
        found: dict[UUID, RecordState] = {}
        for name, ids in sorted(wanted.items()):
            entity = self.registry.find(name)
            seen = self.rooms.sees_which(entity, ids) if entity else set()
            if entity and seen:
                found |= self.store.records(entity, sorted(seen))
        return found

    def _asked(self, intent: Intent) -> HistoryAsked:
        known = self.sender.knows_base(intent.epoch)
        version = (intent.base_version or 0) if known else 0
        return HistoryAsked(intent.entity, intent.record_id, version, intent.mutation.n)

    def _plan(self, intent: Intent, state: RecordState, asked: HistoryAsked, past: History) -> Plan | None:
        entity = self.registry.find(intent.entity)
        if entity is None or state.deleted:
            return None
        plan = Plan(intent.mutation, entity, intent.record_id, state.version)
        store = _Drafted(self.store, plan, state, asked, past)
        judge = Judge(
            intent, store, self.registry, _DraftedRooms(self.rooms, plan), self.sender, self.devices
        )
        try:
            plan.decided = judge.decide()
        except (
            Exception
        ):  # whatever it is, it is found again, and told, where the mutation is judged by itself
            return None
        return plan


def is_plain(mutation: Mutation, registry: Registry, rooms: Rooms) -> bool:
    """Whether a mutation may be an edit that touches nobody but its record, by what it says of itself."""
    raw = mutation.raw
    fields = raw.get("fields")
    if raw.get("op") != "update" or not isinstance(fields, dict) or group_of(mutation) is not None:
        return False
    name = raw.get("entity")
    entity = registry.find(name) if isinstance(name, str) else None
    return entity is not None and isinstance(raw.get("record_id"), str) and rooms.takes_many(entity, fields)


def write(plans: Sequence[Plan], store: PushStore, rooms: Rooms) -> list[Decided]:
    """Do what was planned with a statement for each kind of record, in the caller's savepoint."""
    writers = {plan.record_id: plan.writer for plan in plans if plan.writer}
    if writers:
        store.write_as_many(writers)
    versions = {plan.record_id: plan.version for plan in plans}
    for entity, ours in _by_entity(plans):
        changes = {plan.record_id: plan.changes for plan in ours if plan.changes is not None}
        if changes:
            versions |= rooms.update_many(entity, changes)
            if store.is_silent and any(versions[plan.record_id] != plan.version for plan in ours):
                raise NotPlain  # written by other means than those along which the writers are told
        # As the judge does: no trigger saw the stamps where nothing was written in the end.
        untouched = [
            plan.record_id
            for plan in ours
            if plan.raises
            or (
                plan.writer
                and plan.writer.stamps
                and plan.changes
                and versions[plan.record_id] == plan.version
            )
        ]
        if untouched:
            store.raise_stamps_of(entity, untouched)
    losses = [replace(loss, version=versions[loss.record_id]) for plan in plans for loss in plan.losses]
    if losses:
        store.note_losses(losses)
    return [
        replace(plan.decided, verdict=replace(plan.decided.verdict, version=versions[plan.record_id]))
        for plan in plans
        if plan.decided
    ]


def _by_entity(plans: Sequence[Plan]) -> list[tuple[SyncEntity, list[Plan]]]:
    found: dict[str, tuple[SyncEntity, list[Plan]]] = {}
    for plan in plans:
        found.setdefault(plan.entity.name, (plan.entity, []))[1].append(plan)
    return list(found.values())


def _intent(mutation: Mutation) -> Intent | None:
    try:
        return intent_of(mutation)
    except Refused:
        return None


def _not_plain(*_: Any, **__: Any) -> NoReturn:
    raise NotPlain


class _Drafted(PushStore):
    """The store as one plain edit may use it: knows what was read ahead, notes what is to be written.

    Everything else would be a statement, and is refused.
    """

    def __init__(
        self, store: PushStore, plan: Plan, state: RecordState, asked: HistoryAsked, past: History
    ) -> None:
        super().__init__(store.connection, store.tenant_id, store.user_id, store.device_id, _not_plain)
        self._plan = plan
        self._state = state
        self._asked = asked
        self._past = past

    def _run(self, sql: Any, **values: Any) -> Any:
        raise NotPlain

    def record(self, entity: SyncEntity, record_id: UUID) -> RecordState | None:
        return self._state

    def history(self, asked: HistoryAsked, devices: Sequence[UUID]) -> History:
        if asked != self._asked:
            raise NotPlain
        return self._past

    def version_of(self, entity: SyncEntity, record_id: UUID) -> int | None:
        return self._plan.present_version

    def write_as(
        self,
        mutation_id: UUID | None,
        occurred_at: datetime | None,
        stamp: Sequence[str] | None,
        stamps: Mapping[str, Any],
    ) -> None:
        key = str(self._plan.record_id)
        if mutation_id is None or stamp is None or stamps.keys() - {key}:
            raise NotPlain
        self._plan.writer = Writer(mutation_id, occurred_at, (stamp[0], stamp[1]), stamps.get(key) or {})

    def raise_stamps(self, entity: SyncEntity, record_id: UUID) -> None:
        self._plan.raises = True

    def note_loss(self, loss: Loss) -> None:
        self._plan.losses.append(loss)


class _DraftedRooms(Rooms):
    """The rooms as one plain edit may use them."""

    def __init__(self, rooms: Rooms, plan: Plan) -> None:
        self._rooms = rooms
        self._plan = plan

    def offers(self, entity: SyncEntity, op: str) -> bool:
        return self._rooms.offers(entity, op)

    def takes_many(self, entity: SyncEntity, names: Mapping[str, Any]) -> bool:
        return self._rooms.takes_many(entity, names)

    def check(self, entity: SyncEntity, op: str, fields: Mapping[str, Any]) -> Checked:
        return self._rooms.check(entity, op, fields)

    def check_base(
        self, entity: SyncEntity, base: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        return self._rooms.check_base(entity, base, fields)

    def keepable(self, value: Any) -> Any:
        return self._rooms.keepable(value)

    def sees(self, entity: SyncEntity, record_id: UUID) -> bool:
        return True  # no other is planned

    def sees_which(self, entity: SyncEntity, ids: Sequence[UUID]) -> set[UUID]:
        raise NotPlain

    def holding(self, entity: SyncEntity, record_id: UUID, fields: Mapping[str, Any]) -> Said:
        raise NotPlain

    def held(self, entity: SyncEntity, rows: Sequence[Any]) -> bool:
        raise NotPlain

    def create(self, entity: SyncEntity, record_id: UUID, fields: Mapping[str, Any], *, at: datetime) -> None:
        raise NotPlain

    def update(self, entity: SyncEntity, record_id: UUID, changes: Mapping[str, Any]) -> int:
        if not self._rooms.takes_many(entity, changes):
            raise NotPlain
        self._plan.changes = changes
        return self._plan.present_version

    def update_many(self, entity: SyncEntity, changes: Mapping[UUID, Mapping[str, Any]]) -> dict[UUID, int]:
        raise NotPlain

    def delete(self, entity: SyncEntity, record_id: UUID) -> None:
        raise NotPlain

    def command(
        self,
        entity: SyncEntity,
        record_id: UUID,
        name: str,
        arguments: Mapping[str, Any],
        *,
        at: datetime,
        status: str | None,
    ) -> object:
        raise NotPlain

    def open_item(
        self, item: InboxItem, mutation_id: UUID, occurred_at: datetime | None, at: datetime
    ) -> UUID:
        raise NotPlain

    def refused(self, intent: Intent, refused: Refused) -> None:
        raise NotPlain

    def refusal_of(self, error: Exception) -> Refused | None:
        raise NotPlain

    def is_transient(self, error: Exception) -> bool:
        raise NotPlain

    def report(self, error: Exception) -> None:
        raise NotPlain
