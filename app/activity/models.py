"""Activities, which are never edited, tasks, and notifications."""

import enum
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.activity.states import TaskStatus
from app.core.db import Base, SyncedRow


class ActivityKind(enum.StrEnum):
    """How the account was in touch with us."""

    CALL = "call"
    MAIL = "mail"
    MEETING = "meeting"
    NOTE = "note"
    SMS = "sms"


class Direction(enum.StrEnum):
    """Who began it: they did (in) or we did (out)."""

    IN = "in"
    OUT = "out"


class ContactValue(enum.StrEnum):
    """What the contact gave: use to the customer, promotion for us, or neither."""

    CUSTOMER = "customer"
    PROMOTION = "promotion"
    NONE = "none"


class TaskPriority(enum.StrEnum):
    """How much it matters."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


def _deferred_key(column: str, target: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], deferrable=True, initially="DEFERRED"
    )


def _one_of(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    # Hand-written SQL must not leave a value that the application cannot read.
    named = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({named})", name=column)


class Activity(SyncedRow, Base):
    """One contact with an account, written down once. A private one is seen by its author alone."""

    __tablename__ = "activities"
    __table_args__ = (
        _deferred_key("account_id", "accounts"),
        _deferred_key("contact_id", "contacts"),
        _deferred_key("visit_id", "visits"),
        _deferred_key("author_id", "users"),
        _one_of("kind", ActivityKind),
        _one_of("direction", Direction),
        _one_of("value", ContactValue),
        Index(None, "tenant_id", "account_id", "happened_at"),
        Index(None, "tenant_id", "author_id", "happened_at"),
        Index("ix_activities_visit", "tenant_id", "visit_id", postgresql_where=text("visit_id IS NOT NULL")),
    )

    account_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    visit_id: Mapped[UUID | None]
    author_id: Mapped[UUID]
    kind: Mapped[ActivityKind]
    direction: Mapped[Direction | None]
    value: Mapped[ContactValue] = mapped_column(default=ContactValue.NONE, server_default="none")
    subject: Mapped[str | None]
    body: Mapped[str | None]
    private: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    happened_at: Mapped[datetime]


class Task(SyncedRow, Base):
    """Something that one person is to do, for an account or for none."""

    __tablename__ = "tasks"
    __table_args__ = (
        _deferred_key("account_id", "accounts"),
        _deferred_key("assignee_id", "users"),
        _one_of("priority", TaskPriority),
        _one_of("status", TaskStatus),
        Index(None, "tenant_id", "assignee_id", "due_on"),
        Index(None, "tenant_id", "account_id"),
    )

    account_id: Mapped[UUID | None]
    assignee_id: Mapped[UUID]
    title: Mapped[str]
    body: Mapped[str | None]
    priority: Mapped[TaskPriority] = mapped_column(default=TaskPriority.NORMAL, server_default="normal")
    due_on: Mapped[date | None]
    status: Mapped[TaskStatus] = mapped_column(default=TaskStatus.OPEN, server_default="open")
    closed_at: Mapped[datetime | None]


class Notification(SyncedRow, Base):
    """Something that one person is told: where to look, and one sentence in each language."""

    __tablename__ = "notifications"
    __table_args__ = (
        _deferred_key("user_id", "users"),
        Index("ix_notifications_user", "tenant_id", "user_id", "notified_at"),
        Index("ix_notifications_notified", "tenant_id", "notified_at"),
    )

    user_id: Mapped[UUID]
    kind: Mapped[str]
    title_code: Mapped[str]
    details: Mapped[Any] = mapped_column(JSON)
    title_ko: Mapped[str]
    title_en: Mapped[str]
    entity: Mapped[str]
    record_id: Mapped[UUID]
    notified_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
