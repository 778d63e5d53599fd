"""§5: what becomes of one field that a phone wrote; pure functions, one for each merge policy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as member
from typing import Any

from sync.policy import Field, Merge
from tests.simulator.oracle.lines import three_way
from tests.simulator.oracle.values import FILLED_BY_ROOM, NEVER, UNKNOWN, Path, Rows, Stamp, larger

ANY_OUTCOME = frozenset({"applied", "equal", "combined", "superseded", "conflict", "masked"})


@dataclass(frozen=True, slots=True)
class Loss:
    """A value that lost; §5 "losing values are kept in the ledger with the winner named"."""

    path: Path
    value: Any
    stamp: Stamp
    winner: Stamp


@dataclass(frozen=True, slots=True)
class Option:
    """One way in which a field may legally end.

    Attributes:
        outcomes: Words of §4 that the verdict may use for it.
        value: What the record holds afterwards.
        stamps: Stamps that change with it.
        losses: Losing values that the ledger has to keep.
        inbox: Kind of the inbox item that opens or is joined.
        check: Where ``value`` is UNKNOWN, what it must satisfy nevertheless.
    """

    outcomes: frozenset[str]
    value: Any
    stamps: Mapping[Path, Stamp] = member(default_factory=dict)
    losses: tuple[Loss, ...] = ()
    inbox: str | None = None
    check: Callable[[Any], bool] | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """One field of one update, beside what the record holds.

    Attributes:
        name: Of the field.
        field: Its declaration.
        current: Value of the record now.
        mine: Value that the phone sent.
        base: Old value as the user saw it; UNKNOWN where nobody knows.
        stamp: The write's stamp.
        stored: Stored stamps by path.
        changed: Whether others changed what stands at a path since the base.
        floor: The latest stamp that the phone had seen: of its base version and of its own earlier mutations.
        overrides: Its base is of an ended epoch and equals the value of now: no stamp stands against it.
    """

    name: str
    field: Field
    current: Any
    mine: Any
    base: Any
    stamp: Stamp
    stored: Mapping[Path, Stamp]
    changed: Callable[[Path], bool]
    floor: Stamp = NEVER
    overrides: bool = False

    @property
    def path(self) -> Path:
        """Of the whole field."""
        return (self.name,)

    def stamp_of(self, path: Path) -> Stamp:
        """The stored stamp of a path; what has none has that of the record's birth."""
        return stored_stamp(self.stored, path)

    def beats(self, path: Path) -> bool:
        """``last_write``: the later stamp wins, ties by mutation id."""
        return self.overrides or self.stamp > self.stamp_of(path)


def stored_stamp(stored: Mapping[Path, Stamp], path: Path) -> Stamp:
    """The stamp of a path, of the row that it is part of, or of the record's insert (the empty path)."""
    while path not in stored and path:
        path = path[:-1]
    return stored.get(path, NEVER)


def merge(write: Write) -> tuple[Option, ...]:
    """All legal ends of one field, the likeliest first."""
    if write.current is UNKNOWN:
        return (Option(ANY_OUTCOME, UNKNOWN),)
    return POLICIES[write.field.merge](write)


def _take(write: Write) -> Option:
    stamp = max(write.stamp, write.stamp_of(write.path))
    return Option(frozenset({"applied"}), write.mine, {write.path: stamp})


def _lose(write: Write) -> Option:
    loss = Loss(write.path, write.mine, write.stamp, write.stamp_of(write.path))
    return Option(frozenset({"superseded"}), write.current, losses=(loss,))


def _equal(write: Write) -> Option:
    """Already equal: taken; "an equal value raises the stamp"."""
    stamp = max(write.stamp, write.stamp_of(write.path))
    return Option(frozenset({"equal"}), write.current, {write.path: stamp})


def _last_write(write: Write) -> tuple[Option, ...]:
    """ "The later stamp wins, ties by mutation id"; the comparison is always with the stored stamp,
    also where others only confirmed the value."""
    if write.current == write.mine:
        return (_equal(write),)
    return (_take(write) if write.beats(write.path) else _lose(write),)


def _server_wins(write: Write) -> tuple[Option, ...]:
    if write.current == write.mine:
        return (_equal(write),)
    return (_lose(write),) if write.changed(write.path) else (_take(write),)


def _client_wins(write: Write) -> tuple[Option, ...]:
    return (_equal(write),) if write.current == write.mine else (_take(write),)


def _extreme(write: Write) -> tuple[Option, ...]:
    """``max`` and ``min``: of the two, unless it is as the phone saw it.

    A stamp above all that the phone saw is of a write or of a confirmation that it did not see, or of
    what its own work elsewhere did to the field (a check-in to the day of the last visit).
    """
    if write.current == write.mine:
        return (_equal(write),)
    seen = write.floor == NEVER or write.stamp_of(write.path).at <= write.floor.at
    best = larger(1 if write.field.merge is Merge.MAX else -1, write.mine, write.current)
    if best == write.mine or (seen and not write.changed(write.path)):
        return (Option(frozenset({"applied"}), write.mine, {write.path: write.stamp}),)
    return (_lose(write),)


def _sum(write: Write) -> tuple[Option, ...]:
    """ "Server + (mine − base)", always: never "already equal"."""
    if write.base is UNKNOWN and write.current == write.mine:  # a create of what is there (§4)
        return (_equal(write), Option(frozenset({"applied", "combined"}), UNKNOWN))
    if write.base is UNKNOWN:
        return (Option(frozenset({"applied", "combined"}), UNKNOWN),)
    total = (write.current or 0) + ((write.mine or 0) - (write.base or 0))
    words = frozenset({_word(write, total)})
    return (Option(words, total, {write.path: max(write.stamp, write.stamp_of(write.path))}),)


def _word(write: Write, merged: Any, lost: bool = False, kept: bool = True) -> str:
    """The outcome of a value that is put together of both sides."""
    if merged == write.mine:
        return "equal" if merged == write.current else "applied"
    return "superseded" if lost and not kept else "combined"


def _set(write: Write) -> tuple[Option, ...]:
    """ "Per element, added or absent, as ``last_write``"; an act that finds its effect done raises the stamp."""
    base = frozenset() if write.base is UNKNOWN else write.base
    result, stamps, losses, done = set(write.current), dict[Path, Stamp](), list[Loss](), 0
    for element in sorted(write.mine ^ base):
        path = (write.name, element)
        stored, present = write.stamp_of(path), element in write.mine
        if (element in write.current) == present:
            stamps[path] = max(stored, write.stamp)
            done += 1
        elif write.beats(path):
            (result.add if present else result.discard)(element)
            stamps[path] = max(stored, write.stamp)
            done += 1
        else:
            losses.append(Loss(path, present, write.stamp, stored))
    merged = frozenset(result)
    word = _word(write, merged, bool(losses), bool(done))
    return (Option(frozenset({word}), merged, stamps, tuple(losses)),)


def _text(write: Write) -> tuple[Option, ...]:
    """ "Three-way by line; overlapping edits → inbox with both texts"."""
    if (write.current or "") == (write.mine or ""):
        return (_equal(write),)
    conflict = Option(frozenset({"conflict"}), write.current, inbox="text")
    if not write.changed(write.path):
        return (_take(write),)
    found = three_way(None if write.base is UNKNOWN else write.base, write.mine, write.current)
    stamps = {write.path: max(write.stamp, write.stamp_of(write.path))}
    if found.unsure:
        words = frozenset({"combined", "applied"})
        clean = Option(words, UNKNOWN, stamps, check=lambda text: keeps_lines(write, text))
        return (conflict, clean) if found.clean is None else (clean, conflict)
    if found.clean is None:
        return (conflict,)
    return (Option(frozenset({_word(write, found.clean)}), found.clean, stamps),)


def keeps_lines(write: Write, text: Any) -> bool:
    """What a merge of texts must satisfy where its exact result is free."""
    old = set((write.base or "").split("\n"))
    added = {line for side in (write.mine, write.current) for line in (side or "").split("\n")} - old
    lines = set((text or "").split("\n"))
    return added <= lines <= added | old | {""}


def _ask(write: Write) -> tuple[Option, ...]:
    """ "Server value stays, both kept in the inbox until a person decides"."""
    if write.current == write.mine:
        return (_equal(write),)
    if not write.changed(write.path):
        return (_take(write),)
    return (Option(frozenset({"conflict"}), write.current, inbox="field"),)


@dataclass(slots=True)
class _RowWork:
    """What a merge of rows has come to."""

    rows: Rows
    stamps: dict[Path, Stamp] = member(default_factory=dict)
    losses: list[Loss] = member(default_factory=list)
    done: int = 0
    waits: bool = False  # something goes to the inbox


def _rows(write: Write) -> tuple[Option, ...]:
    """ "Three-way by row id, then by field as ``last_write``; deleted here and edited there → the row stays, inbox".

    The other way round, edited here and deleted there, it stays away (I12), and the edit waits.
    """
    base: Rows = {} if write.base is UNKNOWN else write.base
    work = _RowWork({row_id: dict(row) for row_id, row in write.current.items()})
    for row_id in sorted({*base, *write.mine}):
        if row_id not in write.mine:
            _delete_row(write, work, row_id)
        elif row_id not in base:
            _add_row(write, work, row_id)
        else:
            _edit_row(write, work, row_id, base[row_id])
    merged = work.rows
    losses = tuple(work.losses)
    if work.waits:
        return (Option(frozenset({"conflict"}), merged, work.stamps, losses, inbox="row"),)
    words = frozenset({_word(write, merged, bool(losses), bool(work.done))})
    if write.field.table in FILLED_BY_ROOM:
        words |= {"combined"}
        if not work.done:  # perhaps only such fields were written
            words |= {"superseded", "applied", "equal"}
    return (Option(words, merged, work.stamps, losses),)


def _delete_row(write: Write, work: _RowWork, row_id: str) -> None:
    path = (write.name, row_id)
    if row_id not in work.rows:
        return
    if write.changed(path):
        work.waits = True
    else:
        del work.rows[row_id]
        work.stamps[path] = write.stamp
        work.done += 1


def _add_row(write: Write, work: _RowWork, row_id: str) -> None:
    if row_id in work.rows:  # somebody added the same row: by field
        _settle_fields(write, work, row_id, write.mine[row_id])
    elif write.changed((write.name, row_id)):  # somebody added it, and somebody deleted it
        work.waits = True
    else:
        work.rows[row_id] = dict(write.mine[row_id])
        work.stamps[write.name, row_id] = write.stamp
        work.done += 1


def _edit_row(write: Write, work: _RowWork, row_id: str, base: Mapping[str, Any]) -> None:
    edits = {name: value for name, value in write.mine[row_id].items() if base.get(name) != value}
    if row_id in work.rows:
        _settle_fields(write, work, row_id, edits)
    elif edits:  # edited here and deleted there: never silent
        work.waits = True


def _settle_fields(write: Write, work: _RowWork, row_id: str, edits: Mapping[str, Any]) -> None:
    row = work.rows[row_id]
    for name, value in sorted(edits.items()):
        path = (write.name, row_id, name)
        stored = write.stamp_of(path)
        if row.get(name) == value:
            work.stamps[path] = max(stored, write.stamp)
            work.done += 1
        elif write.beats(path):
            row[name] = value
            work.stamps[path] = max(stored, write.stamp)
            work.done += 1
        else:
            work.losses.append(Loss(path, value, write.stamp, stored))


def _refused(write: Write) -> tuple[Option, ...]:
    """ "Rejected ``read_only_field``": the whole mutation is, before anything is merged."""
    return (Option(frozenset({"applied"}), write.current),)


POLICIES: Mapping[Merge, Callable[[Write], tuple[Option, ...]]] = {
    Merge.LAST_WRITE: _last_write,
    Merge.SERVER_WINS: _server_wins,
    Merge.CLIENT_WINS: _client_wins,
    Merge.MAX: _extreme,
    Merge.MIN: _extreme,
    Merge.SUM: _sum,
    Merge.SET: _set,
    Merge.ROWS: _rows,
    Merge.TEXT: _text,
    Merge.ASK: _ask,
    Merge.READ_ONLY: _refused,
}
