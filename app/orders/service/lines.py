"""The lines of an order: rows of the aggregate, told apart by id."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.catalog import service as catalog
from app.core.errors import ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor
from app.orders import queries
from app.orders.models import Order, OrderLine
from app.orders.service.errors import LineInvalid, LineListedTwice
from app.orders.service.records import masked

LINE_FIELDS: Final = ("product_id", "unit", "quantity", "manual_kind", "manual_value", "position", "note")


def replace_lines(session: Session, actor: Actor, order: Order, rows: Sequence[Mapping[str, Any]]) -> None:
    """Make the order's lines be *rows*: change the known ones, add new ones, delete those left out.

    Args:
        session: Open session of the tenant; the caller flushes.
        actor: Who may know the products.
        order: Locked.
        rows: Typed fields of each line; ``id`` of a known one, or as minted by a phone. A known
            line keeps the fields that are not given; a new one stands where it is listed.

    Raises:
        ReferenceNotFound: An id is another order's line, or a product is unknown to the actor.
        LineListedTwice: An id stands twice in *rows*.
        LineInvalid: A new line lacks product, unit or quantity, or half of its discount.
    """
    ids = [row["id"] for row in rows if row.get("id")]
    if len(set(ids)) < len(ids):
        raise LineListedTwice
    known = {line.id: line for line in order.lines}
    if queries.foreign_lines(session, order, [line_id for line_id in ids if line_id not in known]):
        raise ReferenceNotFound(field="lines")
    seen = {line.product_id for line in order.lines}
    for place, row in enumerate(rows):
        line = known.pop(row["id"], None) if row.get("id") else None
        if line is None:
            line = OrderLine(tenant_id=order.tenant_id, id=row.get("id") or new_id(), position=place)
            _check_whole(line.id, row)
            order.lines.append(line)
        _assign(line, row)
    for line in known.values():
        order.lines.remove(line)
    for product_id in {line.product_id for line in order.lines} - seen:
        catalog.refer_to_product(session, actor, product_id)


def _check_whole(line_id: UUID, row: Mapping[str, Any]) -> None:
    for field in ("product_id", "unit", "quantity"):
        if row.get(field) is None:
            raise LineInvalid(line_id=str(line_id), field=field)


def _assign(line: OrderLine, row: Mapping[str, Any]) -> None:
    clean = masked(row)
    for field in LINE_FIELDS:
        if field in clean:
            setattr(line, field, clean[field])
    if (line.manual_kind is None) != (line.manual_value is None):
        raise LineInvalid(line_id=str(line.id), field="manual_value")
