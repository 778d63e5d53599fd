"""A delete and an edit that did not know of each other: a person decides."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from app.core.scope import Role
from tests.journeys.conftest import InHand
from tests.world import World


@dataclass
class Deleted:
    """A customer that the office deleted while a rep edited it offline; the rep has synced."""

    account: str
    rep: InHand
    manager: InHand


@pytest.fixture
def deleted(world: World, hand: Callable[..., InHand]) -> Deleted:
    account = str(world.account(notes="옛 메모"))
    rep = hand(world.person(Role.REP, world.north))
    manager = hand(world.person(Role.MANAGER, world.region), "본사 PC")
    rep.phone.edit("account", account, notes="폐업 아님, 재계약 협의 중")
    manager.phone.client.call("DELETE", f"/accounts/{account}", if_match='"1"')
    rep.phone.sync()
    return Deleted(account, rep, manager)


class TestEditOfADeletedCustomer:
    def test_waits_in_the_inbox_of_its_author(self, deleted: Deleted) -> None:
        (conflict,) = deleted.rep.phone.conflicts()

        assert (conflict["kind"], conflict["record_id"]) == ("deleted", deleted.account)
        assert conflict["mine"] == {"notes": "폐업 아님, 재계약 협의 중"}

    def test_does_not_bring_the_customer_back_by_itself(self, deleted: Deleted) -> None:
        assert deleted.rep.phone.get("account", deleted.account) is None

    def test_brings_it_back_when_the_manager_says_so(self, deleted: Deleted) -> None:
        (conflict,) = deleted.manager.desk.all("/conflicts?state=open")
        deleted.manager.phone.client.call(
            "POST",
            f"/conflicts/{conflict['id']}/resolution",
            lambda: {"choice": "apply", "reason": "거래 계속", "record_version": conflict["record_version"]},
            if_match=f'"{conflict["version"]}"',
        )

        deleted.rep.phone.sync()

        restored = deleted.rep.phone.get("account", deleted.account) or {}
        assert restored.get("notes") == "폐업 아님, 재계약 협의 중"
        assert deleted.rep.phone.conflicts() == []

    def test_is_gone_for_good_when_the_author_gives_way(self, deleted: Deleted) -> None:
        (conflict,) = deleted.rep.phone.conflicts()
        deleted.rep.phone.resolve(conflict, "theirs")

        result = deleted.rep.phone.sync()

        assert [v["status"] for v in result.verdicts] == ["applied"]
        assert deleted.rep.phone.conflicts() == []
        assert deleted.rep.phone.get("account", deleted.account) is None
