"""Inverts branches of the engine, one at a time, and sees whether a test fails.

    python -m tests.inverted --sample 40 --seed 7     # a sample of all branches
    python -m tests.inverted --only sync/pull.py:211  # this one

Coverage says that a branch was taken; only this says that somebody would notice if it were the other one.
"""

import argparse
import ast
import importlib.abc
import importlib.util
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
SUITES = ("tests/sync", "tests/sync_api", "tests/inbox", "tests/journeys")
VARIABLE = "FIELDMERGE_INVERT"


def branches(path: Path) -> Iterator[ast.If | ast.IfExp | ast.While]:
    """The branches of a file that a test can take either way."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.If, ast.IfExp)) and not _is_of_types(node.test):
            yield node


def _is_of_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


class _Inverter(ast.NodeTransformer):
    def __init__(self, line: int, column: int) -> None:
        self.place = (line, column)

    def _turned(self, node: Any) -> Any:
        self.generic_visit(node)
        if (node.lineno, node.col_offset) == self.place:
            node.test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
        return node

    visit_If = _turned  # noqa: N815  (the names of ast)
    visit_IfExp = _turned  # noqa: N815


class _Loader(importlib.abc.Loader):
    def __init__(self, path: Path, line: int, column: int) -> None:
        self.path, self.line, self.column = path, line, column

    def exec_module(self, module: ModuleType) -> None:
        tree = _Inverter(self.line, self.column).visit(ast.parse(self.path.read_text()))
        exec(compile(ast.fix_missing_locations(tree), str(self.path), "exec"), module.__dict__)  # noqa: S102  (our own file)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, place: str) -> None:
        name, line, column = place.split(":")
        self.path = ROOT / name
        self.module = name.removesuffix(".py").replace("/", ".")
        self.loader = _Loader(self.path, int(line), int(column))

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self.module:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self.loader)


# pytest loads this file as a plugin (-p tests.inverted) before anything imports the engine.
if place := os.environ.get(VARIABLE):
    sys.meta_path.insert(0, _Finder(place))


def survives(place: str) -> bool:
    """Whether all tests pass with the branch inverted."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.inverted", "-x", "-q", "-m", "not more", "-p", "no:cacheprovider",
         *SUITES],
        cwd=ROOT, env=os.environ | {VARIABLE: place}, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 1, 2, 4):
        raise RuntimeError(done.stdout.decode()[-2000:])
    return done.returncode == 0


def main() -> int:
    """Print a line for each branch; fail where one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.inverted", description=__doc__)
    parser.add_argument("--sample", type=int, default=20, help="how many branches")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--only", help="file:line of one")
    asked = parser.parse_args()
    places = [
        f"{path.relative_to(ROOT)}:{node.lineno}:{node.col_offset}"
        for path in sorted((ROOT / "sync").rglob("*.py"))
        for node in branches(path)
    ]
    if asked.only:
        chosen = [place for place in places if place.startswith(asked.only + ":")]
    else:
        chosen = random.Random(asked.seed).sample(places, min(asked.sample, len(places)))
    survivors = 0
    for place in chosen:
        began = time.monotonic()
        lives = survives(place)
        survivors += lives
        print(
            f"{'SURVIVES' if lives else 'found   '} {place:40} {time.monotonic() - began:5.0f} s", flush=True
        )
    print(f"{len(chosen) - survivors} of {len(chosen)} found ({len(places)} branches in all)")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
