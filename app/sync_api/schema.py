"""``GET /sync/schema``: what a phone of the caller's shape holds and may do, for code generation."""

from collections.abc import Mapping
from typing import Any

from app.core.scope import PRICE_DAYS_AHEAD, PRICE_DAYS_BACK, VISIT_DAYS_AHEAD, VISIT_DAYS_BACK
from app.http.fields import Integer, Json, Text, WireSchema
from app.http.json_schemas import DIALECT, held_schema, sent_schema
from app.http.shapes import schema_for
from app.sync_api.rooms import creation_schema
from app.sync_api.synced import Synced
from app.sync_api.wire import DEFAULT_BYTES, DEFAULT_LIMIT, MAX_BYTES, MAX_LIMIT
from sync.budget import Settings
from sync.policy import NEEDS_BASE, Field, Kind, Merge, SyncEntity
from sync.registry import Registry
from sync.wire import MAX_MUTATIONS

POLICIES: dict[Merge, str] = {
    Merge.LAST_WRITE: "The later edit wins, by the time at which it was made",
    Merge.SERVER_WINS: "What is on the server stays, if it was changed there since",
    Merge.CLIENT_WINS: "The phone's value is taken",
    Merge.MAX: "The greater value wins",
    Merge.MIN: "The smaller value wins",
    Merge.SUM: "Differences to the base are added up",
    Merge.SET: "By element: what either side added or took away",
    Merge.ROWS: "By row id, and within a row field by field",
    Merge.TEXT: "By line; lines that both sides changed wait in the inbox for a person",
    Merge.ASK: "Two different edits wait in the inbox for a person",
    Merge.READ_ONLY: "The server's; a phone that sends it is refused",
}


class SchemaDocumentSchema(WireSchema):
    """Entities, fields, policies, commands, limits and windows."""

    schema_version = Integer(dump_only=True, metadata={"example": 1})
    oldest_schema_version = Integer(dump_only=True, metadata={"example": 1})
    oldest_wire_version = Integer(dump_only=True, metadata={"example": 1})
    shape = Text(
        max=20, dump_only=True, metadata={"example": "sales", "description": "Class of people that it is for"}
    )
    entities = Json(
        dump_only=True,
        metadata={
            "example": {"account": {"commands": []}},
            "description": "By name: fields with their policies, `json_schema` (2020-12) of a record, and in"
            " `mutations` that of the `fields` of each operation and command",
        },
    )
    policies = Json(dump_only=True, metadata={"example": {"ask": POLICIES[Merge.ASK]}})
    events = Text(
        max=2_000,
        dump_only=True,
        allow_none=True,
        metadata={
            "example": "http://127.0.0.1:8100/api/v1/sync/events",
            "description": "Address of the live pings, if there are any",
        },
    )
    limits = Json(dump_only=True, metadata={"example": {"mutations": 500}})
    windows = Json(dump_only=True, metadata={"example": {"visit_days_back": 3}})


def schema_document(
    registry: Registry,
    synced: Mapping[str, Synced],
    shape_class: str,
    settings: Settings,
    events: str | None = None,
) -> dict[str, Any]:
    """The document for one shape class; fields outside the shape are not named."""
    return {
        "schema_version": registry.schema_version,
        "oldest_schema_version": registry.oldest_schema,
        "oldest_wire_version": registry.oldest_wire,
        "shape": str(shape_class),
        "entities": {
            e.name: _entity(e, synced[e.name], shape_class, shape)
            for e in registry.entities
            if (shape := e.shape_for(shape_class))
        },
        "policies": {policy.value: text for policy, text in POLICIES.items()},
        "events": events,
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


def _entity(entity: SyncEntity, one: Synced, shape_class: str, shape: str) -> dict[str, Any]:
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
        "fields": {name: _field(field) for name, field in fields.items()},
        "json_schema": {
            "$schema": DIALECT,
            "title": entity.name,
            "description": _first_line(one.schema),
            **held_schema(schema_for(entity, one.schema, shape_class), ("id", "version", *fields)),
        },
        "mutations": _mutations(entity, one, shape_class),
    }


def _field(field: Field) -> dict[str, Any]:
    found: dict[str, Any] = {
        "merge": field.merge.value,
        "kind": field.kind.value,
        "needs_base": field.merge in NEEDS_BASE,
        "since": field.since,
    }
    if field.refers:
        found["refers"] = field.refers
    if field.rows:
        found["rows"] = {name: _field(cell) for name, cell in field.rows.items()}
    return found


def _mutations(entity: SyncEntity, one: Synced, shape_class: str) -> dict[str, Any]:
    """For each operation and command the schema of the mutation's ``fields``."""
    found = {}
    whole = schema_for(entity, one.schema, shape_class)
    if one.create:
        made = creation_schema(entity, one.creation, shape_class) if one.creation else whole
        found["create"] = sent_schema(made, (name for name in made.load_fields if name != "id"))
    if one.update:
        edited = [n for n in whole.load_fields if n in entity.fields]
        own = [n for n in edited if entity.fields[n].merge is not Merge.READ_ONLY]
        found["update"] = sent_schema(whole, own, partial=True)
    for name, (_, arguments) in sorted(one.commands.items()):
        found[name] = sent_schema(arguments(), arguments().load_fields)
    for op in found.keys() & {"create", "update"}:
        for name, told in found[op]["properties"].items():
            if entity.fields[name].kind is Kind.ROWS:  # they are merged by their ids
                told["items"]["required"] = ["id", *told["items"]["required"]]
    return {name: {"$schema": DIALECT, "title": f"{entity.name} {name}", **s} for name, s in found.items()}


def _first_line(schema: type[WireSchema]) -> str:
    return (schema.__doc__ or "").strip().partition("\n")[0]
