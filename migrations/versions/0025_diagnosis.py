"""Create diagnosis trees and the paths that were taken

New tables only: nothing is locked or rewritten. The trigger on ``org_units`` acts on later writes.

Revision ID: 0025
Revises: 0024
"""

from alembic import context, op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

KEY = """
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
"""
SYNCED = f"""{KEY}
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid,
    deleted_at timestamptz,
    stamps jsonb NOT NULL DEFAULT '{{}}',
"""

TABLES = """
CREATE TABLE diagnosis_trees (@synced
    code text COLLATE "C" NOT NULL
        CONSTRAINT ck_diagnosis_trees_code CHECK (code ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(code) <= 80),
    title_ko text NOT NULL,
    title_en text,
    CONSTRAINT pk_diagnosis_trees PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX uq_diagnosis_trees_code ON diagnosis_trees (tenant_id, code) WHERE deleted_at IS NULL;

CREATE TABLE diagnosis_tree_products (@key
    tree_id uuid NOT NULL,
    product_id uuid NOT NULL,
    stamps jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT pk_diagnosis_tree_products PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_diagnosis_tree_products_tenant_id_tree_id FOREIGN KEY (tenant_id, tree_id)
        REFERENCES diagnosis_trees (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_diagnosis_tree_products_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_diagnosis_tree_products ON diagnosis_tree_products (tenant_id, tree_id, product_id);
CREATE INDEX ix_diagnosis_tree_products_product ON diagnosis_tree_products (tenant_id, product_id);

CREATE TABLE diagnosis_audiences (@key
    tree_id uuid NOT NULL,
    role varchar(40)
        CONSTRAINT ck_diagnosis_audiences_role CHECK (role IN ('rep', 'technician', 'manager', 'partner')),
    unit_id uuid,
    stamps jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT ck_diagnosis_audiences_somebody CHECK (num_nonnulls(role, unit_id) > 0),
    CONSTRAINT pk_diagnosis_audiences PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_diagnosis_audiences_tenant_id_tree_id FOREIGN KEY (tenant_id, tree_id)
        REFERENCES diagnosis_trees (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_diagnosis_audiences_tenant_id_unit_id FOREIGN KEY (tenant_id, unit_id)
        REFERENCES org_units (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_diagnosis_audiences_tree ON diagnosis_audiences (tenant_id, tree_id);
CREATE INDEX ix_diagnosis_audiences_unit ON diagnosis_audiences (tenant_id, unit_id);

CREATE TABLE diagnosis_readers (
    tenant_id uuid NOT NULL,
    tree_id uuid NOT NULL,
    bucket text COLLATE "C" NOT NULL,
    shape varchar(40) NOT NULL,
    CONSTRAINT pk_diagnosis_readers PRIMARY KEY (tenant_id, tree_id, bucket, shape),
    CONSTRAINT fk_diagnosis_readers_tenant_id_tree_id FOREIGN KEY (tenant_id, tree_id)
        REFERENCES diagnosis_trees (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_diagnosis_readers_tenant_id_bucket_shape ON diagnosis_readers (tenant_id, bucket, shape);

CREATE TABLE tree_versions (@synced
    tree_id uuid NOT NULL,
    n integer NOT NULL CONSTRAINT ck_tree_versions_n CHECK (n > 0),
    status varchar(40) NOT NULL DEFAULT 'draft' CONSTRAINT ck_tree_versions_status CHECK (status IN
        ('draft', 'in_review', 'approved', 'published', 'superseded', 'withdrawn')),
    nodes json NOT NULL DEFAULT '[]',
    changelog text NOT NULL DEFAULT '',
    author_id uuid NOT NULL,
    reviewer_id uuid,
    written_by uuid[] NOT NULL DEFAULT '{}',
    published_at timestamptz,
    rates json NOT NULL DEFAULT '{}',
    CONSTRAINT ck_tree_versions_reviewer CHECK (NOT reviewer_id = ANY (written_by)),
    CONSTRAINT ck_tree_versions_published CHECK (
        status IN ('draft', 'in_review', 'approved', 'withdrawn') OR published_at IS NOT NULL),
    CONSTRAINT pk_tree_versions PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_tree_versions_tenant_id_tree_id FOREIGN KEY (tenant_id, tree_id)
        REFERENCES diagnosis_trees (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_tree_versions_tenant_id_author_id FOREIGN KEY (tenant_id, author_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_tree_versions_tenant_id_reviewer_id FOREIGN KEY (tenant_id, reviewer_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_tree_versions_n ON tree_versions (tenant_id, tree_id, n);
-- One version is out, whatever two editors do at once.
CREATE UNIQUE INDEX uq_tree_versions_published ON tree_versions (tenant_id, tree_id)
    WHERE status = 'published' AND deleted_at IS NULL;
CREATE INDEX ix_tree_versions_status ON tree_versions (tenant_id, status, tree_id);

CREATE TABLE diagnosis_runs (@synced
    account_id uuid NOT NULL,
    visit_id uuid NOT NULL,
    tree_id uuid NOT NULL,
    tree_version_id uuid NOT NULL,
    author_id uuid NOT NULL,
    path json NOT NULL,
    remedy text,
    outcome varchar(40) NOT NULL CONSTRAINT ck_diagnosis_runs_outcome
        CHECK (outcome IN ('solved', 'not_solved', 'escalated')),
    note text,
    ran_at timestamptz NOT NULL,
    CONSTRAINT ck_diagnosis_runs_solved CHECK (outcome <> 'solved' OR remedy IS NOT NULL),
    CONSTRAINT pk_diagnosis_runs PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_diagnosis_runs_tenant_id_account_id FOREIGN KEY (tenant_id, account_id)
        REFERENCES accounts (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_diagnosis_runs_tenant_id_visit_id FOREIGN KEY (tenant_id, visit_id)
        REFERENCES visits (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_diagnosis_runs_tenant_id_tree_id FOREIGN KEY (tenant_id, tree_id)
        REFERENCES diagnosis_trees (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_diagnosis_runs_tenant_id_tree_version_id FOREIGN KEY (tenant_id, tree_version_id)
        REFERENCES tree_versions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_diagnosis_runs_tenant_id_author_id FOREIGN KEY (tenant_id, author_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_diagnosis_runs_account ON diagnosis_runs (tenant_id, account_id, ran_at);
CREATE INDEX ix_diagnosis_runs_visit ON diagnosis_runs (tenant_id, visit_id);
CREATE INDEX ix_diagnosis_runs_author ON diagnosis_runs (tenant_id, author_id, ran_at);
CREATE INDEX ix_diagnosis_runs_ran ON diagnosis_runs (tenant_id, ran_at);
CREATE INDEX ix_diagnosis_runs_version ON diagnosis_runs (tenant_id, tree_version_id, remedy);

CREATE TABLE remedy_tallies (
    tenant_id uuid NOT NULL,
    tree_id uuid NOT NULL,
    node text COLLATE "C" NOT NULL,
    solved integer NOT NULL DEFAULT 0,
    not_solved integer NOT NULL DEFAULT 0,
    escalated integer NOT NULL DEFAULT 0,
    CONSTRAINT ck_remedy_tallies_counts CHECK (solved >= 0 AND not_solved >= 0 AND escalated >= 0),
    CONSTRAINT pk_remedy_tallies PRIMARY KEY (tenant_id, tree_id, node),
    CONSTRAINT fk_remedy_tallies_tenant_id_tree_id FOREIGN KEY (tenant_id, tree_id)
        REFERENCES diagnosis_trees (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
"""

# As for articles; ``knowledge_buckets`` says whom an audience means. The lock is the same one, so that whoever
# moves a unit takes it once.
READERS = """
CREATE FUNCTION diagnosis_refresh_readers(tenant uuid, ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('knowledge:' || tenant, 0));
    WITH wanted AS MATERIALIZED (
        SELECT DISTINCT a.tree_id, b.bucket, b.shape
        FROM diagnosis_audiences a, LATERAL knowledge_buckets(tenant, a.role, a.unit_id) b
        WHERE a.tenant_id = tenant AND a.tree_id = ANY (ids)
    ), lost AS (
        DELETE FROM diagnosis_readers r
        WHERE r.tenant_id = tenant AND r.tree_id = ANY (ids) AND NOT EXISTS (
            SELECT FROM wanted w WHERE w.tree_id = r.tree_id AND w.bucket = r.bucket AND w.shape = r.shape)
        RETURNING r.tree_id
    ), gained AS (
        INSERT INTO diagnosis_readers (tenant_id, tree_id, bucket, shape)
        SELECT tenant, w.tree_id, w.bucket, w.shape FROM wanted w
        ON CONFLICT DO NOTHING
        RETURNING tree_id
    ), changed AS (
        SELECT tree_id FROM lost UNION SELECT tree_id FROM gained
    )
    INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
    SELECT tenant, 'diagnosis_tree', c.tree_id, true FROM changed c
    UNION ALL
    SELECT tenant, 'tree_version', v.id, true
    FROM changed c JOIN tree_versions v ON v.tenant_id = tenant AND v.tree_id = c.tree_id;
END $$;

CREATE FUNCTION diagnosis_audiences_refresh() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    touched record;
BEGIN
    IF TG_OP = 'DELETE' THEN
        FOR touched IN SELECT tenant_id, array_agg(DISTINCT tree_id) AS ids FROM old_rows GROUP BY tenant_id LOOP
            PERFORM diagnosis_refresh_readers(touched.tenant_id, touched.ids);
        END LOOP;
    ELSIF TG_OP = 'INSERT' THEN
        FOR touched IN SELECT tenant_id, array_agg(DISTINCT tree_id) AS ids FROM new_rows GROUP BY tenant_id LOOP
            PERFORM diagnosis_refresh_readers(touched.tenant_id, touched.ids);
        END LOOP;
    ELSE
        FOR touched IN
            SELECT r.tenant_id, array_agg(DISTINCT r.tree_id) AS ids
            FROM (SELECT tenant_id, tree_id FROM old_rows UNION SELECT tenant_id, tree_id FROM new_rows) r
            GROUP BY r.tenant_id
        LOOP
            PERFORM diagnosis_refresh_readers(touched.tenant_id, touched.ids);
        END LOOP;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION org_units_refresh_diagnosis() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    ids uuid[];
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.parent_id IS NOT DISTINCT FROM NEW.parent_id
       AND OLD.deleted_at IS NOT DISTINCT FROM NEW.deleted_at THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('knowledge:' || coalesce(NEW.tenant_id, OLD.tenant_id), 0));
    SELECT array_agg(DISTINCT a.tree_id) INTO ids FROM diagnosis_audiences a
    WHERE a.tenant_id = coalesce(NEW.tenant_id, OLD.tenant_id) AND a.unit_id IS NOT NULL;
    IF ids IS NOT NULL THEN
        PERFORM diagnosis_refresh_readers(coalesce(NEW.tenant_id, OLD.tenant_id), ids);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refresh_diagnosis AFTER INSERT OR UPDATE OR DELETE ON org_units
    FOR EACH ROW EXECUTE FUNCTION org_units_refresh_diagnosis();
ALTER TABLE org_units ENABLE ALWAYS TRIGGER refresh_diagnosis;
"""
AUDIENCE_TRIGGERS = {
    "insert": "REFERENCING NEW TABLE AS new_rows",
    "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": "REFERENCING OLD TABLE AS old_rows",
}
FUNCTIONS = (
    "diagnosis_refresh_readers(uuid, uuid[])",
    "diagnosis_audiences_refresh()",
    "org_units_refresh_diagnosis()",
)

ALL = "SELECT, INSERT, UPDATE, DELETE"
WRITTEN = "SELECT, INSERT, UPDATE"
READ = "SELECT"
# table -> rights of the app role, rights of SQL people
PROTECTED = {
    "diagnosis_trees": (ALL, ALL),
    "diagnosis_tree_products": (ALL, ALL),
    "diagnosis_audiences": (ALL, ALL),
    "diagnosis_readers": (READ, READ),
    # What was published is told from what was reviewed, and a tally from the runs: hand-written SQL may look.
    "tree_versions": (WRITTEN, READ),
    "diagnosis_runs": (WRITTEN, READ),
    "remedy_tallies": (WRITTEN, READ),
}
# table -> arguments of sync_capture
CAPTURED = {
    "diagnosis_trees": "'diagnosis_tree'",
    "diagnosis_tree_products": "'diagnosis_tree', root => 'diagnosis_trees:tree_id', part => 'products'",
    "diagnosis_audiences": "'diagnosis_tree', root => 'diagnosis_trees:tree_id', part => 'audiences'",
    "tree_versions": "'tree_version', rebuckets => 'diagnosis_tree:tree_id'",
    "diagnosis_runs": "'diagnosis_run', account_column => 'account_id',"
    " rebuckets => 'tree_version:tree_version_id,diagnosis_tree:tree_id'",
}


def upgrade() -> None:
    engine = f'"{context.config.attributes["roles"]["engine"]}"'
    op.execute(TABLES.replace("@synced", SYNCED).replace("@key", KEY))
    for table, (app_rights, sql_rights) in PROTECTED.items():
        op.execute(f"SELECT tenant_protect('{table}', '{app_rights}', '{sql_rights}')")
    for table, arguments in CAPTURED.items():
        op.execute(f"SELECT sync_capture('{table}', {arguments})")
    op.execute(READERS)
    for event, rows in AUDIENCE_TRIGGERS.items():
        name = f"refresh_readers_{event}"
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON diagnosis_audiences {rows}"
            " FOR EACH STATEMENT EXECUTE FUNCTION diagnosis_audiences_refresh()"
        )
        op.execute(f"ALTER TABLE diagnosis_audiences ENABLE ALWAYS TRIGGER {name}")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {engine}")
    for function in FUNCTIONS:
        op.execute(f"ALTER FUNCTION {function} OWNER TO {engine}")
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {engine}")


def downgrade() -> None:
    op.execute("DROP TRIGGER refresh_diagnosis ON org_units")
    op.execute("DROP TABLE remedy_tallies, diagnosis_runs, tree_versions")
    op.execute("DROP TABLE diagnosis_readers, diagnosis_audiences, diagnosis_tree_products, diagnosis_trees")
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
