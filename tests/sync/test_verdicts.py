"""Verdicts from outcomes."""

import pytest

from sync.merge import Outcome
from sync.verdicts import Status, outcomes_on_wire, verdict_of

A, E, C, S, X, M = (
    Outcome.APPLIED,
    Outcome.EQUAL,
    Outcome.COMBINED,
    Outcome.SUPERSEDED,
    Outcome.CONFLICT,
    Outcome.MASKED,
)


def verdict(*outcomes: Outcome, others: bool = False) -> Status:
    by_field = {f"f{at}": outcome for at, outcome in enumerate(outcomes)}
    return verdict_of(by_field, sent_fields=by_field.keys(), others_changed_other_fields=others)


class TestVerdict:
    @pytest.mark.parametrize("outcomes", [(A, X), (S, X), (X, X), (C, M, X)])
    def test_is_conflict_when_any_field_is(self, outcomes: tuple[Outcome, ...]) -> None:
        assert verdict(*outcomes) is Status.CONFLICT
        assert verdict(*outcomes, others=True) is Status.CONFLICT

    @pytest.mark.parametrize("others", [False, True])
    def test_is_superseded_when_every_field_lost(self, others: bool) -> None:
        assert verdict(S, S, others=others) is Status.SUPERSEDED

    @pytest.mark.parametrize("outcomes", [(A, S), (E, S), (C,), (M,), (A, C), (S, M)])
    def test_is_merged_when_not_all_was_applied_as_sent(self, outcomes: tuple[Outcome, ...]) -> None:
        assert verdict(*outcomes) is Status.MERGED

    @pytest.mark.parametrize("outcomes", [(A,), (E,), (A, E), ()])
    def test_is_applied_when_the_record_holds_what_was_sent(self, outcomes: tuple[Outcome, ...]) -> None:
        assert verdict(*outcomes) is Status.APPLIED

    @pytest.mark.parametrize("outcomes", [(A,), (E,), ()])
    def test_is_merged_when_others_changed_other_fields(self, outcomes: tuple[Outcome, ...]) -> None:
        assert verdict(*outcomes, others=True) is Status.MERGED

    def test_is_merged_when_a_sent_field_has_no_outcome(self) -> None:
        found = verdict_of({"a": A}, sent_fields=["a", "b"], others_changed_other_fields=False)

        assert found is Status.MERGED

    def test_counts_a_conflict_in_a_field_that_was_not_sent(self) -> None:
        found = verdict_of({"a": A, "b": X}, sent_fields=["a"], others_changed_other_fields=False)

        assert found is Status.CONFLICT


def test_outcomes_stand_under_their_fields_on_the_wire() -> None:
    assert outcomes_on_wire({"phone": A}) == {"phone": {"outcome": "applied"}}
