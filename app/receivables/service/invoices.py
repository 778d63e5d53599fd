"""What accounts are asked to pay."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.catalog import service as catalog
from app.core.ids import new_id
from app.core.scope import Actor
from app.receivables.models import Invoice, Payment, PaymentAllocation
from app.receivables.service.allocating import owe_again
from app.receivables.service.amounts import check_amount
from app.receivables.service.balances import hold_balances, refresh_account
from app.receivables.service.errors import InvoiceNumberTaken, ReceivableInvalid
from app.receivables.service.listening import tell_invoiced
from app.receivables.service.records import (
    OFFICE,
    allow,
    check_id_free,
    get_invoice,
    locked,
    take_step,
    write,
)
from app.receivables.service.telling import tell_of_invoice
from app.receivables.states import INVOICE_MACHINE, InvoiceStatus

EDITABLE: Final = ("number", "due_on", "order_id")


def record_invoice(session: Session, actor: Actor, values: Mapping[str, Any], now: datetime) -> Invoice:
    """Take an invoice into the books.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Of the office, or an integration.
        values: ``account_id, number, issued_on, due_on, currency, amount``, and ``id`` and ``order_id``
            where there are any. The rate is that of the day it was issued on.
        now: Server time, aware UTC.

    Raises:
        Forbidden: Not for the actor's role.
        IdTaken, InvoiceNumberTaken: In use.
        ReferenceNotFound: No such account in the actor's scope.
        ReceivableInvalid: The amount is none, or it is due before it is issued.
        RateMissing: There is no rate of its currency.
    """
    allow(actor, *OFFICE)
    check_id_free(session, actor, Invoice, values.get("id"))
    account_id, amount, currency = values["account_id"], values["amount"], values["currency"]
    accounts.refer_to_account(session, actor, account_id)
    check_amount(amount, currency)
    hold_balances(session, actor.tenant_id, [account_id])
    _check_number_free(session, actor, values["number"])
    base = catalog.in_base(session, actor.tenant_id, amount, currency, values["issued_on"])
    invoice = Invoice(
        tenant_id=actor.tenant_id,
        id=values.get("id") or new_id(),
        account_id=account_id,
        order_id=values.get("order_id"),
        number=values["number"],
        issued_on=values["issued_on"],
        due_on=values["due_on"],
        currency=currency,
        amount=amount,
        base_amount=base.amount,
        rate=base.rate,
        rate_date=base.rate_date,
        open_amount=amount,
        status=InvoiceStatus.OPEN,
    )
    _check_days(invoice)
    session.add(invoice)
    write(session, invoice)
    refresh_account(session, actor.tenant_id, account_id, now=now)
    tell_invoiced(session, actor.tenant_id, account_id, now=now)
    tell_of_invoice(session, invoice, "recorded", now)
    return invoice


def update_invoice(
    session: Session, actor: Actor, invoice_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Invoice:
    """Correct an invoice: number, due day, order, or the amount, which stays above what is settled.

    Raises:
        NotFound: No such invoice in the actor's scope.
        TransitionNotAllowed: It is void.
        InvoiceNumberTaken, ReceivableInvalid, RateMissing: As for a new one.
    """
    allow(actor, *OFFICE)
    invoice = get_invoice(session, actor, invoice_id, lock=True)
    if invoice.status is InvoiceStatus.VOID:
        take_step(invoice, INVOICE_MACHINE, "void")
    if changes.get("number", invoice.number) != invoice.number:
        _check_number_free(session, actor, changes["number"])
    for field in EDITABLE:
        if field in changes:
            setattr(invoice, field, changes[field])
    if "amount" in changes and changes["amount"] != invoice.amount:
        _change_amount(session, invoice, changes["amount"], now)
    _check_days(invoice)
    write(session, invoice)
    refresh_account(session, actor.tenant_id, invoice.account_id, now=now)
    tell_invoiced(session, actor.tenant_id, invoice.account_id, now=now)
    tell_of_invoice(session, invoice, "updated", now)
    return invoice


def void_invoice(session: Session, actor: Actor, invoice_id: UUID, *, now: datetime) -> Invoice:
    """Call an invoice off; what had settled it is unapplied again.

    Raises:
        NotFound: No such invoice in the actor's scope.
        TransitionNotAllowed: It is void already.
    """
    allow(actor, *OFFICE)
    invoice = get_invoice(session, actor, invoice_id, lock=True)
    take_step(invoice, INVOICE_MACHINE, "void")
    for payment in _payments_of(session, invoice):
        for allocation in [one for one in payment.allocations if one.invoice_id == invoice.id]:
            payment.allocations.remove(allocation)
            payment.unapplied_amount += allocation.amount
    invoice.open_amount = Decimal(0)
    invoice.settled_at = now
    write(session, invoice)
    refresh_account(session, actor.tenant_id, invoice.account_id, now=now)
    tell_invoiced(session, actor.tenant_id, invoice.account_id, now=now)
    tell_of_invoice(session, invoice, "voided", now)
    return invoice


def _payments_of(session: Session, invoice: Invoice) -> list[Payment]:
    """The payments that settle parts of it, held in the order of their ids."""
    statement = select(Payment).where(
        Payment.tenant_id == invoice.tenant_id,
        Payment.id.in_(
            select(PaymentAllocation.payment_id).where(
                PaymentAllocation.tenant_id == invoice.tenant_id, PaymentAllocation.invoice_id == invoice.id
            )
        ),
    )
    return list(session.scalars(locked(statement.order_by(Payment.id), Payment)))


def _change_amount(session: Session, invoice: Invoice, amount: Any, now: datetime) -> None:
    check_amount(amount, invoice.currency)
    settled = invoice.amount - invoice.open_amount
    if amount < settled:
        raise ReceivableInvalid(fields={"amount": "value_out_of_range"})
    base = catalog.in_base(session, invoice.tenant_id, amount, invoice.currency, invoice.rate_date)
    invoice.amount, invoice.base_amount, invoice.rate = amount, base.amount, base.rate
    invoice.open_amount = amount - settled
    if invoice.open_amount:
        owe_again(invoice, Decimal(0))
    else:
        invoice.status, invoice.settled_at = InvoiceStatus.PAID, now


def _check_days(invoice: Invoice) -> None:
    if invoice.due_on < invoice.issued_on:
        raise ReceivableInvalid(fields={"due_on": "value_out_of_range"})


def _check_number_free(session: Session, actor: Actor, number: str) -> None:
    taken = select(Invoice.id).where(
        Invoice.tenant_id == actor.tenant_id, Invoice.number == number, Invoice.deleted_at.is_(None)
    )
    if session.scalar(taken):
        raise InvoiceNumberTaken
