"""Wire forms of visits; the fields stand in the order of the feed."""

from typing import Any

from marshmallow import ValidationError, validates_schema

from app.core.geo import GeoVerdict
from app.http.fields import (
    Boolean,
    Choice,
    Float,
    Id,
    Integer,
    Nested,
    Point,
    Rows,
    Text,
    Texts,
    Time,
    WireSchema,
)
from app.http.paging import PageQuery
from app.visits.models import VisitPriority, VisitPurpose, VisitTaskKind
from app.visits.states import VisitStatus

LINE_MAX = 500
TEXT_MAX = 20_000
TAG_MAX = 60
TAGS_MAX = 50
TASKS_MAX = 100
ACCURACY_M = 100_000


def _text(longest: int, example: str, **kwargs: Any) -> Text:
    return Text(max=longest, allow_none=True, metadata={"example": example}, **kwargs)


class VisitTaskSchema(WireSchema):
    """Something to do on site; a row of its visit."""

    id = Id()
    kind = Choice(VisitTaskKind)
    title = Text(max=LINE_MAX, blank=False, required=True, metadata={"example": "진열 상태 촬영"})
    required = Boolean()
    position = Integer(min=0, max=10_000, metadata={"example": 1})
    done = Boolean()
    done_at = Time(allow_none=True)
    result = _text(TEXT_MAX, "3단 진열, 경쟁사 2종")


class VisitSchema(WireSchema):
    """A visit with its tasks."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(required=True, metadata={"description": "Fixed once the visit is made"})
    site_id = Id(allow_none=True)
    contact_id = Id(allow_none=True)
    assignee_id = Id(metadata={"description": "Oneself, when left out"})
    unplanned = Boolean(
        metadata={"description": "Fixed; such a visit starts at checked_in", "example": False}
    )
    purpose = Choice(VisitPurpose)
    priority = Choice(VisitPriority)
    planned_start = Time(metadata={"description": "Required unless the visit is unplanned"})
    planned_end = Time(allow_none=True)
    instructions = _text(TEXT_MAX, "정문 경비실에 신분증을 맡길 것")
    outcome = _text(LINE_MAX, "견적 요청")
    next_step = _text(LINE_MAX, "금요일까지 견적 송부")
    report = _text(TEXT_MAX, "신규 설비 도입으로 사용량이 늘어남")
    tags = Texts(max=TAG_MAX, max_items=TAGS_MAX)
    tasks = Rows(VisitTaskSchema, max_items=TASKS_MAX)
    status = Choice(VisitStatus, dump_only=True)
    cancel_reason = Text(max=LINE_MAX, dump_only=True, allow_none=True, metadata={"example": None})
    checked_in_at = Time(dump_only=True, allow_none=True)
    checked_in_location = Point(
        allow_none=True, metadata={"description": "Written only with an unplanned visit; else by check-in"}
    )
    checked_in_accuracy_m = Integer(min=0, max=ACCURACY_M, allow_none=True, metadata={"example": 12})
    checked_in_mock = Boolean(metadata={"example": False})
    checked_out_at = Time(dump_only=True, allow_none=True)
    checked_out_location = Point(dump_only=True, allow_none=True)
    distance_m = Integer(dump_only=True, allow_none=True, metadata={"example": 35})
    geo_verdict = Choice(
        GeoVerdict,
        dump_only=True,
        allow_none=True,
        metadata={"description": "outside and suspect ask for a geo_reason"},
    )
    geo_reason = _text(LINE_MAX, "정문이 아닌 후문 주차장")
    duration_min = Integer(dump_only=True, allow_none=True, metadata={"example": 42})
    late = Boolean(
        dump_only=True,
        metadata={"description": "Made after the clock had called it missed", "example": False},
    )
    rescheduled_to_id = Id(dump_only=True, allow_none=True)
    verified_by = Id(dump_only=True, allow_none=True)
    review_note = Text(max=LINE_MAX, dump_only=True, allow_none=True, metadata={"example": None})


class VisitCreateSchema(VisitSchema):
    """A new visit; its id may be minted by the caller."""

    id = Id()

    @validates_schema
    def check_start(self, data: dict[str, Any], **_: Any) -> None:
        """A plan has a time; what is not planned begins now."""
        if not data.get("unplanned") and "planned_start" not in data:
            raise ValidationError("required", "planned_start")


class VisitQuery(PageQuery):
    """Filters of the list of visits."""

    account_id = Id()
    assignee_id = Id()
    status = Choice(VisitStatus)
    planned_from = Time()
    planned_to = Time(metadata={"description": "Exclusive"})
    wants_reason = Boolean(
        metadata={"description": "Checked in outside or in doubt, and nobody has said why"}
    )


class FixSchema(WireSchema):
    """A position that a phone took."""

    lat = Float(min=-90, max=90, required=True, metadata={"example": 37.5665})
    lon = Float(min=-180, max=180, required=True, metadata={"example": 126.978})
    accuracy_m = Float(min=0, max=ACCURACY_M, allow_none=True, metadata={"example": 12})
    mock = Boolean(metadata={"description": "The phone says that an app made it up", "example": False})


class NoArgsSchema(WireSchema):
    """A command that needs no more than its name."""


class PresenceSchema(WireSchema):
    """Where somebody checks in or out."""

    location = Nested(FixSchema, allow_none=True)
    geo_reason = _text(LINE_MAX, "정문이 아닌 후문 주차장")


class CancelSchema(WireSchema):
    """Why a visit is called off."""

    reason = Text(max=LINE_MAX, blank=False, required=True, metadata={"example": "고객 휴무"})


class RescheduleSchema(WireSchema):
    """When the visit is made instead; the new visit's id may be minted by the caller."""

    new_id = Id()
    planned_start = Time(required=True)
    planned_end = Time(allow_none=True)


class ReassignSchema(WireSchema):
    """Who makes the visit instead."""

    assignee_id = Id(required=True)


class VerifySchema(WireSchema):
    """What the manager has to say about it."""

    note = _text(LINE_MAX, "확인함")


class FlagSchema(WireSchema):
    """What is doubtful about it."""

    note = Text(max=LINE_MAX, blank=False, required=True, metadata={"example": "위치가 맞지 않음"})


# By the names that phones send.
COMMAND_SCHEMAS: dict[str, type[WireSchema]] = {
    "start_travel": NoArgsSchema,
    "check_in": PresenceSchema,
    "check_out": PresenceSchema,
    "complete": NoArgsSchema,
    "verify": VerifySchema,
    "flag": FlagSchema,
    "cancel": CancelSchema,
    "reschedule": RescheduleSchema,
    "reassign": ReassignSchema,
}
