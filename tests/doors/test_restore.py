"""The database is taken back to a backup: whatever the door, the devices come to hold what it holds."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server

from app.config import Config
from app.core.scope import Role
from tests.doors.door import Device, Door
from tests.servers import migrated_database
from tests.sync.test_restore import Site
from tests.world import Person, World


@pytest.fixture(scope="module")
def database() -> Iterator[Config]:
    with migrated_database() as config:
        yield config


@pytest.fixture
def site(database: Config) -> Iterator[Site]:
    found = Site(database)
    yield found
    found.stop()
    with found.admin() as connection:
        for name in found.copies:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def hand(site: Site, door: Door) -> Iterator[Callable[[Person], Device]]:
    """Hands a person a device of whichever server serves the site now."""

    def serve(environ: Any, start: Any) -> Any:
        return site.app(environ, start)

    server = make_server("127.0.0.1", 0, serve, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    given: list[Device] = []

    def hand(person: Person) -> Device:
        given.append(door.device(f"http://127.0.0.1:{server.port}", person))
        given[-1].sync()
        return given[-1]

    yield hand
    for one in given:
        one.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.scenario("restore")
@pytest.mark.more
class TestRestore:
    def test_what_was_lost_leaves_the_device_and_what_waits_on_it_is_judged(
        self, site: Site, hand: Callable[[Person], Device], same_by_every_door: Callable[[World], None]
    ) -> None:
        world = site.world
        same_by_every_door(world)
        kept = str(world.account(name="가람상사", phone="+8220000001"))
        one = hand(world.person(Role.REP, world.north))
        backup = site.backup()
        lost = str(world.account(name="나중상사"))
        world.sql("UPDATE accounts SET name = '가람산업' WHERE tenant_id = :tenant AND id = :id", id=kept)
        one.settle()
        assert one.ids("account") == {kept, lost}
        one.edit("account", kept, phone="+8220000002")
        site.restore(backup)
        one.sync()
        one.settle()

        rows = world.sql("SELECT name, phone FROM accounts WHERE tenant_id = :tenant")
        assert [tuple(row) for row in rows] == [("가람상사", "+8220000002")]
        assert one.ids("account") == {kept}
        assert one.get("account", kept)["name"] == "가람상사"  # type: ignore[index]
