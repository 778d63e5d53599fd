"""SQL of push: the device's row, verdict keys, the record as it stands, its ledger, the inbox."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, text

from sync.policy import Kind, SyncEntity
from sync.render import whole_sql
from sync.values import loads


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What the server knows of a device."""

    highest_n: int
    also_known_as: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """The first answer to a mutation."""

    device_id: UUID
    hash: bytes
    status: str
    code: str | None
    detail: Any
    fields: Any
    version: int | None
    conflict_id: UUID | None
    entity: str
    record_id: UUID


@dataclass(frozen=True, slots=True)
class RecordState:
    """A record as it stands: every field in wire form, and the stamps beside it.

    ``row_stamps`` holds, for each field of parts, the stamps of each part by its id.
    """

    version: int
    deleted: bool
    fields: dict[str, Any]
    stamps: dict[str, Any]
    row_stamps: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One change after a base version. ``old``/``new`` hold the changed columns as the ledger keeps them."""

    id: int
    version: int
    op: str
    part: str | None
    part_id: UUID | None
    old: dict[str, Any]
    new: dict[str, Any]
    actor_kind: str
    actor_id: UUID | None
    actor_name: str | None
    device_id: UUID | None
    mutation_id: UUID | None


@dataclass(frozen=True, slots=True)
class OwnMutation:
    """An earlier mutation of the same device on the same record, as it was sent."""

    n: int
    op: str
    fields: dict[str, Any]
    base_version: int | None
    version: int | None
    stamp_at: datetime | None
    status: str


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
        return DeviceState(row[0], frozenset(row[1]))

    def note_device(self, highest_n: int, also_known_as: frozenset[UUID]) -> None:
        """Keep the highest judged ``n`` and the devices under which replayed mutations were first judged."""
        self._run(
            "UPDATE sync_devices SET highest_n = greatest(highest_n, :n), also_known_as = :aliases"
            " WHERE tenant_id = :tenant AND device_id = :device",
            n=highest_n,
            aliases=sorted(also_known_as),
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
        """The record as it stands, locked; of the whole tenant: the caller checks the scope."""
        row = self._run(
            f"SELECT t.version, t.deleted_at IS NOT NULL, {whole_sql(entity)}, t.stamps::text FROM {entity.table} t"  # noqa: S608
            " WHERE t.tenant_id = :tenant AND t.id = :id FOR UPDATE",
            id=record_id,
        ).one_or_none()
        if row is None:
            return None
        row_stamps = {
            name: self._row_stamps(f.table, f.root, record_id)
            for name, f in entity.fields.items()
            if f.kind is Kind.ROWS
        }
        fields = orjson.loads(row[2])
        return RecordState(row[0], row[1], fields, orjson.loads(row[3]), row_stamps)

    def _row_stamps(self, table: str, root: str, record_id: UUID) -> dict[str, Any]:
        rows = self._run(
            f"SELECT id::text, stamps::text FROM {table} WHERE tenant_id = :tenant AND {root} = :id",  # noqa: S608
            id=record_id,
        )
        return {row[0]: orjson.loads(row[1]) for row in rows}

    def ledger_after(self, entity: str, record_id: UUID, version: int) -> list[LedgerRow]:
        """Changes of the record and its parts after *version*, oldest first."""
        rows = self._run(
            "SELECT id, version, op, part, part_id, old::text, new::text, actor_kind, actor_id, actor_name,"
            " device_id, mutation_id FROM changes WHERE tenant_id = :tenant AND entity = :entity"
            " AND record_id = :id AND version > :version AND op <> 'lost' ORDER BY version, id",
            entity=entity,
            id=record_id,
            version=version,
        )
        return [
            LedgerRow(*row[:5], loads(row[5]) if row[5] else {}, loads(row[6]) if row[6] else {}, *row[7:])
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

    def own_mutations(self, record_id: UUID, devices: Sequence[UUID], before_n: int) -> list[OwnMutation]:
        """This device's judged mutations of the record with a lower ``n``, in ``n`` order."""
        rows = self._run(
            "SELECT n, op, payload -> 'fields', base_version, version, stamp_at, status FROM sync_mutations"
            " WHERE tenant_id = :tenant AND record_id = :id AND user_id = :user AND device_id = ANY(:devices)"
            " AND n < :n AND status IS NOT NULL ORDER BY n",
            id=record_id,
            devices=list(devices),
            n=before_n,
        )
        return [OwnMutation(row[0], row[1], row[2] or {}, *row[3:]) for row in rows]

    def create_was_rejected(self, record_id: UUID) -> bool:
        """Whether the user's own create of this record was rejected."""
        return bool(
            self._run(
                "SELECT EXISTS (SELECT 1 FROM sync_mutations WHERE tenant_id = :tenant AND user_id = :user"
                " AND record_id = :id AND op = 'create' AND status = 'rejected')",
                id=record_id,
            ).scalar_one()
        )

    def was_given(self, entity: str, record_id: UUID) -> bool:
        """Whether the record is or was in a bucket that the user subscribes to."""
        return bool(
            self._run(
                "SELECT EXISTS (SELECT 1 FROM sync_feed f JOIN sync_subscriptions s ON s.tenant_id = f.tenant_id"
                " AND s.bucket = f.bucket AND s.user_id = :user"
                " WHERE f.tenant_id = :tenant AND f.entity = :entity AND f.record_id = :id)",
                entity=entity,
                id=record_id,
            ).scalar_one()
        )

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block did when it fails; deferred constraints are checked before its end."""
        with self._nested():
            yield
            # A deferred foreign key that failed at COMMIT would take the whole batch with it.
            self.connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        # Left on IMMEDIATE, the next legal swap of rows would fail.
        self.connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")

    def write_as(
        self, mutation_id: UUID | None, occurred_at: datetime | None, stamp: Sequence[str] | None, stamps: Mapping[str, Any]
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
        """Take back a soft delete."""
        self._run(
            f"UPDATE {entity.table} SET deleted_at = NULL WHERE tenant_id = :tenant AND id = :id",  # noqa: S608
            id=record_id,
        )
