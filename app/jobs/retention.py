"""What is kept for a while only: tombstones, drains, verdicts, parked work, sessions, the access log."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.core.db import Database
from app.identity import service as identity
from sync.stores.sequencer import FeedStore

KEEP_DAYS: Final = 180
REJECTED_DAYS: Final = 30
VERDICTS_LONGER: Final = timedelta(days=30)
ACCESS_LOG: Final = timedelta(days=2 * 366)
TOUCHED_EACH: Final = timedelta(days=7)
BATCH: Final = 5_000
LOCK_MS: Final = 2_000

# By so much at most does one run believe that time went on, and twice as fast as the clocks while it is behind them.
MOST_AT_ONCE: Final = timedelta(days=2)
CLOCK = text("SELECT clock_timestamp()")
# Of a company that was never looked at, nothing is older than its first drain.
TRUST = text(
    """
    INSERT INTO sync_trusted_times AS t (tenant_id, trusted_at, noted_at)
    VALUES (:tenant, least(:now, (SELECT min(drained_at) FROM sync_drain WHERE tenant_id = :tenant)), :now)
    ON CONFLICT (tenant_id) DO UPDATE SET noted_at = excluded.noted_at, trusted_at = greatest(t.trusted_at, least(
        excluded.noted_at,
        t.trusted_at + least(2 * greatest(excluded.noted_at - t.noted_at, interval '0'), :most)))
    RETURNING least(trusted_at, noted_at)
    """
)

# A company that set no time of its own keeps the default.
KEEP_OF_TENANT = text("SELECT keep_days FROM sync_settings WHERE tenant_id = :tenant")

# A cursor at the newest drain before the cut, or above it, has seen all tombstones up to there.
RAISE_FLOOR = text(
    """
    UPDATE sync_heads SET floor = greatest(floor, (
        SELECT coalesce(max(position), 0) FROM sync_drain WHERE tenant_id = :tenant AND drained_at < :cut))
    WHERE tenant_id = :tenant RETURNING floor
    """
)
FORGET_GONE = text(
    """
    DELETE FROM sync_feed f USING (
        SELECT bucket, shape, entity, record_id FROM sync_feed
        WHERE tenant_id = :tenant AND gone IS NOT NULL AND position <= :floor ORDER BY position LIMIT :batch) AS old
    WHERE f.tenant_id = :tenant AND f.bucket = old.bucket AND f.shape = old.shape AND f.entity = old.entity
      AND f.record_id = old.record_id AND f.gone IS NOT NULL
    """
)
# The newest drain at or below the floor stays: cursors that stand there are proved by it.
FORGET_DRAINS = text(
    """
    DELETE FROM sync_drain WHERE tenant_id = :tenant AND position IN (
        SELECT position FROM sync_drain WHERE tenant_id = :tenant AND position < (
            SELECT max(position) FROM sync_drain WHERE tenant_id = :tenant AND position <= :floor)
        ORDER BY position LIMIT :batch)
    """
)

# What needs no order among its batches: deletes or empties at most :batch rows, those before :cut.
FORGET_SETS = """
    DELETE FROM sync_subscription_sets WHERE tenant_id = :tenant AND id IN (
        SELECT id FROM sync_subscription_sets WHERE tenant_id = :tenant AND used_at < :cut LIMIT :batch)
"""
# What a user still has is as fresh as today: the time begins when they lose it. Told once in a week.
TOUCH_GIVEN = """
    UPDATE sync_given SET given_at = :now WHERE ctid = ANY (ARRAY(
        SELECT g.ctid FROM sync_given g WHERE g.tenant_id = :tenant AND g.given_at < :cut AND EXISTS (
            SELECT 1 FROM sync_subscriptions s
            WHERE s.tenant_id = :tenant AND s.user_id = g.user_id AND s.bucket = g.bucket)
        LIMIT :batch FOR UPDATE OF g SKIP LOCKED))
"""
FORGET_GIVEN = """
    DELETE FROM sync_given WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM sync_given WHERE tenant_id = :tenant AND given_at < :cut LIMIT :batch FOR UPDATE SKIP LOCKED))
"""
FORGET_VERDICTS = """
    DELETE FROM sync_mutations WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM sync_mutations WHERE tenant_id = :tenant AND judged_at < :cut LIMIT :batch
        FOR UPDATE SKIP LOCKED))
"""
FORGET_REJECTED_PAYLOADS = """
    UPDATE sync_mutations SET payload = NULL WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM sync_mutations WHERE tenant_id = :tenant AND judged_at < :cut AND status = 'rejected'
          AND payload IS NOT NULL LIMIT :batch FOR UPDATE SKIP LOCKED))
"""
FORGET_PAYLOADS = """
    UPDATE sync_mutations m SET payload = NULL WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM sync_mutations WHERE tenant_id = :tenant AND judged_at < :cut AND payload IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM conflicts c WHERE c.tenant_id = :tenant AND c.state = 'open'
                          AND c.mutation_id = sync_mutations.id)
        LIMIT :batch FOR UPDATE SKIP LOCKED))
"""
# Work that waited for its record in vain: its item stays in the inbox, and the item keeps its payload.
FORGET_PARKED = """
    DELETE FROM sync_parked WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM sync_parked WHERE tenant_id = :tenant AND until <= :now LIMIT :batch
        FOR UPDATE SKIP LOCKED))
"""
# Of devices that have not come for so long by the door for WatermelonDB: they are given everything anew.
FORGET_WATERMELON = tuple(
    f"""
    DELETE FROM {table} WHERE ctid = ANY (ARRAY(
        SELECT t.ctid FROM {table} t JOIN watermelon_devices d USING (tenant_id, device_id)
        WHERE tenant_id = :tenant AND d.seen_at < :cut LIMIT :batch))
    """  # noqa: S608
    for table in ("watermelon_rows", "watermelon_keys", "watermelon_marks", "watermelon_devices")
)
# The same for RxDB: a counter goes on from the highest number that was judged, a page is noted when it is asked for.
FORGET_RXDB = (
    """
    DELETE FROM rxdb_pulls WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM rxdb_pulls WHERE tenant_id = :tenant AND seen_at < :cut LIMIT :batch
        FOR UPDATE SKIP LOCKED))
    """,
    """
    DELETE FROM rxdb_devices WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM rxdb_devices WHERE tenant_id = :tenant AND pushed_at < :cut LIMIT :batch
        FOR UPDATE SKIP LOCKED))
    """,
)
FORGET_ACCESS = """
    DELETE FROM access_log WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM access_log WHERE tenant_id = :tenant AND at < :cut ORDER BY at LIMIT :batch))
"""


def forget_the_past(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Delete what is kept no longer, in transactions of at most ``BATCH`` rows.

    Tombstones and drains go in transactions that hold the tenant's drain lock, the floor raised before
    them or with them: a phone whose cursor is below it starts over, one above it misses nothing.

    Args:
        db: Pools; the engine role forgets.
        tenant_id: Whose past.
        now: Server time, aware UTC.

    Returns:
        How many rows were deleted or emptied.
    """
    keep = timedelta(days=_keep_days(db, tenant_id))
    cut = now - keep
    total = _forget_tombstones(db, tenant_id, cut)
    for statement, before in (
        (FORGET_SETS, cut - TOUCHED_EACH),
        (TOUCH_GIVEN, now - TOUCHED_EACH),
        (FORGET_GIVEN, cut - TOUCHED_EACH),
        (FORGET_REJECTED_PAYLOADS, now - timedelta(days=REJECTED_DAYS)),
        (FORGET_PAYLOADS, cut),
        (FORGET_VERDICTS, cut - VERDICTS_LONGER),
        (FORGET_PARKED, now),
        *((statement, cut) for statement in (*FORGET_WATERMELON, *FORGET_RXDB)),
        (FORGET_ACCESS, now - ACCESS_LOG),
    ):
        total += _in_batches(db, statement, {"tenant": tenant_id, "cut": before, "now": now})
    with db.session(tenant_id, actor="job:retention") as session:
        total += identity.forget_old_sessions(session, tenant_id, now=now)
    return total


def forget_by_trusted_time(db: Database, tenant_id: UUID, now: datetime) -> int:
    """The same, at a time that no clock can push ahead: what a wrong one calls old is kept.

    Rows are stamped by the database. With its clock ten years behind, verdicts of today were forgotten at once,
    and their mutations would have been done a second time: the earlier one of service and database counts. With both
    of them ahead the whole past went in one night: see ``trusted_time``.
    """
    with db.engine.connect() as connection:
        told: datetime = connection.execute(CLOCK).scalar_one()
    return forget_the_past(db, tenant_id, trusted_time(db, tenant_id, min(now, told)))


def trusted_time(db: Database, tenant_id: UUID, now: datetime) -> datetime:
    """How far time has gone for forgetting: *now*, unless that is a leap.

    From one look to the next it goes on by what the clocks did, at most by ``MOST_AT_ONCE``; behind them, because the
    service was away for long, it follows twice as fast. Clocks that go back take nothing with them.
    """
    with db.engine.begin() as connection:
        found: datetime = connection.execute(
            TRUST, {"tenant": tenant_id, "now": now, "most": MOST_AT_ONCE}
        ).scalar_one()
    return found


def _keep_days(db: Database, tenant_id: UUID) -> int:
    with db.engine.connect() as connection:
        return connection.scalar(KEEP_OF_TENANT, {"tenant": tenant_id}) or KEEP_DAYS


def _forget_tombstones(db: Database, tenant_id: UUID, cut: datetime) -> int:
    total = 0
    while True:
        with FeedStore.locked(db.engine, tenant_id, LOCK_MS, 0) as store:
            floor = store.connection.scalar(RAISE_FLOOR, {"tenant": tenant_id, "cut": cut})
            names = {"tenant": tenant_id, "floor": floor, "batch": BATCH}
            gone = [store.connection.execute(one, names).rowcount for one in (FORGET_GONE, FORGET_DRAINS)]
        total += sum(gone)
        if max(gone) < BATCH:
            return total


def _in_batches(db: Database, statement: str, names: dict[str, Any]) -> int:
    total = 0
    while True:
        with db.engine.begin() as connection:
            done = connection.execute(text(statement), {**names, "batch": BATCH}).rowcount
        total += done
        if done < BATCH:
            return total
