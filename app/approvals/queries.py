"""Reads of approvals: who may see a request, who could be asked, and what waits for whom."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    all_,
    and_,
    column,
    false,
    func,
    literal,
    or_,
    select,
    table,
    text,
    true,
)
from sqlalchemy.orm import Session

from app.approvals.models import ApprovalRequest, ApprovalStep
from app.approvals.states import ApprovalStatus, StepStatus
from app.core.scope import Actor, Role, sees_child_of_account

# Who may be asked at all. Technicians see no sales terms, outsiders nothing of this.
APPROVERS = (Role.REP, Role.MANAGER, Role.ADMIN)
_APPROVERS = ", ".join(f"'{role}'" for role in APPROVERS)

# Light tables of other rooms: only the columns that are needed here.
_tenants = table("tenants", *(column(c) for c in ("id", "time_zone")))
_delegations = table(
    "delegations",
    *(
        column(c)
        for c in ("tenant_id", "from_user_id", "to_user_id", "work", "valid_from", "valid_to", "deleted_at")
    ),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides whether somebody can be asked on a day.

    Attributes:
        is_fit: Active, and of a role that may be asked.
        is_absent: Has a day off.
        delegates: Who may decide in their name on that day: fit themselves and not absent.
    """

    is_fit: bool
    is_absent: bool
    delegates: tuple[UUID, ...]


STANDING = text(f"""
SELECT u.id, u.status = 'active' AND u.deleted_at IS NULL AND u.role IN ({_APPROVERS}) AS is_fit,
       EXISTS (SELECT 1 FROM absences b WHERE b.tenant_id = u.tenant_id AND b.user_id = u.id
               AND b.deleted_at IS NULL AND :day BETWEEN b.first_day AND b.last_day) AS is_absent,
       ARRAY(SELECT t.id FROM delegations d
             JOIN users t ON t.tenant_id = d.tenant_id AND t.id = d.to_user_id
                  AND t.status = 'active' AND t.deleted_at IS NULL AND t.role IN ({_APPROVERS})
             WHERE d.tenant_id = u.tenant_id AND d.from_user_id = u.id AND d.work = 'approvals'
               AND d.deleted_at IS NULL AND d.valid_from <= :day AND coalesce(d.valid_to >= :day, true)
               AND NOT EXISTS (SELECT 1 FROM absences b WHERE b.tenant_id = t.tenant_id AND b.user_id = t.id
                               AND b.deleted_at IS NULL AND :day BETWEEN b.first_day AND b.last_day)
             ORDER BY t.id) AS delegates
FROM users u WHERE u.tenant_id = :tenant AND u.id = ANY (CAST(:ids AS uuid[]))
""")  # noqa: S608  (constant text only)

# The reporting line from the nearest on; each once, though hand-written SQL made a circle.
CHAIN = text("""
WITH RECURSIVE above AS (
    SELECT u.id, u.manager_id, 0 AS height, ARRAY[u.id] AS seen
    FROM users u WHERE u.tenant_id = :tenant AND u.id = :user
    UNION ALL
    SELECT m.id, m.manager_id, a.height + 1, a.seen || m.id
    FROM above a JOIN users m ON m.tenant_id = :tenant AND m.id = a.manager_id AND m.id <> ALL (a.seen)
)
SELECT id FROM above WHERE height > 0 ORDER BY height
""")

# People of a role in somebody's unit, then in the unit above it, and so on.
OF_ROLE = text("""
WITH RECURSIVE units AS (
    SELECT u.org_unit_id AS id, 0 AS height, ARRAY[u.org_unit_id] AS seen
    FROM users u WHERE u.tenant_id = :tenant AND u.id = :user AND u.org_unit_id IS NOT NULL
    UNION ALL
    SELECT o.parent_id, n.height + 1, n.seen || o.parent_id
    FROM units n JOIN org_units o ON o.tenant_id = :tenant AND o.id = n.id
    WHERE o.parent_id IS NOT NULL AND o.parent_id <> ALL (n.seen)
)
SELECT p.id FROM units n JOIN users p ON p.tenant_id = :tenant AND p.org_unit_id = n.id
WHERE p.role = :role ORDER BY n.height, p.id
""")

# Managers who own a territory on a day, then those who own the one above it, and so on.
OF_TERRITORY = text("""
WITH RECURSIVE places AS (
    SELECT CAST(:territory AS uuid) AS id, 0 AS height, ARRAY[CAST(:territory AS uuid)] AS seen
    UNION ALL
    SELECT t.parent_id, p.height + 1, p.seen || t.parent_id
    FROM places p JOIN territories t ON t.tenant_id = :tenant AND t.id = p.id
    WHERE t.parent_id IS NOT NULL AND t.parent_id <> ALL (p.seen)
)
SELECT u.id FROM places p
JOIN territory_members m ON m.tenant_id = :tenant AND m.territory_id = p.id AND m.kind = 'owner'
     AND m.deleted_at IS NULL AND m.valid_from <= :day AND coalesce(m.valid_to >= :day, true)
JOIN users u ON u.tenant_id = :tenant AND u.id = m.user_id AND u.role IN ('manager', 'admin')
ORDER BY p.height, u.id
""")

ADMINS = text("""
SELECT id FROM users WHERE tenant_id = :tenant AND role = 'admin' AND status = 'active' AND deleted_at IS NULL
ORDER BY id
""")

# Active steps that cannot stay as they are: their time is up, or whoever is asked cannot answer any more.
# Those on leave may have somebody who stands in: that is looked at one by one.
TO_MOVE = text(f"""
SELECT r.id FROM approval_requests r
JOIN approval_steps s ON s.tenant_id = r.tenant_id AND s.request_id = r.id AND s.status = 'active'
LEFT JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.assignee_id
WHERE r.tenant_id = :tenant AND r.status = 'pending' AND (
    s.due_at <= :now OR u.id IS NULL OR u.status <> 'active' OR u.deleted_at IS NOT NULL
    OR u.role NOT IN ({_APPROVERS})
    OR EXISTS (SELECT 1 FROM absences b WHERE b.tenant_id = u.tenant_id AND b.user_id = u.id
               AND b.deleted_at IS NULL AND :day BETWEEN b.first_day AND b.last_day))
ORDER BY s.due_at NULLS FIRST, r.id
""")  # noqa: S608  (constant text only)


def standings(session: Session, tenant_id: UUID, ids: Iterable[UUID], day: date) -> dict[UUID, Standing]:
    """How people stand on a day; nobody is there whom the tenant does not have."""
    rows = session.execute(STANDING, {"tenant": tenant_id, "ids": list(ids), "day": day})
    return {row.id: Standing(row.is_fit, row.is_absent, tuple(row.delegates)) for row in rows}


def ids_of(session: Session, statement: Any, tenant_id: UUID, **values: Any) -> Sequence[UUID]:
    """What one of the statements above gives, in its order."""
    found: Sequence[UUID] = session.scalars(statement, {"tenant": tenant_id} | values).all()
    return found


def requests_of(actor: Actor) -> Select[ApprovalRequest]:
    """Requests in the actor's scope: own ones of customers in sight, and those that they or whom they stand
    in for today were asked.
    """
    return select(ApprovalRequest).where(
        ApprovalRequest.tenant_id == actor.tenant_id, ApprovalRequest.deleted_at.is_(None), _sees(actor)
    )


def stood_in_for(actor: Actor, at: datetime | None = None) -> Select[UUID]:
    """Those in whose name the actor may decide, on the tenant's day of *at* (else of the request)."""
    d = _delegations.c
    moment = literal(at or actor.scope.at)
    today = (
        select(func.date(func.timezone(_tenants.c.time_zone, moment)))
        .where(_tenants.c.id == actor.tenant_id)
        .scalar_subquery()
    )
    return select(d.from_user_id).where(
        d.tenant_id == actor.tenant_id,
        d.to_user_id == actor.user_id,
        d.work == "approvals",
        d.deleted_at.is_(None),
        d.valid_from <= today,
        func.coalesce(d.valid_to >= today, true()),
        true() if actor.role in APPROVERS else false(),
    )


def _sees(actor: Actor) -> ColumnElement[bool]:
    if actor.scope.everything:
        return true()
    own = and_(
        ApprovalRequest.requester_id == actor.user_id,
        or_(ApprovalRequest.account_id.is_(None), sees_child_of_account(actor.scope, ApprovalRequest)),
    )
    return or_(own, and_(ApprovalRequest.requester_id != actor.user_id, was_asked(actor)))


def was_asked(actor: Actor) -> ColumnElement[bool]:
    """Whether the actor, or whom they stand in for today, was ever asked; or they acted for whom they stood in."""
    return _has_step(actor, or_(_mine(actor), ApprovalStep.acted_by == actor.user_id))


def waits_for(actor: Actor) -> ColumnElement[bool]:
    """Whether a pending request waits for the actor, or for whom they stand in for today."""
    return and_(
        ApprovalRequest.status == ApprovalStatus.PENDING,
        ApprovalRequest.requester_id != actor.user_id,
        literal(actor.user_id) != all_(ApprovalRequest.excluded),
        _has_step(actor, and_(_mine(actor), ApprovalStep.status == StepStatus.ACTIVE)),
    )


def _mine(actor: Actor) -> ColumnElement[bool]:
    assignee = ApprovalStep.assignee_id
    return or_(assignee == actor.user_id, assignee.in_(stood_in_for(actor)))


def _has_step(actor: Actor, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    # Not for each request anew: a list looks at all of the company's, and one person has few.
    return ApprovalRequest.id.in_(
        select(ApprovalStep.request_id).where(ApprovalStep.tenant_id == actor.tenant_id, condition)
    )
