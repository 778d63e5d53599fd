"""The product as its operator starts it: ``flask serve``, with gunicorn's master, its workers and the scheduler."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.serve import wait_ready
from tests.faults.processes import children_of, command_of, is_alive, open_files_of, send, wait_until

PROJECT = Path(__file__).parents[2]
LIMIT_S = 60.0


class Service:
    """One supervisor with what it started."""

    def __init__(
        self,
        environment: Mapping[str, str],
        port: int,
        log: Path,
        *,
        workers: int = 2,
        command: Sequence[str] | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            environment: Variables over those of this process.
            port: Of the web server.
            log: Where its output goes.
            workers: Web processes.
            command: Instead of ``flask serve``.
        """
        self.environment = {**os.environ, "PYTHONUTF8": "1", **environment}
        self.port, self.log = port, log
        words = ("--port", str(port), "--workers", str(workers), "--threads", "12")
        self.command = command or (
            sys.executable,
            "-m",
            "flask",
            "--app",
            "wsgi",
            "serve",
            *words,
            "--no-events",
        )
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.web = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, **more: str) -> None:
        """Start it and wait until it is ready for requests; further variables by keyword."""
        with open(self.log, "ab") as output:
            self.supervisor = subprocess.Popen(
                self.command,
                cwd=PROJECT,
                env=self.environment | more,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        running = self.supervisor
        wait_ready(f"{self.url}/readyz", LIMIT_S, still_alive=lambda: running.poll() is None)
        if not wait_until(lambda: self._find_web() is not None, LIMIT_S):
            raise TimeoutError("gunicorn was not found below its supervisor")
        self.web = self._find_web() or 0

    def _find_web(self) -> int | None:
        if self.supervisor is None:
            return None
        below = children_of(self.supervisor.pid)
        return next((pid for pid in below if "gunicorn" in command_of(pid)), None)

    def workers(self) -> list[int]:
        """Web processes that run now."""
        return [pid for pid in children_of(self.web) if is_alive(pid)]

    def has_workers(self, count: int, without: Sequence[int] = ()) -> bool:
        """Whether so many run, none of which is one of those."""
        running = self.workers()
        return len(running) >= count and not set(running) & set(without)

    def limit_files(self, spare: int) -> dict[int, tuple[int, int]]:
        """Leave each worker only so many more handles; gives the former limits."""
        former = {}
        for pid in self.workers():
            former[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            few = open_files_of(pid) + spare
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, former[pid][1]))
        return former

    def give_files_back(self, former: Mapping[int, tuple[int, int]]) -> None:
        """Undo ``limit_files``."""
        for pid, limits in former.items():
            if is_alive(pid):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)

    def terminate(self) -> int:
        """SIGTERM to the supervisor, and wait for its end; gives its exit status."""
        running = self.supervisor
        assert running is not None
        running.send_signal(signal.SIGTERM)
        status = running.wait(LIMIT_S)
        self.supervisor = None
        return status

    def processes(self) -> list[int]:
        """The supervisor and all below it."""
        if self.supervisor is None:
            return []
        found = [self.supervisor.pid]
        for pid in found:
            found += children_of(pid)
        return found

    def kill_supervisor(self) -> list[int]:
        """SIGKILL to the supervisor alone; gives what it had started."""
        running = self.supervisor
        assert running is not None
        below = self.processes()[1:]
        running.kill()
        running.wait(LIMIT_S)
        self.supervisor = None
        return below

    def end(self) -> None:
        """Stop all of it, with force where it does not listen."""
        everything = self.processes()
        try:
            if self.supervisor is not None:
                for pid in everything:
                    send(pid, signal.SIGCONT)
                self.terminate()
        except subprocess.TimeoutExpired:
            pass
        for pid in everything:
            if is_alive(pid):
                send(pid, signal.SIGKILL)
        if self.supervisor is not None:
            self.supervisor.wait(LIMIT_S)
            self.supervisor = None
