"""Documents that ask for approval, and what stands approved of them."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.activity import service as activity
from app.approvals.models import ApprovalRequest, ApprovalStep
from app.approvals.service.documents import REGISTERED, Document, Grant, plain
from app.approvals.service.matching import matching_policies, plan_of, reasons_of, triggered_by
from app.approvals.service.routing import activate_next, active_step, asked_people
from app.approvals.states import ApprovalStatus, StepStatus
from app.core.ids import new_id
from app.core.scope import Actor
from app.identity import service as identity

NOTICE = "approval"
STANDING = (ApprovalStatus.PENDING, ApprovalStatus.APPROVED)


def request_approval(
    session: Session, actor: Actor, document: Document, *, now: datetime
) -> ApprovalRequest | None:
    """Ask those whom the policies name to agree to a document in its present state.

    An open request of the same document is superseded. Where everybody who would be asked agreed already in
    the same breath there is nobody to ask; the request is then approved at once, and its room is told.

    Args:
        session: Open session of the tenant, in which the document's row is locked; the caller commits.
        actor: Who hands it in; ``document.requester_id`` is whose request it is.
        document: What is asked about.
        now: Server time, aware UTC.

    Returns:
        The request, with its first step active; None when no active policy asks for anything.
    """
    _end(session, actor.tenant_id, document.kind, document.id, (ApprovalStatus.PENDING,), now=now)
    metrics = {str(name): value for name, value in document.metrics.items()}
    policies = matching_policies(session, actor.tenant_id, document.kind, metrics)
    plan = plan_of(policies)
    if not plan:
        return None
    request = ApprovalRequest(
        tenant_id=actor.tenant_id,
        id=new_id(),
        document_kind=document.kind,
        document_id=document.id,
        document_hash=document.hash,
        title=document.title,
        account_id=document.account_id,
        territory_id=document.territory_id,
        requester_id=document.requester_id,
        excluded=sorted(document.excluded),
        reasons=reasons_of(policies),
        snapshot=plain(document.snapshot),
        metrics=plain(metrics),
        triggered=triggered_by(policies, metrics),
        plan=plan,
        level=1,
        levels=plan[-1]["level"],
        status=ApprovalStatus.PENDING,
        requested_at=now,
    )
    request.steps = [
        ApprovalStep(
            tenant_id=actor.tenant_id,
            id=new_id(),
            position=position,
            level=entry["level"],
            status=StepStatus.WAITING,
        )
        for position, entry in enumerate(plan)
    ]
    session.add(request)
    go_on(session, request, now=now)
    return write(session, request)


def supersede(session: Session, kind: str, document_id: UUID, *, now: datetime) -> None:
    """End what stands for a document that changed, was reopened or called off: open requests and approvals.

    Args:
        session: Open session of the tenant, in which the document's row is locked; the caller commits.
        kind: Of the document.
        document_id: Of its record.
        now: Server time, aware UTC.
    """
    _end(session, None, kind, document_id, STANDING, now=now)


def granted(session: Session, kind: str, document_id: UUID, hash: str) -> Grant | None:
    """The newest approval of exactly this state of a document, unless it was superseded."""
    found = session.scalars(
        select(ApprovalRequest)
        .where(
            ApprovalRequest.document_kind == kind,
            ApprovalRequest.document_id == document_id,
            ApprovalRequest.document_hash == hash,
            ApprovalRequest.status == ApprovalStatus.APPROVED,
            ApprovalRequest.deleted_at.is_(None),
        )
        .order_by(ApprovalRequest.decided_at.desc(), ApprovalRequest.id.desc())
        .limit(1)
    ).one_or_none()
    if found is None or found.decided_at is None:
        return None
    return Grant(found.id, {name: Decimal(value) for name, value in found.metrics.items()}, found.decided_at)


def find_open(session: Session, kind: str, document_id: UUID) -> ApprovalRequest | None:
    """The pending request of a document."""
    return session.scalars(
        select(ApprovalRequest).where(
            ApprovalRequest.document_kind == kind,
            ApprovalRequest.document_id == document_id,
            ApprovalRequest.status == ApprovalStatus.PENDING,
        )
    ).one_or_none()


def go_on(session: Session, request: ApprovalRequest, *, now: datetime) -> None:
    """Ask the next one, or approve when nobody is left; tell whom it concerns."""
    step = activate_next(session, request, now=now)
    session.flush()
    if step is None:
        finish(session, request, ApprovalStatus.APPROVED, now=now)
    else:
        tell_asked(session, request, step, now=now)


def finish(session: Session, request: ApprovalRequest, status: ApprovalStatus, *, now: datetime) -> None:
    """Close a request: nobody is asked any more, its room and its requester are told."""
    _close(request, status, now=now)
    session.flush()
    decided = REGISTERED.decided.get(request.document_kind)
    if decided is not None:
        decided(session, request, str(status), now)
    if status is not ApprovalStatus.WITHDRAWN:
        _tell(session, request, [request.requester_id], f"approval.notice_{status}", now=now)


def tell_asked(session: Session, request: ApprovalRequest, step: ApprovalStep, *, now: datetime) -> None:
    """Tell who is asked and who stands in for them; where nobody is, those who can do something about it."""
    asked = asked_people(session, request, step, now=now)
    if asked:
        request.alarmed_at = None
        _tell(session, request, asked, "approval.notice_asked", now=now)
    elif request.alarmed_at is None:
        alarm(session, request, now=now)


def alarm(session: Session, request: ApprovalRequest, *, now: datetime) -> None:
    """Tell the requester and all administrators that nobody answers a request; the caller says how often."""
    request.alarmed_at = now
    everybody = [request.requester_id, *identity.admin_ids(session, request.tenant_id)]
    _tell(session, request, everybody, "approval.notice_stuck", now=now)


def write(session: Session, request: ApprovalRequest) -> ApprovalRequest:
    """Flush the request with its steps and read back what the triggers made of it."""
    session.flush()
    session.refresh(request)
    return request


def _end(
    session: Session,
    tenant_id: UUID | None,
    kind: str,
    document_id: UUID,
    standing: Collection[ApprovalStatus],
    *,
    now: datetime,
) -> None:
    statement = (
        select(ApprovalRequest)
        .where(
            ApprovalRequest.document_kind == kind,
            ApprovalRequest.document_id == document_id,
            ApprovalRequest.status.in_(standing),
        )
        .order_by(ApprovalRequest.id)
        .with_for_update(of=ApprovalRequest)
        .execution_options(populate_existing=True)
    )
    if tenant_id is not None:
        statement = statement.where(ApprovalRequest.tenant_id == tenant_id)
    for request in session.scalars(statement):
        step = active_step(request)
        asked = asked_people(session, request, step, now=now) if step else []
        _close(request, ApprovalStatus.SUPERSEDED, now=now)
        session.flush()
        _tell(session, request, asked, "approval.notice_superseded", now=now)


def _close(request: ApprovalRequest, status: ApprovalStatus, *, now: datetime) -> None:
    request.status, request.decided_at = status, now
    for step in request.steps:
        if step.status in (StepStatus.WAITING, StepStatus.ACTIVE):
            step.status, step.decided_at = StepStatus.SKIPPED, now


def _tell(
    session: Session, request: ApprovalRequest, user_ids: Collection[UUID], code: str, *, now: datetime
) -> None:
    activity.notify(
        session,
        user_ids,
        NOTICE,
        title_code=code,
        values={"title": request.title, "document": request.document_kind},
        entity="approval",
        record_id=request.id,
        now=now,
    )
