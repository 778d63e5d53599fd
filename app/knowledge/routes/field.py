"""What the field says of articles, over REST: feedback, proposals, questions, uses, promoted notes."""

from typing import Any

from flask.views import MethodView

from app.core.clock import utc_now
from app.core.scope import Role
from app.http.api import EVERYBODY, Blueprint
from app.http.resources import Resource
from app.http.transaction import transaction
from app.knowledge import service
from app.knowledge.models import ArticleFeedback, ArticleProposal, ArticleUse, ExpertQuestion
from app.knowledge.schemas.field import (
    PROPOSAL_COMMAND_SCHEMAS,
    QUESTION_COMMAND_SCHEMAS,
    ArticleFeedbackCreateSchema,
    ArticleFeedbackQuery,
    ArticleFeedbackSchema,
    ArticleProposalCreateSchema,
    ArticleProposalQuery,
    ArticleProposalSchema,
    ArticleUseCreateSchema,
    ArticleUseQuery,
    ArticleUseSchema,
    ExpertQuestionCreateSchema,
    ExpertQuestionQuery,
    ExpertQuestionSchema,
    PromotedSchema,
    PromoteSchema,
)
from app.knowledge.sync import ARTICLE_PROPOSAL, EXPERT_QUESTION

blp = Blueprint(
    "feedback", __name__, url_prefix="/api/v1", description="What the field says of what it was told"
)

STAFF = (Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.ADMIN, Role.INTEGRATION)

FEEDBACK = Resource(blp=blp, model=ArticleFeedback, schema=ArticleFeedbackSchema, get=service.get_feedback)


@blp.route("/knowledge/feedback")
class Feedback(MethodView):
    """Whether articles helped."""

    get = FEEDBACK.lists(
        "List what you said of articles; as an editor what everybody did",
        EVERYBODY,
        service.list_feedback,
        ArticleFeedbackQuery,
        sorts=("given_at",),
        default_sort="-given_at",
    )
    post = FEEDBACK.creates(
        "Say whether a version helped", EVERYBODY, service.give_feedback, ArticleFeedbackCreateSchema
    )


@blp.route("/knowledge/feedback/<uuid:feedback_id>")
class FeedbackById(MethodView):
    """What somebody said; it has no PATCH and no DELETE: a later word takes its place."""

    get = FEEDBACK.shows("Get what was said of a version", EVERYBODY)


USES = Resource(blp=blp, model=ArticleUse, schema=ArticleUseSchema, get=service.get_use)


@blp.route("/knowledge/uses")
class Uses(MethodView):
    """Where articles were used."""

    get = USES.lists(
        "List where you used articles",
        STAFF,
        service.list_uses,
        ArticleUseQuery,
        sorts=("used_at",),
        default_sort="-used_at",
    )
    post = USES.creates(
        "Note that a version was used in a visit", STAFF, service.note_use, ArticleUseCreateSchema
    )


@blp.route("/knowledge/uses/<uuid:use_id>")
class UseById(MethodView):
    """One use."""

    get = USES.shows("Get a use of an article", STAFF)


PROPOSALS = Resource(
    blp=blp,
    model=ArticleProposal,
    schema=ArticleProposalSchema,
    entity=ARTICLE_PROPOSAL,
    noted=False,
    get=service.get_proposal,
    get_locked=service.get_locked_proposal,
)


@blp.route("/knowledge/proposals")
class Proposals(MethodView):
    """Corrections that are asked for."""

    get = PROPOSALS.lists(
        "List the corrections that you asked for; as an editor all",
        EVERYBODY,
        service.list_proposals,
        ArticleProposalQuery,
        sorts=("proposed_at",),
        default_sort="-proposed_at",
    )
    post = PROPOSALS.creates("Ask for a correction", EVERYBODY, service.propose, ArticleProposalCreateSchema)


@blp.route("/knowledge/proposals/<uuid:proposal_id>")
class ProposalById(MethodView):
    """One of them."""

    get = PROPOSALS.shows("Get a proposal", EVERYBODY)


decide = PROPOSALS.commands(
    "/knowledge/proposals/<uuid:proposal_id>",
    service.PROPOSAL_COMMANDS,
    PROPOSAL_COMMAND_SCHEMAS,
    dated=False,
)
decide("accept", "Make a draft with the correction in it", EVERYBODY)
decide("decline", "Leave the words as they are, and say why", EVERYBODY)

QUESTIONS = Resource(
    blp=blp,
    model=ExpertQuestion,
    schema=ExpertQuestionSchema,
    entity=EXPERT_QUESTION,
    noted=False,
    get=service.get_question,
)


@blp.route("/knowledge/questions")
class Questions(MethodView):
    """What no article answered."""

    get = QUESTIONS.lists(
        "List what you asked the experts; as an editor all",
        EVERYBODY,
        service.list_questions,
        ExpertQuestionQuery,
        sorts=("asked_at",),
        default_sort="-asked_at",
    )
    post = QUESTIONS.creates("Ask the experts", EVERYBODY, service.ask, ExpertQuestionCreateSchema)


@blp.route("/knowledge/questions/<uuid:question_id>")
class QuestionById(MethodView):
    """One question."""

    get = QUESTIONS.shows("Get a question with its answer", EVERYBODY)


settle = QUESTIONS.commands(
    "/knowledge/questions/<uuid:question_id>",
    service.QUESTION_COMMANDS,
    QUESTION_COMMAND_SCHEMAS,
    dated=False,
)
settle("answer", "Answer a question, or better its answer", EVERYBODY)
settle("publish", "Make the draft of a FAQ of an answer", EVERYBODY)


@blp.route("/knowledge/promote")
class Promotion(MethodView):
    """Notes that are worth an article."""

    @blp.allow(*STAFF)
    @blp.arguments(PromoteSchema)
    @blp.response(201, PromotedSchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Make a draft of a note, without what tells of the customer

        National id numbers, phone numbers, mail addresses and the names of the account and of its contacts are
        blanked. Only editors see the draft; they look once more.
        """
        with transaction() as (session, actor):
            draft = service.promote(session, actor, values, now=utc_now())
            return {"article_id": draft.article_id, "version_id": draft.id, "title": draft.title}
