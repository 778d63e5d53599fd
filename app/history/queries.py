"""Reads over the ledger of changes. The ledger belongs to the engine; this room only reads it."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Uuid,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

_metadata = MetaData()

changes = Table(
    "changes",
    _metadata,
    Column("tenant_id", Uuid),
    Column("id", BigInteger, primary_key=True),
    Column("entity", String),
    Column("record_id", Uuid),
    Column("version", Integer),
    Column("op", String),
    Column("part", String),
    Column("part_id", Uuid),
    Column("account_id", Uuid),
    Column("old", JSONB),
    Column("new", JSONB),
    Column("actor_kind", String),
    Column("actor_id", Uuid),
    Column("actor_name", String),
    Column("device_id", Uuid),
    Column("mutation_id", Uuid),
    Column("occurred_at", DateTime(timezone=True)),
    Column("recorded_at", DateTime(timezone=True)),
    Column("winner", JSONB),
)

mutations = Table(
    "sync_mutations",
    _metadata,
    Column("tenant_id", Uuid),
    Column("user_id", Uuid),
    Column("id", Uuid, primary_key=True),
    Column("device_id", Uuid),
    Column("n", BigInteger),
    Column("entity", String),
    Column("record_id", Uuid),
    Column("op", String),
    Column("payload", JSON),
    Column("status", String),
    Column("code", String),
    Column("detail", JSONB),
    Column("judged_at", DateTime(timezone=True)),
)

people = Table(
    "users",
    _metadata,
    Column("tenant_id", Uuid),
    Column("id", Uuid),
    Column("name", String),
    Column("manager_id", Uuid),
    Column("org_unit_id", Uuid),
)
activities = Table(
    "activities",
    _metadata,
    Column("tenant_id", Uuid),
    Column("id", Uuid),
    Column("author_id", Uuid),
    Column("private", Boolean),
)
visits = Table(
    "visits", _metadata, Column("tenant_id", Uuid), Column("id", Uuid), Column("assignee_id", Uuid)
)
tasks = Table("tasks", _metadata, Column("tenant_id", Uuid), Column("id", Uuid), Column("assignee_id", Uuid))
phones = Table("devices", _metadata, Column("tenant_id", Uuid), Column("id", Uuid), Column("name", String))


def changes_with_names() -> Select[tuple[object, ...]]:
    """Changes with the names of their authors and devices."""
    return (
        select(
            changes,
            people.c.name.label("person"),
            phones.c.name.label("device_name"),
        )
        .outerjoin(people, (people.c.tenant_id == changes.c.tenant_id) & (people.c.id == changes.c.actor_id))
        .outerjoin(phones, (phones.c.tenant_id == changes.c.tenant_id) & (phones.c.id == changes.c.device_id))
    )
