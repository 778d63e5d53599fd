"""How activities, tasks and notifications reach phones and merge."""

from app.activity.states import TASK_MACHINE
from sync.policy import Kind, Priority, SyncEntity, last_write, read_only, reference, text_merge

# The fields are the same; two shapes, because owning an account gives a technician nothing, though the
# bucket ``user:<owner>`` is theirs. Partners see none of it.
SALES_SHAPE = "manager+sales"
SERVICE_SHAPE = "service"

# Whether user u holds account a: territories of the drained subscriptions, ownership, and a
# technician's own visits -3 … +14 days (in hours: a day with summer time is not always 24 of them).
_HOLDS_ACCOUNT = """((u.role <> 'technician' AND a.owner_id = u.id)
     OR EXISTS (SELECT 1 FROM sync_subscriptions s WHERE s.tenant_id = :tenant AND s.user_id = u.id
                AND s.bucket = 'territory:' || a.territory_id)
     OR (u.role = 'technician' AND EXISTS (
         SELECT 1 FROM visits w
         WHERE w.tenant_id = :tenant AND w.account_id = a.id AND w.assignee_id = u.id
           AND w.deleted_at IS NULL AND w.planned_start >= :now - interval '72 hours'
           AND w.planned_start < :now + interval '336 hours')))"""

# The buckets of the account; a private one goes to its author alone.
ACTIVITY_BUCKETS = f"""
WITH these AS MATERIALIZED (
    SELECT t.id, t.private, t.author_id, t.account_id, a.territory_id, a.owner_id
    FROM unnest(CAST(:ids AS uuid[])) AS i (id)
    JOIN activities t ON t.tenant_id = :tenant AND t.id = i.id AND t.deleted_at IS NULL
    JOIN accounts a ON a.tenant_id = :tenant AND a.id = t.account_id AND a.deleted_at IS NULL
)
SELECT id AS record_id, 'territory:' || territory_id AS bucket, s.shape
FROM these CROSS JOIN (VALUES ('{SALES_SHAPE}'), ('{SERVICE_SHAPE}')) AS s (shape)
WHERE NOT private AND territory_id IS NOT NULL
UNION
SELECT id, 'user:' || owner_id, '{SALES_SHAPE}' FROM these WHERE NOT private AND owner_id IS NOT NULL
UNION
SELECT t.id, 'user:' || v.assignee_id, '{SERVICE_SHAPE}'
FROM these t
JOIN visits v ON v.tenant_id = :tenant AND v.account_id = t.account_id AND v.deleted_at IS NULL
 AND v.planned_start >= :now - interval '72 hours' AND v.planned_start < :now + interval '336 hours'
JOIN users u ON u.tenant_id = :tenant AND u.id = v.assignee_id AND u.role = 'technician'
WHERE NOT t.private
UNION
SELECT a.activity_id, 'user:' || a.author_id,
       CASE u.role WHEN 'technician' THEN '{SERVICE_SHAPE}' ELSE '{SALES_SHAPE}' END
FROM (SELECT id AS activity_id, author_id, account_id AS id, territory_id, owner_id FROM these WHERE private) a
JOIN users u ON u.tenant_id = :tenant AND u.id = a.author_id
WHERE {_HOLDS_ACCOUNT}
"""  # noqa: S608  (built of constants of this file)

PRIVATE_ACTIVITIES_OF_USERS = """
SELECT id FROM activities
WHERE tenant_id = :tenant AND author_id = ANY(CAST(:users AS uuid[])) AND private AND deleted_at IS NULL
"""

TASK_BUCKETS = f"""
SELECT t.id AS record_id, 'user:' || t.assignee_id AS bucket, 'all' AS shape
FROM unnest(CAST(:ids AS uuid[])) AS i (id)
JOIN tasks t ON t.tenant_id = :tenant AND t.id = i.id AND t.deleted_at IS NULL
JOIN users u ON u.tenant_id = :tenant AND u.id = t.assignee_id
LEFT JOIN accounts a ON a.tenant_id = :tenant AND a.id = t.account_id AND a.deleted_at IS NULL
WHERE t.account_id IS NULL OR (a.id IS NOT NULL AND {_HOLDS_ACCOUNT})
"""  # noqa: S608  (built of constants of this file)

TASKS_OF_USERS = """
SELECT id FROM tasks
WHERE tenant_id = :tenant AND assignee_id = ANY(CAST(:users AS uuid[])) AND account_id IS NOT NULL
  AND deleted_at IS NULL
"""

ACTIVITY = SyncEntity(
    "activity",
    table="activities",
    fields={
        "account_id": reference("account"),
        "contact_id": reference("contact"),
        "visit_id": reference("visit"),
        "author_id": read_only(Kind.ID),
        "kind": last_write(),
        "direction": last_write(),
        "value": last_write(),
        "subject": last_write(),
        "body": last_write(),
        "private": last_write(Kind.BOOLEAN),
        "happened_at": last_write(Kind.TIME),
    },
    shapes=(SALES_SHAPE, SERVICE_SHAPE),
    buckets=ACTIVITY_BUCKETS,
    in_scope=ACTIVITY_BUCKETS,
    of_users=PRIVATE_ACTIVITIES_OF_USERS,
    priority=Priority.HISTORY,
    append_only=True,
)

TASK = SyncEntity(
    "task",
    table="tasks",
    fields={
        "account_id": reference("account"),
        "assignee_id": last_write(Kind.ID),
        "title": last_write(),
        "body": text_merge(),
        "priority": last_write(),
        "due_on": last_write(Kind.DATE),
        "status": read_only(),
        "closed_at": read_only(Kind.TIME),
    },
    buckets=TASK_BUCKETS,
    in_scope=TASK_BUCKETS,
    of_users=TASKS_OF_USERS,
    priority=Priority.MY_DAY,
    machine=TASK_MACHINE,
)

_TOLD = """
SELECT n.id AS record_id, 'user:' || n.user_id AS bucket, 'all' AS shape
FROM unnest(CAST(:ids AS uuid[])) AS i (id)
JOIN notifications n ON n.tenant_id = :tenant AND n.id = i.id AND n.deleted_at IS NULL
"""

NOTIFICATION = SyncEntity(
    "notification",
    table="notifications",
    fields={
        "user_id": read_only(Kind.ID),
        "kind": read_only(),
        "title_code": read_only(),
        "details": read_only(Kind.JSON),
        "title_ko": read_only(),
        "title_en": read_only(),
        "entity": read_only(),
        "record_id": read_only(Kind.ID),
        "notified_at": read_only(Kind.TIME),
        "read_at": read_only(Kind.TIME),
    },
    buckets=f"{_TOLD} WHERE n.notified_at > CAST(:now AS timestamptz) - interval '720 hours'",
    in_scope=_TOLD,
    priority=Priority.MY_DAY,
    commands=("mark_read",),
    account_field=None,
)
