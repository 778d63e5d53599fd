"""Collections for RxDB as its door fills them, and what an app replicates."""

import json
from pathlib import Path
from typing import Any

from sdk.stores.document import Catalogue, Column, Entity, is_nullable
from sdk.stores.kept import Kept
from sdk.stores.naming import pascal
from sdk.stores.typescript import PRELUDE, type_of

LENGTHS = {"id": 36, "date": 10, "time": 35}
"""Longest values of kinds whose form is fixed; what is indexed has to have one."""

# Formats that validators know; and nothing of what a later server or a hand-written statement may exceed: a document
# that does not fit its schema would stop the replication.
FORMATS = frozenset({"uuid", "date", "date-time"})
STRUCTURE = ("type", "items", "properties", "required")

# Documents of the library have these themselves; its door leaves such fields out.
RESERVED = frozenset({"deleted", "primary", "revision", "synced"})

Json = dict[str, Any]

HEAD = "// Made by `python -m sdk.stores` from GET /api/v1/sync/schema. Do not edit it: make it anew.\n"

COLLECTIONS = """{head}
// What an older app stored fits as it is; the replication that begins anew brings the rest.
const asItIs = (document) => document

const schemas = {{
{schemas}}}

// For `database.addCollections(collections)`.
export const collections = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, {{
  schema,
  migrationStrategies: Object.fromEntries(Array.from({{ length: schema.version }}, (_, n) => [n + 1, asItIs])),
}}]))

// Of the wire, for the queries of pull and push: what came later is left out for this app.
export const schemaVersion = {schema_version}

// One replication each. A phone has those of its user's shape (`GET /api/v1/me`); only where `pushes` is true are
// documents written on the phone. The identifier changes with the schema, so that new fields arrive.
export const replications = [
{replications}]
"""

TYPES = """{head}import type {{ RxCollection, RxCollectionCreator, RxDatabase }} from 'rxdb'

{prelude}
{documents}export interface Collections {{
{members}}}
export type Database = RxDatabase<{{ [Name in keyof Collections]: RxCollection<Collections[Name]> }}>

export declare const collections: {{ [Name in keyof Collections]: RxCollectionCreator<Collections[Name]> }}
export declare const schemaVersion: number
export declare const replications: {{
  collection: keyof Collections
  replicationIdentifier: string
  pushes: boolean
  shapes: ('sales' | 'service' | 'manager' | 'partner')[]
}}[]
"""


def schemas_of(catalogue: Catalogue) -> dict[str, Json]:
    """The RxDB schema of each collection, without its version."""
    names = {entity.name for entity in catalogue.entities}
    return {entity.name: _schema(entity, names) for entity in catalogue.entities}


def write(catalogue: Catalogue, folder: Path, kept: Kept) -> list[Path]:
    """Write ``collections.js`` and its types."""
    now = kept.rxdb(schemas_of(catalogue))
    here = folder / "rxdb"
    here.mkdir(parents=True, exist_ok=True)
    files = {"collections.js": _collections(catalogue, now), "collections.d.ts": _types(catalogue)}
    for name, text in files.items():
        (here / name).write_text(text, encoding="utf-8")
    return [here / name for name in files]


def versioned(one: Json) -> Json:
    """A schema as the library wants it, with its version."""
    return {"version": one["version"], **one["schema"]}


def _schema(entity: Entity, names: set[str]) -> Json:
    properties: Json = {
        "id": {"type": "string", "maxLength": LENGTHS["id"]},
        "version": {"type": "integer"},
        "generation": {"type": "integer"},
    }
    columns = _columns(entity)
    properties |= {column.name: _property(column, names) for column in columns}
    return {
        "title": entity.name,
        "primaryKey": "id",
        "type": "object",
        "properties": properties,
        # No more: of a record that is gone the server tells the id and nothing else.
        "required": ["id"],
        "indexes": [column.name for column in columns if _is_indexed(column)],
    }


def _columns(entity: Entity) -> list[Column]:
    return [column for column in entity.columns.values() if column.name not in RESERVED]


def _property(column: Column, names: set[str]) -> Json:
    found = _structure(column.told)
    if column.kind in LENGTHS:
        found["maxLength"] = LENGTHS[column.kind]
    if column.refers in names:
        found["ref"] = column.refers
    return found


def _structure(told: Json) -> Json:
    found = {name: value for name, value in told.items() if name in STRUCTURE}
    if told.get("format") in FORMATS:
        found["format"] = told["format"]
    if "items" in found:
        found["items"] = _structure(found["items"])
    if "properties" in found:
        found["properties"] = {name: _structure(part) for name, part in found["properties"].items()}
    if "required" in found and not found["required"]:
        del found["required"]
    return found


def _is_indexed(column: Column) -> bool:
    """References and days: where every document has one, since a storage may leave others out of the index."""
    return (
        column.is_certain
        and not is_nullable(column.told)
        and (bool(column.refers) or column.kind in ("date", "time"))
    )


def _collections(catalogue: Catalogue, now: Json) -> str:
    schemas = "".join(f"  {name}: {_written(versioned(one))},\n" for name, one in now.items())
    lines = []
    for entity in catalogue.entities:
        told = {
            "collection": entity.name,
            "replicationIdentifier": f"fieldmerge-{now[entity.name]['version']}",
            "pushes": bool(entity.operations),
            "shapes": list(entity.shapes),
        }
        lines.append(f"  {json.dumps(told)},\n")
    return COLLECTIONS.format(
        head=HEAD, schemas=schemas, schema_version=catalogue.schema_version, replications="".join(lines)
    )


def _written(schema: Json) -> str:
    """A schema with a line for each property."""
    lines = [f"    {_json(name)}: {_json(told)},\n" for name, told in schema.items() if name != "properties"]
    lines.append("    properties: {\n")
    lines += [f"      {_json(name)}: {_json(told)},\n" for name, told in schema["properties"].items()]
    return f"{{\n{''.join(lines)}    }},\n  }}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _types(catalogue: Catalogue) -> str:
    documents, members = [], []
    for entity in catalogue.entities:
        name = pascal(entity.name)
        lines = ["  id: string\n", "  version?: number\n", "  generation?: number\n"]
        lines += [
            f"  {column.name}{'' if column.is_certain else '?'}: {type_of(column.told, '  ')}\n"
            for column in _columns(entity)
        ]
        documents.append(f"/** {entity.description} */\nexport interface {name} {{\n{''.join(lines)}}}\n\n")
        members.append(f"  {entity.name}: {name}\n")
    return TYPES.format(head=HEAD, prelude=PRELUDE, documents="".join(documents), members="".join(members))
