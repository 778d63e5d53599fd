"""The process that pings, under pressure and at its end."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.config import Config
from app.core.clock import utc_now
from app.core.scope import Role
from app.events.document import PATH
from app.factory import create_app
from app.http.auth import issue_access_token
from app.http.metrics import metrics_token
from app.http.services import services
from tests.events.streams import PATIENCE_S, PROJECT, Phone, Service, allow_files, running
from tests.events.test_stream import SOON_S, connections, terminate
from tests.world import World, wire


class TestLimits:
    def test_beyond_the_most_there_is_503_with_a_time_to_come_back(
        self, migrated: Config, world: World, tmp_path: Path
    ) -> None:
        people = [world.person(Role.REP, world.north) for _ in range(3)]
        with running(migrated, tmp_path, FIELDMERGE_EVENTS_MAX="2") as service:
            first = [service.hold(person.token) for person in people[:2]]

            waits = set()
            for _ in range(12):
                status, headers, body = service.get(PATH, Authorization=f"Bearer {people[2].token}")
                assert (status, json.loads(body)["code"]) == (503, "unavailable")
                waits.add(int(headers["Retry-After"]))
            assert min(waits) >= 10
            assert len(waits) > 1
            assert service.metric("fieldmerge_event_dropped_total") == 12

            service.close(first[0])
            service.until(lambda: service.streams == 1)
            service.hold(people[2].token)

    @pytest.mark.parametrize("header", ["Content-Length: 9000000000", "Transfer-Encoding: chunked"])
    def test_a_body_is_not_waited_for(self, service: Service, header: str) -> None:
        with socket.create_connection(("127.0.0.1", service.port), timeout=5) as line:
            line.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())

            assert line.recv(100).startswith(b"HTTP/1.1 400")

    def test_only_get_holds_a_connection(self, service: Service, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        for method in ("HEAD", "POST"):
            with socket.create_connection(("127.0.0.1", service.port), timeout=5) as line:
                line.sendall(
                    f"{method} {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {rep.token}\r\n\r\n".encode()
                )
                assert line.recv(100).startswith(b"HTTP/1.1 405")
        assert service.streams == 0


HANDLER = """
import socket, sys
from gevent.pywsgi import WSGIServer
from app.events import server

server.READ_S = server.WRITE_S = 0.5

def application(environ, start):
    start("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
    return (b"x" * 4096 for _ in range(10_000 if environ["PATH_INFO"] == "/much" else 1))

listener = server.as_green(socket.socket(fileno=int(sys.argv[1])))
WSGIServer(listener, application, handler_class=server.Handler, log=None).serve_forever()
"""


class TestSlowPhones:
    @pytest.fixture
    def port(self) -> Iterator[int]:
        """Of the connections' handler, with little patience and an application that says much."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            words = [sys.executable, "-c", HANDLER, str(listener.fileno())]
            with subprocess.Popen(words, cwd=PROJECT, pass_fds=[listener.fileno()]) as child:
                yield listener.getsockname()[1]
                child.kill()

    def ask(self, port: int, request: bytes) -> socket.socket:
        line = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        line.sendall(request)
        return line

    @pytest.mark.parametrize("sent", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: x"])
    def test_a_request_that_does_not_come_in_time_is_cut_off(self, port: int, sent: bytes) -> None:
        with self.ask(port, sent) as line:
            answer = line.recv(1000)

            assert answer == b"" or answer.startswith(b"HTTP/1.1 400")

    def test_who_does_not_read_is_cut_off_and_keeps_nobody_waiting(self, port: int) -> None:
        with self.ask(port, b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n") as deaf:
            deaf.recv(1)
            for _ in range(5):
                with self.ask(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") as quick:
                    assert quick.recv(100).startswith(b"HTTP/1.1 200")
            time.sleep(1.5)
            came = 0
            while data := received(deaf):
                came += len(data)

        assert came < 10_000 * 4096

    @pytest.mark.more
    @pytest.mark.alone
    def test_a_phone_that_does_not_read_is_dropped_and_keeps_nobody_waiting(
        self, migrated: Config, world: World, tmp_path: Path
    ) -> None:
        slow, quick = world.person(Role.REP, world.north), world.person(Role.REP, world.north)
        world.drain()
        with running(migrated, tmp_path, FIELDMERGE_EVENTS_HEARTBEAT_S="1") as service:
            reads = service.hold(quick.token)
            deaf = service.open(slow.token, receive_bytes=2048)
            service.until(lambda: service.streams == 2)
            service.selector.unregister(deaf.line)  # it stays connected and reads nothing more
            url = migrated.database_engine_url
            with psycopg.connect(url, autocommit=True) as engine:
                bucket = f"territory:{world.north}"
                dropped_at = time.monotonic() + 60
                position = 1_000_000
                while service.metric('fieldmerge_event_dropped_total{reason="slow"}') == 0:
                    assert time.monotonic() < dropped_at, "never dropped"
                    began = time.monotonic()
                    for _ in range(20):
                        position += 1
                        notify(engine, world, bucket, position)
                        service.until(lambda at=position: reads.pings[-1:] == [at], SOON_S)  # type: ignore[misc]
                    assert time.monotonic() - began < 20
            assert service.streams == 1


def received(line: socket.socket) -> bytes:
    """What comes next; nothing when the other side cut the connection."""
    try:
        return line.recv(65_536)
    except ConnectionResetError:
        return b""


def notify(
    engine: "psycopg.Connection[tuple[object, ...]]", world: World, bucket: str, position: int
) -> None:
    """A change of one row of a bucket, without the work of a drain."""
    with engine.transaction():
        engine.execute(
            "INSERT INTO sync_feed (tenant_id, bucket, shape, entity, record_id, position, entered, version, body)"
            " VALUES (%s, %s, 'all', 'territory', %s, %s, 1, 1, '{}') ON CONFLICT"
            " (tenant_id, bucket, shape, entity, record_id) DO UPDATE SET position = EXCLUDED.position",
            [world.id, bucket, world.north, position],
        )
        engine.execute("UPDATE sync_heads SET position = %s WHERE tenant_id = %s", [position, world.id])
        engine.execute("SELECT pg_notify('fieldmerge_sync', %s)", [f"{world.id}:{position}"])


class TestTheEnd:
    def test_sigterm_sends_everybody_away_to_come_back_at_different_times(
        self, migrated: Config, world: World, tmp_path: Path
    ) -> None:
        with running(migrated, tmp_path) as service:
            phones = [service.hold(world.person(Role.REP, world.north).token) for _ in range(5)]

            service.child.send_signal(signal.SIGTERM)

            service.until(lambda: all(phone.closed for phone in phones))
            assert [phone.events[-1] for phone in phones] == ["reconnect"] * 5
            assert service.child.wait(PATIENCE_S) == 0
        retries = {phone.retry_ms for phone in phones}
        assert len(retries) > 1
        assert all(2_000 <= retry <= 12_000 for retry in retries)

    def test_it_starts_without_a_database_and_refuses_until_there_is_one(
        self, migrated: Config, world: World, tmp_path: Path
    ) -> None:
        rep = world.person(Role.REP, world.north)
        url = migrated.database_url.replace("/test_", "/absent_")
        with running(migrated, tmp_path, until_ready=False, FIELDMERGE_EVENTS_DATABASE_URL=url) as service:
            assert service.get("/healthz")[0] == 200
            assert service.get("/readyz")[0] == 503
            assert service.get(PATH, Authorization=f"Bearer {rep.token}")[0] == 503


class TestItsNumbers:
    def test_metrics_count_streams_and_pings(self, service: Service, world: World) -> None:
        before = service.metric("fieldmerge_event_pings_total")
        service.hold(world.person(Role.REP, world.north).token)

        assert service.metric("fieldmerge_event_streams") == 1
        assert service.metric("fieldmerge_event_listening") == 1
        assert service.metric("fieldmerge_event_pings_total") >= before + 1

    def test_metrics_are_for_this_machine_or_the_bearer_of_the_token(
        self, service: Service, migrated: Config
    ) -> None:
        token = metrics_token(migrated.secret_key)

        assert service.get("/metrics", **{"X-Forwarded-For": "1.2.3.4"})[0] == 404
        known = {"X-Forwarded-For": "1.2.3.4", "Authorization": f"Bearer {token}"}
        assert service.get("/metrics", **known)[0] == 200

    def test_browsers_may_hold_a_connection_where_an_origin_is_named(
        self, migrated: Config, world: World, tmp_path: Path
    ) -> None:
        rep = world.person(Role.REP, world.north)
        with running(migrated, tmp_path, FIELDMERGE_CORS_ORIGINS="https://office.example.com") as service:
            phone = service.hold(rep.token, Origin="https://office.example.com")
            stranger = service.hold(rep.token, Origin="https://evil.example.com")

            assert "Access-Control-Allow-Origin: https://office.example.com" in phone.head
            assert "Access-Control-Allow-Origin" not in stranger.head


class TestElsewhere:
    def test_the_api_says_that_the_stream_is_elsewhere(self, served: Flask) -> None:
        answer = served.test_client().get(PATH)

        assert (answer.status_code, answer.json["code"]) == (404, "events_elsewhere")
        assert answer.json["details"] == {"url": None}

    @pytest.mark.parametrize("url", ["", "/api/v1/sync/events", "https://pings.example.com/events"])
    def test_the_sync_answer_tells_phones_where(self, migrated: Config, world: World, url: str) -> None:
        rep = world.person(Role.REP, world.north)
        app = create_app(replace(migrated, events_url=url))
        body = {"schema_version": 1, "cursor": None, "sent_at": wire(utc_now())}

        answer = app.test_client().post("/api/v1/sync", json=body, headers=rep.headers)
        services(app).db.dispose()

        assert answer.json["events"] == (url or None)

    def test_and_where(self, migrated: Config) -> None:
        app = create_app(replace(migrated, events_url="https://pings.example.com/events"))

        assert app.test_client().get(PATH).json["details"] == {"url": "https://pings.example.com/events"}


@pytest.mark.more
@pytest.mark.alone
class TestAThousand:
    """What the design promises of one process."""

    def test_a_thousand_phones_are_pinged_within_two_seconds_by_one_connection(
        self, migrated: Config, world: World, tmp_path: Path
    ) -> None:
        allow_files(4_000)
        concerned, others = crowd(world, world.north, 900), crowd(world, world.south, 100)
        world.drain()
        with running(migrated, tmp_path) as service:
            empty = (service.status("VmRSS"), service.status("Threads"))
            began = time.monotonic()
            near = [service.open(token) for token in concerned]
            far = [service.open(token) for token in others]
            service.until(lambda: all(phone.pings for phone in service.phones), 60)
            connected_s = time.monotonic() - began
            full = (service.status("VmRSS"), service.status("Threads"))

            waited = ping_all(service, world, near)
            service.listen(1)
            assert waited < SOON_S
            assert [phone for phone in far if phone.pings] == []
            assert service.streams == 1_000
            assert len(connections(world)) == 1

            # The number of its new file is above 1,024 now, where select() would fail.
            terminate(world, connections(world)[0])
            recovered = service.until(lambda: all(phone.pings for phone in service.phones))
            again = ping_all(service, world, near)
            assert again < SOON_S
            assert len(connections(world)) == 1
            last = (service.status("VmRSS"), service.status("Threads"))
        sys.stdout.write(
            f"\n1,000 streams let in within {connected_s:.1f} s; all concerned pinged in {waited:.2f} s and"
            f" {again:.2f} s; after a lost connection everybody was told within {recovered:.1f} s.\n"
            f"RSS {empty[0] // 1024} MB -> {full[0] // 1024} MB -> {last[0] // 1024} MB,"
            f" threads {empty[1]} -> {full[1]} -> {last[1]}, 1 database connection.\n"
        )
        assert full[1] <= empty[1] + 1
        assert last[0] - empty[0] < 150 * 1024


def ping_all(service: Service, world: World, phones: list[Phone]) -> float:
    """Change something in the north; how long it took from the commit until all had heard."""
    for phone in service.phones:
        phone.forget()
    world.account(world.north)
    world.drain()
    return service.until(lambda: all(phone.pings for phone in phones))


def crowd(world: World, territory: UUID, count: int) -> list[str]:
    """Access tokens of many new people in a territory, each with a phone."""
    rows = world.sql(
        """
        WITH people AS (
            INSERT INTO users (tenant_id, id, login, name, role, org_unit_id)
            SELECT :tenant, gen_random_uuid(), 'c' || gen_random_uuid(), '누군가', 'rep', NULL
            FROM generate_series(1, :count) RETURNING id),
        phones AS (
            INSERT INTO devices (tenant_id, id, user_id, name, platform, registered_at, last_seen_at)
            SELECT :tenant, gen_random_uuid(), id, 'phone', 'android', now(), now() FROM people
            RETURNING id, user_id),
        sessions AS (
            INSERT INTO refresh_families
                (tenant_id, id, user_id, device_id, generation, started_at, rotated_at, expires_at)
            SELECT :tenant, gen_random_uuid(), user_id, id, 1, now(), now(), now() + interval '1 day' FROM phones),
        members AS (
            INSERT INTO territory_members (tenant_id, id, territory_id, user_id, kind, valid_from)
            SELECT :tenant, gen_random_uuid(), :territory, id, 'owner', '2020-01-01' FROM people)
        SELECT user_id, id FROM phones
        """,
        count=count,
        territory=territory,
    )
    config = services(world.app).config
    return [issue_access_token(config, world.id, user, device, utc_now()) for user, device in rows]
