"""Companies, and phones that write down every acknowledgement; each phone works in a thread of its own."""

import gzip
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from app.config import Config
from app.core.scope import Role
from app.factory import create_app
from app.http.services import services
from examples.phone import HttpTransport, NeedsLogin, NoAnswer, Phone, Refused, Reply
from tests.world import PASSWORD, World

Json = dict[str, Any]
Found = TypeVar("Found")

CANARY = re.compile(rb"zq([A-Z])([ns])zq")
ACCOUNTS = 30
MOST_WAIT_S = 0.3
"""Phones wait less than they are told: the harness has no hours."""
PUSH_LIMIT = 500
MOST_WAITING = 45
"""While the service is away people write, but not for ever: the harness measures promises, not backlogs."""


@dataclass
class Heard:
    """The last verdict on a mutation that reached the phone, and what had been sent."""

    sent: Json
    verdict: Json
    epoch: str


class Journal:
    """Between a phone and the network: writes down what was sent, what was acknowledged, and whose texts came."""

    def __init__(self, inner: HttpTransport) -> None:
        self.inner = inner
        self.heard: dict[str, Heard] = {}
        self.canaries: set[tuple[str, str]] = set()
        self.pushes = 0
        self.in_flight = False
        self.codes: dict[str, int] = {}
        self.replayed = 0
        self.epochs: list[str] = []
        self.rebases = 0
        self.slowest_s = 0.0
        self.judged_twice: list[str] = []

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        sent = self._sent(path, headers, body)
        self.in_flight = bool(sent)
        began = time.monotonic()
        try:
            reply = self.inner.send(method, path, headers, body)
        finally:
            self.in_flight = False
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        plain = reply.plain
        head = "".join(f"{name}: {value}\n" for name, value in reply.headers.items()).encode()
        self.canaries |= {(a.decode(), b.decode()) for a, b in CANARY.findall(head + plain)}
        if reply.status != 200:
            code = f"{reply.status} {_code(plain)}"
            self.codes[code] = self.codes.get(code, 0) + 1
        elif path.endswith("/sync"):
            self.pushes += bool(sent)
            self._hear(sent, json.loads(plain))
        return reply

    def _sent(self, path: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, Json]:
        if body is None or not path.endswith("/sync"):
            return {}
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return {one["id"]: one for one in json.loads(body)["mutations"]}

    def _hear(self, sent: Mapping[str, Json], answer: Json) -> None:
        if "rebase" in answer["directives"]:
            self.rebases += 1
        epoch = answer["epoch"]
        if epoch not in self.epochs[-1:]:
            self.epochs.append(epoch)
        for verdict in answer["verdicts"]:
            self.replayed += verdict["replayed"]
            before = self.heard.get(verdict["id"])
            # In another life of the database it is judged anew: that life may know nothing of it.
            if before is not None and before.epoch == epoch and not verdict["replayed"]:
                self.judged_twice.append(verdict["id"])
            self.heard[verdict["id"]] = Heard(sent[verdict["id"]], verdict, epoch)

    def close(self) -> None:
        self.inner.close()


def _code(plain: bytes) -> str:
    try:
        return str(json.loads(plain).get("code", ""))
    except (ValueError, AttributeError):
        return ""


class Device:
    """A phone, its person, and what they do all day. Everything runs in the phone's own thread."""

    def __init__(
        self, company: "Company", mark: str, login: str, url: str, seed: int, timeout_s: float
    ) -> None:
        """Make it; ``enter`` logs it in.

        Args:
            company: Whose.
            mark: Of its territory: ``n``, ``s``, or both.
            login: Of its person.
            url: Of the service, or of the proxy before it.
            seed: Of what it does.
            timeout_s: How long it waits for an answer.
        """
        self.company, self.mark, self.login = company, mark, login
        self.random = Random(seed)
        self.journal = Journal(HttpTransport(url, timeout_s=timeout_s))
        self.stop = threading.Event()
        self.is_impatient = False
        self.most_wait_s = MOST_WAIT_S
        self.spoils_tokens = False
        self.avoids = ""
        self.logins = 0
        self.failures = 0
        self.done = 0
        self.burst = 15
        self._records: list[str] = []
        self._made: list[tuple[str, str]] = []
        self._serial = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"phone-{login}")
        self._life: Future[None] | None = None
        self.phone = self.do(self._make)

    def _make(self) -> Phone:
        return Phone("http://service", transport=self.journal, name=self.login, sleep=self._wait)

    def _wait(self, wait_s: float) -> None:
        self.stop.wait(0.0 if self.is_impatient else min(wait_s, self.most_wait_s))

    def do(self, work: Callable[[], Found]) -> Found:
        """Something in the phone's thread; gives its result."""
        return self._thread.submit(work).result()

    def enter(self) -> None:
        """Log in, and fetch everything."""

        def work() -> None:
            self.phone.log_in(self.company.code, self.login, PASSWORD)
            self.phone.sync()
            self._records = [one["id"] for one in self.phone.list("account")]

        self.do(work)

    # The day

    def begin(self) -> None:
        """Work and sync until told to stop."""
        self.stop.clear()
        self._life = self._thread.submit(self._live)

    def halt(self) -> None:
        """Tell it to stop."""
        self.stop.set()

    def rest(self) -> None:
        """Wait until it has stopped.

        Raises:
            BaseException: What ended the phone's day.
        """
        if self._life is not None:
            self._life.result(120)
            self._life = None

    def _live(self) -> None:
        while not self.stop.is_set():
            if self.phone.waiting() < MOST_WAITING:
                self.work(self.random.randint(1, self.burst))
            if self.spoils_tokens:
                self.forget_access()
            self.try_sync()

    def avoid(self, record: str) -> None:
        """Do not work on this customer."""
        self.avoids = record
        self._records = [one for one in self._records if one != record]

    def forget_access(self) -> None:
        """As after 15 minutes: the next request has to refresh first."""
        with self.phone.store.transaction():
            self.phone.store.write("access_token", "no.longer.good")

    def try_sync(self) -> bool:
        """One sync; whether it came to its end."""
        try:
            self.phone.sync()
        except NeedsLogin:
            self.logins += 1
            try:
                self.phone.log_in(self.company.code, self.login, PASSWORD)
            except (NoAnswer, Refused):
                self.failures += 1
            return False
        except (NoAnswer, Refused):
            self.failures += 1
            return False
        self._learn()
        return True

    def _learn(self) -> None:
        if len(self._records) < ACCOUNTS:
            known = [one["id"] for one in self.phone.list("account")]
            self._records = [one for one in known if one != self.avoids]

    def work(self, count: int) -> None:
        """So many mutations, offline."""
        for _ in range(count):
            record = self.random.choice(self._records) if self._records else None
            if record is None or self.phone.store.record("account", record) is None:
                continue
            self.done += 1
            self._one(record)

    def text(self, record: str) -> str:
        """A word that was never written before, marked with the company and the territory of its record."""
        self._serial += 1
        body = self.phone.store.record("account", record)
        mark = CANARY.search((body.body["name"] if body else "").encode())
        where = self.mark[0] if mark is None else mark[2].decode()
        return f"zq{self.company.mark}{where}zq {self.login} {self._serial}"

    def _one(self, record: str) -> None:
        phone, random = self.phone, self.random
        text = self.text(record)
        roll = random.random()
        if roll < 0.62:
            field = random.choice(("address", "sido", "sigungu", "opening_hours", "subtype"))
            phone.edit("account", record, **{field: text})
        elif roll < 0.74:
            two = random.sample(("website", "postcode", "tier"), 2)
            phone.edit("account", record, **dict.fromkeys(two, text))
        elif roll < 0.82:
            seen = phone.get("account", record) or {}
            lines = [*(seen.get("notes") or "").split("\n"), text][-6:]
            phone.edit("account", record, notes="\n".join(line for line in lines if line))
        elif roll < 0.88:
            seen = phone.get("account", record) or {}
            phone.edit("account", record, tags=[*(seen.get("tags") or [])[-4:], text])
        elif roll < 0.93 and self._made:
            contact, account = random.choice(self._made)
            if phone.store.record("contact", contact) is not None:
                phone.edit("contact", contact, job_title=self.text(account))
        elif roll < 0.955:
            phone.create("activity", account_id=record, kind="note", subject=text)
        elif roll < 0.97:
            with phone.group():
                made = phone.create("contact", account_id=record, name=text)
                phone.create("activity", account_id=record, contact_id=made, kind="note", subject=text)
            self._made = [*self._made, (made, record)][-20:]
        elif roll < 0.98:
            phone.edit("account", record, name=" ")  # refused, and listed
        elif roll < 0.985:
            phone.edit("account", record, legal_name=text)  # for the inbox, where another wrote too
        else:
            phone.edit("account", record, email=f"{self.login}.{self._serial}@example.com")

    # The end

    def drain_queue(self) -> str | None:
        """Send all that waits, in as few rounds as are promised; a complaint if they are not enough."""

        def work() -> str | None:
            waiting = self.phone.waiting()
            before = self.journal.pushes
            for _ in range(5):
                if self.try_sync() and not self.phone.waiting():
                    break
            rounds, allowed = self.journal.pushes - before, ceil(waiting / PUSH_LIMIT) + 2
            if self.phone.waiting():
                return f"{self.login}: {self.phone.waiting()} of {waiting} mutations still wait"
            return f"{self.login}: {rounds} rounds for {waiting} mutations" if rounds > allowed else None

        return self.do(work)

    def settle(self) -> bool:
        """Pull to the checkpoint."""
        return self.do(self.try_sync)

    def mended(self) -> list[tuple[str, str]]:
        """What the server's digest finds different."""
        return self.do(self.phone.check)

    def held(self) -> dict[tuple[str, str], Json]:
        """All records."""

        def work() -> dict[tuple[str, str], Json]:
            store = self.phone.store
            return {
                (entity, record_id): body
                for entity in {name for name, _ in store.versions()}
                for record_id, body in store.records(entity).items()
            }

        return self.do(work)

    def close(self) -> None:
        """Throw it away."""
        self.stop.set()
        self.do(self.phone.close)
        self._thread.shutdown()


@dataclass
class Company:
    """One tenant: people in two territories, whose texts are marked with the company and the territory."""

    mark: str
    world: World
    url: str
    seed: int
    timeout_s: float
    devices: list[Device] = field(default_factory=list)

    @property
    def id(self) -> UUID:
        """The tenant."""
        return self.world.id

    @property
    def code(self) -> str:
        """What people log in with."""
        return self.world.code

    def open(self) -> None:
        """Write its customers down."""
        world = self.world
        for mark, territory in (("n", world.north), ("s", world.south)):
            for number in range(ACCOUNTS):
                world.account(territory, name=f"zq{self.mark}{mark}zq 고객 {number}")
        world.drain()

    def hire(self, mark: str, phones: int = 1, role: Role = Role.REP) -> None:
        """A person with phones: ``n``, ``s``, or ``ns`` for whoever leads both territories."""
        world = self.world
        territory = {"n": world.north, "s": world.south}.get(mark, world.region)
        login = world.person(role, territory).login
        for _ in range(phones):
            seed = self.seed * 1_000 + len(self.devices)
            one = Device(self, mark, login, self.url, seed, self.timeout_s)
            self.devices.append(one)
            one.enter()

    def allowed(self, device: Device) -> set[tuple[str, str]]:
        """Whose texts may reach a phone."""
        return {(self.mark, mark) for mark in device.mark}


class Town:
    """All companies of a run, on one database; the office works without the service."""

    def __init__(self, config: Config, url: str, seed: int, *, timeout_s: float = 30.0) -> None:
        self.app = create_app(config)
        self.db = services(self.app).db
        self.url, self.seed, self.timeout_s = url, seed, timeout_s
        self.companies: list[Company] = []

    @property
    def devices(self) -> list[Device]:
        """Of all companies."""
        return [device for company in self.companies for device in company.devices]

    def found(self, *people: tuple[str, int, Role]) -> Company:
        """Open a company with these people."""
        mark = chr(ord("A") + len(self.companies))
        self.db.dispose()
        world = World(self.app, self.db)
        company = Company(mark, world, self.url, self.seed + len(self.companies), self.timeout_s)
        self.companies.append(company)
        company.open()
        for one in people:
            company.hire(*one)
        return company

    def usual(self, north: int = 3) -> None:
        """Two companies: a person with two phones among colleagues, one elsewhere, who leads both; and others."""
        self.found(
            ("n", 2, Role.REP),
            *[("n", 1, Role.REP)] * (north - 2),
            ("s", 1, Role.REP),
            ("ns", 1, Role.MANAGER),
        )
        self.found(("n", 2, Role.REP), ("s", 1, Role.REP))

    def acknowledged(self) -> int:
        """How many mutations have a verdict that reached their phone."""
        return sum(len(device.journal.heard) for device in self.devices)

    def forgotten(self) -> list[str]:
        """Phones that were told of a new life of the database."""
        return [
            f"{device.login}: the database had lost what was acknowledged, and phones told it again"
            for device in self.devices
            if len(device.journal.epochs) > 1
        ]

    def begin(self) -> None:
        """All phones go to work."""
        for device in self.devices:
            device.begin()

    def halt(self) -> None:
        """All come to rest."""
        for device in self.devices:
            device.halt()
        for device in self.devices:
            device.rest()

    def close(self) -> None:
        """All phones are thrown away."""
        for device in self.devices:
            device.close()
        self.db.dispose()
