"""What waits for editors, and what was read and used."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, Select, Text, and_, cast, func, literal, null, or_, select, union_all
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.knowledge.models import (
    Article,
    ArticleFeedback,
    ArticleProposal,
    ArticleUse,
    ArticleVersion,
    DiagnosisTree,
    ExpertQuestion,
    TreeVersion,
    UseKind,
)
from app.knowledge.states.articles import VersionStatus
from app.knowledge.states.field import ProposalStatus, QuestionStatus

# Ratings that ask for an editor: at most a quarter of the readers was helped.
POOR = 1


def waiting(tenant_id: UUID) -> CTE:
    """Rows of ``kind, id, article_id, title, since``."""
    return union_all(
        _row(
            "proposal",
            ArticleProposal.id,
            ArticleProposal.article_id,
            ArticleProposal.correction,
            ArticleProposal.proposed_at,
        ).where(ArticleProposal.tenant_id == tenant_id, ArticleProposal.status == ProposalStatus.OPEN),
        _row("question", ExpertQuestion.id, null(), ExpertQuestion.question, ExpertQuestion.asked_at).where(
            ExpertQuestion.tenant_id == tenant_id, ExpertQuestion.status == QuestionStatus.ASKED
        ),
        _row(
            "review",
            ArticleVersion.id,
            ArticleVersion.article_id,
            ArticleVersion.title,
            ArticleVersion.updated_at,
        ).where(
            ArticleVersion.tenant_id == tenant_id,
            ArticleVersion.status == VersionStatus.IN_REVIEW,
            ArticleVersion.deleted_at.is_(None),
        ),
        _row("tree_review", TreeVersion.id, null(), DiagnosisTree.title_ko, TreeVersion.updated_at)
        .join(
            DiagnosisTree,
            and_(
                DiagnosisTree.tenant_id == TreeVersion.tenant_id,
                DiagnosisTree.id == TreeVersion.tree_id,
                DiagnosisTree.deleted_at.is_(None),
            ),
        )
        .where(
            TreeVersion.tenant_id == tenant_id,
            TreeVersion.status == VersionStatus.IN_REVIEW,
            TreeVersion.deleted_at.is_(None),
        ),
        _row(
            "poor",
            ArticleVersion.id,
            ArticleVersion.article_id,
            ArticleVersion.title,
            ArticleVersion.published_at,
        ).where(
            ArticleVersion.tenant_id == tenant_id,
            ArticleVersion.status == VersionStatus.PUBLISHED,
            ArticleVersion.rating <= POOR,
            ArticleVersion.deleted_at.is_(None),
        ),
    ).cte("waiting")


def counts_of(session: Session, waiting: CTE) -> dict[str, int]:
    """How much waits of each kind."""
    rows = session.execute(select(waiting.c.kind, func.count().label("waiting")).group_by(waiting.c.kind))
    return {row.kind: row.waiting for row in rows}


def first_of(session: Session, waiting: CTE, limit: int) -> Sequence[Any]:
    """What waits longest."""
    return session.execute(
        select(waiting).order_by(waiting.c.since, waiting.c.kind, waiting.c.id).limit(limit)
    ).all()


def used(session: Session, tenant_id: UUID, since: datetime, until: datetime, limit: int) -> Sequence[Any]:
    """Rows of ``article_id, slug, read, used, solved, helpful, not_helpful``; of one reader the latest word counts."""
    uses = (
        select(
            ArticleUse.article_id,
            *(func.count().filter(ArticleUse.kind == kind).label(str(kind)) for kind in UseKind),
        )
        .where(
            ArticleUse.tenant_id == tenant_id,
            ArticleUse.deleted_at.is_(None),
            ArticleUse.used_at >= since,
            ArticleUse.used_at < until,
        )
        .group_by(ArticleUse.article_id)
        .subquery()
    )
    latest = (
        select(ArticleFeedback.article_id, ArticleFeedback.helpful)
        .ext(distinct_on(ArticleFeedback.version_id, ArticleFeedback.user_id))
        .where(
            ArticleFeedback.tenant_id == tenant_id,
            ArticleFeedback.deleted_at.is_(None),
            ArticleFeedback.given_at >= since,
            ArticleFeedback.given_at < until,
        )
        .order_by(
            ArticleFeedback.version_id,
            ArticleFeedback.user_id,
            ArticleFeedback.given_at.desc(),
            ArticleFeedback.id.desc(),
        )
        .subquery()
    )
    words = (
        select(
            latest.c.article_id,
            func.count().filter(latest.c.helpful).label("helpful"),
            func.count().filter(~latest.c.helpful).label("not_helpful"),
        )
        .group_by(latest.c.article_id)
        .subquery()
    )
    counts = [
        func.coalesce(column, 0).label(column.name)
        for column in (uses.c.read, uses.c.used, uses.c.solved, words.c.helpful, words.c.not_helpful)
    ]
    return session.execute(
        select(Article.id.label("article_id"), Article.slug, *counts)
        .outerjoin(uses, uses.c.article_id == Article.id)
        .outerjoin(words, words.c.article_id == Article.id)
        .where(
            Article.tenant_id == tenant_id,
            Article.deleted_at.is_(None),
            or_(uses.c.article_id.is_not(None), words.c.article_id.is_not(None)),
        )
        .order_by(sum(counts[1:3], start=counts[0]).desc(), Article.slug)
        .limit(limit)
    ).all()


def _row(kind: str, record_id: Any, article_id: Any, title: Any, since: Any) -> Select[Any]:
    return select(
        literal(kind).label("kind"),
        record_id.label("id"),
        cast(article_id, UuidType).label("article_id"),
        func.left(cast(title, Text), 300).label("title"),
        since.label("since"),
    )
