"""The native door: the reference phone."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import Any

from flask import Flask

from app.sync_api.exchange import Exchange
from app.sync_api.registry import BY_NAME, REGISTRY
from app.sync_api.routes import EXTENSION, exchange
from examples.phone import HttpTransport, Phone
from examples.phone.client import TRIES, NeedsLogin, NoAnswer
from examples.phone.testing import LossyTransport
from examples.phone.transport import Reply
from sync.registry import Registry
from tests.doors.door import Json, Lost
from tests.world import PASSWORD, Person

LATER = 2
"""The schema version with which contacts and phone numbers came."""


class VersionedPhone(Phone):
    """A reference phone whose app is of some schema version."""

    schema_version = 1
    limit: int | None = None

    def _request(self) -> Json:
        asked = super()._request() | {"schema_version": self.schema_version}
        return asked | ({} if self.limit is None else {"limit": self.limit})


class Network(LossyTransport):
    """Loses requests on the way to the server, too."""

    fail_next = 0

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send, and perhaps lose the request or its answer."""
        if self.fail_next > 0:
            self.fail_next -= 1
            raise ConnectionRefusedError("the request was lost")
        return super().send(method, path, headers, body)


class NativeDevice:
    """A reference phone."""

    def __init__(self, url: str, person: Person) -> None:
        self.network = Network(HttpTransport(url))
        self.phone = VersionedPhone(url, transport=self.network, sleep=lambda _: None)
        self.phone.log_in(person.world.code, person.login, PASSWORD)

    def behave(
        self, *, lose: Mapping[str, int], fail: Mapping[str, int], limit: int | None, **_: Any
    ) -> None:
        """Have the network and the pages be so: a lost push is given up, a lost pull asked for again."""
        self.network.lose_next = lose["GET"] or lose["POST"] * TRIES
        self.network.fail_next = fail["POST"] * TRIES
        self.phone.limit = limit

    def sync(self) -> None:
        try:
            self.phone.sync()
        except NoAnswer as error:
            raise Lost(str(error)) from error

    def settle(self) -> None:
        self.phone.sync()

    def create(self, entity: str, /, **fields: Any) -> str:
        return self.phone.create(entity, **fields)

    def edit(self, entity: str, record_id: str, /, **fields: Any) -> None:
        self.phone.edit(entity, record_id, **fields)

    def delete(self, entity: str, record_id: str) -> None:
        self.phone.delete(entity, record_id)

    def command(self, entity: str, record_id: str, name: str, /, **arguments: Any) -> None:
        self.phone.command(entity, record_id, name, **arguments)

    def group(self) -> AbstractContextManager[None]:
        return self.phone.group()

    def get(self, entity: str, record_id: str) -> Json | None:
        return self.phone.get(entity, record_id)

    def ids(self, entity: str) -> set[str]:
        return {record["id"] for record in self.phone.list(entity)}

    def update_app(self) -> None:
        self.phone.schema_version = LATER

    def hand_in(self) -> None:
        """It buys the token by itself, and wipes itself in the end: then nobody is logged in."""
        with suppress(NeedsLogin):
            self.phone.sync()

    def lose_answer_of_push(self) -> None:
        """The phone asks again by itself, with the same mutations."""
        self.network.lose_next = 1

    def close(self) -> None:
        self.phone.close()


class NativeDoor:
    """``POST /sync``."""

    name = "native"
    tells = {"group": True, "command": True}  # noqa: RUF012

    def device(self, url: str, person: Person) -> NativeDevice:
        return NativeDevice(url, person)

    def older(self, url: str, person: Person) -> NativeDevice:
        """The server has to speak as ``of_later_schema`` has it."""
        return NativeDevice(url, person)

    def close(self) -> None:
        pass


@contextmanager
def of_later_schema(app: Flask) -> Iterator[None]:
    """Have the server know contacts and phone numbers of accounts since schema version 2 only."""
    with app.app_context():
        found = exchange()
    entities = []
    for entity in REGISTRY.entities:
        if entity.name == "account":
            fields = {n: replace(f, since=LATER) if n == "phone" else f for n, f in entity.fields.items()}
            entities.append(replace(entity, fields=fields))
        else:
            entities.append(replace(entity, since=LATER) if entity.name == "contact" else entity)
    later = Registry(tuple(entities), REGISTRY.subscriptions_sql, LATER, 1)
    app.extensions[EXTENSION] = Exchange(found.db, later, BY_NAME, found.drainer, found.clock, found.key)
    yield
    app.extensions[EXTENSION] = found
