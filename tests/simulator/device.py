"""A phone of the simulator, written from the protocol alone; it shares nothing with the reference phone."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.simulator.chance import wire

Json = dict[str, Any]
Key = tuple[str, str]

KEEP = timedelta(days=7)
"""How long acknowledged work is kept, to be sent again after a restore."""


@dataclass
class Clock:
    """What a phone believes of time: a clock that may be wrong by years, and one that only counts."""

    skew_s: float = 0.0
    drift: float = 0.0
    boot: int = 0
    since: datetime | None = None

    def shown(self, now: datetime) -> datetime:
        """The phone's own date and time."""
        return now + timedelta(seconds=self.error(now))

    def error(self, now: datetime) -> float:
        """By how many seconds it is wrong."""
        return self.skew_s + self.drift * (now - (self.since or now)).total_seconds()


@dataclass
class Queued:
    """A mutation on the phone. Its body is frozen; what changes is whether the server has answered."""

    body: Json
    boot: int
    made: datetime
    verdict: Json | None = None
    judged: datetime | None = None
    skew: float = 0.0
    resend: bool = False
    """Acknowledged work that a rebase asks for again."""

    @property
    def waits(self) -> bool:
        """Whether it is to be sent."""
        return self.verdict is None or self.resend


@dataclass
class Held:
    """A record as the server sent it."""

    version: int
    record: Json
    stale: bool = False


@dataclass
class State:
    """What is written to the phone's storage."""

    records: dict[Key, Held] = field(default_factory=dict)
    queue: list[Queued] = field(default_factory=list)
    cursor: str | None = None
    epoch: str | None = None
    next_n: int = 1
    checkpoint: bool = False
    shape: str | None = None


@dataclass
class Phone:
    """One installed app of one person."""

    name: str
    user: str
    device_id: str
    clock: Clock = field(default_factory=Clock)
    state: State = field(default_factory=State)
    durable: State = field(default_factory=State)
    offline: bool = False
    locked_out: bool = False
    wiped: bool = False
    limit: int = 2_000
    push_limit: int = 500
    token: str = ""
    token_at: datetime | None = None
    cloned: bool = False
    schema_version: int = 1
    sent: list[tuple[Json, datetime]] = field(default_factory=list)

    # Work without a network

    def enqueue(self, now: datetime, mutation_id: str, parts: Mapping[str, Any]) -> Json:
        """Write a mutation down; from here on its content never changes."""
        state = self.state
        body = {
            "id": mutation_id,
            "n": state.next_n,
            "group": None,
            "epoch": state.epoch,
            "occurred_at": wire(self.clock.shown(now)),
            **parts,
        }
        state.next_n += 1
        state.queue.append(Queued(body, self.clock.boot, now, skew=self.clock.error(now)))
        self.flush_queue()
        return body

    def seen(self, key: Key) -> Json | None:
        """A record with the phone's own unsent edits laid over it; None where it is not there or deleted."""
        held = self.state.records.get(key)
        record = None if held is None else dict(held.record)
        for one in self.state.queue:
            body = one.body
            if one.verdict is not None or (body["entity"], body["record_id"]) != key:
                continue
            if body["op"] == "create":
                record = {"id": key[1], "version": 0, **body["fields"]}
            elif body["op"] == "update" and record is not None:
                record |= body["fields"]
            elif body["op"] == "delete":
                record = None
        return record

    # Storage

    def flush_queue(self) -> None:
        """A mutation is on storage before anybody sees it; verdicts get there with the cursor of their answer."""
        known = {q.body["id"] for q in self.durable.queue}
        self.durable.queue += [copy.deepcopy(q) for q in self.state.queue if q.body["id"] not in known]
        self.durable.next_n = self.state.next_n

    def flush(self) -> None:
        """Everything is on storage."""
        self.durable = copy.deepcopy(self.state)

    def crash(self) -> None:
        """Lose what was not on storage; the phone starts anew."""
        self.state = copy.deepcopy(self.durable)
        self.clock.boot += 1

    # The wire

    def waiting(self) -> list[Queued]:
        """What is to be sent, lowest n first."""
        return sorted((q for q in self.state.queue if q.waits), key=lambda q: q.body["n"])

    def request(self, now: datetime) -> Json:
        """The next request: unjudged mutations first, as many as fit."""
        waiting = self.waiting()
        batch = [] if self.state.cursor is None else self.fitting(waiting)
        return {
            "schema_version": self.schema_version,
            "cursor": self.state.cursor,
            "sent_at": wire(self.clock.shown(now)),
            "mutations": [self.with_age(q, now) for q in batch],
            "limit": self.limit,
            "client": {"app_version": "9.9", "platform": "sim", "pending": len(waiting) - len(batch)},
        }

    def fitting(self, waiting: list[Queued]) -> list[Queued]:
        """As many as fit; a group is never cut."""
        limit = self.push_limit
        if len(waiting) <= limit:
            return waiting
        group = waiting[limit].body["group"]
        while group is not None and limit > 0 and waiting[limit - 1].body["group"] == group:
            limit -= 1
        if limit == 0:
            limit = next(
                (i for i, q in enumerate(waiting) if q.body["group"] != waiting[0].body["group"]),
                len(waiting),
            )
        return waiting[:limit]

    def with_age(self, queued: Queued, now: datetime) -> Json:
        """A mutation with its age by the clock that only counts; it cannot tell over a restart."""
        if queued.boot != self.clock.boot:
            return dict(queued.body)
        return queued.body | {"age_ms": int((now - queued.made).total_seconds() * 1000)}

    def apply(
        self, asked: Json, answer: Json, now: datetime, on_put: Callable[..., None] | None = None
    ) -> None:
        """Take an answer in, with its cursor, at once."""
        state = self.state
        by_id = {q.body["id"]: q for q in state.queue}
        if answer["cursor"] is None:  # a farewell: nothing but verdicts
            for verdict in answer["verdicts"]:
                by_id[verdict["id"]].verdict, by_id[verdict["id"]].resend = verdict, False
            return
        if "rebase" in answer["directives"]:
            for held in state.records.values():
                held.stale = True
            if asked["cursor"] is not None:
                for queued in state.queue:
                    if queued.verdict is not None and queued.judged and now - queued.judged <= KEEP:
                        queued.resend = True
        for verdict in answer["verdicts"]:
            queued = by_id.get(verdict["id"])
            if queued is not None:
                queued.verdict = verdict
                queued.judged = now
                queued.resend = False
        for change in answer["changes"]:
            key = change["entity"], change["id"]
            held = state.records.get(key)
            if on_put is not None:
                on_put(key, held, change)
            if held is None or held.stale or change["version"] >= held.version:
                state.records[key] = Held(change["version"], change["record"])
        for removed in answer["removed"]:
            state.records.pop((removed["entity"], removed["id"]), None)
        state.epoch = answer["epoch"]
        state.cursor = answer["cursor"]
        state.checkpoint = not answer["has_more"]
        if state.checkpoint:
            state.records = {key: held for key, held in state.records.items() if not held.stale}

    def view(self) -> dict[Key, Json]:
        """What the phone holds, without its own unsent work."""
        return {key: held.record for key, held in self.state.records.items()}
