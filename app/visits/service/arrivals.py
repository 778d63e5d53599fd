"""Rooms above are told when somebody arrives at a customer."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.core.scope import Actor
from app.visits.models import Visit

Arrived = Callable[[Session, Actor, Visit, datetime], None]

_told: Final[list[Arrived]] = []


def on_arrival(told: Arrived) -> None:
    """Let a room know of each check-in; called once, when the room is imported.

    Args:
        told: Called in the transaction of the check-in, after the visit was written, with the session, who acted,
            the visit and the server's time. What it raises undoes the check-in: it should not.
    """
    if told not in _told:
        _told.append(told)


def tell_arrival(session: Session, actor: Actor, visit: Visit, *, now: datetime) -> None:
    """Tell those rooms that the assignee has checked in."""
    for told in _told:
        told(session, actor, visit, now)
