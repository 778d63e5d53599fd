"""The door for RxDB: its published client, in a node process."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any
from uuid import uuid4

from app.core.ids import new_id
from sdk.stores.document import Catalogue
from sdk.stores.rxdb import schemas_of
from tests.doors.door import Json, farewell_token_of, send
from tests.doors.node import Node
from tests.world import Person

ENTITIES = ("account", "contact", "visit")
Collections = dict[str, dict[str, Any]]


class RxdbDevice:
    """An app on RxDB with its memory storage."""

    def __init__(
        self, node: Node, url: str, person: Person, collections: Collections, schema_version: int
    ) -> None:
        self.name = f"d{next(node.names)}{uuid4().hex[:6]}"
        node.ask(
            "open",
            device=self.name,
            name=self.name,
            url=url,
            token=person.token,
            collections=collections,
            schemaVersion=schema_version,
        )
        self.node = node
        self.person = person
        self.ask = partial(node.ask, device=self.name)

    def behave(self, **values: Any) -> None:
        """Change how the app behaves: ``tries``, ``batch``, ``lose``, ``fail``, ``token``."""
        self.ask("set", values=values)

    def sync(self) -> None:
        self.ask("sync")

    def settle(self) -> None:
        for _ in range(2):
            self.ask("sync")

    def create(self, entity: str, /, **fields: Any) -> str:
        record_id = str(new_id())
        self.ask("create", table=entity, id=record_id, values=fields)
        return record_id

    def edit(self, entity: str, record_id: str, /, **fields: Any) -> None:
        self.ask("edit", table=entity, id=record_id, values=fields)

    def delete(self, entity: str, record_id: str) -> None:
        self.ask("remove", table=entity, id=record_id)

    def command(self, entity: str, record_id: str, name: str, /, **arguments: Any) -> None:
        held = self.get(entity, record_id)
        assert held is not None
        send(self.person, held, f"{entity}s/{record_id}/{name.replace('_', '-')}", arguments)

    def group(self) -> AbstractContextManager[None]:
        """Collections replicate by themselves: nothing can be said of what belongs together."""
        return nullcontext()

    def get(self, entity: str, record_id: str) -> Json | None:
        found: Json | None = self.ask("get", table=entity, id=record_id)
        return found

    def ids(self, entity: str) -> set[str]:
        return set(self.ask("ids", table=entity))

    def lose_answer_of_push(self) -> None:
        """The client asks again by itself."""
        self.behave(lose={"GET": 0, "POST": 1})

    def update_app(self) -> None:
        self.migrate(collections_of(self.person), 1)

    def hand_in(self) -> None:
        self.behave(token=farewell_token_of(self.person))
        self.sync()

    def migrate(self, collections: Collections, schema_version: int) -> None:
        """The app is updated: it knows more than before."""
        self.ask("migrate", collections=collections, schemaVersion=schema_version)

    def close(self) -> None:
        self.node.ask("close", device=self.name)


class RxdbDoor:
    """``/sync/rxdb``."""

    name = "rxdb"
    tells = {"group": False, "command": False}  # noqa: RUF012

    def __init__(self) -> None:
        self.node = Node("rxdb")

    def device(
        self,
        url: str,
        person: Person,
        collections: Collections | None = None,
        schema_version: int = 1,
        batch: int = 500,
    ) -> RxdbDevice:
        known = collections or collections_of(person)
        device = RxdbDevice(self.node, url, person, known, schema_version)
        device.behave(batch=batch)
        return device

    def older(self, url: str, person: Person) -> RxdbDevice:
        collections = collections_of(person, [name for name in ENTITIES if name != "contact"])
        del collections["account"]["properties"]["phone"]
        return self.device(url, person, collections)

    def close(self) -> None:
        self.node.close()


def collections_of(person: Person, entities: Sequence[str] = ENTITIES) -> Collections:
    """The collections of an app, made from what the server says of its schema."""
    document = person.call("GET", "/api/v1/sync/schema").json
    return schemas_of(Catalogue.of([document]).only(set(entities) & document["entities"].keys()))
