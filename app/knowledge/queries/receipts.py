"""Who has not read what they have to read."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    Text,
    Uuid,
    and_,
    case,
    cast,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    table,
)
from sqlalchemy.orm import aliased

from app.core.scope import SHAPE_OF_ROLE
from app.knowledge.models import Article, ArticleReader, ArticleReceipt, ArticleVersion
from app.knowledge.states.articles import VersionStatus

# A light table of another room: only the columns that say whom a notice is for.
people = table(
    "users",
    column("tenant_id", Uuid),
    column("id", Uuid),
    column("name", Text),
    column("role", Text),
    column("org_unit_id", Uuid),
    column("manager_id", Uuid),
    column("status", Text),
    column("deleted_at", DateTime(timezone=True)),
)
_CLASS = case({str(role): str(shape) for role, shape in SHAPE_OF_ROLE.items()}, value=people.c.role)


def unread(tenant_id: UUID, before: datetime, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Pairs of a person and a notice that is for their role or their own unit, and that they have not acknowledged.

    What a manager sees because it is for a unit below theirs, they need not read themselves. Any language will do.

    Args:
        tenant_id: Of the company.
        before: Only notices that were out by then.
        conditions: On ``people``.

    Returns:
        A statement of ``id`` (of the pair), ``user_id, user_name, article_id, slug, since``.
    """
    read = aliased(ArticleVersion)
    is_theirs = exists(
        select(literal(1)).where(
            ArticleReader.tenant_id == tenant_id,
            ArticleReader.article_id == Article.id,
            ArticleReader.shape == _CLASS,
            or_(
                ArticleReader.bucket == func.concat("audience:", people.c.role),
                ArticleReader.bucket == func.concat("unit:", people.c.org_unit_id),
            ),
        )
    )
    is_read = exists(
        select(literal(1))
        .select_from(ArticleReceipt)
        .join(read, and_(read.tenant_id == ArticleReceipt.tenant_id, read.id == ArticleReceipt.version_id))
        .where(
            ArticleReceipt.tenant_id == tenant_id,
            ArticleReceipt.article_id == Article.id,
            ArticleReceipt.user_id == people.c.id,
            read.status == VersionStatus.PUBLISHED,
        )
    )
    return (
        select(
            cast(func.md5(func.concat(people.c.id, Article.id)), Uuid).label("id"),
            people.c.id.label("user_id"),
            people.c.name.label("user_name"),
            Article.id.label("article_id"),
            Article.slug,
            func.min(ArticleVersion.published_at).label("since"),
        )
        .select_from(Article)
        .join(
            ArticleVersion,
            and_(ArticleVersion.tenant_id == Article.tenant_id, ArticleVersion.article_id == Article.id),
        )
        .join(people, people.c.tenant_id == Article.tenant_id)
        .where(
            Article.tenant_id == tenant_id,
            Article.must_read,
            Article.deleted_at.is_(None),
            ArticleVersion.status == VersionStatus.PUBLISHED,
            ArticleVersion.deleted_at.is_(None),
            ArticleVersion.published_at <= before,
            people.c.status == "active",
            people.c.deleted_at.is_(None),
            is_theirs,
            ~is_read,
            *conditions,
        )
        .group_by(people.c.id, people.c.name, Article.tenant_id, Article.id)
    )
