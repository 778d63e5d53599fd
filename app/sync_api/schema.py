"""``GET /sync/schema``: what a phone of the caller's shape holds, for code generation."""

from collections.abc import Mapping
from typing import Any

from app.core.scope import PRICE_DAYS_AHEAD, PRICE_DAYS_BACK, VISIT_DAYS_AHEAD, VISIT_DAYS_BACK
from app.http.fields import Integer, Json, WireSchema
from app.sync_api.synced import Synced
from app.sync_api.wire import DEFAULT_BYTES, DEFAULT_LIMIT, MAX_BYTES, MAX_LIMIT
from sync.budget import Settings
from sync.policy import NEEDS_BASE, Field, Kind, SyncEntity
from sync.registry import Registry
from sync.wire import MAX_MUTATIONS

JSON_TYPES: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": ["string", "null"]},
    Kind.INTEGER: {"type": ["integer", "null"]},
    Kind.BOOLEAN: {"type": ["boolean", "null"]},
    Kind.MONEY: {"type": ["string", "null"], "format": "decimal", "pattern": r"^-?\d+\.\d{4}$"},
    Kind.QUANTITY: {"type": ["string", "null"], "format": "decimal", "pattern": r"^-?\d+\.\d{6}$"},
    Kind.ID: {"type": ["string", "null"], "format": "uuid"},
    Kind.TIME: {"type": ["string", "null"], "format": "date-time"},
    Kind.DATE: {"type": ["string", "null"], "format": "date"},
    Kind.TEXTS: {"type": "array", "items": {"type": "string"}},
    Kind.POINT: {
        "type": ["object", "null"],
        "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
        "required": ["lat", "lon"],
    },
    Kind.JSON: {},
}


class SchemaDocumentSchema(WireSchema):
    """Entities, fields, policies, commands, limits and windows."""

    schema_version = Integer(dump_only=True, metadata={"example": 1})
    oldest_schema_version = Integer(dump_only=True, metadata={"example": 1})
    oldest_wire_version = Integer(dump_only=True, metadata={"example": 1})
    entities = Json(dump_only=True, metadata={"example": {"account": {"commands": []}}})
    limits = Json(dump_only=True, metadata={"example": {"mutations": 500}})
    windows = Json(dump_only=True, metadata={"example": {"visit_days_back": 3}})


def schema_document(
    registry: Registry, synced: Mapping[str, Synced], shape_class: str, settings: Settings
) -> dict[str, Any]:
    """The document for one shape class; fields outside the shape are not named."""
    return {
        "schema_version": registry.schema_version,
        "oldest_schema_version": registry.oldest_schema,
        "oldest_wire_version": registry.oldest_wire,
        "entities": {
            e.name: _entity(e, synced[e.name], shape)
            for e in registry.entities
            if (shape := e.shape_for(shape_class))
        },
        "limits": {
            "mutations": MAX_MUTATIONS,
            "records": {"default": DEFAULT_LIMIT, "most": MAX_LIMIT},
            "bytes": {"default": DEFAULT_BYTES, "most": MAX_BYTES},
            "budget": {"warn_at": settings.records_warn, "cap": settings.records_cap},
        },
        "windows": {
            "visit_days_back": VISIT_DAYS_BACK,
            "visit_days_ahead": VISIT_DAYS_AHEAD,
            "price_days_back": PRICE_DAYS_BACK,
            "price_days_ahead": PRICE_DAYS_AHEAD,
            "keep_acknowledged_days": settings.resend_days,
            "longest_offline_days": settings.keep_days,
        },
    }


def _entity(entity: SyncEntity, one: Synced, shape: str) -> dict[str, Any]:
    fields = entity.fields_of(shape)
    machine = entity.machine
    return {
        "since": entity.since,
        "priority": int(entity.priority),
        "append_only": entity.append_only,
        "operations": [
            name
            for name, verb in (("create", one.create), ("update", one.update), ("delete", one.delete))
            if verb
        ],
        "commands": sorted(one.commands),
        "states": {
            "field": machine.field,
            "steps": {n: {"from": sorted(sources), "to": to} for n, (sources, to) in machine.steps.items()},
            "frozen": sorted(machine.frozen_states),
        }
        if machine
        else None,
        "fields": {
            n: {
                "merge": f.merge.value,
                "kind": f.kind.value,
                "needs_base": f.merge in NEEDS_BASE,
                "since": f.since,
            }
            for n, f in fields.items()
        },
        "json_schema": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "version": {"type": "integer"},
                **{n: _type(f) for n, f in fields.items()},
            },
            "required": ["id", "version", *fields],
        },
    }


def _type(field: Field) -> dict[str, Any]:
    if field.kind is Kind.ROWS:
        cells = {"id": {"type": "string", "format": "uuid"}, **{n: _type(f) for n, f in field.rows.items()}}
        return {"type": "array", "items": {"type": "object", "properties": cells, "required": list(cells)}}
    return JSON_TYPES[field.kind]
