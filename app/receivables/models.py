"""Invoices, payments with their allocations, what each account owes, and holds of credit."""

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, FetchedValue, ForeignKeyConstraint, Index, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from app.core.db import Base, Currency, SyncedRow, TenantRow
from app.receivables.states import InvoiceStatus, PaymentStatus

LIVE = text("deleted_at IS NULL")
RATE = Numeric(24, 12)


class PaymentMethod(enum.StrEnum):
    """How money came, or what stands for it."""

    CASH = "cash"
    CARD = "card"
    TRANSFER = "transfer"
    CHEQUE = "cheque"
    NOTE = "note"
    CREDIT_NOTE = "credit_note"
    OTHER = "other"


class CreditEventKind(enum.StrEnum):
    """What was decided about an account's credit."""

    HOLD = "hold"
    RELEASE = "release"


def _deferred_key(column: str, target: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], deferrable=True, initially="DEFERRED"
    )


def _one_of(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    # Hand-written SQL must not leave a value that the application cannot read.
    named = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({named})", name=column)


class Invoice(SyncedRow, Base):
    """What an account owes by one document.

    ``open_amount`` is what no payment has been allocated to yet; a void invoice has none. ``base_amount``
    is the amount in the tenant's currency by the rate of the document's day, which is kept with it.
    ``order_id`` names an order of a room above, so that there is no foreign key.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        _deferred_key("account_id", "accounts"),
        _one_of("status", InvoiceStatus),
        CheckConstraint("amount > 0 AND amount < 'NaN'", name="amount"),
        CheckConstraint("open_amount BETWEEN 0 AND amount", name="open_amount"),
        CheckConstraint("rate > 0 AND rate < 'NaN'", name="rate"),
        CheckConstraint("due_on >= issued_on", name="due_on"),
        Index("uq_invoices_tenant_id_number", "tenant_id", "number", unique=True, postgresql_where=LIVE),
        Index(None, "tenant_id", "account_id", "issued_on"),
        Index(None, "tenant_id", "due_on"),
        Index(
            "ix_invoices_open",
            "tenant_id",
            "account_id",
            "due_on",
            "id",
            postgresql_where=text("open_amount > 0 AND deleted_at IS NULL"),
        ),
        Index("ix_invoices_order", "tenant_id", "order_id", postgresql_where=text("order_id IS NOT NULL")),
        Index(
            "ix_invoices_settled", "tenant_id", "settled_at", postgresql_where=text("settled_at IS NOT NULL")
        ),
    )

    account_id: Mapped[UUID]
    order_id: Mapped[UUID | None]
    number: Mapped[str]
    issued_on: Mapped[date]
    due_on: Mapped[date]
    currency: Mapped[str] = mapped_column(Currency)
    amount: Mapped[Decimal]
    base_amount: Mapped[Decimal]
    rate: Mapped[Decimal] = mapped_column(RATE)
    rate_date: Mapped[date]
    open_amount: Mapped[Decimal]
    status: Mapped[InvoiceStatus] = mapped_column(default=InvoiceStatus.OPEN, server_default="open")
    settled_at: Mapped[datetime | None]


class Payment(SyncedRow, Base):
    """Money that came from an account, or a credit note, with the invoices that it settles.

    ``unapplied_amount`` is what is allocated to no invoice; a bounced or cancelled payment has none.
    """

    __tablename__ = "payments"
    __table_args__ = (
        _deferred_key("account_id", "accounts"),
        _deferred_key("visit_id", "visits"),
        _deferred_key("collected_by", "users"),
        _one_of("method", PaymentMethod),
        _one_of("status", PaymentStatus),
        CheckConstraint("amount > 0 AND amount < 'NaN'", name="amount"),
        CheckConstraint("unapplied_amount BETWEEN 0 AND amount", name="unapplied_amount"),
        CheckConstraint("rate > 0 AND rate < 'NaN'", name="rate"),
        # Also of deleted ones: a number that was given out is never given again.
        Index("uq_payments_tenant_id_receipt_number", "tenant_id", "receipt_number", unique=True),
        Index(None, "tenant_id", "account_id", "received_at"),
        Index(None, "tenant_id", "received_at"),
        Index(
            "ix_payments_unapplied",
            "tenant_id",
            "account_id",
            postgresql_where=text("unapplied_amount > 0 AND deleted_at IS NULL"),
        ),
        Index("ix_payments_visit", "tenant_id", "visit_id", postgresql_where=text("visit_id IS NOT NULL")),
    )

    account_id: Mapped[UUID]
    visit_id: Mapped[UUID | None]
    collected_by: Mapped[UUID | None]
    receipt_number: Mapped[str | None]
    method: Mapped[PaymentMethod]
    received_at: Mapped[datetime]
    received_on: Mapped[date]
    currency: Mapped[str] = mapped_column(Currency)
    amount: Mapped[Decimal]
    base_amount: Mapped[Decimal]
    rate: Mapped[Decimal] = mapped_column(RATE)
    rate_date: Mapped[date]
    unapplied_amount: Mapped[Decimal]
    status: Mapped[PaymentStatus] = mapped_column(default=PaymentStatus.RECORDED, server_default="recorded")
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    note: Mapped[str | None]

    allocations: Mapped[list["PaymentAllocation"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="PaymentAllocation.id"
    )


class PaymentAllocation(TenantRow, Base):
    """A part of a payment that settles a part of an invoice. Part of the payment."""

    __tablename__ = "payment_allocations"
    __table_args__ = (
        _deferred_key("payment_id", "payments"),
        _deferred_key("invoice_id", "invoices"),
        CheckConstraint("amount > 0 AND amount < 'NaN'", name="amount"),
        Index(
            "uq_payment_allocations_tenant_id_payment_id_invoice_id",
            "tenant_id",
            "payment_id",
            "invoice_id",
            unique=True,
        ),
        Index(None, "tenant_id", "invoice_id"),
    )

    payment_id: Mapped[UUID]
    invoice_id: Mapped[UUID]
    amount: Mapped[Decimal]
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )


class AccountBalance(SyncedRow, Base):
    """What an account owes, in the currency of its credit, and how old it is by the tenant's calendar.

    The row is what writers of one account's invoices, payments and orders wait for. Its figures are
    for phones; whoever decides asks ``credit_of``, which counts anew.
    """

    __tablename__ = "account_balances"
    __table_args__ = (
        _deferred_key("account_id", "accounts"),
        Index("uq_account_balances_tenant_id_account_id", "tenant_id", "account_id", unique=True),
    )

    account_id: Mapped[UUID]
    currency: Mapped[str] = mapped_column(Currency)
    open_receivables: Mapped[Decimal] = mapped_column(server_default="0")
    committed: Mapped[Decimal] = mapped_column(server_default="0")
    unapplied: Mapped[Decimal] = mapped_column(server_default="0")
    exposure: Mapped[Decimal] = mapped_column(server_default="0")
    overdue_amount: Mapped[Decimal] = mapped_column(server_default="0")
    oldest_due_on: Mapped[date | None]
    not_due: Mapped[Decimal] = mapped_column(server_default="0")
    days_1_30: Mapped[Decimal] = mapped_column(server_default="0")
    days_31_60: Mapped[Decimal] = mapped_column(server_default="0")
    days_61_90: Mapped[Decimal] = mapped_column(server_default="0")
    days_over_90: Mapped[Decimal] = mapped_column(server_default="0")
    on_hold: Mapped[bool] = mapped_column(server_default=text("false"))
    hold_reason: Mapped[str | None]


class CreditEvent(TenantRow, Base):
    """A hold or a release of an account's credit, with what it owed then. Append-only."""

    __tablename__ = "credit_events"
    __table_args__ = (
        _deferred_key("account_id", "accounts"),
        _deferred_key("actor_id", "users"),
        _one_of("kind", CreditEventKind),
        Index(None, "tenant_id", "account_id", "happened_at"),
    )

    account_id: Mapped[UUID]
    kind: Mapped[CreditEventKind]
    reason: Mapped[str]
    happened_at: Mapped[datetime]
    actor_id: Mapped[UUID]
    currency: Mapped[str] = mapped_column(Currency)
    credit_limit: Mapped[Decimal | None]
    exposure: Mapped[Decimal]
