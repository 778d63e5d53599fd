"""Versions: words on their way from a draft to a reader, with a second person between."""

import difflib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, literal, select
from sqlalchemy.orm import Session

from app.core.errors import Forbidden, IdTaken
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.knowledge import markdown
from app.knowledge.models import ArticleVersion, Language
from app.knowledge.service.articles import known_slugs
from app.knowledge.service.errors import KnowledgeInvalid, ReviewOwn
from app.knowledge.service.records import (
    check_step,
    clean_text,
    get_article,
    get_locked_version,
    get_version,
    not_allowed,
    require_editor,
    take_step,
    versions_of,
    write,
)
from app.knowledge.states.articles import REVIEWED, VersionStatus

COPIED: Final = ("title", "summary", "body", "keywords", "effective_from", "effective_to")


def list_versions(
    session: Session,
    actor: Actor,
    *,
    article_id: UUID | None = None,
    language: Language | None = None,
    status: VersionStatus | None = None,
) -> Select[ArticleVersion]:
    """The versions of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks; readers are given what is out or was, editors all.
        article_id: Of this article only.
        language: In this language only.
        status: In this state only.
    """
    wanted = {
        ArticleVersion.article_id: article_id,
        ArticleVersion.language: language,
        ArticleVersion.status: status,
    }
    return versions_of(actor).where(
        *(column == value for column, value in wanted.items() if value is not None)
    )


def create_version(
    session: Session,
    actor: Actor,
    article_id: UUID,
    values: Mapping[str, Any],
    *,
    now: datetime,
    written_by: tuple[UUID, ...] = (),
) -> ArticleVersion:
    """Begin the next version in a language: a copy of the newest, with *values* over it.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An editor; the author.
        article_id: Of the scope.
        values: ``language``; optional ``id, title, summary, body, keywords, changelog, effective_from,
            effective_to``. The first version in a language needs a title.
        now: Server time, aware UTC.
        written_by: Who else wrote these words, as who proposed them from the field: they cannot approve them.

    Raises:
        NotFound: No such article in the scope.
        Forbidden: The actor is no editor.
        IdTaken, KnowledgeInvalid: As they say.
    """
    article = get_article(session, actor, article_id, lock=True)
    require_editor(actor)
    record_id = values.get("id") or new_id()
    taken = select(literal(1)).where(
        ArticleVersion.tenant_id == actor.tenant_id, ArticleVersion.id == record_id
    )
    if session.scalar(taken) is not None:
        raise IdTaken
    source = session.scalars(
        list_versions(session, actor, article_id=article.id, language=values["language"])
        .order_by(ArticleVersion.n.desc())
        .limit(1)
    ).one_or_none()
    copied = {name: getattr(source, name) for name in COPIED} if source else {}
    # Words that nobody else has read yet stay their writers', whoever copies them.
    writers = set(source.written_by) if source and source.status not in REVIEWED else set()
    version = ArticleVersion(
        tenant_id=actor.tenant_id,
        id=record_id,
        article_id=article.id,
        n=_next_n(session, actor, article.id, values["language"]),
        author_id=actor.user_id,
        written_by=sorted(writers | {actor.user_id, *written_by}),
        **copied | clean_text({name: value for name, value in values.items() if name != "id"}),
    )
    if not version.title:
        raise KnowledgeInvalid(fields={"title": "required"})
    _check_days(version)
    session.add(version)
    write(session, version)
    return version


def update_version(
    session: Session, actor: Actor, version_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> ArticleVersion:
    """Change the words of a draft; who does is one of its writers.

    Raises:
        NotFound, Forbidden, KnowledgeInvalid: As at creation.
        TransitionNotAllowed: It has left ``draft``.
    """
    version = get_locked_version(session, actor, version_id)
    require_editor(actor)
    if version.status is not VersionStatus.DRAFT:
        raise not_allowed(version)
    clean = clean_text(changes)
    with session.no_autoflush:
        for name, value in clean.items():
            setattr(version, name, value)
        _check_days(version)
    version.written_by = sorted({*version.written_by, actor.user_id})
    write(session, version)
    return version


def delete_version(session: Session, actor: Actor, version_id: UUID, *, now: datetime) -> None:
    """Throw a draft away.

    Raises:
        NotFound, Forbidden: As above.
        TransitionNotAllowed: It has left ``draft``.
    """
    version = get_locked_version(session, actor, version_id)
    require_editor(actor)
    if version.status is not VersionStatus.DRAFT:
        raise not_allowed(version)
    version.deleted_at = now
    session.flush()


def submit_for_review(
    session: Session, actor: Actor, version_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> ArticleVersion:
    """Ask a second person to read it.

    Raises:
        NotFound, Forbidden: As above.
        TransitionNotAllowed: It is no draft.
        KnowledgeInvalid: It says nothing, or links to an article that is not there.
    """
    version = get_locked_version(session, actor, version_id)
    require_editor(actor)
    check_step(version, "submit_for_review")
    if not version.body.strip():
        raise KnowledgeInvalid(fields={"body": "blank"})
    linked = markdown.check(version.body)
    if missing := set(linked) - known_slugs(session, actor, linked):
        raise KnowledgeInvalid(fields={"body": "markdown_link_not_allowed"}, what=f"article:{min(missing)}")
    take_step(version, "submit_for_review")
    write(session, version)
    return version


def approve(
    session: Session, actor: Actor, version_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> ArticleVersion:
    """Answer for words that others wrote.

    Raises:
        NotFound: As above.
        Forbidden: The actor is no editor, or no person.
        TransitionNotAllowed: It is not in review.
        ReviewOwn: The actor wrote any of it.
    """
    version = get_locked_version(session, actor, version_id)
    require_editor(actor)
    if actor.role is Role.INTEGRATION:
        raise Forbidden
    check_step(version, "approve")
    if actor.user_id == version.author_id or actor.user_id in version.written_by:
        raise ReviewOwn
    version.reviewer_id = actor.user_id
    take_step(version, "approve")
    write(session, version)
    return version


def reject(
    session: Session, actor: Actor, version_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> ArticleVersion:
    """Give it back to be written better; an approval, and when it was to go out, are gone.

    Raises:
        NotFound, Forbidden: As above.
        TransitionNotAllowed: It is neither in review nor approved.
    """
    version = get_locked_version(session, actor, version_id)
    require_editor(actor)
    take_step(version, "reject")
    version.reviewer_id = None
    version.publish_at = None
    write(session, version)
    return version


def diff_versions(session: Session, actor: Actor, from_id: UUID, to_id: UUID) -> str:
    """What changed from one version to another, as a unified diff of title, summary and body.

    Raises:
        NotFound: One of them is not in the scope.
    """
    old, new = (get_version(session, actor, one) for one in (from_id, to_id))
    lines = difflib.unified_diff(
        _lines(old), _lines(new), f"{old.language}/{old.n}", f"{new.language}/{new.n}", lineterm=""
    )
    return "\n".join(lines)


def _lines(version: ArticleVersion) -> list[str]:
    return [f"# {version.title}", version.summary, "", *version.body.splitlines()]


def _next_n(session: Session, actor: Actor, article_id: UUID, language: Language) -> int:
    """Numbers are never given twice, also not that of a draft which was thrown away."""
    last = session.scalar(
        select(func.max(ArticleVersion.n)).where(
            ArticleVersion.tenant_id == actor.tenant_id,
            ArticleVersion.article_id == article_id,
            ArticleVersion.language == language,
        )
    )
    return (last or 0) + 1


def _check_days(version: ArticleVersion) -> None:
    if version.effective_from and version.effective_to and version.effective_to < version.effective_from:
        raise KnowledgeInvalid(fields={"effective_to": "value_out_of_range"})
