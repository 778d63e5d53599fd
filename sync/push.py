"""Push: judges mutations one after the other, each in its own savepoint."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from sync.errors import Refused
from sync.judge import Decided, Judge, Sender
from sync.registry import Registry
from sync.rooms import Rooms
from sync.states import DeviceState, StoredVerdict
from sync.stores.push import PushStore
from sync.verdicts import Status, Verdict
from sync.wire import Intent, Mutation, envelope_of, intent_of, payload_of, storable

CHUNK = 50
"""Mutations in one transaction."""

NO_RECORD = UUID(int=0)
REUSED = "mutation_id_reused"


@dataclass(slots=True)
class Pushed:
    """What a chunk came to: verdicts in ``n`` order, and whether a new id carried an old ``n``."""

    verdicts: list[Verdict]
    highest_n: int
    cloned: bool


class Pusher:
    """Judges the mutations of one chunk inside one transaction."""

    def __init__(
        self,
        store: PushStore,
        registry: Registry,
        rooms: Rooms,
        sender: Sender,
        *,
        fresh: Callable[[], None] = lambda: None,
    ) -> None:
        """Join store, rooms and sender.

        Args:
            store: Of the transaction that *rooms* writes in.
            registry: The synced entities.
            rooms: Service functions bound to the user.
            sender: Who pushes.
            fresh: Called before each mutation; drops what an earlier one left in memory.
        """
        self.store = store
        self.registry = registry
        self.rooms = rooms
        self.sender = sender
        self.fresh = fresh
        self.device = DeviceState(0, frozenset())

    def push(self, mutations: Sequence[Mutation]) -> Pushed:
        """Judge a chunk (at most 50) in ``n`` order; the caller commits."""
        self.device = self.store.lock_device()
        known = self.store.verdicts([m.id for m in mutations])
        highest, cloned = self.device.highest_n, False
        verdicts = []
        for mutation in mutations:
            self.fresh()
            verdict = self._judge(mutation, known)
            if not verdict.replayed and verdict.code != REUSED:
                cloned = cloned or mutation.n <= highest
                highest = max(highest, mutation.n)
            verdicts.append(verdict)
        self.store.note_device(highest, self.device.also_known_as)
        return Pushed(verdicts, highest, cloned)

    def _judge(self, mutation: Mutation, known: dict[UUID, StoredVerdict]) -> Verdict:
        stored = known.get(mutation.id)
        if stored is None and not self.store.claim(self._row_of(mutation)):
            stored = self.store.verdicts([mutation.id])[mutation.id]
        if stored is not None:
            return self._replay(mutation, stored)
        decided = self._decide(mutation)
        self.store.answer(mutation.id, _columns_of(decided))
        known[mutation.id] = _as_stored(mutation, self.sender.device_id, decided.verdict)
        return decided.verdict

    def _replay(self, mutation: Mutation, stored: StoredVerdict) -> Verdict:
        if stored.hash != mutation.hash:
            return Verdict(mutation.id, Status.REJECTED, REUSED)
        if stored.device_id != self.sender.device_id:
            aliases = self.device.also_known_as | {stored.device_id}
            self.device = replace(self.device, also_known_as=aliases)
        return Verdict(
            mutation.id,
            stored.status,
            stored.code,
            stored.detail,
            stored.version,
            stored.fields or {},
            stored.conflict_id,
            replayed=True,
            entity=stored.entity,
            record_id=stored.record_id,
        )

    def _decide(self, mutation: Mutation) -> Decided:
        try:
            intent = intent_of(mutation)
        except Refused as refused:
            return _rejected(mutation, refused)
        devices = [self.sender.device_id, *self.device.also_known_as]
        judge = Judge(intent, self.store, self.registry, self.rooms, self.sender, devices)
        try:
            with self.store.savepoint():
                return judge.decide()
        except Refused as refused:
            self.rooms.refused(intent, refused)
            return _rejected(mutation, refused, intent, judge.at)
        except Exception as error:
            if self.rooms.is_transient(error):
                raise
            refused_by_data = self.rooms.refusal_of(error)
            if refused_by_data is not None:
                return _rejected(mutation, refused_by_data, intent, judge.at)
            self.rooms.report(error)
            with self.store.savepoint():
                return judge.failed(error)

    def _row_of(self, mutation: Mutation) -> dict[str, Any]:
        """The columns of the verdict key; whatever is unsound in the envelope is left to the payload."""
        envelope = envelope_of(mutation)
        return {
            "id": mutation.id,
            "n": mutation.n,
            "hash": mutation.hash,
            "entity": envelope.entity,
            "record_id": envelope.record_id or NO_RECORD,
            "op": envelope.op,
            "group_id": envelope.group,
            "base_version": envelope.base_version,
            "payload": payload_of(self.rooms.keepable(mutation.raw)),
            "occurred_at": envelope.occurred_at,
        }


def _rejected(
    mutation: Mutation, refused: Refused, intent: Intent | None = None, at: datetime | None = None
) -> Decided:
    verdict = Verdict(
        mutation.id,
        Status.REJECTED,
        refused.code,
        storable(refused.detail),
        entity=intent.entity if intent else "",
        record_id=intent.record_id if intent else None,
    )
    return Decided(verdict, at)


def _columns_of(decided: Decided) -> dict[str, Any]:
    verdict = decided.verdict
    return {
        "status": str(verdict.status),
        "code": verdict.code,
        "detail": _json(verdict.detail),
        "fields": _json(dict(verdict.fields)),
        "version": verdict.version,
        "conflict_id": verdict.conflict_id,
        "stamp_at": decided.stamp_at,
    }


def _as_stored(mutation: Mutation, device_id: UUID, verdict: Verdict) -> StoredVerdict:
    """What a later delivery in the same chunk is to find."""
    return StoredVerdict(
        device_id,
        mutation.hash,
        str(verdict.status),
        verdict.code,
        verdict.detail,
        dict(verdict.fields),
        verdict.version,
        verdict.conflict_id,
        verdict.entity,
        verdict.record_id or NO_RECORD,
    )


def _json(value: Mapping[str, Any] | None) -> str:
    return orjson.dumps(value).decode()
