"""National id numbers are masked in free text before it is stored."""

from collections.abc import Collection, Mapping
from typing import Any

from app.core.text import mask_national_ids


def mask_fields(values: Mapping[str, Any], fields: Collection[str]) -> tuple[dict[str, Any], frozenset[str]]:
    """Mask national id numbers in some fields of a record.

    Args:
        values: Typed values of the record; not modified.
        fields: Which of them are free text (a text, or a list of texts).

    Returns:
        The values to store, and the fields in which something was masked.
    """
    clean, masked = dict(values), set()
    for field in fields:
        value = values.get(field)
        texts = value if isinstance(value, list) else [value]
        found = [mask_national_ids(text) if isinstance(text, str) else (text, 0) for text in texts]
        if any(count for _, count in found):
            masked.add(field)
            clean[field] = [text for text, _ in found] if isinstance(value, list) else found[0][0]
    return clean, frozenset(masked)


def mask_json(value: Any) -> Any:
    """JSON with the national id numbers of all its texts masked; keys are left alone."""
    if isinstance(value, str):
        return mask_national_ids(value)[0]
    if isinstance(value, Mapping):
        return {name: mask_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [mask_json(member) for member in value]
    return value
