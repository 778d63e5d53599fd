"""Pings for the RxDB client: each says ``RESYNC``."""

import http.client

from app.core.scope import Role
from app.events.document import RXDB_PATH
from tests.events.streams import Service
from tests.world import World


class TestPingsOfTheRxdbDoor:
    def test_say_resync_at_once_and_with_each_change(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        line = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
        try:
            line.request("GET", RXDB_PATH, headers={"Authorization": f"Bearer {rep.token}"})
            answer = line.getresponse()
            assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, "text/event-stream")
            assert _next_data(answer) == "RESYNC"

            world.account()
            world.drain()

            assert _next_data(answer) == "RESYNC"
        finally:
            line.close()


def _next_data(answer: http.client.HTTPResponse) -> str:
    while True:
        name, _, value = answer.readline().decode().rstrip("\n").partition(": ")
        if name == "data":
            return value
