"""The phone: works without a network, and tells the server when there is one."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import sleep as real_sleep
from typing import Any

from examples.phone.client import Client, NeedsLogin, Refused
from examples.phone.clock import Clock, new_id, time_text
from examples.phone.overlay import overlaid
from examples.phone.store import Store
from examples.phone.transport import HttpTransport, Transport

Json = dict[str, Any]
Records = list[Json]

SCHEMA_VERSION = 1
APP_VERSION = "1.0.0"
MOST_MUTATIONS = 500
MOST_ROUNDS = 1_000
KEEP_ACKNOWLEDGED = timedelta(days=7)


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
    """

    rounds: int = 0
    verdicts: list[Json] = field(default_factory=list)
    changed: int = 0
    removed: int = 0
    checkpoint: bool = False
    directives: set[str] = field(default_factory=set)


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
            sleep: Waits some seconds between two tries.
        """
        self.clock = clock or Clock()
        self.store = Store(path)
        self.transport = transport or HttpTransport(base_url)
        self.client = Client(self.store, self.transport, sleep)
        self.name = name
        self._page = page
        self._push_limit = min(push_limit, MOST_MUTATIONS)

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
        result = SyncResult()
        while result.rounds < MOST_ROUNDS and not result.checkpoint:
            try:
                answer = self.client.call("POST", "/sync", self._request)
            except Refused as refused:
                with self.store.transaction():
                    self.store.write("last_error", refused.code)
                raise
            result.rounds += 1
            with self.store.transaction():
                self._apply(answer, result)
            if "wipe" in result.directives:
                self._wipe_when_empty()
            if result.directives & {"wipe", "upgrade"}:
                break
            if "reauth" in result.directives:
                raise NeedsLogin("reauth")
        return result

    def _request(self) -> Json:
        """The next request. Built anew for each try: its mutations are the same, their age is not."""
        cursor = self.store.read("cursor")
        # A phone without a cursor has nothing to base an edit on; what it has is sent with the second page.
        waiting = [] if cursor is None else list(self.store.unsent(self._push_limit))
        return {
            "schema_version": SCHEMA_VERSION,
            "cursor": cursor,
            "sent_at": time_text(self.clock.now()),
            "mutations": [body | {"age_ms": self._age_ms(boot, made)} for body, boot, made in waiting],
            "limit": self._page,
            "client": {
                "app_version": APP_VERSION,
                "platform": "other",
                "pending": self.store.unsent_count() - len(waiting),
                "last_error": self.store.read("last_error"),
            },
        }

    def _age_ms(self, boot: str, made_ms: int) -> int | None:
        """How long ago by the clock that only counts; it cannot tell over a restart."""
        return self.clock.running_ms() - made_ms if boot == self.clock.boot else None

    def _apply(self, answer: Json, result: SyncResult) -> None:
        """Take one answer in, inside one transaction with its cursor."""
        store, now = self.store, self.clock.now()
        epoch = store.read("epoch")
        if epoch is not None and answer["epoch"] != epoch:
            # The server was restored from a backup and may have forgotten what it acknowledged lately.
            store.reopen_since(time_text(now - KEEP_ACKNOWLEDGED))
        if "rebase" in answer["directives"]:
            store.mark_all_stale()
        for verdict in answer["verdicts"]:
            mutation = store.judge(verdict, time_text(now))
            record = verdict.get("record")
            if mutation is not None and record is not None:
                # The record is of this moment; the verdict's version may be older, when it is a replay.
                store.put(mutation["entity"], mutation["record_id"], record["version"], record)
        for change in answer["changes"]:
            store.put(change["entity"], change["id"], change["version"], change["record"])
        for gone in answer["removed"]:
            store.remove(gone["entity"], gone["id"])
        if not answer["has_more"]:
            store.drop_stale()
        store.write("epoch", answer["epoch"])
        store.write("cursor", answer["cursor"])
        store.write("last_error", None)
        result.verdicts += answer["verdicts"]
        result.changed += len(answer["changes"])
        result.removed += len(answer["removed"])
        result.checkpoint = not answer["has_more"]
        result.directives |= set(answer["directives"])

    def _wipe_when_empty(self) -> None:
        """The device was locked out: forget everything, once the server has all that was done here."""
        if self.store.unsent_count() == 0:
            self.client.call("POST", "/sync", lambda: self._request() | {"client": {"wiped": True}})
            with self.store.transaction():
                self.store.wipe()

    # Offline

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
        return overlaid(None if known is None else known[1], edits)

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
        known = self.store.record(entity, record_id)
        mutation = {
            "id": new_id(self.clock),
            "group": None,
            "epoch": self.store.read("epoch"),
            "entity": entity,
            "record_id": record_id,
            "op": op,
            "base_version": None if known is None else known[0],
            "fields": json.loads(json.dumps(fields)),
            "base": base or {},
            "occurred_at": time_text(self.clock.now()),
        }
        with self.store.transaction():
            self.store.enqueue(mutation, self.clock.boot, self.clock.running_ms())
