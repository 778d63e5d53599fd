"""No answer means: done wholly or not at all; the retry tells which."""

from collections.abc import Callable

from app.core.scope import Role
from tests.journeys.conftest import InHand
from tests.world import World


class TestLostAnswers:
    def test_an_answer_lost_twice_leaves_one_effect(self, world: World, hand: Callable[..., InHand]) -> None:
        rep = hand(world.person(Role.REP, world.north))
        account = rep.phone.create("account", name="가람상사", territory_id=str(world.north))
        rep.phone.edit("account", account, notes="첫 줄")
        rep.network.lose_next = 2

        result = rep.phone.sync()

        assert [v["replayed"] for v in result.verdicts] == [True, True]
        assert len(ledger(world, account)) == 2
        assert rep.phone.waiting() == 0

    def test_a_phone_that_was_switched_off_before_the_answer_came_asks_again(
        self, world: World, hand: Callable[..., InHand]
    ) -> None:
        rep = hand(world.person(Role.REP, world.north))
        account = rep.phone.create("account", name="가람상사", territory_id=str(world.north))
        body = rep.phone._request()
        rep.phone.client.call("POST", "/sync", lambda: body)

        result = rep.phone.sync()

        assert [v["replayed"] for v in result.verdicts] == [True]
        assert len(ledger(world, account)) == 1
        assert (rep.phone.get("account", account) or {})["version"] == 1

    def test_a_long_queue_goes_out_in_parts_over_a_bad_line(
        self, world: World, hand: Callable[..., InHand]
    ) -> None:
        left = world.account()
        rep = hand(world.person(Role.REP, world.north))
        rep.phone._push_limit = 30
        made = [
            rep.phone.create("account", name=f"거래처 {i}", territory_id=str(world.north)) for i in range(100)
        ]
        world.sql("UPDATE accounts SET territory_id = :s WHERE id = :id", s=world.south, id=left)
        rep.network.lose_next = 3

        result = rep.phone.sync()

        assert len(result.verdicts) == 100
        assert {record["id"] for record in rep.phone.list("account")} == set(made)
        assert all(len(ledger(world, record)) == 1 for record in made[::20])


def ledger(world: World, record: str) -> list[object]:
    return list(world.sql("SELECT id FROM changes WHERE tenant_id = :tenant AND record_id = :id", id=record))
