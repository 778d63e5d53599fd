"""Rows and edits as the WatermelonDB client writes them, and what they are to the engine."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

import orjson

from sync.errors import RequestInvalid
from sync.policy import Field, Kind, Merge, SyncEntity
from sync.registry import Registry
from sync.values import whole
from sync.wire import is_id

SERIALS = 1 << 40
"""Serial numbers of one life of the database."""

MOST = (1 << 53) - 1
"""Beyond this, numbers of JavaScript are not exact."""

AS_JSON = frozenset({Kind.TEXTS, Kind.POINT, Kind.JSON, Kind.ROWS})
"""Columns hold text, numbers and booleans only: these are JSON in a text."""

GROUP = "sync_group"
"""An app's own column: edits with one value in it are taken together, or not at all."""

OWN_COLUMNS = frozenset({"id", "_status", "_changed", "version", "created_at", "updated_at", GROUP})
"""Columns that are no fields of a record; ``updated_at`` is kept by the client, and says when an edit was made."""

DIGITS = re.compile(r"[0-9]{1,16}\Z")
Operation = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One row of a push: what its user made, changed or deleted."""

    table: str
    id: str
    op: Operation
    fields: Mapping[str, Any]
    occurred_at: str | None = None
    group: str | None = None

    @property
    def record_id(self) -> UUID | None:
        """The id, where it is one that a record can have."""
        return UUID(self.id) if is_id(self.id) else None

    @property
    def hash(self) -> bytes:
        """Of what was pushed: the same row with the same edits has the same."""
        # Not by orjson, which has no numbers beyond 64 bits: what is wrong with them is said when they are judged.
        return sha256(json.dumps([self.op, self.fields], sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class Migration:
    """What an app that was updated has no rows of yet, or only parts of them."""

    tables: frozenset[str]


def column_types(entity: SyncEntity, shape: str) -> dict[str, str]:
    """The columns of a table, by name, with the client's types; ``id`` is implied."""
    return {"version": "number"} | {name: _type(field) for name, field in entity.fields_of(shape).items()}


def _type(field: Field) -> str:
    return {Kind.INTEGER: "number", Kind.BOOLEAN: "boolean"}.get(field.kind, "string")


def row_of(entity: SyncEntity, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as a row; *record* is the wire's, of the reader's shape."""
    found: dict[str, Any] = {"id": record["id"], "version": record["version"]}
    for name, field in entity.fields.items():
        if name in record:
            value = record[name]
            as_json = field.kind in AS_JSON and value is not None
            found[name] = orjson.dumps(value).decode() if as_json else value
    return found


def edits_of(body: Mapping[str, Any], registry: Registry) -> list[Edit]:
    """The edits of a push in the order in which they can be judged: parents before what hangs on them.

    Raises:
        RequestInvalid: It is no changes object of the client.
    """
    order = {entity.name: place for place, entity in enumerate(registry.entities)}
    tables = sorted(body, key=lambda name: (order.get(name, len(order)), name))
    found: list[Edit] = []
    for kind in ("created", "updated"):
        for table in tables:
            entity = registry.find(table)
            found += [
                _edit(table, entity, raw, kind, place) for place, raw in enumerate(_rows(body, table, kind))
            ]
    for table in reversed(tables):
        for place, record_id in enumerate(_rows(body, table, "deleted")):
            if not isinstance(record_id, str):
                raise RequestInvalid("type_mismatch", f"/{table}/deleted/{place}")
            found.append(Edit(table, record_id, "delete", {}))
    return together([edit for edit in found if edit.fields or edit.op != "update"], registry)


def together(edits: Sequence[Edit], registry: Registry) -> list[Edit]:
    """Edits with the members of a group beside each other, and still behind what they hang on.

    The order is kept where nothing speaks against it.
    """
    if not any(edit.group for edit in edits):
        return list(edits)
    units: dict[str | int, list[Edit]] = {}
    for place, edit in enumerate(edits):
        units.setdefault(edit.group or place, []).append(edit)
    made = {edit.id: key for key, members in units.items() for edit in members if edit.op == "create"}
    before = {key: _hang_on(members, made, registry) for key, members in units.items()}
    found: list[Edit] = []
    begun, done = set[str | int](), set[str | int]()
    stack = list(reversed(units))
    while stack:
        key = stack[-1]
        waits = [] if key in begun else [one for one in before[key] if one not in begun]
        begun.add(key)
        if waits:
            stack += waits
            continue
        stack.pop()
        if key not in done:
            done.add(key)
            found += units[key]
    return found


def _hang_on(members: Sequence[Edit], made: Mapping[str, str | int], registry: Registry) -> list[str | int]:
    """The units that make records which these name."""
    found: list[str | int] = []
    for edit in members:
        entity = registry.find(edit.table)
        for name, value in edit.fields.items() if entity else ():
            declared = entity.fields.get(name) if entity else None
            if declared and declared.refers and isinstance(value, str) and value in made:
                found.append(made[value])
    return found


def _rows(body: Mapping[str, Any], table: str, kind: str) -> Sequence[Any]:
    changes = body[table]
    if not isinstance(changes, dict):
        raise RequestInvalid("type_mismatch", f"/{table}")
    rows = changes.get(kind, [])
    if not isinstance(rows, list):
        raise RequestInvalid("type_mismatch", f"/{table}/{kind}")
    return rows


def _edit(table: str, entity: SyncEntity | None, raw: Any, kind: str, place: int) -> Edit:
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
        raise RequestInvalid("type_mismatch", f"/{table}/{kind}/{place}")
    op: Operation = "create" if kind == "created" else "update"
    names = _named(raw) if op == "update" else _filled(raw, entity)
    fields = {name: _value(entity, name, raw.get(name)) for name in names}
    return Edit(table, raw["id"], op, fields, _moment(raw.get("updated_at")), _group(raw, op))


def _group(raw: Mapping[str, Any], op: Operation) -> str | None:
    """The group of an edit; what stands in the column from an earlier edit counts no more."""
    told, changed = raw.get(GROUP), raw.get("_changed")
    is_told = op == "create" or (isinstance(changed, str) and GROUP in changed.split(","))
    return told if is_told and isinstance(told, str) and told else None


def _named(raw: Mapping[str, Any]) -> Iterator[str]:
    """The columns that were edited, by the client's own book."""
    changed = raw.get("_changed")
    names = changed.split(",") if isinstance(changed, str) else []
    return (name for name in names if name and name not in OWN_COLUMNS)


def _filled(raw: Mapping[str, Any], entity: SyncEntity | None) -> Iterator[str]:
    """Columns of a new row that hold something. What belongs to the server is the app's guess, to show something."""
    for name, value in raw.items():
        declared = entity.fields.get(name) if entity else None
        guessed = declared is not None and declared.merge is Merge.READ_ONLY
        if value is not None and name not in OWN_COLUMNS and not guessed:
            yield name


def _value(entity: SyncEntity | None, name: str, value: Any) -> Any:
    declared = entity.fields.get(name) if entity else None
    if declared is None or declared.kind not in AS_JSON or not isinstance(value, str):
        return whole(value)
    try:
        return orjson.loads(value)
    except ValueError:
        return value  # the schema of its room says what is wrong with it


def _moment(milliseconds: Any) -> str | None:
    """The client's own clock as a time, where it kept one."""
    found = moment_of(milliseconds)
    return None if found is None else found.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def moment_of(milliseconds: Any) -> datetime | None:
    """Milliseconds since 1970 as a time; None for what is none."""
    value = whole(milliseconds)
    if type(value) is not int or not 0 < value < 1 << 47:
        return None
    return datetime.fromtimestamp(value / 1000, UTC)


def mark_of(text: str | None) -> int | None:
    """The client's ``last_pulled_at``; None for a first sync, which it writes in four ways.

    Raises:
        RequestInvalid: It is no number that this server can have given.
    """
    if text in (None, "", "0", "null", "undefined"):
        return None
    if text is None or not DIGITS.match(text) or not 0 < int(text) <= MOST:
        raise RequestInvalid("value_out_of_range", "/last_pulled_at")
    return int(text)


def migration_of(text: str | None) -> Migration:
    """Tables of which all rows are wanted again.

    Raises:
        RequestInvalid: It is not what the client writes.
    """
    if text in (None, "", "null", "undefined"):
        return Migration(frozenset())
    try:
        raw = orjson.loads(text or "")
        named = [*raw["tables"], *(one["table"] for one in raw["columns"])]
    except (ValueError, TypeError, KeyError) as error:
        raise RequestInvalid("json_invalid", "/migration") from error
    return Migration(frozenset(name for name in named if isinstance(name, str)))
