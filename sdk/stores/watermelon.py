"""``appSchema``, migrations and models for @nozbe/watermelondb, as its door maps records to rows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdk.stores.document import Catalogue, Column, Entity
from sdk.stores.kept import Kept
from sdk.stores.naming import camel, pascal, plural
from sdk.stores.typescript import PRELUDE, type_of

TYPES = {"integer": "number", "boolean": "boolean"}
EDITED = "updated_at"
AS_JSON = frozenset({"texts", "point", "json", "rows"})
"""Columns hold text, numbers and booleans only: these are JSON in a text."""

# What a Model of the library has itself, as documented, and what it keeps in its instances.
RESERVED = frozenset(
    [
        "asModel",
        "batch",
        "callReader",
        "callWriter",
        "collection",
        "collections",
        "constructor",
        "copy",
        "database",
        "db",
        "id",
        "observe",
        "prepareUpdate",
        "subAction",
        "syncStatus",
        "table",
        "update",
        "markAsDeleted",
        "destroyPermanently",
    ]
)

Json = dict[str, Any]

HEAD = "// Made by `python -m sdk.stores` from GET /api/v1/sync/schema. Do not edit it: make it anew.\n"

SCHEMA = """{head}import {{ appSchema, tableSchema }} from '@nozbe/watermelondb/index.js'

// Rows that wait for their first sync lack what the server fills in: every column may be empty.
const text = (name, more) => ({{ name, type: 'string', isOptional: true, ...more }})
const number = (name) => ({{ name, type: 'number', isOptional: true }})
const boolean = (name) => ({{ name, type: 'boolean', isOptional: true }})
const edited = {{ name: 'updated_at', type: 'number' }} // when a row was edited here; the library keeps it
const indexed = {{ isIndexed: true }}

export const columns = {{
{columns}}}

export const schema = appSchema({{
  version: {version},
  tables: Object.entries(columns).map(([name, described]) => tableSchema({{ name, columns: described }})),
}})
"""

MIGRATIONS = """{head}import {{
  addColumns, createTable, schemaMigrations,
}} from '@nozbe/watermelondb/Schema/migrations/index.js'
import {{ columns }} from './schema.js'

const named = (table, ...names) => columns[table].filter(({{ name }}) => names.includes(name))
const newTable = (table, ...names) => createTable({{ name: table, columns: named(table, ...names) }})
const newColumns = (table, ...names) => addColumns({{ table, columns: named(table, ...names) }})

export const migrations = schemaMigrations({{
  migrations: [{migrations}],
}})
"""

MODELS = """{head}import {{ Model }} from '@nozbe/watermelondb/index.js'
import {{ children, date, field, json, readonly, relation }} from '@nozbe/watermelondb/decorators/index.js'

// What the decorators do, for JavaScript without them.
function define(model, properties) {{
  for (const [name, decorate] of Object.entries(properties)) {{
    Object.defineProperty(model.prototype, name, decorate(model.prototype, name))
  }}
}}
const owned = (decorate) => (target, key) => readonly(target, key, decorate(target, key)) // of the server
const parsed = (column) => json(column, (value) => value ?? null)
const has = (foreignKey) => ({{ type: 'has_many', foreignKey }})
const belongs = (key) => ({{ type: 'belongs_to', key }})

{models}export const modelClasses = [{names}]
"""


def tables_of(catalogue: Catalogue) -> dict[str, dict[str, Json]]:
    """The columns of each table, by name, with what the library wants to know of them; ``id`` is implied."""
    return {entity.name: _columns(entity) for entity in catalogue.entities}


def write(catalogue: Catalogue, folder: Path, kept: Kept) -> list[Path]:
    """Write ``schema.js``, ``migrations.js`` and ``models.js`` with their types."""
    now = kept.watermelon(tables_of(catalogue))
    here = folder / "watermelon"
    here.mkdir(parents=True, exist_ok=True)
    files = {
        "schema.js": _schema(now),
        "schema.d.ts": SCHEMA_TYPES,
        "migrations.js": _migrations(now["migrations"]),
        "migrations.d.ts": MIGRATIONS_TYPES,
        "models.js": _models(catalogue),
        "models.d.ts": _models_types(catalogue),
    }
    for name, text in files.items():
        (here / name).write_text(text, encoding="utf-8")
    return [here / name for name in files]


def _columns(entity: Entity) -> dict[str, Json]:
    found: dict[str, Json] = {"version": {"type": "number"}}
    for name, column in entity.columns.items():
        more = {"isIndexed": True} if column.refers else {}
        found[name] = {"type": TYPES.get(column.kind, "string"), **more}
    if entity.operations:
        # The library keeps it by itself; the server takes it for the time of the edit.
        found[EDITED] = {"type": "number"}
    return found


def _schema(now: Json) -> str:
    lines = []
    for table, columns in now["tables"].items():
        lines.append(f"  {table}: [\n")
        for name, told in columns.items():
            if name == EDITED:
                lines.append("    edited,\n")
                continue
            maker = {"string": "text"}.get(told["type"], told["type"])
            lines.append(f"    {maker}('{name}'{', indexed' if told.get('isIndexed') else ''}),\n")
        lines.append("  ],\n")
    return SCHEMA.format(head=HEAD, version=now["version"], columns="".join(lines))


def _migrations(migrations: list[Json]) -> str:
    lines = []
    for one in migrations:
        lines.append(f"\n    {{\n      toVersion: {one['toVersion']},\n      steps: [\n")
        for step in one["steps"]:
            verb = {"create_table": "newTable", "add_columns": "newColumns"}[step["type"]]
            names = ", ".join(f"'{name}'" for name in (step["table"], *step["columns"]))
            lines.append(f"        {verb}({names}),\n")
        lines.append("      ],\n    },")
    return MIGRATIONS.format(head=HEAD, migrations="".join(lines) + ("\n  " if lines else ""))


def properties_of(entity: Entity, catalogue: Catalogue) -> dict[str, tuple[str, str]]:
    """The properties of a model: for each what makes it, and its type."""
    names = {one.name for one in catalogue.entities}
    found = {_property(c.name): (_made(c), _typed(c)) for c in entity.columns.values()}
    found["version"] = ("owned(field('version'))", "readonly number | null")
    if entity.operations:
        found["updatedAt"] = ("owned(date('updated_at'))", "readonly Date | null")
    for column in entity.columns.values():
        name = _property(camel(column.name.removesuffix("_id")))
        if column.refers in names and column.name.endswith("_id") and name not in found:
            made = f"relation('{column.refers}', '{column.name}')"
            found[name] = (made, f"readonly Relation<{pascal(column.refers)}>")
    for child in _children(entity, catalogue):
        name = _property(camel(plural(child)))
        if name not in found:
            found[name] = (f"children('{child}')", f"readonly Query<{pascal(child)}>")
    return found


def _models(catalogue: Catalogue) -> str:
    found = []
    for entity in catalogue.entities:
        name = pascal(entity.name)
        tied = _associations(entity, catalogue)
        associations = "".join(f"    {table}: {how},\n" for table, how in tied.items())
        lines = "".join(f"  {p}: {made},\n" for p, (made, _) in properties_of(entity, catalogue).items())
        found.append(
            f"/** {entity.description} */\nexport class {name} extends Model {{\n"
            f"  static table = '{entity.name}'\n"
            + (f"  static associations = {{\n{associations}  }}\n" if tied else "")
            + f"}}\ndefine({name}, {{\n{lines}}})\n\n"
        )
    names = ", ".join(pascal(entity.name) for entity in catalogue.entities)
    return MODELS.format(head=HEAD, models="".join(found), names=names)


SCHEMA_TYPES = f"""{HEAD}import type {{ AppSchema, ColumnSchema }} from '@nozbe/watermelondb'
export declare const columns: Record<string, ColumnSchema[]>
export declare const schema: AppSchema
"""

MIGRATIONS_TYPES = f"""{HEAD}import type {{ SchemaMigrations }} from '@nozbe/watermelondb/Schema/migrations'
export declare const migrations: SchemaMigrations
"""


def _models_types(catalogue: Catalogue) -> str:
    found = [HEAD, "import type { Model, Query, Relation } from '@nozbe/watermelondb'\n\n", PRELUDE, "\n"]
    for entity in catalogue.entities:
        lines = []
        for name, (_, told) in properties_of(entity, catalogue).items():
            is_owned, kind = told.startswith("readonly "), told.removeprefix("readonly ")
            lines.append(f"  {'readonly ' if is_owned else ''}{name}: {kind}\n")
        found.append(
            f"/** {entity.description} */\nexport declare class {pascal(entity.name)} extends Model {{\n"
        )
        found.append("".join(lines) + "}\n\n")
    found.append("export declare const modelClasses: (typeof Model)[]\n")
    return "".join(found)


def _property(name: str) -> str:
    """The name of a model's property; one that the library has itself gets an underscore."""
    wanted = camel(name)
    return f"{wanted}_" if wanted in RESERVED else wanted


def _made(column: Column) -> str:
    made = f"parsed('{column.name}')" if column.kind in AS_JSON else f"field('{column.name}')"
    return made if column.writable else f"owned({made})"


def _typed(column: Column) -> str:
    kind = type_of(column.told, "  ")
    kind = kind if kind == "unknown" or "null" in kind.split(" | ") else f"{kind} | null"
    return kind if column.writable else f"readonly {kind}"


def _ties(entity: Entity, catalogue: Catalogue) -> Mapping[str, str]:
    """For each other table the first column that names one of its records: the library knows one way between two."""
    names = {one.name for one in catalogue.entities} - {entity.name}
    found: dict[str, str] = {}
    for column in entity.columns.values():
        if column.refers in names:
            found.setdefault(column.refers, column.name)
    return found


def _children(entity: Entity, catalogue: Catalogue) -> dict[str, str]:
    ties = _ties(entity, catalogue)
    found = {other.name: _ties(other, catalogue).get(entity.name) for other in catalogue.entities}
    return {child: key for child, key in found.items() if key and child not in ties}


def _associations(entity: Entity, catalogue: Catalogue) -> dict[str, str]:
    upwards = {table: f"belongs({json.dumps(key)})" for table, key in _ties(entity, catalogue).items()}
    downwards = {table: f"has({json.dumps(key)})" for table, key in _children(entity, catalogue).items()}
    return {table: how.replace('"', "'") for table, how in (upwards | downwards).items()}
