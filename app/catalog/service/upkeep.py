"""How the office keeps the catalogue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.catalog.models import (
    CurrencyRounding,
    Price,
    PriceList,
    PriceListAssignment,
    Product,
    ProductUnit,
    PromotionAccount,
    PromotionRow,
    TaxCode,
)
from app.catalog.pricing import Benefit
from app.catalog.service import records
from app.catalog.service.currencies import ONE, minor_unit
from app.catalog.service.errors import CatalogInvalid
from app.catalog.service.records import Record
from app.core.errors import ReferenceNotFound
from app.core.scope import Actor
from app.identity import service as identity

OF_MONEY = frozenset({Benefit.PER_UNIT, Benefit.FIXED_PRICE, Benefit.AMOUNT})


@dataclass(frozen=True, slots=True)
class Kept(Generic[Record]):
    """The verbs of one kind of record; each checks scope and permission, the caller commits."""

    model: type[Record]
    check: Callable[[Session, Actor, Any], None]

    def list(self, session: Session, actor: Actor, **only: Any) -> Select[Record]:
        """Those of the scope, as a statement for the route to page; *only* those with these values."""
        statement = records.in_scope(actor, self.model)
        for name, value in only.items():
            statement = statement.where(getattr(self.model, name) == value)
        return statement

    def get(self, session: Session, actor: Actor, record_id: UUID, *, lock: bool = False) -> Record:
        """One of the scope, or NotFound."""
        return records.get_record(session, actor, self.model, record_id, lock=lock)

    def create(self, session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> Record:
        """A new one; see ``records.create_record``."""
        return records.create_record(session, actor, self.model, values, self.check)

    def update(
        self, session: Session, actor: Actor, record_id: UUID, changes: Mapping[str, Any], *, now: datetime
    ) -> Record:
        """Change one; see ``records.update_record``."""
        return records.update_record(session, actor, self.model, record_id, changes, self.check)

    def delete(self, session: Session, actor: Actor, record_id: UUID, *, now: datetime) -> None:
        """Delete one; see ``records.delete_record``."""
        records.delete_record(session, actor, self.model, record_id, now=now)


def _refuse(**fields: str) -> None:
    raise CatalogInvalid(fields=fields)


def _check_currency(session: Session, actor: Actor, row: CurrencyRounding) -> None:
    minor_unit(row.code)
    if row.line_unit <= 0 or row.tax_unit <= 0:
        _refuse(line_unit="value_out_of_range")
    if row.tax_unit % row.line_unit:
        _refuse(tax_unit="value_invalid")


def _check_tax(session: Session, actor: Actor, row: TaxCode) -> None:
    """Its percentage is checked by its shape."""


def _check_product(session: Session, actor: Actor, product: Product) -> None:
    """The base unit is always among the units, one of itself."""
    base = [unit for unit in product.units if unit.unit == product.base_unit]
    if not base:
        product.units.append(ProductUnit(tenant_id=actor.tenant_id, unit=product.base_unit, factor=ONE))
    elif base[0].factor != ONE:
        _refuse(units="value_invalid")
    known = session.scalars(
        select(Product.sku).where(
            Product.tenant_id == actor.tenant_id,
            Product.sku.in_(product.substitutes or ()),
            Product.deleted_at.is_(None),
        )
    )
    if set(product.substitutes or ()) - set(known) or product.sku in (product.substitutes or ()):
        raise ReferenceNotFound(field="substitutes")


def _check_list(session: Session, actor: Actor, row: PriceList) -> None:
    minor_unit(row.currency)
    records.check_days(row)


def _check_assignment(session: Session, actor: Actor, row: PriceListAssignment) -> None:
    if sum((row.account_id is not None, row.territory_id is not None, bool(row.everybody))) != 1:
        _refuse(account_id="value_invalid", territory_id="value_invalid", everybody="value_invalid")
    records.refer_to(session, actor, PriceList, row.price_list_id, "price_list_id")
    if row.account_id is not None:
        accounts.refer_to_account(session, actor, row.account_id)
    if row.territory_id is not None:
        identity.reference_territory(session, actor, row.territory_id, "territory_id")


def _check_price(session: Session, actor: Actor, price: Price) -> None:
    records.refer_to(session, actor, PriceList, price.price_list_id, "price_list_id")
    product = records.refer_to(session, actor, Product, price.product_id, "product_id")
    records.check_days(price)
    units = {unit.unit for unit in product.units} | {product.base_unit}
    if not price.items:
        _refuse(items="too_few_items")
    if any(item.unit not in units for item in price.items):
        _refuse(items="choice_unknown")


def _check_promotion(session: Session, actor: Actor, row: PromotionRow) -> None:
    records.check_days(row)
    benefit = Benefit(row.benefit)
    if benefit is Benefit.PERCENT and row.value > 100:
        _refuse(value="value_out_of_range")
    if row.currency is not None:
        minor_unit(row.currency)
    elif benefit in OF_MONEY or (row.min_amount or Decimal(0)) > 0:
        _refuse(currency="required")
    if benefit is Benefit.FREE_GOODS:
        if row.free_product_id is None or row.free_unit is None:
            _refuse(free_product_id="required", free_unit="required")
        else:
            product = records.refer_to(session, actor, Product, row.free_product_id, "free_product_id")
            if row.free_unit not in {unit.unit for unit in product.units} | {product.base_unit}:
                _refuse(free_unit="choice_unknown")
    _check_named(session, actor, row.products or [])


def _check_named(session: Session, actor: Actor, products: list[str]) -> None:
    try:
        ids = {UUID(one) for one in products}
    except ValueError:
        _refuse(products="id_invalid")
    known = session.scalars(
        select(Product.id).where(
            Product.tenant_id == actor.tenant_id, Product.id.in_(ids), Product.deleted_at.is_(None)
        )
    )
    if ids - set(known):
        raise ReferenceNotFound(field="products")


def _check_promotion_account(session: Session, actor: Actor, row: PromotionAccount) -> None:
    records.refer_to(session, actor, PromotionRow, row.promotion_id, "promotion_id")
    accounts.refer_to_account(session, actor, row.account_id)


CURRENCIES = Kept(CurrencyRounding, _check_currency)
TAX_CODES = Kept(TaxCode, _check_tax)
PRODUCTS = Kept(Product, _check_product)
PRICE_LISTS = Kept(PriceList, _check_list)
ASSIGNMENTS = Kept(PriceListAssignment, _check_assignment)
PRICES = Kept(Price, _check_price)
PROMOTIONS = Kept(PromotionRow, _check_promotion)
PROMOTION_ACCOUNTS = Kept(PromotionAccount, _check_promotion_account)
