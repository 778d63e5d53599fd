"""Travel, check-in, check-out, completion and review, on real visits."""

from typing import Any
from uuid import UUID

import pytest

from app.core.errors import Forbidden, NotFound, TransitionNotAllowed
from app.core.geo import GeoVerdict
from app.core.scope import Role
from app.visits import service
from app.visits.service.errors import (
    VisitNotYours,
    VisitReassigned,
    VisitReviewOwn,
    VisitTasksOpen,
)
from app.visits.states import VISIT_MACHINE, VisitStatus
from tests.visits.company import DAY, HOUR, NOW, SEOUL_HALL, Company

ARGS: dict[str, dict[str, Any]] = {
    "cancel": {"reason": "고객 휴무"},
    "reschedule": {"planned_start": NOW + DAY},
    "flag": {"note": "위치가 맞지 않음"},
}
HERE = {"lat": SEOUL_HALL[0], "lon": SEOUL_HALL[1], "accuracy_m": 12}


@pytest.fixture
def rep(company: Company) -> UUID:
    return company.user(Role.REP, company.north)


@pytest.fixture
def manager(company: Company) -> UUID:
    return company.user(Role.MANAGER, company.north)


@pytest.fixture
def account(company: Company) -> UUID:
    return company.account(location=list(SEOUL_HALL))


@pytest.fixture
def visit(company: Company, account: UUID, rep: UUID) -> UUID:
    return company.visit(account, rep)


class TestSteps:
    @pytest.mark.parametrize("state", list(VisitStatus))
    @pytest.mark.parametrize("command", list(VISIT_MACHINE.steps))
    def test_a_command_does_what_the_machine_says(
        self, company: Company, account: UUID, rep: UUID, manager: UUID, command: str, state: VisitStatus
    ) -> None:
        visit = company.visit(account, rep, status=state.value, checked_in_at=NOW - HOUR)
        actor = manager if command in ("verify", "flag") else rep
        if VISIT_MACHINE.is_legal(command, state):
            done = company.do(actor, command, visit, **ARGS.get(command, {}))
            assert done.status == VISIT_MACHINE.after(command, state)
        else:
            with pytest.raises(TransitionNotAllowed) as refused:
                company.do(actor, command, visit, **ARGS.get(command, {}))
            assert refused.value.details == {
                "status": state.value,
                "allowed": list(VISIT_MACHINE.allowed(state)),
            }

    def test_a_foreign_visit_is_like_an_unknown_one(self, company: Company, account: UUID, rep: UUID) -> None:
        foreign = company.visit(company.account(company.south), company.user(Role.REP, company.south))
        with pytest.raises(NotFound):
            company.do(rep, "check_in", foreign)

    def test_a_colleagues_visit_is_not_yours(self, company: Company, account: UUID, rep: UUID) -> None:
        colleagues = company.visit(account, company.user(Role.REP, company.north))
        with pytest.raises(VisitNotYours):
            company.do(rep, "check_in", colleagues)

    def test_a_visit_given_to_a_colleague_says_so(
        self, company: Company, visit: UUID, rep: UUID, manager: UUID
    ) -> None:
        company.do(manager, "reassign", visit, assignee_id=company.user(Role.REP, company.north))
        with pytest.raises(VisitReassigned):
            company.do(rep, "check_in", visit)

    def test_the_manager_may_act_in_the_assignees_place(
        self, company: Company, visit: UUID, manager: UUID
    ) -> None:
        assert company.do(manager, "check_in", visit).status is VisitStatus.CHECKED_IN


class TestLateCheckIn:
    @pytest.fixture
    def missed(self, company: Company, account: UUID, rep: UUID) -> UUID:
        return company.visit(account, rep, NOW - DAY, status="missed")

    def test_stands_where_the_clock_alone_made_it_missed(
        self, company: Company, missed: UUID, rep: UUID
    ) -> None:
        visit = company.do(rep, "check_in", missed, at=NOW - DAY, status="planned")
        assert (visit.status, visit.checked_in_at, visit.late) == (VisitStatus.CHECKED_IN, NOW - DAY, True)

    def test_is_refused_to_who_saw_it_missed(self, company: Company, missed: UUID, rep: UUID) -> None:
        with pytest.raises(TransitionNotAllowed) as refused:
            company.do(rep, "check_in", missed)
        assert refused.value.details == {"status": "missed", "allowed": ["reschedule"]}

    def test_stands_after_a_late_start_of_travel_too(self, company: Company, missed: UUID, rep: UUID) -> None:
        company.do(rep, "start_travel", missed, status="planned")
        assert company.do(rep, "check_in", missed).late

    def test_in_time_is_not_late(self, company: Company, visit: UUID, rep: UUID) -> None:
        assert not company.do(rep, "check_in", visit).late


class TestPosition:
    @pytest.mark.parametrize(
        ("location", "verdict"),
        [
            (HERE, GeoVerdict.INSIDE),
            (HERE | {"lat": SEOUL_HALL[0] + 0.003}, GeoVerdict.NEAR),
            (HERE | {"lat": SEOUL_HALL[0] + 0.1}, GeoVerdict.OUTSIDE),
            (HERE | {"mock": True}, GeoVerdict.SUSPECT),
            (HERE | {"accuracy_m": 800}, GeoVerdict.SUSPECT),
            ({"lat": 0, "lon": 0}, GeoVerdict.NO_FIX),
            (None, GeoVerdict.NO_FIX),
        ],
    )
    def test_never_blocks_and_is_judged(
        self,
        company: Company,
        visit: UUID,
        rep: UUID,
        location: dict[str, Any] | None,
        verdict: GeoVerdict,
    ) -> None:
        assert company.do(rep, "check_in", visit, location=location).geo_verdict is verdict

    def test_is_kept_with_its_distance(self, company: Company, visit: UUID, rep: UUID) -> None:
        visit_now = company.do(rep, "check_in", visit, location=HERE)
        assert visit_now.checked_in_location == list(SEOUL_HALL)
        assert (visit_now.checked_in_accuracy_m, visit_now.distance_m) == (12, 0)

    def test_is_measured_from_the_site_where_there_is_one(
        self, company: Company, account: UUID, rep: UUID
    ) -> None:
        site = company.insert("sites", account_id=account, name="2공장", location=[35.1, 129.0], radius_m=100)
        visit = company.visit(account, rep, site_id=site)
        assert company.do(rep, "check_in", visit, location=HERE).geo_verdict is GeoVerdict.OUTSIDE

    def test_is_suspect_after_an_impossible_journey(
        self, company: Company, account: UUID, visit: UUID, rep: UUID
    ) -> None:
        busan = company.visit(company.account(location=[35.1796, 129.0756]), rep)
        company.do(rep, "check_in", busan, at=NOW - HOUR, location={"lat": 35.1796, "lon": 129.0756})
        assert company.do(rep, "check_in", visit, location=HERE).geo_verdict is GeoVerdict.SUSPECT

    def test_at_check_out_can_only_raise_doubt(self, company: Company, visit: UUID, rep: UUID) -> None:
        company.do(rep, "check_in", visit, location=HERE)
        left = company.do(rep, "check_out", visit, at=NOW + HOUR, location=HERE | {"mock": True})
        assert left.geo_verdict is GeoVerdict.SUSPECT

    def test_far_away_waits_in_the_list_of_those_that_want_a_reason(
        self, company: Company, visit: UUID, rep: UUID
    ) -> None:
        company.do(rep, "check_in", visit, location=HERE | {"mock": True})
        with company.as_(rep) as (session, actor):
            wanting = session.scalars(service.list_visits(session, actor, wants_reason=True)).all()
        assert [one.id for one in wanting] == [visit]

    def test_with_a_reason_waits_for_nothing(self, company: Company, visit: UUID, rep: UUID) -> None:
        company.do(rep, "check_in", visit, location=HERE | {"mock": True}, geo_reason="시험 단말")
        with company.as_(rep) as (session, actor):
            assert session.scalars(service.list_visits(session, actor, wants_reason=True)).all() == []
            others = session.scalars(service.list_visits(session, actor, wants_reason=False)).all()
        assert [one.id for one in others] == [visit]

    def test_not_taken_yet_wants_no_reason(self, company: Company, visit: UUID, rep: UUID) -> None:
        with company.as_(rep) as (session, actor):
            others = session.scalars(service.list_visits(session, actor, wants_reason=False)).all()
        assert [one.id for one in others] == [visit]

    def test_is_one_change_in_the_ledger(self, company: Company, visit: UUID, rep: UUID) -> None:
        company.do(rep, "check_in", visit, location=HERE)
        assert [row.version for row in company.ledger("visit", visit)] == [1, 2]


class TestCheckOut:
    def test_counts_the_minutes(self, company: Company, visit: UUID, rep: UUID) -> None:
        company.do(rep, "check_in", visit)
        assert company.do(rep, "check_out", visit, at=NOW + 1.5 * HOUR).duration_min == 90

    def test_tells_the_account_when_it_was_visited(
        self, company: Company, account: UUID, visit: UUID, rep: UUID
    ) -> None:
        company.do(rep, "check_in", visit)
        assert company.value("accounts", account, "last_visited_at") == NOW


class TestComplete:
    @pytest.fixture
    def left(self, company: Company, account: UUID, rep: UUID) -> UUID:
        return company.visit(account, rep, status="checked_out")

    def test_refuses_while_a_required_task_is_open(self, company: Company, left: UUID, rep: UUID) -> None:
        task = company.insert("visit_tasks", visit_id=left, title="설문", required=True)
        with pytest.raises(VisitTasksOpen) as refused:
            company.do(rep, "complete", left)
        assert refused.value.details == {"tasks": [str(task)]}
        assert company.value("visits", left, "status") == "checked_out"

    def test_does_not_wait_for_the_others(self, company: Company, left: UUID, rep: UUID) -> None:
        company.insert("visit_tasks", visit_id=left, title="설문", required=True, done=True)
        company.insert("visit_tasks", visit_id=left, title="샘플")
        assert company.do(rep, "complete", left).status is VisitStatus.COMPLETED


class TestReview:
    @pytest.fixture
    def completed(self, company: Company, account: UUID, rep: UUID) -> UUID:
        return company.visit(account, rep, status="completed")

    def test_names_the_manager(self, company: Company, completed: UUID, manager: UUID) -> None:
        visit = company.do(manager, "flag", completed, note="사진 없음")
        assert (visit.verified_by, visit.review_note) == (manager, "사진 없음")

    def test_is_not_the_assignees(self, company: Company, completed: UUID, rep: UUID) -> None:
        with pytest.raises(Forbidden):
            company.do(rep, "verify", completed)

    def test_of_ones_own_visit_is_refused(self, company: Company, account: UUID, manager: UUID) -> None:
        own = company.visit(account, manager, status="completed")
        with pytest.raises(VisitReviewOwn):
            company.do(manager, "verify", own)
