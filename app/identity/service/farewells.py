"""Farewells: what a dismissed person or a revoked device may still do is hand in its work, and wipe itself."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from app.identity.models import Device, RefreshFamily, User, UserStatus
from app.identity.service.errors import SessionEnded

# Sessions ended for these reasons still buy a farewell: somebody else ended them, with work unsent. Those
# that their owner ended, that another log-in replaced, that two parties held or that were wiped do not.
HANDING_IN = ("user_disabled", "device_revoked", "password_changed", "password_reset")


def is_dismissed(user: User) -> bool:
    """Whether the person works here no more."""
    return user.status is UserStatus.DISABLED or user.deleted_at is not None


def is_farewell_due(user: User, device: Device) -> bool:
    """Whether the device is to hand in its work and wipe itself, and has not told that it did."""
    return device.wiped_at is None and (is_dismissed(user) or device.revoked_at is not None)


def check_farewell(
    session: Session, tenant_id: UUID, user_id: UUID, device_id: UUID | None, now: datetime
) -> None:
    """Refuse a farewell token that is good no more.

    Args:
        session: Open session of the tenant.
        tenant_id: From the token.
        user_id: From the token.
        device_id: From the token.
        now: Server time, aware UTC.

    Raises:
        SessionEnded: The device was wiped, its session was stolen, or the person is welcome again.
    """
    found = session.execute(
        select(User, Device)
        .join(Device, (Device.tenant_id == User.tenant_id) & (Device.user_id == User.id))
        .where(User.tenant_id == tenant_id, User.id == user_id, Device.id == device_id)
        .where(
            exists().where(
                RefreshFamily.tenant_id == tenant_id,
                RefreshFamily.user_id == user_id,
                RefreshFamily.device_id == device_id,
                RefreshFamily.expires_at > now,
                RefreshFamily.revoked_at.is_(None) | RefreshFamily.revoked_why.in_(HANDING_IN),
            )
        )
    ).one_or_none()
    if found is None or not is_farewell_due(*found):
        raise SessionEnded("Log in again.")


def confirm_wipe(session: Session, tenant_id: UUID, user_id: UUID, device_id: UUID, *, now: datetime) -> None:
    """Note that a device has wiped itself; from now on nothing of it is answered.

    Args:
        session: Open session of the tenant; the caller commits.
        tenant_id: From the farewell token.
        user_id: From the farewell token.
        device_id: From the farewell token.
        now: Server time, aware UTC.

    Raises:
        SessionEnded: No farewell is due, or the device has confirmed before.
    """
    session.execute(
        select(Device.id).where(Device.tenant_id == tenant_id, Device.id == device_id).with_for_update()
    )
    check_farewell(session, tenant_id, user_id, device_id, now)
    device = session.get_one(Device, (tenant_id, device_id))
    device.wiped_at = now
    session.execute(
        update(RefreshFamily)
        .where(
            RefreshFamily.tenant_id == tenant_id,
            RefreshFamily.device_id == device_id,
            RefreshFamily.revoked_at.is_(None) | RefreshFamily.revoked_why.in_(HANDING_IN),
        )
        .values(revoked_at=now, revoked_why="wiped")
    )
    session.flush()
