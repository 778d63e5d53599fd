"""Proof that a refused request changed nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

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
    tables = [
        name
        for (name,) in world.engine_sql(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
            " AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1"
        )
        if name not in BOOKKEEPING
    ]
    assert {"accounts", "changes", "conflicts", "sync_pending", "visits"} <= set(tables)
    whole = " UNION ALL ".join(
        f"SELECT '{name}', coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '')"
        f" FROM {name} t WHERE tenant_id = :tenant"
        for name in tables
    )
    return dict(world.engine_sql(whole))
