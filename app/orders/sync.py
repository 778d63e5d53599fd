"""How orders, shipments, returns, warehouses and limits of discounts reach phones and merge."""

from typing import Final

from app.orders.states import ORDER_MACHINE, RETURN_MACHINE, SHIPMENT_MACHINE
from sync.policy import (
    Field,
    Kind,
    Merge,
    Priority,
    SyncEntity,
    last_write,
    merged,
    read_only,
    reference,
    rows,
    text_merge,
)

SHAPES: Final = ("sales", "manager")

# The orders asked for, with where their accounts are. Windows are hours: a day is not always 24 of them.
_THESE = """these AS MATERIALIZED (
    SELECT o.id, a.territory_id, a.owner_id,
           o.taken_at >= :now - interval '2160 hours'
               OR o.status NOT IN ('delivered', 'closed', 'cancelled') AS for_reps,
           o.taken_at >= :now - interval '720 hours'
               OR o.status IN ('pending_approval', 'on_hold') AS for_managers
    FROM unnest(CAST(:ids AS uuid[])) AS i (id)
    JOIN orders o ON o.tenant_id = :tenant AND o.id = i.id AND o.deleted_at IS NULL
    JOIN accounts a ON a.tenant_id = :tenant AND a.id = o.account_id AND a.deleted_at IS NULL
)"""
_PLACES = """
    SELECT id, 'territory:' || territory_id AS bucket, for_reps, for_managers FROM these
    WHERE territory_id IS NOT NULL
    UNION ALL
    SELECT id, 'user:' || owner_id, for_reps, for_managers FROM these WHERE owner_id IS NOT NULL
"""

# A territory's reps and an account's owner hold its orders of 90 days and all that are under way; managers those
# of 30 days, and all that wait for a decision.
ORDER_BUCKETS = f"""
WITH {_THESE}, places AS ({_PLACES})
SELECT id AS record_id, bucket, 'sales' AS shape FROM places WHERE for_reps
UNION ALL
SELECT id, bucket, 'manager' FROM places WHERE for_managers
"""  # noqa: S608  (built of constants of this file)

# The same without windows.
ORDERS_IN_SCOPE = f"""
WITH {_THESE}, places AS ({_PLACES})
SELECT id AS record_id, bucket, shape FROM places CROSS JOIN (VALUES ('sales'), ('manager')) AS s (shape)
"""  # noqa: S608  (built of constants of this file)


def _of_order(table: str, buckets: str) -> str:
    """Buckets of what hangs on orders: those of its order."""
    held = buckets.replace(
        "unnest(CAST(:ids AS uuid[])) AS i (id)",
        f"(SELECT DISTINCT order_id AS id FROM {table} WHERE tenant_id = :tenant AND id = ANY(:ids)) AS i",  # noqa: S608
    )
    return f"""
        SELECT t.id AS record_id, held.bucket, held.shape
        FROM {table} t JOIN ({held}) AS held ON held.record_id = t.order_id
        WHERE t.tenant_id = :tenant AND t.id = ANY(:ids) AND t.deleted_at IS NULL
    """  # noqa: S608  (built of constants of this file)


def _hanging(table: str) -> str:
    return f"SELECT id FROM {table} WHERE tenant_id = :tenant AND deleted_at IS NULL AND order_id = ANY(:ids)"  # noqa: S608


def told_once(kind: Kind = Kind.TEXT) -> Field:
    """Told by the phone when it makes the record, never edited afterwards."""
    return merged(Merge.CLIENT_WINS, kind)


LINE_FIELDS = {
    "product_id": last_write(Kind.ID),
    "unit": last_write(),
    "quantity": last_write(Kind.QUANTITY),
    "manual_kind": last_write(),
    "manual_value": last_write(Kind.MONEY),
    "position": last_write(Kind.INTEGER),
    "note": last_write(),
}

ORDER = SyncEntity(
    "order",
    table="orders",
    fields={
        "account_id": reference("account"),
        "site_id": reference("site"),
        "warehouse_id": last_write(Kind.ID),
        "owner_id": read_only(Kind.ID),
        "currency": last_write(),
        "requested_on": last_write(Kind.DATE),
        "customer_reference": last_write(),
        "terms_days": last_write(Kind.INTEGER),
        "prepaid": last_write(Kind.BOOLEAN),
        "manual_percent": last_write(Kind.MONEY),
        "note": text_merge(),
        "lines": rows("order_lines", "order_id", LINE_FIELDS),
        "status": read_only(),
        "revision": read_only(Kind.INTEGER),
        "number": read_only(),
        "taken_at": read_only(Kind.TIME),
        "submitted_at": read_only(Kind.TIME),
        "submitted_by": read_only(Kind.ID),
        "approved_at": read_only(Kind.TIME),
        "confirmed_at": read_only(Kind.TIME),
        "cancel_reason": read_only(),
        "hold_reasons": read_only(Kind.TEXTS),
        "findings": read_only(Kind.JSON),
        "priced_on": read_only(Kind.DATE),
        "priced": read_only(Kind.JSON),
        "fulfilment": read_only(Kind.JSON),
        "discount_percent": read_only(Kind.MONEY),
        "net": read_only(Kind.MONEY),
        "tax": read_only(Kind.MONEY),
        "total": read_only(Kind.MONEY),
        "payable": read_only(Kind.MONEY),
        "base_total": read_only(Kind.MONEY),
        "base_currency": read_only(),
        "document_hash": read_only(),
        "approval_id": read_only(Kind.ID),
    },
    buckets=ORDER_BUCKETS,
    in_scope=ORDERS_IN_SCOPE,
    children={"shipment": _hanging("shipments"), "order_return": _hanging("order_returns")},
    shapes=SHAPES,
    priority=Priority.ACCOUNTS,
    machine=ORDER_MACHINE,
)

SHIPMENT = SyncEntity(
    "shipment",
    table="shipments",
    fields={
        "order_id": read_only(Kind.ID),
        "account_id": read_only(Kind.ID),
        "warehouse_id": read_only(Kind.ID),
        "status": read_only(),
        "carrier": read_only(),
        "tracking_number": read_only(),
        "lines": rows(
            "shipment_lines",
            "shipment_id",
            {"item": read_only(), "quantity": read_only(Kind.QUANTITY)},
        ),
        "shipped_at": read_only(Kind.TIME),
        "delivered_at": read_only(Kind.TIME),
        "signed_by": read_only(),
        "signature_sha256": read_only(),
        "photo_sha256": read_only(),
        "delivered_location": read_only(Kind.POINT),
    },
    buckets=_of_order("shipments", ORDER_BUCKETS),
    in_scope=_of_order("shipments", ORDERS_IN_SCOPE),
    shapes=SHAPES,
    priority=Priority.ACCOUNTS,
    machine=SHIPMENT_MACHINE,
)

ORDER_RETURN = SyncEntity(
    "order_return",
    table="order_returns",
    fields={
        "order_id": told_once(Kind.ID),
        "account_id": read_only(Kind.ID),
        "status": read_only(),
        "reason": told_once(),
        "lines": rows(
            "return_lines",
            "return_id",
            {
                "item": last_write(),
                "quantity": last_write(Kind.QUANTITY),
                "accepted": read_only(Kind.QUANTITY),
            },
        ),
        "decision": read_only(),
        "credited": read_only(Kind.MONEY),
        "currency": read_only(),
    },
    buckets=_of_order("order_returns", ORDER_BUCKETS),
    in_scope=_of_order("order_returns", ORDERS_IN_SCOPE),
    shapes=SHAPES,
    priority=Priority.ACCOUNTS,
    machine=RETURN_MACHINE,
)

WAREHOUSE = SyncEntity(
    "warehouse",
    table="warehouses",
    fields={"code": read_only(), "name": read_only(), "org_unit_id": read_only(Kind.ID)},
    buckets="""
        SELECT w.id AS record_id, 'tenant' AS bucket, 'manager+sales' AS shape
        FROM warehouses w WHERE w.tenant_id = :tenant AND w.id = ANY(:ids) AND w.deleted_at IS NULL
    """,
    shapes=("manager+sales",),
    priority=Priority.REFERENCE,
    account_field=None,
    pushable=False,
)

DISCOUNT_LIMIT = SyncEntity(
    "discount_limit",
    table="discount_limits",
    fields={"user_id": read_only(Kind.ID), "role": read_only(), "percent": read_only(Kind.MONEY)},
    # One's own, and everybody's of one's role; never what a colleague may grant.
    buckets="""
        SELECT l.id AS record_id, 'user:' || l.user_id AS bucket, 'manager+sales' AS shape
        FROM discount_limits l
        WHERE l.tenant_id = :tenant AND l.id = ANY(:ids) AND l.deleted_at IS NULL AND l.user_id IS NOT NULL
        UNION ALL
        SELECT l.id, 'audience:' || l.role, 'manager+sales'
        FROM discount_limits l
        WHERE l.tenant_id = :tenant AND l.id = ANY(:ids) AND l.deleted_at IS NULL AND l.role IS NOT NULL
    """,
    shapes=("manager+sales",),
    priority=Priority.REFERENCE,
    account_field=None,
    pushable=False,
)

ENTITIES = (WAREHOUSE, DISCOUNT_LIMIT, ORDER, SHIPMENT, ORDER_RETURN)
