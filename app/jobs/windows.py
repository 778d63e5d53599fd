"""Windows in time move: what came into one or fell out of it is marked, to be put into its buckets again."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.core.db import Database
from app.core.scope import VISIT_DAYS_AHEAD, VISIT_DAYS_BACK

WINDOW: Final = "visits"

# Where the windows of visits begin and end, seen from now: the assignee's and the team's day.
EDGES: Final = (
    timedelta(days=-VISIT_DAYS_BACK),
    timedelta(days=VISIT_DAYS_AHEAD),
    timedelta(days=-1),
    timedelta(days=1),
)
# A drain that read the clock just before us may have judged a mark of ours with the older time.
OVERLAP: Final = timedelta(minutes=1)

# Before its tenant was made no visit was ever rendered.
LAST_EDGE = text(
    """
    INSERT INTO sync_windows AS w (tenant_id, name, edge)
    SELECT id, :name, least(created_at, :now) FROM tenants WHERE id = :tenant
    ON CONFLICT (tenant_id, name) DO UPDATE SET edge = w.edge
    RETURNING edge
    """
)
_PASSED = " OR ".join(f"(planned_start >= :from{n} AND planned_start < :to{n})" for n in range(len(EDGES)))
MARK = text(
    f"""
    WITH moved AS MATERIALIZED (
        SELECT id, account_id FROM visits
        WHERE tenant_id = :tenant AND deleted_at IS NULL
          AND ({_PASSED})
    )
    INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
    SELECT CAST(:tenant AS uuid), 'account', account_id, true FROM (SELECT DISTINCT account_id FROM moved) a
    UNION ALL
    SELECT CAST(:tenant AS uuid), 'visit', id, true FROM moved
    """  # noqa: S608  (built of constants of this file)
)
# Inbox items stay on their author's phone for a while after they were decided.
DECIDED_KEPT: Final = timedelta(days=14)
MARK_DECIDED = text(
    """
    INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
    SELECT CAST(:tenant AS uuid), 'conflict', id, true FROM conflicts
    WHERE tenant_id = :tenant AND resolved_at >= :from AND resolved_at < :to
    """
)
MOVE_EDGE = text("UPDATE sync_windows SET edge = :now WHERE tenant_id = :tenant AND name = :name")


def move_windows(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Mark the visits that an edge has passed since the last run, and their accounts.

    The marks are weak: nothing is rendered again unless its buckets come out different. The last
    edge is kept in ``sync_windows``, and its row lets one run at a time through.

    Args:
        db: Pools; the engine role marks.
        tenant_id: Whose visits.
        now: Server time, aware UTC.

    Returns:
        How many marks were written.
    """
    with db.engine.begin() as connection:
        names = {"tenant": tenant_id, "name": WINDOW, "now": now}
        last: datetime | None = connection.execute(LAST_EDGE, names).scalar_one_or_none()
        if last is None or last > now:
            return 0
        ranges = {
            key: moment
            for n, edge in enumerate(EDGES)
            for key, moment in ((f"from{n}", last - OVERLAP + edge), (f"to{n}", now + edge))
        }
        marked = connection.execute(MARK, {"tenant": tenant_id, **ranges}).rowcount
        marked += connection.execute(
            MARK_DECIDED,
            {"tenant": tenant_id, "from": last - OVERLAP - DECIDED_KEPT, "to": now - DECIDED_KEPT},
        ).rowcount
        connection.execute(MOVE_EDGE, names)
        return int(marked)
