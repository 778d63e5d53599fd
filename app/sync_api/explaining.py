"""Why a record is, or is not, on a device."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.core.scope import VISIT_DAYS_AHEAD, VISIT_DAYS_BACK, Actor, Role
from app.http.fields import wire_time
from app.identity import service as identity
from app.sync_api.synced import Synced
from sync.policy import SyncEntity
from sync.registry import Registry
from sync.stores.support import LastKnown, Place, SupportReader

VISITS_SHOWN = 5


class State(enum.StrEnum):
    """Where a record stands with regard to one device."""

    HELD = "held"
    STALE = "stale"
    COMING = "coming"
    LEFT_OUT = "left_out"
    WAITING = "waiting"
    QUARANTINED = "quarantined"
    WINDOW = "window"
    NOT_CARRIED = "not_carried"
    GONE = "gone"
    NOT_IN_SHAPE = "not_in_shape"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Because:
    """One way by which the record comes to the user by one bucket."""

    bucket: str
    way: str
    territory_id: UUID | None = None
    kind: str | None = None
    until: Any = None
    for_user_id: UUID | None = None
    fields: tuple[str, ...] = ()
    visit_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer; of a record that is none of the user's it tells nothing but that."""

    entity: str
    id: UUID
    state: State
    reason: str | None = None
    shape: str | None = None
    version: int | None = None
    because: Sequence[Because] = ()
    waiting: bool = False
    quarantined: bool = False
    device: Mapping[str, Any] = field(default_factory=dict)
    internals: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Which record, on which device, and who asks.

    ``viewer`` may be an operator at the console; ``device`` is a row of the identity room.
    """

    viewer: Actor
    device: Any
    entity: str
    record_id: UUID
    now: datetime


def device_to_explain(session: Session, viewer: Actor, device_id: UUID) -> Any:
    """The device that the question is about: one's own, for administrators any of the company.

    Raises:
        NotFound: Any other, also where there is none.
    """
    device = identity.get_device(session, viewer, device_id)
    if viewer.role is not Role.ADMIN and device.user_id != viewer.user_id:
        raise NotFound("No such device.")
    return device


def explain(
    connection: Connection,
    session: Session,
    registry: Registry,
    synced: Mapping[str, Synced],
    question: Question,
) -> Explanation:
    """Why the record is, or is not, on the device.

    Args:
        connection: In one snapshot, with the tenant set.
        session: On the same connection.
        registry: The synced entities.
        synced: Them with their verbs.
        question: What is asked.
    """
    return _Explainer(connection, session, registry, synced, question).answer()


class _Explainer:
    """Gathers what decides, and names the first reason that fits."""

    def __init__(
        self,
        connection: Connection,
        session: Session,
        registry: Registry,
        all_synced: Mapping[str, Synced],
        question: Question,
    ) -> None:
        self.session = session
        self.registry = registry
        self.all_synced = all_synced
        self.synced = all_synced[question.entity]
        self.entity: SyncEntity = self.synced.policy
        self.question = question
        self.reader = SupportReader(connection, question.viewer.tenant_id)
        self.subject = self._subject()
        self.places = self.reader.places(self.entity.name, question.record_id)
        self.known: LastKnown | None = self.reader.last_known(question.device.id)
        self.drained = self.reader.subscriptions(question.device.user_id)
        self.left_out = self.reader.left_out(question.device.user_id)

    def _subject(self) -> Actor | None:
        """The person of the device as they are now; None when their account is closed."""
        asked = self.question
        if asked.viewer.user_id == asked.device.user_id:
            return asked.viewer
        try:
            return identity.actor_of(
                self.session,
                asked.viewer.tenant_id,
                asked.device.user_id,
                None,
                asked.now,
                password_may_be_due=True,
            )
        except (identity.UserDisabled, identity.SessionEnded):
            return None

    @property
    def is_admin(self) -> bool:
        return self.question.viewer.role is Role.ADMIN

    def answer(self) -> Explanation:
        asked = self.question
        said = self._said()
        return Explanation(
            entity=self.entity.name,
            id=asked.record_id,
            **said,
            device={
                "id": asked.device.id,
                "user_id": asked.device.user_id,
                "last_sync_at": self.known.at if self.known else None,
                "at_checkpoint": not self.known.has_more if self.known else None,
            },
            internals=self._internals() if self.is_admin else None,
        )

    def _said(self) -> dict[str, Any]:
        subject = self.subject
        if subject is None:
            return {"state": State.CLOSED}
        shape = self.entity.shape_for(subject.scope.shape)
        if shape is None:
            return {"state": State.NOT_IN_SHAPE}
        live = [place for place in self.places if place.gone is None and place.shape == shape]
        both = self.drained & subject.scope.buckets
        mine = [place for place in live if place.bucket in both]
        served = [place for place in mine if place.bucket not in self.left_out]
        if served:
            return self._given(served, shape, self._of_served(served))
        if mine:
            return self._given(mine, shape, State.LEFT_OUT)
        moving = [place for place in live if place.bucket in self.drained | subject.scope.buckets]
        if self._is_in_scope(subject):
            return self._in_scope(shape, moving)
        return self._not_in_scope(subject)

    def _of_served(self, served: Sequence[Place]) -> State:
        known = self.known
        if known is None or known.position is None or known.has_more:
            return State.COMING
        if all(place.position <= known.position for place in served):
            return State.HELD
        return State.STALE if any(place.entered <= known.position for place in served) else State.COMING

    def _given(self, places: Sequence[Place], shape: str, state: State) -> dict[str, Any]:
        return {
            "state": state,
            "shape": shape,
            "version": max(place.version for place in places),
            "because": self._because([place.bucket for place in places]),
        } | self._flags()

    def _flags(self) -> dict[str, bool]:
        name, record_id = self.entity.name, self.question.record_id
        return {
            "waiting": self.reader.waits(name, record_id),
            "quarantined": self.reader.set_aside(name, record_id) is not None,
        }

    def _is_in_scope(self, subject: Actor) -> bool:
        """Whether the person sees it over REST: windows and budget aside."""
        record_id = self.question.record_id
        return record_id in self.synced.visible(self.session, subject, [record_id])

    def _in_scope(self, shape: str, moving: Sequence[Place]) -> dict[str, Any]:
        flags = self._flags()
        if flags["quarantined"]:
            state = State.QUARANTINED
        elif flags["waiting"] or moving:
            state = State.WAITING
        elif self.entity.in_scope and self.entity.in_scope != self.entity.buckets:
            state = State.WINDOW
        else:
            state = State.NOT_CARRIED
        stored = self.reader.stored(self.entity, self.question.record_id)
        return {"state": state, "shape": shape, "version": stored[0] if stored else None} | flags

    def _not_in_scope(self, subject: Actor) -> dict[str, Any]:
        """What a device of the user was given once may be spoken of; anything else is unknown."""
        reason = self.reader.given_once(subject.user_id, self.entity.name, self.question.record_id)
        return {"state": State.GONE, "reason": reason} if reason else {"state": State.UNKNOWN}

    # -- why the user is given a bucket

    def _because(self, buckets: Sequence[str]) -> list[Because]:
        assert self.subject is not None
        found = identity.reasons_for(
            self.session, self.subject.tenant_id, self.subject.user_id, buckets, now=self.question.now
        )
        return [self._why(bucket, reason) for bucket in buckets for reason in found[bucket]]

    def _why(self, bucket: str, reason: identity.Reason) -> Because:
        if reason.way is not identity.Way.OWN:
            return Because(
                bucket, reason.way, reason.territory_id, reason.kind, reason.until, reason.for_user_id
            )
        assert self.subject is not None
        user_id = self.subject.user_id
        fields = self.reader.naming(self.entity, self.question.record_id, user_id)
        account = self._account_id()
        if not fields and account is not None and self.entity.name != "account":
            named = self.reader.naming(self.registry.get("account"), account, user_id)
            fields = [f"account.{name}" for name in named]
        visits = () if fields or account is None else self._own_visits(account)
        return Because(bucket, reason.way, fields=tuple(fields), visit_ids=visits)

    def _account_id(self) -> UUID | None:
        if self.entity.name == "account":
            return self.question.record_id
        return self.reader.account_of(self.entity, self.question.record_id)

    def _own_visits(self, account_id: UUID) -> tuple[UUID, ...]:
        """A technician's visits for which they hold the account."""
        assert self.subject is not None
        now = self.question.now
        statement = self.all_synced["visit"].listed(self.session, self.subject)
        visit = statement.column_descriptions[0]["entity"]
        found = self.session.scalars(
            statement.with_only_columns(visit.id)
            .order_by(None)
            .where(
                visit.account_id == account_id,
                visit.assignee_id == self.subject.user_id,
                visit.planned_start >= now - timedelta(days=VISIT_DAYS_BACK),
                visit.planned_start < now + timedelta(days=VISIT_DAYS_AHEAD),
            )
            .limit(VISITS_SHOWN)
        )
        return tuple(found)

    # -- for administrators

    def _internals(self) -> dict[str, Any]:
        name, record_id = self.entity.name, self.question.record_id
        stored = self.reader.stored(self.entity, record_id)
        aside = self.reader.set_aside(name, record_id)
        live = self.subject.scope.buckets if self.subject else frozenset()
        return {
            "row": {"version": stored[0], "deleted": stored[1]} if stored else None,
            "feed": [
                asdict(place)
                | {"subscribed": place.bucket in live, "drained": place.bucket in self.drained}
                | {"left_out": place.bucket in self.left_out}
                for place in self.places
            ],
            "waiting": self.reader.waits(name, record_id),
            "quarantine": _aside(*aside) if aside else None,
            "head": self.reader.head(),
            "position": self.known.position if self.known else None,
        }


def _aside(sqlstate: str, message: str, since: datetime) -> dict[str, str]:
    return {"sqlstate": sqlstate, "message": message, "since": wire_time(since)}
