"""`flask sync`."""

import pytest

from tests.cli.conftest import Run
from tests.world import World


@pytest.fixture(autouse=True)
def nothing_of_others_waits(world: World) -> None:
    """What hundreds of companies of earlier tests left behind would be drained as well, for half a minute."""
    world.engine_sql("DELETE FROM sync_pending WHERE tenant_id <> :tenant")


class TestDrain:
    def test_gives_what_waits_a_place_in_the_feed(self, flask: Run, world: World) -> None:
        world.account()

        done = flask("sync", "drain")

        assert done.exit_code == 0
        assert str(world.id) in done.output
        assert world.sql("SELECT count(*) FROM sync_pending") == [(0,)]

    def test_says_when_nothing_waited(self, flask: Run) -> None:
        flask("sync", "drain")

        assert flask("sync", "drain").output == "Nothing waited.\n"

    def test_takes_no_argument(self, flask: Run) -> None:
        assert flask("sync", "drain", "acme").exit_code == 2


class TestStatus:
    def test_counts_what_waits(self, flask: Run, world: World) -> None:
        flask("sync", "drain")
        world.account()

        [line] = [one for one in flask("sync", "status").output.splitlines() if one.startswith(world.code)]

        assert "1 changes wait" in line
