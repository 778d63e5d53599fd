"""Entities whose bodies a migration changed are rendered again, a few rows at a time."""

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from app.core.db import Database
from sync.policy import SyncEntity
from sync.registry import Registry

ROWS: Final = 500
"""Rows marked in one run."""
WAITING: Final = 1_000
"""Marks that may wait: people's own changes go first."""

MARKS = text(
    "SELECT count(*) FROM (SELECT 1 FROM sync_pending WHERE tenant_id = :tenant ORDER BY id LIMIT :most) AS m"
)
NEXT = text(
    "SELECT entity, after_id FROM sync_rerenders WHERE tenant_id = :tenant AND done_at IS NULL"
    " ORDER BY started_at, entity LIMIT 1 FOR UPDATE SKIP LOCKED"
)
DONE = text(
    "UPDATE sync_rerenders SET done_at = :now WHERE tenant_id = :tenant AND entity = :entity AND done_at IS NULL"
)
MOVED_ON = text("UPDATE sync_rerenders SET after_id = :last WHERE tenant_id = :tenant AND entity = :entity")


def mark_for_rendering(db: Database, tenant_id: UUID, now: datetime, *, registry: Registry) -> int:
    """Mark the next rows of what is to be rendered again, unless much waits already.

    How far it has come is kept with the request, so that a run that was broken off goes on there.

    Args:
        db: Pools; the engine role marks.
        tenant_id: Whose rows.
        now: Server time, aware UTC.
        registry: The synced entities, with their tables.

    Returns:
        How many rows were marked.
    """
    with db.engine.begin() as connection:
        waiting = connection.scalar(MARKS, {"tenant": tenant_id, "most": WAITING}) or 0
        room = min(ROWS, WAITING - waiting)
        while room > 0 and (asked := connection.execute(NEXT, {"tenant": tenant_id}).one_or_none()):
            entity = registry.find(asked.entity)
            marked = 0 if entity is None else _mark(connection, tenant_id, entity, asked.after_id, room)
            if marked:
                return marked
            connection.execute(DONE, {"tenant": tenant_id, "entity": asked.entity, "now": now})
    return 0


def _mark(connection: Connection, tenant_id: UUID, entity: SyncEntity, after: UUID | None, room: int) -> int:
    names = {"tenant": tenant_id, "entity": entity.name}
    rows = connection.scalars(
        text(
            f"""
            WITH next AS (
                SELECT id FROM {entity.table}
                WHERE tenant_id = :tenant AND id > coalesce(CAST(:after AS uuid), CAST(:nil AS uuid))
                ORDER BY id LIMIT :room
            )
            INSERT INTO sync_pending (tenant_id, entity, record_id)
            SELECT :tenant, :entity, id FROM next RETURNING record_id
            """  # noqa: S608  (a table of the declarations)
        ),
        {**names, "after": after, "nil": UUID(int=0), "room": room},
    ).all()
    if rows:
        connection.execute(MOVED_ON, {**names, "last": max(rows)})
    return len(rows)


def rerendering(registry: Registry) -> partial[int]:
    """The job for these entities, as the scheduler runs it for each tenant."""
    return partial(mark_for_rendering, registry=registry)
