"""The long form, by hand: ``python -m tests.faults --kills 200 --partitions 500 --minutes 240``."""

import argparse
import sys
import time
from pathlib import Path

from tests.faults.plan import Scenario, broken, plan, run, segments, short
from tests.faults.report import Row, Table
from tests.faults.rig import Rig

RIG_LIVES = 12
"""Segments on one installation; then a new one, so that none grows without end."""


def main() -> int:
    """Run what is still to be done; 0 when every promise was kept."""
    words = _words()
    table = Table(words.out)
    scenarios = short() if words.short else _long(words)
    if words.only:
        scenarios = [one for one in scenarios if one.name in words.only]
    if words.list:
        for one in scenarios:
            print(f"{one.name:<12} {table.done(one.row):>4} of {one.target:<4} {one.row}")
        return 0
    deadline = time.monotonic() + words.minutes * 60
    _play(scenarios, table, words.seed, deadline)
    print(f"\n{table.markdown()}")
    clean = all(row.is_clean for row in table.rows.values())
    print("Every promise was kept." if clean else "PROMISES WERE BROKEN.")
    return 0 if clean else 1


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--kills", type=int, default=200, help="of web workers, and as many of PostgreSQL (200)"
    )
    parser.add_argument("--partitions", type=int, default=500, help="partition runs in all (500)")
    parser.add_argument("--between", type=int, default=250, help="acknowledgements between two kills (250)")
    parser.add_argument("--pause", type=float, default=60, help="seconds for which a worker is paused (60)")
    parser.add_argument(
        "--hold", type=float, default=60, help="seconds for which a transaction stays open (60)"
    )
    parser.add_argument("--storm", type=int, default=500, help="phones in the retry storm (500)")
    parser.add_argument("--minutes", type=float, default=240, help="begin nothing new after so many (240)")
    parser.add_argument("--seed", type=int, default=1, help="of phones and proxies (1)")
    parser.add_argument("--only", nargs="+", help="names of scenarios, see --list")
    parser.add_argument("--short", action="store_true", help="the sizes of make test-more")
    parser.add_argument("--list", action="store_true", help="name the scenarios and how far they are")
    parser.add_argument(
        "--out",
        type=Path,
        help="JSON file that results are added to, with a table beside it; the next run goes on",
    )
    return parser.parse_args()


def _long(words: argparse.Namespace) -> list[Scenario]:
    return plan(
        kills_each=words.kills,
        partition_runs=words.partitions,
        between=words.between,
        pause_s=words.pause,
        hold_s=words.hold,
        storm=words.storm,
    )


def _play(scenarios: list[Scenario], table: Table, seed: int, deadline: float) -> None:
    given_up: set[str] = set()
    waiting = segments(scenarios, lambda row: 1 << 30 if row in given_up else table.done(row))
    rig: Rig | None = None
    lives = 0
    try:
        for scenario in waiting:
            if scenario.row in given_up or time.monotonic() > deadline:
                if time.monotonic() > deadline:
                    return
                continue
            if rig is None or lives >= RIG_LIVES:
                if rig is not None:
                    rig.__exit__(None, None, None)
                rig, lives = Rig(seed).__enter__(), 0
            lives += 1
            try:
                rows = run(scenario, rig, seed * 100_000 + table.done(scenario.row) * 100)
            except Exception as error:
                rows = [broken(scenario, error)]
                rig.keep_logs()
                rig.__exit__(None, None, None)
                rig = None
                given_up.add(scenario.row)
            for row in rows:
                if row.ran != "yes":
                    given_up.add(row.scenario)
                table.add(row)
                _tell(row, table)
    finally:
        if rig is not None:
            rig.__exit__(None, None, None)


def _tell(row: Row, table: Table) -> None:
    whole = table.rows[row.scenario]
    state = "ok" if row.is_clean else "; ".join(row.said)
    notes = ", ".join(f"{name} {value}" for name, value in row.notes.items())
    print(
        f"{time.strftime('%H:%M:%S')} {row.scenario}: {row.ran if row.ran != 'yes' else state}"
        f" ({row.seconds:.0f} s, {whole.rounds} rounds and {whole.acknowledged} acknowledged so far; {notes})",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
