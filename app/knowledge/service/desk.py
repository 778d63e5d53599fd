"""The editors' desk: what waits for them, what is due, and what came of what they wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.core.scope import Actor
from app.identity import service as identity
from app.knowledge.models import Article
from app.knowledge.queries import desk as queries
from app.knowledge.service.articles import list_articles
from app.knowledge.service.records import require_editor

SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for editors, the longest first, and how much there is of each kind."""

    counts: dict[str, int]
    items: Sequence[Any]


def list_queue(session: Session, actor: Actor, *, limit: int = SHOWN) -> Queue:
    """Open proposals, unanswered questions, versions in review, and articles that helped few of their readers.

    Raises:
        Forbidden: The actor is no editor.
    """
    require_editor(actor)
    waiting = queries.waiting(actor.tenant_id)
    return Queue(queries.counts_of(session, waiting), queries.first_of(session, waiting, limit))


def list_due(
    session: Session, actor: Actor, *, now: datetime, within_days: int = 0, editor_id: UUID | None = None
) -> Select[Article]:
    """The articles whose review is due, or will be within days, as a statement for the route to page.

    Raises:
        Forbidden: The actor is no editor.
    """
    require_editor(actor)
    day = identity.tenant_day(session, actor.tenant_id, now) + timedelta(days=within_days)
    statement = list_articles(session, actor, due_to=day)
    return statement if editor_id is None else statement.where(Article.editor_id == editor_id)


def report(
    session: Session, actor: Actor, *, since: datetime, until: datetime, limit: int = SHOWN
) -> Sequence[Any]:
    """Of each article how often it was read, used and solved a case in visits, and how many it helped.

    Args:
        session: Open session of the tenant.
        actor: An editor.
        since: From this moment on.
        until: Up to this moment.
        limit: Most articles; those that were used most come first.

    Returns:
        Rows of ``article_id, slug, read, used, solved, helpful, not_helpful``.

    Raises:
        Forbidden: The actor is no editor.
    """
    require_editor(actor)
    return queries.used(session, actor.tenant_id, since, until, limit)
