"""Create invoices, payments and the balances of accounts

New tables only: nothing is locked or rewritten.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "invoices",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid()),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        *money_columns(),
        sa.Column("open_amount", sa.Numeric(18, 4), nullable=False),
        sa.Column("status", sa.String(40), nullable=False, server_default="open"),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        *synced_columns(),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_invoices"),
        key_to("invoices", "account_id", "accounts"),
        sa.CheckConstraint("status IN ('open', 'paid', 'void')", name=op.f("ck_invoices_status")),
        sa.CheckConstraint("amount > 0 AND amount < 'NaN'", name=op.f("ck_invoices_amount")),
        sa.CheckConstraint("open_amount BETWEEN 0 AND amount", name=op.f("ck_invoices_open_amount")),
        sa.CheckConstraint("rate > 0 AND rate < 'NaN'", name=op.f("ck_invoices_rate")),
        sa.CheckConstraint("due_on >= issued_on", name=op.f("ck_invoices_due_on")),
    )
    op.create_index(
        "uq_invoices_tenant_id_number",
        "invoices",
        ["tenant_id", "number"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_invoices_tenant_id_account_id_issued_on", "invoices", ["tenant_id", "account_id", "issued_on"]
    )
    op.create_index("ix_invoices_tenant_id_due_on", "invoices", ["tenant_id", "due_on"])
    op.create_index(
        "ix_invoices_open",
        "invoices",
        ["tenant_id", "account_id", "due_on", "id"],
        postgresql_where=sa.text("open_amount > 0 AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_invoices_order",
        "invoices",
        ["tenant_id", "order_id"],
        postgresql_where=sa.text("order_id IS NOT NULL"),
    )
    op.create_index(
        "ix_invoices_settled",
        "invoices",
        ["tenant_id", "settled_at"],
        postgresql_where=sa.text("settled_at IS NOT NULL"),
    )
    op.create_table(
        "payments",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid()),
        sa.Column("collected_by", sa.Uuid()),
        sa.Column("receipt_number", sa.String()),
        sa.Column("method", sa.String(40), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        *money_columns(),
        sa.Column("unapplied_amount", sa.Numeric(18, 4), nullable=False),
        sa.Column("status", sa.String(40), nullable=False, server_default="recorded"),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.String()),
        sa.Column("note", sa.String()),
        *synced_columns(),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_payments"),
        key_to("payments", "account_id", "accounts"),
        key_to("payments", "visit_id", "visits"),
        key_to("payments", "collected_by", "users"),
        sa.CheckConstraint(
            "method IN ('cash', 'card', 'transfer', 'cheque', 'note', 'credit_note', 'other')",
            name=op.f("ck_payments_method"),
        ),
        sa.CheckConstraint(
            "status IN ('recorded', 'confirmed', 'bounced', 'cancelled')", name=op.f("ck_payments_status")
        ),
        sa.CheckConstraint("amount > 0 AND amount < 'NaN'", name=op.f("ck_payments_amount")),
        sa.CheckConstraint(
            "unapplied_amount BETWEEN 0 AND amount", name=op.f("ck_payments_unapplied_amount")
        ),
        sa.CheckConstraint("rate > 0 AND rate < 'NaN'", name=op.f("ck_payments_rate")),
    )
    op.create_index(
        "uq_payments_tenant_id_receipt_number", "payments", ["tenant_id", "receipt_number"], unique=True
    )
    op.create_index(
        "ix_payments_tenant_id_account_id_received_at", "payments", ["tenant_id", "account_id", "received_at"]
    )
    op.create_index("ix_payments_tenant_id_received_at", "payments", ["tenant_id", "received_at"])
    op.create_index(
        "ix_payments_unapplied",
        "payments",
        ["tenant_id", "account_id"],
        postgresql_where=sa.text("unapplied_amount > 0 AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_payments_visit",
        "payments",
        ["tenant_id", "visit_id"],
        postgresql_where=sa.text("visit_id IS NOT NULL"),
    )
    op.create_table(
        "payment_allocations",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(18, 4), nullable=False),
        sa.Column("stamps", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_payment_allocations"),
        key_to("payment_allocations", "payment_id", "payments"),
        key_to("payment_allocations", "invoice_id", "invoices"),
        sa.CheckConstraint("amount > 0 AND amount < 'NaN'", name=op.f("ck_payment_allocations_amount")),
    )
    op.create_index(
        "uq_payment_allocations_tenant_id_payment_id_invoice_id",
        "payment_allocations",
        ["tenant_id", "payment_id", "invoice_id"],
        unique=True,
    )
    op.create_index(
        "ix_payment_allocations_tenant_id_invoice_id", "payment_allocations", ["tenant_id", "invoice_id"]
    )
    op.create_table(
        "account_balances",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        *(figure(name) for name in ("open_receivables", "committed", "unapplied", "exposure")),
        figure("overdue_amount"),
        sa.Column("oldest_due_on", sa.Date()),
        *(figure(name) for name in ("not_due", "days_1_30", "days_31_60", "days_61_90", "days_over_90")),
        sa.Column("on_hold", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("hold_reason", sa.String()),
        *synced_columns(),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_account_balances"),
        key_to("account_balances", "account_id", "accounts"),
    )
    op.create_index(
        "uq_account_balances_tenant_id_account_id",
        "account_balances",
        ["tenant_id", "account_id"],
        unique=True,
    )
    op.create_table(
        "credit_events",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("credit_limit", sa.Numeric(18, 4)),
        sa.Column("exposure", sa.Numeric(18, 4), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_credit_events"),
        key_to("credit_events", "account_id", "accounts"),
        key_to("credit_events", "actor_id", "users"),
        sa.CheckConstraint("kind IN ('hold', 'release')", name=op.f("ck_credit_events_kind")),
    )
    op.create_index(
        "ix_credit_events_tenant_id_account_id_happened_at",
        "credit_events",
        ["tenant_id", "account_id", "happened_at"],
    )

    everything = "SELECT, INSERT, UPDATE, DELETE"
    for table in ("invoices", "payments", "payment_allocations", "account_balances"):
        op.execute(f"SELECT tenant_protect('{table}', '{everything}', '{everything}')")
    op.execute("SELECT tenant_protect('credit_events', 'SELECT, INSERT', 'SELECT')")
    op.execute("SELECT sync_capture('invoices', 'invoice', account_column => 'account_id')")
    op.execute("SELECT sync_capture('payments', 'payment', account_column => 'account_id')")
    op.execute(
        "SELECT sync_capture('payment_allocations', 'payment', root => 'payments:payment_id',"
        " part => 'allocations')"
    )
    op.execute("SELECT sync_capture('account_balances', 'account_balance', account_column => 'account_id')")


def money_columns() -> list[sa.Column]:
    """An amount, and the same in the tenant's currency by the rate that is kept with it."""
    return [
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("amount", sa.Numeric(18, 4), nullable=False),
        sa.Column("base_amount", sa.Numeric(18, 4), nullable=False),
        sa.Column("rate", sa.Numeric(24, 12), nullable=False),
        sa.Column("rate_date", sa.Date(), nullable=False),
    ]


def figure(name: str) -> sa.Column:
    """An amount that begins at nothing."""
    return sa.Column(name, sa.Numeric(18, 4), nullable=False, server_default="0")


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
    for table in ("credit_events", "account_balances", "payment_allocations", "payments", "invoices"):
        op.drop_table(table)
