"""Stamps and corrected time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.stamps import LONGEST_AGE_MS, NEVER, Stamp, corrected_time, element_stamp, field_stamp, newest

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BORN = ["2026-11-01T00:00:00.000000Z", ""]
EARLY = ["2026-11-02T00:00:00.000000Z", "m1"]
LATE = ["2026-11-03T00:00:00.000000Z", "m2"]

moments = st.datetimes(timezones=st.just(UTC))


class TestStamp:
    def test_is_ordered_by_time_then_mutation(self) -> None:
        assert Stamp(BORN[0], "z") < Stamp(EARLY[0], "a") < Stamp(EARLY[0], "b")

    def test_of_a_write_without_a_phone_gives_way_at_the_same_time(self) -> None:
        assert Stamp.of(NOON) < Stamp.of(NOON, "0190")

    @settings(deadline=None, max_examples=100)
    @given(moments, moments)
    def test_is_ordered_as_its_moment_is(self, one: datetime, other: datetime) -> None:
        assert (Stamp.of(one) < Stamp.of(other)) == (one < other)
        assert Stamp.of(one).moment == one

    def test_is_kept_as_a_pair(self) -> None:
        mutation = UUID("0190AAAA-0000-7000-8000-00000000000A")

        assert Stamp.of(NOON, mutation).to_json() == ["2026-11-21T12:00:00.000000Z", str(mutation)]


class TestReading:
    @pytest.mark.parametrize(
        ("stamps", "expected"),
        [
            ({}, NEVER),
            ({"_": BORN}, Stamp(*BORN)),
            ({"_": BORN, "f": EARLY}, Stamp(*EARLY)),
            ({"_": BORN, "f": {"_": EARLY, "a": LATE}}, Stamp(*LATE)),
        ],
    )
    def test_a_field_has_its_own_stamp_or_the_records(self, stamps: dict[str, Any], expected: Stamp) -> None:
        assert field_stamp(stamps, "f") == expected

    @pytest.mark.parametrize(
        ("stamps", "expected"),
        [
            ({}, NEVER),
            ({"_": BORN}, Stamp(*BORN)),
            ({"_": BORN, "f": EARLY}, Stamp(*EARLY)),
            ({"_": BORN, "f": {"_": EARLY}}, Stamp(*EARLY)),
            ({"_": BORN, "f": {"_": EARLY, "a": LATE}}, Stamp(*LATE)),
            ({"_": BORN, "f": {"b": LATE}}, Stamp(*BORN)),
        ],
    )
    def test_an_element_has_its_own_stamp_or_the_fields_or_the_records(
        self, stamps: dict[str, Any], expected: Stamp
    ) -> None:
        assert element_stamp(stamps, "f", "a") == expected

    def test_the_newest_is_found_at_any_depth(self) -> None:
        assert newest({"_": BORN, "f": {"_": EARLY, "a": LATE}}) == Stamp(*LATE)
        assert newest({}) == NEVER


def correct(**given: Any) -> datetime:
    told = {"now": NOON, "sent_at": None, "occurred_at": None, "age_ms": None, "floor": None}
    return corrected_time(**{**told, **given})


class TestCorrectedTime:
    def test_goes_back_by_the_monotonic_age(self) -> None:
        assert correct(age_ms=1500) == NOON - timedelta(milliseconds=1500)

    def test_prefers_the_age_to_the_phones_clock(self) -> None:
        assert correct(age_ms=0, occurred_at=NOON, sent_at=NOON + timedelta(days=1)) == NOON

    @pytest.mark.parametrize("skew_days", [-3650, -1, 0, 1, 3650])
    def test_takes_the_span_between_edit_and_sending_whatever_the_phones_clock(self, skew_days: int) -> None:
        skew = timedelta(days=skew_days)

        made = correct(occurred_at=NOON - timedelta(hours=2) + skew, sent_at=NOON + skew)

        assert made == NOON - timedelta(hours=2)

    def test_is_now_where_the_phone_tells_nothing(self) -> None:
        assert correct() == NOON
        assert correct(occurred_at=NOON - timedelta(hours=1)) == NOON
        assert correct(sent_at=NOON - timedelta(hours=1)) == NOON

    def test_is_never_later_than_now(self) -> None:
        assert correct(occurred_at=NOON + timedelta(hours=1), sent_at=NOON) == NOON

    def test_takes_a_negative_age_for_none_at_all(self) -> None:
        assert correct(age_ms=-5) == NOON

    def test_does_not_believe_an_age_that_no_phone_reaches(self) -> None:
        made = correct(age_ms=10**15, occurred_at=NOON - timedelta(hours=1), sent_at=NOON)

        assert made == NOON - timedelta(hours=1)

    def test_believes_the_longest_age_of_a_phone(self) -> None:
        assert correct(age_ms=LONGEST_AGE_MS) == NOON - timedelta(days=400)

    def test_is_above_what_the_edit_was_based_on(self) -> None:
        floor = Stamp.of(NOON - timedelta(hours=1))

        assert correct(age_ms=2 * 3600 * 1000, floor=floor) == floor.moment + timedelta(microseconds=1)
        assert correct(age_ms=1800 * 1000, floor=floor) == NOON - timedelta(minutes=30)

    def test_is_above_its_floor_even_if_that_is_later_than_now(self) -> None:
        floor = Stamp.of(NOON + timedelta(hours=1))

        assert correct(floor=floor) == floor.moment + timedelta(microseconds=1)

    @settings(deadline=None, max_examples=200)
    @given(
        now=moments,
        sent_at=st.none() | moments,
        occurred_at=st.none() | moments,
        age_ms=st.none() | st.integers(-(2**63), 2**63),
        floor=st.none() | moments.map(Stamp.of),
    )
    def test_holds_for_any_clock(self, now: datetime, floor: Stamp | None, **told: Any) -> None:
        made = correct(now=now, floor=floor, **told)

        assert made <= now or (floor is not None and made == floor.moment + timedelta(microseconds=1))
        assert floor is None or made > floor.moment or made == datetime.max.replace(tzinfo=UTC)
