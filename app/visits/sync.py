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
    rows,
    text_merge,
    text_set,
)

SHAPE_OF_ASSIGNEE = """CASE u.role WHEN 'rep' THEN 'sales' WHEN 'technician' THEN 'service'
                            WHEN 'partner' THEN 'partner' ELSE 'manager' END"""

# A technician's own visits are what brings the account; all others must hold the account without them.
ASSIGNEE_HOLDS_ACCOUNT = """(u.role = 'technician' OR a.owner_id = u.id
     OR EXISTS (SELECT 1 FROM sync_subscriptions s WHERE s.tenant_id = u.tenant_id AND s.user_id = u.id
                AND s.bucket = 'territory:' || a.territory_id))"""

_VISITS_OF_LIVE_ACCOUNTS = """FROM visits v
    JOIN accounts a ON a.tenant_id = v.tenant_id AND a.id = v.account_id AND a.deleted_at IS NULL
    JOIN users u ON u.tenant_id = v.tenant_id AND u.id = v.assignee_id
    WHERE v.tenant_id = :tenant AND v.id = ANY(CAST(:ids AS uuid[])) AND v.deleted_at IS NULL"""

_LAST_FIVE = """FROM (SELECT DISTINCT account_id FROM visits
          WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))) k
    JOIN accounts a ON a.tenant_id = :tenant AND a.id = k.account_id AND a.deleted_at IS NULL,
    LATERAL (SELECT id FROM visits
             WHERE tenant_id = :tenant AND account_id = k.account_id AND deleted_at IS NULL
               AND status IN ('checked_out', 'completed', 'verified', 'flagged')
             ORDER BY planned_start DESC, id DESC LIMIT 5) v
    WHERE v.id = ANY(CAST(:ids AS uuid[]))"""

# Hours and not days: a day in a zone with summer time is not always 24 of them.
# The window of the assignee; the last five of each account for its reps; the team's day for managers.
VISIT_BUCKETS = f"""
SELECT v.id AS record_id, 'user:' || v.assignee_id AS bucket, {SHAPE_OF_ASSIGNEE} AS shape
    {_VISITS_OF_LIVE_ACCOUNTS}
    AND v.planned_start >= :now - interval '72 hours' AND v.planned_start < :now + interval '336 hours'
    AND {ASSIGNEE_HOLDS_ACCOUNT}
UNION
SELECT v.id, 'territory:' || a.territory_id, 'sales' {_LAST_FIVE} AND a.territory_id IS NOT NULL
UNION
SELECT v.id, 'user:' || a.owner_id, 'sales' {_LAST_FIVE} AND a.owner_id IS NOT NULL
UNION
SELECT v.id, 'territory:' || a.territory_id, 'manager'
    {_VISITS_OF_LIVE_ACCOUNTS}
    AND a.territory_id IS NOT NULL
    AND v.planned_start >= :now - interval '24 hours' AND v.planned_start < :now + interval '24 hours'
"""

# The same without windows and ranks. A technician's accounts take the window as their scope.
VISITS_IN_SCOPE = f"""
SELECT v.id AS record_id, 'user:' || v.assignee_id AS bucket, {SHAPE_OF_ASSIGNEE} AS shape
    {_VISITS_OF_LIVE_ACCOUNTS}
    AND CASE u.role WHEN 'technician'
        THEN v.planned_start >= :now - interval '72 hours' AND v.planned_start < :now + interval '336 hours'
        ELSE {ASSIGNEE_HOLDS_ACCOUNT} END
UNION
SELECT v.id, 'territory:' || a.territory_id, 'sales' {_VISITS_OF_LIVE_ACCOUNTS} AND a.territory_id IS NOT NULL
UNION
SELECT v.id, 'user:' || a.owner_id, 'sales' {_VISITS_OF_LIVE_ACCOUNTS} AND a.owner_id IS NOT NULL
UNION
SELECT v.id, 'territory:' || a.territory_id, 'manager'
    {_VISITS_OF_LIVE_ACCOUNTS} AND a.territory_id IS NOT NULL
"""

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
        "account_id": last_write(Kind.ID),
        "site_id": last_write(Kind.ID),
        "contact_id": last_write(Kind.ID),
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
    commands=("reassign",),
)
