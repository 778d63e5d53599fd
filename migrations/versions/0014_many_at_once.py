"""Let one statement write for many mutations

A push that writes many records with one statement tells the triggers, for each record, which mutation wrote
it, when it happened and its stamps. ``app.batch`` holds the ids of the records, 37 characters each with the comma;
``app.batch_0``, ``app.batch_1`` … what is to be said of each. It is honoured for the app role only, as the
settings of one mutation are; a record that is not in the batch is written as before.

Only functions are replaced: no table is locked or rewritten.

Revision ID: 0014
Revises: 0013
"""

import re

from alembic import context, op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

FUNCTIONS = r"""
-- What a push says of one record of many; null where it says nothing of it.
CREATE FUNCTION sync_batch_of(record uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    batch text := current_setting('app.batch', true);
    place integer;
BEGIN
    IF batch IS NULL OR batch = '' OR NOT sync_is_app() THEN
        RETURN NULL;
    END IF;
    place := strpos(batch, record::text);
    RETURN CASE WHEN place > 0 THEN current_setting('app.batch_' || (place - 1) / 37)::jsonb END;
END $$;

DROP FUNCTION sync_next_stamps(jsonb, jsonb, jsonb, text[], jsonb);

-- Stamps after an update: changed fields get the stamp of the write, elements of set fields each their
-- own, and what the merge decided is laid over it.
CREATE FUNCTION sync_next_stamps(old_stamps jsonb, o jsonb, n jsonb, sets text[], explicit jsonb, stamp jsonb)
RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    result jsonb := coalesce(old_stamps, '{}');
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
                || coalesce(elements, '{}'));
        ELSE
            result := jsonb_set(result, ARRAY[field], stamp);
        END IF;
    END LOOP;
    FOR field, value IN SELECT key, e.value FROM jsonb_each(coalesce(explicit, '{}')) e LOOP
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

CREATE OR REPLACE FUNCTION sync_before_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC'
SET enable_seqscan = off AS $$
DECLARE
    is_part boolean := TG_ARGV[5] <> '';
    sets text[] := string_to_array(TG_ARGV[2], ',');
    said jsonb := sync_batch_of(NEW.id);
    explicit jsonb := CASE WHEN said IS NOT NULL THEN said -> 'stamps'
                           WHEN sync_is_app() THEN sync_setting('app.stamps')::jsonb -> (NEW.id::text) END;
    stamp jsonb := coalesce(said -> 'stamp', sync_default_stamp());
    writer uuid := CASE WHEN sync_is_app() THEN sync_setting('app.user')::uuid END;
    o jsonb; n jsonb;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.stamps := jsonb_build_object('_', stamp) || coalesce(explicit, '{}');
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
                       ELSE sync_next_stamps(OLD.stamps, o, n, sets, explicit, stamp) END;
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

-- One row of the ledger and one mark for the sequencer.
CREATE OR REPLACE FUNCTION sync_record_change(tenant uuid, entity text, record uuid, version integer, op text,
                                   part text, part_id uuid, account uuid, old jsonb, new jsonb, is_app boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    writer uuid := CASE WHEN is_app THEN sync_setting('app.user')::uuid END;
    said jsonb := CASE WHEN is_app THEN sync_batch_of(record) END;
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
            CASE WHEN said IS NOT NULL THEN (said ->> 'mutation')::uuid
                 WHEN is_app THEN sync_setting('app.mutation')::uuid END,
            CASE WHEN said IS NOT NULL THEN (said ->> 'occurred_at')::timestamptz
                 WHEN is_app THEN sync_setting('app.occurred_at')::timestamptz END,
            (coalesce(said -> 'stamp', sync_default_stamp()) ->> 0)::timestamptz);
    INSERT INTO sync_pending (tenant_id, entity, record_id) VALUES (tenant, entity, record);
END $$;
"""

REPLACED = ("sync_next_stamps", "sync_before_write", "sync_record_change")


def upgrade() -> None:
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute("DROP FUNCTION sync_next_stamps(jsonb, jsonb, jsonb, text[], jsonb, jsonb)")
    first = context.script.get_revision("0001")
    for name in REPLACED:
        found = re.search(
            rf"CREATE FUNCTION {name}\(.*?^END \$\$;", first.module.FUNCTIONS, re.DOTALL | re.MULTILINE
        )
        assert found is not None
        # The braces are doubled there, for str.format.
        op.execute(found[0].replace("CREATE", "CREATE OR REPLACE", 1).replace("{{", "{").replace("}}", "}"))
    op.execute("DROP FUNCTION sync_batch_of(uuid)")
