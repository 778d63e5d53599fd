"""Groups over HTTP: all members or none, one item of the inbox, one answer however often they come."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.activity import service as activity
from app.core.clock import utc_now
from app.core.ids import new_id
from app.sync_api.registry import BY_NAME
from sync.push import chunks_of
from sync.stores.push import PushStore
from sync.wire import mutations_of
from tests.sync.pushing import Json, before, given, kill, ledger, misbehave, push, row, told
from tests.world import Person, World


@pytest.fixture
def rep(world: World) -> Person:
    person = world.person("rep", world.north)
    person.sync()
    return person


@pytest.fixture
def manager(world: World) -> Person:
    return world.person("manager", world.region)


@pytest.fixture
def account(world: World) -> UUID:
    return world.account(legal_name="가람상사 주식회사", phone="+82255500001")


def grouped(mutations: Sequence[Json], group: UUID | None = None) -> list[Json]:
    """The same mutations as one group."""
    name = str(group or uuid4())
    return [mutation | {"group": name} for mutation in mutations]


def task(person: Person, title: str = "견적", **fields: Any) -> Json:
    return person.mutation("create", "task", new_id(), fields={"title": title} | fields)


def tasks(world: World) -> list[str]:
    return sorted(r[0] for r in world.sql("SELECT title FROM tasks WHERE tenant_id = :tenant"))


def items(world: World) -> list[Json]:
    return [r[0] for r in world.sql("SELECT to_jsonb(c) FROM conflicts c WHERE tenant_id = :tenant")]


class TestAGroup:
    def test_is_applied_as_a_whole(self, world: World, rep: Person) -> None:
        verdicts = rep.sync(*grouped([task(rep, "하나"), task(rep, "둘")]))

        assert [told(v) for v in verdicts] == [("applied", None)] * 2
        assert tasks(world) == ["둘", "하나"]

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_of_which_one_is_rejected_is_not_applied_and_the_others_say_so(
        self, world: World, rep: Person, place: int
    ) -> None:
        members = [task(rep, "하나"), task(rep, "둘"), task(rep, "셋")]
        members[place]["fields"]["title"] = ""

        verdicts = rep.sync(*grouped(members))

        assert told(verdicts[place]) == ("rejected", "blank")
        assert [told(v) for i, v in enumerate(verdicts) if i != place] == [("rejected", "group_failed")] * 2
        assert {str(v["detail"]) for i, v in enumerate(verdicts) if i != place} == {
            str({"mutation_id": members[place]["id"]})
        }
        assert tasks(world) == []
        assert items(world) == []

    def test_of_which_two_are_at_fault_names_the_first(self, rep: Person) -> None:
        members = [
            rep.mutation("create", "task", new_id(), fields={"title": title}, group=str(UUID(int=5)))
            for title in ("견적", "", "")
        ]

        verdicts = rep.sync(*members)

        assert [v["code"] for v in verdicts] == ["group_failed", "blank", "group_failed"]
        assert verdicts[2]["detail"] == {"mutation_id": members[1]["id"]}

    def test_that_failed_is_listed_with_all_its_payloads(self, world: World, rep: Person) -> None:
        members = grouped([task(rep, "하나"), task(rep, "")])
        rep.sync(*members)

        listed = rep.call("GET", "/api/v1/rejections").json["items"]

        assert {item["id"]: item["payload"]["fields"]["title"] for item in listed} == {
            members[0]["id"]: "하나",
            members[1]["id"]: "",
        }

    def test_leaves_the_mutations_around_it_alone(self, world: World, rep: Person) -> None:
        head = task(rep, "앞")
        group = grouped([task(rep, "하나"), task(rep, "")])
        tail = task(rep, "뒤")

        verdicts = rep.sync(head, *group, tail)

        assert [v["id"] for v in verdicts] == [m["id"] for m in (head, *group, tail)]
        assert tasks(world) == ["뒤", "앞"]

    def test_is_one_change_of_the_company_at_each_checkpoint(self, world: World, rep: Person) -> None:
        members = grouped([task(rep, str(n)) for n in range(50)])

        rep.sync(*members)

        xids = world.engine_sql(
            "SELECT DISTINCT xid FROM changes WHERE tenant_id = :tenant AND entity = 'task'"
        )
        assert len(xids) == 1
        assert all(rep.held("task", m["record_id"]) for m in members)

    def test_is_never_split_by_the_transactions_of_a_request(self, world: World, rep: Person) -> None:
        loose = [task(rep, f"일 {n}") for n in range(40)]
        group = grouped([task(rep, f"묶음 {n}") for n in range(30)])

        verdicts = rep.sync(*loose, *group)

        assert {v["status"] for v in verdicts} == {"applied"}
        xids = world.engine_sql(
            "SELECT count(DISTINCT xid) FROM changes WHERE tenant_id = :tenant AND new ->> 'title' LIKE '묶음%'"
        )
        assert xids == [(1,)]

    def test_with_a_field_that_waits_for_a_decision_is_applied_all_the_same(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        rep.sync()
        ask = rep.edit("account", account, {"legal_name": "가람 (나)", "tier": "A"})
        world.sql(
            "UPDATE accounts SET legal_name = '본사' WHERE tenant_id = :tenant AND id = :id", id=account
        )

        verdicts = rep.sync(*grouped([ask, task(rep)]))

        assert [told(v) for v in verdicts] == [("conflict", None), ("applied", None)]
        assert row(world, "accounts", account)["tier"] == "A"
        assert [i["kind"] for i in items(world)] == ["field"]

    def test_counts_its_own_earlier_members_as_the_phones_own(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        rep.sync()
        first = rep.edit("account", account, {"legal_name": "하나"})
        second = rep.edit("account", account, {"legal_name": "둘"})

        verdicts = rep.sync(*grouped([first, second]))

        assert [told(v) for v in verdicts] == [("applied", None)] * 2
        assert row(world, "accounts", account)["legal_name"] == "둘"

    def test_with_a_bug_of_the_server_in_one_member_waits_as_a_whole(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError

        misbehave(monkeypatch, "task", update=fail)
        made = task(rep)

        verdicts = rep.sync(
            *grouped([made, rep.mutation("update", "task", made["record_id"], fields={"title": "x"})])
        )

        assert [told(v) for v in verdicts] == [("rejected", "group_failed"), ("conflict", "failed")]
        assert tasks(world) == []
        assert [i["kind"] for i in items(world)] == ["group"]


class TestWhatIsNoGroup:
    """Nothing of it is applied, and its members say why."""

    def refused(self, world: World, rep: Person, members: list[Json]) -> set[tuple[str, str | None]]:
        verdicts = rep.sync(*members)
        assert tasks(world) == []
        assert len(verdicts) == len(members)
        return {told(v) for v in verdicts}

    def test_more_than_fifty(self, world: World, rep: Person) -> None:
        members = grouped([task(rep, str(n)) for n in range(51)])

        assert self.refused(world, rep, members) == {("rejected", "group_too_large")}

    def test_a_gap_in_n(self, world: World, rep: Person) -> None:
        members = grouped([task(rep, n=7), task(rep, n=9)])
        members = [m | {"n": n} for m, n in zip(members, (7, 9), strict=True)]

        assert self.refused(world, rep, members) == {("rejected", "group_not_consecutive")}

    def test_something_else_between_its_members(self, world: World, rep: Person) -> None:
        one, other, two = task(rep, "하나"), task(rep, "사이"), task(rep, "둘")
        one, two = grouped([one, two])

        verdicts = {v["id"]: told(v) for v in rep.sync(one, other, two)}

        assert verdicts[one["id"]] == verdicts[two["id"]] == ("rejected", "group_not_consecutive")
        assert verdicts[other["id"]] == ("applied", None)
        assert tasks(world) == ["사이"]

    def test_one_id_twice(self, world: World, rep: Person) -> None:
        one = task(rep)
        members = grouped([one, one | {"n": one["n"] + 1}])

        assert self.refused(world, rep, members) == {("rejected", "group_member_twice")}

    def test_a_member_whose_envelope_is_unsound(self, world: World, rep: Person) -> None:
        members = grouped([task(rep), task(rep) | {"occurred_at": "yesterday"}])

        assert self.refused(world, rep, members) == {
            ("rejected", "group_failed"),
            ("rejected", "timestamp_invalid"),
        }

    def test_an_id_that_was_used_alone_before(self, world: World, rep: Person) -> None:
        alone = task(rep, "혼자")
        push(rep, alone)
        members = grouped([alone, task(rep, "둘") | {"n": alone["n"] + 1}])

        verdicts = rep.sync(*members)

        assert [told(v) for v in verdicts] == [
            ("rejected", "mutation_id_reused"),
            ("rejected", "group_failed"),
        ]
        assert tasks(world) == ["혼자"]


class TestAReplay:
    def test_of_the_whole_gives_the_first_verdicts(self, world: World, rep: Person) -> None:
        members = grouped([task(rep, "하나"), task(rep, "둘")])
        rep.sync(*members)

        again = rep.sync(*members)

        assert [(told(v), v["replayed"]) for v in again] == [(("applied", None), True)] * 2
        assert [len(ledger(world, m["record_id"])) for m in members] == [1, 1]

    def test_of_a_part_gives_the_first_verdicts_too(self, rep: Person) -> None:
        members = grouped([task(rep), task(rep), task(rep)])
        rep.sync(*members)

        again = rep.sync(members[2], members[0])

        assert [(told(v), v["replayed"]) for v in again] == [(("applied", None), True)] * 2

    def test_of_one_that_failed_is_no_second_try(self, world: World, rep: Person) -> None:
        members = grouped([task(rep, "하나"), task(rep, "")])
        first = rep.sync(*members)

        again = rep.sync(*members)

        assert [told(v) for v in again] == [told(v) for v in first]
        assert all(v["replayed"] for v in again)

    def test_by_a_reinstalled_app_is_a_replay(self, world: World, rep: Person) -> None:
        members = grouped([task(rep, "하나"), task(rep, "둘")])
        rep.sync(*members)
        again = world.second_phone(rep)

        assert all(v["replayed"] for v in again.sync(*members))

    @pytest.mark.parametrize("known", ["some", "none"])
    def test_with_other_ids_is_another_group_of_the_same_name(
        self, world: World, rep: Person, known: str
    ) -> None:
        members = grouped([task(rep, "하나"), task(rep, "둘")])
        rep.sync(*members)
        new = [m | {"group": members[0]["group"]} for m in (task(rep, "셋"), task(rep, "넷"))]

        verdicts = rep.sync(*([members[1], new[0]] if known == "some" else new))

        assert told(verdicts[1]) == ("rejected", "group_changed")
        assert told(verdicts[0]) == (("applied", None) if known == "some" else ("rejected", "group_changed"))
        assert tasks(world) == ["둘", "하나"]

    def test_with_another_content_is_changed_and_the_first_stays(self, world: World, rep: Person) -> None:
        members = grouped([task(rep, "하나"), task(rep, "둘")])
        rep.sync(*members)

        verdicts = rep.sync(members[0], members[1] | {"fields": {"title": "다른 일"}})

        assert [told(v) for v in verdicts] == [("applied", None), ("rejected", "group_changed")]
        assert tasks(world) == ["둘", "하나"]

    def test_of_what_was_split_over_two_requests_is_changed(self, world: World, rep: Person) -> None:
        members = grouped([task(rep, "하나"), task(rep, "둘")])

        push(rep, members[0])

        assert told(push(rep, members[1])) == ("rejected", "group_changed")
        assert tasks(world) == ["하나"]

    def test_by_another_person_is_another_group(self, world: World, rep: Person) -> None:
        other, group = world.person("rep", world.north), uuid4()
        other.sync()
        rep.sync(*grouped([task(rep, "하나")], group))

        (verdict,) = other.sync(*grouped([task(other, "둘")], group))

        assert told(verdict) == ("applied", None)


class TestTrouble:
    def test_that_passes_tries_the_whole_again(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left, create = [2], BY_NAME["task"].create
        assert create is not None

        def deadlock(session: Any, actor: Any, values: Any, **_: Any) -> None:
            if values["title"] == "둘" and left[0]:
                left[0] -= 1
                session.execute(text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$"))

        misbehave(monkeypatch, "task", create=before(create, deadlock))
        members = grouped([task(rep, "하나"), task(rep, "둘")])

        assert [told(v) for v in rep.sync(*members)] == [("applied", None)] * 2
        assert [len(ledger(world, m["record_id"])) for m in members] == [1, 1]

    def test_at_commit_leaves_all_or_nothing(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        note_device = PushStore.note_device
        members = grouped([task(rep, "하나"), task(rep, "둘")])

        def crash(store: PushStore, *args: Any) -> None:
            note_device(store, *args)
            kill(world, store.connection.execute(text("SELECT pg_backend_pid()")).scalar_one())

        with monkeypatch.context() as patch:
            patch.setattr(PushStore, "note_device", crash)
            assert rep.post_sync(mutations=members).status_code == 503
        assert tasks(world) == []

        assert [told(v) for v in rep.sync(*members)] == [("applied", None)] * 2

    def test_in_the_middle_of_a_group_leaves_nothing_of_it(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def halfway(session: Any, actor: Any, values: Any, **_: Any) -> Any:
            if values["title"] == "둘":
                raise DBAPIError("x", {}, Exception("gone"), connection_invalidated=True)
            return activity.create_task(session, actor, values, now=utc_now())

        with monkeypatch.context() as patch:
            misbehave(patch, "task", create=halfway)
            members = grouped([task(rep, "하나"), task(rep, "둘")])
            assert rep.post_sync(mutations=members).status_code == 503

        assert tasks(world) == []
        assert world.sql("SELECT 1 FROM sync_mutations WHERE tenant_id = :tenant") == []


class TestDeletes:
    @pytest.fixture
    def contacts(self, world: World, account: UUID) -> list[UUID]:
        found = [new_id() for _ in range(3)]
        for contact in found:
            world.insert("contacts", id=contact, account_id=account, name="뷔람담")
        return found

    def test_of_a_customer_and_of_all_that_hangs_on_it_go_together_in_whatever_order(
        self, world: World, manager: Person, account: UUID, contacts: list[UUID]
    ) -> None:
        manager.sync()
        members = [manager.mutation("delete", "account", account, base_version=1)]
        members += [manager.mutation("delete", "contact", c, base_version=1) for c in contacts]

        verdicts = manager.sync(*grouped(members))

        assert [told(v) for v in verdicts] == [("applied", None)] * 4
        assert row(world, "accounts", account)["deleted_at"]
        assert manager.held("account", account) is None

    def test_that_leave_something_live_outside_the_group_delete_nothing(
        self, world: World, manager: Person, account: UUID, contacts: list[UUID]
    ) -> None:
        manager.sync()
        members = [manager.mutation("delete", "account", account, base_version=1)]
        members += [manager.mutation("delete", "contact", c, base_version=1) for c in contacts[1:]]

        verdicts = manager.sync(*grouped(members))

        assert told(verdicts[0]) == ("rejected", "has_dependants")
        assert verdicts[0]["detail"] == {"dependants": ["contact"]}
        assert [told(v) for v in verdicts[1:]] == [("rejected", "group_failed")] * 2
        assert row(world, "contacts", contacts[1])["deleted_at"] is None

    def test_count_dependants_that_the_user_cannot_see(
        self, world: World, manager: Person, account: UUID
    ) -> None:
        manager.sync()
        world.account(world.south, parent_id=account)
        north = world.person("manager", world.north)
        north.sync()

        verdicts = north.sync(*grouped([north.mutation("delete", "account", account, base_version=1)]))

        assert told(verdicts[0]) == ("rejected", "has_dependants")


class TestDependsOn:
    def test_is_said_of_work_on_a_record_whose_create_fell_with_its_group(
        self, world: World, rep: Person
    ) -> None:
        made = task(rep, "하나")
        rep.sync(*grouped([made, task(rep, "")]))

        verdict = push(rep, rep.mutation("complete", "task", made["record_id"]))

        assert told(verdict) == ("rejected", "depends_on")

    def test_is_said_of_a_member_too_and_fails_its_group(self, world: World, rep: Person) -> None:
        made = task(rep, "")
        push(rep, made)

        verdicts = rep.sync(*grouped([task(rep, "둘"), rep.mutation("complete", "task", made["record_id"])]))

        assert [told(v) for v in verdicts] == [("rejected", "group_failed"), ("rejected", "depends_on")]
        assert tasks(world) == []


class TestAGroupInTheInbox:
    """One member could not be applied as a whole, so that somebody decides on all of them."""

    @pytest.fixture
    def lost(self, world: World, rep: Person, account: UUID) -> list[Json]:
        """A new task, and an edit of one that was deleted meanwhile."""
        old = new_id()
        world.insert("tasks", id=old, account_id=account, assignee_id=rep.id, title="옛 일")
        rep.sync()
        members = [
            task(rep, "새 일", account_id=str(account)),
            rep.edit("task", old, {"title": "고친 일"}),
        ]
        world.sql("UPDATE tasks SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=old)
        return grouped(members)

    def item(self, person: Person, verdicts: list[Json]) -> Json:
        person.sync()
        found = person.held("conflict", next(v["conflict_id"] for v in verdicts if v["conflict_id"]))
        assert found
        return found

    def decide(self, person: Person, item: Json, choice: str, **args: Any) -> Any:
        return person.call(
            "POST",
            f"/api/v1/conflicts/{item['id']}/resolution",
            {"choice": choice, "record_version": 0} | args,
            **{"If-Match": f'"{item["version"]}"'},
        )

    def test_is_one_item_with_all_payloads(
        self, world: World, rep: Person, manager: Person, lost: list[Json]
    ) -> None:
        verdicts = rep.sync(*lost)

        assert [told(v) for v in verdicts] == [("rejected", "group_failed"), ("conflict", "deleted")]
        (item,) = items(world)
        assert verdicts[1]["conflict_id"] == item["id"]
        assert (item["kind"], item["code"]) == ("group", "deleted")
        members = item["mine"]["members"]
        assert [m["mutation_id"] for m in members] == [m["id"] for m in lost]
        assert [m["fields"] for m in members] == [m["fields"] for m in lost]
        assert self.item(manager, verdicts)["mine"] == self.item(rep, verdicts)["mine"] == item["mine"]

    def test_is_applied_as_a_whole(
        self, world: World, rep: Person, manager: Person, lost: list[Json]
    ) -> None:
        item = self.item(manager, rep.sync(*lost))

        response = self.decide(manager, item, "apply")

        assert response.status_code == 200, response.json
        assert response.json["state"] == "resolved"
        assert tasks(world) == ["고친 일", "새 일"]
        assert row(world, "tasks", lost[1]["record_id"])["deleted_at"] is None

    def test_of_deletes_is_applied_in_whatever_order_they_stand(
        self, world: World, manager: Person, account: UUID
    ) -> None:
        contact = new_id()
        world.insert("contacts", id=contact, account_id=account, name="뷔람담")
        manager.sync()
        world.sql("UPDATE contacts SET name = '새 이름' WHERE tenant_id = :tenant AND id = :id", id=contact)
        members = [
            manager.mutation("delete", "account", account, base_version=1),
            manager.mutation("delete", "contact", contact, base_version=1),
        ]
        verdicts = manager.sync(*grouped(members))
        assert [told(v) for v in verdicts] == [("rejected", "group_failed"), ("conflict", "edited_since")]

        assert self.decide(manager, self.item(manager, verdicts), "apply").status_code == 200
        assert row(world, "accounts", account)["deleted_at"]
        assert row(world, "contacts", contact)["deleted_at"]

    def test_of_a_create_that_met_a_deleted_record_brings_it_back(
        self, world: World, rep: Person, manager: Person, lost: list[Json]
    ) -> None:
        again = rep.mutation("create", "task", lost[1]["record_id"], fields={"title": "다시"})
        verdicts = rep.sync(*grouped([again]))
        assert told(verdicts[0]) == ("conflict", "deleted")

        assert self.decide(manager, self.item(manager, verdicts), "apply").status_code == 200
        assert row(world, "tasks", lost[1]["record_id"])["title"] == "다시"

    def test_of_which_one_cannot_be_applied_stays_open_and_nothing_is_done(
        self, world: World, rep: Person, manager: Person, lost: list[Json]
    ) -> None:
        item = self.item(manager, rep.sync(*lost))
        world.sql(
            "INSERT INTO tasks (tenant_id, id, assignee_id, title) VALUES (:tenant, :id, :user, '먼저')",
            id=lost[0]["record_id"],
            user=rep.id,
        )

        response = self.decide(manager, item, "apply")

        assert response.json["code"] == "id_taken"
        assert row(world, "tasks", lost[1]["record_id"])["deleted_at"]
        assert items(world)[0]["state"] == "open"

    def test_is_discarded_as_a_whole_with_a_reason(
        self, world: World, rep: Person, manager: Person, lost: list[Json]
    ) -> None:
        item = self.item(manager, rep.sync(*lost))

        assert self.decide(manager, item, "discard", reason="취소").json["state"] == "discarded"
        assert tasks(world) == ["옛 일"]

    def test_about_two_customers_is_shown_to_the_team_and_not_to_the_managers_of_either(
        self, world: World, rep: Person, account: UUID, lost: list[Json]
    ) -> None:
        other = world.account(world.north)
        rep.sync()
        lost[0]["fields"]["account_id"] = str(other)
        stranger = world.person("manager", world.region)
        world.sql(
            "UPDATE users SET org_unit_id = NULL WHERE tenant_id = :tenant AND id = :id", id=stranger.id
        )
        leader = world.person("manager", world.south)
        world.sql(
            "UPDATE users SET manager_id = :leader, org_unit_id = NULL WHERE tenant_id = :tenant AND id = :id",
            id=rep.id,
            leader=leader.id,
        )
        verdicts = rep.sync(*lost)
        stranger.sync()

        assert self.item(leader, verdicts)["account_id"] is None
        assert stranger.held("conflict", verdicts[1]["conflict_id"]) is None
        listed = stranger.call("GET", "/api/v1/conflicts").json["items"]
        assert listed == []

    def test_with_a_member_that_left_the_scope_tells_nothing_of_it(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        rep.sync()
        given(world, rep)
        world.sql(
            "UPDATE accounts SET territory_id = :south, name = 'SECRET' WHERE tenant_id = :tenant AND id = :id",
            id=account,
            south=world.south,
        )
        members = grouped(
            [task(rep), rep.mutation("update", "account", account, base_version=1, fields={"tier": "A"})]
        )

        response = rep.post_sync(mutations=members)

        assert [told(v) for v in response.json["verdicts"]] == [
            ("rejected", "group_failed"),
            ("conflict", "out_of_scope"),
        ]
        assert b"SECRET" not in response.data

    def test_with_a_member_of_no_kind_that_the_server_knows_is_about_no_customer(
        self, world: World, rep: Person, lost: list[Json]
    ) -> None:
        odd = rep.mutation("create", "spaceship", new_id(), fields={"name": "별"})

        verdicts = rep.sync(*grouped([*lost, odd]))

        assert [v["code"] for v in verdicts] == ["group_failed", "deleted", "group_failed"]
        (item,) = items(world)
        assert item["account_id"] is None
        assert item["mine"]["members"][2]["entity"] == "spaceship"

    def test_keeps_the_status_that_a_command_was_given_on(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        visit = new_id()
        world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=utc_now())
        rep.sync()
        world.sql("UPDATE visits SET status = 'cancelled' WHERE tenant_id = :tenant AND id = :id", id=visit)
        made, travel = task(rep), rep.mutation("start_travel", "visit", visit, base_version=1, fields={})

        verdicts = rep.sync(*grouped([made, travel]))

        assert told(verdicts[1]) == ("conflict", "transition_not_allowed")
        (item,) = items(world)
        assert [m.get("status") for m in item["mine"]["members"]] == [None, "planned"]


class TestTransactions:
    def test_are_none_where_there_is_nothing_to_judge(self) -> None:
        assert list(chunks_of([])) == []

    def test_hold_at_most_fifty_mutations_and_no_group_in_part(self) -> None:
        def sent(n: int, group: UUID | None) -> Json:
            return {"id": str(new_id()), "n": n, "group": str(group) if group else None}

        one, two = uuid4(), uuid4()
        groups = [None] * 30 + [one] * 25 + [None] * 5 + [two] * 50 + [None] * 3
        mutations = mutations_of({"mutations": [sent(n + 1, g) for n, g in enumerate(groups)]})

        chunks = list(chunks_of(mutations))

        assert [len(chunk) for chunk in chunks] == [30, 30, 50, 3]
        assert [m for chunk in chunks for m in chunk] == mutations
