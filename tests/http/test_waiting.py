"""A request that waited too long for a thread is sent away at once."""

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask

from app.config import Config
from app.core.waits import note_wait
from app.http.waiting import BACK_AFTER_S
from app.serve import find_port
from tests.cli.test_serve import running, wait_for

PATIENCE_S = 20
SLOW = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


@pytest.fixture(scope="module")
def port(migrated: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with one thread, that lets nobody wait for longer than a second."""
    place = tmp_path_factory.mktemp("web")
    words = ("serve", "--port", str(find_port(18_300)), "--workers", "1", "--threads", "1", "--no-events")
    with running(words, migrated, place, FIELDMERGE_LONGEST_WAIT_S="1"):
        found = int(urlsplit(wait_for(r"Serving on (\S+) ", place)).port or 0)
        answered(
            asked(found, "/healthz")
        )  # a worker that still loads lets all wait where it does not see them
        yield found


def asked(port: int, path: str) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return line


def answered(line: socket.socket) -> tuple[bytes, bytes]:
    """Its status line and the rest."""
    with line:
        parts = list(iter(lambda: line.recv(65_536), b""))
    status, _, rest = b"".join(parts).partition(b"\r\n")
    return status, rest


def test_who_waited_too_long_for_a_thread_is_told_when_to_come_back(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as slow:
        slow.sendall(SLOW)  # without its body: it keeps the only thread
        time.sleep(0.2)
        late, health = asked(port, "/api/v1/accounts"), asked(port, "/healthz")
        time.sleep(1.5)
        slow.sendall(b"{}")
        slow.recv(65_536)

        status, rest = answered(late)
        well, _ = answered(health)

    assert status == b"HTTP/1.1 503 SERVICE UNAVAILABLE"
    assert b"Retry-After: " in rest
    assert b'"unavailable"' in rest
    assert well == b"HTTP/1.1 200 OK"


def test_who_waited_for_a_moment_is_answered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as slow:
        slow.sendall(SLOW)
        time.sleep(0.2)
        late = asked(port, "/api/v1/accounts")
        time.sleep(0.2)
        slow.sendall(b"{}")
        slow.recv(65_536)

        assert answered(late)[0].startswith(b"HTTP/1.1 401 ")


def test_the_wait_of_one_request_is_not_that_of_the_next(served: Flask) -> None:
    client = served.test_client()
    note_wait(60.0)

    first, second = client.get("/api/v1/accounts"), client.get("/api/v1/accounts")

    assert (first.status_code, second.status_code) == (503, 401)
    assert BACK_AFTER_S[0] <= int(first.headers["Retry-After"]) <= BACK_AFTER_S[1]
