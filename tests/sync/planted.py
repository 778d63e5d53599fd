"""Four wrong ways to build the sequencer, planted into the real one, to prove that the tests would notice."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest import mock
from uuid import UUID

import psycopg
from sqlalchemy import Engine
from sqlalchemy.engine.interfaces import IsolationLevel

from app.config import Config
from sync.policy import SyncEntity
from sync.stores.sequencer import FeedStore, lock_table


@contextmanager
def one_mark_for_all(config: Config) -> Iterator[None]:
    """``sync_pending`` has a unique key, and a second mark of a record is left out.

    It stays planted: for a database of its own.
    """
    with psycopg.connect(config.database_owner_url, autocommit=True) as owner:
        rows = owner.execute(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " AND prokind = 'f' AND prosrc LIKE '%INSERT INTO sync_pending%'"
        ).fetchall()
        assert rows
        for (definition,) in rows:
            tolerant = re.sub(
                r"(INSERT INTO sync_pending[^;$]*?)\s*(;|\$function\$)",
                r"\1 ON CONFLICT DO NOTHING\2",
                definition,
            )
            assert tolerant != definition
            owner.execute(tolerant)
        owner.execute("CREATE UNIQUE INDEX planted ON sync_pending (tenant_id, entity, record_id)")
    yield


@contextmanager
def lock_after_the_snapshot(_: Config) -> Iterator[None]:
    """A drain looks at the database first and asks for its lock then."""
    with _locking("REPEATABLE READ", first="SELECT count(*) FROM sync_heads"):
        yield


@contextmanager
def drains_at_read_committed(_: Config) -> Iterator[None]:
    """Each statement of a drain has a snapshot of its own."""
    with _locking("READ COMMITTED", first="SELECT 1"):
        yield


@contextmanager
def _locking(isolation: IsolationLevel, *, first: str) -> Iterator[None]:
    @contextmanager
    def locked(
        cls: type[FeedStore], engine: Engine, tenant_id: UUID, lock_timeout_ms: int, statement_timeout_ms: int
    ) -> Iterator[FeedStore]:
        with engine.connect().execution_options(isolation_level=isolation) as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(lock_timeout_ms)}")
            connection.exec_driver_sql(first)
            connection.exec_driver_sql(f"LOCK TABLE {lock_table(tenant_id)} IN EXCLUSIVE MODE")
            yield cls(connection, tenant_id)
            connection.commit()

    with mock.patch.object(FeedStore, "locked", classmethod(locked)):
        yield


@contextmanager
def positions_of_the_writers(_: Config) -> Iterator[None]:
    """A change takes its position from a sequence in the writer's own transaction.

    The identity of its mark is such a sequence: the position is made from it, and the head is the
    highest position in the feed.
    """
    room = 10_000  # positions within one number: several rows come from one mark
    marks = FeedStore.marks
    write = FeedStore.write
    drains: dict[int, tuple[dict[tuple[str, UUID], int], list[int]]] = {}

    def numbered_marks(store: FeedStore) -> Any:
        rows = store._run(
            "SELECT id, entity, record_id FROM sync_pending WHERE tenant_id = :tenant ORDER BY id"
        ).all()
        drains[id(store)] = ({(row[1], row[2]): row[0] for row in rows}, [])
        return marks(store)

    def numbered_write(
        store: FeedStore, entity: SyncEntity, ids: Sequence[UUID], now: datetime, position: int
    ) -> int:
        numbers, used = drains[id(store)]
        newest = max(numbers.values())
        total = 0
        for record_id in ids:
            start = numbers.get((entity.name, record_id), newest) * room + len(used)
            count = write(store, entity, [record_id], now, start)
            used += range(start + 1, start + count + 1)
            total += count
        return total

    def finish(store: FeedStore, mark_ids: Sequence[int], start: int, position: int) -> None:
        _, used = drains.pop(id(store))
        store._run(
            "DELETE FROM sync_pending WHERE tenant_id = :tenant AND id = ANY(:ids)", ids=list(mark_ids)
        )
        store._run(
            "UPDATE sync_heads SET position = greatest(position, :head) WHERE tenant_id = :tenant",
            head=max(used, default=0),
        )
        store._run(
            "INSERT INTO sync_drain (tenant_id, position) SELECT tenant_id, position FROM sync_heads"
            " WHERE tenant_id = :tenant ON CONFLICT DO NOTHING"
        )

    with mock.patch.multiple(FeedStore, marks=numbered_marks, write=numbered_write, finish=finish):
        yield
