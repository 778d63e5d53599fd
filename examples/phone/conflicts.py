"""The conflict inbox as its user sees it: what I wrote, what stands, and what we both started from."""

import json
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

CHOICES = ("mine", "theirs", "base", "value")


def described(
    conflict: Json, record: Json | None, name_of: Callable[[str], str | None] = lambda _: None
) -> str:
    """A conflict in a few lines.

    Args:
        conflict: Record of the entity ``conflict``.
        record: What it is about, where the phone holds it.
        name_of: Name of a person by id, where it is known.
    """
    title = (record or {}).get("name") or (record or {}).get("title") or conflict["record_id"]
    what = conflict["field"] or conflict["kind"]
    lines = [f"{title} · {what}"]
    values = [("base", conflict["base"]), ("mine", conflict["mine"]), ("theirs", conflict["theirs"])]
    for loser in conflict.get("losers") or []:
        values.append((f"also, of {name_of(loser['author_id']) or loser['author_id']}", loser["mine"]))
    width = max(len(label) for label, _ in values)
    for label, value in values:
        first, *more = shown(value).split("\n")
        lines.append(f"  {label:<{width}}  {first}")
        lines += [f"  {'':<{width}}  {line}" for line in more]
    return "\n".join(lines)


def shown(value: Any) -> str:
    """A value for people."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)
