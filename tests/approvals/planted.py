"""Approvals, policies, absences and notifications by plain SQL, for tests that need one of each."""

from datetime import date
from typing import Any
from uuid import UUID

from app.core.clock import utc_now
from app.core.db import compact_json
from app.core.ids import new_id
from tests.world import World


def plant_approval(world: World, requester_id: UUID, assignee_id: UUID | None, **values: Any) -> UUID:
    """A pending request of one step."""
    request_id, step_values = new_id(), values.pop("step", {})
    plan = [{"level": 1, "approver": "manager", "height": 1, "escalate_after_h": 9}]
    for name, default in (("snapshot", {"total": "1200.0000"}), ("metrics", {}), ("triggered", [])):
        values[name] = compact_json(values.get(name, default))
    world.insert(
        "approval_requests",
        **{
            "id": request_id,
            "document_kind": "order",
            "document_id": new_id(),
            "document_hash": "sha256:first",
            "title": "주문 2026-0001",
            "requester_id": requester_id,
            "plan": compact_json(plan),
            "level": 1,
            "levels": 1,
            "requested_at": utc_now(),
        }
        | values,
    )
    world.insert(
        "approval_steps",
        **{
            "id": new_id(),
            "request_id": request_id,
            "position": 0,
            "level": 1,
            "assignee_id": assignee_id,
            "status": "active",
            "active_at": utc_now(),
        }
        | step_values,
    )
    return request_id


def plant_notification(world: World, user_id: UUID, **values: Any) -> UUID:
    """Something told."""
    notification_id = new_id()
    values["details"] = compact_json(values.get("details", {"title": "주문 2026-0001"}))
    world.insert(
        "notifications",
        **{
            "id": notification_id,
            "user_id": user_id,
            "kind": "approval",
            "title_code": "approval.notice_asked",
            "title_ko": "주문 2026-0001 결재를 처리해 주십시오.",
            "title_en": "Please decide on 주문 2026-0001.",
            "entity": "approval",
            "record_id": new_id(),
            "notified_at": utc_now(),
        }
        | values,
    )
    return notification_id


def plant_policy(world: World, **values: Any) -> UUID:
    """A policy that asks the manager."""
    policy_id = new_id()
    world.insert(
        "approval_policies",
        **{
            "id": policy_id,
            "name": "할인 결재",
            "document_kind": "order",
            "metric": "discount_percent",
            "threshold": 10,
            "levels": compact_json([{"approver": "manager", "escalate_after_h": 9}]),
        }
        | values,
    )
    return policy_id


def plant_days_off(world: World, user_id: UUID, day: date) -> tuple[UUID, UUID]:
    """An absence and a company holiday."""
    absence_id, holiday_id = new_id(), new_id()
    world.insert("absences", id=absence_id, user_id=user_id, first_day=day, last_day=day)
    world.insert("company_holidays", id=holiday_id, day=day, name="창립기념일")
    return absence_id, holiday_id
