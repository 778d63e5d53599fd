"""What warehouses have, as it was counted last."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, false, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.errors import Forbidden, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.orders import queries
from app.orders.models import StockSnapshot
from app.orders.service.errors import LineListedTwice
from app.orders.service.settings import STAFF, list_warehouses


def list_stock(
    session: Session,
    actor: Actor,
    *,
    product_id: UUID | None = None,
    warehouse_id: UUID | None = None,
) -> Select[StockSnapshot]:
    """What was counted, for those who sell."""
    sees = StockSnapshot.tenant_id == actor.tenant_id if actor.role in STAFF else false()
    statement = select(StockSnapshot).where(sees)
    if product_id is not None:
        statement = statement.where(StockSnapshot.product_id == product_id)
    if warehouse_id is not None:
        statement = statement.where(StockSnapshot.warehouse_id == warehouse_id)
    return statement


def record_stock(session: Session, actor: Actor, rows: Sequence[Mapping[str, Any]], *, now: datetime) -> int:
    """Take over a count; an older one than is known already changes nothing, so that it may be sent twice.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: An admin or an integration.
        rows: ``warehouse_id, product_id, quantity`` (base units), ``taken_at`` (now, when left out).
        now: Server time, aware UTC.

    Returns:
        How many were newer.

    Raises:
        Forbidden: Not for the actor's role.
        ReferenceNotFound: A warehouse or product does not exist; nothing was taken over.
        LineListedTwice: A product stands twice for one warehouse.
    """
    if actor.role not in (Role.ADMIN, Role.INTEGRATION):
        raise Forbidden
    if not rows:
        return 0
    if len({(row["warehouse_id"], row["product_id"]) for row in rows}) < len(rows):
        raise LineListedTwice
    _check_references(session, actor, rows)
    statement = insert(StockSnapshot).values(
        [
            {
                "tenant_id": actor.tenant_id,
                "id": new_id(),
                "warehouse_id": row["warehouse_id"],
                "product_id": row["product_id"],
                "quantity": row["quantity"],
                "taken_at": row.get("taken_at") or now,
            }
            for row in rows
        ]
    )
    statement = statement.on_conflict_do_update(
        constraint="uq_stock_snapshots_tenant_id_warehouse_id_product_id",
        set_={"quantity": statement.excluded.quantity, "taken_at": statement.excluded.taken_at},
        where=StockSnapshot.taken_at <= statement.excluded.taken_at,
    )
    return len(session.execute(statement.returning(StockSnapshot.id)).all())


def _check_references(session: Session, actor: Actor, rows: Sequence[Mapping[str, Any]]) -> None:
    warehouses: set[UUID] = {row["warehouse_id"] for row in rows}
    if warehouses - {one.id for one in session.scalars(list_warehouses(session, actor))}:
        raise ReferenceNotFound(field="warehouse_id")
    products: set[UUID] = {row["product_id"] for row in rows}
    if products - queries.known_products(session, actor.tenant_id, products):
        raise ReferenceNotFound(field="product_id")
