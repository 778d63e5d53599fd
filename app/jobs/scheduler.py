"""The one scheduler process: whoever holds the advisory lock works, all others stand by."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from app.config import Config
from app.core.clock import utc_now
from app.core.db import Database, sqlalchemy_url
from app.jobs.ageing import age_balances
from app.jobs.approvals import move_approvals
from app.jobs.knowledge import move_knowledge
from app.jobs.memberships import turn_days
from app.jobs.missed_visits import mark_missed_visits
from app.jobs.retention import forget_by_trusted_time
from app.jobs.sandboxes import reset_due
from app.jobs.search_index import forget_searches, index_changes
from app.jobs.webhooks import deliver_webhooks, forget_old_events
from app.jobs.windows import move_windows

LOCK_KEY: Final = 7_366_402  # beside 7366401, which the migrations take
LOOK_S: Final = 2.0
DRAIN_S: Final = 1
MISSED_S: Final = 60
APPROVALS_S: Final = 60
KNOWLEDGE_S: Final = 60
WINDOWS_S: Final = 300
DAYS_S: Final = 30
SANDBOXES_S: Final = 30
RETENTION_S: Final = 6 * 3600
ENGINE_S: Final = 10
WEBHOOKS_S: Final = 2
SEARCH_S: Final = 2

TenantJob = Callable[[Database, UUID, datetime], int]

log = structlog.get_logger(__name__)


class Scheduler:
    """Runs the jobs of time while it holds the lock.

    A session advisory lock needs a connection of its own, straight to PostgreSQL: behind PgBouncer
    in transaction mode it would be let go at once. When the connection dies, so does the lock; this
    process then stops its jobs and stands by again. All jobs may be repeated, so the moment in which
    two processes work does no harm.
    """

    def __init__(
        self,
        config: Config,
        db: Database,
        drain_all: Callable[[], object],
        of_the_engine: Mapping[str, TenantJob] | None = None,
    ) -> None:
        """Prepare; nothing connects before ``run``.

        Args:
            config: For the engine role's direct address.
            db: Pools that the jobs work with; closed by the caller.
            drain_all: Drains every tenant that has marks.
            of_the_engine: More jobs, by name, which need to know the synced entities.
        """
        self._of_the_engine = of_the_engine or {}
        self._deliver = partial(deliver_webhooks, loopback=config.webhooks_loopback)
        self._db = db
        self._drain_all = drain_all
        self._stop = threading.Event()
        self._direct = create_engine(
            sqlalchemy_url(config.database_engine_url),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"application_name": "fieldmerge-scheduler", "connect_timeout": 5},
        )

    def stop(self) -> None:
        """End ``run`` soon: no job is begun any more, those that run are waited for."""
        self._stop.set()

    def run(self) -> None:
        """Work until ``stop``: stand by for the lock, then do the jobs as long as it holds."""
        while not self._stop.is_set():
            try:
                with self._lock() as connection:
                    if connection is not None:
                        self._lead(connection)
            except DBAPIError as error:
                log.warning("scheduler.no_database", error=type(error.orig).__name__)
            self._stop.wait(LOOK_S)

    @contextmanager
    def _lock(self) -> Iterator[Connection | None]:
        """A connection that holds the lock, or None while another process does."""
        with self._direct.connect() as connection:
            held = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY})
            yield connection if held else None

    def _lead(self, connection: Connection) -> None:
        scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )
        for name, seconds, work in self._jobs():
            scheduler.add_job(work, "interval", seconds=seconds, id=name, next_run_time=datetime.now(UTC))
        scheduler.start()
        log.info("scheduler.leads")
        try:
            while not self._stop.wait(LOOK_S):
                connection.execute(text("SELECT 1"))
        finally:
            scheduler.shutdown(wait=True)
            log.info("scheduler.ended")

    def _jobs(self) -> tuple[tuple[str, int, Callable[[], None]], ...]:
        return (
            ("drain", DRAIN_S, lambda: _guarded("drain", self._drain_all)),
            ("missed_visits", MISSED_S, lambda: self._for_tenants("missed_visits", mark_missed_visits)),
            ("approvals", APPROVALS_S, lambda: self._for_tenants("approvals", move_approvals)),
            ("knowledge", KNOWLEDGE_S, lambda: self._for_tenants("knowledge", move_knowledge)),
            ("windows", WINDOWS_S, lambda: self._for_tenants("windows", move_windows)),
            ("memberships", DAYS_S, lambda: self._for_tenants("memberships", turn_days)),
            ("ageing", WINDOWS_S, lambda: self._for_tenants("ageing", age_balances)),
            ("retention", RETENTION_S, lambda: self._for_tenants("retention", forget_by_trusted_time)),
            ("sandboxes", SANDBOXES_S, lambda: self._for_tenants("sandboxes", reset_due)),
            ("webhooks", WEBHOOKS_S, lambda: self._for_tenants("webhooks", self._deliver)),
            ("search_index", SEARCH_S, lambda: self._for_tenants("search_index", index_changes)),
            ("search_log", RETENTION_S, lambda: self._for_tenants("search_log", forget_searches)),
            ("webhook_events", RETENTION_S, lambda: self._for_tenants("webhook_events", forget_old_events)),
            *(
                (name, ENGINE_S, partial(self._for_tenants, name, job))
                for name, job in self._of_the_engine.items()
            ),
        )

    def _for_tenants(self, name: str, job: TenantJob) -> None:
        _guarded(name, lambda: run_for_tenants(self._db, name, job, utc_now(), going=self._is_going))

    def _is_going(self) -> bool:
        return not self._stop.is_set()


def run_for_tenants(
    db: Database, name: str, job: TenantJob, now: datetime, *, going: Callable[[], bool] = lambda: True
) -> int:
    """Do *job* once for every tenant; the failure of one keeps no other waiting.

    Args:
        db: Pools.
        name: Of the job, for the log.
        job: What is to be done for one tenant.
        now: Server time, aware UTC.
        going: Asked between two tenants; false ends the run, and the next one does the rest.

    Returns:
        What the jobs counted, together.
    """
    with db.engine.connect() as connection:
        tenants = connection.scalars(text("SELECT id FROM tenants ORDER BY id")).all()
    total = 0
    for tenant_id in tenants:
        if not going():
            break
        done = _guarded(name, lambda tenant=tenant_id: job(db, tenant, now), tenant_id=str(tenant_id))  # type: ignore[misc]
        if done:
            log.info(f"job.{name}", tenant_id=str(tenant_id), count=done)
            total += done
    return total


def run_scheduler(
    config: Config,
    db: Database,
    drain_all: Callable[[], object],
    of_the_engine: Mapping[str, TenantJob] | None = None,
) -> None:
    """Be the scheduler of this installation until SIGTERM or SIGINT; for the main thread of a process."""
    # A long drain is no news, and APScheduler would tell it every second.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler = Scheduler(config, db, drain_all, of_the_engine)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: scheduler.stop())
    scheduler.run()


def _guarded(name: str, work: Callable[[], Any], **context: str) -> Any:
    """The result of *work*; a failure is logged, and the next run tries again."""
    try:
        return work()
    except Exception:
        log.exception("job.failed", job=name, **context)
        return None
