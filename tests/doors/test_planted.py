"""Tests that cannot fail prove nothing: bugs of one line in the doors are found."""

import importlib.util
from pathlib import Path

import pytest

from tests.doors.planted import PLANTED, RANDOM, Planted, is_found


@pytest.mark.parametrize("one", PLANTED, ids=lambda one: one.mutant.name)
def test_a_planted_bug_fits_the_code_as_it_is(one: Planted) -> None:
    module = importlib.util.find_spec(one.mutant.where)
    assert module is not None
    assert module.origin is not None
    assert Path(module.origin).read_text(encoding="utf-8").count(one.mutant.old) == 1


@pytest.mark.more
@pytest.mark.parametrize(
    "one", [one for one in PLANTED if one.tests == (RANDOM,)], ids=lambda one: one.mutant.name
)
def test_devices_at_random_find_a_planted_bug(one: Planted) -> None:
    found, said = is_found(one)
    assert found, said
