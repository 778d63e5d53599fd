"""Decisions on requests: by who is asked or stands in for them, on the state of the document that they saw."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.approvals import queries
from app.approvals.models import ApprovalRequest, ApprovalStep
from app.approvals.service.asking import finish, go_on, tell_asked, write
from app.approvals.service.differences import differences
from app.approvals.service.documents import REGISTERED
from app.approvals.service.errors import (
    ApprovalMovedOn,
    ApprovalNotYours,
    ApprovalOwn,
    ApproverUnfit,
    DocumentChanged,
)
from app.approvals.service.requests import get_request
from app.approvals.service.routing import Routed, active_step, ask_instead, is_available, never_asked
from app.approvals.states import ApprovalStatus, StepStatus
from app.core.errors import TransitionNotAllowed
from app.core.masking import mask_fields
from app.core.scope import Actor, Role
from app.identity import service as identity

# How a step ends without a decision of its own.
MOVED: Final = (StepStatus.EXPIRED, StepStatus.SKIPPED, StepStatus.DELEGATED)


def approve(
    session: Session,
    actor: Actor,
    request_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> ApprovalRequest:
    """Agree; the next one is asked, and after the last the document is approved.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Who is asked, or stands in for them today.
        request_id: A pending request.
        args: ``document_hash`` of what was decided on; optional ``comment``, and ``step_id`` of the step.
        at: When it was decided, aware UTC.
        now: Server time, aware UTC; who may decide is judged by it.
        status: Unused; all commands take it.

    Raises:
        NotFound: Neither asked nor the requester.
        ApprovalOwn: It is the actor's own request.
        DocumentChanged: The document is in another state by now.
        TransitionNotAllowed: It was decided already, or the step was.
        ApprovalMovedOn: It went to somebody else.
        ApprovalNotYours: Somebody else is asked.
    """
    request, step = _decided_on(session, actor, request_id, args, now=now)
    _note(step, actor, StepStatus.APPROVED, args, at=at, now=now)
    session.flush()
    go_on(session, request, now=now)
    return write(session, request)


def reject(
    session: Session,
    actor: Actor,
    request_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> ApprovalRequest:
    """Refuse, with a ``comment``; nobody else is asked. Raises as ``approve``."""
    return _refuse(session, actor, request_id, args, "rejected", at=at, now=now)


def return_(
    session: Session,
    actor: Actor,
    request_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> ApprovalRequest:
    """Give it back to be changed, with a ``comment``; nobody else is asked. Raises as ``approve``."""
    return _refuse(session, actor, request_id, args, "returned", at=at, now=now)


def forward(
    session: Session,
    actor: Actor,
    request_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> ApprovalRequest:
    """Let somebody else of the office decide; who is asked does, and administrators, also where nobody is asked.

    Args:
        session, actor, request_id, at, now, status: As for ``approve``.
        args: ``to_user_id``; optional ``comment``, ``document_hash`` and ``step_id``.

    Raises:
        ReferenceNotFound: No such active person.
        ApproverUnfit: The requester, no manager or administrator, or on leave without anybody who stands in.
        Others: As for ``approve``.
    """
    request, step = _decided_on(session, actor, request_id, args, now=now, may_arrange=True)
    to_user_id = args["to_user_id"]
    target = identity.reference_user(session, actor, to_user_id, "to_user_id")
    day = identity.tenant_day(session, request.tenant_id, now)
    standing = queries.standings(session, request.tenant_id, [to_user_id], day).get(to_user_id)
    is_office = target.role in (Role.MANAGER, Role.ADMIN)
    is_another = to_user_id != step.assignee_id
    if not (is_office and is_another and is_available(standing, to_user_id, never_asked(request))):
        raise ApproverUnfit
    giver = step.assignee_id
    if giver is not None:
        _note(step, actor, StepStatus.DELEGATED, args, at=at, now=now)
    successor = ask_instead(session, request, step, Routed(to_user_id, giver), now=now)
    session.flush()
    tell_asked(session, request, successor, now=now)
    return write(session, request)


def withdraw(
    session: Session,
    actor: Actor,
    request_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> ApprovalRequest:
    """Take one's own request back while it is pending.

    Raises:
        NotFound: Neither asked nor the requester.
        TransitionNotAllowed: It was decided already.
        ApprovalNotYours: It is another person's request.
    """
    request = get_locked_request(session, actor, request_id)
    if request.status is not ApprovalStatus.PENDING:
        raise not_allowed(request)
    if request.requester_id != actor.user_id:
        raise ApprovalNotYours
    finish(session, request, ApprovalStatus.WITHDRAWN, now=now)
    return write(session, request)


def not_allowed(request: ApprovalRequest) -> TransitionNotAllowed:
    """The error of who comes second: they have nothing more to do with the request."""
    return TransitionNotAllowed(status=str(request.status), allowed=[])


def _refuse(
    session: Session,
    actor: Actor,
    request_id: UUID,
    args: Mapping[str, Any],
    status: str,
    *,
    at: datetime,
    now: datetime,
) -> ApprovalRequest:
    request, step = _decided_on(session, actor, request_id, args, now=now)
    _note(step, actor, StepStatus(status), args, at=at, now=now)
    finish(session, request, ApprovalStatus(status), now=now)
    return write(session, request)


def get_locked_request(session: Session, actor: Actor, request_id: UUID) -> ApprovalRequest:
    """The request of the scope, locked, after its document, which its room locks first when it asks.

    Raises:
        NotFound: No such request in the actor's scope.
    """
    seen = get_request(session, actor, request_id)
    lock = REGISTERED.locks.get(seen.document_kind)
    if lock is not None:
        lock(session, seen.document_id)
    return get_request(session, actor, request_id, lock=True)


def _decided_on(
    session: Session,
    actor: Actor,
    request_id: UUID,
    args: Mapping[str, Any],
    *,
    now: datetime,
    may_arrange: bool = False,
) -> tuple[ApprovalRequest, ApprovalStep]:
    """The locked request and its active step, if the actor may decide on it as they saw it."""
    request = get_locked_request(session, actor, request_id)
    if actor.user_id in never_asked(request):
        raise ApprovalOwn
    _check_document(session, request, args.get("document_hash"))
    step = active_step(request)
    if step is None:
        raise not_allowed(request)
    arranges = may_arrange and actor.role is Role.ADMIN
    if _may_decide(session, actor, step, now) or arranges:
        if args.get("step_id") not in (None, step.id):
            raise not_allowed(request)
        return request, step
    ended = [
        s
        for s in request.steps
        if s.decided_at is not None and (s.acted_by == actor.user_id or _may_decide(session, actor, s, now))
    ]
    if not ended:
        raise ApprovalNotYours
    if all(s.status in MOVED for s in ended):
        raise ApprovalMovedOn(assignee_id=None if step.assignee_id is None else str(step.assignee_id))
    raise not_allowed(request)


def _may_decide(session: Session, actor: Actor, step: ApprovalStep, now: datetime) -> bool:
    if step.assignee_id is None or actor.role not in queries.APPROVERS:
        return False
    if step.assignee_id == actor.user_id:
        return True
    return step.assignee_id in session.scalars(queries.stood_in_for(actor, now)).all()


def _check_document(session: Session, request: ApprovalRequest, decided_on: str | None) -> None:
    """Refuse what was decided on another state of the document; says what differs."""
    is_other = decided_on is not None and decided_on != request.document_hash
    if not is_other and request.status is not ApprovalStatus.SUPERSEDED:
        return
    of_document = select(ApprovalRequest).where(
        ApprovalRequest.tenant_id == request.tenant_id,
        ApprovalRequest.document_kind == request.document_kind,
        ApprovalRequest.document_id == request.document_id,
        ApprovalRequest.deleted_at.is_(None),
    )
    newest_first = of_document.order_by(ApprovalRequest.requested_at.desc(), ApprovalRequest.id.desc()).limit(
        1
    )
    newest = session.scalars(newest_first).one()
    seen = request
    if is_other:
        seen = (
            session.scalars(newest_first.where(ApprovalRequest.document_hash == decided_on)).one_or_none()
            or request
        )
    stands = newest.status is not ApprovalStatus.SUPERSEDED
    raise DocumentChanged(
        document_hash=newest.document_hash if stands else None,
        request_id=str(newest.id) if stands else None,
        changed=differences(seen.snapshot, newest.snapshot),
    )


def _note(
    step: ApprovalStep,
    actor: Actor,
    status: StepStatus,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
) -> None:
    step.status = status
    step.acted_by = actor.user_id
    if step.assignee_id != actor.user_id:
        step.delegated_from = step.assignee_id
    step.decided_at = max(min(at, now), step.active_at or now)
    step.comment = mask_fields(args, ("comment",))[0].get("comment")
