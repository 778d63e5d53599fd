"""Lets mutmut break the pure modules in a copy of the tree, and counts by module what their tests find."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import localpg

WANTED = 0.90
"""Of the mutants of each module."""
KILLED = {"killed", "timeout", "suspicious", "caught by type check"}
LINE = re.compile(r"^\s*(?P<name>[\w.ǁ]+__mutmut_\d+): (?P<status>.+)$", re.MULTILINE)
DIFFERENCE = re.compile(r"^[-+](?![-+]).*$", re.MULTILINE)


def run(house: Path, jobs: int, names: list[str]) -> int:
    """Run mutmut, on all that *names* match if there are any; 1 where a module stays below what is wanted.

    It works in a copy, ``.fieldmerge/pure``, since it leaves a whole changed tree behind; results of an unchanged
    function are kept from one run to the next.
    """
    copy = house / ".fieldmerge" / "pure"
    _copy(house, copy)
    # Which test meets which function is found out anew: mutmut does not see that a test has changed.
    (copy / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
    state = os.environ.get("FIELDMERGE_STATE") or str(house / ".fieldmerge")
    environment = os.environ | {"FIELDMERGE_STATE": state, "PYTHONUTF8": "1"}
    mutmut = [sys.executable, "-m", "mutmut"]
    command = [*mutmut, "run", "--max-children", str(jobs), *names]
    with _server(), subprocess.Popen(command, cwd=copy, env=environment) as process:
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            raise
    if code:
        return code
    told = _said([*mutmut, "results", "--all", "true"], copy)
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for found in LINE.finditer(told):
        module = re.split(r"\.x[_ǁ]", found["name"])[0]
        counted[module][found["status"].strip()] += 1
        if found["status"].strip() in ("survived", "no tests"):
            shown = " ".join(DIFFERENCE.findall(_said([*mutmut, "show", found["name"]], copy)))
            print(f"{found['status']}: {found['name']}  {' '.join(shown.split())}")
    return _table(counted)


@contextmanager
def _server() -> Iterator[None]:
    """The database of the tests, held here: mutmut falls over a child that it did not start itself."""
    if "FIELDMERGE_TEST_SERVER" in os.environ:
        yield
        return
    server = localpg.start("test", durable=False)
    try:
        yield
    finally:
        server.release()


def _table(counted: dict[str, Counter[str]]) -> int:
    missed = 0
    for module, by_status in sorted(counted.items()):
        judged = sum(count for status, count in by_status.items() if status != "not checked")
        killed = sum(count for status, count in by_status.items() if status in KILLED)
        rate = killed / judged if judged else 1.0
        missed += rate < WANTED
        print(f"{module:20} {killed:5} of {judged:5} killed  {rate:6.1%}")
    return 1 if missed else 0


def _copy(house: Path, copy: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=house,
        capture_output=True,
        check=True,
    )
    names = {name for name in listed.stdout.decode().split("\0") if name and (house / name).is_file()}
    for name in names:
        there = copy / name
        if not there.exists() or there.read_bytes() != (house / name).read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(house / name, there)
    for path in [*copy.glob("tests/**/*.py"), *copy.glob("sync/**/*.py"), *copy.glob("app/**/*.py")]:
        if path.relative_to(copy).as_posix() not in names:
            path.unlink()


def _said(command: list[str], copy: Path) -> str:
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True).stdout
