"""The supervisor of app/serve.py, with a stub in place of the product."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import app.serve
from app.serve import (
    AlreadyServing,
    NotReady,
    PortTaken,
    Supervisor,
    find_port,
    stop_serving,
    wait_ready,
)
from localpg.processes import find_process

PROJECT = Path(app.serve.__file__).parent.parent
STUB = """
def app(environ, start):
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
"""
TELLS = """
import os
def app(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [os.environ.get("FIELDMERGE_EVENTS_URL", "").encode()]
"""
SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "stub.py").write_text(STUB)
    (tmp_path / "tells.py").write_text(TELLS)
    return tmp_path


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def supervisor(place: Path, *, application: str = "stub:app", **options: object) -> Supervisor:
    return Supervisor(
        {"PYTHONPATH": f"{place}:{PROJECT}"},
        application=application,
        workers=1,
        threads=2,
        pid_file=place / "serve.pid",
        log=place / "serve.log",
        **{"scheduler_command": SLEEPER, "events_command": SLEEPER, **options},  # type: ignore[arg-type]
    )


def pids_of(place: Path) -> list[int]:
    note = app.serve._Note.read(place / "serve.pid")
    assert note is not None
    return list(note.processes)


def wait_until(place: Path, text: str) -> None:
    deadline = time.monotonic() + 30
    while text not in (place / "out.log").read_text():
        assert time.monotonic() < deadline, (place / "out.log").read_text()
        time.sleep(0.05)


def run_apart(place: Path) -> "subprocess.Popen[bytes]":
    """A supervisor in a process of its own, as a terminal would have it."""
    code = (
        "from app.serve import Supervisor; from pathlib import Path; import sys\n"
        f"place = Path({str(place)!r})\n"
        f"environment = {{'PYTHONPATH': '{place}:{PROJECT}'}}\n"
        "with Supervisor(environment, application='stub:app', workers=1, threads=2,\n"
        "                pid_file=place / 'serve.pid',\n"
        f"                scheduler_command={SLEEPER!r}, events_command={SLEEPER!r}) as supervisor:\n"
        "    supervisor.wait_ready('/')\n"
        "    print('ready', flush=True)\n"
        "    sys.exit(supervisor.wait())\n"
    )
    with open(place / "out.log", "wb") as log:
        child = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log, cwd=PROJECT)
    wait_until(place, "ready")
    return child


class TestPorts:
    def test_a_busy_port_is_passed_over(self, busy_port: int) -> None:
        assert busy_port < find_port(busy_port) < busy_port + 20

    def test_a_port_that_was_asked_for_is_insisted_on(self, place: Path, busy_port: int) -> None:
        with pytest.raises(PortTaken, match=f"Port {busy_port} is used"), supervisor(place, port=busy_port):
            pass

    def test_an_address_of_another_machine_is_explained(self, place: Path) -> None:
        with pytest.raises(app.serve.ServeError, match=r"192\.0\.2\.1"), supervisor(place, host="192.0.2.1"):
            pass


class TestSupervisor:
    def test_serves_and_leaves_nothing_behind(self, place: Path) -> None:
        with supervisor(place) as server:
            server.wait_ready("/")
            parts = urlsplit(server.url)
            connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
            connection.request("GET", "/")
            response = connection.getresponse()
            assert (response.status, response.read(), response.headers["Server"]) == (200, b"ok", None)
            connection.close()
            children = pids_of(place)[1:]
            assert len(children) == 3
        assert [find_process(pid) for pid in children] == [None] * 3
        assert not (place / "serve.pid").exists()

    def test_refuses_to_start_twice(self, place: Path) -> None:
        with supervisor(place) as server:
            with pytest.raises(AlreadyServing, match=server.url), supervisor(place):
                pass
            server.wait_ready("/")

    def test_says_when_the_application_cannot_be_loaded(self, place: Path) -> None:
        with supervisor(place, application="nothing:app") as server:
            with pytest.raises(NotReady, match="ended"):
                server.wait_ready("/")
            assert server.wait() == 1

    def test_starts_the_scheduler_again(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(app.serve, "_RESTART_FIRST_S", 0.1)
        told: list[str] = []

        def tell(sentence: str) -> None:
            told.append(sentence)
            if len(told) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        command = (sys.executable, "-c", "raise SystemExit(3)")
        with supervisor(place, scheduler_command=command, tell=tell) as server:
            assert server.wait() == 0
        assert [sentence.split(";")[0] for sentence in told] == ["The scheduler ended (exit status 3)"] * 3

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_ends_with_status_0_on_a_signal(self, place: Path, number: signal.Signals) -> None:
        with run_apart(place) as child:
            children = pids_of(place)[1:]
            child.send_signal(number)
            assert child.wait(30) == 0
        assert [find_process(pid) for pid in children] == [None] * 3


class TestStopServing:
    def test_stops_a_server_left_running(self, place: Path) -> None:
        with run_apart(place) as child:
            children = pids_of(place)[1:]
            assert stop_serving(place / "serve.pid")
            assert child.wait(30) == 0
        assert [find_process(pid) for pid in children] == [None] * 3

    def test_stops_what_a_killed_supervisor_left(self, place: Path) -> None:
        with run_apart(place) as child:
            children = pids_of(place)[1:]
            child.kill()
        assert stop_serving(place / "serve.pid")
        assert [find_process(pid) for pid in children] == [None] * 3

    def test_a_new_server_clears_what_a_killed_one_left(self, place: Path) -> None:
        with run_apart(place) as child:
            children = pids_of(place)[1:]
            child.kill()
        with supervisor(place) as server:
            server.wait_ready("/")
            assert [find_process(pid) for pid in children] == [None] * 3

    def test_leaves_a_process_alone_that_only_has_the_same_pid(self, place: Path) -> None:
        with subprocess.Popen(SLEEPER) as other:
            note = app.serve._Note("http://127.0.0.1:1", {other.pid: "1 something else"})
            note.write(place / "serve.pid")
            assert not stop_serving(place / "serve.pid")
            assert other.poll() is None
            other.kill()

    def test_nothing_was_running(self, place: Path) -> None:
        assert not stop_serving(place / "serve.pid")


class TestWaitReady:
    def test_gives_up_and_says_where(self, busy_port: int) -> None:
        port = find_port(busy_port + 1)
        with pytest.raises(NotReady, match=f":{port}/healthz"):
            wait_ready(f"http://127.0.0.1:{port}/healthz", 0.3)


class TestLivePings:
    def test_are_started_again_on_the_same_port_when_they_end(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(app.serve, "_RESTART_FIRST_S", 0.1)
        told: list[str] = []

        def tell(sentence: str) -> None:
            told.append(sentence)
            if len(told) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        code = (
            "import socket, sys; print(socket.socket(fileno=int(sys.argv[2])).getsockname()[1]); sys.exit(4)"
        )
        command = (sys.executable, "-u", "-c", code)
        with supervisor(place, events_command=command, tell=tell) as server:
            port = str(urlsplit(server.events_url).port)
            assert server.wait() == 0
        assert {sentence.split(";")[0] for sentence in told} == {
            "The process of live pings ended (exit status 4)"
        }
        ports = [line for line in (place / "serve.log").read_text().split() if line.isdigit()]
        assert set(ports) == {port}
        assert len(ports) == 3

    def test_are_told_to_phones_by_their_own_port(self, place: Path) -> None:
        with supervisor(place, application="tells:app") as server:
            server.wait_ready("/")

            assert fetched(server.url) == server.events_url
            assert urlsplit(server.events_url).path == "/api/v1/sync/events"
            assert urlsplit(server.events_url).port != urlsplit(server.url).port

    def test_are_told_as_a_proxys_path_by_a_server_on_every_address(self, place: Path) -> None:
        with supervisor(place, application="tells:app", host="::") as server:
            server.wait_ready("/")

            assert fetched(server.url) == "/api/v1/sync/events"

    def test_are_told_as_the_setting_says(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FIELDMERGE_EVENTS_URL", "https://pings.example.com/events")
        with supervisor(place, application="tells:app") as server:
            server.wait_ready("/")

            assert fetched(server.url) == "https://pings.example.com/events"

    def test_are_told_to_nobody_where_they_are_not_wanted(self, place: Path) -> None:
        with supervisor(place, application="tells:app", events=False) as server:
            server.wait_ready("/")

            assert (fetched(server.url), len(pids_of(place))) == ("", 3)


def fetched(url: str) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
    connection.request("GET", "/")
    body = connection.getresponse().read().decode()
    connection.close()
    return body
