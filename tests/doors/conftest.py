"""A server on a socket, and devices that come by one door after the other."""

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext

import pytest
from flask import Flask
from werkzeug.serving import make_server

from tests.doors.door import Device, Door
from tests.doors.left import Left, differences, left_in
from tests.doors.native import NativeDoor, of_later_schema
from tests.doors.rxdb import RxdbDevice, RxdbDoor
from tests.doors.watermelon import WatermelonDevice, WatermelonDoor
from tests.world import Person, World

PASSED = pytest.StashKey[bool]()
DOORS: dict[str, type[Door]] = {"native": NativeDoor, "watermelon": WatermelonDoor, "rxdb": RxdbDoor}


@pytest.fixture(scope="session")
def base_url(served: Flask) -> Iterator[str]:
    """The application behind a real socket, a thread for each connection."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, served, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def begin(device: Device, person: Person) -> None:
    """The first sync. On a busy machine a pull may be answered before what was written is sequenced; here it is."""
    person.world.drain()
    device.sync()


@pytest.fixture(scope="session")
def doors() -> Iterator[dict[str, Door]]:
    """One of each for all tests: a client's process starts when it is asked first."""
    made = {name: one() for name, one in DOORS.items()}
    yield made
    for one in made.values():
        one.close()


@pytest.fixture(scope="session", params=DOORS)
def door(request: pytest.FixtureRequest, doors: dict[str, Door]) -> Door:
    """Each door in turn."""
    return doors[request.param]


@pytest.fixture(scope="session")
def watermelon_door(doors: dict[str, Door]) -> WatermelonDoor:
    """The door for WatermelonDB, for what it alone does."""
    found = doors["watermelon"]
    assert isinstance(found, WatermelonDoor)
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how a test ended: what a failed one leaves is compared with nothing."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(scope="session")
def left() -> dict[str, tuple[str, Left]]:
    """What each scenario left on the server by the first door that played it."""
    return {}


@pytest.fixture
def same_by_every_door(
    left: dict[str, tuple[str, Left]], door: Door, request: pytest.FixtureRequest
) -> Iterator[Callable[[World], None]]:
    """Compares what is left of a world after the test with what the same test left by another door."""
    worlds: list[World] = []
    yield worlds.append
    if not request.node.stash.get(PASSED, False):
        return
    for world in worlds:
        test = request.node.nodeid.replace(f"[{door.name}]", "")
        marker = request.node.get_closest_marker("scenario")
        key = f"{test} {door.tells.get(marker.args[0]) if marker else None}"
        other, wanted = left.setdefault(key, (door.name, left_in(world)))
        if other != door.name:
            found = differences(left_in(world), wanted)
            assert not found, "\n".join([f"{door.name} (+) leaves something else than {other} (-):", *found])


@pytest.fixture
def device(base_url: str, door: Door) -> Iterator[Callable[[Person], Device]]:
    """Hands a person a device that has made its first sync."""
    given: list[Device] = []

    def device(person: Person) -> Device:
        one = door.device(base_url, person)
        given.append(one)
        begin(one, person)
        return one

    yield device
    for one in given:
        one.close()


@pytest.fixture
def older(world: World, base_url: str, door: Door) -> Iterator[Callable[[Person], Device]]:
    """The same with an app that knows neither contacts nor phone numbers of accounts."""
    given: list[Device] = []

    def older(person: Person) -> Device:
        one = door.older(base_url, person)
        given.append(one)
        begin(one, person)
        return one

    with of_later_schema(world.app) if isinstance(door, NativeDoor) else nullcontext():
        yield older
        for one in given:
            one.close()


@pytest.fixture
def melon(base_url: str, watermelon_door: WatermelonDoor) -> Iterator[Callable[..., WatermelonDevice]]:
    """The same with WatermelonDB."""
    given: list[WatermelonDevice] = []

    def melon(person: Person, **more: object) -> WatermelonDevice:
        one = watermelon_door.device(base_url, person, **more)  # type: ignore[arg-type]
        given.append(one)
        begin(one, person)
        return one

    yield melon
    for one in given:
        one.close()


@pytest.fixture(scope="session")
def rxdb_door(doors: dict[str, Door]) -> RxdbDoor:
    """The door for RxDB, for what it alone does."""
    found = doors["rxdb"]
    assert isinstance(found, RxdbDoor)
    return found


@pytest.fixture
def rx(base_url: str, rxdb_door: RxdbDoor) -> Iterator[Callable[..., RxdbDevice]]:
    """The same with RxDB."""
    given: list[RxdbDevice] = []

    def rx(person: Person, **more: object) -> RxdbDevice:
        one = rxdb_door.device(base_url, person, **more)  # type: ignore[arg-type]
        given.append(one)
        begin(one, person)
        return one

    yield rx
    for one in given:
        one.close()
