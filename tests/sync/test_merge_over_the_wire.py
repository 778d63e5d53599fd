"""Merging over HTTP: what others did since the base, field by field and policy by policy."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from sync.policy import Merge
from tests.sync.pushing import ledger, outcomes, push, row, told
from tests.world import Person, World

HOUR = 3_600_000


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def colleague(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def manager(world: World) -> Person:
    return world.person("manager", world.region)


@pytest.fixture
def account(world: World, rep: Person, colleague: Person) -> UUID:
    """An account that both phones hold at version 1."""
    found = world.account(
        phone="+82255500001",
        legal_name="가람상사 주식회사",
        tags=["겨울", "대량"],
        notes="출입: 정문\n주차: 후문\n담당: 윤 과장",
    )
    rep.sync()
    colleague.sync()
    return found


def set_in_sql(world: World, account: UUID, **values: Any) -> None:
    """The office writes, one transaction for each call."""
    settings = ", ".join(f"{name} = :{name}" for name in values)
    world.sql(f"UPDATE accounts SET {settings} WHERE tenant_id = :tenant AND id = :id", id=account, **values)


class TestFieldsOfTwo:
    def test_different_fields_both_stay(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        mine = rep.edit("account", account, {"phone": "+82255500002"})
        push(colleague, colleague.edit("account", account, {"website": "https://a.example.com"}))

        verdict = push(rep, mine)

        assert verdict["status"] == "merged"
        found = row(world, "accounts", account)
        assert (found["phone"], found["website"]) == ("+82255500002", "https://a.example.com")

    def test_the_later_write_wins_though_it_arrived_first(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        push(colleague, colleague.edit("account", account, {"phone": "+82255500002"}))

        verdict = push(rep, {**rep.edit("account", account, {"phone": "+82255500003"}), "age_ms": HOUR})

        assert told(verdict) == ("superseded", None)
        assert outcomes(verdict) == {"phone": "superseded"}
        assert row(world, "accounts", account)["phone"] == "+82255500002"

    def test_an_equal_value_is_nobodys_loss(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        push(colleague, colleague.edit("account", account, {"phone": "+82255500002"}))

        verdict = push(rep, {**rep.edit("account", account, {"phone": "02-555-00002"}), "age_ms": HOUR})

        assert verdict["status"] == "applied"
        assert outcomes(verdict) == {"phone": "equal"}


class TestLosers:
    @pytest.fixture
    def lost(self, rep: Person, colleague: Person, account: UUID) -> dict[str, Any]:
        """The rep's mutation, which lost to the colleague's."""
        push(colleague, colleague.edit("account", account, {"phone": "+82255500002"}))
        mutation = rep.edit("account", account, {"phone": "+82255500003"}, age_ms=HOUR)
        push(rep, mutation)
        return mutation

    def test_stand_in_the_ledger_with_the_winner_named(
        self, world: World, lost: dict[str, Any], colleague: Person, account: UUID
    ) -> None:
        (change,) = ledger(world, account, op="lost")

        assert change["new"] == {"phone": "+82255500003"}
        assert change["old"] == {"phone": "+82255500002"}
        assert change["mutation_id"] == lost["id"]
        assert change["winner"]["phone"]["actor_id"] == str(colleague.id)

    def test_are_shown_in_the_history_of_the_customer(
        self, lost: dict[str, Any], manager: Person, rep: Person, colleague: Person, account: UUID
    ) -> None:
        entries = manager.call("GET", f"/api/v1/accounts/{account}/history").json["items"]

        (entry,) = [e for e in entries if e["mutation_id"] == lost["id"]]
        assert entry["op"] == "lost"
        assert entry["actor"]["id"] == str(rep.id)
        (field,) = entry["fields"]
        assert (field["field"], field["new"], field["outcome"]) == ("phone", "+82255500003", "superseded")
        assert field["winner"]["actor_id"] == str(colleague.id)

    def test_do_not_raise_the_version(self, world: World, lost: dict[str, Any], account: UUID) -> None:
        assert row(world, "accounts", account)["version"] == 2

    def test_of_a_write_that_only_confirmed_name_that_mutation(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        old = rep.edit("account", account, {"phone": "+82255500003"}, age_ms=HOUR)
        confirming = colleague.edit("account", account, {"phone": "+82255500001"})
        push(colleague, confirming)

        assert push(rep, old)["status"] == "superseded"
        (change,) = ledger(world, account, op="lost")
        assert change["winner"]["phone"]["mutation_id"] == confirming["id"]


class TestStamps:
    """``last_write`` compares the stored stamps, and an equal value raises them."""

    def test_an_equal_value_raises_the_stamp_so_that_an_older_edit_loses(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        older = rep.edit("account", account, {"phone": "+82255500003"}, age_ms=HOUR)
        same = colleague.edit("account", account, {"phone": "+82255500001"})

        assert outcomes(push(colleague, same)) == {"phone": "equal"}
        assert row(world, "accounts", account)["version"] == 1
        assert push(rep, older)["status"] == "superseded"

    def test_an_older_equal_value_does_not_lower_it(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        push(colleague, colleague.edit("account", account, {"phone": "+82255500002"}))
        stamp = row(world, "accounts", account)["stamps"]["phone"]

        push(rep, rep.edit("account", account, {"phone": "+82255500002"}, age_ms=HOUR))

        assert row(world, "accounts", account)["stamps"]["phone"] == stamp

    def test_a_value_that_a_rule_made_equal_raises_it_too(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        # last_visited_at in the future is cut to now by the service; what it then holds is stamped.
        set_in_sql(world, account, last_visited_at=utc_now())
        rep.sync()
        mutation = rep.edit("account", account, {"tags": ["겨울", "대량"], "phone": "+82255500001"})

        push(rep, mutation)

        assert row(world, "accounts", account)["stamps"]["phone"][1] == mutation["id"]

    def test_of_a_field_beside_one_that_is_written_rises_in_the_same_mutation(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        mutation = rep.edit("account", account, {"phone": "+82255500001", "tier": "A"})

        push(rep, mutation)

        stamps = row(world, "accounts", account)["stamps"]
        assert (stamps["phone"][1], stamps["tier"][1]) == (mutation["id"], mutation["id"])

    def test_of_the_row_of_a_part_rises_when_an_equal_cell_is_confirmed(
        self, world: World, rep: Person, manager: Person, account: UUID
    ) -> None:
        visit, task = new_id(), str(new_id())
        world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=utc_now())
        world.insert("visit_tasks", id=task, visit_id=visit, title="설문", result="옛 값")
        rep.sync()
        manager.sync()
        (cells,) = rep.records["visit", str(visit)]["tasks"]
        older = rep.edit("visit", visit, {"tasks": [cells | {"result": "늦게 온 값"}]}, age_ms=HOUR)
        # The manager leaves the cell as it is, but says so: base and value differ, value and server do not.
        confirming = manager.mutation(
            "update",
            "visit",
            visit,
            base_version=2,
            fields={"tasks": [cells]},
            base={"tasks": [cells | {"result": "더 옛 값"}]},
        )

        assert outcomes(push(manager, confirming)) == {"tasks": "equal"}
        assert row(world, "visits", visit)["version"] == 2
        assert row(world, "visit_tasks", task)["stamps"]["result"][1] == confirming["id"]
        assert outcomes(push(rep, older)) == {"tasks": "superseded"}


class TestBase:
    @pytest.mark.parametrize(("field", "value"), [("tags", ["겨울"]), ("notes", "새 메모")])
    def test_is_required_where_merging_needs_the_very_value(
        self, world: World, rep: Person, account: UUID, field: str, value: Any
    ) -> None:
        mutation = rep.edit("account", account, {field: value})
        del mutation["base"]

        verdict = push(rep, mutation)

        assert told(verdict) == ("rejected", "base_required")
        assert verdict["detail"]["errors"] == [{"pointer": f"/base/{field}", "code": "base_required"}]

    def test_is_required_for_the_rows_of_a_part(self, world: World, rep: Person, account: UUID) -> None:
        visit = new_id()
        world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=utc_now())
        rep.sync()
        mutation = rep.mutation("update", "visit", visit, base_version=1, fields={"tasks": []})

        assert told(push(rep, mutation)) == ("rejected", "base_required")

    def test_is_required_without_a_base_version_too(self, rep: Person, account: UUID) -> None:
        mutation = rep.mutation("update", "account", account, fields={"tags": ["겨울"]})

        assert told(push(rep, mutation)) == ("rejected", "base_required")

    def test_is_not_required_of_a_create_that_finds_the_record_there(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        fields = {"name": "가람상사", "tags": ["봄"], "notes": None}

        assert push(rep, rep.mutation("create", "account", account, fields=fields))["status"] == "merged"
        assert sorted(row(world, "accounts", account)["tags"]) == ["겨울", "대량", "봄"]

    def test_may_be_what_no_schema_would_let_in_when_the_office_wrote_it_in_sql(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        odd = [f"태그 {n}" for n in range(60)]  # more than a phone may send
        set_in_sql(world, account, phone="051-전화", tags=odd)
        rep.sync()

        verdict = push(rep, rep.edit("account", account, {"phone": "+82255500002", "tags": odd[:3]}))

        assert told(verdict) == ("applied", None)
        assert row(world, "accounts", account)["tags"] == odd[:3]

    @pytest.mark.parametrize(
        ("field", "value", "base"),
        [("tags", ["겨울"], "겨울"), ("notes", "메모", ["메모"]), ("tags", ["겨울"], [1])],
    )
    def test_of_a_wrong_type_is_refused(
        self, rep: Person, account: UUID, field: str, value: Any, base: Any
    ) -> None:
        mutation = rep.edit("account", account, {field: value}) | {"base": {field: base}}

        verdict = push(rep, mutation)

        assert told(verdict) == ("rejected", "type_mismatch")
        assert verdict["detail"]["errors"][0]["pointer"].startswith(f"/base/{field}")

    def test_of_a_version_that_never_was_is_refused(self, rep: Person, account: UUID) -> None:
        mutation = rep.edit("account", account, {"tier": "A"}) | {"base_version": 9}

        assert told(push(rep, mutation)) == ("rejected", "base_version_unknown")


class TestOwnEarlierMutations:
    def test_are_no_others_so_that_a_second_edit_of_one_base_asks_nobody(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        first = rep.edit("account", account, {"legal_name": "가람 1"})
        second = rep.edit("account", account, {"legal_name": "가람 2"})

        verdicts = [push(rep, first), push(rep, second)]

        assert [told(v) for v in verdicts] == [("applied", None), ("applied", None)]
        assert row(world, "accounts", account)["legal_name"] == "가람 2"

    def test_that_lost_still_stand_in_the_base_of_the_next(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        first = rep.edit("account", account, {"legal_name": "가람 1"})
        second = rep.edit("account", account, {"legal_name": "가람 2"})
        del second["base"]
        push(colleague, colleague.edit("account", account, {"legal_name": "본사"}))

        verdicts = rep.sync(first, second)

        assert [v["status"] for v in verdicts] == ["conflict", "conflict"]
        item = rep.held("conflict", verdicts[1]["conflict_id"])
        assert item["losers"][0]["base"] == "가람 1"

    def test_done_over_rest_on_the_same_device_are_others_to_the_phones_queue(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        mutation = rep.edit("account", account, {"legal_name": "가람 1"})
        rep.call("PATCH", f"/api/v1/accounts/{account}", {"legal_name": "가람 2"}, **{"If-Match": '"1"'})

        assert told(push(rep, mutation)) == ("conflict", None)


class TestAsk:
    def test_a_change_by_nobody_else_is_taken(self, world: World, rep: Person, account: UUID) -> None:
        assert told(push(rep, rep.edit("account", account, {"legal_name": "가람"}))) == ("applied", None)

    def test_two_different_edits_keep_the_servers_and_ask(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        mine = rep.edit("account", account, {"legal_name": "내 이름"})
        push(colleague, colleague.edit("account", account, {"legal_name": "본사 이름"}))

        verdict = push(rep, mine)

        assert told(verdict) == ("conflict", None)
        assert row(world, "accounts", account)["legal_name"] == "본사 이름"
        item = rep.held("conflict", verdict["conflict_id"])
        assert (item["base"], item["mine"], item["theirs"]) == ("가람상사 주식회사", "내 이름", "본사 이름")

    def test_a_value_that_went_away_and_came_back_counts_as_changed(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        mine = rep.edit("account", account, {"legal_name": "내 이름"})
        set_in_sql(world, account, legal_name="다른 이름")
        set_in_sql(world, account, legal_name="가람상사 주식회사")

        assert told(push(rep, mine)) == ("conflict", None)

    def test_without_a_base_version_all_that_others_ever_wrote_counts(
        self, rep: Person, account: UUID
    ) -> None:
        edit = rep.edit("account", account, {"legal_name": "가람 주식회사"}) | {"base_version": None}

        assert outcomes(push(rep, edit)) == {"legal_name": "conflict"}

    def test_a_change_that_is_not_the_newest_counts_as_well(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        mine = rep.edit("account", account, {"legal_name": "내 이름"})
        set_in_sql(world, account, legal_name="다른 이름")
        set_in_sql(world, account, tier="A")

        assert told(push(rep, mine)) == ("conflict", None)

    def test_a_change_of_another_field_since_asks_nobody(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        mine = rep.edit("account", account, {"legal_name": "내 이름"})
        set_in_sql(world, account, tier="A")

        assert told(push(rep, mine)) == ("merged", None)

    def test_a_change_before_the_base_version_asks_nobody(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        set_in_sql(world, account, legal_name="다른 이름")
        rep.sync()

        assert told(push(rep, rep.edit("account", account, {"legal_name": "내 이름"}))) == ("applied", None)

    def test_an_equal_edit_asks_nobody(self, world: World, rep: Person, account: UUID) -> None:
        mine = rep.edit("account", account, {"legal_name": "같은 이름"})
        set_in_sql(world, account, legal_name="같은 이름")

        assert outcomes(push(rep, mine)) == {"legal_name": "equal"}


class TestSets:
    def test_elements_of_two_phones_are_united(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        mine = rep.edit("account", account, {"tags": ["겨울", "대량", "내것"]})
        push(colleague, colleague.edit("account", account, {"tags": ["겨울", "남의것"]}))

        verdict = push(rep, mine)

        assert verdict["status"] == "merged"
        assert outcomes(verdict) == {"tags": "combined"}
        assert set(row(world, "accounts", account)["tags"]) == {"겨울", "내것", "남의것"}

    def test_an_element_that_was_removed_later_stays_away(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        adds = rep.edit("account", account, {"tags": ["겨울", "대량", "논쟁"]}, age_ms=2 * HOUR)
        push(
            colleague, colleague.edit("account", account, {"tags": ["겨울", "대량", "논쟁"]}, age_ms=3 * HOUR)
        )
        colleague.sync()
        push(colleague, colleague.edit("account", account, {"tags": ["겨울", "대량"]}))

        push(rep, adds)

        assert set(row(world, "accounts", account)["tags"]) == {"겨울", "대량"}

    @pytest.mark.parametrize("first", ["rep", "colleague"])
    def test_the_result_does_not_depend_on_who_came_first(
        self, world: World, rep: Person, colleague: Person, account: UUID, first: str
    ) -> None:
        mine = rep.edit("account", account, {"tags": ["겨울", "내것"]}, age_ms=HOUR)
        theirs = colleague.edit("account", account, {"tags": ["대량", "남의것"]}, age_ms=2 * HOUR)
        order = [(rep, mine), (colleague, theirs)]

        for person, mutation in order if first == "rep" else reversed(order):
            push(person, mutation)

        assert set(row(world, "accounts", account)["tags"]) == {"내것", "남의것"}


class TestTexts:
    def test_edits_of_different_lines_are_merged(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        notes = rep.records["account", str(account)]["notes"]
        mine = rep.edit("account", account, {"notes": notes.replace("정문", "경비실")})
        push(colleague, colleague.edit("account", account, {"notes": notes.replace("윤 과장", "한 과장")}))

        verdict = push(rep, mine)

        assert outcomes(verdict) == {"notes": "combined"}
        assert row(world, "accounts", account)["notes"] == "출입: 경비실\n주차: 후문\n담당: 한 과장"

    def test_edits_of_one_line_wait_with_both_texts(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        notes = rep.records["account", str(account)]["notes"]
        mine, theirs = notes.replace("정문", "경비실"), notes.replace("정문", "서문")
        mutation = rep.edit("account", account, {"notes": mine})
        push(colleague, colleague.edit("account", account, {"notes": theirs}))

        verdict = push(rep, mutation)

        assert told(verdict) == ("conflict", None)
        item = rep.held("conflict", verdict["conflict_id"])
        assert (item["kind"], item["base"], item["mine"], item["theirs"]) == ("text", notes, mine, theirs)
        assert row(world, "accounts", account)["notes"] == theirs


class TestOtherPolicies:
    def test_the_furthest_visit_date_stays(self, world: World, rep: Person, account: UUID) -> None:
        mutation = rep.edit("account", account, {"last_visited_at": "2026-11-01T09:00:00.000000Z"})
        world.sql(
            "UPDATE accounts SET last_visited_at = '2026-11-05' WHERE tenant_id = :tenant AND id = :id",
            id=account,
        )

        assert outcomes(push(rep, mutation)) == {"last_visited_at": "superseded"}
        assert row(world, "accounts", account)["last_visited_at"].startswith("2026-11-05")

    def test_a_visit_of_the_phone_itself_keeps_an_older_date_away(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        visit = new_id()
        fields = {"account_id": str(account), "planned_start": "2026-11-22T01:00:00Z"}
        here = {"location": {"lat": 37.5, "lon": 127.0, "accuracy_m": 12}}
        typed = rep.edit("account", account, {"last_visited_at": "2026-11-01T09:00:00.000000Z"}, n=9)
        rep.sync(
            rep.mutation("create", "visit", visit, fields=fields, n=7),
            rep.mutation("check_in", "visit", visit, fields=here, n=8),
        )
        visited = row(world, "accounts", account)["last_visited_at"]

        assert outcomes(push(rep, typed)) == {"last_visited_at": "superseded"}
        assert row(world, "accounts", account)["last_visited_at"] == visited

    def test_what_headquarters_computes_stays_when_it_computed_anew(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        mutation = rep.edit("account", account, {"risk_class": "1"})
        set_in_sql(world, account, risk_class="3")

        assert outcomes(push(rep, mutation)) == {"risk_class": "superseded"}

    def test_every_policy_but_sum_is_in_use_and_proved_here_or_beside(self) -> None:
        from app.sync_api.registry import REGISTRY

        used = {f.merge for e in REGISTRY.entities for f in e.fields.values()}
        # ``sum`` and ``min`` wait for orders and stock: tests/sync/test_judgement.py proves them.
        assert set(Merge) - used <= {Merge.SUM, Merge.MIN}


class TestRows:
    @pytest.fixture
    def visit(self, world: World, rep: Person, manager: Person, account: UUID) -> UUID:
        visit = new_id()
        world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=utc_now())
        for position, title in enumerate(["설문", "진열"]):
            world.insert("visit_tasks", id=new_id(), visit_id=visit, title=title, position=position)
        rep.sync()
        manager.sync()
        return visit

    @staticmethod
    def tasks(person: Person, visit: UUID) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = person.records["visit", str(visit)]["tasks"]
        return found

    def edit(
        self, person: Person, visit: UUID, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
    ) -> dict[str, Any]:
        return person.edit("visit", visit, {"tasks": change([dict(t) for t in self.tasks(person, visit)])})

    def test_cells_of_one_row_merge_by_field(
        self, world: World, rep: Person, manager: Person, visit: UUID
    ) -> None:
        mine = self.edit(rep, visit, lambda tasks: [tasks[0] | {"result": "만족"}, tasks[1]])
        push(manager, self.edit(manager, visit, lambda tasks: [tasks[0] | {"title": "설문 2"}, tasks[1]]))

        verdict = push(rep, mine)

        assert outcomes(verdict) == {"tasks": "combined"}
        first = self.tasks(rep, visit)[0]
        assert (first["title"], first["result"]) == ("설문 2", "만족")

    def test_rows_that_both_added_both_stay(
        self, world: World, rep: Person, manager: Person, visit: UUID
    ) -> None:
        new = [{"id": str(new_id()), "title": title, "position": 5} for title in ("내것", "남의것")]
        mine = self.edit(rep, visit, lambda tasks: [*tasks, new[0]])
        push(manager, self.edit(manager, visit, lambda tasks: [*tasks, new[1]]))

        push(rep, mine)

        assert {task["title"] for task in self.tasks(rep, visit)} == {"설문", "진열", "내것", "남의것"}

    def test_a_row_deleted_here_and_edited_there_stays_and_asks(
        self, world: World, rep: Person, manager: Person, visit: UUID
    ) -> None:
        removed = self.tasks(rep, visit)[0]
        mine = self.edit(rep, visit, lambda tasks: tasks[1:])
        push(manager, self.edit(manager, visit, lambda tasks: [tasks[0] | {"result": "만족"}, tasks[1]]))

        verdict = push(rep, mine)

        assert told(verdict) == ("conflict", None)
        assert removed["id"] in {task["id"] for task in self.tasks(rep, visit)}
        item = rep.held("conflict", verdict["conflict_id"])
        assert (item["kind"], item["row_id"], item["mine"]) == ("row", removed["id"], None)

    @pytest.mark.parametrize("op", ["create", "update"])
    def test_without_an_id_are_refused_for_they_could_not_be_merged(
        self, rep: Person, account: UUID, visit: UUID, op: str
    ) -> None:
        fields: dict[str, Any] = {"tasks": [{"title": "이름 없는 일"}]}
        if op == "create":
            fields |= {"account_id": str(account), "planned_start": "2026-11-22T01:00:00Z"}
        record_id = new_id() if op == "create" else visit

        verdict = push(
            rep, rep.mutation(op, "visit", record_id, base_version=1, base={"tasks": []}, fields=fields)
        )

        assert told(verdict) == ("rejected", "required")
        assert verdict["detail"]["errors"] == [{"pointer": "/fields/tasks/0/id", "code": "required"}]

    def test_with_one_id_twice_are_refused(self, rep: Person, visit: UUID) -> None:
        twice = self.edit(rep, visit, lambda tasks: [tasks[0], tasks[0] | {"title": "다른 말"}])

        assert told(push(rep, twice)) == ("rejected", "duplicate_item")
