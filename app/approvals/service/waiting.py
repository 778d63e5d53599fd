"""Steps that cannot stay as they are: whose time is up, or whose approver cannot answer any more."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.approvals import queries
from app.approvals.models import ApprovalRequest, ApprovalStep
from app.approvals.service.asking import alarm, tell_asked
from app.approvals.service.routing import (
    Routed,
    active_step,
    ask_instead,
    due_at,
    is_available,
    never_asked,
    route,
)
from app.approvals.states import ApprovalStatus, StepStatus
from app.identity import service as identity


def list_to_move(session: Session, tenant_id: UUID, *, now: datetime) -> Sequence[UUID]:
    """Pending requests to be looked at by ``move_on``, the longest due first."""
    day = identity.tenant_day(session, tenant_id, now)
    return queries.ids_of(session, queries.TO_MOVE, tenant_id, now=now, day=day)


def move_on(session: Session, tenant_id: UUID, request_id: UUID, *, now: datetime) -> bool:
    """Ask somebody else where who is asked does not, or cannot, answer.

    Who was dismissed, or is on leave without anybody who stands in, is passed over at once; whose time ran out
    after it did. Where there is nobody else the request stays, and the requester and the administrators are told.
    Safe to repeat: a request that somebody is just deciding on waits for the next run.

    Args:
        session: Open session of the tenant; the caller commits.
        tenant_id: Whose request.
        request_id: One of ``list_to_move``.
        now: Server time, aware UTC.

    Returns:
        Whether anything changed.
    """
    request = session.scalars(
        select(ApprovalRequest)
        .where(
            ApprovalRequest.tenant_id == tenant_id,
            ApprovalRequest.id == request_id,
            ApprovalRequest.status == ApprovalStatus.PENDING,
        )
        .with_for_update(of=ApprovalRequest, skip_locked=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    step = active_step(request) if request is not None else None
    if request is None or step is None:
        return False
    if step.assignee_id is None:
        return _find_somebody(session, request, step, now=now)
    is_due = step.due_at is not None and step.due_at <= now
    if _can_answer(session, request, step.assignee_id, now=now):
        return is_due and _escalate(session, request, step, now=now)
    routed = route(session, request, step, now=now)
    if routed.user_id == step.assignee_id:
        return is_due and _wait_again(session, request, step, now=now)
    _move(session, request, step, StepStatus.SKIPPED, routed, now=now)
    return True


def _find_somebody(session: Session, request: ApprovalRequest, step: ApprovalStep, *, now: datetime) -> bool:
    routed = route(session, request, step, now=now)
    if routed.user_id is None:
        return False
    ask_instead(session, request, step, routed, now=now)
    session.flush()
    tell_asked(session, request, step, now=now)
    return True


def _escalate(session: Session, request: ApprovalRequest, step: ApprovalStep, *, now: datetime) -> bool:
    routed = route(session, request, step, now=now, after=step.assignee_id)
    if routed.user_id is None:
        return _wait_again(session, request, step, now=now)
    _move(session, request, step, StepStatus.EXPIRED, routed, now=now)
    return True


def _move(
    session: Session,
    request: ApprovalRequest,
    step: ApprovalStep,
    outcome: StepStatus,
    routed: Routed,
    *,
    now: datetime,
) -> None:
    step.status = outcome
    routed = Routed(routed.user_id, step.assignee_id)
    successor = ask_instead(session, request, step, routed, now=now)
    session.flush()
    tell_asked(session, request, successor, now=now)


def _wait_again(session: Session, request: ApprovalRequest, step: ApprovalStep, *, now: datetime) -> bool:
    """Nobody is left to be asked: the same time again, and an alarm."""
    step.due_at = due_at(session, request, step, now=now)
    alarm(session, request, now=now)
    session.flush()
    return True


def _can_answer(session: Session, request: ApprovalRequest, user_id: UUID, *, now: datetime) -> bool:
    day = identity.tenant_day(session, request.tenant_id, now)
    standing = queries.standings(session, request.tenant_id, [user_id], day).get(user_id)
    return is_available(standing, user_id, never_asked(request))
