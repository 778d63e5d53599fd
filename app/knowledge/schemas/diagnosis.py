"""Wire forms of trees, their versions and runs; the fields stand in the order of the feed."""

from datetime import datetime
from typing import Any

from app.http.fields import (
    Choice,
    Id,
    Integer,
    Json,
    ListOf,
    Quantity,
    Rows,
    Text,
    Texts,
    Time,
    WireSchema,
    wire_time,
)
from app.http.paging import PageQuery
from app.knowledge.models import RunOutcome
from app.knowledge.schemas.articles import (
    AUDIENCES_MAX,
    LINE_MAX,
    NOTE_MAX,
    PRODUCTS_MAX,
    SLUG,
    SLUG_MAX,
    AudienceSchema,
    NoArgsSchema,
)
from app.knowledge.states.articles import VersionStatus
from app.knowledge.trees import MAX_DEPTH, MAX_NODES, NodeKind

NODE_ID_MAX = 40
NODE_ID = "[a-z0-9][a-z0-9_-]*"
NODE_TEXT_MAX = 1_000
ANSWERS_MAX = 50
PARTS_MAX = 20
LINKS_MAX = 20
RUN_NOTE_MAX = 20_000

NODES = [
    {
        "id": "noise",
        "kind": "symptom",
        "ko": "펌프에서 소음이 난다",
        "en": "The pump is noisy",
        "answers": [{"id": "go", "ko": "다음", "en": "Next", "next": "clean"}],
        "parts": [],
        "articles": [],
    },
    {
        "id": "clean",
        "kind": "remedy",
        "ko": "스트레이너 청소",
        "en": "Clean the strainer",
        "answers": [],
        "parts": [],
        "articles": [],
    },
]


def _node_id() -> Text:
    return Text(max=NODE_ID_MAX, pattern=NODE_ID, required=True, metadata={"example": "noise"})


class AnswerSchema(WireSchema):
    """One answer at a node, and where it leads."""

    id = Text(max=NODE_ID_MAX, pattern=NODE_ID, required=True, metadata={"example": "go"})
    ko = Text(max=LINE_MAX, blank=False, nfc=True, required=True, metadata={"example": "다음"})
    en = Text(max=LINE_MAX, nfc=True, allow_none=True, metadata={"example": "Next"})
    next = Text(max=NODE_ID_MAX, pattern=NODE_ID, required=True, metadata={"example": "clean"})


class PartSchema(WireSchema):
    """A spare part that a remedy needs."""

    product_id = Id(required=True)
    quantity = Quantity(min="0.000001", required=True)


class NodeSchema(WireSchema):
    """A symptom, a question, a cause, a remedy, or a word to ask somebody else."""

    id = _node_id()
    kind = Choice(NodeKind, required=True)
    ko = Text(
        max=NODE_TEXT_MAX, blank=False, nfc=True, required=True, metadata={"example": "펌프에서 소음이 난다"}
    )
    en = Text(max=NODE_TEXT_MAX, nfc=True, allow_none=True, metadata={"example": "The pump is noisy"})
    answers = Rows(AnswerSchema, max_items=ANSWERS_MAX, load_default=list)
    parts = Rows(PartSchema, max_items=PARTS_MAX, load_default=list, metadata={"example": []})
    articles = Texts(
        max_items=LINKS_MAX,
        max=SLUG_MAX,
        load_default=list,
        metadata={"description": "Slugs of articles", "example": ["strainer-cleaning"]},
    )


class DiagnosisTreeProductSchema(WireSchema):
    """A product that a tree is about; a row of it."""

    id = Id(dump_only=True)
    product_id = Id(required=True)


class DiagnosisTreeSchema(WireSchema):
    """A diagnosis tree, without its nodes."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    code = Text(max=SLUG_MAX, pattern=SLUG, required=True, metadata={"example": "pump-noise"})
    title_ko = Text(max=LINE_MAX, blank=False, nfc=True, required=True, metadata={"example": "펌프 소음"})
    title_en = Text(max=LINE_MAX, nfc=True, allow_none=True, metadata={"example": "Pump noise"})
    products = Rows(DiagnosisTreeProductSchema, max_items=PRODUCTS_MAX)


class DiagnosisTreeCreateSchema(DiagnosisTreeSchema):
    """A new tree; its id may be minted by the caller. Without audiences only editors see it."""

    id = Id()
    audiences = Rows(AudienceSchema, max_items=AUDIENCES_MAX)


class DiagnosisTreeChangeSchema(DiagnosisTreeCreateSchema):
    """What may change of a tree."""

    class Meta:
        """Without what it is known by."""

        exclude = ("id",)


class DiagnosisTreeKeepingSchema(WireSchema):
    """Whom a tree is for: for editors."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    audiences = Rows(AudienceSchema, max_items=AUDIENCES_MAX, dump_only=True)


class DiagnosisTreeQuery(PageQuery):
    """Filters of the list of trees."""

    product_id = Id()
    code = Text(max=SLUG_MAX, metadata={"example": "pump-noise"})


class TreeVersionSchema(WireSchema):
    """The nodes of a tree, as phones hold them."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    tree_id = Id(dump_only=True)
    n = Integer(dump_only=True, metadata={"example": 2})
    status = Choice(VersionStatus, dump_only=True)
    nodes = Json(max=8_000_000, dump_only=True, metadata={"example": NODES})
    changelog = Text(max=NOTE_MAX, dump_only=True, metadata={"example": "씰 교체를 더함"})
    published_at = Time(dump_only=True, allow_none=True)
    rates = Json(
        dump_only=True,
        metadata={
            "description": "By remedy node, the share of runs that it solved in quarters: 0 to 4; those that were"
            " tried less than five times are left out",
            "example": {"clean": 3},
        },
    )


class TreeVersionChangeSchema(WireSchema):
    """What may change of a draft."""

    nodes = Rows(NodeSchema, max_items=MAX_NODES, metadata={"example": NODES})
    changelog = Text(max=NOTE_MAX, nfc=True, metadata={"example": "씰 교체를 더함"})


class TreeVersionCreateSchema(TreeVersionChangeSchema):
    """The next version: a copy of the newest with these values; its id may be minted by the caller."""

    id = Id()
    tree_id = Id(required=True)


class TreeVersionQuery(PageQuery):
    """Filters of the list of versions."""

    tree_id = Id()
    status = Choice(VersionStatus)


class ProblemSchema(WireSchema):
    """One thing that keeps a tree from its review."""

    code = Text(max=40, dump_only=True, metadata={"example": "cycle"})
    nodes = ListOf(Text(max=NODE_ID_MAX, metadata={"example": "noise"}), dump_only=True)


class ProblemsSchema(WireSchema):
    """All that keeps a tree from its review; none where it is sound."""

    problems = Rows(ProblemSchema, dump_only=True)


class RemedySchema(WireSchema):
    """How often a remedy was tried, over all versions of its tree."""

    node = Text(max=NODE_ID_MAX, dump_only=True, metadata={"example": "clean"})
    runs = Integer(dump_only=True, metadata={"example": 12})
    solved = Integer(dump_only=True, metadata={"example": 9})
    not_solved = Integer(dump_only=True, metadata={"example": 2})
    escalated = Integer(dump_only=True, metadata={"example": 1})


class RemediesSchema(WireSchema):
    """The remedies of a tree that were ever tried."""

    items = Rows(RemedySchema, max_items=MAX_NODES, dump_only=True)


class StepSchema(WireSchema):
    """One step of a path: at a node this was answered; nothing where it ended."""

    node = _node_id()
    answer = Text(max=NODE_ID_MAX, pattern=NODE_ID, allow_none=True, metadata={"example": "go"})
    at = Time(allow_none=True)


class Path(Rows):
    """The steps of a run, typed or as they were stored."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(StepSchema, max_items=MAX_DEPTH, **kwargs)

    def write(self, value: Any) -> Any:
        return [
            {"node": step["node"], "answer": step.get("answer"), "at": _moment(step.get("at"))}
            for step in value
        ]


def _moment(at: Any) -> Any:
    return wire_time(at) if isinstance(at, datetime) else at


class DiagnosisRunSchema(WireSchema):
    """A way that was taken through a tree in a visit, and what came of it."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(required=True)
    visit_id = Id(required=True)
    tree_version_id = Id(required=True, metadata={"description": "The version that was walked"})
    tree_id = Id(dump_only=True)
    author_id = Id(dump_only=True)
    path = Path(
        required=True,
        metadata={
            "description": "From the root; it never changes",
            "example": [
                {"node": "noise", "answer": "go", "at": "2026-11-21T09:00:00.000000Z"},
                {"node": "clean", "answer": None, "at": None},
            ],
        },
    )
    remedy = Text(
        max=NODE_ID_MAX,
        dump_only=True,
        allow_none=True,
        metadata={"description": "Where it ended, if that was one"},
    )
    outcome = Choice(RunOutcome, required=True)
    note = Text(max=RUN_NOTE_MAX, allow_none=True, metadata={"example": "스트레이너에 이물질이 많았음"})
    ran_at = Time()


class DiagnosisRunCreateSchema(DiagnosisRunSchema):
    """A new run; its id may be minted by the caller."""

    id = Id()


class DiagnosisRunChangeSchema(WireSchema):
    """What may be corrected."""

    outcome = Choice(RunOutcome)
    note = Text(max=RUN_NOTE_MAX, allow_none=True, metadata={"example": "다음 날 다시 소음"})


class DiagnosisRunQuery(PageQuery):
    """Filters of the list of runs."""

    account_id = Id()
    visit_id = Id()
    tree_id = Id()
    outcome = Choice(RunOutcome)


TREE_COMMAND_SCHEMAS: dict[str, type[WireSchema]] = {
    "submit_for_review": NoArgsSchema,
    "approve": NoArgsSchema,
    "reject": NoArgsSchema,
    "publish": NoArgsSchema,
    "withdraw": NoArgsSchema,
}
