"""Planning: who goes where and when, and every change of that."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.core.errors import HasDependants, IdTaken
from app.core.geo import Fix, fix_at
from app.core.ids import new_id
from app.core.masking import mask_fields
from app.core.scope import Actor
from app.visits import queries
from app.visits.models import Visit, VisitTask
from app.visits.service.arrivals import tell_arrival
from app.visits.service.assignment import check_assignee, check_may_assign
from app.visits.service.errors import (
    FieldNotEditable,
    RecordFrozen,
    VisitAlreadyMade,
    VisitEndsBeforeStart,
)
from app.visits.service.fieldwork import arrive
from app.visits.service.records import (
    FREE_TEXT,
    check_place,
    check_step,
    get_own_visit,
    get_visit,
    not_allowed,
    refuse_roles,
    take_step,
    write,
)
from app.visits.service.tasks import TASK_FIELDS, replace_tasks
from app.visits.states import VISIT_MACHINE, VisitStatus

EDITABLE: Final = (
    "site_id",
    "contact_id",
    "assignee_id",
    "purpose",
    "priority",
    "planned_start",
    "planned_end",
    "instructions",
    "outcome",
    "next_step",
    "report",
    "tags",
    "geo_reason",
)
# Given with an unplanned visit only: its check-in comes in the same breath.
POSITION: Final = ("checked_in_location", "checked_in_accuracy_m", "checked_in_mock")
FIXED: Final = ("account_id", "unplanned", *POSITION)

DELETABLE: Final = (VisitStatus.PLANNED, VisitStatus.MISSED, VisitStatus.CANCELLED, VisitStatus.RESCHEDULED)
REASSIGNABLE: Final = (VisitStatus.PLANNED, VisitStatus.EN_ROUTE, VisitStatus.MISSED)
COPIED: Final = ("account_id", "site_id", "contact_id", "assignee_id", "purpose", "priority", "instructions")


def create_visit(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime, at: datetime | None = None
) -> Visit:
    """Plan a visit, or begin an unplanned one on the spot.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: A rep or technician for themselves; managers and dispatchers also for their team.
        values: Typed fields, ``id`` when a phone minted it, ``tasks`` as rows. With ``unplanned``
            the visit starts at ``checked_in``, where ``checked_in_location`` (``[lat, lon]``),
            ``checked_in_accuracy_m`` and ``checked_in_mock`` say.
        now: Server time, aware UTC.
        at: When it happened on the phone; None for *now*.

    Raises:
        Forbidden, AssignmentNotAllowed, AssigneeOutOfScope: Not the actor's to plan.
        IdTaken: The id is in use.
        ReferenceNotFound: Account, site, contact or assignee are unknown or out of scope.
        FieldNotEditable: A position was given for a planned visit.
        VisitEndsBeforeStart: The plan ends before it starts.
    """
    refuse_roles(actor)
    _check_id_free(session, actor, values.get("id"))
    accounts.refer_to_account(session, actor, values["account_id"])
    unplanned = bool(values.get("unplanned"))
    if not unplanned:
        _refuse_position(values)
    clean, _ = mask_fields(values, FREE_TEXT)
    visit = Visit(
        tenant_id=actor.tenant_id,
        id=values.get("id") or new_id(),
        account_id=values["account_id"],
        unplanned=unplanned,
        **{
            "planned_start": at or now,
            "assignee_id": actor.user_id,
            "tags": [],
            **{field: clean[field] for field in EDITABLE if clean.get(field) is not None},
        },
    )
    check_assignee(session, actor, visit.account_id, visit.assignee_id, now=now, brings_account=True)
    _check_plan(session, actor, visit)
    if unplanned:
        visit.status = VisitStatus.CHECKED_IN
        arrive(session, actor, visit, _position(values, at or now), at=at or now)
    session.add(visit)
    replace_tasks(session, visit, values.get("tasks") or (), now=now)
    write(session, visit)
    if unplanned:
        tell_arrival(session, actor, visit, now=now)
    return visit


def update_visit(
    session: Session, actor: Actor, visit_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Visit:
    """Change fields of a visit that is not closed; only those that differ count.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: The assignee, or the office.
        visit_id: Of the scope.
        changes: Typed values of the fields to change; ``tasks`` is the whole list.
        now: Server time, aware UTC.

    Raises:
        NotFound, VisitNotYours, VisitReassigned: Not the actor's to change.
        RecordFrozen: It was verified, flagged, cancelled or rescheduled.
        FieldNotEditable: The account, or what belongs to the check-in.
        Others: As for a new visit.
    """
    visit = get_own_visit(session, actor, visit_id)
    clean, _ = mask_fields(changes, FREE_TEXT)
    for field in FIXED:
        if field in clean and clean[field] != getattr(visit, field):
            raise FieldNotEditable(field=field)
    differing = {
        field: clean[field] for field in EDITABLE if field in clean and clean[field] != getattr(visit, field)
    }
    if (differing or "tasks" in clean) and visit.status in VISIT_MACHINE.frozen_states:
        raise RecordFrozen(status=str(visit.status))
    if "assignee_id" in differing:
        _check_reassignable(visit)
        check_assignee(
            session, actor, visit.account_id, differing["assignee_id"], now=now, brings_account=True
        )
    for field, value in differing.items():
        setattr(visit, field, value)
    if differing.keys() & {"site_id", "contact_id", "planned_start", "planned_end"}:
        _check_plan(session, actor, visit)
    if "tasks" in clean:
        replace_tasks(session, visit, clean["tasks"] or (), now=now)
    return write(session, visit)


def delete_visit(session: Session, actor: Actor, visit_id: UUID, *, now: datetime) -> None:
    """Remove a visit that never took place.

    Raises:
        NotFound, VisitNotYours, VisitReassigned: Not the actor's to delete.
        VisitAlreadyMade: Somebody is on the way or has been there.
        HasDependants: An activity or a rescheduled visit points to it.
    """
    visit = get_own_visit(session, actor, visit_id)
    if visit.status not in DELETABLE:
        raise VisitAlreadyMade(status=str(visit.status))
    if queries.has_dependants(session, visit):
        raise HasDependants(dependants=["activity", "visit"])
    visit.deleted_at = now
    session.flush()


def cancel(
    session: Session,
    actor: Actor,
    visit_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Visit:
    """Call a visit off, with the reason; raises TransitionNotAllowed once somebody is there."""
    visit = get_own_visit(session, actor, visit_id)
    take_step(visit, "cancel", status)
    visit.cancel_reason = mask_fields({"cancel_reason": args["reason"]}, FREE_TEXT)[0]["cancel_reason"]
    return write(session, visit)


def reschedule(
    session: Session,
    actor: Actor,
    visit_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Visit:
    """Replace a planned or missed visit by a new one at another time, with its open tasks.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: The assignee, or the office.
        visit_id: The visit that will not take place.
        args: ``planned_start``, ``planned_end`` or None, ``new_id`` when a phone minted it.
        at: When it was decided, aware UTC.
        now: Server time, aware UTC.
        status: See ``take_step``.

    Returns:
        The visit that was replaced; ``rescheduled_to_id`` names the new one.

    Raises:
        TransitionNotAllowed: It is under way, made or called off.
        IdTaken: ``new_id`` is in use.
        VisitEndsBeforeStart: The plan ends before it starts.
    """
    visit = get_own_visit(session, actor, visit_id)
    check_step(visit, "reschedule", status)
    _check_id_free(session, actor, args.get("new_id"))
    take_step(visit, "reschedule", status)
    successor = Visit(
        tenant_id=visit.tenant_id,
        id=args.get("new_id") or new_id(),
        planned_start=args["planned_start"],
        planned_end=args.get("planned_end"),
        tags=list(visit.tags),
        **{field: getattr(visit, field) for field in COPIED},
    )
    _check_order(successor)
    successor.tasks = [_copy_of(task) for task in visit.tasks if not task.done]
    session.add(successor)
    visit.rescheduled_to_id = successor.id
    return write(session, visit)


def reassign(
    session: Session,
    actor: Actor,
    visit_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Visit:
    """Give a visit that nobody has made yet to another person of the team.

    Raises:
        AssignmentNotAllowed: Only managers and dispatchers do that.
        TransitionNotAllowed: Somebody is there already, or it was closed.
        ReferenceNotFound, AssigneeOutOfScope: As for a new visit.
    """
    visit = get_visit(session, actor, visit_id, lock=True)
    check_may_assign(actor)
    _check_reassignable(visit)
    if args["assignee_id"] != visit.assignee_id:
        check_assignee(session, actor, visit.account_id, args["assignee_id"], now=now, brings_account=True)
    visit.assignee_id = args["assignee_id"]
    return write(session, visit)


def _check_reassignable(visit: Visit) -> None:
    if visit.status not in REASSIGNABLE:
        raise not_allowed(visit)


def _check_id_free(session: Session, actor: Actor, visit_id: UUID | None) -> None:
    used = select(Visit.id).where(Visit.tenant_id == actor.tenant_id, Visit.id == visit_id)
    if visit_id is not None and session.scalar(used) is not None:
        raise IdTaken


def _check_plan(session: Session, actor: Actor, visit: Visit) -> None:
    _check_order(visit)
    check_place(session, actor, visit.account_id, site_id=visit.site_id, contact_id=visit.contact_id)


def _check_order(visit: Visit) -> None:
    if visit.planned_end is not None and visit.planned_end < visit.planned_start:
        raise VisitEndsBeforeStart


def _refuse_position(values: Mapping[str, Any]) -> None:
    for field in POSITION:
        if values.get(field):
            raise FieldNotEditable(field=field)


def _position(values: Mapping[str, Any], at: datetime) -> Fix | None:
    location = values.get("checked_in_location")
    if location is None:
        return None
    return fix_at(
        location,
        at,
        accuracy_m=values.get("checked_in_accuracy_m"),
        mock=values.get("checked_in_mock"),
    )


def _copy_of(task: VisitTask) -> VisitTask:
    return VisitTask(
        tenant_id=task.tenant_id, id=new_id(), **{field: getattr(task, field) for field in TASK_FIELDS}
    )
