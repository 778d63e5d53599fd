"""How inbox items travel: to their author, and to the managers of the account's territory."""

from sync.policy import Kind, Priority, SyncEntity, read_only

# What others wrote is shown only while the viewer's own scope holds the record: the manager's copy
# lies in the bucket of the account's present territory; the author's is asked of the feed.
_HELD = """
    '{shape}' = 'manager' OR t.entity = 'conflict' OR EXISTS (
        SELECT 1 FROM sync_feed f
        JOIN sync_subscriptions s ON s.tenant_id = f.tenant_id AND s.bucket = f.bucket AND s.user_id = t.author_id
        WHERE f.tenant_id = t.tenant_id AND f.entity = t.entity AND f.record_id = t.record_id AND f.gone IS NULL)
"""


def _if_held(column: str) -> str:
    return f"SELECT CASE WHEN {_HELD} THEN t.{column} END"


BUCKETS = """
    SELECT c.id AS record_id, 'user:' || c.author_id AS bucket,
           CASE u.role WHEN 'technician' THEN 'service' WHEN 'rep' THEN 'sales' WHEN 'partner' THEN 'partner'
                       ELSE 'manager' END AS shape
    FROM conflicts c JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.author_id
    WHERE c.tenant_id = :tenant AND c.id = ANY(:ids)
      AND (c.state = 'open' OR c.resolved_at > CAST(:now AS timestamptz) - interval '14 days')
    UNION
    SELECT c.id, 'territory:' || a.territory_id, 'manager'
    FROM conflicts c JOIN accounts a ON a.tenant_id = c.tenant_id AND a.id = c.account_id
    WHERE c.tenant_id = :tenant AND c.id = ANY(:ids) AND a.territory_id IS NOT NULL AND a.deleted_at IS NULL
      AND c.state = 'open'
"""

CONFLICT = SyncEntity(
    "conflict",
    "conflicts",
    fields={
        "kind": read_only(),
        "entity": read_only(),
        "record_id": read_only(Kind.ID),
        "field": read_only(),
        "row_id": read_only(Kind.ID),
        "account_id": read_only(Kind.ID),
        "record_version": read_only(Kind.INTEGER),
        "code": read_only(),
        "base": read_only(Kind.JSON, sql=_if_held("base")),
        "mine": read_only(Kind.JSON),
        "theirs": read_only(Kind.JSON, sql=_if_held("theirs")),
        "author_id": read_only(Kind.ID),
        "device_id": read_only(Kind.ID),
        "mutation_id": read_only(Kind.ID),
        "occurred_at": read_only(Kind.TIME),
        "happened_at": read_only(Kind.TIME),
        "losers": read_only(Kind.JSON),
        "state": read_only(),
        "choice": read_only(),
        "resolution": read_only(Kind.JSON),
        "reason": read_only(),
        "resolved_by": read_only(Kind.ID),
        "resolved_at": read_only(Kind.TIME),
    },
    buckets=BUCKETS,
    shapes=("manager", "sales", "service", "partner"),
    priority=Priority.MY_DAY,
    commands=("resolve",),
    followers="""
        SELECT id FROM conflicts WHERE tenant_id = :tenant AND entity = :entity AND record_id = ANY(:ids)
        AND state = 'open' AND :entity <> 'conflict'
    """,
    of_users="SELECT id FROM conflicts WHERE tenant_id = :tenant AND author_id = ANY(:users) AND state = 'open'",
)
