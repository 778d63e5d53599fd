"""Wire forms of invoices, payments and balances; the fields stand in the order of the feed."""

from typing import Any

from marshmallow import ValidationError, validates_schema

from app.http.fields import (
    Boolean,
    Choice,
    Currency,
    Day,
    Id,
    Integer,
    Money,
    QuerySchema,
    Rows,
    Text,
    Time,
    WireSchema,
)
from app.http.paging import PageQuery
from app.receivables.models import CreditEventKind, PaymentMethod
from app.receivables.states import InvoiceStatus, PaymentStatus

NUMBER_MAX = 60
LINE_MAX = 500
ALLOCATIONS_MAX = 200


class InvoiceSchema(WireSchema):
    """What an account owes by one document."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(required=True, metadata={"description": "Fixed once it is recorded"})
    order_id = Id(allow_none=True)
    number = Text(max=NUMBER_MAX, blank=False, required=True, metadata={"example": "20261121-00017"})
    issued_on = Day(required=True, metadata={"description": "Its exchange rate is that of this day"})
    due_on = Day(required=True)
    currency = Currency(required=True)
    amount = Money(min=0, required=True)
    base_amount = Money(dump_only=True, metadata={"description": "In the tenant's currency"})
    rate_date = Day(dump_only=True, metadata={"description": "Of the rate behind base_amount"})
    open_amount = Money(dump_only=True, metadata={"description": "What no payment settles yet"})
    status = Choice(InvoiceStatus, dump_only=True)
    settled_at = Time(dump_only=True, allow_none=True)


class InvoiceCreateSchema(InvoiceSchema):
    """A new invoice; its id may be minted by the caller."""

    id = Id()

    @validates_schema
    def check_days(self, data: dict[str, Any], **_: Any) -> None:
        """Nothing is due before it is issued."""
        if data["due_on"] < data["issued_on"]:
            raise ValidationError("value_out_of_range", "due_on")


class InvoicePatchSchema(WireSchema):
    """What may be corrected of an invoice."""

    number = Text(max=NUMBER_MAX, blank=False, metadata={"example": "20261121-00017"})
    order_id = Id(allow_none=True)
    due_on = Day()
    amount = Money(min=0, metadata={"description": "Not below what is settled"})


class InvoiceQuery(PageQuery):
    """Filters of the list of invoices."""

    account_id = Id()
    order_id = Id()
    status = Choice(InvoiceStatus)
    currency = Currency()
    due_before = Day()


class AllocationSchema(WireSchema):
    """A part of a payment that settles a part of an invoice; a row of its payment."""

    id = Id(dump_only=True)
    invoice_id = Id(required=True)
    amount = Money(min=0, required=True)


class PaymentSchema(WireSchema):
    """Money that came from an account, with what it settles."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(required=True)
    visit_id = Id(dump_only=True, allow_none=True)
    collected_by = Id(dump_only=True, allow_none=True)
    receipt_number = Text(max=NUMBER_MAX, blank=False, allow_none=True, metadata={"example": "R-7F3A-000123"})
    method = Choice(PaymentMethod, required=True)
    received_at = Time(metadata={"description": "Now, when left out"})
    received_on = Day(dump_only=True, metadata={"description": "The tenant's calendar day of it"})
    currency = Currency(required=True)
    amount = Money(min=0, required=True)
    base_amount = Money(dump_only=True)
    rate_date = Day(dump_only=True)
    unapplied_amount = Money(dump_only=True, metadata={"description": "What settles no invoice"})
    status = Choice(PaymentStatus, dump_only=True)
    decided_at = Time(dump_only=True, allow_none=True)
    reason = Text(max=LINE_MAX, dump_only=True, allow_none=True, metadata={"example": None})
    note = Text(max=LINE_MAX, allow_none=True, metadata={"example": "수금 봉투에 넣음"})
    allocations = Rows(
        AllocationSchema,
        max_items=ALLOCATIONS_MAX,
        metadata={"description": "The oldest invoices, when left out; an empty list settles none"},
    )


class PaymentCreateSchema(PaymentSchema):
    """A new payment; its id may be minted by the caller."""

    id = Id()
    confirmed = Boolean(load_only=True, metadata={"description": "The bank has it already"})


class PaymentQuery(PageQuery):
    """Filters of the list of payments."""

    account_id = Id()
    visit_id = Id()
    status = Choice(PaymentStatus)
    currency = Currency()
    received_from = Time()
    received_to = Time(metadata={"description": "Exclusive"})


class AllocateSchema(WireSchema):
    """Which invoices are settled with what is left of a payment; the oldest, when left out."""

    allocations = Rows(AllocationSchema, max_items=ALLOCATIONS_MAX)


class ConfirmSchema(WireSchema):
    """The bank has it; nothing more is to be said."""


class ReasonSchema(WireSchema):
    """Why."""

    reason = Text(max=LINE_MAX, blank=False, required=True, metadata={"example": "어음 부도"})


class CollectPaymentSchema(WireSchema):
    """Money taken on a visit, with the receipt that the phone gave for it."""

    payment_id = Id(metadata={"description": "Where the phone minted it"})
    amount = Money(min=0, required=True)
    currency = Currency(required=True)
    method = Choice(PaymentMethod, required=True)
    receipt_number = Text(
        max=NUMBER_MAX,
        blank=False,
        required=True,
        metadata={"example": "R-7F3A-000123", "description": "Unique in the company, for ever"},
    )
    note = Text(max=LINE_MAX, allow_none=True, metadata={"example": "수금 봉투에 넣음"})
    allocations = Rows(
        AllocationSchema,
        max_items=ALLOCATIONS_MAX,
        metadata={"description": "The oldest invoices, when left out; an empty list settles none"},
    )


class AccountBalanceSchema(WireSchema):
    """What an account owes, in one currency, by age; for phones and lists."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(dump_only=True)
    currency = Currency(dump_only=True)
    open_receivables = Money(dump_only=True)
    committed = Money(dump_only=True, metadata={"description": "Approved orders that are not invoiced"})
    unapplied = Money(dump_only=True)
    exposure = Money(dump_only=True, metadata={"description": "open_receivables + committed - unapplied"})
    overdue_amount = Money(dump_only=True)
    oldest_due_on = Day(dump_only=True, allow_none=True, metadata={"description": "Of what is overdue"})
    not_due = Money(dump_only=True)
    days_1_30 = Money(dump_only=True)
    days_31_60 = Money(dump_only=True)
    days_61_90 = Money(dump_only=True)
    days_over_90 = Money(dump_only=True)
    on_hold = Boolean(dump_only=True)
    hold_reason = Text(max=LINE_MAX, dump_only=True, allow_none=True, metadata={"example": None})


class BalanceQuery(PageQuery):
    """Filters of the list of balances."""

    account_id = Id()
    overdue = Boolean()


class CurrencySumSchema(WireSchema):
    """Sums of one currency; different ones are never added."""

    currency = Currency(dump_only=True)
    open_amount = Money(dump_only=True)
    overdue_amount = Money(dump_only=True)
    unapplied = Money(dump_only=True)


class CreditSchema(WireSchema):
    """What an account owes and may still order, counted this moment."""

    account_id = Id(dump_only=True)
    currency = Currency(dump_only=True)
    limit = Money(dump_only=True, allow_none=True)
    open_receivables = Money(dump_only=True)
    committed = Money(dump_only=True)
    unapplied = Money(dump_only=True)
    exposure = Money(dump_only=True)
    available = Money(
        dump_only=True, allow_none=True, metadata={"description": "limit - exposure; null without a limit"}
    )
    overdue_amount = Money(dump_only=True)
    overdue_days = Integer(dump_only=True)
    on_hold = Boolean(dump_only=True)
    by_currency = Rows(CurrencySumSchema, max_items=200, dump_only=True)


class TotalsSchema(WireSchema):
    """What the accounts of a scope owe: each currency by itself, and all in the tenant's by stored rates."""

    by_currency = Rows(CurrencySumSchema, max_items=200, dump_only=True)
    base_currency = Currency(dump_only=True)
    base_open_amount = Money(dump_only=True)
    base_overdue_amount = Money(dump_only=True)
    base_unapplied = Money(dump_only=True)


class TotalsQuery(QuerySchema):
    """Of which account; of the whole scope, when left out."""

    account_id = Id()


class CreditEventQuery(PageQuery):
    """Paging of the list of credit events."""


class CreditEventSchema(WireSchema):
    """A hold or a release of an account's credit, and what it owed then."""

    id = Id(dump_only=True)
    account_id = Id(dump_only=True)
    kind = Choice(CreditEventKind, dump_only=True)
    reason = Text(max=LINE_MAX, dump_only=True, metadata={"example": "연체 3회"})
    happened_at = Time(dump_only=True)
    actor_id = Id(dump_only=True)
    currency = Currency(dump_only=True)
    credit_limit = Money(dump_only=True, allow_none=True)
    exposure = Money(dump_only=True)
