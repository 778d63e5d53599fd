"""Amounts of money as people and ERPs write them, to exact decimals."""

import re
import unicodedata
from decimal import Decimal
from functools import cache
from typing import ClassVar

from babel.numbers import get_currency_precision, get_currency_symbol, list_currencies

_LONGEST_INPUT = 60
_LIMIT = Decimal(10) ** 14  # NUMERIC(18,4) has fourteen digits before the point
_SIGNS = str.maketrans({"−": "-", "–": "-", "△": "-"})  # △: minus in Korean bookkeeping
_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
# Beside the code and the CLDR symbols. A CP949 file shows its backslash as the won sign.
_SPOKEN_SIGNS = {"KRW": ("원", "\\"), "JPY": ("¥", "円", "엔"), "CNY": ("¥", "元", "위안"), "USD": ("달러",)}


# Codes of ISO 4217 for tests, and for where there is none.
NO_CURRENCIES = frozenset({"XTS", 3 * "X"})


class CurrencyUnknown(ValueError):
    """The text is no ISO 4217 code."""

    code: ClassVar[str] = "currency_unknown"


class AmountInvalid(ValueError):
    """The text is no amount in that currency."""

    code: ClassVar[str] = "amount_invalid"


class TooManyDecimals(AmountInvalid):
    """The amount has more decimals than its currency."""

    code: ClassVar[str] = "too_many_decimals"


class AmountOutOfRange(AmountInvalid):
    """The amount has more digits than NUMERIC(18,4) holds."""

    code: ClassVar[str] = "value_out_of_range"


@cache
def currency_precision(currency: str) -> int:
    """Look up how many decimals a currency has: KRW 0, USD 2, KWD 3 (Unicode CLDR through Babel).

    Args:
        currency: An ISO 4217 code in capitals.

    Returns:
        Number of decimals, 0 to 4.

    Raises:
        CurrencyUnknown: There is no such currency.
    """
    if currency not in _known_currencies():
        raise CurrencyUnknown("no ISO 4217 code")
    return get_currency_precision(currency)


def parse_amount(raw: str, currency: str) -> Decimal:
    """Read an amount of money without rounding anything.

    Reads ``1,234,567``, ``₩1,234``, ``1,234원``, ``KRW 1,234``, full-width digits, and negatives as
    ``-1,234``, ``(1,234)``, ``1,234-`` or ``△1,234``. Refuses groups of other than three digits,
    exponents, NaN, and the sign of another currency.

    Zeros after the currency's last decimal are dropped (``1,234.00`` in KRW is 1234), except when there are
    three decimals: ``1.000`` may be a thousand that someone wrote the European way.

    Args:
        raw: The amount as its source writes it.
        currency: ISO 4217 code in capitals.

    Returns:
        The amount with exactly the currency's decimals.

    Raises:
        CurrencyUnknown: There is no such currency.
        AmountInvalid: It is no amount; or, as subclass, TooManyDecimals or AmountOutOfRange.
    """
    precision = currency_precision(currency)
    text = unicodedata.normalize("NFKC", raw).translate(_SIGNS).strip() if len(raw) <= _LONGEST_INPUT else ""
    match = _amount_pattern(currency).fullmatch(text)
    if match is None or bool(match["open"]) != bool(match["close"]):
        raise AmountInvalid("not written as an amount")
    signs = [
        sign for sign in (match["before"], match["after_symbol"], match["open"], match["trailing"]) if sign
    ]
    if len(signs) > 1:
        raise AmountInvalid("more than one sign")

    digits = match["number"].replace(",", "")
    decimals = digits.partition(".")[2]
    if len(decimals.rstrip("0")) > precision or (len(decimals) == 3 > precision):
        raise TooManyDecimals(f"{currency} has {precision} decimals")
    amount = Decimal(digits)
    if amount >= _LIMIT:
        raise AmountOutOfRange("more than fourteen digits before the point")
    amount = amount.quantize(Decimal(1).scaleb(-precision))
    return amount if signs in ([], ["+"]) else -amount


@cache
def _known_currencies() -> frozenset[str]:
    return frozenset(list_currencies("en")) - NO_CURRENCIES


@cache
def _amount_pattern(currency: str) -> re.Pattern[str]:
    symbols = {currency, get_currency_symbol(currency, "en"), get_currency_symbol(currency, "ko")}
    symbols.update(_SPOKEN_SIGNS.get(currency, ()))
    symbol = "|".join(
        re.escape(unicodedata.normalize("NFKC", s)) for s in sorted(symbols, key=len, reverse=True)
    )
    symbol = rf"(?:{symbol})?\s*"
    return re.compile(
        rf"(?P<before>[-+])?\s*{symbol}(?P<open>\()?\s*{symbol}(?P<after_symbol>[-+])?\s*"
        rf"(?P<number>{_NUMBER})\s*{symbol}(?P<close>\))?\s*{symbol}(?P<trailing>-)?",
        re.IGNORECASE,
    )
