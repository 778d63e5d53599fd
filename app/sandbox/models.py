"""What is known of a sandbox; the kept rows themselves are read by functions of the database only."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base


class Sandbox(Base):
    """A company that goes back to the state in which it was kept."""

    __tablename__ = "sandboxes"
    __table_args__ = (CheckConstraint("every_s >= 60", name="every"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    every_s: Mapped[int | None]
    kept_at: Mapped[datetime]
    last_reset_at: Mapped[datetime | None]
    next_reset_at: Mapped[datetime | None]
    resets: Mapped[int] = mapped_column(default=0, server_default=text("0"))
