"""Devices, their last syncs, and what administrators see of the engine."""

from app.devices.service import DeviceState
from app.http.fields import (
    INT64,
    Boolean,
    Choice,
    Id,
    Integer,
    Json,
    ListOf,
    QuerySchema,
    Rows,
    Text,
    Time,
    WireSchema,
)
from app.http.paging import DEFAULT_LIMIT, MAX_LIMIT, PageQuery, page_of


class DeviceSchema(WireSchema):
    """One installed app of one person, as it last told."""

    id = Id()
    user_id = Id()
    user_name = Text(max=200, allow_none=True, metadata={"example": "김민지"})
    login = Text(max=200, allow_none=True, metadata={"example": "rep1"})
    name = Text(max=200, metadata={"example": "Galaxy of Kim"})
    platform = Text(max=500, metadata={"example": "android"})
    app_version = Text(max=500, allow_none=True, metadata={"example": "1.4.0"})
    schema_version = Integer(allow_none=True, metadata={"example": 3})
    state = Choice(DeviceState)
    registered_at = Time()
    last_seen_at = Time()
    last_sync_at = Time(allow_none=True)
    lag_s = Integer(
        max=INT64[1],
        allow_none=True,
        metadata={"example": 40, "description": "Seconds since the last sync; null: never synced"},
    )
    at_checkpoint = Boolean(
        allow_none=True, metadata={"description": "Whether the last sync gave it everything"}
    )
    position = Integer(
        max=INT64[1], allow_none=True, metadata={"example": 18230, "description": "For administrators"}
    )
    positions_behind = Integer(
        max=INT64[1], allow_none=True, metadata={"example": 12, "description": "For administrators"}
    )
    pending = Integer(metadata={"example": 0, "description": "Unsent mutations, as it last told"})
    last_error = Text(max=500, allow_none=True, metadata={"example": None})
    revoked_at = Time(allow_none=True, metadata={"example": None})
    wipe_ordered_at = Time(allow_none=True, metadata={"example": None})
    wiped_at = Time(allow_none=True, metadata={"example": None})
    cloned_at = Time(
        allow_none=True,
        metadata={
            "example": None,
            "description": "When two phones spoke as this device; empty again once its user has"
            " registered another one",
        },
    )


DevicePageSchema = page_of(DeviceSchema)


class DeviceQuery(PageQuery):
    """Which devices."""

    user_id = Id()
    state = Choice(DeviceState)
    stale_since = Time(metadata={"description": "Not synced since then, or never"})
    lag_over = Integer(min=0, metadata={"description": "Not synced for so many seconds, or never"})
    has_pending = Boolean()
    has_error = Boolean()
    schema_below = Integer(min=1, metadata={"description": "Of an older app, or one that never told"})


class TraceSchema(WireSchema):
    """One sync, or several in a row in which nothing happened."""

    at = Time()
    since = Time(metadata={"description": "The first of `times`"})
    times = Integer(metadata={"example": 1})
    kind = Text(max=40, metadata={"example": "push", "description": "first, delta, push or farewell"})
    duration_ms = Integer(metadata={"example": 14})
    mutations = Integer(metadata={"example": 2})
    verdicts = Json(metadata={"example": {"applied": 2}})
    changes = Integer(metadata={"example": 5})
    removed = Integer(metadata={"example": 0})
    position = Integer(
        max=INT64[1], allow_none=True, metadata={"example": 18230, "description": "For administrators"}
    )
    has_more = Boolean(metadata={"example": False})
    directives = ListOf(Text(max=20), metadata={"example": []})
    error = Text(max=100, allow_none=True, metadata={"example": None})


class TracesSchema(WireSchema):
    """The last syncs of a device, the newest first."""

    items = Rows(TraceSchema)


class SettingsSchema(WireSchema):
    """How sync is set in the company."""

    records_warn = Integer(
        min=1, max=1_000_000, metadata={"example": 8000, "description": "A user with more is warned"}
    )
    records_cap = Integer(
        min=100,
        max=1_000_000,
        metadata={"example": 20000, "description": "Above it buckets of the lowest priority are left out"},
    )
    keep_days = Integer(
        min=7,
        max=3_650,
        metadata={
            "example": 180,
            "description": "Longest time that a phone may be offline and not start over",
        },
    )
    resend_days = Integer(
        min=1,
        max=365,
        metadata={
            "example": 7,
            "description": "How long phones keep acknowledged work, to send it again after a restore;"
            " never less than the interval of backups",
        },
    )
    version = Integer(dump_only=True)


class EngineQuery(QuerySchema):
    """A page of what the engine saw."""

    cursor = Text(max=2_000, metadata={"description": "`next_cursor` of the page before"})
    limit = Integer(min=1, max=MAX_LIMIT, load_default=DEFAULT_LIMIT)
    kind = Text(max=100)


class AlarmSchema(WireSchema):
    """Something that should never happen."""

    id = Integer(max=INT64[1], metadata={"example": 17})
    kind = Text(max=100, metadata={"example": "mark_without_row"})
    entity = Text(max=100, allow_none=True, metadata={"example": "account"})
    record_id = Id(allow_none=True)
    detail = Text(max=500, allow_none=True, metadata={"example": "a mark has no row"})
    raised_at = Time()


AlarmPageSchema = page_of(AlarmSchema)


class QuarantineQuery(PageQuery):
    """A page of the quarantine."""


class QuarantineSchema(WireSchema):
    """A record that cannot be rendered; phones keep its last state until it is mended."""

    entity = Text(max=100, metadata={"example": "account"})
    record_id = Id()
    sqlstate = Text(max=5, metadata={"example": "22008"})
    message = Text(max=500, metadata={"example": "a time on the wire must lie in the years 1 to 9999"})
    since = Time()


QuarantinePageSchema = page_of(QuarantineSchema)


class EpochSchema(WireSchema):
    """One life of the database."""

    id = Id()
    generation = Integer(metadata={"example": 1})
    started_at = Time()
    ended_at = Time(allow_none=True, metadata={"example": None, "description": "Null for the present one"})


class EpochsSchema(WireSchema):
    """The lives of the database, the present one first."""

    items = Rows(EpochSchema)
