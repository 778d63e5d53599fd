"""Visits on phones, through the real engine."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from app.jobs.missed_visits import mark_missed_visits
from tests.world import Person, World, wire

DAY = timedelta(days=1)


@pytest.fixture
def rep(world: World) -> Person:
    return world.person(Role.REP, world.north)


@pytest.fixture
def account(world: World) -> UUID:
    return world.account()


def visit_of(world: World, account: UUID, person: Person, planned_start: datetime, **values: object) -> UUID:
    visit_id = new_id()
    world.insert(
        "visits",
        id=visit_id,
        account_id=account,
        assignee_id=person.id,
        planned_start=planned_start,
        **values,
    )
    return visit_id


def statuses(verdicts: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(verdict["status"], verdict["code"]) for verdict in verdicts]


class TestPhones:
    def test_plan_a_visit_with_tasks_that_the_manager_sees(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        manager = world.person(Role.MANAGER, world.region)
        visit_id = new_id()
        fields = {
            "account_id": str(account),
            "planned_start": wire(utc_now()),
            "tasks": [{"id": str(new_id()), "kind": "survey", "title": "설문", "required": True}],
        }
        assert statuses(rep.sync(rep.mutation("create", "visit", visit_id, fields=fields))) == [
            ("applied", None)
        ]
        manager.sync()
        held = manager.held("visit", visit_id)
        assert held is not None
        assert [task["title"] for task in held["tasks"]] == ["설문"]

    def test_check_in_late_where_the_clock_alone_called_it_missed(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        visit_id = visit_of(world, account, rep, utc_now() - 2 * DAY)
        rep.sync()
        base = rep.records["visit", str(visit_id)]["version"]
        mark_missed_visits(world.db, world.id, utc_now())
        here = {"lat": 37.5, "lon": 127.0, "accuracy_m": 12}
        check_in = rep.mutation("check_in", "visit", visit_id, base_version=base, fields={"location": here})
        assert [verdict["status"] for verdict in rep.sync(check_in)] != ["rejected"]
        held = rep.held("visit", visit_id)
        assert held is not None
        assert (held["status"], held["late"]) == ("checked_in", True)

    def test_hold_the_last_five_visits_of_an_account(self, world: World, rep: Person, account: UUID) -> None:
        long_ago = utc_now() - 100 * DAY
        made = [visit_of(world, account, rep, long_ago + n * DAY, status="completed") for n in range(5)]
        rep.sync()
        assert all(rep.held("visit", visit_id) for visit_id in made)
        newest = visit_of(world, account, rep, utc_now() - 50 * DAY, status="completed")
        rep.sync()
        held = [visit_id for visit_id in (*made, newest) if rep.held("visit", visit_id)]
        assert held == [*made[1:], newest]

    def test_get_a_visit_back_when_a_newer_one_is_deleted(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        long_ago = utc_now() - 100 * DAY
        made = [visit_of(world, account, rep, long_ago + n * DAY, status="completed") for n in range(6)]
        rep.sync()
        assert rep.held("visit", made[0]) is None
        world.sql("UPDATE visits SET deleted_at = now() WHERE id = :id", id=made[5])
        rep.sync()
        assert [bool(rep.held("visit", visit_id)) for visit_id in made] == [True] * 5 + [False]

    def test_of_a_technician_hold_the_account_through_the_visit(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        technician = world.person(Role.TECHNICIAN)
        visit_id = visit_of(world, account, technician, utc_now())
        technician.sync()
        assert technician.held("visit", visit_id)
        assert technician.held("account", account)

    def test_are_told_that_a_command_was_illegal_when_they_gave_it(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        visit_id = visit_of(world, account, rep, utc_now())
        rep.sync()
        check_out = rep.mutation("check_out", "visit", visit_id, base_version=1, fields={})
        assert statuses(rep.sync(check_out)) == [("rejected", "transition_not_allowed")]

    def test_merge_edits_of_tasks_by_row_and_field(self, world: World, rep: Person, account: UUID) -> None:
        visit_id, task_id = visit_of(world, account, rep, utc_now()), new_id()
        world.insert("visit_tasks", id=task_id, visit_id=visit_id, title="설문")
        rep.sync()
        (row,) = rep.records["visit", str(visit_id)]["tasks"]
        edit = rep.edit("visit", visit_id, {"tasks": [row | {"result": "만족"}]})
        world.sql("UPDATE visit_tasks SET title = '만족도 설문' WHERE id = :id", id=task_id)
        assert [verdict["status"] for verdict in rep.sync(edit)] == ["merged"]
        held = rep.held("visit", visit_id)
        assert held is not None
        assert [(task["title"], task["result"]) for task in held["tasks"]] == [("만족도 설문", "만족")]
