"""The scenarios of the doors as a table: what each door promises, how long it took, and whether it held."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

BEGIN, END = "<!-- measured: python -m tests.doors -->", "<!-- end of the measured table -->"
TITLES = {"native": "native", "watermelon": "WatermelonDB", "rxdb": "RxDB"}


@dataclass(slots=True)
class Cell:
    """The tests of one scenario through one door."""

    passed: int = 0
    failed: int = 0
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether there are tests, and all of them passed."""
        return self.passed > 0 and self.failed == 0

    def __str__(self) -> str:
        if not self.passed + self.failed:
            return "✗ no test"
        held = f"✓ {self.passed}" if self.holds else f"✗ {self.failed} of {self.passed + self.failed}"
        return f"{held} · {self.seconds:.1f} s"


@dataclass(slots=True)
class Table:
    """A plugin of pytest that fills itself while the tests run."""

    doors: Sequence[str]
    wanted: Sequence[str] = ()
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)
    elsewhere: int = 0
    _places: dict[str, tuple[str, str]] = field(default_factory=dict)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which test belongs where; what is no scenario is not run."""
        chosen = []
        for item in items:
            marker = item.get_closest_marker("scenario")
            name = str(marker.args[0]) if marker else ""
            if not name or (self.wanted and name not in self.wanted):
                continue
            door = item.callspec.params["door"]  # type: ignore[attr-defined]
            self.cells.setdefault(name, {one: Cell() for one in self.doors})
            self._places[item.nodeid] = name, door
            chosen.append(item)
        items[:] = chosen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one part of a test; the time of what several tests share counts for the first of them."""
        place = self._places.get(report.nodeid)
        if place is None:
            self.elsewhere += report.failed
            return
        cell = self.cells[place[0]][place[1]]
        cell.seconds += report.duration
        cell.failed += report.failed
        cell.passed += report.when == "call" and report.passed

    @property
    def holds(self) -> bool:
        """Whether every scenario was shown through every door."""
        told = [cell.holds for row in self.cells.values() for cell in row.values()]
        return bool(told) and all(told) and not self.elsewhere

    def markdown(self) -> str:
        """The table."""
        head = ["scenario", *(TITLES[door] for door in self.doors)]
        lines = [head, ["---"] * len(head)]
        lines += [[name, *(str(row[door]) for door in self.doors)] for name, row in self.cells.items()]
        seconds: dict[str, float] = defaultdict(float)
        for row in self.cells.values():
            for door, cell in row.items():
                seconds[door] += cell.seconds
        lines.append(["**together**", *(f"{seconds[door]:.0f} s" for door in self.doors)])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(page: Path, table: str) -> None:
    """Put the table into a page, in the place of the last one.

    Raises:
        ValueError: The page has no place for it.
    """
    text = page.read_text(encoding="utf-8")
    found, count = re.subn(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{table}\n{END}", text, flags=re.S
    )
    if count != 1:
        raise ValueError(f"{page} has no place for the table: {BEGIN} … {END}")
    page.write_text(found, encoding="utf-8")
