"""Whether articles helped, and where they were used."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, literal, select, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.errors import IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor
from app.knowledge.models import (
    ArticleFeedback,
    ArticleProposal,
    ArticleUse,
    ArticleVersion,
    ExpertQuestion,
    UseKind,
)
from app.knowledge.queries import field as queries
from app.knowledge.service.publishing import set_rating
from app.knowledge.service.records import lock_article
from app.knowledge.service.said import clean
from app.visits import service as visits

MIN_OPINIONS = 3  # below it a share says nothing
RATINGS = 4


def list_feedback(
    session: Session, actor: Actor, *, article_id: UUID | None = None, version_id: UUID | None = None
) -> Select[ArticleFeedback]:
    """What the actor said themself; editors read what everybody did.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        article_id: Of this article only.
        version_id: Of this version only.
    """
    statement = queries.said_by(actor, ArticleFeedback, ArticleFeedback.user_id)
    if article_id is not None:
        statement = statement.where(ArticleFeedback.article_id == article_id)
    return statement if version_id is None else statement.where(ArticleFeedback.version_id == version_id)


def get_feedback(session: Session, actor: Actor, feedback_id: UUID, *, lock: bool = False) -> ArticleFeedback:
    """One of ``list_feedback``, or NotFound."""
    statement = list_feedback(session, actor).where(ArticleFeedback.id == feedback_id)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def give_feedback(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> ArticleFeedback:
    """Say whether a version helped. Of one person the latest counts, from whichever of their phones it came.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Anyone whom the article is for.
        values: ``version_id, helpful``; optional ``comment``, ``given_at`` (*now* when left out), ``id`` when a
            phone minted it.
        now: Server time, aware UTC.

    Raises:
        IdTaken: The id is in use.
        ReferenceNotFound: No such version was ever out for the actor.
    """
    check_id_free(session, actor, ArticleFeedback, values.get("id"))
    version = refer_to_version(session, actor, values["version_id"], lock=True)
    said = ArticleFeedback(
        tenant_id=actor.tenant_id,
        id=values.get("id") or new_id(),
        article_id=version.article_id,
        version_id=version.id,
        user_id=actor.user_id,
        helpful=values["helpful"],
        comment=clean(values).get("comment"),
        given_at=values.get("given_at") or now,
    )
    add(session, said)
    # Every phone that holds the version hears of another rating: it is written where its step is another one.
    rating = rating_of(*queries.opinions_of(session, version))
    set_rating(session, actor.tenant_id, version.id, rating, now=now)
    return said


def list_uses(
    session: Session,
    actor: Actor,
    *,
    article_id: UUID | None = None,
    visit_id: UUID | None = None,
    kind: UseKind | None = None,
) -> Select[ArticleUse]:
    """Where the actor used articles; the company's administrators see all.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks; colleagues do not see in which visits of others an article was read.
        article_id: Of this article only.
        visit_id: In this visit only.
        kind: Of this kind only.
    """
    wanted = {ArticleUse.article_id: article_id, ArticleUse.visit_id: visit_id, ArticleUse.kind: kind}
    mine = true() if actor.scope.everything else ArticleUse.user_id == actor.user_id
    return (
        select(ArticleUse)
        .where(ArticleUse.tenant_id == actor.tenant_id, ArticleUse.deleted_at.is_(None), mine)
        .where(*(column == value for column, value in wanted.items() if value is not None))
    )


def get_use(session: Session, actor: Actor, use_id: UUID, *, lock: bool = False) -> ArticleUse:
    """One of ``list_uses``, or NotFound."""
    found = session.scalars(list_uses(session, actor).where(ArticleUse.id == use_id)).one_or_none()
    if found is None:
        raise NotFound
    return found


def note_use(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> ArticleUse:
    """Note that a version was read in a visit, used there, or solved the case; who did keeps it.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Anyone whom the article is for, in a visit of their scope.
        values: ``visit_id, version_id, kind``; optional ``used_at`` (*now* when left out), ``id`` when a phone
            minted it.
        now: Server time, aware UTC.

    Raises:
        IdTaken: The id is in use.
        ReferenceNotFound: No such visit in the scope, or no such version was ever out for the actor.
    """
    check_id_free(session, actor, ArticleUse, values.get("id"))
    visit = visits.refer_to_visit(session, actor, values["visit_id"])
    version = refer_to_version(session, actor, values["version_id"])
    used = ArticleUse(
        tenant_id=actor.tenant_id,
        id=values.get("id") or new_id(),
        visit_id=visit.id,
        article_id=version.article_id,
        version_id=version.id,
        user_id=actor.user_id,
        kind=values["kind"],
        used_at=values.get("used_at") or now,
    )
    add(session, used)
    return used


def refer_to_version(
    session: Session, actor: Actor, version_id: UUID, *, lock: bool = False
) -> ArticleVersion:
    """A version that a phone of the actor may have shown: all that were ever out, of articles for them.

    With *lock* its article is held, as by all who change any of its words: of two who speak at once both count.

    Raises:
        ReferenceNotFound: No such version; drafts and what is for others are as unknown.
    """
    found = session.scalars(
        queries.shown_versions(actor).where(ArticleVersion.id == version_id)
    ).one_or_none()
    if found is None or (lock and lock_article(session, found.tenant_id, found.article_id) is None):
        raise ReferenceNotFound(field="version_id")
    return found


Said = ArticleFeedback | ArticleUse | ArticleProposal | ExpertQuestion


def check_id_free(session: Session, actor: Actor, model: type[Said], record_id: UUID | None) -> None:
    """Refuse an id that is in use, also by a record of somebody else; raises IdTaken."""
    used = select(literal(1)).where(model.tenant_id == actor.tenant_id, model.id == record_id)
    if record_id is not None and session.scalar(used) is not None:
        raise IdTaken


def add(session: Session, record: Said) -> None:
    """Write a new record; raises IdTaken where another writer used the id at the same moment."""
    session.add(record)
    try:
        session.flush()
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
        if name.startswith("pk_"):
            raise IdTaken from error
        raise
    session.refresh(record)


def rating_of(helpful: int, opinions: int) -> int | None:
    """The share of readers whom a version helped, 0 to 4 (half up); None while there are too few."""
    return None if opinions < MIN_OPINIONS else (helpful * RATINGS * 2 + opinions) // (opinions * 2)
