"""Planned visits whose day has ended at their account become missed."""

from datetime import datetime
from uuid import UUID

from app.core.db import Database
from app.visits import service as visits

ACTOR = "job:missed_visits"
BATCH = 500


def mark_missed_visits(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Mark what is overdue, in transactions of at most ``BATCH`` visits for each time zone.

    Safe to repeat and to run twice at once: a visit that somebody is working on waits for the next run.

    Args:
        db: Pools; the app role writes, so that the ledger names the job.
        tenant_id: Whose visits.
        now: Server time, aware UTC.

    Returns:
        How many were marked.
    """
    total = 0
    while True:
        with db.session(tenant_id, actor=ACTOR) as session:
            marked = visits.mark_missed(session, tenant_id, now=now, limit=BATCH)
        total += marked
        if not marked:
            return total
