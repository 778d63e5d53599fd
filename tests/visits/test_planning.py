"""Who may plan what for whom, and how plans change."""

from typing import Any
from uuid import UUID

import pytest

from app.core.errors import (
    Forbidden,
    HasDependants,
    IdTaken,
    NotFound,
    ReferenceNotFound,
    TransitionNotAllowed,
)
from app.core.geo import GeoVerdict
from app.core.ids import new_id
from app.core.scope import Role
from app.visits import service
from app.visits.models import Visit
from app.visits.service.errors import (
    AssigneeOutOfScope,
    AssignmentNotAllowed,
    FieldNotEditable,
    RecordFrozen,
    TaskListedTwice,
    VisitAlreadyMade,
    VisitEndsBeforeStart,
    VisitNotYours,
)
from app.visits.states import VISIT_MACHINE, VisitStatus
from tests.visits.company import DAY, HOUR, NOW, SEOUL_HALL, Company


@pytest.fixture
def rep(company: Company) -> UUID:
    return company.user(Role.REP, company.north)


@pytest.fixture
def manager(company: Company) -> UUID:
    return company.user(Role.MANAGER, company.north)


@pytest.fixture
def account(company: Company) -> UUID:
    return company.account()


def plan(company: Company, user_id: UUID, account_id: UUID, **values: Any) -> Visit:
    values = {"account_id": account_id, "planned_start": NOW + HOUR, **values}
    with company.as_(user_id) as (session, actor):
        return service.create_visit(session, actor, values, now=NOW)


def change(company: Company, user_id: UUID, visit_id: UUID, **changes: Any) -> Visit:
    with company.as_(user_id) as (session, actor):
        return service.update_visit(session, actor, visit_id, changes, now=NOW)


def remove(company: Company, user_id: UUID, visit_id: UUID) -> None:
    with company.as_(user_id) as (session, actor):
        service.delete_visit(session, actor, visit_id, now=NOW)


class TestPlan:
    def test_is_for_oneself_when_nobody_is_named(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = plan(company, rep, account)
        assert (visit.assignee_id, visit.status, visit.version) == (rep, VisitStatus.PLANNED, 1)

    def test_keeps_the_phones_id(self, company: Company, rep: UUID, account: UUID) -> None:
        minted = new_id()
        assert plan(company, rep, account, id=minted).id == minted

    def test_refuses_an_id_in_use(self, company: Company, rep: UUID, account: UUID) -> None:
        used = plan(company, rep, account).id
        with pytest.raises(IdTaken):
            plan(company, rep, account, id=used)

    def test_refuses_an_account_outside_the_scope(self, company: Company, rep: UUID) -> None:
        with pytest.raises(ReferenceNotFound):
            plan(company, rep, company.account(company.south))

    def test_refuses_another_companys_account(
        self, company: Company, other_company: Company, rep: UUID
    ) -> None:
        with pytest.raises(ReferenceNotFound):
            plan(company, rep, other_company.account())

    def test_refuses_a_contact_of_another_account(self, company: Company, rep: UUID, account: UUID) -> None:
        stranger = company.contact(company.account())
        with pytest.raises(ReferenceNotFound):
            plan(company, rep, account, contact_id=stranger)

    def test_refuses_an_end_before_the_start(self, company: Company, rep: UUID, account: UUID) -> None:
        with pytest.raises(VisitEndsBeforeStart):
            plan(company, rep, account, planned_end=NOW)

    def test_refuses_a_position(self, company: Company, rep: UUID, account: UUID) -> None:
        with pytest.raises(FieldNotEditable):
            plan(company, rep, account, checked_in_location=list(SEOUL_HALL))

    def test_masks_national_id_numbers(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = plan(company, rep, account, instructions="주민번호 900101-1234567 확인")
        assert visit.instructions == "주민번호 900101-******* 확인"

    def test_is_not_for_partners(self, company: Company, account: UUID) -> None:
        with pytest.raises(Forbidden):
            plan(company, company.user(Role.PARTNER, company.north), account)

    def test_by_a_technician_is_for_accounts_in_scope(self, company: Company, account: UUID) -> None:
        technician = company.user(Role.TECHNICIAN)
        company.visit(account, technician)
        assert plan(company, technician, account).assignee_id == technician


class TestPlanForOthers:
    def test_is_the_managers(self, company: Company, rep: UUID, manager: UUID, account: UUID) -> None:
        assert plan(company, manager, account, assignee_id=rep).assignee_id == rep

    def test_is_not_a_reps(self, company: Company, rep: UUID, account: UUID) -> None:
        colleague = company.user(Role.REP, company.north)
        with pytest.raises(AssignmentNotAllowed):
            plan(company, rep, account, assignee_id=colleague)

    def test_refuses_someone_who_does_not_see_the_account(
        self, company: Company, manager: UUID, account: UUID
    ) -> None:
        with pytest.raises(AssigneeOutOfScope):
            plan(company, manager, account, assignee_id=company.user(Role.REP, company.south))

    def test_brings_the_account_to_a_technician(self, company: Company, manager: UUID, account: UUID) -> None:
        technician = company.user(Role.TECHNICIAN)
        visit = plan(company, manager, account, assignee_id=technician)
        with company.as_(technician) as (session, actor):
            assert service.get_visit(session, actor, visit.id).account_id == account

    def test_refuses_someone_of_another_team(self, company: Company, manager: UUID, account: UUID) -> None:
        elsewhere = company.insert("org_units", kind="branch", code="U2", name="부산지점")
        with pytest.raises(AssigneeOutOfScope):
            plan(company, manager, account, assignee_id=company.user(Role.TECHNICIAN, unit=elsewhere))

    def test_refuses_an_unknown_person(self, company: Company, manager: UUID, account: UUID) -> None:
        with pytest.raises(ReferenceNotFound):
            plan(company, manager, account, assignee_id=new_id())

    def test_refuses_a_dismissed_person(self, company: Company, manager: UUID, account: UUID) -> None:
        gone = company.user(Role.REP, company.north, status="disabled")
        with pytest.raises(ReferenceNotFound):
            plan(company, manager, account, assignee_id=gone)


class TestUnplanned:
    def test_starts_at_checked_in_with_its_position(self, company: Company, rep: UUID) -> None:
        account = company.account(location=list(SEOUL_HALL))
        with company.as_(rep) as (session, actor):
            visit = service.create_visit(
                session,
                actor,
                {
                    "account_id": account,
                    "unplanned": True,
                    "checked_in_location": list(SEOUL_HALL),
                    "checked_in_accuracy_m": 10,
                },
                now=NOW,
                at=NOW - HOUR,
            )
        assert (visit.status, visit.checked_in_at, visit.planned_start) == (
            VisitStatus.CHECKED_IN,
            NOW - HOUR,
            NOW - HOUR,
        )
        assert visit.geo_verdict is GeoVerdict.INSIDE

    def test_without_a_position_says_so(self, company: Company, rep: UUID, account: UUID) -> None:
        assert plan(company, rep, account, unplanned=True).geo_verdict is GeoVerdict.NO_FIX


class TestUpdate:
    def test_counts_only_what_differs(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = plan(company, rep, account, outcome="견적")
        assert change(company, rep, visit.id, outcome="견적").version == visit.version

    def test_never_moves_a_visit_to_another_account(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = plan(company, rep, account)
        with pytest.raises(FieldNotEditable):
            change(company, rep, visit.id, account_id=company.account())

    def test_never_moves_the_position(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = plan(company, rep, account, unplanned=True)
        with pytest.raises(FieldNotEditable):
            change(company, rep, visit.id, checked_in_location=[1.0, 1.0])

    @pytest.mark.parametrize("state", sorted(VISIT_MACHINE.frozen_states))
    def test_refuses_a_closed_visit(self, company: Company, rep: UUID, account: UUID, state: str) -> None:
        visit = company.visit(account, rep, status=state)
        with pytest.raises(RecordFrozen):
            change(company, rep, visit, report="늦은 보고")

    def test_takes_a_report_after_completion(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = company.visit(account, rep, status="completed")
        assert change(company, rep, visit, report="보고").report == "보고"

    def test_refuses_a_colleagues_visit(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = company.visit(account, company.user(Role.REP, company.north))
        with pytest.raises(VisitNotYours):
            change(company, rep, visit, outcome="x")

    def test_of_the_assignee_needs_the_right_to_assign(
        self, company: Company, rep: UUID, manager: UUID, account: UUID
    ) -> None:
        visit = plan(company, rep, account)
        colleague = company.user(Role.REP, company.north)
        with pytest.raises(AssignmentNotAllowed):
            change(company, rep, visit.id, assignee_id=colleague)
        assert change(company, manager, visit.id, assignee_id=colleague).assignee_id == colleague


class TestTasks:
    def test_are_written_with_the_visit_in_one_version(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        visit = plan(company, rep, account, tasks=[{"title": "설문"}, {"title": "샘플", "position": 5}])
        assert [(task.title, task.position) for task in visit.tasks] == [("설문", 0), ("샘플", 5)]
        assert visit.version == 1

    def test_are_changed_added_and_deleted_by_id(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = plan(company, rep, account, tasks=[{"title": "설문"}, {"title": "샘플"}])
        survey = visit.tasks[0]
        changed = change(
            company,
            rep,
            visit.id,
            tasks=[{"id": survey.id, "result": "만족"}, {"title": "사진", "position": 1}],
        )
        assert [(task.title, task.result) for task in changed.tasks] == [("설문", "만족"), ("사진", None)]
        assert changed.tasks[0].id == survey.id
        assert changed.version == 2

    def test_left_alone_are_no_change(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = plan(company, rep, account, tasks=[{"title": "설문"}])
        same = change(company, rep, visit.id, tasks=[{"id": visit.tasks[0].id, "title": "설문"}])
        assert same.version == 1

    def test_change_together_with_fields_in_one_version(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        visit = plan(company, rep, account, tasks=[{"title": "설문"}])
        changed = change(
            company, rep, visit.id, outcome="견적", tasks=[{"id": visit.tasks[0].id, "done": True}]
        )
        assert changed.version == 2

    def test_done_say_when(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = plan(company, rep, account, tasks=[{"title": "설문", "done": True}])
        assert visit.tasks[0].done_at == NOW

    def test_no_longer_done_forget_when(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = plan(company, rep, account, tasks=[{"title": "설문", "done": True}])
        opened = change(company, rep, visit.id, tasks=[{"id": visit.tasks[0].id, "done": False}])
        assert opened.tasks[0].done_at is None

    def test_of_another_visit_are_refused(self, company: Company, rep: UUID, account: UUID) -> None:
        other = plan(company, rep, account, tasks=[{"title": "설문"}])
        visit = plan(company, rep, account)
        with pytest.raises(ReferenceNotFound):
            change(company, rep, visit.id, tasks=[{"id": other.tasks[0].id, "title": "설문"}])

    def test_listed_twice_are_refused(self, company: Company, rep: UUID, account: UUID) -> None:
        task = {"id": new_id(), "title": "설문"}
        with pytest.raises(TaskListedTwice):
            plan(company, rep, account, tasks=[task, task])

    def test_stand_in_the_ledger_as_parts_of_the_visit(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        visit = plan(company, rep, account, tasks=[{"title": "설문"}])
        change(company, rep, visit.id, tasks=[])
        parts = [row for row in company.ledger("visit", visit.id) if row.part == "tasks"]
        assert [(row.op, row.version, row.account_id) for row in parts] == [
            ("insert", 1, account),
            ("delete", 2, account),
        ]


class TestReschedule:
    def test_makes_a_linked_visit_with_the_open_tasks(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        visit = plan(
            company,
            rep,
            account,
            tags=["정기"],
            tasks=[{"title": "설문"}, {"title": "샘플", "done": True}],
        )
        minted = new_id()
        old = company.do(rep, "reschedule", visit.id, planned_start=NOW + DAY, new_id=minted)
        with company.as_(rep) as (session, actor):
            new = service.get_visit(session, actor, minted)
        assert (old.status, old.rescheduled_to_id) == (VisitStatus.RESCHEDULED, minted)
        assert (new.status, new.planned_start, new.tags) == (VisitStatus.PLANNED, NOW + DAY, ["정기"])
        assert [task.title for task in new.tasks] == ["설문"]

    def test_refuses_an_id_in_use(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = plan(company, rep, account)
        with pytest.raises(IdTaken):
            company.do(rep, "reschedule", visit.id, planned_start=NOW + DAY, new_id=visit.id)


class TestReassign:
    def test_gives_the_visit_to_a_colleague(
        self, company: Company, rep: UUID, manager: UUID, account: UUID
    ) -> None:
        colleague = company.user(Role.REP, company.north)
        visit = plan(company, rep, account)
        assert company.do(manager, "reassign", visit.id, assignee_id=colleague).assignee_id == colleague

    def test_takes_a_visit_from_a_dismissed_person(
        self, company: Company, rep: UUID, manager: UUID, account: UUID
    ) -> None:
        gone = company.user(Role.REP, company.north, status="disabled")
        visit = company.visit(account, gone)
        assert company.do(manager, "reassign", visit, assignee_id=rep).assignee_id == rep

    def test_is_not_for_reps_who_want_a_colleagues_visit(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        visit = company.visit(account, company.user(Role.REP, company.north))
        with pytest.raises(AssignmentNotAllowed):
            company.do(rep, "reassign", visit, assignee_id=rep)

    def test_is_too_late_once_somebody_is_there(
        self, company: Company, rep: UUID, manager: UUID, account: UUID
    ) -> None:
        visit = company.visit(account, rep, status="checked_in")
        with pytest.raises(TransitionNotAllowed):
            company.do(manager, "reassign", visit, assignee_id=manager)


class TestDelete:
    def test_hides_the_visit(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = plan(company, rep, account)
        remove(company, rep, visit.id)
        with company.as_(rep) as (session, actor), pytest.raises(NotFound):
            service.get_visit(session, actor, visit.id)

    def test_refuses_a_visit_that_was_made(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = company.visit(account, rep, status="checked_out")
        with pytest.raises(VisitAlreadyMade):
            remove(company, rep, visit)

    def test_refuses_while_an_activity_points_to_it(self, company: Company, rep: UUID, account: UUID) -> None:
        visit = company.visit(account, rep)
        company.insert(
            "activities", account_id=account, visit_id=visit, author_id=rep, kind="call", happened_at=NOW
        )
        with pytest.raises(HasDependants):
            remove(company, rep, visit)

    def test_refuses_the_successor_of_a_rescheduled_visit(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        visit = plan(company, rep, account)
        old = company.do(rep, "reschedule", visit.id, planned_start=NOW + DAY)
        assert old.rescheduled_to_id is not None
        with pytest.raises(HasDependants):
            remove(company, rep, old.rescheduled_to_id)


class TestList:
    def test_holds_a_technicians_own_visits_only(self, company: Company, rep: UUID, account: UUID) -> None:
        technician = company.user(Role.TECHNICIAN, company.north)
        company.visit(account, rep)
        own = company.visit(account, technician)
        with company.as_(technician) as (session, actor):
            found = session.scalars(service.list_visits(session, actor)).all()
        assert [visit.id for visit in found] == [own]

    def test_holds_a_reps_accounts_visits_whoever_makes_them(
        self, company: Company, rep: UUID, account: UUID
    ) -> None:
        colleagues = company.visit(account, company.user(Role.REP, company.north), NOW - 400 * DAY)
        company.visit(company.account(company.south), company.user(Role.REP, company.south))
        with company.as_(rep) as (session, actor):
            found = session.scalars(service.list_visits(session, actor)).all()
        assert [visit.id for visit in found] == [colleagues]

    def test_is_empty_for_partners(self, company: Company, rep: UUID, account: UUID) -> None:
        company.visit(account, rep)
        with company.as_(company.user(Role.PARTNER, company.north)) as (session, actor):
            assert session.scalars(service.list_visits(session, actor)).all() == []

    def test_filters_by_state_and_time(self, company: Company, rep: UUID, account: UUID) -> None:
        wanted = company.visit(account, rep, NOW + DAY)
        company.visit(account, rep, NOW + DAY, status="cancelled")
        company.visit(account, rep, NOW + 2 * DAY)
        with company.as_(rep) as (session, actor):
            found = session.scalars(
                service.list_visits(
                    session,
                    actor,
                    status=VisitStatus.PLANNED,
                    planned_from=NOW + DAY,
                    planned_to=NOW + 2 * DAY,
                )
            ).all()
        assert [visit.id for visit in found] == [wanted]
