"""The stream's operation in the API document, and what answers in its place on the API's own address."""

from typing import Any, Final, NoReturn

from app.core.errors import NotFound
from app.http.services import services

PATH: Final = "/api/v1/sync/events"
RXDB_PATH: Final = "/api/v1/sync/rxdb/events"
MEDIA_TYPE: Final = "text/event-stream"
EXAMPLE: Final = 'retry: 7214\n\nid: 1842\nevent: changed\ndata: {"position": 1842}\n\n: still here\n\n'

OPERATION: Final[dict[str, Any]] = {
    "tags": ["sync"],
    "summary": "Hold a connection and be told when a sync is worth while",
    "description": (
        "Server-sent events, on the address that `events` of the sync answer names. `changed`: something that"
        " this user's phones are given has changed; sync. `reauth`: the token has run out or is not good any"
        " more; refresh it and come back. `replaced`: this device has opened a newer stream; let this one be."
        " `reconnect`: come back after the time of `retry`. Lines that begin with a colon only show that the"
        " connection lives. A device has one stream; the newest counts."
    ),
    "parameters": [
        {
            "in": "header",
            "name": "Last-Event-ID",
            "required": False,
            "description": "The `id` of the last ping; without it, one comes at once.",
            "schema": {"type": "string"},
        }
    ],
    "responses": {
        "200": {
            "description": "A stream that lasts until the token's end at most",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}},
        },
        "404": {"description": "This is not the address of the stream (`events_elsewhere`)."},
    },
}

RXDB_EXAMPLE: Final = "retry: 7214\n\nid: 1842\ndata: RESYNC\n\n: still here\n\n"

RXDB_OPERATION: Final[dict[str, Any]] = OPERATION | {
    "tags": ["rxdb"],
    "summary": "Hold a connection and be told when a replication is worth while",
    "description": (
        "The pings of `GET /sync/events` in the words of the RxDB client, on the same address: each message says"
        " `RESYNC` and goes into `pull.stream$` as it is; one comes at once, also on a reconnect. `reauth`,"
        " `replaced` and `reconnect` are events of these names, as there."
    ),
    "responses": OPERATION["responses"]
    | {
        "200": {
            "description": "A stream that lasts until the token's end at most",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": RXDB_EXAMPLE}},
        }
    },
}


class EventsElsewhere(NotFound):
    """Pings are given on another address. ``details``: ``url``, null where there are none."""

    code = "events_elsewhere"


def say_elsewhere() -> NoReturn:
    """Held connections would starve the few threads of the API.

    Raises:
        EventsElsewhere: Always.
    """
    raise EventsElsewhere("Pings are given on another address.", url=services().config.events_url or None)
