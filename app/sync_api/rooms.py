"""The rooms' service functions as the sync engine calls them: validated, refused by code, in one session."""

import errno
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import marshmallow as ma
import orjson
import psycopg
import structlog
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Disputed, DomainError, IdTaken, Reassigned
from app.core.masking import mask_json
from app.core.scope import SHAPE_OF_ROLE, Actor, Role
from app.http.errors import field_errors
from app.http.fields import WireSchema
from app.http.shapes import schema_for, schema_of
from app.inbox import service as inbox
from app.sync_api.synced import Many, Synced
from sync import errors as engine
from sync.errors import HandedOver, Overtaken, Refused
from sync.inbox import InboxItem
from sync.merge import Incoming, Present, merge_field
from sync.policy import NEEDS_BASE, Field, Kind, Merge, SyncEntity
from sync.rooms import Checked
from sync.stamps import Stamp
from sync.stores.driver import Said
from sync.stores.push import PushStore
from sync.stores.sequencer import sqlstate_of
from sync.values import canonical
from sync.wire import Intent, is_id

# Connection trouble, deadlocks, serialization failures, exhausted resources, locks, timeouts, shutdown.
TRANSIENT_STATES = ("08", "25P03", "40", "53", "55P03", "57")
WITHOUT_STATE = (OperationalError, psycopg.OperationalError)
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOSPC, errno.EAGAIN, errno.EIO)
INTEGRITY_CODES = {"23503": "reference_not_found", "23505": "duplicate"}
FRAMES = 12

log = structlog.get_logger(__name__)


class RoomVerbs:
    """Implements ``sync.rooms.Rooms`` and ``app.inbox.service.Verbs`` for one actor and session."""

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
        self._loaded: dict[tuple[str, bytes], dict[str, Any]] = {}

    # -- what the engine asks (sync.rooms.Rooms)

    def offers(self, entity: SyncEntity, op: str) -> bool:
        """Whether phones may do *op* to such records at all."""
        return self.synced[entity.name].offers(op)

    def check(self, entity: SyncEntity, op: str, fields: Mapping[str, Any]) -> Checked:
        """Validate *fields* for *op* in the actor's shape; national id numbers are masked in what it gives.

        Raises:
            Refused: With a pointer and a code for each field at fault.
        """
        one = self.synced[entity.name]
        schema = self._schema(one, op, fields)
        loaded = _loaded(schema, fields, partial=op == "update")
        found = {name: value for name, value in schema.dump(loaded).items() if name in fields}
        _check_rows(entity, found)
        values = {name: _canonical(entity, name, value) for name, value in found.items()}
        if op not in ("create", "update"):
            return Checked(self.keepable(values))
        masked = one.masked(loaded)
        if op == "update" and not masked:
            self._loaded[_key(entity, values)] = loaded
        return Checked(values | {n: self.keepable(values[n]) for n in masked & values.keys()}, masked)

    def check_base(
        self, entity: SyncEntity, base: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Old values of *fields* as the user saw them; null stands for an empty value of any kind.

        They are what the server once sent, so that they need not be what a phone may send: hand-written SQL
        writes what no schema lets in. Only their type must be right.
        """
        one = self.synced[entity.name]
        schema = self._schema(one, "update", base)
        wanted = {n: v for n, v in base.items() if n in fields}
        return {
            n: _canonical(entity, n, _read_base(schema, entity.fields[n], n, v)) for n, v in wanted.items()
        }

    def _schema(self, one: Synced, op: str, names: Iterable[str] = ()) -> WireSchema:
        shape = self.actor.scope.shape
        if op == "create" and one.creation is not None:
            return creation_schema(one.policy, one.creation, shape)
        if op == "create":
            return schema_for(one.policy, one.schema, shape)
        if op == "update":
            return schema_of(one.policy, one.schema, shape, names)
        return _command_schema(one.commands[op][1])

    def keepable(self, value: Any) -> Any:
        """JSON without national id numbers: the law lets nobody store one."""
        return mask_json(value)

    def sees(self, entity: SyncEntity, record_id: UUID) -> bool:
        """Whether the live record is in the actor's scope."""
        return bool(self.sees_which(entity, [record_id]))

    def sees_which(self, entity: SyncEntity, ids: Sequence[UUID]) -> set[UUID]:
        """Which of the live records are in the actor's scope."""
        return self.synced[entity.name].visible(self.session, self.actor, ids)

    def holding(self, entity: SyncEntity, record_id: UUID, fields: Mapping[str, Any]) -> Said:
        """The statement that locks a visible record which ``update_many`` is about to write."""
        said: Said = self._many(entity).hold(self.actor, record_id, fields)
        return said

    def held(self, entity: SyncEntity, rows: Sequence[Any]) -> bool:
        """Take what that statement gave; gives whether the record is visible."""
        return bool(self._many(entity).held(self.session, rows))

    def takes_many(self, entity: SyncEntity, names: Mapping[str, Any]) -> bool:
        """Whether these fields may be written by ``update_many``."""
        return self.synced[entity.name].takes_many(names)

    def create(self, entity: SyncEntity, record_id: UUID, fields: Mapping[str, Any], *, at: datetime) -> None:
        """Make a record under the id that the phone minted; *at* is when it did."""
        one = self.synced[entity.name]
        values = _loaded(self._schema(one, "create"), fields) | {"id": record_id}
        if one.moment is not None:
            values.setdefault(one.moment, at)
        told = {"at": at} if one.takes_at else {}
        with refusals():
            self._verb(one.create)(self.session, self.actor, values, now=self.now, **told)

    def update(self, entity: SyncEntity | str, record_id: UUID, changes: Mapping[str, Any]) -> int:
        """Write fields; gives the version."""
        one = self._of(entity)
        values = _loaded(self._schema(one, "update", changes), changes, partial=True)
        with refusals():
            self._verb(one.update)(self.session, self.actor, record_id, values, now=self.now)
        return self.store.version_of(one.policy, record_id) or 0

    def update_many(self, entity: SyncEntity, changes: Mapping[UUID, Mapping[str, Any]]) -> dict[UUID, int]:
        """Write fields of many records, all or none; gives the versions."""
        one = self._of(entity)
        values = {record_id: self._typed(one, fields) for record_id, fields in changes.items()}
        with refusals():
            found: dict[UUID, int] = self._many(entity).verb(self.session, self.actor, values, now=self.now)
        return found

    def _typed(self, one: Synced, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What the schema makes of fields; most were just checked, and are written as they were sent."""
        known = self._loaded.get(_key(one.policy, fields))
        return (
            _loaded(self._schema(one, "update", fields), fields, partial=True)
            if known is None
            else dict(known)
        )

    def delete(self, entity: SyncEntity | str, record_id: UUID) -> None:
        """Delete softly."""
        with refusals():
            self._verb(self._of(entity).delete)(self.session, self.actor, record_id, now=self.now)

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
                self.session,
                self.actor,
                conflict_id,
                _loaded(schema(), arguments),
                at=at,
                now=self.now,
                verbs=self,
            )

    def open_item(
        self, item: InboxItem, mutation_id: UUID, occurred_at: datetime | None, at: datetime
    ) -> UUID:
        """Put something into the inbox."""
        with refusals():
            return inbox.open_item(
                self.session, self.actor, item, mutation_id=mutation_id, occurred_at=occurred_at, at=at
            )

    def refused(self, intent: Intent, refused: Refused) -> None:
        """Let an inbox item show the state that it was not shown when it was decided."""
        if refused.code == inbox.ConflictChanged.code and intent.entity == "conflict":
            self.store.write_as(intent.mutation.id, intent.occurred_at, None, {})
            with self.store.savepoint():
                inbox.show_present(self.session, self.actor, intent.record_id, self)

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

    def report(self, error: Exception) -> None:
        """Log the kind and the place of a fault; its text may hold people's data."""
        log.error("mutation_failed", error=type(error).__name__, where=_where(error))

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

    def anew(
        self,
        entity: str,
        record_id: UUID,
        op: str,
        fields: Mapping[str, Any],
        base: Mapping[str, Any],
        *,
        at: datetime,
        status: str | None,
    ) -> None:
        """Do what a phone asked for and nobody judged, with the rights of the actor.

        Raises:
            Refused: What it raises for phones; ``failed`` where the server is at fault. Nothing is left of it.
        """
        one = self.synced.get(entity)
        if one is None or one.policy.shape_for(self.actor.scope.shape) is None:
            raise Refused("unknown_entity")
        if not one.offers(op):
            raise Refused("unknown_op")
        try:
            with self.store.savepoint():
                self._anew(one, record_id, op, fields, base, at, status)
        except Refused:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            refused = self.refusal_of(error)
            if refused is None:
                self.report(error)
            raise refused or Refused("failed") from error

    def _anew(
        self,
        one: Synced,
        record_id: UUID,
        op: str,
        fields: Mapping[str, Any],
        base: Mapping[str, Any],
        at: datetime,
        status: str | None,
    ) -> None:
        if op == "delete":
            return self.delete(one.policy, record_id)
        values = self.check(one.policy, op, fields).fields
        if op == "create":
            return self.create(one.policy, record_id, values, at=at)
        if op == "update":
            if self.sees(one.policy, record_id):
                seen = self.check_base(one.policy, base, values)
                values = self._with_others(one.policy, record_id, values, seen)
            self.update(one.policy, record_id, values)
        else:
            self.command(one.policy, record_id, op, values, at=at, status=status)
        return None

    def _with_others(
        self, entity: SyncEntity, record_id: UUID, values: Mapping[str, Any], base: Mapping[str, Any]
    ) -> dict[str, Any]:
        """*values*, but what others added to or took from sums, sets, rows and texts since *base* stays."""
        state = self.store.record(entity, record_id)
        merged = dict(values)
        for name in values.keys() & base.keys():
            declared = entity.fields[name]
            if state is None or declared.merge not in NEEDS_BASE:
                continue
            found = merge_field(
                name,
                declared,
                Incoming(values[name], base[name], Stamp.of(self.now)),
                Present(state.fields.get(name), {}, others_changed=True, base_known=True),
            )
            if found.conflict is None or declared.merge is not Merge.TEXT:
                merged[name] = found.value
        return merged

    def shows(self, entity: str, role: Role, names: Collection[str]) -> bool:
        """Whether fields of an entity are all of the shape of a role."""
        one = self.synced.get(entity)
        shape = one.policy.shape_for(SHAPE_OF_ROLE[role]) if one else None
        if one is None or shape is None:
            return False
        return one.policy.fields.keys() & set(names) <= one.policy.fields_of(shape).keys()

    def _many(self, entity: SyncEntity) -> Many:
        many = self.synced[entity.name].updates
        if many is None:
            raise Refused("unknown_op")
        return many

    @staticmethod
    def _verb(verb: Callable[..., Any] | None) -> Callable[..., Any]:
        if verb is None:
            raise Refused("unknown_op")
        return verb

    def _of(self, entity: SyncEntity | str) -> Synced:
        return self.synced[entity if isinstance(entity, str) else entity.name]


def is_transient(error: BaseException) -> bool:
    """Deadlock, serialization failure, lock or connection trouble, an exhausted machine: the work may pass later."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, OSError):
        return isinstance(error, (ConnectionError, TimeoutError)) or error.errno in EXHAUSTED
    state = sqlstate_of(error)
    return state.startswith(TRANSIENT_STATES) if state else isinstance(error, WITHOUT_STATE)


@contextmanager
def refusals() -> Iterator[None]:
    """Let a business rule's error refuse the mutation."""
    try:
        yield
    except DomainError as error:
        # A conflict is true of the request and false of the state; that an id is in use is no matter of state.
        is_of_state = isinstance(error, Conflict) and not isinstance(error, IdTaken)
        if isinstance(error, Disputed):
            kind: type[Refused] = engine.Disputed
        else:
            kind = HandedOver if isinstance(error, Reassigned) else Overtaken if is_of_state else Refused
        raise kind(error.code, _json(dict(error.details)) or None) from error


def _json(details: dict[str, Any]) -> dict[str, Any]:
    plain = (str, int, float, bool, list, dict, type(None))
    return {name: value if isinstance(value, plain) else str(value) for name, value in details.items()}


def _key(entity: SyncEntity, fields: Mapping[str, Any]) -> tuple[str, bytes]:
    """Fields in canonical form, by what they say."""
    return entity.name, orjson.dumps(fields, default=repr, option=orjson.OPT_SORT_KEYS)


def _loaded(schema: WireSchema, fields: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(dict(fields), partial=partial)
    except ma.ValidationError as error:
        errors = [e | {"pointer": "/fields" + e["pointer"]} for e in field_errors(error.messages)]
        raise Refused(errors[0]["code"] if errors else "validation_failed", {"errors": errors}) from error
    return loaded


_creations: dict[tuple[str, type[WireSchema], str], WireSchema] = {}


def creation_schema(policy: SyncEntity, schema: type[WireSchema], shape_class: str) -> WireSchema:
    """Cut to the shape; the id is the mutation's ``record_id`` and no field."""
    key = (policy.name, schema, str(shape_class))
    if key not in _creations:
        shape = policy.shape_for(shape_class)
        hidden = policy.fields.keys() - policy.fields_of(shape).keys() if shape else set()
        _creations[key] = schema(exclude=sorted(hidden), dump_only=("id",))
    return _creations[key]


@cache
def _command_schema(schema: type[WireSchema]) -> WireSchema:
    return schema()


def _check_rows(entity: SyncEntity, fields: Mapping[str, Any]) -> None:
    """Refuse rows without an id, which could not be merged, and two rows with one."""
    errors = []
    for name, rows in fields.items():
        declared = entity.fields.get(name)
        if declared is None or declared.kind is not Kind.ROWS:
            continue
        ids = [row.get("id") for row in rows]
        for index, row_id in enumerate(ids):
            code = "required" if row_id is None else "duplicate_item" if row_id in ids[:index] else None
            if code:
                errors.append({"pointer": f"/fields/{name}/{index}/id", "code": code})
    if errors:
        raise Refused(errors[0]["code"], {"errors": errors})


def _read_base(schema: WireSchema, declared: Field, name: str, value: Any) -> Any:
    if value is None:
        return None
    try:
        return schema.dump(schema.load({name: value}, partial=True)).get(name)
    except ma.ValidationError as error:
        if _is_of_kind(declared, value):
            return value
        errors = [e | {"pointer": "/base" + e["pointer"]} for e in field_errors(error.messages)]
        raise Refused(errors[0]["code"], {"errors": errors}) from error


def _is_of_kind(declared: Field, value: Any) -> bool:
    """Whether *value* has the JSON type of the field."""
    match declared.kind:
        case Kind.INTEGER:
            return type(value) is int
        case Kind.BOOLEAN:
            return type(value) is bool
        case Kind.TEXTS:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case Kind.ROWS:
            return isinstance(value, list) and all(
                isinstance(row, dict) and is_id(row.get("id")) for row in value
            )
        case Kind.POINT:
            return isinstance(value, dict) and all(
                type(value.get(part)) in (int, float) for part in ("lat", "lon")
            )
        case Kind.JSON:
            return True
        case _:
            return isinstance(value, str)


def _canonical(entity: SyncEntity, name: str, value: Any) -> Any:
    declared = entity.fields.get(name)
    return value if declared is None else canonical(declared, value)


def _where(error: BaseException) -> list[str]:
    """The innermost frames of the traceback, without any value."""
    frames, step = [], error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        frames.append(f"{code.co_filename}:{step.tb_lineno} {code.co_name}")
        step = step.tb_next
    return frames[-FRAMES:]
