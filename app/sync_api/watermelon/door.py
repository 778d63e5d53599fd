"""What pulls and pushes of the WatermelonDB door have in common: both are told to the engine in its own words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.core.errors import Unavailable
from app.sync_api.exchange import Exchange
from app.sync_api.pushing import Identity
from app.sync_api.watermelon.keeping import Book
from app.sync_api.wire import DEFAULT_BYTES, SyncRequest
from sync.cursor import decode
from sync.wire import Mutation


class PullFirst(Unavailable):
    """The server does not know where the client stands: its next sync pulls before it pushes, and is told."""

    code = "pull_first"


def request_of(
    exchange: Exchange,
    token: str | None,
    *,
    limit: int = 1,
    pending: int | None = None,
    mutations: Sequence[Mutation] = (),
    sent_at: datetime | None = None,
    seen: Mapping[UUID, tuple[int, ...]] | None = None,
    bases: Mapping[UUID, Mapping[str, Any]] | None = None,
) -> SyncRequest:
    """What a client of the native door would have asked."""
    schema = exchange.registry.schema_version
    told: tuple[Any, ...] = (schema, None, "watermelon", pending or 0, None)
    return SyncRequest(
        schema_version=schema,
        cursor=token,
        sent_at=sent_at,
        mutations=list(mutations),
        limit=limit,
        byte_limit=DEFAULT_BYTES,
        pending=0,  # removals are held back by this door, row by row
        told=told,
        seen=seen or {},
        bases=bases or {},
    )


def epoch_at(exchange: Exchange, book: Book, who: Identity, mark: int) -> UUID | None:
    """The life of the database of which a mark speaks; None where it is not kept."""
    token = book.cursor_at(mark)
    return None if token is None else epoch_of(exchange, who, token)


def epoch_of(exchange: Exchange, who: Identity, token: str) -> UUID:
    """The life of the database of a cursor."""
    return decode(token, exchange.key, tenant_id=who.tenant_id, device_id=who.device_id).epoch
