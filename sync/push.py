"""Push: judges mutations one after the other, each in its own savepoint."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import orjson

from sync.errors import Refused
from sync.judgement import Judgement, judge_update
from sync.merge import Outcome
from sync.policy import SyncEntity
from sync.registry import Registry
from sync.stamps import Stamp, corrected_time
from sync.stores.push import DeviceState, OwnMutation, PushStore, RecordState, StoredVerdict
from sync.values import wire_time
from sync.verdicts import Status, outcomes_on_wire, verdict_of
from sync.wire import Intent, Mutation, intent_of, refusal

CHUNK = 50
"""Mutations in one transaction."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Fields of a mutation in canonical wire form; ``masked`` ones were blanked."""

    fields: dict[str, Any]
    masked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class InboxItem:
    """What a person has to decide. Values are JSON."""

    kind: str
    entity: str
    record_id: UUID
    account_id: UUID | None
    record_version: int
    mine: Any
    base: Any = None
    theirs: Any = None
    field: str | None = None
    row_id: UUID | None = None
    code: str | None = None


class Rooms(Protocol):
    """The service functions of the application, with the permissions of the device's user.

    Everything runs in the push transaction. A refusal by a business rule is raised as ``Refused``.
    """

    def check(self, entity: SyncEntity, op: str, fields: Mapping[str, Any], *, known: Any = None) -> Checked:
        """Validate the shape of *fields* for *op*; raises Refused with pointers."""

    def sees(self, entity: SyncEntity, record_id: UUID) -> bool:
        """Whether the live record is in the user's scope."""

    def create(self, entity: SyncEntity, record_id: UUID, fields: Mapping[str, Any]) -> None:
        """Make a record."""

    def update(self, entity: SyncEntity, record_id: UUID, changes: Mapping[str, Any]) -> object:
        """Write fields."""

    def delete(self, entity: SyncEntity, record_id: UUID) -> None:
        """Delete softly."""

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
        """Do a command; *status* is the state to judge from where a clock-made one gives way."""

    def open_item(self, item: InboxItem, intent: Intent, at: datetime) -> UUID:
        """Put something into the inbox, or join the open item of the same field; gives its id."""

    def refusal_of(self, error: Exception) -> Refused | None:
        """A database error that is the mutation's own fault, as a refusal; None for anything else."""

    def is_transient(self, error: Exception) -> bool:
        """Whether the whole chunk should be tried again (deadlock, serialization, lost connection)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one final answer to a mutation; ``record`` is rendered when it is sent."""

    id: UUID
    status: str
    code: str | None = None
    detail: Any = None
    version: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    conflict_id: UUID | None = None
    replayed: bool = False
    entity: str = ""
    record_id: UUID | None = None


@dataclass(slots=True)
class Pushed:
    """What a chunk came to: verdicts in ``n`` order, and whether a new id carried an old ``n``."""

    verdicts: list[Verdict]
    highest_n: int
    cloned: bool


@dataclass(frozen=True, slots=True)
class Sender:
    """Who pushes, and by which clocks."""

    user_id: UUID
    device_id: UUID
    shape_class: str
    now: datetime
    sent_at: datetime | None


class Pusher:
    """Judges the mutations of one chunk inside one transaction."""

    def __init__(
        self,
        store: PushStore,
        registry: Registry,
        rooms: Rooms,
        sender: Sender,
        *,
        fresh: Callable[[], None] = lambda: None,
    ) -> None:
        """Join store, rooms and sender.

        Args:
            store: Of the transaction that *rooms* writes in.
            registry: The synced entities.
            rooms: Service functions bound to the user.
            sender: Who pushes.
            fresh: Called before each mutation; drops what an earlier one left in memory.
        """
        self.store = store
        self.registry = registry
        self.rooms = rooms
        self.sender = sender
        self.fresh = fresh
        self.device = DeviceState(0, frozenset())

    @property
    def devices(self) -> list[UUID]:
        """This device, and those under which its replayed mutations were first judged."""
        return [self.sender.device_id, *self.device.also_known_as]

    def push(self, mutations: Sequence[Mutation]) -> Pushed:
        """Judge a chunk (at most 50) in ``n`` order; the caller commits."""
        self.device = self.store.lock_device()
        known = self.store.verdicts([m.id for m in mutations])
        before = self.device.highest_n
        highest, cloned = before, False
        verdicts = []
        for mutation in mutations:
            self.fresh()
            verdict = self._judge(mutation, known)
            if not verdict.replayed and verdict.code != "mutation_id_reused":
                cloned = cloned or mutation.n <= before
                highest = max(highest, mutation.n)
            verdicts.append(verdict)
        self.store.note_device(highest, self.device.also_known_as)
        return Pushed(verdicts, highest, cloned)

    def _judge(self, mutation: Mutation, known: dict[UUID, StoredVerdict]) -> Verdict:
        stored = known.get(mutation.id)
        if stored is None and not self.store.claim(_row_of(mutation)):
            stored = self.store.verdicts([mutation.id])[mutation.id]
        if stored is not None:
            return self._replay(mutation, stored)
        verdict = self._decide(mutation)
        self.store.answer(mutation.id, _stored(verdict))
        known[mutation.id] = self.store.verdicts([mutation.id])[mutation.id]
        return verdict.verdict

    def _replay(self, mutation: Mutation, stored: StoredVerdict) -> Verdict:
        if stored.hash != mutation.hash:
            return Verdict(mutation.id, Status.REJECTED, "mutation_id_reused", entity="", record_id=None)
        if stored.device_id != self.sender.device_id:
            self.device = DeviceState(
                self.device.highest_n, self.device.also_known_as | {stored.device_id}
            )
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

    def _decide(self, mutation: Mutation) -> "_Decided":
        try:
            intent = intent_of(mutation)
        except Refused as refused:
            return _rejected(mutation, refused)
        run = _Judge(self, intent)
        try:
            with self.store.savepoint():
                return run.decide()
        except Refused as refused:
            return _rejected(mutation, refused, intent, run.at)
        except Exception as error:
            if self.rooms.is_transient(error):
                raise
            refused_by_data = self.rooms.refusal_of(error)
            if refused_by_data is not None:
                return _rejected(mutation, refused_by_data, intent, run.at)
            return run.failed(error)


@dataclass(frozen=True, slots=True)
class _Decided:
    verdict: Verdict
    stamp_at: datetime | None = None


class _Judge:
    """One mutation: finds its record, asks the rules, calls the rooms."""

    def __init__(self, pusher: Pusher, intent: Intent) -> None:
        self.pusher = pusher
        self.store = pusher.store
        self.rooms = pusher.rooms
        self.sender = pusher.sender
        self.intent = intent
        self.at: datetime | None = None

    def decide(self) -> _Decided:
        """The verdict; raises Refused."""
        intent = self.intent
        entity = self.pusher.registry.find(intent.entity)
        if entity is None:
            raise refusal("unknown_entity", "/entity")
        if intent.group is not None:
            raise refusal("group_not_supported", "/group")
        is_command = intent.op not in ("create", "update", "delete")
        if not entity.pushable or (is_command and not _knows(entity, intent.op)):
            raise refusal("unknown_op", "/op")
        if intent.op == "create":
            return self._create(entity)
        state = self._target(entity)
        if state.deleted:
            return self._on_deleted(entity, state)
        if intent.op == "update":
            return self._update(entity, state)
        if intent.op == "delete":
            return self._delete(entity, state)
        return self._command(entity, state)

    def _target(self, entity: SyncEntity) -> RecordState:
        """The record that the mutation names, if its user may know of it; unknown and foreign look the same."""
        record_id = self.intent.record_id
        state = self.store.record(entity, record_id)
        if state is not None and (
            self.store.was_given(entity.name, record_id) if state.deleted else self.rooms.sees(entity, record_id)
        ):
            return state
        if self.store.create_was_rejected(record_id):
            raise Refused("depends_on", {"record_id": str(record_id)})
        raise Refused("not_found")

    def _timing(self, entity: SyncEntity, base_version: int, own: Sequence[OwnMutation]) -> tuple[Stamp, Stamp | None]:
        """The mutation's stamp, and the newest stamp that it must stand above."""
        base = self.store.newest_stamp_at(entity.name, self.intent.record_id, base_version) if base_version else None
        earlier = [m for m in (base, *(o.stamp_at for o in own)) if m is not None]
        floor = Stamp(wire_time(max(earlier)), "") if earlier else None
        self.at = corrected_time(
            now=self.sender.now,
            sent_at=self.sender.sent_at,
            occurred_at=self.intent.occurred_at,
            age_ms=self.intent.age_ms,
            floor=floor,
        )
        return Stamp(wire_time(self.at), str(self.intent.mutation.id)), floor

    def _writing(self, stamp: Stamp, stamps: Mapping[str, Any] | None = None) -> None:
        self.store.write_as(
            self.intent.mutation.id, self.intent.occurred_at, [stamp.at, stamp.mutation], stamps or {}
        )

    def _create(self, entity: SyncEntity) -> _Decided:
        record_id = self.intent.record_id
        state = self.store.record(entity, record_id)
        if state is not None and state.deleted and self.store.was_given(entity.name, record_id):
            return self._on_deleted(entity, state)
        if state is not None:
            if state.deleted or not self.rooms.sees(entity, record_id):
                raise Refused("id_taken")
            return self._create_again(entity, state)
        checked = self.rooms.check(entity, "create", self.intent.fields)
        stamp, _ = self._timing(entity, 0, [])
        self._writing(stamp)
        self.rooms.create(entity, record_id, checked.fields)
        outcomes = {name: Outcome.APPLIED for name in self.intent.fields}
        return self._done(entity, _with_masked(outcomes, checked.masked), set())

    def _create_again(self, entity: SyncEntity, state: RecordState) -> _Decided:
        """A create of an id that exists in scope: equal content is nothing new, other content is merged."""
        checked = self.rooms.check(entity, "create", self.intent.fields)
        writable = {n: v for n, v in checked.fields.items() if n in entity.fields}
        if entity.append_only and any(state.fields.get(n) != v for n, v in writable.items()):
            raise Refused("append_only")
        return self._merge(entity, state, Checked(writable, checked.masked), base_version=0, base={})

    def _update(self, entity: SyncEntity, state: RecordState) -> _Decided:
        if entity.append_only:
            raise Refused("append_only")
        checked = self.rooms.check(entity, "update", self.intent.fields)
        base = self.rooms.check(entity, "base", self.intent.base, known=checked.fields).fields
        return self._merge(entity, state, checked, base_version=self._base_version(state), base=base)

    def _base_version(self, state: RecordState) -> int:
        version = self.intent.base_version or 0
        if version > state.version:
            raise refusal("base_version_unknown", "/base_version")
        return version

    def _history(self, entity: SyncEntity, state: RecordState, base_version: int) -> Judgement:
        own = self.store.own_mutations(self.intent.record_id, self.pusher.devices, self.intent.mutation.n)
        stamp, floor = self._timing(entity, base_version, own)
        return Judgement.of(
            entity,
            state,
            self.store.ledger_after(entity.name, self.intent.record_id, base_version),
            own,
            devices=frozenset(self.pusher.devices),
            base_version=base_version,
            stamp=stamp,
            floor=floor,
        )

    def _merge(
        self,
        entity: SyncEntity,
        state: RecordState,
        checked: Checked,
        *,
        base_version: int,
        base: Mapping[str, Any],
    ) -> _Decided:
        history = self._history(entity, state, base_version)
        machine = entity.machine
        if machine is not None and state.fields.get(machine.field) in machine.frozen_states:
            if history.base_status() in machine.frozen_states:
                raise Refused("record_frozen", {"status": state.fields[machine.field]})
            return self._whole_to_inbox(entity, state, "frozen", checked.fields, "record_frozen")
        result = judge_update(history, checked.fields, base)
        self._writing(history.stamp, result.stamps_by_record(str(self.intent.record_id)))
        if result.writes:
            self.rooms.update(entity, self.intent.record_id, result.writes)
        if result.stamps:
            # Also where a service normalised a value away: the stamp of what was decided stays.
            self.store.raise_stamps(entity, self.intent.record_id)
        for name in result.outcomes:
            if entity.fields[name].table and result.row_stamps:
                self.store.raise_row_stamps(entity.fields[name].table, list(result.row_stamps))
        version = self.store.version_of(entity, self.intent.record_id) or state.version
        if result.lost:
            self.store.note_loss(
                entity,
                self.intent.record_id,
                version=version,
                account_id=_account_of(entity, self.intent.record_id, state.fields),
                lost=result.lost,
                present={name: state.fields.get(name) for name in result.lost},
                mutation_id=self.intent.mutation.id,
                occurred_at=self.intent.occurred_at,
                stamp_at=history.stamp.at,
                winner=result.winner,
            )
        conflict_id = None
        for item in result.items(entity, self.intent.record_id, version, _account_of(entity, self.intent.record_id, state.fields)):
            conflict_id = self.rooms.open_item(item, self.intent, self.at or self.sender.now)
        return self._done(
            entity, _with_masked(result.outcomes, checked.masked), history.others_fields(), conflict_id=conflict_id
        )

    def _command(self, entity: SyncEntity, state: RecordState) -> _Decided:
        intent, machine = self.intent, entity.machine
        arguments = self.rooms.check(entity, intent.op, intent.fields).fields
        history = self._history(entity, state, self._base_version(state))
        status = None
        if machine is not None and intent.op in machine.steps:
            present, on_base = state.fields.get(machine.field), history.base_status()
            if not machine.is_legal(intent.op, present):
                if not machine.is_legal(intent.op, on_base):
                    raise Refused(
                        "transition_not_allowed",
                        {"status": present, "allowed": list(machine.allowed(str(present)))},
                    )
                if present not in machine.clock_states:
                    mine = {"command": intent.op, "fields": arguments, "status": on_base}
                    return self._whole_to_inbox(entity, state, "command", mine, "transition_not_allowed")
                status = on_base
        self._writing(history.stamp)
        self.rooms.command(
            entity, intent.record_id, intent.op, arguments, at=self.at or self.sender.now, status=status
        )
        return self._done(entity, {}, history.others_fields())

    def _delete(self, entity: SyncEntity, state: RecordState) -> _Decided:
        if entity.append_only:
            raise Refused("append_only")
        history = self._history(entity, state, self._base_version(state))
        if history.others_fields():
            return self._whole_to_inbox(entity, state, "delete", {"delete": True}, "edited_since")
        self._writing(history.stamp)
        self.rooms.delete(entity, self.intent.record_id)
        return self._done(entity, {}, set())

    def _on_deleted(self, entity: SyncEntity, state: RecordState) -> _Decided:
        if self.intent.op == "delete":
            return self._done(entity, {}, set())
        op = self.intent.op
        checked = self.rooms.check(entity, op, self.intent.fields)
        mine = checked.fields if op in ("create", "update") else {"command": op, "fields": checked.fields}
        return self._whole_to_inbox(entity, state, "deleted", mine, "deleted")

    def _whole_to_inbox(
        self, entity: SyncEntity, state: RecordState, kind: str, mine: Any, code: str
    ) -> _Decided:
        if self.at is None:
            self._timing(entity, 0, [])
        item = InboxItem(
            kind=kind,
            entity=entity.name,
            record_id=self.intent.record_id,
            account_id=_account_of(entity, self.intent.record_id, state.fields),
            record_version=state.version,
            mine=mine,
            theirs={name: state.fields.get(name) for name in mine if name in state.fields}
            if kind in ("frozen", "deleted")
            else {"status": state.fields.get(entity.machine.field)}
            if kind == "command" and entity.machine
            else None,
            code=code,
        )
        conflict_id = self.rooms.open_item(item, self.intent, self.at or self.sender.now)
        outcomes = dict.fromkeys(self.intent.fields, Outcome.CONFLICT)
        return self._done(entity, outcomes, set(), status=Status.CONFLICT, code=code, conflict_id=conflict_id)

    def failed(self, error: Exception) -> _Decided:
        """A fault of the server, not of the mutation: kept in the inbox, and nobody waits for it."""
        item = InboxItem(
            kind="failed",
            entity=self.intent.entity,
            record_id=self.intent.record_id,
            account_id=None,
            record_version=self.intent.base_version or 0,
            mine={"op": self.intent.op, "fields": self.intent.fields},
            code=type(error).__name__,
        )
        conflict_id = self.rooms.open_item(item, self.intent, self.at or self.sender.now)
        verdict = Verdict(
            self.intent.mutation.id,
            Status.CONFLICT,
            "failed",
            conflict_id=conflict_id,
            entity=self.intent.entity,
            record_id=self.intent.record_id,
        )
        return _Decided(verdict, self.at)

    def _done(
        self,
        entity: SyncEntity,
        outcomes: Mapping[str, Outcome],
        others: set[str],
        *,
        status: Status | None = None,
        code: str | None = None,
        conflict_id: UUID | None = None,
    ) -> _Decided:
        found = status or verdict_of(
            outcomes,
            sent_fields=tuple(outcomes),
            others_changed_other_fields=bool(others - set(outcomes)),
        )
        verdict = Verdict(
            self.intent.mutation.id,
            found,
            code,
            None,
            self.store.version_of(entity, self.intent.record_id),
            outcomes_on_wire(outcomes),
            conflict_id,
            entity=entity.name,
            record_id=self.intent.record_id,
        )
        return _Decided(verdict, self.at)


def _knows(entity: SyncEntity, op: str) -> bool:
    return op in entity.commands or (entity.machine is not None and op in entity.machine.steps)


def _with_masked(outcomes: Mapping[str, Outcome], masked: frozenset[str]) -> dict[str, Outcome]:
    return {
        name: Outcome.MASKED if name in masked and outcome in (Outcome.APPLIED, Outcome.EQUAL) else outcome
        for name, outcome in outcomes.items()
    }


def _account_of(entity: SyncEntity, record_id: UUID, fields: Mapping[str, Any]) -> UUID | None:
    if entity.account_field is None:
        return None
    value = record_id if entity.account_field == "id" else fields.get(entity.account_field)
    return UUID(str(value)) if value else None


def _rejected(
    mutation: Mutation, refused: Refused, intent: Intent | None = None, at: datetime | None = None
) -> _Decided:
    verdict = Verdict(
        mutation.id,
        Status.REJECTED,
        refused.code,
        refused.detail,
        entity=intent.entity if intent else "",
        record_id=intent.record_id if intent else None,
    )
    return _Decided(verdict, at)


NO_RECORD = UUID(int=0)


def _row_of(mutation: Mutation) -> dict[str, Any]:
    """The claim's columns; whatever is unsound in the envelope is left out, the payload keeps it."""
    try:
        intent = intent_of(mutation)
    except Refused:
        intent = None
    return {
        "id": mutation.id,
        "n": mutation.n,
        "hash": mutation.hash,
        "entity": intent.entity if intent else "",
        "record_id": intent.record_id if intent else NO_RECORD,
        "op": intent.op if intent else "",
        "group_id": intent.group if intent else None,
        "base_version": intent.base_version if intent else None,
        "payload": mutation.payload,
        "occurred_at": intent.occurred_at if intent else None,
    }


def _stored(decided: _Decided) -> dict[str, Any]:
    verdict = decided.verdict
    return {
        "status": str(verdict.status),
        "code": verdict.code,
        "detail": orjson.dumps(verdict.detail).decode(),
        "fields": orjson.dumps(dict(verdict.fields)).decode(),
        "version": verdict.version,
        "conflict_id": verdict.conflict_id,
        "stamp_at": decided.stamp_at,
    }

