"""A phone's round trip over HTTP."""

from tests.world import World


class TestFirstSync:
    def test_gives_the_accounts_of_the_own_territory_only(self, world: World) -> None:
        mine, foreign = world.account(), world.account(world.south)
        rep = world.person("rep", world.north)

        rep.sync()

        assert rep.held("account", mine)
        assert rep.held("account", foreign) is None


class TestDelta:
    def test_brings_what_another_changed(self, world: World) -> None:
        account = world.account()
        rep = world.person("rep", world.north)
        rep.sync()

        world.sql(
            "UPDATE accounts SET phone = '+82255500199' WHERE tenant_id = :tenant AND id = :id", id=account
        )
        rep.sync()

        assert rep.held("account", account)["phone"] == "+82255500199"


class TestPush:
    def test_applies_an_edit_and_shows_it_in_the_same_answer(self, world: World) -> None:
        account = world.account()
        rep = world.person("rep", world.north)
        rep.sync()

        (verdict,) = rep.sync(rep.edit("account", account, {"phone": "+82255500100"}))

        assert verdict["status"] == "applied"
        assert rep.held("account", account)["phone"] == "+82255500100"
