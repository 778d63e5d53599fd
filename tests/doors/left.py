"""What a scenario leaves on the server, told without ids and times, so that one door's is comparable with another's."""

import json
import re
from collections import Counter
from typing import Any

from tests.world import World

TABLES = ("accounts", "contacts", "visits", "visit_tasks", "changes", "conflicts", "sync_mutations")
OWN = {
    "changes": ("entity", "version", "op", "part", "old", "new", "actor_kind", "actor_name"),
    "conflicts": ("kind", "entity", "field", "code", "base", "mine", "theirs", "losers", "state", "choice"),
    "sync_mutations": ("entity", "op", "code"),
}
"""The columns that tell what happened; of the records themselves all count, except when which field was stamped."""

ONLY = {
    "changes": " AND entity NOT IN ('user', 'conflict')",  # names that are made up; when the phone did it
    "sync_mutations": " AND status = 'rejected'",
}
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NUMBER = re.compile(r'"n": \d+')
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(Z|[+-]\d\d:\d\d)")

Left = dict[str, list[str]]


def left_in(world: World) -> Left:
    """The company's records, history, inbox and list of rejections."""
    return {table: sorted(_told(table, row) for row in _rows(world, table)) for table in TABLES}


def differences(one: Left, other: Left) -> list[str]:
    """Rows that only one of them has: ``+`` the first, ``-`` the second."""
    found = []
    for table in TABLES:
        mine, theirs = Counter(one[table]), Counter(other[table])
        found += [f"+ {table} {row}" for row in (mine - theirs).elements()]
        found += [f"- {table} {row}" for row in (theirs - mine).elements()]
    return found


def _rows(world: World, table: str) -> list[dict[str, Any]]:
    found = world.sql(f"SELECT to_jsonb(t) FROM {table} AS t WHERE tenant_id = :tenant" + ONLY.get(table, ""))
    return [row[0] for row in found]


def _told(table: str, row: dict[str, Any]) -> str:
    names = OWN.get(table) or [name for name in row if name != "stamps"]
    text = json.dumps({name: row[name] for name in names}, ensure_ascii=False, sort_keys=True)
    return NUMBER.sub('"n": 0', TIME.sub("time", ID.sub("id", text)))
