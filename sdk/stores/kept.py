"""What was generated before, in ``stores.json`` beside it: versions rise, and phones in the field migrate."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "stores.json"

Json = dict[str, Any]


class TypeChanged(Exception):
    """A column holds something else than before, which no migration can carry over."""


class Kept:
    """Versions of the app's stores so far. The file belongs into the app's repository, as its migrations do."""

    def __init__(self, folder: Path) -> None:
        """Read what is there; nothing on the first run."""
        self.path = folder / FILE
        self.found: Json = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}

    def write(self) -> None:
        """Keep it for the next run."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def watermelon(self, tables: Mapping[str, Mapping[str, Json]]) -> Json:
        """Take note of the tables that are wanted now.

        Tables and columns that are not wanted any more stay, empty: SQLite would find them twice if they came back.

        Returns:
            ``version``, ``tables`` and all ``migrations`` so far.

        Raises:
            TypeChanged: See there.
        """
        known = self.found.get("watermelon")
        if known is None:
            known = {
                "version": 1,
                "tables": {t: dict(columns) for t, columns in tables.items()},
                "migrations": [],
            }
            self.found["watermelon"] = known
            return known
        steps = _steps(known["tables"], tables)
        if steps:
            known["version"] += 1
            known["migrations"].append({"toVersion": known["version"], "steps": steps})
        return known  # type: ignore[no-any-return]

    def rxdb(self, schemas: Mapping[str, Json]) -> Json:
        """Take note of the collections that are wanted now; gives for each its ``version`` and ``schema``."""
        known: Json = self.found.setdefault("rxdb", {})
        for name, schema in schemas.items():
            before = known.get(name)
            if before is None:
                known[name] = {"version": 0, "schema": schema}
                continue
            # Fields that are not wanted any more stay: a document that has them would not fit its schema.
            properties = {**schema["properties"], **_gone(before["schema"], schema)}
            wanted = {**schema, "properties": properties}
            if wanted != before["schema"]:
                known[name] = {"version": before["version"] + 1, "schema": wanted}
        return {name: known[name] for name in schemas}


def _steps(known: dict[str, Any], wanted: Mapping[str, Mapping[str, Json]]) -> list[Json]:
    steps: list[Json] = []
    for table, columns in wanted.items():
        if table not in known:
            known[table] = dict(columns)
            steps.append({"type": "create_table", "table": table, "columns": list(columns)})
            continue
        changed = [
            n for n, c in columns.items() if n in known[table] and known[table][n]["type"] != c["type"]
        ]
        if changed:
            raise TypeChanged(f"{table}.{changed[0]} has another type than before.")
        added = [name for name in columns if name not in known[table]]
        if added:
            known[table] |= {name: columns[name] for name in added}
            steps.append({"type": "add_columns", "table": table, "columns": added})
    return steps


def _gone(before: Json, schema: Json) -> Json:
    return {name: told for name, told in before["properties"].items() if name not in schema["properties"]}
