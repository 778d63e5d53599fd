"""Korean business registration numbers (사업자등록번호): NNN-NN-NNNNN with a check digit."""

import re
import unicodedata
from typing import ClassVar

_WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)
_WRITTEN = re.compile(r"([0-9]{3})\s*-?\s*([0-9]{2})\s*-?\s*([0-9]{5})")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))


class BusinessNumberInvalid(ValueError):
    """The text is no business registration number, or a digit of it is wrong."""

    code: ClassVar[str] = "business_number_invalid"


def check_digit(nine: str) -> int:
    """Compute the tenth digit of a business registration number from its first nine.

    The digits are multiplied by 1 3 7 1 3 7 1 3 5 and summed, the tens of the ninth product are added
    once more, and the check digit fills the sum up to the next ten. Source: the check rule of the National
    Tax Service (국세청) as tax invoice software applies it (사업자등록번호 검증 알고리즘); the service
    publishes the parts of the number, not the rule, so it was confirmed on publicly disclosed numbers.

    Worked example, 123-45-6789?: 1+6+21+4+15+42+7+24+45 = 165; 45 has 4 tens; 169 is 1 short of 170, so 1.

    Args:
        nine: Nine ASCII digits.

    Returns:
        0 to 9.
    """
    products = [int(digit) * weight for digit, weight in zip(nine, _WEIGHTS, strict=True)]
    return -(sum(products) + products[-1] // 10) % 10


def parse_business_number(raw: str) -> str:
    """Read a business registration number, with or without hyphens or spaces, in any width.

    Numbers are issued from 101 upwards in the first three digits. A lower one is not refused: it can
    belong to nobody, which is what sample and training data need. The placeholders 000-00-00000 and the
    like are refused: neither the type (digits 4 and 5) nor the serial (digits 6 to 9) is ever all zeros.

    Args:
        raw: The number as its source writes it.

    Returns:
        ``NNN-NN-NNNNN``.

    Raises:
        BusinessNumberInvalid: It has not ten digits, is a placeholder, or fails its check digit.
    """
    match = _WRITTEN.fullmatch(unicodedata.normalize("NFKC", raw).translate(_DASHES).strip())
    if match is None:
        raise BusinessNumberInvalid("not ten digits in the form NNN-NN-NNNNN")
    office, kind, serial = match.groups()
    if kind == "00" or serial[:4] == "0000":
        raise BusinessNumberInvalid("a placeholder, never issued")
    if check_digit(office + kind + serial[:4]) != int(serial[4]):
        raise BusinessNumberInvalid("the check digit does not fit the other nine")
    return f"{office}-{kind}-{serial}"
