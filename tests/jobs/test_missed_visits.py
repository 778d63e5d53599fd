"""Visits whose day has ended."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.core.scope import Role
from app.jobs import missed_visits
from app.jobs.missed_visits import mark_missed_visits
from app.visits import service
from app.visits.service.overdue import start_of_day, zone_named
from tests.visits.company import DAY, HOUR, NOW, Company


@pytest.fixture
def rep(company: Company) -> UUID:
    return company.user(Role.REP, company.north)


def status(company: Company, visit: UUID) -> str:
    found: str = company.value("visits", visit, "status")
    return found


AUTUMN = datetime(2026, 11, 20, 1, tzinfo=UTC)
SUMMER = datetime(2026, 7, 20, 1, tzinfo=UTC)


class TestMarkMissedVisits:
    @pytest.mark.parametrize(
        ("zone", "planned_start", "day_ends"),
        [
            ("Asia/Seoul", AUTUMN, datetime(2026, 11, 20, 15, tzinfo=UTC)),
            ("Asia/Seoul", AUTUMN + 14 * HOUR, datetime(2026, 11, 21, 15, tzinfo=UTC)),
            ("America/New_York", AUTUMN, datetime(2026, 11, 20, 5, tzinfo=UTC)),
            ("America/New_York", SUMMER, datetime(2026, 7, 20, 4, tzinfo=UTC)),
            ("Nowhere/Unknown", AUTUMN, datetime(2026, 11, 20, 15, tzinfo=UTC)),
        ],
    )
    def test_waits_for_the_end_of_the_accounts_day(
        self, company: Company, rep: UUID, zone: str, planned_start: datetime, day_ends: datetime
    ) -> None:
        visit = company.visit(company.account(time_zone=zone), rep, planned_start)
        mark_missed_visits(company.database, company.id, day_ends - timedelta(microseconds=1))
        assert status(company, visit) == "planned"
        mark_missed_visits(company.database, company.id, day_ends)
        assert status(company, visit) == "missed"

    @pytest.mark.parametrize("state", ["en_route", "checked_in", "cancelled", "completed"])
    def test_leaves_alone_what_is_not_planned(self, company: Company, rep: UUID, state: str) -> None:
        visit = company.visit(company.account(), rep, NOW - 5 * DAY, status=state)
        assert mark_missed_visits(company.database, company.id, NOW) == 0
        assert status(company, visit) == state

    def test_leaves_deleted_visits_alone(self, company: Company, rep: UUID) -> None:
        company.visit(company.account(), rep, NOW - 5 * DAY, deleted_at=NOW)
        assert mark_missed_visits(company.database, company.id, NOW) == 0

    def test_works_through_any_number_in_batches(
        self, company: Company, rep: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(missed_visits, "BATCH", 2)
        account = company.account()
        for _ in range(5):
            company.visit(account, rep, NOW - 5 * DAY)
        assert mark_missed_visits(company.database, company.id, NOW) == 5

    def test_repeated_does_nothing(self, company: Company, rep: UUID) -> None:
        company.visit(company.account(), rep, NOW - 5 * DAY)
        assert [mark_missed_visits(company.database, company.id, NOW) for _ in range(2)] == [1, 0]

    def test_stays_within_the_company(self, company: Company, other_company: Company, rep: UUID) -> None:
        company.visit(company.account(), rep, NOW - 5 * DAY)
        assert mark_missed_visits(other_company.database, other_company.id, NOW) == 0

    def test_is_named_in_the_ledger(self, company: Company, rep: UUID) -> None:
        visit = company.visit(company.account(), rep, NOW - 5 * DAY)
        mark_missed_visits(company.database, company.id, NOW)
        last = company.ledger("visit", visit)[-1]
        assert (last.actor_kind, last.actor_name, last.new) == (
            "job",
            "missed_visits",
            {"status": "missed"},
        )

    def test_leaves_a_visit_that_somebody_works_on_for_the_next_run(
        self, company: Company, rep: UUID
    ) -> None:
        visit = company.visit(company.account(), rep, NOW - 5 * DAY)
        with company.as_(rep) as (session, actor):
            service.get_visit(session, actor, visit, lock=True)
            assert mark_missed_visits(company.database, company.id, NOW) == 0
        assert mark_missed_visits(company.database, company.id, NOW) == 1


class TestStartOfDay:
    def test_is_the_change_itself_where_summer_time_skips_midnight(self) -> None:
        beirut = zone_named("Asia/Beirut")  # 29 March 2026: 00:00 becomes 01:00
        noon = datetime(2026, 3, 29, 9, tzinfo=UTC)
        assert start_of_day(noon, beirut) == datetime(2026, 3, 28, 22, tzinfo=UTC)

    def test_is_the_first_of_two_midnights(self) -> None:
        havana = zone_named("America/Havana")  # 1 November 2026: 01:00 becomes 00:00
        noon = datetime(2026, 11, 1, 17, tzinfo=UTC)
        assert start_of_day(noon, havana) == datetime(2026, 11, 1, 4, tzinfo=UTC)

    def test_is_not_after_the_moment(self) -> None:
        seoul = zone_named("Asia/Seoul")
        assert start_of_day(NOW, seoul) == NOW - 12 * HOUR
