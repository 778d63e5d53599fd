"""SQL of push: the device's row, verdict keys, the record as it stands, its ledger, the inbox."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DataError, IntegrityError

from sync.policy import Kind, SyncEntity
from sync.render import whole_sql
from sync.states import (
    DeviceState,
    History,
    HistoryAsked,
    LedgerRow,
    Loss,
    OwnMutation,
    RecordState,
    StoredVerdict,
    Writer,
)
from sync.stores.driver import Said, statement
from sync.values import loads

# For each asking mutation, by indexes whatever the planner thinks of the tables: one row with its past.
HISTORIES = """
SELECT k.place, (
    SELECT json_agg(json_build_array(c.id, c.version, c.op, c.part, c.part_id, c.old, c.new, c.actor_kind,
        c.actor_id, c.actor_name, c.mutation_id IS NOT NULL AND c.device_id = ANY(CAST(:devices AS uuid[]))
        AND NOT EXISTS (SELECT 1 FROM sync_mutations m WHERE m.tenant_id = c.tenant_id AND m.user_id = :user
            AND m.id = c.mutation_id AND m.device_id = :device AND m.n >= k.n)) ORDER BY c.version, c.id)
    FROM changes c WHERE c.tenant_id = :tenant AND c.entity = k.entity
    AND c.record_id = k.id AND c.version > k.version AND c.op <> 'lost'
)::text AS ledger, (
    SELECT max(c.stamp_at) FROM changes c WHERE c.tenant_id = :tenant AND c.entity = k.entity
    AND c.record_id = k.id AND c.version <= k.version AND c.op <> 'lost' AND k.version > 0
) AS last, (
    SELECT json_agg(json_build_array(m.op, m.payload -> 'fields', m.base_version, m.version, m.stamp_at, m.status)
        ORDER BY m.device_id = :device, CASE WHEN m.device_id <> :device THEN m.judged_at END, m.n)
    FROM sync_mutations m WHERE m.tenant_id = :tenant AND m.record_id = k.id AND m.entity = k.entity
    AND m.user_id = :user AND m.device_id = ANY(CAST(:devices AS uuid[])) AND (m.device_id <> :device OR m.n < k.n)
    AND m.status IS NOT NULL
)::text AS own
FROM ROWS FROM (json_to_recordset(CAST(:asked AS json))
                AS (entity text, record_id uuid, version integer, n bigint))
    WITH ORDINALITY AS k (entity, id, version, n, place)
"""

# In the order of the phone's counter: two devices with the same work wait for each other and never cross.
# Rows travel as JSON, one parameter for all: a driver writes an array element by element.
CLAIM = """
INSERT INTO sync_mutations (tenant_id, user_id, id, device_id, n, hash, entity, record_id, op, group_id,
                            base_version, payload, occurred_at)
SELECT :tenant, :user, r.id, :device, r.n, decode(r.hash, 'hex'), r.entity, r.record_id, r.op, r.group_id,
       r.base_version, CAST(r.payload AS jsonb), r.occurred_at
FROM ROWS FROM (json_to_recordset(CAST(:rows AS json)) AS (id uuid, n bigint, hash text, entity text,
    record_id uuid, op text, group_id uuid, base_version integer, payload text, occurred_at timestamptz))
    WITH ORDINALITY AS r (id, n, hash, entity, record_id, op, group_id, base_version, payload, occurred_at, place)
ORDER BY r.place
ON CONFLICT DO NOTHING RETURNING id
"""

ANSWER = """
UPDATE sync_mutations m SET status = r.status, code = r.code, detail = CAST(r.detail AS jsonb),
    fields = CAST(r.fields AS jsonb), version = r.version, conflict_id = r.conflict_id, stamp_at = r.stamp_at,
    judged_at = greatest(clock_timestamp(), r.judged_at)
FROM json_to_recordset(CAST(:rows AS json)) AS r (id uuid, status text, code text, detail text, fields text,
    version integer, conflict_id uuid, stamp_at timestamptz, judged_at timestamptz)
WHERE m.tenant_id = :tenant AND m.user_id = :user AND m.id = ANY(CAST(:ids AS uuid[])) AND m.id = r.id
"""

NOTE_LOSSES = """
INSERT INTO changes (tenant_id, entity, record_id, version, op, account_id, old, new, actor_kind, actor_id,
                     device_id, mutation_id, occurred_at, stamp_at, winner)
SELECT :tenant, r.entity, r.record_id, r.version, 'lost', r.account_id, r.present, r.lost, 'user', :user, :device,
       r.mutation_id, r.occurred_at, r.stamp_at, r.winner
FROM jsonb_to_recordset(CAST(:losses AS jsonb)) AS r (entity text, record_id uuid, version integer,
    account_id uuid, present jsonb, lost jsonb, mutation_id uuid, occurred_at timestamptz, stamp_at timestamptz,
    winner jsonb)
"""


LOCK_DEVICE = text(
    "SELECT highest_n, also_known_as FROM sync_devices WHERE tenant_id = :tenant AND device_id = :device FOR UPDATE"
)

VERDICTS = text(
    "SELECT id, device_id, hash, status, code, detail, fields, version, conflict_id, entity, record_id"
    " FROM sync_mutations WHERE tenant_id = :tenant AND user_id = :user AND id = ANY(CAST(:ids AS uuid[]))"
    " AND status IS NOT NULL"
)

# In the order of its index, else another company's backlog would be read through.
MARKS = text(
    "SELECT count(*) FROM (SELECT 1 FROM sync_pending WHERE tenant_id = :tenant ORDER BY id LIMIT :n) AS m"
)

WRITE_AS_MANY = text(
    "SELECT set_config('app.mutation', '', true) AS mutation, set_config('app.occurred_at', '', true) AS occurred,"
    " set_config('app.stamp', '', true) AS stamp, set_config('app.stamps', '', true) AS stamps,"
    " set_config('app.batch', :batch, true) AS batch,"
    " (SELECT count(set_config('app.batch_' || (place - 1), said, true))"
    " FROM json_array_elements_text(CAST(:said AS json)) WITH ORDINALITY AS s (said, place)) AS records"
)

NOTE_DEVICE = text(
    "UPDATE sync_devices SET highest_n = greatest(highest_n, :n), also_known_as = CAST(:aliases AS uuid[])"
    " WHERE tenant_id = :tenant AND device_id = :device"
)

Ask = Callable[[Sequence[Said]], Sequence[Sequence[Any]]]


class RecordUnreadable(Exception):
    """The record holds what no phone can be shown (it is in quarantine, or soon will be)."""


@dataclass(slots=True)
class Opening:
    """What every push asks first, in the order in which it has to be asked, so that it can go in one message.

    The device's row is locked before the verdicts are read. A claim goes along where one mutation is judged by
    itself: whatever comes of it, it is claimed at once.
    """

    tenant_id: UUID
    user_id: UUID
    device_id: UUID
    ids: tuple[UUID, ...]
    claim: Mapping[str, Any] | None = None
    device: Any = None
    verdicts: Sequence[Any] = ()
    claimed: bool = False

    def said(self) -> list[Said]:
        """The statements."""
        whose = {"tenant": self.tenant_id, "user": self.user_id, "device": self.device_id}
        said: list[Said] = [(LOCK_DEVICE, whose), (VERDICTS, {**whose, "ids": _ids(self.ids)})]
        if self.claim is not None:
            said.append((statement(CLAIM), {**whose, "rows": _rows_of([self.claim])}))
        return said

    def take(self, results: Sequence[Sequence[Any]]) -> bool:
        """Keep the rows; False when the device has no row to lock yet, and nothing of this may be used."""
        self.device = next(iter(results[0]), None)
        self.verdicts = results[1]
        self.claimed = len(results) > 2 and bool(results[2])
        return self.device is not None


class PushStore:
    """One push transaction of one user's device, as the app role."""

    def __init__(
        self,
        connection: Connection,
        tenant_id: UUID,
        user_id: UUID,
        device_id: UUID,
        nested: Callable[[], AbstractContextManager[Any]],
        opening: Opening | None = None,
        ask: Ask | None = None,
    ) -> None:
        """Wrap the connection of the session that the service functions use.

        Args:
            connection: In the push transaction, tenant set.
            tenant_id: Whose.
            user_id: Who pushes.
            device_id: From which device.
            nested: Opens a savepoint that also undoes what the session holds in memory.
            opening: What was asked in this transaction before; each of its answers is used once. The caller
                then ends the transaction with what is ``unsaid``.
            ask: Sends statements in one message and gives the rows of each; none of them may be asked again.
        """
        self.connection = connection
        self._open_nested = nested
        self._locked = opening.device if opening else None
        self._known = (opening.ids, opening.verdicts) if opening else None
        self._claimed = {opening.claim["id"]: opening.claimed} if opening and opening.claim else {}
        self._puts_off = opening is not None
        self._unsaid: list[tuple[TextClause, Mapping[str, Any]]] = []
        self._ask = ask
        self.tenant_id = tenant_id
        self.user_id = user_id
        self.device_id = device_id

    def _run(self, sql: str | TextClause, **values: Any) -> Any:
        self.say()
        return self.connection.execute(
            statement(sql) if isinstance(sql, str) else sql, self._whose() | values
        )

    def _whose(self) -> dict[str, Any]:
        return {"tenant": self.tenant_id, "user": self.user_id, "device": self.device_id}

    def _nested(self) -> AbstractContextManager[Any]:
        self.say()
        return self._open_nested()

    def _put_off(self, statement: TextClause, **values: Any) -> None:
        if self._puts_off:
            self._unsaid.append((statement, self._whose() | values))
        else:
            self._run(statement, **values)

    def say(self) -> None:
        """Send what was put off; whatever is asked next may depend on it."""
        for said, values in self.unsaid():
            self.connection.execute(said, values)

    def unsaid(self) -> list[tuple[TextClause, Mapping[str, Any]]]:
        """What was put off so that it goes with COMMIT; it is the caller's from now on."""
        said, self._unsaid = self._unsaid, []
        return said

    @property
    def asks_at_once(self) -> bool:
        """Whether many statements go in one message."""
        return self._ask is not None

    @property
    def is_silent(self) -> bool:
        """Whether something was put off that has not been sent."""
        return bool(self._unsaid)

    def ask(self, said: Sequence[Said]) -> Sequence[Sequence[Any]]:
        """The rows of each statement, sent in one message behind what was put off."""
        assert self._ask is not None
        behind = self.unsaid()
        return self._ask([*behind, *said])[len(behind) :]

    def marks(self, at_most: int) -> Said:
        """Asks how many marks wait, counted up to *at_most*."""
        return MARKS, {"tenant": self.tenant_id, "n": at_most}

    def lock_device(self) -> DeviceState:
        """Lock the device's row, so that its pushes are judged one after the other."""
        row = self._device_row()
        if row is None:
            self._run(
                "INSERT INTO sync_devices (tenant_id, device_id, user_id) VALUES (:tenant, :device, :user)"
                " ON CONFLICT DO NOTHING"
            )
            row = self._device_row()
        return DeviceState(row[0], tuple(row[1]))

    def _device_row(self) -> Any:
        locked, self._locked = self._locked, None
        return locked if locked is not None else self._run(LOCK_DEVICE).one_or_none()

    def note_device(self, highest_n: int, also_known_as: Sequence[UUID]) -> None:
        """Keep the highest judged ``n`` and the devices under which replayed mutations were first judged."""
        self._put_off(NOTE_DEVICE, n=highest_n, aliases=_ids(also_known_as))

    def verdicts(self, ids: Sequence[UUID]) -> dict[UUID, StoredVerdict]:
        """First answers to those of *ids* that are known for the user, whatever the device."""
        known, self._known = self._known, None
        asked_before = known is not None and known[0] == tuple(ids)
        rows = known[1] if known and asked_before else self._run(VERDICTS, ids=_ids(ids))
        return {row[0]: StoredVerdict(row[1], bytes(row[2]), *row[3:]) for row in rows}

    def claim(self, mutation: Mapping[str, Any]) -> bool:
        """Insert the verdict key before anything is applied; False when another request has it.

        The user's other device with the same mutation waits here until this transaction ends.
        """
        return bool(self.claim_many([mutation]))

    def claim_many(self, mutations: Sequence[Mapping[str, Any]]) -> set[UUID]:
        """The same for many, in the order given; gives those that no other request has."""
        if [m["id"] for m in mutations] == list(self._claimed):
            claimed, self._claimed = self._claimed, {}
            return {mutation_id for mutation_id, is_ours in claimed.items() if is_ours}
        return {row[0] for row in self._run(CLAIM, rows=_rows_of(mutations))}

    def answer(self, mutation_id: UUID, verdict: Mapping[str, Any]) -> None:
        """Keep the final verdict of a claimed mutation."""
        self._run(ANSWER, **_answers_of([(mutation_id, verdict)]))

    def answer_many(self, verdicts: Sequence[tuple[UUID, Mapping[str, Any]]]) -> None:
        """The same for many, outside of any savepoint: it may be put off."""
        self._put_off(statement(ANSWER), **_answers_of(verdicts))

    def record(self, entity: SyncEntity, record_id: UUID) -> RecordState | None:
        """The record as it stands, locked; of the whole tenant: the caller checks the scope.

        What nobody edits is not locked: the app role has no right to, and nothing can change meanwhile.
        Others may go on pointing to a locked record.
        """
        return self.records(entity, [record_id]).get(record_id)

    def records(self, entity: SyncEntity, ids: Sequence[UUID]) -> dict[UUID, RecordState]:
        """The same for many; locked in the order of their ids, so that two pushes never cross."""
        lock = "" if entity.append_only else " FOR NO KEY UPDATE"
        try:
            rows = self._run(_reading(entity, lock).sql, ids=_ids(ids)).all()
        except DataError as error:  # bad data by SQL: no fault of the phone that edits the record
            raise RecordUnreadable(f"{entity.name} {ids[0]}") from error
        return self._states_of(entity, rows)

    def _states_of(self, entity: SyncEntity, rows: Sequence[Any]) -> dict[UUID, RecordState]:
        parts = {
            name: self._row_stamps(f.table, f.root, [row[0] for row in rows])
            for name, f in entity.fields.items()
            if f.kind is Kind.ROWS and rows
        }
        return {
            row[0]: RecordState(
                row[1],
                row[2],
                orjson.loads(row[3]),
                orjson.loads(row[4]),
                {name: found.get(row[0], {}) for name, found in parts.items()},
            )
            for row in rows
        }

    def hold(
        self, holding: Said, entity: SyncEntity, asked: HistoryAsked, devices: Sequence[UUID]
    ) -> tuple[Sequence[Any], RecordState | None, History]:
        """A record as it stands and its past, by the one message that locks it.

        Args:
            holding: The room's statement that locks it, if it is in the user's scope.
            entity: Its kind.
            asked: About its past.
            devices: As for ``history``.

        Returns:
            What *holding* gave, and what may be used only where that says that the user may know of the record.
        """
        whose = self._whose()
        held, rows, pasts = self.ask(
            [
                holding,
                (_reading(entity, "").sql, whose | {"ids": _ids([asked.record_id])}),
                (statement(HISTORIES), whose | _asked_of([asked], devices)),
            ]
        )
        return held, self._states_of(entity, rows).get(asked.record_id), _histories_of(pasts, 1)[0]

    def lock(self, entity: SyncEntity, ids: Collection[UUID]) -> None:
        """Lock records as ``records`` does, in the same order, without reading them."""
        self._run(
            f"SELECT 1 FROM {entity.table} WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"  # noqa: S608
            " ORDER BY id FOR NO KEY UPDATE",
            ids=_ids(ids),
        )

    def _row_stamps(self, table: str, root: str, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        rows = self._run(
            f"SELECT {root}, id::text, stamps::text FROM {table}"  # noqa: S608
            f" WHERE tenant_id = :tenant AND {root} = ANY(:ids)",
            ids=list(ids),
        )
        found: dict[UUID, dict[str, Any]] = {}
        for root_id, part_id, stamps in rows:
            found.setdefault(root_id, {})[part_id] = orjson.loads(stamps)
        return found

    def history(self, asked: HistoryAsked, devices: Sequence[UUID]) -> History:
        """What a mutation has to know of its record's past.

        Args:
            asked: Which record, and from where on.
            devices: This device, and those under which its replayed mutations were first judged.
        """
        return self.histories([asked], devices)[0]

    def histories(self, asked: Sequence[HistoryAsked], devices: Sequence[UUID]) -> list[History]:
        """The same for many, in the order asked."""
        return _histories_of(self._run(HISTORIES, **_asked_of(asked, devices)), len(asked))

    def create_did_not_pass(self, entity: str, record_id: UUID) -> bool:
        """Whether the user's own create of this record was rejected, or waits for a person."""
        return bool(
            self._run(
                "SELECT EXISTS (SELECT 1 FROM sync_mutations WHERE tenant_id = :tenant AND user_id = :user"
                " AND record_id = :id AND entity = :entity AND op = 'create' AND status IN ('rejected', 'conflict'))",
                entity=entity,
                id=record_id,
            ).scalar_one()
        )

    def lock_group(self, group: UUID) -> bool:
        """Keep the user's other deliveries of a group waiting; gives whether it was delivered before."""
        self._run(
            "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))",
            key=f"{self.tenant_id}:{self.user_id}:{group}",
        )
        return bool(
            self._run(
                "SELECT EXISTS (SELECT 1 FROM sync_mutations WHERE tenant_id = :tenant AND user_id = :user"
                " AND group_id = :group)",
                group=group,
            ).scalar_one()
        )

    def account_of(self, entity: SyncEntity, record_id: UUID) -> UUID | None:
        """The account that a record hangs on, whoever asks."""
        if entity.account_field is None:
            return None
        declared = entity.fields.get(entity.account_field)
        column = (declared.column if declared else None) or entity.account_field
        found: UUID | None = self._run(
            f"SELECT {column} FROM {entity.table} WHERE tenant_id = :tenant AND id = :id",  # noqa: S608
            id=record_id,
        ).scalar_one_or_none()
        return found

    def park(
        self,
        entity: str,
        record_id: UUID,
        mutation_id: UUID,
        n: int,
        conflict_id: UUID,
        *,
        base_known: bool,
        until: datetime,
    ) -> None:
        """Let a mutation wait for its record."""
        self._run(
            "INSERT INTO sync_parked (tenant_id, record_id, user_id, mutation_id, entity, device_id, n,"
            " conflict_id, base_known, until) VALUES (:tenant, :record, :user, :mutation, :entity, :device, :n,"
            " :conflict, :base_known, :until)",
            entity=entity,
            record=record_id,
            mutation=mutation_id,
            n=n,
            conflict=conflict_id,
            base_known=base_known,
            until=until,
        )

    def take_parked(self, mutation_id: UUID) -> tuple[Any, int, datetime | None] | None:
        """Payload, ``n`` and corrected time of a mutation that waits, locked; None when another has it."""
        row = self._run(
            "SELECT m.payload, m.n, m.stamp_at FROM sync_parked p JOIN sync_mutations m ON m.tenant_id = p.tenant_id"
            " AND m.user_id = p.user_id AND m.id = p.mutation_id WHERE p.tenant_id = :tenant AND p.user_id = :user"
            " AND p.mutation_id = :mutation FOR UPDATE OF p SKIP LOCKED",
            mutation=mutation_id,
        ).one_or_none()
        return None if row is None else (row[0], row[1], row[2])

    def unpark(self, mutation_id: UUID) -> None:
        """A mutation waits no more."""
        self._run(
            "DELETE FROM sync_parked WHERE tenant_id = :tenant AND user_id = :user AND mutation_id = :mutation",
            mutation=mutation_id,
        )

    def as_if_live(self, entity: SyncEntity, record_id: UUID, look: Callable[[], bool]) -> bool:
        """What *look* sees while a deleted record is restored; all of it is undone.

        Nothing, where it cannot be restored: its code may be another's by now.
        """
        try:
            with self._nested() as undone:
                self.restore(entity, record_id)
                seen = look()
                undone.rollback()
        except IntegrityError:
            return False
        return seen

    def was_given(self, entity: str, record_id: UUID) -> bool:
        """Whether the record lies or lay in what a device of the user was given, up to where it was given."""
        return bool(
            self._run(
                "SELECT EXISTS (SELECT 1 FROM sync_feed f JOIN sync_given g ON g.tenant_id = f.tenant_id"
                " AND g.user_id = :user AND g.bucket = f.bucket AND g.shape = f.shape AND f.entered <= g.position"
                " WHERE f.tenant_id = :tenant AND f.entity = :entity AND f.record_id = :id)",
                entity=entity,
                id=record_id,
            ).scalar_one()
        )

    def left_alive(self, entity: str, record_id: UUID) -> bool:
        """Whether a record that was given had left all that its user was given before it was deleted.

        What is marked ``deleted`` there, or not marked yet, was deleted before the user's eyes.
        """
        return not self._run(
            "SELECT EXISTS (SELECT 1 FROM sync_feed f JOIN sync_given g ON g.tenant_id = f.tenant_id"
            " AND g.user_id = :user AND g.bucket = f.bucket AND g.shape = f.shape AND f.entered <= g.position"
            " WHERE f.tenant_id = :tenant AND f.entity = :entity AND f.record_id = :id"
            " AND (f.gone IS NULL OR f.gone = 'deleted'))",
            entity=entity,
            id=record_id,
        ).scalar_one()

    def nested(self) -> AbstractContextManager[Any]:
        """A plain savepoint inside the mutation's own."""
        return self._nested()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block did when it fails; deferred constraints are checked before its end."""
        with self._nested():
            yield
            # A deferred foreign key that failed at COMMIT would take the whole batch with it.
            # Left on IMMEDIATE, the next legal swap of rows would fail.
            self.connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")

    def write_as(
        self,
        mutation_id: UUID | None,
        occurred_at: datetime | None,
        stamp: Sequence[str] | None,
        stamps: Mapping[str, Any],
    ) -> None:
        """Tell the capture triggers which mutation writes, when it happened, and its stamps by record id."""
        self._run(
            "SELECT set_config('app.mutation', :mutation, true), set_config('app.occurred_at', :occurred, true),"
            " set_config('app.stamp', :stamp, true), set_config('app.stamps', :stamps, true),"
            " set_config('app.batch', '', true)",
            mutation=str(mutation_id or ""),
            occurred=occurred_at.isoformat() if occurred_at else "",
            stamp=orjson.dumps(list(stamp)).decode() if stamp else "",
            stamps=orjson.dumps(stamps).decode() if stamps else "",
        )

    def write_as_many(self, writers: Mapping[UUID, Writer]) -> None:
        """The same for each of many records, until it is said again; other records have no writer meanwhile.

        Where many statements go in one message it is said with the next one.
        """
        tell = self._put_off if self.asks_at_once else self._run
        tell(
            WRITE_AS_MANY,
            batch=",".join(map(str, writers)),
            said=_json([_said_of(writer) for writer in writers.values()]),
        )

    def raise_stamps(self, entity: SyncEntity, record_id: UUID) -> None:
        """Let the trigger lay ``app.stamps`` over a record none of whose fields changed."""
        self.raise_stamps_of(entity, [record_id])

    def raise_stamps_of(self, entity: SyncEntity, ids: Sequence[UUID]) -> None:
        """The same for many."""
        self._run(
            f"UPDATE {entity.table} SET stamps = stamps WHERE tenant_id = :tenant AND id = ANY(:ids)",  # noqa: S608
            ids=list(ids),
        )

    def raise_row_stamps(self, table: str, row_ids: Sequence[str]) -> None:
        """The same for parts whose edits were all equal, so that no write has touched them."""
        self._run(
            f"UPDATE {table} SET stamps = stamps WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))",  # noqa: S608
            ids=list(row_ids),
        )

    def note_loss(self, loss: Loss) -> None:
        """Keep losing values in the ledger, with the winner named: ``new`` lost against ``old``."""
        self.note_losses([loss])

    def note_losses(self, losses: Sequence[Loss]) -> None:
        """The same for many."""
        self._run(NOTE_LOSSES, losses=_json(losses))

    def version_of(self, entity: SyncEntity, record_id: UUID) -> int | None:
        """The record's version now."""
        found: int | None = self._run(
            f"SELECT version FROM {entity.table} WHERE tenant_id = :tenant AND id = :id",  # noqa: S608
            id=record_id,
        ).scalar_one_or_none()
        return found

    def restore(self, entity: SyncEntity, record_id: UUID) -> None:
        """Take back a soft delete; a live record is not even locked."""
        self._run(
            f"UPDATE {entity.table} SET deleted_at = NULL"  # noqa: S608
            " WHERE tenant_id = :tenant AND id = :id AND deleted_at IS NOT NULL",
            id=record_id,
        )


@dataclass(frozen=True, slots=True)
class _Reading:
    """The statement that reads records of one entity."""

    entity: SyncEntity
    sql: TextClause


_readings: dict[tuple[str, str], _Reading] = {}


def _reading(entity: SyncEntity, lock: str) -> _Reading:
    """Kept, because putting its text together takes longer than asking."""
    known = _readings.get((entity.name, lock))
    if known is None or known.entity is not entity:
        sql = (
            f"SELECT t.id, t.version, t.deleted_at IS NOT NULL AS deleted, {whole_sql(entity)} AS whole,"  # noqa: S608
            f" t.stamps::text AS stamps FROM {entity.table} t"
            " WHERE t.tenant_id = :tenant AND t.id = ANY(CAST(:ids AS uuid[]))"
            f" ORDER BY t.id{lock}"
        )
        known = _readings[entity.name, lock] = _Reading(entity, text(sql))
    return known


def _asked_of(asked: Sequence[HistoryAsked], devices: Sequence[UUID]) -> dict[str, str]:
    return {"asked": _json(asked), "devices": _ids(devices)}


def _histories_of(rows: Iterable[Any], count: int) -> list[History]:
    found = {row[0]: History(_ledger_of(row[1]), row[2], _own_of(row[3])) for row in rows}
    return [found[place] for place in range(1, count + 1)]


def _json(rows: Sequence[Any]) -> str:
    return orjson.dumps(rows).decode()


def _answers_of(verdicts: Sequence[tuple[UUID, Mapping[str, Any]]]) -> dict[str, str]:
    return {
        "ids": _ids(mutation_id for mutation_id, _ in verdicts),
        "rows": _json([{**verdict, "id": mutation_id} for mutation_id, verdict in verdicts]),
    }


def _rows_of(mutations: Sequence[Mapping[str, Any]]) -> str:
    return _json([{**m, "hash": m["hash"].hex()} for m in mutations])


def _ids(ids: Iterable[UUID]) -> str:
    """Ids as the text of an array: a driver writes a list element by element."""
    return "{" + ",".join(map(str, ids)) + "}"


def _said_of(writer: Writer) -> str:
    """What the capture triggers read of the writer of one record."""
    said = {"mutation": writer.mutation_id, "occurred_at": writer.occurred_at, "stamp": writer.stamp}
    return orjson.dumps(said | ({"stamps": writer.stamps} if writer.stamps else {})).decode()


def _ledger_of(found: str | None) -> tuple[LedgerRow, ...]:
    return tuple(
        LedgerRow(
            id=row[0],
            version=row[1],
            op=row[2],
            part=row[3],
            part_id=_id_of(row[4]),
            old=row[5] or {},
            new=row[6] or {},
            actor_kind=row[7],
            actor_id=_id_of(row[8]),
            actor_name=row[9],
            own=bool(row[10]),
        )
        for row in (loads(found) if found else ())
    )


def _own_of(found: str | None) -> tuple[OwnMutation, ...]:
    return tuple(
        OwnMutation(row[0], _fields_of(row[1]), row[2], row[3], _moment_of(row[4]), row[5])
        for row in (json.loads(found) if found else ())
    )


def _id_of(found: str | None) -> UUID | None:
    return UUID(found) if found else None


def _moment_of(found: str | None) -> datetime | None:
    return datetime.fromisoformat(found) if found else None


def _fields_of(payload: Any) -> dict[str, Any]:
    """What a phone sent as fields, if they were an object."""
    return payload if isinstance(payload, dict) else {}


@dataclass(frozen=True, slots=True)
class Parked:
    """A mutation that waits for its record."""

    user_id: UUID
    device_id: UUID
    mutation_id: UUID
    conflict_id: UUID
    base_known: bool


def parked_on(
    connection: Connection, tenant_id: UUID, record_ids: Sequence[UUID], now: datetime
) -> list[Parked]:
    """What waits for one of these records, in the order of the phones."""
    return _parked(connection, "", "p.record_id = ANY(:ids)", tenant=tenant_id, now=now, ids=list(record_ids))


def parked_and_arrived(
    connection: Connection, tenant_id: UUID, entities: Iterable[SyncEntity], now: datetime
) -> list[Parked]:
    """What waits for a record that is there by now, in the order of the phones."""
    return [
        one
        for entity in entities
        for one in _parked(
            connection,
            f"JOIN {entity.table} t ON t.tenant_id = p.tenant_id AND t.id = p.record_id",
            "p.entity = :entity",
            tenant=tenant_id,
            now=now,
            entity=entity.name,
        )
    ]


def _parked(connection: Connection, join: str, where: str, **values: Any) -> list[Parked]:
    rows = connection.execute(
        text(
            "SELECT p.user_id, p.device_id, p.mutation_id, p.conflict_id, p.base_known"  # noqa: S608
            f" FROM sync_parked p {join} WHERE p.tenant_id = :tenant AND p.until > :now AND {where}"
            " ORDER BY p.user_id, p.device_id, p.n"
        ),
        values,
    )
    return [Parked(*row) for row in rows]
