"""The site of nginx, as it is in deploy/, before the services as their units start them; only ports differ."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.config import Config
from app.core.scope import Role
from app.events.document import PATH
from app.http.strict_json import MAX_BODY_BYTES
from app.serve import find_port, wait_ready
from tests.cli.conftest import variables_of
from tests.cli.test_serve import end
from tests.documents.fences import HOUSE
from tests.documents.units import environment, nginx, started
from tests.world import Person, World

pytestmark = pytest.mark.more

NAME = "fieldmerge.example.com"
PATIENCE_S = 120.0
# The frame that Debian's nginx.conf puts around the site.
FRAME = """
{user}
worker_processes 1;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    include {place}/fieldmerge.conf;
}}
"""
NEEDED = ("nginx", "openssl")


@dataclass
class Site:
    """What phones see: two ports of nginx, and the certificate to trust."""

    plain_port: int
    port: int
    certificate: Path
    web: "subprocess.Popen[bytes]"

    def connect(self) -> http.client.HTTPSConnection:
        """A connection to nginx, under the name of the certificate."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        connection = http.client.HTTPSConnection(NAME, self.port, context=context, timeout=PATIENCE_S)
        line = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        connection.sock = context.wrap_socket(line, server_hostname=NAME)
        return connection

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, http.client.HTTPMessage, Any]:
        """One request; its status, headers, and body, read as JSON where it is that."""
        connection = self.connect()
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        return answer.status, answer.headers, json.loads(raw) if raw.startswith(b"{") else raw


@pytest.fixture(scope="module")
def site(migrated: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    # Debian has nginx where not everybody looks.
    programs = {name: shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") for name in NEEDED}
    assert all(programs.values()), f"needed: apt-get install {' '.join(NEEDED)}"
    place = tmp_path_factory.mktemp("nginx")
    ports = {old: find_port(18_400 + 40 * at) for at, old in enumerate(("8000", "8100", "80", "443"))}
    certificate = make_certificate(place)
    write_site(place, ports)
    variables = environment() | variables_of(migrated)
    with ExitStack() as stack:
        web = stack.enter_context(service("fieldmerge-web", "8000", ports, variables, place))
        stack.enter_context(service("fieldmerge-events", "8100", ports, variables, place))
        words = [str(programs["nginx"]), "-c", str(place / "nginx.conf"), "-e", str(place / "error.log")]
        subprocess.run([*words, "-t", "-q"], check=True)
        server = stack.enter_context(subprocess.Popen([*words, "-g", "daemon off;"]))
        stack.callback(end, server)
        for old in ("8000", "8100"):
            wait_ready(f"http://127.0.0.1:{ports[old]}/readyz", PATIENCE_S)
        yield Site(ports["80"], ports["443"], certificate, web)


@contextmanager
def service(
    name: str, port: str, ports: dict[str, int], variables: dict[str, str], place: Path
) -> "Iterator[subprocess.Popen[bytes]]":
    """What a unit starts, on another port."""
    words = [str(ports[port]) if word == port else word for word in started(name)]
    environ = os.environ | variables | {"FIELDMERGE_STATE": str(place), "PYTHONUTF8": "1"}
    with open(place / f"{name}.log", "wb") as log:
        command = [sys.executable, "-m", "flask", *words]
        child = subprocess.Popen(command, cwd=HOUSE, env=environ, stdout=log, stderr=log)
    with child:
        try:
            yield child
        finally:
            end(child)


def make_certificate(place: Path) -> Path:
    """As docs/deployment.md makes one that nobody trusts."""
    words = (
        f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={NAME}".split()
    )
    files = ["-keyout", str(place / "privkey.pem"), "-out", str(place / "fullchain.pem")]
    alias = ["-addext", f"subjectAltName=DNS:{NAME}"]
    subprocess.run(["openssl", *words, *alias, *files], check=True, capture_output=True)
    return place / "fullchain.pem"


def write_site(place: Path, ports: dict[str, int]) -> None:
    text = nginx().replace("/etc/ssl/fieldmerge/", f"{place}/")
    for old, new in ports.items():
        text = text.replace(f"127.0.0.1:{old};", f"127.0.0.1:{new};")
        text = text.replace(f"listen {old}", f"listen 127.0.0.1:{new}").replace(
            f"listen [::]:{old}", f"listen [::1]:{new}"
        )
    (place / "fieldmerge.conf").write_text(text, encoding="utf-8")
    # Started by root, its workers are nobody, who may not enter the tests' directory.
    user = "user root;" if os.geteuid() == 0 else ""
    (place / "nginx.conf").write_text(FRAME.format(place=place, user=user), encoding="utf-8")


@pytest.fixture
def rep(world: World) -> Person:
    return world.person(Role.REP, world.north)


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


def test_requests_come_through_tls_and_plain_ones_are_sent_there(site: Site) -> None:
    assert site.ask("GET", "/readyz")[::2] == (200, {"status": "ready", "database": "ok", "migrations": "ok"})
    plain = http.client.HTTPConnection("127.0.0.1", site.plain_port, timeout=PATIENCE_S)
    plain.request("GET", "/api/v1/me?x=1", headers={"Host": NAME})
    answer = plain.getresponse()

    assert (answer.status, answer.headers["Location"]) == (301, f"https://{NAME}/api/v1/me?x=1")
    plain.close()


def test_browsers_are_told_to_stay_with_tls(site: Site) -> None:
    assert "max-age=" in site.ask("GET", "/healthz")[1]["Strict-Transport-Security"]


def test_figures_are_not_for_the_outside(site: Site) -> None:
    assert site.ask("GET", "/metrics")[0] == 404


def test_nobody_can_pretend_an_address(site: Site, world: World, rep: Person) -> None:
    account = world.account(name="한빛에너지")
    path = f"/api/v1/accounts/{account}"

    assert site.ask("GET", path, bearer(rep) | {"X-Forwarded-For": "203.0.113.9"})[0] == 200
    rows = world.sql("SELECT DISTINCT host(ip::inet) FROM access_log WHERE tenant_id = :tenant")
    assert rows == [("127.0.0.1",)]


def test_the_largest_body_reaches_the_application_and_a_larger_one_gets_its_code(site: Site) -> None:
    allowed, _, judged = site.ask("POST", "/api/v1/auth/login", body=b" " * (MAX_BODY_BYTES - 2) + b"{}")
    refused, headers, told = site.ask("POST", "/api/v1/auth/login", body=b" " * (MAX_BODY_BYTES + 1))

    assert (allowed, judged["code"]) == (422, "validation_failed")
    assert judged["request_id"]
    assert (refused, told["code"]) == (413, "body_too_large")
    assert headers["Content-Type"] == "application/problem+json"
    assert "request_id" not in told  # it was nginx that said so


def test_a_ping_arrives_at_once(site: Site, world: World, rep: Person) -> None:
    rep.sync()
    connection = site.connect()
    connection.request("GET", PATH, headers=bearer(rep))
    stream = connection.getresponse()
    assert (stream.status, stream.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    read_until(stream, "event: changed")

    world.account(name="새 거래처")
    world.drain()
    began = time.monotonic()
    read_until(stream, "event: changed")

    assert time.monotonic() - began < 5
    connection.close()


def read_until(stream: http.client.HTTPResponse, wanted: str) -> None:
    """Read lines; the connection's timeout ends a wait that is too long."""
    while stream.readline().decode().rstrip() != wanted:
        pass


def test_while_the_application_is_away_phones_are_told_to_come_again(site: Site, rep: Person) -> None:
    end(site.web)

    status, headers, told = site.ask("POST", "/api/v1/sync", bearer(rep), b"{}")

    assert (status, told["code"], headers["Retry-After"]) == (503, "unavailable", "5")
