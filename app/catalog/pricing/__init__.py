"""What an order costs, and why: pure, exact, the same on the server and on a phone. See docs/pricing.md."""

from app.catalog.pricing.book import Book, ListKind, PriceItem, PriceList, Product
from app.catalog.pricing.draft import Customer, Draft, DraftLine, Manual, ManualKind
from app.catalog.pricing.engine import find_price, price_order
from app.catalog.pricing.promotions import Benefit, Promotion
from app.catalog.pricing.result import FreeGoods, Priced, PricedLine, Problem, Step
from app.catalog.pricing.rounding import CurrencyRule, Rounding, RoundingMode

__all__ = [
    "Benefit",
    "Book",
    "CurrencyRule",
    "Customer",
    "Draft",
    "DraftLine",
    "FreeGoods",
    "ListKind",
    "Manual",
    "ManualKind",
    "PriceItem",
    "PriceList",
    "Priced",
    "PricedLine",
    "Problem",
    "Product",
    "Promotion",
    "Rounding",
    "RoundingMode",
    "Step",
    "find_price",
    "price_order",
]
