"""Products, price lists with their prices, promotions, and how currencies round and exchange."""

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, FetchedValue, ForeignKeyConstraint, Index, Numeric, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from app.core.db import Base, Currency, SyncedRow, TenantRow

LIVE = text("deleted_at IS NULL")
Quantity = Numeric(18, 6)
Rate = Numeric(20, 10)


class ProductStatus(enum.StrEnum):
    """Whether a product may still be sold."""

    ACTIVE = "active"
    DISCONTINUED = "discontinued"


def _key_to(column: str, table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{table}.tenant_id", f"{table}.id"], deferrable=True, initially="DEFERRED"
    )


def _unique(table: str, *columns: str) -> Index:
    name = f"uq_{table}_tenant_id_{'_'.join(columns)}"
    return Index(name, "tenant_id", *columns, unique=True, postgresql_where=LIVE)


def _days() -> CheckConstraint:
    return CheckConstraint("valid_from <= valid_to", name="days")


class CurrencyRounding(SyncedRow, Base):
    """How amounts of one currency round, and whether its prices contain the tax.

    A currency without a row rounds to its minor unit, half up, and its prices are without tax.
    """

    __tablename__ = "currencies"
    __table_args__ = (
        _unique("currencies", "code"),
        CheckConstraint("code ~ '^[A-Z]{3}$'", name="code"),
        CheckConstraint("line_unit > 0 AND tax_unit > 0 AND tax_unit % line_unit = 0", name="units"),
        CheckConstraint(
            "line_mode IN ('half_up', 'half_even', 'up', 'down')"
            " AND tax_mode IN ('half_up', 'half_even', 'up', 'down')",
            name="modes",
        ),
    )

    code: Mapped[str] = mapped_column(Currency)
    line_unit: Mapped[Decimal]
    line_mode: Mapped[str] = mapped_column(Text, default="half_up", server_default="half_up")
    tax_unit: Mapped[Decimal]
    tax_mode: Mapped[str] = mapped_column(Text, default="half_up", server_default="half_up")
    tax_inclusive: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class ExchangeRate(TenantRow, Base):
    """What one of a currency was worth in the company's own, from a day on until the next rate. Not synced."""

    __tablename__ = "exchange_rates"
    __table_args__ = (
        Index("uq_exchange_rates_tenant_id_currency_day", "tenant_id", "currency", "day", unique=True),
        CheckConstraint("rate > 0 AND rate <> 'NaN'", name="rate"),
    )

    currency: Mapped[str] = mapped_column(Currency)
    day: Mapped[date]
    rate: Mapped[Decimal] = mapped_column(Rate)


class TaxCode(SyncedRow, Base):
    """A tax on sales, named by products."""

    __tablename__ = "tax_codes"
    __table_args__ = (
        _unique("tax_codes", "code"),
        CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
    )

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    percent: Mapped[Decimal]


class Product(SyncedRow, Base):
    """What is sold. ``sku`` never changes; ``substitutes`` name others by theirs."""

    __tablename__ = "products"
    __table_args__ = (
        _unique("products", "sku"),
        CheckConstraint("status IN ('active', 'discontinued')", name="status"),
        CheckConstraint("warranty_months >= 0", name="warranty_months"),
        Index("ix_products_tenant_id_name_id", "tenant_id", "name", "id"),
    )

    sku: Mapped[str] = mapped_column(Text(collation="C"))
    name: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str | None] = mapped_column(Text)
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    base_unit: Mapped[str] = mapped_column(Text)
    tax_code: Mapped[str] = mapped_column(Text, default="standard", server_default="standard")
    serial_tracked: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    warranty_months: Mapped[int | None]
    status: Mapped[ProductStatus] = mapped_column(default=ProductStatus.ACTIVE, server_default="active")
    substitutes: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")

    units: Mapped[list["ProductUnit"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="ProductUnit.id"
    )


class ProductUnit(TenantRow, Base):
    """A pack or measure that a product is sold in, with how many base units it holds. Part of the product."""

    __tablename__ = "product_units"
    __table_args__ = (
        _key_to("product_id", "products"),
        Index("uq_product_units_tenant_id_product_id_unit", "tenant_id", "product_id", "unit", unique=True),
        Index("ix_product_units_tenant_id_barcode", "tenant_id", "barcode"),
        CheckConstraint("factor > 0 AND factor <> 'NaN'", name="factor"),
    )

    product_id: Mapped[UUID]
    unit: Mapped[str] = mapped_column(Text)
    factor: Mapped[Decimal] = mapped_column(Quantity)
    barcode: Mapped[str | None] = mapped_column(Text)
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )


class ProductCost(TenantRow, Base):
    """What one base unit of a product costs the company, from a day on. Never on a phone."""

    __tablename__ = "product_costs"
    __table_args__ = (
        _key_to("product_id", "products"),
        Index(
            "uq_product_costs_tenant_id_product_id_valid_from",
            "tenant_id",
            "product_id",
            "valid_from",
            unique=True,
        ),
        CheckConstraint("cost >= 0 AND cost <> 'NaN'", name="cost"),
    )

    product_id: Mapped[UUID]
    currency: Mapped[str] = mapped_column(Currency)
    cost: Mapped[Decimal]
    valid_from: Mapped[date]


class PriceList(SyncedRow, Base):
    """Prices of one currency that are agreed or offered together."""

    __tablename__ = "price_lists"
    __table_args__ = (
        _unique("price_lists", "code"),
        CheckConstraint("kind IN ('list', 'contract')", name="kind"),
        _days(),
    )

    code: Mapped[str] = mapped_column(Text(collation="C"))
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text, default="list", server_default="list")
    currency: Mapped[str] = mapped_column(Currency)
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]


class PriceListAssignment(SyncedRow, Base):
    """Who buys by a list: an account, the accounts of a territory, or everybody. Lower ranks are asked first."""

    __tablename__ = "price_list_assignments"
    __table_args__ = (
        _key_to("price_list_id", "price_lists"),
        _key_to("account_id", "accounts"),
        _key_to("territory_id", "territories"),
        CheckConstraint("num_nonnulls(account_id, territory_id) + everybody::int = 1", name="one"),
        Index("ix_price_list_assignments_tenant_id_price_list_id", "tenant_id", "price_list_id"),
        Index("ix_price_list_assignments_tenant_id_account_id", "tenant_id", "account_id"),
        Index("ix_price_list_assignments_tenant_id_territory_id", "tenant_id", "territory_id"),
    )

    price_list_id: Mapped[UUID]
    account_id: Mapped[UUID | None]
    territory_id: Mapped[UUID | None]
    everybody: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    rank: Mapped[int] = mapped_column(default=100, server_default=text("100"))


class Price(SyncedRow, Base):
    """What a product costs by a list in a span of days, by unit and quantity; one aggregate with its items."""

    __tablename__ = "prices"
    __table_args__ = (
        _key_to("price_list_id", "price_lists"),
        _key_to("product_id", "products"),
        _unique("prices", "price_list_id", "product_id", "valid_from"),
        Index("ix_prices_tenant_id_product_id", "tenant_id", "product_id"),
        Index("ix_prices_tenant_id_valid_to", "tenant_id", "valid_to"),
        Index("ix_prices_tenant_id_valid_from", "tenant_id", "valid_from"),
        _days(),
    )

    price_list_id: Mapped[UUID]
    product_id: Mapped[UUID]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]

    items: Mapped[list["PriceListItem"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="PriceListItem.id"
    )


class PriceListItem(TenantRow, Base):
    """A step of a price: of one unit, from a quantity on. Part of the price.

    ``floor_price`` never reaches the ledger, the feed or a rep; it is loaded only when asked for.
    """

    __tablename__ = "price_items"
    __table_args__ = (
        _key_to("price_id", "prices"),
        Index(
            "uq_price_items_tenant_id_price_id_unit_min_quantity",
            "tenant_id",
            "price_id",
            "unit",
            "min_quantity",
            unique=True,
        ),
        CheckConstraint("price >= 0 AND price <> 'NaN'", name="price"),
        CheckConstraint("floor_price >= 0 AND floor_price <> 'NaN'", name="floor_price"),
        CheckConstraint("min_quantity >= 0 AND min_quantity <> 'NaN'", name="min_quantity"),
    )

    price_id: Mapped[UUID]
    unit: Mapped[str] = mapped_column(Text)
    min_quantity: Mapped[Decimal] = mapped_column(Quantity, default=Decimal(0), server_default=text("0"))
    price: Mapped[Decimal]
    floor_price: Mapped[Decimal | None] = mapped_column(deferred=True)
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )


class PromotionRow(SyncedRow, Base):
    """A promotion; what its fields mean is written at ``pricing.Promotion``.

    With ``for_accounts`` it is for those that ``promotion_accounts`` names, and for nobody else.
    """

    __tablename__ = "promotions"
    __table_args__ = (
        _unique("promotions", "code"),
        _key_to("free_product_id", "products"),
        CheckConstraint(
            "benefit IN ('percent', 'per_unit', 'fixed_price', 'amount', 'free_goods')", name="benefit"
        ),
        CheckConstraint("value >= 0 AND value <> 'NaN'", name="value"),
        CheckConstraint("budget_left >= 0", name="budget_left"),
        Index("ix_promotions_tenant_id_valid_to", "tenant_id", "valid_to"),
        Index("ix_promotions_tenant_id_valid_from", "tenant_id", "valid_from"),
        _days(),
    )

    code: Mapped[str] = mapped_column(Text(collation="C"))
    name: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str | None] = mapped_column(Text)
    benefit: Mapped[str] = mapped_column(Text)
    value: Mapped[Decimal] = mapped_column(Quantity)
    priority: Mapped[int] = mapped_column(default=100, server_default=text("100"))
    currency: Mapped[str | None] = mapped_column(Currency)
    stacking_group: Mapped[str | None] = mapped_column(Text)
    exclusive: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    products: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    unit: Mapped[str | None] = mapped_column(Text)
    min_quantity: Mapped[Decimal] = mapped_column(Quantity, default=Decimal(0), server_default=text("0"))
    min_amount: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default=text("0"))
    repeats: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    free_product_id: Mapped[UUID | None]
    free_unit: Mapped[str | None] = mapped_column(Text)
    tiers: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    for_accounts: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    budget_left: Mapped[Decimal | None] = mapped_column(Quantity)


class PromotionAccount(SyncedRow, Base):
    """An account that a promotion is for."""

    __tablename__ = "promotion_accounts"
    __table_args__ = (
        _key_to("promotion_id", "promotions"),
        _key_to("account_id", "accounts"),
        _unique("promotion_accounts", "promotion_id", "account_id"),
        Index("ix_promotion_accounts_tenant_id_account_id", "tenant_id", "account_id"),
    )

    promotion_id: Mapped[UUID]
    account_id: Mapped[UUID]


class PriceChangeEvent(TenantRow, Base):
    """A price was set, changed or taken back; written by the database at every change, never rewritten.

    ``old_price`` is the step that held before ``valid_from``, or the value that was overwritten; None for a first
    price. ``new_price`` is None where the step was removed.
    """

    __tablename__ = "price_change_events"
    __table_args__ = (
        Index("ix_price_change_events_tenant_id_at", "tenant_id", "at"),
        Index("ix_price_change_events_tenant_id_product_id_at", "tenant_id", "product_id", "at"),
    )

    price_list_id: Mapped[UUID]
    product_id: Mapped[UUID]
    unit: Mapped[str] = mapped_column(Text)
    min_quantity: Mapped[Decimal] = mapped_column(Quantity)
    currency: Mapped[str] = mapped_column(Currency)
    valid_from: Mapped[date]
    old_price: Mapped[Decimal | None]
    new_price: Mapped[Decimal | None]
    at: Mapped[datetime]
