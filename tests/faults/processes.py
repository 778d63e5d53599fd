"""What /proc knows of the processes that the harness started itself; nothing is ever ended by name."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Processes that this one started and that still are."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        found = [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except OSError:
        return []
    return sorted(found)


def command_of(pid: int) -> str:
    """Its command line; empty for one that has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def open_files_of(pid: int) -> int:
    """How many handles it has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def send(pid: int, number: signal.Signals) -> bool:
    """Signal one process; False when it has gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def wait_until(true: Callable[[], bool], limit_s: float, every_s: float = 0.02) -> bool:
    """Whether something became true in time."""
    deadline = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port
