"""Who may give work to whom."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.core.errors import NotFound, ReferenceNotFound, Unauthenticated
from app.core.scope import Actor, Role
from app.identity import service as identity
from app.visits.service.errors import AssigneeOutOfScope, AssignmentNotAllowed

OFFICE: Final = (Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
DISPATCH: Final = "dispatch"


def check_assignee(
    session: Session,
    actor: Actor,
    account_id: UUID | None,
    assignee_id: UUID,
    *,
    now: datetime,
    brings_account: bool,
) -> None:
    """Refuse an assignee whom the actor may not give work, or not there.

    Args:
        session: Open session of the actor's tenant.
        actor: Who plans.
        account_id: Where the work is, in the actor's scope; None for nowhere.
        assignee_id: Who is to do it.
        now: Server time, aware UTC.
        brings_account: Whether the work itself lets a technician see the account, as visits do.

    Raises:
        AssignmentNotAllowed: Only managers and dispatchers plan for others.
        ReferenceNotFound: No such active person.
        AssigneeOutOfScope: Not of the actor's team, or the account is outside their scope.
    """
    if assignee_id == actor.user_id:
        return
    check_may_assign(actor)
    try:
        assignee = identity.actor_of(
            session, actor.tenant_id, assignee_id, None, now, password_may_be_due=True
        )
    except Unauthenticated:
        raise ReferenceNotFound(field="assignee_id") from None
    if assignee.role in (Role.PARTNER, Role.INTEGRATION) or not _in_team(actor, assignee):
        raise AssigneeOutOfScope
    if account_id is not None and not (brings_account and assignee.role is Role.TECHNICIAN):
        _check_sees(session, assignee, account_id)


def check_may_assign(actor: Actor) -> None:
    """Refuse who is neither manager nor dispatcher; raises AssignmentNotAllowed."""
    if actor.role not in OFFICE and DISPATCH not in actor.permissions:
        raise AssignmentNotAllowed


def _in_team(actor: Actor, other: Actor) -> bool:
    mine, theirs = actor.scope, other.scope
    return (
        mine.everything
        or bool(mine.unit_ids & theirs.unit_ids)
        or bool(mine.territory_ids & theirs.territory_ids)
    )


def _check_sees(session: Session, person: Actor, account_id: UUID) -> None:
    try:
        accounts.get_account(session, person, account_id)
    except NotFound:
        raise AssigneeOutOfScope from None
