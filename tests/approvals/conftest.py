"""A fresh office for each test."""

from collections.abc import Iterator

import pytest

from tests.approvals.office import Office
from tests.world import World


@pytest.fixture
def office(world: World) -> Iterator[Office]:
    """Nobody works there yet."""
    made = Office(world)
    with made.listening():
        yield made
