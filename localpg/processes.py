"""Look at processes by PID, without trusting that a PID still means the same process."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_READ_TRIES = 40


@dataclass(frozen=True)
class Process:
    """A live process. ``started`` and ``command`` together outlive the reuse of a PID."""

    pid: int
    started: str
    command: str

    @property
    def fingerprint(self) -> str:
        """Text to keep in a pid file and to compare later; equal only for the same process."""
        return f"{self.started} {self.command}"


def find_process(pid: int) -> Process | None:
    """Give the process, or None when it has ended (a zombie has ended too)."""
    if pid <= 0:
        return None
    if Path("/proc/self/stat").exists():
        return _from_proc(pid)
    return _from_ps(pid)


def _from_proc(pid: int) -> Process | None:
    for _ in range(_READ_TRIES):
        found = _read_proc(pid)
        # In the middle of exec a process has no command line yet; its parent may already look at it.
        if found is None or found.command:
            return found
        time.sleep(0.005)
    return found


def _read_proc(pid: int) -> Process | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The second field is the program's name in brackets and may hold spaces and brackets itself.
    state, *fields = stat.rpartition(")")[2].split()
    if state in "ZX":
        return None
    text = command.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
    return Process(pid, started=fields[18], command=text)


def _from_ps(pid: int) -> Process | None:
    answer = subprocess.run(
        ["ps", "-ww", "-o", "stat=,lstart=,command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={"PATH": "/bin:/usr/bin:/sbin:/usr/sbin", "LC_ALL": "C", "TZ": "UTC"},
    )
    # "S    Fri Nov 21 20:44:01 2026     /usr/bin/postgres -D …": five words of lstart.
    words = answer.stdout.split(maxsplit=6)
    if answer.returncode != 0 or len(words) < 7 or words[0].startswith("Z"):
        return None
    return Process(pid, started=" ".join(words[1:6]), command=words[6].strip())
