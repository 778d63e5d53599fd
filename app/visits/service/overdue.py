"""Visits whose day went by without anybody setting out."""

from datetime import UTC, datetime, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.orm import Session

from app.visits import queries

FALLBACK_ZONE = ZoneInfo("Asia/Seoul")


def mark_missed(session: Session, tenant_id: UUID, *, now: datetime, limit: int) -> int:
    """Mark planned visits as missed whose day at the account's place has ended.

    Safe to repeat: a visit that is no longer planned is left alone.

    Args:
        session: Open session of the tenant; the caller commits.
        tenant_id: Whose visits.
        now: Server time, aware UTC.
        limit: Most visits of each time zone to mark in this transaction.

    Returns:
        How many were marked.
    """
    return sum(
        queries.miss_planned(session, tenant_id, zone, start_of_day(now, zone_named(zone)), limit)
        for zone in queries.overdue_zones(session, tenant_id, now)
    )


def start_of_day(moment: datetime, zone: tzinfo) -> datetime:
    """Midnight, aware UTC, at the beginning of the calendar day that *moment* falls on in *zone*.

    A midnight that summer time skips is the moment of the change, as the day begins then.
    """
    local = moment.astimezone(zone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def zone_named(name: str) -> tzinfo:
    """The time zone of that name; Korea's for names that hand-written SQL left behind."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return FALLBACK_ZONE
