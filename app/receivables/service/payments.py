"""Money that came, and what became of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.catalog import service as catalog
from app.core.errors import NotFound
from app.core.ids import new_id
from app.core.masking import mask_fields
from app.core.scope import Actor
from app.identity import service as identity
from app.receivables.models import Payment
from app.receivables.service.allocating import settle, undo_allocations
from app.receivables.service.amounts import check_amount
from app.receivables.service.balances import hold_balances, refresh_account
from app.receivables.service.errors import ReceiptTaken, ReceivableInvalid
from app.receivables.service.records import OFFICE, allow, check_id_free, get_payment, take_step, write
from app.receivables.service.telling import tell_of_payment
from app.receivables.states import PAYMENT_MACHINE, PaymentStatus

FREE_TEXT: Final = frozenset({"note", "reason"})
CLOCKS_DIFFER: Final = timedelta(minutes=5)


def record_payment(session: Session, actor: Actor, values: Mapping[str, Any], now: datetime) -> Payment:
    """Take a payment into the books, and settle invoices with it.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Of the office, or an integration.
        values: ``account_id, method, currency, amount``; ``received_at`` (now, when left out),
            ``receipt_number``, ``note``, ``id``; ``confirmed`` when the bank has seen it;
            ``allocations`` as for ``allocate``: none settles the oldest invoices, an empty list nothing.
        now: Server time, aware UTC.

    Raises:
        Forbidden: Not for the actor's role.
        IdTaken, ReceiptTaken: In use.
        ReferenceNotFound: No such account in the actor's scope, or no such invoice of it.
        ReceivableInvalid: The amount is none, or it was received in the future.
        RateMissing: There is no rate of its currency.
        CurrencyDiffers, InvoiceOverpaid, PaymentSpent, AllocatedTwice: The allocations do not fit.
    """
    allow(actor, *OFFICE)
    accounts.refer_to_account(session, actor, values["account_id"])
    if values.get("received_at", now) > now + CLOCKS_DIFFER:
        raise ReceivableInvalid(fields={"received_at": "value_out_of_range"})
    hold_balances(session, actor.tenant_id, [values["account_id"]])
    number = values.get("receipt_number")
    if number is not None and find_receipt(session, actor, number) is not None:
        raise ReceiptTaken(receipt_number=number)
    return add_payment(session, actor, values, now=now, strict=True)


def add_payment(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime, strict: bool
) -> Payment:
    """Write a payment whose account is checked, with its balance held; *strict* as for ``settle``."""
    check_id_free(session, actor, Payment, values.get("id"))
    amount, currency = values["amount"], values["currency"]
    check_amount(amount, currency)
    clean = mask_fields(values, FREE_TEXT)[0]
    received_at = values.get("received_at") or now
    received_on = identity.tenant_day(session, actor.tenant_id, received_at)
    base = catalog.in_base(session, actor.tenant_id, amount, currency, received_on)
    confirmed = bool(values.get("confirmed"))
    payment = Payment(
        tenant_id=actor.tenant_id,
        id=values.get("id") or new_id(),
        account_id=values["account_id"],
        visit_id=values.get("visit_id"),
        collected_by=values.get("collected_by"),
        receipt_number=values.get("receipt_number"),
        method=values["method"],
        received_at=received_at,
        received_on=received_on,
        currency=currency,
        amount=amount,
        base_amount=base.amount,
        rate=base.rate,
        rate_date=base.rate_date,
        unapplied_amount=amount,
        status=PaymentStatus.CONFIRMED if confirmed else PaymentStatus.RECORDED,
        decided_at=now if confirmed else None,
        note=clean.get("note"),
        allocations=[],
    )
    with session.no_autoflush:
        settle(session, payment, values.get("allocations"), now=now, strict=strict)
    session.add(payment)
    write(session, payment)
    refresh_account(session, actor.tenant_id, payment.account_id, now=now)
    tell_of_payment(session, payment, "recorded", now)
    return payment


def get_receipt(session: Session, actor: Actor, visit_id: UUID, number: str) -> Payment:
    """The payment that was taken on a visit of the scope under a receipt number.

    Raises:
        NotFound: There is none.
    """
    payment = find_receipt(session, actor, number)
    if payment is None or payment.visit_id != visit_id:
        raise NotFound
    return payment


def find_receipt(session: Session, actor: Actor, number: str) -> Payment | None:
    """The payment that has a receipt number, whoever took it."""
    return session.scalars(
        select(Payment).where(Payment.tenant_id == actor.tenant_id, Payment.receipt_number == number)
    ).one_or_none()


def confirm_payment(
    session: Session, actor: Actor, payment_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> Payment:
    """The bank has it.

    Raises:
        NotFound: No such payment in the actor's scope.
        TransitionNotAllowed: It was decided already.
    """
    return _decide(session, actor, payment_id, "confirm", args, now)


def bounce_payment(
    session: Session, actor: Actor, payment_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> Payment:
    """It was worth nothing: what it had settled is owed again. ``args``: ``reason``. Raises as above."""
    return _decide(session, actor, payment_id, "bounce", args, now)


def cancel_payment(
    session: Session, actor: Actor, payment_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> Payment:
    """It was taken down by mistake, or given back. ``args``: ``reason``. Raises as above."""
    return _decide(session, actor, payment_id, "cancel", args, now)


def _decide(
    session: Session, actor: Actor, payment_id: UUID, step: str, args: Mapping[str, Any], now: datetime
) -> Payment:
    allow(actor, *OFFICE)
    payment = get_payment(session, actor, payment_id, lock=True)
    take_step(payment, PAYMENT_MACHINE, step)
    payment.decided_at = now
    payment.reason = mask_fields(args, FREE_TEXT)[0].get("reason")
    if payment.status is not PaymentStatus.CONFIRMED:
        undo_allocations(session, payment)
        payment.unapplied_amount = Decimal(0)
    write(session, payment)
    refresh_account(session, payment.tenant_id, payment.account_id, now=now)
    tell_of_payment(session, payment, str(payment.status), now)
    return payment
