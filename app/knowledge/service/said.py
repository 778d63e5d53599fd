"""What people in the field may write: free text, in which national id numbers are masked."""

from collections.abc import Mapping
from typing import Any, Final

from app.core.masking import mask_fields

FREE_TEXT: Final = frozenset(
    {"note", "comment", "passage", "correction", "reason", "question", "answer", "decline_reason"}
)


def masked_fields(values: Mapping[str, Any]) -> frozenset[str]:
    """The fields of *values* in which a national id number would be masked."""
    return mask_fields(values, FREE_TEXT)[1]


def clean(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values to store."""
    return mask_fields(values, FREE_TEXT)[0]
