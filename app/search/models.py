"""Synonyms, what was searched, and what of the records waits to be indexed."""

import enum
from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, SyncedRow, TenantRow

WORDS_MIN = 2
WORDS_MAX = 20
WORD_MAX = 60


class Meaning(enum.StrEnum):
    """How near the words of a group are: ``same`` is one thing by several names, ``similar`` is about one thing."""

    SAME = "same"
    SIMILAR = "similar"


class SynonymGroup(SyncedRow, Base):
    """Words that editors take for one, for the shape classes of its audience: 엔진오일 = 엔진 오일 = engine oil."""

    __tablename__ = "search_synonyms"
    __table_args__ = (
        CheckConstraint(f"cardinality(words) BETWEEN {WORDS_MIN} AND {WORDS_MAX}", name="words"),
        CheckConstraint(
            "cardinality(audience) > 0 AND audience <@ ARRAY['sales', 'service', 'manager', 'partner']::text[]",
            name="audience",
        ),
        CheckConstraint("meaning IN ('same', 'similar')", name="meaning"),
        Index("ix_search_synonyms_tenant_id_updated_at_id", "tenant_id", "updated_at", "id"),
    )

    words: Mapped[list[str]] = mapped_column(ARRAY(Text))
    audience: Mapped[list[str]] = mapped_column(ARRAY(Text))
    meaning: Mapped[str] = mapped_column(Text, server_default=text("'same'"))


class SearchLogEntry(TenantRow, Base):
    """How often a shape class asked one thing on one day, and how often nothing was found; never who asked."""

    __tablename__ = "search_log"
    __table_args__ = (
        Index(
            "uq_search_log_tenant_id_day_audience_query", "tenant_id", "day", "audience", "query", unique=True
        ),
    )

    day: Mapped[date]
    audience: Mapped[str] = mapped_column(Text)
    query: Mapped[str] = mapped_column(Text(collation="C"))
    searches: Mapped[int]
    found_nothing: Mapped[int]


class SearchProgress(Base):
    """How far the ledger was read for the index. Whoever indexes holds this row.

    Ids of the ledger are drawn before their transactions commit, so that a high one may be seen before a low one.
    Everything up to ``settled_id`` was seen; beyond it, what ``seen`` (a snapshot) shows. ``settled_id`` rises to
    ``ahead_id`` when every transaction before ``ahead_xid`` has ended.
    """

    __tablename__ = "search_progress"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    settled_id: Mapped[int] = mapped_column(BigInteger)
    seen: Mapped[str] = mapped_column(Text)
    ahead_id: Mapped[int] = mapped_column(BigInteger)
    ahead_xid: Mapped[int] = mapped_column(BigInteger)


class SearchMark(Base):
    """A record that changed since it was indexed. Only who holds the progress writes and takes marks."""

    __tablename__ = "search_marks"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(Text, primary_key=True)
    record_id: Mapped[UUID] = mapped_column(primary_key=True)
