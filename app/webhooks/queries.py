"""Statements of the outbox: what requests write, and what the engine delivers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, select, text
from sqlalchemy.orm import Session

from app.core.scope import Actor
from app.webhooks.models import WebhookDelivery, WebhookEndpoint

# The endpoints that asked for an event: by its name, by its room, or for all.
_ASKED = "(e.events && ARRAY[CAST(v.event AS text), split_part(v.event, '.', 1) || '.*', '*'])"

_ADD = text(
    f"""
    WITH v AS (
        INSERT INTO webhook_events (tenant_id, id, event, data, happened_at)
        VALUES (:tenant, :id, :event, CAST(:data AS json), :now)
        RETURNING tenant_id, id, event, happened_at
    )
    INSERT INTO webhook_deliveries (tenant_id, id, event_id, endpoint_id, created_at, next_attempt_at)
    SELECT v.tenant_id, gen_random_uuid(), v.id, e.id, v.happened_at, v.happened_at
    FROM v JOIN webhook_endpoints e ON e.tenant_id = v.tenant_id AND e.active AND e.deleted_at IS NULL
     AND {_ASKED}
    """  # noqa: S608  (built of constants of this file)
)


def add_event(
    session: Session, tenant_id: UUID, event_id: UUID, event: str, data: str, now: datetime
) -> None:
    """Write an event, and a delivery for each endpoint that asked for it."""
    session.execute(_ADD, {"tenant": tenant_id, "id": event_id, "event": event, "data": data, "now": now})


def endpoints_of(actor: Actor) -> Select[WebhookEndpoint]:
    """The company's endpoints."""
    return select(WebhookEndpoint).where(
        WebhookEndpoint.tenant_id == actor.tenant_id, WebhookEndpoint.deleted_at.is_(None)
    )


def deliveries_of(actor: Actor) -> Select[WebhookDelivery]:
    """The company's deliveries."""
    return select(WebhookDelivery).where(WebhookDelivery.tenant_id == actor.tenant_id)


_ADD_SECRET = text(
    """
    INSERT INTO webhook_secrets (tenant_id, id, endpoint_id, secret, created_at)
    VALUES (:tenant, :id, :endpoint, :secret, :now)
    """
)
_EXPIRE_SECRETS = text(
    """
    UPDATE webhook_secrets SET expires_at = :at
    WHERE tenant_id = :tenant AND endpoint_id = :endpoint AND expires_at IS NULL
    """
)


def add_secret(session: Session, endpoint: WebhookEndpoint, key: UUID, secret: str, now: datetime) -> None:
    """Give an endpoint a secret; a request cannot read it again."""
    session.execute(
        _ADD_SECRET,
        {"tenant": endpoint.tenant_id, "id": key, "endpoint": endpoint.id, "secret": secret, "now": now},
    )


def expire_secrets(session: Session, endpoint: WebhookEndpoint, at: datetime) -> None:
    """Let the secrets that an endpoint has now sign until a moment."""
    session.execute(_EXPIRE_SECRETS, {"tenant": endpoint.tenant_id, "endpoint": endpoint.id, "at": at})


_GIVE_UP = text(
    """
    UPDATE webhook_deliveries SET status = 'failed', error = 'endpoint_deleted', next_attempt_at = NULL
    WHERE tenant_id = :tenant AND endpoint_id = :endpoint AND status = 'pending'
    """
)
_REPLAY = text(
    f"""
    INSERT INTO webhook_deliveries (tenant_id, id, event_id, endpoint_id, created_at, next_attempt_at)
    SELECT v.tenant_id, gen_random_uuid(), v.id, e.id, :now, :now
    FROM webhook_events v JOIN webhook_endpoints e ON e.tenant_id = v.tenant_id AND e.id = :endpoint
     AND {_ASKED}
    WHERE v.tenant_id = :tenant AND v.happened_at >= :from AND v.happened_at < :to
    """  # noqa: S608  (built of constants of this file)
)


def give_up(session: Session, endpoint: WebhookEndpoint) -> None:
    """Deliver nothing more to an endpoint."""
    session.execute(_GIVE_UP, {"tenant": endpoint.tenant_id, "endpoint": endpoint.id})


def replay_events(
    session: Session, endpoint: WebhookEndpoint, start: datetime, end: datetime, now: datetime
) -> int:
    """Deliver to an endpoint all that it asks for of a stretch of time; gives how many events."""
    values = {"tenant": endpoint.tenant_id, "endpoint": endpoint.id, "from": start, "to": end, "now": now}
    return int(session.execute(_REPLAY, values).rowcount)  # type: ignore[attr-defined]


# A few of each endpoint, so that one with thousands keeps no other waiting. Who takes them holds them until the
# lease ends; should it die, they are due again then.
_CLAIM = text(
    """
    WITH taken AS (
        SELECT d.id
        FROM webhook_endpoints e, LATERAL (
            SELECT id FROM webhook_deliveries
            WHERE tenant_id = e.tenant_id AND endpoint_id = e.id AND status = 'pending'
              AND next_attempt_at <= :now
            ORDER BY created_at, event_id LIMIT :each FOR UPDATE SKIP LOCKED
        ) d
        WHERE e.tenant_id = :tenant AND e.active AND e.deleted_at IS NULL
        LIMIT :most
    ), claimed AS (
        UPDATE webhook_deliveries d SET next_attempt_at = :lease
        FROM taken WHERE d.tenant_id = :tenant AND d.id = taken.id
        RETURNING d.id, d.event_id, d.endpoint_id, d.attempts, d.created_at
    )
    SELECT c.id, c.endpoint_id, c.attempts, e.url, v.id AS event_id, v.event, v.data, v.happened_at,
           ARRAY(SELECT s.secret FROM webhook_secrets s
                 WHERE s.tenant_id = :tenant AND s.endpoint_id = e.id
                   AND coalesce(s.expires_at > :now, true)
                 ORDER BY s.created_at DESC, s.id) AS secrets
    FROM claimed c
    JOIN webhook_endpoints e ON e.tenant_id = :tenant AND e.id = c.endpoint_id
    JOIN webhook_events v ON v.tenant_id = :tenant AND v.id = c.event_id
    ORDER BY c.endpoint_id, c.created_at, c.event_id
    """
)
_SETTLE = text(
    """
    UPDATE webhook_deliveries SET status = :status, attempts = attempts + 1, last_attempt_at = :now,
           response_status = :response, error = :error, next_attempt_at = :next
    WHERE tenant_id = :tenant AND id = :id AND status = 'pending'
    """
)
_PUT_BACK = text(
    """
    UPDATE webhook_deliveries SET next_attempt_at = :at
    WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) AND status = 'pending'
    """
)
_SWITCH_OFF = text(
    "UPDATE webhook_endpoints SET active = false, version = version + 1 WHERE tenant_id = :tenant AND id = :id"
)


def claim(
    connection: Connection, tenant_id: UUID, *, now: datetime, lease: datetime, each: int, most: int
) -> Sequence[Row[Any]]:
    """Take what is due, at most *each* for an endpoint, with all that a message is made of."""
    values = {"tenant": tenant_id, "now": now, "lease": lease, "each": each, "most": most}
    return connection.execute(_CLAIM, values).all()


def settle(connection: Connection, tenant_id: UUID, delivery_id: UUID, **values: Any) -> None:
    """Write what became of an attempt: ``status, now, response, error, next``."""
    connection.execute(_SETTLE, {"tenant": tenant_id, "id": delivery_id, **values})


def put_back(connection: Connection, tenant_id: UUID, ids: Sequence[UUID], at: datetime) -> None:
    """Let deliveries that were taken and not tried be due at a moment."""
    connection.execute(_PUT_BACK, {"tenant": tenant_id, "ids": list(ids), "at": at})


def switch_off(connection: Connection, tenant_id: UUID, endpoint_id: UUID) -> None:
    """Send an endpoint nothing more until somebody switches it on."""
    connection.execute(_SWITCH_OFF, {"tenant": tenant_id, "id": endpoint_id})


_FORGET_DELIVERIES = text(
    """
    DELETE FROM webhook_deliveries WHERE tenant_id = :tenant AND id IN (
        SELECT d.id FROM webhook_events v
        JOIN webhook_deliveries d ON d.tenant_id = v.tenant_id AND d.event_id = v.id
        WHERE v.tenant_id = :tenant AND v.happened_at < :cut LIMIT :batch)
    """
)
_FORGET_EVENTS = text(
    """
    DELETE FROM webhook_events WHERE tenant_id = :tenant AND id IN (
        SELECT v.id FROM webhook_events v
        WHERE v.tenant_id = :tenant AND v.happened_at < :cut
          AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d
                          WHERE d.tenant_id = v.tenant_id AND d.event_id = v.id)
        ORDER BY v.happened_at LIMIT :batch)
    """
)


def forget(connection: Connection, tenant_id: UUID, *, cut: datetime, batch: int) -> int:
    """Delete a batch of deliveries of old events, or of the events once they have none; gives how many."""
    values = {"tenant": tenant_id, "cut": cut, "batch": batch}
    gone = connection.execute(_FORGET_DELIVERIES, values).rowcount
    return int(gone or connection.execute(_FORGET_EVENTS, values).rowcount)
