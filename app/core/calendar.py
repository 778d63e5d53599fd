"""Business hours of a company: Monday to Friday, nine to six, without the holidays of its country or its own."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from babel.core import get_global

OPENS: Final = time(9)
CLOSES: Final = time(18)
LAST_WORKDAY: Final = 4  # Friday
HOUR: Final = timedelta(hours=1)
MOST_DAYS_CLOSED: Final = 366
"""After so many closed days in a row somebody has called every day a holiday: hours are then of any day."""


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """When people are at work.

    Attributes:
        time_zone: IANA name, which also tells the country; of an unknown one the hours are UTC's.
        closed: Days off besides those of the country.
    """

    time_zone: str
    closed: AbstractSet[date] = frozenset()

    def is_workday(self, day: date) -> bool:
        """Whether people work on *day*."""
        return (
            day.weekday() <= LAST_WORKDAY
            and day not in self.closed
            and day not in holidays_of(country_of(self.time_zone), day.year)
        )

    def after(self, moment: datetime, hours: int) -> datetime:
        """The moment at which so many business hours have gone by since *moment*.

        Args:
            moment: Aware.
            hours: Whole business hours, at least one.

        Returns:
            Aware UTC; the end of a business day rather than the beginning of the next.
        """
        left = hours * HOUR
        day = moment.astimezone(self._zone()).date()
        closed_days = 0
        while True:
            is_open = self.is_workday(day) or closed_days > MOST_DAYS_CLOSED
            closed_days = 0 if is_open else closed_days + 1
            if is_open:
                begin, end = max(self._at(day, OPENS), moment), self._at(day, CLOSES)
                if begin + left <= end:
                    return begin + left
                left -= max(end - begin, timedelta())
            day += timedelta(days=1)

    def _at(self, day: date, hour: time) -> datetime:
        return datetime.combine(day, hour, self._zone()).astimezone(UTC)

    def _zone(self) -> ZoneInfo:
        return _zone_named(self.time_zone)


@lru_cache(maxsize=64)
def _zone_named(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


@lru_cache(maxsize=64)
def country_of(time_zone: str) -> str | None:
    """ISO 3166 code of the country that a zone lies in (Unicode CLDR); None for zones of none."""
    country = get_global("zone_territories").get(time_zone)
    return country if country in holidays.list_supported_countries() else None


@lru_cache(maxsize=256)
def holidays_of(country: str | None, year: int) -> frozenset[date]:
    """Public holidays of a country in a year, with their substitutes; none of an unknown country."""
    if country is None:
        return frozenset()
    return frozenset(holidays.country_holidays(country, years=year))
