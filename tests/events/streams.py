"""The process of live pings, and many phones that hold a connection to it."""

import http.client
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import psycopg

from app.config import Config
from app.events.desk import PEOPLE_CHANNEL
from app.events.document import PATH
from tests.cli.conftest import variables_of

PROJECT = Path(__file__).parents[2]
PATIENCE_S = 30.0
QUIET_S = 0.5


class Phone:
    """One held connection. ``events`` are the names that came, ``pings`` the positions."""

    def __init__(self, line: socket.socket, token: str) -> None:
        self.line = line
        self.token = token
        self.closed = False
        self.status = 0
        self.head = ""
        self.events: list[str] = []
        self.pings: list[int] = []
        self.comments = 0
        self.retry_ms = 0
        self.at: list[float] = []
        self._raw = b""

    def read(self) -> None:
        """Take in what has come."""
        try:
            data = self.line.recv(65_536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self.closed = not data
        self._raw += data
        if not self.status and b"\r\n\r\n" in self._raw:
            head, _, self._raw = self._raw.partition(b"\r\n\r\n")
            self.head = head.decode()
            self.status = int(self.head.split()[1])
        if self.status == 200:
            *whole, self._raw = self._raw.split(b"\n\n")
            for block in whole:
                self._understand(block.decode())

    def _understand(self, block: str) -> None:
        lines = block.splitlines()
        self.comments += sum(line.startswith(":") for line in lines)
        for line in lines:
            name, _, value = line.partition(": ")
            if name == "event":
                self.events.append(value)
                self.at.append(time.monotonic())
            elif name == "retry":
                self.retry_ms = int(value)
            elif name == "data" and "position" in value:
                self.pings.append(json.loads(value)["position"])

    def forget(self) -> None:
        """Let only what comes from now on count."""
        self.events, self.pings, self.at, self.comments = [], [], [], 0


class Service:
    """The running process."""

    def __init__(self, child: "subprocess.Popen[bytes]", port: int, log: Path, database_url: str) -> None:
        self.child, self.port, self.log, self.database_url = child, port, log, database_url
        self.selector = selectors.DefaultSelector()
        self.phones: list[Phone] = []

    def open(self, token: str, *, receive_bytes: int = 0, **headers: str) -> Phone:
        """Begin to hold a connection."""
        line = socket.socket()
        if receive_bytes:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        line.connect(("127.0.0.1", self.port))
        lines = [f"GET {PATH} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        line.setblocking(False)
        phone = Phone(line, token)
        self.phones.append(phone)
        self.selector.register(line, selectors.EVENT_READ, phone)
        return phone

    def hold(self, token: str, **headers: str) -> Phone:
        """Hold a connection that was let in, and was told so by a first ping."""
        phone = self.open(token, **headers)
        self.until(lambda: bool(phone.pings))
        phone.forget()
        return phone

    def settle(self, *phones: Phone) -> None:
        """Take in the news of what was done before, and forget it.

        PostgreSQL hands notices out in the order of their transactions, and on a busy machine late: what a drain said
        before the phones came may reach them after their first ping. Who is notified now has heard of all of it.
        """
        self.forget(*phones)
        self.tell(*phones)
        self.until(lambda: all(phone.pings for phone in phones))
        self.listen(QUIET_S)
        self.forget(*phones)

    def tell(self, *phones: Phone) -> None:
        """Notify that something about their people changed, as triggers do; each by a transaction of its own."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            for phone in phones:
                claims = jwt.decode(phone.token, options={"verify_signature": False})
                notice = f"{claims['tid']}:{claims['sub']}"
                connection.execute("SELECT pg_notify(%s, %s)", [PEOPLE_CHANNEL, notice])

    @staticmethod
    def forget(*phones: Phone) -> None:
        """Let only what comes from now on count."""
        for phone in phones:
            phone.forget()

    def close(self, phone: Phone) -> None:
        """Hang up."""
        self.selector.unregister(phone.line)
        phone.line.close()
        self.phones.remove(phone)

    def listen(self, seconds: float) -> None:
        """Take in what comes in that time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._take(left)

    def until(self, true: Callable[[], bool], seconds: float = PATIENCE_S) -> float:
        """Take in what comes until something is true; gives how long it took."""
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < seconds, self.log.read_text()[-3000:]
            self._take(0.05)
        return time.monotonic() - began

    def _take(self, seconds: float) -> None:
        for key, _ in self.selector.select(seconds):
            phone: Phone = key.data
            phone.read()
            if phone.closed:
                self.selector.unregister(phone.line)
                phone.line.close()

    def get(self, path: str, **headers: str) -> tuple[int, Any, bytes]:
        """Status, headers and body of another request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    @property
    def streams(self) -> int:
        """How many it says that it holds."""
        return int(json.loads(self.get("/readyz")[2])["streams"])

    def metric(self, name: str) -> float:
        """The sum over its labels."""
        lines = self.get("/metrics")[2].decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def status(self, field: str) -> int:
        """A number of /proc/PID/status."""
        text = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith(field + ":")).split()[1])

    def hang_up(self) -> None:
        for phone in self.phones:
            phone.line.close()
        self.phones.clear()
        self.selector.close()


@contextmanager
def running(config: Config, place: Path, *, until_ready: bool = True, **variables: str) -> Iterator[Service]:
    """The process on a port of its own, ready; ended by SIGTERM, which it must obey."""
    log = place / "events.log"
    environment = {**os.environ, **variables_of(config), "FIELDMERGE_STATE": str(place), **variables}
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener, open(log, "wb") as output:
        words = ("-m", "flask", "--app", "wsgi", "events", "run", "--fd", str(listener.fileno()))
        child = subprocess.Popen(
            [sys.executable, *words],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
        )
        service = Service(child, listener.getsockname()[1], log, config.database_url)
    with child:
        try:
            service.until(lambda: service.child.poll() is not None or answers(service, until_ready))
            assert child.poll() is None, log.read_text()
            yield service
            service.hang_up()
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
            assert child.wait(PATIENCE_S) == 0, log.read_text()[-3000:]
            assert "Traceback" not in log.read_text(), log.read_text()[-6000:]
        finally:
            service.hang_up()
            child.kill()


def answers(service: Service, ready: bool) -> bool:
    """Whether it answers at all, or with *ready* that it is."""
    try:
        return service.get("/readyz" if ready else "/healthz")[0] == 200
    except OSError:
        return False


def allow_files(count: int) -> None:
    """Let this process have so many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(count, hard)), hard))
