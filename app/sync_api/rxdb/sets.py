"""The number in ``generation``: of which life of the database a document is, and of which set given whole.

What a page with ``rebase`` begins has a higher number than all that the phone was given of the collection before, by
whichever login. So the documents below it are those of which the server has no memory that it could tell them by.
"""

from datetime import UTC, datetime

SETS = 1 << 40
"""Above all times of a life, in milliseconds: 34 years of them. The numbers of 8,191 lives are whole in JavaScript."""

ZERO = datetime(2026, 1, 1, tzinfo=UTC)


def number_of(life: int, began: int) -> int:
    """The number of the documents of a set."""
    return life * SETS + began


def life_of(number: int) -> int:
    """The life of the database in which a document with *number* was given; 0 where none is told."""
    return number // SETS


def next_set(began: int, now: datetime) -> int:
    """When a set begins that follows one of *began*: later, whatever the clock says."""
    return max(began + 1, round((now - ZERO).total_seconds() * 1000))
