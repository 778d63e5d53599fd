"""On the road and on site: travel, check-in, check-out, completion."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.core.geo import Fix, GeoVerdict, fix_at, is_suspect, verdict_of
from app.core.masking import mask_fields
from app.core.scope import Actor
from app.visits import queries
from app.visits.models import Visit
from app.visits.service.arrivals import tell_arrival
from app.visits.service.errors import VisitTasksOpen
from app.visits.service.records import FREE_TEXT, check_step, get_own_visit, take_step, write
from app.visits.states import VisitStatus


def start_travel(
    session: Session,
    actor: Actor,
    visit_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Visit:
    """Set out. One who did so before the clock called the visit missed has not missed it."""
    visit = get_own_visit(session, actor, visit_id)
    overtaken = visit.status is VisitStatus.MISSED
    take_step(visit, "start_travel", status)
    visit.late = visit.late or overtaken
    return write(session, visit)


def check_in(
    session: Session,
    actor: Actor,
    visit_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Visit:
    """Arrive.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: The assignee, or the office in their place.
        visit_id: Of the scope.
        args: ``location`` (``lat``, ``lon``, ``accuracy_m``, ``mock``) or None, and ``geo_reason``,
            which positions far away or in doubt ask for and never wait for.
        at: When it happened, aware UTC.
        now: Server time, aware UTC.
        status: The state to judge from when ``missed`` gives way; the visit is then ``late``.

    Raises:
        NotFound, VisitNotYours, VisitReassigned: Not the actor's visit.
        TransitionNotAllowed: It is neither planned nor on the way.
    """
    visit = get_own_visit(session, actor, visit_id)
    overtaken = visit.status is VisitStatus.MISSED
    take_step(visit, "check_in", status)
    visit.late = visit.late or overtaken
    _give_reason(visit, args)
    arrive(session, actor, visit, fix_of(args, at), at=at)
    write(session, visit)
    tell_arrival(session, actor, visit, now=now)
    return visit


def arrive(session: Session, actor: Actor, visit: Visit, fix: Fix | None, *, at: datetime) -> None:
    """Note when and where the assignee arrived, and how well it fits the place."""
    with session.no_autoflush:  # one step is one change in the ledger
        place = queries.find_place(session, visit)
        previous = queries.find_last_fix(session, visit, at)
    verdict, away_m = verdict_of(place, fix, previous)
    visit.checked_in_at = at
    visit.geo_verdict = verdict
    visit.distance_m = None if away_m is None else round(away_m)
    if fix is not None:
        visit.checked_in_location = [fix.lat, fix.lon]
        visit.checked_in_accuracy_m = math.ceil(fix.accuracy_m)
        visit.checked_in_mock = fix.mock
    accounts.note_visit(session, actor, visit.account_id, at=at)


def check_out(
    session: Session,
    actor: Actor,
    visit_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Visit:
    """Leave. A doubtful position at the end makes the visit's verdict ``suspect``; none makes it better.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: The assignee, or the office in their place.
        visit_id: Of the scope.
        args: ``location`` and ``geo_reason`` as for ``check_in``.
        at: When it happened, aware UTC.
        now: Server time, aware UTC.
        status: See ``take_step``.

    Raises:
        TransitionNotAllowed: Nobody is checked in.
    """
    visit = get_own_visit(session, actor, visit_id)
    take_step(visit, "check_out", status)
    _give_reason(visit, args)
    visit.checked_out_at = at
    visit.duration_min = _minutes(visit.checked_in_at, at)
    fix = fix_of(args, at)
    if fix is not None:
        visit.checked_out_location = [fix.lat, fix.lon]
        if is_suspect(fix, _arrival_fix(visit)):
            visit.geo_verdict = GeoVerdict.SUSPECT
    return write(session, visit)


def complete(
    session: Session,
    actor: Actor,
    visit_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Visit:
    """Hand the report in.

    Raises:
        TransitionNotAllowed: Nobody has checked out yet, or it is handed in already.
        VisitTasksOpen: Required tasks are not done. ``details``: ``tasks``.
    """
    visit = get_own_visit(session, actor, visit_id)
    check_step(visit, "complete", status)
    if still_open := [str(task.id) for task in visit.tasks if task.required and not task.done]:
        raise VisitTasksOpen(tasks=still_open)
    take_step(visit, "complete", status)
    return write(session, visit)


def fix_of(args: Mapping[str, Any], at: datetime) -> Fix | None:
    """The position that a command brought, or None.

    Positions enter the system here and in ``create_visit`` alone, at check-in and check-out of a
    person's own work. Consent per employee and the pause switch belong here once they are recorded:
    who has not consented has no fix, and the verdict is ``no_fix``.
    """
    location = args.get("location")
    if location is None or location["lat"] == location["lon"] == 0:  # what a phone without a fix says
        return None
    return fix_at(
        (location["lat"], location["lon"]),
        at,
        accuracy_m=location.get("accuracy_m"),
        mock=location.get("mock"),
    )


def _give_reason(visit: Visit, args: Mapping[str, Any]) -> None:
    if args.get("geo_reason"):
        visit.geo_reason = mask_fields({"geo_reason": args["geo_reason"]}, FREE_TEXT)[0]["geo_reason"]


def _arrival_fix(visit: Visit) -> Fix | None:
    if visit.checked_in_location is None or visit.checked_in_at is None:
        return None
    return fix_at(visit.checked_in_location, visit.checked_in_at, accuracy_m=visit.checked_in_accuracy_m)


def _minutes(start: datetime | None, end: datetime) -> int | None:
    return None if start is None else max(0, int((end - start).total_seconds() // 60))
