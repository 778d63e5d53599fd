"""Create the catalogue: products, price lists, promotions, currencies

New tables only: nothing is locked or rewritten.

Revision ID: 0018
Revises: 0017
"""

from alembic import context, op

revision = "0018"
down_revision = "0017"
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

TABLES = """
CREATE TABLE currencies (@synced
    code char(3) NOT NULL CONSTRAINT ck_currencies_code CHECK (code ~ '^[A-Z]{3}$'),
    line_unit numeric(18,4) NOT NULL,
    line_mode text NOT NULL DEFAULT 'half_up',
    tax_unit numeric(18,4) NOT NULL,
    tax_mode text NOT NULL DEFAULT 'half_up',
    tax_inclusive boolean NOT NULL DEFAULT false,
    CONSTRAINT ck_currencies_units CHECK (line_unit > 0 AND tax_unit > 0 AND tax_unit % line_unit = 0),
    CONSTRAINT ck_currencies_modes CHECK (line_mode IN ('half_up', 'half_even', 'up', 'down')
        AND tax_mode IN ('half_up', 'half_even', 'up', 'down')),
    CONSTRAINT pk_currencies PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX uq_currencies_tenant_id_code ON currencies (tenant_id, code) WHERE deleted_at IS NULL;

CREATE TABLE exchange_rates (@key
    currency char(3) NOT NULL,
    day date NOT NULL,
    rate numeric(20,10) NOT NULL CONSTRAINT ck_exchange_rates_rate CHECK (rate > 0 AND rate <> 'NaN'),
    CONSTRAINT pk_exchange_rates PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX uq_exchange_rates_tenant_id_currency_day ON exchange_rates (tenant_id, currency, day);

CREATE TABLE tax_codes (@synced
    code text NOT NULL,
    name text,
    percent numeric(18,4) NOT NULL CONSTRAINT ck_tax_codes_percent CHECK (percent BETWEEN 0 AND 100),
    CONSTRAINT pk_tax_codes PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX uq_tax_codes_tenant_id_code ON tax_codes (tenant_id, code) WHERE deleted_at IS NULL;

CREATE TABLE products (@synced
    sku text COLLATE "C" NOT NULL,
    name text NOT NULL,
    name_en text,
    categories text[] NOT NULL DEFAULT '{}',
    base_unit text NOT NULL,
    tax_code text NOT NULL DEFAULT 'standard',
    serial_tracked boolean NOT NULL DEFAULT false,
    warranty_months integer CONSTRAINT ck_products_warranty_months CHECK (warranty_months >= 0),
    status varchar(40) NOT NULL DEFAULT 'active'
        CONSTRAINT ck_products_status CHECK (status IN ('active', 'discontinued')),
    substitutes text[] NOT NULL DEFAULT '{}',
    CONSTRAINT pk_products PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX uq_products_tenant_id_sku ON products (tenant_id, sku) WHERE deleted_at IS NULL;
CREATE INDEX ix_products_tenant_id_name_id ON products (tenant_id, name, id);

CREATE TABLE product_units (@key
    product_id uuid NOT NULL,
    unit text NOT NULL,
    factor numeric(18,6) NOT NULL CONSTRAINT ck_product_units_factor CHECK (factor > 0 AND factor <> 'NaN'),
    barcode text,
    stamps jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT pk_product_units PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_product_units_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_product_units_tenant_id_product_id_unit ON product_units (tenant_id, product_id, unit);
CREATE INDEX ix_product_units_tenant_id_barcode ON product_units (tenant_id, barcode);

CREATE TABLE product_costs (@key
    product_id uuid NOT NULL,
    currency char(3) NOT NULL,
    cost numeric(18,4) NOT NULL CONSTRAINT ck_product_costs_cost CHECK (cost >= 0 AND cost <> 'NaN'),
    valid_from date NOT NULL,
    CONSTRAINT pk_product_costs PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_product_costs_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_product_costs_tenant_id_product_id_valid_from
    ON product_costs (tenant_id, product_id, valid_from);

CREATE TABLE price_lists (@synced
    code text COLLATE "C" NOT NULL,
    name text NOT NULL,
    kind text NOT NULL DEFAULT 'list' CONSTRAINT ck_price_lists_kind CHECK (kind IN ('list', 'contract')),
    currency char(3) NOT NULL,
    valid_from date,
    valid_to date,
    CONSTRAINT ck_price_lists_days CHECK (valid_from <= valid_to),
    CONSTRAINT pk_price_lists PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX uq_price_lists_tenant_id_code ON price_lists (tenant_id, code) WHERE deleted_at IS NULL;

CREATE TABLE price_list_assignments (@synced
    price_list_id uuid NOT NULL,
    account_id uuid,
    territory_id uuid,
    everybody boolean NOT NULL DEFAULT false,
    rank integer NOT NULL DEFAULT 100,
    CONSTRAINT ck_price_list_assignments_one CHECK (num_nonnulls(account_id, territory_id) + everybody::int = 1),
    CONSTRAINT pk_price_list_assignments PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_price_list_assignments_tenant_id_price_list_id FOREIGN KEY (tenant_id, price_list_id)
        REFERENCES price_lists (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_price_list_assignments_tenant_id_account_id FOREIGN KEY (tenant_id, account_id)
        REFERENCES accounts (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_price_list_assignments_tenant_id_territory_id FOREIGN KEY (tenant_id, territory_id)
        REFERENCES territories (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_price_list_assignments_tenant_id_price_list_id
    ON price_list_assignments (tenant_id, price_list_id);
CREATE INDEX ix_price_list_assignments_tenant_id_account_id ON price_list_assignments (tenant_id, account_id);
CREATE INDEX ix_price_list_assignments_tenant_id_territory_id
    ON price_list_assignments (tenant_id, territory_id);

CREATE TABLE prices (@synced
    price_list_id uuid NOT NULL,
    product_id uuid NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    CONSTRAINT ck_prices_days CHECK (valid_from <= valid_to),
    CONSTRAINT pk_prices PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_prices_tenant_id_price_list_id FOREIGN KEY (tenant_id, price_list_id)
        REFERENCES price_lists (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_prices_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_prices_tenant_id_price_list_id_product_id_valid_from
    ON prices (tenant_id, price_list_id, product_id, valid_from) WHERE deleted_at IS NULL;
CREATE INDEX ix_prices_tenant_id_product_id ON prices (tenant_id, product_id);
CREATE INDEX ix_prices_tenant_id_valid_to ON prices (tenant_id, valid_to);
CREATE INDEX ix_prices_tenant_id_valid_from ON prices (tenant_id, valid_from);

CREATE TABLE price_items (@key
    price_id uuid NOT NULL,
    unit text NOT NULL,
    min_quantity numeric(18,6) NOT NULL DEFAULT 0
        CONSTRAINT ck_price_items_min_quantity CHECK (min_quantity >= 0 AND min_quantity <> 'NaN'),
    price numeric(18,4) NOT NULL CONSTRAINT ck_price_items_price CHECK (price >= 0 AND price <> 'NaN'),
    floor_price numeric(18,4)
        CONSTRAINT ck_price_items_floor_price CHECK (floor_price >= 0 AND floor_price <> 'NaN'),
    stamps jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT pk_price_items PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_price_items_tenant_id_price_id FOREIGN KEY (tenant_id, price_id)
        REFERENCES prices (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_price_items_tenant_id_price_id_unit_min_quantity
    ON price_items (tenant_id, price_id, unit, min_quantity);

CREATE TABLE promotions (@synced
    code text COLLATE "C" NOT NULL,
    name text NOT NULL,
    name_en text,
    benefit text NOT NULL CONSTRAINT ck_promotions_benefit
        CHECK (benefit IN ('percent', 'per_unit', 'fixed_price', 'amount', 'free_goods')),
    value numeric(18,6) NOT NULL CONSTRAINT ck_promotions_value CHECK (value >= 0 AND value <> 'NaN'),
    priority integer NOT NULL DEFAULT 100,
    currency char(3),
    stacking_group text,
    exclusive boolean NOT NULL DEFAULT false,
    products text[] NOT NULL DEFAULT '{}',
    categories text[] NOT NULL DEFAULT '{}',
    unit text,
    min_quantity numeric(18,6) NOT NULL DEFAULT 0,
    min_amount numeric(18,4) NOT NULL DEFAULT 0,
    repeats boolean NOT NULL DEFAULT false,
    free_product_id uuid,
    free_unit text,
    tiers text[] NOT NULL DEFAULT '{}',
    kinds text[] NOT NULL DEFAULT '{}',
    for_accounts boolean NOT NULL DEFAULT false,
    valid_from date,
    valid_to date,
    budget_left numeric(18,6) CONSTRAINT ck_promotions_budget_left CHECK (budget_left >= 0),
    CONSTRAINT ck_promotions_days CHECK (valid_from <= valid_to),
    CONSTRAINT pk_promotions PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_promotions_tenant_id_free_product_id FOREIGN KEY (tenant_id, free_product_id)
        REFERENCES products (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_promotions_tenant_id_code ON promotions (tenant_id, code) WHERE deleted_at IS NULL;
CREATE INDEX ix_promotions_tenant_id_valid_to ON promotions (tenant_id, valid_to);
CREATE INDEX ix_promotions_tenant_id_valid_from ON promotions (tenant_id, valid_from);

CREATE TABLE promotion_accounts (@synced
    promotion_id uuid NOT NULL,
    account_id uuid NOT NULL,
    CONSTRAINT pk_promotion_accounts PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_promotion_accounts_tenant_id_promotion_id FOREIGN KEY (tenant_id, promotion_id)
        REFERENCES promotions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_promotion_accounts_tenant_id_account_id FOREIGN KEY (tenant_id, account_id)
        REFERENCES accounts (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_promotion_accounts_tenant_id_promotion_id_account_id
    ON promotion_accounts (tenant_id, promotion_id, account_id) WHERE deleted_at IS NULL;
CREATE INDEX ix_promotion_accounts_tenant_id_account_id ON promotion_accounts (tenant_id, account_id);

CREATE TABLE price_change_events (@key
    price_list_id uuid NOT NULL,
    product_id uuid NOT NULL,
    unit text NOT NULL,
    min_quantity numeric(18,6) NOT NULL,
    currency char(3) NOT NULL,
    valid_from date NOT NULL,
    old_price numeric(18,4),
    new_price numeric(18,4),
    at timestamptz NOT NULL,
    CONSTRAINT pk_price_change_events PRIMARY KEY (tenant_id, id)
);
CREATE INDEX ix_price_change_events_tenant_id_at ON price_change_events (tenant_id, at);
CREATE INDEX ix_price_change_events_tenant_id_product_id_at ON price_change_events (tenant_id, product_id, at);
"""

# Whoever writes a price, by whatever way, leaves an event: what a customer bought at the old one may be
# compensated for later. A new span of days is a change of the step that held until its first day.
NOTE_PRICE_CHANGES = r"""
CREATE FUNCTION prices_note_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO price_change_events
        SELECT n.tenant_id, gen_random_uuid(), p.price_list_id, p.product_id, n.unit, n.min_quantity, l.currency,
               p.valid_from, o.price, n.price, clock_timestamp()
        FROM old_rows o
        JOIN new_rows n ON n.tenant_id = o.tenant_id AND n.id = o.id AND n.price <> o.price
        JOIN prices p ON p.tenant_id = n.tenant_id AND p.id = n.price_id
        JOIN price_lists l ON l.tenant_id = p.tenant_id AND l.id = p.price_list_id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO price_change_events
        SELECT o.tenant_id, gen_random_uuid(), p.price_list_id, p.product_id, o.unit, o.min_quantity, l.currency,
               p.valid_from, o.price, NULL, clock_timestamp()
        FROM old_rows o
        JOIN prices p ON p.tenant_id = o.tenant_id AND p.id = o.price_id
        JOIN price_lists l ON l.tenant_id = p.tenant_id AND l.id = p.price_list_id;
    ELSE
        INSERT INTO price_change_events
        SELECT n.tenant_id, gen_random_uuid(), p.price_list_id, p.product_id, n.unit, n.min_quantity, l.currency,
               p.valid_from, before.price, n.price, clock_timestamp()
        FROM new_rows n
        JOIN prices p ON p.tenant_id = n.tenant_id AND p.id = n.price_id
        JOIN price_lists l ON l.tenant_id = p.tenant_id AND l.id = p.price_list_id
        LEFT JOIN LATERAL (
            SELECT i.price FROM prices earlier
            JOIN price_items i ON i.tenant_id = earlier.tenant_id AND i.price_id = earlier.id
             AND i.unit = n.unit AND i.min_quantity = n.min_quantity
            WHERE earlier.tenant_id = p.tenant_id AND earlier.price_list_id = p.price_list_id
              AND earlier.product_id = p.product_id AND earlier.valid_from < p.valid_from
              AND earlier.deleted_at IS NULL
            ORDER BY earlier.valid_from DESC LIMIT 1
        ) before ON true
        WHERE before.price IS DISTINCT FROM n.price;
    END IF;
    RETURN NULL;
END $$
"""
TRIGGERS = {
    "insert": "REFERENCING NEW TABLE AS new_rows",
    "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "delete": "REFERENCING OLD TABLE AS old_rows",
}

ALL = "SELECT, INSERT, UPDATE, DELETE"
# table -> rights of the app role, rights of SQL people
PROTECTED = {
    "currencies": (ALL, ALL),
    "exchange_rates": (ALL, ALL),
    "tax_codes": (ALL, ALL),
    "products": (ALL, ALL),
    "product_units": (ALL, ALL),
    "product_costs": (ALL, ""),
    "price_lists": (ALL, ALL),
    "price_list_assignments": (ALL, ALL),
    "prices": (ALL, ALL),
    "price_items": (ALL, ""),  # SQL people get its open columns below
    "promotions": (ALL, ALL),
    "promotion_accounts": (ALL, ALL),
    "price_change_events": ("SELECT", "SELECT"),
}
OPEN_ITEM_COLUMNS = "tenant_id, id, price_id, unit, min_quantity, price"

# table -> arguments of sync_capture
CAPTURED = {
    "currencies": "'currency'",
    "tax_codes": "'tax_code'",
    "products": "'product', sets => 'categories,substitutes'",
    "product_units": "'product', root => 'products:product_id', part => 'units'",
    "price_lists": "'price_list'",
    "price_list_assignments": "'price_list_assignment', account_column => 'account_id',"
    " rebuckets => 'price_list:price_list_id'",
    "prices": "'price'",
    "price_items": "'price', ignored => 'floor_price', root => 'prices:price_id', part => 'items'",
    "promotions": "'promotion', sets => 'products,categories,tiers,kinds'",
    "promotion_accounts": "'promotion_account', account_column => 'account_id',"
    " rebuckets => 'promotion:promotion_id'",
}


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    engine, sql = (f'"{roles[part]}"' for part in ("engine", "sql"))
    op.execute(TABLES.replace("@synced", SYNCED).replace("@key", KEY))
    for table, (app_rights, sql_rights) in PROTECTED.items():
        op.execute(f"SELECT tenant_protect('{table}', '{app_rights}', '{sql_rights}')")
    op.execute(
        f"CREATE POLICY sql_people ON price_items FOR SELECT TO {sql} USING (tenant_id = sql_user_tenant())"
    )
    op.execute(f"GRANT SELECT ({OPEN_ITEM_COLUMNS}) ON price_items TO {sql}")
    for table, arguments in CAPTURED.items():
        op.execute(f"SELECT sync_capture('{table}', {arguments})")
    op.execute(NOTE_PRICE_CHANGES)
    op.execute(f"GRANT CREATE ON SCHEMA public TO {engine}")
    op.execute(f"ALTER FUNCTION prices_note_changes() OWNER TO {engine}")
    op.execute("REVOKE ALL ON FUNCTION prices_note_changes() FROM PUBLIC")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {engine}")
    for event, rows in TRIGGERS.items():
        name = f"prices_note_changes_{event}"
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON price_items {rows}"
            " FOR EACH STATEMENT EXECUTE FUNCTION prices_note_changes()"
        )
        op.execute(f"ALTER TABLE price_items ENABLE ALWAYS TRIGGER {name}")


def downgrade() -> None:
    op.execute("DROP TABLE price_change_events, promotion_accounts, promotions, price_items, prices")
    op.execute("DROP TABLE price_list_assignments, price_lists, product_costs, product_units, products")
    op.execute("DROP TABLE tax_codes, exchange_rates, currencies")
    op.execute("DROP FUNCTION prices_note_changes()")
