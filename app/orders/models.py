"""Orders with lines, shipments, returns, warehouses and stock, and what a company decided about orders."""

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    CheckConstraint,
    FetchedValue,
    ForeignKeyConstraint,
    Index,
    Numeric,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from app.core.db import Base, Currency, SyncedRow, TenantRow
from app.core.scope import Role
from app.orders.states import OrderStatus, ReturnStatus, ShipmentStatus

LIVE = text("deleted_at IS NULL")


class Verdict(enum.StrEnum):
    """What a rule says of an order, from the mildest on."""

    ALLOW = "allow"
    WARN = "warn"
    ROUTE = "route"
    HOLD = "hold"


class ManualKind(enum.StrEnum):
    """How a discount by hand is written."""

    PERCENT = "percent"
    AMOUNT = "amount"
    UNIT_PRICE = "unit_price"


def _key(column: str, target: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], deferrable=True, initially="DEFERRED"
    )


def _one_of(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    # Hand-written SQL must not leave a value that the application cannot read.
    named = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({named})", name=column)


def _quantity() -> Any:
    return mapped_column(Numeric(18, 6))


class Order(SyncedRow, Base):
    """What an account wants, at which price, and how far it has come.

    The figures (``net``, ``tax``, ``total``, ``priced``) are the server's, set when the order is submitted
    and taken away when it is reopened. ``payable`` is the total without what was cut or came back. ``cost``,
    ``margin_percent`` and ``facts`` (what the rules know of floors and lists) stay on the server.
    """

    __tablename__ = "orders"
    __table_args__ = (
        _key("account_id", "accounts"),
        _key("site_id", "sites"),
        _key("warehouse_id", "warehouses"),
        _key("owner_id", "users"),
        _key("submitted_by", "users"),
        _one_of("status", OrderStatus),
        CheckConstraint("manual_percent BETWEEN 0 AND 100", name="manual_percent"),
        CheckConstraint("terms_days BETWEEN 0 AND 3650", name="terms_days"),
        UniqueConstraint("tenant_id", "number"),
        Index("ix_orders_tenant_id_account_id_taken_at", "tenant_id", "account_id", "taken_at"),
        Index("ix_orders_tenant_id_owner_id_taken_at", "tenant_id", "owner_id", "taken_at"),
        Index("ix_orders_tenant_id_taken_at", "tenant_id", "taken_at"),
        Index("ix_orders_site", "tenant_id", "site_id", postgresql_where=text("site_id IS NOT NULL")),
        # Each submit counts what its account has committed.
        Index(
            "ix_orders_committed",
            "tenant_id",
            "account_id",
            postgresql_where=text(
                "status IN ('approved', 'confirmed', 'partially_shipped', 'shipped', 'delivered', 'closed')"
            ),
        ),
    )

    account_id: Mapped[UUID]
    site_id: Mapped[UUID | None]
    warehouse_id: Mapped[UUID | None]
    owner_id: Mapped[UUID]
    currency: Mapped[str] = mapped_column(Currency)
    priced_on: Mapped[date | None]
    requested_on: Mapped[date | None]
    customer_reference: Mapped[str | None]
    terms_days: Mapped[int | None]
    prepaid: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    manual_percent: Mapped[Decimal | None]
    note: Mapped[str | None]
    status: Mapped[OrderStatus] = mapped_column(default=OrderStatus.DRAFT, server_default="draft")
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    number: Mapped[str | None]
    taken_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    submitted_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    cancel_reason: Mapped[str | None]
    hold_reasons: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default=text("'{}'"))
    findings: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    priced: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    fulfilment: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    discount_percent: Mapped[Decimal | None]
    net: Mapped[Decimal | None]
    tax: Mapped[Decimal | None]
    total: Mapped[Decimal | None]
    base_total: Mapped[Decimal | None]
    base_currency: Mapped[str | None] = mapped_column(Currency)
    rate: Mapped[Decimal | None] = mapped_column(Numeric(20, 10))
    rate_date: Mapped[date | None]
    document_hash: Mapped[str | None]
    approval_id: Mapped[UUID | None]
    payable: Mapped[Decimal | None]
    cost: Mapped[Decimal | None]
    margin_percent: Mapped[Decimal | None]
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'::jsonb"))

    lines: Mapped[list["OrderLine"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="OrderLine.position, OrderLine.id"
    )


class OrderLine(TenantRow, Base):
    """So many of a product. Part of the order: a change of it is a new version of the order."""

    __tablename__ = "order_lines"
    __table_args__ = (
        _key("order_id", "orders"),
        _key("product_id", "products"),
        _one_of("manual_kind", ManualKind),
        CheckConstraint("(manual_kind IS NULL) = (manual_value IS NULL)", name="manual"),
        Index(None, "tenant_id", "order_id"),
    )

    order_id: Mapped[UUID]
    product_id: Mapped[UUID]
    unit: Mapped[str]
    quantity: Mapped[Decimal] = _quantity()
    manual_kind: Mapped[ManualKind | None]
    manual_value: Mapped[Decimal | None]
    position: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    note: Mapped[str | None]
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )


class OrderNumbers(TenantRow, Base):
    """A series of numbers without gaps, of one org unit (or of none) and year."""

    __tablename__ = "order_numbers"
    __table_args__ = (
        _key("org_unit_id", "org_units"),
        UniqueConstraint("tenant_id", "org_unit_id", "year", postgresql_nulls_not_distinct=True),
    )

    org_unit_id: Mapped[UUID | None]
    year: Mapped[int]
    last: Mapped[int]


class OrderSettings(TenantRow, Base):
    """What a company decided about its orders; one row, or none and the defaults hold. Amounts in base currency."""

    __tablename__ = "order_settings"
    __table_args__ = (
        UniqueConstraint("tenant_id"),
        *(
            CheckConstraint(f"{rule}_rule IN ('allow', 'warn', 'route', 'hold')", name=f"{rule}_rule")
            for rule in ("minimum", "stock", "floor", "margin", "expired", "discontinued")
        ),
    )

    version: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    price_tolerance_percent: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default=text("0"))
    price_tolerance_amount: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default=text("0"))
    price_days: Mapped[int] = mapped_column(default=7, server_default=text("7"))
    overdue_days: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    minimum_order: Mapped[Decimal | None]
    minimum_margin: Mapped[Decimal | None]
    default_discount: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default=text("0"))
    minimum_rule: Mapped[Verdict] = mapped_column(default=Verdict.ROUTE, server_default="route")
    stock_rule: Mapped[Verdict] = mapped_column(default=Verdict.WARN, server_default="warn")
    floor_rule: Mapped[Verdict] = mapped_column(default=Verdict.ROUTE, server_default="route")
    margin_rule: Mapped[Verdict] = mapped_column(default=Verdict.ROUTE, server_default="route")
    expired_rule: Mapped[Verdict] = mapped_column(default=Verdict.HOLD, server_default="hold")
    discontinued_rule: Mapped[Verdict] = mapped_column(default=Verdict.HOLD, server_default="hold")


class DiscountLimit(SyncedRow, Base):
    """How many per cent a person, or everybody of a role, may grant by hand without being asked."""

    __tablename__ = "discount_limits"
    __table_args__ = (
        _key("user_id", "users"),
        _one_of("role", Role),
        CheckConstraint("(user_id IS NULL) <> (role IS NULL)", name="whose"),
        CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
        Index(
            "uq_discount_limits_tenant_id_user_id_role",
            "tenant_id",
            "user_id",
            "role",
            unique=True,
            postgresql_where=LIVE,
            postgresql_nulls_not_distinct=True,
        ),
    )

    user_id: Mapped[UUID | None]
    role: Mapped[Role | None]
    percent: Mapped[Decimal]


class Warehouse(SyncedRow, Base):
    """A place that goods are shipped from."""

    __tablename__ = "warehouses"
    __table_args__ = (
        _key("org_unit_id", "org_units"),
        Index(
            "uq_warehouses_tenant_id_code",
            "tenant_id",
            "code",
            unique=True,
            postgresql_where=LIVE,
        ),
    )

    code: Mapped[str]
    name: Mapped[str]
    org_unit_id: Mapped[UUID | None]


class StockSnapshot(TenantRow, Base):
    """How much of a product a warehouse had when it was last counted, in the product's base unit."""

    __tablename__ = "stock_snapshots"
    __table_args__ = (
        _key("warehouse_id", "warehouses"),
        _key("product_id", "products"),
        UniqueConstraint("tenant_id", "warehouse_id", "product_id"),
        Index(None, "tenant_id", "product_id"),
    )

    warehouse_id: Mapped[UUID]
    product_id: Mapped[UUID]
    quantity: Mapped[Decimal] = _quantity()
    taken_at: Mapped[datetime]


class Shipment(SyncedRow, Base):
    """Goods of one order that leave together, with the proof that they arrived."""

    __tablename__ = "shipments"
    __table_args__ = (
        _key("order_id", "orders"),
        _key("account_id", "accounts"),
        _key("warehouse_id", "warehouses"),
        _one_of("status", ShipmentStatus),
        CheckConstraint(
            "array_ndims(delivered_location) = 1 AND cardinality(delivered_location) = 2"
            " AND delivered_location[1] BETWEEN -90 AND 90 AND delivered_location[2] BETWEEN -180 AND 180",
            name="delivered_location",
        ),
        Index(None, "tenant_id", "order_id"),
        Index("ix_shipments_tenant_id_account_id_created_at", "tenant_id", "account_id", "created_at"),
    )

    order_id: Mapped[UUID]
    account_id: Mapped[UUID]
    warehouse_id: Mapped[UUID | None]
    status: Mapped[ShipmentStatus] = mapped_column(default=ShipmentStatus.PREPARED, server_default="prepared")
    carrier: Mapped[str | None]
    tracking_number: Mapped[str | None]
    shipped_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    signed_by: Mapped[str | None]
    signature_sha256: Mapped[str | None]
    photo_sha256: Mapped[str | None]
    delivered_location: Mapped[list[float] | None] = mapped_column(ARRAY(DOUBLE_PRECISION))

    lines: Mapped[list["ShipmentLine"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="ShipmentLine.id"
    )


class ShipmentLine(TenantRow, Base):
    """So many of an order's line, or of what came along for free; in the unit that was ordered."""

    __tablename__ = "shipment_lines"
    __table_args__ = (
        _key("shipment_id", "shipments"),
        CheckConstraint("quantity > 0", name="quantity"),
        Index(None, "tenant_id", "shipment_id"),
    )

    shipment_id: Mapped[UUID]
    item: Mapped[str]
    quantity: Mapped[Decimal] = _quantity()
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )


class OrderReturn(SyncedRow, Base):
    """Goods that an account gives back."""

    __tablename__ = "order_returns"
    __table_args__ = (
        _key("order_id", "orders"),
        _key("account_id", "accounts"),
        _one_of("status", ReturnStatus),
        Index(None, "tenant_id", "order_id"),
        Index("ix_order_returns_tenant_id_account_id_created_at", "tenant_id", "account_id", "created_at"),
    )

    order_id: Mapped[UUID]
    account_id: Mapped[UUID]
    status: Mapped[ReturnStatus] = mapped_column(default=ReturnStatus.REQUESTED, server_default="requested")
    reason: Mapped[str]
    decision: Mapped[str | None]
    credited: Mapped[Decimal | None]
    currency: Mapped[str | None] = mapped_column(Currency)

    lines: Mapped[list["ReturnLine"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="ReturnLine.id"
    )


class ReturnLine(TenantRow, Base):
    """So many of an order's line that come back, and how many of them were found good."""

    __tablename__ = "return_lines"
    __table_args__ = (
        _key("return_id", "order_returns"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("accepted BETWEEN 0 AND quantity", name="accepted"),
        Index(None, "tenant_id", "return_id"),
    )

    return_id: Mapped[UUID]
    item: Mapped[str]
    quantity: Mapped[Decimal] = _quantity()
    accepted: Mapped[Decimal | None] = _quantity()
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )
