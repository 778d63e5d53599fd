"""Create what the WatermelonDB door keeps of each device

New tables only: nothing is locked or rewritten.

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

TABLES = ("watermelon_devices", "watermelon_marks", "watermelon_rows", "watermelon_keys")


def upgrade() -> None:
    op.create_table(
        "watermelon_devices",
        *of_device(),
        sa.Column("serial", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("n", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("base_epoch", sa.Uuid()),
        sa.Column("replace_since", sa.DateTime(timezone=True)),
        sa.Column("replaced", sa.BigInteger()),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "device_id", name="pk_watermelon_devices"),
    )
    op.create_index("ix_watermelon_devices_tenant_id_seen_at", "watermelon_devices", ["tenant_id", "seen_at"])
    op.create_table(
        "watermelon_marks",
        *of_device(),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "device_id", "mark", name="pk_watermelon_marks"),
    )
    op.create_table(
        "watermelon_rows",
        *of_device(),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        # Which version was given with which mark, the base first.
        sa.Column("marks", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("versions", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("leaving_since", sa.DateTime(timezone=True)),
        sa.Column("owed", sa.String()),
        sa.Column("sent", sa.BigInteger()),
        sa.CheckConstraint("owed IN ('created', 'updated')", name=op.f("ck_watermelon_rows_owed")),
        sa.PrimaryKeyConstraint("tenant_id", "device_id", "entity", "record_id", name="pk_watermelon_rows"),
    )
    op.create_index(
        "ix_watermelon_rows_open",
        "watermelon_rows",
        ["tenant_id", "device_id"],
        postgresql_where=sa.text("stale OR leaving_since IS NOT NULL OR owed IS NOT NULL"),
    )
    op.create_index(
        "ix_watermelon_rows_given_since",
        "watermelon_rows",
        ["tenant_id", "device_id"],
        postgresql_where=sa.text("cardinality(marks) > 1"),
    )
    op.create_table(
        "watermelon_keys",
        *of_device(),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("mutation_id", sa.Uuid(), nullable=False),
        sa.Column("base_version", sa.Integer()),
        sa.Column("base_epoch", sa.Uuid()),
        sa.Column("judged", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("version", sa.Integer()),
        sa.Column("owed", sa.String()),
        sa.Column("pulls", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint(
            "tenant_id", "user_id", "entity", "record_id", "hash", name="pk_watermelon_keys"
        ),
    )
    op.create_index("ix_watermelon_keys_tenant_id_device_id", "watermelon_keys", ["tenant_id", "device_id"])
    for table in TABLES:
        op.execute(f"SELECT tenant_protect('{table}', 'SELECT, INSERT, UPDATE, DELETE')")


def of_device() -> list[sa.Column]:
    return [
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
    ]


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
