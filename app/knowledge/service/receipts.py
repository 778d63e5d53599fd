"""Notices that have to be read before the next visit: who has read them, and who has not."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Subquery, case, func, null, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.activity import service as activity
from app.core.errors import Forbidden
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.identity import service as identity
from app.knowledge.models import ArticleReceipt, ArticleVersion
from app.knowledge.queries import articles as queries
from app.knowledge.queries import receipts as receipt_queries
from app.knowledge.service.records import get_version
from app.visits import service as visits


def acknowledge(
    session: Session,
    actor: Actor,
    version_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> ArticleVersion:
    """Note that the actor read it; the first time counts, and a later version has to be read again.

    Raises:
        NotFound: No such version in the scope, or never out.
    """
    version = get_version(session, actor, version_id)
    session.execute(
        insert(ArticleReceipt)
        .values(
            tenant_id=actor.tenant_id,
            id=new_id(),
            article_id=version.article_id,
            version_id=version.id,
            user_id=actor.user_id,
            acknowledged_at=min(at, now),
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "version_id", "user_id"])
    )
    return version


def list_receipts(session: Session, actor: Actor) -> Select[ArticleReceipt]:
    """What the actor has acknowledged."""
    return select(ArticleReceipt).where(
        ArticleReceipt.tenant_id == actor.tenant_id,
        ArticleReceipt.user_id == actor.user_id,
        ArticleReceipt.deleted_at.is_(None),
    )


def list_unread(session: Session, actor: Actor, *, now: datetime) -> Subquery:
    """Who has not acknowledged which notice: for editors of everybody, for managers of their team.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        now: Server time, aware UTC.

    Returns:
        ``id`` (of the pair), ``user_id, user_name, since, article_id, slug``; the last two are null where the notice
        is not for the manager who asks.

    Raises:
        Forbidden: The actor is neither.
    """
    if queries.is_editor(actor):
        return receipt_queries.unread(actor.tenant_id, now).subquery()
    if actor.role is not Role.MANAGER:
        raise Forbidden
    team = identity.reports_to(actor, receipt_queries.people.c.id)
    found = receipt_queries.unread(actor.tenant_id, now, team).subquery()
    is_told = queries.is_for(actor, found.c.article_id)
    return select(
        found.c.id,
        found.c.user_id,
        found.c.user_name,
        found.c.since,
        case((is_told, found.c.article_id), else_=null()).label("article_id"),
        case((is_told, found.c.slug), else_=null()).label("slug"),
    ).subquery()


def note_arrival(session: Session, actor: Actor, visit: Any, now: datetime) -> None:
    """Tell the manager of somebody who began a visit without having read what they had to.

    The visit goes on: who stands at the customer's door cannot be sent home by a phone.
    """
    people = receipt_queries.people.c
    waiting = receipt_queries.unread(
        actor.tenant_id, visit.checked_in_at, people.id == visit.assignee_id
    ).subquery()
    count, name = session.execute(
        select(func.count(), func.max(waiting.c.user_name)).select_from(waiting)
    ).one()
    if not count:
        return
    manager_id = session.scalar(
        select(people.manager_id).where(people.tenant_id == actor.tenant_id, people.id == visit.assignee_id)
    )
    told = [manager_id] if manager_id else identity.admin_ids(session, actor.tenant_id)
    activity.notify(
        session,
        told,
        "knowledge",
        title_code="knowledge.notice_unread",
        values={"name": name, "count": count},
        entity="visit",
        record_id=visit.id,
        now=now,
    )


visits.on_arrival(note_arrival)
