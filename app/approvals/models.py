"""Policies, requests with their steps, absences and the company's own holidays."""

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    CheckConstraint,
    FetchedValue,
    ForeignKeyConstraint,
    Index,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from app.approvals.states import ApprovalStatus, StepStatus
from app.core.db import Base, SyncedRow, TenantRow


class Metric(enum.StrEnum):
    """What of a document is compared with a threshold; amounts are in the company's base currency."""

    DISCOUNT_PERCENT = "discount_percent"
    AMOUNT = "amount"
    MARGIN_PERCENT = "margin_percent"
    CREDIT_OVER = "credit_over"
    TERMS_DAYS = "terms_days"
    OVERDUE_DAYS = "overdue_days"


def _deferred_key(column: str, target: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], deferrable=True, initially="DEFERRED"
    )


def _one_of(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    # Hand-written SQL must not leave a value that the application cannot read.
    named = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({named})", name=column)


class ApprovalPolicy(SyncedRow, Base):
    """Which documents need whose approval: one metric, one threshold, the levels to climb.

    ``levels`` is a list of ``{"approver": "manager" | "role" | "territory" | "user", "role", "user_id",
    "escalate_after_h"}``. It asks where the metric lies above the threshold, for the margin below it.
    """

    __tablename__ = "approval_policies"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id",), ("tenants.id",)),
        _one_of("metric", Metric),
        Index(
            "ix_approval_policies_kind",
            "tenant_id",
            "document_kind",
            postgresql_where=text("active AND deleted_at IS NULL"),
        ),
    )

    name: Mapped[str]
    document_kind: Mapped[str]
    metric: Mapped[Metric]
    threshold: Mapped[Decimal]
    levels: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    priority: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))


class ApprovalRequest(SyncedRow, Base):
    """One document in one state of it, on its way through those who have to agree.

    ``snapshot`` is what the requester may see of the document, ``metrics`` and ``triggered`` what only the office
    may. ``excluded`` never decide, beside the requester. ``plan`` holds the levels as they were when it was
    asked: one entry for each step to take.
    """

    __tablename__ = "approval_requests"
    __table_args__ = (
        _deferred_key("account_id", "accounts"),
        _deferred_key("territory_id", "territories"),
        _deferred_key("requester_id", "users"),
        _one_of("status", ApprovalStatus),
        Index(
            "uq_approval_requests_open",
            "tenant_id",
            "document_kind",
            "document_id",
            unique=True,
            postgresql_where=text("status = 'pending'"),
        ),
        Index("ix_approval_requests_document", "tenant_id", "document_kind", "document_id", "requested_at"),
        Index("ix_approval_requests_requester", "tenant_id", "requester_id", "requested_at"),
        Index(
            "ix_approval_requests_account",
            "tenant_id",
            "account_id",
            postgresql_where=text("account_id IS NOT NULL"),
        ),
        Index("ix_approval_requests_requested", "tenant_id", "requested_at"),
        Index(
            "ix_approval_requests_decided",
            "tenant_id",
            "decided_at",
            postgresql_where=text("decided_at IS NOT NULL"),
        ),
    )

    document_kind: Mapped[str]
    document_id: Mapped[UUID]
    document_hash: Mapped[str]
    title: Mapped[str]
    account_id: Mapped[UUID | None]
    territory_id: Mapped[UUID | None]
    requester_id: Mapped[UUID]
    excluded: Mapped[list[UUID]] = mapped_column(
        ARRAY(Uuid(as_uuid=True)), default=list, server_default=text("'{}'")
    )
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default=text("'{}'"))
    snapshot: Mapped[Any] = mapped_column(JSON)
    metrics: Mapped[Any] = mapped_column(JSON)
    triggered: Mapped[Any] = mapped_column(JSON)
    plan: Mapped[Any] = mapped_column(JSON)
    level: Mapped[int]
    levels: Mapped[int]
    status: Mapped[ApprovalStatus] = mapped_column(default=ApprovalStatus.PENDING, server_default="pending")
    requested_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    alarmed_at: Mapped[datetime | None]

    steps: Mapped[list["ApprovalStep"]] = relationship(
        cascade="save-update, merge", lazy="selectin", order_by="ApprovalStep.position, ApprovalStep.id"
    )


class ApprovalStep(TenantRow, Base):
    """One person asked, or to be asked. Part of the request: a change of it is a new version of the request.

    ``assignee_id`` is in whose name it is decided, ``acted_by`` who did: they differ where a delegate acts.
    ``delegated_from`` is who was passed over, ran out of time or gave it on.
    """

    __tablename__ = "approval_steps"
    __table_args__ = (
        _deferred_key("request_id", "approval_requests"),
        _deferred_key("assignee_id", "users"),
        _deferred_key("acted_by", "users"),
        _deferred_key("delegated_from", "users"),
        _one_of("status", StepStatus),
        Index(
            "uq_approval_steps_active",
            "tenant_id",
            "request_id",
            unique=True,
            postgresql_where=text("status = 'active'"),
        ),
        Index("ix_approval_steps_request", "tenant_id", "request_id"),
        Index("ix_approval_steps_assignee", "tenant_id", "assignee_id", "request_id"),
        Index(
            "ix_approval_steps_acted_by",
            "tenant_id",
            "acted_by",
            "request_id",
            postgresql_where=text("acted_by IS NOT NULL"),
        ),
        Index(
            "ix_approval_steps_waiting_for",
            "tenant_id",
            "due_at",
            postgresql_where=text("status = 'active'"),
        ),
    )

    request_id: Mapped[UUID]
    position: Mapped[int]
    level: Mapped[int]
    assignee_id: Mapped[UUID | None]
    acted_by: Mapped[UUID | None]
    delegated_from: Mapped[UUID | None]
    status: Mapped[StepStatus] = mapped_column(default=StepStatus.WAITING, server_default="waiting")
    active_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    comment: Mapped[str | None]
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )


class Absence(SyncedRow, Base):
    """Days on which a person decides nothing (both included)."""

    __tablename__ = "absences"
    __table_args__ = (
        _deferred_key("user_id", "users"),
        CheckConstraint("last_day >= first_day", name="dates"),
        Index(
            "ix_absences_user",
            "tenant_id",
            "user_id",
            "last_day",
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    user_id: Mapped[UUID]
    first_day: Mapped[date]
    last_day: Mapped[date]
    reason: Mapped[str | None]


class CompanyHoliday(SyncedRow, Base):
    """A day on which the whole company is closed, besides the holidays of its country."""

    __tablename__ = "company_holidays"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id",), ("tenants.id",)),
        Index(
            "uq_company_holidays_day",
            "tenant_id",
            "day",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    day: Mapped[date]
    name: Mapped[str]
