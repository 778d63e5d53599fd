"""What a scenario does on a device, whatever client it runs and by whatever door it comes."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

from app.core.clock import utc_now
from app.http.auth import issue_farewell_token
from app.http.services import services
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

    def command(self, entity: str, record_id: str, name: str, /, **arguments: Any) -> None:
        """Do what is more than an edit: offline where the client can, else over REST."""

    def group(self) -> AbstractContextManager[None]:
        """What is done inside is taken as a whole, or not at all, where the client can say so."""

    def get(self, entity: str, record_id: str) -> Json | None:
        """What the user sees of a record."""

    def ids(self, entity: str) -> set[str]:
        """The records of a kind that the user sees."""

    def update_app(self) -> None:
        """The app of ``Door.older`` is brought up to date."""

    def hand_in(self) -> None:
        """A sync of a device that was locked out, with the farewell token that its refresh token buys."""

    def lose_answer_of_push(self) -> None:
        """The answer to the next push will not arrive, though the server judges it."""

    def close(self) -> None:
        """Let go of it."""


class Door(Protocol):
    """A way by which devices come."""

    name: str
    tells: dict[str, bool]
    """Scenarios that not every client can express: whether this one can. Where it cannot, something else is left."""

    def device(self, url: str, person: Person) -> Device:
        """A device of a person, which has not synced yet."""

    def older(self, url: str, person: Person) -> Device:
        """A device whose app knows neither contacts nor the phone numbers of accounts; it has not synced yet."""

    def close(self) -> None:
        """End it."""


def send(person: Person, record: Json, path: str, arguments: Json) -> None:
    """A command over REST, on the version of *record* that the device holds."""
    answer = person.call("POST", f"/api/v1/{path}", arguments, **{"If-Match": f'"{record["version"]}"'})
    assert answer.status_code == 200, answer.get_data(as_text=True)


def farewell_token_of(person: Person) -> str:
    """What the refresh token of a locked-out device buys."""
    config = services(person.world.app).config
    return issue_farewell_token(config, person.world.id, person.id, person.device_id, utc_now())
