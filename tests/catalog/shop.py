"""A company with something to sell; rows are written as an ERP job would write them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.catalog import service
from app.catalog.pricing import DraftLine, Manual
from app.core.ids import new_id
from tests.world import Person, World

DAY = date(2026, 11, 21)


@dataclass
class Shop:
    """One tenant with a price list for everybody, in won."""

    world: World
    list_id: UUID

    def product(self, sku: str, tax: str = "standard", **values: Any) -> UUID:
        """A product in pieces, and in boxes of twelve."""
        product_id = new_id()
        own = {"name": f"윤활유 {sku}", "base_unit": "EA", "tax_code": tax}
        self.world.insert("products", id=product_id, sku=sku, **own | values)
        for unit, factor in (("EA", 1), ("BOX", 12)):
            self.world.insert("product_units", id=new_id(), product_id=product_id, unit=unit, factor=factor)
        return product_id

    def price_list(self, code: str, *, kind: str = "list", currency: str = "KRW", **days: Any) -> UUID:
        """A list that nobody buys by yet."""
        list_id = new_id()
        own = {"code": code, "name": f"가격표 {code}", "kind": kind, "currency": currency}
        self.world.insert("price_lists", id=list_id, **own | days)
        return list_id

    def assign(self, list_id: UUID, *, rank: int = 100, **whom: Any) -> UUID:
        """Let an account, a territory or everybody buy by a list."""
        assignment_id = new_id()
        whom = whom or {"everybody": True}
        self.world.insert(
            "price_list_assignments", id=assignment_id, price_list_id=list_id, rank=rank, **whom
        )
        return assignment_id

    def price(
        self,
        product_id: UUID,
        price: str,
        *,
        list_id: UUID | None = None,
        unit: str = "EA",
        least: str = "0",
        floor: str | None = None,
        since: date = date(2020, 1, 1),
        until: date | None = None,
    ) -> UUID:
        """A price with one step."""
        price_id = new_id()
        self.world.insert(
            "prices",
            id=price_id,
            price_list_id=list_id or self.list_id,
            product_id=product_id,
            valid_from=since,
            valid_to=until,
        )
        self.step(price_id, price, unit=unit, least=least, floor=floor)
        return price_id

    def step(
        self, price_id: UUID, price: str, *, unit: str = "EA", least: str = "0", floor: str | None = None
    ) -> UUID:
        """Another step of a price."""
        item_id = new_id()
        self.world.insert(
            "price_items",
            id=item_id,
            price_id=price_id,
            unit=unit,
            min_quantity=Decimal(least),
            price=Decimal(price),
            floor_price=None if floor is None else Decimal(floor),
        )
        return item_id

    def promotion(self, code: str, benefit: str, value: str, *accounts: UUID, **values: Any) -> UUID:
        """A promotion, for some accounts if they are named."""
        promotion_id = new_id()
        own = {"code": code, "name": f"행사 {code}", "benefit": benefit, "value": Decimal(value)}
        self.world.insert("promotions", id=promotion_id, for_accounts=bool(accounts), **own | values)
        for account_id in accounts:
            self.world.insert(
                "promotion_accounts", id=new_id(), promotion_id=promotion_id, account_id=account_id
            )
        return promotion_id

    def cost(self, product_id: UUID, cost: str, currency: str = "KRW", since: date = DAY) -> None:
        """What a piece costs us."""
        self.world.insert(
            "product_costs",
            id=new_id(),
            product_id=product_id,
            currency=currency,
            cost=Decimal(cost),
            valid_from=since,
        )

    def rate(self, currency: str, rate: str, day: date = DAY) -> None:
        """What one of a currency is worth in won."""
        self.world.insert("exchange_rates", id=new_id(), currency=currency, day=day, rate=Decimal(rate))

    def quote(
        self, person: Person, account_id: UUID, *lines: DraftLine, currency: str = "KRW", **more: Any
    ) -> service.Quote:
        """What an order of that person costs."""
        asked = {"priced_on": DAY, "manual_percent": None} | more
        with self.world.acting(person) as (session, actor):
            return service.quote(
                session, actor, account_id=account_id, currency=currency, lines=lines, **asked
            )


def line(
    product_id: UUID,
    quantity: str = "1",
    unit: str = "EA",
    *,
    line_id: str = "1",
    manual: Manual | None = None,
) -> DraftLine:
    """A line of an order."""
    return DraftLine(line_id, str(product_id), unit, Decimal(quantity), manual)


def open_shop(world: World) -> Shop:
    """With a tax of ten percent."""
    shop = Shop(world, new_id())
    world.insert("tax_codes", id=new_id(), code="standard", name="부가가치세", percent=Decimal(10))
    shop.list_id = shop.price_list("BASE")
    shop.assign(shop.list_id)
    return shop


@pytest.fixture
def shop(world: World) -> Shop:
    return open_shop(world)


def nets(quote: service.Quote) -> Sequence[Decimal]:
    """What the lines come to without tax."""
    return [one.net for one in quote.priced.lines]
