"""Requests for approval that nobody answers go to somebody else."""

from datetime import datetime
from uuid import UUID

from app.approvals import service as approvals
from app.core.db import Database

ACTOR = "job:approvals"


def move_approvals(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Move each request whose step cannot stay as it is, in a transaction of its own.

    Safe to repeat and to run twice at once: a request that somebody is deciding on waits for the next run.

    Args:
        db: Pools; the app role writes, so that the ledger names the job.
        tenant_id: Whose requests.
        now: Server time, aware UTC.

    Returns:
        How many were moved.
    """
    with db.session(tenant_id, actor=ACTOR) as session:
        waiting = approvals.list_to_move(session, tenant_id, now=now)
    moved = 0
    for request_id in waiting:
        with db.session(tenant_id, actor=ACTOR) as session:
            moved += approvals.move_on(session, tenant_id, request_id, now=now)
    return moved
