"""Reads of the catalogue: who sees which lists, and what an order needs to be priced."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    column,
    exists,
    false,
    literal,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

from app.catalog.models import (
    ExchangeRate,
    Price,
    PriceChangeEvent,
    PriceList,
    PriceListAssignment,
    PriceListItem,
    Product,
    ProductCost,
    ProductUnit,
    PromotionAccount,
    PromotionRow,
)
from app.core.scope import PRICE_DAYS_BACK, Actor, Role, Scope, sees_account, sees_child_of_account

EXPIRED_KEPT = timedelta(days=PRICE_DAYS_BACK)
"""How long a phone goes on holding a price that ended: to say that it did."""

SALES_ROLES = (Role.REP, Role.MANAGER, Role.ADMIN, Role.INTEGRATION)

# A light table of another room: only the columns that decide scope.
_accounts = table(
    "accounts", *(column(c) for c in ("tenant_id", "id", "territory_id", "owner_id", "deleted_at"))
)


# -- scope


def sees_terms(actor: Actor) -> ColumnElement[bool]:
    """Whether the actor may know of prices at all: those who sell and their office."""
    return true() if actor.role in SALES_ROLES else false()


def sees_assignment(scope: Scope, assignment: Any) -> ColumnElement[bool]:
    """Whether an assignment is of everybody, of an account in the scope, or of a territory that has one."""
    if scope.everything:
        return true()
    of_account = and_(
        _accounts.c.tenant_id == assignment.tenant_id,
        _accounts.c.deleted_at.is_(None),
        sees_account(scope, _accounts),
        or_(_accounts.c.id == assignment.account_id, _accounts.c.territory_id == assignment.territory_id),
    )
    ways = [assignment.everybody, exists(select(literal(1)).where(of_account))]
    if scope.territory_ids:
        ways.append(assignment.territory_id.in_(scope.territory_ids))
    return or_(*ways)


def sees_list(actor: Actor, list_id: ColumnElement[UUID] | Any) -> ColumnElement[bool]:
    """Whether a list is assigned to something that the actor sees."""
    if actor.role not in SALES_ROLES:
        return false()
    if actor.scope.everything:
        return true()
    return exists(
        select(literal(1)).where(
            PriceListAssignment.tenant_id == actor.tenant_id,
            PriceListAssignment.price_list_id == list_id,
            PriceListAssignment.deleted_at.is_(None),
            sees_assignment(actor.scope, PriceListAssignment),
        )
    )


def sees_promotion(actor: Actor) -> ColumnElement[bool]:
    """Whether a promotion is for everybody, or for an account of the scope."""
    if actor.scope.everything or actor.role not in SALES_ROLES:
        return sees_terms(actor)
    ours = exists(
        select(literal(1)).where(
            PromotionAccount.tenant_id == PromotionRow.tenant_id,
            PromotionAccount.promotion_id == PromotionRow.id,
            PromotionAccount.deleted_at.is_(None),
            sees_child_of_account(actor.scope, PromotionAccount),
        )
    )
    return or_(PromotionRow.for_accounts.is_(False), ours)


def sees_promotion_account(actor: Actor) -> ColumnElement[bool]:
    """Whether a promotion's account is in the scope."""
    return and_(sees_terms(actor), sees_child_of_account(actor.scope, PromotionAccount))


def price_changes_of(actor: Actor) -> Select[PriceChangeEvent]:
    """Changes of prices of the lists that the actor sees."""
    return select(PriceChangeEvent).where(
        PriceChangeEvent.tenant_id == actor.tenant_id, sees_list(actor, PriceChangeEvent.price_list_id)
    )


# -- what an order needs


def assigned_lists(session: Session, tenant_id: UUID, account: Any, currency: str) -> Sequence[Any]:
    """The live lists of an account in a currency, each once: its own, its territory's, everybody's.

    Those asked first stand in front: by nearness, rank, code.
    """
    a = PriceListAssignment
    near = [a.account_id == account.id, a.territory_id == account.territory_id, a.everybody]
    found = session.execute(
        select(
            PriceList.id,
            PriceList.code,
            PriceList.kind,
            PriceList.currency,
            PriceList.valid_from,
            PriceList.valid_to,
            a.account_id,
            a.territory_id,
            a.rank,
        )
        .join(PriceList, and_(PriceList.tenant_id == a.tenant_id, PriceList.id == a.price_list_id))
        .where(
            a.tenant_id == tenant_id,
            a.deleted_at.is_(None),
            PriceList.deleted_at.is_(None),
            PriceList.currency == currency,
            or_(*near),
        )
    ).all()
    ordered = sorted(
        found, key=lambda row: (row.account_id is None, row.territory_id is None, row.rank, row.code)
    )
    return list({row.id: row for row in reversed(ordered)}.values())[::-1]


def products_of(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> Sequence[Any]:
    """Live products with what pricing asks of them."""
    return session.execute(
        select(Product.id, Product.categories, Product.base_unit, Product.tax_code).where(
            Product.tenant_id == tenant_id, Product.id.in_(ids), Product.deleted_at.is_(None)
        )
    ).all()


def units_of(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> Sequence[Any]:
    """The units of products."""
    return session.execute(
        select(ProductUnit.product_id, ProductUnit.unit, ProductUnit.factor).where(
            ProductUnit.tenant_id == tenant_id, ProductUnit.product_id.in_(ids)
        )
    ).all()


def items_of(
    session: Session, tenant_id: UUID, lists: Collection[UUID], products: Collection[UUID], day: date
) -> Sequence[Any]:
    """The steps of these products in these lists that hold on a day, or ended shortly before."""
    return session.execute(
        select(
            Price.price_list_id,
            Price.product_id,
            Price.valid_from,
            Price.valid_to,
            PriceListItem.unit,
            PriceListItem.min_quantity,
            PriceListItem.price,
            PriceListItem.floor_price,
        )
        .join(
            PriceListItem,
            and_(PriceListItem.tenant_id == Price.tenant_id, PriceListItem.price_id == Price.id),
        )
        .where(
            Price.tenant_id == tenant_id,
            Price.price_list_id.in_(lists),
            Price.product_id.in_(products),
            Price.deleted_at.is_(None),
            Price.valid_from <= day,
            or_(Price.valid_to.is_(None), Price.valid_to >= day - EXPIRED_KEPT),
        )
    ).all()


def lists_that_ended(
    session: Session, tenant_id: UUID, lists: Collection[UUID], products: Collection[UUID]
) -> list[UUID]:
    """Which of *lists* price one of the products at all."""
    return list(
        session.scalars(
            select(Price.price_list_id)
            .where(
                Price.tenant_id == tenant_id,
                Price.price_list_id.in_(lists),
                Price.product_id.in_(products),
                Price.deleted_at.is_(None),
            )
            .distinct()
            .order_by(Price.price_list_id)
        )
    )


def promotions_of(
    session: Session,
    tenant_id: UUID,
    account_id: UUID,
    currency: str,
    day: date,
    products: Collection[UUID],
    categories: Collection[str],
) -> Sequence[PromotionRow]:
    """Promotions that may count on an order: by day, currency, account, products and categories."""
    ours = exists(
        select(literal(1)).where(
            PromotionAccount.tenant_id == PromotionRow.tenant_id,
            PromotionAccount.promotion_id == PromotionRow.id,
            PromotionAccount.account_id == account_id,
            PromotionAccount.deleted_at.is_(None),
        )
    )
    return session.scalars(
        select(PromotionRow)
        .where(
            PromotionRow.tenant_id == tenant_id,
            PromotionRow.deleted_at.is_(None),
            or_(PromotionRow.valid_from.is_(None), PromotionRow.valid_from <= day),
            or_(PromotionRow.valid_to.is_(None), PromotionRow.valid_to >= day),
            or_(PromotionRow.currency.is_(None), PromotionRow.currency == currency),
            or_(PromotionRow.for_accounts.is_(False), ours),
            or_(
                and_(PromotionRow.products == _texts(()), PromotionRow.categories == _texts(())),
                PromotionRow.products.op("&&")(_texts(map(str, products))),
                PromotionRow.categories.op("&&")(_texts(categories)),
            ),
        )
        # Budgets move under the session's feet.
        .execution_options(populate_existing=True)
    ).all()


def _texts(values: Any) -> ColumnElement[list[str]]:
    return literal(sorted(values), ARRAY(Text))


def costs_on(session: Session, tenant_id: UUID, products: Collection[UUID], day: date) -> dict[UUID, Any]:
    """The newest cost of each product at or before a day."""
    found = session.execute(
        select(ProductCost.product_id, ProductCost.currency, ProductCost.cost)
        .where(
            ProductCost.tenant_id == tenant_id,
            ProductCost.product_id.in_(products),
            ProductCost.valid_from <= day,
        )
        .ext(distinct_on(ProductCost.product_id))
        .order_by(ProductCost.product_id, ProductCost.valid_from.desc())
    )
    return {row.product_id: row for row in found}


def find_rate(session: Session, tenant_id: UUID, currency: str, day: date) -> Any | None:
    """The newest rate of a currency at or before a day."""
    return session.execute(
        select(ExchangeRate.rate, ExchangeRate.day)
        .where(
            ExchangeRate.tenant_id == tenant_id, ExchangeRate.currency == currency, ExchangeRate.day <= day
        )
        .order_by(ExchangeRate.day.desc())
        .limit(1)
    ).one_or_none()


def lock_promotions(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> Sequence[PromotionRow]:
    """Promotions held against other writers, in the order of their ids."""
    return session.scalars(
        select(PromotionRow)
        .where(PromotionRow.tenant_id == tenant_id, PromotionRow.id.in_(ids))
        .order_by(PromotionRow.id)
        .with_for_update(of=PromotionRow, key_share=True)
        .execution_options(populate_existing=True)
    ).all()
