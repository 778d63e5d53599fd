"""What may be done with invoices, payments and credit; the one way to write them."""

from app.receivables.models import PaymentMethod
from app.receivables.service.ageing import age_balances
from app.receivables.service.allocating import allocate
from app.receivables.service.balances import (
    Credit,
    convert,
    credit_of,
    hold_balances,
    refresh_balances,
    set_committed,
)
from app.receivables.service.collecting import collect_payment
from app.receivables.service.holds import place_hold, release_hold, request_release
from app.receivables.service.invoices import record_invoice, update_invoice, void_invoice
from app.receivables.service.listening import on_invoiced
from app.receivables.service.payments import (
    bounce_payment,
    cancel_payment,
    confirm_payment,
    find_receipt,
    get_receipt,
    record_payment,
)
from app.receivables.service.records import (
    get_account_balance,
    get_invoice,
    get_payment,
    list_account_balances,
    list_credit_events,
    list_invoices,
    list_payments,
)
from app.receivables.service.totals import (
    CreditView,
    CurrencySum,
    Totals,
    lock_credit,
    read_credit,
    totals_of,
)

__all__ = [
    "Credit",
    "CreditView",
    "CurrencySum",
    "PaymentMethod",
    "Totals",
    "age_balances",
    "allocate",
    "bounce_payment",
    "cancel_payment",
    "collect_payment",
    "confirm_payment",
    "convert",
    "credit_of",
    "find_receipt",
    "get_account_balance",
    "get_invoice",
    "get_payment",
    "get_receipt",
    "hold_balances",
    "list_account_balances",
    "list_credit_events",
    "list_invoices",
    "list_payments",
    "lock_credit",
    "on_invoiced",
    "place_hold",
    "read_credit",
    "record_invoice",
    "record_payment",
    "refresh_balances",
    "release_hold",
    "request_release",
    "set_committed",
    "totals_of",
    "update_invoice",
    "void_invoice",
]
