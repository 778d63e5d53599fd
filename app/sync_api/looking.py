"""One round trip to the database that shows whether there is anything new for a phone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Connection, TextClause
from sqlalchemy.exc import DBAPIError

from app.core.db import WRITER, WRITER_BY_KEYS, Database, writer_values
from app.core.scope import ActorQuery
from app.sync_api.pushing import Identity
from sync.cursor import Cursor
from sync.stores.driver import Said
from sync.stores.glance import DELTA, GLANCE, Awaited, parameters

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

log = structlog.get_logger(__name__)


def look(
    db: Database,
    who: Identity,
    query: ActorQuery,
    cursor: Cursor,
    awaited: Awaited | None = None,
    *,
    briefly: bool = False,
) -> tuple[Any, Any, Sequence[Any]] | None:
    """The rows of the actor and of ``GLANCE``, of one snapshot, in a transaction that is over with it.

    Args:
        db: The pools.
        who: From the access token.
        query: Reads the actor.
        cursor: Where the phone stands.
        awaited: The delta that is read along.
        briefly: Read the actor without their buckets.

    Returns:
        The rows, and those of the delta that is *awaited*; None when the database could not be asked so. The
        caller then asks in its usual way.
    """
    if briefly and query.brief is not None:
        query = replace(query, statement=query.brief)
    said = _said(who, query, cursor, WRITER if awaited is None else WRITER_BY_KEYS)
    if awaited is not None:
        said.append((DELTA, awaited.parameters(who.tenant_id, cursor)))
    pooled = db.app.raw_connection()
    try:
        rows = db.at_once.ask(pooled, said, begin=BEGIN, end="COMMIT")
    except DBAPIError as error:
        # Once it is a server that was restarted. For ever it would cost every request a connection.
        log.warning(
            "look_failed", error=type(error.orig).__name__, sqlstate=getattr(error.orig, "sqlstate", None)
        )
        pooled.invalidate()
        return None
    finally:
        pooled.close()
    return _first(rows[1]), _first(rows[2]), rows[3] if awaited is not None else ()


def look_in(
    db: Database, connection: Connection, who: Identity, query: ActorQuery, cursor: Cursor | None
) -> tuple[Any, Any]:
    """The same rows in the transaction of *connection*, which has seen nothing yet and goes on."""
    rows = db.at_once.ask(connection.connection, _said(who, query, cursor), begin=BEGIN)
    return _first(rows[1]), _first(rows[2])


def _said(who: Identity, query: ActorQuery, cursor: Cursor | None, writer: TextClause = WRITER) -> list[Said]:
    return [
        (writer, writer_values(who.tenant_id, user_id=who.user_id, device_id=who.device_id)),
        (query.statement, query.values),
        (GLANCE, parameters(who.tenant_id, who.user_id, who.device_id, cursor)),
    ]


def _first(rows: Sequence[Any]) -> Any:
    return rows[0] if rows else None
