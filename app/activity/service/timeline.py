"""What happened at an account, newest first."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import CTE
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.activity import queries
from app.core.scope import Actor
from app.visits import service as visits


def list_timeline(
    session: Session, actor: Actor, account_id: UUID, *, shown: Mapping[str, Sequence[str]]
) -> CTE:
    """The visits, activities, tasks and changes of master data of an account, for the route to page.

    Args:
        session: Open session of the actor's tenant.
        actor: Who asks; what they may not see elsewhere is not told here.
        account_id: Of the account.
        shown: By entity, the fields of the actor's shape whose changes are told.

    Returns:
        One row for each thing that happened; see ``queries.timeline_of``.

    Raises:
        NotFound: No such account in the actor's scope.
    """
    accounts.get_account(session, actor, account_id)
    return queries.timeline_of(
        actor, account_id, visits.list_visits(session, actor, account_id=account_id), shown
    )
