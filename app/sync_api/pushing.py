"""The first half of a sync request: mutations judged in chunks, each in a transaction of its own."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.db import Database, savepoint
from app.core.errors import Unavailable
from app.core.scope import Actor
from app.sync_api.metrics import MUTATIONS, VERDICTS
from app.sync_api.rooms import RoomVerbs, is_transient
from app.sync_api.synced import Synced
from app.sync_api.wire import SyncRequest
from sync.judge import Sender
from sync.push import CHUNK, Pushed, Pusher
from sync.registry import Registry
from sync.stores.push import PushStore
from sync.wire import Mutation

TRIES = 5

ActorOf = Callable[[Session], Actor]


class OutcomeUnknown(Unavailable):
    """The connection was lost in COMMIT: send the same mutations again, the answer tells which were judged."""

    code = "outcome_unknown"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the token says it is; the rights are read from the database."""

    tenant_id: UUID
    user_id: UUID
    device_id: UUID


@dataclass(frozen=True, slots=True)
class Standing:
    """In which life of the database a request is judged, and which ended ones its device's work may be based on."""

    epoch: UUID
    epoch_started_at: datetime
    generation: int
    known_epochs: frozenset[UUID]
    farewell: bool = False


class Pushing:
    """Judges what phones push, for one process."""

    def __init__(
        self,
        db: Database,
        registry: Registry,
        synced: Mapping[str, Synced],
        clock: Callable[[], datetime],
    ) -> None:
        """Join the pools, the policies and the rooms' verbs; *clock* gives server time, aware UTC."""
        self.db = db
        self.registry = registry
        self.synced = synced
        self.clock = clock

    def quarantine(self, who: Identity, request: SyncRequest) -> Pushed:
        """Set mutations aside unjudged."""
        raise NotImplementedError

    def push(self, who: Identity, actor_of: ActorOf, request: SyncRequest, standing: Standing) -> Pushed:
        """Judge the mutations of a request, lowest ``n`` first.

        Args:
            who: From the access token.
            actor_of: Reads user, role, scope and the device's state in a session; raises Unauthenticated.
            request: Checked envelope.
            standing: In which life of the database.

        Raises:
            OutcomeUnknown: 503; chunks before the failing one are judged and committed.
        """
        if not request.mutations:
            return Pushed([], 0, False)
        whole = Pushed([], 0, False)
        now = self.clock()
        for start in range(0, len(request.mutations), CHUNK):
            part = self._chunk(who, actor_of, request, request.mutations[start : start + CHUNK], now)
            whole.verdicts += part.verdicts
            whole.cloned = whole.cloned or part.cloned
        MUTATIONS.inc(len(request.mutations))
        for verdict in whole.verdicts:
            VERDICTS.labels("replayed" if verdict.replayed else str(verdict.status)).inc()
        return whole

    def _chunk(
        self, who: Identity, actor_of: ActorOf, request: SyncRequest, chunk: Sequence[Mutation], now: datetime
    ) -> Pushed:
        for attempt in range(1, TRIES + 1):
            try:
                return self._judge(who, actor_of, request, chunk, now)
            except DBAPIError as error:
                if not is_transient(error) or attempt == TRIES:
                    if is_transient(error):
                        raise OutcomeUnknown(retry_after_s=random.randint(1, 4)) from error  # noqa: S311
                    raise
                time.sleep(0.02 * attempt * (1 + random.random()))  # noqa: S311  (spreads load)
        raise AssertionError("unreachable")

    def _judge(
        self, who: Identity, actor_of: ActorOf, request: SyncRequest, chunk: Sequence[Mutation], now: datetime
    ) -> Pushed:
        with self.db.session(who.tenant_id, user_id=who.user_id, device_id=who.device_id) as session:
            actor = actor_of(session)
            store = PushStore(
                session.connection(), who.tenant_id, who.user_id, who.device_id, partial(savepoint, session)
            )
            rooms = RoomVerbs(self.synced, session, actor, store, now)
            sender = Sender(who.user_id, who.device_id, actor.scope.shape, now, request.sent_at)
            return Pusher(store, self.registry, rooms, sender, fresh=session.expunge_all).push(chunk)
