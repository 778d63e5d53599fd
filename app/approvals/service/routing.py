"""Who is asked next: found anew at each step, so that a request never waits for somebody who cannot answer."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.approvals import queries
from app.approvals.models import ApprovalRequest, ApprovalStep, CompanyHoliday
from app.approvals.queries import Standing
from app.approvals.states import ApprovalStatus, StepStatus
from app.core.calendar import BusinessCalendar
from app.core.ids import new_id
from app.identity import service as identity

DEFAULT_HOURS: Final = 9


@dataclass(frozen=True, slots=True)
class Routed:
    """Who is asked: nobody when there is nobody at all; and whose turn it would have been before them."""

    user_id: UUID | None
    instead_of: UUID | None = None


def activate_next(session: Session, request: ApprovalRequest, *, now: datetime) -> ApprovalStep | None:
    """Ask the next one; who agreed already is not asked twice.

    Returns:
        The step that is active now; None when nobody is left to be asked, so that the request is approved.
    """
    while (step := _next_waiting(request)) is not None:
        request.level = step.level
        routed = route(session, request, step, now=now)
        if routed.user_id is not None and routed.user_id in _agreed(request):
            step.status, step.assignee_id, step.decided_at = StepStatus.SKIPPED, routed.user_id, now
            continue
        ask(session, request, step, routed, now=now)
        return step
    return None


def ask(
    session: Session, request: ApprovalRequest, step: ApprovalStep, routed: Routed, *, now: datetime
) -> None:
    """Make a step wait for somebody, and its time run; without anybody no time runs."""
    step.status = StepStatus.ACTIVE
    step.assignee_id = routed.user_id
    step.delegated_from = routed.instead_of
    step.active_at = now
    step.due_at = None if routed.user_id is None else due_at(session, request, step, now=now)


def ask_instead(
    session: Session, request: ApprovalRequest, step: ApprovalStep, routed: Routed, *, now: datetime
) -> ApprovalStep:
    """End an active step and ask somebody else for it; the caller has set what became of *step*.

    A step of nobody is no history: it is taken up again as it is.
    """
    if step.assignee_id is None:
        ask(session, request, step, routed, now=now)
        return step
    step.decided_at = now
    successor = ApprovalStep(
        tenant_id=step.tenant_id,
        id=new_id(),
        request_id=request.id,
        position=step.position,
        level=step.level,
    )
    session.flush()  # at most one step is active, at every moment
    ask(session, request, successor, routed, now=now)
    request.steps.append(successor)
    return successor


def route(
    session: Session,
    request: ApprovalRequest,
    step: ApprovalStep,
    *,
    now: datetime,
    after: UUID | None = None,
) -> Routed:
    """Find who is asked.

    Those of the plan come first, then their managers, then any administrator. The first of them is taken who is
    active, not the requester, and here today, or has somebody here who stands in and is not the requester. If
    there is none, any administrator but the requester is, on leave or not.

    Args:
        session: Open session of the tenant.
        request: Whose requester is never asked.
        step: Which entry of the plan.
        now: Server time, aware UTC; leave and delegations count by the tenant's day.
        after: Whose time ran out: their managers come first, and nobody whose time ran out before is found.
    """
    day = identity.tenant_day(session, request.tenant_id, now)
    wanted = _candidates(session, request, request.plan[step.position], day)
    above = _chain(session, request, after) if after else []
    admins = queries.ids_of(session, queries.ADMINS, request.tenant_id)
    never = never_asked(request)
    order = [one for one in dict.fromkeys([*above, *wanted, *admins]) if one not in never]
    known = queries.standings(session, request.tenant_id, order, day)
    order = [one for one in order if one in known]
    had_time = {other.assignee_id for other in request.steps if _ran_out(other, step)} | {after}
    here = [one for one in order if is_available(known[one], one, never)]
    last = [one for one in order if one in admins]
    # Who let it lie is asked again, and an administrator on leave, only where it would lie with nobody else.
    for choice in [here] if after else [here, last]:
        found = _first(choice, had_time) or (None if after else _first(choice, frozenset()))
        if found is not None:
            return Routed(found, after or (order[0] if order[0] != found else None))
    return Routed(None, after)


def _first(people: Sequence[UUID], excluded: Collection[UUID | None]) -> UUID | None:
    return next((one for one in people if one not in excluded), None)


def never_asked(request: ApprovalRequest) -> frozenset[UUID]:
    """Who never decides on a request, neither in their own name nor in another's."""
    return frozenset({request.requester_id, *request.excluded})


def is_available(standing: Standing | None, user_id: UUID, never: frozenset[UUID]) -> bool:
    """Whether somebody can be asked: none of *never*, nor where only one of them stands in."""
    if standing is None or not standing.is_fit or user_id in never:
        return False
    return not standing.is_absent or any(one not in never for one in standing.delegates)


def asked_people(
    session: Session, request: ApprovalRequest, step: ApprovalStep, *, now: datetime
) -> list[UUID]:
    """The assignee of a step, and who may decide in their name today."""
    if step.assignee_id is None:
        return []
    day = identity.tenant_day(session, request.tenant_id, now)
    known = queries.standings(session, request.tenant_id, [step.assignee_id], day)
    delegates = known[step.assignee_id].delegates if step.assignee_id in known else ()
    return [step.assignee_id, *(one for one in delegates if one not in never_asked(request))]


def due_at(session: Session, request: ApprovalRequest, step: ApprovalStep, *, now: datetime) -> datetime:
    """When the time of a step that begins now has run out."""
    hours = int(request.plan[step.position].get("escalate_after_h", DEFAULT_HOURS))
    return calendar_of(session, request.tenant_id, now=now).after(now, hours)


def calendar_of(session: Session, tenant_id: UUID, *, now: datetime) -> BusinessCalendar:
    """The company's business hours, with its own holidays from today on."""
    today = identity.tenant_day(session, tenant_id, now)
    closed = session.scalars(
        select(CompanyHoliday.day).where(
            CompanyHoliday.tenant_id == tenant_id,
            CompanyHoliday.deleted_at.is_(None),
            CompanyHoliday.day >= today,
        )
    )
    return BusinessCalendar(identity.get_tenant(session, tenant_id).time_zone, frozenset(closed))


def active_step(request: ApprovalRequest) -> ApprovalStep | None:
    """The one step that waits for an answer."""
    if request.status is not ApprovalStatus.PENDING:
        return None
    return next((step for step in request.steps if step.status is StepStatus.ACTIVE), None)


def _next_waiting(request: ApprovalRequest) -> ApprovalStep | None:
    waiting = (step for step in request.steps if step.status is StepStatus.WAITING)
    return min(waiting, key=lambda step: step.position, default=None)


def _agreed(request: ApprovalRequest) -> Collection[UUID | None]:
    return {step.assignee_id for step in request.steps if step.status is StepStatus.APPROVED}


def _ran_out(other: ApprovalStep, step: ApprovalStep) -> bool:
    return other.position == step.position and other.status is StepStatus.EXPIRED


def _chain(session: Session, request: ApprovalRequest, user_id: UUID) -> Sequence[UUID]:
    return queries.ids_of(session, queries.CHAIN, request.tenant_id, user=user_id)


def _candidates(
    session: Session, request: ApprovalRequest, entry: Mapping[str, Any], day: date
) -> Iterable[UUID]:
    """Those whom one entry of the plan names, nearest first, then the requester's managers."""
    line = _chain(session, request, request.requester_id)
    match entry["approver"]:
        case "manager":
            return line[int(entry["height"]) - 1 :]
        case "role":
            found = queries.ids_of(
                session, queries.OF_ROLE, request.tenant_id, user=request.requester_id, role=entry["role"]
            )
        case "territory" if request.territory_id is not None:
            found = queries.ids_of(
                session, queries.OF_TERRITORY, request.tenant_id, territory=request.territory_id, day=day
            )
        case "user":
            named = UUID(entry["user_id"])
            return [named, *_chain(session, request, named)]
        case _:
            found = []
    return [*found, *line]
