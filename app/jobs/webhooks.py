"""Events of the outbox go out to other systems; old ones are forgotten."""

from datetime import datetime
from typing import Final
from uuid import UUID

from app.core.db import Database
from app.webhooks import service as webhooks

ROUNDS: Final = 10


def deliver_webhooks(db: Database, tenant_id: UUID, now: datetime, *, loopback: bool = False) -> int:
    """Send what is due until nothing is, nothing arrives any more, or it is other companies' turn.

    Safe to repeat and to run twice at once: who takes a batch holds it, and a receiver tells an event that comes
    twice by its id.

    Args:
        db: Pools; the engine role reads the secrets.
        tenant_id: Whose events.
        now: Server time, aware UTC.
        loopback: Whether this machine itself is allowed; for tests.

    Returns:
        How many messages arrived.
    """
    total = 0
    for _ in range(ROUNDS):
        arrived = webhooks.deliver_due(db.engine, tenant_id, now, loopback=loopback)
        total += arrived
        if not arrived:
            break
    return total


def forget_old_events(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Delete events that are too old to be replayed, with their deliveries; gives how many rows."""
    return webhooks.forget_events(db.engine, tenant_id, now)
