"""What phones hold of the catalogue, to read only: what they price by without a network."""

from collections.abc import Mapping

from app.core.scope import PRICE_DAYS_AHEAD, PRICE_DAYS_BACK
from sync.policy import Field, Kind, Priority, SyncEntity, read_only, rows

# Technicians and partners are told no prices.
TERMS = "manager+sales"

_TODAY = """(SELECT (CAST(:now AS timestamptz) AT TIME ZONE t.time_zone)::date
             FROM tenants t WHERE t.id = :tenant)"""


def _is_near(alias: str) -> str:
    """Whether its days reach into the window: ended a week ago at most, and beginning within the month."""
    return (
        f"coalesce({alias}.valid_to >= {_TODAY} - {PRICE_DAYS_BACK}, true)"
        f" AND coalesce({alias}.valid_from <= {_TODAY} + {PRICE_DAYS_AHEAD}, true)"
    )


def _everybodys(table: str) -> str:
    return f"""
        SELECT r.id AS record_id, 'tenant' AS bucket, 'all' AS shape
        FROM {table} r WHERE r.tenant_id = :tenant AND r.id = ANY(:ids) AND r.deleted_at IS NULL
    """  # noqa: S608  (built of constants of this file)


def _assigned(chosen: str, *, windowed: bool) -> str:
    """SQL that yields ``(assignment_id, price_list_id, bucket)`` of live assignments of live lists.

    A list for an account goes where the account goes; one for a territory to its members, and to those who own an
    account there without being one.

    Args:
        chosen: Condition on assignments ``a``.
        windowed: Leave out lists that are far from today.
    """
    near = f" AND {_is_near('l')}" if windowed else ""
    return f"""
        WITH chosen AS MATERIALIZED (
            SELECT a.id, a.price_list_id, a.account_id, a.territory_id, a.everybody
            FROM price_list_assignments a
            JOIN price_lists l ON l.tenant_id = a.tenant_id AND l.id = a.price_list_id
             AND l.deleted_at IS NULL{near}
            WHERE a.tenant_id = :tenant AND a.deleted_at IS NULL AND {chosen}
        )
        SELECT id AS assignment_id, price_list_id, 'tenant' AS bucket FROM chosen WHERE everybody
        UNION
        SELECT id, price_list_id, 'territory:' || territory_id FROM chosen WHERE territory_id IS NOT NULL
        UNION
        SELECT DISTINCT c.id, c.price_list_id, 'user:' || x.owner_id
        FROM chosen c JOIN accounts x ON x.tenant_id = :tenant AND x.territory_id = c.territory_id
        WHERE x.deleted_at IS NULL AND x.owner_id IS NOT NULL
        UNION
        SELECT c.id, c.price_list_id, held.bucket
        FROM chosen c JOIN accounts x ON x.tenant_id = :tenant AND x.id = c.account_id AND x.deleted_at IS NULL,
             LATERAL (VALUES ('territory:' || x.territory_id), ('user:' || x.owner_id)) AS held (bucket)
        WHERE held.bucket IS NOT NULL
    """  # noqa: S608  (built of constants of this file)


def _lists(*, windowed: bool) -> str:
    return f"""
        SELECT DISTINCT price_list_id AS record_id, bucket, '{TERMS}' AS shape
        FROM ({_assigned("a.price_list_id = ANY(:ids)", windowed=windowed)}) AS held
    """  # noqa: S608  (built of constants of this file)


def _assignments(*, windowed: bool) -> str:
    return f"""
        SELECT assignment_id AS record_id, bucket, '{TERMS}' AS shape
        FROM ({_assigned("a.id = ANY(:ids)", windowed=windowed)}) AS held
    """  # noqa: S608  (built of constants of this file)


def _prices(*, windowed: bool) -> str:
    chosen = """a.price_list_id IN (
        SELECT r.price_list_id FROM prices r WHERE r.tenant_id = :tenant AND r.id = ANY(:ids))"""
    near = f" AND {_is_near('p')}" if windowed else ""
    return f"""
        SELECT DISTINCT p.id AS record_id, held.bucket, '{TERMS}' AS shape
        FROM prices p JOIN ({_assigned(chosen, windowed=windowed)}) AS held
          ON held.price_list_id = p.price_list_id
        WHERE p.tenant_id = :tenant AND p.id = ANY(:ids) AND p.deleted_at IS NULL{near}
    """  # noqa: S608  (built of constants of this file)


def _promoted(chosen: str, *, windowed: bool) -> str:
    """SQL that yields ``(promotion_account_id, promotion_id, bucket)`` of those that are for some accounts."""
    near = f" AND {_is_near('m')}" if windowed else ""
    return f"""
        SELECT c.id AS promotion_account_id, c.promotion_id, held.bucket
        FROM promotion_accounts c
        JOIN promotions m ON m.tenant_id = c.tenant_id AND m.id = c.promotion_id
         AND m.deleted_at IS NULL AND m.for_accounts{near}
        JOIN accounts x ON x.tenant_id = c.tenant_id AND x.id = c.account_id AND x.deleted_at IS NULL,
             LATERAL (VALUES ('territory:' || x.territory_id), ('user:' || x.owner_id)) AS held (bucket)
        WHERE c.tenant_id = :tenant AND c.deleted_at IS NULL AND {chosen} AND held.bucket IS NOT NULL
    """  # noqa: S608  (built of constants of this file)


def _promotions(*, windowed: bool) -> str:
    near = f" AND {_is_near('m')}" if windowed else ""
    return f"""
        SELECT m.id AS record_id, 'tenant' AS bucket, '{TERMS}' AS shape
        FROM promotions m
        WHERE m.tenant_id = :tenant AND m.id = ANY(:ids)
          AND m.deleted_at IS NULL AND NOT m.for_accounts{near}
        UNION
        SELECT promotion_id, bucket, '{TERMS}'
        FROM ({_promoted("c.promotion_id = ANY(:ids)", windowed=windowed)}) AS held
    """  # noqa: S608  (built of constants of this file)


def _promotion_accounts(*, windowed: bool) -> str:
    return f"""
        SELECT promotion_account_id AS record_id, bucket, '{TERMS}' AS shape
        FROM ({_promoted("c.id = ANY(:ids)", windowed=windowed)}) AS held
    """  # noqa: S608  (built of constants of this file)


def _of(table: str, column: str) -> str:
    """The live rows that name one of ``:ids``."""
    return f"SELECT id FROM {table} WHERE tenant_id = :tenant AND {column} = ANY(:ids) AND deleted_at IS NULL"  # noqa: S608


_DAYS: Mapping[str, Field] = {"valid_from": read_only(Kind.DATE), "valid_to": read_only(Kind.DATE)}

CURRENCY = SyncEntity(
    "currency",
    table="currencies",
    fields={
        "code": read_only(),
        "line_unit": read_only(Kind.MONEY),
        "line_mode": read_only(),
        "tax_unit": read_only(Kind.MONEY),
        "tax_mode": read_only(),
        "tax_inclusive": read_only(Kind.BOOLEAN),
    },
    buckets=_everybodys("currencies"),
    priority=Priority.REFERENCE,
    account_field=None,
    pushable=False,
)

TAX_CODE = SyncEntity(
    "tax_code",
    table="tax_codes",
    fields={"code": read_only(), "name": read_only(), "percent": read_only(Kind.MONEY)},
    buckets=_everybodys("tax_codes"),
    priority=Priority.REFERENCE,
    account_field=None,
    pushable=False,
)

PRODUCT = SyncEntity(
    "product",
    table="products",
    fields={
        "sku": read_only(),
        "name": read_only(),
        "name_en": read_only(),
        "categories": read_only(Kind.TEXTS),
        "base_unit": read_only(),
        "units": rows(
            "product_units",
            "product_id",
            {"unit": read_only(), "factor": read_only(Kind.QUANTITY), "barcode": read_only()},
        ),
        "tax_code": read_only(),
        "serial_tracked": read_only(Kind.BOOLEAN),
        "warranty_months": read_only(Kind.INTEGER),
        "status": read_only(),
        "substitutes": read_only(Kind.TEXTS),
    },
    buckets=_everybodys("products"),
    priority=Priority.CATALOGUE,
    account_field=None,
    pushable=False,
)

PRICE_LIST = SyncEntity(
    "price_list",
    table="price_lists",
    fields={
        "code": read_only(),
        "name": read_only(),
        "kind": read_only(),
        "currency": read_only(),
        **_DAYS,
    },
    shapes=(TERMS,),
    buckets=_lists(windowed=True),
    in_scope=_lists(windowed=False),
    children={
        "price_list_assignment": _of("price_list_assignments", "price_list_id"),
        "price": _of("prices", "price_list_id"),
    },
    priority=Priority.CATALOGUE,
    account_field=None,
    pushable=False,
)

PRICE_LIST_ASSIGNMENT = SyncEntity(
    "price_list_assignment",
    table="price_list_assignments",
    fields={
        "price_list_id": read_only(Kind.ID),
        "account_id": read_only(Kind.ID),
        "territory_id": read_only(Kind.ID),
        "everybody": read_only(Kind.BOOLEAN),
        "rank": read_only(Kind.INTEGER),
    },
    shapes=(TERMS,),
    buckets=_assignments(windowed=True),
    in_scope=_assignments(windowed=False),
    priority=Priority.CATALOGUE,
    pushable=False,
)

PRICE = SyncEntity(
    "price",
    table="prices",
    fields={
        "price_list_id": read_only(Kind.ID),
        "product_id": read_only(Kind.ID),
        **_DAYS,
        "items": rows(
            "price_items",
            "price_id",
            {"unit": read_only(), "min_quantity": read_only(Kind.QUANTITY), "price": read_only(Kind.MONEY)},
        ),
    },
    shapes=(TERMS,),
    buckets=_prices(windowed=True),
    in_scope=_prices(windowed=False),
    priority=Priority.CATALOGUE,
    account_field=None,
    pushable=False,
)

PROMOTION = SyncEntity(
    "promotion",
    table="promotions",
    fields={
        "code": read_only(),
        "name": read_only(),
        "name_en": read_only(),
        "benefit": read_only(),
        "value": read_only(Kind.QUANTITY),
        "priority": read_only(Kind.INTEGER),
        "currency": read_only(),
        "stacking_group": read_only(),
        "exclusive": read_only(Kind.BOOLEAN),
        "products": read_only(Kind.TEXTS),
        "categories": read_only(Kind.TEXTS),
        "unit": read_only(),
        "min_quantity": read_only(Kind.QUANTITY),
        "min_amount": read_only(Kind.MONEY),
        "repeats": read_only(Kind.BOOLEAN),
        "free_product_id": read_only(Kind.ID),
        "free_unit": read_only(),
        "tiers": read_only(Kind.TEXTS),
        "kinds": read_only(Kind.TEXTS),
        "for_accounts": read_only(Kind.BOOLEAN),
        **_DAYS,
        "budget_left": read_only(Kind.QUANTITY),
    },
    shapes=(TERMS,),
    buckets=_promotions(windowed=True),
    in_scope=_promotions(windowed=False),
    children={"promotion_account": _of("promotion_accounts", "promotion_id")},
    priority=Priority.CATALOGUE,
    account_field=None,
    pushable=False,
)

PROMOTION_ACCOUNT = SyncEntity(
    "promotion_account",
    table="promotion_accounts",
    fields={"promotion_id": read_only(Kind.ID), "account_id": read_only(Kind.ID)},
    shapes=(TERMS,),
    buckets=_promotion_accounts(windowed=True),
    in_scope=_promotion_accounts(windowed=False),
    priority=Priority.CATALOGUE,
    pushable=False,
)

ENTITIES = (
    CURRENCY,
    TAX_CODE,
    PRODUCT,
    PRICE_LIST,
    PRICE_LIST_ASSIGNMENT,
    PRICE,
    PROMOTION,
    PROMOTION_ACCOUNT,
)
