"""Promotions: for whom, on what, from how much on, and what they give."""

import enum
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.catalog.pricing.draft import Draft, holds_on


class Benefit(enum.StrEnum):
    """What a promotion gives.

    ``percent`` of the line's amount, ``per_unit`` so much off each unit, ``fixed_price`` the price of a unit
    where it is lower, ``amount`` off all lines together, ``free_goods`` so many of a product.
    """

    PERCENT = "percent"
    PER_UNIT = "per_unit"
    FIXED_PRICE = "fixed_price"
    AMOUNT = "amount"
    FREE_GOODS = "free_goods"


@dataclass(frozen=True, slots=True)
class Promotion:
    """One promotion.

    Attributes:
        id: Its id.
        code: Its short name; the order among equal priorities.
        priority: The lower one goes first.
        benefit: What it gives, *value* of it.
        value: A percentage, an amount, a price, or a quantity of free goods.
        currency: Of amounts and prices, and then the order has to be in it; None where it gives neither.
        group: At most one promotion of a stacking group counts on a line; None for one that any may stand beside.
        exclusive: Neither stands beside another promotion on a line, nor lets one follow.
        products, categories: On what; both empty for everything.
        unit: Of *min_quantity*, ``per_unit`` and ``fixed_price``; None for the base unit.
        min_quantity: Of all its lines together.
        min_amount: Of all its lines together, at their list or contract prices.
        repeats: ``amount`` and ``free_goods`` count once for each time that the minimum is reached.
        free_product, free_unit: What ``free_goods`` gives.
        accounts, tiers, kinds: For whom; empty for everybody.
        valid_from, valid_to: Days that include their ends.
        budget_left: How much it may still give in all: money, of free goods their quantity; None for no bound.
    """

    id: str
    code: str
    benefit: Benefit
    value: Decimal
    priority: int = 100
    currency: str | None = None
    group: str | None = None
    exclusive: bool = False
    products: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    unit: str | None = None
    min_quantity: Decimal = Decimal(0)
    min_amount: Decimal = Decimal(0)
    repeats: bool = False
    free_product: str | None = None
    free_unit: str | None = None
    accounts: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    valid_from: date | None = None
    valid_to: date | None = None
    budget_left: Decimal | None = None

    def is_for(self, draft: Draft) -> bool:
        """Whether day, currency and customer fit."""
        day, customer = draft.priced_on, draft.customer
        return (
            holds_on(day, self.valid_from, self.valid_to)
            and (self.currency is None or self.currency == draft.currency)
            and (not self.accounts or customer.id in self.accounts)
            and (not self.tiers or customer.tier in self.tiers)
            and (not self.kinds or not self.kinds.isdisjoint(customer.kinds))
        )
