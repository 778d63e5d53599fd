"""What becomes of one field that a phone edited while others may have edited it, too."""

import enum
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, NoReturn

from sync.policy import Field, Kind, Merge
from sync.stamps import Stamp, element_stamp, field_stamp
from sync.text_merge import merge_text
from sync.values import canonical, row_order, same


class Missing(enum.Enum):
    """No value at all, where ``None`` is a value."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


class Outcome(enum.StrEnum):
    """What became of one field of a mutation."""

    APPLIED = "applied"
    EQUAL = "equal"
    COMBINED = "combined"
    SUPERSEDED = "superseded"
    CONFLICT = "conflict"
    MASKED = "masked"  # said by the caller only: the value was blanked before it came here


class ConflictKind(enum.StrEnum):
    """What a person has to decide."""

    FIELD = "field"
    ROW = "row"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Incoming:
    """The edit of a field as the phone made it, in wire values.

    Attributes:
        value: What the phone sent.
        base: What its user saw, or ``MISSING`` where neither the phone nor the server knows.
        stamp: Corrected time and id of the mutation.
    """

    value: Any
    base: Any
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Present:
    """The field as it stands on the server, in a wire value.

    Attributes:
        value: Its value.
        stamps: The record's ``stamps`` column.
        others_changed: Whether the ledger holds a change of the field by others since the base version.
        base_known: Whether the base version is known; where it is not, ``others_changed`` is not looked at,
            and the field counts as changed by others unless its value is the phone's base.
        floor: The newest stamp of the base version and of the device's own earlier mutations, as for
            ``corrected_time``. A stored stamp of a later time was set by others, if only to confirm the
            value: ``max`` and ``min`` need that to be independent of the order of arrival.
    """

    value: Any
    stamps: Mapping[str, Any]
    others_changed: bool
    base_known: bool
    floor: Stamp | None = None


@dataclass(frozen=True, slots=True)
class RowHistory:
    """What others did to one row of a part since the base version, by the ledger."""

    changed: frozenset[str] = frozenset()
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class ConflictDetail:
    """What goes to the inbox: three values, or three rows, of which ``None`` is a deleted one.

    ``base`` is ``MISSING`` where it is not known.
    """

    kind: ConflictKind
    mine: Any
    base: Any
    theirs: Any
    row_id: str | None = None


@dataclass(frozen=True, slots=True)
class FieldResult:
    """What to do about one field.

    Attributes:
        outcome: For the verdict.
        value: The value of the field from now on.
        write: Whether that differs from the present one.
        stamps: Node to lay over the record's stamps; None leaves them as they are. To be laid also
            where nothing is written: an equal value raises the stamp.
        row_stamps: The same for the rows of a part: by row id, by field. New rows have none here.
        lost: The value that gave way, for the ledger; for a part only the rows and fields that did.
        winner: Stamp of the write that it gave way to.
        conflicts: For the inbox; more than one only for the rows of a part.
    """

    outcome: Outcome
    value: Any
    write: bool
    stamps: Any = None
    row_stamps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lost: Any = MISSING
    winner: Stamp | None = None
    conflicts: tuple[ConflictDetail, ...] = ()

    @property
    def conflict(self) -> ConflictDetail | None:
        """The first conflict, if there is one."""
        return self.conflicts[0] if self.conflicts else None


def merge_field(
    name: str,
    field: Field,
    incoming: Incoming,
    present: Present,
    *,
    row_stamps: Mapping[str, Mapping[str, Any]] | None = None,
    rows_history: Mapping[str, RowHistory] | None = None,
) -> FieldResult:
    """Settle one field by its policy.

    Nothing here depends on the order in which mutations of one base version arrive, but for
    ``server_wins``, ``client_wins``, ``ask``, overlapping texts, and a row that one side deleted
    and another edited.

    Args:
        name: Wire name; the key of its stamps.
        field: Its declaration; a read-only one is refused before it comes here.
        incoming: The phone's edit.
        present: The server's state.
        row_stamps: For a part: the ``stamps`` column of each present row, by row id.
        rows_history: For a part: what others did to its rows since the base version, by row id.

    Returns:
        What to write, to stamp, to keep in the ledger and to put in the inbox; values are canonical.
    """
    base = MISSING if incoming.base is MISSING else canonical(field, incoming.base)
    edit = _Edit(
        name,
        field,
        Incoming(canonical(field, incoming.value), base, incoming.stamp),
        replace(present, value=canonical(field, present.value)),
        row_stamps or {},
        rows_history or {},
    )
    return _POLICIES[field.merge](edit)


@dataclass(frozen=True, slots=True)
class _Edit:
    name: str
    field: Field
    incoming: Incoming
    present: Present
    row_stamps: Mapping[str, Mapping[str, Any]]
    rows_history: Mapping[str, RowHistory]

    @property
    def mine(self) -> Any:
        return self.incoming.value

    @property
    def base(self) -> Any:
        return self.incoming.base

    @property
    def theirs(self) -> Any:
        return self.present.value

    @property
    def stored(self) -> Stamp:
        return field_stamp(self.present.stamps, self.name)

    @property
    def is_equal(self) -> bool:
        return same(self.field, self.mine, self.theirs)

    @property
    def saw_present(self) -> bool:
        return self.base is not MISSING and same(self.field, self.base, self.theirs)

    @property
    def others_changed(self) -> bool:
        return self.present.others_changed if self.present.base_known else not self.saw_present

    @property
    def overrides(self) -> bool:
        """Whether it wins whatever its stamp.

        Its base version is of an ended epoch, so its time could not be lifted above the stamps
        that the user saw; but the user saw the very value that it changes.
        """
        return not self.present.base_known and self.saw_present

    def beats(self, stored: Stamp) -> bool:
        return self.overrides or self.incoming.stamp >= stored

    def raised(self, stored: Stamp) -> list[str]:
        return max(stored, self.incoming.stamp).to_json()


def _taken(edit: _Edit) -> FieldResult:
    return FieldResult(Outcome.APPLIED, edit.mine, write=True, stamps=edit.raised(edit.stored))


def _equal(edit: _Edit) -> FieldResult:
    is_newer = edit.incoming.stamp > edit.stored
    return FieldResult(
        Outcome.EQUAL, edit.theirs, write=False, stamps=edit.incoming.stamp.to_json() if is_newer else None
    )


def _superseded(edit: _Edit) -> FieldResult:
    return FieldResult(Outcome.SUPERSEDED, edit.theirs, write=False, lost=edit.mine, winner=edit.stored)


def _in_conflict(edit: _Edit, kind: ConflictKind) -> FieldResult:
    detail = ConflictDetail(kind, edit.mine, edit.base, edit.theirs)
    return FieldResult(Outcome.CONFLICT, edit.theirs, write=False, conflicts=(detail,))


def _last_write(edit: _Edit) -> FieldResult:
    """The later stamp wins.

    Whether others changed the field does not matter: an edit is stamped above all that its user saw,
    so a later stamp is another's. It may be of a write that only confirmed the old value.
    """
    if edit.is_equal:
        return _equal(edit)
    return _taken(edit) if edit.beats(edit.stored) else _superseded(edit)


def _server_wins(edit: _Edit) -> FieldResult:
    if edit.is_equal:
        return _equal(edit)
    return _superseded(edit) if edit.others_changed else _taken(edit)


def _client_wins(edit: _Edit) -> FieldResult:
    return _equal(edit) if edit.is_equal else _taken(edit)


def _ask(edit: _Edit) -> FieldResult:
    if edit.is_equal:
        return _equal(edit)
    return _in_conflict(edit, ConflictKind.FIELD) if edit.others_changed else _taken(edit)


def _max(edit: _Edit) -> FieldResult:
    return _extreme(edit, operator.gt)


def _min(edit: _Edit) -> FieldResult:
    return _extreme(edit, operator.lt)


def _extreme(edit: _Edit, is_further: Callable[[Any, Any], bool]) -> FieldResult:
    """The further of two values, with the stamp of its own write: it names the winner in the ledger.

    Texts are ordered by code point, and so are canonical times, rightly; any value is further than none.
    """
    if edit.is_equal:
        return _equal(edit)
    floor = edit.present.floor
    others_touched = edit.others_changed or (floor is not None and edit.stored.at > floor.at)
    if others_touched and edit.theirs is not None:
        mine, theirs = _ordinal(edit.field, edit.mine), _ordinal(edit.field, edit.theirs)
        if mine is None or not is_further(mine, theirs):
            return _superseded(edit)
    return FieldResult(Outcome.APPLIED, edit.mine, write=True, stamps=edit.incoming.stamp.to_json())


def _ordinal(field: Field, value: Any) -> Any:
    """A value that can be compared and, in a number field, reckoned with."""
    is_decimal = field.kind in (Kind.MONEY, Kind.QUANTITY)
    return Decimal(value) if is_decimal and value is not None else value


def _sum(edit: _Edit) -> FieldResult:
    """What the user added or took, added to what is there now, whoever else changed it."""
    if edit.base is MISSING:
        return _equal(edit) if edit.is_equal else _in_conflict(edit, ConflictKind.FIELD)
    mine, base, theirs = (_ordinal(edit.field, value) or 0 for value in (edit.mine, edit.base, edit.theirs))
    return _combined(edit, edit.theirs if mine == base else canonical(edit.field, theirs + (mine - base)))


def _text(edit: _Edit) -> FieldResult:
    if edit.is_equal:
        return _equal(edit)
    if not edit.others_changed:
        return _taken(edit)
    if edit.base is MISSING:
        return _in_conflict(edit, ConflictKind.TEXT)
    merged = merge_text(edit.base or "", edit.mine or "", edit.theirs or "")
    if merged.text is None:
        return _in_conflict(edit, ConflictKind.TEXT)
    return _combined(edit, merged.text)


def _combined(edit: _Edit, value: Any) -> FieldResult:
    """A value made of both sides; it may turn out to be one of them."""
    write = not same(edit.field, value, edit.theirs)
    outcome = _settled(as_sent=same(edit.field, value, edit.mine), write=write)
    stamps = edit.raised(edit.stored) if write or edit.incoming.stamp > edit.stored else None
    return FieldResult(outcome, value, write=write, stamps=stamps)


def _settled(*, as_sent: bool, write: bool, lost: bool = False, kept: bool = False) -> Outcome:
    if as_sent:
        return Outcome.APPLIED if write else Outcome.EQUAL
    return Outcome.SUPERSEDED if lost and not kept else Outcome.COMBINED


def _set(edit: _Edit) -> FieldResult:
    """Each element that the user added or removed wins or loses by its own stamp.

    Present elements keep their order, new ones follow in the order of the phone.
    """
    mine, theirs = dict.fromkeys(edit.mine or ()), dict.fromkeys(edit.theirs or ())
    base = set() if edit.base is MISSING else set(edit.base or ())
    touched = [element for element in mine if element not in base]
    touched += sorted(base - mine.keys())
    stored = {element: element_stamp(edit.present.stamps, edit.name, element) for element in touched}
    disputed = {element for element in touched if (element in mine) != (element in theirs)}
    beaten = {element for element in disputed if not edit.beats(stored[element])}
    won = disputed - beaten
    value = [element for element in theirs if element not in won]
    value += [element for element in mine if element in won]
    result = edit.theirs if not won else value
    return FieldResult(
        _settled(
            as_sent=same(edit.field, result, edit.mine),
            write=bool(won),
            lost=bool(beaten),
            kept=len(beaten) < len(touched),
        ),
        result,
        write=bool(won),
        stamps={
            element: edit.raised(stored[element])
            for element in touched
            if element in won or (element not in beaten and edit.incoming.stamp > stored[element])
        }
        or None,
        lost=edit.mine if beaten else MISSING,
        winner=max((stored[element] for element in beaten), default=None),
    )


@dataclass(slots=True)
class _RowsResult:
    """The part as it is put together, row by row."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    stamps: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    lost: list[dict[str, Any]] = field(default_factory=list)
    winners: list[Stamp] = field(default_factory=list)
    conflicts: list[ConflictDetail] = field(default_factory=list)
    kept: bool = False

    def lose(self, row_id: str, name: str, value: Any, winner: Stamp) -> None:
        if not self.lost or self.lost[-1]["id"] != row_id:
            self.lost.append({"id": row_id})
        self.lost[-1][name] = value
        self.winners.append(winner)


def _rows(edit: _Edit) -> FieldResult:
    """Three-way by row id; the fields of a row that both sides still have by that row's own stamps."""
    mine, theirs = _by_id(edit.mine), _by_id(edit.theirs)
    base = {} if edit.base is MISSING else _by_id(edit.base)
    result = _RowsResult()
    for row_id in theirs | mine:
        if row_id in mine and row_id in theirs:
            result.rows.append(_merged_row(edit, result, base.get(row_id), mine[row_id], theirs[row_id]))
        elif row_id in theirs:
            _settle_row_without_mine(edit, result, base.get(row_id), theirs[row_id])
        else:
            _settle_row_without_theirs(edit, result, base.get(row_id), mine[row_id])
    rows = sorted(result.rows, key=row_order)
    write = not same(edit.field, rows, sorted(theirs.values(), key=row_order))
    outcome = _settled(
        as_sent=_holds_as_sent(edit.field, _by_id(rows), mine),
        write=write,
        lost=bool(result.lost),
        kept=result.kept,
    )
    return FieldResult(
        Outcome.CONFLICT if result.conflicts else outcome,
        rows,
        write=write,
        row_stamps=result.stamps,
        lost=result.lost or MISSING,
        winner=max(result.winners, default=None),
        conflicts=tuple(result.conflicts),
    )


def _settle_row_without_mine(
    edit: _Edit, result: _RowsResult, base: dict[str, Any] | None, theirs: dict[str, Any]
) -> None:
    """A row that another added stays; one that the user deleted goes, unless another edited it."""
    if base is None:
        result.rows.append(theirs)
    elif _history(edit, theirs).changed or _differing(edit.field, base, theirs):
        result.rows.append(theirs)
        result.conflicts.append(ConflictDetail(ConflictKind.ROW, None, base, theirs, theirs["id"]))
    else:
        result.kept = True


def _settle_row_without_theirs(
    edit: _Edit, result: _RowsResult, base: dict[str, Any] | None, mine: dict[str, Any]
) -> None:
    """A row that the user added comes in; one that another deleted never comes back by itself."""
    if base is None and not _history(edit, mine).deleted:
        result.rows.append(mine)
        result.kept = True
    elif base is None or _differing(edit.field, base, mine):
        result.conflicts.append(ConflictDetail(ConflictKind.ROW, mine, base, None, mine["id"]))


def _history(edit: _Edit, row: Mapping[str, Any]) -> RowHistory:
    return edit.rows_history.get(row["id"], RowHistory())


def _merged_row(
    edit: _Edit,
    result: _RowsResult,
    base: dict[str, Any] | None,
    mine: dict[str, Any],
    theirs: dict[str, Any],
) -> dict[str, Any]:
    row_id, row = mine["id"], dict(theirs)
    stamps = edit.row_stamps.get(row_id, {})
    for name in _differing(edit.field, base or {}, mine):
        stored = field_stamp(stamps, name)
        is_equal = name in theirs and same(edit.field.rows[name], mine[name], theirs[name])
        if not is_equal and not edit.beats(stored):
            result.lose(row_id, name, mine[name], stored)
            continue
        row[name] = mine[name]
        result.kept = True
        if not is_equal or edit.incoming.stamp > stored:
            result.stamps.setdefault(row_id, {})[name] = edit.raised(stored)
    return row


def _differing(field: Field, base: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """The fields of *row* that are not as in *base*; what the server owns is nobody's edit."""
    return [
        name
        for name, part in field.rows.items()
        if part.merge is not Merge.READ_ONLY
        and name in row
        and not (name in base and same(part, base[name], row[name]))
    ]


def _holds_as_sent(field: Field, rows: Mapping[str, Any], mine: Mapping[str, Any]) -> bool:
    return rows.keys() == mine.keys() and not any(
        _differing(field, rows[row_id], row) for row_id, row in mine.items()
    )


def _by_id(rows: Iterable[dict[str, Any]] | None) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in rows or ()}


def _read_only(edit: _Edit) -> NoReturn:
    raise ValueError(f"{edit.name} is read-only: its edit should have been rejected")


_POLICIES: dict[Merge, Callable[[_Edit], FieldResult]] = {
    Merge.LAST_WRITE: _last_write,
    Merge.SERVER_WINS: _server_wins,
    Merge.CLIENT_WINS: _client_wins,
    Merge.MAX: _max,
    Merge.MIN: _min,
    Merge.SUM: _sum,
    Merge.SET: _set,
    Merge.ROWS: _rows,
    Merge.TEXT: _text,
    Merge.ASK: _ask,
    Merge.READ_ONLY: _read_only,
}
