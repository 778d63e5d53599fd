"""SQL of push: the device's row, verdict keys, the record as it stands, its ledger, the inbox."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError

from sync.policy import Kind, SyncEntity
from sync.render import whole_sql
from sync.states import DeviceState, LedgerRow, OwnMutation, RecordState, StoredVerdict
from sync.values import loads


class RecordUnreadable(Exception):
    """The record holds what no phone can be shown (it is in quarantine, or soon will be)."""


class PushStore:
    """One push transaction of one user's device, as the app role."""

    def __init__(
        self,
        connection: Connection,
        tenant_id: UUID,
        user_id: UUID,
        device_id: UUID,
        nested: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        """Wrap the connection of the session that the service functions use.

        Args:
            connection: In the push transaction, tenant set.
            tenant_id: Whose.
            user_id: Who pushes.
            device_id: From which device.
            nested: Opens a savepoint that also undoes what the session holds in memory.
        """
        self.connection = connection
        self._nested = nested
        self.tenant_id = tenant_id
        self.user_id = user_id
        self.device_id = device_id

    def _run(self, sql: str, **values: Any) -> Any:
        return self.connection.execute(
            text(sql), {"tenant": self.tenant_id, "user": self.user_id, "device": self.device_id, **values}
        )

    def lock_device(self) -> DeviceState:
        """Lock the device's row, so that its pushes are judged one after the other."""
        self._run(
            "INSERT INTO sync_devices (tenant_id, device_id, user_id) VALUES (:tenant, :device, :user)"
            " ON CONFLICT DO NOTHING"
        )
        row = self._run(
            "SELECT highest_n, also_known_as FROM sync_devices"
            " WHERE tenant_id = :tenant AND device_id = :device FOR UPDATE"
        ).one()
        return DeviceState(row[0], tuple(row[1]))

    def note_device(self, highest_n: int, also_known_as: Sequence[UUID]) -> None:
        """Keep the highest judged ``n`` and the devices under which replayed mutations were first judged."""
        self._run(
            "UPDATE sync_devices SET highest_n = greatest(highest_n, :n), also_known_as = :aliases"
            " WHERE tenant_id = :tenant AND device_id = :device",
            n=highest_n,
            aliases=list(also_known_as),
        )

    def verdicts(self, ids: Sequence[UUID]) -> dict[UUID, StoredVerdict]:
        """First answers to those of *ids* that are known for the user, whatever the device."""
        rows = self._run(
            "SELECT id, device_id, hash, status, code, detail, fields, version, conflict_id, entity, record_id"
            " FROM sync_mutations WHERE tenant_id = :tenant AND user_id = :user AND id = ANY(:ids)"
            " AND status IS NOT NULL",
            ids=list(ids),
        )
        return {row[0]: StoredVerdict(row[1], bytes(row[2]), *row[3:]) for row in rows}

    def claim(self, mutation: Mapping[str, Any]) -> bool:
        """Insert the verdict key before anything is applied; False when another request has it.

        The user's other device with the same mutation waits here until this transaction ends.
        """
        return bool(
            self._run(
                "INSERT INTO sync_mutations (tenant_id, user_id, id, device_id, n, hash, entity, record_id, op,"
                " group_id, base_version, payload, occurred_at)"
                " VALUES (:tenant, :user, :id, :device, :n, :hash, :entity, :record_id, :op, :group_id,"
                " :base_version, CAST(:payload AS jsonb), :occurred_at) ON CONFLICT DO NOTHING",
                **mutation,
            ).rowcount
        )

    def answer(self, mutation_id: UUID, verdict: Mapping[str, Any]) -> None:
        """Keep the final verdict of a claimed mutation."""
        self._run(
            "UPDATE sync_mutations SET status = :status, code = :code, detail = CAST(:detail AS jsonb),"
            " fields = CAST(:fields AS jsonb), version = :version, conflict_id = :conflict_id,"
            " stamp_at = :stamp_at, judged_at = clock_timestamp()"
            " WHERE tenant_id = :tenant AND user_id = :user AND id = :id",
            id=mutation_id,
            **verdict,
        )

    def record(self, entity: SyncEntity, record_id: UUID) -> RecordState | None:
        """The record as it stands, locked; of the whole tenant: the caller checks the scope.

        What nobody edits is not locked: the app role has no right to, and nothing can change meanwhile.
        Others may go on pointing to a locked record.
        """
        lock = "" if entity.append_only else " FOR NO KEY UPDATE"
        try:
            row = self._row(entity, record_id, lock)
        except DataError as error:  # bad data by SQL: no fault of the phone that edits the record
            raise RecordUnreadable(f"{entity.name} {record_id}") from error
        if row is None:
            return None
        row_stamps = {
            name: self._row_stamps(f.table, f.root, record_id)
            for name, f in entity.fields.items()
            if f.kind is Kind.ROWS
        }
        fields = orjson.loads(row[2])
        return RecordState(row[0], row[1], fields, orjson.loads(row[3]), row_stamps)

    def _row(self, entity: SyncEntity, record_id: UUID, lock: str) -> Any:
        return self._run(
            f"SELECT t.version, t.deleted_at IS NOT NULL, {whole_sql(entity)}, t.stamps::text"  # noqa: S608
            f" FROM {entity.table} t WHERE t.tenant_id = :tenant AND t.id = :id{lock}",
            id=record_id,
        ).one_or_none()

    def _row_stamps(self, table: str, root: str, record_id: UUID) -> dict[str, Any]:
        rows = self._run(
            f"SELECT id::text, stamps::text FROM {table} WHERE tenant_id = :tenant AND {root} = :id",  # noqa: S608
            id=record_id,
        )
        return {row[0]: orjson.loads(row[1]) for row in rows}

    def ledger_after(
        self, entity: str, record_id: UUID, version: int, devices: Sequence[UUID], before_n: int
    ) -> list[LedgerRow]:
        """Changes of the record and its parts after *version*, oldest first.

        Args:
            entity: Its name.
            record_id: Its id.
            version: The base version.
            devices: This device, and those under which its replayed mutations were first judged.
            before_n: Of the asking mutation: what this device did later is no basis of it (a clone did it).
        """
        rows = self._run(
            "SELECT c.id, c.version, c.op, c.part, c.part_id, c.old::text, c.new::text, c.actor_kind, c.actor_id,"
            " c.actor_name, c.mutation_id IS NOT NULL AND c.device_id = ANY(:devices) AND NOT EXISTS ("
            "SELECT 1 FROM sync_mutations m WHERE m.tenant_id = c.tenant_id AND m.user_id = :user"
            " AND m.id = c.mutation_id AND m.device_id = :device AND m.n >= :n)"
            " FROM changes c WHERE c.tenant_id = :tenant AND c.entity = :entity"
            " AND c.record_id = :id AND c.version > :version AND c.op <> 'lost' ORDER BY c.version, c.id",
            entity=entity,
            id=record_id,
            version=version,
            devices=list(devices),
            n=before_n,
        )
        return [
            LedgerRow(
                id=row[0],
                version=row[1],
                op=row[2],
                part=row[3],
                part_id=row[4],
                old=loads(row[5]) if row[5] else {},
                new=loads(row[6]) if row[6] else {},
                actor_kind=row[7],
                actor_id=row[8],
                actor_name=row[9],
                own=bool(row[10]),
            )
            for row in rows
        ]

    def newest_stamp_at(self, entity: str, record_id: UUID, version: int) -> datetime | None:
        """The newest stamp of the record as it was at *version*."""
        found: datetime | None = self._run(
            "SELECT max(stamp_at) FROM changes WHERE tenant_id = :tenant AND entity = :entity"
            " AND record_id = :id AND version <= :version AND op <> 'lost'",
            entity=entity,
            id=record_id,
            version=version,
        ).scalar_one()
        return found

    def own_mutations(
        self, entity: str, record_id: UUID, devices: Sequence[UUID], before_n: int
    ) -> list[OwnMutation]:
        """This device's judged earlier mutations of the record, oldest first.

        Its own counter orders them; what was judged under its earlier names was all made before.
        """
        rows = self._run(
            "SELECT op, payload -> 'fields', base_version, version, stamp_at, status FROM sync_mutations"
            " WHERE tenant_id = :tenant AND record_id = :id AND entity = :entity AND user_id = :user"
            " AND device_id = ANY(:devices) AND (device_id <> :device OR n < :n) AND status IS NOT NULL"
            " ORDER BY device_id = :device, CASE WHEN device_id <> :device THEN judged_at END, n",
            entity=entity,
            id=record_id,
            devices=list(devices),
            n=before_n,
        )
        return [OwnMutation(row[0], _fields_of(row[1]), *row[2:]) for row in rows]

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
            " set_config('app.stamp', :stamp, true), set_config('app.stamps', :stamps, true)",
            mutation=str(mutation_id or ""),
            occurred=occurred_at.isoformat() if occurred_at else "",
            stamp=orjson.dumps(list(stamp)).decode() if stamp else "",
            stamps=orjson.dumps(stamps).decode() if stamps else "",
        )

    def raise_stamps(self, entity: SyncEntity, record_id: UUID) -> None:
        """Let the trigger lay ``app.stamps`` over a record none of whose fields changed."""
        self._run(
            f"UPDATE {entity.table} SET stamps = stamps WHERE tenant_id = :tenant AND id = :id",  # noqa: S608
            id=record_id,
        )

    def raise_row_stamps(self, table: str, row_ids: Sequence[str]) -> None:
        """The same for parts whose edits were all equal, so that no write has touched them."""
        self._run(
            f"UPDATE {table} SET stamps = stamps WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))",  # noqa: S608
            ids=list(row_ids),
        )

    def note_loss(
        self,
        entity: SyncEntity,
        record_id: UUID,
        *,
        version: int,
        account_id: UUID | None,
        lost: Mapping[str, Any],
        present: Mapping[str, Any],
        mutation_id: UUID,
        occurred_at: datetime | None,
        stamp_at: str,
        winner: Mapping[str, Any],
    ) -> None:
        """Keep losing values in the ledger, with the winner named: ``new`` lost against ``old``."""
        self._run(
            "INSERT INTO changes (tenant_id, entity, record_id, version, op, account_id, old, new, actor_kind,"
            " actor_id, device_id, mutation_id, occurred_at, stamp_at, winner)"
            " VALUES (:tenant, :entity, :id, :version, 'lost', :account, CAST(:old AS jsonb), CAST(:new AS jsonb),"
            " 'user', :user, :device, :mutation, :occurred, CAST(:stamp_at AS timestamptz), CAST(:winner AS jsonb))",
            entity=entity.name,
            id=record_id,
            version=version,
            account=account_id,
            old=orjson.dumps(present).decode(),
            new=orjson.dumps(lost).decode(),
            mutation=mutation_id,
            occurred=occurred_at,
            stamp_at=stamp_at,
            winner=orjson.dumps(winner).decode(),
        )

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
