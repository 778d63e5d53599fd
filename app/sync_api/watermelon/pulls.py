"""Pulls of the WatermelonDB door: pages of the engine, and what the client must be told besides."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from app.core.scope import ActorQuery
from app.sync_api.exchange import Exchange
from app.sync_api.pushing import Identity
from app.sync_api.watermelon.door import epoch_at, epoch_of, request_of
from app.sync_api.watermelon.keeping import Book, Device, Key, Open
from app.sync_api.watermelon.wire import SERIALS, row_of
from sync.policy import SyncEntity
from sync.stores.epochs import lives

NOWHERE = 1
"""A mark that no pull is given: whoever comes with it is given everything."""

OneTable = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class PullAsk:
    """A pull, checked."""

    mark: int | None
    again: frozenset[str]
    pending: int | None
    limit: int


@dataclass(slots=True)
class _Part:
    """What the engine gave: records and removals, by table and id."""

    changes: dict[Key, dict[str, Any]]
    removed: list[Key]
    cursor: str
    has_more: bool
    rebase: bool


class Pulls:
    """Serves ``GET /sync/watermelon`` for one process."""

    def __init__(self, exchange: Exchange, clock: Callable[[], datetime]) -> None:
        """Stand before *exchange*."""
        self.exchange = exchange
        self.clock = clock

    def pull(self, who: Identity, query: ActorQuery, asked: PullAsk) -> bytes:
        """One pull as the client wants it.

        Raises:
            Unauthenticated: 401.
            Unavailable: 503.
        """
        device, token = self._stand(who, asked.mark)
        if self._may_replace(device, asked):
            part = self._whole(who, query, asked)
        else:
            part = self._part(who, query, asked, token)
        is_lost = asked.mark is not None and (token is None or part.rebase)
        mark, opened = self._keep_pull(who, asked, part, is_lost=is_lost, device=device)
        is_full = len(opened) >= asked.limit
        bodies = self._bodies(who, query, part, opened)
        # A row that goes would take an edit of it along that may be there.
        opened = [
            one for one in opened if (one.entity, one.record_id) in bodies or _may_go(one, asked.pending)
        ]
        self._keep_told(who, mark, opened, bodies)
        answer: dict[str, Any] = {
            "changes": self._changes(part, opened, bodies),
            "timestamp": mark,
            "has_more": part.has_more or is_full,
        }
        if self._may_replace(device, asked):
            answer["experimentalStrategy"] = "replacement"
        return orjson.dumps(answer)

    def farewell(self, who: Identity, asked: PullAsk) -> bytes:
        """A pull of a device that was locked out: nothing comes, and it stays where it stood.

        Raises:
            Unauthenticated: 401.
        """
        told = self.exchange.farewell(who, request_of(self.exchange, None, pending=asked.pending))
        answer = {
            "changes": {},
            "timestamp": asked.mark or NOWHERE,
            "has_more": False,
            "directives": orjson.loads(told.body)["directives"],
        }
        return orjson.dumps(answer)

    def _stand(self, who: Identity, mark: int | None) -> tuple[Device, str | None]:
        with self.exchange.db.session(who.tenant_id, user_id=who.user_id, device_id=who.device_id) as session:
            book = Book(session.connection(), who)
            return book.device(), book.cursor_at(mark)

    def _may_replace(self, device: Device, asked: PullAsk) -> bool:
        """Whether the device can be told to drop whatever is not in the answer, so that no edit goes with it."""
        since = device.replace_since
        if since is None or asked.mark is None:
            return False
        answered = device.answered_at is not None and device.answered_at > since
        return asked.pending == 0 or (asked.pending is None and answered)

    def _part(self, who: Identity, query: ActorQuery, asked: PullAsk, token: str | None) -> _Part:
        request = request_of(self.exchange, token, limit=asked.limit, pending=asked.pending)
        answer = orjson.loads(self.exchange.answer(who, request, query).body)
        return _Part(
            {(one["entity"], UUID(one["id"])): one["record"] for one in answer["changes"]},
            [(one["entity"], UUID(one["id"])) for one in answer["removed"]],
            answer["cursor"],
            answer["has_more"],
            "rebase" in answer["directives"],
        )

    def _whole(self, who: Identity, query: ActorQuery, asked: PullAsk) -> _Part:
        """All that the device should hold in one answer: what it holds besides is dropped by the client itself."""
        part = self._part(who, query, asked, None)
        while part.has_more:
            more = self._part(who, query, asked, part.cursor)
            part.changes |= more.changes
            for gone in more.removed:
                part.changes.pop(gone, None)
            part.cursor, part.has_more = more.cursor, more.has_more
        return part

    def _keep_pull(
        self, who: Identity, asked: PullAsk, part: _Part, *, is_lost: bool, device: Device
    ) -> tuple[int, list[Open]]:
        """Write down what the device is given; gives its new mark, and rows of which it is to be told more."""
        now = self.clock()
        with self.exchange.db.session(who.tenant_id, user_id=who.user_id, device_id=who.device_id) as session:
            connection = session.connection()
            book = Book(connection, who)
            present = book.lock(now)
            life = lives(connection, who.tenant_id, who.device_id).present
            epoch = epoch_of(self.exchange, who, part.cursor)
            serial = max(present.serial, (asked.mark or 0) % SERIALS) + 1
            mark = life.generation * SERIALS + serial
            if asked.mark is None:
                book.begin_anew(epoch)
            elif is_lost:
                self._keep_lost(book, asked.mark, present, life.generation, now)
            else:
                book.confirm(asked.mark)
                if asked.mark % SERIALS < present.serial:
                    book.rewind(asked.mark)
            if asked.pending == 0 and asked.mark is not None and not is_lost:
                book.move_base(asked.mark, epoch_at(self.exchange, book, who, asked.mark) or epoch)
            given = [(entity, one, record["version"]) for (entity, one), record in part.changes.items()]
            book.give(mark, given, base_known=not is_lost)
            book.leave(part.removed, now)
            if not part.has_more:
                book.leave_stale(now)
            book.owe_tables(asked.again)
            book.age_keys()
            book.keep_mark(mark, serial, part.cursor)
            if self._may_replace(device, asked):
                book.replaced_with(mark)
            opened = book.to_tell(now, asked.limit, asked.pending)
        return mark, opened

    def _keep_lost(self, book: Book, mark: int, present: Device, generation: int, now: datetime) -> None:
        """The device stands somewhere that is not known: it is given all anew.

        A number that this life of the database has not given yet is of one that was taken back.
        """
        book.forget_all()
        if mark // SERIALS != generation or mark % SERIALS > present.serial:
            book.replace_since(now)

    def _bodies(
        self, who: Identity, query: ActorQuery, part: _Part, opened: Sequence[Open]
    ) -> dict[Key, dict[str, Any]]:
        """Records that are owed, as they are now; those that are not in the page anyway."""
        wanted: dict[str, set[UUID]] = {}
        for one in opened:
            if one.owed and one.entity in self.exchange.synced:
                wanted.setdefault(one.entity, set()).add(one.record_id)
        found = self.exchange.bodies(who, query, wanted) if wanted else {}
        bodies = {key: orjson.loads(body) for key, body in found.items()}
        return bodies | {key: record for key, record in part.changes.items() if key in bodies}

    def _keep_told(
        self, who: Identity, mark: int, opened: Sequence[Open], bodies: Mapping[Key, Mapping[str, Any]]
    ) -> None:
        if not opened:
            return
        keys = [(one.entity, one.record_id) for one in opened]
        with self.exchange.db.session(who.tenant_id, user_id=who.user_id, device_id=who.device_id) as session:
            book = Book(session.connection(), who)
            book.lock(self.clock())
            given = [(entity, one, record["version"]) for (entity, one), record in bodies.items()]
            book.give(mark, given, by_feed=False)
            book.tell(keys, mark, [key for key in keys if key not in bodies], self.clock())

    def _changes(
        self, part: _Part, opened: Sequence[Open], bodies: Mapping[Key, Mapping[str, Any]]
    ) -> dict[str, OneTable]:
        """The changes by table; an id stands in one list only, or the client fails."""
        tables: dict[str, OneTable] = {}

        def table(name: str) -> OneTable:
            return tables.setdefault(name, {"created": [], "updated": [], "deleted": []})

        told = {(one.entity, one.record_id): one.owed for one in opened}
        records = {**part.changes, **bodies}
        for key, record in records.items():
            # A row whose delete was refused is still deleted on the device: only a creation brings it back.
            place = "created" if told.get(key) == "created" else "updated"
            table(key[0])[place].append(row_of(self._entity(key[0]), record))
        for key in told:
            if key not in records:
                table(key[0])["deleted"].append(str(key[1]))
        return tables

    def _entity(self, name: str) -> SyncEntity:
        return self.exchange.registry.get(name)


def _may_go(one: Open, pending: int | None) -> bool:
    """Whether a row whose record is not there may be taken away, of a device that says what waits on it, if it says."""
    return pending == 0 or (pending is None and one.may_go)
