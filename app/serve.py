"""Run the web server, the scheduler and the live pings as one: start, watch, stop; imports no Flask.

``python -m app.serve stop`` stops a server that was left running.
"""

import contextlib
import errno
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self
from urllib.parse import urlsplit

from app.core.supervised import SUPERVISED_BY
from localpg import state_root
from localpg.processes import find_process

DEFAULT_PORT = 8000
DEFAULT_EVENTS_PORT = 8100
SCHEDULER_COMMAND = (sys.executable, "-m", "flask", "--app", "wsgi", "scheduler", "run")
EVENTS_COMMAND = (sys.executable, "-m", "flask", "--app", "wsgi", "events", "run")
EVENTS_PATH = "/api/v1/sync/events"
EVENTS_URL = "FIELDMERGE_EVENTS_URL"

_PORTS_TRIED = 20
_WEB_GRACE_S = 35.0  # a little more than graceful_timeout of app/gunicorn_conf.py
_KEPT_GRACE_S = 10.0
_RESTART_FIRST_S, _RESTART_MOST_S = 1.0, 60.0
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared only
_STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ServeError(Exception):
    """The server cannot be started or reached; the message says what to do."""


class PortTaken(ServeError):
    """Another program listens on the port."""


class AlreadyServing(ServeError):
    """A server with the same pid file is running."""


class NotReady(ServeError):
    """The server does not answer in time, or ended."""


def find_port(preferred: int, host: str = "127.0.0.1") -> int:
    """The first free port from ``preferred`` on.

    Raises:
        PortTaken: That one and the 19 after it are all busy.
    """
    with listen(host, preferred, _PORTS_TRIED) as listener:
        return _port_of(listener)


def wait_ready(url: str, timeout_s: float, *, still_alive: Callable[[], bool] = lambda: True) -> None:
    """Wait until a GET answers 200.

    Args:
        url: Such as ``http://127.0.0.1:8000/healthz``.
        timeout_s: After this it has failed.
        still_alive: Asked in between; False ends the waiting.

    Raises:
        NotReady: It did not, or is no longer alive.
    """
    deadline = time.monotonic() + timeout_s
    seen = "no answer"
    while time.monotonic() < deadline:
        if not still_alive():
            raise NotReady(f"The server ended before it answered on {url}.")
        status = _status_of(url)
        if status == http.HTTPStatus.OK:
            return
        seen = f"status {status}" if status else seen
        time.sleep(0.1)
    raise NotReady(f"The server did not become ready on {url} within {timeout_s:.0f} s ({seen}).")


def serve(
    config_env: Mapping[str, str],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    workers: int = 2,
    threads: int = 32,
    scheduler: bool = True,
    events: bool = True,
    events_port: int | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM, then stop everything that was started.

    Args:
        config_env: Variables for the children, over those of this process.
        host: Address to listen on.
        port: Insisted on when given; by default the first free one from 8000.
        workers: Processes of gunicorn.
        threads: Threads of each.
        scheduler: Whether to run the scheduler process too.
        events: Whether to run the process of live pings too.
        events_port: Of it; insisted on when given, by default the first free one from 8100.

    Returns:
        Exit status: 0 after a signal, 1 when the web server ended by itself.

    Raises:
        ServeError: It cannot be started.
    """
    with Supervisor(
        config_env,
        host=host,
        port=port,
        workers=workers,
        threads=threads,
        scheduler=scheduler,
        events=events,
        events_port=events_port,
    ) as supervisor:
        _tell(f"Serving on {supervisor.url} (Ctrl-C stops it)")
        return supervisor.wait()


def default_pid_file() -> Path:
    """Where a server notes itself for ``make stop``."""
    return state_root() / "serve.pid"


class _Kept:
    """A child that is started again when it ends, after a pause that grows while it keeps ending."""

    def __init__(self, name: str, spawn: Callable[[], "subprocess.Popen[bytes]"]) -> None:
        self.name = name
        self._spawn = spawn
        self._restart_at = 0.0
        self._restart_after_s = _RESTART_FIRST_S
        self._start()

    def _start(self) -> None:
        self.process = self._spawn()
        self._started = time.monotonic()

    def look_after(self, tell: Callable[[str], None], on_end: Callable[[int], None]) -> bool:
        """Notice its end, or start it again when the pause is over; gives whether it was started.

        Args:
            tell: Told of an end in a sentence.
            on_end: Given the process id of a child that ended.
        """
        if self.process.poll() is None:
            return False
        now = time.monotonic()
        if self._restart_at < self._started:
            if now - self._started > _RESTART_MOST_S:
                self._restart_after_s = _RESTART_FIRST_S
            self._restart_at = now + self._restart_after_s
            on_end(self.process.pid)
            reason = _reason(self.process.returncode)
            tell(f"The {self.name} ended ({reason}); it is started again in {self._restart_after_s:.0f} s.")
            self._restart_after_s = min(2 * self._restart_after_s, _RESTART_MOST_S)
        elif now >= self._restart_at:
            self._start()
            return True
        return False


class Supervisor:
    """The web server, the scheduler and the live pings, as children in sessions of their own.

    A context manager: entering starts them, leaving stops them. Inside, SIGTERM and SIGHUP interrupt as
    Ctrl-C does. Use it from the main thread.
    """

    def __init__(
        self,
        config_env: Mapping[str, str],
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        workers: int = 2,
        threads: int = 32,
        scheduler: bool = True,
        events: bool = True,
        events_port: int | None = None,
        scheduler_command: Sequence[str] = SCHEDULER_COMMAND,
        events_command: Sequence[str] = EVENTS_COMMAND,
        application: str = "wsgi:app",
        pid_file: Path | None = None,
        log: Path | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Nothing is started yet; the arguments of :func:`serve`, and:

        Args:
            config_env: Variables for the children, over those of this process.
            host: Address to listen on.
            port: Insisted on when given; by default the first free one from 8000.
            workers: Processes of gunicorn.
            threads: Threads of each.
            scheduler: Whether to run the scheduler process too.
            events: Whether to run the process of live pings too.
            events_port: Of it; insisted on when given, by default the first free one from 8100.
            scheduler_command: What runs the scheduler.
            events_command: What runs the live pings; ``--fd`` and the number of its socket are added.
            application: Module and name of the WSGI application.
            pid_file: By default ``serve.pid`` of the state directory.
            log: A file for what the children print; by default they share our terminal.
            tell: Told in a sentence when a child ends or is started again; by default on standard error.
        """
        self._environment = {
            **os.environ,
            "PYTHONUTF8": "1",
            **config_env,
            SUPERVISED_BY: str(os.getpid()),
        }
        self._metrics = ""
        self._host, self._port, self._events_port = host, port, events_port
        self._workers, self._threads = workers, threads
        self._scheduler_command = list(scheduler_command) if scheduler else None
        self._events_command = list(events_command) if events else None
        self._application = application
        self._pid_file = pid_file or default_pid_file()
        self._log = log
        self._tell = tell or _tell
        self._web: subprocess.Popen[bytes] | None = None
        self._kept: list[_Kept] = []
        self._events_listener: socket.socket | None = None
        self._handlers = contextlib.ExitStack()
        self._hurry = False
        self.url = ""
        self.events_url = ""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as handlers:
            handlers.enter_context(_on_stopping_signals(signal.default_int_handler))
            self.start()
            self._handlers = handlers.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._handlers:
            self.stop()

    def start(self) -> None:
        """Start all; returns at once, with the addresses set. On any failure nothing is left running.

        Raises:
            AlreadyServing: The pid file is that of a live server.
            PortTaken: A port is busy.
        """
        _clear_leftovers(self._pid_file, self._tell)
        # The processes add up their counters in files of this folder; each start begins anew.
        self._metrics = tempfile.mkdtemp(prefix="fieldmerge-metrics-")
        self._environment["PROMETHEUS_MULTIPROC_DIR"] = self._metrics
        try:
            self._open_events()
            with listen(
                self._host, self._port or DEFAULT_PORT, 1 if self._port else _PORTS_TRIED
            ) as listener:
                self.url = _url_of(self._host, _port_of(listener))
                self._web = self._spawn(self._web_command(listener), listener)
            self._start_kept()
            self._note()
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, path: str = "/healthz", timeout_s: float = 60.0) -> None:
        """Wait until the server answers on a path.

        Raises:
            NotReady: It does not in time, or ended.
        """
        wait_ready(self.url + path, timeout_s, still_alive=self._web_lives)

    def wait(self) -> int:
        """Watch the children until a signal; start all but the web server again when they end.

        Returns:
            0 after a signal, 1 when the web server ended by itself.
        """
        try:
            while self._web_lives():
                started = [kept.look_after(self._tell, self._forget_gauges) for kept in self._kept]
                if any(started):
                    self._note()
                time.sleep(0.2)
        except KeyboardInterrupt:
            return 0
        status = self._web.returncode if self._web else None
        self._tell(f"The web server ended by itself ({_reason(status)}).")
        return 1

    def stop(self) -> None:
        """Stop the others, then the web server; a second Ctrl-C meanwhile kills them at once."""
        with _on_stopping_signals(self._hurry_up):
            for kept in self._kept:
                if kept.process.poll() is None:
                    kept.process.terminate()
            for kept in self._kept:
                self._end(kept.process, _KEPT_GRACE_S)
            if self._web is not None:
                self._end(self._web, _WEB_GRACE_S)
        if self._kept or self._web is not None:
            self._pid_file.unlink(missing_ok=True)
        self._kept, self._web = [], None
        if self._events_listener is not None:
            self._events_listener.close()
            self._events_listener = None
        shutil.rmtree(self._metrics, ignore_errors=True)

    def _open_events(self) -> None:
        """Find the port of the live pings, and have the web server tell phones where they are.

        The socket stays open here: while the process is started again, phones wait and are not refused.
        """
        if self._events_command is None:
            return
        port, tries = self._events_port or DEFAULT_EVENTS_PORT, 1 if self._events_port else _PORTS_TRIED
        self._events_listener = listen(self._host, port, tries)
        self.events_url = _url_of(self._host, _port_of(self._events_listener)) + EVENTS_PATH
        if not self._environment.get(EVENTS_URL):
            # Whoever listens on every address knows none by which phones come: a proxy's path is left.
            everywhere = self._host in _EVERYWHERE
            self._environment[EVENTS_URL] = EVENTS_PATH if everywhere else self.events_url

    def _web_command(self, listener: socket.socket) -> list[str]:
        # The socket is handed over open: nobody can take the port between finding and using it.
        options = {
            "--bind": f"fd://{listener.fileno()}",
            "--workers": self._workers,
            "--threads": self._threads,
        }
        words = [word for option, value in options.items() for word in (option, str(value))]
        return [
            sys.executable,
            "-m",
            "gunicorn",
            "--config",
            "python:app.gunicorn_conf",
            *words,
            self._application,
        ]

    def _spawn(
        self, command: Sequence[str], listener: socket.socket | None = None
    ) -> subprocess.Popen[bytes]:
        project = Path(__file__).resolve().parent.parent
        with self._output() as output:
            return subprocess.Popen(  # noqa: S603 - our own processes
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                cwd=project if (project / "wsgi.py").exists() else None,
                pass_fds=[listener.fileno()] if listener else [],
                start_new_session=True,
            )

    @contextlib.contextmanager
    def _output(self) -> Iterator[IO[bytes] | None]:
        if self._log is None:
            yield None
        else:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with open(self._log, "ab") as file:
                yield file

    def _start_kept(self) -> None:
        if self._scheduler_command is not None:
            scheduler = self._scheduler_command
            self._kept.append(_Kept("scheduler", lambda: self._spawn(scheduler)))
        if self._events_command is not None and self._events_listener is not None:
            listener = self._events_listener
            events = [*self._events_command, "--fd", str(listener.fileno())]
            self._kept.append(_Kept("process of live pings", lambda: self._spawn(events, listener)))

    def _forget_gauges(self, pid: int) -> None:
        """A child that was killed has left its live numbers behind."""
        for file in Path(self._metrics).glob(f"gauge_live*_{pid}.db"):
            file.unlink(missing_ok=True)

    def _web_lives(self) -> bool:
        return self._web is not None and self._web.poll() is None

    def _end(self, child: subprocess.Popen[bytes], patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        if child.poll() is None:
            child.terminate()
        while child.poll() is None:
            if self._hurry or time.monotonic() > deadline:
                # Not reaped yet, so the group is still that of our child.
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                return
            time.sleep(0.05)

    def _note(self) -> None:
        """Write the pid file; a directory that cannot be written only costs ``make stop``."""
        children = [*(kept.process for kept in self._kept), *([self._web] if self._web else [])]
        pids = [os.getpid(), *(child.pid for child in children)]
        try:
            _Note(self.url, _fingerprints(pids)).write(self._pid_file)
        except OSError as error:
            self._tell(
                f"{self._pid_file} cannot be written ({error.strerror}); `make stop` will not find us."
            )

    def _hurry_up(self, _number: int, _frame: FrameType | None) -> None:
        self._hurry = True


@contextlib.contextmanager
def _on_stopping_signals(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Have a handler for SIGINT, SIGTERM and SIGHUP; outside the main thread Python allows none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, handler) for number in _STOPPING_SIGNALS}
    try:
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, signal.SIG_DFL if former is None else former)


@dataclass(frozen=True)
class _Note:
    """A pid file. ``processes`` maps PIDs to fingerprints: the supervisor first, the web server last."""

    url: str
    processes: dict[int, str]

    @classmethod
    def read(cls, path: Path) -> "_Note | None":
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(content["url"], {int(pid): print_ for pid, print_ in content["processes"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(path.name + ".new")
        scratch.write_text(json.dumps({"url": self.url, "processes": self.processes}), encoding="utf-8")
        scratch.replace(path)

    def live(self) -> list[int]:
        """Those that still run; a PID that now means another process is not one of them."""
        return [
            pid for pid, fingerprint in self.processes.items() if _fingerprints([pid]).get(pid) == fingerprint
        ]

    @property
    def supervisor(self) -> int:
        return next(iter(self.processes), 0)


def stop_serving(pid_file: Path | None = None) -> bool:
    """Stop a server that was left running, whatever is left of it.

    Args:
        pid_file: By default ``serve.pid`` of the state directory.

    Returns:
        Whether anything was running.

    Raises:
        ServeError: It belongs to another user.
    """
    path = pid_file or default_pid_file()
    note = _Note.read(path)
    if note is None:
        return False
    live = note.live()
    if live:
        _tell(f"Stopping the server on {note.url} …")
    if note.supervisor in live:
        _signal_all([note.supervisor], signal.SIGTERM)
        _wait_gone(note, [note.supervisor], _KEPT_GRACE_S + _WEB_GRACE_S + 5)
    _signal_all(note.live(), signal.SIGTERM)
    _wait_gone(note, list(note.processes), _WEB_GRACE_S)
    _signal_all(note.live(), signal.SIGKILL)
    path.unlink(missing_ok=True)
    return bool(live)


def main(arguments: Sequence[str]) -> int:
    """``python -m app.serve stop``; gives the exit status."""
    if list(arguments) != ["stop"]:
        _tell("usage: python -m app.serve stop    (to start a server: flask --app wsgi serve)")
        return 2
    try:
        stopped = stop_serving()
    except ServeError as error:
        _tell(str(error))
        return 1
    _tell("The server was stopped." if stopped else "No server was running.")
    return 0


def _clear_leftovers(pid_file: Path, tell: Callable[[str], None]) -> None:
    """Stop the children of a supervisor that was killed; leave a living one alone."""
    note = _Note.read(pid_file)
    if note is None:
        return
    live = note.live()
    if note.supervisor in live:
        raise AlreadyServing(
            f"A server is already running on {note.url} (process {note.supervisor}); `make stop` ends it."
        )
    if live:
        tell("Stopping what a killed server left running …")
        stop_serving(pid_file)


def _fingerprints(pids: Sequence[int]) -> dict[int, str]:
    found = (find_process(pid) for pid in pids)
    return {process.pid: process.fingerprint for process in found if process is not None}


def _signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        except PermissionError as error:
            raise ServeError(f"Process {pid} belongs to another user.") from error


def _wait_gone(note: _Note, pids: Sequence[int], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and any(pid in pids for pid in note.live()):
        time.sleep(0.1)


def listen(host: str, first_port: int, count: int = 1) -> socket.socket:
    """A socket that listens on the first free of *count* ports.

    Raises:
        PortTaken: None is free.
        ServeError: The address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first_port, min(first_port + count, 65_536)):
        try:
            return socket.create_server((host, port), family=family, backlog=2048)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise ServeError(f"Cannot listen on {host} port {port}: {error.strerror or error}.") from error
    if count == 1:
        raise PortTaken(
            f"Port {first_port} is used by another program; stop that program or choose another port."
        )
    raise PortTaken(f"The ports {first_port} to {first_port + count - 1} are all used by other programs.")


def _port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def _url_of(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _status_of(url: str) -> int | None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=5)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _reason(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        return f"by signal {signal.Signals(-returncode).name}"
    return f"exit status {returncode}"


def _tell(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
