"""Create what the RxDB door keeps of each device

New tables only: nothing is locked or rewritten.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The client has no counter of its own: the door counts what each device pushes.
    op.create_table(
        "rxdb_devices",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("last_n", sa.BigInteger(), nullable=False),
        sa.Column("pushed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "device_id", name="pk_rxdb_devices"),
    )
    # What a page may have held that the client passed over, since it had edits on it.
    op.create_table(
        "rxdb_pulls",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("entity", sa.String(60), nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "device_id", "entity", name="pk_rxdb_pulls"),
    )
    op.create_table(
        "rxdb_held",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("entity", sa.String(60), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("document", postgresql.JSON(), nullable=False),
        sa.Column("assumed", postgresql.JSON()),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        # Counts the states that came: what was judged is let go only where no newer one has taken its place.
        sa.Column("revision", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "entity", "record_id", name="pk_rxdb_held"),
    )
    op.create_index("ix_rxdb_held_tenant_id_held_at", "rxdb_held", ["tenant_id", "held_at"])
    op.execute("SELECT tenant_protect('rxdb_devices', 'SELECT, INSERT, UPDATE')")
    op.execute("SELECT tenant_protect('rxdb_pulls', 'SELECT, INSERT, UPDATE')")
    op.execute("SELECT tenant_protect('rxdb_held', 'SELECT, INSERT, UPDATE, DELETE')")


def downgrade() -> None:
    for table in ("rxdb_held", "rxdb_pulls", "rxdb_devices"):
        op.drop_table(table)
