"""The documents of ``POST /sync``, for the OpenAPI file; the body itself is checked by app.sync_api.wire."""

from app.http.fields import Boolean, Choice, Id, Integer, Json, ListOf, Nested, Rows, Text, Time, WireSchema
from app.sync_api.registry import REGISTRY
from app.sync_api.wire import LONGEST_CURSOR, MAX_BYTES, MAX_LIMIT, MAX_PENDING, TEXT_MAX
from sync.verdicts import Status
from sync.wire import MAX_MUTATIONS, MAX_N


class MutationSchema(WireSchema):
    """One intent made on a phone; frozen once it was first sent."""

    id = Id(required=True)
    n = Integer(
        min=1, max=MAX_N, required=True, metadata={"description": "The device's own counter", "example": 41}
    )
    group = Id(allow_none=True, metadata={"example": None})
    epoch = Id(allow_none=True, metadata={"description": "The one under which the base was read"})
    entity = Text(max=200, required=True, metadata={"example": "account"})
    record_id = Id(required=True)
    op = Text(
        max=200,
        required=True,
        metadata={"example": "update", "description": "create, update, delete or a command"},
    )
    base_version = Integer(min=0, allow_none=True, metadata={"example": 7})
    fields_ = Json(data_key="fields", metadata={"example": {"phone": "+82255500100"}})
    base = Json(metadata={"example": {"phone": "+82255500199"}})
    occurred_at = Time(allow_none=True)
    age_ms = Integer(allow_none=True, metadata={"example": 2828119})


class ClientSchema(WireSchema):
    """What the device tells of itself."""

    app_version = Text(max=TEXT_MAX, allow_none=True, metadata={"example": "1.4.0"})
    platform = Text(max=TEXT_MAX, allow_none=True, metadata={"example": "android"})
    pending = Integer(
        min=0,
        max=MAX_PENDING,
        metadata={"description": "Mutations that are not in this request", "example": 0},
    )
    last_error = Text(max=TEXT_MAX, allow_none=True, metadata={"example": None})
    wiped = Boolean(
        metadata={"description": "The device has wiped itself, as it was told to", "example": False}
    )


class SyncBodySchema(WireSchema):
    """A sync request."""

    schema_version = Integer(min=1, max=REGISTRY.schema_version, required=True, metadata={"example": 1})
    cursor = Text(
        max=LONGEST_CURSOR,
        allow_none=True,
        metadata={"example": "AXsi…", "description": "Null for a first sync"},
    )
    sent_at = Time(allow_none=True)
    mutations = Rows(MutationSchema, max_items=MAX_MUTATIONS)
    limit = Integer(min=1, max=MAX_LIMIT, metadata={"example": 2000})
    limit_bytes = Integer(min=1, max=MAX_BYTES, metadata={"example": 1048576})
    client = Nested(ClientSchema)


class VerdictSchema(WireSchema):
    """The one final answer to a mutation."""

    id = Id()
    status = Choice(Status)
    code = Text(max=2000, allow_none=True, metadata={"example": None})
    detail = Json(allow_none=True, metadata={"example": None})
    version = Integer(allow_none=True)
    record = Json(allow_none=True)
    fields_ = Json(data_key="fields", metadata={"example": {"phone": {"outcome": "applied"}}})
    conflict_id = Id(allow_none=True, metadata={"example": None})
    replayed = Boolean()


class ChangeSchema(WireSchema):
    """A record as it is now."""

    entity = Text(max=2000, metadata={"example": "account"})
    id = Id()
    version = Integer()
    record = Json(metadata={"example": {"name": "(주)한빛에너지"}})


class RemovedSchema(WireSchema):
    """A record that the device has to forget."""

    entity = Text(max=2000, metadata={"example": "visit"})
    id = Id()
    reason = Text(
        max=2000, metadata={"example": "out_of_scope", "description": "deleted, out_of_scope or window"}
    )


class BudgetSchema(WireSchema):
    """How many records the phone is given, and what the cap leaves out."""

    records = Integer(metadata={"example": 3120})
    warn_at = Integer(metadata={"example": 8000})
    cap = Integer(metadata={"example": 20000})
    left_out = ListOf(Text(max=200), metadata={"example": []})


class SyncAnswerSchema(WireSchema):
    """A sync answer."""

    verdicts = Rows(VerdictSchema)
    changes = Rows(ChangeSchema)
    removed = Rows(RemovedSchema)
    epoch = Id()
    cursor = Text(
        max=2000,
        allow_none=True,
        metadata={"example": "AXsi…", "description": "Null for a device that has to wipe itself"},
    )
    has_more = Boolean(metadata={"description": "False: the device equals one snapshot of its scope"})
    server_time = Time()
    budget = Nested(BudgetSchema, allow_none=True)
    events = Text(
        max=200,
        allow_none=True,
        metadata={"example": None, "description": "Address of the live pings, once they are served"},
    )
    directives = ListOf(Text(max=20), metadata={"example": []})
