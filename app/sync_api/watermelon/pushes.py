"""Pushes of the WatermelonDB door: rows become mutations with ids and bases, which the client cannot tell."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from app.core.db import savepoint
from app.core.ids import new_id
from app.core.scope import ActorQuery
from app.sync_api.exchange import Exchange
from app.sync_api.past import Past
from app.sync_api.pushing import Identity
from app.sync_api.watermelon.door import PullFirst, epoch_at, request_of
from app.sync_api.watermelon.keeping import Book, Device, Held, Key, Known
from app.sync_api.watermelon.wire import Edit
from sync.push import units_of
from sync.stores.doors import changed_by_others
from sync.stores.push import PushStore
from sync.verdicts import Status, Verdict
from sync.wire import MAX_MUTATIONS, Mutation, is_id

UNKNOWN_LIFE = "00000000-0000-0000-0000-000000000001"
"""Epoch of a base of which nobody knows when it was read."""

REFUSED = (Status.REJECTED, Status.CONFLICT)
FullKey = tuple[str, UUID, bytes]


@dataclass(frozen=True, slots=True)
class PushAsk:
    """A push, checked."""

    mark: int | None
    edits: Sequence[Edit]
    sent_at: datetime | None


@dataclass(slots=True)
class _Push:
    """Edits that are to be judged, with the mutations that they became."""

    cursor: str
    mutations: list[Mutation] = field(default_factory=list)
    edits: dict[UUID, Edit] = field(default_factory=dict)
    known: dict[FullKey, Known] = field(default_factory=dict)
    replayed: list[Edit] = field(default_factory=list)
    seen: dict[UUID, tuple[int, ...]] = field(default_factory=dict)
    bases: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    def add(self, edit: Edit, known: Known, last_n: int, seen: Sequence[int], group: UUID | None) -> None:
        """Make a mutation of an edit; *seen* are versions that its user may have had before them."""
        mutation = _mutation(edit, known, last_n + len(self.mutations) + 1, group)
        self.mutations.append(mutation)
        self.edits[mutation.id] = edit
        if edit.op == "update":
            self.seen[mutation.id] = tuple(version for version in seen if version > (known.base_version or 0))


class Pushes:
    """Serves ``POST /sync/watermelon`` for one process. All merging is the engine's."""

    def __init__(self, exchange: Exchange, clock: Callable[[], datetime]) -> None:
        """Stand before *exchange*."""
        self.exchange = exchange
        self.clock = clock

    def push(self, who: Identity, query: ActorQuery, asked: PushAsk) -> bytes:
        """Judge a push; what was not taken as it is stands in the inbox or the list of rejections.

        Raises:
            PullFirst: 503; nothing was judged.
            Unauthenticated: 401.
            Unavailable: 503.
        """
        push = self._prepare(who, query, asked)
        verdicts: list[Verdict] = []
        for batch in _batches(push.mutations):
            request = request_of(
                self.exchange,
                push.cursor,
                mutations=batch,
                sent_at=asked.sent_at,
                seen=push.seen,
                bases=push.bases,
            )
            pushed = self.exchange.push(who, request, query)
            if pushed is None:
                raise PullFirst
            verdicts += pushed.verdicts
        if asked.mark is not None:
            self._settle(who, asked.mark, push, verdicts)
        return _told(push, verdicts)

    def farewell(self, who: Identity, asked: PushAsk) -> bytes:
        """Set the edits of a device that was locked out aside, unjudged, wherever it stands.

        Raises:
            Unavailable: 503; send it again.
        """
        push = self._prepare(who, None, asked)
        request = request_of(
            self.exchange, None, mutations=push.mutations, sent_at=asked.sent_at, bases=push.bases
        )
        verdicts = self.exchange.pushing.quarantine(who, request).verdicts
        self._settle(who, asked.mark, push, verdicts)
        return _told(push, verdicts, directives=["wipe"])

    def _prepare(self, who: Identity, query: ActorQuery | None, asked: PushAsk) -> _Push:
        """Make mutations of the edits: what was judged before is not judged again.

        Without *query* nobody will judge them, and where the device stands does not matter.
        """
        with self.exchange.db.session(who.tenant_id, user_id=who.user_id, device_id=who.device_id) as session:
            if query is not None:
                query.read(session.execute(query.statement, query.values).one_or_none())
            connection = session.connection()
            book = Book(connection, who)
            device = book.lock(self.clock())
            cursor = book.cursor_at(asked.mark)
            if query is not None and (cursor is None or asked.mark is None):
                raise PullFirst
            records = sorted({(e.table, e.record_id) for e in asked.edits if e.record_id})
            held, known = book.held(records), book.keys(records)
            since = {
                full[:2]: known[full].version or 0
                for edit in asked.edits
                if edit.record_id and (full := (edit.table, edit.record_id, edit.hash)) in known
            }
            others = changed_by_others(connection, who.tenant_id, who.device_id, since) if since else {}
            push = _Push(cursor or "")
            keys: dict[FullKey, Known] = {}
            fresh: list[tuple[Edit, Known]] = []
            for edit in asked.edits:
                key = _key(edit)
                one = known.get(key) if key else None
                if (
                    key
                    and one
                    and one.judged
                    and not self._is_overtaken(edit, others.get(key[:2], frozenset()))
                ):
                    push.replayed.append(edit)
                    keys[key] = one
                    continue
                row = held.get(key[:2]) if key else None
                one = _asked_again(one) or _asked(edit, row, device)
                if key:
                    keys[key] = one
                fresh.append((edit, one))
            groups = _groups([edit for edit, _ in fresh])
            for edit, one in fresh:
                row = held.get((edit.table, edit.record_id)) if edit.record_id else None
                seen = row.seen(asked.mark) if row and asked.mark else ()
                push.add(edit, one, device.n, seen, groups.get(edit.group or ""))
            whole = [one for one in push.mutations if query is None or push.edits[one.id].group]
            push.bases |= self._bases(PushStore(connection, *who.ids, partial(savepoint, session)), whole)
            book.keep_keys(keys)
            book.take_n(len(push.mutations), device.n)
        push.known |= keys
        return push

    def _bases(self, store: PushStore, mutations: Sequence[Mutation]) -> dict[UUID, dict[str, Any]]:
        """Old values of what a person may have to do later in the user's stead, and is shown then."""
        found: dict[UUID, dict[str, Any]] = {}
        for one in mutations:
            entity = self.exchange.registry.find(one.raw["entity"])
            if entity is None or one.raw["op"] != "update" or not is_id(one.raw["record_id"]):
                continue
            names = [n for n in one.raw["fields"] if n in entity.fields]
            past = Past.of(store, entity, UUID(one.raw["record_id"])) if names else None
            if past is not None:
                values = past.at(one.raw["base_version"] or 0)
                found[one.id] = {name: values[name] for name in names}
        return found

    def _is_overtaken(self, edit: Edit, others: frozenset[str]) -> bool:
        """Whether others changed since what an edit that came before had set."""
        if not others or edit.op != "update":
            return bool(others)
        entity = self.exchange.registry.find(edit.table)
        columns = (
            {entity.fields[n].column or n for n in edit.fields if n in entity.fields} if entity else set()
        )
        return not others.isdisjoint({*columns, *edit.fields, "deleted_at"})

    def _settle(self, who: Identity, mark: int | None, push: _Push, verdicts: Sequence[Verdict]) -> None:
        """Write down what became of a push: the base moves, and the device is owed what it does not show."""
        now = self.clock()
        keys: dict[FullKey, Known] = {}
        owed: dict[Key, str] = {}
        made: list[tuple[str, UUID, int]] = []
        dropped: list[Key] = []
        for verdict in verdicts:
            edit = push.edits[verdict.id]
            key = _key(edit)
            if key is None:
                continue
            due = _owed(edit, verdict)
            keys[key] = replace(push.known[key], judged=True, version=verdict.version, owed=due)
            if due is not None and edit.table in self.exchange.synced:
                owed[key[:2]] = due
            elif edit.op == "create" and verdict.version is not None:
                made.append((edit.table, key[1], verdict.version))
            elif edit.op == "delete":
                dropped.append(key[:2])
        for edit in push.replayed:
            # Pulls since kept what the user had typed, where the record has it in the server's form: it is told again.
            if (again := _key(edit)) and (due := push.known[again].owed or _owed_again(edit)):
                owed[again[:2]] = due
        with self.exchange.db.session(who.tenant_id, user_id=who.user_id, device_id=who.device_id) as session:
            book = Book(session.connection(), who)
            book.lock(now)
            book.keep_keys(keys)
            book.drop(dropped)
            book.make(made, mark or 0)
            book.owe(owed)
            epoch = epoch_at(self.exchange, book, who, mark) if mark else None
            if epoch is not None and mark:
                book.move_base(mark, epoch, answered_at=now)


def _key(edit: Edit) -> FullKey | None:
    return None if edit.record_id is None else (edit.table, edit.record_id, edit.hash)


def _asked_again(known: Known | None) -> Known | None:
    """An edit that came before: as it was, where it has no verdict; else on the version at which it got one."""
    if known is None or not known.judged:
        return known
    return Known(new_id(), known.version, known.base_epoch, False, None, None)


def _asked(edit: Edit, row: Held | None, device: Device) -> Known:
    base = row.base() if row and edit.op != "create" else 0
    return Known(new_id(), base, device.base_epoch, False, None, None)


def _groups(edits: Sequence[Edit]) -> dict[str, UUID]:
    """Groups by what the app calls them, named by what is in them: the rest of one that came before is another."""
    members: dict[str, list[Edit]] = {}
    for edit in edits:
        if edit.group:
            members.setdefault(edit.group, []).append(edit)
    found = {}
    for told, ones in members.items():
        parts = [told, *(f"{one.table} {one.id} {one.hash.hex()}" for one in ones)]
        found[told] = UUID(bytes=sha256("\n".join(parts).encode()).digest()[:16], version=5)
    return found


def _batches(mutations: Sequence[Mutation]) -> Iterator[list[Mutation]]:
    """As many as the engine takes at once, no group in part."""
    batch: list[Mutation] = []
    for unit in units_of(mutations):
        if batch and len(batch) + len(unit.members) > MAX_MUTATIONS:
            yield batch
            batch = []
        batch += unit.members
    if batch:
        yield batch


def _mutation(edit: Edit, known: Known, n: int, group: UUID | None) -> Mutation:
    is_based = edit.op == "create" or known.base_version
    raw: dict[str, Any] = {
        "id": str(known.mutation_id),
        "n": n,
        "entity": edit.table,
        "record_id": edit.id,
        "op": edit.op,
        "fields": edit.fields,
        "epoch": (str(known.base_epoch) if known.base_epoch else None) if is_based else UNKNOWN_LIFE,
    }
    if edit.op != "create":
        raw["base_version"] = known.base_version
    if edit.occurred_at is not None:
        raw["occurred_at"] = edit.occurred_at
    if group is not None:
        raw["group"] = str(group)
    return Mutation(known.mutation_id, n, raw)


def _owed(edit: Edit, verdict: Verdict) -> str | None:
    """What the device has to be told in the next pull, where it shows something else than what was decided."""
    if edit.op == "delete":
        return "created" if verdict.status in REFUSED else None
    as_sent = all(one.get("outcome") == "applied" for one in verdict.fields.values())
    return None if verdict.status == Status.APPLIED and as_sent else "updated"


def _owed_again(edit: Edit) -> str | None:
    return None if edit.op == "delete" else "updated"


def _told(push: _Push, verdicts: Sequence[Verdict], **more: Any) -> bytes:
    shown = [_shown(push.edits[one.id], one) for one in verdicts if one.status != Status.APPLIED]
    return orjson.dumps({"verdicts": shown, **more})


def _shown(edit: Edit, verdict: Verdict) -> dict[str, Any]:
    """A verdict for apps that want to say something about it."""
    return {
        "table": edit.table,
        "id": edit.id,
        "op": edit.op,
        "status": str(verdict.status),
        "code": verdict.code,
        "conflict_id": verdict.conflict_id,
    }
