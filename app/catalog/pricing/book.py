"""The price book: products with their units, price lists, taxes and promotions, ready to be looked up."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property

from app.catalog.pricing.draft import holds_on
from app.catalog.pricing.promotions import Promotion
from app.catalog.pricing.rounding import CurrencyRule


class ListKind(enum.StrEnum):
    """Which step of the price a list is for."""

    LIST = "list"
    CONTRACT = "contract"


@dataclass(frozen=True, slots=True)
class Product:
    """What is sold.

    Attributes:
        id: Its id.
        units: How many of the base unit one of each is; the base unit's own factor is 1.
        categories: Groups that promotions name.
        tax: Code of its tax.
    """

    id: str
    units: Mapping[str, Decimal]
    categories: frozenset[str] = frozenset()
    tax: str = "standard"


@dataclass(frozen=True, slots=True)
class PriceItem:
    """The price of one unit of a product from a quantity on, in a span of days that includes its ends."""

    product_id: str
    unit: str
    price: Decimal
    min_quantity: Decimal = Decimal(0)
    valid_from: date | None = None
    valid_to: date | None = None

    def is_valid(self, day: date) -> bool:
        """Whether it holds on that day."""
        return holds_on(day, self.valid_from, self.valid_to)


@dataclass(frozen=True)
class PriceList:
    """Prices of one currency, for one step, in a span of days that includes its ends."""

    id: str
    kind: ListKind
    currency: str
    items: Sequence[PriceItem]
    valid_from: date | None = None
    valid_to: date | None = None

    def is_valid(self, day: date) -> bool:
        """Whether it holds on that day."""
        return holds_on(day, self.valid_from, self.valid_to)

    @cached_property
    def by_product(self) -> Mapping[str, Sequence[PriceItem]]:
        """Its items, by what they price."""
        found: dict[str, list[PriceItem]] = {}
        for item in self.items:
            found.setdefault(item.product_id, []).append(item)
        return found


@dataclass(frozen=True, slots=True)
class Targets:
    """Where promotions stand in the order in which they are taken: by what they name, and those that name nothing."""

    products: Mapping[str, Sequence[int]]
    categories: Mapping[str, Sequence[int]]
    everything: Sequence[int]


@dataclass(frozen=True)
class Book:
    """All that pricing looks at beside the order.

    Attributes:
        currency: How the order's currency rounds.
        tax_inclusive: Whether prices contain the tax.
        taxes: Percentages by code.
        products: By id.
        lists: By id.
        promotions: In any order; the engine takes them by priority, then by code.
    """

    currency: CurrencyRule
    tax_inclusive: bool
    taxes: Mapping[str, Decimal]
    products: Mapping[str, Product]
    lists: Mapping[str, PriceList]
    promotions: Sequence[Promotion] = field(default=())

    @cached_property
    def targets(self) -> Targets:
        """Promotions by what they are on, so that an order need not look at those that are on nothing of it."""
        products: dict[str, list[int]] = {}
        categories: dict[str, list[int]] = {}
        everything = []
        for place, promotion in enumerate(self.promotions):
            for product in promotion.products:
                products.setdefault(product, []).append(place)
            for category in promotion.categories:
                categories.setdefault(category, []).append(place)
            if not promotion.products and not promotion.categories:
                everything.append(place)
        return Targets(products, categories, everything)

    @classmethod
    def of(
        cls,
        currency: CurrencyRule,
        products: Iterable[Product],
        lists: Iterable[PriceList],
        promotions: Iterable[Promotion] = (),
        *,
        taxes: Mapping[str, Decimal],
        tax_inclusive: bool = False,
    ) -> "Book":
        """Make a book of what was read."""
        return cls(
            currency,
            tax_inclusive,
            taxes,
            {one.id: one for one in products},
            {one.id: one for one in lists},
            sorted(promotions, key=lambda one: (one.priority, one.code)),
        )
