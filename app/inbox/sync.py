"""How inbox items travel: to their author, and to the managers of the account's territory."""

from sync.inbox import TRIED_ANEW
from sync.policy import Kind, Priority, SyncEntity, read_only

SHAPE_OF_ROLE = """CASE u.role WHEN 'technician' THEN 'service' WHEN 'rep' THEN 'sales'
                        WHEN 'partner' THEN 'partner' ELSE 'manager' END"""

# Those whose values wait in an item (its author, the later losers of the same field), and whom it was given to.
_PEOPLE = """u.id = {item}.author_id OR u.id = {item}.assignee_id OR u.id IN (
    SELECT (loser ->> 'author_id')::uuid FROM json_array_elements({item}.losers) AS loser)"""

_UNJUDGED = ", ".join(f"'{kind}'" for kind in TRIED_ANEW)

# What others wrote is shown only while the viewer's own scope holds the record. The manager's copy lies
# in the bucket of the account's present territory; for the people of the item the feed is asked. All of
# one shape have one body, so that it is shown when all of them hold the record.
_HELD = f"""
    '{{shape}}' = 'manager' OR t.entity = 'conflict' OR (t.account_id IS NULL AND t.kind IN ({_UNJUDGED}))
    OR NOT EXISTS (
        SELECT 1 FROM users u
        WHERE u.tenant_id = t.tenant_id AND ({_PEOPLE.format(item="t")}) AND {SHAPE_OF_ROLE} = '{{shape}}'
          AND NOT EXISTS (
            SELECT 1 FROM sync_feed f
            JOIN sync_subscriptions s ON s.tenant_id = f.tenant_id AND s.bucket = f.bucket AND s.user_id = u.id
            WHERE f.tenant_id = t.tenant_id AND f.entity = t.entity AND f.record_id = t.record_id
              AND f.gone IS NULL))
"""  # noqa: S608  (built of constants of this file)


def _if_held(column: str, otherwise: str = "NULL") -> str:
    return f"SELECT CASE WHEN {_HELD} THEN t.{column} ELSE {otherwise} END"


# What nobody judged, and of no known customer, goes to the author's team leads and to administrators, as in
# app.inbox.service.
_OF_TEAM = f"c.state = 'open' AND c.account_id IS NULL AND c.kind IN ({_UNJUDGED})"
_TEAM = f"""
    SELECT x.id, 'user:' || m.id, 'manager'
    FROM (
        WITH RECURSIVE above AS (
            SELECT c.id, u.id AS user_id, u.manager_id
            FROM conflicts c JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.author_id
            WHERE c.tenant_id = :tenant AND c.id = ANY(:ids) AND {_OF_TEAM}
            UNION
            SELECT a.id, u.id, u.manager_id
            FROM above a JOIN users u ON u.tenant_id = :tenant AND u.id = a.manager_id
        ) SELECT id, user_id FROM above
    ) AS x JOIN users m ON m.tenant_id = :tenant AND m.id = x.user_id AND m.role = 'manager'
    UNION
    SELECT c.id, 'unit:' || u.org_unit_id, 'manager'
    FROM conflicts c JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.author_id
    WHERE c.tenant_id = :tenant AND c.id = ANY(:ids) AND u.org_unit_id IS NOT NULL AND {_OF_TEAM}
    UNION
    SELECT c.id, 'audience:admin', 'manager'
    FROM conflicts c WHERE c.tenant_id = :tenant AND c.id = ANY(:ids) AND {_OF_TEAM}
"""  # noqa: S608  (built of constants of this file)

# Managers who are the authors themselves get theirs by the territory, too: it goes when their scope does. So does
# what was given to a manager by name: their copy is of one shape with the territory's, which hides nothing.
_STILL_THEIRS = """u.id = c.assignee_id AND (u.role = 'admin' OR EXISTS (
    SELECT 1 FROM sync_feed f
    JOIN sync_subscriptions s ON s.tenant_id = f.tenant_id AND s.bucket = f.bucket AND s.user_id = u.id
    WHERE f.tenant_id = c.tenant_id AND f.entity = 'account' AND f.record_id = c.account_id AND f.gone IS NULL))"""

BUCKETS = f"""
    SELECT c.id AS record_id, 'user:' || u.id AS bucket, {SHAPE_OF_ROLE} AS shape
    FROM conflicts c JOIN users u ON u.tenant_id = c.tenant_id AND ({_PEOPLE.format(item="c")})
    WHERE c.tenant_id = :tenant AND c.id = ANY(:ids)
      AND (c.state = 'open' OR c.resolved_at > CAST(:now AS timestamptz) - interval '14 days')
      AND (u.role NOT IN ('manager', 'admin') OR c.account_id IS NULL OR {_STILL_THEIRS})
    UNION
    SELECT c.id, 'territory:' || a.territory_id, 'manager'
    FROM conflicts c JOIN accounts a ON a.tenant_id = c.tenant_id AND a.id = c.account_id
    WHERE c.tenant_id = :tenant AND c.id = ANY(:ids) AND a.territory_id IS NOT NULL AND c.state = 'open'
    UNION
    SELECT c.id, 'user:' || u.id, 'manager'
    FROM conflicts c JOIN accounts a ON a.tenant_id = c.tenant_id AND a.id = c.account_id
    JOIN users u ON u.tenant_id = a.tenant_id AND u.id = a.owner_id AND u.role IN ('manager', 'admin')
    WHERE c.tenant_id = :tenant AND c.id = ANY(:ids) AND c.state = 'open'
    UNION
    {_TEAM}
"""  # noqa: S608  (built of constants of this file)

# Items of touched records; and those of the team of a person who changed places.
FOLLOWERS = f"""
    SELECT id FROM conflicts WHERE tenant_id = :tenant AND entity = :entity AND record_id = ANY(:ids)
    AND (state = 'open' OR resolved_at > CAST(:now AS timestamptz) - interval '14 days') AND :entity <> 'conflict'
    UNION
    SELECT c.id FROM conflicts c
    WHERE :entity = 'user' AND c.tenant_id = :tenant AND {_OF_TEAM} AND c.author_id IN (
        WITH RECURSIVE below AS (
            SELECT u.id FROM users u WHERE u.tenant_id = :tenant AND u.id = ANY(:ids)
            UNION
            SELECT u.id FROM below b JOIN users u ON u.tenant_id = :tenant AND u.manager_id = b.id
        ) SELECT id FROM below)
"""  # noqa: S608  (built of constants of this file)

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
        "record_version": read_only(Kind.INTEGER, sql=_if_held("record_version")),
        "code": read_only(),
        "base": read_only(Kind.JSON, sql=_if_held("base")),
        "mine": read_only(Kind.JSON),
        "theirs": read_only(Kind.JSON, sql=_if_held("theirs")),
        "author_id": read_only(Kind.ID),
        "device_id": read_only(Kind.ID),
        "mutation_id": read_only(Kind.ID),
        "occurred_at": read_only(Kind.TIME),
        "happened_at": read_only(Kind.TIME),
        "losers": read_only(Kind.JSON, sql=_if_held("losers", "'[]'")),
        "state": read_only(),
        "choice": read_only(),
        "resolution": read_only(Kind.JSON, sql=_if_held("resolution")),
        "reason": read_only(),
        "resolved_by": read_only(Kind.ID),
        "resolved_at": read_only(Kind.TIME),
        "assignee_id": read_only(Kind.ID),
    },
    buckets=BUCKETS,
    shapes=("manager", "sales", "service", "partner"),
    priority=Priority.MY_DAY,
    commands=("resolve",),
    followers=FOLLOWERS,
    of_users="""
        SELECT c.id FROM conflicts c WHERE c.tenant_id = :tenant
        AND (c.state = 'open' OR c.resolved_at > CAST(:now AS timestamptz) - interval '14 days')
        AND (c.author_id = ANY(CAST(:users AS uuid[])) OR c.assignee_id = ANY(CAST(:users AS uuid[])) OR EXISTS (
            SELECT 1 FROM json_array_elements(c.losers) AS loser
            WHERE (loser ->> 'author_id')::uuid = ANY(CAST(:users AS uuid[]))))
    """,
)
