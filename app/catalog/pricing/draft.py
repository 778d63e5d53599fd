"""What is to be priced: an order as it was typed, and whose it is."""

import enum
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


def holds_on(day: date, since: date | None, until: date | None) -> bool:
    """Whether a span of days, both its ends included, contains one; None leaves an end open."""
    return (since is None or since <= day) and (until is None or day <= until)


class ManualKind(enum.StrEnum):
    """What a person grants by hand."""

    PERCENT = "percent"
    AMOUNT = "amount"
    UNIT_PRICE = "unit_price"


@dataclass(frozen=True, slots=True)
class Manual:
    """A discount by hand: a percentage, an amount of the line, or the price to come to."""

    kind: ManualKind
    value: Decimal


@dataclass(frozen=True, slots=True)
class DraftLine:
    """So many of a product, in one of its units."""

    id: str
    product_id: str
    unit: str
    quantity: Decimal
    manual: Manual | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """What promotions ask of the account."""

    id: str
    tier: str | None = None
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Draft:
    """An order before it is priced.

    Attributes:
        currency: ISO 4217; lists and promotions of other currencies do not count.
        priced_on: The day whose prices hold, in the zone of the customer's org unit.
        customer: Who buys.
        lines: In their order.
        manual_percent: Given by hand on all lines, after their own discounts.
        lists: The lists of the customer by id, those asked first in front.
    """

    currency: str
    priced_on: date
    customer: Customer
    lines: tuple[DraftLine, ...]
    manual_percent: Decimal | None = None
    lists: tuple[str, ...] = ()
