"""Articles that begin in the field: notes that are worth more than one visit, answers that others need too."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.activity import service as activity
from app.core.errors import Forbidden, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.core.text import company_key, mask_national_ids
from app.knowledge.models import ArticleKind, ArticleVersion, Language, NoteKind, PromotedNote
from app.knowledge.queries.articles import EDITOR
from app.knowledge.service.articles import create_article
from app.knowledge.service.field_errors import AlreadyPromoted, NothingToPromote
from app.knowledge.service.versions import create_version
from app.visits import service as visits

CUSTOMER: Final = {Language.KO: "(고객사)", Language.EN: "(customer)"}
PERSON: Final = {Language.KO: "(담당자)", Language.EN: "(contact)"}
PHONE: Final = {Language.KO: "(전화번호)", Language.EN: "(phone)"}
REGISTRATION: Final = {Language.KO: "(사업자번호)", Language.EN: "(registration number)"}
MAIL: Final = {Language.KO: "(이메일)", Language.EN: "(e-mail)"}
SHORTEST_NAME: Final = 2  # one syllable stands in half of all words

_PHONE = re.compile(r"(?<![\d-])(?:\+82[- .]?|0)\d{1,2}[- .]?\d{3,4}[- .]?\d{4}(?![\d-])")
_REGISTRATION = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{5}(?![\d-])")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_MARKUP = re.compile(r"([\\`*_\[\]<>#|])")


def promote(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> ArticleVersion:
    """Make a draft of a note, so that others learn from it; editors do the rest.

    Nothing that tells of the customer goes along: national id numbers, phone and registration numbers, mail
    addresses, the names of the account and of its contacts are blanked. Editors are told to look once more, as no
    rule finds everything.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Who may read the note: an own one, or one of the scope. Partners have none.
        values: ``activity_id`` or ``visit_id``; ``title``; optional ``kind``, ``language``.
        now: Server time, aware UTC.

    Returns:
        The draft. Its author cannot approve it, and sees it only as an editor.

    Raises:
        Forbidden: Partners.
        ReferenceNotFound: No such note in the scope.
        NothingToPromote: It has no words.
        AlreadyPromoted: It is an article already.
    """
    if actor.role is Role.PARTNER:
        raise Forbidden
    language = values.get("language") or Language.KO
    kind, record_id, account_id, body = _note(session, actor, values)
    if not body.strip():
        raise NothingToPromote
    _refuse_twice(session, actor, kind, record_id)
    names = _names(session, actor, account_id)
    draft = _draft(
        session,
        actor,
        {"kind": values.get("kind") or ArticleKind.PROCEDURE},
        {
            "language": language,
            "title": blanked(values["title"], language, *names),
            "body": _plain(blanked(body, language, *names)),
        },
        now=now,
    )
    session.add(
        PromotedNote(
            tenant_id=actor.tenant_id,
            id=new_id(),
            kind=kind,
            record_id=record_id,
            article_id=draft.article_id,
            promoted_by=actor.user_id,
            promoted_at=now,
        )
    )
    session.flush()
    return draft


def draft_of_answer(
    session: Session, actor: Actor, values: Mapping[str, Any], product_id: UUID | None, *, now: datetime
) -> ArticleVersion:
    """An answer as the draft of a FAQ, about the product that was asked about."""
    products = [{"product_id": product_id}] if product_id else []
    return _draft(session, actor, {"kind": ArticleKind.FAQ, "products": products}, values, now=now)


def blanked(text: str, language: Language, companies: Iterable[str], people: Iterable[str]) -> str:
    """A text without what tells of a customer: longer names first, so that none hides in another one."""
    text = _MAIL.sub(MAIL[language], mask_national_ids(text)[0])
    text = _REGISTRATION.sub(REGISTRATION[language], _PHONE.sub(PHONE[language], text))
    known = [(name, CUSTOMER[language]) for name in companies] + [(name, PERSON[language]) for name in people]
    for name, blank in sorted(known, key=lambda pair: -len(pair[0])):
        if len(name) >= SHORTEST_NAME:
            text = re.sub(re.escape(name), blank, text, flags=re.IGNORECASE)
    return text


def _draft(
    session: Session,
    actor: Actor,
    article: Mapping[str, Any],
    words: Mapping[str, Any],
    *,
    now: datetime,
) -> ArticleVersion:
    # Who writes from the field begins an article in the editors' name; only they see it, and give it an audience.
    writer = replace(actor, permissions=actor.permissions | {EDITOR})
    article_id = new_id()
    values = {"id": article_id, "slug": f"field-{article_id.hex}", **article}
    create_article(session, writer, values, now=now)
    return create_version(session, writer, article_id, words, now=now)


def _note(session: Session, actor: Actor, values: Mapping[str, Any]) -> tuple[NoteKind, UUID, UUID, str]:
    """Kind, id, account and words of the note.

    Raises:
        ReferenceNotFound: No such note in the actor's scope, or none was named.
    """
    try:
        if values.get("activity_id"):
            note = activity.get_activity(session, actor, values["activity_id"])
            return NoteKind.ACTIVITY, note.id, note.account_id, note.body or note.subject or ""
        if values.get("visit_id"):
            visit = visits.get_visit(session, actor, values["visit_id"])
            said = [text for text in (visit.report, visit.outcome, visit.next_step) if text]
            return NoteKind.VISIT, visit.id, visit.account_id, "\n\n".join(said)
    except NotFound:
        field = "activity_id" if values.get("activity_id") else "visit_id"
        raise ReferenceNotFound(field=field) from None
    raise ReferenceNotFound(field="activity_id")


def _refuse_twice(session: Session, actor: Actor, kind: NoteKind, record_id: UUID) -> None:
    before = select(literal(1)).where(
        PromotedNote.tenant_id == actor.tenant_id,
        PromotedNote.kind == kind,
        PromotedNote.record_id == record_id,
    )
    if session.scalar(before) is not None:
        raise AlreadyPromoted


def _names(session: Session, actor: Actor, account_id: UUID) -> tuple[list[str], list[str]]:
    """Names of the account, as it is written and without its legal form, and of its contacts."""
    account = accounts.get_account(session, actor, account_id)
    companies = {account.name, account.legal_name or "", company_key(account.name)}
    listed = accounts.list_contacts(session, actor, account_id=account_id)
    people = {contact.name for contact in session.scalars(listed)}
    return [name for name in companies if name], [name for name in people if name]


def _plain(body: str) -> str:
    """A note as Markdown that shows what was written: no sign of it becomes markup."""
    return "\n\n".join(_MARKUP.sub(r"\\\1", line) for line in body.splitlines() if line.strip())
