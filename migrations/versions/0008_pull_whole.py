"""Notice a restored database, keep a budget, ask for records to be rendered again

Revision ID: 0008
Revises: 0007
"""

from alembic import context, op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = """
-- What the database was when its present life began; another value is an alarm and no proof.
ALTER TABLE sync_epochs ADD COLUMN identity jsonb;

-- Up to which position a tenant's feed is the same in the life that followed an ended one.
CREATE TABLE sync_epoch_holds (
    tenant_id uuid NOT NULL,
    epoch_id uuid NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tenant_id, epoch_id)
);

-- Ended epochs from which a cursor of the device was carried on into the present one.
ALTER TABLE sync_devices ADD COLUMN carried_from uuid[] NOT NULL DEFAULT '{}';

-- A tenant without a row has the defaults.
CREATE TABLE sync_settings (
    tenant_id uuid PRIMARY KEY,
    records_warn integer NOT NULL DEFAULT 8000,
    records_cap integer NOT NULL DEFAULT 20000,
    keep_days integer NOT NULL DEFAULT 180,
    resend_days integer NOT NULL DEFAULT 7,
    CHECK (records_warn >= 1 AND records_warn <= records_cap),
    CHECK (resend_days >= 1 AND resend_days <= keep_days)
);

-- How many live rows a channel of the feed has; the sequencer counts along.
CREATE TABLE sync_channel_sizes (
    tenant_id uuid NOT NULL,
    bucket text NOT NULL,
    shape text NOT NULL,
    records integer NOT NULL,
    PRIMARY KEY (tenant_id, bucket, shape)
);

-- Buckets that a user is subscribed to and that their phones are not given, because of the cap.
CREATE TABLE sync_left_out (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    bucket text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, user_id, bucket)
);

-- Entities whose records a job renders again, a few at a time: after_id is how far it has come.
CREATE TABLE sync_rerenders (
    tenant_id uuid NOT NULL,
    entity text NOT NULL,
    after_id uuid,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at timestamptz,
    PRIMARY KEY (tenant_id, entity)
);

-- A record that is larger than a page is set aside by the sequencer as any other that phones cannot take.
ALTER TABLE sync_feed ADD CONSTRAINT a_body_fits_a_page CHECK (octet_length(body) <= 1048576) NOT VALID;
"""

FUNCTIONS = r"""
-- What tells one database from another. A restore into the same place changes none of it, a failover some.
CREATE FUNCTION sync_identity() RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    found jsonb := jsonb_build_object(
        'database', (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
        'epochs', 'sync_epochs'::regclass::oid::bigint);
BEGIN
    RETURN found || jsonb_build_object(
        'system', (SELECT system_identifier::text FROM pg_control_system()),
        'timeline', (SELECT timeline_id FROM pg_control_checkpoint()));
EXCEPTION WHEN insufficient_privilege THEN -- hosted servers may keep them to themselves
    RETURN found;
END $$;

-- The operator has looked: this is still the database that it was.
CREATE FUNCTION sync_note_identity() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE sync_epochs SET identity = sync_identity() WHERE ended_at IS NULL
$$;

-- A phone holds what this database never was: its present life ends, up to where it holds, and another begins.
-- ``seen`` is the epoch of that phone's cursor. It is ended here even where the database does not know it
-- (it was taken back to before that epoch), so that the next such cursor ends nothing more.
CREATE FUNCTION sync_begin_epoch(seen uuid) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    present uuid;
    last_generation integer;
    begun uuid;
BEGIN
    LOCK TABLE sync_epochs IN SHARE ROW EXCLUSIVE MODE;
    SELECT id INTO present FROM sync_epochs WHERE ended_at IS NULL ORDER BY generation DESC LIMIT 1;
    IF EXISTS (SELECT 1 FROM sync_epochs WHERE id = seen AND ended_at IS NOT NULL) THEN
        RETURN present;
    END IF;
    SELECT max(generation) INTO last_generation FROM sync_epochs;
    IF seen <> present THEN
        last_generation := last_generation + 1;
        INSERT INTO sync_epochs (id, generation, ended_at) VALUES (seen, last_generation, clock_timestamp());
    END IF;
    UPDATE sync_epochs SET ended_at = clock_timestamp() WHERE ended_at IS NULL;
    INSERT INTO sync_epoch_holds (tenant_id, epoch_id, position)
    SELECT tenant_id, present, position FROM sync_heads;
    INSERT INTO sync_epochs (generation, identity) VALUES (last_generation + 1, sync_identity())
    RETURNING id INTO begun;
    RETURN begun;
END $$;

-- For migrations: a new field of an entity stands in the feed once its records were rendered again. A job marks
-- them a few at a time; marking all of them at once would send every record to every phone in one drain.
CREATE FUNCTION sync_ask_rerender(the_entity text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO sync_rerenders (tenant_id, entity) SELECT tenant_id, the_entity FROM sync_heads
    ON CONFLICT (tenant_id, entity) DO UPDATE
    SET after_id = NULL, started_at = clock_timestamp(), done_at = NULL
$$;

-- Counts all channels anew; no drain may run meanwhile.
CREATE FUNCTION sync_count_channels() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM sync_channel_sizes;
    INSERT INTO sync_channel_sizes (tenant_id, bucket, shape, records)
    SELECT tenant_id, bucket, shape, count(*) FROM sync_feed WHERE gone IS NULL GROUP BY tenant_id, bucket, shape
$$;
"""

# table -> rights of the app role
PROTECTED = {
    "sync_epoch_holds": "SELECT",
    "sync_settings": "SELECT, INSERT, UPDATE",
    "sync_channel_sizes": "SELECT",
    "sync_left_out": "SELECT, INSERT, DELETE",
    "sync_rerenders": "SELECT",
}

# functions that write for the engine -> who may call them, besides the owner of the tables
DEFINERS = {
    "sync_note_identity()": "engine",
    "sync_begin_epoch(uuid)": "app",
    "sync_ask_rerender(text)": "engine",
    "sync_count_channels()": "engine",
}


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    op.execute(TABLES)
    for table, rights in PROTECTED.items():
        op.execute(f"SELECT tenant_protect('{table}', '{rights}')")
    op.execute(FUNCTIONS)
    op.execute(f"""GRANT CREATE ON SCHEMA public TO "{roles["engine"]}" """)
    for function, caller in DEFINERS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f'GRANT EXECUTE ON FUNCTION {function} TO CURRENT_USER, "{roles[caller]}"')
        op.execute(f"""ALTER FUNCTION {function} OWNER TO "{roles["engine"]}" """)
    op.execute(f"""REVOKE CREATE ON SCHEMA public FROM "{roles["engine"]}" """)
    op.execute("LOCK TABLE sync_feed IN SHARE ROW EXCLUSIVE MODE")
    op.execute("SELECT sync_count_channels()")
    op.execute("SELECT sync_note_identity()")


def downgrade() -> None:
    for function in [*DEFINERS, "sync_identity()"]:
        op.execute(f"DROP FUNCTION {function}")
    for table in PROTECTED:
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE sync_feed DROP CONSTRAINT a_body_fits_a_page")
    op.execute("ALTER TABLE sync_devices DROP COLUMN carried_from")
    op.execute("ALTER TABLE sync_epochs DROP COLUMN identity")
