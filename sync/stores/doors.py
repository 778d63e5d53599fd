"""SQL of what doors for other clients ask of the ledger."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

Record = tuple[str, UUID]


def changed_by_others(
    connection: Connection, tenant_id: UUID, device_id: UUID, since: Mapping[Record, int]
) -> dict[Record, frozenset[str]]:
    """Columns, and parts, that others than a device changed after a version; deleting changes ``deleted_at``.

    Args:
        connection: With the tenant set.
        tenant_id: Whose ledger.
        device_id: Whose changes do not count.
        since: Versions by record.
    """
    records: Sequence[Record] = list(since)
    rows = connection.execute(
        text(
            "SELECT g.entity, g.id, c.part, coalesce(c.new, '{}') || coalesce(c.old, '{}')"
            " FROM unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[]), CAST(:versions AS int[]))"
            " AS g (entity, id, version)"
            " JOIN changes c ON c.tenant_id = :tenant AND c.entity = g.entity AND c.record_id = g.id"
            " AND c.version > g.version AND c.device_id IS DISTINCT FROM :device AND c.op <> 'lost'"
        ),
        {
            "tenant": tenant_id,
            "device": device_id,
            "entities": [entity for entity, _ in records],
            "ids": [record_id for _, record_id in records],
            "versions": list(since.values()),
        },
    )
    found: dict[Record, frozenset[str]] = {}
    for entity, record_id, part, columns in rows:
        names: Mapping[str, Any] = {part: None} if part else columns
        found[entity, record_id] = found.get((entity, record_id), frozenset()) | names.keys()
    return found
