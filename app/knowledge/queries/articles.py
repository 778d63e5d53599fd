"""Who sees which article: the one definition that lists, search, suggestions and counts share."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, false, literal, or_, select, true

from app.core.scope import Actor
from app.knowledge.models import Article, ArticleReader, ArticleUse, ArticleVersion
from app.knowledge.states.articles import READABLE, VersionStatus

EDITOR = "knowledge_editor"


def is_editor(actor: Actor) -> bool:
    """Whether the actor keeps the articles, and so sees all of them, in whatever state."""
    return actor.scope.everything or EDITOR in actor.permissions


def is_for(actor: Actor, article_id: ColumnElement[UUID] | Any) -> ColumnElement[bool]:
    """Whether an article is for the actor: it goes to a bucket that their phones are given, in their class."""
    if not actor.scope.buckets:
        return false()
    return exists(
        select(literal(1)).where(
            ArticleReader.tenant_id == actor.tenant_id,
            ArticleReader.article_id == article_id,
            ArticleReader.bucket.in_(sorted(actor.scope.buckets)),
            ArticleReader.shape == actor.scope.shape,
        )
    )


def sees_article(actor: Actor, article_id: ColumnElement[UUID] | Any = Article.id) -> ColumnElement[bool]:
    """Whether the actor may know of an article, by its id: editors of all, others of what is for them."""
    return true() if is_editor(actor) else is_for(actor, article_id)


def has_published(article: Any = Article) -> ColumnElement[bool]:
    """Whether any words of the article are out."""
    return exists(
        select(literal(1)).where(
            ArticleVersion.tenant_id == article.tenant_id,
            ArticleVersion.article_id == article.id,
            ArticleVersion.status == VersionStatus.PUBLISHED,
            ArticleVersion.deleted_at.is_(None),
        )
    )


def is_of_live_article() -> ColumnElement[bool]:
    """Whether the article of a version was not deleted."""
    return exists(
        select(literal(1)).where(
            Article.tenant_id == ArticleVersion.tenant_id,
            Article.id == ArticleVersion.article_id,
            Article.deleted_at.is_(None),
        )
    )


def sees_version(actor: Actor) -> ColumnElement[bool]:
    """Whether the actor may read a version: of articles that are for them what is out or was, and what they used in
    a visit; editors, any.
    """
    if is_editor(actor):
        return true()
    used = exists(
        select(literal(1)).where(
            ArticleUse.tenant_id == ArticleVersion.tenant_id,
            ArticleUse.version_id == ArticleVersion.id,
            ArticleUse.user_id == actor.user_id,
        )
    )
    return and_(or_(ArticleVersion.status.in_(READABLE), used), is_for(actor, ArticleVersion.article_id))


def sees_published_version(actor: Actor) -> ColumnElement[bool]:
    """Whether a version is out and its article is for the actor: what search finds."""
    return and_(
        ArticleVersion.status == VersionStatus.PUBLISHED,
        ArticleVersion.deleted_at.is_(None),
        or_(literal(is_editor(actor)), is_for(actor, ArticleVersion.article_id)),
    )


def finds_version(actor: Actor, version_id: ColumnElement[UUID] | Any) -> ColumnElement[bool]:
    """Whether the version of an id is one that the actor may find."""
    return exists(
        select(literal(1)).where(
            ArticleVersion.tenant_id == actor.tenant_id,
            ArticleVersion.id == version_id,
            sees_published_version(actor),
        )
    )
