"""Visits and their tasks, one aggregate."""

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, FetchedValue, ForeignKeyConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from app.core.db import Base, SyncedRow, TenantRow
from app.core.geo import GeoVerdict
from app.visits.states import VisitStatus


class VisitPurpose(enum.StrEnum):
    """Why somebody goes there."""

    SALES = "sales"
    SERVICE = "service"
    COLLECTION = "collection"
    AUDIT = "audit"
    TRAINING = "training"
    COMPLAINT = "complaint"
    OTHER = "other"


class VisitPriority(enum.StrEnum):
    """How much it matters."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class VisitTaskKind(enum.StrEnum):
    """What kind of work a task on site is."""

    SURVEY = "survey"
    ORDER = "order"
    COLLECT = "collect"
    AUDIT = "audit"
    TRAINING = "training"
    SAMPLE = "sample"
    OTHER = "other"


def _deferred_key(column: str, target: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], deferrable=True, initially="DEFERRED"
    )


def _is_point(column: str) -> str:
    # NaN is above every number, so BETWEEN keeps it out as well.
    return (
        f"array_ndims({column}) = 1 AND cardinality({column}) = 2"
        f" AND {column}[1] BETWEEN -90 AND 90 AND {column}[2] BETWEEN -180 AND 180"
    )


def _one_of(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    # Hand-written SQL must not leave a value that the application cannot read.
    named = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({named})", name=column)


class Visit(SyncedRow, Base):
    """One visit of one person to one account.

    Locations are ``[lat, lon]`` in degrees; they are taken at check-in and check-out only.
    ``geo_verdict`` ``outside`` and ``suspect`` ask for a ``geo_reason`` and never block.
    """

    __tablename__ = "visits"
    __table_args__ = (
        _deferred_key("account_id", "accounts"),
        _deferred_key("site_id", "sites"),
        _deferred_key("contact_id", "contacts"),
        _deferred_key("assignee_id", "users"),
        _deferred_key("verified_by", "users"),
        _deferred_key("rescheduled_to_id", "visits"),
        CheckConstraint(_is_point("checked_in_location"), name="checked_in_location"),
        CheckConstraint(_is_point("checked_out_location"), name="checked_out_location"),
        _one_of("purpose", VisitPurpose),
        _one_of("priority", VisitPriority),
        _one_of("status", VisitStatus),
        _one_of("geo_verdict", GeoVerdict),
        Index(None, "tenant_id", "account_id", "planned_start"),
        Index(None, "tenant_id", "assignee_id", "planned_start"),
        Index(None, "tenant_id", "planned_start"),
        # Ranks the last five: the whole order of the rank, so that no plan can look better than it.
        Index(
            "ix_visits_made",
            "tenant_id",
            "account_id",
            "planned_start",
            "id",
            postgresql_where=text(
                "status IN ('checked_out', 'completed', 'verified', 'flagged') AND deleted_at IS NULL"
            ),
        ),
        Index(
            "ix_visits_overdue",
            "tenant_id",
            "planned_start",
            postgresql_where=text("status = 'planned' AND deleted_at IS NULL"),
        ),
        Index(
            "ix_visits_fixes",
            "tenant_id",
            "assignee_id",
            "checked_in_at",
            postgresql_where=text("checked_in_at IS NOT NULL"),
        ),
        Index(
            "ix_visits_rescheduled_to",
            "tenant_id",
            "rescheduled_to_id",
            postgresql_where=text("rescheduled_to_id IS NOT NULL"),
        ),
    )

    account_id: Mapped[UUID]
    site_id: Mapped[UUID | None]
    contact_id: Mapped[UUID | None]
    assignee_id: Mapped[UUID]
    unplanned: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    purpose: Mapped[VisitPurpose] = mapped_column(default=VisitPurpose.SALES, server_default="sales")
    priority: Mapped[VisitPriority] = mapped_column(default=VisitPriority.NORMAL, server_default="normal")
    planned_start: Mapped[datetime]
    planned_end: Mapped[datetime | None]
    instructions: Mapped[str | None]
    outcome: Mapped[str | None]
    next_step: Mapped[str | None]
    report: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default=text("'{}'"))
    status: Mapped[VisitStatus] = mapped_column(default=VisitStatus.PLANNED, server_default="planned")
    cancel_reason: Mapped[str | None]
    checked_in_at: Mapped[datetime | None]
    checked_in_location: Mapped[list[float] | None] = mapped_column(ARRAY(DOUBLE_PRECISION))
    checked_in_accuracy_m: Mapped[int | None]
    checked_in_mock: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    checked_out_at: Mapped[datetime | None]
    checked_out_location: Mapped[list[float] | None] = mapped_column(ARRAY(DOUBLE_PRECISION))
    distance_m: Mapped[int | None]
    geo_verdict: Mapped[GeoVerdict | None]
    geo_reason: Mapped[str | None]
    duration_min: Mapped[int | None]
    late: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    rescheduled_to_id: Mapped[UUID | None]
    verified_by: Mapped[UUID | None]
    review_note: Mapped[str | None]

    tasks: Mapped[list["VisitTask"]] = relationship(
        cascade="all, delete-orphan",
        lazy="selectin",
        order_by="VisitTask.position, VisitTask.id",
    )


class VisitTask(TenantRow, Base):
    """One thing to do on a visit. Part of the visit: a change of it is a new version of the visit."""

    __tablename__ = "visit_tasks"
    __table_args__ = (
        _deferred_key("visit_id", "visits"),
        _one_of("kind", VisitTaskKind),
        Index(None, "tenant_id", "visit_id"),
    )

    visit_id: Mapped[UUID]
    kind: Mapped[VisitTaskKind] = mapped_column(default=VisitTaskKind.OTHER, server_default="other")
    title: Mapped[str]
    required: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    position: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    done: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    done_at: Mapped[datetime | None]
    result: Mapped[str | None]
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )
