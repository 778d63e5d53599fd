"""Create synonyms, the log of searches and the marks of what is to be indexed

New tables only: nothing is locked or rewritten. What is there already is indexed by the job, which begins with
all records of a company.

Revision ID: 0027
Revises: 0026
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

TABLES = r"""
CREATE TABLE search_synonyms (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    words text[] NOT NULL,
    audience text[] NOT NULL,
    meaning text NOT NULL DEFAULT 'same',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid,
    deleted_at timestamptz,
    stamps jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT pk_search_synonyms PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_search_synonyms_words CHECK (cardinality(words) BETWEEN 2 AND 20),
    CONSTRAINT ck_search_synonyms_audience CHECK (cardinality(audience) > 0
        AND audience <@ ARRAY['sales', 'service', 'manager', 'partner']::text[]),
    CONSTRAINT ck_search_synonyms_meaning CHECK (meaning IN ('same', 'similar'))
);
CREATE INDEX ix_search_synonyms_tenant_id_updated_at_id ON search_synonyms (tenant_id, updated_at, id);

CREATE TABLE search_log (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    day date NOT NULL,
    audience text NOT NULL,
    query text COLLATE "C" NOT NULL,
    searches integer NOT NULL,
    found_nothing integer NOT NULL,
    CONSTRAINT pk_search_log PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX uq_search_log_tenant_id_day_audience_query ON search_log (tenant_id, day, audience, query);

CREATE TABLE search_progress (
    tenant_id uuid NOT NULL,
    settled_id bigint NOT NULL,
    seen text NOT NULL,
    ahead_id bigint NOT NULL,
    ahead_xid bigint NOT NULL,
    CONSTRAINT pk_search_progress PRIMARY KEY (tenant_id)
);

CREATE TABLE search_marks (
    tenant_id uuid NOT NULL,
    entity text NOT NULL,
    record_id uuid NOT NULL,
    CONSTRAINT pk_search_marks PRIMARY KEY (tenant_id, entity, record_id)
);

SELECT tenant_protect('search_synonyms', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
SELECT tenant_protect('search_log');
SELECT tenant_protect('search_progress');
SELECT tenant_protect('search_marks');
SELECT sync_capture('search_synonyms', 'synonym_group');
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    for table in ("search_marks", "search_progress", "search_log", "search_synonyms"):
        op.execute(f"DROP TABLE {table}")
