"""SQL of the sequencer: marks, bucket rules, feed rows, subscriptions, quarantine."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, Self, cast
from uuid import UUID

import psycopg
from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from sync.policy import SyncEntity
from sync.render import body_sql

__all__ = ["Connection", "Engine", "FeedStore", "Reason", "is_poison", "sqlstate_of"]

POISON_CLASSES = ("22", "23", "54")
"""SQLSTATE classes that are the data's fault: data exception, integrity violation, limit exceeded."""

Reason = tuple[str, str]
"""SQLSTATE and message with which a record fails."""


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE of a database error, None for anything else."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None)


def is_poison(error: BaseException) -> bool:
    """Whether an error is the data's fault, and not a timeout's, a lock's or the connection's."""
    return (sqlstate_of(error) or "").startswith(POISON_CLASSES)


def lock_table(tenant_id: UUID) -> str:
    """The tenant's own empty table whose lock serialises its drains."""
    return f'sync_locks."t_{tenant_id.hex}"'


MANY = 200
"""Marks above which a drain looks after the statistics first, and ids above which a statement is planned for them."""

GROWN = 0.05
"""By which part of its positions a company has grown when a drain has so many marks; a record takes some four."""

AT_ONCE = 2_000
"""Ids in one statement: a plan that compares each with each is bad for some thousands, and endless for a hundred
thousand. All statements of a drain are of one transaction and one snapshot."""


PREPARED = 500
"""Statements that a connection keeps; a drain has some ten for each entity."""

_PLANNED = "SELECT set_config('enable_seqscan', '{}', true), set_config('plan_cache_mode', '{}', true)"
PLANNED_FOR_FEW = _PLANNED.format("off", "force_generic_plan")
PLANNED_FOR_MANY = _PLANNED.format("on", "auto")


def portions(ids: Collection[UUID]) -> Iterator[list[UUID]]:
    """*ids* in order, as many at once as one statement takes."""
    ordered = sorted(ids)
    return (ordered[start : start + AT_ONCE] for start in range(0, len(ordered), AT_ONCE))


class FeedStore:
    """One drain's transaction. Everything it does is set-based."""

    def __init__(self, connection: Connection, tenant_id: UUID) -> None:
        """Wrap a connection whose transaction holds the tenant's drain lock."""
        self.connection = connection
        self.tenant_id = tenant_id
        self._planned_for_few: bool | None = None
        self._driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
        self._driver.prepared_max = PREPARED

    @classmethod
    @contextmanager
    def locked(
        cls,
        engine: Engine,
        tenant_id: UUID,
        lock_timeout_ms: int,
        statement_timeout_ms: int,
    ) -> Iterator[Self]:
        """A repeatable-read transaction whose snapshot is taken after the lock was got."""
        # AUTOCOMMIT: the driver would send BEGIN as a message of its own.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # Of these statements only the last takes a snapshot: LOCK TABLE must come before the first that does.
            connection.exec_driver_sql(
                "BEGIN ISOLATION LEVEL REPEATABLE READ;"
                f" SET LOCAL lock_timeout = {int(lock_timeout_ms)};"
                f" SET LOCAL statement_timeout = {int(statement_timeout_ms)};"
                f" LOCK TABLE {lock_table(tenant_id)} IN EXCLUSIVE MODE;"
                f" {PLANNED_FOR_FEW}",
                execution_options={"no_parameters": True},
            )
            store = cls(connection, tenant_id)
            store._planned_for_few = True
            yield store
            connection.commit()

    @staticmethod
    def tenants_with_marks(engine: Engine) -> list[UUID]:
        """Tenants that have at least one mark: a loose scan, one index probe each."""
        with engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT h.tenant_id FROM sync_heads h WHERE EXISTS"
                    " (SELECT 1 FROM sync_pending p WHERE p.tenant_id = h.tenant_id) ORDER BY 1"
                )
            )
            return [row[0] for row in rows]

    def _run(self, sql: str, **values: Any) -> Any:
        few = max((len(v) for v in values.values() if isinstance(v, list)), default=0) <= MANY
        self._plan_for(few)
        self._driver.prepare_threshold = 0 if few else None
        try:
            return self.connection.execute(_statement(sql), {"tenant": self.tenant_id, **values})
        finally:
            self._driver.prepare_threshold = None

    def _plan_for(self, few: bool) -> None:
        """Have the next statements planned for few ids, or for many.

        Planning takes longer than sequencing one record: statements for few ids are prepared, along indexes
        whatever the size of the tables was when the plan was made, and kept with the connection. A plan kept
        for few took minutes for an import's many, so that those are planned each time.
        """
        if few != self._planned_for_few:
            self._planned_for_few = few
            self.connection.exec_driver_sql(PLANNED_FOR_FEW if few else PLANNED_FOR_MANY)

    def marks(self) -> tuple[list[int], list[tuple[str, UUID, bool]]]:
        """Ids of the marks that the snapshot sees, and the distinct records they name (strong before weak)."""
        rows = self._run(
            "SELECT id, entity, record_id, weak FROM sync_pending WHERE tenant_id = :tenant ORDER BY id"
        ).all()
        distinct: dict[tuple[str, UUID], bool] = {}
        for _, entity, record_id, weak in rows:
            distinct[entity, record_id] = weak and distinct.get((entity, record_id), True)
        return [row[0] for row in rows], [(e, r, weak) for (e, r), weak in distinct.items()]

    def standing(self) -> tuple[int, set[tuple[str, UUID]]]:
        """The tenant's last position, and the records that are set aside."""
        rows = self._run(
            "SELECT h.position, q.entity, q.record_id FROM sync_heads h"
            " LEFT JOIN sync_quarantine q ON q.tenant_id = h.tenant_id WHERE h.tenant_id = :tenant"
        ).all()
        return int(rows[0][0]), {(row[1], row[2]) for row in rows if row[1] is not None}

    def expect_many(self, count: int, position: int) -> None:
        """See to it that a large drain is planned by what the tables hold now.

        After an import nobody has analysed them yet: the planner then takes thousands of rows for a
        few and loops over them, which took 22 s for 5,000 new accounts instead of 0.9 s. A company that
        grows is looked at also where it is small beside the others, so that the planner knows of it.

        Args:
            count: Marks that wait.
            position: The last one of the company.
        """
        if count > MANY:
            has_grown = "true" if count > position * GROWN else "false"
            self.connection.exec_driver_sql(f"SELECT sync_analyze_grown({has_grown})")

    def ids(self, sql: str, asked: str, ids: Collection[UUID], **values: Any) -> set[UUID]:
        """Ids that a declaration's SQL yields for *ids*, which it calls *asked*."""
        return {row[0] for some in portions(ids) for row in self._run(sql, **{asked: some}, **values)}

    def rebucketed(self, entity: SyncEntity, ids: Sequence[UUID], now: datetime) -> set[UUID]:
        """Which of *ids* would be in other (bucket, shape) pairs than the feed has them in."""
        rows = self._run(
            f"""
            WITH desired AS ({_desired(entity)}),
            existing AS (SELECT record_id, bucket, shape FROM sync_feed
                         WHERE tenant_id = :tenant AND entity = :entity AND record_id = ANY(:ids) AND gone IS NULL)
            SELECT DISTINCT record_id FROM (
                (TABLE desired EXCEPT TABLE existing) UNION ALL (TABLE existing EXCEPT TABLE desired)
            ) AS differing
            """,  # noqa: S608  (names from the declarations)
            ids=list(ids),
            entity=entity.name,
            now=now,
        )
        return {row[0] for row in rows}

    def rows_without_ledger_delete(self, entity: SyncEntity, ids: Sequence[UUID]) -> set[UUID]:
        """Marked ids that have no row although the ledger does not say that they were deleted."""
        if not ids:
            return set()
        rows = self._run(
            f"""
            SELECT m.id FROM unnest(CAST(:ids AS uuid[])) AS m (id)
            WHERE NOT EXISTS (SELECT 1 FROM {entity.table} t WHERE t.tenant_id = :tenant AND t.id = m.id)
              AND 'delete' IS DISTINCT FROM (
                  SELECT c.op FROM changes c
                  WHERE c.tenant_id = :tenant AND c.entity = :entity AND c.record_id = m.id
                    AND c.op <> 'lost' AND c.part IS NULL
                  ORDER BY c.version DESC, c.id DESC LIMIT 1)
            """,  # noqa: S608
            ids=list(ids),
            entity=entity.name,
        )
        return {row[0] for row in rows}

    def write(self, entity: SyncEntity, ids: Sequence[UUID], now: datetime, position: int) -> int:
        """Rewrite all live feed rows of *ids* and set ``gone`` where they left a bucket.

        Returns:
            How many positions were used, from ``position + 1`` on.
        """
        bodies = " ".join(f"WHEN '{shape}' THEN {body_sql(entity, shape)}" for shape in entity.shapes)
        still = f"({entity.in_scope})" if entity.in_scope else "(SELECT NULL::uuid, NULL::text, NULL::text)"
        result = self._run(
            f"""
            WITH desired AS ({_desired(entity)}),
            live AS (
                SELECT d.bucket, d.shape, d.record_id, t.version, CASE d.shape {bodies} END AS body
                FROM desired d JOIN {entity.table} t ON t.tenant_id = :tenant AND t.id = d.record_id
            ),
            left_behind AS (
                SELECT f.bucket, f.shape, f.record_id, f.version FROM sync_feed f
                WHERE f.tenant_id = :tenant AND f.entity = :entity AND f.record_id = ANY(:ids) AND f.gone IS NULL
                  AND NOT EXISTS (SELECT 1 FROM desired d WHERE d.record_id = f.record_id
                                  AND d.bucket = f.bucket AND d.shape = f.shape)
            ),
            still (record_id, bucket, shape) AS (
                SELECT * FROM {still} AS s WHERE EXISTS (SELECT 1 FROM left_behind)
            ),
            came AS (
                SELECT d.bucket, d.shape FROM desired d WHERE NOT EXISTS (
                    SELECT 1 FROM sync_feed f WHERE f.tenant_id = :tenant AND f.bucket = d.bucket
                    AND f.shape = d.shape AND f.entity = :entity AND f.record_id = d.record_id AND f.gone IS NULL)
            ),
            counted AS (
                {_count("SELECT bucket, shape, 1 AS one FROM came UNION ALL SELECT bucket, shape, -1 FROM left_behind")}
            ),
            numbered AS (
                SELECT r.*, row_number() OVER (ORDER BY r.record_id, r.bucket, r.shape) AS n FROM (
                    SELECT bucket, shape, record_id, version, body, NULL AS gone FROM live
                    UNION ALL
                    SELECT l.bucket, l.shape, l.record_id, l.version, NULL,
                           CASE WHEN t.id IS NULL OR t.deleted_at IS NOT NULL THEN 'deleted'
                                WHEN EXISTS (SELECT 1 FROM still s WHERE s.record_id = l.record_id
                                             AND s.bucket = l.bucket AND s.shape = l.shape) THEN 'window'
                                ELSE 'out_of_scope' END
                    FROM left_behind l
                    LEFT JOIN {entity.table} t ON t.tenant_id = :tenant AND t.id = l.record_id
                ) AS r
            )
            INSERT INTO sync_feed (tenant_id, bucket, shape, entity, record_id, position, entered, version, body, gone)
            SELECT :tenant, bucket, shape, :entity, record_id, :position + n, :position + n, version, body, gone
            FROM numbered
            ON CONFLICT (tenant_id, bucket, shape, entity, record_id) DO UPDATE
            SET position = EXCLUDED.position, version = EXCLUDED.version, body = EXCLUDED.body, gone = EXCLUDED.gone
            """,  # noqa: S608
            ids=list(ids),
            entity=entity.name,
            now=now,
            position=position,
        )
        return int(result.rowcount)

    def withdraw(self, entity: SyncEntity, record_id: UUID, now: datetime, position: int) -> int:
        """Set ``gone`` where a record that cannot be rendered has left; everywhere if its bucket rule fails.

        Returns:
            How many positions were used, from ``position + 1`` on.
        """
        values: dict[str, Any] = {"entity": entity.name, "ids": [record_id], "now": now, "position": position}
        fails = self.failure(lambda: self.rebucketed(entity, [record_id], now)) is not None
        desired = "SELECT NULL::uuid, NULL::text, NULL::text" if fails else _desired(entity)
        result = self._run(
            f"""
            WITH desired (record_id, bucket, shape) AS ({desired}),
            numbered AS (
                SELECT bucket, shape, row_number() OVER (ORDER BY bucket, shape) AS n FROM sync_feed f
                WHERE tenant_id = :tenant AND entity = :entity AND record_id = ANY(:ids) AND gone IS NULL
                  AND NOT EXISTS (SELECT 1 FROM desired d WHERE d.bucket = f.bucket AND d.shape = f.shape)),
            counted AS ({_count("SELECT bucket, shape, -1 AS one FROM numbered")})
            UPDATE sync_feed f SET position = :position + n.n, body = NULL, gone = 'out_of_scope' FROM numbered n
            WHERE f.tenant_id = :tenant AND f.entity = :entity AND f.record_id = ANY(:ids)
              AND f.bucket = n.bucket AND f.shape = n.shape
            """,  # noqa: S608  (names from the declarations)
            **values,
        )
        return int(result.rowcount)

    def refresh_subscriptions(self, sql: str, users: Sequence[UUID] | None, now: datetime) -> list[UUID]:
        """Recompute the drained subscriptions of *users* (None: of everybody).

        Returns:
            The users whose buckets changed.
        """
        if users is None:
            users = [row[0] for row in self._run("SELECT id FROM users WHERE tenant_id = :tenant")]
        rows = self._run(
            f"""
            WITH wanted AS (SELECT DISTINCT s.user_id, s.bucket FROM ({sql}) AS s),
            dropped AS (
                DELETE FROM sync_subscriptions o WHERE o.tenant_id = :tenant AND o.user_id = ANY(:users)
                AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.user_id = o.user_id AND w.bucket = o.bucket)
                RETURNING o.user_id),
            added AS (
                INSERT INTO sync_subscriptions (tenant_id, user_id, bucket)
                SELECT :tenant, user_id, bucket FROM wanted ON CONFLICT DO NOTHING RETURNING user_id)
            SELECT user_id FROM dropped UNION SELECT user_id FROM added
            """,  # noqa: S608
            users=list(users),
            now=now,
        )
        return [row[0] for row in rows]

    def finish(self, mark_ids: Sequence[int], start: int, position: int) -> None:
        """Delete exactly the marks of the snapshot, move the head, sign the drain, wake the listeners."""
        taken = "DELETE FROM sync_pending WHERE tenant_id = :tenant AND id = ANY(:marks)"
        if position == start:
            self._run(taken, marks=list(mark_ids))
            return
        self._run(
            f"""
            WITH taken AS ({taken}),
            head AS (UPDATE sync_heads SET position = :position WHERE tenant_id = :tenant),
            signed AS (INSERT INTO sync_drain (tenant_id, position) VALUES (:tenant, :position))
            SELECT pg_notify('fieldmerge_sync', :payload)
            """,  # noqa: S608  (constants of this function)
            marks=list(mark_ids),
            position=position,
            payload=f"{self.tenant_id}:{position}",
        )

    def alarm(self, kind: str, entity: str, record_id: UUID, detail: str) -> None:
        """Tell the operator; alarms never change what phones see."""
        self._run(
            "INSERT INTO sync_alarms (tenant_id, kind, entity, record_id, detail)"
            " VALUES (:tenant, :kind, :entity, :id, :detail)",
            kind=kind,
            entity=entity,
            id=record_id,
            detail=detail[:500],
        )

    def quarantine(self, entity: str, record_id: UUID, state: str, message: str) -> None:
        """Set a record aside until its next mark."""
        self._run(
            "INSERT INTO sync_quarantine (tenant_id, entity, record_id, sqlstate, message)"
            " VALUES (:tenant, :entity, :id, :state, :message)"
            " ON CONFLICT (tenant_id, entity, record_id) DO UPDATE SET sqlstate = :state, message = :message",
            entity=entity,
            id=record_id,
            state=state,
            message=message[:500],
        )

    def forget_quarantine(self, records: set[tuple[str, UUID]]) -> None:
        """Records that were rendered again are whole."""
        if not records:
            return
        self._run(
            "DELETE FROM sync_quarantine q"
            " USING unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[])) AS r (entity, id)"
            " WHERE q.tenant_id = :tenant AND q.entity = r.entity AND q.record_id = r.id",
            entities=[e for e, _ in records],
            ids=[r for _, r in records],
        )

    @contextmanager
    def undone(self) -> Iterator[None]:
        """A savepoint that is always rolled back."""
        savepoint = self.connection.begin_nested()
        try:
            yield
        finally:
            savepoint.rollback()
            self._planned_for_few = None  # the settings went back too

    def failure(self, attempt: Callable[[], object]) -> Reason | None:
        """How *attempt* fails on its data, if it does, in a savepoint that is always rolled back."""
        try:
            with self.undone():
                attempt()
        except DBAPIError as error:
            if not is_poison(error):
                raise
            return sqlstate_of(error) or "", str(error.orig).splitlines()[0]
        return None


@lru_cache(maxsize=PREPARED)
def _statement(sql: str) -> TextClause:
    """*sql* with its parameters found; looking for them takes longer than most of these statements."""
    return text(sql)


def _desired(entity: SyncEntity) -> str:
    """The (record, bucket, shape) triples of live records by the entity's own rule.

    The rule is asked once: on tables without statistics the planner would join it anew to every row of
    the company, which took 5 s for one account among 2,400.
    """
    return (
        f"WITH r AS MATERIALIZED ({entity.buckets})"  # noqa: S608  (declared)
        " SELECT DISTINCT r.record_id, r.bucket, r.shape FROM r"
        f" JOIN {entity.table} t ON t.tenant_id = :tenant AND t.id = r.record_id AND t.deleted_at IS NULL"
    )


def _count(rows: str) -> str:
    """Count along how many live rows each channel has.

    Args:
        rows: SQL of ``(bucket, shape, one)``: 1 for each row that came, -1 for each that left.
    """
    return f"""
        INSERT INTO sync_channel_sizes (tenant_id, bucket, shape, records)
        SELECT :tenant, c.bucket, c.shape, sum(c.one) FROM ({rows}) AS c
        GROUP BY c.bucket, c.shape HAVING sum(c.one) <> 0 ORDER BY c.bucket, c.shape
        ON CONFLICT (tenant_id, bucket, shape) DO UPDATE
        SET records = sync_channel_sizes.records + EXCLUDED.records
    """  # noqa: S608  (constants of this file)
