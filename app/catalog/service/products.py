"""Products as other rooms and people know them."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true
from sqlalchemy.orm import Session

from app.catalog import queries
from app.catalog.models import Price, PriceChangeEvent, Product, PromotionRow
from app.catalog.service.records import in_scope
from app.core.errors import NotFound, ReferenceNotFound
from app.core.scope import Actor

OFFERS_MAX: Final = 200


def list_products(session: Session, actor: Actor) -> Select[Product]:
    """The company's products; everybody knows them all."""
    return select(Product).where(Product.tenant_id == actor.tenant_id, Product.deleted_at.is_(None))


def get_product(session: Session, actor: Actor, product_id: UUID) -> Product:
    """One product with its units.

    Raises:
        NotFound: No such product.
    """
    found = session.scalars(list_products(session, actor).where(Product.id == product_id)).one_or_none()
    if found is None:
        raise NotFound
    return found


def refer_to_product(session: Session, actor: Actor, product_id: UUID, field: str = "product_id") -> Product:
    """The product that a new record will name, held until commit so that it cannot be deleted meanwhile.

    Raises:
        ReferenceNotFound: No such product.
    """
    statement = list_products(session, actor).where(Product.id == product_id)
    found = session.scalars(statement.with_for_update(of=Product, read=True)).one_or_none()
    if found is None:
        raise ReferenceNotFound(field=field)
    return found


def find_by_sku(session: Session, actor: Actor, skus: Iterable[str]) -> dict[str, UUID]:
    """The ids of the products that have these numbers, as other systems know them."""
    statement = list_products(session, actor).with_only_columns(Product.sku, Product.id)
    found = session.execute(statement.where(Product.sku.in_(list(skus))))
    return {row.sku: row.id for row in found}


def list_offers(
    session: Session, actor: Actor, product: Product, day: date
) -> tuple[Sequence[Price], Sequence[PromotionRow]]:
    """What a product costs on a day by the lists of the actor's scope, and the promotions that may touch it.

    Whoever is told no prices is given none of either.
    """
    prices = in_scope(actor, Price).where(Price.product_id == product.id, _holds(Price, day))
    named = PromotionRow.products.contains([str(product.id)])
    of_kind = PromotionRow.categories.overlap(list(product.categories))
    of_all = and_(
        func.cardinality(PromotionRow.products) == 0, func.cardinality(PromotionRow.categories) == 0
    )
    promotions = in_scope(actor, PromotionRow).where(
        _holds(PromotionRow, day), or_(named, of_kind, of_all, PromotionRow.free_product_id == product.id)
    )
    return (
        session.scalars(
            prices.order_by(Price.price_list_id, Price.valid_from, Price.id).limit(OFFERS_MAX)
        ).all(),
        session.scalars(
            promotions.order_by(PromotionRow.priority, PromotionRow.code).limit(OFFERS_MAX)
        ).all(),
    )


def _holds(model: Any, day: date) -> ColumnElement[bool]:
    return and_(func.coalesce(model.valid_from <= day, true()), func.coalesce(model.valid_to >= day, true()))


def list_price_changes(
    session: Session, actor: Actor, *, price_list_id: UUID | None = None, product_id: UUID | None = None
) -> Select[PriceChangeEvent]:
    """How the prices of the lists of the scope changed.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        price_list_id: Of this list only.
        product_id: Of this product only.
    """
    statement = queries.price_changes_of(actor)
    if price_list_id is not None:
        statement = statement.where(PriceChangeEvent.price_list_id == price_list_id)
    if product_id is not None:
        statement = statement.where(PriceChangeEvent.product_id == product_id)
    return statement
