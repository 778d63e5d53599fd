"""Judging one mutation: finds its record, asks the merge rules, calls the rooms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sync.errors import Disputed, HandedOver, Overtaken, Refused
from sync.inbox import InboxItem
from sync.judgement import Judgement, Merged, judge_update
from sync.merge import Outcome
from sync.policy import Merge, StateMachine, SyncEntity
from sync.registry import Registry
from sync.rooms import Checked, Rooms
from sync.stamps import Stamp, corrected_time
from sync.states import History, HistoryAsked, Loss, RecordState
from sync.stores.push import PushStore, RecordUnreadable
from sync.values import same, wire_time
from sync.verdicts import Status, Verdict, outcomes_on_wire, verdict_of
from sync.wire import Intent, refusal, storable

OPERATIONS = ("create", "update", "delete")
PARKED = timedelta(hours=24)
"""How long after a new epoch a mutation waits for a record that nobody has re-sent yet."""


class AwaitsRecord(Exception):
    """The record is unknown, and may be one that the restored backup did not hold."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who pushes, by which clocks, and in which life of the database.

    ``known_epochs`` are those under which a base version means something: the present one, and ended
    ones that a valid cursor of the device carried on. Without an ``epoch`` every base is known.
    ``seen`` is of clients that tell no old values: by mutation the versions, later than its base, that the
    user may have had before them. ``bases`` are what such a client's user saw, by mutation: kept with what
    goes to the inbox as a whole, for whoever does it in their stead; nothing is judged by them.
    """

    user_id: UUID
    device_id: UUID
    shape_class: str
    now: datetime
    sent_at: datetime | None
    epoch: UUID | None = None
    epoch_started_at: datetime | None = None
    known_epochs: frozenset[UUID] = frozenset()
    generation: int = 1
    seen: Mapping[UUID, tuple[int, ...]] = field(default_factory=dict)
    bases: Mapping[UUID, Mapping[str, Any]] = field(default_factory=dict)

    def knows_base(self, epoch: UUID | None) -> bool:
        """Whether a base that was read under *epoch* is one of this life of the database."""
        return epoch is None or self.epoch in (None, epoch) or epoch in self.known_epochs

    @property
    def parks_until(self) -> datetime | None:
        """Until when mutations on unknown records wait; None when they are refused."""
        if self.generation <= 1 or self.epoch_started_at is None:
            return None
        until = self.epoch_started_at + PARKED
        return until if self.now < until else None


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict, and the corrected time of the mutation where it was reckoned.

    ``whole`` is the inbox item that holds the mutation as a whole, where nothing of it was applied.
    """

    verdict: Verdict
    stamp_at: datetime | None = None
    whole: InboxItem | None = None


class Judge:
    """Of one mutation, inside its savepoint."""

    def __init__(
        self,
        intent: Intent,
        store: PushStore,
        registry: Registry,
        rooms: Rooms,
        sender: Sender,
        devices: Sequence[UUID],
    ) -> None:
        """Join what is needed.

        Args:
            intent: What the phone wants.
            store: Of the push transaction.
            registry: The synced entities.
            rooms: Service functions bound to the user.
            sender: Who pushes.
            devices: The sender's device, and those under which its replayed mutations were first judged.
        """
        self.intent = intent
        self.store = store
        self.registry = registry
        self.rooms = rooms
        self.sender = sender
        self.devices = devices
        self.at: datetime | None = None
        self._entity: SyncEntity | None = None
        self._found: RecordState | None = None
        self._is_lost = False
        self.saw = False
        self._whole: InboxItem | None = None
        self._base_known = sender.knows_base(intent.epoch)

    def decide(self) -> Decided:
        """The verdict; raises Refused."""
        try:
            return self._decide()
        except AwaitsRecord:
            return self._park()

    def _decide(self) -> Decided:
        intent = self.intent
        entity = self.registry.find(intent.entity)
        # An entity that the user's shape knows nothing of is as unknown as one that nobody has.
        if entity is None or entity.shape_for(self.sender.shape_class) is None:
            raise refusal("unknown_entity", "/entity")
        if entity.append_only and intent.op in ("update", "delete"):
            self._target(entity)
            raise Refused("append_only")
        if not entity.pushable or not self.rooms.offers(entity, intent.op):
            raise refusal("unknown_op", "/op")
        if intent.op == "create":
            return self._create(entity)
        state = self._target(entity)
        if self._is_lost:
            return self._on_lost(entity, state)
        if state.deleted:
            return self._on_deleted(entity, state)
        if intent.op == "update":
            return self._update(entity, state)
        if intent.op == "delete":
            return self._delete(entity, state)
        return self._command(entity, state)

    def failed(self, error: Exception) -> Decided:
        """A fault of the server, not of the mutation: kept in the inbox, and nobody waits for it."""
        state, entity = self._found, self._entity
        known = state is not None and entity is not None and not self._is_lost
        self._whole = InboxItem(
            kind="failed",
            entity=self.intent.entity,
            record_id=self.intent.record_id,
            account_id=self._account(entity, state)
            if known and entity and state
            else self._account_of_unreadable(error),
            record_version=state.version if known and state else 0,
            mine=self._as_sent(),
            code=type(error).__name__,
        )
        return self._unjudged("failed", self._open(self._whole))

    def _park(self) -> Decided:
        """A mutation on a record that the restored backup may not hold: it waits until the record is re-sent."""
        intent, until = self.intent, self.sender.parks_until
        self.at = corrected_time(
            now=self.sender.now,
            sent_at=self.sender.sent_at,
            occurred_at=intent.occurred_at,
            age_ms=intent.age_ms,
            floor=None,
        )
        self._whole = InboxItem(
            kind="awaiting_record",
            entity=intent.entity,
            record_id=intent.record_id,
            account_id=None,
            record_version=0,
            mine=self._as_sent(),
            code="awaiting_record",
        )
        conflict_id = self._open(self._whole)
        self.store.park(
            intent.entity,
            intent.record_id,
            intent.mutation.id,
            intent.mutation.n,
            conflict_id,
            base_known=self._base_known,
            until=until or self.sender.now,
        )
        return self._unjudged("awaiting_record", conflict_id)

    def _as_sent(self) -> Any:
        intent = self.intent
        sent = {"op": intent.op, "fields": intent.fields} | ({"base": intent.base} if intent.base else {})
        return storable(self.rooms.keepable(sent))

    def _unjudged(self, code: str, conflict_id: UUID) -> Decided:
        verdict = Verdict(
            self.intent.mutation.id,
            Status.CONFLICT,
            code,
            conflict_id=conflict_id,
            entity=self.intent.entity,
            record_id=self.intent.record_id,
        )
        return Decided(verdict, self.at, self._whole)

    # -- the record

    def _target(self, entity: SyncEntity) -> RecordState:
        """The record that the mutation names, if its user may know of it.

        Unknown and foreign ids take the same way: what the user may not know of is neither read nor locked.
        """
        record_id = self.intent.record_id
        self.saw = self.rooms.sees(entity, record_id)
        was_given = not self.saw and self.store.was_given(entity.name, record_id)
        if self.saw or was_given or self._would_see(entity):
            state = self.store.record(entity, record_id)
            if state is not None:
                self._entity, self._found = entity, state
                self._is_lost = was_given and (not state.deleted or self._left_alive(entity))
                return state
        if self.store.create_did_not_pass(entity.name, record_id):
            raise Refused("depends_on", {"record_id": str(record_id)})
        if self.sender.parks_until is not None:
            raise AwaitsRecord
        raise Refused("not_found")

    def _would_see(self, entity: SyncEntity) -> bool:
        """Whether the user would see the record if it were not deleted.

        What lies outside a window is in the scope, though no phone ever held it.
        """
        record_id = self.intent.record_id
        return not entity.append_only and self.store.as_if_live(
            entity, record_id, lambda: self.rooms.sees(entity, record_id)
        )

    def _left_alive(self, entity: SyncEntity) -> bool:
        """Whether a deleted record had left the user's scope before: that it was deleted is not theirs to know."""
        return not self._would_see(entity) and self.store.left_alive(entity.name, self.intent.record_id)

    def _knew(self, entity: SyncEntity) -> bool:
        """Whether the user may know of a deleted record: they held it, or would see it if it lived."""
        return self.store.was_given(entity.name, self.intent.record_id) or self._would_see(entity)

    def _account(self, entity: SyncEntity, state: RecordState) -> UUID | None:
        """The account that the record hangs on."""
        if entity.account_field is None:
            return None
        value = (
            self.intent.record_id if entity.account_field == "id" else state.fields.get(entity.account_field)
        )
        return UUID(str(value)) if value else None

    def _account_of_unreadable(self, error: Exception) -> UUID | None:
        """The account of a record that its author sees and nobody can read: its managers are to decide."""
        entity, record_id = self.registry.find(self.intent.entity), self.intent.record_id
        if not isinstance(error, RecordUnreadable) or entity is None:
            return None
        if not self.rooms.sees(entity, record_id):
            return None
        return self.store.account_of(entity, record_id)

    # -- its place in time

    def _timing(self, past: History) -> tuple[Stamp, Stamp | None]:
        """The mutation's stamp, and the newest stamp that it must stand above."""
        earlier = [m for m in (past.newest_stamp_at, *(o.stamp_at for o in past.own)) if m is not None]
        floor = Stamp(wire_time(max(earlier)), "") if earlier else None
        self.at = corrected_time(
            now=self.sender.now,
            sent_at=self.sender.sent_at,
            occurred_at=self.intent.occurred_at,
            age_ms=self.intent.age_ms,
            floor=floor,
        )
        return Stamp(wire_time(self.at), str(self.intent.mutation.id)), floor

    def _happened(self) -> datetime:
        """The corrected time, reckoned without a base where there was none to reckon it from."""
        if self.at is None:
            self._timing(History())
        return self.at or self.sender.now

    def _writing(self, stamp: Stamp, stamps: Mapping[str, Any] | None = None) -> None:
        self.store.write_as(
            self.intent.mutation.id, self.intent.occurred_at, [stamp.at, stamp.mutation], stamps or {}
        )

    def _base_version(self, state: RecordState) -> int:
        version = self.intent.base_version or 0
        if not self._base_known:
            return 0  # it counts the versions of another life of the database
        if version > state.version:
            raise refusal("base_version_unknown", "/base_version")
        return version

    def _history(
        self,
        entity: SyncEntity,
        state: RecordState,
        base_version: int,
        *,
        is_creation: bool = False,
        sent: Mapping[str, Any] | None = None,
    ) -> Judgement:
        asked = HistoryAsked(entity.name, self.intent.record_id, base_version, self.intent.mutation.n)
        past = self.store.history(asked, self.devices)
        stamp, floor = self._timing(past)
        return Judgement.of(
            entity,
            state,
            past.ledger,
            past.own,
            base_version=base_version,
            stamp=stamp,
            floor=floor,
            is_creation=is_creation,
            sent=None if self._base_known or is_creation else sent or {},
        )

    def _sent_base(self, entity: SyncEntity, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Old values of *fields*, or of all that the phone tells of, as its user saw them."""
        told = {
            n: v
            for n, v in self.intent.base.items()
            if n in entity.fields and entity.fields[n].merge is not Merge.READ_ONLY
        }
        return self.rooms.check_base(entity, told, told if fields is None else fields)

    def _sent_status(self, entity: SyncEntity) -> dict[str, Any]:
        """The status that the phone's user saw, where the phone tells it."""
        status = self.intent.base.get(entity.machine.field) if entity.machine else None
        return {entity.machine.field: status} if entity.machine and isinstance(status, str) else {}

    # -- operations

    def _create(self, entity: SyncEntity) -> Decided:
        record_id = self.intent.record_id
        state = self.store.record(entity, record_id)
        if state is not None:
            self._entity, self._found = entity, state
            if state.deleted and self._knew(entity):
                return self._on_deleted(entity, state)
            if state.deleted or not self.rooms.sees(entity, record_id):
                self._found = None
                raise Refused("id_taken")
            return self._create_again(entity, state)
        checked = self.rooms.check(entity, "create", self.intent.fields)
        stamp, _ = self._timing(History())
        self._writing(stamp)
        self.rooms.create(entity, record_id, checked.fields, at=self._happened())
        outcomes = dict.fromkeys(self.intent.fields, Outcome.APPLIED)
        return self._done(entity, _with_masked(outcomes, checked.masked))

    def _create_again(self, entity: SyncEntity, state: RecordState) -> Decided:
        """A create of an id that exists in scope: equal content is nothing new, other content is merged."""
        checked = self.rooms.check(entity, "create", self.intent.fields)
        fields = {n: v for n, v in checked.fields.items() if n in entity.fields}
        if entity.append_only:
            if any(not same(entity.fields[n], state.fields.get(n), v) for n, v in fields.items()):
                raise Refused("append_only")
            return self._done(entity, dict.fromkeys(fields, Outcome.EQUAL))
        history = self._history(entity, state, 0, is_creation=True)
        return self._merge(entity, state, history, Checked(fields, checked.masked), {})

    def _update(self, entity: SyncEntity, state: RecordState) -> Decided:
        checked = self.rooms.check(entity, "update", self.intent.fields)
        base = self.rooms.check_base(entity, self.intent.base, checked.fields)
        history = self._history(
            entity, state, self._base_version(state), sent=base | self._sent_status(entity)
        )
        return self._merge(entity, state, history, checked, base)

    def _merge(
        self,
        entity: SyncEntity,
        state: RecordState,
        history: Judgement,
        checked: Checked,
        base: Mapping[str, Any],
    ) -> Decided:
        result = judge_update(history, checked.fields, base, self.sender.seen.get(self.intent.mutation.id))
        machine = entity.machine
        if machine is not None and _is_frozen(machine, state) and not result.is_nothing_new:
            if history.base_status() in machine.frozen_states:
                raise Refused("record_frozen", {"status": state.fields[machine.field]})
            return self._whole_to_inbox(entity, state, "frozen", checked.fields, "record_frozen")
        try:
            self._write(entity, state, history, result)
        except HandedOver as refused:
            if not history.is_of_others:
                raise
            return self._whole_to_inbox(entity, state, "frozen", checked.fields, refused.code)
        conflict_id = self._settle(entity, state, history, result)
        outcomes = _with_masked(result.outcomes, checked.masked)
        return self._done(entity, outcomes, self._others(history), conflict_id=conflict_id)

    def _write(self, entity: SyncEntity, state: RecordState, history: Judgement, result: Merged) -> None:
        record_id, version = self.intent.record_id, state.version
        self._writing(history.stamp, result.stamps_by_record(str(record_id)))
        if result.writes:
            version = self.rooms.update(entity, record_id, result.writes)
        if result.stamps and version == state.version:
            # Nothing was written, so that no trigger saw the stamps: values were equal, or a service's rule
            # made them so.
            self.store.raise_stamps(entity, record_id)
        if result.row_stamps:
            for name in result.outcomes:
                if entity.fields[name].table:
                    self.store.raise_row_stamps(entity.fields[name].table, list(result.row_stamps))

    def _settle(
        self, entity: SyncEntity, state: RecordState, history: Judgement, result: Merged
    ) -> UUID | None:
        """Keep what lost in the ledger, and what is undecided in the inbox; gives the item's id."""
        record_id, account_id = self.intent.record_id, self._account(entity, state)
        if not result.lost and not result.conflicts:
            return None
        version = self.store.version_of(entity, record_id) or state.version
        if result.lost:
            self.store.note_loss(
                Loss(
                    entity=entity.name,
                    record_id=record_id,
                    version=version,
                    account_id=account_id,
                    lost=result.lost,
                    present={name: state.fields.get(name) for name in result.lost},
                    mutation_id=self.intent.mutation.id,
                    occurred_at=self.intent.occurred_at,
                    stamp_at=history.stamp.at,
                    winner=result.winner,
                )
            )
        conflict_id = None
        for item in result.items(entity, record_id, version, account_id):
            conflict_id = self._open(item)
        return conflict_id

    def _command(self, entity: SyncEntity, state: RecordState) -> Decided:
        intent, machine = self.intent, entity.machine
        arguments = self.rooms.check(entity, intent.op, intent.fields).fields
        history = self._history(entity, state, self._base_version(state), sent=self._sent_status(entity))
        status = None
        if machine is not None and intent.op in machine.steps:
            present = state.fields.get(machine.field)
            if not machine.is_legal(intent.op, present):
                status = history.status_for(intent.op)
                if status is None:
                    allowed = list(machine.allowed(str(present)))
                    raise Refused("transition_not_allowed", {"status": present, "allowed": allowed})
                if status not in machine.clock_states.get(str(present), ()):
                    return self._command_to_inbox(entity, state, arguments, status, "transition_not_allowed")
        self._writing(history.stamp)
        try:
            with self.store.nested():
                self.rooms.command(
                    entity, intent.record_id, intent.op, arguments, at=self._happened(), status=status
                )
        except Disputed as refused:
            if machine is None:
                raise
            return self._command_to_inbox(
                entity, state, arguments, history.base_status(), refused.code, refused.detail
            )
        except Overtaken as refused:
            # The machine does not know every rule of state: somebody else's visit now, or on the way.
            if machine is None or not history.is_of_others:
                raise
            return self._command_to_inbox(entity, state, arguments, history.base_status(), refused.code)
        return self._done(entity, {}, self._others(history))

    def _delete(self, entity: SyncEntity, state: RecordState) -> Decided:
        sent = None if self._base_known else self._sent_base(entity)
        history = self._history(entity, state, self._base_version(state), sent=sent)
        if history.others and history.others_fields():
            return self._whole_to_inbox(entity, state, "delete", {"delete": True}, "edited_since")
        self._writing(history.stamp)
        self.rooms.delete(entity, self.intent.record_id)
        return self._done(entity, {})

    def _on_deleted(self, entity: SyncEntity, state: RecordState) -> Decided:
        if self.intent.op == "delete":
            return self._done(entity, {})
        checked = self.rooms.check(entity, self.intent.op, self.intent.fields)
        if self.intent.op in OPERATIONS:
            mine: dict[str, Any] = checked.fields
        else:
            mine = {"command": self.intent.op, "fields": checked.fields}
        return self._whole_to_inbox(entity, state, "deleted", mine, "deleted")

    def _on_lost(self, entity: SyncEntity, state: RecordState) -> Decided:
        """Work on a record that left the user's scope since their phone was given it: nothing of it is told."""
        op = self.intent.op
        if op == "delete":
            return self._whole_to_inbox(entity, state, "out_of_scope", {"delete": True}, "out_of_scope")
        checked = self.rooms.check(entity, op, self.intent.fields)
        if op == "update":
            return self._whole_to_inbox(entity, state, "out_of_scope", checked.fields, "out_of_scope")
        machine = entity.machine
        if machine is None:
            raise Refused("not_found")
        base_version = min(self.intent.base_version or 0, state.version) if self._base_known else 0
        history = self._history(entity, state, base_version, sent=self._sent_status(entity))
        return self._command_to_inbox(entity, state, checked.fields, history.status_for(op), "out_of_scope")

    # -- answers

    def _command_to_inbox(
        self,
        entity: SyncEntity,
        state: RecordState,
        arguments: Any,
        status: str | None,
        code: str,
        theirs: Any = None,
    ) -> Decided:
        mine = {"command": self.intent.op, "fields": arguments, "status": status}
        return self._whole_to_inbox(entity, state, "command", mine, code, theirs)

    def _whole_to_inbox(
        self, entity: SyncEntity, state: RecordState, kind: str, mine: Any, code: str, theirs: Any = None
    ) -> Decided:
        self._happened()
        self._whole = item = InboxItem(
            kind=kind,
            entity=entity.name,
            record_id=self.intent.record_id,
            account_id=self._account(entity, state),
            record_version=state.version,
            mine=mine,
            theirs=_theirs(entity, state, kind, mine) if theirs is None else theirs,
            code=code,
        )
        outcomes = dict.fromkeys(self.intent.fields, Outcome.CONFLICT)
        return self._done(entity, outcomes, status=Status.CONFLICT, code=code, conflict_id=self._open(item))

    def _open(self, item: InboxItem) -> UUID:
        """Put *item* into the inbox under this mutation's name, not under that of the one before it."""
        self.store.write_as(self.intent.mutation.id, self.intent.occurred_at, None, {})
        return self.rooms.open_item(
            item, self.intent.mutation.id, self.intent.occurred_at, self.at or self.sender.now
        )

    def _others(self, history: Judgement) -> set[str]:
        """Fields that others changed, of those that the user may know."""
        changed = history.others_fields()
        shape = history.entity.shape_for(self.sender.shape_class)
        return changed & history.entity.fields_of(shape).keys() if shape and changed else set()

    def _done(
        self,
        entity: SyncEntity,
        outcomes: Mapping[str, Outcome],
        others: frozenset[str] | set[str] = frozenset(),
        *,
        status: Status | None = None,
        code: str | None = None,
        conflict_id: UUID | None = None,
    ) -> Decided:
        found = status or verdict_of(
            outcomes,
            sent_fields=tuple(outcomes),
            others_changed_other_fields=bool(others - outcomes.keys()),
        )
        verdict = Verdict(
            self.intent.mutation.id,
            found,
            code,
            None,
            None if self._is_lost else self.store.version_of(entity, self.intent.record_id),
            outcomes_on_wire(outcomes),
            conflict_id,
            entity=entity.name,
            record_id=self.intent.record_id,
        )
        return Decided(verdict, self.at, self._whole)


def _is_frozen(machine: StateMachine, state: RecordState) -> bool:
    return state.fields.get(machine.field) in machine.frozen_states


def _theirs(entity: SyncEntity, state: RecordState, kind: str, mine: Mapping[str, Any]) -> Any:
    """What stands against a whole mutation: the fields that it wanted, or the state that it met."""
    if kind in ("frozen", "deleted"):
        return {name: state.fields.get(name) for name in mine if name in state.fields}
    if kind == "command" and entity.machine is not None:
        return {"status": state.fields.get(entity.machine.field)}
    return None


def _with_masked(outcomes: Mapping[str, Outcome], masked: frozenset[str]) -> dict[str, Outcome]:
    return {
        name: Outcome.MASKED if name in masked and outcome in (Outcome.APPLIED, Outcome.EQUAL) else outcome
        for name, outcome in outcomes.items()
    }
