"""A history: a company, its phones and the faults of their network, played step by step against the server.

A step is data (JSON). It names what it works on by symbol; what it works on may be missing because an earlier step
was taken out: then it does nothing. So any list of steps can be played again without the generator.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest import mock
from uuid import UUID

import orjson

from app.http.metrics import REGISTRY as METRICS
from sync.sequencer import Drainer
from tests.simulator import invariants
from tests.simulator.chance import START, id_of, stream
from tests.simulator.company import Company
from tests.simulator.device import Clock, Json, Key, Phone
from tests.simulator.server import Answered, Server, minted_ids
from tests.simulator.witness import Witness

Step = dict[str, Any]
TOKEN = re.compile(rb"(tok|sec)([AB])(\d+)x")
MOST_ROUNDS = 400
ORACLE = True
"""Whether the oracle looks on; without it only what needs no model is checked."""
PHONES_OWN = {
    "edit",
    "create",
    "delete",
    "command",
    "resolve",
    "sync",
    "crash",
    "network",
    "clock",
    "late",
    "audit",
}
"""Steps that touch the server by requests alone, after each of which is looked around anyway."""

STAFF: dict[str, tuple[str, tuple[str, ...]]] = {
    "u1": ("rep", ("tn",)),
    "u2": ("rep", ("ts",)),
    "u3": ("manager", ("tr",)),
    "u4": ("technician", ("te",)),
    "u5": ("rep", ("tn", "te")),
}


class Violation(AssertionError):
    """An invariant does not hold."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant
        self.what = what


@dataclass
class Heard:
    """One request and what came back, as the network saw it."""

    company: Company
    phone: Phone
    asked: Json
    answer: Answered
    now: datetime

    @property
    def json(self) -> Any:
        """The answer, read."""
        return self.answer.json


@dataclass
class Report:
    """What a history came to."""

    seed: int
    steps: list[Step]
    violation: Violation | None = None
    at_step: int | None = None
    verdicts: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    state: Any = None

    @property
    def failed(self) -> str | None:
        """Name of the broken invariant."""
        return self.violation and self.violation.invariant


class History:
    """One history in progress."""

    def __init__(self, server: Server, seed: int, setup: Json) -> None:
        """Open the company; *setup* is the first step of every history, and says who takes part."""
        self.server = server
        self.seed = seed
        self.setup = setup
        self.now = START
        self.phones: dict[str, Phone] = {}
        self.companies: dict[str, Company] = {}
        self.home: dict[str, Company] = {}
        self.report = Report(seed, [])
        self.hold_drains = False
        self.serial = 0
        self.first_verdicts: dict[tuple[str, str, str], Json] = {}
        self.sent_mutations: dict[tuple[str, str, str], Json] = {}
        self.deleted: set[str] = set()
        self.stood_in: dict[tuple[str, str], set[str]] = {}
        self.lands: dict[str, set[tuple[str, str]]] = {}
        self.roles: dict[tuple[str, str], str] = {}
        self.erased: set[str] = set()
        self.recent: dict[str, set[tuple[str, str]]] = {}
        self.ever: dict[str, set[tuple[str, str]]] = {}
        self.present: dict[str, dict[tuple[str, str], tuple[str, bool]]] = {}
        self.bodies: dict[tuple[str, str, str, int, str], Json] = {}
        self.pairs: list[tuple[str, str]] = []
        self.faults_stopped = False
        self.poisoned: set[str] = set()
        self.spoilt = False
        self.made: dict[tuple[str, str, str], datetime] = {}
        self.judged_once: set[tuple[str, str, str]] = set()
        self.restored = False
        self.groups: dict[tuple[str, str, str], list[str]] = {}
        self.forgotten: dict[tuple[str, str, str], Json] = {}
        self.told: set[tuple[str, int]] = set()
        self.witnesses: dict[str, Witness] = {}

    # -- the beginning

    def open(self) -> None:
        """Found the companies and hand out the phones."""
        for mark in self.setup.get("companies", ["A"]):
            company = Company(self.server, self.seed, mark, self.now)
            company.found(STAFF, self.setup["size"])
            company.drain(self.now)
            self.companies[mark] = company
            self.ever[mark], self.recent[mark] = set(), set()
            self.look_around()
            if self.setup.get("oracle", True) and ORACLE:
                self.witnesses[mark] = Witness(company)
                self.tell_the_oracle()
        self.pairs = [(f"a{i}", f"a{i + 1}") for i in range(0, self.setup["size"] - 1, 4)]
        self.lay_pairs()
        for name, one in self.setup["phones"].items():
            self.add_phone(name, one)
        self.look_around()
        self.tell_the_oracle()

    def lay_pairs(self) -> None:
        """Pairs of accounts that every transaction moves and marks together."""
        for company in self.companies.values():
            for first, second in self.pairs:
                company.sql(
                    "UPDATE accounts SET (territory_id, owner_id) = (SELECT territory_id, owner_id FROM accounts"
                    " WHERE tenant_id = :t AND id = :a) WHERE tenant_id = :t AND id = :b",
                    a=id_of(first),
                    b=id_of(second),
                )

    def add_phone(self, name: str, one: Json) -> Phone:
        """Register a phone."""
        company = self.companies.get(one.get("company", "A")) or self.companies["A"]
        device_id = str(id_of(f"device/{company.mark}/{name}"))
        company.device(name, one["user"], device_id, self.now)
        clock = Clock(skew_s=one.get("skew", 0.0), drift=one.get("drift", 0.0), since=self.now)
        phone = Phone(
            name,
            one["user"],
            device_id,
            clock,
            limit=one.get("limit", 2_000),
            push_limit=one.get("push_limit", 500),
        )
        self.phones[name] = phone
        self.home[name] = company
        return phone

    # -- names

    def company_of(self, phone: Phone) -> Company:
        """The phone's company."""
        return self.home[phone.name]

    def user_id(self, phone: Phone) -> str:
        """The phone's user."""
        return self.company_of(phone).people[phone.user]

    def role(self, phone: Phone) -> str:
        """The user's role now."""
        return self.roles[self.company_of(phone).mark, self.user_id(phone)]

    # -- what everybody may see

    def look_around(self) -> None:
        """Note who may see what now; what was visible since the last drain may still be in the feed."""
        for mark, company in self.companies.items():
            now = company.visible(self.now)
            lands = {key for key, (entity, _) in now.items() if entity == "land"}
            self.lands[mark] = lands
            places = {key for key, (entity, _) in now.items() if entity == "place"}
            now = {key: one for key, one in now.items() if key not in lands and key not in places}
            for land, record in places:
                self.stood_in.setdefault((mark, land), set()).add(record)
            # What ever stood in a territory was in the scope of whoever has the territory now or later.
            for user, land in lands:
                self.ever[mark] |= {(user, record) for record in self.stood_in.get((mark, land), ())}
            self.present[mark] = now
            if not company.waiting_marks():
                self.recent[mark] = set()
            self.recent[mark] |= now.keys()
            self.ever[mark] |= now.keys()
            for user, role in company.look("SELECT id::text, role FROM users WHERE tenant_id = :t"):
                self.roles[mark, user] = role

    def may_see(self, company: Company, user: str, record: str) -> bool:
        """Whether the record is, or since the last drain was, in the user's scope."""
        if record in self.erased:  # no table says any more where it stood; inbox items may tell of it
            return (user, record) in self.ever[company.mark]
        return (user, record) in self.present[company.mark] or (user, record) in self.recent[company.mark]

    # -- the oracle

    def tell_the_oracle(self) -> None:
        """What was committed by nobody's phone; not what SQL by hand spoilt, nor what a restore undid."""
        if self.spoilt or self.restored:
            self.witnesses.clear()
        for witness in self.witnesses.values():
            witness.people()
            self.agree(witness.catch_up(), "a write without a phone")

    def agree(self, errors: list[str], what: str) -> None:
        """Stop where the specification says otherwise."""
        if errors:
            raise Violation("spec", f"{what}: {'; '.join(errors[:3])}")

    def ask_the_oracle(self, phone: Phone, asked: Json, answer: Json) -> None:
        """What the specification says to these verdicts."""
        witness = self.witnesses.get(self.company_of(phone).mark)
        if witness is None:
            return
        user = self.user_id(phone)
        if answer["verdicts"]:
            errors = witness.judged(
                user, phone.device_id, asked, answer["verdicts"], self.now, farewell=phone.locked_out
            )
            self.agree(errors, "a verdict")
            self.agree(witness.catch_up({v["id"] for v in answer["verdicts"]}), "after verdicts")
        ids = [(c["entity"], c["id"]) for c in answer["changes"]]
        witness.oracle.given(user, ids, self.now)

    def tell_what_was_judged(self, phone: Phone, asked: Json) -> None:
        """An answer that failed after its mutations were judged: the oracle learns of the verdicts from the table."""
        witness = self.witnesses.get(self.company_of(phone).mark)
        if witness is None or not asked["mutations"]:
            return
        rows = witness.company.look(
            "SELECT id::text, status, code, detail, fields, version, conflict_id::text FROM sync_mutations"
            " WHERE tenant_id = :t AND user_id = :u AND status IS NOT NULL AND id = ANY(CAST(:ids AS uuid[]))",
            u=self.user_id(phone),
            ids=[m["id"] for m in asked["mutations"]],
        )
        names = ("id", "status", "code", "detail", "fields", "version", "conflict_id")
        verdicts = [
            dict(zip(names, row, strict=True)) | {"replayed": False, "record": None}
            for row in rows
            if (self.user_id(phone), row[0]) not in witness.oracle.verdicts
        ]
        errors = witness.judged(
            self.user_id(phone), phone.device_id, asked, verdicts, self.now, farewell=phone.locked_out
        )
        self.agree(errors, "a verdict that was lost")
        self.agree(witness.catch_up({v["id"] for v in verdicts}), "after lost verdicts")

    # -- the network

    def send(self, phone: Phone, asked: Json, *, trace: bool = True) -> Answered:
        """One request; whoever watches the wire checks what comes back."""
        company = self.company_of(phone)
        if phone.token_at is None or self.now - phone.token_at > timedelta(minutes=10):
            phone.token = self.server.token(
                company.id,
                UUID(self.user_id(phone)),
                UUID(phone.device_id),
                self.now,
                farewell=phone.locked_out,
            )
            phone.token_at = self.now
        ended = invariants.epoch_that_ended(self, phone, asked["cursor"])
        answer = self.server.call("POST", "/api/v1/sync", phone.token, asked)
        self.report.requests += 1
        if trace:
            phone.sent = [*phone.sent[-5:], (asked, self.now)]
        if asked["mutations"] or len(self.recent[company.mark]) > len(self.present[company.mark]):
            self.look_around()
        heard = Heard(company, phone, asked, answer, self.now)
        user = self.user_id(phone)
        for _, _, number in TOKEN.findall(orjson.dumps(asked["mutations"])):
            self.told.add((user, int(number)))
        for mutation in asked["mutations"]:
            self.sent_mutations.setdefault((company.mark, user, mutation["id"]), mutation)
        self.note_true_times(phone, asked)
        if answer.status == 200 and ended is not None and answer.json["epoch"] == ended:
            raise Violation("I19", f"{phone.name} knows what the database does not, and no new epoch began")
        if answer.status == 200:
            for verdict in answer.json["verdicts"]:
                self.report.verdicts["replayed" if verdict["replayed"] else verdict["status"]] += 1
                if verdict["code"]:
                    self.report.verdicts[f"code {verdict['code']}"] += 1
            self.hear(heard)
            self.ask_the_oracle(phone, asked, answer.json)
        elif answer.status == 503:
            self.tell_what_was_judged(phone, asked)
        if answer.status == 503 and answer.headers.get("Retry-After") is None:
            raise Violation("I15", "a phone is told to come again, and not when")
        if answer.status >= 500 and answer.status != 503:
            raise Violation("I15", f"the server answered {answer.status}: {answer.body[:300]!r}")
        if answer.status not in (200, 401, 503):
            raise Violation("I16", f"a sound request was answered {answer.status}: {answer.body[:300]!r}")
        return answer

    def note_true_times(self, phone: Phone, asked: Json) -> None:
        """When each mutation was really made, where its phone could tell when it was judged."""
        if not asked["mutations"]:
            return
        company, user = self.company_of(phone), self.user_id(phone)
        by_id = {q.body["id"]: q for q in phone.state.queue}
        judged = company.look(
            "SELECT id::text FROM sync_mutations WHERE tenant_id = :t AND user_id = :u AND status IS NOT NULL"
            " AND id = ANY(CAST(:ids AS uuid[]))",
            u=user,
            ids=[mutation["id"] for mutation in asked["mutations"]],
        )
        for mutation in asked["mutations"]:
            key = company.mark, user, mutation["id"]
            if (mutation["id"],) not in judged or key in self.judged_once:
                continue
            self.judged_once.add(key)
            queued = by_id.get(mutation["id"])
            known = "age_ms" in mutation or (queued and queued.skew == phone.clock.error(self.now))
            if queued is not None and known:
                self.made[key] = queued.made

    def hear(self, heard: Heard) -> None:
        """Everything that must hold of every answer."""
        for check in invariants.ON_ANSWER:
            check(self, heard)

    def round(self, phone: Phone, fault: str | None = None) -> str:
        """One round trip; gives ``checkpoint``, ``more``, ``lost`` or ``out``."""
        asked = phone.request(self.now)
        if fault == "lost_request":
            return "lost"
        if fault == "session":
            with self.server.losing_its_connection(1 + (self.serial * 7 + len(phone.state.queue)) % 30):
                answer = self.send(phone, asked)
        else:
            answer = self.send(phone, asked)
        if answer.status == 401:
            phone.locked_out = True
            return "out"
        if answer.status != 200 or fault in ("lost_answer", "cut"):
            return "lost"
        if fault == "double":
            again = self.send(phone, asked)
            if again.status == 200:
                invariants.i03_a_doubled_delivery_has_one_effect(self, phone, answer.json, again.json)
        if fault == "late" and len(phone.sent) > 1:
            old = phone.sent[0][0]
            self.send(phone, old, trace=False)
        if fault == "in_flight":
            self.edit_something(phone)
        self.apply(phone, asked, answer.json)
        if fault == "crash":
            phone.crash()
            return "lost"
        return "checkpoint" if phone.state.checkpoint else "more"

    def apply(self, phone: Phone, asked: Json, answer: Json) -> None:
        """The phone takes an answer in."""
        shape = self.role(phone)
        if phone.state.shape != shape:
            phone.state.shape = shape
        for check in invariants.ON_APPLY:
            check(self, phone, asked, answer)
        phone.apply(asked, answer, self.now)
        if phone.state.checkpoint:
            self.report.done["checkpoint"] += 1
            for check_point in invariants.AT_CHECKPOINT:
                check_point(self, phone)

    def say_farewell(self, phone: Phone) -> None:
        """Hand in the work of a phone that is locked out; then it wipes itself, confirms, and is heard no more."""
        phone.token_at = None
        for _ in range(len(phone.state.queue) + 2):
            waiting = phone.waiting()
            asked = phone.request(self.now)
            asked["mutations"] = [phone.with_age(q, self.now) for q in phone.fitting(waiting)]
            asked["client"]["pending"] = len(waiting) - len(asked["mutations"])
            if not waiting:
                asked["client"]["wiped"] = True
            answer = self.send(phone, asked)
            if answer.status == 401:
                return
            if answer.status != 200:
                raise Violation("I16", f"a farewell was answered {answer.status}: {answer.body[:300]!r}")
            invariants.i04_a_farewell_gives_nothing(phone, answer.json)
            phone.apply(asked, answer.json, self.now)
            if not waiting:
                phone.wiped = True
                again = self.send(phone, asked)
                if again.status != 401:
                    raise Violation("I4", f"{phone.name} was answered {again.status} after its wipe")
                return
        raise Violation("I16", f"{phone.name} could not hand its work in")

    def restore(self) -> None:
        """The database is put back as it was at the last backup; what was done since is on the phones only."""
        self.server.restore()
        self.server.set_clock(self.now)
        self.restored = True
        self.deleted = set()
        self.bodies = {}
        for mark, company in self.companies.items():
            kept = {
                (str(r[0]), str(r[1]))
                for r in company.look("SELECT user_id, id FROM sync_mutations WHERE tenant_id = :t")
            }
            for key in [k for k in self.first_verdicts if k[0] == mark and k[1:] not in kept]:
                self.forgotten[key] = self.first_verdicts.pop(key)
                self.made.pop(key, None)
            self.judged_once -= {k for k in self.judged_once if k[0] == mark and k[1:] not in kept}
            for phone in self.phones.values():
                if self.home[phone.name] is company:
                    company.device(phone.name, phone.user, phone.device_id, self.now)
            self.recent[mark] = set()
            company.jobs(self.now)  # the scheduler works as soon as it starts
            if not self.hold_drains:
                company.drain(self.now)

    def sync(self, phone: Phone, rounds: int = MOST_ROUNDS, fault: str | None = None, at: int = 0) -> str:
        """Round trips until the checkpoint, with a fault in one of them."""
        came = "lost"
        if self.hold_drains:  # a bucket that waits for its drain keeps the phone from its checkpoint
            rounds = min(rounds, 12)
        for number in range(rounds):
            came = self.round(phone, fault if number == at else None)
            if came in ("checkpoint", "out", "lost"):
                return came
        if rounds >= MOST_ROUNDS and not self.hold_drains:
            raise Violation("I16", f"{phone.name} came to no checkpoint in {rounds} rounds")
        return came

    # -- the office

    def next(self, what: str) -> str:
        """A symbol that no other has."""
        self.serial += 1
        return f"{what}#{self.serial}"

    def edit_something(self, phone: Phone) -> None:
        """An edit of the first record at hand, while a request is on its way."""
        for key in sorted(phone.state.records):
            if key[0] in ("account", "task"):
                held = phone.state.records[key]
                text = self.company_of(phone).token(key[1], self.user_id(phone))
                name = "address" if key[0] == "account" else "body"
                phone.enqueue(
                    self.now,
                    str(id_of(f"{self.seed}/{phone.name}/{self.next('m')}")),
                    {
                        "entity": key[0],
                        "record_id": key[1],
                        "op": "update",
                        "base_version": held.version,
                        "fields": {name: text},
                        "base": {name: held.record.get(name)},
                    },
                )
                return

    # -- playing

    def play(self, steps: list[Step], *, end: bool = True) -> None:
        """Do the steps and, at the end, heal everything and compare everybody."""
        from tests.simulator.steps import DO

        for number, step in enumerate(steps):
            self.report.at_step = number
            self.now += timedelta(seconds=step.get("dt", 1))
            with self.server.at(self.now):
                DO[step["do"]](self, step)
                self.report.done[step["do"]] += 1
                if step["do"] not in PHONES_OWN:
                    self.look_around()
                    self.tell_the_oracle()
        if end:
            self.report.at_step = len(steps)
            self.now += timedelta(seconds=1)
            with self.server.at(self.now):
                self.heal()

    def heal(self) -> None:
        """The faults stop; everybody drains their queue, then all are compared."""
        self.faults_stopped = True
        self.hold_drains = False
        for company in self.companies.values():
            company.jobs(self.now)
            company.drain(self.now)
        self.look_around()
        self.tell_the_oracle()
        for phone in self.phones.values():
            phone.offline = False
            if phone.locked_out:
                self.say_farewell(phone)
                continue
            invariants.i16_a_queue_drains_in_few_rounds(self, phone)
            # A phone that learns of a restore only now has more to send.
            if not phone.locked_out and self.sync(phone) == "checkpoint" and phone.waiting():
                invariants.i16_a_queue_drains_in_few_rounds(self, phone)
        for company in self.companies.values():
            company.drain(self.now)
        self.look_around()
        for phone in self.phones.values():
            if not phone.locked_out and self.sync(phone) == "out":
                self.say_farewell(phone)
        for check in invariants.AT_THE_END:
            check(self)

    def fresh(self, phone: Phone) -> Phone | None:
        """Another phone of the same user, on its first sync; None when the user is locked out."""
        name = self.next(f"fresh-{phone.name}")
        company = self.company_of(phone)
        other = self.add_phone(name, {"user": phone.user, "company": company.mark})
        came = self.sync(other)
        del self.phones[name]
        return None if came == "out" else other


def metric(name: str, **labels: str) -> float:
    """A counter of the server."""
    return METRICS.get_sample_value(name, labels) or 0.0


def play(
    server: Server,
    seed: int,
    steps: list[Step],
    *,
    watch: Callable[[History], None] | None = None,
) -> Report:
    """Play recorded steps; the first is the setup."""
    setup, rest = steps[0], steps[1:]
    history = History(server, seed, setup)
    history.report.steps = steps
    held = Drainer.drain_if_due

    def drain_if_due(drainer: Drainer, tenant_id: UUID, waiting: int) -> Any:
        return None if history.hold_drains else held(drainer, tenant_id, waiting)

    with minted_ids(seed), mock.patch.object(Drainer, "drain_if_due", drain_if_due):
        try:
            with server.at(history.now):
                history.open()
            history.play(rest)
            if watch is not None:
                watch(history)
        except Violation as violation:
            history.report.violation = violation
    return history.report


def run(server: Server, seed: int, size: int = 40) -> Report:
    """Make a history of a seed and play it."""
    from tests.simulator.steps import generate

    return play(server, seed, generate(seed, size))


def dumps(steps: list[Step]) -> str:
    """Steps as text, one a line."""
    return (
        "[\n"
        + ",\n".join(orjson.dumps(step, option=orjson.OPT_SORT_KEYS).decode() for step in steps)
        + "\n]\n"
    )


__all__ = [
    "TOKEN",
    "Heard",
    "History",
    "Key",
    "Report",
    "Step",
    "Violation",
    "dumps",
    "metric",
    "play",
    "run",
    "stream",
]
