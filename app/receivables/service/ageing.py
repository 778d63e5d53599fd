"""Balances by a new calendar day."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.catalog import service as catalog
from app.identity import service as identity
from app.receivables import queries
from app.receivables.service.balances import refresh_balances

BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Aged:
    """A batch: the last account of it, None where there was none, and how many balances were written."""

    last: UUID | None
    written: int


def age_balances(
    session: Session,
    tenant_id: UUID,
    *,
    now: datetime,
    after: UUID = BEFORE_ALL,
    limit: int,
    whole: bool,
) -> Aged:
    """Count the balances of a batch of accounts anew; only those that differ are written.

    An account whose currency has no rate keeps the figures that it has.

    Args:
        session: Open session of the tenant; the caller commits.
        tenant_id: Whose.
        now: Server time, aware UTC; the day is the tenant's.
        after: Only accounts with higher ids.
        limit: Most accounts of the batch.
        whole: All that owe anything; otherwise only those whose credit has got another currency.
    """
    today = identity.tenant_day(session, tenant_id, now)
    accounts = list(queries.accounts_to_age(session, tenant_id, after=after, limit=limit, whole=whole))
    if not accounts:
        return Aged(None, 0)
    try:
        written = refresh_balances(session, tenant_id, accounts, today)
    except catalog.RateMissing:
        written = sum(_refreshed(session, tenant_id, account_id, today) for account_id in accounts)
    return Aged(accounts[-1], written)


def _refreshed(session: Session, tenant_id: UUID, account_id: UUID, today: date) -> int:
    try:
        return refresh_balances(session, tenant_id, [account_id], today)
    except catalog.RateMissing:
        return 0
