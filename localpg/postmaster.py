"""The server process: start it detached, recognise it later, wait for it, stop it."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from localpg.account import Account
from localpg.binaries import Binaries
from localpg.cluster import child_environment
from localpg.errors import LocalPostgresError
from localpg.processes import Process, find_process
from localpg.state import Progress

_FAST_STOP_S = 90.0
_IMMEDIATE_STOP_S = 20.0
_OLD_MEMORY_S = 60.0
_BIG_LOG_BYTES = 20_000_000

# Servers that are our own children: they must be reaped here, or they stay as zombies when they end.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Postmaster:
    """A running server process and what its pid file says about it."""

    process: Process
    state: str
    socket_directory: Path | None

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid


def find_postmaster(data: Path) -> Postmaster | None:
    """Read the pid file of a data directory and believe it only when that process is its server."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        pid = abs(int(lines[0]))
    except (FileNotFoundError, IndexError, ValueError):
        return None
    process = find_running(pid)
    if process is None or not _serves(process, data):
        return None
    return Postmaster(
        process,
        state=lines[7].strip() if len(lines) > 7 else "starting",
        socket_directory=Path(lines[4].strip()) if len(lines) > 4 and lines[4].strip() else None,
    )


def find_running(pid: int) -> Process | None:
    """Give a process unless it has ended; a child of ours that has ended is reaped on the way."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
        return None
    return find_process(pid)


def launch(data: Path, binaries: Binaries, account: Account, log: Path, progress: Progress) -> int:
    """Start the server in a session of its own and wait until it accepts connections.

    However long crash recovery takes, it is waited for; an interruption stops the server again.

    Returns:
        Its process id.

    Raises:
        LocalPostgresError: It ended instead, with the end of its log.
    """
    _remove_stale_pid_file(data)
    _turn_log(log)
    deadline = time.monotonic() + _OLD_MEMORY_S
    while True:
        offset = log.stat().st_size if log.exists() else 0
        pid = _spawn(data, binaries, account, log)
        if wait_ready(pid, data, progress):
            return pid
        other = find_postmaster(data)
        if other is not None and wait_ready(other.pid, data, progress):
            return other.pid  # its starter was killed before it was seen
        said = _tail(log, offset)
        # The helpers of a server that was killed hold its shared memory until they notice, a second or so.
        if "pre-existing shared memory block" not in said or time.monotonic() > deadline:
            raise LocalPostgresError(f"PostgreSQL did not start. The end of {log}:\n{said}")
        progress("Waiting for what is left of a killed PostgreSQL to end …")
        time.sleep(0.5)


def wait_ready(pid: int, data: Path, progress: Progress) -> bool:
    """Wait until the server accepts connections; False when it has ended instead."""
    started = time.monotonic()
    told = started
    try:
        while find_running(pid) is not None:
            found = find_postmaster(data)
            if found is not None and found.pid == pid and found.state == "ready":
                return True
            if time.monotonic() - told >= 2.0:
                told = time.monotonic()
                progress(
                    f"PostgreSQL is starting; after a crash it repairs its data ({told - started:.0f} s) …"
                )
            time.sleep(0.02)
    except BaseException:
        if pid in _children:
            stop_postmaster(pid, progress)
        raise
    return False


def stop_postmaster(pid: int, progress: Progress) -> None:
    """Shut the server down cleanly; open transactions are rolled back.

    Raises:
        LocalPostgresError: It does not end, or belongs to another user.
    """
    for kind, patience_s in ((signal.SIGINT, _FAST_STOP_S), (signal.SIGQUIT, _IMMEDIATE_STOP_S)):
        try:
            os.kill(pid, kind)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise LocalPostgresError(f"PostgreSQL (process {pid}) belongs to another user.") from error
        if _wait_ended(pid, patience_s, progress):
            return
    raise LocalPostgresError(f"PostgreSQL (process {pid}) does not end; look at it with `ps -fp {pid}`.")


def wait_ended(pid: int, progress: Progress) -> None:
    """Wait for a server that is already shutting down."""
    if not _wait_ended(pid, _FAST_STOP_S, progress):
        stop_postmaster(pid, progress)


def ended_just_now(pid: int) -> bool:
    """Whether a server has ended, or does within a second: a killed process looks alive a little longer."""
    return _wait_ended(pid, 1.0, lambda _: None)


def _wait_ended(pid: int, patience_s: float, progress: Progress) -> bool:
    started = time.monotonic()
    told = started
    while find_running(pid) is not None:
        now = time.monotonic()
        if now - started > patience_s:
            return False
        if now - told >= 2.0:
            told = now
            progress(f"PostgreSQL is writing its data before it ends ({now - started:.0f} s) …")
        time.sleep(0.02)
    return True


def _serves(process: Process, data: Path) -> bool:
    return "postgres" in process.command and process.command.endswith(f"-D {data}")


def _remove_stale_pid_file(data: Path) -> None:
    """Remove a pid file whose PID now means another program, which PostgreSQL would take for its own.

    One of a dead process stays: PostgreSQL reads from it which shared memory to look at.
    """
    path = data / "postmaster.pid"
    try:
        pid = abs(int(path.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0]))
    except FileNotFoundError:
        return
    except ValueError:
        pid = 0
    process = find_running(pid)
    if pid == 0 or (process is not None and not _serves(process, data)):
        path.unlink()


def _spawn(data: Path, binaries: Binaries, account: Account, log: Path) -> int:
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        child = subprocess.Popen(
            [binaries.program("postgres"), "-D", data],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            umask=0o077,
            start_new_session=True,
            env=child_environment(),
            **account.popen_options,
        )
    _children[child.pid] = child
    return child.pid


def _turn_log(log: Path) -> None:
    if log.exists() and log.stat().st_size > _BIG_LOG_BYTES:
        log.replace(log.with_name(log.name + ".old"))


def _tail(log: Path, offset: int) -> str:
    with open(log, "rb") as file:
        file.seek(max(offset, log.stat().st_size - 4000))
        return file.read().decode("utf-8", "replace").strip()
