"""What changed in the ledger goes into the search index; what was asked long ago is forgotten."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.core.db import Database
from app.search import service as search

ACTOR: Final = "job:search"
ROUNDS: Final = 100
MANY: Final = 200
"""After so many records the planner is told: a company that it does not know is one row to it."""
ANALYZE: Final = text("SELECT sync_analyze_grown(true)")


def index_changes(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Index what waits, a transaction for each batch; safe to repeat and to run twice at once.

    Args:
        db: Pools; the app role indexes.
        tenant_id: Whose records.
        now: Server time, aware UTC.

    Returns:
        How many records were indexed.
    """
    with db.session(tenant_id, actor=ACTOR) as session:
        search.open_progress(session, tenant_id)
    total = 0
    for _ in range(ROUNDS):
        with db.session(tenant_id, actor=ACTOR) as session:
            done = search.index_changes(session, tenant_id, now=now)
        total += done
        if done < search.BATCH:
            break
    if total >= MANY:
        with db.engine.begin() as connection:
            connection.execute(ANALYZE)
    return total


def forget_searches(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Delete old lines of the log of searches; gives how many."""
    with db.session(tenant_id, actor=ACTOR) as session:
        return search.forget_searches(session, tenant_id, now)
