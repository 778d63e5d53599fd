"""Create the conflict inbox

A new table; nothing existing is touched.

Revision ID: 0006
Revises: 0005
"""

from alembic import context, op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE conflicts (
            tenant_id uuid NOT NULL,
            id uuid NOT NULL,
            kind varchar NOT NULL,
            entity varchar NOT NULL,
            record_id uuid NOT NULL,
            field varchar,
            row_id uuid,
            account_id uuid,
            record_version integer NOT NULL,
            code varchar,
            base json,
            mine json,
            theirs json,
            author_id uuid NOT NULL,
            device_id uuid,
            mutation_id uuid,
            occurred_at timestamptz,
            happened_at timestamptz NOT NULL,
            losers json NOT NULL DEFAULT '[]',
            state varchar(40) NOT NULL DEFAULT 'open',
            choice varchar,
            resolution json,
            reason varchar,
            resolved_by uuid,
            resolved_at timestamptz,
            version integer NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT now(),
            created_by uuid,
            updated_at timestamptz NOT NULL DEFAULT now(),
            updated_by uuid,
            deleted_at timestamptz,
            stamps jsonb NOT NULL DEFAULT '{}',
            CONSTRAINT pk_conflicts PRIMARY KEY (tenant_id, id),
            CONSTRAINT fk_conflicts_tenant_id_author_id FOREIGN KEY (tenant_id, author_id)
                REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
        )
        """
    )
    op.execute(
        """CREATE UNIQUE INDEX uq_conflicts_open_field ON conflicts (tenant_id, entity, record_id, field, row_id)
           NULLS NOT DISTINCT WHERE state = 'open' AND field IS NOT NULL AND deleted_at IS NULL"""
    )
    op.execute("CREATE INDEX ix_conflicts_record ON conflicts (tenant_id, entity, record_id)")
    op.execute("CREATE INDEX ix_conflicts_author ON conflicts (tenant_id, author_id)")
    op.execute("CREATE INDEX ix_conflicts_account ON conflicts (tenant_id, account_id)")
    op.execute("SELECT tenant_protect('conflicts', 'SELECT, INSERT, UPDATE', 'SELECT')")
    # For /readyz: the web role may see at which migration the database stands.
    op.execute(f'GRANT SELECT ON alembic_version TO "{context.config.attributes["roles"]["app"]}"')
    op.execute("SELECT sync_capture('conflicts', 'conflict', account_column => 'account_id')")


def downgrade() -> None:
    op.execute(f'REVOKE SELECT ON alembic_version FROM "{context.config.attributes["roles"]["app"]}"')
    op.execute("DROP TABLE conflicts")
