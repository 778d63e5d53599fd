"""What accounts owe is counted anew when the tenant's calendar day turns."""

from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.core.db import Database
from app.receivables import service as receivables

ACTOR: Final = "job:ageing"
WINDOW: Final = "ageing"
BATCH: Final = 500
FIRST: Final = UUID(int=0)

DAYS = text(
    """
    SELECT (CAST(:now AS timestamptz) AT TIME ZONE t.time_zone)::date AS today, w.edge AS settled
    FROM tenants t LEFT JOIN sync_windows w ON w.tenant_id = t.id AND w.name = :name
    WHERE t.id = :tenant
    """
)
# The edge is a day, written as its midnight in UTC.
KEEP_DAY = text(
    """
    INSERT INTO sync_windows (tenant_id, name, edge) VALUES (:tenant, :name, :edge)
    ON CONFLICT (tenant_id, name) DO UPDATE SET edge = excluded.edge
    """
)


def age_balances(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Write the balances that a new day has changed, in transactions of at most ``BATCH`` accounts.

    Between two days only accounts whose credit has got another currency are looked at. Safe to repeat and to
    run twice at once: figures are counted behind the lock of each balance.

    Args:
        db: Pools; the app role writes, so that the ledger names the job.
        tenant_id: Whose balances.
        now: Server time, aware UTC.

    Returns:
        How many were written.
    """
    names = {"tenant": tenant_id, "name": WINDOW}
    with db.engine.connect() as connection:
        days = connection.execute(DAYS, names | {"now": now}).one_or_none()
    if days is None:
        return 0
    edge = _edge(days.today)
    total, after = 0, FIRST
    while True:
        with db.session(tenant_id, actor=ACTOR) as session:
            aged = receivables.age_balances(
                session, tenant_id, now=now, after=after, limit=BATCH, whole=days.settled != edge
            )
        total += aged.written
        if aged.last is None:
            break
        after = aged.last
    if days.settled != edge:
        with db.engine.begin() as connection:
            connection.execute(KEEP_DAY, names | {"edge": edge})
    return total


def _edge(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
