"""Which invoices a payment settles, and how that is undone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor
from app.receivables.models import Invoice, Payment, PaymentAllocation
from app.receivables.service.amounts import check_amount
from app.receivables.service.balances import refresh_account
from app.receivables.service.errors import (
    AllocatedTwice,
    CurrencyDiffers,
    InvoiceOverpaid,
    PaymentNotGood,
    PaymentSpent,
)
from app.receivables.service.records import OFFICE, allow, get_payment, lock_invoices, write
from app.receivables.service.telling import tell_of_payment
from app.receivables.states import GOOD, InvoiceStatus


def allocate(
    session: Session, actor: Actor, payment_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> Payment:
    """Settle invoices with what is left of a payment.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Of the office.
        payment_id: Of the scope.
        args: ``allocations``, rows of ``invoice_id`` and ``amount``; without them the oldest invoices of
            the account and the currency are settled, as far as it goes.
        now: Server time, aware UTC.

    Raises:
        NotFound: No such payment in the actor's scope.
        PaymentNotGood: It bounced or was cancelled.
        ReferenceNotFound: An invoice is unknown, or another account's.
        CurrencyDiffers, InvoiceOverpaid, PaymentSpent, AllocatedTwice: The rows do not fit.
    """
    allow(actor, *OFFICE)
    payment = get_payment(session, actor, payment_id, lock=True)
    if payment.status not in GOOD:
        raise PaymentNotGood(status=str(payment.status))
    settle(session, payment, args.get("allocations"), now=now, strict=True)
    write(session, payment)
    refresh_account(session, payment.tenant_id, payment.account_id, now=now)
    tell_of_payment(session, payment, "allocated", now)
    return payment


def settle(
    session: Session,
    payment: Payment,
    wanted: Sequence[Mapping[str, Any]] | None,
    *,
    now: datetime,
    strict: bool,
) -> None:
    """Give parts of a payment to invoices; the balance of the account and the payment are held.

    Args:
        session: Open session of the tenant; the caller flushes.
        payment: A good one.
        wanted: Rows of ``invoice_id`` and ``amount``; None for the oldest open invoices.
        now: Server time, aware UTC.
        strict: Refuse what an invoice does not owe. Otherwise, for money that was taken already, the
            rest stays with the payment: somebody else may have paid meanwhile.
    """
    if wanted is None:
        _settle_oldest(session, payment, now)
        return
    ids = [row["invoice_id"] for row in wanted]
    if len(set(ids)) < len(ids):
        raise AllocatedTwice
    invoices = lock_invoices(session, payment.tenant_id, ids)
    for row in wanted:
        invoice = invoices.get(row["invoice_id"])
        if invoice is None or invoice.account_id != payment.account_id:
            raise ReferenceNotFound(field="allocations")
        if invoice.currency != payment.currency:
            raise CurrencyDiffers(invoice_id=str(invoice.id), currency=invoice.currency)
        check_amount(row["amount"], payment.currency, "allocations")
    if sum(row["amount"] for row in wanted) > payment.unapplied_amount:
        raise PaymentSpent(unapplied_amount=str(payment.unapplied_amount))
    for row in wanted:
        invoice = invoices[row["invoice_id"]]
        if strict and row["amount"] > invoice.open_amount:
            raise InvoiceOverpaid(invoice_id=str(invoice.id), open_amount=str(invoice.open_amount))
        _apply(payment, invoice, min(row["amount"], invoice.open_amount), now)


def undo_allocations(session: Session, payment: Payment) -> None:
    """Let the invoices of a payment be owed again; balance and payment are held, the caller flushes."""
    invoices = lock_invoices(session, payment.tenant_id, [one.invoice_id for one in payment.allocations])
    for allocation in list(payment.allocations):
        owe_again(invoices[allocation.invoice_id], allocation.amount)
        payment.allocations.remove(allocation)
        payment.unapplied_amount += allocation.amount


def owe_again(invoice: Invoice, amount: Decimal) -> None:
    """Open an invoice by an amount that does not settle it any more."""
    invoice.open_amount += amount
    invoice.status = InvoiceStatus.OPEN
    invoice.settled_at = None


def _settle_oldest(session: Session, payment: Payment, now: datetime) -> None:
    found = session.scalars(
        select(Invoice.id).where(
            Invoice.tenant_id == payment.tenant_id,
            Invoice.account_id == payment.account_id,
            Invoice.currency == payment.currency,
            Invoice.open_amount > 0,
            Invoice.deleted_at.is_(None),
        )
    ).all()
    invoices = lock_invoices(session, payment.tenant_id, list(found)).values()
    for invoice in sorted(invoices, key=lambda one: (one.due_on, one.issued_on, one.id)):
        _apply(payment, invoice, min(payment.unapplied_amount, invoice.open_amount), now)


def _apply(payment: Payment, invoice: Invoice, amount: Decimal, now: datetime) -> None:
    if amount <= 0:
        return
    known = next((one for one in payment.allocations if one.invoice_id == invoice.id), None)
    if known is not None:
        known.amount += amount
    else:
        payment.allocations.append(
            PaymentAllocation(tenant_id=payment.tenant_id, id=new_id(), invoice_id=invoice.id, amount=amount)
        )
    payment.unapplied_amount -= amount
    invoice.open_amount -= amount
    if not invoice.open_amount:
        invoice.status = InvoiceStatus.PAID
        invoice.settled_at = now
