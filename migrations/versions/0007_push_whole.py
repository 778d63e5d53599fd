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
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute("SELECT tenant_protect('sync_given', 'SELECT, INSERT, UPDATE')")


def downgrade() -> None:
    op.execute("DROP TABLE sync_given")
