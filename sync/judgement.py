"""What a mutation meets: its base, what others did since, and the outcome of each of its fields."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import UUID

from sync.errors import Refused
from sync.inbox import InboxItem
from sync.merge import (
    MISSING,
    ConflictDetail,
    FieldResult,
    Incoming,
    Outcome,
    Present,
    RowHistory,
    merge_field,
)
from sync.policy import NEEDS_BASE, Field, Kind, Merge, SyncEntity
from sync.stamps import Stamp
from sync.states import LedgerRow, OwnMutation, RecordState
from sync.values import canonical, from_ledger, row_order, same


@dataclass(frozen=True, slots=True)
class Judgement:
    """The record of a mutation as its phone saw it and as it stands.

    Attributes:
        base: Values at the base version, overlaid with the device's own later mutations as they
            were sent (a second +3 on one base must not count the first again).
        others: Changes since the base version by anybody but this device's own earlier mutations:
            every version between, not only the head.
        own: This device's earlier mutations that its user had before them when they made this one.
        is_creation: Whether the phone believes that the record is new, so that it saw no base at all.
        sent: The base as the phone sent it, where its base version is of another life of the database:
            all that is known then. What is not in it counts as changed by others.
        ledger: Changes since the base version, whoever made them.
    """

    entity: SyncEntity
    state: RecordState
    base: dict[str, Any]
    others: tuple[LedgerRow, ...]
    own: tuple[OwnMutation, ...]
    stamp: Stamp
    floor: Stamp | None
    is_creation: bool = False
    sent: Mapping[str, Any] | None = None
    ledger: tuple[LedgerRow, ...] = ()

    @classmethod
    def of(
        cls,
        entity: SyncEntity,
        state: RecordState,
        ledger: Sequence[LedgerRow],
        own: Sequence[OwnMutation],
        *,
        base_version: int,
        stamp: Stamp,
        floor: Stamp | None,
        is_creation: bool = False,
        sent: Mapping[str, Any] | None = None,
    ) -> Self:
        """Roll the present state back to the base version.

        Args:
            entity: Declaration.
            state: The record as it stands.
            ledger: Changes after ``base_version``, oldest first.
            own: This device's judged earlier mutations of the record, oldest first.
            base_version: The version that the phone's user saw; 0 for none.
            stamp: Of the mutation.
            floor: The newest stamp that it stands above.
            is_creation: See the class.
            sent: See the class.
        """
        others = tuple(row for row in ledger if not row.own)
        later = tuple(
            o for o in own if (o.base_version or 0) >= base_version or (o.version or 0) > base_version
        )
        if sent is not None:
            return cls(
                entity, state, dict(sent), others, later, stamp, floor, is_creation, sent, tuple(ledger)
            )
        base = _rolled_back(entity, state, ledger)
        for mutation in later:
            if mutation.op in ("create", "update") and mutation.status != "rejected":
                base |= _as_sent(entity, mutation)
        return cls(entity, state, base, others, later, stamp, floor, is_creation, None, tuple(ledger))

    def seen_at(self, version: int) -> Self:
        """The same where the phone's user saw a later *version* than its base: what stood before it they knew."""
        return self.of(
            self.entity,
            self.state,
            [row for row in self.ledger if row.version > version],
            self.own,
            base_version=version,
            stamp=self.stamp,
            floor=self.floor,
        )

    def reckoned(self, name: str) -> Any:
        """What the phone's user saw of a field, for a client that does not tell; of rows all as they were."""
        declared = self.entity.fields[name]
        if declared.kind is not Kind.ROWS or any(
            name in own.fields and own.op in ("create", "update") and own.status != "rejected"
            for own in self.own
        ):
            return self.base.get(name, [] if declared.kind in (Kind.TEXTS, Kind.ROWS) else None)
        return _rows_rolled_back(declared, name, self.state.fields.get(name) or [], self.ledger)

    @property
    def is_of_others(self) -> bool:
        """Whether others changed the record since the base, or may have, where nobody knows the base."""
        return bool(self.others) or self.sent is not None

    def base_status(self) -> str | None:
        """The status on the phone's own base, its own earlier commands done."""
        return self._status_after(m for m in self.own if m.status != "rejected")

    def status_for(self, command: str) -> str | None:
        """A status on the phone's own base from which *command* is legal; None when there is none.

        A refused command of the same phone may have been undone there already, or not yet, when its
        user gave this one; and a status that the phone itself tells may be one before or after its
        earlier commands.
        """
        machine = self.entity.machine
        if machine is None:
            return None
        if self.sent is not None and machine.field not in self.sent and command in machine.steps:
            sources = machine.steps[command][0]  # nobody knows what it was: never merely refused
            overtaken = machine.clock_states.get(str(self.state.fields.get(machine.field)), frozenset())
            return min(sources & overtaken or sources)
        candidates = [self.base_status(), self._status_after(self.own)]
        if self.sent is not None:
            candidates.append(self.sent.get(machine.field))
        return next((status for status in candidates if machine.is_legal(command, status)), None)

    def _status_after(self, mutations: Iterator[OwnMutation] | Sequence[OwnMutation]) -> str | None:
        machine = self.entity.machine
        if machine is None:
            return None
        status = self.base.get(machine.field)
        for mutation in mutations:
            status = machine.after(mutation.op, status)
        return status

    def others_fields(self) -> set[str]:
        """Wire fields that others changed since the base."""
        if self.sent is not None:
            return {
                n
                for n, f in self.entity.fields.items()
                if f.merge is not Merge.READ_ONLY
                and not (n in self.sent and same(f, self.sent[n], self.state.fields.get(n)))
            }
        if not self.others:
            return set()
        columns = {f.column or n: n for n, f in self.entity.fields.items()}
        found = {columns[c] for r in self.others if r.part is None for c in (*r.old, *r.new) if c in columns}
        return found | {r.part for r in self.others if r.part is not None}

    def rows_history(self, name: str) -> dict[str, RowHistory]:
        """What others did to each row of a part."""
        fields = self.entity.fields[name].rows
        found: dict[str, RowHistory] = {}
        if self.sent is not None:
            return found
        for row in self.others:
            if row.part != name or row.part_id is None:
                continue
            known = found.get(str(row.part_id), RowHistory())
            changed = {
                n for n, f in fields.items() if (f.column or n) in row.old or (f.column or n) in row.new
            }
            found[str(row.part_id)] = RowHistory(known.changed | frozenset(changed), row.op == "delete")
        return found


def _as_sent(entity: SyncEntity, mutation: OwnMutation) -> dict[str, Any]:
    return {n: canonical(entity.fields[n], v) for n, v in mutation.fields.items() if n in entity.fields}


def _rolled_back(entity: SyncEntity, state: RecordState, ledger: Sequence[LedgerRow]) -> dict[str, Any]:
    """The values before the changes of *ledger*; after its creation where the phone itself created it."""
    base = dict(state.fields)
    if not ledger:
        return base
    columns = {f.column or n: n for n, f in entity.fields.items() if f.kind is not Kind.ROWS}
    for row in reversed(ledger):
        if row.part is not None:
            continue
        if row.op == "insert":
            if row.own:
                break
            base = {}
        for column, value in row.old.items():
            if column in columns:
                base[columns[column]] = from_ledger(entity.fields[columns[column]], value)
    return base


def _rows_rolled_back(
    declared: Field, name: str, rows: Sequence[Mapping[str, Any]], ledger: Sequence[LedgerRow]
) -> list[dict[str, Any]]:
    """The rows of a part before the changes of *ledger*."""
    found = {row["id"]: dict(row) for row in rows}
    for change in reversed(ledger):
        if change.part != name:
            continue
        part_id = str(change.part_id)
        if change.op == "insert":
            found.pop(part_id, None)
            continue
        before = from_ledger(declared, [{"id": part_id, **change.old}])[0]
        found[part_id] = found.get(part_id, {}) | before
    return sorted(found.values(), key=row_order)


@dataclass(slots=True)
class Merged:
    """What became of an update."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    writes: dict[str, Any] = field(default_factory=dict)
    stamps: dict[str, Any] = field(default_factory=dict)
    row_stamps: dict[str, Any] = field(default_factory=dict)
    lost: dict[str, Any] = field(default_factory=dict)
    winner: dict[str, Any] = field(default_factory=dict)
    conflicts: list[tuple[str, ConflictDetail]] = field(default_factory=list)

    @property
    def is_nothing_new(self) -> bool:
        """Whether the record holds all of it already."""
        return all(outcome is Outcome.EQUAL for outcome in self.outcomes.values())

    def stamps_by_record(self, record_id: str) -> dict[str, Any]:
        """For the capture triggers: by id of the record, or of its part, by field."""
        found = dict(self.row_stamps)
        if self.stamps:
            found[record_id] = self.stamps
        return found

    def items(
        self, entity: SyncEntity, record_id: UUID, version: int, account_id: UUID | None
    ) -> Iterator[InboxItem]:
        """The inbox items to open."""
        for name, detail in self.conflicts:
            yield InboxItem(
                kind=detail.kind.value,
                entity=entity.name,
                record_id=record_id,
                account_id=account_id,
                record_version=version,
                mine=detail.mine,
                base=None if detail.base is MISSING else detail.base,
                theirs=detail.theirs,
                field=name,
                row_id=UUID(detail.row_id) if detail.row_id else None,
            )


def judge_update(
    history: Judgement,
    fields: Mapping[str, Any],
    base: Mapping[str, Any],
    seen: Sequence[int] | None = None,
) -> Merged:
    """Settle each field of an update.

    Args:
        history: Base and what others did.
        fields: What the phone's user changed, canonical.
        base: Old values as the user saw them, canonical; required where the policy needs them.
        seen: For a client that tells no old values, so that they are reckoned: later versions that its user may
            have had before them. Where one of them comes to something else, a person decides. None for a client
            that tells them.

    Raises:
        Refused: ``base_required``.
    """
    merged = Merged()
    if history.is_creation and _is_there(history, fields):
        base = fields  # nothing new: a sum has nothing to add
    for name, value in fields.items():
        result = (
            _settled(history, name, value, base)
            if seen is None or name in base
            else _reckoned(history, name, value, seen)
        )
        merged.outcomes[name] = result.outcome
        if result.write:
            merged.writes[name] = result.value
        if result.stamps is not None:
            merged.stamps[name] = result.stamps
        merged.row_stamps |= result.row_stamps
        if result.lost is not MISSING:
            merged.lost[name] = result.lost
            merged.winner[name] = _winner(history, name, result.winner)
        merged.conflicts += [(name, detail) for detail in result.conflicts]
    return merged


def _settled(history: Judgement, name: str, value: Any, base: Mapping[str, Any]) -> FieldResult:
    declared = history.entity.fields[name]
    known = base[name] if name in base else _known_base(history, name, declared)
    return _merged(history, name, declared, value, known)


def _reckoned(history: Judgement, name: str, value: Any, seen: Sequence[int]) -> FieldResult:
    """An edit of whose base only versions are known: decided where they all come to the same."""
    declared = history.entity.fields[name]
    if declared.merge not in NEEDS_BASE:
        return _settled(history, name, value, {})
    views = [] if history.sent is not None else [history, *(history.seen_at(version) for version in seen)]
    found = [_merged(view, name, declared, value, view.reckoned(name)) for view in views]
    if found and all(
        (one.outcome is Outcome.CONFLICT, one.value) == (found[0].outcome is Outcome.CONFLICT, found[0].value)
        for one in found
    ):
        return found[0]
    shown = found and history.reckoned(name)
    return _merged(
        history, name, replace(declared, merge=Merge.ASK), value, shown or MISSING, is_of_others=True
    )


def _merged(
    history: Judgement, name: str, declared: Field, value: Any, seen: Any, *, is_of_others: bool = False
) -> FieldResult:
    """One field of an edit whose user saw *seen*."""
    state = history.state
    return merge_field(
        name,
        declared,
        Incoming(value, seen, history.stamp),
        Present(
            state.fields.get(name),
            state.stamps,
            is_of_others or name in history.others_fields(),
            is_of_others or history.sent is None,
            history.floor,
        ),
        row_stamps=state.row_stamps.get(name),
        rows_history=history.rows_history(name) if declared.merge is Merge.ROWS else None,
    )


def _is_there(history: Judgement, fields: Mapping[str, Any]) -> bool:
    """Whether the record holds all of *fields* just so."""
    declared, present = history.entity.fields, history.state.fields
    return all(same(declared[n], canonical(declared[n], present.get(n)), v) for n, v in fields.items())


def _known_base(history: Judgement, name: str, declared: Field) -> Any:
    """The server's own idea of what the phone saw; not enough where merging needs the very value."""
    if declared.merge not in NEEDS_BASE:
        return history.base.get(name) if history.sent is None else MISSING
    if not history.is_creation:
        errors = [{"pointer": f"/base/{name}", "code": "base_required"}]
        raise Refused("base_required", {"errors": errors})
    return history.base.get(name, [] if declared.kind in (Kind.TEXTS, Kind.ROWS) else None)


def _winner(history: Judgement, name: str, stamp: Stamp | None) -> dict[str, Any]:
    """Who wrote the value that stays."""
    found: dict[str, Any] = {"at": stamp.at, "mutation_id": stamp.mutation or None} if stamp else {}
    column = history.entity.fields[name].column or name
    for row in reversed(history.others):
        if column in row.new or row.part == name:
            found |= {
                "change": row.id,
                "actor_kind": row.actor_kind,
                "actor_id": str(row.actor_id) if row.actor_id else None,
                "actor_name": row.actor_name,
            }
            break
    return found
