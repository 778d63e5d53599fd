"""Live scopes that a process knows, so that a pull does not read them anew while nothing has touched them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from app.sync_api.pushing import Identity

MOST = 10_000
"""Users whose scope a process remembers."""

LIFE_S = 600.0
"""After so long a scope is read again, whatever the proof says."""


@dataclass(frozen=True, slots=True)
class Known:
    """The live buckets of a user, as they were read on a day.

    Who is given what follows from people, memberships, delegations, territories and units, and from the day. Whoever
    changes one of these leaves a mark in the same transaction, and the drain that takes it computes the drained
    buckets of everybody concerned. So where a snapshot holds no mark, and the drained buckets are those that were live
    at another moment of the same day, they are live. The exchange weighs live buckets against marks and drained ones
    whatever it has them from; here stands only what that cannot see.
    """

    buckets: frozenset[str]
    day: date
    epoch: UUID
    read_at: float

    def is_of(self, actor: Any, glance: Any) -> bool:
        """Whether these are of the day that the actor's row tells, and of the life that ``GLANCE`` tells."""
        return actor is not None and (actor.today, glance.epoch) == (self.day, self.epoch)


class Scopes:
    """What the process knows of many users. Where threads meet, one may read what another has read already."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing."""
        self._clock = clock
        self._known: dict[tuple[UUID, UUID], Known] = {}

    def of(self, who: Identity) -> Known | None:
        """What is known of a user, and still has to be proved."""
        found = self._known.get((who.tenant_id, who.user_id))
        return None if found is None or self._clock() - found.read_at > LIFE_S else found

    def learn(self, who: Identity, actor: Any, glance: Any, live: frozenset[str]) -> None:
        """Remember the live buckets of one snapshot."""
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[who.tenant_id, who.user_id] = Known(live, actor.today, glance.epoch, self._clock())

    def forget(self) -> None:
        """Know nothing any more: the database may be another one."""
        self._known.clear()
