"""Hunts one mutant in a process of its own: planted first, then the corpus and histories until something breaks.

``python -m tests.simulator.hunting NAME SECONDS`` writes one line of JSON; with ``--told`` for a name the mutant is
that of the environment, as ``tests.mutation`` makes them.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from tests.simulator import corpus_files
from tests.simulator.mutants.catalogue import MUTANTS
from tests.simulator.mutants.planting import Mutant, StaleMutant, plant, plant_in_database

FIRST = 900_000
"""Seeds of the hunt: none that the ledger counts."""
ENDLESS_S = 30
"""Ten times what a history takes."""


def hunt(mutant: Mutant, seconds: float, *, keep: bool) -> dict[str, Any]:
    """Plant *mutant* and play until an invariant breaks or the time is over."""
    try:
        plant(mutant)
        from tests.simulator import history, interleaved
        from tests.simulator.server import own_server

        with own_server() as server:
            plant_in_database(mutant, server.owner)
            if mutant.interleaved:
                return _hunt(mutant, server, interleaved, seconds, keep=False)
            return _hunt(mutant, server, history, seconds, keep=keep)
    except StaleMutant as stale:
        return {"name": mutant.name, "stale": str(stale)}


def _hunt(mutant: Mutant, server: Any, history: Any, seconds: float, *, keep: bool) -> dict[str, Any]:
    start, number = time.monotonic(), 0
    plays = _plays(history, server, start + seconds / 2)
    while time.monotonic() - start < seconds:
        seed, play = next(plays)
        number += 1
        try:
            with _ended_after(ENDLESS_S):
                report = play()
            failed, what = report.failed, str(report.violation)
        except Exception as error:  # a mutant may break anything
            failed, what, report = f"{type(error).__name__}", str(error)[:200], None
        if failed and (seed < FIRST or is_healthy(history.__name__, seed)):
            found = {
                "name": mutant.name,
                "caught": failed,
                "what": what[:300],
                "histories": number,
                "seconds": round(time.monotonic() - start, 1),
                "seed": seed,
            }
            if keep and report is not None:
                found["kept"] = _keep(mutant, server, history, seed, report, seconds)
            return found
    return {"name": mutant.name, "histories": number, "seconds": round(time.monotonic() - start, 1)}


@contextmanager
def _ended_after(seconds: int) -> Iterator[None]:
    """Break off what a mutant made endless."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _plays(history: Any, server: Any, until: float) -> Iterator[tuple[int, Callable[[], Any]]]:
    """New histories; from the moment *until* on first those of the corpus, which the healthy server passes."""
    seeds = iter(range(FIRST, 2 * FIRST))
    for seed in seeds:
        if time.monotonic() >= until:
            break
        yield seed, partial(history.run, server, seed)
    for file in corpus_files.files() if history.__name__.endswith("history") else ():
        seed, steps = corpus_files.read(file)
        yield seed % FIRST, partial(history.play, server, seed, steps)
    for seed in seeds:
        yield seed, partial(history.run, server, seed)


def is_healthy(kind: str, seed: int) -> bool:
    """Whether the server without a bug passes the seed: else it says nothing of the mutant."""
    command = [sys.executable, "-m", "tests.simulator.hunting", "healthy", kind, str(seed)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _keep(mutant: Mutant, server: Any, history: Any, seed: int, report: Any, seconds: float) -> str:
    """Shrink what caught the mutant and put it into the corpus; the healthy server has to pass it for ever."""
    from tests.simulator.corpus_files import write
    from tests.simulator.shrinking import shrink

    def fails(steps: list[Any]) -> bool:
        try:
            return bool(history.play(server, seed, steps).failed == report.failed)
        except Exception:
            return False

    steps = shrink(report.steps[: (report.at_step or 0) + 2], fails, tries=120)
    return write(mutant.name, seed, report.failed, str(report.violation), steps)


def main() -> None:
    """One mutant by its name."""
    import orjson

    if sys.argv[1] == "healthy":
        from tests.simulator.server import own_server

        with own_server() as server:
            sys.exit(import_module(sys.argv[2]).run(server, int(sys.argv[3])).violation is not None)
    if sys.argv[1] == "--told":
        mutant = Mutant(**orjson.loads(os.environ["FIELDMERGE_MUTANT"]))
    else:
        mutant = next(m for m in MUTANTS if m.name == sys.argv[1])
    print(orjson.dumps(hunt(mutant, float(sys.argv[2]), keep="keep" in sys.argv[3:])).decode())


if __name__ == "__main__":
    main()
