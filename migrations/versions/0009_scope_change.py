"""Let people stand in for others, devices be wiped, and the past be forgotten

New columns have constant defaults, so no table is rewritten; the new indexes are small: one is of ``gone``
marks only, the others hold ranges of blocks.

Revision ID: 0009
Revises: 0008
"""

from alembic import context, op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE delegations
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN created_by uuid,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN updated_by uuid,
    ADD COLUMN deleted_at timestamptz,
    ADD COLUMN stamps jsonb NOT NULL DEFAULT '{}';
SELECT sync_capture('delegations', 'delegation', rebuckets => 'user:to_user_id');

ALTER TABLE devices
    ADD COLUMN wipe_ordered_at timestamptz,
    ADD COLUMN wipe_ordered_by uuid,
    ADD COLUMN wiped_at timestamptz;

-- When a cursor was last given out that names the set: such a cursor may come back for as long as
-- tombstones are kept.
ALTER TABLE sync_subscription_sets ADD COLUMN used_at timestamptz NOT NULL DEFAULT now();

-- What is forgotten by age.
CREATE INDEX ix_sync_feed_gone ON sync_feed (tenant_id, position) WHERE gone IS NOT NULL;
CREATE INDEX ix_sync_mutations_judged ON sync_mutations USING brin (tenant_id, judged_at) WITH (pages_per_range = 32);
"""

# Whoever stands in for a person gains and loses what that person does.
DELEGATES = """
CREATE FUNCTION sync_mark_delegates() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
    SELECT DISTINCT d.tenant_id, 'user', d.to_user_id, true
    FROM delegations d
    WHERE d.tenant_id = coalesce(NEW.tenant_id, OLD.tenant_id) AND d.work = 'territories'
      AND d.deleted_at IS NULL
      AND d.from_user_id::text IN (to_jsonb(OLD) ->> TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[0]);
    RETURN NULL;
END $$;
CREATE TRIGGER mark_delegates AFTER INSERT OR UPDATE OR DELETE ON territory_members
    FOR EACH ROW EXECUTE FUNCTION sync_mark_delegates('user_id');
CREATE TRIGGER mark_delegates AFTER UPDATE OF role, status, deleted_at OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION sync_mark_delegates('id');
ALTER TABLE territory_members ENABLE ALWAYS TRIGGER mark_delegates;
ALTER TABLE users ENABLE ALWAYS TRIGGER mark_delegates;
"""


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    app, engine = (f'"{roles[part]}"' for part in ("app", "engine"))
    op.execute(COLUMNS)
    op.execute(DELEGATES)
    op.execute(f"GRANT CREATE ON SCHEMA public TO {engine}")
    op.execute(f"ALTER FUNCTION sync_mark_delegates() OWNER TO {engine}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {engine}")
    op.execute("REVOKE ALL ON FUNCTION sync_mark_delegates() FROM PUBLIC")
    op.execute(f"GRANT UPDATE (used_at) ON sync_subscription_sets TO {app}")


def downgrade() -> None:
    """Take the columns away; delegations that were taken back are deleted, else they would come alive."""
    roles = context.config.attributes["roles"]
    op.execute(f'REVOKE UPDATE (used_at) ON sync_subscription_sets FROM "{roles["app"]}"')
    op.execute("DROP TRIGGER mark_delegates ON territory_members")
    op.execute("DROP TRIGGER mark_delegates ON users")
    op.execute("DROP FUNCTION sync_mark_delegates()")
    op.execute("DROP INDEX ix_sync_mutations_judged, ix_sync_feed_gone")
    op.execute("ALTER TABLE sync_subscription_sets DROP COLUMN used_at")
    op.execute(
        "ALTER TABLE devices DROP COLUMN wipe_ordered_at, DROP COLUMN wipe_ordered_by, DROP COLUMN wiped_at"
    )
    for trigger in ("sync_before", "sync_after", "sync_truncate"):
        op.execute(f"DROP TRIGGER {trigger} ON delegations")
    op.execute("ALTER TABLE delegations NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM delegations WHERE deleted_at IS NOT NULL")
    op.execute("ALTER TABLE delegations FORCE ROW LEVEL SECURITY")
    op.execute(
        "ALTER TABLE delegations DROP COLUMN version, DROP COLUMN created_at, DROP COLUMN created_by,"
        " DROP COLUMN updated_at, DROP COLUMN updated_by, DROP COLUMN deleted_at, DROP COLUMN stamps"
    )
