"""How invoices, payments and balances reach phones: with the accounts, in the sales shape only."""

from sync.policy import Kind, Priority, SyncEntity, read_only, rows

SHAPE = "manager+partner+sales"
KEPT_DAYS = 90


def _buckets(table: str, window: str = "") -> str:
    """Buckets of the live rows of *table*: those of the account that each hangs on."""
    return f"""
        WITH these AS MATERIALIZED (
            SELECT r.id, a.territory_id, a.owner_id
            FROM {table} r
            JOIN accounts a ON a.tenant_id = :tenant AND a.id = r.account_id AND a.deleted_at IS NULL
            WHERE r.tenant_id = :tenant AND r.id = ANY(CAST(:ids AS uuid[])) AND r.deleted_at IS NULL {window}
        )
        SELECT id AS record_id, 'territory:' || territory_id AS bucket, '{SHAPE}' AS shape
        FROM these WHERE territory_id IS NOT NULL
        UNION ALL
        SELECT id, 'user:' || owner_id, '{SHAPE}' FROM these WHERE owner_id IS NOT NULL
    """  # noqa: S608  (built of constants of this file)


# What is owed, however old, and what was settled of late.
INVOICE_BUCKETS = _buckets(
    "invoices",
    f"AND (r.settled_at IS NULL OR r.settled_at >= CAST(:now AS timestamptz) - interval '{KEPT_DAYS * 24} hours')",
)
PAYMENT_BUCKETS = _buckets(
    "payments", f"AND r.received_at >= CAST(:now AS timestamptz) - interval '{KEPT_DAYS * 24} hours'"
)

INVOICE = SyncEntity(
    "invoice",
    table="invoices",
    fields={
        "account_id": read_only(Kind.ID),
        "order_id": read_only(Kind.ID),
        "number": read_only(),
        "issued_on": read_only(Kind.DATE),
        "due_on": read_only(Kind.DATE),
        "currency": read_only(),
        "amount": read_only(Kind.MONEY),
        "base_amount": read_only(Kind.MONEY),
        "rate_date": read_only(Kind.DATE),
        "open_amount": read_only(Kind.MONEY),
        "status": read_only(),
        "settled_at": read_only(Kind.TIME),
    },
    shapes=(SHAPE,),
    buckets=INVOICE_BUCKETS,
    in_scope=_buckets("invoices"),
    priority=Priority.ACCOUNTS,
    pushable=False,
)

PAYMENT = SyncEntity(
    "payment",
    table="payments",
    fields={
        "account_id": read_only(Kind.ID),
        "visit_id": read_only(Kind.ID),
        "collected_by": read_only(Kind.ID),
        "receipt_number": read_only(),
        "method": read_only(),
        "received_at": read_only(Kind.TIME),
        "received_on": read_only(Kind.DATE),
        "currency": read_only(),
        "amount": read_only(Kind.MONEY),
        "base_amount": read_only(Kind.MONEY),
        "rate_date": read_only(Kind.DATE),
        "unapplied_amount": read_only(Kind.MONEY),
        "status": read_only(),
        "decided_at": read_only(Kind.TIME),
        "reason": read_only(),
        "note": read_only(),
        "allocations": rows(
            "payment_allocations",
            "payment_id",
            {"invoice_id": read_only(Kind.ID), "amount": read_only(Kind.MONEY)},
        ),
    },
    shapes=(SHAPE,),
    buckets=PAYMENT_BUCKETS,
    in_scope=_buckets("payments"),
    priority=Priority.HISTORY,
    pushable=False,
)

ACCOUNT_BALANCE = SyncEntity(
    "account_balance",
    table="account_balances",
    fields={
        "account_id": read_only(Kind.ID),
        "currency": read_only(),
        "open_receivables": read_only(Kind.MONEY),
        "committed": read_only(Kind.MONEY),
        "unapplied": read_only(Kind.MONEY),
        "exposure": read_only(Kind.MONEY),
        "overdue_amount": read_only(Kind.MONEY),
        "oldest_due_on": read_only(Kind.DATE),
        "not_due": read_only(Kind.MONEY),
        "days_1_30": read_only(Kind.MONEY),
        "days_31_60": read_only(Kind.MONEY),
        "days_61_90": read_only(Kind.MONEY),
        "days_over_90": read_only(Kind.MONEY),
        "on_hold": read_only(Kind.BOOLEAN),
        "hold_reason": read_only(),
    },
    shapes=(SHAPE,),
    buckets=_buckets("account_balances"),
    priority=Priority.ACCOUNTS,
    pushable=False,
)
