"""Runs each mutant against tests, nearest first, and then against new histories, and writes down how it ended."""

import ast
import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import orjson

from tests.mutation import reached
from tests.mutation.explained import reason_of
from tests.mutation.operators import mutants_of
from tests.mutation.planted import VARIABLE
from tests.simulator.mutants.planting import Mutant

HOUSE = Path(__file__).parents[2]
COLLECTED = "FIELDMERGE_COLLECTED"
"""Tells the nursery which files of tests to import."""
QUIET = ("-p", "no:cacheprovider", "-q", "--no-header", "-m", "not more")
SUITES = ("tests/sync", "tests/sync_api", "tests/scope", "tests/inbox", "tests/journeys")
NEAREST = {
    "sync.stores.sequencer": (
        "tests/sync/test_sequencer.py",
        "tests/sync/test_twins.py",
        "tests/sync/test_channels.py",
        "tests/sync/test_adversity.py",
        "tests/sync/test_budget.py",
        "tests/scope/test_change.py",
    ),
    "sync.sequencer": ("tests/sync/test_sequencer.py", "tests/sync/test_adversity.py"),
    "sync.stores.epochs": (
        "tests/sync/test_epoch.py",
        "tests/sync/test_restore.py",
        "tests/cli/test_doctor.py",
    ),
    "sync.stores.support": (
        "tests/sync_api",
        "tests/sync/test_traces.py",
        "tests/devices",
        "tests/cli/test_devices.py",
    ),
    "sync.stores.feed": (
        "tests/sync/test_feed_reader.py",
        "tests/sync/test_segments.py",
        "tests/sync/test_pull.py",
        "tests/sync/test_given.py",
        "tests/sync/test_budget.py",
        "tests/sync/test_epoch.py",
        "tests/scope/test_change.py",
    ),
    "sync.stores.glance": (
        "tests/sync/test_feed_reader.py",
        "tests/sync_api/test_glance.py",
        "tests/sync/test_pull.py",
    ),
    "sync.stores.push": (
        "tests/sync/test_push_store.py",
        "tests/sync/test_push.py",
        "tests/sync/test_replay.py",
        "tests/sync/test_groups.py",
        "tests/sync/test_commands.py",
        "tests/sync/test_merge_over_the_wire.py",
        "tests/sync/test_given.py",
        "tests/sync/test_restore.py",
        "tests/sync/test_account_of.py",
        "tests/sync/test_push_runs.py",
        "tests/sync/test_ahead.py",
        "tests/sync/test_verdicts.py",
        "tests/sync/test_judgement.py",
        "tests/inbox/test_resolution.py",
        "tests/inbox/test_reassign_and_apply.py",
        "tests/inbox/test_unreadable.py",
    ),
}
"""Where a mutant of a module most likely ends; the other tests of the engine follow."""
ENDLESS_S = 600.0
FORKING = multiprocessing.get_context("forkserver")


@dataclass
class Ended:
    """How a mutant ended: killed *by* whom, or ``survived``."""

    key: str
    name: str
    by: str
    seconds: float
    what: str = ""

    @property
    def killed(self) -> bool:
        """Whether somebody noticed."""
        return self.by != "survived"


@dataclass
class Results:
    """A file with a line for each mutant that was run; a run goes on where the last one ended."""

    path: Path
    by_key: dict[str, Ended] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        if self.path.exists():
            for line in self.path.read_bytes().splitlines():
                one = Ended(**orjson.loads(line))
                self.by_key[one.key] = one

    def add(self, one: Ended) -> None:
        """Keep it, also on disk."""
        with self.lock:
            self.by_key[one.key] = one
            with self.path.open("ab") as file:
                file.write(orjson.dumps(asdict(one)) + b"\n")


def key_of(mutant: Mutant) -> str:
    """The same as long as the text around the change is the same, wherever it stands."""
    return hashlib.sha256(f"{mutant.where}\0{mutant.old}\0{mutant.new}".encode()).hexdigest()[:16]


def mutants_in(modules: Iterable[str]) -> list[Mutant]:
    """All mutants of the SQL of these modules."""
    found = []
    for module in modules:
        path = HOUSE / (module.replace(".", "/") + ".py")
        found += mutants_of(module, path.read_text(encoding="utf-8"))
    return found


def run_all(
    mutants: Sequence[Mutant],
    results: Results,
    *,
    minutes: float,
    jobs: int,
    hunt_s: float,
    rest: bool,
    patience: float = 0.0,
) -> None:
    """Run those that have no result yet, until the time is over."""
    until = time.monotonic() + minutes * 60 if minutes else float("inf")
    due = [mutant for mutant in mutants if key_of(mutant) not in results.by_key]
    near = Near(sorted({mutant.where for mutant in due}), results.path.with_suffix(".reached"))

    for known in results.by_key.values():
        near.learn(known)
    os.environ[COLLECTED] = " ".join(
        sorted(
            {test for mutant in due for test in NEAREST.get(mutant.where, SUITES)}
            | set(SUITES if rest else ())
        )
    )
    FORKING.set_forkserver_preload(["tests.mutation.nursery"])

    def one(mutant: Mutant) -> None:
        if time.monotonic() > until:
            return
        ended = run(mutant, near, hunt_s=hunt_s, rest=rest, patience=patience)
        results.add(ended)
        near.learn(ended)
        print(
            f"{'killed  ' if ended.killed else 'SURVIVED'} {ended.seconds:5.0f} s  {ended.name}  {ended.by}",
            flush=True,
        )

    with ThreadPoolExecutor(jobs) as pool:
        # Those of which somebody said that they survive come last.
        list(pool.map(one, sorted(due, key=lambda mutant: reason_of(mutant.name) is not None)))


class Near:
    """The tests of :data:`NEAREST` that enter what a mutant changes: no other of them can see it."""

    def __init__(self, modules: Sequence[str], keep: Path) -> None:
        """Run the tests once as they are, and keep which of them enters what, until one of the files changes."""
        self.readers = reached.readers_of(modules)
        self.by_module: dict[str, dict[str, list[str]]] = {}
        self.found: dict[str, list[str]] = defaultdict(list)
        for module in modules:
            self.by_module[module] = self._kept(module, keep.with_suffix(f".{module}.reached"))

    def _kept(self, module: str, path: Path) -> dict[str, list[str]]:
        shape = _shape_of(HOUSE / (module.replace(".", "/") + ".py"))
        now = {
            file: hashlib.sha256(shape + (HOUSE / file).read_bytes()).hexdigest()
            for file in _files_near(module)
        }
        kept: dict[str, Any] = {"of": {}, "tests": {}}
        if path.exists():
            kept = orjson.loads(path.read_bytes())
        due = [file for file, print_of in now.items() if kept["of"].get(file) != print_of]
        tests: dict[str, list[str]] = {
            function: [
                test for test in found if test.split("::")[0] in now and test.split("::")[0] not in due
            ]
            for function, found in kept["tests"].items()
        }
        if due:
            print(f"Which of {len(due)} files of tests enters what of {module} ...", flush=True)
            for function, found in self._noted(module, due, path.with_suffix(".new")).items():
                tests[function] = tests.get(function, []) + found
            path.write_bytes(orjson.dumps({"of": now, "tests": tests}))
        return tests

    def _noted(self, module: str, files: Sequence[str], into: Path) -> dict[str, list[str]]:
        told = {"modules": reached.instrumented([module]), "into": str(into)}
        code, said = _ended(
            [sys.executable, "-m", "pytest", "-p", "tests.mutation.reached", *QUIET, *files],
            os.environ | {reached.VARIABLE: orjson.dumps(told).decode(), "PYTHONUTF8": "1"},
            ENDLESS_S * 3,
        )
        if code:
            raise SystemExit(f"The tests near {module} fail as they are: {said[-2000:]}")
        found: dict[str, list[str]] = orjson.loads(into.read_bytes())
        into.unlink()
        return found

    def of(self, mutant: Mutant) -> list[str]:
        """In the order in which they are tried: first those that found another mutant there."""
        place = _place_of(mutant.where, mutant.name)
        tests = reached.reaching(place, self.by_module[mutant.where], self.readers)
        if place in self.readers and tests != [reached.EVERY_TEST]:
            tests = reached.naming(place.split(":")[1], _files_near(mutant.where), tests)
        if not tests or tests == [reached.EVERY_TEST]:
            return list(NEAREST.get(mutant.where, SUITES[:1]))
        found = self.found[place]
        return sorted(tests, key=lambda test: found.index(test) if test in found else len(found))

    def learn(self, ended: Ended) -> None:
        """The test that found a mutant is likely to find its neighbours."""
        place = _place_of(ended.name.split(":")[0], ended.name)
        test = ended.what.removeprefix("FAILED ").split(" - ")[0]
        if ended.what.startswith("FAILED ") and test not in self.found[place]:
            self.found[place].insert(0, test)


def _files_near(module: str) -> list[str]:
    return [
        file.relative_to(HOUSE).as_posix()
        for name in NEAREST.get(module, SUITES[:1])
        for file in ((HOUSE / name).rglob("test_*.py") if (HOUSE / name).is_dir() else [HOUSE / name])
    ]


def _shape_of(path: Path) -> bytes:
    """The module without its texts: another one is entered by other tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree).encode()


def _place_of(module: str, name: str) -> str:
    """The function or constant that a mutant changes, by its name: ``module:line function: rule: text``."""
    return f"{module}:{name.split(' ', 1)[1].split(':')[0]}"


def run(mutant: Mutant, near: Near, *, hunt_s: float, rest: bool, patience: float) -> Ended:
    """The nearest tests, then histories, then, for what survived both, all other tests of the engine."""
    started = time.monotonic()
    nearest = NEAREST.get(mutant.where, SUITES[:1])
    others = [*(suite for suite in SUITES if suite not in nearest), *(f"--ignore={path}" for path in nearest)]
    tries = (
        ("nearest tests", lambda: _fails(mutant, near.of(mutant), patience)),
        ("histories", lambda: _hunted(mutant, hunt_s) if hunt_s else ""),
        ("other tests", lambda: _fails(mutant, others) if rest else ""),
    )
    by, what = next(((by, what) for by, found in tries if (what := found())), ("survived", ""))
    return Ended(key_of(mutant), mutant.name, by, round(time.monotonic() - started, 1), what)


def _told(mutant: Mutant) -> Mapping[str, str]:
    return os.environ | {VARIABLE: orjson.dumps(asdict(mutant)).decode(), "PYTHONUTF8": "1"}


def _fails(mutant: Mutant, tests: Sequence[str], patience: float = 0.0) -> str:
    """The first test that fails; empty when all pass, or nothing failed in so many seconds of *patience*."""
    if not tests:
        return ""
    with TemporaryDirectory() as directory:
        said = Path(directory) / "said"
        process = FORKING.Process(target=_tested, args=(mutant, list(tests), said), daemon=True)
        process.start()
        process.join(patience or ENDLESS_S)
        if process.is_alive():
            _interrupt(process)
            return "" if patience else f"no end after {ENDLESS_S:.0f} s"
        if process.exitcode in (0, 5):
            return ""
        output = said.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if not lines:
        raise RuntimeError(f"The tests did not run for {mutant.name}: {output[-2000:]}")
    return lines[-1][:300]


def _interrupt(process: BaseProcess) -> None:
    """As by Ctrl-C first: pytest then drops its database."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join(30)
    if process.is_alive():
        process.kill()
        process.join()


def _tested(mutant: Mutant, tests: Sequence[str], said: Path) -> None:
    # Imported by now, and only there: the nursery imports the whole product.
    nursery = import_module("tests.mutation.nursery")
    nursery.tested(mutant, tests, said)


def _hunted(mutant: Mutant, seconds: float) -> str:
    command = [sys.executable, "-m", "tests.simulator.hunting", "--told", str(seconds)]
    _, said = _ended(command, _told(mutant), seconds * 3 + 60)
    try:
        found: dict[str, Any] = orjson.loads(said.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return ""  # it came to nothing, on a busy machine for one: that finds no mutant
    return f"{found['caught']}: {found['what']}"[:300] if found.get("caught") else ""


def _ended(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> tuple[int, str]:
    """Exit code and output of a process, which is stopped, and reaped, after *seconds*."""
    with subprocess.Popen(
        command, cwd=HOUSE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
            return 1, f"no end after {seconds:.0f} s"
        return process.returncode, said
