"""Create activities and tasks

New tables only: nothing is locked or rewritten.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activities",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid()),
        sa.Column("visit_id", sa.Uuid()),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("direction", sa.String(40)),
        sa.Column("value", sa.String(40), nullable=False, server_default="none"),
        sa.Column("subject", sa.String()),
        sa.Column("body", sa.String()),
        sa.Column("private", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        *synced_columns(),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_activities"),
        key_to("activities", "account_id", "accounts"),
        key_to("activities", "contact_id", "contacts"),
        key_to("activities", "visit_id", "visits"),
        key_to("activities", "author_id", "users"),
        sa.CheckConstraint(
            "kind IN ('call', 'mail', 'meeting', 'note', 'sms')", name=op.f("ck_activities_kind")
        ),
        sa.CheckConstraint("direction IN ('in', 'out')", name=op.f("ck_activities_direction")),
        sa.CheckConstraint("value IN ('customer', 'promotion', 'none')", name=op.f("ck_activities_value")),
    )
    op.create_index(
        "ix_activities_tenant_id_account_id_happened_at",
        "activities",
        ["tenant_id", "account_id", "happened_at"],
    )
    op.create_index(
        "ix_activities_tenant_id_author_id_happened_at",
        "activities",
        ["tenant_id", "author_id", "happened_at"],
    )
    op.create_index(
        "ix_activities_visit",
        "activities",
        ["tenant_id", "visit_id"],
        postgresql_where=sa.text("visit_id IS NOT NULL"),
    )
    op.create_table(
        "tasks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid()),
        sa.Column("assignee_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("body", sa.String()),
        sa.Column("priority", sa.String(40), nullable=False, server_default="normal"),
        sa.Column("due_on", sa.Date()),
        sa.Column("status", sa.String(40), nullable=False, server_default="open"),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        *synced_columns(),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_tasks"),
        key_to("tasks", "account_id", "accounts"),
        key_to("tasks", "assignee_id", "users"),
        sa.CheckConstraint("priority IN ('low', 'normal', 'high', 'urgent')", name=op.f("ck_tasks_priority")),
        sa.CheckConstraint("status IN ('open', 'done', 'cancelled')", name=op.f("ck_tasks_status")),
    )
    op.create_index("ix_tasks_tenant_id_assignee_id_due_on", "tasks", ["tenant_id", "assignee_id", "due_on"])
    op.create_index("ix_tasks_tenant_id_account_id", "tasks", ["tenant_id", "account_id"])

    # Activities are append-only: nobody but the engine (erasure, merges) may change one.
    op.execute("SELECT tenant_protect('activities', 'SELECT, INSERT', 'SELECT, INSERT')")
    op.execute("SELECT sync_capture('activities', 'activity', account_column => 'account_id')")
    everything = "SELECT, INSERT, UPDATE, DELETE"
    op.execute(f"SELECT tenant_protect('tasks', '{everything}', '{everything}')")
    op.execute("SELECT sync_capture('tasks', 'task', account_column => 'account_id')")


def synced_columns() -> list[sa.Column]:
    """What the capture triggers write, and ``deleted_at``."""
    now = sa.text("now()")
    return [
        sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("updated_by", sa.Uuid()),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.Column("stamps", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
    ]


def key_to(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """A reference inside the tenant, checked at commit: a phone may send the child first."""
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{target}.tenant_id", f"{target}.id"],
        name=f"fk_{table}_tenant_id_{column}",
        deferrable=True,
        initially="DEFERRED",
    )


def downgrade() -> None:
    op.drop_table("tasks")
    op.drop_table("activities")
