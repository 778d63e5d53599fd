"""The server's price of an order, beside the phone's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy.orm import Session

from app.catalog import service as catalog
from app.catalog.pricing import DraftLine, Manual, ManualKind
from app.core.db import savepoint
from app.core.scope import Actor
from app.identity import service as identity
from app.orders.models import Order, OrderLine, OrderSettings, Verdict
from app.orders.service.errors import OrderNotPriced, OrderPriceDiffers
from app.orders.service.rules import Finding

ZERO: Final = Decimal(0)
HUNDRED: Final = Decimal(100)
TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Priced:
    """What the server found, and what it has to say about the phone's price."""

    quote: catalog.Quote
    day: date
    expired_lists: tuple[str, ...]
    finding: Finding | None


def quote_order(session: Session, actor: Actor, order: Order, day: date) -> catalog.Quote:
    """Price an order as it stands, without writing anything."""
    return catalog.quote(
        session,
        actor,
        account_id=order.account_id,
        currency=order.currency,
        priced_on=day,
        lines=[_draft_line(line) for line in order.lines],
        manual_percent=order.manual_percent,
    )


def _draft_line(line: OrderLine) -> DraftLine:
    manual = None
    if line.manual_kind is not None and line.manual_value is not None:
        manual = Manual(ManualKind(line.manual_kind.value), line.manual_value)
    return DraftLine(str(line.id), str(line.product_id), line.unit, line.quantity, manual)


def price_for_submit(
    session: Session,
    actor: Actor,
    order: Order,
    snapshot: Mapping[str, Any] | None,
    settings: OrderSettings,
    today: date,
) -> Priced:
    """Price an order that is submitted, compare with the phone's price, and take the budgets that it needs.

    Raises:
        OrderNotPriced: Lines have no price.
        OrderPriceDiffers: The phone's price is beyond the company's tolerance.
    """
    day = _day_of(snapshot, settings, today)
    for attempt in range(TRIES):
        quote = quote_order(session, actor, order, day)
        if quote.priced.problems:
            raise OrderNotPriced(
                problems=[{"line_id": one.line_id, "code": one.code} for one in quote.priced.problems]
            )
        finding = compare(snapshot, quote.trace, settings, _in_base(session, order, day))
        try:
            with savepoint(session):
                catalog.reserve_budgets(session, quote.priced.given)
        except catalog.BudgetSpent:
            # Another order took the last of it while this one was priced.
            if attempt == TRIES - 1:
                raise
            continue
        return Priced(quote, day, _expired(session, actor, order, quote, day, today), finding)
    raise AssertionError("unreachable")


def _day_of(snapshot: Mapping[str, Any] | None, settings: OrderSettings, today: date) -> date:
    """The day that the phone priced for, if that is not long ago: old prices are no way around new ones."""
    told: date | None = snapshot["priced_on"] if snapshot else None
    if told is None or not today - timedelta(days=settings.price_days) <= told <= today:
        return today
    return told


def _in_base(session: Session, order: Order, day: date) -> Decimal:
    return catalog.in_base(session, order.tenant_id, Decimal(1), order.currency, day).rate


def compare(
    snapshot: Mapping[str, Any] | None, trace: Mapping[str, Any], settings: OrderSettings, rate: Decimal
) -> Finding | None:
    """What the difference between the phone's price and the server's means.

    Args:
        snapshot: ``currency, priced_on, lines`` (``id, total``) and ``total`` as the phone showed them; None
            where nobody saw a price.
        trace: The server's.
        settings: With the tolerance.
        rate: Of the order's currency in the company's, for the tolerated amount.

    Returns:
        A warning where the server's price is taken for another one, else None.

    Raises:
        OrderPriceDiffers: Beyond the tolerance, or of other lines or another currency.
    """
    if snapshot is None:
        return None
    shown = {str(line["id"]): Decimal(line["total"]) for line in snapshot["lines"]}
    found = {line["id"]: Decimal(line["total"]) for line in trace["lines"]}
    total, ours = Decimal(snapshot["total"]), Decimal(trace["total"])
    if shown == found and total == ours and snapshot["currency"] == trace["currency"]:
        return None
    differs = abs(ours - total)
    tolerated = (
        differs * rate <= settings.price_tolerance_amount
        or differs * HUNDRED <= settings.price_tolerance_percent * abs(total)
    )
    if not tolerated or shown.keys() != found.keys() or snapshot["currency"] != trace["currency"]:
        raise OrderPriceDiffers(mine=as_json(snapshot), theirs=dict(trace))
    return Finding(
        "price_adjusted",
        Verdict.WARN,
        values={"shown": f"{total:.4f}", "total": f"{ours:.4f}", "currency": trace["currency"]},
    )


def as_json(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """A phone's price as it sent it."""
    return {
        "currency": snapshot["currency"],
        "priced_on": snapshot["priced_on"].isoformat(),
        "lines": [
            {"id": str(line["id"]), "total": f"{Decimal(line['total']):.4f}"} for line in snapshot["lines"]
        ],
        "total": f"{Decimal(snapshot['total']):.4f}",
    }


def _expired(
    session: Session, actor: Actor, order: Order, quote: catalog.Quote, day: date, today: date
) -> tuple[str, ...]:
    """The lists that gave a price of *day*, and hold no more today."""
    if day == today:
        return ()
    used = {step.source for line in quote.priced.lines for step in line.steps if step.source}
    ended = {str(one) for one in quote_order(session, actor, order, today).expired_lists}
    return tuple(sorted(used & ended))


def keep_figures(session: Session, order: Order, found: Priced) -> None:
    """Write the server's figures on the order."""
    priced = found.quote.priced
    base = catalog.in_base(session, order.tenant_id, priced.total, order.currency, found.day)
    order.priced_on = found.day
    order.priced = found.quote.trace
    order.net, order.tax, order.total, order.payable = priced.net, priced.tax, priced.total, priced.total
    order.base_total, order.rate, order.rate_date = base.amount, base.rate, base.rate_date
    order.base_currency = identity.get_tenant(session, order.tenant_id).currency.strip()
    order.discount_percent = max((line.manual_percent for line in priced.lines), default=ZERO)
    order.cost, order.margin_percent = found.quote.cost, found.quote.margin_percent
    order.facts = {
        "given": {one: str(amount) for one, amount in priced.given.items()},
        "below_floor": list(found.quote.below_floor),
        "expired_lists": list(found.expired_lists),
    }


def drop_figures(session: Session, order: Order) -> None:
    """Take the figures off an order that becomes a draft again, and give its budgets back."""
    give_back(session, order)
    for name in (
        "priced_on",
        "priced",
        "net",
        "tax",
        "total",
        "payable",
        "base_total",
        "base_currency",
        "rate",
        "rate_date",
        "discount_percent",
        "cost",
        "margin_percent",
        "document_hash",
        "fulfilment",
        "findings",
        "approved_at",
        "approval_id",
    ):
        setattr(order, name, None)
    order.hold_reasons = []


def give_back(session: Session, order: Order) -> None:
    """Let the promotions have back what the order will not take."""
    given = {one: Decimal(amount) for one, amount in order.facts.get("given", {}).items()}
    if given:
        catalog.release_budgets(session, given)
    order.facts = {**order.facts, "given": {}}
