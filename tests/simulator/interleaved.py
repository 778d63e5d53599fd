"""Several sessions at once under a seeded schedule: one statement at a time, in an order that the seed decides.

Each thread stops before every SQL statement and every commit, and goes on when the baton is its own. A thread that
waits for a lock of the database cannot come back; after a short while the baton goes on without it. So a schedule is
as deterministic as the database's locks are. Only what needs no model is checked here: nothing lost, nothing torn.
"""

import contextvars
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

from sqlalchemy import event, text
from werkzeug.test import Client

from sync.sequencer import Drainer
from tests.simulator import invariants
from tests.simulator.chance import id_of, stream
from tests.simulator.device import Phone
from tests.simulator.history import History, Report, Violation
from tests.simulator.server import Answered, Server, minted_ids
from tests.simulator.steps import DO, setup_of

BLOCKED_S = 0.03
"""After this long at one statement a thread is taken to wait for a lock."""
TURNS = 5
"""Rounds of threads in one history."""


class Baton:
    """Lets one of several threads run at a time."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.condition = threading.Condition()
        self.live: set[str] = set()
        self.waiting: set[str] = set()
        self.running: str | None = None
        self.turn: str | None = None
        self.boundaries = 0

    def _choose(self) -> None:
        if self.running is None and self.turn is None and self.waiting:
            self.turn = self.chance.choice(sorted(self.waiting))
            self.condition.notify_all()

    def boundary(self, name: str) -> None:
        """Wait for the baton."""
        with self.condition:
            self.boundaries += 1
            if self.running == name:
                self.running = None
            self.waiting.add(name)
            if self.waiting == self.live:
                self._choose()
            while self.turn != name:
                if not self.condition.wait(BLOCKED_S) and self.turn is None:
                    self.running = None  # it waits for a lock: on without it
                    self._choose()
            self.turn, self.running = None, name
            self.waiting.discard(name)

    def leave(self, name: str) -> None:
        """A thread has done its work."""
        with self.condition:
            self.live.discard(name)
            self.waiting.discard(name)
            if self.running == name:
                self.running = None
            self._choose()


class Interleaved:
    """One history whose steps run beside each other."""

    def __init__(self, server: Server, seed: int) -> None:
        setup = setup_of(seed)
        setup = setup | {"companies": ["A"], "oracle": False}
        setup["phones"] = {n: p | {"push_limit": 500} for n, p in setup["phones"].items() if n[0] == "p"}
        self.server = server
        self.history = History(server, seed, setup)
        self.chance = stream(seed, "interleaved")
        self.faults: list[Exception] = []

    def play(self) -> None:
        """Sync everybody, then some rounds of threads, then compare everybody."""
        history = self.history
        with self.server.at(history.now):
            history.open()
            for phone in history.phones.values():
                history.sync(phone)
        for number in range(TURNS):
            history.report.at_step = number
            history.now += timedelta(seconds=30)
            with self.server.at(history.now):
                self.prepare()
                self.together([self.work() for _ in range(self.chance.choice([2, 3, 3, 4]))])
                history.look_around()
        history.now += timedelta(seconds=1)
        with self.server.at(history.now):
            history.look_around()
            history.heal()

    def prepare(self) -> None:
        """Every phone has some work, made offline."""
        for phone in self.history.phones.values():
            for _ in range(self.chance.choice([0, 1, 3])):
                step = {
                    "phone": phone.name,
                    "entity": self.chance.choice(["account", "account", "visit", "task"]),
                    "pick": self.chance.random(),
                    "how": self.chance.choice(["text", "lines", "tags", "rows"]),
                    "which": self.chance.random(),
                    "two": False,
                }
                DO["edit"](self.history, step)

    def work(self) -> Callable[[], None]:
        """What one thread does."""
        phone = self.chance.choice(sorted(self.history.phones.values(), key=lambda p: p.name))
        twin = self.chance.random() < 0.3
        kind = self.chance.choice(
            ["sync", "sync", "sync", "double", "transaction", "transaction", "drain", "move"]
        )
        pick, move = self.chance.random(), self.chance.random() < 0.5
        self.history.report.done[kind] += 1
        if kind == "drain":
            return lambda: self.drain()
        if kind == "transaction":
            return lambda: self.transaction(pick, move)
        if kind == "move":
            return lambda: self.transaction(pick, True)
        if kind == "double" or twin:
            asked = phone.request(self.history.now)
            return lambda: self.copies(phone, asked)
        return lambda: self.sync(phone)

    def sync(self, phone: Phone) -> None:
        """A phone syncs to its checkpoint; what it holds then is of one moment."""
        with phone_lock(phone):
            for _ in range(100):
                asked = phone.request(self.history.now)
                answer = self.call(phone, asked)
                if answer.status != 200:
                    return
                invariants.i07_a_version_never_goes_back(self.history, phone, asked, answer.json)
                phone.apply(asked, answer.json, self.history.now)
                if phone.state.checkpoint:
                    invariants.i06_transactions_are_whole(self.history, phone)
                    invariants.i09_no_dangling_reference(self.history, phone)
                    return

    def copies(self, phone: Phone, asked: Any) -> None:
        """A copy of a request, whose answer nobody hears."""
        self.call(phone, asked)

    def call(self, phone: Phone, asked: Any) -> Answered:
        """One request on a client of the thread's own."""
        company, user = self.history.company_of(phone), self.history.user_id(phone)
        if phone.token_at is None or self.history.now - phone.token_at > timedelta(minutes=5):
            from uuid import UUID

            phone.token = self.server.token(company.id, UUID(user), UUID(phone.device_id), self.history.now)
            phone.token_at = self.history.now
        for mutation in asked["mutations"]:
            self.history.sent_mutations.setdefault((company.mark, user, mutation["id"]), mutation)
        answer = self.server.call(
            "POST", "/api/v1/sync", phone.token, asked, client=Client(self.server.app.wsgi_app)
        )
        if answer.status == 200:
            for verdict in answer.json["verdicts"]:
                key = company.mark, user, verdict["id"]
                first = self.history.first_verdicts.setdefault(key, verdict)
                if (first["status"], first["code"]) != (verdict["status"], verdict["code"]):
                    raise Violation(
                        "I3", f"{verdict['id']} was judged {first['status']} and {verdict['status']}"
                    )
                if not first["replayed"] and not verdict["replayed"] and first is not verdict:
                    raise Violation("I3", f"{verdict['id']} was judged twice at once")
                self.history.report.verdicts[verdict["status"]] += 1
        elif answer.status != 503:
            raise Violation("I15", f"answered {answer.status}: {answer.body[:200]!r}")
        return answer

    def drain(self) -> None:
        """The scheduler's drain."""
        self.history.companies["A"].drain(self.history.now)

    def transaction(self, pick: float, move: bool) -> None:
        """Two accounts and what hangs on them, in one transaction of several statements."""
        company, pairs = self.history.companies["A"], self.history.pairs
        pair = pairs[int(pick * len(pairs))]
        with SERIAL:
            words = self.history.next("tx")
        land = id_of(("tn", "ts", "te")[int(pick * 97) % 3]) if move else None
        with company.writing("import:erp") as session:
            for symbol in pair:
                session.execute(
                    text(
                        "UPDATE accounts SET subtype = :w, territory_id = coalesce(:land, territory_id)"
                        " WHERE tenant_id = :t AND id = :a"
                    ),
                    {"t": company.id, "a": id_of(symbol), "w": words, "land": land},
                )

    def together(self, works: list[Callable[[], None]]) -> None:
        """Run all at once, one statement at a time."""
        baton = Baton(self.chance)
        names = [f"t{number}" for number in range(len(works))]
        baton.live = set(names)
        with self.watched(baton):
            threads = [
                threading.Thread(
                    target=contextvars.copy_context().run,
                    args=(self.guarded, baton, name, work),
                    name=name,
                    daemon=True,
                )
                for name, work in zip(names, works, strict=True)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
                if thread.is_alive():
                    raise Violation("I16", "a session hangs")
        for fault in self.faults:
            raise fault

    def guarded(self, baton: Baton, name: str, work: Callable[[], None]) -> None:
        """One thread; a lost deadlock of a transaction is nobody's fault."""
        try:
            work()
        except Exception as error:
            if "deadlock" not in str(error) and "could not serialize" not in str(error):
                self.faults.append(error)
        finally:
            baton.leave(name)

    @contextmanager
    def watched(self, baton: Baton) -> Iterator[None]:
        """Statements and commits of the threads wait for the baton."""

        def before(*_: Any) -> None:
            name = threading.current_thread().name
            if name in baton.live:
                baton.boundary(name)

        engines = (self.server.db.app, self.server.db.engine)
        for engine in engines:
            event.listen(engine, "before_cursor_execute", before)
            event.listen(engine, "commit", before)
        try:
            yield
        finally:
            for engine in engines:
                event.remove(engine, "before_cursor_execute", before)
                event.remove(engine, "commit", before)


SERIAL = threading.Lock()
_LOCKS: dict[int, threading.Lock] = {}


def phone_lock(phone: Phone) -> threading.Lock:
    """A phone does one sync at a time; copies of its requests come whenever they like."""
    return _LOCKS.setdefault(id(phone), threading.Lock())


def run(server: Server, seed: int) -> Report:
    """One interleaved history."""
    played = Interleaved(server, seed)
    with minted_ids(seed), mock.patch.object(Drainer, "drain_if_due", Drainer.drain_if_due):
        try:
            played.play()
        except Violation as violation:
            played.history.report.violation = violation
    _LOCKS.clear()
    return played.history.report
