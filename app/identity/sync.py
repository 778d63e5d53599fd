"""What phones hold of identity: colleagues and territories, to read only; and who is given which buckets."""

from app.identity.queries import SUBSCRIPTIONS_NOW_SQL, SUBSCRIPTIONS_SQL
from sync.policy import Kind, Priority, SyncEntity, read_only

USER = SyncEntity(
    "user",
    table="users",
    fields={
        "login": read_only(),
        "name": read_only(),
        "role": read_only(),
        "org_unit_id": read_only(Kind.ID),
        "manager_id": read_only(Kind.ID),
        "locale": read_only(),
        "time_zone": read_only(),
        "status": read_only(),
    },
    # One's own record, and the colleagues of the units that one is given.
    buckets="""
        SELECT u.id AS record_id, 'user:' || u.id AS bucket, 'all' AS shape
        FROM users u WHERE u.tenant_id = :tenant AND u.id = ANY(:ids) AND u.deleted_at IS NULL
        UNION ALL
        SELECT u.id, 'unit:' || u.org_unit_id, 'all'
        FROM users u
        WHERE u.tenant_id = :tenant AND u.id = ANY(:ids)
          AND u.deleted_at IS NULL AND u.org_unit_id IS NOT NULL
    """,
    priority=Priority.REFERENCE,
    account_field=None,
    pushable=False,
)

TERRITORY = SyncEntity(
    "territory",
    table="territories",
    fields={
        "code": read_only(),
        "name": read_only(),
        "parent_id": read_only(Kind.ID),
        "valid_from": read_only(Kind.DATE),
        "valid_to": read_only(Kind.DATE),
    },
    buckets="""
        SELECT t.id AS record_id, 'territory:' || t.id AS bucket, 'all' AS shape
        FROM territories t WHERE t.tenant_id = :tenant AND t.id = ANY(:ids) AND t.deleted_at IS NULL
    """,
    priority=Priority.REFERENCE,
    account_field=None,
    pushable=False,
)

ENTITIES = (USER, TERRITORY)

__all__ = ["ENTITIES", "SUBSCRIPTIONS_NOW_SQL", "SUBSCRIPTIONS_SQL", "TERRITORY", "USER"]
