"""§5 ``text``: three-way merge by line, written without any library for it."""

from dataclasses import dataclass
from typing import NamedTuple

Lines = list[str]


class Hunk(NamedTuple):
    """Lines ``start:end`` of the base were replaced by ``lines``."""

    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextMerge:
    """What may become of two texts: the clean merge, and whether the edits overlap for sure.

    ``clean`` is None where the edits overlap. ``unsure`` holds where the specification does not say
    whether edits *overlap*: they touch each other, are the same, or repeated lines allow several readings.
    """

    clean: str | None
    unsure: bool


def lines_of(text: str | None) -> Lines:
    """The lines of a text; an empty text and no text have none."""
    return text.split("\n") if text else []


def hunks(base: Lines, edited: Lines) -> list[Hunk]:
    """The edit as hunks on the base, by a longest common subsequence."""
    length = _common_lengths(base, edited)
    found: list[Hunk] = []
    i = j = start_i = start_j = 0
    while i < len(base) and j < len(edited):
        if base[i] == edited[j]:
            if (start_i, start_j) != (i, j):
                found.append(Hunk(start_i, i, tuple(edited[start_j:j])))
            i, j = i + 1, j + 1
            start_i, start_j = i, j
        elif length[i + 1][j] >= length[i][j + 1]:
            i += 1
        else:
            j += 1
    if start_i < len(base) or start_j < len(edited):
        found.append(Hunk(start_i, len(base), tuple(edited[start_j:])))
    return found


def _common_lengths(one: Lines, other: Lines) -> list[list[int]]:
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in range(len(one) - 1, -1, -1):
        for j in range(len(other) - 1, -1, -1):
            table[i][j] = (
                table[i + 1][j + 1] + 1 if one[i] == other[j] else max(table[i + 1][j], table[i][j + 1])
            )
    return table


def overlap(one: Hunk, other: Hunk) -> bool:
    """Whether both replace a same line of the base, or insert at the very same place."""
    if one.start == one.end and other.start == other.end:
        return one.start == other.start
    return one.start < other.end and other.start < one.end


def touch(one: Hunk, other: Hunk) -> bool:
    """Whether no untouched line of the base stands between the two."""
    return one.start <= other.end and other.start <= one.end


def three_way(base: str | None, mine: str | None, theirs: str | None) -> TextMerge:
    """Merge two edits of one text."""
    old, ours, others = lines_of(base), lines_of(mine), lines_of(theirs)
    repeated = any(len(set(side)) < len(side) for side in (old, ours, others))
    my_hunks, their_hunks = hunks(old, ours), hunks(old, others)
    pairs = [(m, t) for m in my_hunks for t in their_hunks]
    same = [m for m, t in pairs if m == t]
    if any(overlap(m, t) and m != t for m, t in pairs):
        only_inserts = all(m.start == m.end == t.start == t.end for m, t in pairs if overlap(m, t) and m != t)
        return TextMerge(None, unsure=repeated or only_inserts)
    touching = any(touch(m, t) for m, t in pairs)
    kept = sorted({*my_hunks, *their_hunks})
    merged, at = Lines(), 0
    for hunk in kept:
        merged += [*old[at : hunk.start], *hunk.lines]
        at = hunk.end
    merged += old[at:]
    return TextMerge("\n".join(merged), unsure=repeated or touching or bool(same))


def keeps_both(base: str | None, mine: str | None, theirs: str | None, result: str | None) -> bool:
    """What any merge of two edits must do: no line that either side added is missing, none is made up."""
    old = set(lines_of(base))
    added = (set(lines_of(mine)) | set(lines_of(theirs))) - old
    lines = set(lines_of(result))
    return added <= lines <= added | old
