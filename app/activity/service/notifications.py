"""What people are told, and that they read it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.activity import queries
from app.activity.models import Notification
from app.core.errors import NotFound
from app.core.ids import new_id
from app.core.messages import text_of
from app.core.scope import Actor


def notify(
    session: Session,
    user_ids: Collection[UUID],
    kind: str,
    *,
    title_code: str,
    values: Mapping[str, Any],
    entity: str,
    record_id: UUID,
    now: datetime,
) -> None:
    """Tell people something, once each; who has left is not told.

    Args:
        session: Open session of the tenant; the caller commits.
        user_ids: Whom.
        kind: What it is about, as ``approval``.
        title_code: Of the sentence in ``app.core.messages``; rendered in both languages now, so that what was
            told stays what was told.
        values: JSON that fills the sentence; nothing that one of these people may not know.
        entity: Of the record to look at.
        record_id: Of it.
        now: Server time, aware UTC.
    """
    for tenant_id, user_id in queries.active_people(session, user_ids):
        session.add(
            Notification(
                tenant_id=tenant_id,
                id=new_id(),
                user_id=user_id,
                kind=kind,
                title_code=title_code,
                details=dict(values),
                title_ko=text_of(title_code, "ko", values),
                title_en=text_of(title_code, "en", values),
                entity=entity,
                record_id=record_id,
                notified_at=now,
            )
        )
    session.flush()


def list_notifications(session: Session, actor: Actor, *, unread: bool | None = None) -> Select[Notification]:
    """What the actor was told; of everybody nobody sees but their own.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        unread: Only those not read yet, or only the others.
    """
    statement = select(Notification).where(
        Notification.tenant_id == actor.tenant_id,
        Notification.user_id == actor.user_id,
        Notification.deleted_at.is_(None),
    )
    return statement if unread is None else statement.where(Notification.read_at.is_(None).is_(unread))


def get_notification(
    session: Session, actor: Actor, notification_id: UUID, *, lock: bool = False
) -> Notification:
    """One of ``list_notifications``.

    Raises:
        NotFound: The actor was told no such thing.
    """
    statement = list_notifications(session, actor).where(Notification.id == notification_id)
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def mark_read(
    session: Session,
    actor: Actor,
    notification_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Notification:
    """Note that the actor read it; the first time counts.

    Raises:
        NotFound: The actor was told no such thing.
    """
    found = get_notification(session, actor, notification_id, lock=True)
    if found.read_at is None:
        found.read_at = min(at, now)
        session.flush()
    return found
