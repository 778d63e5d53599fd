"""Runs ranges of seeds, alone or in several processes, and says what they met."""

import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.simulator.server import Server, own_server


@dataclass
class Tally:
    """What many histories met."""

    histories: int = 0
    requests: int = 0
    met: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def add(self, report: Any) -> None:
        """One more history."""
        self.histories += 1
        self.requests += report.requests
        self.met.update({f"verdict {k}": v for k, v in report.verdicts.items()})
        self.met.update({f"step {k}": v for k, v in report.done.items()})
        if report.violation is not None:
            self.failures.append(
                {"seed": report.seed, "invariant": report.failed, "what": str(report.violation)[:400]}
            )

    def join(self, other: "Tally") -> None:
        """The counts of another process."""
        self.histories += other.histories
        self.requests += other.requests
        self.met.update(other.met)
        self.failures += other.failures

    def told(self) -> str:
        """In words."""
        met = ", ".join(f"{name} {number}" for name, number in sorted(self.met.items()))
        return f"{self.histories} histories, {self.requests} requests, {len(self.failures)} failures: {met}"


def play_seeds(server: Server, seeds: Iterable[int], until: float | None = None) -> Tally:
    """Play seeds one after the other, until the monotonic moment *until*."""
    from tests.simulator import history

    tally = Tally()
    for seed in seeds:
        if until is not None and time.monotonic() >= until:
            break
        gc.disable()  # the garbage of one history is taken away after it
        try:
            tally.add(history.run(server, seed))
        except Exception as error:
            tally.histories += 1
            tally.failures.append({"seed": seed, "invariant": type(error).__name__, "what": f"{error}"[:400]})
        gc.enable()
    return tally


def _job(seeds: list[int]) -> Tally:
    with own_server() as server:
        return play_seeds(server, seeds)


def in_jobs(seeds: list[int], jobs: int, block: int = 200) -> Iterator[tuple[list[int], Tally]]:
    """Blocks of seeds with their tallies, as they get done; in *jobs* processes."""
    blocks = [seeds[i : i + block] for i in range(0, len(seeds), block)]
    context = multiprocessing.get_context("spawn")
    for start in range(0, len(blocks), jobs):
        group = blocks[start : start + jobs]
        if jobs == 1:
            yield group[0], _job(group[0])
            continue
        with context.Pool(jobs) as pool:
            yield from zip(group, pool.map(_job, group), strict=True)
