"""Reads of the room, and how the ledger is read so that nothing is missed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, String, Uuid, column, select, table, text
from sqlalchemy.orm import Session

# A light table of the index, to find what it holds of records that are no more.
_documents = table(
    "search_documents", column("tenant_id", Uuid()), column("kind", String()), column("record_id", Uuid())
)

OPEN = text(
    "INSERT INTO search_progress (tenant_id, settled_id, seen, ahead_id, ahead_xid)"
    " VALUES (:tenant, 0, '', 0, 0) ON CONFLICT DO NOTHING"
)
HOLD = text(
    "SELECT settled_id, seen, ahead_id, ahead_xid FROM search_progress WHERE tenant_id = :tenant FOR UPDATE"
)
TRY_TO_HOLD = text(HOLD.text + " SKIP LOCKED")

# Of the ledger beyond the place up to which all was seen: how much, and whether any of it is new to the index.
PENDING = text(
    """
    SELECT p.seen, l.rows, l.changed,
           EXISTS (SELECT 1 FROM search_marks m WHERE m.tenant_id = :tenant) AS marked
    FROM search_progress p, LATERAL (
        SELECT count(*) AS rows, coalesce(bool_or(
                   c.entity = ANY(:entities) AND c.op <> 'lost'
                   AND NOT pg_visible_in_snapshot(c.xid, CAST(nullif(p.seen, '') AS pg_snapshot))), false) AS changed
        FROM (SELECT entity, op, xid FROM changes
              WHERE tenant_id = :tenant AND id > p.settled_id ORDER BY id LIMIT :most) AS c) AS l
    WHERE p.tenant_id = :tenant
    """
)
LEDGER = text(
    "SELECT count(*) FROM (SELECT 1 FROM changes WHERE tenant_id = :tenant ORDER BY id LIMIT :most) AS r"
)

# One statement, one snapshot: what it marks, and what it says was seen.
_SEEN = """
    SELECT pg_current_snapshot()::text AS seen,
           pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS running,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
           (SELECT coalesce(max(id), 0) FROM changes WHERE tenant_id = :tenant) AS newest
"""
LOOK = text(_SEEN)
COLLECT = text(
    f"""
    WITH marked AS (
        INSERT INTO search_marks (tenant_id, entity, record_id)
        SELECT DISTINCT c.tenant_id, c.entity, c.record_id FROM changes c
        WHERE c.tenant_id = :tenant AND c.id > :settled AND c.entity = ANY(:entities) AND c.op <> 'lost'
          AND NOT pg_visible_in_snapshot(c.xid, CAST(:seen AS pg_snapshot))
        ON CONFLICT DO NOTHING
    )
    {_SEEN}
    """  # noqa: S608  (built of constants of this file)
)
SETTLE = text(
    "UPDATE search_progress SET settled_id = :settled, seen = :seen, ahead_id = :ahead, ahead_xid = :xid"
    " WHERE tenant_id = :tenant"
)

TAKE = text(
    """
    DELETE FROM search_marks WHERE tenant_id = :tenant AND (entity, record_id) IN (
        SELECT entity, record_id FROM search_marks WHERE tenant_id = :tenant
        ORDER BY entity, record_id LIMIT :most)
    RETURNING entity, record_id
    """
)
WAITING = text("SELECT count(*) FROM search_marks WHERE tenant_id = :tenant")


def pending(session: Session, tenant_id: UUID, entities: Sequence[str], most: int) -> Row[Any] | None:
    """What waits, as ``seen, rows, changed, marked``; at most *most* rows are counted. None before the first run."""
    values = {"tenant": tenant_id, "entities": list(entities), "most": most}
    return session.execute(PENDING, values).one_or_none()


def is_young(session: Session, tenant_id: UUID, most: int) -> bool:
    """Whether the whole ledger of a company has at most *most* rows."""
    return (session.scalar(LEDGER, {"tenant": tenant_id, "most": most + 1}) or 0) <= most


def hold_progress(session: Session, tenant_id: UUID, *, wait: bool) -> Row[tuple[int, str, int, int]] | None:
    """The company's progress, held until commit; None while another has it, unless told to *wait*."""
    statement = HOLD if wait else TRY_TO_HOLD
    return session.execute(statement, {"tenant": tenant_id}).one_or_none()


def indexed(tenant_id: UUID, kind: str) -> Select[UUID]:
    """The records that the index holds of a kind."""
    return select(_documents.c.record_id).where(
        _documents.c.tenant_id == tenant_id, _documents.c.kind == kind
    )
