"""A manager's look at what was handed in."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import Forbidden
from app.core.masking import mask_fields
from app.core.scope import Actor, Role
from app.visits.models import Visit
from app.visits.service.errors import VisitReviewOwn
from app.visits.service.records import FREE_TEXT, get_visit, take_step, write


def verify(
    session: Session,
    actor: Actor,
    visit_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Visit:
    """Accept a completed visit, with a note or without.

    Raises:
        Forbidden, VisitReviewOwn: Not the actor's to judge.
        TransitionNotAllowed: It is not completed, or was judged already.
    """
    return _review(session, actor, visit_id, "verify", args.get("note"), status)


def flag(
    session: Session,
    actor: Actor,
    visit_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Visit:
    """Call a completed visit doubtful, and say why; raises as ``verify``."""
    return _review(session, actor, visit_id, "flag", args["note"], status)


def _review(
    session: Session, actor: Actor, visit_id: UUID, command: str, note: str | None, status: str | None
) -> Visit:
    visit = get_visit(session, actor, visit_id, lock=True)
    if actor.role not in (Role.MANAGER, Role.ADMIN):
        raise Forbidden
    if visit.assignee_id == actor.user_id:
        raise VisitReviewOwn
    take_step(visit, command, status)
    visit.verified_by = actor.user_id
    visit.review_note = mask_fields({"review_note": note}, FREE_TEXT)[0]["review_note"]
    return write(session, visit)
