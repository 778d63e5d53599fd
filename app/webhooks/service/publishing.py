"""What happened, written down in the transaction in which it did."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.webhooks import queries


def publish(session: Session, tenant_id: UUID, event: str, data: Mapping[str, Any], *, now: datetime) -> None:
    """Tell the endpoints that asked for it of an event, once this transaction is committed.

    Args:
        session: Open session of the tenant; the caller commits. What it rolls back was never told.
        tenant_id: Of the session.
        event: ``room.what``, as ``order.approved``.
        data: Values of the event; decimals and ids go out as text, days and times as ISO 8601.
        now: When it happened, aware UTC.
    """
    body = orjson.dumps(dict(data), default=str, option=orjson.OPT_UTC_Z).decode()
    queries.add_event(session, tenant_id, new_id(), event, body, now)
