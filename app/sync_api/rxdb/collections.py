"""The collections of a phone: pages that are filled to the limit, and the answers to its pushes."""

import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.core.scope import ActorQuery
from app.sync_api.exchange import Exchange, PulledPage
from app.sync_api.looking import look_in
from app.sync_api.pushing import Identity
from app.sync_api.rxdb.documents import document, gone, shows
from app.sync_api.rxdb.kept import began_of, lately_pushed, note_pull, passed_over
from app.sync_api.rxdb.pushing import Judged, RowPushing, request_of
from app.sync_api.rxdb.sets import next_set, number_of
from app.sync_api.rxdb.translating import knows
from app.sync_api.rxdb.wire import NAMES_OF_THE_CLIENT, Row
from app.sync_api.wire import MAX_BYTES, SyncRequest
from sync.cursor import Cursor, CursorInvalid, decode, encode
from sync.policy import SyncEntity
from sync.pull import Channel, Page, Reader, Restored, pull
from sync.stores.epochs import lives
from sync.stores.feed import FeedReader, set_id_of
from sync.stores.glance import Glance
from sync.values import wire_time
from sync.verdicts import Status, Verdict

JUST_NOW = timedelta(minutes=1)
"""So long after a push its client may not have taken note of the answer yet."""


@dataclass(frozen=True, slots=True)
class PullAsked:
    """One page of a collection: after which cursor, how many documents, for which schema of the app."""

    token: str | None
    limit: int
    schema_version: int
    given_at: datetime | None = None


@dataclass(slots=True)
class _Filled:
    """A page on its way out: documents by id in the order of the feed, and the engine's pages that it was filled of."""

    documents: dict[UUID, str] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)
    began: int = 0
    generation: int = 0

    def add(self, page: Page, without: frozenset[str]) -> None:
        """What is told twice counts as it was told last."""
        self.pages.append(page)
        for row in page.changes:
            self.documents.pop(row.record_id, None)
            self.documents[row.record_id] = document(row.body or "{}", self.generation, without)
        for _, record_id, _ in page.removed:
            self.documents.pop(record_id, None)
            self.documents[record_id] = gone(record_id)


class _CollectionReader(FeedReader):
    """Reads one entity; knows the subscription set of the page before, which nobody has kept yet."""

    known: tuple[str, tuple[Channel, ...]] = ("", ())

    def channels(self, set_id: str) -> tuple[Channel, ...] | None:
        """The channels of a subscription set; None when it is no longer kept."""
        return self.known[1] if self.known[0] == set_id else super().channels(set_id)


class Collections(Exchange):
    """Serves the RxDB door for one process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As the native door's."""
        super().__init__(*args, **kwargs)
        self.rows = RowPushing(self.db, self.registry, self.synced, self.clock, self.pushing)

    # -- pull

    def page(self, who: Identity, query: ActorQuery, name: str, asked: PullAsked) -> bytes:
        """A page of a collection, as JSON.

        It holds as many documents as were asked for unless nothing more is there: the client takes a shorter
        page for the end, and forgets the checkpoint of an empty one.

        Raises:
            NotFound: Phones of this shape and schema have no such collection.
            Unauthenticated: 401.
        """
        started, now = time.monotonic(), self.clock()
        # A checkpoint of one collection is worth nothing in another.
        key = hmac.digest(self.key, b"rxdb " + name.encode(), "sha256")
        cursor = _cursor(who, asked.token, key)
        request = SyncRequest(
            asked.schema_version,
            asked.token if cursor else None,
            None,
            [],
            asked.limit,
            MAX_BYTES,
            0,
            (asked.schema_version, None, "rxdb", 0, None),
        )
        began = self._note_pull(who, name, None)
        is_back, may_drain = asked.token is not None, True
        while True:
            try:
                with self._opened() as (connection, session):
                    seen, row = look_in(self.db, connection, who, query, cursor)
                    actor = query.read(seen)
                    entity = knows(self.registry, name, actor.scope.shape, asked.schema_version)
                    if entity is None:
                        raise NotFound("There is no such collection.")
                    feed = _CollectionReader(connection, who.tenant_id, actor.scope.buckets, entity=name)
                    reader = Glance(row, actor.scope.buckets, feed)
                    due = self._due(who, reader, feed, False) if may_drain else None
                    if due is None:
                        found = PulledPage.of(actor, row, started)
                        sets = (began, next_set(began, now) if is_back else began)
                        filled = self._fill(who, request, cursor, entity, found, reader, feed, sets)
                        since = min(asked.given_at or now, now) - JUST_NOW
                        self._repeat(session, who, entity, found, filled, request, since)
                        break
            except Restored as restored:
                self._begin_epoch(who, restored.epoch)
                cursor = None
                continue
            may_drain = False
            self._drain(who, *due)
        for page in filled.pages:
            self._keep(who, request, found.answer(page))
        page = filled.pages[-1]
        self._note_pull(who, name, page.cursor.highest if filled.documents else 0, filled.began)
        told: dict[str, Any] = {
            "checkpoint": {"c": encode(page.cursor, key), "t": wire_time(now)},
            "epoch": page.cursor.epoch,
            "rebase": filled.began > began,
        }
        told["generation"] = filled.generation
        documents = ",".join(filled.documents.values())
        return f'{{"documents":[{documents}],{orjson.dumps(told).decode()[1:]}'.encode()

    def _repeat(
        self,
        session: Session,
        who: Identity,
        entity: SyncEntity,
        found: PulledPage,
        filled: _Filled,
        request: SyncRequest,
        since: datetime,
    ) -> None:
        """Put what the phone has pushed since its checkpoint into its last page once more.

        The client passes over a document that it has edits on, and may see the page before it has seen that the
        push was answered; and what it made itself, and is gone before any page held it, nobody would tell it of.
        A page that this would fill is left alone, or it would never be the last.
        """
        if filled.pages[-1].has_more:
            return
        whose = who.tenant_id, who.device_id
        connection = session.connection()
        ids = [
            record_id
            for record_id in lately_pushed(connection, whose, entity.name, since)
            if record_id not in filled.documents
        ]
        if not ids or len(filled.documents) + len(ids) >= request.limit:
            return
        asked = [Verdict(one, Status.APPLIED, entity=entity.name, record_id=one) for one in ids]
        bodies = self._records(connection, session, found.actor, asked)
        without = unknown_fields(entity, request.schema_version)
        for record_id in ids:
            body = bodies.get((entity.name, record_id))
            told = gone(record_id) if body is None else document(body, filled.generation, without)
            filled.documents[record_id] = told

    def _note_pull(self, who: Identity, name: str, head: int | None, began: int = 0) -> int:
        if self.registry.find(name) is None:
            return began
        with self.db.session(who.tenant_id) as session:
            return note_pull(session.connection(), (who.tenant_id, who.device_id), name, head, began)

    def _fill(
        self,
        who: Identity,
        request: SyncRequest,
        cursor: Cursor | None,
        entity: SyncEntity,
        found: "PulledPage",
        first: Glance,
        feed: _CollectionReader,
        sets: tuple[int, int],
    ) -> _Filled:
        """Pages of the engine until the limit is reached or nothing more can be given now.

        *sets* says when the present set began, and when that begins by which all would be given anew.
        """
        life = lives(feed.connection, who.tenant_id, who.device_id).present.generation
        without = unknown_fields(entity, request.schema_version)
        filled, at = _Filled(), cursor
        reader: Reader = first
        while True:
            ask = self._ask(who, found.actor, request, found.device)
            ask = replace(ask, limit=request.limit - len(filled.documents))
            page = pull(reader, self.registry, at, ask, set_id_of)
            if not filled.pages:
                filled.began = sets[1] if cursor is None or page.rebase else sets[0]
                filled.generation = number_of(life, filled.began)
            filled.add(page, without)
            if len(filled.documents) >= request.limit or not page.has_more or page.cursor == at:
                return filled
            at, reader = page.cursor, feed
            feed.known = (page.cursor.subscription_set, page.channels)

    # -- push

    def take(
        self,
        who: Identity,
        query: ActorQuery,
        name: str,
        rows: Sequence[Row],
        schema_version: int,
        arrived: datetime,
    ) -> list[str]:
        """Judge rows of a collection; gives the documents that the phone has to take over, as JSON.

        Raises:
            NotFound: Phones of this shape and schema have no such collection.
            Unauthenticated: 401.
            Unavailable: 503; send it again.
        """
        with self.snapshot(who) as (_, session):
            actor = query.read(session.execute(query.statement, dict(query.values)).one_or_none())
            entity = knows(self.registry, name, actor.scope.shape, schema_version)
            if entity is None:
                raise NotFound("There is no such collection.")
        judged = self.rows.push(who, query, name, rows, arrived)
        if judged.marks:
            self._drain(who, judged.marks, scope_differs=False)
        with self.snapshot(who) as (connection, session):
            actor = query.read(session.execute(query.statement, dict(query.values)).one_or_none())
            asked = [Verdict(row.id, Status.APPLIED, entity=name, record_id=row.id) for row in rows]
            bodies = self._records(connection, session, actor, asked)
            whose = who.tenant_id, who.device_id
            life = lives(connection, *whose).present.generation
            generation = number_of(life, began_of(connection, whose, name))
            judged.passed_over = passed_over(connection, whose, name, [row.id for row in rows])
        without = unknown_fields(entity, schema_version)
        return [
            answer
            for row in rows
            if (answer := _answer(entity, row, judged, bodies.get((name, row.id)), generation, without))
        ]

    # -- farewell

    def farewell_page(self, who: Identity, name: str, asked: PullAsked) -> bytes:
        """A page for a device that was locked out: nothing, and that it is to wipe itself once all is handed in.

        Raises:
            NotFound: There is no such collection.
            Unauthenticated: 401.
        """
        if self.registry.find(name) is None:
            raise NotFound("There is no such collection.")
        told = orjson.loads(self.farewell(who, request_of([])).body)
        whose = who.tenant_id, who.device_id
        with self.db.session(who.tenant_id) as session:
            life = lives(session.connection(), *whose).present.generation
            generation = number_of(life, began_of(session.connection(), whose, name))
        return orjson.dumps(
            {
                "documents": [],
                "checkpoint": {"c": asked.token, "t": wire_time(self.clock())} if asked.token else {},
                "epoch": told["epoch"],
                "rebase": False,
                "generation": generation,
                "directives": told["directives"],
            }
        )

    def take_farewell(self, who: Identity, name: str, rows: Sequence[Row], arrived: datetime) -> None:
        """Keep the rows of a device that was locked out, unjudged.

        Raises:
            NotFound: There is no such collection.
            Unavailable: 503; send it again.
        """
        if self.registry.find(name) is None:
            raise NotFound("There is no such collection.")
        self.rows.set_aside(who, name, rows, arrived)


def unknown_fields(entity: SyncEntity, schema_version: int) -> frozenset[str]:
    """Fields that an app of that schema does not know, or that no document of the client can have."""
    return frozenset(
        name
        for name, one in entity.fields.items()
        if one.since > schema_version or name in NAMES_OF_THE_CLIENT
    )


def _answer(
    entity: SyncEntity,
    row: Row,
    judged: Judged,
    body: str | None,
    generation: int,
    without: frozenset[str],
) -> str | None:
    """What the phone has to take over for a row it pushed; None where it was taken, or waits.

    It is given the record even where its edit was taken, if the record says something else by now: a page that
    it pulled meanwhile may have held that already, and the client passes over what it has edits on.
    """
    verdict = judged.verdicts.get(row.id)
    # What an earlier set gave is given anew, or nobody could tell what is not there any more.
    is_of_this_set = row.generation in (0, generation)
    if row.id in judged.held or (verdict is not None and verdict.code == "awaiting_record"):
        # It stays as its user wrote it, under the number by which the clean-up lets it be.
        stays = is_of_this_set or row.is_delete
        return None if stays else orjson.dumps({**row.new, "generation": generation}).decode()
    if body is None:
        return None if row.is_delete else gone(row.id)
    master = orjson.loads(body)
    has_all = row.id not in judged.passed_over or master["version"] == row.new.get("version")
    known = {name: value for name, value in master.items() if name not in without}
    if is_of_this_set and has_all and shows(entity, row, known):
        return None
    return document(body, generation, without)


def _cursor(who: Identity, token: str | None, key: bytes) -> Cursor | None:
    """The cursor of a checkpoint; None where the phone has none, or one that is worth nothing.

    The client would send a refused one for ever: it is given all anew instead.
    """
    if token is None:
        return None
    try:
        return decode(token, key, tenant_id=who.tenant_id, device_id=who.device_id)
    except CursorInvalid:
        return None
