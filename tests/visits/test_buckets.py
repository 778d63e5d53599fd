"""Which phones hold a visit."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.scope import Role
from app.visits.sync import VISIT, VISITS_OF_USERS
from tests.visits.company import DAY, NOW, Company

MOMENT = timedelta(microseconds=1)
LONG_AGO = NOW - 100 * DAY


@pytest.fixture
def rep(company: Company) -> UUID:
    rep = company.user(Role.REP, company.north)
    company.subscribe(rep, company.north)
    return rep


@pytest.fixture
def account(company: Company) -> UUID:
    return company.account()


class TestAssigneesWindow:
    @pytest.mark.parametrize(
        ("planned_start", "held"),
        [
            (NOW - 3 * DAY - MOMENT, False),
            (NOW - 3 * DAY, True),
            (NOW + 14 * DAY - MOMENT, True),
            (NOW + 14 * DAY, False),
        ],
    )
    def test_holds_visits_from_3_days_back_to_14_ahead(
        self, company: Company, rep: UUID, account: UUID, planned_start: datetime, held: bool
    ) -> None:
        visit = company.visit(account, rep, planned_start)
        assert ((f"user:{rep}", "sales") in company.buckets(VISIT, visit)) is held

    def test_needs_the_account_in_the_reps_territories(self, company: Company, rep: UUID) -> None:
        visit = company.visit(company.account(company.south), rep, NOW + 5 * DAY)
        assert company.buckets(VISIT, visit) == set()

    def test_holds_the_visits_of_an_owned_account(self, company: Company, rep: UUID) -> None:
        visit = company.visit(company.account(company.south, owner_id=rep), rep, NOW + 5 * DAY)
        assert company.buckets(VISIT, visit) == {(f"user:{rep}", "sales")}

    def test_of_a_technician_brings_the_account_itself(self, company: Company, account: UUID) -> None:
        technician = company.user(Role.TECHNICIAN)
        visit = company.visit(account, technician, NOW + 5 * DAY)
        assert company.buckets(VISIT, visit) == {(f"user:{technician}", "service")}

    def test_of_a_manager_is_in_the_managers_shape(self, company: Company, account: UUID) -> None:
        manager = company.user(Role.MANAGER, company.north)
        company.subscribe(manager, company.north)
        visit = company.visit(account, manager, NOW + 5 * DAY)
        assert company.buckets(VISIT, visit) == {(f"user:{manager}", "manager")}


class TestLastFive:
    def test_are_held_by_the_accounts_reps_however_old(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        made = [company.visit(account, rep, LONG_AGO + n * DAY, status="completed") for n in range(6)]
        held = [("territory:" + str(company.north), "sales") in company.buckets(VISIT, one) for one in made]
        assert held == [False, True, True, True, True, True]

    def test_are_held_by_the_owner_too(self, company: Company, rep: UUID) -> None:
        account = company.account(company.south, owner_id=rep)
        visit = company.visit(account, company.user(Role.REP), LONG_AGO, status="verified")
        assert (f"user:{rep}", "sales") in company.buckets(VISIT, visit)

    @pytest.mark.parametrize("status", ["planned", "en_route", "checked_in", "missed", "cancelled"])
    def test_count_visits_that_were_made(
        self, company: Company, rep: UUID, account: UUID, status: str
    ) -> None:
        visit = company.visit(account, rep, LONG_AGO, status=status)
        assert company.buckets(VISIT, visit) == set()

    def test_leave_deleted_visits_out(self, company: Company, rep: UUID, account: UUID) -> None:
        oldest = company.visit(account, rep, LONG_AGO, status="completed")
        for n in range(1, 6):
            company.visit(account, rep, LONG_AGO + n * DAY, status="completed", deleted_at=NOW)
        assert (f"territory:{company.north}", "sales") in company.buckets(VISIT, oldest)


class TestTeamToday:
    @pytest.mark.parametrize(
        ("planned_start", "held"),
        [
            (NOW - DAY - MOMENT, False),
            (NOW - DAY, True),
            (NOW + DAY - MOMENT, True),
            (NOW + DAY, False),
        ],
    )
    def test_is_held_by_the_territorys_managers(
        self, company: Company, rep: UUID, account: UUID, planned_start: datetime, held: bool
    ) -> None:
        visit = company.visit(account, rep, planned_start)
        assert ((f"territory:{company.north}", "manager") in company.buckets(VISIT, visit)) is held


class TestNobody:
    def test_holds_a_visit_of_a_deleted_account(self, company: Company, rep: UUID) -> None:
        visit = company.visit(company.account(deleted_at=NOW), rep, status="completed")
        assert company.buckets(VISIT, visit) == set()

    def test_holds_a_deleted_visit(self, company: Company, rep: UUID, account: UUID) -> None:
        assert company.buckets(VISIT, company.visit(account, rep, deleted_at=NOW)) == set()

    def test_in_another_company_is_asked(
        self, company: Company, other_company: Company, rep: UUID, account: UUID
    ) -> None:
        assert other_company.buckets(VISIT, company.visit(account, rep)) == set()


class TestScopeWithoutWindows:
    def test_still_holds_what_left_the_window(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = company.visit(account, rep, LONG_AGO)
        in_scope = company.rule(VISIT.in_scope, visit)
        assert (f"user:{rep}", "sales") in in_scope

    def test_of_a_technician_is_the_window(self, company: Company, account: UUID) -> None:
        technician = company.user(Role.TECHNICIAN)
        visit = company.visit(account, technician, LONG_AGO)
        assert (f"user:{technician}", "service") not in company.rule(VISIT.in_scope, visit)

    @pytest.mark.parametrize("status", ["planned", "completed"])
    @pytest.mark.parametrize("days", [-100, -2, 0, 10, 100])
    @pytest.mark.parametrize("role", [Role.REP, Role.TECHNICIAN, Role.MANAGER])
    def test_is_never_narrower_than_the_buckets(
        self, company: Company, rep: UUID, role: Role, days: int, status: str
    ) -> None:
        account = company.account(owner_id=rep)
        visit = company.visit(account, company.user(role, company.north), NOW + days * DAY, status=status)
        assert company.buckets(VISIT, visit) <= company.rule(VISIT.in_scope, visit)


class TestMarks:
    def test_a_visit_marks_its_account(self, company: Company, rep: UUID, account: UUID) -> None:
        company.forget_marks()
        company.visit(account, rep)
        assert company.marks("account") == [account]

    def test_one_that_comes_into_the_last_five_marks_its_neighbours(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        made = [company.visit(account, rep, LONG_AGO + n * DAY, status="completed") for n in range(5)]
        new = company.visit(account, rep, status="checked_in")
        company.forget_marks()
        company.do(rep, "check_out", new)
        assert set(company.marks("visit")) == {*made, new}

    def test_one_that_stays_where_it_is_marks_itself_alone(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        company.visit(account, rep, LONG_AGO, status="completed")
        visit = company.visit(account, rep, status="checked_out")
        company.forget_marks()
        company.do(rep, "complete", visit)
        assert set(company.marks("visit")) == {visit}

    def test_one_removed_in_sql_marks_its_neighbours(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        made = [company.visit(account, rep, LONG_AGO + n * DAY, status="completed") for n in range(3)]
        company.forget_marks()
        with company.database.session(company.id) as session:
            session.execute(text("DELETE FROM visits WHERE id = :id"), {"id": made[0]})
        assert set(company.marks("visit")) == set(made)

    def test_of_a_person_are_the_visits_of_their_window(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        company.visit(account, rep, LONG_AGO)
        near = company.visit(account, rep)
        with company.database.engine.connect() as connection:
            found = connection.scalars(
                text(VISITS_OF_USERS), {"users": [rep], "tenant": company.id, "now": NOW}
            ).all()
        assert found == [near]

    def test_many_at_once_mark_all_whom_they_push_out(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        made = [company.visit(account, rep, LONG_AGO + n * DAY, status="completed") for n in range(5)]
        company.forget_marks()
        with company.database.session(company.id) as session:
            session.execute(
                text(
                    "INSERT INTO visits (tenant_id, id, account_id, assignee_id, planned_start, status)"
                    " SELECT :tenant, gen_random_uuid(), :account, :rep, :now, 'verified'"
                    " FROM generate_series(1, 40)"
                ),
                {"tenant": company.id, "account": account, "rep": rep, "now": NOW},
            )
        assert set(made) <= set(company.marks("visit"))
