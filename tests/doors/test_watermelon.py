"""What the door for WatermelonDB does beyond the scenarios, shown with the published client."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.core.ids import new_id
from app.core.scope import Role
from app.sync_api.exchange import Exchange
from sdk.stores.document import Catalogue
from sdk.stores.kept import Kept
from sdk.stores.watermelon import tables_of
from tests.doors.door import Lost
from tests.doors.test_scenarios import account_of, history, inbox, rejections
from tests.doors.watermelon import WatermelonDevice
from tests.world import World

Melon = Callable[..., WatermelonDevice]


def wait(device: WatermelonDevice, **lost: int) -> None:
    """A sync whose push does not arrive."""
    device.behave(fail={"GET": 0, "POST": 1})
    with pytest.raises(Lost):
        device.sync()


class TestBase:
    """Three failed pushes are a normal day in a cellar."""

    def test_an_edit_is_based_on_the_last_answered_push_however_often_the_device_pulled_since(
        self, world: World, melon: Melon
    ) -> None:
        account = str(world.account(legal_name="가람"))
        one = melon(world.person(Role.REP, world.north))
        one.edit("account", account, legal_name="가람 유한회사")
        for name in ("가람 주식회사", "가람산업 주식회사"):
            world.sql("UPDATE accounts SET legal_name = :name WHERE tenant_id = :tenant", name=name)
            wait(one)
        one.settle()

        assert account_of(world, account).legal_name == "가람산업 주식회사"
        assert inbox(world) == [("field", "account", "legal_name", "가람 유한회사", "가람산업 주식회사")]

    def test_what_the_user_saw_before_they_edited_is_no_conflict_once_the_app_said_that_nothing_waited(
        self, world: World, melon: Melon
    ) -> None:
        account = str(world.account(legal_name="가람"))
        one = melon(world.person(Role.REP, world.north))
        world.sql("UPDATE accounts SET legal_name = '가람 주식회사' WHERE tenant_id = :tenant")
        one.settle()
        one.edit("account", account, legal_name="가람 유한회사")
        one.settle()

        assert account_of(world, account).legal_name == "가람 유한회사"
        assert inbox(world) == []

    def test_tags_whose_base_nobody_can_tell_wait_for_a_person(self, world: World, melon: Melon) -> None:
        """Was the new tag not seen yet, or taken away? Both look the same."""
        account = str(world.account(tags=["가"]))
        one = melon(world.person(Role.REP, world.north))
        world.sql("UPDATE accounts SET tags = '{가,나}' WHERE tenant_id = :tenant")
        one.sync()
        one.edit("account", account, tags=["가"])
        one.edit("account", account, tags=["가", "다"])
        one.sync()

        assert account_of(world, account).tags == ["가", "나"]
        assert [item[:3] for item in inbox(world)] == [("field", "account", "tags")]

    def test_tags_are_merged_where_every_base_comes_to_the_same(self, world: World, melon: Melon) -> None:
        account = str(world.account(tags=["가"]))
        one = melon(world.person(Role.REP, world.north))
        world.sql("UPDATE accounts SET tags = '{가,나}' WHERE tenant_id = :tenant")
        one.sync()
        one.edit("account", account, tags=["가", "나", "다"])
        one.sync()

        assert account_of(world, account).tags == ["가", "나", "다"]
        assert inbox(world) == []

    def test_own_edits_that_were_answered_are_part_of_the_base(self, world: World, melon: Melon) -> None:
        account = str(world.account(tags=["가", "나"]))
        one = melon(world.person(Role.REP, world.north))
        for tags in (["가"], ["가", "다"], ["다"]):
            one.edit("account", account, tags=tags)
            one.sync()

        assert account_of(world, account).tags == ["다"]
        assert inbox(world) == []


class TestWithheld:
    def test_a_row_that_left_the_scope_stays_until_a_push_was_answered(
        self, world: World, melon: Melon
    ) -> None:
        lost, kept = str(world.account()), str(world.account())
        one = melon(world.person(Role.REP, world.north))
        world.sql(
            "UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant AND id = :id",
            to=world.south,
            id=lost,
        )
        one.sync()
        one.sync()
        assert one.ids("account") == {lost, kept}  # an edit of it may wait: it would be lost with the row
        one.edit("account", kept, phone="+8220000009")
        one.sync()
        one.sync()

        assert one.ids("account") == {kept}

    def test_it_goes_at_once_where_the_app_says_that_nothing_waits(self, world: World, melon: Melon) -> None:
        lost = str(world.account())
        one = melon(world.person(Role.REP, world.north))
        world.sql("UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant", to=world.south)
        one.behave(tellsPending=True)
        one.sync()

        assert one.ids("account") == set()
        assert lost not in one.ids("account")

    def test_it_goes_after_a_day_whatever_the_device_does(self, world: World, melon: Melon) -> None:
        world.account()
        one = melon(world.person(Role.REP, world.north))
        world.sql("UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant", to=world.south)
        one.sync()
        assert len(one.ids("account")) == 1
        world.sql(
            "UPDATE watermelon_rows SET leaving_since = leaving_since - :day WHERE tenant_id = :tenant",
            day=timedelta(hours=25),
        )
        one.sync()

        assert one.ids("account") == set()

    def test_an_edit_made_while_the_row_was_leaving_reaches_the_inbox(
        self, world: World, melon: Melon
    ) -> None:
        account = str(world.account(phone="+8220000001"))
        one = melon(world.person(Role.REP, world.north))
        world.sql("UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant", to=world.south)
        one.sync()
        one.edit("account", account, phone="+8220000002")
        for _ in range(3):
            wait(one)
        one.settle()

        assert [item[:2] for item in inbox(world)] == [("out_of_scope", "account")]
        assert one.ids("account") == set()

    @pytest.mark.parametrize("owed", ["merged", "replayed"])
    @pytest.mark.parametrize("lost", ["before the pull", "in the middle of it"])
    def test_an_edit_of_a_row_outlives_the_loss_of_scope_though_more_of_it_was_to_be_told(
        self, world: World, melon: Melon, monkeypatch: pytest.MonkeyPatch, owed: str, lost: str
    ) -> None:
        account = str(world.account(tags=["가"]))
        one = melon(world.person(Role.REP, world.north))
        if owed == "merged":
            world.sql("UPDATE accounts SET tags = '{가,나}' WHERE tenant_id = :tenant")
        one.edit("account", account, tags=["가", "다"])
        if owed == "replayed":
            one.lose_answer_of_push()
            with pytest.raises(Lost):
                one.sync()
        one.sync()
        move = partial(
            world.sql, "UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant", to=world.south
        )
        one.edit("account", account, address="비상구 옆")
        if lost == "before the pull":
            move()
        with monkeypatch.context() as patch:
            read = Exchange.bodies
            patch.setattr(Exchange, "bodies", lambda *asked: (move(), read(*asked))[1])
            one.sync()
        one.settle()

        assert [item[:2] for item in inbox(world)] == [("out_of_scope", "account")]
        assert one.ids("account") == set()

    def test_a_row_that_comes_back_meanwhile_just_stays(self, world: World, melon: Melon) -> None:
        account = str(world.account())
        one = melon(world.person(Role.REP, world.north))
        for territory in (world.south, world.north):
            world.sql("UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant", to=territory)
            one.sync()
        one.settle()

        assert one.ids("account") == {account}


class TestMarks:
    def test_a_pull_whose_answer_was_lost_is_answered_again_whole(self, world: World, melon: Melon) -> None:
        lost, kept = str(world.account(name="가")), str(world.account(name="나"))
        one = melon(world.person(Role.REP, world.north))
        world.sql(
            "UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant AND id = :id",
            to=world.south,
            id=lost,
        )
        world.sql("UPDATE accounts SET name = '나나' WHERE tenant_id = :tenant AND id = :id", id=kept)
        one.behave(lose={"GET": 2, "POST": 0}, tellsPending=True)
        for _ in range(2):
            with pytest.raises(Lost):
                one.sync()
        one.sync()

        assert one.ids("account") == {kept}
        assert one.get("account", kept)["name"] == "나나"  # type: ignore[index]

    def test_a_mark_that_is_not_kept_gives_everything_and_takes_the_rest(
        self, world: World, melon: Melon
    ) -> None:
        lost, kept = str(world.account()), str(world.account())
        one = melon(world.person(Role.REP, world.north))
        world.sql("DELETE FROM watermelon_marks WHERE tenant_id = :tenant")
        world.sql(
            "UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant AND id = :id",
            to=world.south,
            id=lost,
        )
        one.edit("account", kept, phone="+8220000002")
        one.sync()
        assert one.ids("account") == {lost, kept}
        one.settle()

        assert one.ids("account") == {kept}
        assert account_of(world, kept).phone == "+8220000002"

    def test_all_told_anew_takes_nothing_away_before_its_last_page(self, world: World, melon: Melon) -> None:
        accounts = {str(world.account()) for _ in range(3)}
        one = melon(world.person(Role.REP, world.north))
        world.sql("DELETE FROM watermelon_marks WHERE tenant_id = :tenant")
        one.behave(tellsPending=True, limit=1)
        held = []
        while one.ask("once"):
            held.append(one.ids("account"))

        assert len(held) > 1
        assert [*held, one.ids("account")] == [accounts] * (len(held) + 1)

    def test_pages_follow_each_other_and_the_device_equals_the_server(
        self, world: World, melon: Melon
    ) -> None:
        wanted = {str(world.account()) for _ in range(25)}
        person = world.person(Role.REP, world.north)
        one = melon(person)
        more = {str(world.account()) for _ in range(25)}
        one.behave(limit=7)
        before = one.ask("pulls")
        one.sync()

        assert one.ids("account") == wanted | more
        assert one.ask("pulls") - before >= 4

    def test_an_app_that_was_installed_anew_begins_anew(self, world: World, melon: Melon) -> None:
        account = str(world.account())
        person = world.person(Role.REP, world.north)
        melon(person).sync()
        again = melon(person)

        assert again.ids("account") == {account}
        again.edit("account", account, phone="+8220000002")
        again.settle()
        assert account_of(world, account).phone == "+8220000002"


class TestReplays:
    def test_an_edit_that_came_before_is_judged_again_once_others_changed_the_field(
        self, world: World, melon: Melon
    ) -> None:
        account = str(world.account(legal_name="가람"))
        one = melon(world.person(Role.REP, world.north))
        one.edit("account", account, legal_name="가람 유한회사")
        one.lose_answer_of_push()
        with pytest.raises(Lost):
            one.sync()
        world.sql("UPDATE accounts SET legal_name = '가람 주식회사' WHERE tenant_id = :tenant")
        one.sync()

        assert account_of(world, account).legal_name == "가람 주식회사"
        assert inbox(world) == [("field", "account", "legal_name", "가람 유한회사", "가람 주식회사")]

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [({"tags": ["나", "가", "라"]}, ["가", "나", "라"]), ({"phone": "02-555-0100"}, "+8225550100")],
    )
    def test_an_edit_whose_answer_was_lost_is_shown_in_the_end_as_it_was_kept(
        self, world: World, melon: Melon, sent: dict[str, Any], kept: Any
    ) -> None:
        account = str(world.account(tags=["가", "나", "다"]))
        one = melon(world.person(Role.REP, world.north))
        one.edit("account", account, **sent)
        one.lose_answer_of_push()
        with pytest.raises(Lost):
            one.sync()
        one.settle()

        (name,) = sent
        shown = one.get("account", account)
        assert shown is not None
        assert (shown[name], getattr(account_of(world, account), name)) == (kept, kept)

    def test_more_edits_after_a_lost_answer_add_to_the_first(self, world: World, melon: Melon) -> None:
        account = str(world.account(tags=["가"]))
        one = melon(world.person(Role.REP, world.north))
        contact = one.create("contact", account_id=account, name="윤담당")
        one.edit("account", account, tags=["가", "나"])
        one.lose_answer_of_push()
        with pytest.raises(Lost):
            one.sync()
        one.edit("account", account, tags=["가", "다"])
        one.edit("contact", contact, name="윤과장")
        one.settle()

        assert account_of(world, account).tags == ["가", "다"]
        assert [entry[0] for entry in history(world, contact)] == ["insert", "update"]
        assert (inbox(world), rejections(world)) == ([], [])

    def test_the_same_edit_made_anew_later_is_an_edit(self, world: World, melon: Melon) -> None:
        account = str(world.account(phone="+8220000001"))
        one = melon(world.person(Role.REP, world.north))
        for phone in ("+8220000002", "+8220000001", "+8220000002"):
            one.edit("account", account, phone=phone)
            one.sync()
            one.sync()

        assert account_of(world, account).phone == "+8220000002"
        assert len(history(world, account)) == 4


class TestMigration:
    def test_rows_of_new_tables_and_columns_come_again(
        self, world: World, melon: Melon, tmp_path: Path
    ) -> None:
        account = world.account(phone="+8220000001")
        world.insert("contacts", id=(contact := new_id()), account_id=account, name="윤담당")
        person = world.person(Role.REP, world.north)
        tables = tables_of(Catalogue.of([person.call("GET", "/api/v1/sync/schema").json]))
        older = {name: dict(columns) for name, columns in tables.items() if name != "contact"}
        del older["account"]["phone"]
        one = melon(person, tables=older)
        assert "phone" not in one.get("account", str(account))  # type: ignore[operator]
        kept = Kept(tmp_path)
        kept.watermelon(older)
        one.migrate(tables, kept.watermelon(tables)["migrations"][-1]["steps"])
        one.sync()

        assert one.get("account", str(account))["phone"] == "+8220000001"  # type: ignore[index]
        assert one.ids("contact") == {str(contact)}


class TestOwnColumns:
    def test_the_clients_book_of_edits_is_the_field_mask(self, world: World, melon: Melon) -> None:
        account = str(world.account(name="가", phone="+8220000001"))
        one = melon(world.person(Role.REP, world.north))
        world.sql("UPDATE accounts SET name = '나' WHERE tenant_id = :tenant")
        one.edit("account", account, phone="+8220000002")
        one.sync()

        assert account_of(world, account)[:3] == ("나", None, "+8220000002")

    def test_the_client_finds_nothing_to_complain_of(self, world: World, melon: Melon) -> None:
        account = str(world.account())
        one = melon(world.person(Role.REP, world.north))
        one.node.ask("said")  # what other tests of this process made it say
        one.edit("account", account, phone="+8220000002")
        one.settle()

        assert one.node.ask("said") == []
