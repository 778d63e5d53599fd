"""Judging mutations over HTTP: order, creates, deletes, and one mutation's fault that is nobody else's."""

import errno
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from app.accounts import service as accounts
from app.activity import service as activity
from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.sync_api.exchange import Exchange
from app.sync_api.registry import BY_NAME
from sync.push import Pusher
from sync.stores.push import PushStore
from tests.sync.pushing import before, given, kill, ledger, misbehave, outcomes, push, row, told
from tests.world import Person, World, wire


@pytest.fixture
def other_world(served: Flask, pools: Database) -> World:
    """Another company."""
    return World(served, pools)


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def manager(world: World) -> Person:
    return world.person("manager", world.region)


@pytest.fixture
def account(world: World) -> UUID:
    return world.account(phone="+82255500001")


@pytest.fixture
def synced(world: World, rep: Person, account: UUID) -> Person:
    """The rep's phone, holding the account."""
    rep.sync()
    given(world, rep)
    return rep


def task_of(title: str = "견적 송부", **fields: Any) -> dict[str, Any]:
    return {"title": title, **fields}


class TestOrder:
    def test_mutations_are_applied_in_the_order_of_n_and_not_of_the_list(
        self, world: World, rep: Person
    ) -> None:
        task_id = new_id()
        create = rep.mutation("create", "task", task_id, fields=task_of("처음"))
        complete = rep.mutation("complete", "task", task_id)

        verdicts = rep.sync(complete, create)

        assert [v["id"] for v in verdicts] == [create["id"], complete["id"]]
        assert [v["status"] for v in verdicts] == ["applied", "applied"]

    def test_a_later_edit_of_the_same_phone_wins_whatever_its_clock_said(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        first = synced.edit("account", account, {"phone": "+82255500002"}, occurred_at="2031-01-01T00:00:00Z")
        second = synced.edit(
            "account", account, {"phone": "+82255500003"}, occurred_at="2016-01-01T00:00:00Z"
        )

        verdicts = synced.sync(first, second)

        assert [v["status"] for v in verdicts] == ["applied", "applied"]
        assert row(world, "accounts", account)["phone"] == "+82255500003"

    def test_a_request_without_a_cursor_carries_no_mutations(self, world: World, rep: Person) -> None:
        response = rep.post_sync(mutations=[rep.mutation("create", "task", new_id(), fields=task_of())])

        assert response.status_code == 400
        assert response.json["code"] == "mutations_without_cursor"
        assert world.sql("SELECT 1 FROM sync_mutations WHERE tenant_id = :tenant") == []

    def test_a_new_id_with_an_n_that_was_judged_is_judged_and_the_clone_must_log_in_again(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        push(synced, synced.edit("account", account, {"tier": "A"}, n=5))
        clone = synced.edit("account", account, {"website": "https://a.example.com"}, n=5)

        answer = synced.post_sync(mutations=[clone]).json

        assert told(answer["verdicts"][0]) == ("applied", None)
        assert answer["directives"] == ["reauth"]

    def test_a_replay_beside_new_work_is_no_clone(self, synced: Person, account: UUID) -> None:
        first = synced.edit("account", account, {"tier": "A"})
        push(synced, first)
        second = synced.edit("account", account, {"tier": "B"})

        answer = synced.post_sync(mutations=[first, second]).json

        assert answer["directives"] == []

    def test_what_a_clone_did_under_a_higher_n_counts_as_done_by_another(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        here = synced.edit("account", account, {"legal_name": "여기"}, n=7)
        clone = synced.edit("account", account, {"legal_name": "저기"}, n=6)
        push(synced, here)

        assert told(push(synced, clone)) == ("conflict", None)
        assert row(world, "accounts", account)["legal_name"] == "여기"


class TestOneSavepointForEachMutation:
    """One mutation's fault is its own verdict; what stands before and after it is applied."""

    def among_good_ones(self, world: World, rep: Person, bad: dict[str, Any]) -> dict[str, Any]:
        """Push *bad* between two good ones; its verdict, after the others were seen to be applied."""
        ids = [new_id(), new_id()]
        head, tail = (rep.mutation("create", "task", i, fields=task_of()) for i in ids)
        head["n"], bad["n"], tail["n"] = 10_001, 10_002, 10_003
        verdicts = rep.sync(head, bad, tail)
        assert [v["status"] for v in (verdicts[0], verdicts[2])] == ["applied", "applied"]
        assert [row(world, "tasks", i)["title"] for i in ids] == ["견적 송부"] * 2
        return verdicts[1]

    def test_a_reference_to_nothing(self, world: World, rep: Person) -> None:
        bad = rep.mutation("create", "task", new_id(), fields=task_of(account_id=str(uuid4())))

        assert told(self.among_good_ones(world, rep, bad)) == ("rejected", "reference_not_found")

    def test_a_wrong_type(self, world: World, rep: Person) -> None:
        bad = rep.mutation("create", "task", new_id(), fields={"title": 7})

        assert told(self.among_good_ones(world, rep, bad)) == ("rejected", "type_mismatch")

    @pytest.mark.parametrize(
        ("statement", "code"),
        [
            ("UPDATE tasks SET priority = 'never' WHERE id = :id", "value_not_allowed"),  # check constraint
            ("UPDATE tasks SET title = NULL WHERE id = :id", "value_not_allowed"),
            ("UPDATE tasks SET assignee_id = gen_random_uuid() WHERE id = :id", "reference_not_found"),
            ("UPDATE tasks SET due_on = '2026-02-30' WHERE id = :id", "value_out_of_range"),
        ],
    )
    def test_what_only_the_database_refuses(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch, statement: str, code: str
    ) -> None:
        def spoil(session: Any, actor: Any, values: Any, **_: Any) -> Any:
            task = activity.create_task(session, actor, values, now=utc_now())
            if values["title"] == "poison":
                session.execute(text(statement), {"id": values["id"]})
            return task

        misbehave(monkeypatch, "task", create=spoil)
        bad = rep.mutation("create", "task", new_id(), fields=task_of("poison"))

        assert told(self.among_good_ones(world, rep, bad)) == ("rejected", code)
        assert world.sql("SELECT 1 FROM tasks WHERE title = 'poison' AND tenant_id = :tenant") == []

    def test_a_deferred_foreign_key_is_the_verdict_of_its_own_mutation_and_not_of_the_batch(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Without SET CONSTRAINTS ALL IMMEDIATE it would only fail at COMMIT, and take all three with it.
        misbehave(monkeypatch, "task", create=_create_dangling)
        bad = rep.mutation("create", "task", new_id(), fields=task_of("dangling"))

        assert told(self.among_good_ones(world, rep, bad)) == ("rejected", "reference_not_found")

    def test_a_legal_swap_after_a_good_and_a_bad_mutation_still_passes(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # With the constraints left on IMMEDIATE, a child written before its parent would fail.
        misbehave(monkeypatch, "task", create=_create_dangling)
        account_id, task_id = new_id(), new_id()

        def child_first(session: Any, actor: Any, values: Any, **_: Any) -> Any:
            _insert_task(session, actor, task_id, account_id)
            return accounts.create_account(session, actor, values, now=utc_now())

        misbehave(monkeypatch, "account", create=child_first)
        verdicts = rep.sync(
            rep.mutation("create", "task", new_id(), fields=task_of()),
            rep.mutation("create", "task", new_id(), fields=task_of("dangling")),
            rep.mutation("create", "account", account_id, fields={"name": "새 고객"}),
        )

        assert [told(v) for v in verdicts] == [
            ("applied", None),
            ("rejected", "reference_not_found"),
            ("applied", None),
        ]
        assert row(world, "tasks", task_id)["account_id"] == str(account_id)

    def test_nothing_of_a_rejected_mutation_is_kept_but_its_payload(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        before_it = row(world, "accounts", account)
        bad = synced.edit(
            "account", account, {"website": "https://a.example.com", "territory_id": str(world.south)}
        )

        assert push(synced, bad)["status"] == "rejected"
        assert row(world, "accounts", account) == before_it
        (item,) = synced.call("GET", "/api/v1/rejections").json["items"]
        assert item["payload"]["fields"] == bad["fields"]

    def test_two_hundred_with_every_third_broken_leave_each_its_own_verdict(
        self, world: World, rep: Person
    ) -> None:
        mutations = [
            rep.mutation("create", "task", new_id(), fields={"title": 7 if index % 3 == 0 else f"일 {index}"})
            for index in range(120)
        ]

        verdicts = rep.sync(*mutations)

        assert [v["status"] for v in verdicts] == ["rejected", "applied", "applied"] * 40
        assert world.sql("SELECT count(*) FROM tasks WHERE tenant_id = :tenant")[0][0] == 80


def _create_dangling(session: Any, actor: Any, values: Any, **_: Any) -> Any:
    if values["title"] == "dangling":
        return _insert_task(session, actor, values["id"], uuid4())
    return activity.create_task(session, actor, values, now=utc_now())


def _insert_task(session: Any, actor: Any, task_id: UUID, account_id: UUID) -> None:
    session.execute(
        text(
            "INSERT INTO tasks (tenant_id, id, account_id, assignee_id, title)"
            " VALUES (:tenant, :id, :account, :user, 'swap')"
        ),
        {"tenant": actor.tenant_id, "id": task_id, "account": account_id, "user": actor.user_id},
    )


class TestCreate:
    def test_of_a_new_id_makes_the_record(self, world: World, rep: Person, account: UUID) -> None:
        contact_id = new_id()
        fields = {"account_id": str(account), "name": "뷔람담", "phone": "02-555-0100"}

        verdict = push(rep, rep.mutation("create", "contact", contact_id, fields=fields))

        assert told(verdict) == ("applied", None)
        assert outcomes(verdict) == dict.fromkeys(fields, "applied")
        assert verdict["record"]["phone"] == "+8225550100"
        assert verdict["version"] == 1

    def test_of_an_activity_makes_it(self, world: World, rep: Person, account: UUID) -> None:
        fields = {"account_id": str(account), "kind": "call", "body": "통화"}

        assert told(push(rep, rep.mutation("create", "activity", new_id(), fields=fields))) == (
            "applied",
            None,
        )

    @pytest.mark.parametrize(
        ("entity", "table", "fields"),
        [
            (
                "account",
                "accounts",
                {"name": "새 고객", "tags": ["겨울", "신규"], "notes": "메모", "tier": "A"},
            ),
            ("contact", "contacts", {"name": "뷔람담", "phone": "+8225550100"}),
            ("site", "sites", {"name": "제2공장", "location": {"lat": 37.0, "lon": 127.5}, "radius_m": 100}),
            ("task", "tasks", {"title": "견적", "due_on": "2026-12-01"}),
            (
                "activity",
                "activities",
                {"kind": "note", "body": "기록", "happened_at": "2026-11-01T09:00:00Z"},
            ),
            (
                "visit",
                "visits",
                {
                    "planned_start": "2026-11-22T01:00:00Z",
                    "tags": ["점검"],
                    "tasks": [{"id": str(new_id()), "title": "설문", "required": True}],
                },
            ),
        ],
    )
    def test_again_with_equal_content_is_nothing_new(
        self, world: World, rep: Person, account: UUID, entity: str, table: str, fields: dict[str, Any]
    ) -> None:
        record_id = new_id()
        whole = fields if entity == "account" else fields | {"account_id": str(account)}
        if entity == "visit":
            whole["tasks"] = [whole["tasks"][0] | {"id": str(new_id())}]
        push(rep, rep.mutation("create", entity, record_id, fields=whole))
        before_it = row(world, table, record_id)

        verdict = push(rep, rep.mutation("create", entity, record_id, fields=whole))

        assert told(verdict) == ("applied", None)
        assert set(outcomes(verdict).values()) == {"equal"}
        assert row(world, table, record_id)["version"] == before_it["version"]

    def test_again_by_a_colleague_with_other_content_is_merged(
        self, world: World, rep: Person, manager: Person
    ) -> None:
        account_id = new_id()
        first = {"name": "새 고객", "territory_id": str(world.north), "tags": ["겨울"], "tier": "A"}
        push(rep, rep.mutation("create", "account", account_id, fields=first))

        verdict = push(
            manager,
            manager.mutation(
                "create",
                "account",
                account_id,
                fields={"name": "새 고객", "tags": ["신규"], "website": "https://a.example.com"},
            ),
        )

        assert verdict["status"] == "merged"
        assert outcomes(verdict) == {"name": "equal", "tags": "combined", "website": "applied"}
        assert sorted(row(world, "accounts", account_id)["tags"]) == ["겨울", "신규"]

    def test_again_of_an_activity_with_other_content_is_refused_as_append_only(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        record_id, fields = new_id(), {"account_id": str(account), "kind": "call", "body": "통화"}
        push(rep, rep.mutation("create", "activity", record_id, fields=fields))

        verdict = push(
            rep, rep.mutation("create", "activity", record_id, fields=fields | {"body": "다른 말"})
        )

        assert told(verdict) == ("rejected", "append_only")

    def test_of_an_id_outside_the_scope_says_that_it_is_taken_and_nothing_else(
        self, world: World, rep: Person
    ) -> None:
        foreign = world.account(world.south, name="SECRET-SOUTH")

        verdict = push(rep, rep.mutation("create", "account", foreign, fields={"name": "내 고객"}))

        assert told(verdict) == ("rejected", "id_taken")
        assert (verdict["record"], verdict["detail"], verdict["version"]) == (None, None, None)
        assert row(world, "accounts", foreign)["name"] == "SECRET-SOUTH"

    def test_of_an_id_outside_the_scope_that_was_deleted_is_no_different(
        self, world: World, rep: Person
    ) -> None:
        foreign = world.account(world.south)
        world.sql("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=foreign)

        verdict = push(rep, rep.mutation("create", "account", foreign, fields={"name": "내 고객"}))

        assert told(verdict) == ("rejected", "id_taken")

    def test_of_an_id_of_another_tenant_is_as_good_as_any(
        self, world: World, other_world: World, rep: Person
    ) -> None:
        foreign = other_world.account(name="남의 고객")

        verdict = push(rep, rep.mutation("create", "account", foreign, fields={"name": "내 고객"}))

        assert told(verdict) == ("applied", None)
        assert row(other_world, "accounts", foreign)["name"] == "남의 고객"

    def test_of_a_deleted_record_goes_to_the_inbox(self, world: World, synced: Person, account: UUID) -> None:
        world.sql("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=account)

        verdict = push(synced, synced.mutation("create", "account", account, fields={"name": "가람상사"}))

        assert told(verdict) == ("conflict", "deleted")
        assert verdict["conflict_id"]

    def test_may_not_bring_an_id_of_its_own_among_the_fields(self, rep: Person, account: UUID) -> None:
        for entity in ("visit", "contact"):
            fields = {
                "id": str(new_id()),
                "account_id": str(account),
                "name": "이름",
                "planned_start": wire(utc_now()),
            }
            verdict = push(rep, rep.mutation("create", entity, new_id(), fields=fields))

            assert verdict["status"] == "rejected"
            assert {"pointer": "/fields/id", "code": "read_only_field"} in verdict["detail"]["errors"]

    def test_without_a_time_of_its_own_happened_when_the_phone_made_it(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        made = "2026-11-20T03:00:00.000000Z"
        visit_id, activity_id = new_id(), new_id()
        three_hours = {"age_ms": 3 * 3_600_000}
        visit = rep.mutation(
            "create",
            "visit",
            visit_id,
            occurred_at=made,
            **three_hours,
            fields={
                "account_id": str(account),
                "unplanned": True,
                "checked_in_location": {"lat": 37.5, "lon": 127.0},
            },
        )
        call = rep.mutation(
            "create",
            "activity",
            activity_id,
            occurred_at=made,
            **three_hours,
            fields={"account_id": str(account), "kind": "call"},
        )

        rep.sync(visit, call)

        ages = world.sql(
            "SELECT now() - checked_in_at FROM visits WHERE id = :visit AND tenant_id = :tenant UNION ALL"
            " SELECT now() - happened_at FROM activities WHERE id = :activity AND tenant_id = :tenant",
            visit=visit_id,
            activity=activity_id,
        )
        assert [round(age[0].total_seconds() / 3600) for age in ages] == [3, 3]


class TestDependsOn:
    def test_a_mutation_on_a_record_whose_create_was_rejected_is_listed_with_it(
        self, world: World, rep: Person
    ) -> None:
        task_id = new_id()
        create = rep.mutation("create", "task", task_id, fields={"title": ""})
        complete = rep.mutation("complete", "task", task_id)

        verdicts = rep.sync(create, complete)

        assert told(verdicts[1]) == ("rejected", "depends_on")
        assert verdicts[1]["detail"] == {"record_id": str(task_id)}
        listed = rep.call("GET", "/api/v1/rejections").json["items"]
        assert {item["id"] for item in listed} == {create["id"], complete["id"]}

    def test_also_where_the_envelope_of_the_create_was_broken(self, rep: Person) -> None:
        task_id = new_id()
        create = rep.mutation("create", "task", task_id, fields=task_of(), occurred_at="2026-02-30T00:00:00Z")

        verdicts = rep.sync(create, rep.mutation("complete", "task", task_id))

        assert [told(v) for v in verdicts] == [("rejected", "timestamp_invalid"), ("rejected", "depends_on")]

    def test_a_record_of_which_only_an_edit_was_rejected_is_unknown_as_before(self, rep: Person) -> None:
        unknown = new_id()
        edits = [rep.mutation("update", "task", unknown, base_version=1, fields={}) for _ in range(2)]

        assert [told(v) for v in rep.sync(*edits)] == [("rejected", "not_found")] * 2

    def test_so_does_one_on_a_record_whose_create_waits_in_the_inbox(
        self, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        misbehave(monkeypatch, "task", create=_raise)
        task_id = new_id()

        verdicts = rep.sync(
            rep.mutation("create", "task", task_id, fields=task_of()),
            rep.mutation("complete", "task", task_id),
        )

        assert [told(v) for v in verdicts] == [("conflict", "failed"), ("rejected", "depends_on")]

    def test_a_create_that_passes_later_frees_what_follows(self, rep: Person) -> None:
        task_id = new_id()
        push(rep, rep.mutation("create", "task", task_id, fields={"title": ""}))

        verdicts = rep.sync(
            rep.mutation("create", "task", task_id, fields=task_of()),
            rep.mutation("complete", "task", task_id),
        )

        assert [v["status"] for v in verdicts] == ["applied", "applied"]


class TestDelete:
    @pytest.fixture
    def task(self, world: World, rep: Person, account: UUID) -> UUID:
        task_id = new_id()
        world.insert("tasks", id=task_id, account_id=account, assignee_id=rep.id, title="견적")
        rep.sync()
        return task_id

    def change(self, world: World, task: UUID) -> None:
        world.sql("UPDATE tasks SET title = '바뀐 일' WHERE tenant_id = :tenant AND id = :id", id=task)

    def delete_in_sql(self, world: World, task: UUID) -> None:
        world.sql("UPDATE tasks SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=task)

    def delete(self, rep: Person, task: UUID, version: int = 1) -> dict[str, Any]:
        return rep.mutation("delete", "task", task, base_version=version)

    def test_of_what_nobody_else_touched_deletes(self, world: World, rep: Person, task: UUID) -> None:
        assert told(push(rep, self.delete(rep, task))) == ("applied", None)
        assert row(world, "tasks", task)["deleted_at"]
        assert rep.held("task", task) is None

    def test_after_an_unseen_edit_waits_for_a_decision_and_the_record_stays(
        self, world: World, rep: Person, task: UUID
    ) -> None:
        self.change(world, task)

        verdict = push(rep, self.delete(rep, task))

        assert told(verdict) == ("conflict", "edited_since")
        assert row(world, "tasks", task)["deleted_at"] is None
        assert rep.held("conflict", verdict["conflict_id"])["kind"] == "delete"

    def test_after_an_own_edit_deletes(self, world: World, rep: Person, task: UUID) -> None:
        verdicts = rep.sync(rep.edit("task", task, {"title": "고침"}), self.delete(rep, task))

        assert [v["status"] for v in verdicts] == ["applied", "applied"]

    def test_before_an_edit_that_did_not_know_opens_an_item_that_restores(
        self, world: World, rep: Person, task: UUID
    ) -> None:
        edit = rep.edit("task", task, {"title": "고침"})
        self.delete_in_sql(world, task)

        verdict = push(rep, edit)

        assert told(verdict) == ("conflict", "deleted")
        assert outcomes(verdict) == {"title": "conflict"}
        assert verdict["record"] is None
        assert row(world, "tasks", task)["deleted_at"]
        item = rep.held("conflict", verdict["conflict_id"])
        assert (item["kind"], item["mine"]) == ("deleted", {"title": "고침"})

    def test_before_a_command_opens_an_item_too(self, world: World, rep: Person, task: UUID) -> None:
        self.delete_in_sql(world, task)

        verdict = push(rep, rep.mutation("complete", "task", task, base_version=1))

        assert told(verdict) == ("conflict", "deleted")

    def test_of_what_is_deleted_already_is_done(self, world: World, rep: Person, task: UUID) -> None:
        self.delete_in_sql(world, task)

        assert told(push(rep, self.delete(rep, task))) == ("applied", None)

    def test_and_then_an_edit_in_one_push_never_saw_the_feed_and_is_known_all_the_same(
        self, rep: Person
    ) -> None:
        task_id = new_id()

        verdicts = rep.sync(
            rep.mutation("create", "task", task_id, fields=task_of()),
            rep.mutation("delete", "task", task_id),
            rep.mutation("update", "task", task_id, fields={"title": "고침"}),
        )

        assert [told(v) for v in verdicts] == [("applied", None), ("applied", None), ("conflict", "deleted")]

    @pytest.mark.parametrize("drained", [False, True])
    def test_by_sql_leaves_nothing_that_work_on_an_erased_row_could_bring_back(
        self, world: World, rep: Person, drained: bool
    ) -> None:
        task_id = new_id()
        rep.sync(rep.mutation("create", "task", task_id, fields=task_of()))
        edit = rep.mutation("update", "task", task_id, base_version=1, fields={"title": "고침"})
        world.sql("DELETE FROM tasks WHERE tenant_id = :tenant AND id = :id", id=task_id)
        if drained:
            world.drain()

        assert told(push(rep, edit)) == ("rejected", "not_found")
        (kept,) = rep.call("GET", "/api/v1/rejections").json["items"]
        assert kept["id"] == edit["id"]

    def test_of_a_foreign_deleted_record_is_as_unknown_as_any(self, world: World, rep: Person) -> None:
        foreign = world.account(world.south)
        world.sql("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=foreign)

        verdict = push(rep, rep.mutation("delete", "account", foreign, base_version=1))

        assert told(verdict) == ("rejected", "not_found")

    def test_of_a_foreign_deleted_record_whose_code_is_used_again_is_no_different(
        self, world: World, rep: Person
    ) -> None:
        foreign = world.account(world.south, code="S1")
        world.sql("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=foreign)
        world.account(world.south, code="S1")

        verdict = push(rep, rep.mutation("delete", "account", foreign, base_version=1))

        assert told(verdict) == ("rejected", "not_found")

    def test_that_would_leave_live_dependants_is_refused(
        self, world: World, manager: Person, account: UUID
    ) -> None:
        world.insert("contacts", id=new_id(), account_id=account, name="뷔람담")
        manager.sync()

        verdict = push(manager, manager.mutation("delete", "account", account, base_version=1))

        assert told(verdict) == ("rejected", "has_dependants")
        assert verdict["detail"] == {"dependants": ["contact"]}

    def test_after_an_unseen_edit_waits_before_anybody_asks_for_dependants(
        self, world: World, manager: Person, account: UUID
    ) -> None:
        world.insert("contacts", id=new_id(), account_id=account, name="뷔람담")
        manager.sync()
        world.sql("UPDATE accounts SET tier = 'A' WHERE tenant_id = :tenant AND id = :id", id=account)

        verdict = push(manager, manager.mutation("delete", "account", account, base_version=1))

        assert told(verdict) == ("conflict", "edited_since")

    def test_without_a_base_version_waits_where_anybody_else_ever_wrote(
        self, world: World, rep: Person, task: UUID
    ) -> None:
        assert told(push(rep, rep.mutation("delete", "task", task))) == ("conflict", "edited_since")
        assert row(world, "tasks", task)["deleted_at"] is None

    def test_children_and_parent_in_one_push_go_together(
        self, world: World, manager: Person, account: UUID
    ) -> None:
        contact = new_id()
        world.insert("contacts", id=contact, account_id=account, name="뷔람담")
        manager.sync()

        verdicts = manager.sync(
            manager.mutation("delete", "contact", contact, base_version=1),
            manager.mutation("delete", "account", account, base_version=1),
        )

        assert [v["status"] for v in verdicts] == ["applied", "applied"]

    @pytest.mark.parametrize("op", ["update", "delete"])
    def test_and_edit_of_an_activity_are_refused_as_append_only(
        self, world: World, rep: Person, account: UUID, op: str
    ) -> None:
        activity_id = new_id()
        fields = {"account_id": str(account), "kind": "call"}
        push(rep, rep.mutation("create", "activity", activity_id, fields=fields))

        verdict = push(rep, rep.mutation(op, "activity", activity_id, base_version=1, fields={}))

        assert told(verdict) == ("rejected", "append_only")


class TestWorkOnARecordThatLeftTheScope:
    """It was given to the phone, and is gone since: nothing of it is told, and nothing of the work is lost."""

    @pytest.fixture
    def moved(self, world: World, synced: Person, account: UUID) -> UUID:
        world.sql(
            "UPDATE accounts SET territory_id = :south, name = 'SECRET' WHERE tenant_id = :tenant AND id = :id",
            id=account,
            south=world.south,
        )
        return account

    @pytest.mark.parametrize("op", ["update", "delete"])
    def test_waits_in_the_inbox(self, world: World, synced: Person, moved: UUID, op: str) -> None:
        parts = {"fields": {"tier": "A"}} if op == "update" else {}
        mutation = synced.mutation(op, "account", moved, base_version=1, **parts)

        response = synced.post_sync(mutations=[mutation])

        verdict = response.json["verdicts"][0]
        assert told(verdict) == ("conflict", "out_of_scope")
        assert (verdict["record"], verdict["version"], verdict["detail"]) == (None, None, None)
        assert b"SECRET" not in response.data
        assert row(world, "accounts", moved)["tier"] is None

    def test_by_a_create_of_its_id_says_that_it_is_taken(self, synced: Person, moved: UUID) -> None:
        verdict = push(synced, synced.mutation("create", "account", moved, fields={"name": "가람상사"}))

        assert told(verdict) == ("rejected", "id_taken")
        assert (verdict["record"], verdict["version"], verdict["detail"]) == (None, None, None)

    @pytest.mark.parametrize("op", ["update", "delete"])
    def test_and_was_deleted_there_waits_all_the_same(
        self, world: World, synced: Person, moved: UUID, op: str
    ) -> None:
        world.drain()
        world.sql("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=moved)
        parts = {"fields": {"tier": "A"}} if op == "update" else {}

        verdict = push(synced, synced.mutation(op, "account", moved, base_version=1, **parts))

        assert told(verdict) == ("conflict", "out_of_scope")
        assert (verdict["record"], verdict["version"], verdict["detail"]) == (None, None, None)

    def test_after_it_was_deleted_in_the_scope_is_told_so(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        world.sql("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=account)
        world.drain()
        world.sql(
            "UPDATE accounts SET territory_id = :south WHERE tenant_id = :tenant AND id = :id",
            id=account,
            south=world.south,
        )

        verdict = push(synced, synced.mutation("update", "account", account, base_version=1, fields={}))

        assert told(verdict) == ("conflict", "deleted")

    def test_is_applied_by_the_manager_of_its_new_territory(
        self, world: World, synced: Person, moved: UUID
    ) -> None:
        manager = world.person("manager", world.south)
        verdict = push(
            synced, synced.mutation("update", "account", moved, base_version=1, fields={"tier": "A"})
        )
        manager.sync()
        item = manager.held("conflict", verdict["conflict_id"])
        assert item
        assert (item["kind"], item["mine"]) == ("out_of_scope", {"tier": "A"})
        decision = {"choice": "apply", "record_version": item["record_version"]}

        decided = push(
            manager, manager.mutation("resolve", "conflict", item["id"], base_version=1, fields=decision)
        )

        assert decided["status"] == "applied"
        assert row(world, "accounts", moved)["tier"] == "A"

    def test_that_came_into_the_bucket_after_the_phones_last_pull_is_unknown(
        self, world: World, synced: Person
    ) -> None:
        late = world.account(world.north)
        world.drain()
        world.sql(
            "UPDATE accounts SET territory_id = :south WHERE tenant_id = :tenant AND id = :id",
            id=late,
            south=world.south,
        )

        verdict = push(
            synced, synced.mutation("update", "account", late, base_version=1, fields={"tier": "A"})
        )

        assert told(verdict) == ("rejected", "not_found")

    def test_that_another_phone_of_the_same_user_was_given_waits_too(
        self, world: World, synced: Person, moved: UUID
    ) -> None:
        other = world.second_phone(synced)

        verdict = push(
            other, other.mutation("update", "account", moved, base_version=1, fields={"tier": "A"})
        )

        assert told(verdict) == ("conflict", "out_of_scope")

    def test_that_was_given_with_a_territory_which_the_user_lost_waits(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        world.sql("DELETE FROM territory_members WHERE tenant_id = :tenant AND user_id = :id", id=synced.id)
        world.drain()

        verdict = push(
            synced, synced.mutation("update", "account", account, base_version=1, fields={"tier": "A"})
        )

        assert told(verdict) == ("conflict", "out_of_scope")

    def test_that_lies_in_a_territory_gained_but_not_yet_given_and_lost_again_is_unknown(
        self, world: World, synced: Person
    ) -> None:
        foreign = world.account(world.south)
        with world.session() as session:
            world.join(session, synced.id, world.south)
        world.drain()
        world.sql(
            "DELETE FROM territory_members WHERE tenant_id = :tenant AND user_id = :id AND territory_id = :south",
            id=synced.id,
            south=world.south,
        )

        verdict = push(
            synced, synced.mutation("update", "account", foreign, base_version=1, fields={"tier": "A"})
        )

        assert told(verdict) == ("rejected", "not_found")

    @pytest.mark.parametrize("state", ["live", "deleted"])
    def test_that_was_never_given_takes_the_same_statements_as_an_unknown_id(
        self, world: World, synced: Person, state: str
    ) -> None:
        foreign = world.account(world.south)
        if state == "deleted":
            world.sql(
                "UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=foreign
            )
        world.drain()
        # At its first rollback a connection loses what the driver had prepared on it, and the push is made again.
        push(synced, synced.mutation("update", "account", uuid4(), base_version=1, fields={"tier": "A"}))
        statements: list[str] = []

        def note(_: Any, __: Any, statement: str, *___: Any) -> None:
            statements.append(statement)

        seen: list[tuple[list[str], dict[str, Any]]] = []
        event.listen(world.db.app, "before_cursor_execute", note)
        try:
            for record_id in (foreign, uuid4()):
                statements.clear()
                verdict = push(
                    synced,
                    synced.mutation("update", "account", record_id, base_version=1, fields={"tier": "A"}),
                )
                seen.append((list(statements), {k: v for k, v in verdict.items() if k != "id"}))
        finally:
            event.remove(world.db.app, "before_cursor_execute", note)

        assert seen[0] == seen[1]

    def test_that_was_never_given_is_answered_while_others_hold_its_lock(
        self, world: World, synced: Person
    ) -> None:
        foreign = world.account(world.south)
        mutation = synced.mutation("update", "account", foreign, base_version=1, fields={"tier": "A"})
        with ThreadPoolExecutor(1) as threads, world.session() as other:
            locked = other.execute(text("SELECT 1 FROM accounts WHERE id = :id FOR UPDATE"), {"id": foreign})
            assert locked.all() == [(1,)]
            verdict = threads.submit(push, synced, mutation).result(timeout=10)

        assert told(verdict) == ("rejected", "not_found")

    @pytest.mark.parametrize("runs", [True, False])
    def test_that_leaves_between_two_statements_is_kept_as_any(
        self, world: World, synced: Person, account: UUID, monkeypatch: pytest.MonkeyPatch, runs: bool
    ) -> None:
        monkeypatch.setattr(Pusher, "runs", runs)
        left = [1]

        def first_it_leaves(name: str) -> None:
            ask = getattr(PushStore, name)

            def slow(store: PushStore, *args: Any) -> Any:
                if left and left.pop():
                    world.sql(
                        "UPDATE accounts SET territory_id = :south WHERE tenant_id = :tenant AND id = :id",
                        id=account,
                        south=world.south,
                    )
                return ask(store, *args)

            monkeypatch.setattr(PushStore, name, slow)

        # A lone edit asks for scope, lock and past by one message, others one after the other.
        for name in ("records", "hold"):
            first_it_leaves(name)
        verdict = push(synced, synced.edit("account", account, {"tier": "A"}))

        assert (told(verdict), left) == (("conflict", "out_of_scope"), [])

    def test_that_was_never_given_is_unknown(self, world: World, synced: Person) -> None:
        foreign = world.account(world.south)

        verdict = push(
            synced, synced.mutation("update", "account", foreign, base_version=1, fields={"tier": "A"})
        )

        assert told(verdict) == ("rejected", "not_found")


class TestWhatIsLookedAtFirst:
    """The record, then the form of the fields, then what the record holds."""

    def test_is_whether_the_record_is_known(self, world: World, rep: Person) -> None:
        for record in (new_id(), world.account(world.south)):
            wrong = rep.mutation("update", "account", record, base_version=1, fields={"completeness": 9})

            assert told(push(rep, wrong)) == ("rejected", "not_found")

    @pytest.mark.parametrize("change", ["deleted_at = now()", "territory_id = :south"])
    def test_is_the_form_of_the_fields_before_all_that_became_of_it(
        self, world: World, synced: Person, account: UUID, change: str
    ) -> None:
        wrong = synced.edit("account", account, {"completeness": 9})
        world.sql(
            f"UPDATE accounts SET {change}, tier = 'A' WHERE tenant_id = :tenant AND id = :id",
            id=account,
            south=world.south,
        )

        assert told(push(synced, wrong)) == ("rejected", "read_only_field")


class TestVerdicts:
    def test_rejected_comes_before_conflict(self, world: World, synced: Person, account: UUID) -> None:
        world.sql(
            "UPDATE accounts SET legal_name = '본사' WHERE tenant_id = :tenant AND id = :id", id=account
        )

        verdict = push(
            synced, synced.edit("account", account, {"legal_name": "나", "owner_id": str(uuid4())})
        )

        assert verdict["status"] == "rejected"
        assert world.sql("SELECT 1 FROM conflicts WHERE tenant_id = :tenant") == []

    def test_conflict_comes_before_superseded_and_the_rest_is_applied(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        mutation = synced.edit(
            "account",
            account,
            {"legal_name": "나", "phone": "+82255500009", "website": "https://a.example.com"},
            age_ms=3_600_000,
        )
        world.sql(
            "UPDATE accounts SET legal_name = '본사', phone = '+82255500008' WHERE tenant_id = :tenant AND id = :id",
            id=account,
        )

        verdict = push(synced, mutation)

        assert told(verdict) == ("conflict", None)
        assert outcomes(verdict) == {"legal_name": "conflict", "phone": "superseded", "website": "applied"}
        assert row(world, "accounts", account)["website"] == "https://a.example.com"

    def test_superseded_is_said_when_every_field_lost(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        mutation = synced.edit("account", account, {"phone": "+82255500009"}, age_ms=3_600_000)
        world.sql(
            "UPDATE accounts SET phone = '+82255500008' WHERE tenant_id = :tenant AND id = :id", id=account
        )

        assert push(synced, mutation)["status"] == "superseded"

    def test_merged_is_said_when_one_field_of_two_lost(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        mutation = synced.edit("account", account, {"phone": "+82255500009", "tier": "A"}, age_ms=3_600_000)
        world.sql(
            "UPDATE accounts SET phone = '+82255500008' WHERE tenant_id = :tenant AND id = :id", id=account
        )

        assert push(synced, mutation)["status"] == "merged"

    def test_merged_is_said_when_others_changed_other_fields(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        mutation = synced.edit("account", account, {"phone": "+82255500009"})
        world.sql("UPDATE accounts SET tier = 'B' WHERE tenant_id = :tenant AND id = :id", id=account)

        verdict = push(synced, mutation)

        assert told(verdict) == ("merged", None)
        assert outcomes(verdict) == {"phone": "applied"}
        assert verdict["record"]["tier"] == "B"

    def test_what_the_server_reckoned_anew_is_nobodys_change(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        mine = synced.edit("account", account, {"tier": "B"}, occurred_at="2031-01-01T00:00:00Z")
        before_it = row(world, "accounts", account)["completeness"]
        world.sql("UPDATE accounts SET tier = 'A' WHERE tenant_id = :tenant AND id = :id", id=account)

        verdict = push(synced, mine)

        assert row(world, "accounts", account)["completeness"] > before_it
        assert (verdict["status"], outcomes(verdict)) == ("applied", {"tier": "applied"})

    def test_that_others_changed_what_one_may_not_see_is_not_told(self, world: World, account: UUID) -> None:
        technician = world.person("technician", world.north)
        technician.sync()
        mutation = technician.edit("account", account, {"phone": "+82255500009"})
        world.sql(
            "UPDATE accounts SET payment_terms = '현금' WHERE tenant_id = :tenant AND id = :id", id=account
        )

        assert push(technician, mutation)["status"] == "applied"

    def test_applied_is_said_when_all_is_as_sent(self, synced: Person, account: UUID) -> None:
        verdict = push(synced, synced.edit("account", account, {"phone": "+82255500009", "tier": "A"}))

        assert told(verdict) == ("applied", None)
        assert verdict["version"] == 2
        assert verdict["record"] == synced.held("account", account)

    def test_the_verdict_and_then_the_pull_show_the_edit_or_a_later_winner(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        for number in range(3):
            verdict = push(synced, synced.edit("account", account, {"phone": f"+8225550010{number}"}))
            assert (
                verdict["record"]["phone"]
                == f"+8225550010{number}"
                == synced.held("account", account)["phone"]
            )


class TestNationalIdNumbers:
    NUMBER = "900101-1234567"

    def test_are_masked_before_they_are_stored_and_the_verdict_says_so(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        verdict = push(synced, synced.edit("account", account, {"notes": f"대표 {self.NUMBER}", "tier": "A"}))

        assert verdict["status"] == "merged"
        assert outcomes(verdict) == {"notes": "masked", "tier": "applied"}
        assert row(world, "accounts", account)["notes"] == "대표 900101-*******"

    def test_are_masked_in_a_create_too(self, world: World, rep: Person, account: UUID) -> None:
        fields = {"account_id": str(account), "kind": "call", "body": self.NUMBER}

        verdict = push(rep, rep.mutation("create", "activity", new_id(), fields=fields))

        assert verdict["status"] == "merged"
        assert outcomes(verdict)["body"] == "masked"

    def test_that_look_like_the_code_of_an_erp_are_left_as_the_service_leaves_them(
        self, world: World, synced: Person, account: UUID
    ) -> None:
        verdict = push(synced, synced.edit("account", account, {"code": "9001011234567"}))

        assert outcomes(verdict) == {"code": "applied"}
        assert row(world, "accounts", account)["code"] == "9001011234567"

    def test_never_stand_in_any_table_whether_applied_lost_in_conflict_rejected_or_failed(
        self, world: World, synced: Person, account: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lost = synced.edit("account", account, {"website": self.NUMBER}, age_ms=3_600_000)
        asked = synced.edit("account", account, {"legal_name": self.NUMBER})
        visit = new_id()
        world.insert("visits", id=visit, account_id=account, assignee_id=synced.id, planned_start=utc_now())
        synced.sync()
        world.sql("UPDATE visits SET status = 'cancelled' WHERE tenant_id = :tenant AND id = :id", id=visit)
        world.sql(
            "UPDATE accounts SET legal_name = '본사', website = 'https://a.example.com'"
            " WHERE tenant_id = :tenant AND id = :id",
            id=account,
        )
        misbehave(monkeypatch, "task", create=_raise)
        verdicts = synced.sync(
            lost,
            asked,
            synced.mutation("update", "visit", visit, base_version=1, fields={"outcome": self.NUMBER}),
            synced.mutation("cancel", "visit", visit, base_version=1, fields={"reason": self.NUMBER}),
            synced.mutation("create", "task", new_id(), fields=task_of(self.NUMBER)),
            synced.mutation(
                "create", "contact", new_id(), fields={"account_id": str(uuid4()), "name": self.NUMBER}
            ),
        )

        assert [v["status"] for v in verdicts] == ["superseded", *["conflict"] * 4, "rejected"]
        for table in ("sync_mutations", "conflicts", "changes", "sync_feed", "accounts", "visits"):
            found = world.engine_sql(f"SELECT t::text FROM {table} t WHERE tenant_id = :tenant")
            assert not [line for line in found if "1234567" in line[0]], table


def _raise(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a bug in a service")


class TestAFaultOfTheServer:
    def test_puts_the_mutation_into_the_inbox_and_applies_the_others(
        self, world: World, rep: Person, account: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        misbehave(monkeypatch, "contact", create=_raise)
        fields = {"account_id": str(account), "name": "뷔람담"}
        bad = rep.mutation("create", "contact", new_id(), fields=fields)
        good = rep.mutation("create", "task", new_id(), fields=task_of())

        verdicts = rep.sync(bad, good)

        assert [told(v) for v in verdicts] == [("conflict", "failed"), ("applied", None)]
        item = rep.held("conflict", verdicts[0]["conflict_id"])
        assert (item["kind"], item["code"], item["mutation_id"]) == ("failed", "RuntimeError", bad["id"])
        assert item["mine"] == {"op": "create", "fields": fields}

    def test_in_an_edit_shows_the_item_to_the_manager_of_the_customer(
        self, world: World, synced: Person, manager: Person, account: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        misbehave(monkeypatch, "account", update=_raise)

        verdict = push(synced, synced.edit("account", account, {"tier": "A"}))
        manager.sync()

        assert manager.held("conflict", verdict["conflict_id"])["account_id"] == str(account)

    def test_in_the_checks_themselves_is_no_different(
        self, world: World, synced: Person, account: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        misbehave(monkeypatch, "account", masked=_raise)
        odd = synced.edit("account", account, {"tier": "A"})

        assert told(push(synced, odd)) == ("conflict", "failed")

    def test_keeps_the_name_of_its_own_mutation_in_the_history_of_the_item(
        self, world: World, synced: Person, account: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        misbehave(monkeypatch, "contact", create=_raise)
        good = synced.edit("account", account, {"tier": "A"})
        bad = synced.mutation(
            "create", "contact", new_id(), fields={"account_id": str(account), "name": "이름"}
        )

        verdicts = synced.sync(good, bad)

        (change,) = ledger(world, verdicts[1]["conflict_id"])
        assert change["mutation_id"] == bad["id"]

    def test_of_another_kind_leaves_nothing_of_what_the_verb_had_written(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def halfway(session: Any, actor: Any, values: Any, **_: Any) -> Any:
            activity.create_task(session, actor, values, now=utc_now())
            raise KeyError("halfway")

        misbehave(monkeypatch, "task", create=halfway)
        verdict = push(rep, rep.mutation("create", "task", new_id(), fields=task_of()))

        assert told(verdict) == ("conflict", "failed")
        assert world.sql("SELECT 1 FROM tasks WHERE tenant_id = :tenant") == []


class TestTrouble:
    """Deadlock, serialization failure, lost connection: the same request again, and then 503."""

    @staticmethod
    def raising(monkeypatch: pytest.MonkeyPatch, times: int, sqlstate: str) -> list[int]:
        """Let creating a task fail *times* times with *sqlstate*; counts the tries."""
        tries: list[int] = []
        create = BY_NAME["task"].create
        assert create is not None

        def fail(session: Any, *_: Any, **__: Any) -> None:
            tries.append(1)
            if len(tries) <= times:
                session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{sqlstate}'; END $$"))

        misbehave(monkeypatch, "task", create=before(create, fail))
        return tries

    @pytest.mark.parametrize("sqlstate", ["40P01", "40001", "55P03", "57014"])
    def test_that_passes_is_not_seen_by_the_phone(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch, sqlstate: str
    ) -> None:
        tries = self.raising(monkeypatch, 2, sqlstate)

        verdict = push(rep, rep.mutation("create", "task", new_id(), fields=task_of()))

        assert told(verdict) == ("applied", None)
        assert len(tries) == 3
        assert not verdict["replayed"]

    def test_that_stays_is_answered_503_and_the_phone_sends_it_again(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.raising(monkeypatch, 5, "40P01")
        rep.sync()
        create = rep.mutation("create", "task", new_id(), fields=task_of())

        response = rep.post_sync(mutations=[create])

        assert response.status_code == 503
        assert response.content_type == "application/problem+json"
        assert response.json["code"] == "outcome_unknown"
        assert int(response.headers["Retry-After"]) >= 1
        assert world.sql("SELECT 1 FROM sync_mutations WHERE tenant_id = :tenant") == []
        assert told(push(rep, create)) == ("applied", None)

    @pytest.mark.parametrize(
        "trouble",
        [OSError(errno.EMFILE, "Too many open files"), psycopg.OperationalError("the connection is closed")],
        ids=["no file handles", "a bare error of the driver"],
    )
    def test_of_the_machine_is_nobodys_fault_and_no_item_for_a_person(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch, trouble: Exception
    ) -> None:
        tries: list[int] = []

        def fail(*_: Any, **__: Any) -> None:
            tries.append(1)
            if len(tries) not in (3, 9):
                raise trouble

        create = BY_NAME["task"].create
        assert create is not None
        misbehave(monkeypatch, "task", create=before(create, fail))
        rep.sync()

        passing = push(rep, rep.mutation("create", "task", new_id(), fields=task_of()))
        lasting = rep.post_sync(mutations=[rep.mutation("create", "task", new_id(), fields=task_of())])

        assert told(passing) == ("applied", None)
        assert (lasting.status_code, lasting.json["code"], len(tries)) == (503, "outcome_unknown", 8)
        assert world.sql("SELECT code FROM conflicts WHERE tenant_id = :tenant") == []

    def test_of_a_file_that_is_not_there_is_a_fault_of_ours_that_nobody_waits_for(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise FileNotFoundError(errno.ENOENT, "No such file")

        misbehave(monkeypatch, "task", create=fail)

        assert told(push(rep, rep.mutation("create", "task", new_id(), fields=task_of()))) == (
            "conflict",
            "failed",
        )

    def test_a_connection_lost_in_the_middle_leaves_nothing_half_done(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        crash = _kill_when(world, lambda values: values["title"] == "마지막", times=1)
        misbehave(monkeypatch, "task", create=_then(activity.create_task, crash))
        ids = [new_id() for _ in range(3)]
        mutations = [
            rep.mutation("create", "task", i, fields=task_of(title))
            for i, title in zip(ids, ["하나", "둘", "마지막"], strict=True)
        ]

        verdicts = rep.sync(*mutations)

        assert [told(v) for v in verdicts] == [("applied", None)] * 3
        assert [len(ledger(world, i)) for i in ids] == [1, 1, 1]

    def test_a_connection_lost_inside_a_command_leaves_nothing_half_done(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = new_id()
        world.insert("tasks", id=task, assignee_id=rep.id, title="견적")
        rep.sync()
        complete, schema = BY_NAME["task"].commands["complete"]
        crash = _kill_when(world, lambda _: True, times=1)

        def crashing(session: Any, *args: Any, **kwargs: Any) -> Any:
            found = complete(session, *args, **kwargs)
            crash(session, None)
            return found

        misbehave(monkeypatch, "task", commands={"complete": (crashing, schema)})

        assert told(push(rep, rep.mutation("complete", "task", task, base_version=1))) == ("applied", None)
        assert len(ledger(world, task)) == 2

    def test_a_connection_lost_at_the_end_of_the_transaction_is_tried_again(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        note_device, left = PushStore.note_device, [1]

        def crashing(store: PushStore, *args: Any) -> None:
            note_device(store, *args)
            if left and left.pop():
                kill(world, store.connection.execute(text("SELECT pg_backend_pid()")).scalar_one())

        monkeypatch.setattr(PushStore, "note_device", crashing)
        task = new_id()

        assert told(push(rep, rep.mutation("create", "task", task, fields=task_of()))) == ("applied", None)
        assert len(ledger(world, task)) == 1

    def test_an_answer_lost_after_commit_is_given_by_the_retry(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The commit passed, and the server broke before it could answer.
        rep.sync()
        create = rep.mutation("create", "task", new_id(), fields=task_of())
        with monkeypatch.context() as patch:
            patch.setattr(Exchange, "_keep", _lose_connection)
            assert rep.post_sync(mutations=[create]).status_code == 503

        verdict = push(rep, create)

        assert (told(verdict), verdict["replayed"]) == (("applied", None), True)

    def test_a_connection_that_is_lost_again_and_again_is_outcome_unknown_and_the_retry_tells(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            crash = _kill_when(world, lambda values: True, times=99)
            misbehave(patch, "task", create=_then(activity.create_task, crash))
            rep.sync()
            create = rep.mutation("create", "task", new_id(), fields=task_of())
            response = rep.post_sync(mutations=[create])
            assert (response.status_code, response.json["code"]) == (503, "outcome_unknown")
            assert response.headers["Retry-After"]

        verdict = push(rep, create)

        assert told(verdict) == ("applied", None)
        assert not verdict["replayed"]

    def test_an_answer_lost_after_the_first_chunk_was_committed_is_replayed_from_there(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [new_id() for _ in range(60)]
        mutations = [rep.mutation("create", "task", i, fields=task_of(f"일 {n}")) for n, i in enumerate(ids)]
        rep.sync()
        with monkeypatch.context() as patch:
            crash = _kill_when(world, lambda values: values["title"] == "일 55", times=99)
            misbehave(patch, "task", create=_then(activity.create_task, crash))
            assert rep.post_sync(mutations=mutations).status_code == 503

        verdicts = rep.sync(*mutations)

        assert [v["replayed"] for v in verdicts] == [True] * 50 + [False] * 10
        assert {v["status"] for v in verdicts} == {"applied"}
        assert [len(ledger(world, i)) for i in ids] == [1] * 60


class TestLocks:
    """Phones that touch the same records in other orders wait for each other once, and not in a circle."""

    @pytest.fixture
    def tries(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Of each transaction that judged, how many mutations it got."""
        found: list[int] = []
        judge = Pusher.push

        def noted(pusher: Pusher, mutations: Any) -> Any:
            found.append(len(mutations))
            return judge(pusher, mutations)

        monkeypatch.setattr(Pusher, "push", noted)
        return found

    @staticmethod
    def slowly(monkeypatch: pytest.MonkeyPatch, entity: str, **verbs: Any) -> None:
        """Leave the other phone the time to take what it begins with."""
        misbehave(
            monkeypatch, entity, **{n: before(v, lambda *_, **__: time.sleep(0.2)) for n, v in verbs.items()}
        )

    @staticmethod
    def at_once(*pushes: tuple[Person, list[Any]]) -> list[list[Any]]:
        with ThreadPoolExecutor(len(pushes)) as pool:
            answers = list(pool.map(lambda one: one[0].post_sync(mutations=one[1]).json, pushes))
        return [[told(v) for v in answer["verdicts"]] for answer in answers]

    def deadlocks(self, world: World) -> int:
        with world.psql() as connection:
            connection.execute("SELECT pg_sleep(1.1)")  # counts are told once a second
            (found,) = connection.execute(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone() or (0,)
        return int(found)

    def test_of_edits_that_are_judged_one_by_one(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch, tries: list[int]
    ) -> None:
        other = world.person("rep", world.north)
        first, last = sorted(world.account() for _ in range(2))
        rep.sync()
        other.sync()
        before_that = self.deadlocks(world)
        self.slowly(monkeypatch, "account", update=BY_NAME["account"].update)

        found = self.at_once(
            (rep, [rep.edit("account", i, {"phone": "+82255500001"}) for i in (first, last)]),
            (other, [other.edit("account", i, {"tier": "A"}) for i in (last, first)]),
        )

        assert {status for verdicts in found for status, _ in verdicts} == {"applied", "merged"}
        assert tries == [2, 2]
        assert self.deadlocks(world) == before_that

    def test_of_commands_and_edits_between_creates(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch, tries: list[int]
    ) -> None:
        phone = world.second_phone(rep)
        account, task = world.account(), new_id()
        world.insert("tasks", id=task, assignee_id=rep.id, title="견적")
        rep.sync()
        phone.sync()
        before_that = self.deadlocks(world)
        complete, schema = BY_NAME["task"].commands["complete"]
        slow = before(complete, lambda *_, **__: time.sleep(0.2))
        misbehave(monkeypatch, "task", commands={"complete": (slow, schema)})
        self.slowly(monkeypatch, "account", update=BY_NAME["account"].update)

        found = self.at_once(
            (
                rep,
                [
                    rep.mutation("complete", "task", task, base_version=1),
                    rep.mutation("create", "task", new_id(), fields=task_of()),
                    rep.edit("account", account, {"phone": "+82255500001"}),
                ],
            ),
            (
                phone,
                [
                    phone.edit("account", account, {"tier": "A"}),
                    phone.mutation("create", "task", new_id(), fields=task_of()),
                    phone.edit("task", task, {"title": "견적서"}),
                ],
            ),
        )

        assert [len(verdicts) for verdicts in found] == [3, 3]
        assert tries == [3, 3]
        assert self.deadlocks(world) == before_that

    def test_of_edits_and_what_new_records_point_to(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch, tries: list[int]
    ) -> None:
        other = world.person("rep", world.north)
        first, last = sorted(world.account() for _ in range(2))
        rep.sync()
        other.sync()
        before_that = self.deadlocks(world)
        self.slowly(monkeypatch, "account", update=BY_NAME["account"].update)

        def work(person: Person, edited: UUID, visited: UUID) -> list[Any]:
            note = {"account_id": str(visited), "kind": "note", "subject": "견적"}
            return [
                person.edit("account", edited, {"tier": "A"}),
                person.mutation("create", "activity", new_id(), fields=note),
            ]

        found = self.at_once((rep, work(rep, first, last)), (other, work(other, last, first)))

        assert [status for verdicts in found for status, _ in verdicts] == ["applied"] * 4
        assert tries == [2, 2]
        assert self.deadlocks(world) == before_that

    def test_what_the_user_may_not_know_of_is_not_locked(self, world: World, rep: Person) -> None:
        mine, foreign = world.account(), world.account(world.south)
        rep.sync()
        unseen = rep.mutation("update", "account", foreign, base_version=1, fields={"tier": "B"})
        with world.session() as session:
            session.execute(text("SELECT 1 FROM accounts WHERE id = :id FOR UPDATE"), {"id": foreign})

            verdicts = rep.sync(unseen, rep.mutation("delete", "account", mine, base_version=1))

        assert told(verdicts[0]) == ("rejected", "not_found")


def _lose_connection(*_: Any) -> None:
    raise OperationalError("SELECT", {}, Exception("gone"), connection_invalidated=True)


def _then(verb: Callable[..., Any], done: Callable[..., None]) -> Callable[..., Any]:
    def both(session: Any, actor: Any, values: Any, **kwargs: Any) -> Any:
        found = verb(session, actor, values, **kwargs)
        done(session, values)
        return found

    return both


def _kill_when(world: World, when: Callable[[Any], bool], times: int) -> Callable[..., None]:
    """Something that ends the session's backend, as a crash of the database does."""
    left = [times]

    def kill_it(session: Any, values: Any) -> None:
        if left[0] and when(values):
            left[0] -= 1
            pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
            kill(world, pid)

    return kill_it
