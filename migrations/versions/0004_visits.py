"""Create visits and their tasks

New tables only: nothing is locked or rewritten.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A phone holds the last five visits of an account: a visit that comes into or leaves that row, or
# moves in it, pushes others out or lets them in. They are marked weakly, to be ranked again: for each
# account of the statement the visits behind those that moved, with room for what other transactions
# that are not visible yet may do at the same moment.
MARK_NEIGHBOURS = r"""
CREATE FUNCTION visits_mark_neighbours() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made constant text[] := ARRAY['checked_out', 'completed', 'verified', 'flagged'];
    tenants uuid[]; accounts uuid[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(tenant_id), array_agg(account_id) INTO tenants, accounts
        FROM new_rows WHERE status = ANY (made) AND deleted_at IS NULL;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(tenant_id), array_agg(account_id) INTO tenants, accounts
        FROM old_rows WHERE status = ANY (made) AND deleted_at IS NULL;
    ELSE
        SELECT array_agg(ends.tenant_id), array_agg(ends.account_id) INTO tenants, accounts
        FROM (SELECT o.tenant_id, o.account_id AS old_account, n.account_id AS new_account,
                     o.planned_start AS old_start, n.planned_start AS new_start,
                     o.status = ANY (made) AND o.deleted_at IS NULL AS was_made,
                     n.status = ANY (made) AND n.deleted_at IS NULL AS is_made
              FROM old_rows o JOIN new_rows n ON n.tenant_id = o.tenant_id AND n.id = o.id) moved,
             LATERAL (VALUES (moved.tenant_id, moved.old_account), (moved.tenant_id, moved.new_account))
                 AS ends (tenant_id, account_id)
        WHERE was_made <> is_made
           OR (is_made AND (old_start <> new_start OR old_account <> new_account));
    END IF;
    IF accounts IS NOT NULL THEN
        INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
        SELECT k.tenant_id, 'visit', v.id, true
        FROM (SELECT tenant_id, account_id, count(*) AS moved
              FROM unnest(tenants, accounts) AS a (tenant_id, account_id)
              GROUP BY tenant_id, account_id) k,
             LATERAL (SELECT id FROM visits
                      WHERE tenant_id = k.tenant_id AND account_id = k.account_id
                        AND status IN ('checked_out', 'completed', 'verified', 'flagged')
                        AND deleted_at IS NULL
                      ORDER BY planned_start DESC, id DESC LIMIT k.moved + 10) v;
    END IF;
    RETURN NULL;
END $$
"""
TRIGGERS = {
    "insert": "REFERENCING NEW TABLE AS new_rows",
    "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": "REFERENCING OLD TABLE AS old_rows",
}


def upgrade() -> None:
    engine = context.config.attributes["roles"]["engine"]
    op.create_table(
        "visits",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid()),
        sa.Column("contact_id", sa.Uuid()),
        sa.Column("assignee_id", sa.Uuid(), nullable=False),
        sa.Column("unplanned", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("purpose", sa.String(40), nullable=False, server_default="sales"),
        sa.Column("priority", sa.String(40), nullable=False, server_default="normal"),
        sa.Column("planned_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("planned_end", sa.DateTime(timezone=True)),
        sa.Column("instructions", sa.String()),
        sa.Column("outcome", sa.String()),
        sa.Column("next_step", sa.String()),
        sa.Column("report", sa.String()),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("status", sa.String(40), nullable=False, server_default="planned"),
        sa.Column("cancel_reason", sa.String()),
        sa.Column("checked_in_at", sa.DateTime(timezone=True)),
        sa.Column("checked_in_location", postgresql.ARRAY(postgresql.DOUBLE_PRECISION())),
        sa.Column("checked_in_accuracy_m", sa.Integer()),
        sa.Column("checked_in_mock", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("checked_out_at", sa.DateTime(timezone=True)),
        sa.Column("checked_out_location", postgresql.ARRAY(postgresql.DOUBLE_PRECISION())),
        sa.Column("distance_m", sa.Integer()),
        sa.Column("geo_verdict", sa.String(40)),
        sa.Column("geo_reason", sa.String()),
        sa.Column("duration_min", sa.Integer()),
        sa.Column("late", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("rescheduled_to_id", sa.Uuid()),
        sa.Column("verified_by", sa.Uuid()),
        sa.Column("review_note", sa.String()),
        *synced_columns(),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_visits"),
        key_to("visits", "account_id", "accounts"),
        key_to("visits", "site_id", "sites"),
        key_to("visits", "contact_id", "contacts"),
        key_to("visits", "assignee_id", "users"),
        key_to("visits", "verified_by", "users"),
        key_to("visits", "rescheduled_to_id", "visits"),
        sa.CheckConstraint(is_point("checked_in_location"), name=op.f("ck_visits_checked_in_location")),
        sa.CheckConstraint(is_point("checked_out_location"), name=op.f("ck_visits_checked_out_location")),
        sa.CheckConstraint(
            "purpose IN ('sales', 'service', 'collection', 'audit', 'training', 'complaint', 'other')",
            name=op.f("ck_visits_purpose"),
        ),
        sa.CheckConstraint(
            "priority IN ('low', 'normal', 'high', 'urgent')", name=op.f("ck_visits_priority")
        ),
        sa.CheckConstraint(
            "status IN ('planned', 'en_route', 'checked_in', 'checked_out', 'completed', 'verified',"
            " 'flagged', 'missed', 'rescheduled', 'cancelled')",
            name=op.f("ck_visits_status"),
        ),
        sa.CheckConstraint(
            "geo_verdict IN ('inside', 'near', 'outside', 'no_fix', 'suspect')",
            name=op.f("ck_visits_geo_verdict"),
        ),
    )
    op.create_index(
        "ix_visits_tenant_id_account_id_planned_start", "visits", ["tenant_id", "account_id", "planned_start"]
    )
    op.create_index(
        "ix_visits_tenant_id_assignee_id_planned_start",
        "visits",
        ["tenant_id", "assignee_id", "planned_start"],
    )
    op.create_index("ix_visits_tenant_id_planned_start", "visits", ["tenant_id", "planned_start"])
    op.create_index(
        "ix_visits_made",
        "visits",
        ["tenant_id", "account_id", "planned_start", "id"],
        postgresql_where=sa.text(
            "status IN ('checked_out', 'completed', 'verified', 'flagged') AND deleted_at IS NULL"
        ),
    )
    op.create_index(
        "ix_visits_overdue",
        "visits",
        ["tenant_id", "planned_start"],
        postgresql_where=sa.text("status = 'planned' AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_visits_fixes",
        "visits",
        ["tenant_id", "assignee_id", "checked_in_at"],
        postgresql_where=sa.text("checked_in_at IS NOT NULL"),
    )
    op.create_index(
        "ix_visits_rescheduled_to",
        "visits",
        ["tenant_id", "rescheduled_to_id"],
        postgresql_where=sa.text("rescheduled_to_id IS NOT NULL"),
    )
    op.create_table(
        "visit_tasks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False, server_default="other"),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("position", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("done", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.Column("result", sa.String()),
        sa.Column("stamps", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_visit_tasks"),
        key_to("visit_tasks", "visit_id", "visits"),
        sa.CheckConstraint(
            "kind IN ('survey', 'order', 'collect', 'audit', 'training', 'sample', 'other')",
            name=op.f("ck_visit_tasks_kind"),
        ),
    )
    op.create_index("ix_visit_tasks_tenant_id_visit_id", "visit_tasks", ["tenant_id", "visit_id"])

    everything = "SELECT, INSERT, UPDATE, DELETE"
    op.execute(f"SELECT tenant_protect('visits', '{everything}', '{everything}')")
    op.execute(f"SELECT tenant_protect('visit_tasks', '{everything}', '{everything}')")
    op.execute(
        "SELECT sync_capture('visits', 'visit', sets => 'tags', account_column => 'account_id',"
        " rebuckets => 'account:account_id')"
    )
    op.execute("SELECT sync_capture('visit_tasks', 'visit', root => 'visits:visit_id', part => 'tasks')")

    op.execute(MARK_NEIGHBOURS)
    op.execute(f'GRANT CREATE ON SCHEMA public TO "{engine}"')
    op.execute(f'ALTER FUNCTION visits_mark_neighbours() OWNER TO "{engine}"')
    op.execute("REVOKE ALL ON FUNCTION visits_mark_neighbours() FROM PUBLIC")
    op.execute(f'REVOKE CREATE ON SCHEMA public FROM "{engine}"')
    for event, rows in TRIGGERS.items():
        name = f"visits_mark_neighbours_{event}"
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON visits {rows}"
            " FOR EACH STATEMENT EXECUTE FUNCTION visits_mark_neighbours()"
        )
        op.execute(f"ALTER TABLE visits ENABLE ALWAYS TRIGGER {name}")


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


def is_point(column: str) -> str:
    """[lat, lon] on this planet; NaN is above every number."""
    return (
        f"array_ndims({column}) = 1 AND cardinality({column}) = 2"
        f" AND {column}[1] BETWEEN -90 AND 90 AND {column}[2] BETWEEN -180 AND 180"
    )


def downgrade() -> None:
    op.drop_table("visit_tasks")
    op.drop_table("visits")
    op.execute("DROP FUNCTION visits_mark_neighbours()")
