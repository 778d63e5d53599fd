"""Lists by keyset: stable under change, no totals, opaque cursors that only their owner can use."""

import base64
import binascii
import hashlib
import hmac
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from flask import g, request
from sqlalchemy import ColumnElement, Select, and_, or_, tuple_
from sqlalchemy.orm import Session

from app.http.errors import Refused
from app.http.fields import Integer, QuerySchema, Rendered, Rows, Text, WireSchema
from app.http.services import derive_key, services

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAC_BYTES = 16


class PlaceQuery(QuerySchema):
    """Query of a list that has one order only."""

    cursor = Text(max=2_000, metadata={"description": "`next_cursor` of the page before"})
    limit = Integer(min=1, max=MAX_LIMIT, load_default=DEFAULT_LIMIT)


class PageQuery(PlaceQuery):
    """Query of a list: subclass it and add filters."""

    sort = Text(max=40, metadata={"description": "Field to sort by; a leading `-` turns the order"})


@cache
def page_of(schema_cls: type[WireSchema]) -> type[WireSchema]:
    """The schema of a page of *schema_cls* bodies."""
    found = type(
        schema_cls.__name__.removesuffix("Schema") + "PageSchema",
        (WireSchema,),
        {
            "__module__": schema_cls.__module__,
            "items": Rows(schema_cls, dump_only=True),
            "next_cursor": Text(
                max=2_000,
                dump_only=True,
                allow_none=True,
                metadata={"description": "Null on the last page", "example": None},
            ),
        },
    )
    assert issubclass(found, WireSchema)
    return found


@dataclass(frozen=True, slots=True)
class _Order:
    """One sort: a column, a direction, and the id as tie-breaker in the same direction."""

    name: str
    column: ColumnElement[Any]
    id: ColumnElement[Any]
    descending: bool

    @property
    def nullable(self) -> bool:
        return bool(getattr(self.column, "nullable", True))

    def clauses(self) -> list[ColumnElement[Any]]:
        nulls_last = [self.column.is_(None)] if self.nullable else []
        if self.descending:
            return [*nulls_last, self.column.desc(), self.id.desc()]
        return [*nulls_last, self.column, self.id]

    def after(self, value: Any, last_id: UUID) -> ColumnElement[bool]:
        """What comes after (value, id); nulls come last in both directions."""
        beyond: Callable[[Any, Any], ColumnElement[bool]] = operator.lt if self.descending else operator.gt
        if not self.nullable:
            return beyond(tuple_(self.column, self.id), tuple_(value, last_id))
        if value is None:
            return and_(self.column.is_(None), beyond(self.id, last_id))
        return or_(
            beyond(self.column, value),
            and_(self.column == value, beyond(self.id, last_id)),
            self.column.is_(None),
        )


def page(
    session: Session,
    select: Select[Any],
    *,
    model: Any,
    sortable: Mapping[str, Any],
    default_sort: str = "id",
    args: Mapping[str, Any],
    render: Callable[[Any], Rendered] | None = None,
) -> dict[str, Any]:
    """One page of *select*.

    Args:
        session: Of the actor's tenant.
        select: A statement that gives *model* rows, scoped already, not ordered.
        model: Class with ``id``, the tie-breaker.
        sortable: Column of each field that may be sorted by; ``id`` always may.
        default_sort: A key of *sortable* with or without ``-``.
        args: Loaded ``PageQuery``: ``cursor``, ``limit``, ``sort`` and the filters that were given.
        render: Renders each row (``app.http.shapes.rendered``); without it rows go out as they are.

    Returns:
        ``{"items": […], "next_cursor": str | None}``. There is no total: it would cost a scan.

    Raises:
        Refused: 422 ``sort_not_allowed``, 400 ``cursor_invalid``.
    """
    order = _order(str(args.get("sort", default_sort)), model, sortable)
    limit = int(args.get("limit") or DEFAULT_LIMIT)
    binding = _binding(args, order.name, order.descending)
    place = _read_cursor(args.get("cursor"), binding)
    if place is not None:
        value, last_id = place
        select = select.where(order.after(value, last_id))
    statement = select.add_columns(order.column.label("sort_value"), order.id.label("sort_id"))
    rows = session.execute(statement.order_by(*order.clauses()).limit(limit + 1)).all()
    shown, more = rows[:limit], len(rows) > limit
    next_cursor = _write_cursor((shown[-1][-2], shown[-1][-1]), binding) if more else None
    items = [render(row[0]) if render else row[0] for row in shown]
    return {"items": items, "next_cursor": next_cursor}


def place_of(args: Mapping[str, Any]) -> Sequence[Any] | None:
    """Where a list of one order goes on, as ``cursor_at`` wrote it; None at the beginning.

    Call it inside the transaction: a cursor is good for one person.

    Raises:
        Refused: 400 ``cursor_invalid``.
    """
    return _read_cursor(args.get("cursor"), _binding(args))


def cursor_at(args: Mapping[str, Any], *place: Any) -> str:
    """The cursor of *place* in the list that *args* asked for."""
    return _write_cursor(place, _binding(args))


def _order(sort: str, model: Any, sortable: Mapping[str, Any]) -> _Order:
    name = sort.removeprefix("-")
    columns = {"id": model.id} | dict(sortable)
    if name not in columns:
        raise Refused("sort_not_allowed", 422, details={"allowed": sorted(columns)})
    return _Order(name, columns[name], model.id, sort.startswith("-"))


def _binding(args: Mapping[str, Any], *order: Any) -> bytes:
    """What a cursor is good for: this user, this list, this order, these filters."""
    actor = g.get("actor")
    filters = sorted((k, str(v)) for k, v in args.items() if k not in ("cursor", "limit", "sort"))
    parts = [
        request.endpoint, request.view_args and sorted((k, str(v)) for k, v in request.view_args.items()),
        str(actor.tenant_id) if actor else None, str(actor.user_id) if actor else None,
        *order, filters,
    ]  # fmt: skip
    return json.dumps(parts).encode()


def _write_cursor(place: Sequence[Any], binding: bytes) -> str:
    body = json.dumps([_packed(value) for value in place], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_mac(body, binding) + body).decode().rstrip("=")


def _read_cursor(cursor: str | None, binding: bytes) -> Sequence[Any] | None:
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, _mac(body, binding)):
            raise ValueError
        return [_UNPACK[kind](text) for kind, text in json.loads(body)]
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise Refused("cursor_invalid") from None


def _mac(body: bytes, binding: bytes) -> bytes:
    key = derive_key(services().config.secret_key, "page-cursor")
    return hmac.new(key, len(body).to_bytes(4, "big") + body + binding, hashlib.sha256).digest()[:MAC_BYTES]


_UNPACK: dict[str, Callable[[Any], Any]] = {
    "null": lambda _: None,
    "json": lambda value: value,
    "time": datetime.fromisoformat,
    "day": date.fromisoformat,
    "decimal": Decimal,
    "id": UUID,
}


def _packed(value: Any) -> tuple[str, Any]:
    if value is None:
        return "null", None
    if isinstance(value, datetime):
        return "time", value.isoformat()
    if isinstance(value, date):
        return "day", value.isoformat()
    if isinstance(value, Decimal):
        return "decimal", str(value)
    if isinstance(value, UUID):
        return "id", str(value)
    return "json", value
