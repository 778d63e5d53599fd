"""By every door the same: what the server holds in the end, what its history tells, what its inbox asks."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.core.scope import Role
from tests.doors.absence import delete, forget_all
from tests.doors.door import Device, Door, Lost
from tests.world import Person, World, wire

Hand = Callable[[Person], Device]


@pytest.fixture(autouse=True)
def compared(world: World, same_by_every_door: Callable[[World], None]) -> None:
    """Records, history, inbox and rejections are the same in the end, whatever the door."""
    same_by_every_door(world)


def account_of(world: World, account: str) -> Any:
    rows = world.sql(
        "SELECT name, legal_name, phone, tags, notes, deleted_at IS NOT NULL AS deleted FROM accounts"
        " WHERE tenant_id = :tenant AND id = :id",
        id=account,
    )
    return rows[0]


def inbox(world: World) -> list[tuple[Any, ...]]:
    rows = world.sql(
        "SELECT kind, entity, field, mine #>> '{}', theirs #>> '{}' FROM conflicts"
        " WHERE tenant_id = :tenant AND state = 'open' ORDER BY created_at"
    )
    return [tuple(row) for row in rows]


def history(world: World, record: str) -> list[tuple[Any, ...]]:
    rows = world.sql(
        "SELECT op, (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(new) AS k), actor_kind FROM changes"
        " WHERE tenant_id = :tenant AND record_id = :id ORDER BY id",
        id=record,
    )
    return [tuple(row) for row in rows]


def rejections(world: World) -> list[tuple[Any, ...]]:
    rows = world.sql(
        "SELECT entity, op, record_id::text FROM sync_mutations WHERE tenant_id = :tenant AND status = 'rejected'"
        " ORDER BY judged_at"
    )
    return [tuple(row) for row in rows]


def resolve(manager: Person, item: Any, version: int) -> None:
    """Do what an item holds as a whole, on the record as the manager sees it."""
    path = f"/api/v1/conflicts/{item}"
    shown = manager.call("GET", path).json["record_version"]
    decision = {"choice": "apply", "record_version": shown, "reason": "확인"}
    answer = manager.call("POST", f"{path}/resolution", decision, **{"If-Match": f'"{version}"'})
    assert answer.status_code == 200, answer.get_data(as_text=True)


def task(title: str, position: int) -> dict[str, Any]:
    return {
        "id": str(new_id()),
        "kind": "other",
        "title": title,
        "required": False,
        "position": position,
        "done": False,
    }


def soon() -> dict[str, str]:
    start = utc_now() + timedelta(hours=1)
    return {"planned_start": wire(start), "planned_end": wire(start + timedelta(hours=1))}


@pytest.mark.scenario("merge")
class TestMerge:
    def test_edits_of_two_fields_both_stay(self, world: World, device: Hand) -> None:
        account = str(world.account(name="가람상사", phone="+8220000001"))
        person = world.person(Role.REP, world.north)
        one, other = device(person), device(world.second_phone(person))
        one.edit("account", account, name="가람상사(주)")
        other.edit("account", account, phone="+8220000002")

        for each in (one, other, one):
            each.sync()

        found = account_of(world, account)
        assert (found.name, found.phone) == ("가람상사(주)", "+8220000002")
        assert inbox(world) == []
        assert [entry[1] for entry in history(world, account)[1:]] == [["name"], ["phone"]]
        for each in (one, other):
            each.settle()
            seen = each.get("account", account)
            assert seen is not None
            assert (seen["name"], seen["phone"]) == ("가람상사(주)", "+8220000002")

    def test_tags_are_merged_one_by_one(self, world: World, device: Hand) -> None:
        account = str(world.account(tags=["가", "나", "다"]))
        person = world.person(Role.REP, world.north)
        one, other = device(person), device(world.second_phone(person))
        one.edit("account", account, tags=["나", "다", "라"])
        other.edit("account", account, tags=["가", "나", "마"])

        for each in (one, other, one):
            each.sync()

        assert set(account_of(world, account).tags) == {"나", "라", "마"}
        assert inbox(world) == []

    def test_lines_of_a_note_are_merged(self, world: World, device: Hand) -> None:
        account = str(world.account(notes="첫째 줄\n둘째 줄\n셋째 줄"))
        person = world.person(Role.REP, world.north)
        one, other = device(person), device(world.second_phone(person))
        one.edit("account", account, notes="첫째 줄 고침\n둘째 줄\n셋째 줄")
        other.edit("account", account, notes="첫째 줄\n둘째 줄\n셋째 줄 고침")

        for each in (one, other, one):
            each.sync()

        assert account_of(world, account).notes == "첫째 줄 고침\n둘째 줄\n셋째 줄 고침"
        assert inbox(world) == []

    def test_tasks_of_a_visit_are_merged_row_by_row(self, world: World, device: Hand) -> None:
        account, person = world.account(), world.person(Role.REP, world.north)
        first, second = task("재고 확인", 1), task("주문 받기", 2)
        one = device(person)
        visit = one.create(
            "visit", account_id=str(account), assignee_id=str(person.id), **soon(), tasks=[first, second]
        )
        one.sync()
        other = device(world.second_phone(person))
        one.settle()
        one.edit("visit", visit, tasks=[first | {"done": True}, second])
        third = task("전단 놓기", 3)
        other.edit("visit", visit, tasks=[first, second | {"title": "주문 받고 확인"}, third])

        for each in (one, other, one):
            each.sync()

        rows = world.sql("SELECT title, done FROM visit_tasks WHERE tenant_id = :tenant ORDER BY position")
        assert [tuple(row) for row in rows] == [
            ("재고 확인", True),
            ("주문 받고 확인", False),
            ("전단 놓기", False),
        ]
        assert inbox(world) == []


@pytest.mark.scenario("conflict")
class TestConflict:
    def test_the_later_edit_of_one_field_stays_and_the_earlier_is_in_the_history(
        self, world: World, device: Hand
    ) -> None:
        account = str(world.account(phone="+8220000001"))
        person = world.person(Role.REP, world.north)
        one, other = device(person), device(world.second_phone(person))
        one.edit("account", account, phone="+8220000002")
        one.sync()
        other.edit("account", account, phone="+8220000003")

        for each in (other, one):
            each.settle()

        assert account_of(world, account).phone == "+8220000003"
        assert [entry[1] for entry in history(world, account)[1:]] == [["phone"], ["phone"]]
        assert inbox(world) == []
        assert [each.get("account", account)["phone"] for each in (one, other)] == ["+8220000003"] * 2  # type: ignore[index]

    def test_two_legal_names_wait_for_a_person(self, world: World, device: Hand) -> None:
        account = str(world.account(legal_name="가람"))
        person = world.person(Role.REP, world.north)
        one, other = device(person), device(world.second_phone(person))
        one.edit("account", account, legal_name="가람 주식회사")
        other.edit("account", account, legal_name="가람 유한회사")

        for each in (one, other):
            each.sync()
        for each in (one, other):
            each.settle()

        assert account_of(world, account).legal_name == "가람 주식회사"
        assert inbox(world) == [("field", "account", "legal_name", "가람 유한회사", "가람 주식회사")]
        seen = [each.get("account", account)["legal_name"] for each in (one, other)]  # type: ignore[index]
        assert seen == ["가람 주식회사"] * 2

    def test_a_note_written_over_by_two_waits_with_both_texts(self, world: World, device: Hand) -> None:
        account = str(world.account(notes="문이 닫혀 있음"))
        person = world.person(Role.REP, world.north)
        one, other = device(person), device(world.second_phone(person))
        one.edit("account", account, notes="문이 열려 있음")
        other.edit("account", account, notes="뒷문이 닫혀 있음")

        for each in (one, other):
            each.settle()

        assert account_of(world, account).notes == "문이 열려 있음"
        assert inbox(world) == [("text", "account", "notes", "뒷문이 닫혀 있음", "문이 열려 있음")]


@pytest.mark.scenario("reject")
class TestRefused:
    def test_an_edit_that_the_server_refuses_is_listed_and_taken_back(
        self, world: World, device: Hand
    ) -> None:
        account = str(world.account(name="가람상사"))
        person = world.person(Role.REP, world.north)
        one = device(person)
        one.edit(
            "account", account, name=""
        )  # what hangs on a record that is not there yet may wait, by some doors
        one.settle()

        assert rejections(world) == [("account", "update", account)]
        assert one.get("account", account)["name"] == "가람상사"  # type: ignore[index]
        assert history(world, account) == history(world, account)[:1]

    def test_a_refused_new_record_leaves_the_device(self, world: World, device: Hand) -> None:
        account = str(world.account())
        person = world.person(Role.REP, world.north)
        one = device(person)
        contact = one.create("contact", account_id=account, name="")
        one.settle()

        assert rejections(world) == [("contact", "create", contact)]
        assert one.get("contact", contact) is None

    def test_a_refused_delete_brings_the_record_back(self, world: World, device: Hand) -> None:
        account = world.account()
        world.insert("contacts", id=(contact := new_id()), account_id=account, name="윤담당")
        person = world.person(Role.REP, world.north)
        one = device(person)
        one.delete("account", str(account))
        assert one.get("account", str(account)) is None
        one.settle()

        assert rejections(world) == [("account", "delete", str(account))]
        assert one.get("account", str(account)) is not None
        assert one.ids("contact") == {str(contact)}


@pytest.mark.scenario("delete against edit")
class TestDeleteAgainstEdit:
    def test_an_edit_of_what_another_deleted_waits_in_the_inbox(self, world: World, device: Hand) -> None:
        contact, one, other = two_with_a_contact(world, device)
        other.edit("contact", contact, phone="+8220000002")
        one.delete("contact", contact)
        one.sync()
        other.settle()

        assert live(world, contact) == []
        assert [item[:2] for item in inbox(world)] == [("deleted", "contact")]
        assert [each.get("contact", contact) for each in (one, other)] == [None, None]

    def test_a_delete_of_what_another_edited_waits_and_the_record_stays(
        self, world: World, device: Hand
    ) -> None:
        contact, one, other = two_with_a_contact(world, device)
        other.edit("contact", contact, phone="+8220000002")
        one.delete("contact", contact)
        other.sync()
        one.settle()

        assert live(world, contact) == ["+8220000002"]
        assert [item[:2] for item in inbox(world)] == [("delete", "contact")]
        assert one.get("contact", contact)["phone"] == "+8220000002"  # type: ignore[index]


def two_with_a_contact(world: World, device: Hand) -> tuple[str, Device, Device]:
    world.insert("contacts", id=(contact := new_id()), account_id=world.account(), name="윤담당")
    person = world.person(Role.REP, world.north)
    return str(contact), device(person), device(world.second_phone(person))


def live(world: World, contact: str) -> list[str]:
    rows = world.sql(
        "SELECT phone FROM contacts WHERE tenant_id = :tenant AND id = :id AND deleted_at IS NULL", id=contact
    )
    return [row[0] for row in rows]


class TestScope:
    @pytest.mark.scenario("scope lost with unsent edits")
    def test_an_edit_of_what_left_the_scope_waits_in_the_inbox(self, world: World, device: Hand) -> None:
        account = str(world.account(phone="+8220000001"))
        person = world.person(Role.REP, world.north)
        one = device(person)
        one.edit("account", account, phone="+8220000002")
        world.sql("UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant", to=world.south)
        one.sync()
        one.settle()

        assert account_of(world, account).phone == "+8220000001"
        assert [item[:2] for item in inbox(world)] == [("out_of_scope", "account")]
        assert one.get("account", account) is None

    @pytest.mark.scenario("scope gained")
    def test_what_comes_into_the_scope_arrives_whole(self, world: World, device: Hand) -> None:
        account = world.account(world.south)
        world.insert("contacts", id=(contact := new_id()), account_id=account, name="윤담당")
        person = world.person(Role.REP, world.north)
        one = device(person)
        assert one.ids("account") == set()
        with world.session() as session:
            world.join(session, person.id, world.south)
        one.settle()

        assert one.ids("account") == {str(account)}
        assert one.ids("contact") == {str(contact)}


@pytest.mark.scenario("replay")
class TestLostAnswer:
    def test_a_push_whose_answer_was_lost_has_one_effect(self, world: World, device: Hand) -> None:
        account = str(world.account(tags=["가"], legal_name="가람"))
        person = world.person(Role.REP, world.north)
        one, other = device(person), device(world.second_phone(person))
        other.edit("account", account, legal_name="가람 주식회사")
        other.sync()
        contact = one.create("contact", account_id=account, name="윤담당")
        mine = {"tags": ["나", "가"], "phone": "02-555-0100", "legal_name": "가람 유한회사"}
        one.edit("account", account, **mine)
        one.lose_answer_of_push()
        with suppress(Lost):
            one.sync()
        one.settle()

        assert account_of(world, account).tags == ["가", "나"]
        assert [entry[0] for entry in history(world, contact)] == ["insert"]
        assert [entry[1] for entry in history(world, account)[1:]] == [["legal_name"], ["phone", "tags"]]
        assert inbox(world) == [("field", "account", "legal_name", "가람 유한회사", "가람 주식회사")]
        assert rejections(world) == []
        shown = one.get("account", account) or {}
        kept = ("가람 주식회사", "+8225550100", ["가", "나"])
        assert (shown["legal_name"], shown["phone"], shown["tags"]) == kept
        assert one.ids("contact") == {contact}


@pytest.mark.scenario("group")
class TestGroups:
    def test_one_refused_edit_takes_the_others_of_its_group_along_where_the_client_can_tell_groups(
        self, world: World, device: Hand, door: Door
    ) -> None:
        first, second, third = (
            str(world.account(name=name)) for name in ("가람상사", "나래상사", "다온상사")
        )
        one = device(world.person(Role.REP, world.north))
        with one.group():
            one.edit("account", first, name="가람물산")
            one.edit("account", second, name="")
        one.edit("account", third, phone="+8220000002")
        one.settle()

        # Where it cannot, each is judged by itself.
        kept = "가람상사" if door.tells["group"] else "가람물산"
        assert account_of(world, first).name == kept
        assert one.get("account", first)["name"] == kept  # type: ignore[index]
        assert account_of(world, second).name == "나래상사"
        assert account_of(world, third).phone == "+8220000002"
        assert inbox(world) == []

    def test_a_group_that_waits_for_a_person_can_be_done_as_it_was_meant(
        self, world: World, device: Hand, door: Door
    ) -> None:
        first = str(world.account(name="가람상사", tags=["가", "나"]))
        world.insert("contacts", id=(contact := new_id()), account_id=first, name="윤담당")
        person, manager = world.person(Role.REP, world.north), world.person(Role.MANAGER, world.north)
        one = device(person)
        with one.group():
            one.edit("account", first, tags=["나", "다"])
            one.edit("contact", str(contact), name="김담당")
        world.sql("UPDATE accounts SET tags = '{가,나,라}' WHERE tenant_id = :tenant")
        world.sql("UPDATE contacts SET deleted_at = now() WHERE tenant_id = :tenant")
        one.settle()

        ((item, version, kind),) = world.sql(
            "SELECT id, version, kind FROM conflicts WHERE tenant_id = :tenant"
        )
        assert kind == ("group" if door.tells["group"] else "deleted")
        assert set(account_of(world, first).tags) == (
            {"가", "나", "라"} if door.tells["group"] else {"나", "다", "라"}
        )
        resolve(manager, item, version)
        assert set(account_of(world, first).tags) == {"나", "다", "라"}
        rows = world.sql("SELECT name FROM contacts WHERE tenant_id = :tenant AND deleted_at IS NULL")
        assert [row[0] for row in rows] == ["김담당"]

    def test_a_group_is_taken_as_a_whole_with_records_that_hang_on_each_other(
        self, world: World, device: Hand
    ) -> None:
        old = str(world.account(name="가람상사"))
        one = device(world.person(Role.REP, world.north))
        with one.group():
            account = one.create("account", name="새 가게", territory_id=str(world.north))
            contact = one.create("contact", account_id=account, name="윤담당")
            one.edit("account", old, name="가람물산")
        visit = one.create("contact", account_id=account, name="김담당")
        one.settle()

        assert account_of(world, old).name == "가람물산"
        assert one.ids("contact") == {contact, visit}
        assert rejections(world) == []
        assert inbox(world) == []


@pytest.mark.scenario("command")
class TestCommands:
    def test_a_step_of_a_visit_is_done_and_edits_around_it_stay(self, world: World, device: Hand) -> None:
        account, person = world.account(), world.person(Role.REP, world.north)
        one = device(person)
        visit = one.create("visit", account_id=str(account), assignee_id=str(person.id), **soon())
        one.settle()
        one.edit("visit", visit, report="재고가 없음")
        one.command("visit", visit, "check_in")
        one.edit("visit", visit, outcome="견적")
        one.settle()

        rows = world.sql("SELECT status, report, outcome FROM visits WHERE tenant_id = :tenant")
        assert [tuple(row) for row in rows] == [("checked_in", "재고가 없음", "견적")]
        held = one.get("visit", visit)
        assert held is not None
        assert (held["status"], held["report"], held["outcome"]) == ("checked_in", "재고가 없음", "견적")
        assert inbox(world) == []


@pytest.mark.scenario("locked out with unsent edits")
class TestLockedOut:
    def test_what_a_dismissed_person_had_not_sent_waits_unjudged_for_their_manager(
        self, world: World, device: Hand
    ) -> None:
        account = str(world.account(phone="+8220000001"))
        person = world.person(Role.REP, world.north)
        one = device(person)
        one.edit("account", account, phone="+8220000002")
        contact = one.create("contact", account_id=account, name="윤담당")
        world.sql("UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :id", id=person.id)
        world.account(name="나래상사")
        one.hand_in()
        one.hand_in()

        assert account_of(world, account).phone == "+8220000001"
        rows = world.sql(
            "SELECT kind, entity, record_id::text, mine ->> 'op', mine -> 'fields' FROM conflicts"
            " WHERE tenant_id = :tenant ORDER BY entity"
        )
        assert [tuple(row) for row in rows] == [
            ("quarantined", "account", account, "update", {"phone": "+8220000002"}),
            ("quarantined", "contact", contact, "create", {"account_id": account, "name": "윤담당"}),
        ]
        assert len(one.ids("account")) <= 1, "nothing is given to who was locked out"

    def test_and_the_manager_can_do_it_as_it_was_meant(self, world: World, device: Hand) -> None:
        account = str(world.account(phone="+8220000001", tags=["가", "나"]))
        person, manager = world.person(Role.REP, world.north), world.person(Role.MANAGER, world.north)
        one = device(person)
        one.edit("account", account, tags=["나", "다"])
        world.sql("UPDATE accounts SET tags = '{가,나,라}' WHERE tenant_id = :tenant")
        world.sql("UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :id", id=person.id)
        one.hand_in()
        ((item, version),) = world.sql("SELECT id, version FROM conflicts WHERE tenant_id = :tenant")
        resolve(manager, item, version)

        assert set(account_of(world, account).tags) == {"나", "다", "라"}


@pytest.mark.scenario("schema migration")
class TestNewerApp:
    def test_is_given_what_the_older_one_did_not_know_and_had_not_emptied(
        self, world: World, older: Hand
    ) -> None:
        account = str(world.account(name="가람상사", phone="+8220000001"))
        world.insert("contacts", id=(contact := new_id()), account_id=account, name="윤담당")
        one = older(world.person(Role.REP, world.north))
        one.edit("account", account, name="가람물산")
        one.sync()
        one.edit("account", account, legal_name="가람물산 주식회사")
        one.update_app()
        one.settle()

        found = account_of(world, account)
        assert (found.name, found.legal_name, found.phone) == ("가람물산", "가람물산 주식회사", "+8220000001")
        assert one.get("account", account)["phone"] == "+8220000001"  # type: ignore[index]
        assert one.ids("contact") == {str(contact)}
        one.edit("account", account, phone="+8220000002")
        one.settle()
        assert account_of(world, account).phone == "+8220000002"
        assert inbox(world) == rejections(world) == []


@pytest.fixture(scope="module")
def crowd(served: Flask, pools: Database) -> World:
    """A company of 20,000 customers, for all doors."""
    world = World(served, pools)
    world.sql(
        "INSERT INTO accounts (tenant_id, id, name, territory_id)"
        " SELECT :tenant, gen_random_uuid(), '가게 ' || n, :north FROM generate_series(1, 20000) AS n",
        north=world.north,
    )
    world.engine_sql(
        "INSERT INTO sync_settings (tenant_id, records_warn, records_cap) VALUES (:tenant, 30000, 40000)"
        " ON CONFLICT (tenant_id) DO UPDATE SET records_warn = 30000, records_cap = 40000"
    )
    world.drain()
    return world


@pytest.mark.scenario("paging of 20,000 records")
@pytest.mark.more
class TestManyRecords:
    def test_arrive_page_by_page_and_then_only_what_changes(
        self, crowd: World, device: Hand, door: Door
    ) -> None:
        one = device(crowd.person(Role.REP, crowd.north))
        held = one.ids("account")
        assert {str(row[0]) for row in crowd.sql("SELECT id FROM accounts WHERE tenant_id = :tenant")} == held
        changed, mine = sorted(held)[:2]
        crowd.sql(
            "UPDATE accounts SET website = :site WHERE tenant_id = :tenant AND id = :id",
            site=f"https://{door.name}.example",
            id=changed,
        )
        one.edit("account", mine, website=f"https://my-{door.name}.example")
        one.settle()

        assert one.get("account", changed)["website"] == f"https://{door.name}.example"  # type: ignore[index]
        rows = crowd.sql("SELECT website FROM accounts WHERE tenant_id = :tenant AND id = :id", id=mine)
        assert [row[0] for row in rows] == [f"https://my-{door.name}.example"]
        assert one.ids("account") == held


@pytest.mark.scenario("away for half a year")
@pytest.mark.more
class TestAbsence:
    def test_what_went_meanwhile_leaves_the_device_and_what_waits_on_it_is_judged(
        self, world: World, device: Hand
    ) -> None:
        kept, gone, left = (
            str(world.account(name=name)) for name in ("남은 가게", "없어진 가게", "남의 가게")
        )
        world.insert("contacts", id=(other := new_id()), account_id=kept, name="옛 담당")
        one = device(world.person(Role.REP, world.north))
        one.edit("account", kept, phone="+8220000002")
        one.edit("account", gone, phone="+8220000003")
        one.delete("contact", str(other))
        made = one.create("contact", account_id=kept, name="윤담당")
        delete(world, gone)
        world.sql("UPDATE accounts SET territory_id = :to WHERE id = :id", to=world.south, id=left)
        forget_all(world)
        one.sync()
        one.settle()

        assert one.ids("account") == {kept}
        assert one.ids("contact") == {made}
        assert account_of(world, kept).phone == "+8220000002"
        assert [row[0] for row in world.sql("SELECT name FROM contacts WHERE deleted_at IS NULL")] == [
            "윤담당"
        ]
        assert world.sql("SELECT count(*) FROM accounts WHERE deleted_at IS NULL") == [(2,)]
        assert [item[0] for item in inbox(world)] == ["deleted"]

    def test_what_a_reset_took_away_leaves_the_device(self, world: World, device: Hand) -> None:
        """As a sandbox goes back: rows change like any others, and no cursor is worth anything any more."""
        kept, gone = str(world.account(name="남은 가게")), str(world.account(name="없어진 가게"))
        one = device(world.person(Role.REP, world.north))
        delete(world, gone)
        world.engine_sql(
            "UPDATE sync_heads SET position = position + 1, floor = position + 1 WHERE tenant_id = :tenant"
        )
        world.sql("UPDATE accounts SET notes = '처음' WHERE tenant_id = :tenant AND id = :id", id=kept)
        world.drain()
        one.settle()

        assert one.ids("account") == {kept}
        assert one.get("account", kept)["notes"] == "처음"  # type: ignore[index]
