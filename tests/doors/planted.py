"""Bugs of one line in the doors, planted alone, to see that the tests of the doors find them.

``python -m tests.doors.planted`` plants each and runs the tests that have to fail; status 1 where they do not.
``python -m tests.doors.planted NAME`` plants that one.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.simulator.mutants.planting import Mutant, plant

WATERMELON, RXDB = "app.sync_api.watermelon", "app.sync_api.rxdb"
SCENARIOS, RANDOM = "tests/doors/test_scenarios.py", "tests/doors/test_at_random.py"


@dataclass(frozen=True)
class Planted:
    """A bug, the tests that have to find it, and the random game by which they do, if that is what finds it."""

    mutant: Mutant
    tests: tuple[str, ...]
    game: str = ""


PLANTED = (
    Planted(
        Mutant(
            "watermelon: what was overruled is not given anew",
            f"{WATERMELON}.pushes",
            '    return None if verdict.status == Status.APPLIED and as_sent else "updated"\n',
            "    return None\n",
        ),
        (RANDOM,),
        "watermelon",
    ),
    Planted(
        Mutant(
            "watermelon: an edit that came before is never judged again",
            f"{WATERMELON}.pushes",
            "and not self._is_overtaken(edit, others.get(key[:2], frozenset()))",
            "and True",
        ),
        ("tests/doors/test_watermelon.py",),
    ),
    Planted(
        Mutant(
            "watermelon: the base is what was pulled last",
            f"{WATERMELON}.pulls",
            "if asked.pending == 0 and asked.mark is not None and not is_lost:",
            "if asked.mark is not None and not is_lost:",
        ),
        ("tests/doors/test_watermelon.py",),
    ),
    Planted(
        Mutant(
            "watermelon: a row that left goes at once, and an unsent edit with it",
            f"{WATERMELON}.keeping",
            "AND w.leaving_since < d.answered_at OR",
            "OR",
        ),
        (SCENARIOS, "-k", "left_the_scope and watermelon"),
    ),
    Planted(
        Mutant(
            "watermelon: groups are not told to the engine",
            f"{WATERMELON}.pushes",
            "        if edit.group:\n            members",
            "        if False:\n            members",
        ),
        (SCENARIOS, "-k", "TestGroups and watermelon"),
    ),
    Planted(
        Mutant(
            "rxdb: of several rows only the first is judged",
            f"{RXDB}.pushing",
            "            for row in rows:\n                found = translator.told(",
            "            for row in rows[:1]:\n                found = translator.told(",
        ),
        (RANDOM,),
        "rxdb",
    ),
    Planted(
        Mutant(
            "rxdb: an edit is based on what is there now",
            f"{RXDB}.translating",
            '        return {"base_version": version}\n',
            '        return {"base_version": present or version}\n',
        ),
        (SCENARIOS, "-k", "TestConflict and rxdb"),
    ),
    Planted(
        Mutant(
            "rxdb: what waits for a parent is not judged when that has come",
            f"{RXDB}.pushing",
            "        self._judge_held(who, arrived, judged)\n        judged.held -= judged.done\n",
            "        judged.held -= judged.done\n",
        ),
        ("tests/doors/test_rxdb.py", "-k", "TestAChildThatComesFirst"),
    ),
)


def is_found(one: Planted) -> tuple[bool, str]:
    """Whether the tests fail with the bug in it, and what they said."""
    command = [sys.executable, "-m", "tests.doors.planted", "--with", one.mutant.name, *one.tests]
    # Some seeds of the game: which of them meets the bug is chance, and the same each time.
    environ = os.environ | {"FIELDMERGE_DOOR_GAMES": one.game or "together", "FIELDMERGE_DOOR_SEEDS": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    said = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or [""]
    # 1: tests failed. Whatever else it ends with finds nothing.
    return done.returncode == 1 and "failed" in said[-1], said[-1]


def _run_with(name: str, tests: list[str]) -> int:
    plant(next(one.mutant for one in PLANTED if one.mutant.name == name))
    import pytest

    return int(pytest.main(["-q", "-x", "-m", "more or not more", "-p", "no:cacheprovider", *tests]))


def main(asked: list[str]) -> int:
    """Plant each of those that are asked for, or all."""
    if asked[:1] == ["--with"]:
        return _run_with(asked[1], asked[2:])
    unfound = 0
    for one in PLANTED:
        if asked and one.mutant.name not in asked:
            continue
        started = time.monotonic()
        found, said = is_found(one)
        unfound += not found
        print(
            f"{'found' if found else 'NOT FOUND'}: {one.mutant.name} · {said} · {time.monotonic() - started:.0f} s"
        )
    return 1 if unfound else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
