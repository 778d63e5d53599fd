"""JSON Schemas as types of TypeScript."""

from typing import Any

SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}

PRELUDE = """\
/** A decimal number as text ("1200.5000"); never reckon with it as a number of JavaScript. */
export type Decimal = string
/** Values known today; a later server may send others. */
export type OneOf<Known extends string> = Known | (string & {})
"""


def type_of(told: dict[str, Any], indent: str = "") -> str:
    """The type of a value."""
    kinds = told.get("type")
    if kinds is None:
        return "unknown"
    names = kinds if isinstance(kinds, list) else [kinds]
    return " | ".join(_one(kind, told, indent) for kind in names)


def members(properties: dict[str, Any], required: set[str], indent: str) -> str:
    """The members of an object type, a line each."""
    return "".join(
        f"{indent}{name}{'' if name in required else '?'}: {type_of(told, indent)}\n"
        for name, told in properties.items()
    )


def _one(kind: str, told: dict[str, Any], indent: str) -> str:
    if "enum" in told and kind == "string":
        known = " | ".join(f"'{value}'" for value in told["enum"] if value is not None)
        return f"OneOf<{known}>"
    if told.get("format") == "decimal" and kind == "string":
        return "Decimal"
    if kind == "array":
        return f"Array<{type_of(told.get('items', {}), indent)}>"
    if kind == "object" and told.get("properties"):
        inside = members(told["properties"], set(told.get("required", ())), f"{indent}  ")
        return f"{{\n{inside}{indent}}}"
    return SCALARS.get(kind, "unknown")
