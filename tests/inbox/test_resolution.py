"""What the merge left for a person: opened, shown, decided over REST and by phones."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from tests.sync.pushing import Json, given, ledger, misbehave, push, row, told
from tests.world import Person, World

BASE, MINE, THEIRS = "가람상사 주식회사", "가람 (내 이름)", "가람 (본사)"
HERE: Json = {"location": {"lat": 37.5, "lon": 127.0, "accuracy_m": 12}}


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def manager(world: World) -> Person:
    return world.person("manager", world.region)


@pytest.fixture
def account(world: World) -> UUID:
    return world.account(legal_name=BASE, notes="출입: 정문", phone="+82255500001")


@pytest.fixture
def conflict(world: World, rep: Person, manager: Person, account: UUID) -> Json:
    """An item on the legal name, as the manager's phone holds it."""
    return asked(world, rep, manager, account, MINE)


def rename(world: World, account: UUID, name: str) -> None:
    world.sql(
        "UPDATE accounts SET legal_name = :name WHERE tenant_id = :tenant AND id = :id", id=account, name=name
    )


def leave(world: World, person: Person) -> None:
    """They are taken out of their territories."""
    world.sql(
        "UPDATE territory_members SET deleted_at = now() WHERE tenant_id = :tenant AND user_id = :id",
        id=person.id,
    )


def asked(world: World, rep: Person, manager: Person, account: UUID, name: str) -> Json:
    rep.sync()
    edit = rep.edit("account", account, {"legal_name": name})
    rename(world, account, THEIRS)
    verdict = push(rep, edit)
    assert verdict["status"] == "conflict"
    manager.sync()
    found = manager.held("conflict", verdict["conflict_id"])
    assert found
    return found


def decide(person: Person, conflict: Json, choice: str, *, shown: Json | None = None, **args: Any) -> Any:
    """Over REST, on the state that *shown* (else *conflict*) holds; the response."""
    seen = shown or conflict
    body = {"choice": choice, "record_version": seen["record_version"]} | args
    return person.call(
        "POST",
        f"/api/v1/conflicts/{conflict['id']}/resolution",
        body,
        **{"If-Match": f'"{seen["version"]}"'},
    )


def pushed(person: Person, conflict: Json, choice: str, **args: Any) -> Json:
    """By a phone; the verdict."""
    fields = {"choice": choice, "record_version": conflict["record_version"]} | args
    return push(
        person,
        person.mutation(
            "resolve", "conflict", conflict["id"], base_version=conflict["version"], fields=fields
        ),
    )


Decide = Callable[..., tuple[int, str | None]]


def by_rest(person: Person, conflict: Json, choice: str, **args: Any) -> str:
    response = decide(person, conflict, choice, **args)
    return "done" if response.status_code == 200 else str(response.json["code"])


def by_phone(person: Person, conflict: Json, choice: str, **args: Any) -> str:
    verdict = pushed(person, conflict, choice, **args)
    return "done" if verdict["status"] in ("applied", "merged") else str(verdict["code"])


WAYS = pytest.mark.parametrize("decided", [by_rest, by_phone])


class TestAnItem:
    def test_tells_who_wanted_what_when_and_on_which_device(
        self, rep: Person, account: UUID, conflict: Json
    ) -> None:
        assert (conflict["kind"], conflict["entity"], conflict["field"]) == ("field", "account", "legal_name")
        assert (conflict["base"], conflict["mine"], conflict["theirs"]) == (BASE, MINE, THEIRS)
        assert (conflict["record_id"], conflict["account_id"]) == (str(account), str(account))
        assert (conflict["author_id"], conflict["device_id"]) == (str(rep.id), str(rep.device_id))
        assert (conflict["state"], conflict["record_version"]) == ("open", 2)

    def test_is_the_same_on_the_authors_phone_on_the_managers_and_over_rest(
        self, rep: Person, manager: Person, conflict: Json
    ) -> None:
        path = f"/api/v1/conflicts/{conflict['id']}"

        assert rep.held("conflict", conflict["id"]) == conflict
        assert manager.call("GET", path).json == conflict == rep.call("GET", path).json
        (listed,) = manager.call("GET", "/api/v1/conflicts?state=open").json["items"]
        assert listed == conflict

    def test_is_unknown_to_colleagues(self, world: World, conflict: Json) -> None:
        colleague = world.person("rep", world.north)
        colleague.sync()

        assert colleague.held("conflict", conflict["id"]) is None
        assert colleague.call("GET", f"/api/v1/conflicts/{conflict['id']}").status_code == 404
        assert colleague.call("GET", "/api/v1/conflicts").json["items"] == []

    def test_is_unknown_to_managers_of_other_territories(self, world: World, conflict: Json) -> None:
        other = world.person("manager", world.south)
        other.sync()

        assert other.held("conflict", conflict["id"]) is None
        assert other.call("GET", f"/api/v1/conflicts/{conflict['id']}").status_code == 404
        assert decide(other, conflict, "mine").status_code == 404

    def test_follows_the_account_to_its_new_manager(
        self, world: World, account: UUID, conflict: Json
    ) -> None:
        other = world.person("manager", world.south)
        other.sync()
        world.sql(
            "UPDATE accounts SET territory_id = :south WHERE tenant_id = :tenant AND id = :id",
            id=account,
            south=world.south,
        )

        other.sync()

        assert other.held("conflict", conflict["id"])


class TestLaterLosers:
    @pytest.fixture
    def colleague(self, world: World, account: UUID) -> Person:
        person = world.person("rep", world.north)
        person.sync()
        return person

    def test_of_the_same_field_join_the_open_item(
        self, world: World, rep: Person, manager: Person, account: UUID, colleague: Person
    ) -> None:
        late = colleague.edit("account", account, {"legal_name": "가람 (동료)"})
        conflict = asked(world, rep, manager, account, MINE)

        verdict = push(colleague, late)

        assert told(verdict) == ("conflict", None)
        assert verdict["conflict_id"] == conflict["id"]
        manager.sync()
        joined = manager.held("conflict", conflict["id"])
        assert joined
        assert joined["mine"] == MINE
        (loser,) = joined["losers"]
        assert (loser["mine"], loser["base"], loser["author_id"]) == ("가람 (동료)", BASE, str(colleague.id))
        assert (loser["mutation_id"], loser["device_id"]) == (late["id"], str(colleague.device_id))
        assert world.sql("SELECT count(*) FROM conflicts WHERE tenant_id = :tenant") == [(1,)]

    def test_have_the_item_on_their_own_phones_too(
        self, world: World, rep: Person, manager: Person, account: UUID, colleague: Person
    ) -> None:
        late = colleague.edit("account", account, {"legal_name": "가람 (동료)"})
        conflict = asked(world, rep, manager, account, MINE)

        push(colleague, late)

        held = colleague.held("conflict", conflict["id"])
        assert held
        assert colleague.call("GET", f"/api/v1/conflicts/{conflict['id']}").json == held

    def test_show_the_value_that_stands_now(
        self, world: World, rep: Person, manager: Person, account: UUID, colleague: Person
    ) -> None:
        late = colleague.edit("account", account, {"legal_name": "가람 (동료)"})
        conflict = asked(world, rep, manager, account, MINE)
        rename(world, account, "가람 (본사 2)")

        push(colleague, late)

        manager.sync()
        joined = manager.held("conflict", conflict["id"])
        assert joined
        assert (joined["theirs"], joined["record_version"]) == ("가람 (본사 2)", 3)

    def test_join_until_there_are_too_many_to_decide_on(
        self, world: World, rep: Person, manager: Person, account: UUID, colleague: Person
    ) -> None:
        late = [colleague.edit("account", account, {"legal_name": f"가람 {n}"}) for n in range(102)]
        for place in range(102):
            late[place]["base"] = {"legal_name": f"기준 {place}"}
        conflict = asked(world, rep, manager, account, MINE)

        verdicts = colleague.sync(*late)

        joined = [v for v in verdicts if v["conflict_id"] == conflict["id"]]
        refused = [v for v in verdicts if v["status"] == "rejected"]
        assert (len(joined), len(refused)) == (100, 2)
        assert {told(v) for v in refused} == {("rejected", "too_many_undecided")}
        listed = colleague.call("GET", "/api/v1/rejections").json["items"]
        assert [i["payload"]["fields"]["legal_name"] for i in listed] == ["가람 101", "가람 100"]
        world.drain()
        manager.sync()
        item = manager.held("conflict", conflict["id"])
        assert item
        assert len(item["losers"]) == 100

    def test_keep_the_author_from_giving_way_for_them(
        self, world: World, rep: Person, manager: Person, account: UUID, colleague: Person
    ) -> None:
        late = colleague.edit("account", account, {"legal_name": "가람 (동료)"})
        conflict = asked(world, rep, manager, account, MINE)
        push(colleague, late)
        rep.sync()
        joined = rep.held("conflict", conflict["id"])
        assert joined

        assert by_rest(rep, joined, "theirs") == "forbidden"
        assert by_rest(colleague, joined, "theirs") == "forbidden"
        assert by_rest(manager, joined, "theirs") == "done"

    def test_of_another_field_open_an_item_of_their_own(
        self, world: World, rep: Person, manager: Person, account: UUID
    ) -> None:
        rep.sync()
        edit = rep.edit("account", account, {"payment_terms": "현금", "legal_name": MINE})
        world.sql(
            "UPDATE accounts SET legal_name = '본사', payment_terms = '어음' WHERE tenant_id = :tenant AND id = :id",
            id=account,
        )

        push(rep, edit)

        found = world.sql("SELECT field FROM conflicts WHERE tenant_id = :tenant ORDER BY field")
        assert found == [("legal_name",), ("payment_terms",)]

    def test_after_the_decision_open_a_new_item(
        self, world: World, rep: Person, manager: Person, account: UUID, colleague: Person
    ) -> None:
        late = colleague.edit("account", account, {"legal_name": "가람 (동료)"})
        conflict = asked(world, rep, manager, account, MINE)
        decide(manager, conflict, "mine")

        verdict = push(colleague, late)

        assert verdict["conflict_id"] not in (None, conflict["id"])


class TestADecision:
    @WAYS
    @pytest.mark.parametrize(
        ("choice", "args", "name", "state"),
        [
            ("mine", {}, MINE, "resolved"),
            ("base", {}, BASE, "resolved"),
            ("value", {"value": "가람 (새 이름)"}, "가람 (새 이름)", "resolved"),
            ("theirs", {}, THEIRS, "discarded"),
        ],
    )
    def test_sets_the_field_and_closes_the_item(
        self,
        world: World,
        manager: Person,
        account: UUID,
        conflict: Json,
        decided: Callable[..., str],
        choice: str,
        args: Json,
        name: str,
        state: str,
    ) -> None:
        assert decided(manager, conflict, choice, reason="등기부 확인", **args) == "done"

        assert row(world, "accounts", account)["legal_name"] == name
        item = row(world, "conflicts", conflict["id"])
        assert (item["state"], item["choice"], item["reason"]) == (state, choice, "등기부 확인")
        assert item["resolved_by"] == str(manager.id)

    @WAYS
    def test_is_a_change_like_others_and_reaches_the_phones(
        self,
        world: World,
        rep: Person,
        manager: Person,
        account: UUID,
        conflict: Json,
        decided: Callable[..., str],
    ) -> None:
        decided(manager, conflict, "mine")

        change = ledger(world, account)[-1]
        assert (change["new"], change["actor_id"]) == ({"legal_name": MINE}, str(manager.id))
        rep.sync()
        held, item = rep.held("account", account), rep.held("conflict", conflict["id"])
        assert held
        assert item
        assert held["legal_name"] == MINE
        assert (item["state"], item["resolution"]) == ("resolved", MINE)

    def test_leaves_the_managers_phone_when_it_is_made(self, manager: Person, conflict: Json) -> None:
        decide(manager, conflict, "mine")

        manager.sync()

        assert manager.held("conflict", conflict["id"]) is None

    def test_is_shown_in_the_history_of_the_customer(
        self, rep: Person, manager: Person, account: UUID, conflict: Json
    ) -> None:
        decide(manager, conflict, "mine")

        entry = rep.call("GET", f"/api/v1/accounts/{account}/history").json["items"][0]

        assert entry["actor"]["id"] == str(manager.id)
        assert [(f["field"], f["old"], f["new"]) for f in entry["fields"]] == [("legal_name", THEIRS, MINE)]

    @WAYS
    def test_on_a_field_that_changed_since_is_refused_with_the_new_state(
        self,
        world: World,
        manager: Person,
        account: UUID,
        conflict: Json,
        decided: Callable[..., str],
    ) -> None:
        rename(world, account, "가람 (본사 2)")

        assert decided(manager, conflict, "mine") == "conflict_changed"
        assert row(world, "accounts", account)["legal_name"] == "가람 (본사 2)"
        assert row(world, "conflicts", conflict["id"])["state"] == "open"

    def test_that_is_stale_is_answered_412_with_the_new_state(
        self, world: World, manager: Person, account: UUID, conflict: Json
    ) -> None:
        rename(world, account, "가람 (본사 2)")

        stale = decide(manager, conflict, "mine")

        assert (stale.status_code, stale.content_type) == (412, "application/problem+json")
        details = stale.json["details"]
        assert (details["record_version"], details["theirs"]) == (3, "가람 (본사 2)")

    @WAYS
    def test_that_is_stale_lets_the_item_show_the_new_state_so_that_it_can_be_made_again(
        self,
        world: World,
        rep: Person,
        manager: Person,
        account: UUID,
        conflict: Json,
        decided: Callable[..., str],
    ) -> None:
        rename(world, account, "가람 (본사 2)")
        assert decided(manager, conflict, "mine") == "conflict_changed"

        manager.sync()
        shown = manager.held("conflict", conflict["id"])

        assert shown
        assert (shown["theirs"], shown["record_version"], shown["mine"]) == ("가람 (본사 2)", 3, MINE)
        assert decided(manager, shown, "mine") == "done"
        assert row(world, "accounts", account)["legal_name"] == MINE

    @WAYS
    def test_stands_though_another_field_changed_since(
        self, world: World, manager: Person, account: UUID, conflict: Json, decided: Callable[..., str]
    ) -> None:
        world.sql("UPDATE accounts SET tier = 'A' WHERE tenant_id = :tenant AND id = :id", id=account)

        assert decided(manager, conflict, "mine") == "done"

    @WAYS
    def test_is_made_once(
        self, world: World, manager: Person, account: UUID, conflict: Json, decided: Callable[..., str]
    ) -> None:
        decide(manager, conflict, "base")
        closed = conflict | {"version": 2}

        assert decided(manager, closed, "mine") == "conflict_closed"
        assert row(world, "accounts", account)["legal_name"] == BASE

    @WAYS
    def test_that_writes_names_the_version_that_it_was_made_on(
        self, manager: Person, conflict: Json, decided: Callable[..., str]
    ) -> None:
        unnamed = decided(manager, conflict, "mine", record_version=None)

        assert unnamed in ("required", "validation_failed")

    @WAYS
    def test_with_a_value_that_the_field_refuses_changes_nothing(
        self, world: World, manager: Person, account: UUID, conflict: Json, decided: Callable[..., str]
    ) -> None:
        assert decided(manager, conflict, "value", value=7) == "type_mismatch"
        assert row(world, "conflicts", conflict["id"])["state"] == "open"

    @WAYS
    @pytest.mark.parametrize("choice", ["explode", None, 7])
    def test_of_no_known_kind_is_refused(
        self, manager: Person, conflict: Json, decided: Callable[..., str], choice: Any
    ) -> None:
        assert decided(manager, conflict, choice) in (
            "validation_failed",
            "choice_unknown",
            "null_not_allowed",
            "type_mismatch",
        )

    def test_needs_the_version_of_the_item_over_rest(self, manager: Person, conflict: Json) -> None:
        path = f"/api/v1/conflicts/{conflict['id']}/resolution"
        body = {"choice": "theirs"}

        assert manager.call("POST", path, body).status_code == 428
        assert manager.call("POST", path, body, **{"If-Match": '"9"'}).status_code == 412

    def test_masks_national_id_numbers_in_what_it_says(
        self, world: World, manager: Person, account: UUID, conflict: Json
    ) -> None:
        response = decide(manager, conflict, "value", value="가람 900101-1234567", reason="900101-1234567")

        assert response.status_code == 200
        assert "1234567" not in str(row(world, "conflicts", conflict["id"]))
        assert row(world, "accounts", account)["legal_name"] == "가람 900101-*******"

    def test_replayed_by_a_phone_is_made_once(
        self, world: World, manager: Person, account: UUID, conflict: Json
    ) -> None:
        fields = {"choice": "mine", "record_version": conflict["record_version"]}
        mutation = manager.mutation("resolve", "conflict", conflict["id"], base_version=1, fields=fields)

        first, second = push(manager, mutation), push(manager, mutation)

        assert (first["status"], second["status"], second["replayed"]) == ("applied", "applied", True)
        assert len(ledger(world, account)) == 3


class TestAManagerWhoLostTheCustomer:
    @pytest.fixture
    def lost(self, world: World, manager: Person, account: UUID) -> Json:
        """An item on the manager's own edit, as their phone still holds it."""
        manager.sync()
        edit = manager.edit("account", account, {"legal_name": MINE})
        rename(world, account, THEIRS)
        verdict = push(manager, edit)
        item = manager.held("conflict", verdict["conflict_id"])
        assert item
        leave(world, manager)
        return item

    def test_may_give_way_and_is_shown_nothing_of_it(self, manager: Person, lost: Json) -> None:
        verdict = pushed(manager, lost, "theirs")

        assert (verdict["status"], verdict["record"]) == ("applied", None)

    def test_is_shown_nothing_of_an_item_that_was_given_to_them(
        self, world: World, rep: Person, manager: Person, conflict: Json
    ) -> None:
        chief = world.person("manager", world.region)
        chief.sync()
        assert decide(manager, conflict, "reassign", to_user_id=str(chief.id)).status_code == 200
        chief.sync()
        assert chief.held("conflict", conflict["id"])

        leave(world, chief)
        chief.sync()

        assert chief.held("conflict", conflict["id"]) is None
        fresh = world.second_phone(chief)
        fresh.sync()
        assert fresh.held("conflict", conflict["id"]) is None


class TestAnAuthor:
    @WAYS
    @pytest.mark.parametrize("choice", ["theirs", "discard"])
    def test_may_give_way(
        self,
        world: World,
        rep: Person,
        account: UUID,
        conflict: Json,
        decided: Callable[..., str],
        choice: str,
    ) -> None:
        assert decided(rep, conflict, choice) == "done"
        assert row(world, "accounts", account)["legal_name"] == THEIRS

    @WAYS
    @pytest.mark.parametrize(("choice", "args"), [("mine", {}), ("base", {}), ("value", {"value": "x"})])
    def test_may_do_no_more(
        self,
        world: World,
        rep: Person,
        account: UUID,
        conflict: Json,
        decided: Callable[..., str],
        choice: str,
        args: Json,
    ) -> None:
        assert decided(rep, conflict, choice, **args) == "forbidden"
        assert row(world, "accounts", account)["legal_name"] == THEIRS

    @WAYS
    def test_gives_way_to_what_they_saw_and_not_to_what_came_since(
        self, world: World, rep: Person, account: UUID, conflict: Json, decided: Callable[..., str]
    ) -> None:
        rename(world, account, "가람 (본사 2)")

        assert decided(rep, conflict, "theirs") == "conflict_changed"


class TestACommand:
    @pytest.fixture
    def visit(self, world: World, rep: Person, account: UUID) -> UUID:
        visit = new_id()
        world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=utc_now())
        rep.sync()
        return visit

    @pytest.fixture
    def item(self, world: World, rep: Person, manager: Person, visit: UUID) -> Json:
        """A check-in at a visit that the office cancelled."""
        check_in = rep.mutation("check_in", "visit", visit, base_version=1, fields=HERE)
        world.sql("UPDATE visits SET status = 'cancelled' WHERE tenant_id = :tenant AND id = :id", id=visit)
        verdict = push(rep, check_in)
        manager.sync()
        found = manager.held("conflict", verdict["conflict_id"])
        assert found
        return found

    @WAYS
    def test_is_applied_from_the_state_that_the_phone_saw_and_at_its_time(
        self, world: World, manager: Person, visit: UUID, item: Json, decided: Callable[..., str]
    ) -> None:
        assert decided(manager, item, "apply") == "done"

        found = row(world, "visits", visit)
        assert found["status"] == "checked_in"
        happened = datetime.fromisoformat(item["happened_at"])
        assert datetime.fromisoformat(found["checked_in_at"]) == happened

    @WAYS
    def test_is_discarded_with_a_reason(
        self, world: World, manager: Person, visit: UUID, item: Json, decided: Callable[..., str]
    ) -> None:
        assert decided(manager, item, "discard", reason="취소된 방문") == "done"
        assert row(world, "visits", visit)["status"] == "cancelled"

    @WAYS
    def test_takes_no_value(self, manager: Person, item: Json, decided: Callable[..., str]) -> None:
        assert decided(manager, item, "value", value="checked_in") == "choice_not_possible"

    @WAYS
    def test_is_not_for_its_author_to_apply(
        self, rep: Person, item: Json, decided: Callable[..., str]
    ) -> None:
        assert decided(rep, item, "apply") == "forbidden"

    def test_on_a_visit_that_moved_on_is_refused_with_the_new_state(
        self, world: World, manager: Person, visit: UUID, item: Json
    ) -> None:
        world.sql("UPDATE visits SET status = 'planned' WHERE tenant_id = :tenant AND id = :id", id=visit)

        assert by_rest(manager, item, "apply") == "conflict_changed"

    def test_may_be_discarded_whatever_happened_since(
        self, world: World, rep: Person, visit: UUID, item: Json
    ) -> None:
        world.sql("UPDATE visits SET status = 'planned' WHERE tenant_id = :tenant AND id = :id", id=visit)

        assert by_rest(rep, item, "discard") == "done"

    def test_on_a_visit_that_was_given_away_is_applied_for_the_new_assignee(
        self, world: World, manager: Person, account: UUID
    ) -> None:
        technician, other = world.person("technician"), world.person("technician")
        visit = new_id()
        world.insert(
            "visits", id=visit, account_id=account, assignee_id=technician.id, planned_start=utc_now()
        )
        technician.sync()
        given(world, technician)
        world.sql(
            "UPDATE visits SET assignee_id = :user WHERE tenant_id = :tenant AND id = :id",
            id=visit,
            user=other.id,
        )
        verdict = push(
            technician, technician.mutation("check_in", "visit", visit, base_version=1, fields=HERE)
        )
        manager.sync()
        item = manager.held("conflict", verdict["conflict_id"])
        assert item

        assert by_rest(manager, item, "apply") == "done"
        assert row(world, "visits", visit)["status"] == "checked_in"

    def test_on_a_visit_that_was_given_away_tells_its_author_nothing_of_it(
        self, world: World, account: UUID
    ) -> None:
        technician, other = world.person("technician"), world.person("technician")
        visits = [new_id(), new_id()]  # the second keeps the account in the technician's scope
        for visit in visits:
            world.insert(
                "visits", id=visit, account_id=account, assignee_id=technician.id, planned_start=utc_now()
            )
        technician.sync()
        given(world, technician)
        world.sql(
            "UPDATE visits SET assignee_id = :user WHERE tenant_id = :tenant AND id = :id",
            id=visits[0],
            user=other.id,
        )
        verdict = push(
            technician, technician.mutation("check_in", "visit", visits[0], base_version=1, fields=HERE)
        )

        shown = technician.call("GET", f"/api/v1/conflicts/{verdict['conflict_id']}").json

        assert (shown["base"], shown["theirs"], shown["record_version"]) == (None, None, None)
        assert technician.held("conflict", verdict["conflict_id"]) == shown


class TestWholeMutations:
    @pytest.fixture
    def task(self, world: World, rep: Person, account: UUID) -> UUID:
        task = new_id()
        world.insert("tasks", id=task, account_id=account, assignee_id=rep.id, title="견적")
        rep.sync()
        return task

    def item_of(self, manager: Person, verdict: Json) -> Json:
        assert verdict["status"] == "conflict"
        manager.sync()
        found = manager.held("conflict", verdict["conflict_id"])
        assert found
        return found

    @WAYS
    def test_an_edit_of_what_was_deleted_restores_it_when_applied(
        self, world: World, rep: Person, manager: Person, task: UUID, decided: Callable[..., str]
    ) -> None:
        edit = rep.edit("task", task, {"title": "고친 견적"})
        world.sql("UPDATE tasks SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=task)
        item = self.item_of(manager, push(rep, edit))

        assert decided(manager, item, "apply") == "done"

        found = row(world, "tasks", task)
        assert (found["deleted_at"], found["title"]) == (None, "고친 견적")
        rep.sync()
        assert rep.held("task", task)

    def test_a_deleted_record_never_comes_back_by_itself(
        self, world: World, rep: Person, manager: Person, task: UUID
    ) -> None:
        edit = rep.edit("task", task, {"title": "고친 견적"})
        world.sql("UPDATE tasks SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=task)
        item = self.item_of(manager, push(rep, edit))

        assert by_rest(manager, item, "discard") == "done"
        assert row(world, "tasks", task)["deleted_at"]

    @WAYS
    def test_an_edit_of_a_deleted_customer_is_decided_by_the_manager_who_may_restore_it(
        self, world: World, rep: Person, manager: Person, account: UUID, decided: Callable[..., str]
    ) -> None:
        rep.sync()
        edit = rep.edit("account", account, {"tier": "A"})
        world.sql("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=account)
        item = self.item_of(manager, push(rep, edit))

        assert decided(manager, item, "apply") == "done"
        assert (row(world, "accounts", account)["deleted_at"], row(world, "accounts", account)["tier"]) == (
            None,
            "A",
        )

    @WAYS
    def test_a_delete_of_what_was_edited_is_done_when_applied(
        self, world: World, rep: Person, manager: Person, task: UUID, decided: Callable[..., str]
    ) -> None:
        delete = rep.mutation("delete", "task", task, base_version=1)
        world.sql("UPDATE tasks SET title = '바뀐 일' WHERE tenant_id = :tenant AND id = :id", id=task)
        item = self.item_of(manager, push(rep, delete))

        assert decided(manager, item, "apply") == "done"
        assert row(world, "tasks", task)["deleted_at"]

    def test_that_failed_in_the_server_may_be_discarded_by_their_author(
        self, world: World, rep: Person, manager: Person, task: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError

        misbehave(monkeypatch, "task", update=fail)
        item = self.item_of(manager, push(rep, rep.edit("task", task, {"title": "고친 견적"})))

        assert by_rest(manager, item, "apply") == "failed"
        assert by_rest(rep, item, "discard") == "done"

    def test_of_a_text_take_the_text_that_a_person_wrote_of_both(
        self, world: World, rep: Person, manager: Person, account: UUID
    ) -> None:
        rep.sync()
        edit = rep.edit("account", account, {"notes": "출입: 서문"})
        world.sql(
            "UPDATE accounts SET notes = '출입: 북문' WHERE tenant_id = :tenant AND id = :id", id=account
        )
        item = self.item_of(manager, push(rep, edit))

        assert by_rest(manager, item, "value", value="출입: 서문 또는 북문") == "done"
        assert row(world, "accounts", account)["notes"] == "출입: 서문 또는 북문"

    @pytest.mark.parametrize(("choice", "titles"), [("mine", ["진열"]), ("theirs", ["설문", "진열"])])
    def test_of_a_row_take_it_out_or_leave_it(
        self, world: World, rep: Person, manager: Person, account: UUID, choice: str, titles: list[str]
    ) -> None:
        visit = new_id()
        world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=utc_now())
        rows = [new_id(), new_id()]
        for position, (task, title) in enumerate(zip(rows, ["설문", "진열"], strict=True)):
            world.insert("visit_tasks", id=task, visit_id=visit, title=title, position=position)
        rep.sync()
        without_first = rep.records["visit", str(visit)]["tasks"][1:]
        edit = rep.edit("visit", visit, {"tasks": without_first})
        world.sql("UPDATE visit_tasks SET result = '만족' WHERE tenant_id = :tenant AND id = :id", id=rows[0])
        item = self.item_of(manager, push(rep, edit))

        assert by_rest(manager, item, choice) == "done"
        found = world.sql(
            "SELECT title FROM visit_tasks WHERE tenant_id = :tenant AND visit_id = :id ORDER BY position",
            id=visit,
        )
        assert [title for (title,) in found] == titles
