"""Phones: seeing which are in use, locking one out, having one wiped."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.core.errors import Forbidden, NotFound
from app.core.scope import Actor, Role
from app.identity.models import Device
from app.identity.queries import reports_to
from app.identity.service.office import person_of
from app.identity.service.sessions import end_sessions


def list_devices(session: Session, actor: Actor, user_id: UUID | None = None) -> Select[Device]:
    """Own devices, for managers also their team's, for administrators all; narrowed to one user's."""
    statement = select(Device).where(Device.tenant_id == actor.tenant_id, reports_to(actor, Device.user_id))
    return statement if user_id is None else statement.where(Device.user_id == user_id)


def get_device(session: Session, actor: Actor, device_id: UUID, *, lock: bool = False) -> Device:
    """One of ``list_devices``.

    Raises:
        NotFound: The actor may not know of it.
    """
    statement = list_devices(session, actor).where(Device.id == device_id)
    device = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if device is None:
        raise NotFound("No such device.")
    return device


def revoke_device(session: Session, actor: Actor, device_id: UUID, *, now: datetime) -> Device:
    """Lock a device out: its next request is refused, it may only hand in its work and wipe itself.

    Doing it again changes nothing.

    Raises:
        NotFound: The actor may not know of it.
    """
    device = get_device(session, actor, device_id, lock=True)
    if device.revoked_at is None:
        device.revoked_at = now
        device.revoked_by = person_of(actor)
        end_sessions(session, actor.tenant_id, why="device_revoked", now=now, device_id=device.id)
        session.flush()
    return device


def wipe_device(session: Session, actor: Actor, device_id: UUID, *, now: datetime) -> Device:
    """Order a device to be wiped: it is locked out at once, and tells when it has done so.

    Doing it again changes nothing.

    Raises:
        NotFound: The actor may not know of it.
        Forbidden: It is another's, and the actor no administrator.
    """
    device = get_device(session, actor, device_id, lock=True)
    if device.user_id != actor.user_id and actor.role is not Role.ADMIN:
        raise Forbidden("Only an administrator may have another's device wiped.")
    if device.wipe_ordered_at is None:
        device.wipe_ordered_at = now
        device.wipe_ordered_by = person_of(actor)
    return revoke_device(session, actor, device_id, now=now)
