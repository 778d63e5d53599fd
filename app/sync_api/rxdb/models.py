"""What the RxDB door keeps; its statements are in ``kept``."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, String, text
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base


class RxdbDevice(Base):
    """The counter of a device: the client has none, and the engine orders by it."""

    __tablename__ = "rxdb_devices"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    last_n: Mapped[int] = mapped_column(BigInteger)
    pushed_at: Mapped[datetime]


class RxdbPull(Base):
    """How far the pages of a collection went that a device was given, and whether one is being made.

    ``began`` says when all of it was last given anew, as ``sets`` counts.
    """

    __tablename__ = "rxdb_pulls"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(String(60), primary_key=True)
    head: Mapped[int] = mapped_column(BigInteger)
    is_open: Mapped[bool]
    seen_at: Mapped[datetime]
    began: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class RxdbHeld(Base):
    """A pushed document that waits for the parent of its record."""

    __tablename__ = "rxdb_held"
    __table_args__ = (Index(None, "tenant_id", "held_at"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(String(60), primary_key=True)
    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID]
    document: Mapped[Any] = mapped_column(JSON)
    assumed: Mapped[Any | None] = mapped_column(JSON)
    held_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(server_default=text("1"))
