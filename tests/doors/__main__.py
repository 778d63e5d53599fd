"""All scenarios through all doors, as a table: ``python -m tests.doors``.

Each scenario is played by the reference phone and by the published clients of WatermelonDB and RxDB; what the server
holds in the end, its history, its inbox and its list of rejections are compared with the same expectation, and row by
row with what the other doors left. Status 0: all held; 1: some did
not; 2: they could not be played.
"""

import argparse
import sys
import time
from pathlib import Path

import pytest

from tests.doors.conftest import DOORS
from tests.doors.table import Table, write

HERE = Path(__file__).parent
FILES = [str(HERE / name) for name in ("test_scenarios.py", "test_restore.py")]
PAGE = HERE.parents[1] / "docs" / "doors.md"


def main() -> int:
    """Play, print and write the table."""
    words = _words()
    table = Table(list(DOORS), words.only or ())
    options = ["-p", "no:xdist", "-q", "--no-header", "--show-capture=no", "--tb=short", "-W", "ignore"]
    if words.verbose:
        options += ["-v"]
    if words.quick:
        options += ["-m", "not more"]
    started = time.monotonic()
    status = pytest.main([*options, *FILES], plugins=[table])
    took = time.monotonic() - started
    if not table.cells:
        print(
            "There is no such scenario; see --list." if words.only else "Nothing was played.", file=sys.stderr
        )
        return 2
    print(f"\n{table.markdown()}\n\n{len(table.cells)} scenarios by {len(DOORS)} doors in {took:.0f} s.")
    if words.write:
        write(
            PAGE,
            f"{table.markdown()}\n\nTime taken, starting the database and the clients included: {took:.0f} s.",
        )
        print(f"Written to {PAGE}.")
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return 2
    return 0 if table.holds else 1


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.doors",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", metavar="SCENARIO", help="rows of the table")
    parser.add_argument("--quick", action="store_true", help="without the 20,000 records and the restore")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    parser.add_argument("--verbose", action="store_true", help="name each test")
    parser.add_argument("--list", action=_List, nargs=0, help="name the scenarios")
    words = parser.parse_args()
    if words.write and (words.quick or words.only):
        parser.error("only the whole table is written")
    return words


class _List(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        table = Table(list(DOORS))
        pytest.main(["--collect-only", "-qq", "--no-summary", *FILES], plugins=[table, _Silent()])
        print("\n".join(table.cells))
        parser.exit(0)


class _Silent:
    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.unregister(name="terminalreporter")


if __name__ == "__main__":
    sys.exit(main())
