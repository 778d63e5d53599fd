"""What differs between two states of a document."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

MOST: Final = 50
_ABSENT: Final = object()


def differences(old: Any, new: Any) -> list[dict[str, Any]]:
    """Where two JSON values differ, at most ``MOST`` places.

    Rows that have an ``id`` are compared with the row of the same id, wherever they stand.

    Returns:
        ``path`` (a JSON pointer, with the id in the place of a row's number), ``old`` and ``new``; null where
        one of them has nothing there.
    """
    return [
        {"path": path, "old": _or_null(before), "new": _or_null(after)}
        for path, before, after in islice(_walk("", old, new), MOST)
    ]


def _walk(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    before, after = _members(old), _members(new)
    if before is None or after is None:
        if old != new or (old is _ABSENT) != (new is _ABSENT):
            yield path, old, new
        return
    for name in dict.fromkeys([*before, *after]):
        key = name.replace("~", "~0").replace("/", "~1")
        yield from _walk(f"{path}/{key}", before.get(name, _ABSENT), after.get(name, _ABSENT))


def _members(value: Any) -> dict[str, Any] | None:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        ids = [row.get("id") if isinstance(row, Mapping) else None for row in value]
        named = all(isinstance(one, str) for one in ids) and len(set(ids)) == len(ids)
        return {str(ids[n]) if named else str(n): row for n, row in enumerate(value)}
    return None


def _or_null(value: Any) -> Any:
    return None if value is _ABSENT else value
