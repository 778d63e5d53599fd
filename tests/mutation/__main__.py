"""Mutants made by rule: ``python -m tests.mutation sql --modules sync.stores.push --minutes 9``, ``list``, ``pure``."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from tests.mutation import pure
from tests.mutation.explained import reason_of
from tests.mutation.running import HOUSE, Results, key_of, mutants_in, run_all

MODULES = ("sync.stores.push", "sync.stores.feed", "sync.stores.glance", "sync.stores.sequencer")
RESULTS = HOUSE / ".fieldmerge" / "sql-mutants.jsonl"


def main() -> int:
    """Run what has no result yet; 1 when one survives that nobody explained."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (
        ("sql", "break the SQL of modules by rule"),
        ("list", "only show what would be broken"),
    ):
        command = commands.add_parser(name, help=told)
        command.add_argument("--modules", nargs="+", default=MODULES)
        command.add_argument("--only", default="", help="part of a name")
        if name == "sql":
            command.add_argument("--minutes", type=float, default=0.0, help="0: until all were run")
            command.add_argument("--jobs", type=int, default=1)
            command.add_argument("--hunt", type=float, default=60.0, help="seconds of histories; 0 for none")
            command.add_argument(
                "--patience", type=float, default=0.0, help="seconds of near tests; 0: all of them"
            )
            command.add_argument("--results", type=Path, default=RESULTS)
            command.add_argument("--rest", action="store_true", help="then all other tests of the engine")
            command.add_argument("--again", action="store_true", help="run survivors anew")
    pure_command = commands.add_parser("pure", help="let mutmut break the pure modules")
    pure_command.add_argument("--jobs", type=int, default=1)
    pure_command.add_argument("names", nargs="*", help="of mutants, with * for any: sync.cursor*")
    asked = parser.parse_args()
    if asked.command == "pure":
        return pure.run(HOUSE, asked.jobs, asked.names)
    mutants = [one for one in mutants_in(asked.modules) if asked.only in one.name]
    if asked.command == "list":
        print("\n".join(one.name for one in mutants))
        print(f"{len(mutants)} mutants")
        return 0
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    results = Results(asked.results)
    if asked.again:
        results.by_key = {key: one for key, one in results.by_key.items() if one.killed}
    run_all(
        mutants,
        results,
        minutes=asked.minutes,
        jobs=asked.jobs,
        hunt_s=asked.hunt,
        rest=asked.rest,
        patience=asked.patience,
    )
    ended = [results.by_key[key_of(one)] for one in mutants if key_of(one) in results.by_key]
    survivors = [one for one in ended if not one.killed]
    unexplained = 0
    print(f"{len(ended)} of {len(mutants)} were run: {dict(Counter(one.by for one in ended))}")
    for one in survivors:
        why = reason_of(one.name)
        unexplained += why is None
        print("survived:", one.name, "--", why or "NOT EXPLAINED")
    return 1 if unexplained or len(ended) < len(mutants) else 0


if __name__ == "__main__":
    sys.exit(main())
