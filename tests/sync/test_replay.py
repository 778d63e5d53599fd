"""One effect however often, under whatever device and however parallel a mutation is delivered."""

import random
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from tests.sync.pushing import Json, ledger, push, row, told
from tests.world import Person, World, wire


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def account(world: World, rep: Person) -> UUID:
    found = world.account(phone="+82255500001", legal_name="가람상사 주식회사", tags=["겨울"])
    rep.sync()
    return found


def without_replayed(verdict: Mapping[str, Any]) -> Json:
    return {name: value for name, value in verdict.items() if name != "replayed"}


class TestASecondDelivery:
    def test_gives_the_first_verdict_and_says_so(self, world: World, rep: Person, account: UUID) -> None:
        mutation = rep.edit("account", account, {"phone": "+82255500002"})

        first, second = push(rep, mutation), push(rep, mutation)

        assert (first["replayed"], second["replayed"]) == (False, True)
        assert without_replayed(second) == without_replayed(first)
        assert len(ledger(world, account)) == 2

    @pytest.mark.parametrize("kind", ["rejected", "conflict", "superseded"])
    def test_of_what_did_not_pass_is_no_second_try(
        self, world: World, rep: Person, account: UUID, kind: str
    ) -> None:
        made = {
            "rejected": rep.edit("account", account, {"code": "", "tier": "A"}),
            "conflict": rep.edit("account", account, {"legal_name": "내 이름"}),
            "superseded": rep.edit("account", account, {"phone": "+82255500002"}, age_ms=3_600_000),
        }[kind]
        world.sql(
            "UPDATE accounts SET legal_name = '본사', phone = '+82255500009' WHERE tenant_id = :tenant AND id = :id",
            id=account,
        )
        changes = len(ledger(world, account))

        first = push(rep, made)
        after_first = len(ledger(world, account))
        second = push(rep, made)

        assert first["status"] == second["status"] == kind
        assert (first["code"], first["detail"], first["conflict_id"]) == (
            second["code"],
            second["detail"],
            second["conflict_id"],
        )
        assert second["replayed"]
        assert len(ledger(world, account)) == after_first <= changes + 1
        assert len(world.sql("SELECT 1 FROM conflicts WHERE tenant_id = :tenant")) == (kind == "conflict")

    def test_shows_the_record_as_it_is_now_and_not_as_it_was(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        mutation = rep.edit("account", account, {"phone": "+82255500002"})
        push(rep, mutation)
        world.sql(
            "UPDATE accounts SET phone = '+82255500003' WHERE tenant_id = :tenant AND id = :id", id=account
        )

        assert push(rep, mutation)["record"]["phone"] == "+82255500003"

    def test_shows_no_record_that_has_left_the_scope_since(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        mutation = rep.edit("account", account, {"phone": "+82255500002"})
        push(rep, mutation)
        world.sql(
            "UPDATE accounts SET territory_id = :south, name = 'SECRET' WHERE tenant_id = :tenant AND id = :id",
            id=account,
            south=world.south,
        )

        response = rep.post_sync(mutations=[mutation])

        assert response.json["verdicts"][0]["record"] is None
        assert b"SECRET" not in response.data

    def test_in_the_same_request_is_a_replay_too(self, world: World, rep: Person, account: UUID) -> None:
        mutation = rep.edit("account", account, {"phone": "+82255500002"})

        verdicts = rep.sync(mutation, mutation)

        assert [v["replayed"] for v in verdicts] == [False, True]

    @pytest.mark.parametrize("changed", [{"n": 99}, {"age_ms": 5_000}])
    def test_may_differ_in_counter_and_age(self, rep: Person, account: UUID, changed: dict[str, Any]) -> None:
        mutation = rep.edit("account", account, {"phone": "+82255500002"}, age_ms=10)
        push(rep, mutation)

        assert push(rep, mutation | changed)["replayed"]

    def test_may_leave_out_what_was_null(self, rep: Person, account: UUID) -> None:
        mutation = rep.edit("account", account, {"phone": "+82255500002"}, group=None, epoch=None)
        push(rep, mutation)
        short = {name: value for name, value in mutation.items() if value is not None}

        assert push(rep, short)["replayed"]
        assert push(rep, mutation)["replayed"]

    @pytest.mark.parametrize(
        "changed",
        [
            {"fields": {"phone": "+82255500003"}},
            {"fields": {"phone": None}},
            {"base": {"phone": None}},
            {"base_version": None},
            {"op": "delete"},
            {"occurred_at": "2026-11-20T00:00:00Z"},
            {"entity": "contact"},
            {"group": str(UUID(int=7))},
        ],
    )
    def test_with_other_content_is_refused_and_the_first_stays(
        self, world: World, rep: Person, account: UUID, changed: dict[str, Any]
    ) -> None:
        mutation = rep.edit("account", account, {"phone": "+82255500002"})
        push(rep, mutation)

        verdict = push(rep, mutation | changed)

        assert told(verdict) == ("rejected", "mutation_id_reused")
        assert (verdict["record"], verdict["replayed"]) == (None, False)
        assert row(world, "accounts", account)["phone"] == "+82255500002"
        assert push(rep, mutation)["status"] == "applied"

    def test_by_another_person_is_another_mutation(self, world: World, rep: Person, account: UUID) -> None:
        colleague = world.person("rep", world.north)
        colleague.sync()
        mutation = rep.edit("account", account, {"tier": "A"})
        push(rep, mutation)

        verdict = push(colleague, mutation)

        assert not verdict["replayed"]

    def test_by_another_tenant_is_another_mutation(self, world: World, rep: Person, account: UUID) -> None:
        other = World(world.app, world.db)
        stranger = other.person("rep", other.north)
        stranger.sync()
        mutation = rep.edit("account", account, {"tier": "A"})
        push(rep, mutation)

        assert told(push(stranger, mutation)) == ("rejected", "not_found")


class TestAReinstalledApp:
    """It logs in as a new device, restores its queue, and counts from 1 again."""

    def test_gets_the_verdicts_that_the_old_device_was_given(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        mutation = rep.edit("account", account, {"phone": "+82255500002"}, n=41)
        push(rep, mutation)
        again = world.second_phone(rep)
        again.sync()

        verdict = push(again, mutation | {"n": 1})

        assert verdict["replayed"]
        assert len(ledger(world, account)) == 2

    def test_counts_what_the_old_device_did_as_its_own(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        sent = rep.edit("account", account, {"legal_name": "가람 1"}, n=41)
        unsent = rep.edit("account", account, {"legal_name": "가람 2"}, n=42)
        push(rep, sent)  # the answer is lost, the app is reinstalled
        again = world.second_phone(rep)
        again.sync()

        verdicts = again.sync(sent | {"n": 1}, unsent | {"n": 2})

        assert [told(v) for v in verdicts] == [("applied", None), ("applied", None)]
        assert row(world, "accounts", account)["legal_name"] == "가람 2"

    def test_remembers_so_in_its_next_request(self, world: World, rep: Person, account: UUID) -> None:
        sent = rep.edit("account", account, {"legal_name": "가람 1"}, n=41)
        unsent = rep.edit("account", account, {"legal_name": "가람 2"}, n=42)
        push(rep, sent)
        again = world.second_phone(rep)
        again.sync()
        push(again, sent | {"n": 1})

        assert told(push(again, unsent | {"n": 2})) == ("applied", None)

    def test_has_its_edits_stamped_above_those_of_the_old_device(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        sent = rep.edit("account", account, {"phone": "+82255500002"}, n=41)
        # Made after it, though the phone's clock was set back a day between the two.
        unsent = rep.edit("account", account, {"phone": "+82255500003"}, n=42, age_ms=86_400_000)
        push(rep, sent)
        again = world.second_phone(rep)
        again.sync()

        verdicts = again.sync(sent | {"n": 1}, unsent | {"n": 2})

        assert verdicts[1]["status"] == "applied"
        assert row(world, "accounts", account)["phone"] == "+82255500003"

    def test_that_replays_nothing_is_another_device_whose_changes_ask(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        old = rep.edit("account", account, {"legal_name": "가람 1"})
        other = rep.edit("account", account, {"legal_name": "가람 2"})
        push(rep, old)
        tablet = world.second_phone(rep)
        tablet.sync()

        assert told(push(tablet, other | {"n": 1})) == ("conflict", None)

    def test_is_known_as_the_latest_of_many_old_devices_and_no_more_of_them(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        old = [rep.edit("account", account, {"legal_name": f"가람 {n}"}) for n in range(60)]
        rep.sync(*old)
        devices = [new_id() for _ in old]
        for device, mutation in zip(devices, old, strict=True):
            world.engine_sql(
                "UPDATE sync_mutations SET device_id = :device WHERE id = :id",
                device=device,
                id=mutation["id"],
            )
        again = world.second_phone(rep)
        again.sync()

        for start in (0, 30, 0, 30):
            again.sync(*(m | {"n": n} for n, m in enumerate(old[start : start + 30], start + 1)))

        known = world.engine_sql(
            "SELECT also_known_as FROM sync_devices WHERE device_id = :id", id=again.device_id
        )
        assert known[0][0] == devices[10:]

    def test_is_no_clone_of_the_old_device(self, world: World, rep: Person, account: UUID) -> None:
        mutation = rep.edit("account", account, {"tier": "A"}, n=41)
        push(rep, mutation)
        again = world.second_phone(rep)
        again.sync()

        assert again.post_sync(mutations=[mutation | {"n": 1}]).json["directives"] == []


class TestManyDeliveriesAtOnce:
    """The same 200 mutations, 10 times, 4 at once, half of them under a reinstalled device: one effect."""

    DELIVERIES = 10
    AT_ONCE = 4

    @pytest.fixture
    def mutations(self, world: World, rep: Person) -> list[Json]:
        """Creates, plain edits, edits of sets and commands, on 20 accounts, 20 visits and 80 new tasks."""
        accounts = [world.account(name=f"고객 {n}", tags=["겨울"]) for n in range(20)]
        visits = [new_id() for _ in range(20)]
        for visit, account in zip(visits, accounts, strict=True):
            world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=utc_now())
        rep.sync()
        tasks = [new_id() for _ in range(80)]
        made = [
            rep.mutation(
                "create", "task", task, fields={"title": f"일 {n}", "account_id": str(accounts[n % 20])}
            )
            for n, task in enumerate(tasks)
        ]
        made += [rep.mutation("complete", "task", task) for task in tasks[:40]]
        made += [rep.edit("account", a, {"phone": f"+8225550{n:04}"}) for n, a in enumerate(accounts)]
        made += [rep.edit("account", a, {"tags": ["겨울", f"태그 {n}"]}) for n, a in enumerate(accounts)]
        made += [rep.edit("account", a, {"legal_name": f"법인 {n}"}) for n, a in enumerate(accounts)]
        location = {"lat": 37.5, "lon": 127.0, "accuracy_m": 12}
        made += [
            rep.mutation("check_in", "visit", v, base_version=1, fields={"location": location})
            for v in visits
        ]
        assert len(made) == 200
        return made

    def deliver(self, phones: list[Person], mutations: list[Json]) -> list[list[Json]]:
        """Push all of it from several phones at once; the verdicts of each delivery, as far as it was answered."""
        cursors = [phone.cursor for phone in phones]

        def one(number: int) -> list[Json]:
            phone = phones[number % len(phones)]
            client = phone.world.app.test_client()
            shuffled = deepcopy(mutations)
            random.Random(number).shuffle(shuffled)
            body = {
                "schema_version": 1,
                "cursor": cursors[number % len(phones)],
                "sent_at": wire(utc_now()),
                "mutations": shuffled,
            }
            for _ in range(20):
                response = client.post("/api/v1/sync", json=body, headers=phone.headers)
                if response.status_code == 200:
                    found: list[Json] = response.json["verdicts"]
                    return found
                assert response.status_code == 503, response.get_data(as_text=True)
            raise AssertionError("never answered")

        with ThreadPoolExecutor(self.AT_ONCE) as pool:
            return list(pool.map(one, range(self.DELIVERIES)))

    def test_have_one_effect_and_one_verdict_each(
        self, world: World, rep: Person, mutations: list[Json]
    ) -> None:
        before = world.sql("SELECT count(*) FROM changes WHERE tenant_id = :tenant")[0][0]
        again = world.second_phone(rep)
        again.sync()

        answers = self.deliver([rep, again], mutations)

        # Each mutation was judged once: one verdict that is no replay, and all the others repeat it.
        by_id: dict[str, list[Json]] = {m["id"]: [] for m in mutations}
        for answer in answers:
            assert len(answer) == 200
            for verdict in answer:
                by_id[verdict["id"]].append(verdict)
        stable = ("status", "code", "version", "fields", "conflict_id", "detail")
        for verdicts in by_id.values():
            assert len(verdicts) == self.DELIVERIES
            assert sum(not v["replayed"] for v in verdicts) <= 1
            assert len({str([v[name] for name in stable]) for v in verdicts}) == 1
        assert Counter(v[0]["status"] for v in by_id.values()) == {"applied": 200}
        assert world.sql(
            "SELECT count(*), count(DISTINCT id) FROM sync_mutations WHERE tenant_id = :tenant"
        ) == [(200, 200)]
        # One row of the ledger for each; a check-in also notes the visit at its account.
        ledger_rows = world.sql(
            "SELECT mutation_id, entity, count(*) FROM changes WHERE tenant_id = :tenant"
            " AND mutation_id IS NOT NULL GROUP BY 1, 2"
        )
        assert {count for _, _, count in ledger_rows} == {1}
        total = world.sql("SELECT count(*) FROM changes WHERE tenant_id = :tenant")[0][0]
        assert total - before == 200 + 20
        # Every record is as one delivery would have left it.
        tasks = world.sql(
            "SELECT status, count(*) FROM tasks WHERE tenant_id = :tenant GROUP BY 1 ORDER BY 1"
        )
        assert tasks == [("done", 40), ("open", 40)]
        accounts = world.sql(
            'SELECT phone, tags, legal_name FROM accounts WHERE tenant_id = :tenant ORDER BY name COLLATE "C"'
        )
        numbers = sorted(range(20), key=lambda n: f"고객 {n}".encode())
        assert [(p, list(t), n) for p, t, n in accounts] == [
            (f"+8225550{n:04}", ["겨울", f"태그 {n}"], f"법인 {n}") for n in numbers
        ]
        assert world.sql("SELECT DISTINCT status FROM visits WHERE tenant_id = :tenant") == [("checked_in",)]
        # Versions are those of single changes: nothing was written twice.
        most = world.sql("SELECT max(version) FROM accounts WHERE tenant_id = :tenant")[0][0]
        assert most <= 1 + 4
        for phone in (rep, again):
            phone.sync()
            assert {r["phone"] for (e, _), r in phone.records.items() if e == "account"} == {
                f"+8225550{n:04}" for n in range(20)
            }
