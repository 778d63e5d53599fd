"""What search asks of articles beside what the index holds of them."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, literal, or_, select
from sqlalchemy.orm import Session, aliased

from app.core.scope import Actor
from app.knowledge.models import ArticleVersion
from app.knowledge.service.indexing import search_visible
from app.knowledge.states.articles import VersionStatus
from app.textindex.service import Visible


def search_visible_in(actor: Actor, language: str | None) -> Visible:
    """What an actor finds; with *language*, of an article that is out in it those words alone."""
    visible = search_visible(actor)
    if language is None:
        return visible
    return Visible(
        lambda version_id: and_(visible.condition(version_id), _is_in(actor, version_id, language)),
        visible.buckets,
    )


def versions_of_articles(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> list[UUID]:
    """The versions of some articles, whatever their state."""
    statement = select(ArticleVersion.id).where(
        ArticleVersion.tenant_id == tenant_id, ArticleVersion.article_id.in_(ids)
    )
    return list(session.scalars(statement))


def _is_in(actor: Actor, version_id: Any, language: str) -> ColumnElement[bool]:
    this, other = aliased(ArticleVersion), aliased(ArticleVersion)
    elsewhere = exists(
        select(literal(1)).where(
            other.tenant_id == this.tenant_id,
            other.article_id == this.article_id,
            other.language == language,
            other.status == VersionStatus.PUBLISHED,
            other.deleted_at.is_(None),
        )
    )
    return exists(
        select(literal(1)).where(
            this.tenant_id == actor.tenant_id,
            this.id == version_id,
            or_(this.language == language, ~elsewhere),
        )
    )
