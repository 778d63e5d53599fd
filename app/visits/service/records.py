"""Who may act on which visit, and how visits are read and written."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.core.errors import Forbidden, IdTaken, NotFound, ReferenceNotFound, TransitionNotAllowed
from app.core.masking import mask_fields
from app.core.scope import Actor, Role
from app.visits import queries
from app.visits.models import Visit
from app.visits.service.assignment import OFFICE
from app.visits.service.errors import VisitNotYours, VisitReassigned
from app.visits.states import VISIT_MACHINE, VisitStatus

FREE_TEXT: Final = frozenset(
    {"instructions", "outcome", "next_step", "report", "tags", "geo_reason", "cancel_reason", "review_note"}
)
FREE_TASK_TEXT: Final = frozenset({"title", "result"})


def list_visits(
    session: Session,
    actor: Actor,
    *,
    account_id: UUID | None = None,
    assignee_id: UUID | None = None,
    status: VisitStatus | None = None,
    planned_from: datetime | None = None,
    planned_to: datetime | None = None,
    wants_reason: bool | None = None,
) -> Select[Visit]:
    """The visits of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        account_id: Of this account only.
        assignee_id: Of this person only.
        status: In this state only.
        planned_from: Planned to begin at or after this moment.
        planned_to: Planned to begin before this moment.
        wants_reason: Only those whose position asks for a reason that nobody gave, or only the others.
    """
    statement = queries.visits_of(actor)
    if account_id is not None:
        statement = statement.where(Visit.account_id == account_id)
    if assignee_id is not None:
        statement = statement.where(Visit.assignee_id == assignee_id)
    if status is not None:
        statement = statement.where(Visit.status == status)
    if planned_from is not None:
        statement = statement.where(Visit.planned_start >= planned_from)
    if planned_to is not None:
        statement = statement.where(Visit.planned_start < planned_to)
    if wants_reason is not None:
        statement = statement.where(queries.wants_reason().is_(wants_reason))
    return statement


def get_visit(session: Session, actor: Actor, visit_id: UUID, *, lock: bool = False) -> Visit:
    """One visit of the scope, with its tasks.

    Raises:
        NotFound: No such visit in the actor's scope.
    """
    statement = queries.visits_of(actor).where(Visit.id == visit_id)
    if lock:
        statement = statement.with_for_update(of=Visit, key_share=True).execution_options(
            populate_existing=True
        )
    visit = session.scalars(statement).one_or_none()
    if visit is None:
        raise NotFound
    return visit


def refer_to_visit(session: Session, actor: Actor, visit_id: UUID, field: str = "visit_id") -> Visit:
    """The visit that a new record will point to, held so that it cannot be deleted meanwhile.

    Raises:
        ReferenceNotFound: No such visit in the actor's scope.
    """
    statement = queries.visits_of(actor).where(Visit.id == visit_id).with_for_update(of=Visit, read=True)
    visit = session.scalars(statement).one_or_none()
    if visit is None:
        raise ReferenceNotFound(field=field)
    return visit


def get_own_visit(session: Session, actor: Actor, visit_id: UUID) -> Visit:
    """A visit that the actor may act on, locked: their own, or any of the scope for the office.

    Raises:
        NotFound: No such visit in the actor's scope.
        VisitReassigned: It was theirs until somebody else got it.
        VisitNotYours: It is another person's.
    """
    visit = get_visit(session, actor, visit_id, lock=True)
    if visit.assignee_id == actor.user_id or actor.role in OFFICE:
        return visit
    if queries.was_assigned_to(session, visit, actor.user_id):
        raise VisitReassigned(assignee_id=str(visit.assignee_id))
    raise VisitNotYours


def check_step(visit: Visit, command: str, status: str | None) -> None:
    """Refuse a command that is no step from the visit's state.

    Args:
        visit: Locked.
        command: Name of a step of the machine.
        status: The state to judge from when a clock-made state gives way; None for the visit's own.

    Raises:
        TransitionNotAllowed: There is no such step from there.
    """
    if not VISIT_MACHINE.is_legal(command, status or visit.status):
        raise not_allowed(visit)


def not_allowed(visit: Visit) -> TransitionNotAllowed:
    """The error that names the steps which are allowed instead."""
    return TransitionNotAllowed(status=str(visit.status), allowed=list(allowed_steps(visit)))


def allowed_steps(visit: Visit) -> tuple[str, ...]:
    """Commands that are steps from the visit's state."""
    return VISIT_MACHINE.allowed(visit.status)


def take_step(visit: Visit, command: str, status: str | None) -> None:
    """Move the visit's status by one command; arguments and errors as for ``check_step``."""
    check_step(visit, command, status)
    visit.status = VisitStatus(VISIT_MACHINE.steps[command][1])


def check_place(
    session: Session, actor: Actor, account_id: UUID, *, site_id: UUID | None, contact_id: UUID | None
) -> None:
    """Refuse a site or a contact that is not the account's.

    Raises:
        ReferenceNotFound: Unknown, or of another account.
    """
    try:
        if site_id is not None and accounts.get_site(session, actor, site_id).account_id != account_id:
            raise ReferenceNotFound(field="site_id")
    except NotFound:
        raise ReferenceNotFound(field="site_id") from None
    try:
        if (
            contact_id is not None
            and accounts.get_contact(session, actor, contact_id).account_id != account_id
        ):
            raise ReferenceNotFound(field="contact_id")
    except NotFound:
        raise ReferenceNotFound(field="contact_id") from None


def refuse_roles(actor: Actor) -> None:
    """Partners have no visits."""
    if actor.role is Role.PARTNER:
        raise Forbidden


def masked_fields(values: Mapping[str, Any]) -> frozenset[str]:
    """The fields of *values* in which a national id number would be masked."""
    masked = mask_fields(values, FREE_TEXT)[1]
    rows = values.get("tasks") or ()
    return masked | {"tasks"} if any(mask_fields(row, FREE_TASK_TEXT)[1] for row in rows) else masked


def write(session: Session, visit: Visit) -> Visit:
    """Flush the visit with its tasks and read back what the triggers made of it.

    Raises:
        IdTaken: Another writer used the id at the same moment.
    """
    try:
        session.flush()
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        if name in ("pk_visits", "pk_visit_tasks"):
            raise IdTaken from error
        raise
    session.refresh(visit)
    return visit
