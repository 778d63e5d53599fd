"""Status never merges: it moves by commands, judged at apply time, and never merely refused when it was legal."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.errors import Disputed
from app.core.ids import new_id
from app.inbox import service as inbox
from app.jobs.missed_visits import mark_missed_visits
from app.sync_api.registry import BY_NAME
from app.visits.schemas import NoArgsSchema
from tests.sync.pushing import Json, given, misbehave, outcomes, push, row, told
from tests.world import Person, World

DAY = timedelta(days=1)
HERE = {"location": {"lat": 37.5, "lon": 127.0, "accuracy_m": 12}}


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def technician(world: World) -> Person:
    return world.person("technician")


@pytest.fixture
def manager(world: World) -> Person:
    return world.person("manager", world.region)


@pytest.fixture
def account(world: World) -> UUID:
    return world.account()


def plan(world: World, account: UUID, person: Person, start: datetime | None = None, **values: Any) -> UUID:
    """A visit at version 1."""
    visit = new_id()
    world.insert(
        "visits",
        id=visit,
        account_id=account,
        assignee_id=person.id,
        planned_start=start or utc_now(),
        **values,
    )
    return visit


@pytest.fixture
def visit(world: World, account: UUID, rep: Person) -> UUID:
    """A visit of the rep's that their phone holds."""
    found = plan(world, account, rep)
    rep.sync()
    return found


def command(person: Person, name: str, visit: UUID, **parts: Any) -> Json:
    return person.mutation(name, "visit", visit, **{"base_version": 1, **parts})


def set_status(world: World, visit: UUID, status: str) -> None:
    """The office moves the visit in SQL."""
    world.sql(
        "UPDATE visits SET status = :status WHERE tenant_id = :tenant AND id = :id", id=visit, status=status
    )


class TestLegalNow:
    def test_is_done(self, world: World, rep: Person, visit: UUID) -> None:
        verdict = push(rep, command(rep, "check_in", visit, fields=HERE))

        assert told(verdict) == ("applied", None)
        assert verdict["fields"] == {}
        assert verdict["record"]["status"] == "checked_in"

    def test_is_done_at_the_time_of_the_phone(self, world: World, rep: Person, visit: UUID) -> None:
        # As if the visit had been planned yesterday: a command stands above the stamps of its base.
        world.engine_sql(
            "UPDATE changes SET stamp_at = now() - interval '1 day' WHERE tenant_id = :tenant AND record_id = :id",
            id=visit,
        )

        push(rep, command(rep, "check_in", visit, fields=HERE, age_ms=2 * 3_600_000))

        age = utc_now() - datetime.fromisoformat(row(world, "visits", visit)["checked_in_at"])
        assert abs(age - timedelta(hours=2)) < timedelta(minutes=1)

    def test_tells_that_others_changed_fields(self, world: World, rep: Person, visit: UUID) -> None:
        world.sql("UPDATE visits SET outcome = '급함' WHERE tenant_id = :tenant AND id = :id", id=visit)

        assert told(push(rep, command(rep, "check_in", visit, fields=HERE))) == ("merged", None)

    def test_a_whole_day_of_one_phone_goes_through_in_one_push(
        self, world: World, rep: Person, visit: UUID
    ) -> None:
        steps = ("start_travel", "check_in", "check_out", "complete")

        verdicts = rep.sync(*(command(rep, name, visit, fields={}) for name in steps))

        assert [told(v) for v in verdicts] == [("applied", None)] * 4
        assert row(world, "visits", visit)["status"] == "completed"

    @pytest.mark.parametrize("name", ["explode", "update_all", "__init__", "resolve"])
    def test_of_an_unknown_name_is_refused(self, rep: Person, visit: UUID, name: str) -> None:
        assert push(rep, command(rep, name, visit))["status"] == "rejected"


class TestStatesThatTheClockMade:
    @pytest.fixture
    def missed(self, world: World, account: UUID, rep: Person) -> UUID:
        """A visit of two days ago that the job marked since the phone's sync."""
        visit = plan(world, account, rep, utc_now() - 2 * DAY)
        rep.sync()
        mark_missed_visits(world.db, world.id, utc_now())
        assert row(world, "visits", visit)["status"] == "missed"
        return visit

    def test_give_way_to_a_late_check_in(self, world: World, rep: Person, missed: UUID) -> None:
        verdict = push(rep, command(rep, "check_in", missed, fields=HERE))

        assert verdict["status"] == "merged"
        assert (row(world, "visits", missed)["status"], row(world, "visits", missed)["late"]) == (
            "checked_in",
            True,
        )

    def test_give_way_to_the_whole_day_that_follows(self, world: World, rep: Person, missed: UUID) -> None:
        steps = ("check_in", "check_out", "complete")

        verdicts = rep.sync(*(command(rep, name, missed, fields={}) for name in steps))

        assert {v["status"] for v in verdicts} == {"merged"}
        assert row(world, "visits", missed)["status"] == "completed"

    def test_give_way_to_a_command_after_own_earlier_ones_on_one_base(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        visit = plan(world, account, rep, utc_now() - 2 * DAY)
        rep.sync()
        travel, arrive = command(rep, "start_travel", visit), command(rep, "check_in", visit, fields=HERE)
        push(rep, travel)
        set_status(world, visit, "missed")

        assert push(rep, arrive)["status"] == "merged"
        assert row(world, "visits", visit)["status"] == "checked_in"

    def test_do_not_give_way_to_what_was_never_legal(self, rep: Person, missed: UUID) -> None:
        verdict = push(rep, command(rep, "check_out", missed))

        assert told(verdict) == ("rejected", "transition_not_allowed")
        assert verdict["detail"] == {"status": "missed", "allowed": ["reschedule"]}

    def test_do_not_give_way_to_a_step_whose_own_first_step_was_refused(
        self, world: World, rep: Person, missed: UUID
    ) -> None:
        arrive = command(rep, "check_in", missed, fields={"location": "nowhere"})
        leave = command(rep, "check_out", missed)

        verdicts = rep.sync(arrive, leave)

        assert [told(v) for v in verdicts] == [
            ("rejected", "type_mismatch"),
            ("conflict", "transition_not_allowed"),
        ]
        assert row(world, "visits", missed)["status"] == "missed"

    def test_that_a_phone_saw_are_its_own_base(self, rep: Person, missed: UUID) -> None:
        rep.sync()

        verdict = push(rep, command(rep, "check_in", missed, base_version=2, fields=HERE))

        assert told(verdict) == ("rejected", "transition_not_allowed")


class TestStatesThatAPersonMade:
    def test_open_an_item_of_kind_command(self, world: World, rep: Person, visit: UUID) -> None:
        set_status(world, visit, "cancelled")

        verdict = push(rep, command(rep, "check_in", visit, fields=HERE))

        assert told(verdict) == ("conflict", "transition_not_allowed")
        assert row(world, "visits", visit)["status"] == "cancelled"
        item = rep.held("conflict", verdict["conflict_id"])
        assert (item["kind"], item["theirs"]) == ("command", {"status": "cancelled"})
        assert item["mine"]["command"] == "check_in"
        assert item["mine"]["status"] == "planned"
        assert item["mine"]["fields"]["location"]["lat"] == 37.5

    def test_let_the_rest_of_the_day_follow_into_the_inbox(
        self, world: World, rep: Person, visit: UUID
    ) -> None:
        set_status(world, visit, "cancelled")

        verdicts = rep.sync(
            command(rep, "check_in", visit, fields=HERE),
            rep.edit("visit", visit, {"report": "다녀옴"}),
            command(rep, "check_out", visit),
        )

        assert [told(v) for v in verdicts] == [
            ("conflict", "transition_not_allowed"),
            ("conflict", "record_frozen"),
            ("conflict", "transition_not_allowed"),
        ]

    def test_of_a_record_that_the_phone_itself_made_are_met_from_the_state_that_it_made(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        visit = new_id()
        fields = {"account_id": str(account), "planned_start": "2026-11-22T01:00:00Z"}
        push(rep, rep.mutation("create", "visit", visit, fields=fields))
        set_status(world, visit, "cancelled")

        # The phone never saw a version: the answer to its create was lost.
        verdict = push(rep, command(rep, "check_in", visit, base_version=None, fields=HERE))

        assert told(verdict) == ("conflict", "transition_not_allowed")

    def test_are_not_overtaken_by_the_same_command_again(
        self, world: World, rep: Person, manager: Person, visit: UUID
    ) -> None:
        manager.sync()
        mine = command(rep, "cancel", visit, fields={"reason": "휴무"})
        push(manager, command(manager, "cancel", visit, fields={"reason": "본사"}))

        assert told(push(rep, mine)) == ("conflict", "transition_not_allowed")
        assert row(world, "visits", visit)["cancel_reason"] == "본사"

    def test_stay_met_after_a_first_try_was_refused_for_its_form(
        self, world: World, rep: Person, visit: UUID
    ) -> None:
        push(rep, command(rep, "check_in", visit, fields={"location": "여기"}))
        set_status(world, visit, "cancelled")

        verdict = push(rep, command(rep, "check_in", visit, fields=HERE))

        assert told(verdict) == ("conflict", "transition_not_allowed")

    def test_include_that_the_visit_is_somebody_elses_now(
        self, world: World, rep: Person, visit: UUID
    ) -> None:
        colleague = world.person("rep", world.north)
        world.sql(
            "UPDATE visits SET assignee_id = :user WHERE tenant_id = :tenant AND id = :id",
            id=visit,
            user=colleague.id,
        )

        verdict = push(rep, command(rep, "check_in", visit, fields=HERE))

        assert told(verdict) == ("conflict", "visit.reassigned")
        assert rep.held("conflict", verdict["conflict_id"])["kind"] == "command"
        assert row(world, "visits", visit)["status"] == "planned"

    def test_include_that_a_technicians_visit_left_their_phone(
        self, world: World, technician: Person, manager: Person, account: UUID
    ) -> None:
        visit = plan(world, account, technician)
        technician.sync()
        given(world, technician)
        other = world.person("technician")
        world.sql(
            "UPDATE visits SET assignee_id = :user, report = 'SECRET', status = 'en_route'"
            " WHERE tenant_id = :tenant AND id = :id",
            id=visit,
            user=other.id,
        )

        response = technician.post_sync(mutations=[command(technician, "check_in", visit, fields=HERE)])

        verdict = response.json["verdicts"][0]
        assert told(verdict) == ("conflict", "out_of_scope")
        assert (verdict["record"], verdict["version"]) == (None, None)
        assert b"SECRET" not in response.data
        assert b"en_route" not in response.data
        manager.sync()
        item = manager.held("conflict", verdict["conflict_id"])
        assert (item["kind"], item["mine"]["command"]) == ("command", "check_in")

    def test_that_only_a_room_knows_of_are_met_as_well(
        self, world: World, rep: Person, manager: Person, visit: UUID
    ) -> None:
        # Reassigning is no step of the machine, but the visit must not be under way.
        manager.sync()
        reassign = command(manager, "reassign", visit, fields={"assignee_id": str(manager.id)})
        push(rep, command(rep, "check_in", visit, fields=HERE))

        assert told(push(manager, reassign)) == ("conflict", "transition_not_allowed")
        assert row(world, "visits", visit)["assignee_id"] == str(rep.id)

    def test_that_were_there_before_are_simply_refused(
        self, world: World, rep: Person, manager: Person, visit: UUID
    ) -> None:
        push(rep, command(rep, "check_in", visit, fields=HERE))
        manager.sync()

        verdict = push(
            manager,
            command(manager, "reassign", visit, base_version=2, fields={"assignee_id": str(manager.id)}),
        )

        assert told(verdict) == ("rejected", "transition_not_allowed")


class TestIllegalOnTheOwnBase:
    def test_is_refused_with_the_list_of_what_is_allowed(self, rep: Person, visit: UUID) -> None:
        verdict = push(rep, command(rep, "complete", visit))

        assert told(verdict) == ("rejected", "transition_not_allowed")
        assert verdict["detail"] == {
            "status": "planned",
            "allowed": ["cancel", "check_in", "reschedule", "start_travel"],
        }

    def test_is_refused_though_others_moved_the_record_meanwhile(
        self, world: World, rep: Person, visit: UUID
    ) -> None:
        set_status(world, visit, "cancelled")

        assert told(push(rep, command(rep, "check_out", visit))) == ("rejected", "transition_not_allowed")

    def test_is_done_where_others_made_it_legal(self, world: World, rep: Person, visit: UUID) -> None:
        set_status(world, visit, "checked_in")

        assert push(rep, command(rep, "check_out", visit))["status"] == "merged"

    def test_by_a_rule_that_is_no_state_is_refused(self, world: World, rep: Person, visit: UUID) -> None:
        world.insert("visit_tasks", id=new_id(), visit_id=visit, title="설문", required=True)

        verdicts = rep.sync(*(command(rep, name, visit) for name in ("check_in", "check_out", "complete")))

        assert told(verdicts[2]) == ("rejected", "visit.tasks_open")


class TestFrozenRecords:
    def test_since_the_base_open_an_item(self, world: World, rep: Person, visit: UUID) -> None:
        edit = rep.edit("visit", visit, {"report": "다녀옴", "tags": ["점검"]})
        set_status(world, visit, "verified")

        verdict = push(rep, edit)

        assert told(verdict) == ("conflict", "record_frozen")
        assert outcomes(verdict) == {"report": "conflict", "tags": "conflict"}
        assert row(world, "visits", visit)["report"] is None
        item = rep.held("conflict", verdict["conflict_id"])
        assert (item["kind"], item["mine"]["report"], item["theirs"]["report"]) == ("frozen", "다녀옴", None)

    def test_before_the_base_refuse(self, world: World, rep: Person, visit: UUID) -> None:
        set_status(world, visit, "verified")
        rep.sync()

        verdict = push(rep, rep.edit("visit", visit, {"report": "다녀옴"}))

        assert told(verdict) == ("rejected", "record_frozen")
        assert verdict["detail"] == {"status": "verified"}

    def test_by_the_phones_own_command_refuse(self, rep: Person, visit: UUID) -> None:
        verdicts = rep.sync(
            command(rep, "cancel", visit, fields={"reason": "휴무"}),
            rep.edit("visit", visit, {"report": "다녀옴"}),
        )

        assert [told(v) for v in verdicts] == [("applied", None), ("rejected", "record_frozen")]

    def test_take_what_says_nothing_new(self, world: World, rep: Person, visit: UUID) -> None:
        edit = rep.edit("visit", visit, {"report": "다녀옴"})
        world.sql("UPDATE visits SET report = '다녀옴' WHERE tenant_id = :tenant AND id = :id", id=visit)
        set_status(world, visit, "verified")

        assert outcomes(push(rep, edit)) == {"report": "equal"}


class TestRecordsThatSomebodyElseHasByNow:
    """What was edited while it was one's own waits, as the commands do."""

    @pytest.fixture(params=["visit", "task"])
    def entity(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def record(self, world: World, rep: Person, account: UUID, entity: str) -> UUID:
        """The rep's, on their phone."""
        if entity == "visit":
            found = plan(world, account, rep)
        else:
            found = new_id()
            world.insert("tasks", id=found, account_id=account, assignee_id=rep.id, title="견적")
        rep.sync()
        return found

    def give_away(self, world: World, entity: str, record: UUID) -> None:
        world.sql(
            f"UPDATE {entity}s SET assignee_id = :user WHERE tenant_id = :tenant AND id = :id",
            id=record,
            user=world.person("rep", world.north).id,
        )

    def words(self, entity: str) -> dict[str, str]:
        return {"report" if entity == "visit" else "body": "다녀옴"}

    def test_open_an_item_which_a_manager_can_apply(
        self, world: World, rep: Person, manager: Person, entity: str, record: UUID
    ) -> None:
        mine = rep.edit(entity, record, self.words(entity))
        self.give_away(world, entity, record)

        verdict = push(rep, mine)
        manager.sync()
        item = manager.held("conflict", verdict["conflict_id"])

        assert told(verdict) == ("conflict", f"{entity}.reassigned")
        assert item
        assert (item["kind"], item["mine"]) == ("frozen", self.words(entity))
        decision = {"choice": "apply", "record_version": item["record_version"]}
        resolve = manager.mutation("resolve", "conflict", item["id"], base_version=1, fields=decision)
        assert push(manager, resolve)["status"] == "applied"
        assert row(world, f"{entity}s", record).items() >= self.words(entity).items()

    def test_take_what_says_nothing_new(self, world: World, rep: Person, entity: str, record: UUID) -> None:
        held = rep.held(entity, record)
        assert held
        mine = rep.edit(entity, record, {"priority": held["priority"]})
        self.give_away(world, entity, record)

        assert outcomes(push(rep, mine)) == {"priority": "equal"}

    def test_are_refused_where_the_phone_knew_it(
        self, world: World, rep: Person, entity: str, record: UUID
    ) -> None:
        self.give_away(world, entity, record)
        rep.records[entity, str(record)] = {"version": row(world, f"{entity}s", record)["version"]}

        verdict = push(rep, rep.edit(entity, record, self.words(entity)))

        assert told(verdict) == ("rejected", f"{entity}.reassigned")


class TestCommandsOfTasks:
    def test_move_a_task_and_back(self, world: World, rep: Person) -> None:
        task = new_id()
        world.insert("tasks", id=task, assignee_id=rep.id, title="견적")
        rep.sync()

        verdicts = rep.sync(
            *(rep.mutation(name, "task", task, base_version=1) for name in ("complete", "reopen", "cancel"))
        )

        assert [told(v) for v in verdicts] == [("applied", None)] * 3
        assert row(world, "tasks", task)["status"] == "cancelled"

    def test_of_a_task_that_is_somebody_elses_now_open_an_item(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        task, colleague = new_id(), world.person("rep", world.north)
        world.insert("tasks", id=task, account_id=account, assignee_id=rep.id, title="견적")
        rep.sync()
        world.sql(
            "UPDATE tasks SET assignee_id = :user WHERE tenant_id = :tenant AND id = :id",
            id=task,
            user=colleague.id,
        )

        verdict = push(rep, rep.mutation("complete", "task", task, base_version=1))

        assert told(verdict) == ("conflict", "task.reassigned")
        assert row(world, "tasks", task)["status"] == "open"

    def test_of_a_task_that_was_never_ones_own_are_refused(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        task, colleague = new_id(), world.person("rep", world.north)
        world.insert("tasks", id=task, account_id=account, assignee_id=colleague.id, title="견적")

        verdict = push(rep, rep.mutation("complete", "task", task, base_version=1))

        assert told(verdict) == ("rejected", "task.not_yours")


class TestWhatBothSidesReckonDifferently:
    """A room may say that nobody is wrong, and that a person has to look at both."""

    @pytest.fixture
    def disputed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise Disputed(mine="1000.0000", theirs="1100.0000")

        commands = BY_NAME["visit"].commands
        misbehave(monkeypatch, "visit", commands={**commands, "start_travel": (refuse, NoArgsSchema)})
        resolve = BY_NAME["conflict"].commands["resolve"][1]
        monkeypatch.setattr(inbox, "resolve_conflict", refuse)
        misbehave(monkeypatch, "conflict", commands={"resolve": (refuse, resolve)})

    def test_goes_to_the_inbox_with_both_though_nobody_changed_anything(
        self, world: World, rep: Person, visit: UUID, disputed: None
    ) -> None:
        verdict = push(rep, rep.mutation("start_travel", "visit", visit, base_version=1, fields={}))

        assert (verdict["status"], verdict["code"]) == ("conflict", "disputed")
        item = rep.held("conflict", verdict["conflict_id"])
        assert item is not None
        assert item["kind"] == "command"
        assert item["mine"] == {"command": "start_travel", "fields": {}, "status": "planned"}
        assert item["theirs"] == {"mine": "1000.0000", "theirs": "1100.0000"}
        ((status,),) = world.sql("SELECT status FROM visits WHERE tenant_id = :tenant AND id = :v", v=visit)
        assert status == "planned"

    def test_is_only_refused_where_the_record_has_no_states(
        self, world: World, rep: Person, visit: UUID, disputed: None
    ) -> None:
        verdict = push(rep, rep.mutation("start_travel", "visit", visit, base_version=1, fields={}))
        decision = {"choice": "discard"}

        again = push(
            rep,
            rep.mutation("resolve", "conflict", verdict["conflict_id"], base_version=1, fields=decision),
        )

        assert (again["status"], again["code"]) == ("rejected", "disputed")
