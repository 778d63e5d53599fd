"""Documents that can be found, the tokens they are found by, and the words that a mistyped one may have meant."""

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, Identity, Index, Integer, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base

Exact = Text(collation="C")


class SearchShelf(Base):
    """Documents of one kind that the same people see: a part of each list of documents that can be left unread.

    ``buckets`` is NULL where only the room can say who sees a record.
    """

    __tablename__ = "search_shelves"
    __table_args__ = (
        Index(
            "uq_search_shelves_tenant_id_kind_buckets",
            "tenant_id",
            "kind",
            "buckets",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    kind: Mapped[str] = mapped_column(Exact)
    buckets: Mapped[list[str] | None] = mapped_column(ARRAY(Exact))


class SearchDocument(Base):
    """One record in the index. ``tokens`` keeps what it was indexed with, so that it can be taken out again
    and ranked without a look at each of them in the index (``service/lines.py``)."""

    __tablename__ = "search_documents"
    __table_args__ = (
        Index("uq_search_documents_tenant_id_kind_record_id", "tenant_id", "kind", "record_id", unique=True),
        CheckConstraint("rating BETWEEN 0 AND 4", name="rating"),
        CheckConstraint("priority BETWEEN 0 AND 4", name="priority"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    shelf: Mapped[int | None] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(Exact)
    record_id: Mapped[UUID]
    published_on: Mapped[date | None]
    rating: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    language: Mapped[str | None] = mapped_column(Exact)
    tokens: Mapped[str] = mapped_column(Exact, server_default="", deferred=True)


class SearchToken(Base):
    """A token of a document, compared by equality only: nothing else can use an index under row-level security.

    The index holds all columns: lists are read from it alone, what stands in headings first.
    """

    __tablename__ = "search_tokens"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(Exact, primary_key=True)
    shelf: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    heading: Mapped[bool] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    weight: Mapped[int] = mapped_column(SmallInteger)


class SearchWord(Base):
    """A word of any document under the keys that a slip of one stroke leaves (``ranking.spelling_keys``).

    It says nothing of who has it: that is asked of the tokens.
    """

    __tablename__ = "search_words"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Exact, primary_key=True)
    word: Mapped[str] = mapped_column(Exact, primary_key=True)
