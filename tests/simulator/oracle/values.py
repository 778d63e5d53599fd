"""Values as the specification means them: one form for each kind, stamps, and the unknown."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

from sync.policy import Field, Kind


class Unknown(Enum):
    """A value that only the server can know: generated, computed, masked."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN


class Stamp(NamedTuple):
    """§1 "stamp": corrected time and mutation id of the latest write of a value.

    Tuples compare as ``last_write`` does: by time, ties by mutation id. A write without a phone has no
    mutation id and so loses a tie.
    """

    at: datetime
    mutation: str = ""


# What a stamp belongs to: a field; an element of a `set`; a row of `rows`; a field of such a row.
Path = tuple[str, ...]
Rows = dict[str, dict[str, Any]]
NEVER: Final = Stamp(datetime.min.replace(tzinfo=UTC))
# Fields of parts that a room fills in by itself, so that they are left to the room's own tests.
FILLED_BY_ROOM: Final = {"visit_tasks": frozenset({"done_at"})}
PLACES: Final = {Kind.MONEY: Decimal("0.0001"), Kind.QUANTITY: Decimal("0.000001")}


def instant(value: datetime | str) -> datetime:
    """A time of the wire (or a datetime) in UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC)


def canonical(field: Field, value: Any) -> Any:
    """The one form of a wire value, so that equal values are equal in Python.

    Sets become frozensets, rows become ``{row id: {field: value}}``; null sets and rows are empty ones.
    """
    if value is UNKNOWN:
        return UNKNOWN
    match field.kind:
        case Kind.TEXTS:
            return frozenset(value or ())
        case Kind.ROWS:
            return rows_by_id(field, value)
    return None if value is None else _scalar(field.kind, value)


def _scalar(kind: Kind, value: Any) -> Any:
    match kind:
        case Kind.MONEY | Kind.QUANTITY:
            try:
                return Decimal(str(value)).quantize(PLACES[kind])
            except InvalidOperation:
                return value
        case Kind.TIME:
            try:
                return instant(value)
            except (TypeError, ValueError):
                return value
        case Kind.ID:
            return str(value).lower()
        case Kind.DATE:
            return str(value)
        case Kind.POINT if isinstance(value, Mapping):
            return tuple(sorted((name, float(number)) for name, number in value.items()))
    return freeze(value)


def freeze(value: Any) -> Any:
    """JSON as a value that can be compared and hashed."""
    if isinstance(value, Mapping):
        return tuple(sorted((str(name), freeze(member)) for name, member in value.items()))
    if isinstance(value, list):
        return tuple(freeze(member) for member in value)
    return value


def rows_by_id(field: Field, value: Any) -> Rows:
    """Rows of the wire (a list) or of the model (already by id) by row id."""
    listed: Iterable[Mapping[str, Any]]
    listed = (
        [{"id": row_id, **row} for row_id, row in value.items()]
        if isinstance(value, Mapping)
        else value or ()
    )
    return {
        str(row["id"]).lower(): {
            name: canonical(field.rows[name], member)
            for name, member in row.items()
            if name in field.rows and name not in FILLED_BY_ROOM.get(field.table, ())
        }
        for row in listed
    }


def larger(sign: Literal[1, -1], one: Any, other: Any) -> Any:
    """Policy ``max`` (sign 1) or ``min`` (sign -1); no value loses to any."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other) if sign == 1 else min(one, other)
