"""What phones hold of accounts: fields with their merge policies, shapes, and buckets."""

from sync.policy import (
    Kind,
    Merge,
    Priority,
    SyncEntity,
    ask,
    last_write,
    merged,
    read_only,
    reference,
    text_merge,
    text_set,
)

SALES = ("sales", "manager", "partner")
SALES_SHAPE = "manager+partner+sales"
SERVICE_SHAPE = "service"
SHAPES = (SALES_SHAPE, SERVICE_SHAPE)


def buckets_of_accounts(accounts: str) -> str:
    """SQL that yields ``(account_id, bucket, shape)`` of the live accounts that *accounts* selects.

    A territory's members hold its accounts, each in their shape; an owner holds theirs in the sales shape
    only, so that a technician who owns one gains nothing; a technician holds those of own live visits
    from 3 days back to 14 days ahead.

    Args:
        accounts: SQL of a subselect of account ids; may use ``:ids`` and ``:tenant``.
    """
    return f"""
        SELECT a.id AS account_id, 'territory:' || a.territory_id AS bucket, '{SALES_SHAPE}' AS shape
        FROM accounts a
        WHERE a.tenant_id = :tenant AND a.id IN ({accounts})
          AND a.deleted_at IS NULL AND a.territory_id IS NOT NULL
        UNION ALL
        SELECT a.id, 'territory:' || a.territory_id, '{SERVICE_SHAPE}'
        FROM accounts a
        WHERE a.tenant_id = :tenant AND a.id IN ({accounts})
          AND a.deleted_at IS NULL AND a.territory_id IS NOT NULL
        UNION ALL
        SELECT a.id, 'user:' || a.owner_id, '{SALES_SHAPE}'
        FROM accounts a
        WHERE a.tenant_id = :tenant AND a.id IN ({accounts})
          AND a.deleted_at IS NULL AND a.owner_id IS NOT NULL
        UNION ALL
        SELECT DISTINCT a.id, 'user:' || u.id, '{SERVICE_SHAPE}'
        FROM accounts a
        JOIN visits v ON v.tenant_id = a.tenant_id AND v.account_id = a.id AND v.deleted_at IS NULL
         AND v.planned_start >= CAST(:now AS timestamptz) - interval '72 hours'
         AND v.planned_start < CAST(:now AS timestamptz) + interval '336 hours'
        JOIN users u ON u.tenant_id = v.tenant_id AND u.id = v.assignee_id AND u.role = 'technician'
        WHERE a.tenant_id = :tenant AND a.id IN ({accounts}) AND a.deleted_at IS NULL
    """  # noqa: S608  (built of constants of this file)


def buckets_of_children(table: str) -> str:
    """Buckets of the live rows of *table*: those of the account that each hangs on."""
    return f"""
        WITH held AS ({buckets_of_accounts(_accounts_of(table, "account_id"))})
        SELECT t.id AS record_id, held.bucket, held.shape
        FROM {table} t JOIN held ON held.account_id = t.account_id
        WHERE t.tenant_id = :tenant AND t.id = ANY(:ids) AND t.deleted_at IS NULL
    """  # noqa: S608  (built of constants of this file)


def _accounts_of(table: str, column: str) -> str:
    return f"SELECT {column} FROM {table} WHERE tenant_id = :tenant AND id = ANY(:ids)"  # noqa: S608  (constants)


_FROM = _accounts_of("account_relations", "account_id")
_TO = _accounts_of("account_relations", "to_account_id")
_HOMES = """
    SELECT c.account_id FROM account_contacts ac
    JOIN contacts c ON c.tenant_id = ac.tenant_id AND c.id = ac.contact_id
    WHERE ac.tenant_id = :tenant AND ac.id = ANY(:ids)
"""
_HELD_ENDS = buckets_of_accounts(f"{_FROM} UNION {_TO}")
_HELD_HOMES = buckets_of_accounts(f"{_accounts_of('account_contacts', 'account_id')} UNION {_HOMES}")

# A relation hangs on two accounts and is held only where one bucket holds both, else it would point to
# nothing on the phone. Someone who holds the two ends by different buckets sees it by REST only.
RELATION_BUCKETS = f"""
    WITH held AS ({_HELD_ENDS})
    SELECT r.id AS record_id, one.bucket, one.shape
    FROM account_relations r
    JOIN held AS one ON one.account_id = r.account_id
    JOIN held AS other ON other.account_id = r.to_account_id AND other.bucket = one.bucket
    WHERE r.tenant_id = :tenant AND r.id = ANY(:ids) AND r.deleted_at IS NULL
      AND one.shape = '{SALES_SHAPE}' AND other.shape = '{SALES_SHAPE}'
"""  # noqa: S608  (built of constants of this file)

# The same for a buying role: its account and the home account of its person.
ROLE_BUCKETS = f"""
    WITH held AS ({_HELD_HOMES})
    SELECT ac.id AS record_id, one.bucket, one.shape
    FROM account_contacts ac
    JOIN contacts c ON c.tenant_id = ac.tenant_id AND c.id = ac.contact_id AND c.deleted_at IS NULL
    JOIN held AS one ON one.account_id = ac.account_id
    JOIN held AS other ON other.account_id = c.account_id AND other.bucket = one.bucket
    WHERE ac.tenant_id = :tenant AND ac.id = ANY(:ids) AND ac.deleted_at IS NULL
      AND one.shape = '{SALES_SHAPE}' AND other.shape = '{SALES_SHAPE}'
"""  # noqa: S608  (built of constants of this file)


def _children_in(table: str, condition: str = "account_id = ANY(:ids)") -> str:
    return f"SELECT id FROM {table} WHERE tenant_id = :tenant AND deleted_at IS NULL AND ({condition})"  # noqa: S608


def _kept(moment: str) -> str:
    """Whether phones may hold a document still: they do for 90 days, and a few more until it is marked."""
    return f"coalesce({moment} >= CAST(:now AS timestamptz) - interval '100 days', true)"


_LISTS = """
    SELECT DISTINCT price_list_id AS id FROM price_list_assignments
    WHERE tenant_id = :tenant AND deleted_at IS NULL AND (account_id = ANY(:ids) OR territory_id IS NOT NULL)
"""
_PROMOTIONS = """
    SELECT DISTINCT promotion_id AS id FROM promotion_accounts
    WHERE tenant_id = :tenant AND deleted_at IS NULL AND account_id = ANY(:ids)
"""


ACCOUNT = SyncEntity(
    "account",
    table="accounts",
    fields={
        "code": last_write(),
        "name": last_write(),
        "legal_name": ask(),
        "business_number": ask(Kind.TEXT, *SALES),
        "kinds": text_set(),
        "subtype": last_write(),
        "parent_id": reference("account"),
        "owner_id": last_write(Kind.ID),
        "territory_id": last_write(Kind.ID),
        "tier": last_write(),
        "lifecycle_stage": last_write(Kind.TEXT, *SALES),
        "phone": last_write(),
        "email": last_write(Kind.TEXT, *SALES),
        "website": last_write(),
        "postcode": last_write(),
        "sido": last_write(),
        "sigungu": last_write(),
        "address": last_write(),
        "location": last_write(Kind.POINT),
        "time_zone": last_write(),
        "opening_hours": last_write(),
        "credit_limit": ask(Kind.MONEY, *SALES),
        "credit_currency": ask(Kind.TEXT, *SALES),
        "payment_terms": ask(Kind.TEXT, *SALES),
        "risk_class": merged(Merge.SERVER_WINS, Kind.TEXT, *SALES),
        "estimated_wallet": last_write(Kind.MONEY, *SALES),
        "estimated_wallet_currency": last_write(Kind.TEXT, *SALES),
        "tags": text_set(),
        "notes": text_merge(),
        "last_visited_at": merged(Merge.MAX, Kind.TIME),
        "profile_stage": read_only(Kind.INTEGER, *SALES),
        "completeness": read_only(Kind.INTEGER, *SALES),
    },
    shapes=SHAPES,
    buckets=f"""
        SELECT held.account_id AS record_id, held.bucket, held.shape
        FROM ({buckets_of_accounts("SELECT unnest(CAST(:ids AS uuid[]))")}) AS held
    """,  # noqa: S608  (built of constants of this file)
    of_users="""
        SELECT DISTINCT account_id AS id FROM visits
        WHERE tenant_id = :tenant AND assignee_id = ANY(CAST(:users AS uuid[])) AND deleted_at IS NULL
          AND planned_start >= CAST(:now AS timestamptz) - interval '72 hours'
          AND planned_start < CAST(:now AS timestamptz) + interval '336 hours'
    """,
    children={
        "site": _children_in("sites"),
        "contact": _children_in("contacts"),
        "account_contact": _children_in(
            "account_contacts",
            "account_id = ANY(:ids) OR contact_id IN"
            " (SELECT c.id FROM contacts c WHERE c.tenant_id = :tenant AND c.account_id = ANY(:ids))",
        ),
        "account_relation": _children_in(
            "account_relations", "account_id = ANY(:ids) OR to_account_id = ANY(:ids)"
        ),
        # A list or a promotion goes where its accounts go; one for a territory also to who owns an account there.
        "price_list": _LISTS,
        "price_list_assignment": _children_in(
            "price_list_assignments", "account_id = ANY(:ids) OR territory_id IS NOT NULL"
        ),
        "promotion": _PROMOTIONS,
        "promotion_account": _children_in("promotion_accounts"),
        "visit": _children_in("visits"),
        "activity": _children_in("activities"),
        "task": _children_in("tasks"),
        "invoice": _children_in("invoices", f"account_id = ANY(:ids) AND {_kept('settled_at')}"),
        "payment": _children_in("payments", f"account_id = ANY(:ids) AND {_kept('received_at')}"),
        "account_balance": _children_in("account_balances"),
        "approval": _children_in("approval_requests"),
        "order": _children_in("orders"),
        "shipment": _children_in("shipments"),
        "order_return": _children_in("order_returns"),
        # Inbox items go with the account that they name, also where their own record stays where it is.
        "conflict": _children_in("conflicts"),
    },
    priority=Priority.ACCOUNTS,
    account_field="id",
)

SITE = SyncEntity(
    "site",
    table="sites",
    fields={
        "account_id": reference("account"),
        "name": last_write(),
        "postcode": last_write(),
        "sido": last_write(),
        "sigungu": last_write(),
        "address": last_write(),
        "location": last_write(Kind.POINT),
        "radius_m": last_write(Kind.INTEGER),
        "opening_hours": last_write(),
    },
    # Two shapes of the same fields: in one shape ``all`` a technician who owns an account
    # would hold its sites, though not the account.
    shapes=SHAPES,
    buckets=buckets_of_children("sites"),
)

CONTACT = SyncEntity(
    "contact",
    table="contacts",
    fields={
        "account_id": reference("account"),
        "name": last_write(),
        "job_title": last_write(),
        "phone": last_write(),
        "email": last_write(Kind.TEXT, *SALES),
    },
    shapes=SHAPES,
    buckets=buckets_of_children("contacts"),
    children={"account_contact": _children_in("account_contacts", "contact_id = ANY(:ids)")},
)

ACCOUNT_RELATION = SyncEntity(
    "account_relation",
    table="account_relations",
    fields={
        "account_id": reference("account"),
        "to_account_id": reference("account"),
        "kind": last_write(),
    },
    shapes=(SALES_SHAPE,),
    buckets=RELATION_BUCKETS,
)

ACCOUNT_CONTACT = SyncEntity(
    "account_contact",
    table="account_contacts",
    fields={
        "account_id": reference("account"),
        "contact_id": reference("contact"),
        "role": last_write(),
        "stance": last_write(),
        "influence": last_write(Kind.INTEGER),
        "valid_from": last_write(Kind.DATE),
        "valid_to": last_write(Kind.DATE),
    },
    shapes=(SALES_SHAPE,),
    buckets=ROLE_BUCKETS,
)

ENTITIES = (ACCOUNT, SITE, CONTACT, ACCOUNT_RELATION, ACCOUNT_CONTACT)
