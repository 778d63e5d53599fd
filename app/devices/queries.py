"""Reads over what the engine keeps of devices. Its tables belong to the engine; this room only reads them."""

import enum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    MetaData,
    Select,
    String,
    Subquery,
    Table,
    Uuid,
    case,
    func,
    literal,
    null,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Bundle

_metadata = MetaData()


class DeviceState(enum.StrEnum):
    """What may be done with a device, and what it was told to do."""

    ACTIVE = "active"
    CLONED = "cloned"
    REVOKED = "revoked"
    WIPING = "wiping"
    WIPED = "wiped"


_devices = Table(
    "sync_devices",
    _metadata,
    Column("tenant_id", Uuid),
    Column("device_id", Uuid, primary_key=True),
    Column("schema_version", Integer),
    Column("app_version", String),
    Column("platform", String),
    Column("pending", Integer),
    Column("last_error", String),
    Column("last_sync_at", DateTime(timezone=True)),
    Column("cloned_at", DateTime(timezone=True)),
)
# A light table: people are the identity room's; only how they are called.
_people = Table(
    "users",
    _metadata,
    Column("tenant_id", Uuid),
    Column("id", Uuid, primary_key=True),
    Column("name", String),
    Column("login", String),
)
_heads = Table("sync_heads", _metadata, Column("tenant_id", Uuid), Column("position", BigInteger))

traces = Table(
    "sync_traces",
    _metadata,
    Column("tenant_id", Uuid),
    Column("device_id", Uuid),
    Column("id", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True)),
    Column("since", DateTime(timezone=True)),
    Column("times", Integer),
    Column("kind", String),
    Column("duration_ms", Integer),
    Column("mutations", Integer),
    Column("verdicts", JSONB),
    Column("changes", Integer),
    Column("removed", Integer),
    Column("position", BigInteger),
    Column("has_more", Boolean),
    Column("directives", ARRAY(String)),
    Column("error", String),
)
alarms = Table(
    "sync_alarms",
    _metadata,
    Column("tenant_id", Uuid),
    Column("id", BigInteger, primary_key=True),
    Column("kind", String),
    Column("entity", String),
    Column("record_id", Uuid),
    Column("detail", String),
    Column("raised_at", DateTime(timezone=True), nullable=False),
)
quarantine = Table(
    "sync_quarantine",
    _metadata,
    Column("tenant_id", Uuid),
    Column("entity", String),
    Column("record_id", Uuid, primary_key=True),
    Column("sqlstate", String),
    Column("message", String),
    Column("since", DateTime(timezone=True), nullable=False),
)
epochs = Table(
    "sync_epochs",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("generation", Integer),
    Column("started_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
)


def registry(known: Select[Any], *, shows_positions: bool) -> Subquery:
    """Devices with what their last syncs told.

    Args:
        known: The devices that the actor may know of, as the identity room lists them.
        shows_positions: Whether positions are shown: they count what happens in the whole company.
    """
    d, p, told = known.subquery("d"), _people.alias("p"), _devices.alias("told")
    last = (
        select(traces.c.position, traces.c.has_more)
        .where(
            traces.c.tenant_id == d.c.tenant_id,
            traces.c.device_id == d.c.id,
            traces.c.position.is_not(None),
        )
        .order_by(traces.c.id.desc())
        .limit(1)
        .lateral("last")
    )
    position: ColumnElement[Any] = last.c.position if shows_positions else null()
    behind: ColumnElement[Any] = (
        func.greatest(_heads.c.position - last.c.position, literal(0)) if shows_positions else null()
    )
    return (
        select(
            d.c.id,
            d.c.user_id,
            p.c.name.label("user_name"),
            p.c.login,
            d.c.name,
            func.coalesce(told.c.platform, d.c.platform).label("platform"),
            func.coalesce(told.c.app_version, d.c.app_version).label("app_version"),
            told.c.schema_version,
            d.c.registered_at,
            d.c.last_seen_at,
            d.c.revoked_at,
            d.c.wipe_ordered_at,
            d.c.wiped_at,
            told.c.cloned_at,
            told.c.last_sync_at,
            func.coalesce(told.c.pending, literal(0)).label("pending"),
            told.c.last_error,
            (~last.c.has_more).label("at_checkpoint"),
            position.cast(BigInteger).label("position"),
            behind.cast(BigInteger).label("positions_behind"),
            case(
                (d.c.wiped_at.is_not(None), DeviceState.WIPED.value),
                (d.c.wipe_ordered_at.is_not(None), DeviceState.WIPING.value),
                (d.c.revoked_at.is_not(None), DeviceState.REVOKED.value),
                (told.c.cloned_at.is_not(None), DeviceState.CLONED.value),
                else_=DeviceState.ACTIVE.value,
            ).label("state"),
        )
        .select_from(d)
        .outerjoin(p, (p.c.tenant_id == d.c.tenant_id) & (p.c.id == d.c.user_id))
        .outerjoin(told, (told.c.tenant_id == d.c.tenant_id) & (told.c.device_id == d.c.id))
        .outerjoin(_heads, _heads.c.tenant_id == d.c.tenant_id)
        .outerjoin(last, true())
        .subquery("entries")
    )


def rows_of(source: Any) -> Select[Any]:
    """A statement whose one column is a whole row of *source*, as lists page through them."""
    return select(Bundle("row", *source.c))
