"""Questions and answers beside sync: digest, repair, explanation."""

import enum
import re
from typing import Any
from uuid import UUID

from marshmallow import ValidationError

from app.http.fields import (
    INT32,
    Boolean,
    Choice,
    Day,
    Id,
    Integer,
    Json,
    ListOf,
    Nested,
    QuerySchema,
    Rows,
    Text,
    Time,
    WireField,
    WireSchema,
)
from app.identity.service import Way
from app.sync_api.explaining import State
from app.sync_api.registry import BY_NAME
from app.sync_api.schemas import ChangeSchema, RemovedSchema
from app.sync_api.support import DEFAULT_REPAIRS, MAX_HELD, MAX_REPAIRS

LONGEST_CURSOR = 64 << 10
LONGEST_CURSOR_IN_ADDRESS = 7_500
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

EntityName = enum.StrEnum("EntityName", {name.upper(): name for name in BY_NAME})  # type: ignore[misc]


class Versions(WireField):
    """``[{"id": …, "version": 7}, …]``: read by hand, as ten thousand nested schemas take their time."""

    def read(self, value: Any) -> dict[UUID, int]:
        if not isinstance(value, list):
            raise ValidationError("type_mismatch")
        if len(value) > MAX_HELD:
            raise ValidationError("too_many_items")
        found: dict[UUID, int] = {}
        errors: dict[int, Any] = {}
        for place, one in enumerate(value):
            wrong = _wrong(one)
            if wrong is None and UUID(one["id"]) in found:
                wrong = {"id": ["duplicate_item"]}
            if wrong is not None:
                errors[place] = wrong
            else:
                found[UUID(one["id"])] = one["version"]
        if errors:
            raise ValidationError(errors)
        return found

    def openapi(self) -> dict[str, Any]:
        record = {
            "title": "HeldRecord",
            "type": "object",
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "version": {"type": "integer", "format": "int32", "minimum": 0},
            },
            "required": ["id", "version"],
            "additionalProperties": False,
        }
        return {"type": "array", "items": record, "maxItems": MAX_HELD}

    def example(self) -> Any:
        return [{"id": "01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d", "version": 7}]


def _wrong(one: Any) -> Any:
    """What is wrong with an id and its version; None for nothing."""
    if not isinstance(one, dict):
        return ["type_mismatch"]
    errors = {name: ["unknown_field"] for name in one if name not in ("id", "version")}
    errors |= {name: ["required"] for name in ("id", "version") if name not in one}
    if errors:
        return errors
    if type(one["id"]) is not str:
        return {"id": ["type_mismatch"]}
    if not _ID.fullmatch(one["id"]) or one["id"] == str(UUID(int=0)):
        return {"id": ["id_invalid"]}
    if type(one["version"]) is not int:
        return {"version": ["type_mismatch"]}
    if not 0 <= one["version"] <= INT32[1]:
        return {"version": ["value_out_of_range"]}
    return None


class DigestQuery(QuerySchema):
    """Where the device stands."""

    cursor = Text(
        max=LONGEST_CURSOR_IN_ADDRESS,
        load_default=None,
        metadata={"description": "Of the last answer; a device without one is `behind`"},
    )


class DigestSchema(WireSchema):
    """What the device should hold."""

    epoch = Id(dump_only=True)
    entities = Json(
        dump_only=True,
        metadata={
            "example": {"account": {"count": 412, "sum": "11529215046068469760"}},
            "description": "For each entity how many records, and the sum modulo 2^64 of the first 8 bytes,"
            " big-endian, of the SHA-256 of `<id>:<version>`",
        },
    )


class RepairSchema(WireSchema):
    """What the device holds of an entity, or of a stretch of its ids."""

    cursor = Text(max=LONGEST_CURSOR, allow_none=True, load_default=None, metadata={"example": "AXsi…"})
    entity = Choice(EntityName, required=True, metadata={"example": "account"})
    held = Versions(
        required=True,
        metadata={
            "description": "Everything held of the stretch; version 0 asks for the record whatever its version"
        },
    )
    after = Id(
        allow_none=True,
        load_default=None,
        metadata={"description": "The stretch begins above this id", "example": None},
    )
    until = Id(
        allow_none=True,
        load_default=None,
        metadata={"description": "The stretch ends with this id", "example": None},
    )
    limit = Integer(min=1, max=MAX_REPAIRS, load_default=DEFAULT_REPAIRS, metadata={"example": 500})


class RepairAnswerSchema(WireSchema):
    """Records to take as they are, whatever version is held, and ids to forget."""

    changes = Rows(ChangeSchema)
    removed = Rows(RemovedSchema)
    next_after = Id(
        allow_none=True,
        metadata={
            "example": None,
            "description": "The answer ends with this id: ask again with it as `after`. Null: nothing is left",
        },
    )


class ExplainQuery(QuerySchema):
    """Which record, and for administrators on which device."""

    entity = Choice(EntityName, required=True)
    id = Id(required=True)
    device_id = Id(metadata={"description": "Another device of yours; for administrators any"})


class BecauseSchema(WireSchema):
    """A way by which the record comes to the user."""

    bucket = Text(max=200, metadata={"example": "territory:01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d"})
    way = Choice(
        Way,
        metadata={
            "description": "`own` (named in `fields`, or by own visits), `member` of the territory, or of one"
            " `above` it, `stands_in` for a member, `unit`, `role`, `everybody`"
        },
    )
    territory_id = Id(allow_none=True, metadata={"description": "Of which they are a member"})
    kind = Text(max=40, allow_none=True, metadata={"example": "owner"})
    until = Day(allow_none=True, metadata={"example": None})
    for_user_id = Id(allow_none=True, metadata={"example": None})
    fields_ = ListOf(Text(max=100), data_key="fields", attribute="fields", metadata={"example": ["owner_id"]})
    visit_ids = ListOf(Id(), metadata={"example": []})


class ExplainedDeviceSchema(WireSchema):
    """The device as the server last knew it."""

    id = Id()
    user_id = Id()
    last_sync_at = Time(allow_none=True)
    at_checkpoint = Boolean(allow_none=True)


class ExplanationSchema(WireSchema):
    """Why the record is, or is not, on the device."""

    entity = Choice(EntityName)
    id = Id()
    state = Choice(
        State,
        metadata={
            "description": "`held`; `stale`: an older version is, a newer one comes; `coming` with the next"
            " sync; `left_out` by the budget; `waiting` to be sequenced; `quarantined`: it cannot be rendered;"
            " outside the `window`; `not_carried`: seen over REST only; `gone` for the `reason` given;"
            " `not_in_shape`: the role sees none of the entity; `closed`: the user's account is; `unknown`:"
            " there is no such record, or none for this user"
        },
    )
    reason = Text(max=40, allow_none=True, metadata={"example": None})
    shape = Text(max=100, allow_none=True, metadata={"example": "manager+partner+sales"})
    version = Integer(allow_none=True, metadata={"example": 7})
    because = Rows(BecauseSchema)
    waiting = Boolean(metadata={"example": False, "description": "A change of it waits to be sequenced"})
    quarantined = Boolean(metadata={"example": False})
    device = Nested(ExplainedDeviceSchema)
    internals = Json(
        allow_none=True,
        metadata={"example": None, "description": "For administrators: row, feed, quarantine, positions"},
    )
