"""Wire forms of activities, tasks and the timeline; the fields stand in the order of the feed."""

import enum
from typing import Any

from app.activity.models import ActivityKind, ContactValue, Direction, TaskPriority
from app.activity.states import TaskStatus
from app.http.fields import Boolean, Choice, Day, Id, Integer, Json, Text, Texts, Time, WireSchema
from app.http.paging import PageQuery

LINE_MAX = 500
TEXT_MAX = 20_000


def _text(longest: int, example: str, **kwargs: Any) -> Text:
    return Text(max=longest, allow_none=True, metadata={"example": example}, **kwargs)


class ActivitySchema(WireSchema):
    """A contact with an account; written once, never edited."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(required=True)
    contact_id = Id(allow_none=True)
    visit_id = Id(allow_none=True)
    author_id = Id(dump_only=True)
    kind = Choice(ActivityKind, required=True)
    direction = Choice(Direction, allow_none=True)
    value = Choice(ContactValue, metadata={"description": "What the contact gave the customer"})
    subject = _text(LINE_MAX, "윤활유 교체 주기 문의")
    body = _text(TEXT_MAX, "다음 주에 샘플을 보내기로 함")
    private = Boolean(metadata={"description": "Seen by its author alone", "example": False})
    happened_at = Time()


class ActivityCreateSchema(ActivitySchema):
    """A new activity; its id may be minted by the caller."""

    id = Id()


class ActivityQuery(PageQuery):
    """Filters of the list of activities."""

    account_id = Id()
    author_id = Id()
    visit_id = Id()
    kind = Choice(ActivityKind)
    happened_from = Time()
    happened_to = Time(metadata={"description": "Exclusive"})


class TaskSchema(WireSchema):
    """Something that one person is to do."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(allow_none=True)
    assignee_id = Id(metadata={"description": "Oneself, when left out"})
    title = Text(max=LINE_MAX, blank=False, required=True, metadata={"example": "견적서 송부"})
    body = _text(TEXT_MAX, "5W30 20드럼 기준")
    priority = Choice(TaskPriority)
    due_on = Day(allow_none=True)
    status = Choice(TaskStatus, dump_only=True)
    closed_at = Time(dump_only=True, allow_none=True)


class TaskCreateSchema(TaskSchema):
    """A new task; its id may be minted by the caller."""

    id = Id()


class TaskQuery(PageQuery):
    """Filters of the list of tasks."""

    account_id = Id()
    assignee_id = Id()
    status = Choice(TaskStatus)
    due_to = Day(metadata={"description": "Due on or before this day"})


class NoArgsSchema(WireSchema):
    """A command that needs no more than its name."""


# By the names that phones send.
COMMAND_SCHEMAS: dict[str, type[WireSchema]] = {
    "complete": NoArgsSchema,
    "cancel": NoArgsSchema,
    "reopen": NoArgsSchema,
}


class NotificationSchema(WireSchema):
    """Something that one was told."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    user_id = Id(dump_only=True)
    kind = Text(max=40, dump_only=True, metadata={"example": "approval"})
    title_code = Text(max=100, dump_only=True, metadata={"example": "approval.notice_asked"})
    details = Json(dump_only=True, metadata={"example": {"title": "주문 2026-0001"}})
    title_ko = Text(
        max=LINE_MAX, dump_only=True, metadata={"example": "주문 2026-0001 결재를 처리해 주십시오."}
    )
    title_en = Text(max=LINE_MAX, dump_only=True, metadata={"example": "Please decide on 주문 2026-0001."})
    entity = Text(
        max=40, dump_only=True, metadata={"description": "Of the record to look at", "example": "approval"}
    )
    record_id = Id(dump_only=True)
    notified_at = Time(dump_only=True)
    read_at = Time(dump_only=True, allow_none=True, metadata={"example": None})


class NotificationQuery(PageQuery):
    """Filters of the list of notifications."""

    unread = Boolean()


class TimelineKind(enum.StrEnum):
    """What kind of thing happened."""

    VISIT = "visit"
    ACTIVITY = "activity"
    TASK = "task"
    CHANGE = "change"


class TimelineEntrySchema(WireSchema):
    """One thing that happened at an account."""

    id = Id(dump_only=True)
    at = Time(dump_only=True)
    kind = Choice(TimelineKind, dump_only=True)
    entity = Text(max=40, dump_only=True, metadata={"example": "visit"})
    record_id = Id(dump_only=True)
    what = Text(
        max=40,
        dump_only=True,
        metadata={
            "description": "Purpose of a visit, kind of an activity, what was done in a change",
            "example": "sales",
        },
    )
    status = Text(max=40, dump_only=True, allow_none=True, metadata={"example": "completed"})
    title = Text(max=LINE_MAX, dump_only=True, allow_none=True, metadata={"example": "견적 요청"})
    text = Text(max=TEXT_MAX, dump_only=True, allow_none=True, metadata={"example": "신규 설비 도입"})
    fields_changed = Texts(
        dump_only=True,
        attribute="fields",
        metadata={"description": "Of a change: the fields of your shape", "example": None},
    )
    by_id = Id(dump_only=True, allow_none=True)
    by_name = Text(max=LINE_MAX, dump_only=True, allow_none=True, metadata={"example": "김한빛"})


class TimelineQuery(PageQuery):
    """Paging of a timeline."""
