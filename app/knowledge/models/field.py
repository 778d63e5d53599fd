"""What the field says of articles: feedback, proposals, questions, uses, and notes that became articles."""

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, SyncedRow, TenantRow
from app.knowledge.models.articles import Language
from app.knowledge.models.columns import key_to, one_of
from app.knowledge.states.field import ProposalStatus, QuestionStatus


class UseKind(enum.StrEnum):
    """What an article was good for in a visit."""

    READ = "read"
    USED = "used"
    SOLVED = "solved"


class NoteKind(enum.StrEnum):
    """What kind of note became an article."""

    ACTIVITY = "activity"
    VISIT = "visit"


class ArticleFeedback(SyncedRow, Base):
    """Whether a version helped somebody. Never edited: of one person the latest counts."""

    __tablename__ = "article_feedback"
    __table_args__ = (
        key_to("article_id", "articles"),
        key_to("version_id", "article_versions"),
        key_to("user_id", "users"),
        Index("ix_article_feedback_version", "tenant_id", "version_id", "user_id", "given_at"),
        Index("ix_article_feedback_user", "tenant_id", "user_id", "given_at"),
        Index("ix_article_feedback_given", "tenant_id", "given_at"),
    )

    article_id: Mapped[UUID]
    version_id: Mapped[UUID]
    user_id: Mapped[UUID]
    helpful: Mapped[bool]
    comment: Mapped[str | None] = mapped_column(Text)
    given_at: Mapped[datetime]


class ArticleProposal(SyncedRow, Base):
    """A correction that somebody asks for: in the place of ``passage``, if they quoted one, ``correction``.

    Accepted it becomes a draft, ``draft_id``. ``said`` is what makes two of one person the same.
    """

    __tablename__ = "article_proposals"
    __table_args__ = (
        key_to("article_id", "articles"),
        key_to("version_id", "article_versions"),
        key_to("author_id", "users"),
        key_to("duplicate_of_id", "article_proposals"),
        key_to("decided_by", "users"),
        key_to("draft_id", "article_versions"),
        one_of("status", ProposalStatus),
        CheckConstraint("(status = 'accepted') = (draft_id IS NOT NULL)", name="draft"),
        CheckConstraint("(status = 'duplicate') = (duplicate_of_id IS NOT NULL)", name="duplicate"),
        Index(
            "uq_article_proposals_open",
            "tenant_id",
            "version_id",
            "author_id",
            "said",
            unique=True,
            postgresql_where=text("status = 'open'"),
        ),
        Index("ix_article_proposals_status", "tenant_id", "status", "proposed_at"),
        Index("ix_article_proposals_article", "tenant_id", "article_id"),
        Index("ix_article_proposals_author", "tenant_id", "author_id", "proposed_at"),
        Index(
            "ix_article_proposals_decided",
            "tenant_id",
            "decided_at",
            postgresql_where=text("decided_at IS NOT NULL"),
        ),
    )

    article_id: Mapped[UUID]
    version_id: Mapped[UUID]
    author_id: Mapped[UUID]
    passage: Mapped[str | None] = mapped_column(Text)
    correction: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    said: Mapped[str] = mapped_column(Text(collation="C"))
    status: Mapped[ProposalStatus] = mapped_column(default=ProposalStatus.OPEN, server_default="open")
    duplicate_of_id: Mapped[UUID | None]
    proposed_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    decline_reason: Mapped[str | None] = mapped_column(Text)
    draft_id: Mapped[UUID | None]


class ExpertQuestion(SyncedRow, Base):
    """A question that no article answered. Its answer may become an article."""

    __tablename__ = "expert_questions"
    __table_args__ = (
        key_to("author_id", "users"),
        key_to("product_id", "products"),
        key_to("answered_by", "users"),
        key_to("article_id", "articles"),
        one_of("status", QuestionStatus),
        one_of("language", Language),
        CheckConstraint("(status = 'asked') = (answer IS NULL)", name="answer"),
        CheckConstraint("(status = 'published') = (article_id IS NOT NULL)", name="article"),
        Index("ix_expert_questions_status", "tenant_id", "status", "asked_at"),
        Index("ix_expert_questions_author", "tenant_id", "author_id", "asked_at"),
        Index(
            "ix_expert_questions_product",
            "tenant_id",
            "product_id",
            "asked_at",
            postgresql_where=text("product_id IS NOT NULL"),
        ),
        Index(
            "ix_expert_questions_answered",
            "tenant_id",
            "answered_at",
            postgresql_where=text("answered_at IS NOT NULL"),
        ),
    )

    author_id: Mapped[UUID]
    product_id: Mapped[UUID | None]
    language: Mapped[Language] = mapped_column(default=Language.KO, server_default="ko")
    question: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime]
    status: Mapped[QuestionStatus] = mapped_column(default=QuestionStatus.ASKED, server_default="asked")
    answer: Mapped[str | None] = mapped_column(Text)
    answered_by: Mapped[UUID | None]
    answered_at: Mapped[datetime | None]
    article_id: Mapped[UUID | None]


class ArticleUse(SyncedRow, Base):
    """A version was read in a visit, used there, or solved the case. Never edited."""

    __tablename__ = "article_uses"
    __table_args__ = (
        key_to("visit_id", "visits"),
        key_to("article_id", "articles"),
        key_to("version_id", "article_versions"),
        key_to("user_id", "users"),
        one_of("kind", UseKind),
        Index("ix_article_uses_version", "tenant_id", "version_id", "user_id"),
        Index("ix_article_uses_visit", "tenant_id", "visit_id"),
        Index("ix_article_uses_user", "tenant_id", "user_id", "used_at"),
        Index("ix_article_uses_used", "tenant_id", "used_at"),
    )

    visit_id: Mapped[UUID]
    article_id: Mapped[UUID]
    version_id: Mapped[UUID]
    user_id: Mapped[UUID]
    kind: Mapped[UseKind]
    used_at: Mapped[datetime]


class PromotedNote(TenantRow, Base):
    """Which note an article was made of; one note makes one article."""

    __tablename__ = "promoted_notes"
    __table_args__ = (
        key_to("article_id", "articles"),
        key_to("promoted_by", "users"),
        one_of("kind", NoteKind),
        Index("uq_promoted_notes_record", "tenant_id", "kind", "record_id", unique=True),
    )

    kind: Mapped[NoteKind]
    record_id: Mapped[UUID]
    article_id: Mapped[UUID]
    promoted_by: Mapped[UUID]
    promoted_at: Mapped[datetime]
