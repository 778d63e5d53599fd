"""How currencies round, and what they are worth in the company's own."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.catalog import queries
from app.catalog.models import CurrencyRounding, ExchangeRate, TaxCode
from app.catalog.pricing import CurrencyRule, Rounding, RoundingMode
from app.catalog.pricing.rounding import EXACT
from app.catalog.service.errors import RateMissing
from app.core.errors import Forbidden, ReferenceNotFound
from app.core.ids import new_id
from app.core.money import CurrencyUnknown, currency_precision
from app.core.scope import Actor, Role
from app.identity import service as identity

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a currency rounds, and whether its prices contain the tax."""

    rule: CurrencyRule
    tax_inclusive: bool


@dataclass(frozen=True, slots=True)
class BaseAmount:
    """An amount in the company's own currency, and by which rate of which day."""

    amount: Decimal
    rate: Decimal
    rate_date: date


def currency_terms(session: Session, tenant_id: UUID, currency: str) -> Terms:
    """What the company says of a currency; without a word the minor unit, half up, prices without tax.

    Raises:
        ReferenceNotFound: There is no such currency.
    """
    row = session.scalars(
        select(CurrencyRounding).where(
            CurrencyRounding.tenant_id == tenant_id,
            CurrencyRounding.code == currency,
            CurrencyRounding.deleted_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        unit = Rounding(minor_unit(currency))
        return Terms(CurrencyRule(currency, unit, unit), tax_inclusive=False)
    line, tax = (
        Rounding(unit, RoundingMode(mode))
        for unit, mode in ((row.line_unit, row.line_mode), (row.tax_unit, row.tax_mode))
    )
    return Terms(CurrencyRule(currency, line, tax), row.tax_inclusive)


def currency_rule(session: Session, tenant_id: UUID, currency: str) -> CurrencyRule:
    """How amounts of a currency round.

    Raises:
        ReferenceNotFound: There is no such currency.
    """
    return currency_terms(session, tenant_id, currency).rule


def minor_unit(currency: str) -> Decimal:
    """The smallest coin: 1 of the won, 0.01 of the dollar.

    Raises:
        ReferenceNotFound: There is no such currency.
    """
    try:
        return ONE.scaleb(-currency_precision(currency))
    except CurrencyUnknown:
        raise ReferenceNotFound(field="currency") from None


def in_base(session: Session, tenant_id: UUID, amount: Decimal, currency: str, day: date) -> BaseAmount:
    """An amount in the company's own currency, by the newest rate at or before a day.

    Raises:
        RateMissing: No rate is known by then.
    """
    base = identity.get_tenant(session, tenant_id).currency
    if currency == base:
        return BaseAmount(amount, ONE, day)
    found = queries.find_rate(session, tenant_id, currency, day)
    if found is None:
        raise RateMissing(currency=currency, day=day.isoformat())
    rounding = currency_rule(session, tenant_id, base).line
    return BaseAmount(rounding(EXACT.multiply(amount, found.rate)), found.rate, found.day)


def taxes(session: Session, tenant_id: UUID) -> dict[str, Decimal]:
    """Percentages by code."""
    found = session.execute(
        select(TaxCode.code, TaxCode.percent).where(
            TaxCode.tenant_id == tenant_id, TaxCode.deleted_at.is_(None)
        )
    )
    return {row.code: row.percent for row in found}


def list_rates(session: Session, actor: Actor, *, currency: str | None = None) -> Select[ExchangeRate]:
    """What currencies were worth, day by day."""
    statement = select(ExchangeRate).where(ExchangeRate.tenant_id == actor.tenant_id)
    return statement if currency is None else statement.where(ExchangeRate.currency == currency)


def set_rate(session: Session, actor: Actor, *, currency: str, day: date, rate: Decimal) -> ExchangeRate:
    """Note what one of a currency is worth from a day on, in place of what was noted for that day.

    Raises:
        Forbidden: Only administrators and integrations do.
        ReferenceNotFound: There is no such currency, or it is the company's own.
    """
    if actor.role not in (Role.ADMIN, Role.INTEGRATION):
        raise Forbidden
    minor_unit(currency)
    if currency == identity.get_tenant(session, actor.tenant_id).currency:
        raise ReferenceNotFound(field="currency")
    # Two that note the same day at once: the later one counts.
    noted = (
        insert(ExchangeRate)
        .values(tenant_id=actor.tenant_id, id=new_id(), currency=currency, day=day, rate=rate)
        .on_conflict_do_update(index_elements=["tenant_id", "currency", "day"], set_={"rate": rate})
        .returning(ExchangeRate)
    )
    return session.scalars(noted, execution_options={"populate_existing": True}).one()
