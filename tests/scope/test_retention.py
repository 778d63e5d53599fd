"""What is forgotten, and that no phone above the floor misses anything for it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.core.clock import utc_now
from app.core.ids import new_id
from app.jobs import retention
from app.jobs.retention import forget_by_trusted_time, forget_the_past, trusted_time
from sync.stores.push import ANSWER
from tests.scope.phones import differences, pull
from tests.world import Person, World

DAY = timedelta(days=1)


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture(params=[2, 5_000])
def batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Small ones, so that each is more than one transaction, and the real ones."""
    monkeypatch.setattr(retention, "BATCH", request.param)
    return int(request.param)


def forget(world: World, now: datetime | None = None) -> int:
    return forget_the_past(world.db, world.id, now or utc_now())


def delete(world: World, *accounts: UUID) -> None:
    """Take accounts off the books, each in a drain of its own."""
    for account in accounts:
        world.sql("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=account)
        world.drain()


def head(world: World) -> tuple[int, int]:
    """Position and floor."""
    ((position, floor),) = world.engine_sql(
        "SELECT position, floor FROM sync_heads WHERE tenant_id = :tenant"
    )
    return position, floor


def let_all_be_old(world: World, days: int = 181) -> int:
    """Let everything drained so far have been drained long ago; the head."""
    world.engine_sql(
        "UPDATE sync_drain SET drained_at = drained_at - make_interval(days => :days) WHERE tenant_id = :tenant",
        days=days,
    )
    return head(world)[0]


def count(world: World, what: str, **values: Any) -> int:
    ((found,),) = world.engine_sql(f"SELECT count(*) FROM {what}", **values)
    return int(found)


def tombstones(world: World) -> int:
    return count(world, "sync_feed WHERE tenant_id = :tenant AND gone IS NOT NULL")


class TestTombstones:
    def test_a_phone_below_the_floor_starts_over_and_one_at_it_goes_on_exactly(
        self, world: World, rep: Person, batches: int
    ) -> None:
        accounts = [world.account() for _ in range(6)]
        rep.sync()
        at_floor = world.second_phone(rep)
        delete(world, *accounts[:3])
        at_floor.sync()
        floor = let_all_be_old(world)
        above = world.second_phone(rep)
        delete(world, accounts[3])
        above.sync()
        delete(world, accounts[4])

        forget(world)

        assert head(world)[1] == floor
        removed = pull(at_floor).removed
        assert sorted(removed) == sorted(("account", str(a)) for a in accounts[3:5])
        assert pull(above).removed == [("account", str(accounts[4]))]
        assert pull(rep).rebased
        assert [differences(phone) for phone in (rep, at_floor, above)] == [{}, {}, {}]

    def test_go_up_to_the_floor_and_not_beyond(self, world: World, rep: Person, batches: int) -> None:
        accounts = [world.account() for _ in range(7)]
        world.drain()
        delete(world, *accounts[:5])
        let_all_be_old(world)
        before = tombstones(world)
        delete(world, accounts[5])

        forget(world)

        assert (before, tombstones(world)) == (10, 2)
        assert (
            count(world, "sync_feed WHERE tenant_id = :tenant AND gone IS NULL AND entity = 'account'") == 2
        )

    def test_stay_for_180_days(self, world: World, rep: Person) -> None:
        account = world.account()
        world.drain()
        delete(world, account)
        let_all_be_old(world, days=179)

        forget(world)

        assert (head(world)[1], tombstones(world)) == (0, 2)

    def test_of_a_company_that_rests_leave_its_phones_where_they_are(
        self, world: World, rep: Person, batches: int
    ) -> None:
        account = world.account()
        rep.sync()
        delete(world, account)
        rep.sync()
        position = let_all_be_old(world, days=400)

        forget(world)
        forget(world)

        assert head(world) == (position, position)
        assert not pull(rep).rebased

    def test_that_are_gone_let_a_record_come_back_as_new(self, world: World, rep: Person) -> None:
        account = world.account()
        rep.sync()
        delete(world, account)
        pull(rep)
        let_all_be_old(world)
        forget(world)
        world.sql("UPDATE accounts SET deleted_at = NULL WHERE tenant_id = :tenant AND id = :id", id=account)

        pull(rep)

        assert rep.held("account", account)
        assert differences(rep) == {}

    def test_of_others_stay(self, world: World, rep: Person) -> None:
        other = World(world.app, world.db)
        account = other.account()
        other.drain()
        delete(other, account)
        let_all_be_old(other)

        forget(world)

        assert tombstones(other) == 2

    def test_go_while_a_drain_waits_its_turn(self, world: World, rep: Person) -> None:
        """Floor and tombstones change under the tenant's drain lock, so that no drain fails for them."""
        delete(world, world.account())
        let_all_be_old(world)
        with world.psql() as connection:
            connection.autocommit = False
            connection.execute(f'LOCK TABLE sync_locks."t_{world.id.hex}" IN EXCLUSIVE MODE')
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(retention, "LOCK_MS", 50)
                with pytest.raises(Exception, match="lock timeout"):
                    forget(world)
            connection.rollback()

        assert forget(world) > 0


class TestDrains:
    def test_below_the_newest_at_the_floor_go(self, world: World, rep: Person, batches: int) -> None:
        for _ in range(5):
            world.account()
            world.drain()
        floor = let_all_be_old(world)
        world.account()
        world.drain()

        forget(world)

        kept = world.engine_sql("SELECT position FROM sync_drain WHERE tenant_id = :tenant ORDER BY 1")
        assert [row[0] for row in kept] == [floor, head(world)[0]]


class TestTheTenantsOwnTime:
    def test_is_taken_where_it_is_set(self, world: World) -> None:
        world.engine_sql("INSERT INTO sync_settings (tenant_id, keep_days) VALUES (:tenant, 30)")
        account = world.account()
        world.drain()
        delete(world, account)
        let_all_be_old(world, days=31)

        forget(world)

        assert tombstones(world) == 0


class TestSubscriptionSets:
    def test_that_no_cursor_can_name_go(self, world: World, rep: Person) -> None:
        world.account()
        rep.sync()
        before = count(world, "sync_subscription_sets WHERE tenant_id = :tenant")

        forget(world, utc_now() + 186 * DAY)
        at_186 = count(world, "sync_subscription_sets WHERE tenant_id = :tenant")
        forget(world, utc_now() + 188 * DAY)

        assert (before, at_186) == (1, 1)
        assert count(world, "sync_subscription_sets WHERE tenant_id = :tenant") == 0

    def test_that_are_named_again_stay(self, world: World, rep: Person) -> None:
        world.account()
        rep.sync()
        world.engine_sql(
            "UPDATE sync_subscription_sets SET used_at = used_at - interval '300 days' WHERE tenant_id = :tenant"
        )
        world.second_phone(rep).sync()

        forget(world)

        assert not pull(rep).rebased


class TestGivenBuckets:
    def given(self, world: World, rep: Person, territory: UUID, days: int) -> None:
        world.engine_sql(
            "INSERT INTO sync_given (tenant_id, user_id, bucket, shape, position, given_at)"
            " VALUES (:tenant, :user, :bucket, 'x', 1, now() - make_interval(days => :days))",
            user=rep.id,
            bucket=f"territory:{territory}",
            days=days,
        )

    def kept(self, world: World) -> list[str]:
        rows = world.engine_sql("SELECT bucket FROM sync_given WHERE tenant_id = :tenant AND shape = 'x'")
        return [row[0] for row in rows]

    def test_that_were_lost_go_after_180_days(self, world: World, rep: Person, batches: int) -> None:
        world.drain()
        self.given(world, rep, world.south, 188)
        self.given(world, rep, world.region, 180)

        forget(world)

        assert self.kept(world) == [f"territory:{world.region}"]

    def test_that_the_user_has_stay_however_long_nothing_came(self, world: World, rep: Person) -> None:
        world.drain()
        self.given(world, rep, world.north, 900)

        forget(world)
        world.sql("UPDATE territory_members SET deleted_at = now() WHERE tenant_id = :tenant")
        world.drain()
        forget(world, utc_now() + 179 * DAY)

        assert self.kept(world) == [f"territory:{world.north}"]


class TestVerdicts:
    @pytest.fixture
    def told(self, world: World, rep: Person) -> dict[str, UUID]:
        """One verdict applied, one rejected, one in the inbox."""
        account = world.account()
        rep.sync()
        sent = [
            rep.edit("account", account, {"phone": "+82255500002"}),
            rep.mutation("update", "account", uuid4(), base_version=1, fields={"phone": "+82255500003"}),
            rep.edit("account", account, {"legal_name": "내 이름"}),
        ]
        world.sql(
            "UPDATE accounts SET legal_name = '본사' WHERE tenant_id = :tenant AND id = :id", id=account
        )
        verdicts = rep.sync(*sent)
        assert [v["status"] for v in verdicts] == ["merged", "rejected", "conflict"]
        return {v["status"]: UUID(v["id"]) for v in verdicts}

    def payloads(self, world: World, told: dict[str, UUID]) -> dict[str, bool | None]:
        rows = world.engine_sql(
            "SELECT id, payload IS NOT NULL FROM sync_mutations WHERE tenant_id = :tenant"
        )
        found = {row[0]: row[1] for row in rows}
        return {name: found.get(one) for name, one in told.items()}

    @pytest.mark.parametrize(
        ("days", "expected"),
        [
            (29, (True, True, True)),
            (31, (True, False, True)),
            (181, (False, False, True)),
            (209, (False, False, True)),
            (211, (None, None, None)),
        ],
    )
    def test_lose_their_payload_first_and_go_30_days_after_tombstones(
        self, world: World, told: dict[str, UUID], days: int, expected: tuple[bool | None, ...], batches: int
    ) -> None:
        forget(world, utc_now() + days * DAY)

        assert tuple(self.payloads(world, told).values()) == expected

    def test_without_payload_are_still_replayed(self, world: World, rep: Person) -> None:
        account = world.account()
        rep.sync()
        edit = rep.edit("account", account, {"phone": "+82255500002"})
        rep.sync(edit)
        forget(world, utc_now() + 181 * DAY)

        (again,) = rep.sync(edit)

        assert (again["status"], again["replayed"]) == ("applied", True)


class TestTheRest:
    def test_the_access_log_is_kept_for_two_years(self, world: World, batches: int) -> None:
        for days in (1, 700, 731, 733, 900, 1_000):
            world.insert(
                "access_log", id=new_id(), at=utc_now() - days * DAY, action="read", entity="account", count=1
            )

        forget(world)

        assert count(world, "access_log WHERE tenant_id = :tenant") == 3

    def test_old_sessions_and_tries_go(self, world: World, rep: Person) -> None:
        world.sql(
            "UPDATE refresh_families SET revoked_at = now() - interval '31 days', revoked_why = 'logged_out'"
            " WHERE tenant_id = :tenant"
        )
        world.insert("login_attempts", id=new_id(), login="x", ip="y", attempted_at=utc_now() - DAY)

        forget(world)

        assert count(world, "refresh_families WHERE tenant_id = :tenant") == 0
        assert count(world, "login_attempts WHERE tenant_id = :tenant") == 0

    def test_a_session_that_buys_a_farewell_stays_as_long_as_it_would_have_lived(
        self, world: World, rep: Person
    ) -> None:
        world.sql(
            "UPDATE refresh_families SET revoked_at = now() - interval '90 days', revoked_why = 'user_disabled'"
            " WHERE tenant_id = :tenant"
        )

        forget(world)

        assert count(world, "refresh_families WHERE tenant_id = :tenant") == 1

    def test_doing_it_again_changes_nothing(self, world: World, rep: Person) -> None:
        delete(world, world.account())
        let_all_be_old(world)
        forget(world)

        assert forget(world) == 0


class TestClocks:
    """Rows are stamped by one clock and judged by another; either may be ten years off."""

    @pytest.fixture
    def sent(self, world: World, rep: Person) -> dict[str, Any]:
        account = world.account()
        world.drain()
        rep.sync()
        edit = rep.edit("account", account, {"phone": "+82255501234"})
        assert rep.sync(edit)[0]["status"] == "applied"
        return edit

    @pytest.mark.parametrize("years", [-10, 10])
    def test_of_the_service_alone_make_nothing_old(
        self, world: World, sent: dict[str, Any], years: int
    ) -> None:
        forget_by_trusted_time(world.db, world.id, utc_now() + years * 365 * DAY)

        assert count(world, "sync_mutations WHERE id = :id", id=UUID(sent["id"])) == 1

    def test_of_the_database_that_were_behind_make_no_verdict_old(
        self, world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = world.account()
        world.drain()
        rep.sync()
        behind = ANSWER.replace("clock_timestamp()", "(clock_timestamp() - interval '10 years')")
        assert behind != ANSWER
        monkeypatch.setattr("sync.stores.push.ANSWER", behind)
        edit = rep.edit("account", account, {"phone": "+82255501234"})
        assert rep.sync(edit)[0]["replayed"] is False

        forget_by_trusted_time(world.db, world.id, utc_now())

        assert rep.sync(edit)[0]["replayed"] is True

    def test_that_are_both_ahead_for_a_night_make_nothing_old(
        self, world: World, sent: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        forget_by_trusted_time(world.db, world.id, utc_now())
        monkeypatch.setattr(retention, "CLOCK", text("SELECT clock_timestamp() + interval '10 years'"))
        for hours in range(3):
            ahead = utc_now() + 3_650 * DAY + timedelta(hours=hours)
            forget_by_trusted_time(world.db, world.id, ahead)

        assert count(world, "sync_mutations WHERE id = :id", id=UUID(sent["id"])) == 1

    def test_that_are_ahead_at_the_very_first_look_make_nothing_old(
        self, world: World, sent: dict[str, Any]
    ) -> None:
        first = trusted_time(world.db, world.id, utc_now() + 3_650 * DAY)

        assert first <= utc_now()


class TestTrustedTime:
    """What forgetting believes of the time, at its looks."""

    def looks(self, world: World, *at: timedelta) -> list[timedelta]:
        start = utc_now()
        world.engine_sql("DELETE FROM sync_drain WHERE tenant_id = :tenant")
        return [trusted_time(world.db, world.id, start + one) - start for one in (timedelta(0), *at)][1:]

    def test_goes_with_the_clocks(self, world: World) -> None:
        assert self.looks(world, DAY, 2 * DAY, 2.5 * DAY) == [DAY, 2 * DAY, 2.5 * DAY]

    def test_takes_a_leap_for_two_days(self, world: World) -> None:
        assert self.looks(world, 3_650 * DAY) == [2 * DAY]

    def test_does_not_go_back(self, world: World) -> None:
        assert self.looks(world, DAY, -9 * DAY, 2 * DAY) == [DAY, -9 * DAY, 2 * DAY]

    def test_a_leap_that_was_taken_back_costs_nothing_later(self, world: World) -> None:
        assert self.looks(world, DAY, 3_650 * DAY, DAY, 3 * DAY, 4 * DAY) == [
            DAY,
            3 * DAY,
            DAY,
            3 * DAY,
            4 * DAY,
        ]

    def test_catches_up_twice_as_fast(self, world: World) -> None:
        assert self.looks(world, 10 * DAY, 11 * DAY, 30 * DAY) == [2 * DAY, 4 * DAY, 6 * DAY]

    def test_many_looks_in_a_moment_are_as_one(self, world: World) -> None:
        assert self.looks(world, *[3_650 * DAY] * 5)[-1] == 2 * DAY
