"""Endpoints of other systems, the outbox of events, and what became of each delivery."""

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, TenantRow


class DeliveryStatus(enum.StrEnum):
    """Whether the other system has the event."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


def _key(column: str, target: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], deferrable=True, initially="DEFERRED"
    )


class WebhookEndpoint(TenantRow, Base):
    """An address that is told of events.

    ``events`` are names (``order.approved``), rooms (``order.*``) or ``*``. The secrets that its messages are
    signed with are in a table of their own, ``webhook_secrets``, which requests cannot read.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index(None, "tenant_id", "created_at"),)

    version: Mapped[int] = mapped_column(server_default=text("1"))
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    description: Mapped[str | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime]
    created_by: Mapped[UUID]
    deleted_at: Mapped[datetime | None]


class WebhookSecret(TenantRow, Base):
    """A secret of an endpoint; the one before it signs too until it expires."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (_key("endpoint_id", "webhook_endpoints"), Index(None, "tenant_id", "endpoint_id"))

    endpoint_id: Mapped[UUID]
    secret: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class WebhookEvent(TenantRow, Base):
    """Something that happened, written in the transaction in which it did. Append-only."""

    __tablename__ = "webhook_events"
    __table_args__ = (Index(None, "tenant_id", "happened_at"),)

    event: Mapped[str]
    data: Mapped[Any] = mapped_column(JSON)
    happened_at: Mapped[datetime]


class WebhookDelivery(TenantRow, Base):
    """One event for one endpoint, tried until it arrives or is given up."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        _key("event_id", "webhook_events"),
        _key("endpoint_id", "webhook_endpoints"),
        CheckConstraint("status IN ('pending', 'delivered', 'failed')", name="status"),
        Index(
            "ix_webhook_deliveries_due",
            "tenant_id",
            "endpoint_id",
            "created_at",
            "event_id",
            postgresql_where=text("status = 'pending'"),
        ),
        Index(None, "tenant_id", "endpoint_id", "created_at"),
        Index(None, "tenant_id", "event_id"),
    )

    event_id: Mapped[UUID]
    endpoint_id: Mapped[UUID]
    status: Mapped[DeliveryStatus] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    last_attempt_at: Mapped[datetime | None]
    response_status: Mapped[int | None]
    error: Mapped[str | None]
