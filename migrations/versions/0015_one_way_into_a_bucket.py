"""Leave one index by which a bucket can be read

Until a grown feed was analysed, the planner took every bucket for one row. Two indexes then cost the same, and a
plan kept by a phone's connection read the whole bucket by the key and sorted it: 1.4 s for a delta of one row. The
key now begins with the record, which is how a drain looks rows up; the index that did that is dropped, so that a
drain writes one index less.

Revision ID: 0015
Revises: 0014
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

KEY = "ALTER TABLE sync_feed DROP CONSTRAINT sync_feed_pkey, ADD PRIMARY KEY (tenant_id, {})"


def upgrade() -> None:
    op.execute(KEY.format("entity, record_id, bucket, shape"))
    op.execute("DROP INDEX ix_sync_feed_record")


def downgrade() -> None:
    op.execute(KEY.format("bucket, shape, entity, record_id"))
    op.execute("CREATE INDEX ix_sync_feed_record ON sync_feed (tenant_id, entity, record_id)")
