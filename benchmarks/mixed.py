"""``python -m benchmarks mixed``: a thousand phones at their own pace; how long they wait, and whether memory grows."""

import argparse
import json
import random
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from app.core.ids import new_id
from benchmarks import processes, report
from benchmarks.client import Connection
from benchmarks.phone import Phone, Target
from benchmarks.stage import Stage, stage, tell

RESULTS = Path(__file__).parent / "MIXED.md"
DOCUMENT = Path(__file__).parents[1] / "openapi" / "openapi.json"
P95_PULL_S, P95_360_S = 0.3, 0.15
FLAT = 1.1
CLIENTS = 48
PUSHES, MOST_EDITS = 0.25, 3
OFFICE_EVERY_S, OFFICE_EDITS = 10, 100
SAMPLE_EVERY_S = 2


@dataclass
class Load:
    """What the phones met: seconds from the moment that they wanted to sync, by kind; and everything else."""

    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    late: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    told_to_retry: int = 0
    memory_mb: list[float] = field(default_factory=list)
    web_s: float = 0.0
    database_s: float = 0.0
    seconds: float = 0.0


@dataclass
class Fleet:
    """The phones with what each may edit, and whose turn it is."""

    phones: list[Phone]
    targets: list[list[Target]]
    every_s: float
    seed: int = 1
    load: Load = field(default_factory=Load)

    def run(self, seconds: float, extra: str | None) -> None:
        """Each phone syncs once in ``every_s``, at a moment of its own, whatever the others wait for."""
        rng = random.Random(self.seed)
        offsets = sorted((rng.uniform(0, self.every_s), n) for n in range(len(self.phones)))
        turns = [
            (offset + lap * self.every_s, n)
            for lap in range(int(seconds // self.every_s) + 1)
            for offset, n in offsets
            if offset + lap * self.every_s < seconds
        ]
        waiting, lock, started = iter(turns), threading.Lock(), time.monotonic()

        def work(number: int) -> None:
            mine = random.Random(self.seed * 1_000 + number)
            while True:
                with lock:
                    turn = next(waiting, None)
                if turn is None:
                    return
                due, n = started + turn[0], turn[1]
                time.sleep(max(0.0, due - time.monotonic()))
                self.load.late.append(max(0.0, time.monotonic() - due))
                self._one(n, due, mine, extra)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.load.seconds = time.monotonic() - started
        self.load.told_to_retry = sum(phone.told_to_retry for phone in self.phones)

    def _one(self, n: int, due: float, rng: random.Random, extra: str | None) -> None:
        phone, kind = self.phones[n], "pull"
        try:
            if rng.random() < PUSHES and self.targets[n]:
                kind = "push"
                count = min(rng.randint(1, MOST_EDITS), len(self.targets[n]))
                phone.push([self.targets[n].pop() for _ in range(count)])
            else:
                phone.pull()
            self.load.waits[kind].append(time.monotonic() - due)
            if extra is not None and self.targets[n] and rng.random() < PUSHES:
                self._look(phone, extra.replace("{account_id}", self.targets[n][-1].id))
        except Exception as error:
            self.load.errors.append(f"{kind}: {error!r}"[:300])

    def _look(self, phone: Phone, path: str) -> None:
        began = time.monotonic()
        connection = Connection(phone.url)
        answer = connection.ask(connection.request("GET", path, authorization=phone.authorization))
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        self.load.waits["account 360"].append(time.monotonic() - began)


def main(words: Sequence[str]) -> int:
    """Load the company, let the phones work, write MIXED.md."""
    asked = _parser().parse_args(words)
    with stage(tell, scheduler=True) as here:
        load = _measured(here, asked)
    text = "\n".join(_report(load, asked, _route_of_360())) + "\n"
    sys.stdout.write(text)
    if not asked.dry:
        RESULTS.write_text(text, encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks mixed", description=__doc__)
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--users", type=int, default=7_000)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two syncs of a phone")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--dry", action="store_true", help="print only, leave MIXED.md as it is")
    return parser


def _measured(here: Stage, asked: argparse.Namespace) -> Load:
    devices = min(asked.devices, asked.users)
    here.company.fill(
        "phone",
        territories=asked.users,
        reps=asked.users,
        accounts=asked.records,
        tell=tell,
    )
    here.analyze()
    phones = here.phones([f"phone-{n}" for n in range(devices)])
    tell(f"the first sync of {devices:,} phones")
    for phone in phones:
        phone.first_sync()
    targets = _targets(here, devices)
    fleet = Fleet(phones, targets, asked.every)
    done = threading.Event()
    beside = [
        threading.Thread(target=_watch, args=(here, fleet.load, done)),
        threading.Thread(target=_office, args=(here, asked.users, done)),
    ]
    for thread in beside:
        thread.start()
    before = processes.cpu_s(here.web.pid), processes.cpu_s(here.server.pid)
    tell(f"{asked.minutes:g} minutes of work")
    try:
        fleet.run(asked.minutes * 60, _route_of_360())
    finally:
        done.set()
        for thread in beside:
            thread.join()
    fleet.load.web_s = processes.cpu_s(here.web.pid) - before[0]
    fleet.load.database_s = processes.cpu_s(here.server.pid) - before[1]
    return fleet.load


def _targets(here: Stage, count: int) -> list[list[Target]]:
    found: list[list[Target]] = [[] for _ in range(count)]
    rows = here.office.execute(
        "SELECT split_part(t.code, '-', 2)::int, a.id::text, a.version FROM accounts a"
        " JOIN territories t ON t.tenant_id = a.tenant_id AND t.id = a.territory_id"
        " WHERE a.tenant_id = %s AND split_part(t.code, '-', 2)::int < %s",
        (here.company.id, count),
    )
    for n, record, version in rows:
        found[n].append(Target(record, version))
    return found


def _watch(here: Stage, load: Load, done: threading.Event) -> None:
    while not done.wait(SAMPLE_EVERY_S):
        load.memory_mb.append(processes.memory_mb(here.web.pid))


def _office(here: Stage, users: int, done: threading.Event) -> None:
    """Colleagues at desks change accounts of all territories."""
    rng = random.Random(2)
    while not done.wait(OFFICE_EVERY_S):
        places = [f"phone-{rng.randrange(users)}" for _ in range(OFFICE_EDITS)]
        here.office.execute(
            "UPDATE accounts a SET notes = left(notes, 8) || %s FROM territories t WHERE t.tenant_id = %s"
            " AND t.code = ANY(%s) AND a.tenant_id = t.tenant_id AND a.territory_id = t.id"
            " AND a.id = (SELECT min(b.id::text)::uuid FROM accounts b"
            "             WHERE b.tenant_id = t.tenant_id AND b.territory_id = t.id)",
            (new_id().hex[:8], here.company.id, places),
        )


def _route_of_360() -> str | None:
    """The route of the whole picture of an account, if there is one."""
    paths = json.loads(DOCUMENT.read_text(encoding="utf-8"))["paths"]
    return next((path for path in paths if path.endswith("/360")), None)


def _report(load: Load, asked: argparse.Namespace, route: str | None) -> list[str]:
    rows = [
        (
            kind,
            f"{len(waits):,}",
            *(report.seconds(_quantile(waits, share)) for share in (0.5, 0.95, 0.99)),
            report.seconds(max(waits)),
        )
        for kind, waits in sorted(load.waits.items())
    ]
    fifth = max(1, len(load.memory_mb) // 5)
    first, last = statistics.mean(load.memory_mb[:fifth]), statistics.mean(load.memory_mb[-fifth:])
    pull, whole = load.waits.get("pull", []), load.waits.get("account 360", [])
    done = sum(map(len, load.waits.values()))
    wanted = [
        _line(
            "p95 of a pull",
            report.seconds(_quantile(pull, 0.95)),
            "< 300 ms",
            _quantile(pull, 0.95) < P95_PULL_S,
        ),
        _line("errors", str(len(load.errors)), "0", not load.errors),
        _line(
            "memory, last fifth of the time to the first",
            f"{last / first:.2f} ×",
            f"≤ {FLAT:g} ×",
            last / first <= FLAT,
        ),
    ]
    if route is None:
        wanted.append(("account 360", "there is no such route yet", "p95 < 150 ms", "–"))
    elif whole:
        p95 = _quantile(whole, 0.95)
        wanted.append(_line("p95 of account 360", report.seconds(p95), "< 150 ms", p95 < P95_360_S))
    return [
        "# Mixed load",
        "",
        f'`make bench ARGS="mixed"`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {asked.devices:,} phones of '
        f"{asked.users:,} users, {asked.records:,} accounts, each phone once in {asked.every:g} s "
        f"({asked.devices / asked.every:.1f} requests a second), one sync in four carries one to {MOST_EDITS} "
        f"edits, the office changes {OFFICE_EDITS} accounts every {OFFICE_EVERY_S} s; {asked.minutes:g} minutes.",
        "A wait is counted from the moment at which the phone wanted to sync, so a server that stalls does not "
        "hide it. Phones, server and database share the machine.",
        "",
        *report.table(("wanted", "measured", "", "met"), wanted),
        "",
        *report.table(("kind", "count", "p50", "p95", "p99", "longest"), rows),
        "",
        f"{done / load.seconds:.1f} answers a second over {load.seconds:.0f} s; {load.told_to_retry} told to retry; "
        f"the client began at most {max(load.late, default=0) * 1000:.0f} ms late, "
        f"in the median {statistics.median(load.late or [0]) * 1000:.1f} ms.",
        f"CPU: server {load.web_s / load.seconds:.2f}, database {load.database_s / load.seconds:.2f} of a "
        f"processor. Memory of the workers together: {first:,.0f} MB in the first fifth, {last:,.0f} MB in the last.",
        *(["", "First errors:", "", *(f"- `{one}`" for one in load.errors[:5])] if load.errors else []),
    ]


def _line(name: str, measured: str, wanted: str, is_met: bool) -> tuple[str, str, str, str]:
    return name, measured, wanted, "yes" if is_met else "no"


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")
