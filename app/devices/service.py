"""Where each phone stands, what its last syncs did, and what the engine saw of late."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, Subquery, select
from sqlalchemy.orm import Session

from app.core.errors import NotFound, RuleViolation
from app.core.scope import Actor, Role
from app.devices.queries import DeviceState, alarms, epochs, quarantine, registry, rows_of, traces
from app.identity import service as identity
from sync.budget import Settings
from sync.stores.feed import settings_of
from sync.stores.support import keep_settings, lock_settings

__all__ = [
    "DeviceFilter",
    "DeviceState",
    "SettingsContradict",
    "change_settings",
    "get_device",
    "list_alarms",
    "list_devices",
    "list_epochs",
    "list_quarantine",
    "list_traces",
    "read_settings",
]

log = structlog.get_logger(__name__)


class SettingsContradict(RuleViolation):
    """Warned only above the cap, or work kept for longer than removals are: ``details`` name the field."""

    code = "sync.settings_contradict"


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices.

    Attributes:
        user_id: Of one person.
        state: In one state.
        stale_since: Not heard of at ``POST /sync`` since then, or never.
        lag_over: The same, in seconds before now.
        has_pending: With unsent work, as they last told.
        has_error: With an error, as they last told.
        schema_below: Of an older app than this schema version, or of an unknown one.
    """

    user_id: UUID | None = None
    state: DeviceState | None = None
    stale_since: datetime | None = None
    lag_over: int | None = None
    has_pending: bool | None = None
    has_error: bool | None = None
    schema_below: int | None = None


def list_devices(session: Session, actor: Actor, wanted: DeviceFilter, *, now: datetime) -> Subquery:
    """Own devices, for managers also their team's, for administrators all.

    Returns:
        A subquery to page through with ``rows_of``; positions are empty for all but administrators.
    """
    entries = _entries(session, actor, wanted.user_id)
    found = select(*entries.c)
    limits = [
        wanted.stale_since,
        None if wanted.lag_over is None else now - timedelta(seconds=wanted.lag_over),
    ]
    for limit in limits:
        if limit is not None:
            found = found.where((entries.c.last_sync_at < limit) | entries.c.last_sync_at.is_(None))
    if wanted.state is not None:
        found = found.where(entries.c.state == wanted.state.value)
    if wanted.has_pending is not None:
        found = found.where((entries.c.pending > 0) == wanted.has_pending)
    if wanted.has_error is not None:
        found = found.where(entries.c.last_error.is_not(None) == wanted.has_error)
    if wanted.schema_below is not None:
        older = entries.c.schema_version < wanted.schema_below
        found = found.where(older | entries.c.schema_version.is_(None))
    return found.subquery("found")


def _entries(session: Session, actor: Actor, user_id: UUID | None = None) -> Subquery:
    return registry(
        identity.list_devices(session, actor, user_id),
        shows_positions=actor.role is Role.ADMIN,
    )


def get_device(session: Session, actor: Actor, device_id: UUID) -> Any:
    """One row of ``list_devices``.

    Raises:
        NotFound: The actor may not know of it.
    """
    entries = _entries(session, actor)
    found = session.execute(select(*entries.c).where(entries.c.id == device_id)).one_or_none()
    if found is None:
        raise NotFound("No such device.")
    return found


def list_traces(session: Session, actor: Actor, device_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The last syncs of a device, the newest first; positions for administrators only.

    Raises:
        NotFound: The actor may not know of the device.
    """
    identity.get_device(session, actor, device_id)
    rows = session.execute(
        select(traces)
        .where(traces.c.tenant_id == actor.tenant_id, traces.c.device_id == device_id)
        .order_by(traces.c.id.desc())
    ).mappings()
    hidden = {} if actor.role is Role.ADMIN else {"position": None}
    return [dict(row) | hidden for row in rows]


def list_alarms(
    session: Session, actor: Actor, *, before: int | None, limit: int, kind: str | None = None
) -> Sequence[Any]:
    """What the engine saw that should never happen, the newest first.

    Raises:
        Forbidden: The actor is no administrator.
    """
    identity.require_admin(actor)
    found = select(alarms).where(alarms.c.tenant_id == actor.tenant_id)
    if before is not None:
        found = found.where(alarms.c.id < before)
    if kind is not None:
        found = found.where(alarms.c.kind == kind)
    return session.execute(found.order_by(alarms.c.id.desc()).limit(limit)).all()


def list_quarantine(session: Session, actor: Actor) -> Select[Any]:
    """Records that cannot be rendered; phones keep their last state.

    Raises:
        Forbidden: The actor is no administrator.
    """
    identity.require_admin(actor)
    return rows_of(quarantine).where(quarantine.c.tenant_id == actor.tenant_id)


def list_epochs(session: Session, actor: Actor) -> Sequence[Any]:
    """The lives of the database, the present one first: each restore began another.

    Raises:
        Forbidden: The actor is no administrator.
    """
    identity.require_admin(actor)
    return session.execute(select(epochs).order_by(epochs.c.generation.desc())).all()


def read_settings(session: Session, actor: Actor, *, lock: bool = False) -> Settings:
    """How sync is set in the company.

    Raises:
        Forbidden: The actor is no administrator.
    """
    identity.require_admin(actor)
    if lock:
        lock_settings(session.connection(), actor.tenant_id)
    return settings_of(session.connection(), actor.tenant_id)


def change_settings(session: Session, actor: Actor, changes: Mapping[str, int]) -> Settings:
    """Set some of them; the rest stays.

    Raises:
        Forbidden: The actor is no administrator.
        SettingsContradict: Two of them do not go together.
    """
    present = read_settings(session, actor, lock=True)
    wanted = replace(present, **changes)
    if wanted == present:
        return present
    wanted = replace(wanted, version=present.version + 1)
    if wanted.records_warn > wanted.records_cap:
        raise SettingsContradict(fields=["records_warn"])
    if wanted.resend_days > wanted.keep_days:
        raise SettingsContradict(fields=["resend_days"])
    keep_settings(session.connection(), actor.tenant_id, wanted)
    log.info("sync_settings_changed", user_id=str(actor.user_id), **changes)
    return wanted
