"""What processes cost: CPU seconds and peak memory of a tree, from /proc."""

import math
import os
from pathlib import Path

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for stat in PROC.glob("[0-9]*/stat"):
        fields = _fields(stat)
        if fields:
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds of a tree until now, with those of its children that have ended; nan without /proc."""
    if not PROC.exists():
        return math.nan
    ticks = 0
    for member in tree(pid):
        fields = _fields(PROC / str(member) / "stat")
        # utime, stime, and what reaped children left: a living child is in none but its own.
        ticks += sum(int(word) for word in fields[11:15])
    return ticks / TICKS_A_SECOND


def forget_peak(pid: int) -> None:
    """Begin the peak memory of each process of a tree anew."""
    for member in tree(pid):
        try:
            (PROC / str(member) / "clear_refs").write_text("5")
        except OSError:
            continue


def peak_mb(pid: int) -> float:
    """Peak memory of the largest worker below *pid*, in MB; nan without /proc."""
    return max((_memory(member, "VmHWM") for member in tree(pid)[1:]), default=math.nan)


def memory_mb(pid: int) -> float:
    """Memory of all workers below *pid* at this moment, in MB."""
    return sum(_memory(member, "VmRSS") for member in tree(pid)[1:])


def _memory(pid: int, key: str) -> float:
    try:
        lines = (PROC / str(pid) / "status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(key)), 0.0)


def _fields(stat: Path) -> list[str]:
    """Of /proc/<pid>/stat from the state on: the name before it may hold spaces. Empty for one that is gone."""
    try:
        return stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
