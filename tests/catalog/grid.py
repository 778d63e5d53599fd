"""The grid of the published test vectors: rule × currency × tax × boundary."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

Json = dict[str, Any]

DAY, DAY_BEFORE, DAY_AFTER = "2026-11-15", "2026-11-14", "2026-11-16"

CURRENCIES: dict[str, Json] = {
    "KRW": {"code": "KRW", "line": {"unit": "1", "mode": "half_up"}, "tax": {"unit": "1", "mode": "down"}},
    "USD": {
        "code": "USD",
        "line": {"unit": "0.01", "mode": "half_up"},
        "tax": {"unit": "0.01", "mode": "half_up"},
    },
    "CHF": {
        "code": "CHF",
        "line": {"unit": "0.05", "mode": "half_even"},
        "tax": {"unit": "0.05", "mode": "half_even"},
    },
    "KWD": {"code": "KWD", "line": {"unit": "0.001", "mode": "up"}, "tax": {"unit": "0.001", "mode": "up"}},
}
SCALES = {"KRW": Decimal(1000), "USD": Decimal("0.77"), "CHF": Decimal("0.69"), "KWD": Decimal("0.2345")}
TAXES = {"KRW": "10", "USD": "7.25", "CHF": "8.1", "KWD": "5"}


def vectors() -> Iterator[tuple[str, Json, Json]]:
    """Name, draft and book of each."""
    for currency in CURRENCIES:
        for inclusive in (False, True):
            for rule, draft, book in _rules(currency):
                mode = "tax inclusive" if inclusive else "tax exclusive"
                yield f"{rule}, {currency}, {mode}", draft, book | {"tax_inclusive": inclusive}


def _rules(currency: str) -> Iterator[tuple[str, Json, Json]]:
    grid = _Grid(currency)
    yield "list price", *grid.case()
    yield "list price, a third of a thing", *grid.case(quantity="0.333333")
    yield "a free product", *grid.case(tax="zero")
    yield "a pack by its base unit's price", *grid.case(unit="box", items=[grid.item("ea", "12.345")])
    yield "a base unit by its pack's price", *grid.case(items=[grid.item("box", "100")])
    for name, quantity in (("below", "9.999999"), ("at", "10"), ("above", "10.000001")):
        broken = [grid.item("ea", "12.345"), grid.item("ea", "11.111", min_quantity="10")]
        yield f"a quantity {name} the step", *grid.case(quantity=quantity, items=broken)
    for name, since, until in (("its first day", DAY, None), ("its last day", None, DAY)):
        yield (
            f"a price on {name}",
            *grid.case(items=[grid.item("ea", "9.99", valid_from=since, valid_to=until)]),
        )
    yield "a price that begins tomorrow", *grid.case(items=[grid.item("ea", "9.99", valid_from=DAY_AFTER)])
    yield "a price that ended yesterday", *grid.case(items=[grid.item("ea", "9.99", valid_to=DAY_BEFORE)])
    yield "contract price", *grid.case(contract=[grid.item("ea", "10.5")])
    yield "contract price above the list's", *grid.case(contract=[grid.item("ea", "15")])
    yield "contract price from a quantity on", *grid.case(contract=[grid.item("ea", "8", min_quantity="100")])
    yield from _promotions(grid)
    yield from _by_hand(grid)


def _promotions(grid: "_Grid") -> Iterator[tuple[str, Json, Json]]:
    for percent in ("0.01", "3.3333", "50", "100"):
        yield f"{percent} % off", *grid.case(promotions=[grid.promotion("percent", percent)])
    for name, quantity in (("below", "4"), ("at", "5"), ("above", "6")):
        least = grid.promotion("percent", "7", min_quantity="5")
        yield f"a promotion {name} its quantity", *grid.case(quantity=quantity, promotions=[least])
    for name, quantity in (("below", "7"), ("at", "8"), ("above", "9")):
        least = grid.promotion("percent", "7", min_amount=grid.money("98.76"))
        yield f"a promotion {name} its amount", *grid.case(quantity=quantity, promotions=[least])
    yield "so much off each unit", *grid.case(promotions=[grid.promotion("per_unit", grid.money("1.5"))])
    yield "a fixed price", *grid.case(promotions=[grid.promotion("fixed_price", grid.money("9.9"))])
    yield (
        "a fixed price above the list's",
        *grid.case(promotions=[grid.promotion("fixed_price", grid.money("99"))]),
    )
    amount = grid.promotion("amount", grid.money("10"))
    yield "an amount over three lines", *grid.case(lines=3, promotions=[amount])
    yield "an amount above the lines'", *grid.case(promotions=[grid.promotion("amount", grid.money("9999"))])
    goods = grid.promotion(
        "free_goods", "1", min_quantity="10", repeats=True, free_product="gift", free_unit="ea"
    )
    for quantity in ("9", "10", "29"):
        yield f"one free for ten, of {quantity}", *grid.case(quantity=quantity, promotions=[goods])
    first, second = (grid.promotion("percent", "10", n, group="season", priority=n) for n in (1, 2))
    yield "two of one group", *grid.case(promotions=[second, first])
    third = grid.promotion("percent", "5", 3, priority=3)
    yield "two that stand beside each other", *grid.case(promotions=[first, third])
    yield "an exclusive one first", *grid.case(promotions=[first | {"exclusive": True}, third])
    yield "an exclusive one last", *grid.case(promotions=[first, third | {"exclusive": True}])
    for name, left in (("reaches", "1000"), ("does not reach", "0.001")):
        limited = grid.promotion("percent", "10", budget_left=grid.money(left))
        yield f"a budget that {name}", *grid.case(promotions=[limited])
    yield "for another tier", *grid.case(promotions=[grid.promotion("percent", "10", tiers=["C"])])
    yield "on a category", *grid.case(promotions=[grid.promotion("percent", "10", categories=["lube"])])


def _by_hand(grid: "_Grid") -> Iterator[tuple[str, Json, Json]]:
    for percent in ("0", "12.5", "100", "100.01"):
        yield f"{percent} % by hand", *grid.case(manual={"kind": "percent", "value": percent})
    yield "an amount by hand", *grid.case(manual={"kind": "amount", "value": grid.money("3.3")})
    yield "a price by hand", *grid.case(manual={"kind": "unit_price", "value": grid.money("11")})
    yield (
        "a price by hand above the list's",
        *grid.case(manual={"kind": "unit_price", "value": grid.money("20")}),
    )
    yield "by hand on the whole order", *grid.case(lines=3, manual_percent="2.5")
    whole = {"manual": {"kind": "percent", "value": "10"}, "manual_percent": "10"}
    promoted = [grid.promotion("percent", "10")]
    yield (
        "all steps one after the other",
        *grid.case(contract=[grid.item("ea", "10.5")], promotions=promoted, **whole),
    )


class _Grid:
    """Makes drafts and books of one currency; amounts are given for a dollar-like one and scaled."""

    def __init__(self, currency: str) -> None:
        self.currency = currency

    def money(self, amount: str) -> str:
        return f"{Decimal(amount) * SCALES[self.currency]:.4f}"

    def item(self, unit: str, price: str, product: str = "oil", **more: Any) -> Json:
        return {"product_id": product, "unit": unit, "price": self.money(price), **more}

    def promotion(self, benefit: str, value: str, number: int = 1, **more: Any) -> Json:
        return {"id": f"promotion-{number}", "code": f"P{number}", "benefit": benefit, "value": value, **more}

    def case(
        self,
        *,
        quantity: str = "7",
        unit: str = "ea",
        lines: int = 1,
        tax: str = "standard",
        items: list[Json] | None = None,
        contract: list[Json] | None = None,
        promotions: list[Json] | None = None,
        manual: Json | None = None,
        manual_percent: str | None = None,
    ) -> tuple[Json, Json]:
        """A draft and its book; without its tax mode."""
        products = [
            {"id": "oil", "units": _units("12"), "categories": ["lube"], "tax": tax},
            {"id": "gift", "units": _units("6"), "categories": [], "tax": "zero"},
            *[
                {"id": f"other-{n}", "units": _units("3"), "categories": [], "tax": tax}
                for n in range(1, lines)
            ],
        ]
        others = [self.item("ea", f"{n}3.21", f"other-{n}") for n in range(1, lines)]
        listed = (items or [self.item("ea", "12.345")]) + others
        lists = [{"id": "list", "kind": "list", "currency": self.currency, "items": listed}]
        if contract:
            lists.append({"id": "contract", "kind": "contract", "currency": self.currency, "items": contract})
        wanted = ["oil", *[f"other-{n}" for n in range(1, lines)]]
        draft = {
            "currency": self.currency,
            "priced_on": DAY,
            "customer": {"id": "account", "tier": "A", "kinds": ["customer"]},
            "lists": [one["id"] for one in lists],
            "manual_percent": manual_percent,
            "lines": [
                {
                    "id": f"line-{n}",
                    "product_id": product,
                    "unit": unit,
                    "quantity": quantity,
                    "manual": manual,
                }
                for n, product in enumerate(wanted, 1)
            ],
        }
        book = {
            "currency": CURRENCIES[self.currency],
            "taxes": {"standard": TAXES[self.currency], "zero": "0"},
            "products": products,
            "lists": lists,
            "promotions": promotions or [],
        }
        return draft, book


def _units(pack: str) -> list[Json]:
    return [{"unit": "ea", "factor": "1"}, {"unit": "box", "factor": pack}]
