"""``python -m benchmarks``: the sync engine beside Kinto and its floors, as ratios of one run."""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import growth, mixed, profiling, report, search
from benchmarks import kinto as kinto_peer
from benchmarks.measuring import Figures, measure
from benchmarks.rows import FULL, QUICK, ROWS, TINY, Row, Rows, Sizes
from benchmarks.stage import Stage, floor, kinto, stage, tell

RESULTS = Path(__file__).parent / "RESULTS.md"
ROUNDS, QUICK_ROUNDS = 5, 2
OTHERS: dict[str, Callable[[Sequence[str]], int]] = {
    "mixed": mixed.main,
    "growth": growth.main,
    "profile": profiling.main,
    "search": search.main,
}


def main(words: Sequence[str] | None = None) -> int:
    """Run, print, and write RESULTS.md; or one of the longer ones, by its name."""
    words = sys.argv[1:] if words is None else words
    if words and words[0] in OTHERS:
        return OTHERS[words[0]](words[1:])
    asked = _parser().parse_args(words)
    sizes = _sizes(asked)
    rounds = asked.rounds or (QUICK_ROUNDS if asked.quick or asked.tiny else ROUNDS)
    command = " ".join(["make bench", *([f'ARGS="{" ".join(words)}"'] if words else [])])
    lines = run(asked.rows, sizes, rounds, command, with_kinto=not asked.without_kinto)
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if not (asked.dry or asked.quick or asked.tiny):
        RESULTS.write_text(text, encoding="utf-8")
    return 0


def run(names: Sequence[str], sizes: Sizes, rounds: int, command: str, *, with_kinto: bool) -> list[str]:
    """The lines of the report."""
    began = datetime.now(UTC)
    with stage(tell) as here, ExitStack() as open_:
        peer = open_.enter_context(kinto(here)) if with_kinto else None
        bare = open_.enter_context(floor(here))
        maker = Rows(here, peer, bare, sizes)
        rows = []
        for name in names:
            tell(f"loading what the row {name!r} needs")
            rows.append(maker.make(name))
        figures = measure(rows, rounds, here.server.pid, tell)
        head = f"`{command}`, {began:%Y-%m-%d %H:%M} UTC, {rounds} rounds in turns, medians (least to most)"
        return _report(head, here, rows, figures, with_kinto=with_kinto)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"Longer ones, each with --help of its own: {', '.join(OTHERS)}.",
    )
    parser.add_argument(
        "--rows",
        type=lambda text: text.split(","),
        default=list(ROWS),
        help=f"some of: {', '.join(ROWS)} (comma between them; all by default)",
    )
    parser.add_argument("--rounds", type=int, help=f"how often each side runs (default {ROUNDS})")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, a few minutes; RESULTS.md stays as it is"
    )
    parser.add_argument("--tiny", action="store_true", help="a handful of records: only shows that it works")
    parser.add_argument("--accounts", type=int, help="records of a first sync instead of 50,000")
    parser.add_argument("--large", type=int, help="records of the larger delta instead of 500,000")
    parser.add_argument("--edits", type=int, help="edits of a push instead of 1,000")
    parser.add_argument("--without-kinto", action="store_true", help="leave the peer out")
    parser.add_argument("--dry", action="store_true", help="print only, leave RESULTS.md as it is")
    return parser


def _sizes(asked: argparse.Namespace) -> Sizes:
    sizes = TINY if asked.tiny else QUICK if asked.quick else FULL
    unknown = [name for name in asked.rows if name not in ROWS]
    if unknown:
        _parser().error(f"there is no row {', '.join(unknown)}")
    given = {"accounts": asked.accounts, "large": asked.large, "edits": asked.edits}
    return replace(sizes, **{name: value for name, value in given.items() if value})


def _report(head: str, here: Stage, rows: Sequence[Row], figures: Figures, *, with_kinto: bool) -> list[str]:
    return [
        "# Results",
        "",
        f"{head}; {_machine()}.",
        f"{_versions(here, with_kinto=with_kinto)}.",
        "",
        "Client, servers and database share the machine: read the ratios, not the seconds. What each side does, "
        "and what the columns mean: [docs/performance.md](../docs/performance.md).",
        "",
        "## Wanted and measured",
        "",
        *report.wanted_table(rows, figures),
        "",
        "## What each side took",
        "",
        *report.figures_table(rows, figures),
    ]


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} processors, load {load:.1f} at the end"


def _versions(here: Stage, *, with_kinto: bool) -> str:
    ours = [f"{name} {version(name)}" for name in ("flask", "gunicorn", "psycopg", "sqlalchemy")]
    told = [f"Python {platform.python_version()}", f"PostgreSQL {here.server.version} (fsync on)", *ours]
    if with_kinto:
        found = kinto_peer.versions(kinto_peer.installed(tell))
        told.append("beside it " + ", ".join(f"{name} {number}" for name, number in found.items()))
    return ", ".join(told)


if __name__ == "__main__":
    raise SystemExit(main())
