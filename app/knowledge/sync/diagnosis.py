"""What phones hold of diagnosis: trees of their people, and the ways that were taken at their accounts."""

from sync.policy import Kind, Merge, Priority, SyncEntity, last_write, merged, read_only, reference, rows

SHAPES = ("sales", "service", "manager", "partner")
# As for activities: owning an account gives a technician nothing. Partners see no runs.
SALES_SHAPE = "manager+sales"
SERVICE_SHAPE = "service"

# A way that was walked lately keeps the version that was walked, so that it can be read.
WALKED_DAYS = 90

_SHAPE_OF_ROLE = """CASE u.role WHEN 'technician' THEN 'service' WHEN 'rep' THEN 'sales'
                         WHEN 'partner' THEN 'partner' ELSE 'manager' END"""


def _walked(chosen: str, *, lately: bool) -> str:
    """SQL that yields what people walked, each in a bucket of their own, while the tree is for them."""
    window = (
        f" AND w.ran_at > CAST(:now AS timestamptz) - interval '{WALKED_DAYS * 24} hours'" if lately else ""
    )
    return f"""
        SELECT {chosen} AS record_id, 'user:' || u.id AS bucket, {_SHAPE_OF_ROLE} AS shape
        FROM diagnosis_runs w
        JOIN tree_versions v ON v.tenant_id = w.tenant_id AND v.id = w.tree_version_id AND v.deleted_at IS NULL
        JOIN diagnosis_trees d ON d.tenant_id = w.tenant_id AND d.id = w.tree_id AND d.deleted_at IS NULL
        JOIN users u ON u.tenant_id = w.tenant_id AND u.id = w.author_id
        WHERE w.tenant_id = :tenant AND {chosen} = ANY(:ids) AND w.deleted_at IS NULL{window} AND EXISTS (
            SELECT FROM diagnosis_readers r
            JOIN sync_subscriptions s ON s.tenant_id = r.tenant_id AND s.user_id = u.id AND s.bucket = r.bucket
            WHERE r.tenant_id = :tenant AND r.tree_id = w.tree_id AND r.shape = {_SHAPE_OF_ROLE})
    """  # noqa: S608  (built of constants of this file)


def _trees(*, windowed: bool) -> str:
    return f"""
        SELECT r.tree_id AS record_id, r.bucket, r.shape
        FROM diagnosis_readers r
        JOIN diagnosis_trees d ON d.tenant_id = r.tenant_id AND d.id = r.tree_id AND d.deleted_at IS NULL
        WHERE r.tenant_id = :tenant AND r.tree_id = ANY(:ids) AND EXISTS (
            SELECT FROM tree_versions v
            WHERE v.tenant_id = :tenant AND v.tree_id = r.tree_id AND v.status = 'published'
              AND v.deleted_at IS NULL)
        UNION
        {_walked("w.tree_id", lately=windowed)}
    """  # noqa: S608  (built of constants of this file)


def _versions(*, windowed: bool) -> str:
    return f"""
        SELECT v.id AS record_id, r.bucket, r.shape
        FROM tree_versions v
        JOIN diagnosis_trees d ON d.tenant_id = v.tenant_id AND d.id = v.tree_id AND d.deleted_at IS NULL
        JOIN diagnosis_readers r ON r.tenant_id = v.tenant_id AND r.tree_id = v.tree_id
        WHERE v.tenant_id = :tenant AND v.id = ANY(:ids) AND v.deleted_at IS NULL AND v.status = 'published'
        UNION
        {_walked("w.tree_version_id", lately=windowed)}
    """  # noqa: S608  (built of constants of this file)


def _walked_by(column: str) -> str:
    """What was walked goes along with a person's role, and leaves with the audience that they left."""
    return f"""
        SELECT DISTINCT {column} AS id FROM diagnosis_runs
        WHERE tenant_id = :tenant AND author_id = ANY(CAST(:users AS uuid[])) AND deleted_at IS NULL
    """  # noqa: S608  (built of constants of this file)


RUNS = f"""
WITH these AS MATERIALIZED (
    SELECT t.id, t.account_id, a.territory_id, a.owner_id
    FROM unnest(CAST(:ids AS uuid[])) AS i (id)
    JOIN diagnosis_runs t ON t.tenant_id = :tenant AND t.id = i.id AND t.deleted_at IS NULL
    JOIN accounts a ON a.tenant_id = :tenant AND a.id = t.account_id AND a.deleted_at IS NULL
)
SELECT id AS record_id, 'territory:' || territory_id AS bucket, s.shape
FROM these CROSS JOIN (VALUES ('{SALES_SHAPE}'), ('{SERVICE_SHAPE}')) AS s (shape)
WHERE territory_id IS NOT NULL
UNION
SELECT id, 'user:' || owner_id, '{SALES_SHAPE}' FROM these WHERE owner_id IS NOT NULL
UNION
SELECT t.id, 'user:' || v.assignee_id, '{SERVICE_SHAPE}'
FROM these t
JOIN visits v ON v.tenant_id = :tenant AND v.account_id = t.account_id AND v.deleted_at IS NULL
 AND v.planned_start >= :now - interval '72 hours' AND v.planned_start < :now + interval '336 hours'
JOIN users u ON u.tenant_id = :tenant AND u.id = v.assignee_id AND u.role = 'technician'
"""  # noqa: S608  (built of constants of this file)

DIAGNOSIS_TREE = SyncEntity(
    "diagnosis_tree",
    table="diagnosis_trees",
    fields={
        "code": read_only(),
        "title_ko": read_only(),
        "title_en": read_only(),
        "products": rows("diagnosis_tree_products", "tree_id", {"product_id": read_only(Kind.ID)}),
    },
    shapes=SHAPES,
    buckets=_trees(windowed=True),
    in_scope=_trees(windowed=False),
    of_users=_walked_by("tree_id"),
    children={
        "tree_version": """
            SELECT id FROM tree_versions
            WHERE tenant_id = :tenant AND tree_id = ANY(:ids) AND deleted_at IS NULL
        """
    },
    priority=Priority.KNOWLEDGE,
    account_field=None,
    pushable=False,
)

TREE_VERSION = SyncEntity(
    "tree_version",
    table="tree_versions",
    fields={
        "tree_id": read_only(Kind.ID),
        "n": read_only(Kind.INTEGER),
        "status": read_only(),
        "nodes": read_only(Kind.JSON),
        "changelog": read_only(),
        "published_at": read_only(Kind.TIME),
        "rates": read_only(Kind.JSON),
    },
    shapes=SHAPES,
    buckets=_versions(windowed=True),
    in_scope=_versions(windowed=False),
    of_users=_walked_by("tree_version_id"),
    priority=Priority.KNOWLEDGE,
    account_field=None,
    pushable=False,
)

DIAGNOSIS_RUN = SyncEntity(
    "diagnosis_run",
    table="diagnosis_runs",
    fields={
        "account_id": reference("account"),
        "visit_id": reference("visit"),
        "tree_version_id": last_write(Kind.ID),
        "tree_id": read_only(Kind.ID),
        "author_id": read_only(Kind.ID),
        "path": merged(Merge.SERVER_WINS, Kind.JSON),
        "remedy": read_only(),
        "outcome": last_write(),
        "note": last_write(),
        "ran_at": last_write(Kind.TIME),
    },
    shapes=(SALES_SHAPE, SERVICE_SHAPE),
    buckets=RUNS,
    in_scope=RUNS,
    priority=Priority.HISTORY,
)
