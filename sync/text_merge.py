"""Three-way merge of texts, line by line."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

# Pairs of equal lines that difflib may look at: a text of thousands of equal lines would take it minutes.
MOST_PAIRS = 20_000


@dataclass(frozen=True, slots=True)
class TextMerge:
    """Both edits in one text, or None where they overlap."""

    text: str | None
    clean: bool


@dataclass(frozen=True, slots=True)
class _Hunk:
    """Lines ``[start, end)`` of the base became *lines*."""

    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(slots=True)
class _Region:
    start: int
    end: int
    sides: tuple[list[_Hunk], list[_Hunk]] = field(default_factory=lambda: ([], []))


def merge_text(base: str, mine: str, theirs: str) -> TextMerge:
    """Lay two edits of one text together.

    Lines end at ``\\n``; a final newline is an empty last line, so that it is merged as any other
    line. Edits that touch, even without overlapping (neighbouring lines, two insertions at one place),
    are merged only where both sides made the same of them: which of two neighbours belongs first, or
    whether they still make sense together, is for a person to say.

    Returns:
        A clean merge holds every line that either side added and none that either removed. The
        order of the two sides does not matter.
    """
    lines = base.split("\n")
    merged: list[str] = []
    at = 0
    for region in _regions(_hunks(lines, mine.split("\n")), _hunks(lines, theirs.split("\n"))):
        versions = [_applied(lines, region, hunks) for hunks in region.sides if hunks]
        if versions[0] != versions[-1]:
            return TextMerge(None, clean=False)
        merged += lines[at : region.start] + versions[0]
        at = region.end
    return TextMerge("\n".join(merged + lines[at:]), clean=True)


def _hunks(base: list[str], edited: list[str]) -> list[_Hunk]:
    """The changes that make *edited* of *base*, in order, none touching the next."""
    head = _common(base, edited)
    tail = min(_common(base[::-1], edited[::-1]), len(base) - head, len(edited) - head)
    before, after = base[head : len(base) - tail], edited[head : len(edited) - tail]
    if not before and not after:
        return []
    if _pairs(before, after) > MOST_PAIRS:
        return [_Hunk(head, head + len(before), tuple(after))]
    return [
        _Hunk(head + start, head + end, tuple(after[new_start:new_end]))
        for tag, start, end, new_start, new_end in SequenceMatcher(
            None, before, after, autojunk=False
        ).get_opcodes()
        if tag != "equal"
    ]


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    """How many lines the two begin with alike."""
    for count, (ours, theirs) in enumerate(zip(left, right, strict=False)):
        if ours != theirs:
            return count
    return min(len(left), len(right))


def _pairs(left: Sequence[str], right: Sequence[str]) -> int:
    counts = Counter(left)
    return sum(counts[line] for line in right)


def _regions(ours: list[_Hunk], theirs: list[_Hunk]) -> list[_Region]:
    """Hunks by the stretches of the base in which they touch each other, in order."""
    both = [(hunk.start, hunk.end, 0, hunk) for hunk in ours] + [(h.start, h.end, 1, h) for h in theirs]
    regions: list[_Region] = []
    for start, end, side, hunk in sorted(both, key=lambda entry: entry[:3]):
        if not regions or start > regions[-1].end:
            regions.append(_Region(start, end))
        regions[-1].end = max(regions[-1].end, end)
        regions[-1].sides[side].append(hunk)
    return regions


def _applied(lines: list[str], region: _Region, hunks: list[_Hunk]) -> list[str]:
    """The lines of *region* with *hunks* in them."""
    result: list[str] = []
    at = region.start
    for hunk in hunks:
        result += lines[at : hunk.start] + list(hunk.lines)
        at = hunk.end
    return result + lines[at : region.end]
