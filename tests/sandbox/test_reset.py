"""A sandbox goes back to its kept state, phones find their way, and no other company is touched."""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.demo.sandbox import Filled
from app.identity.service import create_tenant
from app.jobs.sandboxes import reset_due
from app.sandbox import service
from conformance.client import Device, Wire
from examples.phone import HttpTransport, Phone
from tests.sandbox.conftest import PASSWORD
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


@pytest.mark.more
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


@pytest.mark.more
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

    def test_in_the_middle_of_a_first_sync_begin_again_and_end_whole(
        self, fresh: Filled, pools: Database, phone: Phones
    ) -> None:
        rep = phone("rep")

        def page(cursor: str | None) -> Any:
            asked = {"schema_version": 1, "mutations": [], "limit": 50, "cursor": cursor}
            return rep.client.call("POST", "/sync", lambda: asked)

        half = page(None)
        assert half["has_more"]

        service.reset(pools, fresh.tenant_id)
        anew = page(half["cursor"])

        assert "rebase" in anew["directives"]
        held = {one["id"] for one in anew["changes"]}
        while anew["has_more"]:
            anew = page(anew["cursor"])
            assert "rebase" not in anew["directives"]
            held |= {one["id"] for one in anew["changes"]}
        rep.sync()
        assert {one["id"] for one in rep.list("account")} <= held

    @pytest.mark.parametrize("meanwhile_s", [0, 0.3, 2])
    def test_that_push_during_a_reset_keep_what_they_pushed_and_take_the_full_set(
        self, fresh: Filled, pools: Database, base_url: str, meanwhile_s: float
    ) -> None:
        """Where the two touch no common row, the push is answered at once, though the drain has to wait."""
        rep = Device(Wire(base_url), fresh.code, "rep", PASSWORD)
        rep.log_in()
        rep.settle()
        values = {"account_id": rep.all("account")[0]["id"], "name": "초기화 중에 보냄"}
        made = rep.mutation("create", "contact", str(new_id()), fields=values)

        with ThreadPoolExecutor() as aside:
            with pools.session(fresh.tenant_id, actor="job:sandbox") as session:
                session.execute(text("SELECT sandbox_reset(:id)"), {"id": fresh.tenant_id})
                pushing = aside.submit(rep.post, [made])
                time.sleep(meanwhile_s)
            told = pushing.result(timeout=30).json

        assert [one["status"] for one in told["verdicts"]] == ["applied"]
        rep.take(told, [made])
        rep.settle()
        assert rep.rebased == 2
        assert rep.held("contact", made["record_id"])

    def test_with_watermelon_lose_what_was_made_since(
        self, fresh: Filled, pools: Database, phone: Phones
    ) -> None:
        rep = phone("rep")
        made = rep.create("contact", account_id=rep.list("account")[0]["id"], name="사라질 사람")
        rep.sync()
        app = phone("rep")
        first = app.client.call("GET", "/sync/watermelon?last_pulled_at=null")
        assert made in {row["id"] for row in first["changes"]["contact"]["updated"]}

        service.reset(pools, fresh.tenant_id)
        after = app.client.call("GET", f"/sync/watermelon?pending=0&last_pulled_at={first['timestamp']}")

        assert after["changes"]["contact"]["deleted"] == [made]

    def test_that_push_meanwhile_lose_nothing_and_tear_nothing(
        self, fresh: Filled, pools: Database, base_url: str
    ) -> None:
        over = threading.Event()
        working = threading.Semaphore(0)
        found: list[Any] = []

        def work(number: int) -> None:
            try:
                rep = Phone(base_url, transport=HttpTransport(base_url), sleep=lambda _: None)
                rep.log_in(fresh.code, "rep", PASSWORD)
                rep.sync()
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
    @pytest.mark.more
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

    def test_are_never_entered_among_the_sandboxes(self, pools: Database, world: World) -> None:
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            pools.session(world.id) as session,
        ):
            session.execute(
                text("INSERT INTO sandboxes (tenant_id, kept_at) VALUES (:id, now())"), {"id": world.id}
            )

    @pytest.mark.more
    def test_see_no_sandbox_but_their_own(self, fresh: Filled, pools: Database, world: World) -> None:
        with pools.session(world.id) as session:
            assert session.scalars(text("SELECT tenant_id FROM sandboxes")).all() == []
            changed = session.execute(
                text("UPDATE sandboxes SET next_reset_at = now() WHERE tenant_id = :id"),
                {"id": fresh.tenant_id},
            )
            assert changed.rowcount == 0

    @pytest.mark.parametrize("function", ["sandbox_drop", "sandbox_put_back"])
    def test_forget_by_no_function_of_the_inside(self, pools: Database, world: World, function: str) -> None:
        more = ", 0" if function == "sandbox_put_back" else ""
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            pools.session(world.id) as session,
        ):
            session.execute(text(f"SELECT {function}(:id{more})"), {"id": world.id})

    @pytest.mark.more
    def test_are_no_business_of_a_session_of_another_company(
        self, fresh: Filled, pools: Database, world: World
    ) -> None:
        with (
            pytest.raises(DBAPIError, match="another company"),
            pools.session(world.id) as session,
        ):
            session.execute(text("SELECT sandbox_reset(:id)"), {"id": fresh.tenant_id})


@pytest.mark.more
class TestKeptRows:
    def test_are_read_by_nobody_since_they_hold_hashes_of_passwords(
        self, fresh: Filled, pools: Database
    ) -> None:
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            pools.session(fresh.tenant_id) as session,
        ):
            session.execute(text("SELECT kept FROM sandbox_rows"))


@pytest.mark.more
class TestLedger:
    def test_knows_what_two_resets_in_a_row_took_away(
        self, fresh: Filled, pools: Database, phone: Phones
    ) -> None:
        """No drain stood between them, so the marks of the first have to find their deletes after the second."""
        rep = phone("rep")
        made = rep.create("contact", account_id=rep.list("account")[0]["id"], name="두 번 초기화")
        rep.sync()

        service.reset(pools, fresh.tenant_id)
        service.reset(pools, fresh.tenant_id)
        service.reset(pools, fresh.tenant_id)
        rep.sync()

        assert rep.get("contact", made) is None
        with pools.engine.connect() as connection:
            alarms = text("SELECT kind, entity, detail FROM sync_alarms WHERE tenant_id = :tenant")
            assert connection.execute(alarms, {"tenant": fresh.tenant_id}).all() == []

    @pytest.mark.parametrize("by", ["admin", "cli:sandbox", "job:sandbox"])
    def test_names_who_went_back(self, fresh: Filled, pools: Database, phone: Phones, by: str) -> None:
        rep = phone("rep")
        account = rep.list("account")[0]["id"]
        rep.edit("account", account, notes="되돌아갈 메모")
        rep.sync()

        if by == "admin":
            phone("admin").client.call("POST", "/sandbox/reset")
        else:
            service.reset(pools, fresh.tenant_id, actor=by)

        with pools.engine.connect() as connection:
            line = text(
                "SELECT coalesce(u.login, c.actor_kind || ':' || c.actor_name) FROM changes c"
                " LEFT JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.actor_id"
                " WHERE c.tenant_id = :tenant AND c.record_id = :id ORDER BY c.id DESC LIMIT 1"
            )
            named = connection.scalar(line, {"tenant": fresh.tenant_id, "id": account})
        assert named == by


@pytest.mark.more
class TestTwoAtOnce:
    def test_one_does_it_and_the_other_is_told(self, fresh: Filled, pools: Database) -> None:
        with pools.session(fresh.tenant_id, actor="job:sandbox") as session:
            session.execute(text("SELECT sandbox_reset(:id)"), {"id": fresh.tenant_id})

            with pytest.raises(service.SandboxBusy):
                service.reset(pools, fresh.tenant_id)

    def test_a_drop_that_met_a_push_is_tried_again(
        self, pools: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pools.session(None) as session:
            code = f"box-{uuid4().hex[:8]}"
            made = create_tenant(session, code=code, name="곧 없는 회사", now=utc_now(), sandbox=True).id
        begin, tried = pools.engine.begin, []

        def begun() -> Any:
            tried.append(made)
            if len(tried) == 1:
                raise DBAPIError("DELETE", {}, psycopg.errors.DeadlockDetected())
            return begin()

        monkeypatch.setattr(pools.engine, "begin", begun)
        service.drop(pools, made)

        assert len(tried) == 2
        with pools.engine.connect() as connection:
            found = connection.scalar(text("SELECT count(*) FROM tenants WHERE code = :code"), {"code": code})
        assert found == 0

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
    @pytest.mark.more
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
    @pytest.mark.more
    def test_the_admin_resets_and_nobody_else_does(self, phone: Phones) -> None:
        admin = phone("admin")
        before = admin.client.call("GET", "/sandbox")["resets"]

        for other in ("rep", "technician", "manager"):
            with pytest.raises(Exception, match="403"):
                phone(other).client.call("POST", "/sandbox/reset")
        assert admin.client.call("POST", "/sandbox/reset")["resets"] == before + 1

    def test_a_real_company_has_none(self, world: World) -> None:
        admin = world.person("admin")

        with untouched(world):
            assert admin.call("POST", "/api/v1/sandbox/reset").status_code == 404
            assert admin.call("GET", "/api/v1/sandbox").json["code"] == "sandbox.none"
