"""Runs rows side by side, in turns, so that a noisy machine hurts all alike; keeps what each run cost."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import nan

from benchmarks import processes
from benchmarks.rows import Row, Side


@dataclass
class Figure:
    """What one side of a row took, run by run.

    Attributes:
        seconds: Of one part of the work.
        web_s: CPU of the server over all runs; nan where none took part.
        database_s: CPU of the database over all runs.
        client_s: CPU of the client over all runs.
        peak_mb: Largest memory of a worker.
        work: Units done over all runs.
        told: Whatever else was counted, over all runs.
        first: Seconds of one part of the unmeasured run before all: connections, caches and plans are made in it.
    """

    seconds: list[float] = field(default_factory=list)
    web_s: float = 0.0
    database_s: float = 0.0
    client_s: float = 0.0
    peak_mb: float = nan
    work: int = 0
    told: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    first: float = nan

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    def each(self, name: str) -> float:
        """What was counted, for one run."""
        return self.told.get(name, 0.0) / len(self.seconds)


Figures = dict[str, dict[str, Figure]]
"""By the name of the row and the name of the side."""


def measure(rows: list[Row], rounds: int, database: int, tell: Callable[[str], None]) -> Figures:
    """All sides of all rows in each round; who begins changes from round to round."""
    figures: Figures = {row.name: {side: Figure() for side in row.sides} for row in rows}
    for row in rows:
        for name, side in row.sides.items():  # once beside the figures: caches and plans are made
            row.begin()
            side.ready()
            started = time.perf_counter()
            side.run()
            figures[row.name][name].first = (time.perf_counter() - started) / side.parts
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        for row in rows:
            row.begin()
            names = list(row.sides)
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                _take(figures[row.name][name], row, name, database)
    return figures


def _take(figure: Figure, row: Row, name: str, database: int) -> None:
    side = row.sides[name]
    side.ready()
    if side.pid is not None:
        processes.forget_peak(side.pid)
    web_s, database_s = _costs(side, database)
    client_s, started = time.process_time(), time.perf_counter()
    try:
        told = side.run()
    except Exception as error:
        error.add_note(f"in the row {row.name!r}, work of {name}")
        raise
    figure.seconds.append((time.perf_counter() - started) / side.parts)
    figure.client_s += time.process_time() - client_s
    web_after_s, database_after_s = _costs(side, database)
    figure.web_s += web_after_s - web_s
    figure.database_s += database_after_s - database_s
    figure.work += row.work * side.parts
    if side.pid is not None:
        peak = processes.peak_mb(side.pid)
        figure.peak_mb = peak if figure.peak_mb != figure.peak_mb else max(figure.peak_mb, peak)
    for key, value in told.items() if isinstance(told, dict) else ():
        figure.told[key] += value


def _costs(side: Side, database: int) -> tuple[float, float]:
    return nan if side.pid is None else processes.cpu_s(side.pid), processes.cpu_s(database)
