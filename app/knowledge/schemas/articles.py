"""Wire forms of articles and versions; the fields stand in the order of the feed."""

import enum

from app.http.fields import (
    Boolean,
    Choice,
    Day,
    Id,
    Integer,
    Json,
    QuerySchema,
    Rows,
    Text,
    Texts,
    Time,
    WireSchema,
)
from app.http.paging import PageQuery
from app.knowledge.markdown import MAX_BYTES
from app.knowledge.models import ArticleKind, Language
from app.knowledge.states.articles import VersionStatus

SLUG_MAX = 80
SLUG = "[a-z0-9]+(-[a-z0-9]+)*"
LINE_MAX = 300
SUMMARY_MAX = 2_000
NOTE_MAX = 2_000
MODELS_MAX = 100
PRODUCTS_MAX = 200
AUDIENCES_MAX = 200
KEYWORDS_MAX = 50
WORD_MAX = 100


class AudienceRole(enum.StrEnum):
    """Roles that articles are for."""

    REP = "rep"
    TECHNICIAN = "technician"
    MANAGER = "manager"
    PARTNER = "partner"


class ArticleProductSchema(WireSchema):
    """A product that an article is about; a row of it."""

    id = Id(dump_only=True)
    product_id = Id(required=True)


class AudienceSchema(WireSchema):
    """Whom an article is for: a role, a unit with all below it, or a role in a unit."""

    role = Choice(AudienceRole, allow_none=True)
    unit_id = Id(allow_none=True, metadata={"example": None})


class ArticleSchema(WireSchema):
    """A page of knowledge, without its words."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    slug = Text(
        max=SLUG_MAX,
        pattern=SLUG,
        required=True,
        metadata={"description": "For links between articles; stays", "example": "engine-oil-interval"},
    )
    kind = Choice(ArticleKind, required=True)
    asset_models = Texts(
        max_items=MODELS_MAX,
        max=WORD_MAX,
        metadata={"description": "Models of assets", "example": ["HP-200"]},
    )
    priority = Integer(min=0, max=4, metadata={"description": "Higher comes first", "example": 0})
    must_read = Boolean(
        metadata={"description": "Safety notices that each reader acknowledges", "example": False}
    )
    for_customers = Boolean(
        metadata={"description": "May be shown and given to customers by those who read it", "example": False}
    )
    products = Rows(ArticleProductSchema, max_items=PRODUCTS_MAX)


class ArticleCreateSchema(ArticleSchema):
    """A new page; its id may be minted by the caller. Without audiences only editors see it."""

    id = Id()
    editor_id = Id(allow_none=True, metadata={"description": "Who keeps it true; oneself, when left out"})
    review_every_days = Integer(min=1, max=3_660, allow_none=True, metadata={"example": 180})
    next_review_on = Day(allow_none=True)
    audiences = Rows(AudienceSchema, max_items=AUDIENCES_MAX)


class ArticleChangeSchema(ArticleCreateSchema):
    """What may change of a page."""

    class Meta:
        """Without what it is known by."""

        exclude = ("id",)


class ArticleKeepingSchema(WireSchema):
    """How a page is kept: for editors."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    editor_id = Id(dump_only=True, allow_none=True)
    review_every_days = Integer(dump_only=True, allow_none=True, metadata={"example": 180})
    next_review_on = Day(dump_only=True, allow_none=True)
    audiences = Rows(AudienceSchema, max_items=AUDIENCES_MAX, dump_only=True)


class ArticleQuery(PageQuery):
    """Filters of the list of articles."""

    kind = Choice(ArticleKind)
    product_id = Id()
    asset_model = Text(max=WORD_MAX, metadata={"example": "HP-200"})
    slug = Text(max=SLUG_MAX, metadata={"example": "engine-oil-interval"})
    must_read = Boolean()
    for_customers = Boolean()
    due_to = Day(metadata={"description": "To be reviewed by this day"})


class _WordsSchema(WireSchema):
    """What a version says, as it is written."""

    title = Text(max=LINE_MAX, blank=False, nfc=True, metadata={"example": "엔진오일 교체 주기"})
    summary = Text(max=SUMMARY_MAX, nfc=True, metadata={"example": "차종별 교체 주기를 정하는 법"})
    body = Text(
        max=MAX_BYTES,
        nfc=True,
        metadata={
            "description": "Markdown without HTML and pictures; links to http, https, mailto and `article:<slug>`",
            "example": "5W-30은 **6개월**마다 교체합니다.",
        },
    )
    keywords = Texts(max_items=KEYWORDS_MAX, max=WORD_MAX, metadata={"example": ["윤활유"]})
    changelog = Text(max=NOTE_MAX, nfc=True, metadata={"example": "교체 주기를 줄임"})
    effective_from = Day(allow_none=True)
    effective_to = Day(allow_none=True, metadata={"description": "Withdrawn after this day", "example": None})


class VersionCreateSchema(_WordsSchema):
    """The next version in a language: a copy of the newest with these values; its id may be minted by the caller."""

    id = Id()
    language = Choice(Language, required=True)


class VersionChangeSchema(_WordsSchema):
    """What may change of a draft."""


class ArticleVersionSchema(WireSchema):
    """The words of an article in one language, as phones hold them."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    article_id = Id(dump_only=True)
    language = Choice(Language, dump_only=True)
    n = Integer(dump_only=True, metadata={"example": 2})
    status = Choice(VersionStatus, dump_only=True)
    title = Text(max=LINE_MAX, dump_only=True, metadata={"example": "엔진오일 교체 주기"})
    summary = Text(max=SUMMARY_MAX, dump_only=True, metadata={"example": "차종별 교체 주기를 정하는 법"})
    body = Text(max=MAX_BYTES, dump_only=True, metadata={"example": "5W-30은 **6개월**마다 교체합니다."})
    keywords = Texts(dump_only=True, metadata={"example": ["윤활유"]})
    changelog = Text(max=NOTE_MAX, dump_only=True, metadata={"example": "교체 주기를 줄임"})
    effective_from = Day(dump_only=True, allow_none=True)
    effective_to = Day(dump_only=True, allow_none=True)
    published_at = Time(dump_only=True, allow_none=True)
    rating = Integer(
        dump_only=True, allow_none=True, metadata={"description": "0 to 4, by readers", "example": 3}
    )
    tokens = Json(dump_only=True, metadata={"description": "What phones search by", "example": {}})


class VersionSchema(ArticleVersionSchema):
    """The words of an article in one language, with their way through the house."""

    class Meta:
        """Without what only phones need."""

        exclude = ("tokens",)

    author_id = Id(dump_only=True)
    reviewer_id = Id(dump_only=True, allow_none=True)
    publish_at = Time(dump_only=True, allow_none=True, metadata={"description": "When it is to go out"})
    withdraw_at = Time(
        dump_only=True, allow_none=True, metadata={"description": "When it is to be withdrawn"}
    )


class VersionQuery(PageQuery):
    """Filters of the list of versions."""

    article_id = Id()
    language = Choice(Language)
    status = Choice(VersionStatus)


class NoArgsSchema(WireSchema):
    """A command that needs no more than its name."""


class PublishSchema(WireSchema):
    """When, where not now."""

    publish_at = Time(allow_none=True, metadata={"example": None})
    withdraw_at = Time(allow_none=True, metadata={"example": None})


class WithdrawSchema(WireSchema):
    """When, where not now."""

    withdraw_at = Time(allow_none=True, metadata={"example": None})


COMMAND_SCHEMAS: dict[str, type[WireSchema]] = {
    "submit_for_review": NoArgsSchema,
    "approve": NoArgsSchema,
    "reject": NoArgsSchema,
    "publish": PublishSchema,
    "withdraw": WithdrawSchema,
}


class ArticleReceiptSchema(WireSchema):
    """That one read a notice that had to be read."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    article_id = Id(dump_only=True)
    version_id = Id(dump_only=True)
    acknowledged_at = Time(dump_only=True)


class KnowledgePackSchema(WireSchema):
    """What phones are given of the knowledge for one audience, and what was left out."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    budget_kb = Integer(dump_only=True, metadata={"example": 20_000})
    size_kb = Integer(dump_only=True, metadata={"example": 1_200})
    included = Integer(dump_only=True, metadata={"example": 300})
    omitted = Integer(dump_only=True, metadata={"example": 0})
    left_out = Json(
        dump_only=True,
        metadata={"description": "The most important of what was left out: ids and titles", "example": []},
    )


class LanguageQuery(QuerySchema):
    """In which language."""

    language = Choice(Language)


class HtmlSchema(WireSchema):
    """A version as it is shown."""

    title = Text(max=LINE_MAX, dump_only=True, metadata={"example": "엔진오일 교체 주기"})
    html = Text(
        max=MAX_BYTES * 10,
        dump_only=True,
        metadata={"description": "Without scripts, styles, pictures", "example": "<p>6개월마다</p>"},
    )


class DiffQuery(QuerySchema):
    """Since which version."""

    since_id = Id(required=True)


class DiffSchema(WireSchema):
    """What changed, as a unified diff."""

    diff = Text(max=MAX_BYTES * 4, dump_only=True, metadata={"example": "-6개월마다\n+3개월마다"})


class UnreadSchema(WireSchema):
    """Somebody who has not acknowledged a notice."""

    id = Id(dump_only=True)
    user_id = Id(dump_only=True)
    user_name = Text(max=LINE_MAX, dump_only=True, metadata={"example": "김한빛"})
    article_id = Id(
        dump_only=True, allow_none=True, metadata={"description": "Null where it is not for you as well"}
    )
    slug = Text(max=SLUG_MAX, dump_only=True, allow_none=True, metadata={"example": "pump-recall"})
    since = Time(dump_only=True)


def _budget() -> Integer:
    return Integer(min=1, max=1_000_000, metadata={"example": 20_000})


class PackBudgetsSchema(WireSchema):
    """Kilobytes of knowledge on the phones of each class; those left out stay as they are."""

    sales = _budget()
    service = _budget()
    manager = _budget()
    partner = _budget()
