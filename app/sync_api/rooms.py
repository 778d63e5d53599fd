"""The rooms' service functions as the sync engine calls them: validated, refused by code, in one session."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from app.core.errors import DomainError
from app.core.scope import Actor
from app.http.errors import field_errors
from app.http.fields import WireSchema
from app.http.shapes import schema_for
from app.inbox import service as inbox
from app.sync_api.synced import Synced
from sync.errors import Refused
from sync.policy import SyncEntity
from sync.push import Checked, InboxItem, Intent
from sync.stores.push import PushStore
from sync.stores.sequencer import sqlstate_of
from sync.values import canonical

TRANSIENT_STATES = ("08", "40", "53", "55P03", "57P")
INTEGRITY_CODES = {"23503": "reference_not_found", "23505": "duplicate"}


class RoomVerbs:
    """Implements ``sync.push.Rooms`` and ``app.inbox.service.Verbs`` for one actor and session."""

    def __init__(
        self,
        synced: Mapping[str, Synced],
        session: Session,
        actor: Actor,
        store: PushStore,
        now: datetime,
    ) -> None:
        """Bind the verbs.

        Args:
            synced: All synced entities by name.
            session: Of the push transaction; every verb runs in it.
            actor: The device's user, as the database has them in this transaction.
            store: The engine's side of the same transaction.
            now: Server time, aware UTC.
        """
        self.synced = synced
        self.session = session
        self.actor = actor
        self.store = store
        self.now = now

    # -- what the engine asks (sync.push.Rooms)

    def check(self, entity: SyncEntity, op: str, fields: Mapping[str, Any], *, known: Any = None) -> Checked:
        """Validate *fields* for *op* in the actor's shape."""
        one = self.synced[entity.name]
        if op == "base":
            return Checked(self._base(one, fields, known or {}))
        schema = self._schema(one, op)
        partial = op == "update"
        loaded = _loaded(schema, fields, partial=partial)
        found = {name: value for name, value in schema.dump(loaded).items() if name in fields}
        masked = one.masked(loaded) if op in ("create", "update") else frozenset()
        return Checked({n: _canonical(entity, n, v) for n, v in found.items()}, masked)

    def _schema(self, one: Synced, op: str) -> WireSchema:
        if op == "create" and one.creation is not None:
            shape = one.policy.shape_for(self.actor.scope.shape)
            hidden = set(one.policy.fields) - set(one.policy.fields_of(shape)) if shape else set()
            return one.creation(exclude=[n for n in hidden if n in one.creation._declared_fields])
        if op in ("create", "update"):
            return schema_for(one.policy, one.schema, self.actor.scope.shape)
        return one.commands[op][1]()

    def _base(self, one: Synced, base: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
        """Old values as the user saw them; null stands for an empty value of any kind."""
        schema = self._schema(one, "update")
        wanted = {n: v for n, v in base.items() if n in known}
        present = {n: v for n, v in wanted.items() if v is not None}
        try:
            found = schema.dump(_loaded(schema, present, partial=True))
        except Refused as refused:
            errors = [e | {"pointer": "/base" + e["pointer"]} for e in (refused.detail or {}).get("errors", [])]
            raise Refused(refused.code, {"errors": errors}) from refused
        return {n: _canonical(one.policy, n, found.get(n)) for n in wanted}

    def sees(self, entity: SyncEntity, record_id: UUID) -> bool:
        """Whether the live record is in the actor's scope."""
        return bool(self.synced[entity.name].visible(self.session, self.actor, [record_id]))

    def create(self, entity: SyncEntity, record_id: UUID, fields: Mapping[str, Any]) -> None:
        """Make a record under the id that the phone minted."""
        one = self.synced[entity.name]
        if one.create is None:
            raise Refused("unknown_op")
        values = _loaded(self._schema(one, "create"), fields)
        with refusals():
            one.create(self.session, self.actor, {**values, "id": record_id}, now=self.now)

    def update(self, entity: SyncEntity | str, record_id: UUID, changes: Mapping[str, Any]) -> int:
        """Write fields; gives the version."""
        one = self._of(entity)
        if one.update is None:
            raise Refused("unknown_op")
        values = _loaded(self._schema(one, "update"), changes, partial=True)
        with refusals():
            one.update(self.session, self.actor, record_id, values, now=self.now)
        return self.store.version_of(one.policy, record_id) or 0

    def delete(self, entity: SyncEntity | str, record_id: UUID) -> None:
        """Delete softly."""
        one = self._of(entity)
        if one.delete is None:
            raise Refused("unknown_op")
        with refusals():
            one.delete(self.session, self.actor, record_id, now=self.now)

    def command(
        self,
        entity: SyncEntity | str,
        record_id: UUID,
        name: str,
        arguments: Mapping[str, Any],
        *,
        at: datetime,
        status: str | None,
    ) -> int:
        """Do a command; gives the version."""
        one = self._of(entity)
        if one.policy.name == "conflict":
            self._resolve(record_id, arguments, at)
            return 0
        verb, schema = one.commands[name]
        values = _loaded(schema(), arguments)
        with refusals():
            verb(self.session, self.actor, record_id, values, at=at, now=self.now, status=status)
        return self.store.version_of(one.policy, record_id) or 0

    def _resolve(self, conflict_id: UUID, arguments: Mapping[str, Any], at: datetime) -> None:
        _, schema = self.synced["conflict"].commands["resolve"]
        with refusals():
            inbox.resolve_conflict(
                self.session, self.actor, conflict_id, _loaded(schema(), arguments), at=at, now=self.now, verbs=self
            )

    def open_item(self, item: InboxItem, intent: Intent, at: datetime) -> UUID:
        """Put something into the inbox."""
        return inbox.open_item(self.session, self.actor, item, intent, at)

    def refusal_of(self, error: Exception) -> Refused | None:
        """A database error that is the mutation's own fault."""
        state = sqlstate_of(error)
        if state is None:
            return None
        if state.startswith("22"):
            return Refused("value_out_of_range")
        if state.startswith("23"):
            return Refused(INTEGRITY_CODES.get(state, "value_not_allowed"))
        return None

    def is_transient(self, error: Exception) -> bool:
        """Whether the chunk is to be tried again."""
        return is_transient(error)

    # -- what a resolution asks besides (app.inbox.service.Verbs)

    def restore(self, entity: str, record_id: UUID) -> None:
        """Take back a delete."""
        self.store.restore(self._of(entity).policy, record_id)

    def present(self, entity: str, record_id: UUID) -> tuple[int, dict[str, Any]] | None:
        """Version and fields of a record in the actor's shape; None when they may not see it."""
        one = self.synced.get(entity)
        if one is None or record_id not in one.visible(self.session, self.actor, [record_id]):
            return None
        state = self.store.record(one.policy, record_id)
        shape = one.policy.shape_for(self.actor.scope.shape)
        if state is None or shape is None:
            return None
        return state.version, {n: state.fields.get(n) for n in one.policy.fields_of(shape)}

    def _of(self, entity: SyncEntity | str) -> Synced:
        return self.synced[entity if isinstance(entity, str) else entity.name]


def is_transient(error: BaseException) -> bool:
    """Deadlock, serialization failure, lock or connection trouble: the same work may pass later."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    state = sqlstate_of(error)
    return state.startswith(TRANSIENT_STATES) if state else isinstance(error, OperationalError)


@contextmanager
def refusals() -> Iterator[None]:
    """Let a business rule's error refuse the mutation."""
    try:
        yield
    except DomainError as error:
        raise Refused(error.code, _json(dict(error.details)) or None) from error


def _json(details: dict[str, Any]) -> dict[str, Any]:
    return {n: v if isinstance(v, str | int | float | bool | list | dict | type(None)) else str(v) for n, v in details.items()}


def _loaded(schema: WireSchema, fields: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(dict(fields), partial=partial)
    except ma.ValidationError as error:
        errors = field_errors(error.messages)
        raise Refused(errors[0]["code"] if errors else "validation_failed", {"errors": errors}) from error
    return loaded


def _canonical(entity: SyncEntity, name: str, value: Any) -> Any:
    declared = entity.fields.get(name)
    return value if declared is None else canonical(declared, value)
