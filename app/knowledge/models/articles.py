"""Articles, their versions, who they are for, and who has read what had to be read."""

import enum
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, JSON, CheckConstraint, FetchedValue, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from app.core.db import Base, SyncedRow, TenantRow
from app.core.scope import Role, ShapeClass
from app.knowledge.models.columns import key_to, one_of
from app.knowledge.states.articles import VersionStatus


class ArticleKind(enum.StrEnum):
    """What an article is good for."""

    SPEC = "spec"
    APPLICATION = "application"
    COMPARISON = "comparison"
    COMPETITOR = "competitor"
    FAQ = "faq"
    PROCEDURE = "procedure"
    SAFETY_NOTICE = "safety_notice"


class Language(enum.StrEnum):
    """What articles are written in."""

    KO = "ko"
    EN = "en"


class Article(SyncedRow, Base):
    """A page that stays itself while its words change: what it is about, for whom, and who keeps it true.

    Higher ``priority`` (0 to 4) comes first, also into a phone's pack. ``must_read`` notices are acknowledged by
    each reader. What is ``for_customers`` may be shown and given to them by those who read it.
    """

    __tablename__ = "articles"
    __table_args__ = (
        key_to("editor_id", "users"),
        one_of("kind", ArticleKind),
        CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 80", name="slug"),
        CheckConstraint("priority BETWEEN 0 AND 4", name="priority"),
        CheckConstraint("review_every_days BETWEEN 1 AND 3660", name="review_every_days"),
        CheckConstraint("NOT must_read OR kind = 'safety_notice'", name="must_read"),
        Index(
            "uq_articles_tenant_id_slug",
            "tenant_id",
            "slug",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_articles_due", "tenant_id", "next_review_on", postgresql_where=text("deleted_at IS NULL")),
        Index(
            "ix_articles_must_read",
            "tenant_id",
            "id",
            postgresql_where=text("must_read AND deleted_at IS NULL"),
        ),
    )

    slug: Mapped[str] = mapped_column(Text(collation="C"))
    kind: Mapped[ArticleKind]
    asset_models: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    editor_id: Mapped[UUID | None]
    review_every_days: Mapped[int | None]
    next_review_on: Mapped[date | None]
    priority: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    must_read: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    for_customers: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    products: Mapped[list["ArticleProduct"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="ArticleProduct.id"
    )
    audiences: Mapped[list["ArticleAudience"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="ArticleAudience.id"
    )

    @property
    def product_ids(self) -> list[UUID]:
        """The products that it is about."""
        return [one.product_id for one in self.products]


class ArticleProduct(TenantRow, Base):
    """A product that an article is about. Part of the article."""

    __tablename__ = "article_products"
    __table_args__ = (
        key_to("article_id", "articles"),
        key_to("product_id", "products"),
        Index("uq_article_products", "tenant_id", "article_id", "product_id", unique=True),
        Index("ix_article_products_product", "tenant_id", "product_id"),
    )

    article_id: Mapped[UUID]
    product_id: Mapped[UUID]
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )


class ArticleAudience(TenantRow, Base):
    """Whom an article is for: people of a role, of a unit and all below it, or of a role in a unit.

    Part of the article; phones are not told of it.
    """

    __tablename__ = "article_audiences"
    __table_args__ = (
        key_to("article_id", "articles"),
        key_to("unit_id", "org_units"),
        CheckConstraint("num_nonnulls(role, unit_id) > 0", name="somebody"),
        CheckConstraint("role IN ('rep', 'technician', 'manager', 'partner')", name="role"),
        Index("ix_article_audiences_article", "tenant_id", "article_id"),
        Index("ix_article_audiences_unit", "tenant_id", "unit_id"),
    )

    article_id: Mapped[UUID]
    role: Mapped[Role | None]
    unit_id: Mapped[UUID | None]
    stamps: Mapped[dict[str, Any]] = deferred(
        mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    )


class ArticleReader(Base):
    """Whose phones an article goes to: those that are given *bucket*, of the class *shape*.

    Written by the database from the audiences and the tree of units, and by nobody else.
    """

    __tablename__ = "article_readers"
    __table_args__ = (key_to("article_id", "articles"), Index(None, "tenant_id", "bucket", "shape"))

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    article_id: Mapped[UUID] = mapped_column(primary_key=True)
    bucket: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    shape: Mapped[ShapeClass] = mapped_column(primary_key=True)


class ArticleVersion(SyncedRow, Base):
    """The words of an article in one language, as they stood from one publication to the next.

    ``written_by`` are all who wrote any of it since words were last reviewed: none of them may approve it.
    ``tokens`` are what phones search by; ``rating`` is 0 to 4, from what readers said.
    """

    __tablename__ = "article_versions"
    __table_args__ = (
        key_to("article_id", "articles"),
        key_to("author_id", "users"),
        key_to("reviewer_id", "users"),
        one_of("status", VersionStatus),
        one_of("language", Language),
        CheckConstraint("n > 0", name="n"),
        CheckConstraint("rating BETWEEN 0 AND 4", name="rating"),
        CheckConstraint("effective_from <= effective_to", name="effective"),
        CheckConstraint("NOT reviewer_id = ANY (written_by)", name="reviewer"),
        CheckConstraint(
            "status IN ('draft', 'in_review', 'approved', 'withdrawn') OR published_at IS NOT NULL",
            name="published",
        ),
        Index("uq_article_versions_n", "tenant_id", "article_id", "language", "n", unique=True),
        Index(
            "uq_article_versions_published",
            "tenant_id",
            "article_id",
            "language",
            unique=True,
            postgresql_where=text("status = 'published' AND deleted_at IS NULL"),
        ),
        Index(
            "ix_article_versions_publish_at",
            "tenant_id",
            "publish_at",
            postgresql_where=text("status = 'approved'"),
        ),
        Index(
            "ix_article_versions_withdraw_at",
            "tenant_id",
            "withdraw_at",
            postgresql_where=text("status = 'published'"),
        ),
        Index("ix_article_versions_status", "tenant_id", "status", "article_id"),
    )

    article_id: Mapped[UUID]
    language: Mapped[Language]
    n: Mapped[int]
    status: Mapped[VersionStatus] = mapped_column(default=VersionStatus.DRAFT, server_default="draft")
    title: Mapped[str] = mapped_column(Text)
    summary: Mapped[str] = mapped_column(Text, default="", server_default="")
    body: Mapped[str] = mapped_column(Text, default="", server_default="")
    keywords: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    changelog: Mapped[str] = mapped_column(Text, default="", server_default="")
    author_id: Mapped[UUID]
    reviewer_id: Mapped[UUID | None]
    written_by: Mapped[list[UUID]] = mapped_column(
        ARRAY(PgUuid(as_uuid=True)), default=list, server_default="{}"
    )
    effective_from: Mapped[date | None]
    effective_to: Mapped[date | None]
    publish_at: Mapped[datetime | None]
    withdraw_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    size_bytes: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    tokens: Mapped[Any] = mapped_column(JSON, default=dict, server_default=text("'{}'"), deferred=True)


class ArticleReceipt(SyncedRow, Base):
    """A person has read a notice that they had to read. Never taken back."""

    __tablename__ = "article_receipts"
    __table_args__ = (
        key_to("article_id", "articles"),
        key_to("version_id", "article_versions"),
        key_to("user_id", "users"),
        Index("uq_article_receipts", "tenant_id", "version_id", "user_id", unique=True),
        Index("ix_article_receipts_user", "tenant_id", "user_id"),
    )

    article_id: Mapped[UUID]
    version_id: Mapped[UUID]
    user_id: Mapped[UUID]
    acknowledged_at: Mapped[datetime]


class PackBudget(TenantRow, Base):
    """How many kilobytes of knowledge the phones of a class are given."""

    __tablename__ = "pack_budgets"
    __table_args__ = (
        CheckConstraint("kilobytes BETWEEN 1 AND 1000000", name="kilobytes"),
        one_of("shape", ShapeClass),
        Index("uq_pack_budgets_shape", "tenant_id", "shape", unique=True),
    )

    shape: Mapped[ShapeClass]
    kilobytes: Mapped[int]


class PackFill(Base):
    """What the packs of a company were last filled from, so that nothing is reckoned again while nothing changes."""

    __tablename__ = "pack_fills"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    seen: Mapped[str] = mapped_column(Text)


class PackOmission(Base):
    """A published version that phones of a class are not given, for lack of room."""

    __tablename__ = "pack_omissions"
    __table_args__ = (key_to("version_id", "article_versions"), one_of("shape", ShapeClass))

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(primary_key=True)
    shape: Mapped[ShapeClass] = mapped_column(primary_key=True)


class KnowledgePack(SyncedRow, Base):
    """What the readers of a bucket are given of the knowledge, and what was left out: the most important first.

    One record for each bucket and class, so that nobody is told the name of an article that is not for them.
    """

    __tablename__ = "knowledge_packs"
    __table_args__ = (
        one_of("shape", ShapeClass),
        Index("uq_knowledge_packs_bucket", "tenant_id", "bucket", "shape", unique=True),
    )

    bucket: Mapped[str] = mapped_column(Text(collation="C"))
    shape: Mapped[ShapeClass]
    budget_kb: Mapped[int]
    size_kb: Mapped[int]
    included: Mapped[int]
    omitted: Mapped[int]
    left_out: Mapped[Any] = mapped_column(JSON, default=list, server_default=text("'[]'"))
