"""The table of the doors says what was shown, and no more."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.doors.table import BEGIN, END, Table, write


def played(*told: tuple[str, str, bool], doors: tuple[str, ...] = ("native", "rxdb")) -> Table:
    """A table after tests of these scenarios, doors and outcomes."""
    table = Table(doors)
    items: list[Any] = []
    for number, (scenario, door, _) in enumerate(told):
        marker = SimpleNamespace(args=[scenario])
        params = SimpleNamespace(params={"door": door})
        items.append(
            SimpleNamespace(
                nodeid=str(number), callspec=params, get_closest_marker=lambda _, marker=marker: marker
            )
        )
    table.pytest_collection_modifyitems(items)
    for number, (_, _, passed) in enumerate(told):
        report: Any = SimpleNamespace(
            nodeid=str(number), when="call", passed=passed, failed=not passed, duration=0.5
        )
        table.pytest_runtest_logreport(report)
    return table


class TestTable:
    def test_holds_where_each_scenario_passed_by_each_door(self) -> None:
        table = played(("merge", "native", True), ("merge", "rxdb", True))

        assert table.holds
        assert table.markdown().splitlines()[2] == "| merge | ✓ 1 · 0.5 s | ✓ 1 · 0.5 s |"

    def test_does_not_where_one_failed(self) -> None:
        table = played(("merge", "native", True), ("merge", "rxdb", True), ("merge", "rxdb", False))

        assert not table.holds
        assert "| ✗ 1 of 2 · 1.0 s |" in table.markdown()

    def test_does_not_where_a_door_was_not_tried(self) -> None:
        table = played(("merge", "native", True))

        assert not table.holds
        assert "✗ no test" in table.markdown()

    def test_does_not_where_nothing_was_played(self) -> None:
        assert not played().holds

    def test_is_written_in_the_place_of_the_last_one(self, tmp_path: Path) -> None:
        page = tmp_path / "doors.md"
        page.write_text(f"# Doors\n{BEGIN}\nold\n{END}\nrest\n", encoding="utf-8")
        write(page, "new")

        assert page.read_text(encoding="utf-8") == f"# Doors\n{BEGIN}\nnew\n{END}\nrest\n"

    def test_is_not_written_into_a_page_without_a_place(self, tmp_path: Path) -> None:
        page = tmp_path / "doors.md"
        page.write_text("# Doors\n", encoding="utf-8")

        with pytest.raises(ValueError, match="no place"):
            write(page, "new")
