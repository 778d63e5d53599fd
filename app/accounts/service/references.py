"""Which of our records another system means by its keys, and what it said of them last."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.ids import new_id


@dataclass(frozen=True, slots=True)
class Reference:
    """A record under a key of another system, and the values that were sent with it last."""

    record_id: UUID
    last_values: Mapping[str, Any]


# One look into an index for each key; see imports.
_KNOWN = text("""
    SELECT k.external_id, x.record_id, x.last_values
    FROM unnest(CAST(:external_ids AS text[])) AS k (external_id)
    JOIN LATERAL (
        SELECT record_id, last_values FROM external_refs
        WHERE tenant_id = :tenant AND system = :system AND entity = :entity AND external_id = k.external_id
        LIMIT 1
    ) AS x ON true
""")
_REMEMBER = text("""
    INSERT INTO external_refs (tenant_id, id, entity, record_id, system, external_id, last_values)
    VALUES (:tenant, :id, :entity, :record, :system, :external_id, CAST(:sent AS jsonb))
    ON CONFLICT (tenant_id, system, entity, external_id)
    DO UPDATE SET last_values = external_refs.last_values || excluded.last_values, updated_at = now()
""")
# The same key as the import of accounts: two deliveries of one system wait for each other.
_ONE_AT_A_TIME = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('import:' || :tenant || ':' || :system, 0))"
)


def hold_system(session: Session, tenant_id: UUID, system: str) -> None:
    """Let other deliveries of *system* wait until the end of this transaction."""
    session.execute(_ONE_AT_A_TIME, {"tenant": str(tenant_id), "system": system})


def known_references(
    session: Session, tenant_id: UUID, system: str, entity: str, external_ids: Iterable[str]
) -> dict[str, Reference]:
    """The records that *system* has named before, by its keys.

    Args:
        session: Open session of the tenant.
        tenant_id: Of the session.
        system: Name of the source; its keys are unique for each entity.
        entity: ``account``, ``order`` …
        external_ids: Keys, in any order.
    """
    rows = session.execute(
        _KNOWN,
        {
            "tenant": tenant_id,
            "system": system,
            "entity": entity,
            "external_ids": sorted(set(external_ids)),
        },
    )
    return {row.external_id: Reference(row.record_id, row.last_values) for row in rows}


def remember_reference(
    session: Session,
    tenant_id: UUID,
    system: str,
    entity: str,
    external_id: str,
    record_id: UUID,
    sent: Mapping[str, Any],
) -> None:
    """Keep what *system* calls a record, and what it said of it; JSON values."""
    session.execute(
        _REMEMBER,
        {
            "tenant": tenant_id,
            "id": new_id(),
            "entity": entity,
            "record": record_id,
            "system": system,
            "external_id": external_id,
            "sent": orjson.dumps(dict(sent)).decode(),
        },
    )
