"""SQL of the database's lives: which one this is, when it began, how it ends, and what the database itself is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

MEANINGS = {
    "system": "this is another cluster (system identifier)",
    "timeline": "the cluster was promoted or recovered (timeline)",
    "database": "this is another database (oid of the database)",
    "epochs": "the tables were made anew (oid of sync_epochs)",
}
"""What a part of the identity says when it is no longer the one that was noted."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """The present life of the database."""

    id: UUID
    generation: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Lives:
    """The present epoch, and the ended ones from which a valid cursor of a device was carried on."""

    present: Epoch
    carried: frozenset[UUID]


def lives(connection: Connection, tenant_id: UUID, device_id: UUID) -> Lives:
    """The present epoch and what is known of a device."""
    row = connection.execute(
        text(
            "SELECT e.id, e.generation, e.started_at, coalesce(d.carried_from, '{}') FROM sync_epochs e"
            " LEFT JOIN sync_devices d ON d.tenant_id = :tenant AND d.device_id = :device"
            " WHERE e.ended_at IS NULL ORDER BY e.generation DESC LIMIT 1"
        ),
        {"tenant": tenant_id, "device": device_id},
    ).one()
    return Lives(Epoch(row[0], row[1], row[2]), frozenset(row[3]))


def begin_epoch(connection: Connection, seen: UUID) -> None:
    """End the life of which a cursor spoke, and begin another; once, however many ask. The caller commits.

    Args:
        connection: Of the app role.
        seen: Epoch of the cursor that gave evidence.
    """
    connection.execute(text("SELECT sync_begin_epoch(:seen)"), {"seen": seen})


def note_carried(
    connection: Connection, tenant_id: UUID, device_id: UUID, user_id: UUID, epoch: UUID
) -> None:
    """Note that a valid cursor of an ended epoch was carried on into the present one; the caller commits."""
    connection.execute(
        text(
            "INSERT INTO sync_devices (tenant_id, device_id, user_id, carried_from)"
            " VALUES (:tenant, :device, :user, ARRAY[CAST(:epoch AS uuid)])"
            " ON CONFLICT (tenant_id, device_id) DO UPDATE"
            " SET carried_from = array_append(sync_devices.carried_from, CAST(:epoch AS uuid))"
            " WHERE CAST(:epoch AS uuid) <> ALL (sync_devices.carried_from)"
        ),
        {"tenant": tenant_id, "device": device_id, "user": user_id, "epoch": epoch},
    )


def check_identity(connection: Connection) -> list[str]:
    """What tells this database from the one in which the present epoch began: an alarm, no proof.

    A failover, an upgrade of the server or a restore changes some of it, and a restore into the same place
    none; phones find out for themselves. The operator is told to look.

    Args:
        connection: Of any role of ours.

    Returns:
        One sentence for each difference; empty when there is none or nothing was noted.
    """
    row = connection.execute(
        text(
            "SELECT identity, sync_identity() FROM sync_epochs WHERE ended_at IS NULL"
            " ORDER BY generation DESC LIMIT 1"
        )
    ).one_or_none()
    if row is None or row[0] is None:
        return []
    noted: dict[str, Any]
    noted, now = row
    return [
        f"{meaning}: {noted[part]} was noted, it is {now[part]} now"
        for part, meaning in MEANINGS.items()
        if part in noted and part in now and noted[part] != now[part]
    ]


def note_identity(connection: Connection) -> None:
    """The operator has looked: this is the database that it should be. The engine role; the caller commits."""
    connection.execute(text("SELECT sync_note_identity()"))
