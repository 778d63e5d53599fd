"""Create the index of search tokens

New tables only: nothing is locked or rewritten.

Revision ID: 0023
Revises: 0022
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# Columns stand by their alignment: a company has some hundred rows of search_tokens for each document.
TABLES = """
CREATE TABLE search_shelves (
    tenant_id uuid NOT NULL,
    id integer GENERATED ALWAYS AS IDENTITY,
    kind text COLLATE "C" NOT NULL,
    buckets text[] COLLATE "C",
    CONSTRAINT pk_search_shelves PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX uq_search_shelves_tenant_id_kind_buckets
    ON search_shelves (tenant_id, kind, buckets) NULLS NOT DISTINCT;

CREATE TABLE search_documents (
    tenant_id uuid NOT NULL,
    number integer GENERATED ALWAYS AS IDENTITY,
    shelf integer,
    kind text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    published_on date,
    rating smallint NOT NULL DEFAULT 0,
    priority smallint NOT NULL DEFAULT 0,
    language text COLLATE "C",
    tokens text COLLATE "C" NOT NULL DEFAULT '',
    CONSTRAINT pk_search_documents PRIMARY KEY (tenant_id, number),
    CONSTRAINT ck_search_documents_rating CHECK (rating BETWEEN 0 AND 4),
    CONSTRAINT ck_search_documents_priority CHECK (priority BETWEEN 0 AND 4)
);
CREATE UNIQUE INDEX uq_search_documents_tenant_id_kind_record_id
    ON search_documents (tenant_id, kind, record_id);

CREATE TABLE search_tokens (
    tenant_id uuid NOT NULL,
    shelf integer NOT NULL,
    number integer NOT NULL,
    weight smallint NOT NULL,
    heading boolean NOT NULL,
    token text COLLATE "C" NOT NULL,
    CONSTRAINT pk_search_tokens PRIMARY KEY (tenant_id, token, shelf, heading, number) INCLUDE (weight)
);

CREATE TABLE search_words (
    tenant_id uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    word text COLLATE "C" NOT NULL,
    CONSTRAINT pk_search_words PRIMARY KEY (tenant_id, key, word)
);
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute("SELECT tenant_protect('search_shelves', 'SELECT, INSERT')")
    op.execute("SELECT tenant_protect('search_documents')")
    op.execute("SELECT tenant_protect('search_tokens', 'SELECT, INSERT, DELETE')")
    op.execute("SELECT tenant_protect('search_words', 'SELECT, INSERT')")


def downgrade() -> None:
    for table in ("search_words", "search_tokens", "search_documents", "search_shelves"):
        op.drop_table(table)
