"""Inbox items on the wire."""

import enum
from typing import Any

from marshmallow import ValidationError, validates_schema

from app.http.fields import Choice, Id, Integer, Json, Text, Time, WireSchema
from app.http.paging import PageQuery
from app.inbox.models import ConflictState


class ConflictChoice(enum.StrEnum):
    """How an item is decided."""

    MINE = "mine"
    THEIRS = "theirs"
    BASE = "base"
    VALUE = "value"
    APPLY = "apply"
    DISCARD = "discard"
    REASSIGN = "reassign"


class ConflictSchema(WireSchema):
    """An item of the inbox; what others wrote is left out where the viewer's scope no longer holds the record."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    kind = Text(max=2000, dump_only=True, metadata={"example": "field"})
    entity = Text(max=2000, dump_only=True, metadata={"example": "account"})
    record_id = Id(dump_only=True)
    field = Text(max=2000, dump_only=True, allow_none=True, metadata={"example": "legal_name"})
    row_id = Id(dump_only=True, allow_none=True, metadata={"example": None})
    account_id = Id(dump_only=True, allow_none=True)
    record_version = Integer(dump_only=True, allow_none=True)
    code = Text(max=2000, dump_only=True, allow_none=True, metadata={"example": None})
    base = Json(dump_only=True, allow_none=True, metadata={"example": "한빛에너지"})
    mine = Json(dump_only=True, allow_none=True, metadata={"example": "한빛에너지 주식회사"})
    theirs = Json(dump_only=True, allow_none=True, metadata={"example": "(주)한빛에너지"})
    author_id = Id(dump_only=True)
    device_id = Id(dump_only=True, allow_none=True)
    mutation_id = Id(dump_only=True, allow_none=True)
    occurred_at = Time(dump_only=True, allow_none=True)
    happened_at = Time(dump_only=True)
    losers = Json(dump_only=True, metadata={"example": []})
    state = Choice(ConflictState, dump_only=True)
    choice = Text(max=2000, dump_only=True, allow_none=True, metadata={"example": None})
    resolution = Json(dump_only=True, allow_none=True, metadata={"example": None})
    reason = Text(max=2000, dump_only=True, allow_none=True, metadata={"example": None})
    resolved_by = Id(dump_only=True, allow_none=True, metadata={"example": None})
    resolved_at = Time(dump_only=True, allow_none=True, metadata={"example": None})
    assignee_id = Id(dump_only=True, allow_none=True, metadata={"example": None})


class ConflictQuery(PageQuery):
    """Filters of the inbox."""

    state = Choice(ConflictState)


class ResolutionSchema(WireSchema):
    """A decision on an item."""

    choice = Choice(ConflictChoice, required=True)
    value = Json(allow_none=True, metadata={"description": "The new value, with choice `value`"})
    to_user_id = Id(
        allow_none=True,
        metadata={"description": "Who is to decide it, with choice `reassign`", "example": None},
    )
    reason = Text(max=500, allow_none=True, metadata={"example": "등기부 확인"})
    record_version = Integer(
        min=0,
        allow_none=True,
        metadata={
            "example": 9,
            "description": "The record's version that it was decided on; needed unless one gives way or reassigns",
        },
    )

    @validates_schema
    def check_version(self, data: dict[str, Any], **_: Any) -> None:
        """Nobody decides on a state that they do not name."""
        choice = data.get("choice")
        if choice == ConflictChoice.REASSIGN:
            if data.get("to_user_id") is None:
                raise ValidationError("required", "to_user_id")
            return
        gives_way = choice in (ConflictChoice.THEIRS, ConflictChoice.DISCARD)
        if choice is not None and not gives_way and data.get("record_version") is None:
            raise ValidationError("required", "record_version")
