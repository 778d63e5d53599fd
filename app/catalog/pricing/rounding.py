"""Exact decimals, and how a currency rounds them."""

import decimal
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

# Quantities and prices have eighteen digits each: their product is exact, a quotient closer than any tie.
EXACT = decimal.Context(
    prec=60, rounding=decimal.ROUND_HALF_UP, traps=[decimal.InvalidOperation, decimal.DivisionByZero]
)
ZERO = Decimal(0)
HUNDRED = Decimal(100)
PRICE_PLACES = Decimal("0.0001")
PERCENT_PLACES = Decimal("0.0001")


class RoundingMode(enum.StrEnum):
    """What becomes of the part below the unit; of amounts below zero as of those above."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    UP = "up"
    DOWN = "down"


_MODES = {
    RoundingMode.HALF_UP: decimal.ROUND_HALF_UP,
    RoundingMode.HALF_EVEN: decimal.ROUND_HALF_EVEN,
    RoundingMode.UP: decimal.ROUND_UP,
    RoundingMode.DOWN: decimal.ROUND_DOWN,
}


@dataclass(frozen=True, slots=True)
class Rounding:
    """To whole multiples of *unit*: ``1`` for the won, ``10`` where the last won is dropped, ``0.05`` for rappen."""

    unit: Decimal
    mode: RoundingMode = RoundingMode.HALF_UP

    def __call__(self, amount: Decimal) -> Decimal:
        """The amount as a multiple of the unit, with the unit's decimals."""
        times = EXACT.divide(amount, self.unit).quantize(Decimal(1), _MODES[self.mode], EXACT)
        return EXACT.multiply(times, self.unit)


@dataclass(frozen=True, slots=True)
class CurrencyRule:
    """How amounts of lines and of taxes round in a currency.

    Attributes:
        code: ISO 4217.
        line: Of all amounts of money.
        tax: Of the tax of a line; its unit is a multiple of the line's or the same.
    """

    code: str
    line: Rounding
    tax: Rounding


def unit_price(amount: Decimal, numerator: Decimal, denominator: Decimal) -> Decimal:
    """A price for another unit: four decimals, half up."""
    exact = EXACT.divide(EXACT.multiply(amount, numerator), denominator)
    return exact.quantize(PRICE_PLACES, decimal.ROUND_HALF_UP, EXACT)


def percent_of(part: Decimal, whole: Decimal) -> Decimal:
    """How many hundredths of *whole* a part is, four decimals; zero of nothing."""
    if not whole:
        return ZERO.quantize(PERCENT_PLACES)
    exact = EXACT.divide(EXACT.multiply(part, HUNDRED), whole)
    return exact.quantize(PERCENT_PLACES, decimal.ROUND_HALF_UP, EXACT)


def spread(amount: Decimal, weights: Sequence[Decimal], unit: Decimal) -> list[Decimal]:
    """Share out *amount* in proportion to *weights* in whole units, so that the shares come to it exactly.

    Each share is rounded down; what is left goes, a unit each, to the largest remainders, the earlier one
    of equal ones first (Hamilton's method).

    Args:
        amount: A multiple of *unit*, not negative.
        weights: Not negative, not all zero.
        unit: Smallest share.
    """
    whole = sum(weights, ZERO)
    units = EXACT.divide(amount, unit)
    exact = [EXACT.divide(EXACT.multiply(units, weight), whole) for weight in weights]
    shares = [share.to_integral_value(decimal.ROUND_DOWN) for share in exact]
    left = int(units - sum(shares, ZERO))
    by_remainder = sorted(range(len(weights)), key=lambda i: (shares[i] - exact[i], i))
    for index in by_remainder[:left]:
        shares[index] += 1
    return [EXACT.multiply(share, unit) for share in shares]
