"""A shop whose lists, prices and promotions are drawn, small enough that rules meet; the same for the same seed."""

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from app.core.ids import new_id
from tests.catalog.orders import BENEFITS, TIERS
from tests.catalog.shop import Shop

Json = dict[str, Any]
UNITS = ("EA", "BOX", "DRUM")
GROUPS = (None, "season", "volume")


class Drawing:
    """Draws what is sold, and orders of it."""

    def __init__(self, seed: int, shop: Shop, accounts: list[UUID], today: date) -> None:
        self.random, self.shop, self.accounts, self.today = Random(seed), shop, accounts, today
        self.one = self.random.choice
        self.products: list[UUID] = []

    def fill(self) -> None:
        """Write the catalogue."""
        world = self.shop.world
        world.insert("tax_codes", id=new_id(), code="luxury", percent=Decimal("7.7"))
        mode = {"line_mode": self.one(("half_up", "down")), "tax_mode": self.one(("down", "up"))}
        if self.one((True, False)):
            units = {"line_unit": 1, "tax_unit": self.one((1, 10)), "tax_inclusive": self.one((True, False))}
            world.insert("currencies", id=new_id(), code="KRW", **units, **mode)
        for n in range(5):
            categories = self.random.sample(("lube", "parts"), self.random.randint(0, 2))
            tax = self.one(("standard", "standard", "luxury", "unknown"))
            product = self.shop.product(f"P{n}", tax, categories=categories)
            world.insert(
                "product_units", id=new_id(), product_id=product, unit="DRUM", factor=Decimal("18.9271")
            )
            self.products.append(product)
        lists = [self.shop.list_id, *(self.price_list(n) for n in range(6))]
        for list_id in lists:
            for product in self.random.sample(self.products, 4):
                for number in range(self.random.randint(1, 3)):
                    self.price(list_id, product, number)
        for n in range(25):
            self.promotion(n)

    def price_list(self, number: int) -> UUID:
        kind = self.one(("list", "contract"))
        currency = self.one(("KRW", "KRW", "KRW", "USD"))
        list_id = self.shop.price_list(f"L{number}", kind=kind, currency=currency, **self.span())
        whom: tuple[Json, ...] = (
            {"everybody": True},
            {"territory_id": self.shop.world.north},
            {"territory_id": self.shop.world.south},
            *({"account_id": one} for one in self.accounts),
        )
        for one in self.random.sample(whom, self.random.randint(1, 3)):
            self.shop.assign(list_id, rank=self.one((1, 100)), **one)
        return list_id

    def day(self, least: int, most: int) -> date:
        return self.today + timedelta(days=self.random.randint(least, most))

    def span(self) -> Json:
        since = self.one((None, self.day(-60, 20)))
        until = self.one((None, None, max(self.day(-20, 40), since or self.today - timedelta(days=90))))
        return {"valid_from": since, "valid_to": until}

    def decimal(self, most: int, places: int) -> str:
        return str(Decimal(self.random.randint(0, most * 10**places)).scaleb(-places))

    def amount(self) -> str:
        return self.one((str(self.random.randint(0, 500_000)), self.decimal(5_000, 2), self.decimal(100, 4)))

    def price(self, list_id: UUID, product: UUID, number: int) -> None:
        since = self.today - timedelta(days=40 * (number + 1) - self.random.randint(0, 60))
        until = self.one((None, None, since + timedelta(days=self.random.randint(0, 70))))
        unit = self.one(UNITS)
        price = self.shop.price(
            product, self.amount(), list_id=list_id, unit=unit, floor="1", since=since, until=until
        )
        for least in self.random.sample(("1", "10", "12.5", "100"), self.random.randint(0, 2)):
            self.shop.step(price, self.amount(), unit=self.one(UNITS), least=least)

    def promotion(self, number: int) -> None:
        benefit = self.one(BENEFITS)
        value = self.decimal(100, 4) if benefit == "percent" else self.one((self.amount(), "1"))
        self.shop.promotion(
            f"S{number}",
            benefit,
            value,
            *self.random.sample(self.accounts, self.one((0, 0, 1, 2))),
            **self.span(),
            currency=self.one((None, "KRW", "USD")),
            products=[str(one) for one in self.random.sample(self.products, self.one((0, 0, 2)))],
            categories=self.one(([], [], ["lube"])),
            tiers=self.one(([], [], self.random.sample(TIERS, 2))),
            kinds=self.one(([], [], ["customer"])),
            priority=self.random.randint(1, 3),
            stacking_group=self.one(GROUPS),
            exclusive=self.one((False, False, False, True)),
            unit=self.one((None, *UNITS)),
            min_quantity=Decimal(self.one(("0", "0", "5", "7.5"))),
            min_amount=Decimal(self.one(("0", "0", "1000", "99.99"))),
            repeats=self.one((False, True)),
            free_product_id=self.one((None, *self.products)),
            free_unit=self.one(UNITS),
            budget_left=self.one((None, None, Decimal(5), Decimal(100_000))),
        )

    def order(self) -> Json:
        day = self.today + timedelta(days=self.one((0, 0, 0, 1, 8, 29)))
        return {
            "currency": self.one(("KRW", "KRW", "USD")),
            "priced_on": day.isoformat(),
            "lines": [self.line(n) for n in range(self.random.randint(1, 4))],
            "manual_percent": self.one((None, None, "3.3333")),
        }

    def line(self, number: int) -> Json:
        kind = self.one((None, None, "percent", "amount", "unit_price"))
        value = self.decimal(101, 2) if kind == "percent" else self.amount()
        quantity = self.one((str(self.random.randint(1, 200)), self.decimal(50, 3), "0"))
        return {
            "id": f"line-{number}",
            "product_id": str(self.one(self.products)),
            "unit": self.one((*UNITS, *UNITS, "TON")),
            "quantity": quantity,
            "manual": kind and {"kind": kind, "value": value},
        }
