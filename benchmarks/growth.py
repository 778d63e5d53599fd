"""``python -m benchmarks growth``: each figure against size, and the exponent with which it grows."""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from benchmarks import plot, report
from benchmarks.company import open_company
from benchmarks.phone import Phone
from benchmarks.stage import Stage, stage, tell

RESULTS = Path(__file__).parent / "GROWTH.md"
PICTURE = RESULTS.with_suffix(".svg")
ROUNDS = 3
CHANGED, EDITS, EMPTIES = 100, 50, 20
FIRST, DELTA, EMPTY, PUSH, DRAIN = (
    "first sync",
    f"delta of {CHANGED}",
    "empty delta",
    f"push of {EDITS}",
    f"sequencing of {CHANGED}",
)
FIGURES = (FIRST, DELTA, EMPTY, PUSH, DRAIN)
LINEAR, FLAT = 1.0, 0.0
TOLERANCE = 0.15


@dataclass
class Point:
    """One size: where its data are, the phone that is measured, and what each figure took."""

    size: int
    here: Stage
    phone: Phone
    place: str
    seconds: dict[str, list[float]]

    def median(self, figure: str) -> float:
        """Seconds."""
        return statistics.median(self.seconds[figure])


@dataclass(frozen=True, slots=True)
class Axis:
    """What grows, in words; how a size is made; and which figures may grow with it (the others must not)."""

    name: str
    words: str
    make: Callable[[Stage, int], Point]
    linear: frozenset[str] = frozenset()


def main(words: Sequence[str]) -> int:
    """Measure, write GROWTH.md and GROWTH.svg."""
    asked = _parser().parse_args(words)
    series: dict[str, list[Point]] = {}
    with stage(tell) as here:
        for axis in AXES:
            if axis.name in asked.axes:
                series[axis.name] = _measured(axis, here, getattr(asked, axis.name), asked.rounds)
    lines = "\n".join(_report(series, asked.rounds)) + "\n"
    sys.stdout.write(lines)
    if not asked.dry:
        RESULTS.write_text(lines, encoding="utf-8")
        panels = [plot.Panel(axis.words, _lines(series[axis.name])) for axis in AXES if axis.name in series]
        PICTURE.write_text(plot.svg(panels), encoding="utf-8")
    return 0


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of the line through the logarithms: 0 where nothing grows, 1 where it grows in proportion."""
    xs, ys = [math.log(size) for size in sizes], [math.log(value) for value in seconds]
    x, y = statistics.mean(xs), statistics.mean(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks growth", description=__doc__)
    for axis in AXES:
        parser.add_argument(f"--{axis.name}", type=_sizes, default=DEFAULTS[axis.name], help=axis.words)
    names = [axis.name for axis in AXES]
    parser.add_argument("--axes", type=lambda words: words.split(","), default=names, help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--dry", action="store_true", help="print only, leave GROWTH.md as it is")
    return parser


def _sizes(words: str) -> list[int]:
    return [int(word) for word in words.split(",")]


# -- sizes


def _with_records(here: Stage, size: int) -> Point:
    return _point(here, size, accounts=size)


def _with_buckets(here: Stage, size: int) -> Point:
    return _point(here, size, accounts=10_000, territories=size)


def _with_history(here: Stage, size: int) -> Point:
    point = _point(here, size, accounts=5_000)
    for _ in range(size - 1):
        with here.db.session(point.here.company.id, actor="import:bench") as session:
            session.execute(
                text("UPDATE accounts SET notes = left(notes, 8) || :now WHERE tenant_id = :tenant"),
                {"tenant": point.here.company.id, "now": str(time.monotonic_ns())},
            )
        point.here.company.drain()
    return point


def _with_tenants(here: Stage, size: int) -> Point:
    point = _point(here, size, accounts=2_000)
    ((tenants,),) = here.office.execute("SELECT count(*) FROM tenants").fetchall()
    for _ in range(size - (tenants - 1)):  # the stage's own has nothing in it
        other = open_company(here.db)
        other.fill("grow", territories=1, reps=1, accounts=2_000, tell=here.tell)
    return point


def _point(here: Stage, size: int, *, accounts: int, territories: int = 1) -> Point:
    mine = replace(here, company=open_company(here.db))
    mine.company.fill("grow", territories=territories, reps=1, accounts=accounts, tell=here.tell)
    return Point(size, mine, mine.phone("grow-0"), "grow-0", {name: [] for name in FIGURES})


# Tenants come first, while there are no others.
AXES = (
    Axis("tenants", "tenants of 2,000 records each", _with_tenants),
    Axis("records", "records of a phone", _with_records, frozenset({FIRST})),
    Axis("buckets", "buckets of a user, 10,000 records in all", _with_buckets),
    Axis("history", "versions of each of 5,000 records", _with_history),
)
DEFAULTS = {
    "records": [10_000, 30_000, 100_000, 300_000, 1_000_000],
    "buckets": [1, 5, 50, 500],
    "history": [1, 4, 16, 64],
    "tenants": [1, 5, 15, 50],
}


# -- measuring


def _measured(axis: Axis, here: Stage, sizes: Sequence[int], rounds: int) -> list[Point]:
    """Points of an axis. Sizes that can stand beside one another are measured in turns."""
    points = []
    for size in sizes:
        tell(f"{axis.words}: {size:,}")
        points.append(axis.make(here, size))
        if axis.name == "tenants":  # the next size would add its tenants to this one's
            _analyzed(points[-1:])
            for _ in range(rounds):
                _take(points[-1])
    if axis.name != "tenants":
        _analyzed(points)
        for number in range(rounds):
            tell(f"{axis.words}: round {number + 1} of {rounds}")
            for point in points:
                _take(point)
    return points


def _analyzed(points: Sequence[Point]) -> None:
    points[0].here.analyze()
    for point in points:
        point.phone.first_sync()


def _take(point: Point) -> None:
    for name, took in _figures(point):
        point.seconds[name].append(took)


def _figures(point: Point) -> Iterator[tuple[str, float]]:
    phone, here = point.phone, point.here
    yield FIRST, _timed(phone.first_sync)
    phone.pull()
    yield EMPTY, _timed(lambda: [phone.pull() for _ in range(EMPTIES)]) / EMPTIES
    here.edit(point.place, CHANGED)
    yield DRAIN, _timed(here.company.drain)
    yield DELTA, _timed(phone.pull)
    targets = here.targets(point.place, 0, EDITS)
    yield PUSH, _timed(lambda: phone.push(targets))
    phone.pull()


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# -- report


def _lines(points: Sequence[Point]) -> dict[str, list[tuple[float, float]]]:
    return {name: [(point.size, point.median(name)) for point in points] for name in FIGURES}


def _report(series: dict[str, list[Point]], rounds: int) -> list[str]:
    lines = [
        "# Growth",
        "",
        f'`make bench ARGS="growth"`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, medians of {rounds} rounds. '
        "The exponent is the slope in a diagram whose axes are both logarithmic: 0 is flat, 1 in proportion. "
        f"As wanted means within {TOLERANCE:g} of it.",
        "",
        "![each figure against size](GROWTH.svg)",
    ]
    for axis in AXES:
        if axis.name not in series:
            continue
        points = series[axis.name]
        head = (axis.words, *(f"{point.size:,}" for point in points), "exponent", "wanted", "as wanted")
        rows = [_row(axis, name, points) for name in FIGURES]
        lines += ["", f"## {axis.words[0].upper()}{axis.words[1:]}", "", *report.table(head, rows)]
    return lines


def _row(axis: Axis, name: str, points: Sequence[Point]) -> tuple[str, ...]:
    wanted = LINEAR if name in axis.linear else FLAT
    took = [point.median(name) for point in points]
    cells = tuple(report.seconds(value) for value in took)
    if len(points) < 2:
        return name, *cells, "–", f"{wanted:g}", "–"
    found = exponent([point.size for point in points], took)
    # Growing less than it may is no fault: small sizes have fixed costs in them.
    good = found <= wanted + TOLERANCE
    return name, *cells, f"{found:.2f}", "1 at most" if wanted else "0", "yes" if good else "no"
