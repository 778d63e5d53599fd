"""What holds for values wherever they come from: REST, a phone or a file. Pure functions."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from app.accounts.models import AccountKind
from app.core.money import CurrencyUnknown, currency_precision
from app.core.text import mask_national_ids

CODE_MAX: Final = 40
NAME_MAX: Final = 200
SHORT_MAX: Final = 40
LINE_MAX: Final = 300
EMAIL_MAX: Final = 254
TEXT_MAX: Final = 10_000
TAG_MAX: Final = 60
TAGS_MAX: Final = 50
INFLUENCE_MAX: Final = 100
RADIUS_M: Final = (10, 10_000)

# Longest texts by field, in code points; schemas and imports hold the same.
LONGEST: Final[Mapping[str, int]] = {
    "code": CODE_MAX,
    "name": NAME_MAX,
    "legal_name": NAME_MAX,
    "subtype": SHORT_MAX,
    "tier": SHORT_MAX,
    "lifecycle_stage": SHORT_MAX,
    "email": EMAIL_MAX,
    "website": LINE_MAX,
    "postcode": SHORT_MAX,
    "sido": SHORT_MAX,
    "sigungu": SHORT_MAX,
    "address": LINE_MAX,
    "opening_hours": LINE_MAX,
    "payment_terms": NAME_MAX,
    "risk_class": SHORT_MAX,
    "notes": TEXT_MAX,
    "job_title": NAME_MAX,
}

# Texts that people write freely, so that a national id number may stand in them.
FREE_TEXT: Final = frozenset(
    {
        "name",
        "legal_name",
        "job_title",
        "address",
        "opening_hours",
        "payment_terms",
        "risk_class",
        "subtype",
        "lifecycle_stage",
        "website",
        "notes",
        "tags",
    }
)

# Fields of any record of this room that are sales terms, or more about people than a technician needs.
SALES_ONLY: Final = frozenset(
    {
        "business_number",
        "lifecycle_stage",
        "email",
        "credit_limit",
        "credit_currency",
        "payment_terms",
        "risk_class",
        "estimated_wallet",
        "estimated_wallet_currency",
        "profile_stage",
        "completeness",
    }
)

_EMAIL = re.compile(r"[^@\s,;<>]{1,64}@[^@\s,;<>.]+(?:\.[^@\s,;<>.]+)+")
_MONEY = ("credit_limit", "estimated_wallet")
_CURRENCY_OF = {"credit_limit": "credit_currency", "estimated_wallet": "estimated_wallet_currency"}


def mask_free_text(values: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """Mask national id numbers in free texts.

    Args:
        values: Fields of any record of this room; not modified.

    Returns:
        The values to store, and the fields in which something was masked.
    """
    clean, masked = dict(values), set()
    for field in FREE_TEXT & values.keys():
        value = values[field]
        texts = value if isinstance(value, list) else [value]
        found = [mask_national_ids(text) if isinstance(text, str) else (text, 0) for text in texts]
        if any(count for _, count in found):
            masked.add(field)
            clean[field] = [text for text, _ in found] if isinstance(value, list) else found[0][0]
    return clean, frozenset(masked)


def masked_fields(values: Mapping[str, Any]) -> frozenset[str]:
    """The fields of *values* in which a national id number would be masked."""
    return mask_free_text(values)[1]


def wrong_fields(values: Mapping[str, Any]) -> dict[str, str]:
    """Check an account's values, each by itself and against its companions in *values*.

    Args:
        values: Typed values; fields that are absent are not checked, ``None`` is an empty field.

    Returns:
        Field → stable code, empty when all is right. Codes: ``name_missing``, ``too_long``,
        ``choice_unknown``, ``email_invalid``, ``time_zone_unknown``, ``value_out_of_range``,
        ``currency_unknown``, ``currency_missing``, ``too_many_decimals``, ``too_many_items``.
    """
    wrong = dict(_wrong_texts(values))
    wrong |= _wrong_money(values)
    if "name" in values and not (values["name"] or "").strip():
        wrong["name"] = "name_missing"
    if not set(values.get("kinds") or ()) <= {kind.value for kind in AccountKind}:
        wrong["kinds"] = "choice_unknown"
    if (email := values.get("email")) and not _EMAIL.fullmatch(email):
        wrong["email"] = "email_invalid"
    if "time_zone" in values and values["time_zone"] not in _time_zones():
        wrong["time_zone"] = "time_zone_unknown"
    if wrong_tags := _wrong_tags(values.get("tags") or ()):
        wrong["tags"] = wrong_tags
    return wrong


def _wrong_texts(values: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for field, longest in LONGEST.items():
        if len(values.get(field) or "") > longest:
            yield field, "too_long"


def _wrong_tags(tags: Iterable[str]) -> str | None:
    tags = list(tags)
    if len(tags) > TAGS_MAX:
        return "too_many_items"
    return "too_long" if any(len(tag) > TAG_MAX for tag in tags) else None


def _wrong_money(values: Mapping[str, Any]) -> dict[str, str]:
    wrong = {}
    for amount in _MONEY:
        currency = _CURRENCY_OF[amount]
        if (values.get(amount) or Decimal(0)) < 0:
            wrong[amount] = "value_out_of_range"
        if code := values.get(currency):
            try:
                if _decimals(values.get(amount)) > currency_precision(code):
                    wrong[amount] = "too_many_decimals"
            except CurrencyUnknown:
                wrong[currency] = "currency_unknown"
        elif values.get(amount) is not None:
            wrong[currency] = "currency_missing"
    return wrong


def _decimals(amount: Decimal | None) -> int:
    """How many decimals an amount needs: 2.50 needs one."""
    if not amount:
        return 0
    exponent = amount.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def not_in_the_future(values: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Cap ``last_visited_at`` at *now*: it only grows, so one wrong clock would hold it for years."""
    visited = values.get("last_visited_at")
    return dict(values) if visited is None else {**values, "last_visited_at": min(visited, now)}
