"""What is to go says so a year before, in the document and in each answer (RFC 9745 and RFC 8594)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from functools import wraps
from typing import Any

from flask import after_this_request
from werkzeug import Response

LEAST_NOTICE = timedelta(days=365)
HEADERS: dict[str, Any] = {
    "Deprecation": {
        "description": "Since when it is deprecated (RFC 9745): `@` and seconds since 1970",
        "schema": {"type": "string", "pattern": "^@[0-9]+$"},
    },
    "Sunset": {
        "description": "When it will be gone (RFC 8594), an HTTP date",
        "schema": {"type": "string"},
    },
}


@dataclass(frozen=True, slots=True)
class Deprecation:
    """The farewell of an operation.

    Attributes:
        since: The day from which clients are told.
        sunset: The first day on which it may be gone; at least a year later, as phones are slow to be updated.
        instead: Path of what replaces it, if anything does.
    """

    since: date
    sunset: date
    instead: str | None = None

    def __post_init__(self) -> None:
        """Refuse a notice that is too short."""
        if self.sunset - self.since < LEAST_NOTICE:
            raise ValueError("Clients are told at least a year before the sunset.")

    def headers(self) -> dict[str, str]:
        """What each answer carries."""
        found = {
            "Deprecation": f"@{int(_midnight(self.since).timestamp())}",
            "Sunset": format_datetime(_midnight(self.sunset), usegmt=True),
        }
        return found | ({"Link": f'<{self.instead}>; rel="successor-version"'} if self.instead else {})

    def documented(self, operation: dict[str, Any]) -> None:
        """Mark *operation* of the API document."""
        operation["deprecated"] = True
        operation["x-sunset"] = self.sunset.isoformat()
        instead = f" Use `{self.instead}` instead." if self.instead else ""
        said = f"Deprecated since {self.since}; it may be gone from {self.sunset} on.{instead}"
        operation["description"] = "\n\n".join(filter(None, (operation.get("description"), said)))


def announcing(view: Callable[..., Any], deprecation: Deprecation) -> Callable[..., Any]:
    """*view* with the headers on whatever it answers, refusals included."""

    @wraps(view)
    def told(*args: Any, **kwargs: Any) -> Any:
        after_this_request(lambda response: _tell(response, deprecation))
        return view(*args, **kwargs)

    return told


def _tell(response: Response, deprecation: Deprecation) -> Response:
    response.headers.extend(deprecation.headers())
    return response


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
