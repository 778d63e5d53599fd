"""Keep what each user's devices were given, and what groups and parked work need

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


TABLES = """
-- Which channels the devices of a user were given, and up to which position: the highest position of a
-- row of the channel that left the server for one of them.
CREATE TABLE sync_given (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    bucket text NOT NULL,
    shape text NOT NULL,
    position bigint NOT NULL,
    given_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, user_id, bucket, shape)
);

-- After a restore: mutations on records that nobody has re-sent yet, until when they wait for them.
CREATE TABLE sync_parked (
    tenant_id uuid NOT NULL,
    record_id uuid NOT NULL,
    user_id uuid NOT NULL,
    mutation_id uuid NOT NULL,
    entity text NOT NULL,
    device_id uuid NOT NULL,
    n bigint NOT NULL,
    conflict_id uuid NOT NULL,
    base_known boolean NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, record_id, user_id, mutation_id)
);

CREATE INDEX ix_sync_mutations_group ON sync_mutations (tenant_id, user_id, group_id) WHERE group_id IS NOT NULL;

-- To whom a manager gave an item of the inbox. No row is rewritten.
ALTER TABLE conflicts ADD COLUMN assignee_id uuid,
    ADD CONSTRAINT fk_conflicts_tenant_id_assignee_id FOREIGN KEY (tenant_id, assignee_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX ix_conflicts_assignee ON conflicts (tenant_id, assignee_id) WHERE assignee_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute("SELECT tenant_protect('sync_given', 'SELECT, INSERT, UPDATE')")
    op.execute("SELECT tenant_protect('sync_parked', 'SELECT, INSERT, UPDATE, DELETE')")


def downgrade() -> None:
    op.execute("ALTER TABLE conflicts DROP COLUMN assignee_id")
    op.execute("DROP INDEX ix_sync_mutations_group")
    op.execute("DROP TABLE sync_parked")
    op.execute("DROP TABLE sync_given")
