"""Items of the conflict inbox."""

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column, query_expression

from app.core.db import Base, SyncedRow


class ConflictState(enum.StrEnum):
    """Where an item stands."""

    OPEN = "open"
    RESOLVED = "resolved"
    DISCARDED = "discarded"


class Conflict(SyncedRow, Base):
    """One thing that the merge could not settle: a field, a row, a command, or a whole mutation.

    ``base``, ``mine`` and ``theirs`` are the values of the field (for other kinds: objects of
    fields). They are columns of type json, so that the bytes of the wire are kept. Later losers
    of the same field join the open item in ``losers``. ``is_held`` is told by the statements of
    the service: whether the viewer's scope holds the record.
    """

    __tablename__ = "conflicts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "author_id"], ["users.tenant_id", "users.id"], deferrable=True, initially="DEFERRED"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "assignee_id"],
            ["users.tenant_id", "users.id"],
            deferrable=True,
            initially="DEFERRED",
        ),
        Index(
            "uq_conflicts_open_field",
            "tenant_id",
            "entity",
            "record_id",
            "field",
            "row_id",
            unique=True,
            postgresql_where=text("state = 'open' AND field IS NOT NULL AND deleted_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_conflicts_record", "tenant_id", "entity", "record_id"),
        Index("ix_conflicts_author", "tenant_id", "author_id"),
        Index("ix_conflicts_account", "tenant_id", "account_id"),
        Index(
            "ix_conflicts_assignee",
            "tenant_id",
            "assignee_id",
            postgresql_where=text("assignee_id IS NOT NULL"),
        ),
    )

    kind: Mapped[str]
    entity: Mapped[str]
    record_id: Mapped[UUID]
    field: Mapped[str | None]
    row_id: Mapped[UUID | None]
    account_id: Mapped[UUID | None]
    record_version: Mapped[int]
    code: Mapped[str | None]
    base: Mapped[Any] = mapped_column(JSON, nullable=True)
    mine: Mapped[Any] = mapped_column(JSON, nullable=True)
    theirs: Mapped[Any] = mapped_column(JSON, nullable=True)
    author_id: Mapped[UUID]
    device_id: Mapped[UUID | None]
    mutation_id: Mapped[UUID | None]
    occurred_at: Mapped[datetime | None]
    happened_at: Mapped[datetime]
    losers: Mapped[Any] = mapped_column(JSON, server_default=text("'[]'"))
    state: Mapped[ConflictState] = mapped_column(server_default=text("'open'"), default=ConflictState.OPEN)
    choice: Mapped[str | None]
    resolution: Mapped[Any] = mapped_column(JSON, nullable=True)
    reason: Mapped[str | None]
    resolved_by: Mapped[UUID | None]
    resolved_at: Mapped[datetime | None]
    assignee_id: Mapped[UUID | None]
    is_held: Mapped[bool] = query_expression()
