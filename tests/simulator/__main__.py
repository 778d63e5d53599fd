"""The command line: ``python -m tests.simulator run|show|replay|shrink|mutants``."""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

from tests.simulator.mutants.catalogue import MUTANTS

HOUSE = Path(__file__).parents[2]
TABLE = HOUSE / "docs" / "simulator.md"


def main() -> int:
    """Do what the arguments say; 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="play seeds that the ledger does not have, and note them there")
    run.add_argument("--seeds", help="A..B; from the end of the ledger on when left out")
    run.add_argument("--jobs", type=int, default=1)
    run.add_argument("--minutes", type=float, default=0.0)
    run.add_argument("--block", type=int, default=100, help="seeds between two notes in the ledger")
    for name, text in (("show", "print the steps of a seed, and play it"),):
        commands.add_parser(name, help=text).add_argument("seed", type=int)
    commands.add_parser("replay", help="play a file of the corpus").add_argument("file")
    commands.add_parser("shrink", help="make a failing seed or file small").add_argument("what")
    mutants = commands.add_parser("mutants", help="plant each bug and see which invariant finds it")
    mutants.add_argument("--only", action="append", default=[], help="part of a name; may be said again")
    mutants.add_argument("--seconds", type=float, default=60.0)
    mutants.add_argument("--jobs", type=int, default=2)
    mutants.add_argument("--keep", action="store_true", help="put shrunk finds into the corpus")
    asked = parser.parse_args()
    return {"run": _run, "show": _show, "replay": _replay, "shrink": _shrink, "mutants": _mutants}[
        asked.command
    ](asked)


def _say(*words: Any) -> None:
    print(*words, flush=True)


def _run(asked: argparse.Namespace) -> int:
    from tests.simulator import ledger
    from tests.simulator.running import Tally, in_jobs

    code = ledger.code_version()
    end = time.monotonic() + asked.minutes * 60 if asked.minutes else None
    if asked.seeds:
        first, last = map(int, asked.seeds.split(".."))
        seeds = [s for s in range(first, last + 1) if not ledger.is_done(s, code)]
    else:
        first = ledger.next_seed()
        seeds = list(range(first, first + (100_000 if end else 1_000)))
    whole = Tally()
    for block, tally in in_jobs(seeds, asked.jobs, asked.block):
        ledger.add(block[0], block[-1], code, dict(tally.met), tally.failures)
        whole.join(tally)
        _say(f"{block[0]}..{block[-1]}: {len(tally.failures)} failures")
        for failure in tally.failures:
            _say("  ", failure)
        if end is not None and time.monotonic() >= end:
            break
    _say(whole.told())
    return 1 if whole.failures else 0


def _show(asked: argparse.Namespace) -> int:
    from tests.simulator import history
    from tests.simulator.server import own_server

    with own_server() as server:
        report = history.run(server, asked.seed)
    _say(history.dumps(report.steps))
    _say(report.violation or "nothing broke", dict(report.verdicts))
    return 1 if report.violation else 0


def _replay(asked: argparse.Namespace) -> int:
    from tests.simulator import corpus_files, history
    from tests.simulator.server import own_server

    seed, steps = corpus_files.read(Path(asked.file))
    with own_server() as server:
        report = history.play(server, seed, steps)
    _say(report.violation or "nothing broke", dict(report.verdicts))
    return 1 if report.violation else 0


def _shrink(asked: argparse.Namespace) -> int:
    from tests.simulator import corpus_files, history
    from tests.simulator.server import own_server
    from tests.simulator.shrinking import shrink

    with own_server() as server:
        if asked.what.isdigit():
            seed = int(asked.what)
            report = history.run(server, seed)
        else:
            seed, steps = corpus_files.read(Path(asked.what))
            report = history.play(server, seed, steps)
        if report.violation is None:
            _say("nothing broke")
            return 0
        wanted = report.failed

        def fails(candidate: list[Any]) -> bool:
            try:
                return history.play(server, seed, candidate).failed == wanted
            except Exception:
                return False

        small = shrink(report.steps[: (report.at_step or 0) + 2], fails)
        name = corpus_files.write(f"seed {seed} {wanted}", seed, wanted, str(report.violation), small)
    _say(history.dumps(small), f"{len(small) - 1} steps, kept in {name}")
    return 1


def _mutants(asked: argparse.Namespace) -> int:
    chosen = [m for m in MUTANTS if not asked.only or any(part in m.name for part in asked.only)]

    def hunt(mutant: Any) -> dict[str, Any]:
        command = [sys.executable, "-m", "tests.simulator.hunting", mutant.name, str(asked.seconds)]
        command += ["keep"] if asked.keep else []
        done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, env=os.environ, check=False)
        try:
            found: dict[str, Any] = orjson.loads(done.stdout.strip().splitlines()[-1])
        except (IndexError, ValueError):
            found = {
                "name": mutant.name,
                "failed": done.stderr[-300:],
                "histories": 0,
                "seconds": 0,
            }
        _say(found)
        return found

    with ThreadPoolExecutor(asked.jobs) as pool:
        found = list(pool.map(hunt, chosen))
    TABLE.write_text(_page(found), encoding="utf-8")
    missed = [f["name"] for f, m in zip(found, chosen, strict=True) if not f.get("caught") and not m.survives]
    _say(f"{len(found) - len(missed)} of {len(found)} found; missed: {missed}")
    return 1 if missed else 0


def _page(found: list[dict[str, Any]]) -> str:
    """The page as it is, with the rows of *found* anew; what people wrote around the table stays."""
    page = TABLE.read_text("utf-8")
    before = {line.split(" | ")[0].removeprefix("| "): line for line in page.splitlines()}
    above, table = page.split(HEADER)
    _, beside = table.split("\n\n", 1)
    rows = []
    for mutant in MUTANTS:
        one = next((f for f in found if f["name"] == mutant.name), None)
        if one is None:
            rows.append(
                before.get(
                    mutant.name, f"| {mutant.name} | `{mutant.where}` | {mutant.by} | not played | | |"
                )
            )
            continue
        told = one.get("caught") or (
            "not to be found" if mutant.survives else ("stale" if one.get("stale") else "survived")
        )
        rows.append(
            f"| {mutant.name} | `{mutant.where}` | {mutant.by} | {told} | {one.get('histories', '')} |"
            f" {one.get('seconds', '')} |"
        )
    survivors = "\n".join(f"- **{m.name}**: {m.survives}" for m in MUTANTS if m.survives) or "None."
    between = beside.split(SURVIVORS)[0]
    return f"{above}{HEADER}" + "\n".join(rows) + f"\n\n{between}{SURVIVORS}{survivors}\n"


HEADER = """| bug | where | by | found by | histories | seconds |
|---|---|---|---|---|---|
"""
SURVIVORS = "## Not to be found\n\n"


if __name__ == "__main__":
    sys.exit(main())
