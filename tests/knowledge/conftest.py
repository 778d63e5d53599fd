"""A fresh library for each test."""

import pytest

from tests.knowledge.library import Library
from tests.world import World


@pytest.fixture
def library(world: World) -> Library:
    """Two editors, no articles yet."""
    return Library(world)
