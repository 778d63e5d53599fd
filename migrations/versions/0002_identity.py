"""Create the room identity: tenants, units, people, devices, sessions, territories

Only new tables and functions, so nothing is locked or rewritten.

Revision ID: 0002
Revises: 0001
"""

from alembic import context, op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SYNCED = """
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid,
    deleted_at timestamptz,
    stamps jsonb NOT NULL DEFAULT '{}',
"""

TABLES = """
CREATE TABLE tenants (
    id uuid CONSTRAINT pk_tenants PRIMARY KEY,
    code varchar NOT NULL CONSTRAINT uq_tenants_code UNIQUE,
    name varchar NOT NULL,
    locale varchar NOT NULL DEFAULT 'ko',
    time_zone varchar NOT NULL DEFAULT 'Asia/Seoul',
    currency char(3) NOT NULL DEFAULT 'KRW',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER open_tenant AFTER INSERT ON tenants
    FOR EACH ROW EXECUTE FUNCTION sync_open_new_tenant();
ALTER TABLE tenants ENABLE ALWAYS TRIGGER open_tenant;

CREATE TABLE org_units (@synced
    parent_id uuid,
    kind varchar(40) NOT NULL CONSTRAINT ck_org_units_kind CHECK (kind IN ('hq', 'region', 'branch')),
    code varchar NOT NULL,
    name varchar NOT NULL,
    currency char(3),
    time_zone varchar,
    locale varchar,
    CONSTRAINT pk_org_units PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_org_units_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_org_units_tenant_id_parent_id FOREIGN KEY (tenant_id, parent_id)
        REFERENCES org_units (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_org_units_tenant_id_parent_id ON org_units (tenant_id, parent_id);
CREATE UNIQUE INDEX uq_org_units_tenant_id_code ON org_units (tenant_id, code) WHERE deleted_at IS NULL;

CREATE TABLE users (@synced
    login varchar NOT NULL,
    name varchar NOT NULL,
    role varchar(40) NOT NULL CONSTRAINT ck_users_role
        CHECK (role IN ('rep', 'technician', 'manager', 'admin', 'partner', 'integration')),
    org_unit_id uuid,
    manager_id uuid,
    locale varchar NOT NULL DEFAULT 'ko',
    time_zone varchar NOT NULL DEFAULT 'Asia/Seoul',
    status varchar(40) NOT NULL DEFAULT 'active'
        CONSTRAINT ck_users_status CHECK (status IN ('active', 'disabled')),
    password_hash varchar,
    password_changed_at timestamptz,
    must_change_password boolean NOT NULL DEFAULT false,
    CONSTRAINT pk_users PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_users_tenant_id_login UNIQUE (tenant_id, login),
    CONSTRAINT fk_users_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_users_tenant_id_org_unit_id FOREIGN KEY (tenant_id, org_unit_id)
        REFERENCES org_units (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_users_tenant_id_manager_id FOREIGN KEY (tenant_id, manager_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_users_tenant_id_org_unit_id ON users (tenant_id, org_unit_id);
CREATE INDEX ix_users_tenant_id_manager_id ON users (tenant_id, manager_id);

CREATE TABLE permission_sets (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    code varchar NOT NULL,
    name varchar NOT NULL,
    CONSTRAINT pk_permission_sets PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_permission_sets_tenant_id_code UNIQUE (tenant_id, code)
);
CREATE TABLE user_permission_sets (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    permission_set_id uuid NOT NULL,
    CONSTRAINT pk_user_permission_sets PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_user_permission_sets_tenant_id_user_id_permission_set_id
        UNIQUE (tenant_id, user_id, permission_set_id),
    CONSTRAINT fk_user_permission_sets_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_user_permission_sets_tenant_id_permission_set_id FOREIGN KEY (tenant_id, permission_set_id)
        REFERENCES permission_sets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_user_permission_sets_tenant_id_permission_set_id
    ON user_permission_sets (tenant_id, permission_set_id);

CREATE TABLE devices (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    name varchar NOT NULL,
    platform varchar NOT NULL,
    app_version varchar,
    registered_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_by uuid,
    CONSTRAINT pk_devices PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_devices_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_devices_tenant_id_user_id ON devices (tenant_id, user_id);

CREATE TABLE refresh_families (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    device_id uuid NOT NULL,
    generation integer NOT NULL,
    started_at timestamptz NOT NULL,
    rotated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_why varchar,
    CONSTRAINT pk_refresh_families PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_refresh_families_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_refresh_families_tenant_id_device_id FOREIGN KEY (tenant_id, device_id)
        REFERENCES devices (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_refresh_families_tenant_id_device_id ON refresh_families (tenant_id, device_id);
CREATE INDEX ix_refresh_families_tenant_id_user_id ON refresh_families (tenant_id, user_id);

-- Tries at unknown tenants are kept under the nil tenant: no reference to tenants here.
CREATE TABLE login_attempts (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    login varchar NOT NULL,
    ip varchar NOT NULL,
    attempted_at timestamptz NOT NULL,
    failed boolean NOT NULL DEFAULT false,
    CONSTRAINT pk_login_attempts PRIMARY KEY (tenant_id, id)
);
CREATE INDEX ix_login_attempts_tenant_id_login_attempted_at
    ON login_attempts (tenant_id, login, attempted_at);
CREATE INDEX ix_login_attempts_tenant_id_ip_attempted_at ON login_attempts (tenant_id, ip, attempted_at);

CREATE TABLE password_resets (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    password_hash varchar NOT NULL,
    issued_at timestamptz NOT NULL,
    issued_by uuid,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT pk_password_resets PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_password_resets_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_password_resets_tenant_id_user_id ON password_resets (tenant_id, user_id);

CREATE TABLE territories (@synced
    parent_id uuid,
    code varchar NOT NULL,
    name varchar NOT NULL,
    valid_from date,
    valid_to date,
    CONSTRAINT pk_territories PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_territories_dates CHECK (valid_to >= valid_from),
    CONSTRAINT fk_territories_tenant_id_parent_id FOREIGN KEY (tenant_id, parent_id)
        REFERENCES territories (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_territories_tenant_id_parent_id ON territories (tenant_id, parent_id);
CREATE UNIQUE INDEX uq_territories_tenant_id_code ON territories (tenant_id, code) WHERE deleted_at IS NULL;

CREATE TABLE territory_members (@synced
    territory_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind varchar(40) NOT NULL CONSTRAINT ck_territory_members_kind
        CHECK (kind IN ('owner', 'backup', 'overlay')),
    valid_from date NOT NULL,
    valid_to date,
    CONSTRAINT pk_territory_members PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_territory_members_dates CHECK (valid_to >= valid_from),
    CONSTRAINT fk_territory_members_tenant_id_territory_id FOREIGN KEY (tenant_id, territory_id)
        REFERENCES territories (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_territory_members_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_territory_members_tenant_id_user_id ON territory_members (tenant_id, user_id);
CREATE UNIQUE INDEX uq_territory_members_place
    ON territory_members (tenant_id, territory_id, user_id, kind, valid_from) WHERE deleted_at IS NULL;

CREATE TABLE delegations (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    from_user_id uuid NOT NULL,
    to_user_id uuid NOT NULL,
    work varchar(40) NOT NULL CONSTRAINT ck_delegations_work CHECK (work IN ('approvals', 'territories')),
    valid_from date NOT NULL,
    valid_to date,
    CONSTRAINT pk_delegations PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_delegations_dates CHECK (valid_to >= valid_from),
    CONSTRAINT fk_delegations_tenant_id_from_user_id FOREIGN KEY (tenant_id, from_user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_delegations_tenant_id_to_user_id FOREIGN KEY (tenant_id, to_user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_delegations_tenant_id_from_user_id ON delegations (tenant_id, from_user_id);
CREATE INDEX ix_delegations_tenant_id_to_user_id ON delegations (tenant_id, to_user_id);

CREATE TABLE api_clients (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    name varchar NOT NULL,
    secret_hash varchar NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT pk_api_clients PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_api_clients_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_api_clients_tenant_id_user_id ON api_clients (tenant_id, user_id);

CREATE TABLE access_log (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    user_id uuid,
    device_id uuid,
    ip varchar,
    action varchar NOT NULL,
    entity varchar NOT NULL,
    record_id uuid,
    count integer NOT NULL,
    CONSTRAINT pk_access_log PRIMARY KEY (tenant_id, id)
);
CREATE INDEX ix_access_log_tenant_id_at ON access_log (tenant_id, at);
CREATE INDEX ix_access_log_tenant_id_user_id_at ON access_log (tenant_id, user_id, at);
CREATE INDEX ix_access_log_tenant_id_record_id ON access_log (tenant_id, record_id);
""".replace("@synced", SYNCED)

READ = "SELECT"
ALL = "SELECT, INSERT, UPDATE, DELETE"

# table -> rights of the app role, rights of SQL people
PROTECTED = {
    "org_units": (ALL, READ),
    "users": (ALL, ""),  # SQL people get its open columns below
    "permission_sets": (ALL, READ),
    "user_permission_sets": (ALL, READ),
    "devices": ("SELECT, INSERT, UPDATE", ""),
    "refresh_families": (ALL, ""),
    "login_attempts": (ALL, ""),
    "password_resets": (ALL, ""),
    "territories": (ALL, ALL),
    "territory_members": (ALL, ALL),
    "delegations": (ALL, READ),
    "api_clients": ("SELECT, INSERT, UPDATE", ""),
    "access_log": ("SELECT, INSERT", ""),
}

OPEN_USER_COLUMNS = (
    "tenant_id, id, version, created_at, created_by, updated_at, updated_by, deleted_at, "
    "login, name, role, org_unit_id, manager_id, locale, time_zone, status"
)


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    app, engine, sql = (f'"{roles[part]}"' for part in ("app", "engine", "sql"))
    op.execute(TABLES)
    op.execute(f"SELECT tenant_protect('tenants', 'SELECT, INSERT, UPDATE', '{READ}', key => 'id')")
    for table, (app_rights, sql_rights) in PROTECTED.items():
        op.execute(f"SELECT tenant_protect('{table}', '{app_rights}', '{sql_rights}')")
    op.execute(f"CREATE POLICY sql_people ON users FOR SELECT TO {sql} USING (tenant_id = sql_user_tenant())")
    op.execute(f"GRANT SELECT ({OPEN_USER_COLUMNS}) ON users TO {sql}")
    op.execute("SELECT sync_capture('org_units', 'org_unit')")
    op.execute(
        "SELECT sync_capture('users', 'user',"
        " ignored => 'password_hash,password_changed_at,must_change_password')"
    )
    op.execute("SELECT sync_capture('territories', 'territory')")
    op.execute("SELECT sync_capture('territory_members', 'territory_member', rebuckets => 'user:user_id')")
    # A login names its tenant before any row may be seen: this tells the id and nothing else.
    op.execute("""
        CREATE FUNCTION find_tenant(tenant_code text) RETURNS uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
        AS $$ SELECT id FROM tenants WHERE code = tenant_code $$
    """)
    op.execute(f"GRANT CREATE ON SCHEMA public TO {engine}")
    op.execute(f"ALTER FUNCTION find_tenant(text) OWNER TO {engine}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {engine}")
    op.execute("REVOKE ALL ON FUNCTION find_tenant(text) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION find_tenant(text) TO {app}")


def downgrade() -> None:
    """Drop the room; its people, territories and sessions are gone for good."""
    op.execute("DROP FUNCTION find_tenant(text)")
    op.execute(
        "DROP TABLE access_log, api_clients, delegations, territory_members, territories, password_resets,"
        " login_attempts, refresh_families, devices, user_permission_sets, permission_sets, users, org_units,"
        " tenants"
    )
