"""What all articles and versions have in common: scope, permission, locks, what a text may hold."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.errors import Forbidden, IdTaken, NotFound, TransitionNotAllowed
from app.core.masking import mask_fields
from app.core.scope import Actor
from app.knowledge import markdown
from app.knowledge.models import Article, ArticleVersion
from app.knowledge.queries import articles as queries
from app.knowledge.service.errors import KnowledgeInvalid, SlugTaken
from app.knowledge.states.articles import VERSION_MACHINE, VersionStatus

FREE_TEXT: Final = frozenset({"title", "summary", "body", "keywords", "changelog"})


def require_editor(actor: Actor) -> None:
    """Let only those through who keep the articles.

    Raises:
        Forbidden: The actor is a reader.
    """
    if not queries.is_editor(actor):
        raise Forbidden


def articles_of(actor: Actor) -> Select[Article]:
    """The live articles that the actor may know of; readers only of what is out."""
    statement = select(Article).where(
        Article.tenant_id == actor.tenant_id, Article.deleted_at.is_(None), queries.sees_article(actor)
    )
    return statement if queries.is_editor(actor) else statement.where(queries.has_published())


def versions_of(actor: Actor) -> Select[ArticleVersion]:
    """The live versions that the actor may read."""
    return select(ArticleVersion).where(
        ArticleVersion.tenant_id == actor.tenant_id,
        ArticleVersion.deleted_at.is_(None),
        queries.is_of_live_article(),
        queries.sees_version(actor),
    )


def get_article(session: Session, actor: Actor, article_id: UUID, *, lock: bool = False) -> Article:
    """One article of the scope.

    Raises:
        NotFound: No such article, or not for the actor.
    """
    statement = articles_of(actor).where(Article.id == article_id)
    if lock:
        statement = statement.with_for_update(of=Article, key_share=True).execution_options(
            populate_existing=True
        )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def get_kept_article(session: Session, actor: Actor, article_id: UUID) -> Article:
    """The same, for who keeps it.

    Raises:
        NotFound: No such article in the scope.
        Forbidden: The actor is a reader.
    """
    article = get_article(session, actor, article_id)
    require_editor(actor)
    return article


def get_version(session: Session, actor: Actor, version_id: UUID) -> ArticleVersion:
    """One version of the scope.

    Raises:
        NotFound: No such version, or its article is not for the actor.
    """
    found = session.scalars(versions_of(actor).where(ArticleVersion.id == version_id)).one_or_none()
    if found is None:
        raise NotFound
    return found


def get_locked_version(session: Session, actor: Actor, version_id: UUID) -> ArticleVersion:
    """A version that is about to change, with its article: whoever changes any words of an article waits here.

    Raises:
        NotFound: As above.
    """
    version = get_version(session, actor, version_id)
    lock_article(session, version.tenant_id, version.article_id)
    session.refresh(version)
    if version.deleted_at is not None:
        raise NotFound
    return version


def lock_article(
    session: Session, tenant_id: UUID, article_id: UUID, *, waits: bool = True
) -> Article | None:
    """The live article's row, locked; None where there is none, or where somebody has it and *waits* is false."""
    return session.scalars(
        select(Article)
        .where(Article.tenant_id == tenant_id, Article.id == article_id, Article.deleted_at.is_(None))
        .with_for_update(of=Article, key_share=True, skip_locked=not waits)
        .execution_options(populate_existing=True)
    ).one_or_none()


def check_step(version: ArticleVersion, command: str) -> None:
    """Refuse a command that is no step from the version's state.

    Raises:
        TransitionNotAllowed: ``details``: ``status``, ``allowed``.
    """
    if not VERSION_MACHINE.is_legal(command, version.status):
        raise not_allowed(version)


def not_allowed(version: ArticleVersion) -> TransitionNotAllowed:
    """The error that names the steps which are allowed instead."""
    return TransitionNotAllowed(
        status=str(version.status), allowed=list(VERSION_MACHINE.allowed(version.status))
    )


def take_step(version: ArticleVersion, command: str) -> None:
    """Move the version's status by one command."""
    check_step(version, command)
    version.status = VersionStatus(VERSION_MACHINE.steps[command][1])


def clean_text(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values to store: national id numbers masked, and a body that can be shown.

    Raises:
        KnowledgeInvalid: The body is too large, too deep, or points where no article may.
    """
    clean, _ = mask_fields(values, FREE_TEXT)
    if "body" in clean:
        try:
            markdown.check(clean["body"])
        except markdown.MarkdownRefused as refused:
            raise KnowledgeInvalid(fields={"body": refused.code}, what=refused.what) from None
    return clean


def write(session: Session, record: Any) -> None:
    """Flush *record* and read back what the triggers made of it.

    Raises:
        IdTaken, SlugTaken: In use.
    """
    try:
        session.flush()
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
        if name == "uq_articles_tenant_id_slug":
            raise SlugTaken from error
        if name.startswith("pk_"):
            raise IdTaken from error
        raise
    session.refresh(record)
