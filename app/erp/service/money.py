"""Invoices and payments of the ERP."""

import enum
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from app.core.errors import ReferenceNotFound
from app.erp.service.errors import RowChanged
from app.erp.service.naming import account_of, order_numbered
from app.erp.service.taking import Delivery, Wrote
from app.receivables import service as receivables


class PaymentNews(enum.StrEnum):
    """What became of money."""

    CONFIRMED = "confirmed"
    BOUNCED = "bounced"
    CANCELLED = "cancelled"


DECIDING: Final = {
    PaymentNews.CONFIRMED: receivables.confirm_payment,
    PaymentNews.BOUNCED: receivables.bounce_payment,
    PaymentNews.CANCELLED: receivables.cancel_payment,
}


def write_invoice(delivery: Delivery, values: Mapping[str, Any], known: UUID | None) -> Wrote:
    """Book an invoice, or correct one: its number, due day and amount; ``void`` calls it off.

    Raises:
        ReferenceNotFound: No such account or order.
        RowChanged: Another account or currency than before.
        InvoiceNumberTaken, ReceivableInvalid, RateMissing, TransitionNotAllowed: See ``receivables``.
    """
    session, actor, now = delivery.session, delivery.actor, delivery.now
    account_id = account_of(delivery, values)
    order_id = _order_of(delivery, values)
    if known is None:
        wanted = {name: values[name] for name in ("number", "issued_on", "due_on", "currency", "amount")}
        wanted |= {"account_id": account_id, "order_id": order_id}
        invoice = receivables.record_invoice(session, actor, wanted, now)
    else:
        invoice = receivables.get_invoice(session, actor, known, lock=True)
        _same(account_external_id=(invoice.account_id, account_id))
        _same(currency=(invoice.currency, values["currency"]))
        _same(issued_on=(invoice.issued_on, values["issued_on"]))
        changes = {name: values[name] for name in ("number", "due_on", "amount")}
        if "order_number" in values:  # a correction need not name the order again
            changes["order_id"] = order_id
        invoice = receivables.update_invoice(session, actor, known, changes, now=now)
    if values.get("void"):
        receivables.void_invoice(session, actor, invoice.id, now=now)
    return Wrote(invoice.id)


def write_payment(delivery: Delivery, values: Mapping[str, Any], known: UUID | None) -> Wrote:
    """Book a payment, or tell what became of one.

    A receipt that a phone gave out on site names the same money: it is confirmed, and not booked twice.

    Raises:
        ReferenceNotFound: No such account or invoice.
        RowChanged: Another account, currency or amount than before.
        CurrencyDiffers, InvoiceOverpaid, PaymentSpent, AllocatedTwice, TransitionNotAllowed: See ``receivables``.
    """
    session, actor, now = delivery.session, delivery.actor, delivery.now
    account_id = account_of(delivery, values)
    known = known or _collected(delivery, values)
    if known is None:
        wanted = {
            "account_id": account_id,
            "currency": values["currency"],
            "amount": values["amount"],
            "method": values["method"],
            "received_at": values["paid_at"],
            "receipt_number": values.get("receipt_number"),
            "confirmed": values["status"] is PaymentNews.CONFIRMED,
            "allocations": _allocations(delivery, values),
        }
        payment = receivables.record_payment(session, actor, wanted, now)
    else:
        payment = receivables.get_payment(session, actor, known, lock=True)
        _same(account_external_id=(payment.account_id, account_id))
        _same(currency=(payment.currency, values["currency"]))
        _same(amount=(payment.amount, values["amount"]))
    if payment.status != values["status"].value:
        decide = DECIDING[values["status"]]
        payment = decide(session, actor, payment.id, {"reason": values.get("reason")}, now=now)
    return Wrote(payment.id)


def _order_of(delivery: Delivery, values: Mapping[str, Any]) -> UUID | None:
    number = values.get("order_number")
    return None if number is None else order_numbered(delivery, number)


def _collected(delivery: Delivery, values: Mapping[str, Any]) -> UUID | None:
    """The payment that was collected on site under the receipt that a row names."""
    number = values.get("receipt_number")
    found = number and receivables.find_receipt(delivery.session, delivery.actor, number)
    return found.id if found else None


def _allocations(delivery: Delivery, values: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """As ``receivables`` takes them; None, so that the oldest are settled, where the row has none."""
    if "allocations" not in values:
        return None
    found = []
    for row in values["allocations"]:
        invoice_id = delivery.find("invoice", row["invoice_external_id"])
        if invoice_id is None:
            raise ReferenceNotFound(field="invoice_external_id")
        found.append({"invoice_id": invoice_id, "amount": row["amount"]})
    return found


def _same(**compared: tuple[Any, Any]) -> None:
    for field, (was, told) in compared.items():
        if was != told:
            raise RowChanged(field=field)
