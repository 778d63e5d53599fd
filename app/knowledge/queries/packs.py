"""What could be given to phones, the most important first."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import case, exists, func, literal, select
from sqlalchemy.orm import Session

from app.core.scope import ShapeClass
from app.knowledge.models import Article, ArticleReader, ArticleVersion, PackBudget, PackOmission
from app.knowledge.states.articles import VersionStatus

_READER = func.concat(ArticleReader.article_id, ArticleReader.bucket, ArticleReader.shape)
_BUDGET = func.concat(PackBudget.shape, PackBudget.kilobytes)
# Managers are given titles and summaries.
_LIGHT = func.octet_length(ArticleVersion.title) + func.octet_length(ArticleVersion.summary)


def all_fits(session: Session, tenant_id: UUID, budget: int) -> bool:
    """Whether everything that is out fits into *budget* bytes, and nothing is left out now."""
    size = (
        select(func.coalesce(func.sum(ArticleVersion.size_bytes), 0))
        .where(
            ArticleVersion.tenant_id == tenant_id,
            ArticleVersion.status == VersionStatus.PUBLISHED,
            ArticleVersion.deleted_at.is_(None),
        )
        .scalar_subquery()
    )
    omitted = exists(select(literal(1)).where(PackOmission.tenant_id == tenant_id))
    found: bool = session.execute(select((size <= budget) & ~omitted)).scalar_one()
    return found


def filled_from(session: Session, tenant_id: UUID) -> str:
    """What decides about the packs of a company, in one word: another one whenever any of it changed.

    Of versions of rows, not of their times: who began earlier may commit later.
    """
    statement = select(
        func.concat_ws(
            ":",
            _sum(tenant_id, ArticleVersion, ArticleVersion.version),
            _sum(tenant_id, Article, Article.version),
            _sum(tenant_id, ArticleReader, func.hashtextextended(_READER, 0)),
            _sum(tenant_id, PackBudget, func.hashtextextended(_BUDGET, 0)),
        )
    )
    found: str = session.execute(statement).scalar_one()
    return found


def _sum(tenant_id: UUID, model: type[Any], value: Any) -> Any:
    counted = select(func.concat(func.count(), "/", func.sum(value))).where(model.tenant_id == tenant_id)
    return counted.scalar_subquery()


def packable(session: Session, tenant_id: UUID) -> Sequence[Any]:
    """Each version that is out, once for each class that reads it, with the buckets of that class."""
    size = case((ArticleReader.shape == ShapeClass.MANAGER, _LIGHT), else_=ArticleVersion.size_bytes)
    statement = (
        select(
            ArticleReader.shape,
            ArticleVersion.id.label("version_id"),
            ArticleVersion.article_id,
            ArticleVersion.title,
            Article.must_read,
            size.label("size"),
            func.array_agg(ArticleReader.bucket).label("buckets"),
        )
        .join(
            Article,
            (Article.tenant_id == ArticleVersion.tenant_id) & (Article.id == ArticleVersion.article_id),
        )
        .join(
            ArticleReader,
            (ArticleReader.tenant_id == ArticleVersion.tenant_id)
            & (ArticleReader.article_id == ArticleVersion.article_id),
        )
        .where(
            ArticleVersion.tenant_id == tenant_id,
            ArticleVersion.status == VersionStatus.PUBLISHED,
            ArticleVersion.deleted_at.is_(None),
            Article.deleted_at.is_(None),
        )
        .group_by(
            ArticleReader.shape, ArticleVersion.tenant_id, ArticleVersion.id, Article.tenant_id, Article.id
        )
        .order_by(
            Article.must_read.desc(),
            Article.priority.desc(),
            func.coalesce(ArticleVersion.rating, 2).desc(),
            ArticleVersion.published_at.desc(),
            ArticleVersion.id,
        )
    )
    return session.execute(statement).all()
