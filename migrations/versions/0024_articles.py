"""Create articles, their versions and readers

New tables only: nothing is locked or rewritten. The trigger on ``org_units`` acts on later writes.

Revision ID: 0024
Revises: 0023
"""

from alembic import context, op

revision = "0024"
down_revision = "0023"
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
SHAPES = "('sales', 'service', 'manager', 'partner')"

TABLES = """
CREATE TABLE articles (@synced
    slug text COLLATE "C" NOT NULL
        CONSTRAINT ck_articles_slug CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 80),
    kind varchar(40) NOT NULL CONSTRAINT ck_articles_kind CHECK (kind IN ('spec', 'application', 'comparison',
        'competitor', 'faq', 'procedure', 'safety_notice')),
    asset_models text[] NOT NULL DEFAULT '{}',
    editor_id uuid,
    review_every_days integer
        CONSTRAINT ck_articles_review_every_days CHECK (review_every_days BETWEEN 1 AND 3660),
    next_review_on date,
    priority integer NOT NULL DEFAULT 0 CONSTRAINT ck_articles_priority CHECK (priority BETWEEN 0 AND 4),
    must_read boolean NOT NULL DEFAULT false,
    for_customers boolean NOT NULL DEFAULT false,
    CONSTRAINT ck_articles_must_read CHECK (NOT must_read OR kind = 'safety_notice'),
    CONSTRAINT pk_articles PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_articles_tenant_id_editor_id FOREIGN KEY (tenant_id, editor_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_articles_tenant_id_slug ON articles (tenant_id, slug) WHERE deleted_at IS NULL;
CREATE INDEX ix_articles_due ON articles (tenant_id, next_review_on) WHERE deleted_at IS NULL;
CREATE INDEX ix_articles_must_read ON articles (tenant_id, id) WHERE must_read AND deleted_at IS NULL;

CREATE TABLE article_products (@key
    article_id uuid NOT NULL,
    product_id uuid NOT NULL,
    stamps jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT pk_article_products PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_article_products_tenant_id_article_id FOREIGN KEY (tenant_id, article_id)
        REFERENCES articles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_products_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_article_products ON article_products (tenant_id, article_id, product_id);
CREATE INDEX ix_article_products_product ON article_products (tenant_id, product_id);

CREATE TABLE article_audiences (@key
    article_id uuid NOT NULL,
    role varchar(40)
        CONSTRAINT ck_article_audiences_role CHECK (role IN ('rep', 'technician', 'manager', 'partner')),
    unit_id uuid,
    stamps jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT ck_article_audiences_somebody CHECK (num_nonnulls(role, unit_id) > 0),
    CONSTRAINT pk_article_audiences PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_article_audiences_tenant_id_article_id FOREIGN KEY (tenant_id, article_id)
        REFERENCES articles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_audiences_tenant_id_unit_id FOREIGN KEY (tenant_id, unit_id)
        REFERENCES org_units (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_article_audiences_article ON article_audiences (tenant_id, article_id);
CREATE INDEX ix_article_audiences_unit ON article_audiences (tenant_id, unit_id);

CREATE TABLE article_readers (
    tenant_id uuid NOT NULL,
    article_id uuid NOT NULL,
    bucket text COLLATE "C" NOT NULL,
    shape varchar(40) NOT NULL,
    CONSTRAINT pk_article_readers PRIMARY KEY (tenant_id, article_id, bucket, shape),
    CONSTRAINT fk_article_readers_tenant_id_article_id FOREIGN KEY (tenant_id, article_id)
        REFERENCES articles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_article_readers_tenant_id_bucket_shape ON article_readers (tenant_id, bucket, shape);

CREATE TABLE article_versions (@synced
    article_id uuid NOT NULL,
    language varchar(40) NOT NULL CONSTRAINT ck_article_versions_language CHECK (language IN ('ko', 'en')),
    n integer NOT NULL CONSTRAINT ck_article_versions_n CHECK (n > 0),
    status varchar(40) NOT NULL DEFAULT 'draft' CONSTRAINT ck_article_versions_status CHECK (status IN
        ('draft', 'in_review', 'approved', 'published', 'superseded', 'withdrawn')),
    title text NOT NULL,
    summary text NOT NULL DEFAULT '',
    body text NOT NULL DEFAULT '',
    keywords text[] NOT NULL DEFAULT '{}',
    changelog text NOT NULL DEFAULT '',
    author_id uuid NOT NULL,
    reviewer_id uuid,
    written_by uuid[] NOT NULL DEFAULT '{}',
    effective_from date,
    effective_to date,
    publish_at timestamptz,
    withdraw_at timestamptz,
    published_at timestamptz,
    rating smallint CONSTRAINT ck_article_versions_rating CHECK (rating BETWEEN 0 AND 4),
    size_bytes integer NOT NULL DEFAULT 0,
    tokens json NOT NULL DEFAULT '{}',
    CONSTRAINT ck_article_versions_effective CHECK (effective_from <= effective_to),
    CONSTRAINT ck_article_versions_reviewer CHECK (NOT reviewer_id = ANY (written_by)),
    CONSTRAINT ck_article_versions_published CHECK (
        status IN ('draft', 'in_review', 'approved', 'withdrawn') OR published_at IS NOT NULL),
    CONSTRAINT pk_article_versions PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_article_versions_tenant_id_article_id FOREIGN KEY (tenant_id, article_id)
        REFERENCES articles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_versions_tenant_id_author_id FOREIGN KEY (tenant_id, author_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_versions_tenant_id_reviewer_id FOREIGN KEY (tenant_id, reviewer_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_article_versions_n ON article_versions (tenant_id, article_id, language, n);
-- One set of words is out for each article and language, whatever two editors do at once.
CREATE UNIQUE INDEX uq_article_versions_published ON article_versions (tenant_id, article_id, language)
    WHERE status = 'published' AND deleted_at IS NULL;
CREATE INDEX ix_article_versions_publish_at ON article_versions (tenant_id, publish_at)
    WHERE status = 'approved';
CREATE INDEX ix_article_versions_withdraw_at ON article_versions (tenant_id, withdraw_at)
    WHERE status = 'published';
CREATE INDEX ix_article_versions_status ON article_versions (tenant_id, status, article_id);

CREATE TABLE article_receipts (@synced
    article_id uuid NOT NULL,
    version_id uuid NOT NULL,
    user_id uuid NOT NULL,
    acknowledged_at timestamptz NOT NULL,
    CONSTRAINT pk_article_receipts PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_article_receipts_tenant_id_article_id FOREIGN KEY (tenant_id, article_id)
        REFERENCES articles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_receipts_tenant_id_version_id FOREIGN KEY (tenant_id, version_id)
        REFERENCES article_versions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_receipts_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_article_receipts ON article_receipts (tenant_id, version_id, user_id);
CREATE INDEX ix_article_receipts_user ON article_receipts (tenant_id, user_id);

CREATE TABLE pack_budgets (@key
    shape varchar(40) NOT NULL CONSTRAINT ck_pack_budgets_shape CHECK (shape IN @shapes),
    kilobytes integer NOT NULL CONSTRAINT ck_pack_budgets_kilobytes CHECK (kilobytes BETWEEN 1 AND 1000000),
    CONSTRAINT pk_pack_budgets PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX uq_pack_budgets_shape ON pack_budgets (tenant_id, shape);

CREATE TABLE pack_fills (
    tenant_id uuid NOT NULL,
    seen text NOT NULL,
    CONSTRAINT pk_pack_fills PRIMARY KEY (tenant_id)
);

CREATE TABLE pack_omissions (
    tenant_id uuid NOT NULL,
    version_id uuid NOT NULL,
    shape varchar(40) NOT NULL CONSTRAINT ck_pack_omissions_shape CHECK (shape IN @shapes),
    CONSTRAINT pk_pack_omissions PRIMARY KEY (tenant_id, version_id, shape),
    CONSTRAINT fk_pack_omissions_tenant_id_version_id FOREIGN KEY (tenant_id, version_id)
        REFERENCES article_versions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE knowledge_packs (@synced
    bucket text COLLATE "C" NOT NULL,
    shape varchar(40) NOT NULL CONSTRAINT ck_knowledge_packs_shape CHECK (shape IN @shapes),
    budget_kb integer NOT NULL,
    size_kb integer NOT NULL,
    included integer NOT NULL,
    omitted integer NOT NULL,
    left_out json NOT NULL DEFAULT '[]',
    CONSTRAINT pk_knowledge_packs PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX uq_knowledge_packs_bucket ON knowledge_packs (tenant_id, bucket, shape);
"""

# Whom an audience means: those whose phones are given a bucket, of a class. One definition, for all that has
# an audience, whoever writes it.
READERS = """
CREATE FUNCTION knowledge_buckets(tenant uuid, the_role text, unit uuid)
RETURNS TABLE (bucket text, shape text) LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH RECURSIVE classes AS (
        SELECT c.role, c.shape
        FROM (VALUES ('rep', 'sales'), ('technician', 'service'), ('manager', 'manager'), ('partner', 'partner'))
             AS c (role, shape)
        WHERE the_role IS NULL OR c.role = the_role
    ), units AS (
        SELECT o.id FROM org_units o WHERE o.tenant_id = tenant AND o.id = unit AND o.deleted_at IS NULL
        UNION
        SELECT o.id FROM units u
        JOIN org_units o ON o.tenant_id = tenant AND o.parent_id = u.id AND o.deleted_at IS NULL
    )
    SELECT 'audience:' || c.role, c.shape FROM classes c WHERE unit IS NULL
    UNION ALL
    SELECT 'unit:' || u.id, c.shape FROM units u CROSS JOIN classes c
$$;

-- Two who change the audience and the tree at once wait for each other: the later one sees what the first did.
CREATE FUNCTION knowledge_refresh_readers(tenant uuid, ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('knowledge:' || tenant, 0));
    WITH wanted AS MATERIALIZED (
        SELECT DISTINCT a.article_id, b.bucket, b.shape
        FROM article_audiences a, LATERAL knowledge_buckets(tenant, a.role, a.unit_id) b
        WHERE a.tenant_id = tenant AND a.article_id = ANY (ids)
    ), lost AS (
        DELETE FROM article_readers r
        WHERE r.tenant_id = tenant AND r.article_id = ANY (ids) AND NOT EXISTS (
            SELECT FROM wanted w
            WHERE w.article_id = r.article_id AND w.bucket = r.bucket AND w.shape = r.shape)
        RETURNING r.article_id
    ), gained AS (
        INSERT INTO article_readers (tenant_id, article_id, bucket, shape)
        SELECT tenant, w.article_id, w.bucket, w.shape FROM wanted w
        ON CONFLICT DO NOTHING
        RETURNING article_id
    ), changed AS (
        SELECT article_id FROM lost UNION SELECT article_id FROM gained
    )
    INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
    SELECT tenant, 'article', c.article_id, true FROM changed c
    UNION ALL
    SELECT tenant, 'article_version', v.id, true
    FROM changed c JOIN article_versions v ON v.tenant_id = tenant AND v.article_id = c.article_id;
END $$;

CREATE FUNCTION article_audiences_refresh() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    touched record;
BEGIN
    IF TG_OP = 'DELETE' THEN
        FOR touched IN SELECT tenant_id, array_agg(DISTINCT article_id) AS ids FROM old_rows GROUP BY tenant_id LOOP
            PERFORM knowledge_refresh_readers(touched.tenant_id, touched.ids);
        END LOOP;
    ELSIF TG_OP = 'INSERT' THEN
        FOR touched IN SELECT tenant_id, array_agg(DISTINCT article_id) AS ids FROM new_rows GROUP BY tenant_id LOOP
            PERFORM knowledge_refresh_readers(touched.tenant_id, touched.ids);
        END LOOP;
    ELSE
        FOR touched IN
            SELECT r.tenant_id, array_agg(DISTINCT r.article_id) AS ids
            FROM (SELECT tenant_id, article_id FROM old_rows UNION SELECT tenant_id, article_id FROM new_rows) r
            GROUP BY r.tenant_id
        LOOP
            PERFORM knowledge_refresh_readers(touched.tenant_id, touched.ids);
        END LOOP;
    END IF;
    RETURN NULL;
END $$;

-- A unit that comes, goes or moves takes the readers of what is for a unit above it along.
CREATE FUNCTION org_units_refresh_readers() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    ids uuid[];
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.parent_id IS NOT DISTINCT FROM NEW.parent_id
       AND OLD.deleted_at IS NOT DISTINCT FROM NEW.deleted_at THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('knowledge:' || coalesce(NEW.tenant_id, OLD.tenant_id), 0));
    SELECT array_agg(DISTINCT a.article_id) INTO ids FROM article_audiences a
    WHERE a.tenant_id = coalesce(NEW.tenant_id, OLD.tenant_id) AND a.unit_id IS NOT NULL;
    IF ids IS NOT NULL THEN
        PERFORM knowledge_refresh_readers(coalesce(NEW.tenant_id, OLD.tenant_id), ids);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refresh_readers AFTER INSERT OR UPDATE OR DELETE ON org_units
    FOR EACH ROW EXECUTE FUNCTION org_units_refresh_readers();
ALTER TABLE org_units ENABLE ALWAYS TRIGGER refresh_readers;

-- What comes into a pack or leaves one comes to phones or leaves them, with its article.
CREATE FUNCTION pack_omissions_mark() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
    SELECT v.tenant_id, m.entity, m.record_id, true
    FROM article_versions v,
         LATERAL (VALUES ('article', v.article_id), ('article_version', v.id)) AS m (entity, record_id)
    WHERE v.tenant_id = coalesce(NEW.tenant_id, OLD.tenant_id) AND v.id = coalesce(NEW.version_id, OLD.version_id);
    RETURN NULL;
END $$;
CREATE TRIGGER mark_packed AFTER INSERT OR UPDATE OR DELETE ON pack_omissions
    FOR EACH ROW EXECUTE FUNCTION pack_omissions_mark();
ALTER TABLE pack_omissions ENABLE ALWAYS TRIGGER mark_packed;
"""
AUDIENCE_TRIGGERS = {
    "insert": "REFERENCING NEW TABLE AS new_rows",
    "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": "REFERENCING OLD TABLE AS old_rows",
}
FUNCTIONS = (
    "knowledge_buckets(uuid, text, uuid)",
    "knowledge_refresh_readers(uuid, uuid[])",
    "article_audiences_refresh()",
    "org_units_refresh_readers()",
    "pack_omissions_mark()",
)

ALL = "SELECT, INSERT, UPDATE, DELETE"
READ = "SELECT"
# table -> rights of the app role, rights of SQL people
PROTECTED = {
    "articles": (ALL, ALL),
    "article_products": (ALL, ALL),
    # Search is told of audiences by the application.
    "article_audiences": (ALL, READ),
    "article_readers": (READ, READ),
    # What was published is told from what was reviewed: hand-written SQL may look.
    "article_versions": (ALL, READ),
    "article_receipts": ("SELECT, INSERT", READ),
    "pack_budgets": (ALL, ALL),
    "pack_fills": (ALL, READ),
    "pack_omissions": (ALL, READ),
    "knowledge_packs": (ALL, READ),
}
# table -> arguments of sync_capture
CAPTURED = {
    "articles": "'article', sets => 'asset_models'",
    "article_products": "'article', root => 'articles:article_id', part => 'products'",
    "article_audiences": "'article', root => 'articles:article_id', part => 'audiences'",
    "article_versions": "'article_version', ignored => 'tokens,size_bytes', sets => 'keywords',"
    " rebuckets => 'article:article_id'",
    "article_receipts": "'article_receipt'",
    "knowledge_packs": "'knowledge_pack'",
}


def upgrade() -> None:
    engine = f'"{context.config.attributes["roles"]["engine"]}"'
    op.execute(TABLES.replace("@synced", SYNCED).replace("@key", KEY).replace("@shapes", SHAPES))
    for table, (app_rights, sql_rights) in PROTECTED.items():
        op.execute(f"SELECT tenant_protect('{table}', '{app_rights}', '{sql_rights}')")
    for table, arguments in CAPTURED.items():
        op.execute(f"SELECT sync_capture('{table}', {arguments})")
    op.execute(READERS)
    for event, rows in AUDIENCE_TRIGGERS.items():
        name = f"refresh_readers_{event}"
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON article_audiences {rows}"
            " FOR EACH STATEMENT EXECUTE FUNCTION article_audiences_refresh()"
        )
        op.execute(f"ALTER TABLE article_audiences ENABLE ALWAYS TRIGGER {name}")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {engine}")
    for function in FUNCTIONS:
        op.execute(f"ALTER FUNCTION {function} OWNER TO {engine}")
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {engine}")


def downgrade() -> None:
    op.execute("DROP TRIGGER refresh_readers ON org_units")
    op.execute("DROP TABLE knowledge_packs, pack_omissions, pack_fills, pack_budgets")
    op.execute("DROP TABLE article_receipts, article_versions")
    op.execute("DROP TABLE article_readers, article_audiences, article_products, articles")
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
