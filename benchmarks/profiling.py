"""``python -m benchmarks profile``: where the time of a request goes, in Python and in PostgreSQL."""

import argparse
import cProfile
import io
import pstats
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from flask.testing import FlaskClient
from psycopg import sql

from app.factory import create_app
from app.http.services import services
from benchmarks import report
from benchmarks.phone import Phone
from benchmarks.stage import Stage, stage, tell
from localpg import state_root

TOP = 25
PLANS = 3
# What auto_explain writes of each statement; lines of a plan begin with a tab.
ENTRY = re.compile(r"duration: ([\d.]+) ms +plan:\n\tQuery Text: (.*(?:\n\t.*)*)")
PLAN = re.compile(r"\n\t[A-Z][\w ]+.*\(cost=")
SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_nested_statements": "on",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the application is given it in this process."""

    client: FlaskClient
    phone: Phone

    def __call__(self, request: bytes) -> bytes:
        """Answer it, without a socket between."""
        head, _, body = request.partition(b"\r\n\r\n")
        lines = [line.decode().partition(": ") for line in head.split(b"\r\n")[1:]]
        headers = {name: value for name, _, value in lines if name not in ("Content-Length", "Host")}
        answer = self.client.post("/api/v1/sync", data=body, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code} {answer.data[:300]!r}")
        return bytes(answer.data)


def main(words: Sequence[str]) -> int:
    """Profile one row and print where its time went."""
    asked = _parser().parse_args(words)
    with stage(tell) as here:
        if asked.explain and not _has_auto_explain(here):
            sys.stderr.write(
                "--explain needs auto_explain, which this PostgreSQL does not have: name the programs of one that has"
                " it, as in PG_BIN=/usr/lib/postgresql/15/bin.\n"
            )
            return 2
        here.company.fill("own", territories=1, reps=1, accounts=asked.accounts, tell=tell)
        here.analyze()
        app = create_app(replace(here.config, log_level="ERROR"))
        try:
            phone = here.phone("own-0")
            work = WORKS[asked.row](here, Asked(app.test_client(), phone), asked.times)
            work()  # once unmeasured: caches and plans are made
            sys.stdout.write(_python(WORKS[asked.row](here, Asked(app.test_client(), phone), asked.times)))
            services(app).db.dispose()  # so that new connections are opened under the settings
            if asked.explain:
                sys.stdout.write(_database(here, asked.row, Asked(app.test_client(), phone), asked.times))
        finally:
            services(app).db.dispose()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks profile", description=__doc__)
    parser.add_argument("row", choices=list(WORKS))
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=20, help="requests (edits, for push)")
    parser.add_argument(
        "--explain",
        action="store_true",
        help="also each statement's time and plan; needs auto_explain, which a system PostgreSQL has (PG_BIN)",
    )
    return parser


def _has_auto_explain(here: Stage) -> bool:
    try:
        here.office.execute("LOAD 'auto_explain'")
    except psycopg.errors.UndefinedFile:
        return False
    return True


def _first(here: Stage, ask: Asked, times: int) -> Callable[[], object]:
    def work() -> None:
        ask.phone.cursor = None
        while ask.phone.follow(ask(ask.phone.asks(accept="identity"))):
            continue

    return work


def _empty(here: Stage, ask: Asked, times: int) -> Callable[[], object]:
    _first(here, ask, times)()
    ask.phone.follow(ask(ask.phone.asks(accept="identity")))
    request = ask.phone.asks(accept="identity")
    return lambda: [ask(request) for _ in range(times)]


def _delta(here: Stage, ask: Asked, times: int) -> Callable[[], object]:
    _first(here, ask, times)()
    request = ask.phone.asks(accept="identity")
    here.touch("own-0", 100)
    return lambda: [ask(request) for _ in range(times)]


def _push(here: Stage, ask: Asked, times: int) -> Callable[[], object]:
    _first(here, ask, times)()
    request = ask.phone.asks(ask.phone.edits(here.targets("own-0", 0, times)), accept="identity")
    return lambda: ask(request)


WORKS: dict[str, Callable[[Stage, Asked, int], Callable[[], object]]] = {
    "first": _first,
    "empty": _empty,
    "delta": _delta,
    "push": _push,
}


def _python(work: Callable[[], object]) -> str:
    profile, began = cProfile.Profile(), time.perf_counter()
    profile.runcall(work)
    took, text = time.perf_counter() - began, io.StringIO()
    stats = pstats.Stats(profile, stream=text).strip_dirs()
    stats.sort_stats("cumulative").print_stats(TOP)
    stats.sort_stats("tottime").print_stats(TOP)
    return f"{took:.3f} s under the profiler\n{text.getvalue()}"


def _database(here: Stage, row: str, ask: Asked, times: int) -> str:
    log = state_root() / "bench" / "postgresql.log"
    work = WORKS[row](here, ask, times)
    with _explaining(here):
        services(ask.client.application).db.dispose()
        before = log.stat().st_size
        work()
        time.sleep(0.5)  # the log is written by other processes
        text = _since(log, before)
    return "\n".join(_statements(text)) + "\n"


@contextmanager
def _explaining(here: Stage) -> Iterator[None]:
    """New connections to the database write down each statement with its plan."""
    name = sql.Identifier(here.database)
    for setting, value in SETTINGS.items():
        change = sql.SQL("ALTER DATABASE {} SET {} = {}")
        here.office.execute(change.format(name, sql.Identifier(*setting.split(".")), sql.Literal(value)))
    try:
        yield
    finally:
        for setting in SETTINGS:
            change = sql.SQL("ALTER DATABASE {} RESET {}")
            here.office.execute(change.format(name, sql.Identifier(*setting.split("."))))


def _since(log: Path, before: int) -> str:
    with log.open("rb") as file:
        file.seek(before)
        return file.read().decode("utf-8", "replace")


def _statements(text: str) -> list[str]:
    """A table of the statements by their time in all, and the slowest plan of the first few."""
    took: dict[str, list[float]] = defaultdict(list)
    slowest: dict[str, tuple[float, str]] = {}
    for found in ENTRY.finditer(text):
        ms, entry = float(found[1]), found[2]
        plan = PLAN.search(entry)
        statement = " ".join((entry[: plan.start()] if plan else entry).split())
        took[statement].append(ms)
        if ms > slowest.get(statement, (-1.0, ""))[0]:
            slowest[statement] = ms, entry[plan.start() :] if plan else ""
    order = sorted(took, key=lambda one: -sum(took[one]))
    rows = [
        (f"{sum(took[one]):.2f}", str(len(took[one])), one[:150].replace("|", "\\|")) for one in order[:TOP]
    ]
    lines = report.table(("ms in all", "times", "statement"), rows)
    for one in order[:PLANS]:
        lines += ["", one[:2_000], slowest[one][1].replace("\n\t", "\n")]
    return lines
