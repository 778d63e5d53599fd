"""What the door keeps: the counter of each device, rows that wait for a parent, and what was pushed before."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from app.sync_api.rxdb.models import RxdbHeld
from app.sync_api.rxdb.wire import Row
from sync.stores.driver import statement

HIGHEST = (
    "coalesce((SELECT highest_n FROM sync_devices WHERE tenant_id = :tenant AND device_id = :device), 0)"
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A mutation of the user on the record, judged before."""

    id: UUID
    device_id: UUID
    op: str
    status: str
    base_version: int
    version: int
    fields: dict[str, Any]
    judged_at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """A row that waits for the parent of its record."""

    entity: str
    device_id: UUID
    row: Row
    held_at: datetime
    revision: int = 0


def take_numbers(connection: Connection, tenant_id: UUID, device_id: UUID, count: int) -> int:
    """The first of *count* numbers that follow each other and no push of the device had; the caller commits."""
    last: int = connection.execute(
        statement(
            "INSERT INTO rxdb_devices AS d (tenant_id, device_id, last_n, pushed_at)"  # noqa: S608  (a constant)
            f" VALUES (:tenant, :device, {HIGHEST} + :count, clock_timestamp()) ON CONFLICT (tenant_id, device_id)"
            f" DO UPDATE SET last_n = greatest(d.last_n, {HIGHEST}) + :count,"
            " pushed_at = clock_timestamp() RETURNING last_n"
        ),
        {"tenant": tenant_id, "device": device_id, "count": count},
    ).scalar_one()
    return last - count + 1


def earlier_of(
    connection: Connection, tenant_id: UUID, user_id: UUID, entity: str, ids: Sequence[UUID]
) -> dict[UUID, list[Earlier]]:
    """What the user pushed of these records before, oldest first."""
    rows = connection.execute(
        statement(
            "SELECT record_id, id, device_id, op, status, coalesce(base_version, 0), coalesce(version, 0),"
            " payload -> 'fields', judged_at FROM sync_mutations WHERE tenant_id = :tenant AND user_id = :user"
            " AND entity = :entity AND record_id = ANY(:ids) AND status IS NOT NULL ORDER BY judged_at, n"
        ),
        {"tenant": tenant_id, "user": user_id, "entity": entity, "ids": list(ids)},
    )
    found: dict[UUID, list[Earlier]] = defaultdict(list)
    for row in rows:
        told: list[Any] = list(row)
        told[7] = told[7] if isinstance(told[7], dict) else {}
        found[row[0]].append(Earlier(*told[1:]))
    return found


def held_of(connection: Connection, tenant_id: UUID, user_id: UUID) -> list[Held]:
    """What waits for the user's pushes, in the order in which it came."""
    rows = connection.execute(
        select(
            RxdbHeld.entity,
            RxdbHeld.device_id,
            RxdbHeld.record_id,
            RxdbHeld.document,
            RxdbHeld.assumed,
            RxdbHeld.held_at,
            RxdbHeld.revision,
        )
        .where(RxdbHeld.tenant_id == tenant_id, RxdbHeld.user_id == user_id)
        .order_by(RxdbHeld.held_at, RxdbHeld.record_id)
    )
    return [Held(row[0], row[1], Row(row[2], row[3], row[4]), row[5], row[6]) for row in rows]


def hold(
    connection: Connection,
    tenant_id: UUID,
    user_id: UUID,
    device_id: UUID,
    entity: str,
    row: Row,
    now: datetime,
) -> None:
    """Have a row wait; a newer state of a document that waits takes its place. The caller commits."""
    connection.execute(
        statement(
            "INSERT INTO rxdb_held (tenant_id, user_id, entity, record_id, device_id, document, assumed, held_at)"
            " VALUES (:tenant, :user, :entity, :id, :device, CAST(:document AS json), CAST(:assumed AS json), :now)"
            " ON CONFLICT (tenant_id, user_id, entity, record_id) DO UPDATE"
            " SET document = EXCLUDED.document, device_id = EXCLUDED.device_id, revision = rxdb_held.revision + 1,"
            " held_at = CASE WHEN :deleted THEN EXCLUDED.held_at ELSE rxdb_held.held_at END"
        ),
        {
            "tenant": tenant_id,
            "user": user_id,
            "entity": entity,
            "id": row.id,
            "device": device_id,
            "document": json.dumps(row.new, ensure_ascii=False),
            "assumed": None if row.assumed is None else json.dumps(row.assumed, ensure_ascii=False),
            "deleted": row.is_delete,
            "now": now,
        },
    )


def let_go(connection: Connection, tenant_id: UUID, user_id: UUID, held: Sequence[Held]) -> None:
    """Forget rows that waited, those of which no newer state came since they were read; the caller commits."""
    connection.execute(
        statement(
            "DELETE FROM rxdb_held h"
            " USING unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[]), CAST(:revisions AS int[]))"
            " AS r (entity, id, revision) WHERE h.tenant_id = :tenant AND h.user_id = :user"
            " AND h.entity = r.entity AND h.record_id = r.id AND h.revision = r.revision"
        ),
        {
            "tenant": tenant_id,
            "user": user_id,
            "entities": [one.entity for one in held],
            "ids": [one.row.id for one in held],
            "revisions": [one.revision for one in held],
        },
    )


def waiting_users(connection: Connection, tenant_id: UUID) -> list[UUID]:
    """The users whose rows wait, who has waited longest first."""
    rows = connection.execute(
        select(RxdbHeld.user_id).where(RxdbHeld.tenant_id == tenant_id).order_by(RxdbHeld.held_at)
    )
    return list(dict.fromkeys(row[0] for row in rows))


def note_pull(
    connection: Connection, whose: tuple[UUID, UUID], entity: str, head: int | None, began: int = 0
) -> int:
    """Note that a page is being made (*head* is None), or from what head of the feed it was made; the caller commits.

    Args:
        connection: Of the app role.
        whose: Tenant and device.
        entity: Of the collection.
        head: 0 for a page without documents.
        began: Of the set of the page.

    Returns:
        When the present set of the collection began.
    """
    found: int = connection.execute(
        statement(
            "INSERT INTO rxdb_pulls AS p (tenant_id, device_id, entity, head, is_open, seen_at, began)"
            " VALUES (:tenant, :device, :entity, :head, :open, clock_timestamp(), :began)"
            " ON CONFLICT (tenant_id, device_id, entity) DO UPDATE SET head = greatest(p.head, EXCLUDED.head),"
            " is_open = EXCLUDED.is_open, seen_at = EXCLUDED.seen_at, began = greatest(p.began, EXCLUDED.began)"
            " RETURNING began"
        ),
        {
            "tenant": whose[0],
            "device": whose[1],
            "entity": entity,
            "head": head or 0,
            "open": head is None,
            "began": began,
        },
    ).scalar_one()
    return found


def began_of(connection: Connection, whose: tuple[UUID, UUID], entity: str) -> int:
    """When the set of a collection began that the device was given last; 0 where none is known."""
    found: int = connection.execute(
        statement(
            "SELECT coalesce(max(began), 0) FROM rxdb_pulls"
            " WHERE tenant_id = :tenant AND device_id = :device AND entity = :entity"
        ),
        {"tenant": whose[0], "device": whose[1], "entity": entity},
    ).scalar_one()
    return found


def passed_over(
    connection: Connection, whose: tuple[UUID, UUID], entity: str, ids: Sequence[UUID]
) -> set[UUID]:
    """Which of the records, as they are now, a page may have held already while the device had edits on them."""
    rows = connection.execute(
        statement(
            "SELECT f.record_id FROM sync_feed f JOIN rxdb_pulls p ON p.tenant_id = f.tenant_id"
            " AND p.device_id = :device AND p.entity = f.entity"
            " WHERE f.tenant_id = :tenant AND f.entity = :entity AND f.record_id = ANY(:ids)"
            " GROUP BY f.record_id, p.head, p.is_open HAVING p.is_open OR max(f.position) <= p.head"
        ),
        {"tenant": whose[0], "device": whose[1], "entity": entity, "ids": list(ids)},
    )
    return {row[0] for row in rows}


def lately_pushed(
    connection: Connection, whose: tuple[UUID, UUID], entity: str, since: datetime
) -> list[UUID]:
    """Records of a collection that the device has pushed since then."""
    rows = connection.execute(
        statement(
            "SELECT DISTINCT m.record_id FROM sync_mutations m WHERE m.tenant_id = :tenant"
            " AND m.device_id = :device AND m.entity = :entity AND m.judged_at >= :since"
            " AND m.code IS DISTINCT FROM 'awaiting_record' AND EXISTS (SELECT 1"
            " FROM rxdb_devices d WHERE d.tenant_id = :tenant AND d.device_id = :device AND d.pushed_at >= :since)"
        ),
        {"tenant": whose[0], "device": whose[1], "entity": entity, "since": since},
    )
    return [row[0] for row in rows]
