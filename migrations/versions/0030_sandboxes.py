"""Sandboxes: companies for app developers that go back to a kept state

`tenants.sandbox` is said when a company is opened and never again: triggers refuse to change it, whoever asks,
and refuse to delete a company that is none. The functions that forget look at it first, so no data of a real
company can be deleted through them. Existing companies are no sandboxes; the column is added without a rewrite.

Revision ID: 0030
Revises: 0029
"""

from alembic import context, op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE tenants ADD COLUMN sandbox boolean NOT NULL DEFAULT false;

CREATE TABLE sandboxes (
    tenant_id uuid CONSTRAINT pk_sandboxes PRIMARY KEY,
    every_s integer CONSTRAINT ck_sandboxes_every CHECK (every_s >= 60),
    kept_at timestamptz NOT NULL,
    last_reset_at timestamptz,
    next_reset_at timestamptz,
    resets integer NOT NULL DEFAULT 0
);
-- The state to which a sandbox goes back, one row for each row of its tables.
CREATE TABLE sandbox_rows (
    tenant_id uuid NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    table_name text NOT NULL,
    kept jsonb NOT NULL,
    CONSTRAINT pk_sandbox_rows PRIMARY KEY (tenant_id, number)
);
CREATE INDEX ix_sandbox_rows_tenant_id_table_name ON sandbox_rows (tenant_id, table_name);
"""

FUNCTIONS = r"""
CREATE FUNCTION sandbox_is_for_ever() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF NOT OLD.sandbox THEN
            RAISE EXCEPTION 'company % is no sandbox: it cannot be deleted', OLD.code
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.sandbox IS DISTINCT FROM OLD.sandbox THEN
        RAISE EXCEPTION 'whether company % is a sandbox was said when it was opened', OLD.code
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sandbox_is_for_ever BEFORE UPDATE OR DELETE ON tenants
    FOR EACH ROW EXECUTE FUNCTION sandbox_is_for_ever();
ALTER TABLE tenants ENABLE ALWAYS TRIGGER sandbox_is_for_ever;

CREATE FUNCTION sandbox_check(tenant uuid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
BEGIN
    IF sync_is_app() AND tenant IS DISTINCT FROM sync_setting('app.tenant')::uuid THEN
        RAISE EXCEPTION 'another company than that of the transaction' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT coalesce((SELECT t.sandbox FROM tenants t WHERE t.id = tenant), false) THEN
        RAISE EXCEPTION 'company % is no sandbox', tenant USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

-- What a reset puts back: all tables of the company but those of the engine, of the doors and of sessions.
-- Phones stay logged in, and what they sent once is known for good: a mutation that is sent again has no effect.
CREATE FUNCTION sandbox_tables() RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT c.relname::text FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
      AND c.relname !~ '^(sync|rxdb|watermelon|sandbox)_' AND (c.relname !~ '^search_' OR c.relname = 'search_synonyms')
      AND c.relname NOT IN ('sandboxes', 'changes', 'devices', 'refresh_families', 'login_attempts', 'access_log',
                            'sql_users')
    ORDER BY 1
$$;

-- Columns that the capture triggers write; of other tables these names are data.
CREATE FUNCTION sandbox_ignored(target regclass) RETURNS text[]
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT array_agg(a.attname::text) FROM pg_attribute a
    WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped
      AND (a.attgenerated <> '' OR a.attidentity <> '' OR (
           a.attname = ANY ('{version,stamps,created_at,created_by,updated_at,updated_by}')
           AND EXISTS (SELECT 1 FROM pg_trigger g WHERE g.tgrelid = target AND g.tgname = 'sync_before')))
$$;

-- The day of the sample is always today: what is planned moves along, by whole days.
CREATE FUNCTION sandbox_moved(name text, kept jsonb, days integer) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    field text;
BEGIN
    IF days = 0 OR name NOT IN ('visits', 'visit_tasks', 'tasks') THEN RETURN kept; END IF;
    FOREACH field IN ARRAY ARRAY['planned_start', 'planned_end', 'checked_in_at', 'checked_out_at', 'done_at', 'due_at']
    LOOP
        IF kept ->> field IS NOT NULL THEN
            kept := jsonb_set(kept, ARRAY[field],
                              to_jsonb((kept ->> field)::timestamptz + make_interval(days => days)));
        END IF;
    END LOOP;
    IF kept ->> 'due_on' IS NOT NULL THEN
        kept := jsonb_set(kept, '{due_on}', to_jsonb((kept ->> 'due_on')::date + days));
    END IF;
    RETURN kept;
END $$;

CREATE FUNCTION sandbox_keep(tenant uuid) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text; n integer; total integer := 0;
BEGIN
    PERFORM sandbox_check(tenant);
    INSERT INTO sandboxes (tenant_id, kept_at) VALUES (tenant, clock_timestamp())
        ON CONFLICT (tenant_id) DO UPDATE SET kept_at = excluded.kept_at;
    DELETE FROM sandbox_rows WHERE tenant_id = tenant;
    FOR name IN SELECT sandbox_tables() LOOP
        EXECUTE format('INSERT INTO sandbox_rows (tenant_id, table_name, kept)
                        SELECT $1, %L, to_jsonb(t) FROM %I t WHERE tenant_id = $1', name, name) USING tenant;
        GET DIAGNOSTICS n = ROW_COUNT;
        total := total + n;
    END LOOP;
    RETURN total;
END $$;

-- One pass over all tables; gives how many rows were put right. An UPDATE where a row is there still: a push that
-- waits for its lock goes on with the row as it was put back.
CREATE FUNCTION sandbox_put_back(tenant uuid, days integer) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    name text; step text; n integer; total integer := 0;
    keys text; same text; written text; set_to text; every text; ignored text[]; wanted text; known text[];
BEGIN
    FOREACH step IN ARRAY ARRAY['delete', 'update', 'insert'] LOOP
        FOR name IN SELECT sandbox_tables() LOOP
            SELECT string_agg(format('t.%I', a.attname), ', '), string_agg(format('t.%I = w.%I', a.attname, a.attname), ' AND ')
            INTO keys, same FROM pg_index x JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey)
            WHERE x.indrelid = name::regclass AND x.indisprimary;
            wanted := format('(SELECT r.* FROM sandbox_rows s CROSS JOIN LATERAL jsonb_populate_record(null::%I,
                              sandbox_moved(s.table_name, s.kept, $2)) r WHERE s.tenant_id = $1 AND s.table_name = %L)',
                             name, name);
            IF step = 'delete' THEN
                EXECUTE format('DELETE FROM %I t WHERE t.tenant_id = $1 AND (%s) NOT IN (SELECT %s FROM %s w)',
                               name, keys, replace(keys, 't.', 'w.'), wanted) USING tenant, days;
            ELSE
                SELECT array_agg(k) INTO known FROM sandbox_rows s, jsonb_object_keys(s.kept) k
                WHERE s.number = (SELECT min(m.number) FROM sandbox_rows m
                                  WHERE m.tenant_id = tenant AND m.table_name = name) AND s.tenant_id = tenant;
                CONTINUE WHEN known IS NULL;
                ignored := coalesce(sandbox_ignored(name::regclass), '{}');
                SELECT string_agg(format('%I', a.attname), ', '),
                       string_agg(format('w.%I', a.attname), ', '),
                       string_agg(format('%I', a.attname), ', ') FILTER (WHERE a.attname <> ALL (ignored)),
                       string_agg(format('w.%I', a.attname), ', ') FILTER (WHERE a.attname <> ALL (ignored))
                INTO every, keys, written, set_to
                FROM pg_attribute a
                WHERE a.attrelid = name::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (known)
                  AND a.attgenerated = '' AND a.attidentity = '';
                IF step = 'update' THEN
                    EXECUTE format('UPDATE %I t SET (%s) = ROW (%s) FROM %s w WHERE t.tenant_id = $1 AND %s
                                    AND (to_jsonb(t) - $3) <> (to_jsonb(w) - $3)', name, written, set_to, wanted, same)
                        USING tenant, days, ignored || ARRAY(
                            SELECT a.attname::text FROM pg_attribute a
                            WHERE a.attrelid = name::regclass AND a.attnum > 0 AND a.attname <> ALL (known));
                ELSE
                    EXECUTE format('INSERT INTO %I (%s) SELECT %s FROM %s w
                                    WHERE NOT EXISTS (SELECT 1 FROM %I t WHERE %s) ON CONFLICT DO NOTHING',
                                   name, every, keys, wanted, name, same) USING tenant, days;
                END IF;
            END IF;
            GET DIAGNOSTICS n = ROW_COUNT;
            total := total + n;
        END LOOP;
    END LOOP;
    RETURN total;
END $$;

-- Takes a sandbox back to its kept state, in the transaction of the caller: all of it or nothing.
--
-- It is a change like any other to the ledger and to phones, but that the floor is raised above every cursor, as
-- when tombstones are forgotten: each device is told to take the full set anew, and its unsent work is judged.
CREATE FUNCTION sandbox_reset(tenant uuid) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    box sandboxes; days integer; n integer; total integer := 0; began timestamptz;
BEGIN
    PERFORM sandbox_check(tenant);
    SELECT * INTO box FROM sandboxes WHERE tenant_id = tenant FOR UPDATE NOWAIT;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nothing was kept of sandbox %', tenant USING ERRCODE = 'no_data_found';
    END IF;
    -- Held to the end: no drain may stand between the old cursors and the new floor.
    EXECUTE format('LOCK TABLE sync_locks.%I IN EXCLUSIVE MODE', 't_' || replace(tenant::text, '-', ''));
    began := clock_timestamp();
    SELECT (began AT TIME ZONE t.time_zone)::date - (box.kept_at AT TIME ZONE t.time_zone)::date
    INTO days FROM tenants t WHERE t.id = tenant;
    -- Triggers of one table write into others: again, until nothing is left to put right.
    FOR pass IN 1..4 LOOP
        n := sandbox_put_back(tenant, days);
        total := total + n;
        EXIT WHEN n = 0;
    END LOOP;
    DELETE FROM refresh_families f WHERE f.tenant_id = tenant
        AND NOT EXISTS (SELECT 1 FROM users u WHERE u.tenant_id = tenant AND u.id = f.user_id);
    DELETE FROM devices d WHERE d.tenant_id = tenant
        AND NOT EXISTS (SELECT 1 FROM users u WHERE u.tenant_id = tenant AND u.id = d.user_id);
    DELETE FROM sync_parked WHERE tenant_id = tenant;
    -- The life before is kept, so that late edits merge as they should; what is older is forgotten, but for what
    -- no drain has written into the feed yet: a mark without its delete in the ledger would be an alarm, and the
    -- record would stay on phones.
    DELETE FROM changes c WHERE c.tenant_id = tenant AND c.recorded_at > box.kept_at AND c.recorded_at < box.last_reset_at
        AND NOT EXISTS (SELECT 1 FROM sync_pending p
                        WHERE p.tenant_id = tenant AND p.entity = c.entity AND p.record_id = c.record_id);
    UPDATE sync_heads SET position = position + 1, floor = position + 1 WHERE tenant_id = tenant;
    INSERT INTO sync_drain (tenant_id, position) SELECT tenant, position FROM sync_heads WHERE tenant_id = tenant;
    UPDATE sandboxes SET last_reset_at = began, resets = resets + 1,
        next_reset_at = clock_timestamp() + make_interval(secs => every_s) WHERE tenant_id = tenant;
    RETURN total;
END $$;

-- Takes a whole sandbox away, its history included. For the engine role only.
CREATE FUNCTION sandbox_drop(tenant uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text;
BEGIN
    PERFORM sandbox_check(tenant);
    PERFORM 1 FROM sandboxes WHERE tenant_id = tenant FOR UPDATE NOWAIT;
    EXECUTE format('LOCK TABLE sync_locks.%I IN EXCLUSIVE MODE', 't_' || replace(tenant::text, '-', ''));
    -- Twice: what goes first leaves marks and lines of the ledger behind.
    FOR pass IN 1..2 LOOP
        FOR name IN SELECT sandbox_tables() UNION ALL
            SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'sql_users'
              AND c.relname NOT IN (SELECT sandbox_tables())
        LOOP
            EXECUTE format('DELETE FROM %I WHERE tenant_id = $1', name) USING tenant;
        END LOOP;
    END LOOP;
    DELETE FROM tenants WHERE id = tenant;
    EXECUTE format('DROP TABLE sync_locks.%I', 't_' || replace(tenant::text, '-', ''));
END $$;
"""

OF_ENGINE = (
    "sandbox_keep(uuid)",
    "sandbox_reset(uuid)",
    "sandbox_drop(uuid)",
)
INSIDE = (
    "sandbox_check(uuid)",
    "sandbox_tables()",
    "sandbox_ignored(regclass)",
    "sandbox_moved(text, jsonb, integer)",
    "sandbox_put_back(uuid, integer)",
)


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    app, engine = f'"{roles["app"]}"', f'"{roles["engine"]}"'
    op.execute(TABLES)
    op.execute("SELECT tenant_protect('sandboxes', 'SELECT, UPDATE')")
    # Hashes of passwords are among the rows: the functions read them, and nobody else.
    op.execute("SELECT tenant_protect('sandbox_rows', '')")
    op.execute(FUNCTIONS)
    op.execute(f"GRANT CREATE ON SCHEMA public TO {engine}")
    for function in (*OF_ENGINE, *INSIDE):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"ALTER FUNCTION {function} OWNER TO {engine}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {engine}")
    op.execute(f"GRANT EXECUTE ON FUNCTION sandbox_keep(uuid), sandbox_reset(uuid) TO {app}")


def downgrade() -> None:
    """Take the functions away; sandboxes stay as companies like any other."""
    for function in (*OF_ENGINE, *INSIDE):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP TRIGGER sandbox_is_for_ever ON tenants")
    op.execute("DROP FUNCTION sandbox_is_for_ever()")
    op.execute("DROP TABLE sandbox_rows, sandboxes")
    op.execute("ALTER TABLE tenants DROP COLUMN sandbox")
