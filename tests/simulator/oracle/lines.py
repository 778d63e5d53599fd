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

    ``clean`` is None where the edits overlap or touch. ``unsure`` holds where repeated or moved lines
    allow several readings of what was edited.
    """

    clean: str | None
    unsure: bool


def lines_of(text: str | None) -> Lines:
    """The lines of a text; an empty text and no text are one empty line."""
    return (text or "").split("\n")


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


def three_way(base: str | None, mine: str | None, theirs: str | None) -> TextMerge:
    """Merge two edits of one text: both are made, unless they touch and are not the same."""
    old, ours, others = lines_of(base), lines_of(mine), lines_of(theirs)
    unsure = not (_plain(old, ours) and _plain(old, others))
    sides = hunks(old, ours), hunks(old, others)
    merged, at = Lines(), 0
    for start, end in _stretches(sorted({*sides[0], *sides[1]})):
        made = [_edited(old, start, end, side) for side in sides if any(_within(h, start, end) for h in side)]
        if made[0] != made[-1]:
            return TextMerge(None, unsure)
        merged += [*old[at:start], *made[0]]
        at = end
    return TextMerge("\n".join([*merged, *old[at:]]), unsure)


def _plain(base: Lines, edited: Lines) -> bool:
    """Whether there is one reading only of what was edited: no line twice, none at another place."""
    if len(set(base)) < len(base) or len(set(edited)) < len(edited):
        return False
    return [line for line in base if line in edited] == [line for line in edited if line in base]


def _stretches(edits: list[Hunk]) -> list[tuple[int, int]]:
    """Stretches of the base in which edits touch each other: no untouched line stands between them."""
    found: list[tuple[int, int]] = []
    for edit in edits:
        if found and edit.start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], edit.end)
        else:
            found.append((edit.start, edit.end))
    return found


def _within(edit: Hunk, start: int, end: int) -> bool:
    return start <= edit.start and edit.end <= end


def _edited(base: Lines, start: int, end: int, edits: list[Hunk]) -> Lines:
    """A stretch of the base as one side made it."""
    made, at = Lines(), start
    for edit in edits:
        if _within(edit, start, end):
            made += [*base[at : edit.start], *edit.lines]
            at = edit.end
    return [*made, *base[at:end]]


def keeps_both(base: str | None, mine: str | None, theirs: str | None, result: str | None) -> bool:
    """What any merge of two edits must do: no line that either side added is missing, none is made up."""
    old = set(lines_of(base))
    added = (set(lines_of(mine)) | set(lines_of(theirs))) - old
    lines = set(lines_of(result))
    return added <= lines <= added | old
