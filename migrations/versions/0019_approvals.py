"""Create approval policies, requests and notifications

New tables only: nothing is locked or rewritten. The trigger on ``delegations`` acts on later writes.

Revision ID: 0019
Revises: 0018
"""

from alembic import context, op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SYNCED = """
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid,
    deleted_at timestamptz,
    stamps jsonb NOT NULL DEFAULT '{}'"""

TABLES = f"""
CREATE TABLE approval_policies (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name varchar NOT NULL,
    document_kind varchar(40) NOT NULL,
    metric varchar(40) NOT NULL,
    threshold numeric(18,4) NOT NULL,
    levels jsonb NOT NULL,
    priority integer NOT NULL DEFAULT 0,
    active boolean NOT NULL DEFAULT true,
{SYNCED},
    CONSTRAINT pk_approval_policies PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_approval_policies_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_approval_policies_metric CHECK (metric IN ('discount_percent', 'amount', 'margin_percent',
        'credit_over', 'terms_days', 'overdue_days'))
);
CREATE INDEX ix_approval_policies_kind ON approval_policies (tenant_id, document_kind)
    WHERE active AND deleted_at IS NULL;

CREATE TABLE approval_requests (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    document_kind varchar(40) NOT NULL,
    document_id uuid NOT NULL,
    document_hash varchar NOT NULL,
    title varchar NOT NULL,
    account_id uuid,
    territory_id uuid,
    requester_id uuid NOT NULL,
    excluded uuid[] NOT NULL DEFAULT '{{}}',
    reasons text[] NOT NULL DEFAULT '{{}}',
    snapshot json NOT NULL,
    metrics json NOT NULL,
    triggered json NOT NULL,
    plan json NOT NULL,
    level integer NOT NULL,
    levels integer NOT NULL,
    status varchar(40) NOT NULL DEFAULT 'pending',
    requested_at timestamptz NOT NULL,
    decided_at timestamptz,
    alarmed_at timestamptz,
{SYNCED},
    CONSTRAINT pk_approval_requests PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_approval_requests_tenant_id_account_id FOREIGN KEY (tenant_id, account_id)
        REFERENCES accounts (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_approval_requests_tenant_id_territory_id FOREIGN KEY (tenant_id, territory_id)
        REFERENCES territories (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_approval_requests_tenant_id_requester_id FOREIGN KEY (tenant_id, requester_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_approval_requests_status CHECK (status IN ('pending', 'approved', 'rejected', 'returned',
        'withdrawn', 'superseded'))
);
CREATE UNIQUE INDEX uq_approval_requests_open ON approval_requests (tenant_id, document_kind, document_id)
    WHERE status = 'pending';
CREATE INDEX ix_approval_requests_document
    ON approval_requests (tenant_id, document_kind, document_id, requested_at);
CREATE INDEX ix_approval_requests_requester ON approval_requests (tenant_id, requester_id, requested_at);
CREATE INDEX ix_approval_requests_account ON approval_requests (tenant_id, account_id)
    WHERE account_id IS NOT NULL;
CREATE INDEX ix_approval_requests_requested ON approval_requests (tenant_id, requested_at);
CREATE INDEX ix_approval_requests_decided ON approval_requests (tenant_id, decided_at)
    WHERE decided_at IS NOT NULL;

CREATE TABLE approval_steps (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    request_id uuid NOT NULL,
    position integer NOT NULL,
    level integer NOT NULL,
    assignee_id uuid,
    acted_by uuid,
    delegated_from uuid,
    status varchar(40) NOT NULL DEFAULT 'waiting',
    active_at timestamptz,
    due_at timestamptz,
    decided_at timestamptz,
    comment varchar,
    stamps jsonb NOT NULL DEFAULT '{{}}',
    CONSTRAINT pk_approval_steps PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_approval_steps_tenant_id_request_id FOREIGN KEY (tenant_id, request_id)
        REFERENCES approval_requests (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_approval_steps_tenant_id_assignee_id FOREIGN KEY (tenant_id, assignee_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_approval_steps_tenant_id_acted_by FOREIGN KEY (tenant_id, acted_by)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_approval_steps_tenant_id_delegated_from FOREIGN KEY (tenant_id, delegated_from)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_approval_steps_status CHECK (status IN ('waiting', 'active', 'approved', 'rejected', 'returned',
        'delegated', 'skipped', 'expired'))
);
CREATE UNIQUE INDEX uq_approval_steps_active ON approval_steps (tenant_id, request_id) WHERE status = 'active';
CREATE INDEX ix_approval_steps_request ON approval_steps (tenant_id, request_id);
CREATE INDEX ix_approval_steps_assignee ON approval_steps (tenant_id, assignee_id, request_id);
CREATE INDEX ix_approval_steps_acted_by ON approval_steps (tenant_id, acted_by, request_id)
    WHERE acted_by IS NOT NULL;
CREATE INDEX ix_approval_steps_waiting_for ON approval_steps (tenant_id, due_at) WHERE status = 'active';

CREATE TABLE absences (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    reason varchar,
{SYNCED},
    CONSTRAINT pk_absences PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_absences_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_absences_dates CHECK (last_day >= first_day)
);
CREATE INDEX ix_absences_user ON absences (tenant_id, user_id, last_day) WHERE deleted_at IS NULL;

CREATE TABLE company_holidays (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    day date NOT NULL,
    name varchar NOT NULL,
{SYNCED},
    CONSTRAINT pk_company_holidays PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_company_holidays_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);
CREATE UNIQUE INDEX uq_company_holidays_day ON company_holidays (tenant_id, day) WHERE deleted_at IS NULL;

CREATE TABLE notifications (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind varchar(40) NOT NULL,
    title_code varchar NOT NULL,
    details json NOT NULL,
    title_ko varchar NOT NULL,
    title_en varchar NOT NULL,
    entity varchar(40) NOT NULL,
    record_id uuid NOT NULL,
    notified_at timestamptz NOT NULL,
    read_at timestamptz,
{SYNCED},
    CONSTRAINT pk_notifications PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_notifications_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_notifications_user ON notifications (tenant_id, user_id, notified_at);
CREATE INDEX ix_notifications_notified ON notifications (tenant_id, notified_at);
"""

# Who stands in for an approver gains and loses what that person was asked. Only what can still be on a phone.
DELEGATES = """
CREATE FUNCTION sync_mark_approvals() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF 'approvals' IN (to_jsonb(OLD) ->> 'work', to_jsonb(NEW) ->> 'work') THEN
        INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
        SELECT DISTINCT r.tenant_id, 'approval', r.id, true
        FROM approval_steps s
        JOIN approval_requests r ON r.tenant_id = s.tenant_id AND r.id = s.request_id
        WHERE s.tenant_id = coalesce(NEW.tenant_id, OLD.tenant_id)
          AND s.assignee_id::text IN (to_jsonb(OLD) ->> 'from_user_id', to_jsonb(NEW) ->> 'from_user_id')
          AND (r.status = 'pending' OR r.decided_at > transaction_timestamp() - interval '31 days');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_approvals AFTER INSERT OR UPDATE OR DELETE ON delegations
    FOR EACH ROW EXECUTE FUNCTION sync_mark_approvals();
ALTER TABLE delegations ENABLE ALWAYS TRIGGER mark_approvals;
"""

EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
READ = "SELECT"
RIGHTS = {
    "approval_policies": (EVERYTHING, READ),
    # Decisions are taken by the service: hand-written SQL may look, and only the engine removes.
    "approval_requests": ("SELECT, INSERT, UPDATE", READ),
    "approval_steps": ("SELECT, INSERT, UPDATE", READ),
    "absences": (EVERYTHING, EVERYTHING),
    "company_holidays": (EVERYTHING, EVERYTHING),
    "notifications": ("SELECT, INSERT, UPDATE", READ),
}
CAPTURED = """
SELECT sync_capture('approval_policies', 'approval_policy');
SELECT sync_capture('approval_requests', 'approval', ignored => 'plan,alarmed_at,excluded', account_column => 'account_id');
SELECT sync_capture('approval_steps', 'approval', root => 'approval_requests:request_id', part => 'steps');
SELECT sync_capture('absences', 'absence');
SELECT sync_capture('company_holidays', 'company_holiday');
SELECT sync_capture('notifications', 'notification');
"""


def upgrade() -> None:
    engine = f'"{context.config.attributes["roles"]["engine"]}"'
    op.execute(TABLES)
    for table, (app_rights, sql_rights) in RIGHTS.items():
        op.execute(f"SELECT tenant_protect('{table}', '{app_rights}', '{sql_rights}')")
    op.execute(CAPTURED)
    op.execute(DELEGATES)
    op.execute(f"GRANT CREATE ON SCHEMA public TO {engine}")
    op.execute(f"ALTER FUNCTION sync_mark_approvals() OWNER TO {engine}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {engine}")
    op.execute("REVOKE ALL ON FUNCTION sync_mark_approvals() FROM PUBLIC")


def downgrade() -> None:
    op.execute("DROP TRIGGER mark_approvals ON delegations")
    op.execute("DROP FUNCTION sync_mark_approvals()")
    for table in (
        "notifications",
        "company_holidays",
        "absences",
        "approval_steps",
        "approval_requests",
        "approval_policies",
    ):
        op.execute(f"DROP TABLE {table}")
