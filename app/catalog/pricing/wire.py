"""Drafts, books and prices as JSON: how phones hold them, and how the test vectors write them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from app.catalog.pricing.book import Book, ListKind, PriceItem, PriceList, Product
from app.catalog.pricing.draft import Customer, Draft, DraftLine, Manual, ManualKind
from app.catalog.pricing.promotions import Benefit, Promotion
from app.catalog.pricing.result import Priced, PricedLine, Step
from app.catalog.pricing.rounding import EXACT, CurrencyRule, Rounding, RoundingMode

Json = Mapping[str, Any]
Read = TypeVar("Read")

MONEY_PLACES = Decimal("0.0001")
QUANTITY_PLACES = Decimal("0.000001")


def _maybe(read: Callable[[Any], Read], value: Any) -> Read | None:
    return None if value is None else read(value)


def draft_of(raw: Json) -> Draft:
    """Read a draft."""
    customer = raw["customer"]
    return Draft(
        raw["currency"],
        date.fromisoformat(raw["priced_on"]),
        Customer(customer["id"], customer.get("tier"), frozenset(customer.get("kinds", ()))),
        tuple(_line_of(line) for line in raw["lines"]),
        _maybe(Decimal, raw.get("manual_percent")),
        tuple(raw["lists"]),
    )


def _line_of(raw: Json) -> DraftLine:
    manual = raw.get("manual")
    return DraftLine(
        raw["id"],
        raw["product_id"],
        raw["unit"],
        Decimal(raw["quantity"]),
        Manual(ManualKind(manual["kind"]), Decimal(manual["value"])) if manual else None,
    )


def book_of(raw: Json) -> Book:
    """Read a book."""
    return Book.of(
        _currency_of(raw["currency"]),
        [_product_of(one) for one in raw["products"]],
        [_list_of(one) for one in raw["lists"]],
        [promotion_of(one) for one in raw.get("promotions", ())],
        taxes={code: Decimal(rate) for code, rate in raw["taxes"].items()},
        tax_inclusive=raw["tax_inclusive"],
    )


def _currency_of(raw: Json) -> CurrencyRule:
    line, tax = (Rounding(Decimal(raw[k]["unit"]), RoundingMode(raw[k]["mode"])) for k in ("line", "tax"))
    return CurrencyRule(raw["code"], line, tax)


def _product_of(raw: Json) -> Product:
    units = {one["unit"]: Decimal(one["factor"]) for one in raw["units"]}
    return Product(raw["id"], units, frozenset(raw.get("categories", ())), raw["tax"])


def _list_of(raw: Json) -> PriceList:
    items = [
        PriceItem(
            one["product_id"],
            one["unit"],
            Decimal(one["price"]),
            Decimal(one.get("min_quantity") or 0),
            *_span(one),
        )
        for one in raw["items"]
    ]
    return PriceList(raw["id"], ListKind(raw["kind"]), raw["currency"], items, *_span(raw))


def _span(raw: Json) -> tuple[date | None, date | None]:
    return (
        _maybe(date.fromisoformat, raw.get("valid_from")),
        _maybe(date.fromisoformat, raw.get("valid_to")),
    )


def promotion_of(raw: Json) -> Promotion:
    """Read a promotion."""
    since, until = _span(raw)
    sets = {
        name: frozenset(raw.get(name) or ())
        for name in ("products", "categories", "accounts", "tiers", "kinds")
    }
    return Promotion(
        id=raw["id"],
        code=raw["code"],
        benefit=Benefit(raw["benefit"]),
        value=Decimal(raw["value"]),
        priority=raw.get("priority", 100),
        currency=raw.get("currency"),
        group=raw.get("group"),
        exclusive=raw.get("exclusive", False),
        unit=raw.get("unit"),
        min_quantity=Decimal(raw.get("min_quantity") or 0),
        min_amount=Decimal(raw.get("min_amount") or 0),
        repeats=raw.get("repeats", False),
        free_product=raw.get("free_product"),
        free_unit=raw.get("free_unit"),
        valid_from=since,
        valid_to=until,
        budget_left=_maybe(Decimal, raw.get("budget_left")),
        **sets,
    )


def priced_json(priced: Priced, *, explains: bool = True) -> dict[str, Any]:
    """A price on the wire: money with four decimals, quantities with six.

    Args:
        priced: What the engine found.
        explains: Whether each line brings its steps.
    """
    sums = ("list_amount", "gross", "promotion_off", "manual_off", "net", "tax", "total")
    return {
        "currency": priced.currency,
        **{name: money(getattr(priced, name)) for name in sums},
        "lines": [_line_json(line, explains=explains) for line in priced.lines],
        "free_goods": [asdict(one) | {"quantity": quantity(one.quantity)} for one in priced.free_goods],
        "problems": [asdict(problem) for problem in priced.problems],
    }


def money(value: Decimal) -> str:
    """Four decimals."""
    return str(value.quantize(MONEY_PLACES, context=EXACT))


def quantity(value: Decimal) -> str:
    """Six decimals."""
    return str(value.quantize(QUANTITY_PLACES, context=EXACT))


def _line_json(line: PricedLine, *, explains: bool) -> dict[str, Any]:
    amounts = (
        "list_price",
        "unit_price",
        "list_amount",
        "gross",
        "promotion_off",
        "manual_off",
        "net",
        "tax",
        "total",
    )
    found: dict[str, Any] = {
        "id": line.id,
        **{name: money(getattr(line, name)) for name in amounts},
        "tax_rate": money(line.tax_rate),
        "manual_percent": money(line.manual_percent),
        "promotions": list(line.promotions),
    }
    if explains:
        found["steps"] = [_step_json(step) for step in line.steps]
    return found


def _step_json(step: Step) -> dict[str, Any]:
    amounts = {name: getattr(step, name) for name in ("unit_price", "off", "amount")}
    found: dict[str, Any] = {"step": step.step}
    if step.source is not None:
        found["source"] = step.source
    found |= {name: money(value) for name, value in amounts.items() if value is not None}
    if step.skipped is not None:
        found["skipped"] = step.skipped
    return found
