"""How an account stands with its orders, under the lock of its balance."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.catalog import service as catalog
from app.identity import service as identity
from app.orders import queries
from app.orders.models import Order
from app.orders.queries import Committed
from app.orders.service.rules import Credit
from app.orders.states import COMMITTED
from app.receivables import service as receivables

ZERO: Final = Decimal(0)
PLACES: Final = Decimal("0.0001")


def credit_with(session: Session, order: Order, *, now: datetime) -> Credit:
    """How the account would stand with the order, held until commit.

    Whoever approves, ships or changes another order of the account waits until this one is settled.
    """
    known = receivables.credit_of(session, order.account_id, now=now, lock=True)
    session.flush()
    committed = queries.committed_of(session, order.tenant_id, order.account_id)
    today = identity.tenant_day(session, order.tenant_id, now)
    own = order.payable or ZERO
    addition = ZERO
    if order.status not in COMMITTED:
        addition = receivables.convert(
            session, order.tenant_id, own, order.currency, known.currency, order.rate_date or today
        )
    over = ZERO if known.limit is None else max(ZERO, known.exposure + addition - known.limit)
    return Credit(
        currency=known.currency,
        limit=known.limit,
        exposure=known.exposure,
        addition=addition,
        over_in_base=catalog.in_base(session, order.tenant_id, over, known.currency, today).amount,
        overdue_amount=known.overdue_amount,
        overdue_days=known.overdue_days,
        on_hold=known.on_hold,
        is_covered_by_payments=order.prepaid
        and _is_prepaid(session, order, committed, known.unapplied, known.currency, today),
    )


def _is_prepaid(
    session: Session,
    order: Order,
    committed: Sequence[Committed],
    unapplied: Decimal,
    currency: str,
    today: date,
) -> bool:
    """Whether money is there for the order, and for all others that were let pass for the same reason."""
    left = {one.order_id: (one.amount, one.currency) for one in committed if one.prepaid}
    if order.status not in COMMITTED:
        left[order.id] = (order.payable or ZERO, order.currency)
    needed = (
        receivables.convert(session, order.tenant_id, amount, of, currency, today)
        for amount, of in left.values()
    )
    return sum(needed, ZERO) <= unapplied


def tell_committed(session: Session, tenant_id: UUID, account_id: UUID, *, now: datetime) -> None:
    """Tell the receivables what the account's orders come to that it was not invoiced for.

    To be called after every change of an approved order; invoices call it by themselves.
    """
    receivables.hold_balances(session, tenant_id, [account_id])
    session.flush()
    committed = queries.committed_of(session, tenant_id, account_id)
    currencies = {one.currency for one in committed}
    if len(currencies) == 1:
        amount, currency = sum((one.amount for one in committed), ZERO), currencies.pop()
    else:
        # Several currencies are never added but by the rates that the orders keep.
        amount = sum(((one.amount * one.rate).quantize(PLACES) for one in committed), ZERO)
        currency = identity.get_tenant(session, tenant_id).currency.strip()
    receivables.set_committed(session, account_id, amount, currency, now=now)


def _on_invoiced(session: Session, tenant_id: UUID, account_id: UUID, now: datetime) -> None:
    tell_committed(session, tenant_id, account_id, now=now)


receivables.on_invoiced(_on_invoiced)
