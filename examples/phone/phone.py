"""The phone: works without a network, and tells the server when there is one."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import sleep as real_sleep
from typing import Any

from examples.phone.answer import take
from examples.phone.client import Client, NeedsLogin, NoAnswer, Refused
from examples.phone.clock import Clock, new_id, time_text
from examples.phone.digest import mend
from examples.phone.overlay import overlaid
from examples.phone.store import Queued, Store
from examples.phone.transport import HttpTransport, Transport

Json = dict[str, Any]
Records = list[Json]

SCHEMA_VERSION = 1
APP_VERSION = "1.0.0"
MOST_MUTATIONS = 500
MOST_ROUNDS = 1_000
STANDSTILL_S = 0.2
MOST_BYTES = 4 << 20
"""Of mutations in one request; the server takes 8 MB."""
MUTATION_BYTES = 1 << 20
GROUP_MEMBERS = 50


class LockedOut(Exception):
    """The server locked this phone out; nothing new can be written on it."""


@dataclass
class SyncResult:
    """What a sync did.

    Attributes:
        rounds: Requests that were answered.
        verdicts: On own mutations, in the order of their ``n``.
        changed: Records that came; one may count more than once.
        removed: Records that left.
        checkpoint: Whether the phone now equals one moment of the server.
        directives: What the server asked for: ``rebase``, ``wipe``, ``upgrade``, ``reauth``.
        budget: How many records the user has, from where on to warn, the cap, and what was left out for it.
        wiped: Whether this phone was emptied, and the server knows.
    """

    rounds: int = 0
    verdicts: list[Json] = field(default_factory=list)
    changed: int = 0
    removed: int = 0
    checkpoint: bool = False
    directives: set[str] = field(default_factory=set)
    budget: Json | None = None
    wiped: bool = False

    def add(self, answer: Json) -> None:
        """Count one answer."""
        self.rounds += 1
        self.verdicts += answer["verdicts"]
        self.changed += len(answer["changes"])
        self.removed += len(answer["removed"])
        self.checkpoint = not answer["has_more"] and not set(answer["directives"]) & {"wipe", "upgrade"}
        self.directives |= set(answer["directives"])
        self.budget = answer.get("budget")

    @property
    def warning(self) -> str | None:
        """What the user should be told about the number of records on this phone, if it is too near its cap."""
        if self.budget is None or self.budget["records"] < self.budget["warn_at"]:
            return None
        said = f"{self.budget['records']} of at most {self.budget['cap']} records are on this phone."
        left_out = ", ".join(self.budget["left_out"])
        return f"{said} Left out: {left_out}." if left_out else said


class Phone:
    """Records, edits and a sync loop. Everything but ``log_in`` and ``sync`` works offline."""

    def __init__(
        self,
        base_url: str,
        path: str = ":memory:",
        *,
        clock: Clock | None = None,
        transport: Transport | None = None,
        name: str = "Reference phone",
        page: int = 2_000,
        push_limit: int = MOST_MUTATIONS,
        sleep: Callable[[float], None] = real_sleep,
    ) -> None:
        """Open the phone's store.

        Args:
            base_url: Of the server, ``https://crm.example.com``.
            path: SQLite file.
            clock: The phone's clocks.
            transport: Carries requests; by default over HTTP.
            name: Of the device, as its owner and the history know it.
            page: Records in one answer.
            push_limit: Mutations in one request, at most 500.
            sleep: Waits some seconds between two tries, and before a server that has nothing yet is asked again.
        """
        self.clock = clock or Clock()
        self.store = Store(path)
        self.transport = transport or HttpTransport(base_url)
        self._sleep = sleep
        self.client = Client(self.store, self.transport, sleep)
        self.name = name
        self._page = page
        self._push_limit = min(push_limit, MOST_MUTATIONS)
        self._group: list[str] | None = None

    def close(self) -> None:
        """Close the store and the connection."""
        self.transport.close()
        self.store.close()

    # Online

    def log_in(self, tenant: str, login: str, password: str) -> None:
        """Register this phone for a person, or log in again; unsent work stays."""
        device = {"name": self.name, "platform": "other", "app_version": APP_VERSION}
        self.client.log_in(tenant, login, password, device)

    def sync(self) -> SyncResult:
        """Send what was done here, fetch what was done elsewhere, until both sides agree.

        Raises:
            NeedsLogin: The session is over; the queue stays.
            NoAnswer: No network; what was applied so far stays, the next sync goes on from there.
            Refused: The server refuses the request as a whole.
        """
        if self._group is not None:
            raise RuntimeError("a group must be whole before it is sent")
        result = SyncResult()
        if self.store.read("wiped") is not None:
            self._confirm_wipe(result)
            return result
        while result.rounds < MOST_ROUNDS:
            answer = self._ask()
            stands_still = self._stands_still(answer)
            take(self.store, answer)
            result.add(answer)
            if not self._goes_on(answer):
                break
            if stands_still:
                self._sleep(STANDSTILL_S)
        if "wipe" in result.directives and self.store.unsent_count() == 0:
            self._wipe()
            self._confirm_wipe(result)
        elif result.checkpoint:
            self._learn()
        return result

    def _stands_still(self, answer: Json) -> bool:
        """Whether an answer, not yet taken, brings nothing: the server is about to sequence what changed the scope."""
        brought = answer["verdicts"] or answer["changes"] or answer["removed"]
        return not brought and answer["cursor"] == self.store.read("cursor")

    def _goes_on(self, answer: Json) -> bool:
        """Whether there is more to say or to hear."""
        directives = set(answer["directives"])
        more_to_send = self.store.unsent_count() > 0
        was_judged = bool(answer["verdicts"])
        if "reauth" in directives:
            self._leave_session()
        if "wipe" in directives:  # the last thing that is asked for is the queue
            return was_judged and more_to_send
        if "upgrade" in directives:  # this app is too old for what comes; what leaves is taken as ever
            return (was_judged and more_to_send) or bool(answer["removed"])
        # What only a verdict told has to be confirmed by the feed.
        sends_on = (was_judged or "rebase" in directives) and more_to_send
        return bool(answer["has_more"]) or sends_on or self.store.has_told()

    def _ask(self) -> Json:
        """One round trip."""
        try:
            return self.client.call("POST", "/sync", self._request)
        except Refused as refused:
            had_cursor = self.store.read("cursor") is not None
            with self.store.transaction():
                self.store.write("last_error", refused.code)
                if refused.code == "cursor_invalid":
                    # Nobody can mend a cursor. Without one everything comes again, and nothing of ours is lost.
                    self.store.write("cursor", None)
            if refused.code == "cursor_invalid" and had_cursor:
                return self._ask()
            raise

    def _request(self) -> Json:
        """The next request. Built anew for each try: its mutations are the same, their age is not."""
        cursor = self.store.read("cursor")
        # A phone without a cursor has nothing to base an edit on; what it has is sent with the second page.
        # One that was locked out gets no second page.
        may_send = cursor is not None or self.store.read("locked") is not None
        sent = self.store.unsent(self._push_limit, MOST_BYTES) if may_send else []
        return {
            "schema_version": SCHEMA_VERSION,
            "cursor": cursor,
            "sent_at": time_text(self.clock.now()),
            "mutations": [one.body | {"age_ms": self._age_ms(one)} for one in sent],
            "limit": self._page,
            "client": {
                "app_version": APP_VERSION,
                "platform": "other",
                "pending": self.store.unsent_count() - len(sent),
                "last_error": self.store.read("last_error"),
            },
        }

    def _age_ms(self, one: Queued) -> int | None:
        """How long ago by the clock that only counts; it cannot tell over a restart."""
        return self.clock.running_ms() - one.made_ms if one.boot == self.clock.boot else None

    def _leave_session(self) -> None:
        """``reauth``: another installation goes on under this device's name. Log in, as a new device."""
        with self.store.transaction():
            for key in ("access_token", "refresh_token", "device_id"):
                self.store.write(key, None)
        raise NeedsLogin("reauth")

    def _wipe(self) -> None:
        """Locked out, and the server has all that was done here: forget everything but how to say so."""
        with self.store.transaction():
            self.store.wipe("access_token", "refresh_token", "device_id", "locked")
            self.store.write("wiped", "unconfirmed")

    def _confirm_wipe(self, result: SyncResult) -> None:
        """Tell that nothing is left; asked again by every sync until the server knows."""
        try:
            answer = self.client.call(
                "POST",
                "/sync",
                lambda: self._request() | {"cursor": None, "mutations": [], "client": {"wiped": True}},
            )
        except NeedsLogin:
            pass  # it knew already, and that answer was lost
        else:
            if "wipe" in answer["directives"]:
                return
        with self.store.transaction():
            self.store.wipe()
        result.wiped = True

    def _learn(self) -> None:
        """Once a day: for how long the server wants acknowledged work to be kept."""
        now = self.clock.now()
        learned = self.store.read("learned_at")
        if learned is not None and abs(now - datetime.fromisoformat(learned)) < timedelta(days=1):
            return
        try:
            schema = self.client.call("GET", "/sync/schema")
        except (NeedsLogin, NoAnswer, Refused):
            return  # the sync itself is done; the next one asks again
        with self.store.transaction():
            self.store.write("learned_at", time_text(now))
            self.store.write("keep_acknowledged_days", str(schema["windows"]["keep_acknowledged_days"]))

    def check(self) -> list[tuple[str, str]]:
        """Compare this phone with the server and mend what differs; gives what was mended, by entity and id.

        To be called now and then after a sync, and when support asks for it.
        """
        return mend(self.store, self.client)

    # Offline

    @contextmanager
    def group(self) -> Iterator[None]:
        """What is done inside is judged as one: the server takes all of it, or nothing.

        Raises:
            ValueError: More than 50 mutations; none of them was written down.
        """
        if self._group is not None:
            raise RuntimeError("a group has no groups in it")
        self._group = [new_id(self.clock)]
        try:
            with self.store.transaction():
                yield
        finally:
            self._group = None

    def backup(self) -> Json:
        """The queue, for an app that is installed anew: whose it is, and every mutation as it was made."""
        return {"user_id": self.store.read("user_id"), "mutations": self.store.queue()}

    def restore(self, backup: Json) -> None:
        """Take up the queue of a former installation. What the server has of it, it will know again.

        Raises:
            ValueError: It is another person's, or this phone has a queue of its own.
        """
        if backup["user_id"] != self.store.read("user_id") or self.store.queue():
            raise ValueError("a queue can only be restored to an empty phone of the same person")
        with self.store.transaction():
            self.store.restore_queue(backup["mutations"])

    def create(self, entity: str, **fields: Any) -> str:
        """Make a record; the phone mints its id, so that other records can refer to it at once."""
        record_id = new_id(self.clock)
        self._enqueue(entity, record_id, "create", fields)
        return record_id

    def edit(self, entity: str, record_id: str, **changes: Any) -> None:
        """Change fields; what already has the value is left out."""
        seen = self._seen(entity, record_id)
        fields = {name: value for name, value in changes.items() if seen.get(name) != value}
        if fields:
            self._enqueue(entity, record_id, "update", fields, {name: seen.get(name) for name in fields})

    def delete(self, entity: str, record_id: str) -> None:
        """Delete a record."""
        self._seen(entity, record_id)
        self._enqueue(entity, record_id, "delete", {})

    def command(self, entity: str, record_id: str, name: str, /, **arguments: Any) -> None:
        """Do what is more than an edit: ``check_in``, ``resolve`` …"""
        self._seen(entity, record_id)
        self._enqueue(entity, record_id, name, arguments)

    def get(self, entity: str, record_id: str) -> Json | None:
        """A record as the user knows it, unsent edits included."""
        known = self.store.record(entity, record_id)
        edits = self.store.edits(entity, record_id).get(record_id, [])
        return overlaid(None if known is None else known.body, edits)

    def list(self, entity: str, **where: Any) -> Records:
        """All records of a kind whose fields have the values in *where*, unsent edits included."""
        known, edits = self.store.records(entity), self.store.edits(entity)
        seen = [overlaid(known.get(i), edits.get(i, [])) for i in sorted(known.keys() | edits.keys())]
        return [
            r for r in seen if r is not None and all(r.get(name) == value for name, value in where.items())
        ]

    def conflicts(self) -> Records:
        """What waits for a person's decision."""
        return self.list("conflict", state="open")

    def resolve(self, conflict: Json, choice: str, value: Any = None) -> None:
        """Decide a conflict: ``mine``, ``theirs``, ``base``, or ``value`` with a new one."""
        arguments = {"choice": choice, "record_version": conflict["record_version"]}
        if choice == "value":
            arguments["value"] = value
        self.command("conflict", conflict["id"], "resolve", **arguments)

    def verdicts(self) -> Records:
        """The server's answers to own mutations: the mutation, with ``verdict`` beside its fields."""
        return [mutation | {"verdict": verdict} for mutation, verdict in self.store.verdicts()]

    def waiting(self) -> int:
        """How many mutations have no verdict yet."""
        return self.store.unsent_count()

    def _seen(self, entity: str, record_id: str) -> Json:
        record = self.get(entity, record_id)
        if record is None:
            raise KeyError(f"no {entity} {record_id} on this phone")
        return record

    def _enqueue(self, entity: str, record_id: str, op: str, fields: Json, base: Json | None = None) -> None:
        """Write a mutation down, with all that the server must know of this moment."""
        if self.store.read("locked") is not None:
            raise LockedOut("this phone was locked out")
        known = self.store.record(entity, record_id)
        mutation = {
            "id": new_id(self.clock),
            "group": self._next_of_group(),
            # Under which the base was read: while everything comes anew, older records are still of the last one.
            "epoch": self.store.read("epoch") if known is None else known.epoch,
            "entity": entity,
            "record_id": record_id,
            "op": op,
            "base_version": None if known is None else known.version,
            "fields": json.loads(json.dumps(fields)),
            "base": base or {},
            "occurred_at": time_text(self.clock.now()),
        }
        if len(json.dumps(mutation, ensure_ascii=False).encode()) > MUTATION_BYTES:
            raise ValueError("one edit may hold 1 MB at most")
        with self.store.transaction():
            self.store.enqueue(mutation, self.clock.boot, self.clock.running_ms())

    def _next_of_group(self) -> str | None:
        if self._group is None:
            return None
        if len(self._group) > GROUP_MEMBERS:
            raise ValueError(f"a group has {GROUP_MEMBERS} mutations at most")
        self._group.append(self._group[0])
        return self._group[0]
