"""What is owed, each currency by itself, and all of it in the tenant's by the rates that documents keep."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.core.scope import Actor
from app.identity import service as identity
from app.receivables import queries
from app.receivables.service.balances import Credit, credit_of


@dataclass(frozen=True, slots=True)
class CurrencySum:
    """Sums of one currency."""

    currency: str
    open_amount: Decimal
    overdue_amount: Decimal
    unapplied: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of all documents of a scope or an account; ``base_…`` in the tenant's currency."""

    by_currency: tuple[CurrencySum, ...]
    base_currency: str
    base_open_amount: Decimal
    base_overdue_amount: Decimal
    base_unapplied: Decimal


@dataclass(frozen=True, slots=True)
class CreditView:
    """The credit of an account as a person reads it, and the version of its balance; 0 before the first."""

    account_id: UUID
    version: int
    credit: Credit
    by_currency: tuple[CurrencySum, ...]


def totals_of(session: Session, actor: Actor, *, account_id: UUID | None = None, now: datetime) -> Totals:
    """What the accounts of the scope owe at *now*, or one of them.

    Args:
        session: Open session of the actor's tenant.
        actor: Who asks.
        account_id: Only this one; of another scope it owes nothing.
        now: Server time, aware UTC; what is overdue goes by the tenant's calendar day.
    """
    today = identity.tenant_day(session, actor.tenant_id, now)
    owed = {row.currency: row for row in queries.open_invoices_by_currency(session, actor, account_id, today)}
    left = {row.currency: row for row in queries.unapplied_by_currency(session, actor, account_id)}
    zero = Decimal(0)
    return Totals(
        by_currency=tuple(
            CurrencySum(
                currency,
                owed[currency].open_amount if currency in owed else zero,
                owed[currency].overdue_amount if currency in owed else zero,
                left[currency].unapplied if currency in left else zero,
            )
            for currency in sorted({*owed, *left})
        ),
        base_currency=identity.get_tenant(session, actor.tenant_id).currency,
        base_open_amount=sum((row.base_open for row in owed.values()), zero),
        base_overdue_amount=sum((row.base_overdue for row in owed.values()), zero),
        base_unapplied=sum((row.base_unapplied for row in left.values()), zero),
    )


def read_credit(session: Session, actor: Actor, account_id: UUID, *, now: datetime) -> CreditView:
    """The credit of an account of the scope.

    Raises:
        NotFound: No such account in the actor's scope.
        RateMissing: See ``credit_of``.
    """
    accounts.get_account(session, actor, account_id)
    balance = queries.find_balance(session, actor.tenant_id, account_id)
    return CreditView(
        account_id,
        0 if balance is None else balance.version,
        credit_of(session, account_id, now=now),
        totals_of(session, actor, account_id=account_id, now=now).by_currency,
    )


def lock_credit(session: Session, actor: Actor, account_id: UUID) -> int:
    """The version of an account's balance, held until commit; 0 where there is none yet.

    Raises:
        NotFound: No such account in the actor's scope.
    """
    accounts.get_account(session, actor, account_id)
    held = queries.lock_balances(session, actor.tenant_id, [account_id]).get(account_id)
    return 0 if held is None else int(held.version)
