"""What no client library would send, to the real web server: refused, once, and the connection closed."""

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from app.config import Config
from app.serve import find_port
from tests.cli.test_serve import running, wait_for
from tests.sync_api.untouched import untouched
from tests.world import Person, World

PATIENCE_S = 20
HIDDEN = b"GET /api/v1/accounts HTTP/1.1\r\nHost: x\r\nX-Smuggled: 1\r\n\r\n"


@pytest.fixture(scope="module")
def port(migrated: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    place = tmp_path_factory.mktemp("web")
    words = ("serve", "--port", str(find_port(18_100)), "--workers", "1", "--threads", "4")
    with running(words, migrated, place):
        yield int(urlsplit(wait_for(r"Serving on (\S+) ", place)).port or 0)


def answers(port: int, raw: bytes) -> bytes:
    """All that comes until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as line:
        try:
            line.sendall(raw)
            line.shutdown(socket.SHUT_WR)
        except OSError:  # it had seen enough
            pass
        parts = []
        while True:
            try:
                part = line.recv(65_536)
            except ConnectionResetError:
                break
            if not part:
                break
            parts.append(part)
        return b"".join(parts)


def login(*headers: str, body: bytes = b"{}") -> bytes:
    lines = ["POST /api/v1/auth/login HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


CHUNKED = b"0\r\n\r\n" + HIDDEN
REFUSED = {
    "a length beside chunks": login("Content-Length: 4", "Transfer-Encoding: chunked", body=CHUNKED),
    "chunks beside a length": login("Transfer-Encoding: chunked", "Content-Length: 4", body=CHUNKED),
    "two lengths": login("Content-Length: 2", "Content-Length: 64", body=b"{}" + HIDDEN),
    "two lengths in one": login("Content-Length: 2, 64", body=b"{}" + HIDDEN),
    "a length with a sign": login("Content-Length: +2", body=b"{}" + HIDDEN),
    "a negative length": login("Content-Length: -2", body=b"{}" + HIDDEN),
    "a length in hexadecimal": login("Content-Length: 0x2", body=b"{}" + HIDDEN),
    "a length in Arabic digits": login("Content-Length: \u0662", body=b"{}" + HIDDEN),
    "an unknown transfer encoding": login("Transfer-Encoding: xchunked", body=CHUNKED),
    "a blank before the colon": login("Transfer-Encoding : chunked", body=CHUNKED),
    "chunks twice": login("Transfer-Encoding: chunked, chunked", body=CHUNKED),
    "chunks that are not last": login("Transfer-Encoding: chunked, identity", body=CHUNKED),
    "chunks in HTTP/1.0": login("Transfer-Encoding: chunked", body=CHUNKED).replace(
        b"HTTP/1.1", b"HTTP/1.0", 1
    ),
    "a folded header": login("X-A: b", " Transfer-Encoding: chunked", body=CHUNKED),
    "a header without a colon": login("Transfer-Encoding chunked", body=CHUNKED),
    "a header with a NUL": login("X-A: b\x00c", "Content-Length: 2"),
    "a chunk of no size": login("Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n" + CHUNKED),
    "a chunk of a negative size": login("Transfer-Encoding: chunked", body=b"-2\r\n{}\r\n" + CHUNKED),
    "a chunk that is longer than it says": login(
        "Transfer-Encoding: chunked", body=b"2\r\n{}xx\r\n" + CHUNKED
    ),
    "a body that ends too soon": login("Content-Length: 500"),
    "chunks that end too soon": login("Transfer-Encoding: chunked", body=b"500\r\n{}"),
    "an address of 64 kB": b"GET /api/v1/accounts?sort=" + b"a" * 65_536 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header of 64 kB": login("X-A: " + "a" * 65_536, "Content-Length: 2"),
    "a thousand headers": login(*(f"X-{n}: a" for n in range(1_000)), "Content-Length: 2"),
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP of the future": b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "a verb in small letters": b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a verb of 10,000 letters": b"G" * 10_000 + b" /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_sound_http_is_refused_once_and_cut_off(port: int, what: str) -> None:
    said = answers(port, REFUSED[what])

    assert said.count(b"HTTP/1.1 ") == 1, said[:300]
    assert said.split(b" ")[1] in (b"400", b"405", b"408", b"413", b"414", b"431", b"501", b"505"), said[:100]
    assert b"unauthenticated" not in said, "the hidden request was answered"


def test_a_sound_request_after_all_that_is_answered(port: int) -> None:
    assert answers(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )


def test_chunks_without_a_length_are_taken_up_to_8_mb(port: int, world: World) -> None:
    body = json.dumps({"tenant": world.code, "login": "x", "password": "y"}).encode()
    small = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    part = b"100000\r\n" + b" " * 0x100000 + b"\r\n"

    taken, refused = (
        answers(port, login("Transfer-Encoding: chunked", "Connection: close", body=sent))
        for sent in (small, part * 9 + b"0\r\n\r\n")
    )

    assert taken.startswith(b"HTTP/1.1 422")
    assert refused.startswith(b"HTTP/1.1 413")
    assert b'"code":"body_too_large"' in refused


@pytest.fixture
def rep(world: World) -> Person:
    world.account()
    return world.person("rep", world.north)


TRICKS = {
    "X-HTTP-Method-Override": "DELETE",
    "X-HTTP-Method": "DELETE",
    "X-Method-Override": "DELETE",
    "X-Original-URL": "/api/v1/users",
    "X-Rewrite-URL": "/api/v1/users",
    "X-Forwarded-Prefix": "/api/v1/users",
    "X-Forwarded-User": "admin",
    "X-Remote-User": "admin",
    "X-Role": "admin",
    "X-User": "admin",
    "Cookie": "session=admin; tenant=other",
}


@pytest.mark.parametrize("name", [*TRICKS, "X-Tenant", "X-Tenant-Id"])
def test_no_header_changes_who_asks_what(rep: Person, name: str) -> None:
    other = World(rep.world.app, rep.world.db)
    other.account(name="남의 고객")
    rep.call("GET", "/api/v1/accounts")
    plain = rep.call("GET", "/api/v1/accounts").json

    with untouched(rep.world):
        answer = rep.call("GET", "/api/v1/accounts", None, **{name: TRICKS.get(name, str(other.id))})

    assert (answer.status_code, answer.json) == (200, plain)
