"""What the WatermelonDB door keeps of each device: ids, versions and hashes, no content."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base


class _OfDevice:
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(primary_key=True)


class WatermelonDevice(_OfDevice, Base):
    """A device that comes by this door.

    ``answered_at`` and ``base_epoch`` are of its last answered push, or of the pull that said that nothing waits:
    what it pushes is based on that. ``replace_since``: the database was taken back, and the device may hold rows
    that nobody knows of; ``replaced`` is the mark of the answer that makes it drop them.
    """

    __tablename__ = "watermelon_devices"
    __table_args__ = (Index("ix_watermelon_devices_tenant_id_seen_at", "tenant_id", "seen_at"),)

    serial: Mapped[int] = mapped_column(BigInteger, server_default="0")
    n: Mapped[int] = mapped_column(BigInteger, server_default="0")
    answered_at: Mapped[datetime | None]
    base_epoch: Mapped[UUID | None]
    replace_since: Mapped[datetime | None]
    replaced: Mapped[int | None] = mapped_column(BigInteger)
    seen_at: Mapped[datetime]


class WatermelonMark(_OfDevice, Base):
    """The cursor behind a number that the client keeps as its ``timestamp``."""

    __tablename__ = "watermelon_marks"

    mark: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    cursor: Mapped[str]


class WatermelonRow(_OfDevice, Base):
    """A row that the device holds, with the versions that it was given since its base, and with which mark.

    ``stale``: the feed has yet to say that the device should hold it; where it does not, the row leaves.
    ``leaving_since``: it left the scope or was deleted, and the device has not been told, or not surely.
    ``owed``: the device shows something else than what was decided. ``sent``: with which mark either was told.
    """

    __tablename__ = "watermelon_rows"
    __table_args__ = (
        CheckConstraint("owed IN ('created', 'updated')", name="owed"),
        Index(
            "ix_watermelon_rows_open",
            "tenant_id",
            "device_id",
            postgresql_where=text("stale OR leaving_since IS NOT NULL OR owed IS NOT NULL"),
        ),
        Index(
            "ix_watermelon_rows_given_since",
            "tenant_id",
            "device_id",
            postgresql_where=text("cardinality(marks) > 1"),
        ),
    )

    entity: Mapped[str] = mapped_column(primary_key=True)
    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    marks: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    versions: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    stale: Mapped[bool] = mapped_column(server_default=text("false"))
    leaving_since: Mapped[datetime | None]
    owed: Mapped[str | None]
    sent: Mapped[int | None] = mapped_column(BigInteger)


class WatermelonKey(Base):
    """A pushed edit, so that it is known when it comes again: the client gives edits no ids."""

    __tablename__ = "watermelon_keys"
    __table_args__ = (Index("ix_watermelon_keys_tenant_id_device_id", "tenant_id", "device_id"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(primary_key=True)
    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    hash: Mapped[bytes] = mapped_column(primary_key=True)
    device_id: Mapped[UUID]
    mutation_id: Mapped[UUID]
    base_version: Mapped[int | None]
    base_epoch: Mapped[UUID | None]
    judged: Mapped[bool] = mapped_column(server_default=text("false"))
    version: Mapped[int | None]
    owed: Mapped[str | None]
    pulls: Mapped[int] = mapped_column(server_default="0")
