"""What phones hold of articles: what is out and for their people, as far as it fits into their pack."""

from sync.policy import Kind, Priority, SyncEntity, read_only, rows

SHAPES = ("sales", "service", "manager", "partner")
# Managers look things up over the network: their phones hold titles and summaries.
WHOLE = ("sales", "service", "partner")
# Who used a version in a visit keeps it for a while, also after it was superseded or withdrawn.
USED_DAYS = 90

_SHAPE_OF_ROLE = """CASE u.role WHEN 'technician' THEN 'service' WHEN 'rep' THEN 'sales'
                         WHEN 'partner' THEN 'partner' ELSE 'manager' END"""


def out(alias: str) -> str:
    """Whether version *alias* is out."""
    return f"{alias}.status = 'published' AND {alias}.deleted_at IS NULL"


def _fits(alias: str, shape: str) -> str:
    return f"""NOT EXISTS (SELECT FROM pack_omissions o
        WHERE o.tenant_id = :tenant AND o.version_id = {alias}.id AND o.shape = {shape})"""


def _used(chosen: str, record: str, *, lately: bool) -> str:
    """SQL that yields what people used in visits, each in a bucket of their own, while the article is for them."""
    window = (
        f" AND w.used_at > CAST(:now AS timestamptz) - interval '{USED_DAYS * 24} hours'" if lately else ""
    )
    return f"""
        SELECT {record} AS record_id, 'user:' || u.id AS bucket, {_SHAPE_OF_ROLE} AS shape
        FROM article_uses w
        JOIN article_versions v ON v.tenant_id = w.tenant_id AND v.id = w.version_id
         AND v.deleted_at IS NULL AND v.published_at IS NOT NULL
        JOIN articles a ON a.tenant_id = w.tenant_id AND a.id = w.article_id AND a.deleted_at IS NULL
        JOIN users u ON u.tenant_id = w.tenant_id AND u.id = w.user_id
        WHERE w.tenant_id = :tenant AND {chosen} = ANY(:ids) AND w.deleted_at IS NULL{window} AND EXISTS (
            SELECT FROM article_readers r
            JOIN sync_subscriptions s ON s.tenant_id = r.tenant_id AND s.user_id = u.id AND s.bucket = r.bucket
            WHERE r.tenant_id = :tenant AND r.article_id = w.article_id AND r.shape = {_SHAPE_OF_ROLE})
    """  # noqa: S608  (built of constants of this file)


def _articles(*, packed: bool) -> str:
    fits = f" AND {_fits('v', 'r.shape')}" if packed else ""
    return f"""
        SELECT r.article_id AS record_id, r.bucket, r.shape
        FROM article_readers r
        JOIN articles a ON a.tenant_id = r.tenant_id AND a.id = r.article_id AND a.deleted_at IS NULL
        WHERE r.tenant_id = :tenant AND r.article_id = ANY(:ids) AND EXISTS (
            SELECT FROM article_versions v
            WHERE v.tenant_id = :tenant AND v.article_id = r.article_id AND {out("v")}{fits})
        UNION
        {_used("w.article_id", "w.article_id", lately=packed)}
    """  # noqa: S608  (built of constants of this file)


def _versions(*, packed: bool) -> str:
    fits = f" AND {_fits('v', 'r.shape')}" if packed else ""
    return f"""
        SELECT v.id AS record_id, r.bucket, r.shape
        FROM article_versions v
        JOIN articles a ON a.tenant_id = v.tenant_id AND a.id = v.article_id AND a.deleted_at IS NULL
        JOIN article_readers r ON r.tenant_id = v.tenant_id AND r.article_id = v.article_id
        WHERE v.tenant_id = :tenant AND v.id = ANY(:ids) AND {out("v")}{fits}
        UNION
        {_used("w.version_id", "w.version_id", lately=packed)}
    """  # noqa: S608  (built of constants of this file)


def _used_by(column: str) -> str:
    """What was used goes along with a person's role, and leaves with the audience that they left."""
    return f"""
        SELECT DISTINCT {column} AS id FROM article_uses
        WHERE tenant_id = :tenant AND user_id = ANY(CAST(:users AS uuid[])) AND deleted_at IS NULL
    """  # noqa: S608  (built of constants of this file)


RECEIPTS = """
    SELECT r.id AS record_id, 'user:' || r.user_id AS bucket, 'all' AS shape
    FROM article_receipts r WHERE r.tenant_id = :tenant AND r.id = ANY(:ids) AND r.deleted_at IS NULL
"""

PACKS = """
    SELECT p.id AS record_id, p.bucket, p.shape
    FROM knowledge_packs p WHERE p.tenant_id = :tenant AND p.id = ANY(:ids) AND p.deleted_at IS NULL
"""

ARTICLE = SyncEntity(
    "article",
    table="articles",
    fields={
        "slug": read_only(),
        "kind": read_only(),
        "asset_models": read_only(Kind.TEXTS),
        "priority": read_only(Kind.INTEGER),
        "must_read": read_only(Kind.BOOLEAN),
        "for_customers": read_only(Kind.BOOLEAN),
        "products": rows("article_products", "article_id", {"product_id": read_only(Kind.ID)}),
    },
    shapes=SHAPES,
    buckets=_articles(packed=True),
    in_scope=_articles(packed=False),
    of_users=_used_by("article_id"),
    children={
        "article_version": """
            SELECT id FROM article_versions
            WHERE tenant_id = :tenant AND article_id = ANY(:ids) AND deleted_at IS NULL
        """
    },
    priority=Priority.KNOWLEDGE,
    account_field=None,
    pushable=False,
)

ARTICLE_VERSION = SyncEntity(
    "article_version",
    table="article_versions",
    fields={
        "article_id": read_only(Kind.ID),
        "language": read_only(),
        "n": read_only(Kind.INTEGER),
        "status": read_only(),
        "title": read_only(),
        "summary": read_only(),
        "body": read_only(Kind.TEXT, *WHOLE),
        "keywords": read_only(Kind.TEXTS),
        "changelog": read_only(),
        "effective_from": read_only(Kind.DATE),
        "effective_to": read_only(Kind.DATE),
        "published_at": read_only(Kind.TIME),
        "rating": read_only(Kind.INTEGER),
        "tokens": read_only(Kind.JSON, *WHOLE),
    },
    shapes=SHAPES,
    buckets=_versions(packed=True),
    in_scope=_versions(packed=False),
    of_users=_used_by("version_id"),
    priority=Priority.KNOWLEDGE,
    account_field=None,
    commands=("acknowledge",),
)

ARTICLE_RECEIPT = SyncEntity(
    "article_receipt",
    table="article_receipts",
    fields={
        "article_id": read_only(Kind.ID),
        "version_id": read_only(Kind.ID),
        "acknowledged_at": read_only(Kind.TIME),
    },
    buckets=RECEIPTS,
    in_scope=RECEIPTS,
    priority=Priority.KNOWLEDGE,
    account_field=None,
    pushable=False,
)

KNOWLEDGE_PACK = SyncEntity(
    "knowledge_pack",
    table="knowledge_packs",
    fields={
        "budget_kb": read_only(Kind.INTEGER),
        "size_kb": read_only(Kind.INTEGER),
        "included": read_only(Kind.INTEGER),
        "omitted": read_only(Kind.INTEGER),
        "left_out": read_only(Kind.JSON),
    },
    shapes=SHAPES,
    buckets=PACKS,
    in_scope=PACKS,
    priority=Priority.KNOWLEDGE,
    account_field=None,
    pushable=False,
)
