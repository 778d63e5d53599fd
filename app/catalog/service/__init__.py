"""What may be done with the catalogue, and what an order costs by it."""

from app.catalog.service.budgets import release_budgets, reserve_budgets
from app.catalog.service.currencies import (
    BaseAmount,
    Terms,
    currency_rule,
    currency_terms,
    in_base,
    list_rates,
    minor_unit,
    set_rate,
)
from app.catalog.service.errors import BudgetSpent, CatalogInvalid, CodeTaken, RateMissing
from app.catalog.service.importing import AT_ONCE, Outcome, PriceRow, PriceTaken, import_prices
from app.catalog.service.products import (
    find_by_sku,
    get_product,
    list_offers,
    list_price_changes,
    list_products,
    refer_to_product,
)
from app.catalog.service.quoting import Quote, quote
from app.catalog.service.searching import find_products, product_documents, product_ids, sees_products
from app.catalog.service.secrets import get_cost, list_floors, set_cost
from app.catalog.service.upkeep import (
    ASSIGNMENTS,
    CURRENCIES,
    PRICE_LISTS,
    PRICES,
    PRODUCTS,
    PROMOTION_ACCOUNTS,
    PROMOTIONS,
    TAX_CODES,
    Kept,
)

__all__ = [
    "ASSIGNMENTS",
    "AT_ONCE",
    "CURRENCIES",
    "PRICES",
    "PRICE_LISTS",
    "PRODUCTS",
    "PROMOTIONS",
    "PROMOTION_ACCOUNTS",
    "TAX_CODES",
    "BaseAmount",
    "BudgetSpent",
    "CatalogInvalid",
    "CodeTaken",
    "Kept",
    "Outcome",
    "PriceRow",
    "PriceTaken",
    "Quote",
    "RateMissing",
    "Terms",
    "currency_rule",
    "currency_terms",
    "find_by_sku",
    "find_products",
    "get_cost",
    "get_product",
    "import_prices",
    "in_base",
    "list_floors",
    "list_offers",
    "list_price_changes",
    "list_products",
    "list_rates",
    "minor_unit",
    "product_documents",
    "product_ids",
    "quote",
    "refer_to_product",
    "release_budgets",
    "reserve_budgets",
    "sees_products",
    "set_cost",
    "set_rate",
]
