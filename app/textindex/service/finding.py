"""Answers of the index: which documents, in which order, how many, and what was probably meant."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from app.core.scope import Actor
from app.textindex import queries
from app.textindex.queries import Shelves
from app.textindex.ranking import (
    ENOUGH,
    SEEN_AT_MOST,
    Candidate,
    importance,
    near,
    rank,
    rarity,
    spelling_keys,
    unknown,
)
from app.textindex.service.lines import weights_in
from app.textindex.tokens import NO_SYNONYMS, WORD, Query, Thesaurus, corrected, widen

READ_AT_MOST = 1_000
"""Rows of lists that are read for one query: the rarest tokens first."""
RANKED_AT_MOST = 200
"""Documents that are looked at with all their tokens: those with most of what was read. Pages end there."""
COUNTED_AT_MOST = 1_000
EACH_AT_MOST = 100
"""Rows of one list and shelf, where every list is longer than that and the best of them has to do."""


@dataclass(frozen=True, slots=True)
class Visible:
    """What an actor sees of one kind.

    Attributes:
        condition: Given a column of record ids, whether the actor sees the record: EXISTS over the room's
            own scope function.
        buckets: The actor's, if documents of this kind tell theirs and the actor sees by them; None for
            who sees all or by the condition alone.
    """

    condition: Callable[[Any], ColumnElement[bool]]
    buckets: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that answers."""

    kind: str
    record_id: UUID
    score: int


@dataclass(frozen=True, slots=True)
class Found:
    """One page of answers.

    Attributes:
        hits: Best first.
        total: How many there are that the actor sees: exact up to ``RANKED_AT_MOST``, for a single token up to
            ``COUNTED_AT_MOST``.
        capped: There are so many that they were not counted to the end.
        did_you_mean: The query with the words that it was answered for as well, or None.
        query: As it was answered, for highlights: with synonyms and corrections.
    """

    hits: list[Hit]
    total: int
    capped: bool
    did_you_mean: str | None
    query: Query


def find(
    session: Session,
    actor: Actor,
    query: Query,
    *,
    kinds: Mapping[str, Visible],
    limit: int,
    offset: int = 0,
    synonyms: Thesaurus = NO_SYNONYMS,
    today: date | None = None,
) -> Found:
    """Records that answer a query, of those that the actor sees.

    Args:
        session: Of the actor's tenant.
        actor: Who asks.
        query: From ``tokens.analyse``.
        kinds: Where to look, and what of each kind the actor sees.
        limit: Hits of one page.
        offset: Hits before it.
        synonyms: Groups of words that stand for each other, those that the actor may know.
        today: Freshness is counted until then; the day of the actor's scope by default.

    Returns:
        The page. What the actor does not see has no part in order, counts and spelling.
    """
    if not query.terms or not kinds:
        return Found([], 0, False, None, query)
    shelves = queries.shelves_of(
        session, actor.tenant_id, {kind: (seen.condition, seen.buckets) for kind, seen in kinds.items()}
    )
    if not shelves.all:
        return Found([], 0, False, None, query)
    query = widen(query, synonyms)
    seen = queries.count_documents(session, shelves, query.tokens, SEEN_AT_MOST)
    better = _better(session, shelves, query, seen)
    meant = None
    if better:
        meant = _rewritten(query, better)
        query = widen(corrected(query, better), synonyms)
        new = [token for token in query.tokens if token not in seen]
        seen |= queries.count_documents(session, shelves, new, SEEN_AT_MOST)
    lists, whole = _read(session, shelves, query, seen)
    best = _best(lists, seen)
    candidates, records = _candidates(session, shelves, query, seen, best)
    ranked = rank(query, candidates, seen=seen, today=today or actor.scope.at.date())
    hits = [Hit(*records[one.key], one.score) for one in ranked[offset : offset + limit]]
    total = len(ranked)
    leading = _leading(query, seen)
    if len(leading) == 1 and len(lists) >= len(best) == RANKED_AT_MOST:
        total = queries.count_documents(session, shelves, list(leading), COUNTED_AT_MOST + 1)[leading.pop()]
        total, whole = min(total, COUNTED_AT_MOST), total <= COUNTED_AT_MOST
    elif len(best) < len(lists):
        total, whole = len(lists), False
    return Found(hits, total, not whole, meant, query)


def _better(session: Session, shelves: Shelves, query: Query, seen: Mapping[str, int]) -> dict[str, str]:
    """For words that nobody the actor sees has: the word that was probably meant."""
    strange = [term.text for term in unknown(query, seen)]
    keys = sorted({key for word in strange for key in spelling_keys(word)})
    words = queries.words_under(session, shelves.tenant_id, keys) if keys else []
    close = {word: near(word, words) for word in strange}
    asked = sorted({WORD + one for found in close.values() for one in found})
    known = queries.count_documents(session, shelves, asked, 1) if asked else {}
    return {word: one for word, found in close.items() for one in found[::-1] if WORD + one in known}


def _rewritten(query: Query, better: Mapping[str, str]) -> str:
    return " ".join(better.get(term.text, term.text) for term in query.terms)


Lists = dict[int, tuple[int, dict[str, int]]]
"""By document: its shelf, and its tokens with their weights as far as they were read."""


def _read(session: Session, shelves: Shelves, query: Query, seen: Mapping[str, int]) -> tuple[Lists, bool]:
    """The lists in which every answer has to be, the rarest first; whether some were left unread."""
    wanted = sorted(_leading(query, seen), key=lambda token: (seen[token], token))
    chosen: list[str] = []
    room = READ_AT_MOST
    for token in wanted:
        if seen[token] <= room and seen[token] < SEEN_AT_MOST:
            chosen.append(token)
            room -= seen[token]
    lists: Lists = {}
    if chosen:
        _take(lists, queries.read_lists(session, shelves, chosen, READ_AT_MOST))
    elif wanted:
        _take(lists, queries.read_lists(session, shelves, wanted[:4], EACH_AT_MOST))
        for first, second in _pairs_of_terms(query, seen):
            for number, shelf in queries.read_both(session, shelves, first, second, EACH_AT_MOST):
                lists.setdefault(number, (shelf, {}))
    return lists, len(chosen) == len(wanted)


def _best(lists: Lists, seen: Mapping[str, int]) -> Lists:
    """Those documents with most of what was read, the newest of equals."""
    if len(lists) <= RANKED_AT_MOST:
        return lists
    rare = {token: rarity(count) for token, count in seen.items()}

    def had(number: int) -> tuple[int, int]:
        return -sum(rare[token] * weight for token, weight in lists[number][1].items()), -number

    return {number: lists[number] for number in sorted(lists, key=had)[:RANKED_AT_MOST]}


def _leading(query: Query, seen: Mapping[str, int]) -> set[str]:
    """Tokens of the terms without which a document cannot have enough of what was asked."""
    terms = sorted(query.terms, key=lambda term: -importance(term, seen))
    rest = whole = sum(importance(term, seen) for term in terms)
    leading: set[str] = set()
    for term in terms:
        if 100 * rest < ENOUGH * whole:
            break
        leading |= {token for way in term.ways for token in way.needs if token in seen}
        rest -= importance(term, seen)
    return leading


def _pairs_of_terms(query: Query, seen: Mapping[str, int]) -> Iterable[tuple[str, str]]:
    """A token of each of the first terms, two by two: where all words are frequent, those count that have both."""
    tokens = [
        next((token for token in term.ways[0].needs if token in seen), None) for term in query.terms[:3]
    ]
    firsts = [token for token in dict.fromkeys(tokens) if token]
    return pairwise(firsts)


def _take(lists: Lists, rows: Iterable[tuple[str, int, int, int]]) -> None:
    for token, number, shelf, weight in rows:
        lists.setdefault(number, (shelf, {}))[1][token] = weight


def _candidates(
    session: Session, shelves: Shelves, query: Query, seen: Mapping[str, int], lists: Lists
) -> tuple[list[Candidate], dict[str, tuple[str, UUID]]]:
    """The documents of the lists with all tokens and facts, and by their keys which records they are."""
    wanted = [token for token in query.tokens if token in seen]
    candidates, records = [], {}
    for _, kind, record_id, published_on, rating, priority, lines in queries.documents_of(
        session, shelves, list(lists)
    ):
        key = str(record_id)
        records[key] = (kind, record_id)
        candidates.append(Candidate(key, weights_in(lines, wanted), published_on, rating, priority))
    return candidates, records
