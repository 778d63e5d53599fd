"""Create accounts, relations, sites, contacts and external references

New tables only: no old rows, nothing locked.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
MONEY = sa.Numeric(18, 4)
POINT = sa.ARRAY(sa.Double())

# Of the name as people type the beginning of it: without legal form, spaces and case.
SEARCH_KEY = r"lower(regexp_replace(name, '(㈜|\(주\)|주식회사|[[:space:]]+)', '', 'g'))"

# What a complete profile holds; an empty text counts as nothing.
STAGE_1 = (
    "nullif(legal_name, '')",
    "nullif(business_number, '')",
    "nullif(phone, '')",
    "nullif(address, '')",
    "nullif(postcode, '')",
    "location",
    "territory_id",
    "owner_id",
)
STAGE_2 = ("nullif(tier, '')", "nullif(payment_terms, '')", "credit_limit")
STAGE_3 = ("nullif(opening_hours, '')", "nullif(risk_class, '')", "estimated_wallet")
EVERY = STAGE_1 + STAGE_2 + STAGE_3
PROFILE_STAGE = (
    f"CASE WHEN num_nulls({', '.join(STAGE_1)}) > 0 THEN 1"
    f" WHEN num_nulls({', '.join(STAGE_2)}) > 0 THEN 2 ELSE 3 END"
)
COMPLETENESS = f"100 * num_nonnulls({', '.join(EVERY)}) / {len(EVERY)}"


def is_point(column: str) -> str:
    return (
        f"array_ndims({column}) = 1 AND cardinality({column}) = 2 AND array_position({column}, NULL) IS NULL"
        f" AND {column}[1] BETWEEN -90 AND 90 AND {column}[2] BETWEEN -180 AND 180"
    )


def synced_columns() -> list[sa.Column]:
    return [
        sa.Column("tenant_id", UUID(), nullable=False),
        sa.Column("id", UUID(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", UUID()),
        sa.Column("updated_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_by", UUID()),
        sa.Column("deleted_at", TIME),
        sa.Column("stamps", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    ]


def check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def index(table: str, *columns: str, unique_among_live: bool = False) -> None:
    name = f"{'uq' if unique_among_live else 'ix'}_{table}_{'_'.join(columns)}"
    where = {"postgresql_where": sa.text("deleted_at IS NULL")} if unique_among_live else {}
    op.create_index(op.f(name), table, list(columns), unique=unique_among_live, **where)


def primary_key(table: str) -> None:
    """After the other indexes: while a table is new and has no statistics, the newest index wins all ties,
    and the plans of foreign keys, which are kept for a session, must not read a whole tenant for each row."""
    op.create_primary_key(op.f(f"pk_{table}"), table, ["tenant_id", "id"])


def points_to(table: str, target: str, column: str) -> None:
    op.create_foreign_key(
        op.f(f"fk_{table}_tenant_id_{column}"),
        table,
        target,
        ["tenant_id", column],
        ["tenant_id", "id"],
        deferrable=True,
        initially="DEFERRED",
    )


def protect(table: str) -> None:
    rights = "SELECT, INSERT, UPDATE, DELETE"
    op.execute(f"SELECT tenant_protect('{table}', '{rights}', '{rights}')")


def upgrade() -> None:
    create_accounts()
    create_account_relations()
    create_sites()
    create_contacts()
    create_account_contacts()
    create_external_refs()


def create_accounts() -> None:
    op.create_table(
        "accounts",
        *synced_columns(),
        sa.Column("code", sa.Text(collation="C")),  # C: the beginning of a code is a range of the index
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("legal_name", sa.Text()),
        sa.Column("business_number", sa.Text()),
        sa.Column("kinds", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("subtype", sa.Text()),
        sa.Column("parent_id", UUID()),
        sa.Column("owner_id", UUID()),
        sa.Column("territory_id", UUID()),
        sa.Column("tier", sa.Text()),
        sa.Column("lifecycle_stage", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("email", sa.Text()),
        sa.Column("website", sa.Text()),
        sa.Column("postcode", sa.Text()),
        sa.Column("sido", sa.Text()),
        sa.Column("sigungu", sa.Text()),
        sa.Column("address", sa.Text()),
        sa.Column("location", POINT),
        sa.Column("time_zone", sa.Text(), server_default="Asia/Seoul", nullable=False),
        sa.Column("opening_hours", sa.Text()),
        sa.Column("credit_limit", MONEY),
        sa.Column("credit_currency", sa.CHAR(3)),
        sa.Column("payment_terms", sa.Text()),
        sa.Column("risk_class", sa.Text()),
        sa.Column("estimated_wallet", MONEY),
        sa.Column("estimated_wallet_currency", sa.CHAR(3)),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("notes", sa.Text()),
        sa.Column("last_visited_at", TIME),
        sa.Column("profile_stage", sa.Integer(), sa.Computed(PROFILE_STAGE, persisted=True), nullable=False),
        sa.Column("completeness", sa.Integer(), sa.Computed(COMPLETENESS, persisted=True), nullable=False),
        sa.Column(
            "search_key", sa.String(collation="C"), sa.Computed(SEARCH_KEY, persisted=True), nullable=False
        ),
        check("accounts", "own_parent", "parent_id <> id"),
        check("accounts", "location", is_point("location")),
        check(
            "accounts",
            "kinds",
            "kinds <@ ARRAY['customer', 'prospect', 'partner', 'supplier', 'competitor']::text[]",
        ),
    )
    index("accounts", "tenant_id", "code", unique_among_live=True)
    index("accounts", "tenant_id", "territory_id")
    index("accounts", "tenant_id", "owner_id")
    index("accounts", "tenant_id", "parent_id")
    index("accounts", "tenant_id", "search_key")
    index("accounts", "tenant_id", "name", "id")
    index("accounts", "tenant_id", "updated_at", "id")
    primary_key("accounts")
    points_to("accounts", "accounts", "parent_id")
    points_to("accounts", "users", "owner_id")
    points_to("accounts", "territories", "territory_id")
    protect("accounts")
    op.execute(
        "SELECT sync_capture('accounts', 'account', ignored => 'search_key,profile_stage,completeness',"
        " sets => 'kinds,tags', account_column => 'id')"
    )


def create_account_relations() -> None:
    op.create_table(
        "account_relations",
        *synced_columns(),
        sa.Column("account_id", UUID(), nullable=False),
        sa.Column("to_account_id", UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        check("account_relations", "two_accounts", "account_id <> to_account_id"),
        check("account_relations", "kind", "kind IN ('supplies', 'owns', 'refers')"),
    )
    index("account_relations", "tenant_id", "account_id", "to_account_id", "kind", unique_among_live=True)
    index("account_relations", "tenant_id", "to_account_id")
    primary_key("account_relations")
    points_to("account_relations", "accounts", "account_id")
    points_to("account_relations", "accounts", "to_account_id")
    protect("account_relations")
    op.execute("SELECT sync_capture('account_relations', 'account_relation', account_column => 'account_id')")


def create_sites() -> None:
    op.create_table(
        "sites",
        *synced_columns(),
        sa.Column("account_id", UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("postcode", sa.Text()),
        sa.Column("sido", sa.Text()),
        sa.Column("sigungu", sa.Text()),
        sa.Column("address", sa.Text()),
        sa.Column("location", POINT),
        sa.Column("radius_m", sa.Integer(), server_default="100", nullable=False),
        sa.Column("opening_hours", sa.Text()),
        check("sites", "location", is_point("location")),
        check("sites", "radius_m", "radius_m BETWEEN 10 AND 10000"),
    )
    index("sites", "tenant_id", "account_id")
    primary_key("sites")
    points_to("sites", "accounts", "account_id")
    protect("sites")
    op.execute("SELECT sync_capture('sites', 'site', account_column => 'account_id')")


def create_contacts() -> None:
    op.create_table(
        "contacts",
        *synced_columns(),
        sa.Column("account_id", UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("job_title", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("email", sa.Text()),
    )
    index("contacts", "tenant_id", "account_id")
    primary_key("contacts")
    points_to("contacts", "accounts", "account_id")
    protect("contacts")
    op.execute("SELECT sync_capture('contacts', 'contact', account_column => 'account_id')")


def create_account_contacts() -> None:
    op.create_table(
        "account_contacts",
        *synced_columns(),
        sa.Column("account_id", UUID(), nullable=False),
        sa.Column("contact_id", UUID(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("stance", sa.Text()),
        sa.Column("influence", sa.Integer()),
        sa.Column("valid_from", sa.Date()),
        sa.Column("valid_to", sa.Date()),
        check(
            "account_contacts",
            "role",
            "role IN ('decision_maker', 'approver', 'influencer', 'user', 'gatekeeper', 'operator')",
        ),
        check("account_contacts", "stance", "stance IN ('supporter', 'neutral', 'opponent')"),
        check("account_contacts", "influence", "influence BETWEEN 0 AND 100"),
        check("account_contacts", "valid", "valid_from <= valid_to"),
    )
    index("account_contacts", "tenant_id", "account_id")
    index("account_contacts", "tenant_id", "contact_id")
    primary_key("account_contacts")
    points_to("account_contacts", "accounts", "account_id")
    points_to("account_contacts", "contacts", "contact_id")
    protect("account_contacts")
    op.execute("SELECT sync_capture('account_contacts', 'account_contact', account_column => 'account_id')")


def create_external_refs() -> None:
    op.create_table(
        "external_refs",
        sa.Column("tenant_id", UUID(), nullable=False),
        sa.Column("id", UUID(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("record_id", UUID(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("last_values", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", TIME, server_default=sa.text("now()"), nullable=False),
    )
    index("external_refs", "tenant_id", "entity", "record_id")
    primary_key("external_refs")
    op.create_unique_constraint(
        op.f("uq_external_refs_tenant_id_system_entity_external_id"),
        "external_refs",
        ["tenant_id", "system", "entity", "external_id"],
    )
    protect("external_refs")


def downgrade() -> None:
    for table in ("external_refs", "account_contacts", "contacts", "sites", "account_relations", "accounts"):
        op.drop_table(table)
