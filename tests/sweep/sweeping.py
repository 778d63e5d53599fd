"""Fails each statement of a flow once, and looks after every try whether all is as if nothing had happened."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import psycopg
from flask import Flask

from app.core.db import Database
from app.http.services import services
from tests.sweep.faults import NOTHING, Faults, Mode, Plan
from tests.world import World

TRIES = 8
"""Deliveries after which a phone would have been answered."""
MOST = 3_000
"""More statements than any flow has: beyond it, the flow never ends."""

MOST_PROBLEMS = 5
"""It stops there: the rest would say the same."""

Where = Callable[[Sequence[str]], Iterable[int]]
"""Numbers of statements among those of a whole flow."""
Chosen = Callable[[int], Plan]
"""Which statements fail, by the number at which the sweep stands."""


def once(at: int) -> Plan:
    """That statement alone."""
    return Plan(at, at)


def twice(at: int) -> Plan:
    """That statement, and then the next one, whoever sends it: the server trying again, or the phone."""
    return Plan(at, at + 1)


def onwards(at: int) -> Plan:
    """That one and all after it, until the phone has an answer of any kind."""
    return Plan(at, None)


@dataclass
class Delivery:
    """What one try of a phone came to.

    Attributes:
        answered: Whether it has its answer; else it comes again.
        problems: What the server may never do.
        words: What came back, for the report.
    """

    answered: bool
    problems: list[str] = field(default_factory=list)
    words: str = ""


class Flow(Protocol):
    """Something that a phone, the scheduler or a person does, and what must be true of it."""

    name: str

    def case(self) -> Any:
        """Prepare the next instance of it; every one makes the same statements."""

    def deliver(self, case: Any) -> Delivery:
        """Try it once; the statements of this fail."""

    def unanswered(self, case: Any) -> list[str]:
        """What is wrong after a try without an answer: it was done wholly or not at all."""

    def check(self, case: Any) -> list[str]:
        """What is wrong after the answer."""

    def end(self) -> list[str]:
        """What is wrong when all cases are done."""


@dataclass
class Swept:
    """What a sweep found."""

    name: str
    statements: int = 0
    runs: int = 0
    unanswered: int = 0
    problems: list[str] = field(default_factory=list)

    def told(self) -> str:
        """One line for people."""
        return (
            f"{self.name}: {self.statements} statements, {self.runs} runs, {self.unanswered} tries without an answer,"
            f" {len(self.problems)} problems"
        )


class Service:
    """The application, the faults of its connections, and what may be asked past both."""

    def __init__(self, app: Flask, db: Database) -> None:
        self.app = app
        self.db = db
        self.faults = Faults()
        for pool in (db.app, db.engine):
            self.faults.watch(pool)
            with pool.connect():  # what the driver asks once at its first connection is no part of a flow
                pass
        self.owner = psycopg.connect(services(app).config.database_owner_url, autocommit=True)

    def world(self) -> World:
        """A company of its own."""
        return World(self.app, self.db)

    def leaks(self) -> list[str]:
        """Connections that were not given back, and transactions that nobody will end."""
        found = [
            f"{pool.pool.checkedout()} connections of the {name} pool were not given back"
            for name, pool in (("app", self.db.app), ("engine", self.db.engine))
            if pool.pool.checkedout()  # type: ignore[attr-defined]
        ]
        end = time.monotonic() + 3.0
        # What was cut off needs a moment to die.
        while open_ := self._open_transactions():
            if time.monotonic() > end:
                return [*found, f"transactions stay open: {open_}"]
            time.sleep(0.005)
        return found

    def close(self) -> None:
        """Let go of every connection."""
        self.owner.close()
        self.db.dispose()

    def _open_transactions(self) -> list[str]:
        rows = self.owner.execute(
            "SELECT coalesce(application_name, '') || ': ' || left(coalesce(query, ''), 80) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'fieldmerge-%'"
            " AND (state LIKE 'idle in transaction%' OR state = 'active')"
        )
        return [row[0] for row in rows]


def every(first: int = 1, step: int = 1) -> Where:
    """All of them, also those that are sent only after a fault; or each so many from one of them on."""
    return lambda statements: range(first, MOST, step)


def commits(statements: Sequence[str]) -> list[int]:
    """The ends of transactions."""
    return [number for number, statement in enumerate(statements, 1) if statement == "COMMIT"]


def spread(most: int) -> Where:
    """At most so many, as far apart as they can be, and every COMMIT."""

    def where(statements: Sequence[str]) -> list[int]:
        step = max(1, len(statements) // most)
        return sorted({*range(1, len(statements) + 1, step), *commits(statements)})

    return where


def sweep(
    service: Service, flow: Flow, modes: Sequence[Mode], chosen: Chosen = once, where: Where | None = None
) -> Swept:
    """Fail the first statement of *flow*, then the second, until one is chosen that is never sent.

    Args:
        service: The application.
        flow: What is done.
        modes: Ways to fail, which take turns.
        chosen: Which statements fail when the sweep stands at a number.
        where: At which numbers it stands, by the statements of a case without a fault; everywhere when left out.
    """
    found = Swept(flow.name)
    for _ in range(
        2
    ):  # a connection prepares statements at its first case: the second is like those that follow
        found.problems += [f"without a fault: {said}" for said in _run(service, flow, None, NOTHING, found)]
    statements = list(service.faults.seen)
    found.statements = len(statements)
    for turn, at in enumerate((where or every())(statements)):
        mode = modes[turn % len(modes)]
        problems = _run(service, flow, mode, chosen(at), found)
        if not service.faults.met:
            break
        found.runs += 1
        met = "; ".join(statement[:160] for statement in service.faults.met[:2])
        found.problems += [f"{flow.name}, statement {at}, {mode.name} [{met}]: {said}" for said in problems]
        if len(found.problems) >= MOST_PROBLEMS:
            return found
    found.problems += [f"{flow.name}, at the end: {said}" for said in flow.end()]
    return found


def _run(service: Service, flow: Flow, mode: Mode | None, plan: Plan, found: Swept) -> list[str]:
    """One case with its faults, until it is answered; gives what is wrong."""
    case = flow.case()
    service.faults.arm(mode, plan)
    problems: list[str] = []
    try:
        for said in _deliveries(service, flow, case, found):
            problems += said
    finally:
        service.faults.disarm()
    return problems or flow.check(case)


def _deliveries(service: Service, flow: Flow, case: Any, found: Swept) -> Iterator[list[str]]:
    faults = service.faults
    for number in range(1, TRIES + 1):
        delivery = flow.deliver(case)
        faults.armed = False
        yield [
            f"try {number}: {said} {delivery.words}".rstrip() for said in delivery.problems + service.leaks()
        ]
        if delivery.answered:
            return
        found.unanswered += 1
        yield [f"after try {number}: {said}" for said in flow.unanswered(case)]
        if faults.plan.last is None:
            faults.plan = NOTHING
        faults.armed = True
    yield [f"no answer in {TRIES} tries"]
