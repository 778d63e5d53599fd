"""The requests that somebody may see."""

from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.approvals import queries
from app.approvals.models import ApprovalRequest
from app.approvals.states import ApprovalStatus
from app.core.errors import NotFound
from app.core.scope import Actor


def list_requests(
    session: Session,
    actor: Actor,
    *,
    status: ApprovalStatus | None = None,
    document_kind: str | None = None,
    document_id: UUID | None = None,
    requester_id: UUID | None = None,
    to_decide: bool | None = None,
) -> Select[ApprovalRequest]:
    """The requests of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        status: In this state only.
        document_kind: Of such documents only.
        document_id: Of this document only.
        requester_id: Of this person only.
        to_decide: Only those that wait for the actor, or for somebody they stand in for; or only the others.
    """
    statement = queries.requests_of(actor)
    wanted = {
        ApprovalRequest.status: status,
        ApprovalRequest.document_kind: document_kind,
        ApprovalRequest.document_id: document_id,
        ApprovalRequest.requester_id: requester_id,
    }
    for found, value in wanted.items():
        if value is not None:
            statement = statement.where(found == value)
    if to_decide is not None:
        waits = queries.waits_for(actor)
        statement = statement.where(waits if to_decide else ~waits)
    return statement


def list_request_ids(session: Session, actor: Actor) -> Select[UUID]:
    """The ids of the requests of the scope, for conditions of other rooms."""
    return list_requests(session, actor).with_only_columns(ApprovalRequest.id)


def get_request(session: Session, actor: Actor, request_id: UUID, *, lock: bool = False) -> ApprovalRequest:
    """One request of the scope, with its steps.

    Raises:
        NotFound: No such request in the actor's scope.
    """
    statement = queries.requests_of(actor).where(ApprovalRequest.id == request_id)
    if lock:
        statement = statement.with_for_update(of=ApprovalRequest, key_share=True).execution_options(
            populate_existing=True
        )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found
