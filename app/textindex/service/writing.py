"""What rooms put into the index and take out of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.textindex.ranking import SPELLED, spelling_keys
from app.textindex.service.lines import lines_of
from app.textindex.tokens import WORD, Text, strokes, tokens_of

AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What ranks a document beside its words; phones have the same on the record.

    Attributes:
        published_on: Newer ones come first among equals.
        rating: What readers thought, 0 to 4.
        priority: What editors think, 0 to 4.
        language: Of its text.
        buckets: Who sees it, when that is a matter of the buckets of phones alone; None when only the
            condition of the room can say. Where it is told, far fewer rows are asked for.
    """

    published_on: date | None = None
    rating: int = 0
    priority: int = 0
    language: str | None = None
    buckets: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One record to be found: its texts and facts."""

    record_id: UUID
    texts: Sequence[Text]
    facts: Facts = Facts()


def put(
    session: Session,
    tenant_id: UUID,
    kind: str,
    record_id: UUID,
    texts: Sequence[Text],
    *,
    facts: Facts,
    now: datetime,
) -> None:
    """Index a record, in place of what was indexed of it before. The caller commits."""
    put_many(session, tenant_id, kind, [Document(record_id, texts, facts)], now=now)


def put_many(
    session: Session, tenant_id: UUID, kind: str, documents: Iterable[Document], *, now: datetime
) -> None:
    """Index many records of one kind with a few statements for each thousand. The caller commits.

    A record that is given twice counts as it is given last.
    """
    # In one order, so that two writers wait for each other and never in a circle.
    last = {document.record_id: document for document in documents}
    for part in _parts([last[record_id] for record_id in sorted(last)]):
        _put(session, tenant_id, kind, part)


def remove(session: Session, tenant_id: UUID, kind: str, record_ids: Iterable[UUID]) -> None:
    """Take records out of the index; those that are not in it are no error. The caller commits."""
    ids = sorted(set(record_ids))
    numbers = session.scalars(_HOLD, {"tenant": tenant_id, "kind": kind, "ids": ids}).all()
    session.execute(_UNLIST, {"tenant": tenant_id, "numbers": list(numbers)})
    session.execute(_FORGET, {"tenant": tenant_id, "numbers": list(numbers)})


def _put(session: Session, tenant_id: UUID, kind: str, documents: Sequence[Document]) -> None:
    rows, words = [], set()
    for document in documents:
        tokens = tokens_of(document.texts)
        words |= {token[1:] for token in tokens if token[0] == WORD}
        rows.append(
            {
                "id": document.record_id,
                "published_on": document.facts.published_on,
                "rating": document.facts.rating,
                "priority": document.facts.priority,
                "language": document.facts.language,
                "buckets": None if document.facts.buckets is None else sorted(document.facts.buckets),
                "tokens": lines_of(tokens),
            }
        )
    values = {"tenant": tenant_id, "kind": kind, "rows": orjson.dumps(rows).decode()}
    session.execute(_NEW_SHELVES, values)
    session.execute(_HOLD_OR_MAKE, values)
    # From here on the rows are ours: another writer of the same record waits for our commit.
    changed = list(session.scalars(_CHANGED, values))
    session.execute(_UNLIST, {"tenant": tenant_id, "numbers": changed})
    session.execute(_SET, values)
    session.execute(_LIST, {"tenant": tenant_id, "numbers": changed})
    _learn(session, tenant_id, words)


def _learn(session: Session, tenant_id: UUID, words: Iterable[str]) -> None:
    told = sorted(word for word in words if len(strokes(word)) in SPELLED)
    known = set(
        session.scalars(_KNOWN, {"tenant": tenant_id, "words": told, "keys": [strokes(w) for w in told]})
    )
    pairs = sorted((key, word) for word in told if word not in known for key in spelling_keys(word))
    if pairs:
        keys, values = zip(*pairs, strict=True)
        session.execute(_LEARN, {"tenant": tenant_id, "keys": list(keys), "words": list(values)})


def _parts(documents: Iterable[Document]) -> Iterator[list[Document]]:
    rest = iter(documents)
    while part := list(islice(rest, AT_ONCE)):
        yield part


_ROWS = """json_to_recordset(CAST(:rows AS json)) AS r (id uuid, published_on date, rating smallint, priority smallint,
    language text, buckets text[], tokens text)"""

_NEW_SHELVES: Final = text(f"""
    INSERT INTO search_shelves (tenant_id, kind, buckets)
    SELECT :tenant, :kind, buckets FROM (SELECT DISTINCT buckets FROM {_ROWS}) b
    WHERE NOT EXISTS (SELECT 1 FROM search_shelves s WHERE s.tenant_id = :tenant AND s.kind = :kind
                      AND s.buckets IS NOT DISTINCT FROM b.buckets)
    ORDER BY buckets ON CONFLICT DO NOTHING
""")  # noqa: S608  (constants only)

# An update that changes nothing: it holds a row that is there already.
_HOLD_OR_MAKE: Final = text(f"""
    INSERT INTO search_documents (tenant_id, kind, record_id)
    SELECT :tenant, :kind, r.id FROM {_ROWS} ORDER BY r.id
    ON CONFLICT (tenant_id, kind, record_id) DO UPDATE SET kind = excluded.kind
""")  # noqa: S608

_SHELF = """(SELECT s.id FROM search_shelves s WHERE s.tenant_id = :tenant AND s.kind = :kind
    AND s.buckets IS NOT DISTINCT FROM r.buckets)"""

_CHANGED: Final = text(f"""
    SELECT d.number FROM {_ROWS}
    JOIN search_documents d ON d.tenant_id = :tenant AND d.kind = :kind AND d.record_id = r.id
    WHERE (d.shelf, d.tokens) IS DISTINCT FROM ({_SHELF}, r.tokens)
""")  # noqa: S608

_SET: Final = text(f"""
    UPDATE search_documents d SET shelf = {_SHELF}, tokens = r.tokens, published_on = r.published_on,
           rating = coalesce(r.rating, 0), priority = coalesce(r.priority, 0), language = r.language
    FROM {_ROWS}
    WHERE d.tenant_id = :tenant AND d.kind = :kind AND d.record_id = r.id
      AND (d.shelf, d.tokens, d.published_on, d.rating, d.priority, d.language) IS DISTINCT FROM
          ({_SHELF}, r.tokens, r.published_on, coalesce(r.rating, 0), coalesce(r.priority, 0), r.language)
""")  # noqa: S608

# By its first character a line says how much the token weighs: service/lines.py.
_LINES = """search_documents d CROSS JOIN LATERAL string_to_table(d.tokens, E'\\n') line
    WHERE d.tenant_id = :tenant AND d.number = ANY(CAST(:numbers AS integer[])) AND line <> ''"""

_LIST: Final = text(f"""
    INSERT INTO search_tokens (tenant_id, token, shelf, heading, number, weight)
    SELECT d.tenant_id, substr(line, 2), d.shelf, ascii(line) - 48 >= 12, d.number, ascii(line) - 48
    FROM {_LINES} ORDER BY 2, 3, 4, 5
""")  # noqa: S608

_UNLIST: Final = text(f"""
    DELETE FROM search_tokens t USING (
        SELECT d.tenant_id, substr(line, 2) AS token, d.shelf, ascii(line) - 48 >= 12 AS heading, d.number
        FROM {_LINES}
    ) o WHERE t.tenant_id = o.tenant_id AND t.token = o.token AND t.shelf = o.shelf AND t.heading = o.heading
          AND t.number = o.number
""")  # noqa: S608

_HOLD: Final = text("""
    SELECT number FROM search_documents
    WHERE tenant_id = :tenant AND kind = :kind AND record_id = ANY(CAST(:ids AS uuid[]))
    ORDER BY record_id FOR UPDATE
""")

_FORGET: Final = text(
    "DELETE FROM search_documents WHERE tenant_id = :tenant AND number = ANY(CAST(:numbers AS integer[]))"
)

# A word stands under its own strokes too.
_KNOWN: Final = text("""
    SELECT w.word FROM unnest(CAST(:keys AS text[]), CAST(:words AS text[])) AS n (key, word)
    JOIN search_words w ON w.tenant_id = :tenant AND w.key = n.key AND w.word = n.word
""")

_LEARN: Final = text("""
    INSERT INTO search_words (tenant_id, key, word)
    SELECT :tenant, key, word FROM unnest(CAST(:keys AS text[]), CAST(:words AS text[])) AS n (key, word)
    ORDER BY key, word ON CONFLICT DO NOTHING
""")
