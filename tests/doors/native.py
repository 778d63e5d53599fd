"""The native door: the reference phone."""

from typing import Any

from examples.phone import HttpTransport, Phone
from examples.phone.testing import LossyTransport
from tests.doors.door import Json
from tests.world import PASSWORD, Person


class NativeDevice:
    """A reference phone."""

    def __init__(self, url: str, person: Person) -> None:
        self.network = LossyTransport(HttpTransport(url))
        self.phone = Phone(url, transport=self.network, sleep=lambda _: None)
        self.phone.log_in(person.world.code, person.login, PASSWORD)

    def sync(self) -> None:
        self.phone.sync()

    def settle(self) -> None:
        self.phone.sync()

    def create(self, entity: str, /, **fields: Any) -> str:
        return self.phone.create(entity, **fields)

    def edit(self, entity: str, record_id: str, /, **fields: Any) -> None:
        self.phone.edit(entity, record_id, **fields)

    def delete(self, entity: str, record_id: str) -> None:
        self.phone.delete(entity, record_id)

    def get(self, entity: str, record_id: str) -> Json | None:
        return self.phone.get(entity, record_id)

    def ids(self, entity: str) -> set[str]:
        return {record["id"] for record in self.phone.list(entity)}

    def lose_answer_of_push(self) -> None:
        """The phone asks again by itself, with the same mutations."""
        self.network.lose_next = 1

    def close(self) -> None:
        self.phone.close()


class NativeDoor:
    """``POST /sync``."""

    name = "native"

    def device(self, url: str, person: Person) -> NativeDevice:
        return NativeDevice(url, person)

    def close(self) -> None:
        pass
