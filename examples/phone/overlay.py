"""What the user sees: the server's record with the edits laid over it that the server has not judged yet."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any

Json = dict[str, Any]

STATUS_AFTER = {
    ("visit", "start_travel"): "en_route",
    ("visit", "check_in"): "checked_in",
    ("visit", "check_out"): "checked_out",
    ("visit", "complete"): "completed",
    ("visit", "cancel"): "cancelled",
    ("conflict", "resolve"): "resolved",
}
"""What a command does to the status, as far as the phone can foresee it."""


def overlaid(record: Json | None, mutations: Iterable[Json]) -> Json | None:
    """The record as its user knows it; ``None`` where there is none, or it was deleted."""
    for mutation in mutations:
        fields = mutation["fields"]
        if mutation["op"] == "create":
            record = {"id": mutation["record_id"], **(record or {}), **fields}
        elif record is None:
            continue
        elif mutation["op"] == "update":
            base = mutation["base"]
            record = record | {f: reapplied(base.get(f), mine, record.get(f)) for f, mine in fields.items()}
        elif mutation["op"] == "delete":
            record = None
        else:
            status = STATUS_AFTER.get((mutation["entity"], mutation["op"]))
            record = record if status is None else record | {"status": status}
    return record


def reapplied(base: Any, mine: Any, theirs: Any) -> Any:
    """My edit of a value that others may have changed since. Only a guess: the server decides."""
    if theirs == base:
        return mine
    if isinstance(mine, list) and isinstance(theirs, list):
        before = base if isinstance(base, list) else []
        are_rows = any(isinstance(part, dict) for part in (*mine, *theirs))
        return _rows(before, mine, theirs) if are_rows else _elements(before, mine, theirs)
    if isinstance(mine, str) and isinstance(theirs, str) and isinstance(base, str):
        return _lines(base.split("\n"), mine.split("\n"), theirs.split("\n"))
    return mine


def _elements(base: list[Any], mine: list[Any], theirs: list[Any]) -> list[Any]:
    """Add what I added, take away what I took away."""
    kept = [part for part in theirs if part in mine or part not in base]
    return kept + [part for part in mine if part not in base and part not in theirs]


def _rows(base: list[Json], mine: list[Json], theirs: list[Json]) -> list[Json]:
    """The same by row id, and within a row by field."""
    before, now = ({row["id"]: row for row in rows} for rows in (base, mine))
    merged = []
    for row in theirs:
        edited, known = now.get(row["id"]), before.get(row["id"], {})
        if edited is not None:
            merged.append(row | {f: v for f, v in edited.items() if v != known.get(f)})
        elif not known:
            merged.append(row)
    present = {row["id"] for row in theirs}
    return merged + [row for row in mine if row["id"] not in present and row["id"] not in before]


def _lines(base: list[str], mine: list[str], theirs: list[str]) -> str:
    """My changed lines, put where their old ones still stand in the other text; else my text as it is."""
    place: dict[int, int] = {}
    for block in SequenceMatcher(None, base, theirs, autojunk=False).get_matching_blocks():
        place |= {block.a + i: block.b + i for i in range(block.size)}
    place |= {-1: -1, len(base): len(theirs)}
    result = list(theirs)
    for tag, start, end, new_start, new_end in reversed(
        SequenceMatcher(None, base, mine, autojunk=False).get_opcodes()
    ):
        if tag == "equal":
            continue
        if start == end:
            at = place[start - 1] + 1 if start - 1 in place else place.get(start)
            span = None if at is None else (at, at)
        else:
            places = [place.get(line) for line in range(start, end)]
            first = places[0]
            unbroken = first is not None and places == list(range(first, first + len(places)))
            span = (first, first + len(places)) if first is not None and unbroken else None
        if span is None:
            return "\n".join(mine)
        result[span[0] : span[1]] = mine[new_start:new_end]
    return "\n".join(result)
