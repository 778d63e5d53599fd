"""Which step a visit may take from which state."""

import pytest

from app.visits.states import VISIT_MACHINE, VisitStatus

STEPS = {
    "start_travel": {"planned": "en_route"},
    "check_in": {"planned": "checked_in", "en_route": "checked_in"},
    "check_out": {"checked_in": "checked_out"},
    "complete": {"checked_out": "completed"},
    "verify": {"completed": "verified"},
    "flag": {"completed": "flagged"},
    "cancel": {"planned": "cancelled", "en_route": "cancelled"},
    "reschedule": {"planned": "rescheduled", "missed": "rescheduled"},
}


@pytest.mark.parametrize("state", list(VisitStatus))
@pytest.mark.parametrize("command", list(STEPS))
def test_each_command_leads_where_the_table_says(command: str, state: VisitStatus) -> None:
    expected = STEPS[command].get(state)
    assert VISIT_MACHINE.is_legal(command, state) is (expected is not None)
    assert VISIT_MACHINE.after(command, state) == (expected or state)


def test_there_are_no_other_commands() -> None:
    assert set(VISIT_MACHINE.steps) == set(STEPS)


def test_no_person_makes_a_visit_missed() -> None:
    assert VisitStatus.MISSED not in {end for _, end in VISIT_MACHINE.steps.values()}


def test_only_missed_gives_way_to_what_happened() -> None:
    assert set(VISIT_MACHINE.clock_states) == {VisitStatus.MISSED}


@pytest.mark.parametrize("state", sorted(VISIT_MACHINE.frozen_states))
def test_a_closed_visit_allows_nothing(state: str) -> None:
    assert VISIT_MACHINE.allowed(state) == ()
