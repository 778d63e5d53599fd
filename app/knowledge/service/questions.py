"""Questions that no article answered, and what became of them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.activity import service as activity
from app.catalog import service as catalog
from app.core.errors import NotFound, TransitionNotAllowed
from app.core.ids import new_id
from app.core.scope import Actor
from app.knowledge.models import ExpertQuestion, Language
from app.knowledge.queries import field as queries
from app.knowledge.service.drafts import draft_of_answer
from app.knowledge.service.feedback import add, check_id_free
from app.knowledge.service.records import require_editor
from app.knowledge.service.said import clean
from app.knowledge.states.field import QUESTION_MACHINE, QuestionStatus

TITLE_MAX: Final = 300


def list_questions(
    session: Session,
    actor: Actor,
    *,
    status: QuestionStatus | None = None,
    product_id: UUID | None = None,
) -> Select[ExpertQuestion]:
    """What the actor asked; editors see all.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        status: In this state only.
        product_id: About this product only.
    """
    statement = queries.said_by(actor, ExpertQuestion, ExpertQuestion.author_id)
    wanted = {ExpertQuestion.status: status, ExpertQuestion.product_id: product_id}
    return statement.where(*(column == value for column, value in wanted.items() if value is not None))


def get_question(session: Session, actor: Actor, question_id: UUID, *, lock: bool = False) -> ExpertQuestion:
    """One of ``list_questions``, or NotFound."""
    statement = list_questions(session, actor).where(ExpertQuestion.id == question_id)
    if lock:
        statement = statement.with_for_update(of=ExpertQuestion, key_share=True).execution_options(
            populate_existing=True
        )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def ask(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> ExpertQuestion:
    """Ask the experts.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Anyone.
        values: ``question``; optional ``product_id, language``, ``asked_at`` (*now* when left out), ``id`` when a
            phone minted it.
        now: Server time, aware UTC.

    Raises:
        IdTaken: The id is in use.
        ReferenceNotFound: No such product.
    """
    check_id_free(session, actor, ExpertQuestion, values.get("id"))
    if values.get("product_id") is not None:
        catalog.refer_to_product(session, actor, values["product_id"])
    asked = ExpertQuestion(
        tenant_id=actor.tenant_id,
        id=values.get("id") or new_id(),
        author_id=actor.user_id,
        product_id=values.get("product_id"),
        language=values.get("language") or Language.KO,
        question=clean(values)["question"],
        asked_at=values.get("asked_at") or now,
    )
    add(session, asked)
    return asked


def answer_question(
    session: Session, actor: Actor, question_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> ExpertQuestion:
    """Answer, or better an answer that is no article yet; who asked is told.

    Raises:
        NotFound: No such question.
        Forbidden: The actor is no editor.
        TransitionNotAllowed: It is an article already.
    """
    asked = _to_step(session, actor, question_id, "answer")
    asked.answer = clean(args)["answer"]
    asked.answered_by = actor.user_id
    asked.answered_at = now
    asked.status = QuestionStatus.ANSWERED
    session.flush()
    session.refresh(asked)
    activity.notify(
        session,
        [asked.author_id],
        "knowledge",
        title_code="knowledge.notice_answered",
        values={"question": _title(asked.question)},
        entity="expert_question",
        record_id=asked.id,
        now=now,
    )
    return asked


def publish_answer(
    session: Session, actor: Actor, question_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> ExpertQuestion:
    """Make the draft of a FAQ of the answer; it goes the way of all drafts.

    Raises:
        NotFound, Forbidden: As above.
        TransitionNotAllowed: It has no answer yet, or is an article already.
        KnowledgeInvalid: The answer cannot be shown as Markdown.
    """
    asked = _to_step(session, actor, question_id, "publish")
    words = {"language": asked.language, "title": _title(asked.question), "body": asked.answer}
    draft = draft_of_answer(session, actor, words, asked.product_id, now=now)
    asked.article_id = draft.article_id
    asked.status = QuestionStatus.PUBLISHED
    session.flush()
    session.refresh(asked)
    return asked


QUESTION_COMMANDS: Final[Mapping[str, Callable[..., ExpertQuestion]]] = {
    "answer": answer_question,
    "publish": publish_answer,
}


def _to_step(session: Session, actor: Actor, question_id: UUID, command: str) -> ExpertQuestion:
    asked = get_question(session, actor, question_id, lock=True)
    require_editor(actor)
    if not QUESTION_MACHINE.is_legal(command, asked.status):
        raise TransitionNotAllowed(
            status=str(asked.status), allowed=list(QUESTION_MACHINE.allowed(asked.status))
        )
    return asked


def _title(question: str) -> str:
    line = next((line.strip() for line in question.splitlines() if line.strip()), question)
    return line if len(line) <= TITLE_MAX else line[: TITLE_MAX - 1] + "…"
