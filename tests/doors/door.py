"""What a scenario does on a device, whatever client it runs and by whatever door it comes."""

from typing import Any, Protocol

from tests.world import Person

Json = dict[str, Any]


class Lost(Exception):
    """No answer came; what the server did, if anything, the device does not know."""


class Device(Protocol):
    """One app of one person. All values are those of the native wire: a door's own forms stay behind it."""

    def sync(self) -> None:
        """One sync as the app makes it, until it has all pages. Raises ``Lost``."""

    def settle(self) -> None:
        """Sync until the device has been told all, what was withheld or overruled too."""

    def create(self, entity: str, /, **fields: Any) -> str:
        """Make a record offline; gives its id."""

    def edit(self, entity: str, record_id: str, /, **fields: Any) -> None:
        """Change fields offline."""

    def delete(self, entity: str, record_id: str) -> None:
        """Delete offline."""

    def get(self, entity: str, record_id: str) -> Json | None:
        """What the user sees of a record."""

    def ids(self, entity: str) -> set[str]:
        """The records of a kind that the user sees."""

    def lose_answer_of_push(self) -> None:
        """The answer to the next push will not arrive, though the server judges it."""

    def close(self) -> None:
        """Let go of it."""


class Door(Protocol):
    """A way by which devices come."""

    name: str

    def device(self, url: str, person: Person) -> Device:
        """A device of a person, which has not synced yet."""

    def close(self) -> None:
        """End it."""
