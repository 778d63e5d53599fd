"""Any order with any price book, small enough that rules meet; the same for the same seed."""

from decimal import Decimal
from random import Random
from typing import Any

Json = dict[str, Any]

PRODUCTS = ("oil", "filter", "pump")
UNITS = ("ea", "box", "drum")
TIERS = ("A", "B", "C")
DAYS = ("2026-10-31", "2026-11-01", "2026-11-15", "2026-11-30", "2026-12-01")
CURRENCIES: tuple[Json, ...] = (
    {"code": "KRW", "line": {"unit": "1", "mode": "half_up"}, "tax": {"unit": "1", "mode": "down"}},
    {"code": "KRW", "line": {"unit": "10", "mode": "down"}, "tax": {"unit": "10", "mode": "down"}},
    {"code": "USD", "line": {"unit": "0.01", "mode": "half_up"}, "tax": {"unit": "0.01", "mode": "half_up"}},
    {
        "code": "CHF",
        "line": {"unit": "0.05", "mode": "half_even"},
        "tax": {"unit": "0.05", "mode": "half_even"},
    },
    {"code": "KWD", "line": {"unit": "0.001", "mode": "up"}, "tax": {"unit": "0.001", "mode": "up"}},
)
BENEFITS = ("percent", "per_unit", "fixed_price", "amount", "free_goods")


class Maker:
    """Draws one order and its book."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.one = self.random.choice

    def order(self) -> tuple[Json, Json]:
        """A draft and the book that it is priced by."""
        book = self.book()
        return self.draft(book["currency"]["code"]), book

    def decimal(self, most: int, places: int) -> str:
        return str(Decimal(self.random.randint(0, most * 10**places)).scaleb(-places))

    def quantity(self) -> str:
        return self.one(
            ("0", *[str(self.random.randint(1, 200))] * 9, self.decimal(500, 3), self.decimal(50, 6))
        )

    def price(self) -> str:
        return self.one((str(self.random.randint(0, 500_000)), self.decimal(5_000, 2), self.decimal(100, 4)))

    def span(self) -> Json:
        since, until = (self.one((*[None] * 12, *DAYS)) for _ in range(2))
        return {"valid_from": since, "valid_to": until}

    def some(self, of: tuple[str, ...], most: int) -> list[str]:
        return sorted(self.random.sample(of, self.random.randint(0, most)))

    def item(self) -> Json:
        own = {"product_id": self.one(PRODUCTS), "unit": self.one(UNITS), "price": self.price()}
        return own | {"min_quantity": self.one(("0", "0", "1", "10", "12.5", "100"))} | self.span()

    def promotion(self, number: int) -> Json:
        benefit = self.one(BENEFITS)
        value = self.decimal(100, 4) if benefit == "percent" else self.one((self.price(), self.one("123")))
        return {
            "id": f"promotion-{number}",
            "code": f"P{number}",
            "benefit": benefit,
            "value": value,
            "currency": self.one((None, None, "KRW")),
            "products": self.one(([], self.some(PRODUCTS, 2))),
            "categories": self.one(([], [], self.some(("lube", "parts"), 1))),
            "accounts": self.one(([], [], [], ["ours"], ["another"])),
            "tiers": self.one(([], [], self.some(TIERS, 2))),
            "kinds": self.one(([], [], ["customer"])),
            "priority": self.random.randint(1, 3),
            "group": self.one((None, "season", "volume")),
            "exclusive": self.one((False, False, True)),
            "unit": self.one((None, *UNITS)),
            "min_quantity": self.one(("0", "0", "5", "7.5")),
            "min_amount": self.one(("0", "0", "1000", "99.99")),
            "repeats": self.one((False, True)),
            "free_product": self.one((None, *PRODUCTS)),
            "free_unit": self.one((None, *UNITS)),
            "budget_left": self.one((None, None, "0", "5", "100000")),
        } | self.span()

    def product(self, name: str) -> Json:
        units = [{"unit": "ea", "factor": "1"}]
        for unit in self.some(UNITS[1:], 2):
            units.append({"unit": unit, "factor": self.one(("3", "12", "200", "0.5", "18.9271"))})
        tax = self.one(("standard", "standard", "standard", "zero", "unknown"))
        return {"id": name, "units": units, "categories": self.some(("lube", "parts"), 2), "tax": tax}

    def book(self) -> Json:
        currency = self.one(CURRENCIES)
        lists = []
        for name, kind in (("base", "list"), ("second", "list"), ("deal", "contract"), ("old", "contract")):
            code = self.one((*[currency["code"]] * 5, "EUR"))
            rows = [self.item() for _ in range(self.random.randint(4, 14))]
            lists.append({"id": name, "kind": kind, "currency": code, "items": rows} | self.span())
        return {
            "currency": currency,
            "tax_inclusive": self.one((False, True)),
            "taxes": {"standard": self.one(("10", "7.7", "19")), "zero": "0"},
            "products": [self.product(name) for name in PRODUCTS],
            "lists": lists,
            "promotions": [self.promotion(n) for n in range(self.random.randint(0, 6))],
        }

    def manual(self) -> Json | None:
        kind = self.one((None, "percent", "amount", "unit_price"))
        return kind and {"kind": kind, "value": self.decimal(101, 2) if kind == "percent" else self.price()}

    def draft(self, currency: str) -> Json:
        lines = []
        for number in range(self.random.randint(0, 4)):
            own = {"product_id": self.one((*PRODUCTS, *PRODUCTS, "unknown")), "unit": self.one(UNITS)}
            rest = {"quantity": self.quantity(), "manual": self.manual()}
            lines.append({"id": f"line-{number}"} | own | rest)
        return {
            "currency": currency,
            "priced_on": self.one(DAYS),
            "customer": {"id": "ours", "tier": self.one((None, *TIERS)), "kinds": ["customer"]},
            "lists": self.random.sample(("base", "second", "deal", "old"), 4),
            "manual_percent": self.one((None, None, self.decimal(20, 2))),
            "lines": lines,
        }
