"""Make a failing list of steps small: fewer steps, fewer phones, smaller numbers, the same broken invariant."""

import copy
from collections.abc import Callable
from typing import Any

Step = dict[str, Any]
Fails = Callable[[list[Step]], bool]


def shrink(steps: list[Step], fails: Fails, *, tries: int = 400) -> list[Step]:
    """The smallest list found that still fails; the first step, the setup, always stays.

    Args:
        steps: A failing history.
        fails: Whether a list of steps breaks the same invariant.
        tries: Most lists to try.
    """
    left = [tries]

    def still(candidate: list[Step]) -> bool:
        if left[0] <= 0:
            return False
        left[0] -= 1
        return fails(copy.deepcopy(candidate))

    steps = _without_phones(steps, still)
    steps = _ddmin(steps, still)
    steps = _plainer(steps, still)
    return _ddmin(_without_phones(steps, still), still)


def _ddmin(steps: list[Step], still: Fails) -> list[Step]:
    """Take out ever smaller runs of steps, from the end."""
    setup, rest = steps[0], steps[1:]
    size = max(1, len(rest) // 2)
    while rest:
        taken = False
        end = len(rest)
        while end > 0:
            start = max(0, end - size)
            candidate = rest[:start] + rest[end:]
            if still([setup, *candidate]):
                rest, taken = candidate, True
            end = start
        if size == 1 and not taken:
            break
        size = size if taken and size == 1 else max(1, size // 2)
    return [setup, *rest]


def _without_phones(steps: list[Step], still: Fails) -> list[Step]:
    for name in list(steps[0]["phones"]):
        phones = {k: v for k, v in steps[0]["phones"].items() if k != name}
        candidate = [steps[0] | {"phones": phones}, *(s for s in steps[1:] if s.get("phone") != name)]
        if phones and still(candidate):
            steps = candidate
    return steps


PLAIN: dict[str, Any] = {
    "skew": 0.0,
    "drift": 0.0,
    "limit": 2_000,
    "push_limit": 500,
}


def _plainer(steps: list[Step], still: Fails) -> list[Step]:
    """Right clocks, large pages, no faults, one company, where the failure does not need them."""
    for name in list(steps[0]["phones"]):
        for key, value in PLAIN.items():
            one = steps[0]["phones"][name]
            if one.get(key, value) != value:
                phones = steps[0]["phones"] | {name: one | {key: value}}
                candidate = [steps[0] | {"phones": phones}, *steps[1:]]
                if still(candidate):
                    steps = candidate
    if len(steps[0]["companies"]) > 1 and still([steps[0] | {"companies": ["A"]}, *steps[1:]]):
        steps = [steps[0] | {"companies": ["A"]}, *steps[1:]]
    for number in range(1, len(steps)):
        for key in ("fault", "rounds", "unsaved", "then", "two"):
            if steps[number].get(key):
                without = {k: v for k, v in steps[number].items() if k != key} | (
                    {"two": False} if key == "two" else {}
                )
                candidate = [*steps[:number], without, *steps[number + 1 :]]
                if still(candidate):
                    steps = candidate
    return steps
