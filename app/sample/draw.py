"""Repeatable choices for sample data."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

_T = TypeVar("_T")


class Draw:
    """Choices that depend on nothing but ``key``, in every Python version.

    Only ``Random.random()`` is used: it is the one method whose sequence Python promises to keep.
    """

    def __init__(self, *key: str | int) -> None:
        self._random = Random("/".join(map(str, key))).random  # noqa: S311 - sample data, no secret

    def below(self, limit: int) -> int:
        """Draw an integer from 0 to ``limit`` - 1."""
        return int(self._random() * limit)

    def pick(self, choices: Sequence[_T]) -> _T:
        """Draw one of ``choices``; what is listed twice comes twice as often."""
        return choices[self.below(len(choices))]

    def happens(self, share: float) -> bool:
        """Say yes in ``share`` of all draws."""
        return self._random() < share
