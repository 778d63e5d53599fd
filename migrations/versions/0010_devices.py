"""Keep a trace of each device's last syncs, and when a device was found to be cloned

A new table, and a column without default on a small table: nothing is rewritten.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = """
-- What happened at the last syncs of a device: numbers and codes, never bodies or texts.
CREATE TABLE sync_traces (
    tenant_id uuid NOT NULL,
    device_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    since timestamptz NOT NULL,
    times integer NOT NULL DEFAULT 1,
    kind text NOT NULL,
    duration_ms integer NOT NULL,
    mutations integer NOT NULL,
    verdicts jsonb NOT NULL,
    changes integer NOT NULL,
    removed integer NOT NULL,
    position bigint,
    has_more boolean NOT NULL,
    directives text[] NOT NULL,
    error text,
    PRIMARY KEY (tenant_id, device_id, id)
);
-- Rows come and go in one small circle for each device.
ALTER TABLE sync_traces SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE sync_devices ADD COLUMN cloned_at timestamptz;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute("SELECT tenant_protect('sync_traces', 'SELECT, INSERT, UPDATE, DELETE')")


def downgrade() -> None:
    op.execute("ALTER TABLE sync_devices DROP COLUMN cloned_at")
    op.execute("DROP TABLE sync_traces")
