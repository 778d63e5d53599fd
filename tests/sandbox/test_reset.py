"""A sandbox goes back to its kept state, phones find their way, and no other company is touched."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.clock import utc_now
from app.core.db import Database
from app.demo.sandbox import Filled
from app.jobs.sandboxes import reset_due
from app.sandbox import service
from examples.phone import Phone
from tests.sync_api.untouched import untouched
from tests.world import World

Phones = Callable[[str], Phone]


def state(pools: Database, tenant_id: Any) -> dict[str, int]:
    """A hash of the rows of each table that a reset puts back, without what the triggers write."""
    with pools.engine.connect() as connection:
        names = connection.scalars(text("SELECT sandbox_tables()")).all()
        return {
            name: connection.scalar(
                text(
                    "SELECT md5(coalesce(string_agg(j::text, '' ORDER BY j::text), '')) FROM (SELECT to_jsonb(t)"
                    f" - coalesce(sandbox_ignored('{name}'), '{{}}') AS j FROM {name} t WHERE tenant_id = :tenant) x"
                ),
                {"tenant": tenant_id},
            )
            for name in names
        }


class TestKeptState:
    def test_comes_back_row_for_row_with_the_same_ids(
        self, fresh: Filled, pools: Database, phone: Phones
    ) -> None:
        before = state(pools, fresh.tenant_id)
        rep = phone("rep")
        account = rep.list("account")[0]
        rep.edit("account", account["id"], notes="개발자가 적은 메모")
        rep.create("contact", account_id=account["id"], name="윤서진")
        rep.delete("visit", rep.list("visit")[0]["id"])
        rep.sync()
        assert state(pools, fresh.tenant_id) != before

        service.reset(pools, fresh.tenant_id)

        assert state(pools, fresh.tenant_id) == before

    def test_has_people_of_each_role_and_something_of_everything(self, phone: Phones) -> None:
        rep, technician, manager = phone("rep"), phone("technician"), phone("manager")

        assert {entity for entity in ("account", "visit", "order", "product", "price") if rep.list(entity)} == {
            "account", "visit", "order", "product", "price",
        }  # fmt: skip
        assert technician.list("visit")
        assert technician.list("article_version")
        assert len(manager.list("account")) > len(rep.list("account"))

    def test_is_back_at_once_when_nothing_was_done(self, fresh: Filled, pools: Database) -> None:
        assert service.reset(pools, fresh.tenant_id) == 0


class TestPhones:
    def test_take_the_full_set_anew_and_hold_what_they_held_at_first(
        self, fresh: Filled, pools: Database, phone: Phones
    ) -> None:
        rep = phone("rep")
        account = rep.list("account")[0]
        made = rep.create("contact", account_id=account["id"], name="사라질 사람")
        rep.edit("account", account["id"], notes="사라질 메모")
        rep.sync()

        service.reset(pools, fresh.tenant_id)
        rep.sync()

        assert rep.get("contact", made) is None
        assert rep.get("account", account["id"])["notes"] == account["notes"]  # type: ignore[index]
        assert rep.check() == []

    def test_do_not_bring_back_what_was_acknowledged_before(
        self, fresh: Filled, pools: Database, phone: Phones
    ) -> None:
        rep = phone("rep")
        account = rep.list("account")[0]
        before = state(pools, fresh.tenant_id)
        rep.edit("account", account["id"], notes="확인된 메모")
        rep.sync()

        service.reset(pools, fresh.tenant_id)
        for _ in range(3):
            rep.sync()

        assert state(pools, fresh.tenant_id) == before

    def test_have_their_unsent_work_judged(self, fresh: Filled, pools: Database, phone: Phones) -> None:
        rep = phone("rep")
        one, other = rep.list("account")[:2]
        gone = rep.create("contact", account_id=one["id"], name="초기화로 사라짐")
        rep.sync()
        rep.edit("account", other["id"], notes="초기화 전에 쓴 메모")
        rep.edit("contact", gone, name="없는 사람의 새 이름")

        service.reset(pools, fresh.tenant_id)
        rep.sync()

        assert rep.waiting() == 0
        assert rep.get("account", other["id"])["notes"] == "초기화 전에 쓴 메모"  # type: ignore[index]
        verdicts = {one["record_id"]: one["verdict"]["status"] for one in rep.verdicts()}
        assert verdicts[gone] in ("conflict", "rejected")

    @pytest.mark.more
    def test_that_push_meanwhile_lose_nothing_and_tear_nothing(
        self, fresh: Filled, pools: Database, phone: Phones
    ) -> None:
        over = threading.Event()
        working = threading.Semaphore(0)
        found: list[Any] = []

        def work(number: int) -> None:
            try:
                rep = phone("rep")
                for turn in range(6):
                    account = rep.list("account")[number]
                    rep.create("contact", account_id=account["id"], name=f"동시 {number}-{turn}")
                    rep.edit("account", account["id"], notes=f"동시 {number}-{turn}")
                    rep.sync()
                working.release()
                over.wait(60)
                rep.sync()
                rep.sync()
                rejected = [one for one in rep.verdicts() if one["verdict"]["status"] == "rejected"]
                found.append((rep.waiting(), rep.check(), rejected))
                rep.close()
            except BaseException as error:
                found.append(error)
            finally:
                working.release()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for _ in threads:
            while not working.acquire(timeout=0.05):
                with contextlib.suppress(service.SandboxBusy):
                    service.reset(pools, fresh.tenant_id)
        over.set()
        for thread in threads:
            thread.join()

        assert found == [(0, [], [])] * 3


class TestOthers:
    def test_are_not_touched(self, fresh: Filled, pools: Database, world: World) -> None:
        world.account()
        world.drain()

        with untouched(world):
            service.reset(pools, fresh.tenant_id)

    def test_cannot_be_reset_or_kept_or_dropped(self, pools: Database, world: World) -> None:
        with untouched(world):
            with pytest.raises(service.NoSandbox):
                service.reset(pools, world.id)
            with pytest.raises(service.NoSandbox), pools.session(world.id) as session:
                service.keep(session, world.id)
            with pytest.raises(service.NoSandbox):
                service.drop(pools, world.id)

    @pytest.mark.parametrize("pool", ["app", "engine"])
    def test_never_become_sandboxes(self, pools: Database, world: World, pool: str) -> None:
        with (
            pytest.raises(DBAPIError, match="was said when it was opened"),
            getattr(pools, pool).begin() as connection,
        ):
            connection.execute(text("SELECT set_config('app.tenant', :id, true)"), {"id": str(world.id)})
            connection.execute(text("UPDATE tenants SET sandbox = true WHERE id = :id"), {"id": world.id})

    def test_cannot_be_deleted_as_a_company(self, pools: Database, world: World) -> None:
        with (
            pytest.raises(DBAPIError, match="cannot be deleted"),
            pools.engine.begin() as connection,
        ):
            connection.execute(text("DELETE FROM tenants WHERE id = :id"), {"id": world.id})

    def test_are_no_business_of_a_session_of_another_company(
        self, fresh: Filled, pools: Database, world: World
    ) -> None:
        with (
            pytest.raises(DBAPIError, match="another company"),
            pools.session(world.id) as session,
        ):
            session.execute(text("SELECT sandbox_reset(:id)"), {"id": fresh.tenant_id})


class TestTwoAtOnce:
    def test_one_does_it_and_the_other_is_told(self, fresh: Filled, pools: Database) -> None:
        with pools.session(fresh.tenant_id, actor="job:sandbox") as session:
            session.execute(text("SELECT sandbox_reset(:id)"), {"id": fresh.tenant_id})

            with pytest.raises(service.SandboxBusy):
                service.reset(pools, fresh.tenant_id)

    def test_one_that_dies_half_way_leaves_the_company_as_it_was(
        self, fresh: Filled, pools: Database, phone: Phones
    ) -> None:
        rep = phone("rep")
        account = rep.list("account")[0]
        rep.edit("account", account["id"], notes="아직 여기")
        rep.sync()
        before = state(pools, fresh.tenant_id)

        with pytest.raises(ZeroDivisionError), pools.session(fresh.tenant_id, actor="job:sandbox") as session:
            session.execute(text("SELECT sandbox_reset(:id)"), {"id": fresh.tenant_id})
            raise ZeroDivisionError

        assert state(pools, fresh.tenant_id) == before
        rep.sync()
        assert rep.get("account", account["id"])["notes"] == "아직 여기"  # type: ignore[index]


class TestJob:
    def test_resets_when_the_time_has_come_and_not_before(self, fresh: Filled, pools: Database) -> None:
        now = utc_now()
        with pools.session(fresh.tenant_id) as session:
            service.set_rhythm(session, fresh.tenant_id, service.SHORTEST, now=now)

        assert reset_due(pools, fresh.tenant_id, now) == 0
        assert reset_due(pools, fresh.tenant_id, now + 2 * service.SHORTEST) == 1
        assert reset_due(pools, fresh.tenant_id, utc_now()) == 0

        with pools.session(fresh.tenant_id) as session:
            service.set_rhythm(session, fresh.tenant_id, None, now=now)

    def test_leaves_real_companies_alone(self, pools: Database, world: World) -> None:
        assert reset_due(pools, world.id, utc_now()) == 0


class TestOverRest:
    def test_the_admin_resets_and_nobody_else_does(self, phone: Phones) -> None:
        admin, rep = phone("admin"), phone("rep")
        before = admin.client.call("GET", "/sandbox")["resets"]

        with pytest.raises(Exception, match="403"):
            rep.client.call("POST", "/sandbox/reset")
        assert admin.client.call("POST", "/sandbox/reset")["resets"] == before + 1

    def test_a_real_company_has_none(self, world: World) -> None:
        admin = world.person("admin")

        with untouched(world):
            assert admin.call("POST", "/api/v1/sandbox/reset").status_code == 404
            assert admin.call("GET", "/api/v1/sandbox").json["code"] == "sandbox.none"
