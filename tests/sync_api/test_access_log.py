"""Whose data a sync gave away is written down."""

from tests.world import World


class TestAccessLog:
    def test_notes_how_many_customers_a_sync_showed_to_whom(self, world: World) -> None:
        world.account()
        world.account()
        rep = world.person("rep", world.north)

        rep.sync()

        noted = world.sql(
            "SELECT user_id, device_id, count FROM access_log"
            " WHERE tenant_id = :tenant AND action = 'sync' AND entity = 'account'"
        )
        assert [tuple(row) for row in noted] == [(rep.id, rep.device_id, 2)]

    def test_notes_nothing_when_nothing_was_shown(self, world: World) -> None:
        world.account()
        rep = world.person("rep", world.north)
        rep.sync()
        before = world.sql("SELECT count(*) FROM access_log WHERE tenant_id = :tenant")[0][0]

        rep.sync()

        assert world.sql("SELECT count(*) FROM access_log WHERE tenant_id = :tenant")[0][0] == before
