"""What an order comes to, with the steps that led there."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from app.catalog.pricing.rounding import ZERO


class Step(NamedTuple):
    """One step of a line's price; a tuple, as an order has hundreds of them.

    Attributes:
        step: ``list``, ``contract``, ``promotion``, ``manual`` or ``order_manual``.
        source: Id of the list or promotion.
        unit_price: Of one unit, where the step sets one.
        off: What it took away.
        amount: What the line comes to after it.
        skipped: Why a promotion that fits did not count: ``group``, ``exclusive``, ``minimum``, ``budget``, ``unit``.
    """

    step: str
    source: str | None = None
    unit_price: Decimal | None = None
    off: Decimal | None = None
    amount: Decimal | None = None
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line has no price: ``product_unknown``, ``unit_unknown``, ``quantity_invalid``, ``price_missing``,
    ``price_expired``, ``tax_unknown``, ``manual_invalid``."""

    line_id: str | None
    code: str


@dataclass(slots=True)
class PricedLine:
    """A line with its money; a line without a price has zeros and a problem.

    Attributes:
        id: Of the draft's line.
        list_price: Of one unit, by the list.
        unit_price: Of one unit, by list or contract.
        list_amount: At the list price.
        gross: At list or contract price, before discounts.
        promotion_off, manual_off: What was taken away.
        net: Without tax.
        tax: On it.
        total: To be paid.
        steps: The trace.
        promotions: Ids of those that counted, in their order.
    """

    id: str
    list_price: Decimal = ZERO
    unit_price: Decimal = ZERO
    list_amount: Decimal = ZERO
    gross: Decimal = ZERO
    promotion_off: Decimal = ZERO
    manual_off: Decimal = ZERO
    net: Decimal = ZERO
    tax: Decimal = ZERO
    total: Decimal = ZERO
    tax_rate: Decimal = ZERO
    manual_percent: Decimal = ZERO
    steps: list[Step] = field(default_factory=list)
    promotions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FreeGoods:
    """What comes along without being paid."""

    promotion_id: str
    product_id: str
    unit: str
    quantity: Decimal


@dataclass(slots=True)
class Priced:
    """The order: each sum is that of the lines."""

    currency: str
    lines: list[PricedLine]
    free_goods: list[FreeGoods]
    problems: list[Problem]
    list_amount: Decimal
    gross: Decimal
    promotion_off: Decimal
    manual_off: Decimal
    net: Decimal
    tax: Decimal
    total: Decimal
    given: dict[str, Decimal] = field(default_factory=dict)
