"""What an order will cost, worked out without a network from records that were synced.

Written for reading, with fractions instead of rounded decimals: the amounts are those of the server, to the last
digit, and the vectors in openapi/vectors/pricing.json prove it. Port this file, and run the vectors on your port.
"""

from fractions import Fraction
from math import floor
from typing import Any

Json = dict[str, Any]


def price_order(draft: Json, book: Json) -> Json:
    """The order's lines with their amounts, what comes along free, what has no price, and the sums."""
    order = _Order(draft, book)
    for line in draft["lines"]:
        order.begin(line)
    for promotion in sorted(
        book.get("promotions", ()), key=lambda one: (one.get("priority", 100), one["code"])
    ):
        order.promote(promotion)
    return order.finish()


class _Line:
    """One line on its way from the list price to the total."""

    def __init__(self, raw: Json, product: Json) -> None:
        self.raw, self.product = raw, product
        self.units = {one["unit"]: Fraction(one["factor"]) for one in product["units"]}
        self.quantity = Fraction(raw["quantity"])
        self.list_price = self.unit_price = self.list_amount = self.gross = self.amount = Fraction(0)
        self.promotion_off = self.manual_off = Fraction(0)
        self.promotions: list[str] = []
        self.groups: set[str] = set()
        self.closed = False
        self.steps: list[Json] = []

    def quantity_in(self, unit: str | None) -> Fraction | None:
        """The quantity in another unit of the product, in its base unit for none."""
        if unit is None:
            return self.quantity * self.units[self.raw["unit"]]
        if unit not in self.units:
            return None
        return self.quantity * self.units[self.raw["unit"]] / self.units[unit]


class _Order:
    def __init__(self, draft: Json, book: Json) -> None:
        self.draft, self.book, self.day = draft, book, draft["priced_on"]
        self.products = {one["id"]: one for one in book["products"]}
        self.lists = [one for wanted in draft["lists"] for one in book["lists"] if one["id"] == wanted]
        self.lines: list[_Line] = []
        self.problems: list[Json] = []
        self.free_goods: list[Json] = []

    # -- list and contract price

    def begin(self, raw: Json) -> None:
        product = self.products.get(raw["product_id"])
        if product is None:
            return self.refuse(raw, "product_unknown")
        line = _Line(raw, product)
        if raw["unit"] not in line.units:
            return self.refuse(raw, "unit_unknown")
        if line.quantity <= 0:
            return self.refuse(raw, "quantity_invalid")
        if not self.take_price(line, "list"):
            return self.refuse(raw, "price_expired" if self.had_a_price(product) else "price_missing")
        line.list_price, line.list_amount = line.unit_price, line.gross
        self.take_price(line, "contract")
        self.lines.append(line)
        return None

    def refuse(self, raw: Json, code: str) -> None:
        self.problems.append({"line_id": raw["id"], "code": code})

    def take_price(self, line: _Line, kind: str) -> bool:
        """The price of the first list of that kind that has one."""
        for price_list in self.lists:
            if price_list["kind"] != kind or price_list["currency"] != self.draft["currency"]:
                continue
            if not self.holds(price_list):
                continue
            items = [one for one in price_list["items"] if self.fits(one, line)]
            if items:
                item = max(items, key=lambda one: self.rank(one, line))
                per_unit = Fraction(item["price"]) * line.units[line.raw["unit"]] / line.units[item["unit"]]
                line.unit_price = rounded(per_unit, Fraction(1, 10_000), "half_up")
                line.gross = line.amount = self.money(line.quantity * line.unit_price)
                step = {"step": kind, "source": price_list["id"], "unit_price": decimals(line.unit_price, 4)}
                line.steps.append(step | {"amount": decimals(line.amount, 4)})
                return True
        return False

    def fits(self, item: Json, line: _Line) -> bool:
        if item["product_id"] != line.product["id"] or not self.holds(item):
            return False
        quantity = line.quantity_in(item["unit"])
        return quantity is not None and quantity >= Fraction(item.get("min_quantity") or 0)

    def rank(self, item: Json, line: _Line) -> tuple[Any, ...]:
        """The ordered unit before the base unit before others; the highest step; the newest; the cheapest."""
        factor = line.units[item["unit"]]
        least = Fraction(item.get("min_quantity") or 0) * factor
        newest = item.get("valid_from") or ""
        return item["unit"] == line.raw["unit"], factor == 1, least, newest, -Fraction(item["price"])

    def holds(self, spanned: Json) -> bool:
        """Whether a span of days contains the order's day; days compare as they are written."""
        since, until = spanned.get("valid_from"), spanned.get("valid_to")
        return (since is None or since <= self.day) and (until is None or self.day <= until)

    def had_a_price(self, product: Json) -> bool:
        for one in self.lists:
            if one["kind"] == "list" and one["currency"] == self.draft["currency"]:
                for item in one["items"]:
                    ends = [end for end in (one.get("valid_to"), item.get("valid_to")) if end]
                    if item["product_id"] == product["id"] and ends and min(ends) < self.day:
                        return True
        return False

    # -- promotions

    def promote(self, promotion: Json) -> None:
        if not self.is_for_us(promotion):
            return None
        lines = [line for line in self.lines if self.is_on(promotion, line)]
        lines = [line for line in lines if self.admits(promotion, line)]
        if not lines:
            return None
        times = self.times(promotion, lines)
        if times == 0:
            return self.skip(promotion, lines, "minimum")
        if promotion["benefit"] == "free_goods":
            return self.give_goods(promotion, lines, times)
        offs = self.offs(promotion, lines, times)
        if offs is None:
            return self.skip(promotion, lines, "unit")
        left = promotion.get("budget_left")
        if left is not None and sum(offs) > Fraction(left):
            return self.skip(promotion, lines, "budget")
        for line, off in zip(lines, offs, strict=True):
            if off:
                self.count(promotion, line, off)
        return None

    def is_for_us(self, promotion: Json) -> bool:
        customer = self.draft["customer"]
        accounts, tiers, kinds = (promotion.get(name) for name in ("accounts", "tiers", "kinds"))
        return (
            self.holds(promotion)
            and promotion.get("currency") in (None, self.draft["currency"])
            and (not accounts or customer["id"] in accounts)
            and (not tiers or customer.get("tier") in tiers)
            and (not kinds or bool(set(kinds) & set(customer.get("kinds", ()))))
        )

    def is_on(self, promotion: Json, line: _Line) -> bool:
        products, categories = promotion.get("products") or (), promotion.get("categories") or ()
        anything = not products and not categories
        of_category = set(categories) & set(line.product.get("categories", ()))
        return anything or line.product["id"] in products or bool(of_category)

    def admits(self, promotion: Json, line: _Line) -> bool:
        if line.closed or (promotion.get("exclusive") and line.promotions):
            self.skip(promotion, [line], "exclusive")
        elif promotion.get("group") is not None and promotion["group"] in line.groups:
            self.skip(promotion, [line], "group")
        else:
            return True
        return False

    def skip(self, promotion: Json, lines: list[_Line], why: str) -> None:
        for line in lines:
            line.steps.append({"step": "promotion", "source": promotion["id"], "skipped": why})

    def times(self, promotion: Json, lines: list[_Line]) -> int:
        reached = []
        if least := Fraction(promotion.get("min_quantity") or 0):
            reached.append(sum(line.quantity_in(promotion.get("unit")) or 0 for line in lines) / least)
        if least := Fraction(promotion.get("min_amount") or 0):
            reached.append(sum(line.gross for line in lines) / least)
        whole = floor(min(reached, default=Fraction(1)))
        return whole if promotion.get("repeats") else min(whole, 1)

    def offs(self, promotion: Json, lines: list[_Line], times: int) -> list[Fraction] | None:
        value, benefit = Fraction(promotion["value"]), promotion["benefit"]
        if benefit == "percent":
            return [self.money(line.amount * value / 100) for line in lines]
        if benefit == "amount":
            whole = sum((line.amount for line in lines), Fraction(0))
            return self.share_out(min(self.money(value * times), whole), [line.amount for line in lines])
        quantities = [line.quantity_in(promotion.get("unit")) for line in lines]
        if all(quantity is None for quantity in quantities):
            return None
        found = []
        for line, quantity in zip(lines, quantities, strict=True):
            worth = self.money((quantity or 0) * value)
            if benefit == "per_unit":
                found.append(min(worth, line.amount))
            else:  # fixed_price
                found.append(Fraction(0) if quantity is None else max(Fraction(0), line.amount - worth))
        return found

    def share_out(self, amount: Fraction, weights: list[Fraction]) -> list[Fraction]:
        """In proportion, in whole units; what is left goes to the largest remainders, the first one first."""
        if amount <= 0:
            return [Fraction(0) for _ in weights]
        unit = Fraction(self.book["currency"]["line"]["unit"])
        exact = [amount / unit * weight / sum(weights) for weight in weights]
        shares = [floor(share) for share in exact]
        left = int(amount / unit) - sum(shares)
        for index in sorted(range(len(exact)), key=lambda i: (shares[i] - exact[i], i))[:left]:
            shares[index] += 1
        return [share * unit for share in shares]

    def give_goods(self, promotion: Json, lines: list[_Line], times: int) -> None:
        product = self.products.get(promotion.get("free_product") or "")
        unit = promotion.get("free_unit")
        if product is None or unit not in {one["unit"] for one in product["units"]}:
            return self.skip(promotion, lines, "unit")
        quantity = Fraction(promotion["value"]) * times
        left = promotion.get("budget_left")
        if quantity == 0:
            return None
        if left is not None and quantity > Fraction(left):
            return self.skip(promotion, lines, "budget")
        goods = {"promotion_id": promotion["id"], "product_id": product["id"], "unit": unit}
        self.free_goods.append(goods | {"quantity": decimals(quantity, 6)})
        for line in lines:
            self.count(promotion, line, Fraction(0))
        return None

    def count(self, promotion: Json, line: _Line, off: Fraction) -> None:
        line.amount -= off
        line.promotion_off += off
        line.promotions.append(promotion["id"])
        line.closed = line.closed or bool(promotion.get("exclusive"))
        if promotion.get("group") is not None:
            line.groups.add(promotion["group"])
        self.step(line, "promotion", off, source=promotion["id"])

    def step(self, line: _Line, name: str, off: Fraction, **more: str) -> None:
        step = {"step": name, **more, "off": decimals(off, 4)}
        line.steps.append(step | {"amount": decimals(line.amount, 4)})

    # -- by hand, tax, sums

    def finish(self) -> Json:
        priced = {line.raw["id"]: self.finished(line) for line in self.lines}
        lines = [priced.get(raw["id"]) or nothing(raw) for raw in self.draft["lines"]]
        sums = ("list_amount", "gross", "promotion_off", "manual_off", "net", "tax", "total")
        return {
            "currency": self.draft["currency"],
            **{name: decimals(sum(Fraction(line[name]) for line in lines), 4) for name in sums},
            "lines": lines,
            "free_goods": self.free_goods,
            "problems": self.problems,
        }

    def finished(self, line: _Line) -> Json | None:
        before = line.amount
        percent = self.draft.get("manual_percent")
        whole = None if percent is None else {"kind": "percent", "value": percent}
        for name, manual in (("manual", line.raw.get("manual")), ("order_manual", whole)):
            if manual is not None:
                off = self.manual_off(line, manual)
                if off is None:
                    self.refuse(line.raw, "manual_invalid")
                    return None
                line.amount -= off
                line.manual_off += off
                self.step(line, name, off)
        rate = self.book["taxes"].get(line.product["tax"])
        if rate is None:
            self.refuse(line.raw, "tax_unknown")
            return None
        tax, net = self.tax(line.amount, Fraction(rate))
        granted = line.manual_off * 100 / before if before else Fraction(0)
        return {
            "id": line.raw["id"],
            "list_price": decimals(line.list_price, 4),
            "unit_price": decimals(line.unit_price, 4),
            "list_amount": decimals(line.list_amount, 4),
            "gross": decimals(line.gross, 4),
            "promotion_off": decimals(line.promotion_off, 4),
            "manual_off": decimals(line.manual_off, 4),
            "net": decimals(net, 4),
            "tax": decimals(tax, 4),
            "total": decimals(net + tax, 4),
            "tax_rate": decimals(Fraction(rate), 4),
            "manual_percent": decimals(rounded(granted, Fraction(1, 10_000), "half_up"), 4),
            "promotions": line.promotions,
            "steps": line.steps,
        }

    def manual_off(self, line: _Line, manual: Json) -> Fraction | None:
        value, kind = Fraction(manual["value"]), manual["kind"]
        if value < 0 or (kind == "percent" and value > 100):
            return None
        if kind == "percent":
            off = self.money(line.amount * value / 100)
        elif kind == "amount":
            off = self.money(value)
        else:
            off = line.amount - self.money(line.quantity * value)
        return off if 0 <= off <= line.amount else None

    def tax(self, amount: Fraction, rate: Fraction) -> tuple[Fraction, Fraction]:
        """The tax on an amount, and the amount without it."""
        rule = self.book["currency"]["tax"]
        inclusive = self.book["tax_inclusive"]
        exact = amount * rate / (100 + rate) if inclusive else amount * rate / 100
        tax = rounded(exact, Fraction(rule["unit"]), rule["mode"])
        return tax, amount - tax if inclusive else amount

    def money(self, amount: Fraction) -> Fraction:
        rule = self.book["currency"]["line"]
        return rounded(amount, Fraction(rule["unit"]), rule["mode"])


def rounded(amount: Fraction, unit: Fraction, mode: str) -> Fraction:
    """To whole multiples of the unit; below zero as above it."""
    times = abs(amount) / unit
    whole, rest = floor(times), times - floor(times)
    half = Fraction(1, 2)
    goes_up = {
        "down": False,
        "up": rest > 0,
        "half_up": rest >= half,
        "half_even": rest > half or (rest == half and whole % 2 == 1),
    }[mode]
    found = (whole + goes_up) * unit
    return found if amount >= 0 else -found


def decimals(value: Fraction | int, places: int) -> str:
    """With so many decimals; the value has no more."""
    units = value * 10**places
    digits = f"{abs(int(units)):0{places + 1}}"
    return f"{'-' if units < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def nothing(raw: Json) -> Json:
    """A line without a price."""
    names = (
        "list_price", "unit_price", "list_amount", "gross", "promotion_off", "manual_off", "net", "tax", "total",
        "tax_rate", "manual_percent",
    )  # fmt: skip
    return {"id": raw["id"], **dict.fromkeys(names, "0.0000"), "promotions": [], "steps": []}
