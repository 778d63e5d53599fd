"""Wire forms of what the field says; the fields stand in the order of the feed."""

from typing import Any

from app.http.fields import Boolean, Choice, Id, Integer, Text, Time, WireSchema
from app.http.paging import PageQuery
from app.knowledge.models import ArticleKind, Language, UseKind
from app.knowledge.schemas.articles import LINE_MAX, NoArgsSchema
from app.knowledge.states.field import ProposalStatus, QuestionStatus

WORDS_MAX = 4_000
PASSAGE_MAX = 20_000


def _words(longest: int, example: str, **kwargs: Any) -> Text:
    return Text(max=longest, nfc=True, metadata={"example": example}, **kwargs)


class ArticleFeedbackSchema(WireSchema):
    """Whether a version helped; said once, and of one person the latest counts."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    version_id = Id(required=True)
    article_id = Id(dump_only=True)
    helpful = Boolean(required=True)
    comment = _words(WORDS_MAX, "그림이 있으면 더 좋겠음", allow_none=True)
    given_at = Time()


class ArticleFeedbackCreateSchema(ArticleFeedbackSchema):
    """New feedback; its id may be minted by the caller."""

    id = Id()


class ArticleFeedbackQuery(PageQuery):
    """Filters of the list of feedback."""

    article_id = Id()
    version_id = Id()


class ArticleProposalSchema(WireSchema):
    """A correction that is asked for, and what became of it."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    version_id = Id(required=True, metadata={"description": "The version that was read"})
    article_id = Id(dump_only=True)
    passage = _words(PASSAGE_MAX, "6개월마다", allow_none=True)
    correction = _words(PASSAGE_MAX, "3개월마다", blank=False, required=True)
    reason = _words(WORDS_MAX, "고온 현장은 더 짧음", allow_none=True)
    proposed_at = Time()
    status = Choice(ProposalStatus, dump_only=True)
    duplicate_of_id = Id(dump_only=True, allow_none=True)
    decided_at = Time(dump_only=True, allow_none=True)
    decline_reason = Text(
        max=WORDS_MAX, dump_only=True, allow_none=True, metadata={"example": "제조사 권고와 다름"}
    )


class ArticleProposalCreateSchema(ArticleProposalSchema):
    """A new proposal; its id may be minted by the caller."""

    id = Id()


class ArticleProposalQuery(PageQuery):
    """Filters of the list of proposals."""

    article_id = Id()
    status = Choice(ProposalStatus)


class DeclineSchema(WireSchema):
    """Why not."""

    reason = _words(WORDS_MAX, "제조사 권고와 다름", blank=False, required=True)


class ExpertQuestionSchema(WireSchema):
    """A question to the experts, and its answer."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    product_id = Id(allow_none=True)
    language = Choice(Language)
    question = _words(WORDS_MAX, "0W-20을 5W-30 대신 써도 됩니까?", blank=False, required=True)
    asked_at = Time()
    status = Choice(QuestionStatus, dump_only=True)
    answer = Text(
        max=PASSAGE_MAX,
        dump_only=True,
        allow_none=True,
        metadata={"example": "제조사 승인 규격을 따르십시오."},
    )
    answered_at = Time(dump_only=True, allow_none=True)
    article_id = Id(dump_only=True, allow_none=True, metadata={"description": "The FAQ that it became"})


class ExpertQuestionCreateSchema(ExpertQuestionSchema):
    """A new question; its id may be minted by the caller."""

    id = Id()


class ExpertQuestionQuery(PageQuery):
    """Filters of the list of questions."""

    status = Choice(QuestionStatus)
    product_id = Id()


class AnswerQuestionSchema(WireSchema):
    """The answer, in Markdown."""

    answer = _words(PASSAGE_MAX, "제조사 승인 규격을 따르십시오.", blank=False, required=True)


class ArticleUseSchema(WireSchema):
    """That a version was read in a visit, used there, or solved the case."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    visit_id = Id(required=True)
    version_id = Id(required=True)
    article_id = Id(dump_only=True)
    kind = Choice(UseKind, required=True)
    used_at = Time()


class ArticleUseCreateSchema(ArticleUseSchema):
    """A new use; its id may be minted by the caller."""

    id = Id()


class ArticleUseQuery(PageQuery):
    """Filters of the list of uses."""

    article_id = Id()
    visit_id = Id()
    kind = Choice(UseKind)


class PromoteSchema(WireSchema):
    """The note that is worth an article: an activity or the report of a visit."""

    activity_id = Id(metadata={"description": "This, or a visit"})
    visit_id = Id(metadata={"description": "This, or an activity"})
    title = _words(LINE_MAX, "고온 현장의 그리스 선정", blank=False, required=True)
    kind = Choice(ArticleKind)
    language = Choice(Language)


class PromotedSchema(WireSchema):
    """The draft that editors will find."""

    article_id = Id(dump_only=True)
    version_id = Id(dump_only=True)
    title = Text(max=LINE_MAX, dump_only=True, metadata={"example": "고온 현장의 그리스 선정"})


PROPOSAL_COMMAND_SCHEMAS: dict[str, type[WireSchema]] = {"accept": NoArgsSchema, "decline": DeclineSchema}
QUESTION_COMMAND_SCHEMAS: dict[str, type[WireSchema]] = {
    "answer": AnswerQuestionSchema,
    "publish": NoArgsSchema,
}
