"""Corrections that the field asks for, and what editors make of them."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.activity import service as activity
from app.core.errors import NotFound, TransitionNotAllowed
from app.core.ids import new_id
from app.core.scope import Actor
from app.knowledge.models import ArticleProposal, ArticleVersion
from app.knowledge.queries import field as queries
from app.knowledge.service.feedback import add, check_id_free, refer_to_version
from app.knowledge.service.field_errors import ProposalEmpty
from app.knowledge.service.records import lock_article, require_editor
from app.knowledge.service.said import clean
from app.knowledge.service.versions import create_version, list_versions
from app.knowledge.states.field import PROPOSAL_MACHINE, ProposalStatus

# Of the change log of a version.
CHANGELOG_MAX: Final = 2_000


def list_proposals(
    session: Session,
    actor: Actor,
    *,
    article_id: UUID | None = None,
    status: ProposalStatus | None = None,
) -> Select[ArticleProposal]:
    """What the actor proposed; editors see all.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        article_id: Of this article only.
        status: In this state only.
    """
    statement = queries.said_by(actor, ArticleProposal, ArticleProposal.author_id)
    wanted = {ArticleProposal.article_id: article_id, ArticleProposal.status: status}
    return statement.where(*(column == value for column, value in wanted.items() if value is not None))


def get_proposal(session: Session, actor: Actor, proposal_id: UUID, *, lock: bool = False) -> ArticleProposal:
    """One of ``list_proposals``.

    Raises:
        NotFound: No such proposal of the actor's; for editors, none at all.
    """
    statement = list_proposals(session, actor).where(ArticleProposal.id == proposal_id)
    if lock:
        statement = statement.with_for_update(of=ArticleProposal, key_share=True).execution_options(
            populate_existing=True
        )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def get_locked_proposal(session: Session, actor: Actor, proposal_id: UUID) -> ArticleProposal:
    """The same, locked after its article, which a decision writes too: the first of two editors has both."""
    found = get_proposal(session, actor, proposal_id)
    lock_article(session, actor.tenant_id, found.article_id)
    return get_proposal(session, actor, proposal_id, lock=True)


def propose(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> ArticleProposal:
    """Ask for a correction of a version. The same once more, still open, is kept as a duplicate of the first.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Anyone whom the article is for.
        values: ``version_id, correction``; optional ``passage`` (the words to be replaced), ``reason``,
            ``proposed_at`` (*now* when left out), ``id`` when a phone minted it.
        now: Server time, aware UTC.

    Raises:
        IdTaken: The id is in use.
        ReferenceNotFound: No such version was ever out for the actor.
        ProposalEmpty: The correction is what the passage says.
    """
    check_id_free(session, actor, ArticleProposal, values.get("id"))
    # Held, so that the same sent by two phones at once is one and its duplicate.
    version = refer_to_version(session, actor, values["version_id"], lock=True)
    texts = clean(values)
    if (texts.get("passage") or "").strip() == texts["correction"].strip():
        raise ProposalEmpty
    said = _said(texts)
    first = session.scalars(
        select(ArticleProposal.id).where(
            ArticleProposal.tenant_id == actor.tenant_id,
            ArticleProposal.version_id == version.id,
            ArticleProposal.author_id == actor.user_id,
            ArticleProposal.said == said,
            ArticleProposal.status == ProposalStatus.OPEN,
        )
    ).one_or_none()
    proposal = ArticleProposal(
        tenant_id=actor.tenant_id,
        id=values.get("id") or new_id(),
        article_id=version.article_id,
        version_id=version.id,
        author_id=actor.user_id,
        passage=texts.get("passage"),
        correction=texts["correction"],
        reason=texts.get("reason"),
        said=said,
        status=ProposalStatus.OPEN if first is None else ProposalStatus.DUPLICATE,
        duplicate_of_id=first,
        proposed_at=values.get("proposed_at") or now,
    )
    add(session, proposal)
    return proposal


def accept_proposal(
    session: Session, actor: Actor, proposal_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> ArticleProposal:
    """Make a draft of the newest words with the correction in them; who proposed it is one of its writers.

    The passage is replaced where it stands exactly once; else the draft is a plain copy, and its change log says
    what is asked for. The draft goes the way of all drafts.

    Raises:
        NotFound: No such proposal, or its article is gone.
        Forbidden: The actor is no editor.
        TransitionNotAllowed: It is decided already; ``details``: ``status``, ``allowed``.
    """
    proposal = _to_decide(session, actor, proposal_id, "accept")
    of = session.get_one(ArticleVersion, (proposal.tenant_id, proposal.version_id))
    values = {"language": of.language, "changelog": _changelog(proposal)}
    newest = session.scalars(
        list_versions(session, actor, article_id=proposal.article_id, language=of.language)
        .order_by(ArticleVersion.n.desc())
        .limit(1)
    ).one()
    if proposal.passage and newest.body.count(proposal.passage) == 1:
        values["body"] = newest.body.replace(proposal.passage, proposal.correction)
    draft = create_version(
        session, actor, proposal.article_id, values, now=now, written_by=(proposal.author_id,)
    )
    proposal.draft_id = draft.id
    return _decided(session, actor, proposal, "accept", now=now)


def decline_proposal(
    session: Session, actor: Actor, proposal_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> ArticleProposal:
    """Leave the words as they are, and say why.

    Raises:
        NotFound, Forbidden, TransitionNotAllowed: As above.
    """
    proposal = _to_decide(session, actor, proposal_id, "decline")
    proposal.decline_reason = clean({"decline_reason": args["reason"]})["decline_reason"]
    return _decided(session, actor, proposal, "decline", now=now)


PROPOSAL_COMMANDS: Final[Mapping[str, Callable[..., ArticleProposal]]] = {
    "accept": accept_proposal,
    "decline": decline_proposal,
}


def _to_decide(session: Session, actor: Actor, proposal_id: UUID, command: str) -> ArticleProposal:
    proposal = get_locked_proposal(session, actor, proposal_id)
    require_editor(actor)
    if not PROPOSAL_MACHINE.is_legal(command, proposal.status):
        raise TransitionNotAllowed(
            status=str(proposal.status), allowed=list(PROPOSAL_MACHINE.allowed(proposal.status))
        )
    return proposal


def _decided(
    session: Session, actor: Actor, proposal: ArticleProposal, command: str, *, now: datetime
) -> ArticleProposal:
    proposal.status = ProposalStatus(PROPOSAL_MACHINE.steps[command][1])
    proposal.decided_by = actor.user_id
    proposal.decided_at = now
    session.flush()
    session.refresh(proposal)
    activity.notify(
        session,
        [proposal.author_id],
        "knowledge",
        title_code=f"knowledge.notice_proposal_{proposal.status}",
        values={"title": session.get_one(ArticleVersion, (proposal.tenant_id, proposal.version_id)).title},
        entity="article_proposal",
        record_id=proposal.id,
        now=now,
    )
    return proposal


def _changelog(proposal: ArticleProposal) -> str:
    asked = f"「{proposal.passage}」 → 「{proposal.correction}」" if proposal.passage else proposal.correction
    whole = asked if not proposal.reason else f"{asked} ({proposal.reason})"
    return whole if len(whole) <= CHANGELOG_MAX else whole[: CHANGELOG_MAX - 1] + "…"


def _said(texts: Mapping[str, Any]) -> str:
    parts = (" ".join((texts.get(name) or "").split()) for name in ("passage", "correction"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
