"""Create the sync engine: ledger, marks, feed, verdicts, capture triggers

Tables of the engine, the generic trigger functions that capture every write to a
synced table, and two installers that later migrations call for their tables:

* ``tenant_protect(table)``: forced row-level security and the rights of the three roles;
* ``sync_capture(table, entity, ...)``: the capture triggers, ENABLE ALWAYS.

Nothing exists before it, so nothing is locked or rewritten.

Revision ID: 0001
Revises:
"""

from alembic import context, op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = r"""
CREATE TABLE sync_epochs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    generation integer NOT NULL UNIQUE,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
INSERT INTO sync_epochs (generation) VALUES (1);

-- One row per tenant: the counter of positions and the floor under which tombstones were purged.
CREATE TABLE sync_heads (
    tenant_id uuid PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0,
    floor bigint NOT NULL DEFAULT 0
);
CREATE TABLE sync_drain (
    tenant_id uuid NOT NULL,
    position bigint NOT NULL,
    nonce uuid NOT NULL DEFAULT gen_random_uuid(),
    drained_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, position)
);
-- Append-only marks. There is NO unique key on (entity, record): one mark shared by two
-- transactions would lose the change of the one that commits later.
CREATE TABLE sync_pending (
    tenant_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    entity text NOT NULL,
    record_id uuid NOT NULL,
    weak boolean NOT NULL DEFAULT false,
    marked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE changes (
    tenant_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    entity text NOT NULL,
    record_id uuid NOT NULL,
    version integer NOT NULL,
    op text NOT NULL CHECK (op IN ('insert', 'update', 'delete', 'restore', 'lost')),
    part text,
    part_id uuid,
    account_id uuid,
    old jsonb,
    new jsonb,
    actor_kind text NOT NULL,
    actor_id uuid,
    actor_name text,
    device_id uuid,
    mutation_id uuid,
    occurred_at timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    stamp_at timestamptz NOT NULL,
    winner jsonb,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX ix_changes_account ON changes (tenant_id, account_id, id);
-- The last one made: on a table that nobody has analysed yet all indexes cost the same and the newest is taken;
-- the triggers look a record up here for each row that is written.
CREATE INDEX ix_changes_record ON changes (tenant_id, entity, record_id, version, id);

CREATE TABLE sync_feed (
    tenant_id uuid NOT NULL,
    bucket text NOT NULL,
    shape text NOT NULL,
    entity text NOT NULL,
    record_id uuid NOT NULL,
    position bigint NOT NULL,
    entered bigint NOT NULL,
    version integer NOT NULL,
    body text,
    gone text,
    PRIMARY KEY (tenant_id, bucket, shape, entity, record_id),
    CHECK ((body IS NULL) <> (gone IS NULL))
);
CREATE UNIQUE INDEX ix_sync_feed_position ON sync_feed (tenant_id, bucket, shape, position);
CREATE INDEX ix_sync_feed_record ON sync_feed (tenant_id, entity, record_id);
ALTER TABLE sync_feed ALTER COLUMN body SET COMPRESSION pglz;

CREATE TABLE sync_subscriptions (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    bucket text NOT NULL,
    PRIMARY KEY (tenant_id, user_id, bucket)
);
CREATE INDEX ix_sync_subscriptions_bucket ON sync_subscriptions (tenant_id, bucket);
CREATE TABLE sync_subscription_sets (
    tenant_id uuid NOT NULL,
    id text NOT NULL,
    channels jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE sync_quarantine (
    tenant_id uuid NOT NULL,
    entity text NOT NULL,
    record_id uuid NOT NULL,
    sqlstate text NOT NULL,
    message text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, entity, record_id)
);
CREATE TABLE sync_alarms (
    tenant_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    entity text,
    record_id uuid,
    detail text,
    raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE sync_windows (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    edge timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
CREATE TABLE sync_devices (
    tenant_id uuid NOT NULL,
    device_id uuid NOT NULL,
    user_id uuid NOT NULL,
    highest_n bigint NOT NULL DEFAULT 0,
    also_known_as uuid[] NOT NULL DEFAULT '{}',
    schema_version integer,
    app_version text,
    platform text,
    pending integer NOT NULL DEFAULT 0,
    last_error text,
    last_sync_at timestamptz,
    PRIMARY KEY (tenant_id, device_id)
);
CREATE TABLE sync_mutations (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    device_id uuid NOT NULL,
    n bigint NOT NULL,
    hash bytea NOT NULL,
    entity text NOT NULL,
    record_id uuid NOT NULL,
    op text NOT NULL,
    group_id uuid,
    base_version integer,
    payload jsonb,
    occurred_at timestamptz,
    stamp_at timestamptz,
    status text,
    code text,
    detail jsonb,
    fields jsonb,
    version integer,
    conflict_id uuid,
    judged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, user_id, id)
);
CREATE INDEX ix_sync_mutations_record ON sync_mutations (tenant_id, record_id, device_id, n);
CREATE INDEX ix_sync_mutations_rejected ON sync_mutations (tenant_id, judged_at) WHERE status = 'rejected';

-- People of the tenant who write SQL by hand: database role -> tenant.
CREATE TABLE sql_users (
    role_name text PRIMARY KEY,
    tenant_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""

FUNCTIONS = r"""
CREATE FUNCTION sql_user_tenant() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$ SELECT tenant_id FROM sql_users WHERE role_name = session_user $$;

CREATE FUNCTION sync_setting(name text) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting(name, true), '') $$;

-- Who writes: settings of the transaction are honoured for the app role only.
CREATE FUNCTION sync_is_app() RETURNS boolean
LANGUAGE sql STABLE AS $$ SELECT session_user = '{app}' $$;

CREATE FUNCTION sync_open_tenant(tenant uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO sync_heads (tenant_id) VALUES (tenant) ON CONFLICT DO NOTHING;
    INSERT INTO sync_drain (tenant_id, position) VALUES (tenant, 0) ON CONFLICT DO NOTHING;
    EXECUTE format('CREATE TABLE IF NOT EXISTS sync_locks.%I ()', 't_' || replace(tenant::text, '-', ''));
END $$;

CREATE FUNCTION sync_open_new_tenant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM sync_open_tenant(NEW.id);
    RETURN NULL;
END $$;

-- A request that sees a user's live scope differ from the drained one asks for that user's next drain.
CREATE FUNCTION sync_mark_user(the_user uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
    SELECT sync_setting('app.tenant')::uuid, 'user', the_user, true WHERE sync_is_app()
$$;

-- Columns that are bookkeeping, never a change of the record.
CREATE FUNCTION sync_fields(r jsonb, ignored text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT (r - '{{tenant_id,version,stamps,created_at,created_by,updated_at,updated_by}}'::text[])
           - string_to_array(ignored, ',')
$$;

CREATE FUNCTION sync_stamp_text(t timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

-- The stamp of a write: the mutation's corrected time and id, or the clock.
CREATE FUNCTION sync_default_stamp() RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(CASE WHEN sync_is_app() THEN sync_setting('app.stamp')::jsonb END,
                    jsonb_build_array(sync_stamp_text(clock_timestamp()), ''))
$$;

-- Stamps after an update: changed fields get the default stamp, elements of set fields each their
-- own, and what the merge decided (app.stamps, by record id) is laid over it.
CREATE FUNCTION sync_next_stamps(old_stamps jsonb, o jsonb, n jsonb, sets text[], explicit jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    result jsonb := coalesce(old_stamps, '{{}}');
    stamp jsonb := sync_default_stamp();
    field text; value jsonb; elements jsonb;
BEGIN
    FOR field, value IN SELECT key, e.value FROM jsonb_each(n) e WHERE e.value IS DISTINCT FROM o -> e.key LOOP
        IF field = ANY (sets) THEN
            SELECT jsonb_object_agg(x.element, stamp) INTO elements FROM (
                (SELECT jsonb_array_elements_text(coalesce(nullif(o -> field, 'null'), '[]'))
                 EXCEPT SELECT jsonb_array_elements_text(coalesce(nullif(value, 'null'), '[]')))
                UNION
                (SELECT jsonb_array_elements_text(coalesce(nullif(value, 'null'), '[]'))
                 EXCEPT SELECT jsonb_array_elements_text(coalesce(nullif(o -> field, 'null'), '[]')))
            ) AS x (element) WHERE x.element IS NOT NULL AND x.element <> '_'; -- '_' is the key of the default
            result := jsonb_set(result, ARRAY[field],
                CASE jsonb_typeof(result -> field)
                    WHEN 'object' THEN result -> field
                    ELSE jsonb_build_object('_', coalesce(result -> field, result -> '_')) END
                || coalesce(elements, '{{}}'));
        ELSE
            result := jsonb_set(result, ARRAY[field], stamp);
        END IF;
    END LOOP;
    FOR field, value IN SELECT key, e.value FROM jsonb_each(coalesce(explicit, '{{}}')) e LOOP
        IF jsonb_typeof(value) = 'object' THEN
            result := jsonb_set(result, ARRAY[field],
                CASE jsonb_typeof(result -> field)
                    WHEN 'object' THEN result -> field
                    ELSE jsonb_build_object('_', coalesce(result -> field, result -> '_')) END || value);
        ELSE
            result := jsonb_set(result, ARRAY[field], value);
        END IF;
    END LOOP;
    RETURN result;
END $$;

-- Arguments of both trigger functions (TG_ARGV):
--   0 entity  1 ignored columns (csv)  2 set fields (csv)  3 account column
--   4 records to re-bucket, "entity:column" (csv)  5 root of a part, "table:column", or empty  6 part name
--
-- enable_seqscan is off inside: before the ledger was first analysed, the planner takes it for empty and
-- would read all of it for each row of an import.
CREATE FUNCTION sync_before_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC'
SET enable_seqscan = off AS $$
DECLARE
    is_part boolean := TG_ARGV[5] <> '';
    sets text[] := string_to_array(TG_ARGV[2], ',');
    explicit jsonb := CASE WHEN sync_is_app() THEN sync_setting('app.stamps')::jsonb -> (NEW.id::text) END;
    writer uuid := CASE WHEN sync_is_app() THEN sync_setting('app.user')::uuid END;
    o jsonb; n jsonb;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.stamps := jsonb_build_object('_', sync_default_stamp()) || coalesce(explicit, '{{}}');
        IF NOT is_part THEN
            SELECT c.version + 1 INTO NEW.version FROM changes c
            WHERE c.tenant_id = NEW.tenant_id AND c.entity = TG_ARGV[0] AND c.record_id = NEW.id
            ORDER BY c.version DESC LIMIT 1;
            NEW.version := coalesce(NEW.version, 1);
            NEW.created_at := clock_timestamp();
            NEW.updated_at := NEW.created_at;
            NEW.created_by := writer;
            NEW.updated_by := writer;
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.tenant_id <> OLD.tenant_id OR NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'the key of a synced record (% %) cannot be changed', TG_TABLE_NAME, OLD.id
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'insert a new record and delete this one';
    END IF;
    o := sync_fields(to_jsonb(OLD), TG_ARGV[1]);
    n := sync_fields(to_jsonb(NEW), TG_ARGV[1]);
    NEW.stamps := CASE WHEN o = n AND explicit IS NULL THEN OLD.stamps
                       ELSE sync_next_stamps(OLD.stamps, o, n, sets, explicit) END;
    IF is_part THEN
        RETURN NEW;
    END IF;
    NEW.created_at := OLD.created_at;
    NEW.created_by := OLD.created_by;
    IF o = n THEN
        -- An update of no field is no change, unless a part of this aggregate bumps its root.
        IF NOT (pg_trigger_depth() > 1 AND NEW.version = OLD.version + 1) THEN
            NEW.version := OLD.version;
            NEW.updated_at := OLD.updated_at;
            NEW.updated_by := OLD.updated_by;
            RETURN NEW;
        END IF;
    ELSIF EXISTS (SELECT 1 FROM changes c
                  WHERE c.tenant_id = OLD.tenant_id AND c.entity = TG_ARGV[0] AND c.record_id = OLD.id
                    AND c.version = OLD.version AND c.op <> 'lost'
                    AND c.xid = pg_current_xact_id() AND c.recorded_at >= transaction_timestamp()) THEN
        NEW.version := OLD.version;
    ELSE
        NEW.version := OLD.version + 1;
    END IF;
    NEW.updated_at := clock_timestamp();
    NEW.updated_by := writer;
    RETURN NEW;
END $$;

CREATE FUNCTION sync_after_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    is_app boolean := sync_is_app();
    o jsonb; n jsonb; before jsonb; after jsonb; whole jsonb;
    kind text; next_version integer; root_of_old uuid; root_of_new uuid;
BEGIN
    IF TG_OP <> 'INSERT' THEN o := sync_fields(to_jsonb(OLD), TG_ARGV[1]); END IF;
    IF TG_OP <> 'DELETE' THEN n := sync_fields(to_jsonb(NEW), TG_ARGV[1]); END IF;
    IF o = n THEN
        RETURN NULL;
    END IF;
    kind := lower(TG_OP);
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(key, o -> key), jsonb_object_agg(key, value) INTO before, after
        FROM jsonb_each(n) WHERE value IS DISTINCT FROM o -> key;
        IF after ? 'deleted_at' THEN
            kind := CASE WHEN after ->> 'deleted_at' IS NULL THEN 'restore' ELSE 'delete' END;
        END IF;
    ELSE
        before := o;
        after := n;
    END IF;
    whole := coalesce(n, o);
    IF TG_ARGV[5] = '' THEN
        next_version := NEW.version;
        IF TG_OP = 'DELETE' THEN -- once per transaction: its parts, or an update, may have raised it already
            next_version := OLD.version + CASE WHEN EXISTS (
                SELECT 1 FROM changes c
                WHERE c.tenant_id = OLD.tenant_id AND c.entity = TG_ARGV[0] AND c.record_id = OLD.id
                  AND c.version = OLD.version AND c.op <> 'lost'
                  AND c.xid = pg_current_xact_id() AND c.recorded_at >= transaction_timestamp()) THEN 0 ELSE 1 END;
        END IF;
        PERFORM sync_record_change(
            coalesce(NEW.tenant_id, OLD.tenant_id), TG_ARGV[0], coalesce(NEW.id, OLD.id), next_version,
            kind, NULL, NULL, (whole ->> TG_ARGV[3])::uuid, before, after, is_app);
        IF TG_ARGV[4] <> '' THEN
            INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
            SELECT DISTINCT coalesce(NEW.tenant_id, OLD.tenant_id), split_part(r, ':', 1), target::uuid, true
            FROM unnest(string_to_array(TG_ARGV[4], ',')) AS r,
                 LATERAL (VALUES (o ->> split_part(r, ':', 2)), (n ->> split_part(r, ':', 2))) AS t (target)
            WHERE target IS NOT NULL;
        END IF;
    ELSE
        root_of_old := (o ->> split_part(TG_ARGV[5], ':', 2))::uuid;
        root_of_new := (n ->> split_part(TG_ARGV[5], ':', 2))::uuid;
        IF root_of_old IS NOT NULL THEN
            PERFORM sync_record_part(OLD.tenant_id, TG_ARGV[0], root_of_old, split_part(TG_ARGV[5], ':', 1),
                                     kind, TG_ARGV[6], OLD.id, before, after, is_app);
        END IF;
        IF root_of_new IS NOT NULL AND root_of_new IS DISTINCT FROM root_of_old THEN
            PERFORM sync_record_part(NEW.tenant_id, TG_ARGV[0], root_of_new, split_part(TG_ARGV[5], ':', 1),
                                     kind, TG_ARGV[6], NEW.id, before, after, is_app);
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- One row of the ledger and one mark for the sequencer.
CREATE FUNCTION sync_record_change(tenant uuid, entity text, record uuid, version integer, op text,
                                   part text, part_id uuid, account uuid, old jsonb, new jsonb, is_app boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    writer uuid := CASE WHEN is_app THEN sync_setting('app.user')::uuid END;
BEGIN
    INSERT INTO changes (tenant_id, entity, record_id, version, op, part, part_id, account_id, old, new,
                         actor_kind, actor_id, actor_name, device_id, mutation_id, occurred_at, stamp_at)
    VALUES (tenant, entity, record, version, op, part, part_id, account, old, new,
            CASE WHEN NOT is_app THEN 'sql' WHEN writer IS NOT NULL THEN 'user'
                 ELSE coalesce(split_part(sync_setting('app.actor'), ':', 1), 'system') END,
            writer,
            CASE WHEN is_app THEN CASE WHEN writer IS NULL
                 THEN coalesce(nullif(split_part(sync_setting('app.actor'), ':', 2), ''), 'system') END
                 ELSE session_user END,
            CASE WHEN is_app THEN sync_setting('app.device')::uuid END,
            CASE WHEN is_app THEN sync_setting('app.mutation')::uuid END,
            CASE WHEN is_app THEN sync_setting('app.occurred_at')::timestamptz END,
            (sync_default_stamp() ->> 0)::timestamptz);
    INSERT INTO sync_pending (tenant_id, entity, record_id) VALUES (tenant, entity, record);
END $$;

CREATE FUNCTION sync_record_part(tenant uuid, root_entity text, root uuid, root_table text, op text, part_name text,
                                 the_part uuid, old jsonb, new jsonb, is_app boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET enable_seqscan = off AS $$
DECLARE
    current_version integer; whole jsonb;
BEGIN
    EXECUTE format('SELECT version, to_jsonb(r) FROM %I r WHERE tenant_id = $1 AND id = $2 FOR UPDATE', root_table)
        INTO current_version, whole USING tenant, root;
    IF current_version IS NULL THEN -- the root goes in the same statement
        SELECT coalesce(max(c.version), 0) + 1 INTO current_version FROM changes c
        WHERE c.tenant_id = tenant AND c.entity = root_entity AND c.record_id = root
          AND NOT (c.xid = pg_current_xact_id() AND c.recorded_at >= transaction_timestamp());
    ELSIF NOT EXISTS (SELECT 1 FROM changes c
                      WHERE c.tenant_id = tenant AND c.entity = root_entity AND c.record_id = root
                        AND c.version = current_version AND c.op <> 'lost'
                        AND c.xid = pg_current_xact_id() AND c.recorded_at >= transaction_timestamp()) THEN
        current_version := current_version + 1;
        EXECUTE format('UPDATE %I SET version = version + 1 WHERE tenant_id = $1 AND id = $2', root_table)
            USING tenant, root;
    END IF;
    PERFORM sync_record_change(tenant, root_entity, root, current_version, op, part_name, the_part,
                               (whole ->> 'account_id')::uuid, old, new, is_app);
END $$;

-- Statistics for tables that have more than doubled since they were last analysed: autovacuum comes up to a
-- minute later, and until then the planner takes the rows of an import for a handful and loops over them.
-- Belongs to the owner, who alone may analyse; the sequencer calls it before a large drain.
CREATE FUNCTION sync_analyze_grown() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    grown regclass;
BEGIN
    FOR grown IN
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
          AND c.relname <> 'sync_pending' -- a queue: what it holds now says nothing of what it will hold
          AND pg_relation_size(c.oid) / current_setting('block_size')::integer > 2 * c.relpages + 8
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown);
    END LOOP;
END $$;

CREATE FUNCTION sync_refuse_truncate() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a synced table (%) cannot be truncated: phones would keep its records', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'use DELETE';
END $$;

-- Wire forms, used by the renderer of the feed. What the columns hold but the wire cannot say
-- (hand-written SQL may put it there) raises: the sequencer sets such a record aside.
CREATE FUNCTION wire_time(t timestamptz) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF t IS NULL THEN RETURN 'null'; END IF;
    IF NOT (t >= '0001-01-01 00:00:00+00' AND t < '10000-01-01 00:00:00+00') THEN
        RAISE EXCEPTION 'a time on the wire must lie in the years 1 to 9999'
            USING ERRCODE = 'datetime_field_overflow';
    END IF;
    RETURN '"' || to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"';
END $$;

CREATE FUNCTION wire_date(d date) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF d IS NULL THEN RETURN 'null'; END IF;
    IF NOT (d >= '0001-01-01' AND d < '10000-01-01') THEN
        RAISE EXCEPTION 'a day on the wire must lie in the years 1 to 9999'
            USING ERRCODE = 'datetime_field_overflow';
    END IF;
    RETURN '"' || to_char(d, 'YYYY-MM-DD') || '"';
END $$;

CREATE FUNCTION wire_number(n numeric) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF n IS NULL THEN RETURN 'null'; END IF;
    IF n = 'NaN' THEN
        RAISE EXCEPTION 'an amount on the wire must be a number' USING ERRCODE = 'numeric_value_out_of_range';
    END IF;
    RETURN '"' || n || '"';
END $$;

-- The shortest form, as the JSON writer of the application has it: no sign of a zero, exponents only
-- below 0.00001 and without a leading zero.
CREATE FUNCTION wire_float(v double precision) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    t text := v::text;
BEGIN
    IF v = 0 THEN RETURN '0'; END IF;
    IF strpos(t, 'e') = 0 THEN RETURN t; END IF;
    IF right(t, 4) = 'e-05' THEN
        RETURN CASE WHEN v < 0 THEN '-' ELSE '' END || '0.0000' || translate(left(t, -4), '-.', '');
    END IF;
    RETURN replace(t, 'e-0', 'e-');
END $$;

CREATE FUNCTION wire_texts(t text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF array_ndims(t) > 1 OR array_position(t, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'a list on the wire must be plain and without nulls'
            USING ERRCODE = 'array_subscript_error';
    END IF;
    RETURN coalesce(array_to_json(t)::text, '[]');
END $$;
"""

INSTALLERS = r"""
CREATE FUNCTION tenant_protect(target regclass, app_rights text DEFAULT 'SELECT, INSERT, UPDATE, DELETE',
                               sql_rights text DEFAULT '', key text DEFAULT 'tenant_id') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY engine ON %s TO {engine} USING (true) WITH CHECK (true)', target);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO {engine}', target);
    IF app_rights <> '' THEN
        EXECUTE format($f$CREATE POLICY app ON %s TO {app}
            USING (%I = (nullif(current_setting('app.tenant', true), ''))::uuid)
            WITH CHECK (%I = (nullif(current_setting('app.tenant', true), ''))::uuid)$f$, target, key, key);
        EXECUTE format('GRANT %s ON %s TO {app}', app_rights, target);
    END IF;
    IF sql_rights <> '' THEN
        EXECUTE format('CREATE POLICY sql_people ON %s TO {sql} USING (%I = sql_user_tenant()) '
                       'WITH CHECK (%I = sql_user_tenant())', target, key, key);
        EXECUTE format('GRANT %s ON %s TO {sql}', sql_rights, target);
    END IF;
END $$;

CREATE FUNCTION sync_capture(target regclass, entity text, ignored text DEFAULT '', sets text DEFAULT '',
                             account_column text DEFAULT '', rebuckets text DEFAULT '',
                             root text DEFAULT '', part text DEFAULT '') RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    arguments text := format('(%L, %L, %L, %L, %L, %L, %L)', entity, ignored, sets, account_column, rebuckets, root, part);
    name text;
BEGIN
    EXECUTE format('CREATE TRIGGER sync_before BEFORE INSERT OR UPDATE ON %s FOR EACH ROW '
                   'EXECUTE FUNCTION sync_before_write%s', target, arguments);
    EXECUTE format('CREATE TRIGGER sync_after AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW '
                   'EXECUTE FUNCTION sync_after_write%s', target, arguments);
    EXECUTE format('CREATE TRIGGER sync_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT '
                   'EXECUTE FUNCTION sync_refuse_truncate()', target);
    FOREACH name IN ARRAY ARRAY['sync_before', 'sync_after', 'sync_truncate'] LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', target, name);
    END LOOP;
END $$;
"""

# table -> rights of the app role
PROTECTED = {
    "sync_heads": "SELECT",
    "sync_drain": "SELECT",
    "sync_pending": "SELECT",
    "changes": "SELECT",
    "sync_feed": "SELECT",
    "sync_subscriptions": "SELECT",
    "sync_subscription_sets": "SELECT, INSERT",
    "sync_quarantine": "SELECT",
    "sync_alarms": "SELECT",
    "sync_windows": "SELECT",
    "sync_devices": "SELECT, INSERT, UPDATE",
    "sync_mutations": "SELECT, INSERT, UPDATE",
}

DEFINERS = (
    "sql_user_tenant()",
    "sync_open_tenant(uuid)",
    "sync_open_new_tenant()",
    "sync_mark_user(uuid)",
    "sync_before_write()",
    "sync_after_write()",
    "sync_record_change(uuid, text, uuid, integer, text, text, uuid, uuid, jsonb, jsonb, boolean)",
    "sync_record_part(uuid, text, uuid, text, text, text, uuid, jsonb, jsonb, boolean)",
)

TRIGGER_FUNCTIONS = ("sync_open_new_tenant()", "sync_before_write()", "sync_after_write()")


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    quoted = {name: f'"{role}"' for name, role in roles.items()}
    op.execute(f"""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{roles["sql"]}') THEN
                CREATE ROLE {quoted["sql"]} NOLOGIN;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- made at the same moment elsewhere
        END $$
    """)
    op.execute(f"GRANT USAGE ON SCHEMA public TO {quoted['app']}, {quoted['engine']}, {quoted['sql']}")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {quoted['engine']}")
    op.execute(f"CREATE SCHEMA sync_locks AUTHORIZATION {quoted['engine']}")
    op.execute(TABLES)
    op.execute(FUNCTIONS.format(app=roles["app"]))
    op.execute(
        INSTALLERS.replace("{engine}", quoted["engine"])
        .replace("{app}", quoted["app"])
        .replace("{sql}", quoted["sql"])
    )
    for function in DEFINERS:
        op.execute(f"ALTER FUNCTION {function} OWNER TO {quoted['engine']}")
    # They run as the engine and take what to write from the arguments of the trigger: whoever could put
    # them on a table of their own, even a temporary one, would write into any company's ledger.
    for function in TRIGGER_FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO CURRENT_USER")
    op.execute("REVOKE ALL ON FUNCTION sync_open_tenant(uuid) FROM PUBLIC")
    op.execute("REVOKE ALL ON FUNCTION sync_analyze_grown() FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION sync_analyze_grown() TO {quoted['engine']}")
    op.execute(
        "REVOKE ALL ON FUNCTION sync_record_change(uuid, text, uuid, integer, text, text, uuid, uuid, jsonb, jsonb, boolean) FROM PUBLIC"
    )
    op.execute(
        "REVOKE ALL ON FUNCTION sync_record_part(uuid, text, uuid, text, text, text, uuid, jsonb, jsonb, boolean) FROM PUBLIC"
    )
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {quoted['engine']}")
    for table, rights in PROTECTED.items():
        op.execute(f"SELECT tenant_protect('{table}', '{rights}')")
    # Losing values of a merge are told to the ledger by the app; every other row comes from the triggers.
    op.execute(f"GRANT INSERT ON changes TO {quoted['app']}")
    op.execute("DROP POLICY app ON changes")
    op.execute(
        f"""CREATE POLICY app_reads ON changes FOR SELECT TO {quoted["app"]}
            USING (tenant_id = (nullif(current_setting('app.tenant', true), ''))::uuid)"""
    )
    op.execute(
        f"""CREATE POLICY app_tells_losses ON changes FOR INSERT TO {quoted["app"]}
            WITH CHECK (op = 'lost' AND tenant_id = (nullif(current_setting('app.tenant', true), ''))::uuid)"""
    )
    op.execute("ALTER TABLE sync_epochs ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE sync_epochs FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY everyone_reads ON sync_epochs FOR SELECT TO {quoted['app']} USING (true)")
    op.execute(f"CREATE POLICY engine ON sync_epochs TO {quoted['engine']} USING (true) WITH CHECK (true)")
    op.execute(f"GRANT SELECT ON sync_epochs TO {quoted['app']}")
    op.execute(f"GRANT ALL ON sync_epochs TO {quoted['engine']}")
    op.execute(f"GRANT SELECT ON sql_users TO {quoted['engine']}")


def downgrade() -> None:
    raise RuntimeError("the first migration has nothing below it: drop the database instead")
