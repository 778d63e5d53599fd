"""Tell listeners whose rights, devices or subscriptions changed

The process of live pings hears ``fieldmerge_sync`` (the head, from the sequencer) and, from these
triggers, ``fieldmerge_people``: company and user, nothing more. Only triggers are added; each takes a
short lock on its table.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION sync_tell_person() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    -- The column that names the user: "id" for users themselves.
    PERFORM pg_notify('fieldmerge_people', OLD.tenant_id || ':' || (to_jsonb(OLD) ->> TG_ARGV[0]));
    RETURN NULL;
END $$;

CREATE FUNCTION sync_tell_subscribers() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_notify('fieldmerge_people', s.tenant_id || ':' || s.user_id)
    FROM (SELECT DISTINCT tenant_id, user_id FROM touched) AS s;
    RETURN NULL;
END $$;
"""

# Seen and renewed at every refresh: nobody's rights change by it.
OF_NO_ACCOUNT = "'{last_seen_at,app_version,name,platform}'::text[]"

TRIGGERS = {
    "sync_tell_users": """CREATE TRIGGER sync_tell_users AFTER UPDATE ON users FOR EACH ROW
        WHEN ((OLD.role, OLD.status, OLD.deleted_at, OLD.must_change_password)
              IS DISTINCT FROM (NEW.role, NEW.status, NEW.deleted_at, NEW.must_change_password))
        EXECUTE FUNCTION sync_tell_person('id')""",
    "sync_tell_devices": f"""CREATE TRIGGER sync_tell_devices AFTER UPDATE ON devices FOR EACH ROW
        WHEN (to_jsonb(OLD) - {OF_NO_ACCOUNT} IS DISTINCT FROM to_jsonb(NEW) - {OF_NO_ACCOUNT})
        EXECUTE FUNCTION sync_tell_person('user_id')""",
    "sync_tell_sessions": """CREATE TRIGGER sync_tell_sessions AFTER UPDATE ON refresh_families FOR EACH ROW
        WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at)
        EXECUTE FUNCTION sync_tell_person('user_id')""",
    "sync_tell_gained": """CREATE TRIGGER sync_tell_gained AFTER INSERT ON sync_subscriptions
        REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION sync_tell_subscribers()""",
    "sync_tell_lost": """CREATE TRIGGER sync_tell_lost AFTER DELETE ON sync_subscriptions
        REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION sync_tell_subscribers()""",
}
TABLES = {
    "sync_tell_users": "users",
    "sync_tell_devices": "devices",
    "sync_tell_sessions": "refresh_families",
    "sync_tell_gained": "sync_subscriptions",
    "sync_tell_lost": "sync_subscriptions",
}


def upgrade() -> None:
    op.execute(FUNCTIONS)
    for name, statement in TRIGGERS.items():
        op.execute(statement)
        op.execute(f"ALTER TABLE {TABLES[name]} ENABLE ALWAYS TRIGGER {name}")


def downgrade() -> None:
    for name, table in TABLES.items():
        op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute("DROP FUNCTION sync_tell_person()")
    op.execute("DROP FUNCTION sync_tell_subscribers()")
