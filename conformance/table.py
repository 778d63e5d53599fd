"""The table that is printed, and the report as JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from conformance.suite import Result, Scenario

MARKS = {"pass": "pass", "fail": "FAIL", "not provable": "n/a", "not played": "-"}
CLEAR_LINE = "\r\x1b[K"


def show_list(out: TextIO, scenarios: Iterable[Scenario]) -> None:
    """Each scenario with what it promises, and where the protocol says so."""
    for one in scenarios:
        print(f"{one.name:<36} {one.promise}", file=out)
        print(f"{'':<36} docs/sync-protocol.md, {one.section!r}", file=out)


def show_start(out: TextIO, url: str, tenant: str, count: int) -> None:
    """What is about to happen, and to whom."""
    print(f"{count} scenarios against {url}, company {tenant}\n", file=out, flush=True)


def show_begun(out: TextIO, scenario: Scenario) -> None:
    """The scenario that is being played, where somebody looks on."""
    if out.isatty():
        print(f"{'…':<5} {scenario.name}", end="", file=out, flush=True)


def show_result(out: TextIO, result: Result) -> None:
    """One line of the table; of a failure also what was asked and answered."""
    if out.isatty():
        print(CLEAR_LINE, end="", file=out)
    line = f"{MARKS[result.verdict]:<5} {result.scenario.name:<36} {result.seconds:6.2f} s"
    print(f"{line}  {result.why or result.scenario.promise}", file=out, flush=True)
    if result.verdict == "fail":
        print(f"      promised: {result.scenario.promise}", file=out)
        print(f"      see docs/sync-protocol.md, {result.scenario.section!r}", file=out)
        for said in result.exchanges:
            print(f"      → {said['asked']}  {said['sent'] or ''}", file=out)
            print(f"      ← {said['status']}  {said['answered'] or ''}", file=out)


def show_sum(out: TextIO, results: Sequence[Result], left_behind: str) -> None:
    """How many of each, and what is left on the server."""
    count = Counter(one.verdict for one in results)
    total = sum(one.seconds for one in results)
    print(
        f"\n{count['pass']} passed, {count['fail']} failed, {count['not provable']} not provable here"
        + (f", {count['not played']} not played" if count["not played"] else "")
        + f", of {len(results)} in {total:.0f} s\n{left_behind}",
        file=out,
    )


def write_report(path: Path, url: str, results: Sequence[Result]) -> None:
    """The same for machines."""
    body = {
        "server": url,
        "scenarios": [
            {
                "name": one.scenario.name,
                "promise": one.scenario.promise,
                "section": one.scenario.section,
                "verdict": one.verdict,
                "why": one.why,
                "seconds": round(one.seconds, 3),
                "exchanges": list(one.exchanges),
            }
            for one in results
        ],
    }
    path.write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
