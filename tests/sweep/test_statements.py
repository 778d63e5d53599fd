"""Each statement of push, pull, drain, refresh and decision fails once: nothing is lost, doubled, stuck or unequal.

``make test`` takes some statements of each flow, ``make test-more`` each of them once; with
``FIELDMERGE_SWEEP=whole`` the latter fails each in every way (an hour).
"""

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.sweep.faults import Mode
from tests.sweep.flows import (
    Delta,
    Drain,
    FirstSync,
    GainsAndLosses,
    Glance,
    Push,
    Refresh,
    Resolve,
    ResolveBySync,
)
from tests.sweep.sweeping import Service, every, onwards, spread, sweep, twice

FLOWS: dict[str, Callable[[Service], Any]] = {
    "push": Push,
    "first_sync": FirstSync,
    "delta": Delta,
    "nothing_new": Glance,
    "gains_and_losses": GainsAndLosses,
    "drain": Drain,
    "poisoned_drain": lambda service: Drain(service, poisoned=True),
    "refresh": Refresh,
    "decision_over_rest": Resolve,
    "decision_by_sync": ResolveBySync,
}
WHOLE = os.environ.get("FIELDMERGE_SWEEP") == "whole"
MODES = list(Mode)
PARTS = 3
"""Tests among which the statements of a flow are divided."""

flows = pytest.mark.parametrize("name", FLOWS)


@flows
def test_a_statement_that_fails_harms_nothing(service: Service, name: str) -> None:
    found = sweep(service, FLOWS[name](service), [Mode.LOST_AFTER, Mode.DISK_FULL], where=spread(3))

    assert found.problems == []


@pytest.mark.more
@flows
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("turn", range(len(MODES) if WHOLE else 1))
def test_every_statement_may_fail(service: Service, name: str, part: int, turn: int) -> None:
    modes = [*MODES[turn:], *MODES[:turn]]

    found = sweep(service, FLOWS[name](service), modes, where=every(part + 1, PARTS))

    print(found.told())  # -rP shows it
    assert found.problems == []


@pytest.mark.more
@flows
@pytest.mark.parametrize("mode", MODES if WHOLE else [Mode.LOST_BEFORE])
def test_the_next_statement_may_fail_too(service: Service, name: str, mode: Mode) -> None:
    found = sweep(service, FLOWS[name](service), [mode], twice, every() if WHOLE else spread(20))

    assert found.problems == []


@pytest.mark.more
@flows
@pytest.mark.parametrize("mode", MODES if WHOLE else [Mode.LOST_AFTER])
def test_a_database_that_is_gone_until_the_answer_harms_nothing(
    service: Service, name: str, mode: Mode
) -> None:
    found = sweep(service, FLOWS[name](service), [mode], onwards, every() if WHOLE else spread(10))

    assert found.problems == []
