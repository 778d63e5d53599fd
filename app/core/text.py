"""Korean text: one Unicode form, company names as keys, national id numbers out of free text."""

import re
import unicodedata
from datetime import date

# Legal forms written out, at the start or the end of a name, with or without a space.
_LEGAL_FORMS = (
    "주식회사",
    "유한책임회사",
    "유한회사",
    "합자회사",
    "합명회사",
    "사단법인",
    "재단법인",
    "학교법인",
    "의료법인",
    "사회복지법인",
    "농업회사법인",
    "어업회사법인",
    "영농조합법인",
    "영어조합법인",
)
_BRACKETED_FORM = re.compile(rf"\((?:주|유|합|자|사|재|학|의|복|株|{'|'.join(_LEGAL_FORMS)})\)")
_HALF_BRACKETED_FORM = re.compile(r"^\(?[주유]\)|\([주유]\)?$")  # "주)한빛": a bracket lost in typing
_ENGLISH_FORM = re.compile(
    r"(?:(?<![\s,.&])[\s,.&]+\(?(?:co|company|corp|corporation|inc|incorporated|ltd|limited|llc|llp|plc|gmbh)\b\.?\)?)+$"
)

_DIGIT = "[0-9０-９]"
_GAP = "[ \t\u00a0\u3000]{0,3}"
_NATIONAL_ID = re.compile(
    rf"(?<!\d)(?P<birth>{_DIGIT}{{6}}){_GAP}[-‐‑‒–—―−－]?{_GAP}(?P<century>[1-8１-８]){_DIGIT}{{6}}(?!\d)"
)


def nfc(value: str) -> str:
    """Compose ``value`` (NFC): Hangul typed on a Mac arrives as separate letters and equals nothing else."""
    return unicodedata.normalize("NFC", value)


def company_key(name: str) -> str:
    """Reduce a company name to what two spellings of it share; for matching, never for display.

    Legal forms ((주), ㈜, 주식회사, 유한회사, (유), Co., Ltd., Inc. …) go, as do spaces, punctuation,
    case and width: ``㈜ 한빛 정밀``, ``한빛정밀 주식회사`` and ``(주)한빛정밀`` give ``한빛정밀``.

    Args:
        name: The name as its source writes it.

    Returns:
        The key; empty only if ``name`` has no letter and no digit. A name that is nothing but a legal
        form keeps it.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()
    core = _ENGLISH_FORM.sub("", folded)
    core = _BRACKETED_FORM.sub(" ", core).strip()
    core = _HALF_BRACKETED_FORM.sub("", core)
    return _without_legal_forms(_letters_and_digits(core) or _letters_and_digits(folded))


def mask_national_ids(text: str) -> tuple[str, int]:
    """Mask Korean resident and foreigner registration numbers: ``900101-1234567`` → ``900101-*******``.

    A number is one when it has 13 digits, alone or parted by spaces or a hyphen after the sixth, begins
    with a date that exists (YYMMDD in the century that the seventh digit names) and has 1–8 as seventh
    digit (5–8: foreigners). The old check digit is not asked for: numbers given since October 2020 have
    none. So any 13-digit number of this form is masked; the law weighs more than a bar code in a note.

    Args:
        text: Free text, in any width and with any dash.

    Returns:
        The text with the last seven digits of each number replaced, and how many numbers were replaced.
    """
    if not _NATIONAL_ID.search(text):  # nearly always: a search costs a third of a replacement of nothing
        return text, 0
    count = 0

    def mask(match: re.Match[str]) -> str:
        nonlocal count
        if not _is_birth_date(match["birth"], int(match["century"])):
            return match[0]
        count += 1
        return f"{match['birth']}-*******"

    return _NATIONAL_ID.sub(mask, text), count


def _letters_and_digits(text: str) -> str:
    return unicodedata.normalize("NFKC", "".join(filter(str.isalnum, text)))


def _without_legal_forms(compact: str) -> str:
    for form in _LEGAL_FORMS:
        for rest in (compact.removeprefix(form), compact.removesuffix(form)):
            if rest and rest != compact:
                return _without_legal_forms(rest)
    return compact


def _is_birth_date(digits: str, century_digit: int) -> bool:
    century = 1900 if century_digit in (1, 2, 5, 6) else 2000
    try:
        date(century + int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError:
        return False
    return True
