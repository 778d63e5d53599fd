"""What only the office knows: costs and floors. Never on a phone of a rep, by no way."""

from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, undefer

from app.catalog.models import Price, PriceListItem, ProductCost
from app.catalog.service import records
from app.catalog.service.currencies import minor_unit
from app.catalog.service.products import get_product, refer_to_product
from app.core.errors import Forbidden, NotFound
from app.core.scope import Actor, Role

OFFICE: Final = (Role.MANAGER, Role.ADMIN, Role.INTEGRATION)


def get_cost(session: Session, actor: Actor, product_id: UUID, day: date) -> ProductCost:
    """What one base unit of a product costs us on a day.

    Raises:
        Forbidden: Only the office knows.
        NotFound: No such product, or nobody has said yet.
    """
    if actor.role not in OFFICE:
        raise Forbidden
    get_product(session, actor, product_id)
    found = session.scalars(
        select(ProductCost)
        .where(
            ProductCost.tenant_id == actor.tenant_id,
            ProductCost.product_id == product_id,
            ProductCost.valid_from <= day,
        )
        .order_by(ProductCost.valid_from.desc())
        .limit(1)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def set_cost(
    session: Session, actor: Actor, product_id: UUID, *, cost: Decimal, currency: str, valid_from: date
) -> ProductCost:
    """Say what one base unit costs us from a day on, in place of what was said for that day.

    Raises:
        Forbidden: Only administrators and integrations say so.
        ReferenceNotFound: No such product or currency.
    """
    if actor.role not in records.WRITERS:
        raise Forbidden
    minor_unit(currency)
    refer_to_product(session, actor, product_id)
    found = session.scalars(
        select(ProductCost)
        .where(
            ProductCost.tenant_id == actor.tenant_id,
            ProductCost.product_id == product_id,
            ProductCost.valid_from == valid_from,
        )
        .with_for_update()
    ).one_or_none()
    if found is None:
        found = ProductCost(tenant_id=actor.tenant_id, product_id=product_id, valid_from=valid_from)
        session.add(found)
    found.cost, found.currency = cost, currency
    with records.taken():
        session.flush()
    return found


def list_floors(session: Session, actor: Actor, price_id: UUID) -> Select[PriceListItem]:
    """The steps of a price with their floors.

    Raises:
        Forbidden: Only the office knows.
        NotFound: No such price in the actor's scope.
    """
    if actor.role not in OFFICE:
        raise Forbidden
    records.get_record(session, actor, Price, price_id)
    return (
        select(PriceListItem)
        .where(PriceListItem.tenant_id == actor.tenant_id, PriceListItem.price_id == price_id)
        .options(undefer(PriceListItem.floor_price))
    )
