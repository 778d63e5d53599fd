"""Phone numbers as people and ERPs write them, to E.164."""

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache
from typing import ClassVar

import phonenumbers

_LONGEST_INPUT = 40
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))
# "내선 12", "(내선 12번)", "ext. 12", "#12"; "~3": the numbers after this one reach the same office.
_EXTENSION = re.compile(
    r"\s*(?:\(?(?:내선|구내|교환|extension|ext|x|\#)\s*[.:]?\s*\d{1,6}\s*번?\s*\)?|~\s*\d{1,4})$",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)  # copied along from chats and contacts
_FLOAT = re.compile(r"(?P<whole>[0-9]+)\.0+|[0-9](?:\.[0-9]+)?e\+?[0-9]{1,2}", re.IGNORECASE)
_WRITTEN_NUMBER = re.compile(r"\+?[ ().-]*[0-9][0-9 ().-]*")
_COUNTRY_CODE_WITHOUT_PLUS = re.compile(r"^(?:00)?82(?=0?[1-9]\d{7,})")
# Exchanges never begin with 0, so these can belong to nobody: the place for training and sample data.
_NEVER_ASSIGNED_IN_KOREA = re.compile(r"(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4])0\d{6,7}")


class PhoneInvalid(ValueError):
    """The text is no phone number that could be dialled."""

    code: ClassVar[str] = "phone_invalid"


@lru_cache(maxsize=1024)  # a push reads the same number as sent, as it stands, and as it is written
def parse_phone(raw: str, region: str = "KR") -> str:
    """Read one phone number and write it in E.164.

    Beside the usual forms it reads ``02)555-0100``, ``82-2-555-0100``, ``+82 (0)2 555 0100``, full-width
    digits, and what a spreadsheet leaves of a mobile number: ``1012345678``, ``1012345678.0``,
    ``1.012345678E9`` (while no digit was rounded away). An extension (``내선 12``, ``#12``) or a run of
    lines (``~3``) is dropped. Representative numbers have no area code and keep their eight digits:
    ``1588-0000`` → ``+8215880000``.

    Args:
        raw: Exactly one number. Two numbers, letters for digits and local numbers without area code are
            refused, because a guess would be dialled.
        region: ISO 3166 country of numbers that are written without country code.

    Returns:
        E.164, such as ``+8225550100``; valid by the numbering plan in phonenumbers, or a Korean landline
        in an exchange that begins with 0, which is never assigned.

    Raises:
        PhoneInvalid: It is no such number. The message holds nothing of it, since logs may not.
    """
    if len(raw) > _LONGEST_INPUT:
        raise PhoneInvalid("too long for a phone number")
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", raw)).translate(_DASHES).strip()
    text = _EXTENSION.sub("", text).strip()
    if as_float := _FLOAT.fullmatch(text):
        text = as_float["whole"] or _digits_of_float(text)
    if not _WRITTEN_NUMBER.fullmatch(text):
        raise PhoneInvalid("not written as a phone number")
    text = re.sub(r"[^0-9+]", "", text)
    if region == "KR":
        text = _COUNTRY_CODE_WITHOUT_PLUS.sub("+82", text)
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise PhoneInvalid("not a phone number") from error
    if not (phonenumbers.is_valid_number(number) or _is_never_assigned(number)):
        raise PhoneInvalid("not in the numbering plan")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _digits_of_float(text: str) -> str:
    """``1.012345678E9`` → ``1012345678``; refused when digits were rounded away (``1.01E9``)."""
    _, digits, exponent = Decimal(text).as_tuple()
    if exponent != 0:
        raise PhoneInvalid("rounded by a spreadsheet")
    return "".join(map(str, digits))


def _is_never_assigned(number: phonenumbers.PhoneNumber) -> bool:
    return number.country_code == 82 and bool(_NEVER_ASSIGNED_IN_KOREA.fullmatch(str(number.national_number)))
