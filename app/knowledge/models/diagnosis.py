"""Diagnosis trees, their versions and audiences, the paths that were taken, and what came of them."""

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, JSON, CheckConstraint, FetchedValue, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from app.core.db import Base, SyncedRow, TenantRow
from app.core.scope import Role, ShapeClass
from app.knowledge.models.columns import key_to, one_of
from app.knowledge.states.articles import VersionStatus


class RunOutcome(enum.StrEnum):
    """What came of a walk through a tree."""

    SOLVED = "solved"
    NOT_SOLVED = "not_solved"
    ESCALATED = "escalated"


class DiagnosisTree(SyncedRow, Base):
    """A symptom that is asked back to its cause: what it is about and for whom; its questions are in its versions."""

    __tablename__ = "diagnosis_trees"
    __table_args__ = (
        CheckConstraint("code ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(code) <= 80", name="code"),
        Index(
            "uq_diagnosis_trees_code",
            "tenant_id",
            "code",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    code: Mapped[str] = mapped_column(Text(collation="C"))
    title_ko: Mapped[str] = mapped_column(Text)
    title_en: Mapped[str | None] = mapped_column(Text)

    products: Mapped[list["DiagnosisTreeProduct"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="DiagnosisTreeProduct.id"
    )
    audiences: Mapped[list["DiagnosisAudience"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="DiagnosisAudience.id"
    )

    @property
    def product_ids(self) -> list[UUID]:
        """The products that it is about."""
        return [one.product_id for one in self.products]


class DiagnosisTreeProduct(TenantRow, Base):
    """A product that a tree is about. Part of the tree."""

    __tablename__ = "diagnosis_tree_products"
    __table_args__ = (
        key_to("tree_id", "diagnosis_trees"),
        key_to("product_id", "products"),
        Index("uq_diagnosis_tree_products", "tenant_id", "tree_id", "product_id", unique=True),
        Index("ix_diagnosis_tree_products_product", "tenant_id", "product_id"),
    )

    tree_id: Mapped[UUID]
    product_id: Mapped[UUID]
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )


class DiagnosisAudience(TenantRow, Base):
    """Whom a tree is for, as articles say it. Part of the tree; phones are not told of it."""

    __tablename__ = "diagnosis_audiences"
    __table_args__ = (
        key_to("tree_id", "diagnosis_trees"),
        key_to("unit_id", "org_units"),
        CheckConstraint("num_nonnulls(role, unit_id) > 0", name="somebody"),
        CheckConstraint("role IN ('rep', 'technician', 'manager', 'partner')", name="role"),
        Index("ix_diagnosis_audiences_tree", "tenant_id", "tree_id"),
        Index("ix_diagnosis_audiences_unit", "tenant_id", "unit_id"),
    )

    tree_id: Mapped[UUID]
    role: Mapped[Role | None]
    unit_id: Mapped[UUID | None]
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )


class DiagnosisReader(Base):
    """Whose phones a tree goes to. Written by the database from the audiences and the tree of units."""

    __tablename__ = "diagnosis_readers"
    __table_args__ = (key_to("tree_id", "diagnosis_trees"), Index(None, "tenant_id", "bucket", "shape"))

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    tree_id: Mapped[UUID] = mapped_column(primary_key=True)
    bucket: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    shape: Mapped[ShapeClass] = mapped_column(primary_key=True)


class TreeVersion(SyncedRow, Base):
    """The nodes of a tree as they stood from one publication to the next; see ``app.knowledge.trees``.

    ``rates`` holds, by remedy node, the share of runs that it solved in quarters, over all versions of the tree:
    a node that keeps its id means the same thing.
    """

    __tablename__ = "tree_versions"
    __table_args__ = (
        key_to("tree_id", "diagnosis_trees"),
        key_to("author_id", "users"),
        key_to("reviewer_id", "users"),
        one_of("status", VersionStatus),
        CheckConstraint("n > 0", name="n"),
        CheckConstraint("NOT reviewer_id = ANY (written_by)", name="reviewer"),
        CheckConstraint(
            "status IN ('draft', 'in_review', 'approved', 'withdrawn') OR published_at IS NOT NULL",
            name="published",
        ),
        Index("uq_tree_versions_n", "tenant_id", "tree_id", "n", unique=True),
        Index(
            "uq_tree_versions_published",
            "tenant_id",
            "tree_id",
            unique=True,
            postgresql_where=text("status = 'published' AND deleted_at IS NULL"),
        ),
        Index("ix_tree_versions_status", "tenant_id", "status", "tree_id"),
    )

    tree_id: Mapped[UUID]
    n: Mapped[int]
    status: Mapped[VersionStatus] = mapped_column(default=VersionStatus.DRAFT, server_default="draft")
    nodes: Mapped[Any] = mapped_column(JSON, default=list, server_default=text("'[]'"))
    changelog: Mapped[str] = mapped_column(Text, default="", server_default="")
    author_id: Mapped[UUID]
    reviewer_id: Mapped[UUID | None]
    written_by: Mapped[list[UUID]] = mapped_column(
        ARRAY(PgUuid(as_uuid=True)), default=list, server_default="{}"
    )
    published_at: Mapped[datetime | None]
    rates: Mapped[Any] = mapped_column(JSON, default=dict, server_default=text("'{}'"))


class DiagnosisRun(SyncedRow, Base):
    """A way that somebody took through one version of a tree, in a visit, and what came of it.

    ``path`` is a list of ``{"node", "answer", "at"}``; it never changes. ``remedy`` is where it ended, if that was
    one. What came of it may be corrected: a pump that was quiet yesterday may be loud today.
    """

    __tablename__ = "diagnosis_runs"
    __table_args__ = (
        key_to("account_id", "accounts"),
        key_to("visit_id", "visits"),
        key_to("tree_id", "diagnosis_trees"),
        key_to("tree_version_id", "tree_versions"),
        key_to("author_id", "users"),
        one_of("outcome", RunOutcome),
        CheckConstraint("outcome <> 'solved' OR remedy IS NOT NULL", name="solved"),
        Index("ix_diagnosis_runs_account", "tenant_id", "account_id", "ran_at"),
        Index("ix_diagnosis_runs_visit", "tenant_id", "visit_id"),
        Index("ix_diagnosis_runs_author", "tenant_id", "author_id", "ran_at"),
        Index("ix_diagnosis_runs_ran", "tenant_id", "ran_at"),
        Index("ix_diagnosis_runs_version", "tenant_id", "tree_version_id", "remedy"),
    )

    account_id: Mapped[UUID]
    visit_id: Mapped[UUID]
    tree_id: Mapped[UUID]
    tree_version_id: Mapped[UUID]
    author_id: Mapped[UUID]
    path: Mapped[Any] = mapped_column(JSON)
    remedy: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[RunOutcome]
    note: Mapped[str | None] = mapped_column(Text)
    ran_at: Mapped[datetime]


class RemedyTally(Base):
    """How often a remedy of a tree was tried, by what came of it; kept with each run, in its transaction."""

    __tablename__ = "remedy_tallies"
    __table_args__ = (
        key_to("tree_id", "diagnosis_trees"),
        CheckConstraint("solved >= 0 AND not_solved >= 0 AND escalated >= 0", name="counts"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    tree_id: Mapped[UUID] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    solved: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    not_solved: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    escalated: Mapped[int] = mapped_column(default=0, server_default=text("0"))

    @property
    def runs(self) -> int:
        """How often it was tried at all."""
        return self.solved + self.not_solved + self.escalated
