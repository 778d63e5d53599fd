"""Wire forms of approvals; the fields stand in the order of the feed."""

import enum

from app.approvals.models import Metric
from app.approvals.states import ApprovalStatus, StepStatus
from app.http.fields import (
    Boolean,
    Choice,
    Day,
    Id,
    Integer,
    Json,
    Money,
    Rows,
    Text,
    Texts,
    Time,
    WireSchema,
)
from app.http.paging import PageQuery

LINE_MAX = 500
COMMENT_MAX = 2_000
KIND_MAX = 40
HASH_MAX = 200
LEVELS_MAX = 10
STEPS_MAX = 500
HOURS_MAX = 500


class ApproverKind(enum.StrEnum):
    """How an approver is found."""

    MANAGER = "manager"
    ROLE = "role"
    TERRITORY = "territory"
    USER = "user"


class ApproverRole(enum.StrEnum):
    """Roles that may be asked as such."""

    MANAGER = "manager"
    ADMIN = "admin"


class LevelSchema(WireSchema):
    """One level of a policy."""

    approver = Choice(ApproverKind, required=True)
    role = Choice(
        ApproverRole, allow_none=True, metadata={"description": "With approver `role`", "example": None}
    )
    user_id = Id(allow_none=True, metadata={"description": "With approver `user`", "example": None})
    escalate_after_h = Integer(
        min=1, max=HOURS_MAX, required=True, metadata={"description": "Business hours", "example": 9}
    )


class PolicySchema(WireSchema):
    """Which documents need whose approval."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    name = Text(max=LINE_MAX, blank=False, required=True, metadata={"example": "할인 10% 초과"})
    document_kind = Text(max=KIND_MAX, blank=False, required=True, metadata={"example": "order"})
    metric = Choice(Metric, required=True)
    threshold = Money(
        required=True,
        metadata={
            "example": "10.0000",
            "description": "Asked above it, with margin_percent below it; amounts in the base currency",
        },
    )
    levels = Rows(LevelSchema, max_items=LEVELS_MAX, required=True)
    priority = Integer(
        min=-1000, max=1000, metadata={"description": "Higher is stricter: asked first", "example": 0}
    )
    active = Boolean()


class PolicyCreateSchema(PolicySchema):
    """A new policy; its id may be minted by the caller."""

    id = Id()


class PolicyQuery(PageQuery):
    """Filters of the list of policies."""

    document_kind = Text(max=KIND_MAX, metadata={"example": "order"})


class ApprovalStepSchema(WireSchema):
    """One person asked, or to be asked; a row of its request."""

    id = Id()
    position = Integer(metadata={"example": 0})
    level = Integer(metadata={"example": 1})
    assignee_id = Id(allow_none=True, metadata={"description": "In whose name it is decided"})
    acted_by = Id(allow_none=True, metadata={"description": "Who decided, when another stood in"})
    delegated_from = Id(
        allow_none=True, metadata={"description": "Who was passed over, ran out of time or gave it on"}
    )
    status = Choice(StepStatus)
    active_at = Time(allow_none=True)
    due_at = Time(allow_none=True, metadata={"description": "When it goes to somebody else"})
    decided_at = Time(allow_none=True)
    comment = Text(max=COMMENT_MAX, allow_none=True, metadata={"example": "마진 확인함"})


class ApprovalSchema(WireSchema):
    """A request for approval of one state of a document."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    document_kind = Text(max=KIND_MAX, dump_only=True, metadata={"example": "order"})
    document_id = Id(dump_only=True)
    document_hash = Text(max=HASH_MAX, dump_only=True, metadata={"example": "sha256:9f2c"})
    title = Text(max=LINE_MAX, dump_only=True, metadata={"example": "주문 2026-0001"})
    account_id = Id(dump_only=True, allow_none=True)
    territory_id = Id(dump_only=True, allow_none=True)
    requester_id = Id(dump_only=True)
    reasons = Texts(dump_only=True, metadata={"example": ["discount_percent"]})
    level = Integer(dump_only=True, metadata={"example": 1})
    levels = Integer(dump_only=True, metadata={"example": 2})
    status = Choice(ApprovalStatus, dump_only=True)
    requested_at = Time(dump_only=True)
    decided_at = Time(dump_only=True, allow_none=True)
    snapshot = Json(
        dump_only=True,
        metadata={
            "description": "The whole document, as its requester sees it",
            "example": {"total": "1.0000"},
        },
    )
    metrics = Json(dump_only=True, metadata={"example": {"discount_percent": "15.0000"}})
    triggered = Json(dump_only=True, metadata={"example": []})
    steps = Rows(ApprovalStepSchema, max_items=STEPS_MAX, dump_only=True)


class ApprovalQuery(PageQuery):
    """Filters of the list of requests."""

    status = Choice(ApprovalStatus)
    document_kind = Text(max=KIND_MAX, metadata={"example": "order"})
    document_id = Id()
    requester_id = Id()
    to_decide = Boolean(metadata={"description": "Waits for you, or for somebody you stand in for today"})


class DecisionSchema(WireSchema):
    """An agreement with what was seen."""

    document_hash = Text(
        max=HASH_MAX,
        blank=False,
        required=True,
        metadata={"description": "Of the request that was seen", "example": "sha256:9f2c"},
    )
    step_id = Id(
        allow_none=True,
        metadata={"description": "The step that is decided; refused when it is active no more"},
    )
    comment = Text(max=COMMENT_MAX, allow_none=True, metadata={"example": "마진 확인함"})


class RefusalSchema(DecisionSchema):
    """A refusal, and why."""

    comment = Text(max=COMMENT_MAX, blank=False, required=True, metadata={"example": "할인율 조정 필요"})


class ForwardSchema(DecisionSchema):
    """Who is to decide instead."""

    document_hash = Text(max=HASH_MAX, blank=False, allow_none=True, metadata={"example": "sha256:9f2c"})
    to_user_id = Id(required=True)


class NoArgsSchema(WireSchema):
    """A command that needs no more than its name."""


# By the names that phones send.
COMMAND_SCHEMAS: dict[str, type[WireSchema]] = {
    "approve": DecisionSchema,
    "reject": RefusalSchema,
    "return": RefusalSchema,
    "forward": ForwardSchema,
    "withdraw": NoArgsSchema,
}


class AbsenceSchema(WireSchema):
    """Days on which a person decides nothing."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    user_id = Id(dump_only=True)
    first_day = Day(required=True, metadata={"example": "2026-12-01"})
    last_day = Day(required=True, metadata={"description": "Included", "example": "2026-12-04"})
    reason = Text(max=LINE_MAX, allow_none=True, metadata={"example": "연차"})


class AbsenceCreateSchema(AbsenceSchema):
    """A new absence; its id may be minted by the caller."""

    id = Id()
    user_id = Id(metadata={"description": "Oneself, when left out"})


class AbsenceQuery(PageQuery):
    """Filters of the list of absences."""

    user_id = Id()


class HolidaySchema(WireSchema):
    """A day on which the whole company is closed."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    day = Day(required=True, metadata={"example": "2026-12-31"})
    name = Text(max=LINE_MAX, blank=False, required=True, metadata={"example": "창립기념일"})


class HolidayCreateSchema(HolidaySchema):
    """A new one; its id may be minted by the caller."""

    id = Id()
