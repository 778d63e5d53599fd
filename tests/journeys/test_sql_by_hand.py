"""What a person writes in psql reaches the phones, under that person's name."""

from collections.abc import Callable

from app.core.scope import Role
from app.demo.office import SqlPerson
from tests.journeys.conftest import InHand
from tests.world import World


class TestSqlByHand:
    def test_an_update_reaches_a_phone_at_its_next_sync(
        self, world: World, hand: Callable[..., InHand], sql_person: SqlPerson
    ) -> None:
        account = world.account(opening_hours="09-18")
        rep = hand(world.person(Role.REP, world.north))

        sql_person.update_account(account, opening_hours="10-19")
        rep.phone.sync()

        assert rep.phone.get("account", str(account))["opening_hours"] == "10-19"  # type: ignore[index]

    def test_the_history_names_the_person(
        self, world: World, hand: Callable[..., InHand], sql_person: SqlPerson
    ) -> None:
        account = world.account(opening_hours="09-18")
        sql_person.update_account(account, opening_hours="10-19")
        rep = hand(world.person(Role.REP, world.north))

        newest = next(rep.desk.all(f"/accounts/{account}/history"))

        assert newest["actor"] == {"kind": "sql", "id": None, "name": sql_person.name}
        assert [(f["field"], f["old"], f["new"]) for f in newest["fields"]] == [
            ("opening_hours", "09-18", "10-19")
        ]

    def test_it_is_merged_with_what_a_phone_did_meanwhile(
        self, world: World, hand: Callable[..., InHand], sql_person: SqlPerson
    ) -> None:
        account = world.account(opening_hours="09-18", notes="하나\n둘\n셋")
        rep = hand(world.person(Role.REP, world.north))
        rep.phone.edit("account", str(account), notes="하나\n둘\n셋!", website="https://www.example.com")

        sql_person.update_account(account, opening_hours="10-19", notes="하나!\n둘\n셋")
        rep.phone.sync()

        held = rep.phone.get("account", str(account)) or {}
        assert (held["opening_hours"], held["notes"]) == ("10-19", "하나!\n둘\n셋!")
        assert held["website"] == "https://www.example.com"
