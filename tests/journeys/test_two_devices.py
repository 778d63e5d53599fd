"""One person, two devices, no network on either."""

from collections.abc import Callable
from datetime import timedelta

from app.core.scope import Role
from tests.journeys.conftest import InHand
from tests.world import World


class TestTwoDevices:
    def test_tags_edited_on_both_are_merged_one_by_one(
        self, world: World, hand: Callable[..., InHand]
    ) -> None:
        account = str(world.account(tags=["가", "나", "다"]))
        person = world.person(Role.REP, world.north)
        phone, tablet = hand(person).phone, hand(world.second_phone(person), "iPad").phone
        phone.edit("account", account, tags=["나", "다", "라"])
        tablet.edit("account", account, tags=["가", "나", "마"])

        for device in (phone, tablet, phone):
            device.sync()

        assert set(phone.get("account", account)["tags"]) == {"나", "라", "마"}  # type: ignore[index]
        assert phone.get("account", account) == tablet.get("account", account)

    def test_the_later_of_two_edits_of_one_field_stays_whichever_syncs_first(
        self, world: World, hand: Callable[..., InHand]
    ) -> None:
        account = str(world.account(phone="+8220000001"))
        person = world.person(Role.REP, world.north)
        phone, tablet = hand(person).phone, hand(world.second_phone(person), "iPad").phone
        phone.edit("account", account, phone="+8220000002")
        phone.clock.let_pass(timedelta(minutes=1))
        tablet.edit("account", account, phone="+8220000003")

        tablet.sync()
        result = phone.sync()

        assert [v["status"] for v in result.verdicts] == ["superseded"]
        assert phone.get("account", account)["phone"] == "+8220000003"  # type: ignore[index]
