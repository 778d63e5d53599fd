"""After a restore: bases of another life of the database, and work that waits for its record."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.jobs.retention import forget_the_past
from app.sync_api.pushing import Pushing, Standing, judge_parked_of_tenant
from app.sync_api.registry import BY_NAME, REGISTRY
from tests.sync.pushing import Json, outcomes, push, row, told
from tests.world import Person, World

ENDED, PRESENT = str(uuid4()), uuid4()


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let all pushes be judged in a second life of the database."""

    def begin(hours_ago: float = 1, known: frozenset[UUID] = frozenset()) -> None:
        push_before = Pushing.push

        def push_in_second_life(
            pushing: Pushing, who: Any, query: Any, request: Any, cursor: Any, *_: Any
        ) -> Any:
            started = utc_now() - timedelta(hours=hours_ago)
            standing = Standing(PRESENT, started, 2, known | {PRESENT})
            return push_before(pushing, who, query, request, cursor, standing)

        monkeypatch.setattr(Pushing, "push", push_in_second_life)

    return begin


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def account(world: World) -> UUID:
    return world.account(legal_name="가람상사 주식회사", phone="+82255500001", tags=["겨울"])


@pytest.fixture
def synced(rep: Person, account: UUID, restored: Callable[..., None]) -> Person:
    """The rep's phone, which holds the account; the database was restored."""
    rep.sync()
    restored()
    return rep


def edit(person: Person, account: UUID, fields: Json, base: Json | None, **parts: Any) -> Json:
    """An edit whose base was read in the life that ended."""
    whole: Json = {"base_version": 900, "fields": fields, "epoch": ENDED} | parts
    return person.mutation("update", "account", account, base=base or {}, **whole)


class TestABaseOfAnEndedEpoch:
    def test_above_the_records_version_is_no_error(self, world: World, synced: Person, account: UUID) -> None:
        verdict = push(synced, edit(synced, account, {"tier": "A"}, {"tier": None}))

        assert outcomes(verdict) == {"tier": "applied"}
        assert row(world, "accounts", account)["tier"] == "A"

    def test_is_the_base_that_was_sent(self, world: World, synced: Person, account: UUID) -> None:
        verdict = push(
            synced, edit(synced, account, {"legal_name": "나"}, {"legal_name": "가람상사 주식회사"})
        )

        assert outcomes(verdict) == {"legal_name": "applied"}
        assert row(world, "accounts", account)["legal_name"] == "나"

    def test_that_is_not_what_stands_counts_as_changed_by_others(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        verdict = push(synced, edit(synced, account, {"legal_name": "나"}, {"legal_name": "가람 (뒤)"}))

        assert outcomes(verdict) == {"legal_name": "conflict"}
        assert row(world, "accounts", account)["legal_name"] == "가람상사 주식회사"

    def test_without_a_value_for_the_field_counts_as_changed_by_others(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        verdict = push(synced, edit(synced, account, {"legal_name": "나"}, None))

        assert outcomes(verdict) == {"legal_name": "conflict"}

    def test_is_what_sets_are_merged_on(self, world: World, synced: Person, account: UUID) -> None:
        verdict = push(synced, edit(synced, account, {"tags": ["신규"]}, {"tags": ["여름"]}))

        assert outcomes(verdict) == {"tags": "combined"}
        assert sorted(row(world, "accounts", account)["tags"]) == ["겨울", "신규"]

    def test_is_still_required_by_policies_that_need_it(self, synced: Person, account: UUID) -> None:
        assert told(push(synced, edit(synced, account, {"tags": ["신규"]}, None))) == (
            "rejected",
            "base_required",
        )

    def test_that_a_valid_cursor_carried_on_is_known(
        self, world: World, rep: Person, account: UUID, restored: Callable[..., None]
    ) -> None:
        rep.sync()
        restored(known=frozenset({UUID(ENDED)}))

        verdict = push(rep, edit(rep, account, {"tier": "A"}, None))

        assert told(verdict) == ("rejected", "base_version_unknown")
        assert push(rep, edit(rep, account, {"tier": "A"}, None, base_version=1))["status"] == "applied"

    def test_of_the_present_epoch_is_known(self, rep: Person, account: UUID, synced: Person) -> None:
        verdict = push(synced, edit(synced, account, {"tier": "A"}, None, base_version=1, epoch=str(PRESENT)))

        assert told(verdict) == ("applied", None)

    def test_lets_a_delete_wait_that_may_not_have_seen_an_edit(
        self, world: World, rep: Person, account: UUID, restored: Callable[..., None]
    ) -> None:
        task = new_id()
        world.insert("tasks", id=task, account_id=account, assignee_id=rep.id, title="견적")
        rep.sync()
        restored()

        verdict = push(rep, rep.mutation("delete", "task", task, base_version=9, epoch=ENDED))

        assert told(verdict) == ("conflict", "edited_since")
        assert row(world, "tasks", task)["deleted_at"] is None

    def test_lets_a_phone_delete_what_only_it_ever_touched(self, world: World, synced: Person) -> None:
        task = new_id()

        verdicts = synced.sync(
            synced.mutation("create", "task", task, fields={"title": "견적"}, epoch=ENDED),
            synced.mutation("delete", "task", task, base_version=3, epoch=ENDED),
        )

        assert [told(v) for v in verdicts] == [("applied", None)] * 2

    @pytest.mark.parametrize(
        ("base", "expected"),
        [
            ({}, ("conflict", "transition_not_allowed")),
            ({"status": "planned"}, ("conflict", "transition_not_allowed")),
            ({"status": "completed"}, ("rejected", "transition_not_allowed")),
        ],
    )
    def test_refuses_a_command_only_where_the_phone_itself_says_that_it_was_illegal(
        self, world: World, synced: Person, account: UUID, base: Json, expected: tuple[str, str]
    ) -> None:
        visit = new_id()
        world.insert("visits", id=visit, account_id=account, assignee_id=synced.id, planned_start=utc_now())
        world.sql("UPDATE visits SET status = 'cancelled' WHERE tenant_id = :tenant AND id = :id", id=visit)
        fields = {"location": {"lat": 37.5, "lon": 127.0, "accuracy_m": 12}}

        check_in = synced.mutation(
            "check_in", "visit", visit, base_version=7, base=base, fields=fields, epoch=ENDED
        )

        assert told(push(synced, check_in)) == expected

    @pytest.mark.parametrize(("name", "expected"), [("check_in", "merged"), ("complete", "conflict")])
    def test_lets_what_the_clock_made_give_way_to_a_first_step_only(
        self, world: World, synced: Person, account: UUID, name: str, expected: str
    ) -> None:
        visit = new_id()
        world.insert(
            "visits",
            id=visit,
            account_id=account,
            assignee_id=synced.id,
            planned_start=utc_now(),
            status="missed",
        )
        mutation = synced.mutation(name, "visit", visit, base_version=7, fields={}, epoch=ENDED)

        assert push(synced, mutation)["status"] == expected


class TestWorkOnARecordThatTheBackupDidNotHold:
    def edit(self, person: Person, record_id: UUID, title: str = "고친 일", **parts: Any) -> Json:
        whole: Json = {"base_version": 1, "fields": {"title": title}, "epoch": ENDED} | parts
        return person.mutation("update", "task", record_id, base={"title": "견적"}, **whole)

    def item(self, world: World, verdict: Json) -> Json:
        (found,) = world.sql(
            "SELECT to_jsonb(c) FROM conflicts c WHERE tenant_id = :tenant AND id = :id",
            id=verdict["conflict_id"],
        )
        return dict(found[0])

    def test_waits_in_the_inbox(self, world: World, synced: Person) -> None:
        verdict = push(synced, self.edit(synced, new_id()))

        assert told(verdict) == ("conflict", "awaiting_record")
        held = synced.held("conflict", verdict["conflict_id"])
        assert held
        assert (held["kind"], held["mine"]["fields"]) == ("awaiting_record", {"title": "고친 일"})

    def test_waits_though_the_id_is_a_foreign_one(self, world: World, synced: Person) -> None:
        foreign = new_id()
        other = world.person("rep", world.south)
        world.insert("tasks", id=foreign, assignee_id=other.id, title="SECRET")

        verdicts = [push(synced, self.edit(synced, i)) for i in (foreign, new_id())]

        assert [told(v) for v in verdicts] == [("conflict", "awaiting_record")] * 2
        shown = [synced.held("conflict", v["conflict_id"]) for v in verdicts]
        told_apart = {"id", "record_id", "mutation_id", "happened_at", "occurred_at"}
        one, two = ({k: v for k, v in (s or {}).items() if k not in told_apart} for s in shown)
        assert one == two

    def test_is_judged_when_its_record_is_sent_again(self, world: World, synced: Person) -> None:
        colleague, task = world.person("manager", world.region), new_id()
        first = push(synced, self.edit(synced, task))
        second = push(synced, synced.mutation("complete", "task", task, epoch=ENDED))

        create = colleague.mutation(
            "create", "task", task, fields={"title": "견적", "assignee_id": str(synced.id)}, epoch=ENDED
        )
        assert told(push(colleague, create)) == ("applied", None)

        found = row(world, "tasks", task)
        assert (found["title"], found["status"]) == ("고친 일", "done")
        for verdict in (first, second):
            item = self.item(world, verdict)
            assert (item["state"], item["choice"]) == ("resolved", "judged")
        assert world.sql("SELECT 1 FROM sync_parked WHERE tenant_id = :tenant") == []

    def test_is_its_authors_doing_at_its_own_time(self, world: World, synced: Person) -> None:
        task, manager = new_id(), world.person("manager", world.region)
        mutation = self.edit(synced, task, age_ms=7_200_000)
        push(synced, mutation)
        fields = {"title": "견적", "assignee_id": str(synced.id)}
        push(manager, manager.mutation("create", "task", task, fields=fields, age_ms=86_400_000))

        (change,) = world.sql(
            "SELECT actor_id, device_id, mutation_id, now() - stamp_at FROM changes"
            " WHERE tenant_id = :tenant AND record_id = :id AND op = 'update'",
            id=task,
        )
        assert change[:3] == (synced.id, synced.device_id, UUID(mutation["id"]))
        assert round(change[3].total_seconds() / 3600) == 2

    def test_keeps_its_first_verdict(self, world: World, synced: Person) -> None:
        task = new_id()
        mutation = self.edit(synced, task)
        first = push(synced, mutation)
        push(synced, synced.mutation("create", "task", task, fields={"title": "견적"}, epoch=ENDED))

        again = push(synced, mutation)

        assert (told(again), again["replayed"]) == (told(first), True)
        assert again["conflict_id"] == first["conflict_id"]

    def test_is_judged_by_the_scheduler_when_the_record_came_by_sql(
        self, world: World, synced: Person, pools: Database
    ) -> None:
        task = new_id()
        push(synced, self.edit(synced, task))
        world.insert("tasks", id=task, assignee_id=synced.id, title="견적")

        assert judge_parked_of_tenant(pools, REGISTRY, BY_NAME, world.id, utc_now()) == 1

        assert row(world, "tasks", task)["title"] == "고친 일"
        assert judge_parked_of_tenant(pools, REGISTRY, BY_NAME, world.id, utc_now()) == 0

    def test_is_not_done_to_a_record_that_its_author_may_not_see(
        self, world: World, synced: Person, pools: Database
    ) -> None:
        task, other = new_id(), world.person("rep", world.south)
        verdict = push(synced, self.edit(synced, task))
        world.insert("tasks", id=task, assignee_id=other.id, title="남의 일")

        assert judge_parked_of_tenant(pools, REGISTRY, BY_NAME, world.id, utc_now()) == 0

        assert row(world, "tasks", task)["title"] == "남의 일"
        assert self.item(world, verdict)["state"] == "open"

    def test_is_not_done_for_somebody_who_was_dismissed(
        self, world: World, synced: Person, pools: Database
    ) -> None:
        task = new_id()
        verdict = push(synced, self.edit(synced, task))
        world.insert("tasks", id=task, assignee_id=synced.id, title="견적")
        world.sql("UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :id", id=synced.id)

        assert judge_parked_of_tenant(pools, REGISTRY, BY_NAME, world.id, utc_now()) == 0
        assert self.item(world, verdict)["state"] == "open"

    def test_that_is_refused_in_the_end_stays_for_a_person_with_the_reason(
        self, world: World, synced: Person, pools: Database
    ) -> None:
        task = new_id()
        verdict = push(synced, self.edit(synced, task, title=""))
        world.insert("tasks", id=task, assignee_id=synced.id, title="견적")

        judge_parked_of_tenant(pools, REGISTRY, BY_NAME, world.id, utc_now())

        item = self.item(world, verdict)
        assert (item["state"], item["code"]) == ("open", "blank")

    def test_that_meets_a_conflict_in_the_end_names_the_item_that_holds_it(
        self, world: World, synced: Person, account: UUID, pools: Database
    ) -> None:
        other = new_id()
        verdict = push(synced, edit(synced, other, {"legal_name": "나"}, {"legal_name": "전"}))
        world.insert("accounts", id=other, territory_id=world.north, name="x", legal_name="본사")

        assert judge_parked_of_tenant(pools, REGISTRY, BY_NAME, world.id, utc_now()) == 1

        closed = self.item(world, verdict)
        assert closed["resolution"]["status"] == "conflict"
        field_item = self.item(world, closed["resolution"])
        assert (field_item["kind"], field_item["state"], field_item["mine"]) == ("field", "open", "나")

    def test_that_was_decided_by_a_person_is_not_judged_again(
        self, world: World, synced: Person, pools: Database
    ) -> None:
        task = new_id()
        verdict = push(synced, self.edit(synced, task))
        world.sql(
            "UPDATE conflicts SET state = 'discarded' WHERE id = :id AND tenant_id = :tenant",
            id=verdict["conflict_id"],
        )
        world.insert("tasks", id=task, assignee_id=synced.id, title="견적")

        assert judge_parked_of_tenant(pools, REGISTRY, BY_NAME, world.id, utc_now()) == 0
        assert row(world, "tasks", task)["title"] == "견적"

    def test_stays_in_the_inbox_after_a_day(self, world: World, synced: Person, pools: Database) -> None:
        task = new_id()
        verdict = push(synced, self.edit(synced, task))
        world.insert("tasks", id=task, assignee_id=synced.id, title="견적")

        later = utc_now() + timedelta(hours=24)
        assert judge_parked_of_tenant(pools, REGISTRY, BY_NAME, world.id, later) == 0

        assert self.item(world, verdict)["state"] == "open"

    @pytest.mark.parametrize(("hours", "waiting"), [(22, 1), (24, 0)])
    def test_is_waited_for_no_longer_than_a_day(
        self, world: World, synced: Person, pools: Database, hours: int, waiting: int
    ) -> None:
        push(synced, self.edit(synced, new_id()))

        forget_the_past(pools, world.id, utc_now() + timedelta(hours=hours))

        assert len(world.sql("SELECT 1 FROM sync_parked WHERE tenant_id = :tenant")) == waiting

    def test_is_unknown_as_ever_a_day_after_the_restore(
        self, rep: Person, restored: Callable[..., None]
    ) -> None:
        rep.sync()
        restored(hours_ago=24.1)

        assert told(push(rep, self.edit(rep, new_id()))) == ("rejected", "not_found")

    def test_of_which_the_create_was_rejected_depends_on_it(self, synced: Person) -> None:
        task = new_id()
        push(synced, synced.mutation("create", "task", task, fields={"title": ""}))

        assert told(push(synced, self.edit(synced, task))) == ("rejected", "depends_on")

    def test_in_a_group_waits_as_a_whole_for_a_person(self, world: World, synced: Person) -> None:
        group = str(uuid4())
        made = synced.mutation("create", "task", new_id(), fields={"title": "하나"}, group=group)
        verdicts = synced.sync(made, self.edit(synced, new_id(), group=group))

        assert [told(v) for v in verdicts] == [("rejected", "group_failed"), ("conflict", "awaiting_record")]
        assert self.item(world, verdicts[1])["kind"] == "group"
        assert world.sql("SELECT 1 FROM tasks WHERE tenant_id = :tenant") == []
        assert world.sql("SELECT 1 FROM sync_parked WHERE tenant_id = :tenant") == []

    @pytest.mark.parametrize("days", [0, 2, 400])
    def test_can_be_applied_by_its_authors_manager_however_late_the_record_comes(
        self, world: World, synced: Person, pools: Database, days: int
    ) -> None:
        task = new_id()
        verdict = push(synced, self.edit(synced, task))
        forget_the_past(pools, world.id, utc_now() + timedelta(days=days))
        world.insert("tasks", id=task, assignee_id=synced.id, title="견적", account_id=world.account())
        manager = world.person("manager", world.region)
        manager.sync()
        item = manager.held("conflict", verdict["conflict_id"])
        assert item

        response = manager.call(
            "POST",
            f"/api/v1/conflicts/{item['id']}/resolution",
            {"choice": "apply", "record_version": 0},
            **{"If-Match": f'"{item["version"]}"'},
        )

        assert response.status_code == 200, response.json
        assert row(world, "tasks", task)["title"] == "고친 일"
