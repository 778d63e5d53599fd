"""Proof that a refused request changed nothing."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import LiteralString, NamedTuple, cast

import psycopg

from app.http.services import services
from tests.world import World

# Bookkeeping of the sync itself: who sent what and when, and who looked.
BOOKKEEPING = frozenset(
    {
        "access_log",
        "devices",
        "search_documents",
        "search_log",
        "search_marks",
        "search_progress",
        "search_tokens",
        "rxdb_devices",
        "rxdb_pulls",
        "sync_devices",
        "sync_given",
        "sync_mutations",
        "sync_subscription_sets",
        "sync_traces",
        "watermelon_devices",
        "watermelon_keys",
        "watermelon_marks",
        "watermelon_rows",
    }
)


@contextmanager
def untouched(world: World) -> Iterator[None]:
    """Whatever the block does, every row of the company stays as it was, but for bookkeeping."""
    before = _fingerprints(world)
    yield
    after = _fingerprints(world)
    assert after == before, {name for name in after if after[name] != before.get(name)}


def _fingerprints(world: World) -> dict[str, str]:
    seer = _seer(services(world.app).config.database_engine_url)
    with seer.connection.cursor() as cursor:
        return dict(cursor.execute(seer.question, {"tenant": world.id}).fetchall())


class Seer(NamedTuple):
    """A connection of the engine role, and its question for the rows of a company."""

    connection: "psycopg.Connection[tuple[str, str]]"
    question: LiteralString


@cache
def _seer(url: str) -> Seer:
    """Kept, with its one plan: to plan it takes several times as long as to answer it, and it is asked thousands of
    times."""
    connection = psycopg.connect(
        url, autocommit=True, prepare_threshold=0, options="-c plan_cache_mode=force_generic_plan"
    )
    atexit.register(connection.close)
    tables = {
        name
        for (name,) in connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
            " AND has_table_privilege(c.oid, 'SELECT')"
        )
    } - BOOKKEEPING
    assert {"accounts", "changes", "conflicts", "sync_pending", "visits"} <= tables
    whole = " UNION ALL ".join(
        f"SELECT '{name}', coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '')"
        f" FROM {name} t WHERE tenant_id = %(tenant)s"
        for name in sorted(tables)
    )
    return Seer(connection, cast(LiteralString, whole))
