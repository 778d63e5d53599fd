"""One round trip to the database that shows whether there is anything new for a phone."""

from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy.exc import SQLAlchemyError

from app.core.db import WRITER, Database, writer_values
from app.core.scope import ActorQuery
from app.sync_api.pushing import Identity
from sync.cursor import Cursor
from sync.stores.glance import GLANCE, parameters


def look(db: Database, who: Identity, query: ActorQuery, cursor: Cursor) -> tuple[Any, Any] | None:
    """The rows of the actor and of ``GLANCE``, of one snapshot.

    Five statements go out at once: BEGIN, whose rows they may see, the two, and COMMIT.

    Returns:
        The rows; None when the database could not be asked so. The caller then asks in its usual way.
    """
    values = writer_values(who.tenant_id, user_id=who.user_id, device_id=who.device_id)
    try:
        pooled = db.app.raw_connection()
    except SQLAlchemyError:
        return None
    try:
        connection: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
        connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        try:
            with connection.pipeline():
                connection.execute(db.as_sent(WRITER), values)
                rows = connection.cursor(row_factory=namedtuple_row)
                actor = connection.cursor(row_factory=namedtuple_row)
                actor.execute(db.as_sent(query.statement), dict(query.values))
                rows.execute(GLANCE, parameters(who.tenant_id, who.user_id, who.device_id, cursor))
                connection.commit()
            found = actor.fetchone(), rows.fetchone()
        finally:
            connection.isolation_level = connection.read_only = None
    except psycopg.Error:
        pooled.invalidate()
        return None
    finally:
        pooled.close()
    return found
