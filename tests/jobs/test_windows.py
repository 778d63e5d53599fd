"""Windows in time move."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.scope import Role
from app.jobs.windows import move_windows
from tests.visits.company import DAY, HOUR, NOW, Company

LATER = NOW + HOUR
HALF = HOUR / 2


@pytest.fixture
def rep(company: Company) -> UUID:
    return company.user(Role.REP, company.north)


class TestMoveWindows:
    @pytest.mark.parametrize("edge", [-3 * DAY, 14 * DAY, -DAY, DAY])
    def test_marks_what_an_edge_has_passed_and_its_account(
        self, company: Company, rep: UUID, edge: timedelta
    ) -> None:
        account = company.account()
        visit = company.visit(account, rep, NOW + edge + HALF)
        move_windows(company.database, company.id, NOW)
        company.forget_marks()
        move_windows(company.database, company.id, LATER)
        assert (company.marks("visit"), company.marks("account")) == ([visit], [account])

    @pytest.mark.parametrize("distance", [-10 * DAY, -2 * DAY, HALF, 7 * DAY, 20 * DAY])
    def test_leaves_alone_what_lies_elsewhere(self, company: Company, rep: UUID, distance: timedelta) -> None:
        company.visit(company.account(), rep, NOW + distance)
        move_windows(company.database, company.id, NOW)
        company.forget_marks()
        assert move_windows(company.database, company.id, LATER) == 0

    def test_marks_weakly(self, company: Company, rep: UUID) -> None:
        company.visit(company.account(), rep, NOW + DAY + HALF)
        move_windows(company.database, company.id, NOW)
        company.forget_marks()
        move_windows(company.database, company.id, LATER)
        with company.database.engine.connect() as connection:
            weak = connection.scalars(
                text("SELECT weak FROM sync_pending WHERE tenant_id = :t"), {"t": company.id}
            ).all()
        assert set(weak) == {True}

    def test_goes_on_where_it_stopped_however_long_ago(self, company: Company, rep: UUID) -> None:
        visit = company.visit(company.account(), rep, NOW + 20 * DAY)
        move_windows(company.database, company.id, NOW)
        company.forget_marks()
        move_windows(company.database, company.id, NOW + 8 * DAY)
        assert company.marks("visit") == [visit]

    def test_marks_the_last_minute_again(self, company: Company, rep: UUID) -> None:
        company.visit(company.account(), rep, NOW + DAY - timedelta(seconds=30))
        move_windows(company.database, company.id, NOW)
        company.forget_marks()
        move_windows(company.database, company.id, LATER)
        assert len(company.marks("visit")) == 1

    def test_begins_when_the_company_did(self, company: Company, rep: UUID) -> None:
        visit = company.visit(company.account(), rep, NOW + DAY + HALF)
        company.forget_marks()
        move_windows(company.database, company.id, LATER)
        assert company.marks("visit") == [visit]

    def test_does_nothing_when_the_clock_went_back(self, company: Company, rep: UUID) -> None:
        company.visit(company.account(), rep, NOW + DAY + HALF)
        move_windows(company.database, company.id, LATER)
        assert move_windows(company.database, company.id, NOW) == 0
