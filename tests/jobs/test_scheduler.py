"""The scheduler process."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from app.config import Config
from app.core.db import Database
from app.core.scope import Role
from app.jobs import scheduler
from app.jobs.missed_visits import mark_missed_visits
from app.jobs.scheduler import Scheduler, run_for_tenants
from tests.servers import migrated_database
from tests.visits.company import DAY, NOW, Company

PATIENCE_S = 20


@pytest.fixture(scope="module")
def migrated() -> Iterator[Config]:
    """A database of these tests' own: the jobs visit every company, and the others leave hundreds behind."""
    with migrated_database() as config:
        yield config


@pytest.fixture(scope="module")
def pools(migrated: Config) -> Iterator[Database]:
    db = Database(migrated)
    yield db
    db.dispose()


@pytest.fixture(autouse=True)
def own_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a scheduler of somebody else nor a slow look may hold these tests up."""
    monkeypatch.setattr(scheduler, "LOCK_KEY", 7_366_000_000 + os.getpid())
    monkeypatch.setattr(scheduler, "LOOK_S", 0.05)


@contextmanager
def running(config: Config, db: Database, work: Callable[[], object]) -> Iterator[Scheduler]:
    one = Scheduler(config, db, work)
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        yield one
    finally:
        one.stop()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def environment(config: Config) -> dict[str, str]:
    """Of a process of its own on the same database."""
    return dict(os.environ) | {
        "DATABASE_URL": config.database_url,
        "DATABASE_ENGINE_URL": config.database_engine_url,
        "DATABASE_OWNER_URL": config.database_owner_url,
        "FIELDMERGE_SECRET_KEY": config.secret_key,
    }


class TestScheduler:
    def test_drains_as_soon_as_it_leads(self, migrated: Config, pools: Database) -> None:
        drained = threading.Event()
        with running(migrated, pools, drained.set):
            assert drained.wait(PATIENCE_S)

    def test_stands_by_while_another_leads(self, migrated: Config, pools: Database) -> None:
        first, second = threading.Event(), threading.Event()
        with running(migrated, pools, first.set) as leader:
            assert first.wait(PATIENCE_S)
            with running(migrated, pools, second.set):
                assert not second.wait(0.5)
                leader.stop()
                assert second.wait(PATIENCE_S)

    def test_goes_on_after_a_failure(self, migrated: Config, pools: Database) -> None:
        tries, again = [], threading.Event()

        def fail() -> None:
            tries.append(1)
            if len(tries) > 1:
                again.set()
            raise RuntimeError

        with running(migrated, pools, fail):
            assert again.wait(PATIENCE_S)

    def test_marks_missed_visits_by_itself(self, company: Company) -> None:
        visit = company.visit(company.account(), company.user(Role.REP), NOW - 400 * DAY)
        with running(company.config, company.database, lambda: None):
            until = time.monotonic() + PATIENCE_S
            while company.value("visits", visit, "status") != "missed" and time.monotonic() < until:
                time.sleep(0.05)
        assert company.value("visits", visit, "status") == "missed"

    def test_ends_cleanly_on_sigterm(self, migrated: Config) -> None:
        program = (
            "from app.config import Config; from app.core.db import Database\n"
            "from app.jobs import scheduler\n"
            f"scheduler.LOCK_KEY = {scheduler.LOCK_KEY}\n"
            "config = Config.from_env(); db = Database(config)\n"
            "scheduler.run_scheduler(config, db, lambda: print('drained', flush=True)); db.dispose()\n"
            "print('ended', flush=True)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program], env=environment(migrated), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert any("drained" in line for line in process.stdout)
            process.send_signal(signal.SIGTERM)
            rest = process.communicate(timeout=PATIENCE_S)[0]
        assert (process.returncode, rest.splitlines()[-1]) == (0, "ended")


class TestRunForTenants:
    def test_ends_between_two_companies_when_it_is_told_to(
        self, company: Company, other_company: Company
    ) -> None:
        seen: list[object] = []

        def note(db: Database, tenant: object, now: object) -> int:
            seen.append(tenant)
            return 1

        run_for_tenants(company.database, "noted", note, NOW, going=lambda: not seen)
        assert len(seen) == 1

    def test_lets_no_company_wait_for_anothers_failure(
        self, company: Company, other_company: Company
    ) -> None:
        account = other_company.account()
        visit = other_company.visit(account, other_company.user(Role.REP), NOW - 5 * DAY)

        def fail_for_one(db: Database, tenant: object, now: object) -> int:
            if tenant == company.id:
                raise RuntimeError
            return mark_missed_visits(db, other_company.id, NOW)

        run_for_tenants(company.database, "missed_visits", fail_for_one, NOW)
        assert other_company.value("visits", visit, "status") == "missed"
