"""Search without a network, over what the phone holds: the server's rules, and the same answers.

The tokens of an article come with its record; here they are rows of a table that is made anew from the records
whenever the app starts, so that nothing is left of what was wiped. What is shown offline is what was synced last.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

from examples.phone.search_ranking import (
    SEEN_AT_MOST,
    SPELLED,
    Candidate,
    highlight,
    near,
    rank,
    spelling_keys,
    unknown,
)
from examples.phone.search_terms import WORD, Query, Thesaurus, analyse, corrected, strokes, thesaurus, widen
from examples.phone.store import Store

ARTICLE, VERSION, SYNONYMS = "article", "article_version", "synonym_group"
AT_ONCE = 500

TABLES = (
    "CREATE TABLE documents ("
    " id TEXT PRIMARY KEY, version INTEGER NOT NULL, article_id TEXT NOT NULL, head INTEGER NOT NULL,"
    " language TEXT NOT NULL, published_on TEXT, rating INTEGER NOT NULL, priority INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE tokens (token TEXT NOT NULL, id TEXT NOT NULL, weight INTEGER NOT NULL,"
    " PRIMARY KEY (token, id)) WITHOUT ROWID",
    "CREATE INDEX tokens_of ON tokens (id)",
    "CREATE TABLE words (key TEXT NOT NULL, word TEXT NOT NULL, PRIMARY KEY (key, word)) WITHOUT ROWID",
)


@dataclass(frozen=True)
class Hit:
    """An article that answers: the id of its version, its title, and where the words stand in it."""

    id: str
    title: str
    ranges: list[tuple[int, int]]


@dataclass(frozen=True)
class Answer:
    """What was found: the best hits, of how many, and what was probably meant."""

    hits: list[Hit]
    total: int
    did_you_mean: str | None


class Search:
    """Searches the articles of a store."""

    def __init__(self, store: Store, path: str = ":memory:") -> None:
        """Begin with an empty index; the first search fills it.

        Args:
            store: Whose records are searched.
            path: Of the index, which holds nothing that the records do not.
        """
        self._store = store
        self._db = sqlite3.connect(path)
        for table in TABLES:
            self._db.execute(table)

    def find(self, q: str, *, today: date, limit: int = 5, language: str | None = None) -> Answer:
        """The articles that answer, best first.

        Args:
            q: What was typed.
            today: Freshness is counted until then.
            limit: Most hits.
            language: Only of this one.
        """
        self.catch_up()
        synonyms = self._synonyms()
        query = widen(analyse(q), synonyms)
        seen = self._seen(query.tokens)
        better = self._better(query, seen)
        meant = None
        if better:
            meant = " ".join(better.get(term.text, term.text) for term in query.terms)
            query = widen(corrected(query, better), synonyms)
            seen = self._seen(query.tokens)
        ranked = rank(query, self._candidates(query, language), seen=seen, today=today)
        hits = [self._hit(query, one.key) for one in ranked[:limit]]
        return Answer(hits, len(ranked), meant)

    def catch_up(self) -> None:
        """Take in what synced since the last search: new articles, changed ones, those that are gone."""
        held = {(e, i): v for (e, i), v in self._store.versions().items() if e in (ARTICLE, VERSION)}
        wanted = {i: v for (e, i), v in held.items() if e == VERSION}
        known = {
            row[0]: row[1:] for row in self._db.execute("SELECT id, version, article_id, head FROM documents")
        }
        heads = {i: v for (e, i), v in held.items() if e == ARTICLE}
        with self._db:
            for gone in known.keys() - wanted.keys():
                self._forget(gone)
            for record_id, version in wanted.items():
                seen_version, article_id, seen_head = known.get(record_id, (None, None, None))
                # A new rank of the article alone changes its order too.
                if (seen_version, seen_head) != (version, heads.get(article_id, 0)):
                    self._forget(record_id)
                    self._take(record_id, version, heads)

    def _forget(self, record_id: str) -> None:
        self._db.execute("DELETE FROM tokens WHERE id = ?", (record_id,))
        self._db.execute("DELETE FROM documents WHERE id = ?", (record_id,))

    def _take(self, record_id: str, version: int, heads: Mapping[str, int]) -> None:
        record = self._store.record(VERSION, record_id)
        assert record is not None
        body = record.body
        tokens: Mapping[str, int] = body.get("tokens") or {}
        # Versions that a visit used stay on the phone; only what is out is found.
        out = tokens if body["status"] == "published" else {}
        article = self._store.record(ARTICLE, body["article_id"])
        priority = article.body["priority"] if article else 0
        published_on = body["published_at"][:10] if body["published_at"] else None
        self._db.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record_id,
                version,
                body["article_id"],
                heads.get(body["article_id"], 0),
                body["language"],
                published_on,
                body["rating"] or 0,
                priority,
            ),
        )
        rows = ((token, record_id, weight) for token, weight in out.items())
        self._db.executemany("INSERT INTO tokens VALUES (?, ?, ?)", rows)
        words = (token[1:] for token in out if token[0] == WORD)
        spelled = (
            (key, word) for word in words if len(strokes(word)) in SPELLED for key in spelling_keys(word)
        )
        self._db.executemany("INSERT OR IGNORE INTO words VALUES (?, ?)", spelled)

    def _synonyms(self) -> Thesaurus:
        groups = [body for _, body in sorted(self._store.records(SYNONYMS).items())]
        return thesaurus(
            *([body["words"] for body in groups if body["meaning"] == how] for how in ("same", "similar"))
        )

    def _seen(self, tokens: Sequence[str]) -> dict[str, int]:
        """Of how many articles each token is, those that have none left out."""
        found: dict[str, int] = {}
        for some in _parts(tokens):
            rows = self._db.execute(
                f"SELECT token, count(*) FROM tokens WHERE token IN ({_marks(some)}) GROUP BY token", some
            )
            found |= {token: min(count, SEEN_AT_MOST) for token, count in rows}
        return found

    def _better(self, query: Query, seen: Mapping[str, int]) -> dict[str, str]:
        """For words that no article has: the word that was probably meant."""
        found = {}
        for term in unknown(query, seen):
            keys = spelling_keys(term.text)
            words = [
                word
                for (word,) in self._db.execute(
                    f"SELECT DISTINCT word FROM words WHERE key IN ({_marks(keys)})"
                    " AND EXISTS (SELECT 1 FROM tokens WHERE token = ? || word)",
                    (*keys, WORD),
                )
            ]
            if best := near(term.text, words):
                found[term.text] = best[0]
        return found

    def _candidates(self, query: Query, language: str | None) -> list[Candidate]:
        """Every article with any token of the query, with those that it has."""
        tokens: dict[str, dict[str, int]] = {}
        for some in _parts(query.tokens):
            rows = self._db.execute(
                f"SELECT id, token, weight FROM tokens WHERE token IN ({_marks(some)})", some
            )
            for record_id, token, weight in rows:
                tokens.setdefault(record_id, {})[token] = weight
        facts = self._db.execute("SELECT id, language, published_on, rating, priority FROM documents")
        return [
            Candidate(
                record_id,
                tokens[record_id],
                date.fromisoformat(published_on) if published_on else None,
                rating,
                priority,
            )
            for record_id, its_language, published_on, rating, priority in facts
            if record_id in tokens and language in (None, its_language)
        ]

    def _hit(self, query: Query, record_id: str) -> Hit:
        record = self._store.record(VERSION, record_id)
        assert record is not None
        title = record.body["title"]
        return Hit(record_id, title, highlight(query, title))


def _parts(values: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(values)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
