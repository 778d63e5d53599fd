"""What stands beside sync: does a phone hold what it should, and if not, mend it row by row."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from app.core.errors import Conflict
from app.core.scope import Actor
from app.http.transaction import note_access
from app.sync_api.exchange import PERSONAL, Exchange
from app.sync_api.pushing import ActorOf, Identity
from sync.cursor import Cursor, CursorInvalid, decode
from sync.digest import Digest
from sync.errors import RequestInvalid
from sync.pull import Ask, Channel, Restored, pull
from sync.stores.feed import FeedReader, set_id_of
from sync.stores.support import Difference, SupportReader

MAX_HELD = 10_000
"""Ids and versions in one request."""

MAX_REPAIRS = 2_000
DEFAULT_REPAIRS = 500
REPAIR_BYTES = 1 << 20


class SyncBehind(Conflict):
    """The cursor is not at its checkpoint, or there is something newer for it: sync first, then ask again."""

    code = "behind"


@dataclass(frozen=True, slots=True)
class Checked:
    """A device that stands at its checkpoint, in the snapshot of the question."""

    connection: Connection
    actor: Actor
    epoch: UUID
    channels: Sequence[Channel]


@dataclass(frozen=True, slots=True)
class RepairAsk:
    """What a device says it holds of the ids above ``after`` up to ``until``, all of it."""

    entity: str
    held: Mapping[UUID, int]
    after: UUID | None
    until: UUID | None
    limit: int


@contextmanager
def at_checkpoint(
    exchange: Exchange, who: Identity, actor_of: ActorOf, token: str | None
) -> Iterator[Checked]:
    """A snapshot in which the device has everything that it is given, and nothing else.

    A pull from the cursor would be empty and a checkpoint: the very same code decides it, so that what is
    compared is what a phone was given, windows and budget included.

    Raises:
        RequestInvalid: The cursor is not of this device.
        SyncBehind: The device has to sync first.
    """
    with exchange.snapshot(who) as (connection, session):
        actor = actor_of(session)
        cursor = _cursor(exchange, who, token)
        reader = FeedReader(connection, who.tenant_id, actor.scope.buckets)
        ask = _probe(who, actor, cursor, SupportReader(connection, who.tenant_id).highest_n(who.device_id))
        try:
            page = pull(reader, exchange.registry, cursor, ask, set_id_of)
        except Restored as error:  # the next sync begins another epoch
            raise SyncBehind from error
        if page.rebase or page.has_more or page.changes or page.removed or page.new_set:
            raise SyncBehind
        yield Checked(connection, actor, page.cursor.epoch, page.channels)


def _cursor(exchange: Exchange, who: Identity, token: str | None) -> Cursor:
    if token is None:
        raise SyncBehind
    try:
        cursor = decode(token, exchange.key, tenant_id=who.tenant_id, device_id=who.device_id)
    except CursorInvalid as error:
        raise RequestInvalid("cursor_invalid") from error
    if cursor.walks or cursor.removals != cursor.position:
        raise SyncBehind
    return cursor


def _probe(who: Identity, actor: Actor, cursor: Cursor, highest_n: int) -> Ask:
    return Ask(
        tenant_id=who.tenant_id,
        device_id=who.device_id,
        user_id=who.user_id,
        shape_class=actor.scope.shape,
        schema_version=cursor.schema_version,
        limit=1,
        byte_limit=1,
        highest_n=highest_n,
    )


def digest(
    exchange: Exchange, who: Identity, actor_of: ActorOf, token: str | None
) -> tuple[UUID, dict[str, Digest]]:
    """The epoch, and for each entity that the user's shape knows the digest of what the device should hold."""
    with at_checkpoint(exchange, who, actor_of, token) as device:
        found = SupportReader(device.connection, who.tenant_id).digests(device.channels)
        shape = device.actor.scope.shape
        known = [e.name for e in exchange.registry.entities if e.shape_for(shape)]
        return device.epoch, {name: found.get(name, Digest()) for name in known}


def repair(exchange: Exchange, who: Identity, actor_of: ActorOf, token: str | None, ask: RepairAsk) -> bytes:
    """Where a device differs from what it should hold, as JSON: records to take, and ids to forget.

    An id that is none of the device's is told to be forgotten, whether there is such a record or not.
    """
    with at_checkpoint(exchange, who, actor_of, token) as device:
        found, more = SupportReader(device.connection, who.tenant_id).differences(
            device.channels,
            ask.entity,
            ask.held,
            after=ask.after,
            until=ask.until,
            limit=ask.limit,
            byte_limit=REPAIR_BYTES,
        )
        actor = device.actor
    shown = sum(one.body is not None for one in found)
    if shown and ask.entity in PERSONAL:
        with exchange.db.session(who.tenant_id, user_id=who.user_id, device_id=who.device_id) as session:
            note_access(session, actor, ask.entity, None, "repair", count=shown)
    return _json(ask.entity, found, found[-1].record_id if more else None)


def _json(entity: str, found: Sequence[Difference], next_after: UUID | None) -> bytes:
    changes = ",".join(
        f'{{"entity":"{entity}","id":"{one.record_id}","version":{one.version},"record":{one.body}}}'
        for one in found
        if one.body is not None
    )
    removed = ",".join(
        f'{{"entity":"{entity}","id":"{one.record_id}","reason":"out_of_scope"}}'
        for one in found
        if one.body is None
    )
    place = "null" if next_after is None else f'"{next_after}"'
    return f'{{"changes":[{changes}],"removed":[{removed}],"next_after":{place}}}'.encode()
