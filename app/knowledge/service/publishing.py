"""Words go out, now or when their day comes, and are taken back."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.core.scope import Actor
from app.identity import service as identity
from app.knowledge.models import Article, ArticleVersion
from app.knowledge.service import indexing
from app.knowledge.service.errors import KnowledgeInvalid, NewerPublished
from app.knowledge.service.records import (
    check_step,
    get_locked_version,
    lock_article,
    require_editor,
    take_step,
    write,
)
from app.knowledge.states.articles import VersionStatus


def publish(
    session: Session, actor: Actor, version_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> ArticleVersion:
    """Give approved words to their readers, in place of those that were out.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An editor.
        version_id: Of the scope.
        args: ``publish_at`` and ``withdraw_at``, or None. What is to go out later stays approved until then; so
            does what takes effect on a later day.
        now: Server time, aware UTC.

    Raises:
        NotFound, Forbidden: As they say.
        TransitionNotAllowed: It is not approved.
        NewerPublished: A later version is out.
        KnowledgeInvalid: It is past its last day, or would be withdrawn before it is out.
    """
    version = get_locked_version(session, actor, version_id)
    require_editor(actor)
    check_step(version, "publish")
    moment = max(now, args.get("publish_at") or now, _first_moment(session, version, now))
    withdraw_at = args.get("withdraw_at")
    if withdraw_at is not None and withdraw_at <= moment:
        raise KnowledgeInvalid(fields={"withdraw_at": "value_out_of_range"})
    _check_in_effect(session, version, moment)
    _check_newest(_published(session, version), version)
    version.withdraw_at = withdraw_at
    if moment > now:
        version.publish_at = moment
    else:
        _give_out(session, version, now)
    write(session, version)
    return version


def withdraw(
    session: Session, actor: Actor, version_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> ArticleVersion:
    """Take words back, now or at ``withdraw_at``; what was out before them does not come back.

    Raises:
        NotFound, Forbidden: As above.
        TransitionNotAllowed: It is neither approved nor published.
    """
    version = get_locked_version(session, actor, version_id)
    require_editor(actor)
    check_step(version, "withdraw")
    later = args.get("withdraw_at")
    if later is not None and later > now:
        version.withdraw_at = later
    else:
        _take_back(session, version, now)
    write(session, version)
    return version


def due_versions(session: Session, tenant_id: UUID, *, now: datetime, limit: int) -> list[UUID]:
    """Versions whose time to go out or to be withdrawn has come, in the order in which they are to be moved."""
    day = identity.tenant_day(session, tenant_id, now)
    going_out = ArticleVersion.status == VersionStatus.APPROVED, ArticleVersion.publish_at <= now
    going_back = (
        ArticleVersion.status == VersionStatus.PUBLISHED,
        or_(ArticleVersion.withdraw_at <= now, ArticleVersion.effective_to < day),
    )
    found: list[UUID] = []
    for conditions, order in (
        (going_out, (ArticleVersion.publish_at, ArticleVersion.n)),
        (going_back, (ArticleVersion.withdraw_at, ArticleVersion.id)),
    ):
        statement = select(ArticleVersion.id).where(
            ArticleVersion.tenant_id == tenant_id, ArticleVersion.deleted_at.is_(None), *conditions
        )
        found += session.scalars(statement.order_by(*order).limit(limit - len(found)))
    return found


def move_due_version(session: Session, tenant_id: UUID, version_id: UUID, *, now: datetime) -> bool:
    """Do to one version what its time asks for, if it still does once its article is held.

    An article that somebody works on waits for the next run.

    Returns:
        Whether the version moved.
    """
    version = session.get(ArticleVersion, (tenant_id, version_id))
    if version is None or lock_article(session, tenant_id, version.article_id, waits=False) is None:
        return False
    session.refresh(version)
    day = identity.tenant_day(session, tenant_id, now)
    is_over = _is_past(version.withdraw_at, now) or (
        version.effective_to is not None and version.effective_to < day
    )
    if version.status is VersionStatus.PUBLISHED and is_over:
        _take_back(session, version, now)
    elif version.status is VersionStatus.APPROVED and _is_past(version.publish_at, now):
        newer = _published(session, version)
        if is_over or (newer is not None and newer.n > version.n):
            _take_back(session, version, now)
        else:
            _give_out(session, version, now)
    else:
        return False
    session.flush()
    return True


def set_rating(
    session: Session, tenant_id: UUID, version_id: UUID, rating: int | None, *, now: datetime
) -> None:
    """Note what readers think of a version, 0 to 4; phones and search rank by it from then on."""
    version = session.get_one(ArticleVersion, (tenant_id, version_id))
    article = lock_article(session, tenant_id, version.article_id)
    session.refresh(version)
    if article is None or version.rating == rating:
        return
    version.rating = rating
    session.flush()
    if version.status is VersionStatus.PUBLISHED:
        indexing.note_changed(session, article, now=now)


def _give_out(session: Session, version: ArticleVersion, now: datetime) -> None:
    """Publish; the article is held. What was out is superseded first: no two are out at any moment."""
    article = session.get_one(Article, (version.tenant_id, version.article_id))
    before = _published(session, version)
    if before is not None:
        before.status = VersionStatus.SUPERSEDED
        session.flush()
        indexing.note_gone(session, before)
    version.status = VersionStatus.PUBLISHED
    version.published_at = now
    version.publish_at = None
    if article.review_every_days:
        article.next_review_on = _days_after(
            identity.tenant_day(session, version.tenant_id, now), article.review_every_days
        )
    indexing.note_published(session, article, version, now=now)


def _take_back(session: Session, version: ArticleVersion, now: datetime) -> None:
    was_out = version.status is VersionStatus.PUBLISHED
    take_step(version, "withdraw")
    version.publish_at = None
    session.flush()
    if was_out:
        indexing.note_gone(session, version)


def _published(session: Session, version: ArticleVersion) -> ArticleVersion | None:
    return session.scalars(
        select(ArticleVersion)
        .where(
            ArticleVersion.tenant_id == version.tenant_id,
            ArticleVersion.article_id == version.article_id,
            ArticleVersion.language == version.language,
            ArticleVersion.status == VersionStatus.PUBLISHED,
            ArticleVersion.deleted_at.is_(None),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()


def _check_newest(out: ArticleVersion | None, version: ArticleVersion) -> None:
    """An older text never replaces one that was written from it."""
    if out is not None and out.n > version.n:
        raise NewerPublished(n=out.n)


def _check_in_effect(session: Session, version: ArticleVersion, moment: datetime) -> None:
    day = identity.tenant_day(session, version.tenant_id, moment)
    if version.effective_to is not None and version.effective_to < day:
        raise KnowledgeInvalid(fields={"effective_to": "value_out_of_range"})


def _first_moment(session: Session, version: ArticleVersion, now: datetime) -> datetime:
    """Midnight of the company's day on which the words take effect."""
    if version.effective_from is None:
        return now
    zone = ZoneInfo(identity.get_tenant(session, version.tenant_id).time_zone)
    return datetime.combine(version.effective_from, time(), zone).astimezone(UTC)


def _is_past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


def _days_after(day: date, days: int) -> date:
    return date.fromordinal(day.toordinal() + days)
