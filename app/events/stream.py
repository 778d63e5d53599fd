"""What one held connection is still to be told: bounded, whoever is slow."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from uuid import UUID


class Ending(enum.StrEnum):
    """Why a stream ends, as the event that it ends with."""

    REAUTH = "reauth"  # get another access token, then come back
    REPLACED = "replaced"  # the device has a newer stream; do not come back with this one
    RECONNECT = "reconnect"  # come back after the time of ``retry:``


@dataclass(frozen=True, slots=True)
class News:
    """What came for a stream since it last looked."""

    admitted: bool
    refusal: Exception | None
    position: int | None
    ending: Ending | None


class Stream:
    """One connection, between the thread that knows the database and the one that writes.

    However many pings come while a phone is slow, it keeps the last.
    """

    def __init__(
        self,
        tenant_id: UUID,
        user_id: UUID,
        device_id: UUID,
        after: int | None,
        ring: Callable[["Stream"], None],
    ) -> None:
        """Of a device that was told of changes up to *after* (None: it does not say).

        Args:
            tenant_id: From the access token.
            user_id: From the access token.
            device_id: From the access token.
            after: Position of the last ping that it got, on an earlier connection.
            ring: Called, from any thread, when there is something to ``take``.
        """
        self.tenant_id = tenant_id
        self.user_id = user_id
        self.device_id = device_id
        self.after = after
        self.pinged: int | None = None
        self.abandoned = False
        self._ring = ring
        self._lock = Lock()
        self._admitted = False
        self._refusal: Exception | None = None
        self._position: int | None = None
        self._ending: Ending | None = None

    def admit(self) -> None:
        """It may stay."""
        with self._lock:
            self._admitted = True
        self._ring(self)

    def refuse(self, error: Exception) -> None:
        """It may not; *error* becomes the answer."""
        with self._lock:
            self._refusal = error
        self._ring(self)

    def ping(self, position: int) -> None:
        """Something changed for its user, up to *position*."""
        with self._lock:
            self._position = self.pinged = position
        self._ring(self)

    def end(self, ending: Ending) -> None:
        """It is over; the first reason counts."""
        with self._lock:
            self._ending = self._ending or ending
        self._ring(self)

    def take(self) -> News:
        """What there is to tell; a position is given out once."""
        with self._lock:
            news = News(self._admitted, self._refusal, self._position, self._ending)
            self._position = None
        return news
