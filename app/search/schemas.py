"""Wire forms of searches, synonyms and the report."""

import enum

from app.core.scope import ShapeClass
from app.http.fields import (
    Boolean,
    Choice,
    Day,
    Id,
    Integer,
    ListOf,
    QuerySchema,
    Rows,
    Text,
    Texts,
    Time,
    WireSchema,
)
from app.search.models import WORD_MAX, WORDS_MAX, Meaning


class Language(enum.StrEnum):
    """What articles are written in."""

    KO = "ko"
    EN = "en"


QUERY_MAX = 200
HITS_MAX = 50
OFFSET_MAX = 1_000
TITLE_MAX = 500
RANGE = "Pairs of first and behind the last character, in code points"


class SearchedKind(enum.StrEnum):
    """What may be searched."""

    ACCOUNT = "account"
    CONTACT = "contact"
    PRODUCT = "product"
    ARTICLE = "article_version"


def _words_asked() -> Text:
    return Text(
        max=QUERY_MAX,
        blank=False,
        required=True,
        metadata={"description": "As typed: words, parts of words, initial consonants (ㅇㅎㅇ), digits"},
    )


class SearchQuery(QuerySchema):
    """What to search, in what, and which hits."""

    q = _words_asked()
    kinds = ListOf(Choice(SearchedKind), max_items=len(SearchedKind), unique=True)
    limit = Integer(min=1, max=HITS_MAX, load_default=20)
    offset = Integer(min=0, max=OFFSET_MAX, load_default=0)
    language = Choice(
        Language, metadata={"description": "Of an article that is out in this language, only those words"}
    )


class RangeSchema(WireSchema):
    """A part of a text, in code points."""

    start = Integer(dump_only=True)
    end = Integer(dump_only=True, metadata={"description": "Behind the last one"})


class HitSchema(WireSchema):
    """A record that was found; its address is that of its kind."""

    kind = Choice(SearchedKind, dump_only=True)
    id = Id(dump_only=True)
    title = Text(max=TITLE_MAX, dump_only=True)
    title_ranges = Rows(RangeSchema, dump_only=True)
    snippet = Text(max=TITLE_MAX, dump_only=True)
    snippet_ranges = Rows(RangeSchema, dump_only=True)
    version = Integer(dump_only=True)
    updated_at = Time(dump_only=True)
    parent_id = Id(
        dump_only=True,
        allow_none=True,
        metadata={"description": "The account of a contact, the article of a version"},
    )
    language = Choice(Language, dump_only=True, allow_none=True)


class FoundSchema(WireSchema):
    """A page of hits, the best first."""

    items = Rows(HitSchema, dump_only=True)
    total = Integer(dump_only=True, metadata={"description": "How many you may see"})
    total_is_exact = Boolean(
        dump_only=True, metadata={"description": "False when there are more than `total`"}
    )
    did_you_mean = Text(max=QUERY_MAX, dump_only=True, allow_none=True)


class SuggestQuery(QuerySchema):
    """What was typed so far."""

    q = _words_asked()
    limit = Integer(min=1, max=20, load_default=8)


class SuggestedSchema(WireSchema):
    """Titles that it may become."""

    items = Texts(max=TITLE_MAX, max_items=20, dump_only=True)


class ReportQuery(QuerySchema):
    """Which days, and which searches."""

    since = Day(metadata={"description": "30 days back when left out"})
    until = Day(metadata={"description": "Today when left out"})
    found_nothing = Boolean(load_default=False, metadata={"description": "Only those that found nothing"})
    limit = Integer(min=1, max=200, load_default=100)


class AskedSchema(WireSchema):
    """How often something was searched; numbers that may belong to people are `#`."""

    query = Text(max=QUERY_MAX * 4, dump_only=True)
    searches = Integer(dump_only=True)
    found_nothing = Integer(dump_only=True)
    last_day = Day(dump_only=True)
    audience = ListOf(Choice(ShapeClass), dump_only=True)


class ReportSchema(WireSchema):
    """What was searched, what found nothing first."""

    since = Day(dump_only=True)
    until = Day(dump_only=True)
    items = Rows(AskedSchema, dump_only=True)


class SynonymGroupSchema(WireSchema):
    """Words that search takes for one."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    words = Texts(
        max=WORD_MAX,
        max_items=WORDS_MAX,
        required=True,
        metadata={"example": ["엔진오일", "엔진 오일", "engine oil"]},
    )
    audience = ListOf(
        Choice(ShapeClass),
        min_items=1,
        max_items=len(ShapeClass),
        unique=True,
        metadata={"description": "Whose searches it is for; everybody's when left out"},
    )
    meaning = Choice(
        Meaning,
        metadata={
            "description": "`same`: one thing by several names, worth nearly as much as the word that was typed."
            " `similar`: about one thing, worth less. `same` when left out"
        },
    )


class SynonymGroupCreateSchema(SynonymGroupSchema):
    """A new group."""

    id = Id()
