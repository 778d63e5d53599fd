"""The price book of a customer, put together from what the phone holds; see pricing.py for what is done with it.

Nothing here is asked of the server: lists, prices, promotions and roundings came with the sync.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from examples.phone.pricing import price_order

Json = dict[str, Any]
Bodies = Mapping[str, Json]

KEPT_DAYS = 7
"""A price that ended longer ago is as good as none."""

# fmt: off
WITHOUT_DECIMALS = frozenset((
    "ADP", "AFN", "ALL", "BIF", "BYR", "CLP", "DJF", "ESP", "GNF", "IQD", "IRR", "ISK", "ITL", "JPY", "KMF",
    "KPW", "KRW", "LAK", "LBP", "LUF", "MGA", "MGF", "MMK", "MRO", "PYG", "RSD", "RWF", "SLL", "SOS", "STD",
    "SYP", "TMM", "TRL", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF", "YER", "ZMK", "ZWD",
))
# fmt: on
WITH_THREE = frozenset(("BHD", "JOD", "KWD", "LYD", "OMR", "TND"))
WITH_FOUR = frozenset(("CLF", "UYW"))


class PriceBook:
    """Prices orders without a network."""

    def __init__(self, records: Callable[[str], Bodies]) -> None:
        """Read from the store.

        Args:
            records: Bodies by id of an entity, as ``Store.records`` gives them.
        """
        self.records = records

    def price(
        self,
        account_id: str,
        currency: str,
        day: str,
        lines: Collection[Json],
        manual_percent: str | None = None,
    ) -> Json:
        """What an order costs: the trace that the server compares with its own at submit.

        Args:
            account_id: A customer that the phone holds.
            currency: ISO 4217.
            day: Whose prices hold, ``YYYY-MM-DD``.
            lines: ``id, product_id, unit, quantity`` and perhaps ``manual``.
            manual_percent: Given by hand on the whole order.
        """
        account = self.records("account")[account_id]
        lists = self.lists_of(account, currency)
        draft = {
            "currency": currency,
            "priced_on": day,
            "customer": {"id": account_id, "tier": account["tier"], "kinds": account["kinds"]},
            "lines": list(lines),
            "manual_percent": manual_percent,
            "lists": [one["id"] for one in lists],
        }
        return price_order(draft, self.book(account_id, currency, day, lists, lines))

    def book(
        self, account_id: str, currency: str, day: str, lists: Iterable[Json], lines: Iterable[Json]
    ) -> Json:
        """What pricing needs of the catalogue for these lines."""
        wanted = {line["product_id"] for line in lines}
        promotions = [self.promotion(one, account_id) for one in self.records("promotion").values()]
        needed = wanted | {one["free_product"] for one in promotions if one["free_product"]}
        products = self.records("product")
        rounding = self.rounding(currency)
        return {
            "currency": rounding,
            "tax_inclusive": rounding["tax_inclusive"],
            "taxes": {one["code"]: one["percent"] for one in self.records("tax_code").values()},
            "products": [product(products[one]) for one in sorted(needed & products.keys())],
            "lists": self.with_items(lists, wanted, day),
            "promotions": promotions,
        }

    def lists_of(self, account: Json, currency: str) -> list[Json]:
        """The customer's lists: its own, its territory's, everybody's; of each kind by rank, then by code."""
        known = self.records("price_list")
        found = []
        for one in self.records("price_list_assignment").values():
            price_list = known.get(one["price_list_id"])
            if price_list is None or price_list["currency"] != currency:
                continue
            is_of_territory = one["territory_id"] and one["territory_id"] == account["territory_id"]
            if one["account_id"] == account["id"] or is_of_territory or one["everybody"]:
                near = (one["account_id"] is None, one["territory_id"] is None)
                found.append(((*near, one["rank"], price_list["code"]), price_list))
        ordered = [price_list for _, price_list in sorted(found, key=lambda pair: pair[0])]
        return list({one["id"]: one for one in reversed(ordered)}.values())[::-1]

    def with_items(self, lists: Iterable[Json], wanted: Collection[str], day: str) -> list[Json]:
        """The lists with their prices of these products."""
        oldest = (date.fromisoformat(day) - timedelta(days=KEPT_DAYS)).isoformat()
        items: dict[str, list[Json]] = {one["id"]: [] for one in lists if not ended(one, oldest)}
        for price in self.records("price").values():
            if price["product_id"] not in wanted or price["price_list_id"] not in items:
                continue
            if not ended(price, oldest) and price["valid_from"] <= day:
                days = {name: price[name] for name in ("product_id", "valid_from", "valid_to")}
                items[price["price_list_id"]] += [step | days for step in price["items"]]
        return [one | {"items": items[one["id"]]} for one in lists if one["id"] in items]

    def promotion(self, raw: Json, account_id: str) -> Json:
        """A promotion for pricing; one for some accounts is for this one, or for none that we know."""
        accounts: list[str] = []
        if raw["for_accounts"]:
            ours = any(
                (one["promotion_id"], one["account_id"]) == (raw["id"], account_id)
                for one in self.records("promotion_account").values()
            )
            accounts = [account_id] if ours else ["another"]
        free = {"free_product": raw["free_product_id"], "group": raw["stacking_group"]}
        return raw | free | {"accounts": accounts}

    def rounding(self, currency: str) -> Json:
        """How a currency rounds: as the company says, and without a word to its minor unit, half up."""
        for one in self.records("currency").values():
            if one["code"] == currency:
                line, tax = (
                    {"unit": one[f"{name}_unit"], "mode": one[f"{name}_mode"]} for name in ("line", "tax")
                )
                return {"code": currency, "line": line, "tax": tax, "tax_inclusive": one["tax_inclusive"]}
        whole = {"unit": minor_unit(currency), "mode": "half_up"}
        return {"code": currency, "line": whole, "tax": whole, "tax_inclusive": False}


def product(raw: Json) -> Json:
    """A product for pricing; its base unit is one of itself."""
    others = [one for one in raw["units"] if one["unit"] != raw["base_unit"]]
    return {
        "id": raw["id"],
        "units": [*others, {"unit": raw["base_unit"], "factor": "1"}],
        "categories": raw["categories"],
        "tax": raw["tax_code"],
    }


def ended(spanned: Json, oldest: str) -> bool:
    """Whether a span ended before a day; days compare as they are written."""
    return spanned["valid_to"] is not None and spanned["valid_to"] < oldest


def minor_unit(currency: str) -> str:
    """The smallest coin: 1 of the won, 0.01 of the dollar."""
    if currency in WITHOUT_DECIMALS:
        return "1"
    return "0.001" if currency in WITH_THREE else "0.0001" if currency in WITH_FOUR else "0.01"
