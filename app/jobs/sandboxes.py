"""Sandboxes go back to their kept state when their time has come."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from app.core.db import Database
from app.sandbox import service as sandboxes

DUE = text("SELECT count(*) FROM sandboxes WHERE tenant_id = :tenant AND next_reset_at <= :now")


def reset_due(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Reset the company if it is a sandbox whose time has come; gives 1 if it was.

    One that is being reset at the moment is left to whoever does; the next look finds its new time.
    """
    with db.engine.connect() as connection:
        if not connection.scalar(DUE, {"tenant": tenant_id, "now": now}):
            return 0
    try:
        sandboxes.reset(db, tenant_id)
    except sandboxes.SandboxBusy:
        return 0
    return 1
