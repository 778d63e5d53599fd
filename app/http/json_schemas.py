"""JSON Schemas (draft 2020-12) of wire schemas, whole in themselves: parts stand where they are used."""

from collections.abc import Iterable
from typing import Any

import marshmallow as ma

from app.http.fields import DecimalText, Nested, Rows, WireField

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# What says of a value what it is, and not how large it may be. Of a value that was written by hand in SQL, or that a
# later server allows, only the first is sure.
STRUCTURE = ("type", "format", "pattern", "enum", "items", "properties", "required", "additionalProperties")


def sent_schema(schema: ma.Schema, names: Iterable[str], *, partial: bool = False) -> dict[str, Any]:
    """Of an object that a client sends: everything by which the server would refuse it, as far as a schema can say.

    Args:
        schema: Of the object.
        names: The fields that may be sent.
        partial: Any of them may be left out.
    """
    fields = {name: schema.fields[name] for name in names}
    required = [] if partial else [name for name, field in fields.items() if field.required]
    return _object({_key(n, f): _sent(f) for n, f in fields.items()}, required, closed=True)


def held_schema(schema: ma.Schema, names: Iterable[str]) -> dict[str, Any]:
    """Of an object that the server gives: types, null, formats and enums. Every field is always there."""
    fields = {_key(name, schema.fields[name]): schema.fields[name] for name in names}
    return _object({name: _held(field) for name, field in fields.items()}, list(fields), closed=False)


def with_null(field: ma.fields.Field[Any], found: dict[str, Any]) -> dict[str, Any]:
    """*found* with null among its types, where the field may be null."""
    shown_as_null = field.dump_only and field.metadata.get("example", ...) is None
    if not (field.allow_none or shown_as_null) or "type" not in found:
        return found
    more = {"enum": [*found["enum"], None]} if "enum" in found else {}
    return {**found, "type": [found["type"], "null"], **more}


def _sent(field: ma.fields.Field[Any]) -> dict[str, Any]:
    if isinstance(field, Nested):
        found = sent_schema(field.schema, field.schema.load_fields)
    elif isinstance(field, Rows):
        items = sent_schema(field.schema, field.schema.load_fields)
        found = {"type": "array", "items": items, "maxItems": field.max_items}
    else:
        assert isinstance(field, WireField), f"{field.name} does not say its own type"
        found = field.openapi()
    return _described(field, with_null(field, found))


def _held(field: ma.fields.Field[Any]) -> dict[str, Any]:
    if isinstance(field, Nested):
        found = held_schema(field.schema, field.schema.dump_fields)
    elif isinstance(field, Rows):
        found = {"type": "array", "items": held_schema(field.schema, field.schema.dump_fields)}
    else:
        assert isinstance(field, WireField), f"{field.name} does not say its own type"
        found = _structure(field.openapi())
        if isinstance(field, DecimalText):
            found["pattern"] = rf"^-?[0-9]+\.[0-9]{{{field.places}}}$"
        elif "pattern" in found and "maxLength" in field.openapi():
            del found["pattern"]  # of a text that somebody writes
    return _described(field, with_null(field, found))


def _structure(found: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in found.items() if name in STRUCTURE}
    if "items" in kept:
        kept["items"] = _structure(kept["items"])
    if "properties" in kept:
        kept["properties"] = {name: _structure(value) for name, value in kept["properties"].items()}
    return kept


def _described(field: ma.fields.Field[Any], found: dict[str, Any]) -> dict[str, Any]:
    description = field.metadata.get("description")
    return {**found, "description": description} if description else found


def _object(properties: dict[str, Any], required: list[str], *, closed: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    return {**found, "additionalProperties": False} if closed else found


def _key(name: str, field: ma.fields.Field[Any]) -> str:
    return field.data_key or name
