"""What other systems are told of invoices, payments and credit."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.receivables.models import CreditEvent, CreditEventKind, Invoice, Payment
from app.webhooks import service as webhooks


def tell_of_invoice(session: Session, invoice: Invoice, what: str, now: datetime) -> None:
    """``invoice.recorded``, ``invoice.updated`` or ``invoice.voided``."""
    values = {
        "invoice_id": invoice.id,
        "order_id": invoice.order_id,
        "number": invoice.number,
        "due_on": invoice.due_on,
        "open_amount": invoice.open_amount,
        "status": invoice.status,
    }
    _tell(session, invoice, f"invoice.{what}", values, now)


def tell_of_payment(session: Session, payment: Payment, what: str, now: datetime) -> None:
    """``payment.recorded``, ``payment.allocated`` or its new status."""
    values = {
        "payment_id": payment.id,
        "visit_id": payment.visit_id,
        "receipt_number": payment.receipt_number,
        "method": payment.method,
        "unapplied_amount": payment.unapplied_amount,
        "status": payment.status,
        "allocations": [
            {"invoice_id": str(one.invoice_id), "amount": str(one.amount)} for one in payment.allocations
        ],
    }
    _tell(session, payment, f"payment.{what}", values, now)


def tell_of_credit(session: Session, event: CreditEvent, now: datetime) -> None:
    """``credit.held`` or ``credit.released``."""
    what = "held" if event.kind is CreditEventKind.HOLD else "released"
    values = {"account_id": event.account_id, "reason": event.reason, "exposure": event.exposure}
    webhooks.publish(
        session, event.tenant_id, f"credit.{what}", values | {"currency": event.currency}, now=now
    )


def _tell(
    session: Session, record: Invoice | Payment, event: str, values: dict[str, Any], now: datetime
) -> None:
    common = {"account_id": record.account_id, "currency": record.currency, "amount": record.amount}
    webhooks.publish(session, record.tenant_id, event, values | common, now=now)
