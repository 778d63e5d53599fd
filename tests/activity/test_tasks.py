"""Things to do."""

from typing import Any
from uuid import UUID

import pytest

from app.activity import service
from app.activity.models import Task
from app.activity.service.errors import TaskAssigneeOutOfScope, TaskNotYours
from app.activity.states import TASK_MACHINE, TaskStatus
from app.activity.sync import TASK
from app.core.errors import Forbidden, NotFound, ReferenceNotFound, TransitionNotAllowed
from app.core.ids import new_id
from app.core.scope import Role
from app.visits.service.errors import AssignmentNotAllowed
from tests.visits.company import NOW, Company

STEPS = {
    "complete": {"open": "done"},
    "cancel": {"open": "cancelled"},
    "reopen": {"done": "open", "cancelled": "open"},
}


@pytest.fixture
def rep(company: Company) -> UUID:
    rep = company.user(Role.REP, company.north)
    company.subscribe(rep, company.north)
    return rep


@pytest.fixture
def manager(company: Company) -> UUID:
    return company.user(Role.MANAGER, company.north)


def note(company: Company, user_id: UUID, **values: Any) -> Task:
    with company.as_(user_id) as (session, actor):
        return service.create_task(session, actor, {"title": "견적서 송부", **values}, now=NOW)


def do(company: Company, user_id: UUID, name: str, task_id: UUID) -> Task:
    with company.as_(user_id) as (session, actor):
        return service.COMMANDS[name](session, actor, task_id, {}, at=NOW, now=NOW)


class TestCreateTask:
    def test_is_for_oneself_when_nobody_is_named(self, company: Company, rep: UUID) -> None:
        task = note(company, rep)
        assert (task.assignee_id, task.status, task.account_id) == (rep, TaskStatus.OPEN, None)

    def test_refuses_an_account_outside_the_scope(self, company: Company, rep: UUID) -> None:
        with pytest.raises(ReferenceNotFound):
            note(company, rep, account_id=company.account(company.south))

    def test_for_another_is_the_managers(self, company: Company, rep: UUID, manager: UUID) -> None:
        assert note(company, manager, assignee_id=rep).assignee_id == rep
        with pytest.raises(AssignmentNotAllowed):
            note(company, rep, assignee_id=manager)

    def test_refuses_a_technician_who_does_not_see_the_account(self, company: Company, manager: UUID) -> None:
        technician = company.user(Role.TECHNICIAN)
        with pytest.raises(TaskAssigneeOutOfScope):
            note(company, manager, assignee_id=technician, account_id=company.account())

    def test_is_not_for_partners(self, company: Company) -> None:
        with pytest.raises(Forbidden):
            note(company, company.user(Role.PARTNER))


class TestSteps:
    @pytest.mark.parametrize("state", list(TaskStatus))
    @pytest.mark.parametrize("command", list(STEPS))
    def test_a_command_does_what_the_table_says(
        self, company: Company, rep: UUID, command: str, state: TaskStatus
    ) -> None:
        task = company.insert("tasks", title="견적", assignee_id=rep, status=state.value)
        end = STEPS[command].get(state)
        if end is not None:
            done = do(company, rep, command, task)
            assert (done.status, done.closed_at) == (end, None if end == "open" else NOW)
        else:
            with pytest.raises(TransitionNotAllowed) as refused:
                do(company, rep, command, task)
            assert refused.value.details["allowed"] == list(TASK_MACHINE.allowed(state))

    def test_of_another_are_the_managers(self, company: Company, rep: UUID, manager: UUID) -> None:
        account = company.account()
        task = company.insert("tasks", title="견적", assignee_id=manager, account_id=account)
        with pytest.raises(TaskNotYours):
            do(company, rep, "complete", task)
        assert do(company, manager, "complete", task).status is TaskStatus.DONE


class TestUpdateTask:
    def test_changes_fields(self, company: Company, rep: UUID) -> None:
        task = note(company, rep)
        with company.as_(rep) as (session, actor):
            changed = service.update_task(session, actor, task.id, {"title": "전화"}, now=NOW)
        assert (changed.title, changed.version) == ("전화", 2)

    def test_of_a_deleted_task_is_of_an_unknown_one(self, company: Company, rep: UUID) -> None:
        task = note(company, rep)
        with company.as_(rep) as (session, actor):
            service.delete_task(session, actor, task.id, now=NOW)
        for unknown in (task.id, new_id()):
            with company.as_(rep) as (session, actor), pytest.raises(NotFound):
                service.update_task(session, actor, unknown, {"title": "전화"}, now=NOW)


class TestBuckets:
    def test_without_an_account_are_the_assignees(self, company: Company, rep: UUID) -> None:
        assert company.buckets(TASK, note(company, rep).id) == {(f"user:{rep}", "all")}

    def test_need_the_account_in_the_assignees_scope(self, company: Company, rep: UUID) -> None:
        here = note(company, rep, account_id=company.account())
        elsewhere = company.insert(
            "tasks", title="견적", assignee_id=rep, account_id=company.account(company.south)
        )
        assert company.buckets(TASK, here.id) == {(f"user:{rep}", "all")}
        assert company.buckets(TASK, elsewhere) == set()

    def test_of_a_technician_last_as_long_as_the_visits(self, company: Company) -> None:
        technician, account = company.user(Role.TECHNICIAN), company.account()
        task = company.insert("tasks", title="점검", assignee_id=technician, account_id=account)
        assert company.buckets(TASK, task) == set()
        company.visit(account, technician)
        assert company.buckets(TASK, task) == {(f"user:{technician}", "all")}
