"""Canonical wire values: one form for each value, whether it came from a phone or from the ledger."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

from sync.policy import Field, Kind, Merge

MONEY_DECIMALS = 4
QUANTITY_DECIMALS = 6
FIRST_MOMENT = datetime.min.replace(tzinfo=UTC)
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_EXACT = Context(prec=100, rounding=ROUND_HALF_UP)  # PostgreSQL rounds numerics half away from zero, too


def loads(text: str | bytes) -> Any:
    """JSON with exact decimals: a NUMERIC(18,4) does not fit a float."""
    return json.loads(text, parse_float=Decimal)


def canonical(field: Field, value: Any) -> Any:
    """The canonical form of a wire value.

    Typed values of the schemas (UUID, datetime, date, Decimal) are understood as well. A value that no
    wire can carry (``infinity``, NaN: raw SQL can write them) is given back as it is, so that
    it can still be compared; it equals nothing a phone can send.

    Args:
        field: Its declaration.
        value: JSON already checked by the schema, or None.

    Returns:
        JSON; times as ``2026-11-21T09:00:00.000000Z``, money and quantities as strings.
    """
    return None if value is None else _CANONICAL.get(field.kind, _as_it_is)(field, value)


def from_ledger(field: Field, value: Any) -> Any:
    """The canonical form of what ``to_jsonb(column)`` made of a column.

    Rows of a part are cut to their id and their declared fields, under their wire names.
    """
    if field.kind is not Kind.ROWS or value is None:
        return canonical(field, value)
    return _ordered(field, (_row_from_ledger(field, row) for row in value))


def same(field: Field, left: Any, right: Any) -> bool:
    """Whether two canonical values of *field* are equal; sets without regard to order, no value as empty."""
    if field.merge is Merge.SET:
        return set(left or ()) == set(right or ())
    return _identical(left, right)


def wire_time(moment: datetime) -> str:
    """*moment* (aware) as the wire writes times: fixed width, so that they sort as text."""
    return in_utc(moment).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def whole(value: Any) -> Any:
    """1.0 as 1: JSON makes no difference between them. Anything else as it is."""
    return int(value) if type(value) is float and value.is_integer() else value


def in_utc(moment: datetime) -> datetime:
    """*moment* (aware) in UTC; ``astimezone`` overflows in the first and last hours of the calendar."""
    return moment if moment.tzinfo is UTC else moment_at(microseconds_of(moment))


def microseconds_of(moment: datetime) -> int:
    """Microseconds from the first moment of the calendar to *moment* (aware)."""
    return (moment - FIRST_MOMENT) // MICROSECOND


def moment_at(microseconds: int) -> datetime:
    """The aware UTC time so many microseconds after the first moment, kept within the calendar."""
    within = min(max(microseconds, 0), LAST_MICROSECOND)
    return FIRST_MOMENT + timedelta(microseconds=within)


LAST_MICROSECOND = microseconds_of(LAST_MOMENT)


def decimal_text(value: Any, decimals: int) -> str:
    """A number (int, float, Decimal or text) with exactly so many *decimals*, never ``-0``."""
    number = Decimal(repr(value) if isinstance(value, float) else value)
    if not number.is_finite():
        return str(value)
    rounded = _EXACT.quantize(number, Decimal(1).scaleb(-decimals))
    return format(rounded if rounded else rounded.copy_abs(), "f")


def _as_it_is(_: Field, value: Any) -> Any:
    return value


def _money(_: Field, value: Any) -> str:
    return _decimal(value, MONEY_DECIMALS)


def _quantity(_: Field, value: Any) -> str:
    return _decimal(value, QUANTITY_DECIMALS)


def _decimal(value: Any, decimals: int) -> str:
    try:
        return decimal_text(value, decimals)
    except InvalidOperation:
        return str(value)


def _time(_: Field, value: Any) -> str:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except ValueError:
        return str(value)
    return wire_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _text(_: Field, value: Any) -> str:
    return str(value)


def _id(_: Field, value: Any) -> str:
    return str(value).lower()


def _texts(field: Field, value: Iterable[Any]) -> list[Any]:
    if field.merge is not Merge.SET:
        return list(value)
    return [text for text in dict.fromkeys(value) if text is not None]


def _point(_: Field, value: Any) -> Any:
    pair = (value["lat"], value["lon"]) if isinstance(value, Mapping) else tuple(value)
    if len(pair) != 2 or any(part is None or isinstance(part, str) for part in pair):
        return value  # NaN in a double precision[] is a text in jsonb
    lat, lon = (float(part) + 0.0 for part in pair)  # + 0.0 makes -0.0 plain
    return {"lat": lat, "lon": lon}


def _json(field: Field, value: Any) -> Any:
    """Free JSON, with the exact decimals of ``loads`` back as the floats that the wire's reader makes."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {key: _json(field, member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(field, member) for member in value]
    return value


def _rows(field: Field, value: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return _ordered(field, (_row(field, row) for row in value))


def _row(field: Field, row: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: canonical(field.rows[name], value) for name, value in row.items() if name in field.rows}
    return {"id": str(row["id"]).lower(), **fields}


def _row_from_ledger(field: Field, row: Mapping[str, Any]) -> dict[str, Any]:
    columns = {name: part.column or name for name, part in field.rows.items()}
    known = {name: row[column] for name, column in columns.items() if column in row}
    return {
        "id": str(row["id"]).lower(),
        **{name: from_ledger(field.rows[name], value) for name, value in known.items()},
    }


def _ordered(field: Field, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=row_order)


def row_order(row: Mapping[str, Any]) -> tuple[bool, Any, str]:
    """Sort key of the rows of a part: by position, rows without one last; then by id."""
    position = row.get("position")
    return (position is None, 0 if position is None else position, row["id"])


def _identical(left: Any, right: Any) -> bool:
    """Equality of JSON. Python alone holds ``True == 1``."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_identical(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_identical, left, right))
    return bool(left == right)


_CANONICAL: dict[Kind, Callable[[Field, Any], Any]] = {
    Kind.MONEY: _money,
    Kind.QUANTITY: _quantity,
    Kind.TIME: _time,
    Kind.DATE: _text,
    Kind.ID: _id,
    Kind.TEXTS: _texts,
    Kind.POINT: _point,
    Kind.JSON: _json,
    Kind.ROWS: _rows,
}
