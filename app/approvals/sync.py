"""How requests for approval reach phones: to who asked, who is asked, and who stands in for them today."""

from app.approvals.queries import APPROVERS
from sync.policy import Kind, Priority, SyncEntity, read_only, rows

_APPROVERS = ", ".join(f"'{role}'" for role in APPROVERS)
_SHAPE_OF_ROLE = """CASE u.role WHEN 'technician' THEN 'service' WHEN 'rep' THEN 'sales'
                         WHEN 'partner' THEN 'partner' ELSE 'manager' END"""
_TODAY = (
    """(SELECT (CAST(:now AS timestamptz) AT TIME ZONE time_zone)::date FROM tenants WHERE id = :tenant)"""
)

# Whether user u holds account a, as for tasks: what hangs on an account is seen with it only.
_HOLDS_ACCOUNT = """((u.role <> 'technician' AND a.owner_id = u.id)
     OR EXISTS (SELECT 1 FROM sync_subscriptions s WHERE s.tenant_id = :tenant AND s.user_id = u.id
                AND s.bucket = 'territory:' || a.territory_id)
     OR (u.role = 'technician' AND EXISTS (
         SELECT 1 FROM visits w
         WHERE w.tenant_id = :tenant AND w.account_id = a.id AND w.assignee_id = u.id
           AND w.deleted_at IS NULL AND w.planned_start >= :now - interval '72 hours'
           AND w.planned_start < :now + interval '336 hours')))"""

# What was decided stays on phones for thirty days.
_RECENT = "(r.status = 'pending' OR r.decided_at > CAST(:now AS timestamptz) - interval '720 hours')"


def _buckets(window: str) -> str:
    return f"""
WITH these AS MATERIALIZED (
    SELECT r.id, r.requester_id, r.account_id
    FROM unnest(CAST(:ids AS uuid[])) AS i (id)
    JOIN approval_requests r ON r.tenant_id = :tenant AND r.id = i.id AND r.deleted_at IS NULL AND {window}
), steps AS MATERIALIZED (
    SELECT t.id, t.requester_id, s.assignee_id, s.acted_by
    FROM these t JOIN approval_steps s ON s.tenant_id = :tenant AND s.request_id = t.id
), asked AS (
    SELECT id, requester_id, assignee_id AS user_id FROM steps
    UNION
    SELECT id, requester_id, acted_by FROM steps
    UNION
    SELECT s.id, s.requester_id, d.to_user_id
    FROM steps s
    JOIN delegations d ON d.tenant_id = :tenant AND d.from_user_id = s.assignee_id AND d.work = 'approvals'
         AND d.deleted_at IS NULL AND d.valid_from <= {_TODAY} AND coalesce(d.valid_to >= {_TODAY}, true)
    JOIN users u ON u.tenant_id = :tenant AND u.id = d.to_user_id AND u.role IN ({_APPROVERS})
)
SELECT k.id AS record_id, 'user:' || u.id AS bucket, {_SHAPE_OF_ROLE} AS shape
FROM asked k JOIN users u ON u.tenant_id = :tenant AND u.id = k.user_id
WHERE k.user_id <> k.requester_id
UNION
SELECT t.id, 'user:' || u.id, {_SHAPE_OF_ROLE}
FROM these t
JOIN users u ON u.tenant_id = :tenant AND u.id = t.requester_id
LEFT JOIN accounts a ON a.tenant_id = :tenant AND a.id = t.account_id AND a.deleted_at IS NULL
WHERE t.account_id IS NULL OR (a.id IS NOT NULL AND (u.role IN ('admin', 'integration') OR {_HOLDS_ACCOUNT}))
"""  # noqa: S608  (built of constants of this file)


# Those whose role, account or delegation decides about a request that may be on a phone.
REQUESTS_OF_USERS = f"""
SELECT r.id FROM approval_requests r
WHERE r.tenant_id = :tenant AND r.requester_id = ANY(CAST(:users AS uuid[])) AND {_RECENT}
UNION
SELECT r.id
FROM approval_steps s JOIN approval_requests r ON r.tenant_id = s.tenant_id AND r.id = s.request_id AND {_RECENT}
WHERE s.tenant_id = :tenant AND (
    s.assignee_id = ANY(CAST(:users AS uuid[])) OR s.acted_by = ANY(CAST(:users AS uuid[]))
    OR s.assignee_id IN (
        SELECT d.from_user_id FROM delegations d
        WHERE d.tenant_id = :tenant AND d.to_user_id = ANY(CAST(:users AS uuid[])) AND d.work = 'approvals'))
"""  # noqa: S608  (built of constants of this file)

STEP_FIELDS = {
    "position": read_only(Kind.INTEGER),
    "level": read_only(Kind.INTEGER),
    "assignee_id": read_only(Kind.ID),
    "acted_by": read_only(Kind.ID),
    "delegated_from": read_only(Kind.ID),
    "status": read_only(),
    "active_at": read_only(Kind.TIME),
    "due_at": read_only(Kind.TIME),
    "decided_at": read_only(Kind.TIME),
    "comment": read_only(),
}

APPROVAL = SyncEntity(
    "approval",
    table="approval_requests",
    fields={
        "document_kind": read_only(),
        "document_id": read_only(Kind.ID),
        "document_hash": read_only(),
        "title": read_only(),
        "account_id": read_only(Kind.ID),
        "territory_id": read_only(Kind.ID),
        "requester_id": read_only(Kind.ID),
        "reasons": read_only(Kind.TEXTS),
        "level": read_only(Kind.INTEGER),
        "levels": read_only(Kind.INTEGER),
        "status": read_only(),
        "requested_at": read_only(Kind.TIME),
        "decided_at": read_only(Kind.TIME),
        # Technicians and partners read no terms; costs are in the office's fields only.
        "snapshot": read_only(Kind.JSON, "sales", "manager"),
        "metrics": read_only(Kind.JSON, "manager"),
        "triggered": read_only(Kind.JSON, "manager"),
        "steps": rows("approval_steps", "request_id", STEP_FIELDS),
    },
    shapes=("sales", "service", "manager", "partner"),
    buckets=_buckets(_RECENT),
    in_scope=_buckets("true"),
    of_users=REQUESTS_OF_USERS,
    priority=Priority.MY_DAY,
    commands=("approve", "reject", "return", "forward", "withdraw"),
)
