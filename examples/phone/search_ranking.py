"""The ranking that the server has too; see app/textindex/ranking.py, whose copy this is."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from examples.phone.search_terms import (
    CORRECTED,
    INITIALS,
    WORD,
    Query,
    Term,
    Way,
    beginning_with,
    normalise,
    stem,
    strokes,
)

SEEN_AT_MOST = 500
"""Documents are counted up to here for the rarity of a token."""

ENOUGH = 25
"""Percent of what was asked, by weight of its terms, that a document must have to be an answer."""

MEANT = CORRECTED
"""From this percent on a way is the thing that was asked for, and not only something like it."""

SPELLED = range(4, 25)
"""Strokes of words that are offered for mistyped ones; shorter ones are near to too many."""

# What a document of so many days gains at most, in percent.
_FRESH = ((30, 6), (180, 4), (365, 2), (730, 1))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that has some token of the query.

    Attributes:
        key: Of the document, the same on server and phone.
        tokens: Those of the query that it has, with their weights.
        published_on: Newer ones come first among equals; None counts as old.
        rating: What readers thought, 0 to 4.
        priority: What editors think, 0 to 4.
    """

    key: str
    tokens: Mapping[str, int]
    published_on: date | None = None
    rating: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Scored:
    """A document and how well it answers."""

    key: str
    score: int


def rank(
    query: Query, candidates: Iterable[Candidate], *, seen: Mapping[str, int], today: date
) -> list[Scored]:
    """The candidates that answer the query, best first.

    Args:
        query: What was asked.
        candidates: Documents that the asker sees, with any token of the query.
        seen: Of how many documents that the asker sees have each token, at most ``SEEN_AT_MOST``.
        today: Freshness is counted until then.

    Returns:
        Those that have at least half of what was asked, by weight of its terms.
    """
    weights = [(_weighed(term, seen), importance(term, seen)) for term in query.terms]
    whole = sum(weight for _, weight in weights) or 1
    found = []
    for candidate in candidates:
        had = [(weight, _having(ways, candidate.tokens)) for ways, weight in weights]
        share = sum(weight * share for weight, (share, _) in had) // whole
        if share < ENOUGH:
            continue
        score = share * sum(weight * worth for weight, (_, worth) in had) // whole
        boost = 100 + _freshness(candidate.published_on, today) + candidate.rating + candidate.priority
        found.append((-score * boost, -(candidate.published_on or date.min).toordinal(), candidate.key))
    return [Scored(key, -score) for score, _, key in sorted(found)]


def importance(term: Term, seen: Mapping[str, int]) -> int:
    """What a term weighs in its query: the rarer, the more; nothing if nobody has it.

    Something similar that is rare makes no word of a question weightier, unless nobody has the word itself.
    """
    typed = [way for way in term.ways if way.percent >= MEANT]
    return _rarest(typed, seen) or _rarest(term.ways, seen)


def _rarest(ways: Iterable[Way], seen: Mapping[str, int]) -> int:
    return max((rarity(seen[token]) for way in ways for token in way.needs if seen.get(token)), default=0)


def rarity(count: int) -> int:
    """9 for a token of one document, 1 for one of 256 and more; of none: 10."""
    return max(1, 10 - min(count, SEEN_AT_MOST).bit_length())


_Ways = list[tuple[int, list[tuple[str, int]], int, tuple[str, ...]]]
"""Of a term: percent, the tokens needed with their rarity, the sum of that, and the bonus."""


def _weighed(term: Term, seen: Mapping[str, int]) -> _Ways:
    needs = [[(token, rarity(seen.get(token, 0))) for token in way.needs] for way in term.ways]
    return [
        (way.percent, parts, sum(rare for _, rare in parts), way.bonus)
        for way, parts in zip(term.ways, needs, strict=True)
    ]


def _having(ways: _Ways, tokens: Mapping[str, int]) -> tuple[int, int]:
    """How much of a term a document has, in percent, and what that is worth."""
    best_share, best_worth = 0, 0
    for percent, parts, whole, bonus in ways:
        had = [(rare, tokens[token]) for token, rare in parts if token in tokens]
        if not had:
            continue
        share = 100 * sum(rare for rare, _ in had) // whole
        worth = 100 * sum(rare * _saturated(weight) for rare, weight in had) // whole
        # A way that names no word of its own is itself the word.
        worth += (
            25 * sum(_saturated(tokens.get(token, 0)) for token in bonus) // len(bonus)
            if bonus
            else worth // 4
        )
        worth = worth * share // 100 * percent // 100
        if worth > best_worth:
            best_share, best_worth = share * percent // 100, worth
    return best_share, best_worth


def _saturated(weight: int) -> int:
    """A second field adds less than the first: 2 → 96, 16 → 320, 40 → 400."""
    return 480 * weight // (weight + 8)


def _freshness(published_on: date | None, today: date) -> int:
    if published_on is None:
        return 0
    age = (today - published_on).days
    return next((gain for days, gain in _FRESH if age <= days), 0)


def highlight(query: Query, value: str) -> list[tuple[int, int]]:
    """Where the words of a query stand in a text as it is shown: ranges of characters, in order, none overlapping."""
    shown, places = _with_places(value)
    marked: set[int] = set()
    for pattern in _patterns(query.terms):
        for found in pattern.finditer(shown):
            marked.update(places[found.start() : found.end()])
    ranges: list[tuple[int, int]] = []
    for place in sorted(marked):
        if ranges and ranges[-1][1] == place:
            ranges[-1] = (ranges[-1][0], place + 1)
        else:
            ranges.append((place, place + 1))
    return ranges


def _with_places(value: str) -> tuple[str, Sequence[int]]:
    """The normal form of a text, and where each of its characters comes from."""
    if _PLAIN.fullmatch(value):
        return value.lower(), range(len(value))
    shown, places = [], []
    for place, character in enumerate(value):
        for one in _normal(character):
            shown.append(one)
            places.append(place)
    return "".join(shown), places


_normal = lru_cache(maxsize=4_096)(normalise)
# Characters that are their own normal form, but for capitals.
_PLAIN = re.compile(r"[\x00-\x7f가-힣ㄱ-ㅎ·“”‘’→~]*")


@lru_cache(maxsize=64)
def _patterns(terms: Sequence[Term]) -> list[re.Pattern[str]]:
    """A page has a title and more for each hit, all marked for one query."""
    return [re.compile(one) for one in dict.fromkeys(one for term in terms for one in _patterns_of(term))]


def _patterns_of(term: Term) -> list[str]:
    words = {token[1:] for way in term.ways for token in (*way.needs, *way.bonus) if token[0] == WORD}
    started = {token[1:] for way in term.ways for token in way.needs if token[0] == INITIALS}
    gap = r"[\s\-./·]?"
    return [
        gap.join(re.escape(c) for c in word) for word in sorted(words | {term.text}, key=len, reverse=True)
    ] + ["(?<![가-힣])" + gap.join(map(beginning_with, letters)) for letters in sorted(started)]


def spelling_keys(word: str) -> tuple[str, ...]:
    """The word by its keys and without any one of them: two words that differ by one share at least one."""
    pressed = strokes(word)
    return tuple(dict.fromkeys([pressed, *(pressed[:i] + pressed[i + 1 :] for i in range(len(pressed)))]))


def near(word: str, candidates: Iterable[str]) -> list[str]:
    """Those that are one key away from a word: one missing, too many, another, or two that changed places."""
    pressed = strokes(stem(word))
    found = [(_slip(pressed, strokes(other)), other) for other in candidates]
    return [other for slip, other in sorted((slip, other) for slip, other in found if slip is not None)]


_ROWS = ("ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "ㅋㅌㅊㅍㅠㅜㅡ", "qwertyuiop", "asdfghjkl", "zxcvbnm")


def _slip(a: str, b: str) -> int | None:
    """0 for the key beside, 1 for any other single slip, None for more than one."""
    if a == b:
        return None
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    if rest_a[1:] == rest_b[1:] and rest_a and rest_b:
        pair = {rest_a[0], rest_b[0]}
        beside = any({row[i], row[i + 1]} == pair for row in _ROWS for i in range(len(row) - 1))
        return 0 if beside else 1
    if rest_a[1:] == rest_b or rest_a == rest_b[1:]:
        return 1
    swapped = len(rest_a) > 1 and rest_a[:2] == rest_b[:2][::-1] and rest_a[2:] == rest_b[2:]
    return 1 if swapped else None


def unknown(query: Query, seen: Mapping[str, int]) -> Sequence[Term]:
    """The terms that no document of the asker has as a word or whole: candidates for another spelling."""
    return [
        term for term in query.terms if len(term.text) > 1 and not any(_had(way, seen) for way in term.ways)
    ]


def _had(way: Way, seen: Mapping[str, int]) -> bool:
    return all(token in seen for token in way.needs) and (
        not way.bonus or any(token in seen for token in way.bonus)
    )
