"""Business hours."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.core.calendar import BusinessCalendar, country_of
from app.core.clock import utc_now

SEOUL = BusinessCalendar("Asia/Seoul")


def seoul(text: str) -> datetime:
    return (datetime.fromisoformat(text) - timedelta(hours=9)).replace(tzinfo=UTC)


class TestAfter:
    @pytest.mark.parametrize(
        ("begin", "hours", "end"),
        [
            ("2026-11-24 10:00", 1, "2026-11-24 11:00"),
            ("2026-11-24 10:00", 8, "2026-11-24 18:00"),
            ("2026-11-24 10:00", 9, "2026-11-25 10:00"),
            ("2026-11-24 06:30", 1, "2026-11-24 10:00"),
            ("2026-11-24 18:00", 1, "2026-11-25 10:00"),
            ("2026-11-24 23:59", 9, "2026-11-25 18:00"),
            ("2026-11-27 17:00", 2, "2026-11-30 10:00"),
            ("2026-11-28 12:00", 1, "2026-11-30 10:00"),
            ("2026-12-24 17:00", 2, "2026-12-28 10:00"),
            ("2026-12-31 17:30", 1, "2027-01-04 09:30"),
            ("2026-02-13 18:00", 1, "2026-02-19 10:00"),
        ],
        ids=[
            "within a day",
            "to its end",
            "over night",
            "before the day",
            "at its end",
            "a whole day",
            "over a weekend",
            "on a Saturday",
            "over Christmas",
            "over New Year",
            "over Seollal",
        ],
    )
    def test_counts_business_hours_only(self, begin: str, hours: int, end: str) -> None:
        assert SEOUL.after(seoul(begin), hours) == seoul(end)

    def test_knows_substitutes(self) -> None:
        assert not SEOUL.is_workday(date(2026, 10, 5))  # for 3 October, a Saturday

    def test_knows_the_companys_own_days(self) -> None:
        calendar = BusinessCalendar("Asia/Seoul", frozenset({date(2026, 11, 25)}))
        assert calendar.after(seoul("2026-11-24 17:00"), 2) == seoul("2026-11-26 10:00")

    def test_an_hour_is_an_hour_where_the_clocks_change(self) -> None:
        berlin = BusinessCalendar("Europe/Berlin")
        friday = datetime(2026, 10, 23, 15, 30, tzinfo=UTC)  # 17:30 in summer time
        assert berlin.after(friday, 1) == datetime(2026, 10, 26, 8, 30, tzinfo=UTC)

    def test_ends_though_every_day_is_closed(self) -> None:
        first = date(2026, 11, 24)
        closed = frozenset(first + timedelta(days=n) for n in range(3000))
        begin = seoul("2026-11-24 10:00")
        assert BusinessCalendar("Asia/Seoul", closed).after(begin, 1) > begin

    @pytest.mark.parametrize("zone", ["UTC", "Nowhere/Else", "", "Etc/GMT+5"])
    def test_a_zone_of_no_country_has_its_weekends(self, zone: str) -> None:
        calendar = BusinessCalendar(zone)
        assert calendar.after(utc_now(), 1) > utc_now()
        assert not calendar.is_workday(date(2026, 11, 28))
        assert calendar.is_workday(date(2026, 12, 25))

    def test_the_zone_tells_the_country(self) -> None:
        assert [country_of(z) for z in ("Asia/Seoul", "America/New_York", "UTC")] == ["KR", "US", None]
