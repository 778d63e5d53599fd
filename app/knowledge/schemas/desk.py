"""Wire forms of the editors' desk and of the 360 of a product."""

import enum

from app.catalog.schemas import PriceSchema, ProductSchema, PromotionSchema
from app.http.fields import Choice, Day, Id, Integer, Nested, QuerySchema, Rows, Text, Time, WireSchema
from app.http.paging import PageQuery
from app.knowledge.models import ArticleKind, Language
from app.knowledge.schemas.articles import LINE_MAX, SLUG_MAX, SUMMARY_MAX
from app.knowledge.schemas.diagnosis import DiagnosisTreeSchema
from app.knowledge.schemas.field import ExpertQuestionSchema
from app.knowledge.service.desk import SHOWN
from app.knowledge.service.product_view import ARTICLES


class WaitingKind(enum.StrEnum):
    """What waits for an editor."""

    PROPOSAL = "proposal"
    QUESTION = "question"
    REVIEW = "review"
    TREE_REVIEW = "tree_review"
    POOR = "poor"


class QueueQuery(QuerySchema):
    """How much to show."""

    limit = Integer(min=1, max=200, load_default=SHOWN)


class WaitingSchema(WireSchema):
    """One thing that waits."""

    kind = Choice(WaitingKind, dump_only=True)
    id = Id(dump_only=True)
    article_id = Id(dump_only=True, allow_none=True)
    title = Text(max=LINE_MAX, dump_only=True, metadata={"example": "3개월마다 교체"})
    since = Time(dump_only=True)


class WaitingCountSchema(WireSchema):
    """How much waits of a kind."""

    kind = Choice(WaitingKind, dump_only=True)
    count = Integer(dump_only=True, metadata={"example": 3})


class QueueSchema(WireSchema):
    """What waits for editors, the longest first."""

    counts = Rows(WaitingCountSchema, dump_only=True)
    items = Rows(WaitingSchema, dump_only=True)


class DueQuery(PageQuery):
    """Which reviews."""

    within_days = Integer(
        min=0, max=3_660, metadata={"description": "Also what is due by then", "example": 30}
    )
    editor_id = Id()


class DueSchema(WireSchema):
    """An article that is to be reviewed."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    slug = Text(max=SLUG_MAX, dump_only=True, metadata={"example": "engine-oil-interval"})
    kind = Choice(ArticleKind, dump_only=True)
    editor_id = Id(dump_only=True, allow_none=True)
    next_review_on = Day(dump_only=True)


class ReportQuery(QuerySchema):
    """Of which time; the last thirty days, when left out."""

    since = Time()
    until = Time(metadata={"description": "Exclusive"})
    limit = Integer(min=1, max=1_000, load_default=SHOWN)


class UsedArticleSchema(WireSchema):
    """What came of an article."""

    article_id = Id(dump_only=True)
    slug = Text(max=SLUG_MAX, dump_only=True, metadata={"example": "engine-oil-interval"})
    read = Integer(dump_only=True, metadata={"example": 12})
    used = Integer(dump_only=True, metadata={"example": 5})
    solved = Integer(dump_only=True, metadata={"example": 3})
    helpful = Integer(dump_only=True, metadata={"example": 9})
    not_helpful = Integer(dump_only=True, metadata={"example": 1})


class ReportSchema(WireSchema):
    """What was read in visits, used there, solved a case, and helped: the most used first."""

    since = Time(dump_only=True)
    until = Time(dump_only=True)
    items = Rows(UsedArticleSchema, max_items=1_000, dump_only=True)


class LanguageQuery(QuerySchema):
    """In which language."""

    language = Choice(Language)


class KnownArticleSchema(WireSchema):
    """An article about the product."""

    id = Id(dump_only=True, attribute="article.id")
    slug = Text(max=SLUG_MAX, dump_only=True, attribute="article.slug", metadata={"example": "engine-oil"})
    kind = Choice(ArticleKind, dump_only=True, attribute="article.kind")
    priority = Integer(dump_only=True, attribute="article.priority", metadata={"example": 0})
    version_id = Id(dump_only=True, attribute="words.id")
    language = Choice(Language, dump_only=True, attribute="words.language")
    title = Text(
        max=LINE_MAX, dump_only=True, attribute="words.title", metadata={"example": "엔진오일 교체 주기"}
    )
    summary = Text(
        max=SUMMARY_MAX,
        dump_only=True,
        attribute="words.summary",
        metadata={"example": "교체 주기를 정하는 법"},
    )
    rating = Integer(dump_only=True, allow_none=True, attribute="words.rating", metadata={"example": 3})


class ProductViewSchema(WireSchema):
    """A product with all that one may know of it. Technicians and partners are told no prices and no promotions."""

    product = Nested(ProductSchema, dump_only=True)
    prices = Rows(PriceSchema, dump_only=True)
    promotions = Rows(PromotionSchema, dump_only=True)
    articles = Rows(KnownArticleSchema, max_items=ARTICLES, dump_only=True)
    trees = Rows(DiagnosisTreeSchema, dump_only=True)
    questions = Rows(ExpertQuestionSchema, dump_only=True)
