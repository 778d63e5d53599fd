"""Amounts of documents, as their currency has them."""

from decimal import Decimal

from app.core.money import CurrencyUnknown, currency_precision
from app.receivables.service.errors import ReceivableInvalid


def check_amount(amount: Decimal, currency: str, field: str = "amount") -> None:
    """Refuse what is no amount above zero in that currency.

    Raises:
        ReceivableInvalid: Nothing or less, too many decimals, or no such currency.
    """
    try:
        places = currency_precision(currency)
    except CurrencyUnknown:
        raise ReceivableInvalid(fields={"currency": "currency_invalid"}) from None
    if amount <= 0:
        raise ReceivableInvalid(fields={field: "value_out_of_range"})
    if amount != round(amount, places):
        raise ReceivableInvalid(fields={field: "too_many_decimals"})
