"""How visits reach phones and merge."""

from app.visits.states import VISIT_MACHINE
from sync.policy import (
    Field,
    Kind,
    Merge,
    Priority,
    SyncEntity,
    last_write,
    merged,
    read_only,
    reference,
    rows,
    text_merge,
    text_set,
)

_SHAPE_OF_ASSIGNEE = """CASE role WHEN 'rep' THEN 'sales' WHEN 'technician' THEN 'service'
                            WHEN 'partner' THEN 'partner' ELSE 'manager' END"""

# The visits asked for, once; hours and not days, as a day in a zone with summer time is not always 24.
_THESE = """these AS MATERIALIZED (
    SELECT v.id, v.account_id, v.assignee_id, v.planned_start, a.territory_id, a.owner_id, u.role,
           v.planned_start >= :now - interval '72 hours' AND v.planned_start < :now + interval '336 hours'
               AS in_window,
           -- A technician's own visits are what brings the account; others must hold it without them.
           u.role = 'technician' OR a.owner_id = u.id OR EXISTS (
               SELECT 1 FROM sync_subscriptions s WHERE s.tenant_id = :tenant AND s.user_id = u.id
                 AND s.bucket = 'territory:' || a.territory_id) AS assignee_holds_account
    FROM unnest(CAST(:ids AS uuid[])) AS i (id)
    JOIN visits v ON v.tenant_id = :tenant AND v.id = i.id AND v.deleted_at IS NULL
    JOIN accounts a ON a.tenant_id = :tenant AND a.id = v.account_id AND a.deleted_at IS NULL
    JOIN users u ON u.tenant_id = :tenant AND u.id = v.assignee_id
)"""

# The window of the assignee; the last five of each account for its reps; the team's day for managers.
VISIT_BUCKETS = f"""
WITH {_THESE}, ranked AS MATERIALIZED (
    SELECT v.id
    FROM (SELECT DISTINCT account_id FROM these) k
    CROSS JOIN LATERAL (
        SELECT id FROM visits
        WHERE tenant_id = :tenant AND account_id = k.account_id AND deleted_at IS NULL
          AND status IN ('checked_out', 'completed', 'verified', 'flagged')
        ORDER BY planned_start DESC, id DESC LIMIT 5
    ) v
), last_five AS MATERIALIZED (
    SELECT id, territory_id, owner_id FROM these WHERE id IN (SELECT id FROM ranked)
)
SELECT id AS record_id, 'user:' || assignee_id AS bucket, {_SHAPE_OF_ASSIGNEE} AS shape
FROM these WHERE in_window AND assignee_holds_account
UNION
SELECT id, 'territory:' || territory_id, 'sales' FROM last_five WHERE territory_id IS NOT NULL
UNION
SELECT id, 'user:' || owner_id, 'sales' FROM last_five WHERE owner_id IS NOT NULL
UNION
SELECT id, 'territory:' || territory_id, 'manager' FROM these
WHERE territory_id IS NOT NULL
  AND planned_start >= :now - interval '24 hours' AND planned_start < :now + interval '24 hours'
"""  # noqa: S608  (built of constants of this file)

# The same without windows and ranks. A technician's accounts take the window as their scope.
VISITS_IN_SCOPE = f"""
WITH {_THESE}
SELECT id AS record_id, 'user:' || assignee_id AS bucket, {_SHAPE_OF_ASSIGNEE} AS shape
FROM these WHERE assignee_holds_account AND (in_window OR role <> 'technician')
UNION
SELECT id, 'territory:' || territory_id, shape FROM these CROSS JOIN (VALUES ('sales'), ('manager')) AS s (shape)
WHERE territory_id IS NOT NULL
UNION
SELECT id, 'user:' || owner_id, 'sales' FROM these WHERE owner_id IS NOT NULL
"""  # noqa: S608  (built of constants of this file)

# Whose own visits may come or go when their territories do.
VISITS_OF_USERS = """
SELECT id FROM visits
WHERE tenant_id = :tenant AND assignee_id = ANY(CAST(:users AS uuid[])) AND deleted_at IS NULL
  AND planned_start >= :now - interval '72 hours' AND planned_start < :now + interval '336 hours'
"""


def owned_by_phone(kind: Kind) -> Field:
    """Told by the phone when it creates an unplanned visit, never edited afterwards."""
    return merged(Merge.CLIENT_WINS, kind)


TASK_FIELDS = {
    "kind": last_write(),
    "title": last_write(),
    "required": last_write(Kind.BOOLEAN),
    "position": last_write(Kind.INTEGER),
    "done": last_write(Kind.BOOLEAN),
    "done_at": last_write(Kind.TIME),
    "result": last_write(),
}

VISIT = SyncEntity(
    "visit",
    table="visits",
    fields={
        "account_id": reference("account"),
        "site_id": reference("site"),
        "contact_id": reference("contact"),
        "assignee_id": last_write(Kind.ID),
        "unplanned": last_write(Kind.BOOLEAN),
        "purpose": last_write(),
        "priority": last_write(),
        "planned_start": last_write(Kind.TIME),
        "planned_end": last_write(Kind.TIME),
        "instructions": text_merge(),
        "outcome": last_write(),
        "next_step": last_write(),
        "report": text_merge(),
        "tags": text_set(),
        "tasks": rows("visit_tasks", "visit_id", TASK_FIELDS),
        "status": read_only(),
        "cancel_reason": read_only(),
        "checked_in_at": read_only(Kind.TIME),
        "checked_in_location": owned_by_phone(Kind.POINT),
        "checked_in_accuracy_m": owned_by_phone(Kind.INTEGER),
        "checked_in_mock": owned_by_phone(Kind.BOOLEAN),
        "checked_out_at": read_only(Kind.TIME),
        "checked_out_location": read_only(Kind.POINT),
        "distance_m": read_only(Kind.INTEGER),
        "geo_verdict": read_only(),
        "geo_reason": last_write(),
        "duration_min": read_only(Kind.INTEGER),
        "late": read_only(Kind.BOOLEAN),
        "rescheduled_to_id": read_only(Kind.ID),
        "verified_by": read_only(Kind.ID),
        "review_note": read_only(),
    },
    buckets=VISIT_BUCKETS,
    in_scope=VISITS_IN_SCOPE,
    of_users=VISITS_OF_USERS,
    shapes=("sales", "service", "manager", "partner"),
    priority=Priority.MY_DAY,
    machine=VISIT_MACHINE,
    commands=("reassign", "collect_payment"),
)
