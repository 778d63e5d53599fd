"""What the field said, scoped to who asks."""

from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.scope import Actor
from app.knowledge.models import ArticleFeedback, ArticleProposal, ArticleVersion, ExpertQuestion
from app.knowledge.queries.articles import is_editor, is_for, is_of_live_article

Said = TypeVar("Said", ArticleFeedback, ArticleProposal, ExpertQuestion)


def said_by(actor: Actor, model: type[Said], author_id: InstrumentedAttribute[UUID]) -> Select[Said]:
    """What the actor said; editors read what everybody did."""
    mine: ColumnElement[bool] = true() if is_editor(actor) else author_id == actor.user_id
    return select(model).where(model.tenant_id == actor.tenant_id, model.deleted_at.is_(None), mine)


def shown_versions(actor: Actor) -> Select[ArticleVersion]:
    """The versions that were ever out, of articles that are for the actor; editors, of all."""
    seen = true() if is_editor(actor) else is_for(actor, ArticleVersion.article_id)
    return select(ArticleVersion).where(
        ArticleVersion.tenant_id == actor.tenant_id,
        ArticleVersion.deleted_at.is_(None),
        ArticleVersion.published_at.is_not(None),
        is_of_live_article(),
        seen,
    )


def opinions_of(session: Session, version: ArticleVersion) -> tuple[int, int]:
    """How many people a version helped, and how many spoke: of each the latest word."""
    latest = (
        select(ArticleFeedback.helpful)
        .ext(distinct_on(ArticleFeedback.user_id))
        .where(
            ArticleFeedback.tenant_id == version.tenant_id,
            ArticleFeedback.version_id == version.id,
            ArticleFeedback.deleted_at.is_(None),
        )
        .order_by(ArticleFeedback.user_id, ArticleFeedback.given_at.desc(), ArticleFeedback.id.desc())
        .subquery()
    )
    row = session.execute(
        select(func.count().filter(latest.c.helpful), func.count()).select_from(latest)
    ).one()
    return row[0], row[1]
