"""The door for WatermelonDB: its published client, in a node process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

from app.core.ids import new_id
from app.sync_api.registry import REGISTRY
from app.sync_api.watermelon.wire import AS_JSON, GROUP
from sdk.stores.document import Catalogue
from sdk.stores.watermelon import tables_of
from tests.doors.door import Json, farewell_token_of, send
from tests.doors.node import Node
from tests.world import Person

Tables = dict[str, dict[str, Json]]


class WatermelonDevice:
    """An app on WatermelonDB with LokiJS."""

    def __init__(self, node: Node, url: str, person: Person, tables: Tables) -> None:
        self.name = f"{next(node.names)}-{uuid4().hex[:6]}"
        node.ask("open", device=self.name, name=self.name, url=url, token=person.token, tables=tables)
        self.node = node
        self.person = person
        self.tables = tables
        self.grouped: Json = {}
        self.ask = partial(node.ask, device=self.name)

    def behave(self, **values: Any) -> None:
        """Change how the app behaves: ``tellsPending``, ``limit``, ``lose``, ``fail``."""
        self.ask("set", values=values)

    def sync(self) -> None:
        self.ask("sync")

    def settle(self) -> None:
        self.behave(tellsPending=True)
        for _ in range(2):
            self.ask("sync")
        self.behave(tellsPending=False)

    def create(self, entity: str, /, **fields: Any) -> str:
        record_id = str(new_id())
        self.ask("create", table=entity, id=record_id, values=_columns(entity, fields) | self.grouped)
        return record_id

    def edit(self, entity: str, record_id: str, /, **fields: Any) -> None:
        self.ask("edit", table=entity, id=record_id, values=_columns(entity, fields) | self.grouped)

    def delete(self, entity: str, record_id: str) -> None:
        self.ask("remove", table=entity, id=record_id)

    def command(self, entity: str, record_id: str, name: str, /, **arguments: Any) -> None:
        held = self.get(entity, record_id)
        assert held is not None
        send(self.person, held, f"{entity}s/{record_id}/{name.replace('_', '-')}", arguments)

    @contextmanager
    def group(self) -> Iterator[None]:
        self.grouped = {GROUP: str(new_id())}
        yield
        self.grouped = {}

    def get(self, entity: str, record_id: str) -> Json | None:
        row = self.ask("get", table=entity, id=record_id)
        return None if row is None or row["_status"] == "deleted" else _record(entity, row)

    def ids(self, entity: str) -> set[str]:
        return {row["id"] for row in self.ask("list", table=entity)}

    def update_app(self) -> None:
        known = _tables_of(self.person)
        contacts = {"type": "create_table", "table": "contact", "columns": list(known["contact"])}
        phones = {"type": "add_columns", "table": "account", "columns": ["phone"]}
        self.migrate(known, [contacts, phones])

    def hand_in(self) -> None:
        self.behave(token=farewell_token_of(self.person))
        self.sync()

    def lose_answer_of_push(self) -> None:
        self.behave(lose={"GET": 0, "POST": 1})

    def migrate(self, tables: Tables, steps: list[Json]) -> None:
        """The app is updated: it knows more than before."""
        self.ask("migrate", tables=tables, steps=steps)

    def close(self) -> None:
        self.node.ask("close", device=self.name)


class WatermelonDoor:
    """``/sync/watermelon``."""

    name = "watermelon"
    tells = {"group": True, "command": False}  # noqa: RUF012

    def __init__(self) -> None:
        self.node = Node("watermelon")

    def device(self, url: str, person: Person, tables: Tables | None = None) -> WatermelonDevice:
        return WatermelonDevice(self.node, url, person, tables or _tables_of(person))

    def older(self, url: str, person: Person) -> WatermelonDevice:
        tables = {name: dict(columns) for name, columns in _tables_of(person).items() if name != "contact"}
        del tables["account"]["phone"]
        return self.device(url, person, tables)

    def close(self) -> None:
        self.node.close()


def _tables_of(person: Person) -> Tables:
    """The tables of an app, made from what the server says of its schema."""
    return tables_of(Catalogue.of([person.call("GET", "/api/v1/sync/schema").json]))


def _columns(entity: str, fields: Json) -> Json:
    declared = REGISTRY.get(entity).fields
    return {
        name: json.dumps(value) if declared[name].kind in AS_JSON and value is not None else value
        for name, value in fields.items()
    }


def _record(entity: str, row: Json) -> Json:
    declared = REGISTRY.get(entity).fields
    return {
        name: json.loads(value) if name in declared and declared[name].kind in AS_JSON and value else value
        for name, value in row.items()
        if not name.startswith("_") and name != GROUP
    }
