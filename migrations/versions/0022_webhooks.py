"""Create webhook endpoints and their outbox

New tables only: nothing is locked or rewritten.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    app = context.config.attributes["roles"]["app"]
    op.create_table(
        "webhook_endpoints",
        *keys(),
        sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("description", sa.String()),
        sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhook_endpoints"),
    )
    op.create_index(
        "ix_webhook_endpoints_tenant_id_created_at", "webhook_endpoints", ["tenant_id", "created_at"]
    )
    op.create_table(
        "webhook_secrets",
        *keys(),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhook_secrets"),
        key_to("webhook_secrets", "endpoint_id", "webhook_endpoints"),
    )
    op.create_index(
        "ix_webhook_secrets_tenant_id_endpoint_id", "webhook_secrets", ["tenant_id", "endpoint_id"]
    )
    op.create_table(
        "webhook_events",
        *keys(),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("data", postgresql.JSON(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhook_events"),
    )
    op.create_index("ix_webhook_events_tenant_id_happened_at", "webhook_events", ["tenant_id", "happened_at"])
    op.create_table(
        "webhook_deliveries",
        *keys(),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(40), nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("response_status", sa.Integer()),
        sa.Column("error", sa.String()),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhook_deliveries"),
        key_to("webhook_deliveries", "event_id", "webhook_events"),
        key_to("webhook_deliveries", "endpoint_id", "webhook_endpoints"),
        sa.CheckConstraint(
            "status IN ('pending', 'delivered', 'failed')", name=op.f("ck_webhook_deliveries_status")
        ),
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["tenant_id", "endpoint_id", "created_at", "event_id"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_webhook_deliveries_tenant_id_endpoint_id_created_at",
        "webhook_deliveries",
        ["tenant_id", "endpoint_id", "created_at"],
    )
    op.create_index(
        "ix_webhook_deliveries_tenant_id_event_id", "webhook_deliveries", ["tenant_id", "event_id"]
    )

    op.execute("SELECT tenant_protect('webhook_endpoints', 'SELECT, INSERT, UPDATE')")
    op.execute("SELECT tenant_protect('webhook_events', 'SELECT, INSERT')")
    op.execute("SELECT tenant_protect('webhook_deliveries', 'SELECT, INSERT, UPDATE')")
    # A request writes secrets and cannot read them: whoever signs is the engine.
    op.execute("SELECT tenant_protect('webhook_secrets', 'INSERT')")
    op.execute(
        "GRANT SELECT (tenant_id, id, endpoint_id, created_at, expires_at), UPDATE (expires_at)"
        f' ON webhook_secrets TO "{app}"'
    )


def keys() -> list[sa.Column]:
    """The tenant first, then the id."""
    return [sa.Column("tenant_id", sa.Uuid(), nullable=False), sa.Column("id", sa.Uuid(), nullable=False)]


def key_to(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """A reference inside the tenant, checked at commit."""
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{target}.tenant_id", f"{target}.id"],
        name=f"fk_{table}_tenant_id_{column}",
        deferrable=True,
        initially="DEFERRED",
    )


def downgrade() -> None:
    for table in ("webhook_deliveries", "webhook_events", "webhook_secrets", "webhook_endpoints"):
        op.drop_table(table)
