"""What an account owes and may still order: counted anew from its documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.catalog import service as catalog
from app.core.errors import NotFound
from app.core.ids import new_id
from app.core.many import write_rows
from app.identity import service as identity
from app.receivables import queries
from app.receivables.models import AccountBalance

_ZERO: Final = Decimal(0)
_CENT: Final = Decimal("0.0001")
COUNTED: Final = (
    "currency",
    "open_receivables",
    "unapplied",
    "overdue_amount",
    "oldest_due_on",
    "not_due",
    "days_1_30",
    "days_31_60",
    "days_61_90",
    "days_over_90",
)


@dataclass(frozen=True, slots=True)
class Credit:
    """What an account owes, in one currency.

    Attributes:
        currency: Of the account's credit; the tenant's where it names none. Documents of other currencies
            are in it by the rates that they keep.
        limit: None for no limit.
        open_receivables: What is open of its invoices.
        committed: Of its orders, what is approved and not invoiced.
        unapplied: What is left of its payments.
        exposure: Open receivables and committed, less unapplied.
        overdue_amount: Of the open receivables, what was due before the tenant's calendar day.
        overdue_days: How long the oldest of that is due; 0 for nothing.
        on_hold: Somebody has put the account's credit on hold.
    """

    currency: str
    limit: Decimal | None
    open_receivables: Decimal
    committed: Decimal
    unapplied: Decimal
    exposure: Decimal
    overdue_amount: Decimal
    overdue_days: int
    on_hold: bool


def credit_of(session: Session, account_id: UUID, *, now: datetime, lock: bool = False) -> Credit:
    """Count what an account owes at *now*.

    Args:
        session: Open session of the tenant; the caller has checked that the actor may know the account.
        account_id: The one.
        now: Server time, aware UTC; what is overdue goes by the tenant's calendar day.
        lock: Hold the account's balance until commit: whoever else asks so, or changes an invoice or a
            payment of the account, waits.

    Raises:
        NotFound: No such account in the tenant.
        RateMissing: A document has another currency than the credit, and there is no rate for it.
    """
    terms = queries.find_terms(session, account_id, now)
    if terms is None:
        raise NotFound
    tenant_id = terms.tenant_id
    if lock:
        balance: Row[Any] | None = hold_balances(session, tenant_id, [account_id])[account_id]
    else:
        balance = queries.find_balance(session, tenant_id, account_id)
    owed = _figures(session, tenant_id, [account_id], terms.today)[account_id]
    committed = _ZERO if balance is None else _committed(session, tenant_id, balance, terms)
    return Credit(
        currency=owed.currency,
        limit=terms.credit_limit,
        open_receivables=owed.open_receivables,
        committed=committed,
        unapplied=owed.unapplied,
        exposure=owed.open_receivables + committed - owed.unapplied,
        overdue_amount=owed.overdue_amount,
        overdue_days=0 if owed.oldest_due_on is None else (terms.today - owed.oldest_due_on).days,
        on_hold=balance is not None and balance.on_hold,
    )


def set_committed(
    session: Session, account_id: UUID, amount: Decimal, currency: str, *, now: datetime
) -> None:
    """Keep what an account's orders have committed: approved and not shipped, or shipped and not invoiced.

    Args:
        session: Open session of the tenant; the caller commits.
        account_id: The one.
        amount: The whole of it, not the difference; not below zero.
        currency: Of the amount; another than the credit's is converted at today's rate.
        now: Server time, aware UTC.

    Raises:
        NotFound: No such account in the tenant.
        RateMissing: There is no rate to convert by.
    """
    terms = queries.find_terms(session, account_id, now)
    if terms is None:
        raise NotFound
    hold_balances(session, terms.tenant_id, [account_id])
    committed = convert(session, terms.tenant_id, amount, currency, terms.currency, terms.today)
    refresh_balances(session, terms.tenant_id, [account_id], terms.today, committed={account_id: committed})


def hold_balances(session: Session, tenant_id: UUID, account_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Lock the balances of accounts until commit, made where there are none; by account.

    Whoever changes documents of an account comes by here first, before it locks one of them.
    """
    wanted = sorted(set(account_ids))
    held = queries.lock_balances(session, tenant_id, wanted)
    if len(held) < len(wanted):
        queries.ensure_balances(session, tenant_id, {one: new_id() for one in wanted if one not in held})
        held = queries.lock_balances(session, tenant_id, wanted)
    return held


def refresh_balances(
    session: Session,
    tenant_id: UUID,
    account_ids: Sequence[UUID],
    today: date,
    *,
    committed: Mapping[UUID, Decimal] | None = None,
) -> int:
    """Write the figures of accounts as their documents have them; those that are right stay untouched.

    Args:
        session: Open session of the tenant; documents are flushed, and the caller commits.
        tenant_id: Whose.
        account_ids: The ones.
        today: The tenant's calendar day.
        committed: New values of what orders have committed, in the currencies of the credits.

    Returns:
        How many were written.
    """
    session.flush()
    held = hold_balances(session, tenant_id, account_ids)
    owed = _figures(session, tenant_id, list(held), today)
    changes: dict[UUID, dict[str, Any]] = {}
    for account_id, balance in held.items():
        figures = owed[account_id]
        fresh = {name: getattr(figures, name) for name in COUNTED}
        if committed is not None and account_id in committed:
            fresh["committed"] = committed[account_id]
        else:
            fresh["committed"] = convert(
                session, tenant_id, balance.committed, balance.currency, figures.currency, today
            )
        fresh["exposure"] = figures.open_receivables + fresh["committed"] - figures.unapplied
        differing = {name: value for name, value in fresh.items() if getattr(balance, name) != value}
        if differing:
            changes[balance.id] = differing
    write_rows(session, AccountBalance.__table__, tenant_id, changes)
    return len(changes)


def refresh_account(session: Session, tenant_id: UUID, account_id: UUID, *, now: datetime) -> None:
    """The same for one account at *now*."""
    refresh_balances(session, tenant_id, [account_id], identity.tenant_day(session, tenant_id, now))


def convert(
    session: Session, tenant_id: UUID, amount: Decimal, currency: str, wanted: str, day: date
) -> Decimal:
    """An amount in another currency by the rates of a day, to four decimals.

    Raises:
        RateMissing: There is no rate of one of them.
    """
    if currency == wanted or not amount:
        return amount
    found = catalog.in_base(session, tenant_id, amount, currency, day)
    return (amount * found.rate / _rate(session, tenant_id, wanted, day)).quantize(_CENT)


def _committed(session: Session, tenant_id: UUID, balance: Row[Any], terms: Row[Any]) -> Decimal:
    return convert(session, tenant_id, balance.committed, balance.currency, terms.currency, terms.today)


def _figures(
    session: Session, tenant_id: UUID, account_ids: Sequence[UUID], today: date
) -> dict[UUID, Row[Any]]:
    needed = {(row.currency, row.day) for row in queries.crossed(session, tenant_id, account_ids)}
    rates = {pair: _rate(session, tenant_id, *pair) for pair in sorted(needed)}
    return queries.figures(session, tenant_id, account_ids, today, rates)


def _rate(session: Session, tenant_id: UUID, currency: str, day: date) -> Decimal:
    return catalog.in_base(session, tenant_id, Decimal(1), currency, day).rate
