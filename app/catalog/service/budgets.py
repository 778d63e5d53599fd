"""What promotions may still give."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.catalog import queries
from app.catalog.service.errors import BudgetSpent


def reserve_budgets(session: Session, given: Mapping[str, Decimal]) -> None:
    """Take what an order gives off the budgets of its promotions, held until commit.

    Args:
        session: Open session of the tenant; the caller commits.
        given: By promotion, as ``Priced.given`` says it.

    Raises:
        BudgetSpent: Another order was faster; nothing was taken: price the order again.
    """
    found = {
        str(row.id): row
        for row in queries.lock_promotions(session, _tenant(session), [UUID(i) for i in given])
    }
    for promotion_id, spent in given.items():
        row = found.get(promotion_id)
        if row is None or (row.budget_left is not None and row.budget_left < spent):
            raise BudgetSpent(promotion_id=promotion_id)
    for promotion_id, spent in given.items():
        left = found[promotion_id].budget_left
        if left is not None:
            found[promotion_id].budget_left = left - spent
    session.flush()


def release_budgets(session: Session, given: Mapping[str, Decimal]) -> None:
    """Give back what an order had taken that will not be delivered."""
    for row in queries.lock_promotions(session, _tenant(session), [UUID(i) for i in given]):
        if row.budget_left is not None:
            row.budget_left += given[str(row.id)]
    session.flush()


def _tenant(session: Session) -> UUID:
    """Whose transaction it is, as row-level security has it."""
    return UUID(session.scalar(select(func.current_setting("app.tenant"))))
