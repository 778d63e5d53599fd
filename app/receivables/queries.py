"""Reads of receivables: scoped to who asks, and what accounts owe."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import Row, Select, false, func, select, text
from sqlalchemy.orm import Session

from app.core.scope import Actor, ShapeClass, sees_child_of_account
from app.receivables.models import AccountBalance, CreditEvent, CreditEventKind, Invoice, Payment

Record = TypeVar("Record", Invoice, Payment, AccountBalance, CreditEvent)
Synced = TypeVar("Synced", Invoice, Payment, AccountBalance)


def seen(actor: Actor, model: type[Record]) -> Select[Record]:
    """The rows of *model* in the actor's scope. Technicians see no sales terms, and so none."""
    sees = false() if actor.scope.shape is ShapeClass.SERVICE else sees_child_of_account(actor.scope, model)
    return select(model).where(model.tenant_id == actor.tenant_id, sees)


def live(actor: Actor, model: type[Synced]) -> Select[Synced]:
    """The live records of *model* in the actor's scope."""
    return seen(actor, model).where(model.deleted_at.is_(None))


_TERMS = text(
    """
    SELECT a.tenant_id, a.credit_limit, coalesce(a.credit_currency, t.currency) AS currency,
           t.currency AS base, (CAST(:now AS timestamptz) AT TIME ZONE t.time_zone)::date AS today
    FROM accounts a JOIN tenants t ON t.id = a.tenant_id
    WHERE a.id = :account
    """
)


def find_terms(session: Session, account_id: UUID, now: Any) -> Row[Any] | None:
    """The account's credit limit and currency, the tenant's currency, and its calendar day."""
    return session.execute(_TERMS, {"account": account_id, "now": now}).one_or_none()


# Invoices with something open, and payments with something left, in the currency of the account's credit:
# their own amount where that is it, else by the rate that the document keeps, over that of the credit's
# currency on the same day.
_OWED = """
    wanted AS MATERIALIZED (
        SELECT a.tenant_id, a.id, coalesce(a.credit_currency, t.currency) AS currency, t.currency AS base
        FROM accounts a JOIN tenants t ON t.id = a.tenant_id
        WHERE a.tenant_id = :tenant AND a.id = ANY(CAST(:accounts AS uuid[]))
    ), owed AS MATERIALIZED (
        SELECT w.id, w.currency AS wanted, w.base, i.currency, i.amount, i.base_amount, i.rate_date,
               i.open_amount AS part, i.due_on
        FROM wanted w JOIN invoices i ON i.tenant_id = w.tenant_id AND i.account_id = w.id
         AND i.open_amount > 0 AND i.deleted_at IS NULL
        UNION ALL
        SELECT w.id, w.currency, w.base, p.currency, p.amount, p.base_amount, p.rate_date,
               p.unapplied_amount, NULL
        FROM wanted w JOIN payments p ON p.tenant_id = w.tenant_id AND p.account_id = w.id
         AND p.unapplied_amount > 0 AND p.deleted_at IS NULL
    )
"""
_CROSSED = text(
    f"""
    WITH {_OWED}
    SELECT DISTINCT id, wanted AS currency, rate_date AS day FROM owed
    WHERE currency <> wanted AND wanted <> base
    """  # noqa: S608  (built of constants of this file)
)
_FIGURES = text(
    f"""
    WITH {_OWED}, rates AS (
        SELECT * FROM jsonb_to_recordset(CAST(:rates AS jsonb)) AS r (currency text, day date, rate numeric)
    ), items AS (
        SELECT o.id, o.due_on, CAST(:today AS date) - o.due_on AS late,
               CASE WHEN o.currency = o.wanted THEN o.part
                    ELSE round(o.base_amount * o.part / o.amount
                               / CASE WHEN o.wanted = o.base THEN 1 ELSE r.rate END, 4) END AS amount
        FROM owed o LEFT JOIN rates r ON r.currency = o.wanted AND r.day = o.rate_date
    )
    SELECT w.id AS account_id, w.currency,
           coalesce(sum(amount) FILTER (WHERE due_on IS NOT NULL), 0) AS open_receivables,
           coalesce(sum(amount) FILTER (WHERE i.id IS NOT NULL AND due_on IS NULL), 0) AS unapplied,
           coalesce(sum(amount) FILTER (WHERE late > 0), 0) AS overdue_amount,
           min(due_on) FILTER (WHERE late > 0) AS oldest_due_on,
           coalesce(sum(amount) FILTER (WHERE late <= 0), 0) AS not_due,
           coalesce(sum(amount) FILTER (WHERE late BETWEEN 1 AND 30), 0) AS days_1_30,
           coalesce(sum(amount) FILTER (WHERE late BETWEEN 31 AND 60), 0) AS days_31_60,
           coalesce(sum(amount) FILTER (WHERE late BETWEEN 61 AND 90), 0) AS days_61_90,
           coalesce(sum(amount) FILTER (WHERE late > 90), 0) AS days_over_90
    FROM wanted w LEFT JOIN items i ON i.id = w.id
    GROUP BY w.id, w.currency
    """  # noqa: S608  (built of constants of this file)
)


def crossed(session: Session, tenant_id: UUID, account_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Currencies of credit and days for which ``figures`` needs a rate, by account."""
    return session.execute(_CROSSED, {"tenant": tenant_id, "accounts": list(account_ids)}).all()


def figures(
    session: Session,
    tenant_id: UUID,
    account_ids: Sequence[UUID],
    today: date,
    rates: Mapping[tuple[str, date], Decimal],
) -> dict[UUID, Row[Any]]:
    """What accounts owe on a day, each in the currency of its credit, by account."""
    rows = session.execute(
        _FIGURES,
        {
            "tenant": tenant_id,
            "accounts": list(account_ids),
            "today": today,
            "rates": orjson.dumps(
                [{"currency": c, "day": day, "rate": str(rate)} for (c, day), rate in rates.items()]
            ).decode(),
        },
    )
    return {row.account_id: row for row in rows}


_ENSURE = text(
    """
    INSERT INTO account_balances (tenant_id, id, account_id, currency)
    SELECT a.tenant_id, n.id, a.id, coalesce(a.credit_currency, t.currency)
    FROM unnest(CAST(:accounts AS uuid[]), CAST(:ids AS uuid[])) AS n (account_id, id)
    JOIN accounts a ON a.tenant_id = :tenant AND a.id = n.account_id
    JOIN tenants t ON t.id = a.tenant_id
    WHERE NOT EXISTS (SELECT 1 FROM account_balances b
                      WHERE b.tenant_id = a.tenant_id AND b.account_id = a.id)
    ON CONFLICT (tenant_id, account_id) DO NOTHING
    """
)


def ensure_balances(session: Session, tenant_id: UUID, new: Mapping[UUID, UUID]) -> None:
    """Make the balances that are missing; *new* gives an id for each account."""
    session.execute(_ENSURE, {"tenant": tenant_id, "accounts": list(new), "ids": list(new.values())})


def lock_balances(session: Session, tenant_id: UUID, account_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """The balances of accounts, held until commit in the order of the accounts, by account."""
    balances = AccountBalance.__table__
    rows = session.execute(
        select(balances)
        .where(balances.c.tenant_id == tenant_id, balances.c.account_id.in_(account_ids))
        .order_by(balances.c.account_id)
        .with_for_update(key_share=True)
    )
    return {row.account_id: row for row in rows}


def find_balance(session: Session, tenant_id: UUID, account_id: UUID) -> Row[Any] | None:
    """The balance of an account as it was last written."""
    balances = AccountBalance.__table__
    return session.execute(
        select(balances).where(balances.c.tenant_id == tenant_id, balances.c.account_id == account_id)
    ).one_or_none()


def open_invoices_by_currency(
    session: Session, actor: Actor, account_id: UUID | None, today: date
) -> Sequence[Row[Any]]:
    """Of the scope, or of one account: what is open and overdue, by currency, and in the tenant's."""
    open_base = func.round(Invoice.base_amount * Invoice.open_amount / Invoice.amount, 4)
    overdue = Invoice.due_on < today
    statement = live(actor, Invoice).with_only_columns(
        Invoice.currency,
        func.sum(Invoice.open_amount).label("open_amount"),
        func.coalesce(func.sum(Invoice.open_amount).filter(overdue), 0).label("overdue_amount"),
        func.sum(open_base).label("base_open"),
        func.coalesce(func.sum(open_base).filter(overdue), 0).label("base_overdue"),
    )
    statement = statement.where(Invoice.open_amount > 0).group_by(Invoice.currency)
    if account_id is not None:
        statement = statement.where(Invoice.account_id == account_id)
    return session.execute(statement).all()


def unapplied_by_currency(session: Session, actor: Actor, account_id: UUID | None) -> Sequence[Row[Any]]:
    """Of the scope, or of one account: what is left of payments, by currency, and in the tenant's."""
    base = func.round(Payment.base_amount * Payment.unapplied_amount / Payment.amount, 4)
    statement = live(actor, Payment).with_only_columns(
        Payment.currency,
        func.sum(Payment.unapplied_amount).label("unapplied"),
        func.sum(base).label("base_unapplied"),
    )
    statement = statement.where(Payment.unapplied_amount > 0).group_by(Payment.currency)
    if account_id is not None:
        statement = statement.where(Payment.account_id == account_id)
    return session.execute(statement).all()


# Whose figures a new day may change, and those that hand-written SQL may have left behind; on any other run only
# accounts whose credit has got another currency.
_TO_AGE = text(
    """
    WITH owing AS (
        SELECT account_id FROM invoices
        WHERE :whole AND tenant_id = :tenant AND account_id > :after AND open_amount > 0 AND deleted_at IS NULL
        UNION
        SELECT account_id FROM payments
        WHERE :whole AND tenant_id = :tenant AND account_id > :after AND unapplied_amount > 0
          AND deleted_at IS NULL
        UNION
        SELECT b.account_id
        FROM account_balances b
        JOIN accounts a ON a.tenant_id = b.tenant_id AND a.id = b.account_id
        JOIN tenants t ON t.id = b.tenant_id
        WHERE b.tenant_id = :tenant AND b.account_id > :after
          AND (b.currency <> coalesce(a.credit_currency, t.currency)
               OR :whole AND (b.open_receivables <> 0 OR b.unapplied <> 0))
    )
    SELECT account_id FROM owing ORDER BY account_id LIMIT :limit
    """
)


def accounts_to_age(
    session: Session, tenant_id: UUID, *, after: UUID, limit: int, whole: bool
) -> Sequence[UUID]:
    """Accounts whose balances may be wrong today, in the order of their ids."""
    values = {"tenant": tenant_id, "after": after, "limit": limit, "whole": whole}
    return session.scalars(_TO_AGE, values).all()


def account_of_balance(session: Session, balance_id: UUID) -> UUID | None:
    """The account of a balance, or None."""
    return session.scalar(select(AccountBalance.account_id).where(AccountBalance.id == balance_id))


def lock_balance(session: Session, balance_id: UUID) -> None:
    """Hold a balance until commit, as whoever changes its account's documents does."""
    session.execute(
        select(AccountBalance.id).where(AccountBalance.id == balance_id).with_for_update(key_share=True)
    )


def last_hold(session: Session, tenant_id: UUID, account_id: UUID) -> UUID | None:
    """The event that put the account on hold last."""
    return session.scalar(
        select(CreditEvent.id)
        .where(
            CreditEvent.tenant_id == tenant_id,
            CreditEvent.account_id == account_id,
            CreditEvent.kind == CreditEventKind.HOLD,
        )
        .order_by(CreditEvent.happened_at.desc(), CreditEvent.id.desc())
        .limit(1)
    )
