"""The history on the wire."""

from app.http.fields import Id, Integer, Json, Rows, Text, Time, WireSchema
from app.http.paging import PlaceQuery


class FieldChangeSchema(WireSchema):
    """One field of a change."""

    field = Text(max=2000, dump_only=True, metadata={"example": "phone"})
    old = Json(dump_only=True, allow_none=True, metadata={"example": "+82255500100"})
    new = Json(dump_only=True, allow_none=True, metadata={"example": "+82255500199"})
    outcome = Text(
        max=2000,
        dump_only=True,
        metadata={"example": "applied", "description": "`superseded`: the new value lost"},
    )
    winner = Json(dump_only=True, allow_none=True, metadata={"example": None})


class EntrySchema(WireSchema):
    """One change: who, when it happened, when it was recorded, on which device."""

    id = Integer(dump_only=True, metadata={"example": 4711})
    entity = Text(max=2000, dump_only=True, metadata={"example": "account"})
    record_id = Id(dump_only=True)
    version = Integer(dump_only=True)
    op = Text(max=2000, dump_only=True, metadata={"example": "update"})
    part = Text(max=2000, dump_only=True, allow_none=True, metadata={"example": None})
    part_id = Id(dump_only=True, allow_none=True, metadata={"example": None})
    occurred_at = Time(dump_only=True, allow_none=True)
    recorded_at = Time(dump_only=True)
    actor = Json(dump_only=True, metadata={"example": {"kind": "user", "id": None, "name": "김한결"}})
    device = Json(dump_only=True, allow_none=True, metadata={"example": {"id": None, "name": "Galaxy S26"}})
    mutation_id = Id(dump_only=True, allow_none=True)
    fields_ = Rows(FieldChangeSchema, dump_only=True, data_key="fields", attribute="fields")


class HistoryQuery(PlaceQuery):
    """Where to go on."""


class HistoryPageSchema(WireSchema):
    """A page of the history, newest first."""

    items = Rows(EntrySchema, dump_only=True)
    next_cursor = Text(max=2000, dump_only=True, allow_none=True, metadata={"example": None})


class RejectionSchema(WireSchema):
    """A mutation that was refused, with what it carried."""

    id = Id(dump_only=True)
    user_id = Id(dump_only=True)
    person = Text(max=2000, dump_only=True, metadata={"example": "김한결"})
    device_id = Id(dump_only=True)
    n = Integer(dump_only=True)
    entity = Text(max=2000, dump_only=True, metadata={"example": "visit"})
    record_id = Id(dump_only=True)
    op = Text(max=2000, dump_only=True, metadata={"example": "complete"})
    code = Text(max=2000, dump_only=True, metadata={"example": "transition_not_allowed"})
    detail = Json(dump_only=True, allow_none=True)
    payload = Json(dump_only=True, allow_none=True)
    judged_at = Time(dump_only=True)


class RejectionPageSchema(WireSchema):
    """A page of refused mutations, newest first."""

    items = Rows(RejectionSchema, dump_only=True)
    next_cursor = Text(max=2000, dump_only=True, allow_none=True, metadata={"example": None})
