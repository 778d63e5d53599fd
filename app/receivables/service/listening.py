"""Rooms above that count what was not invoiced yet: told in the transaction in which an invoice changes."""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

Told = Callable[[Session, UUID, UUID, datetime], None]

_LISTENERS: Final[list[Told]] = []


def on_invoiced(told: Told) -> None:
    """Let a room know of changed invoices; called once, when the room is imported.

    Args:
        told: Called with the session, the tenant, the account and the server's time, while the balance of the
            account is locked; what it raises undoes the change.
    """
    _LISTENERS.append(told)


def tell_invoiced(session: Session, tenant_id: UUID, account_id: UUID, *, now: datetime) -> None:
    """Tell whoever listens that an invoice of the account came, changed or went."""
    for told in _LISTENERS:
        told(session, tenant_id, account_id, now)
