"""Work on a record that hand-written SQL made unreadable."""

from tests.world import World


class TestWorkOnAnUnreadableRecord:
    def test_waits_for_the_managers_of_its_customer_and_for_nobody_else(self, world: World) -> None:
        rep = world.person("rep", world.north)
        theirs = world.person("manager", world.north)
        others = world.person("manager", world.south)
        account = world.account(world.north)
        rep.sync()
        edit = rep.edit("account", account, {"phone": "+82255500100"})
        world.sql("UPDATE accounts SET tags = ARRAY['x', NULL] WHERE id = :id", id=account)

        verdict = rep.sync(edit)[0]

        assert (verdict["status"], verdict["code"]) == ("conflict", "failed")
        listed = {p.id: p.call("GET", "/api/v1/conflicts").json["items"] for p in (theirs, others)}
        assert [item["id"] for item in listed[theirs.id]] == [verdict["conflict_id"]]
        assert listed[others.id] == []
        for manager in (theirs, others):
            manager.sync()
        assert theirs.held("conflict", verdict["conflict_id"]) is not None
        assert others.held("conflict", verdict["conflict_id"]) is None
