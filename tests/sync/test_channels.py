"""What a channel keeps of a record that comes and leaves: it is counted in and out once, and nowhere else."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from app.accounts.sync import ACCOUNT
from app.core.clock import utc_now
from app.core.ids import new_id
from app.sync_api.registry import REGISTRY
from sync.registry import Registry
from sync.sequencer import drain
from sync.stores.sequencer import FeedStore
from tests.sync.test_twins import miscounted
from tests.world import World

SALES, SERVICE = "manager+partner+sales", "service"
HIDDEN = "숨김"
RULES = Registry(
    tuple(
        replace(
            entity,
            buckets=f"SELECT r.record_id, r.bucket, r.shape FROM ({ACCOUNT.buckets}) AS r"
            " JOIN accounts p ON p.tenant_id = :tenant AND p.id = r.record_id"
            f" WHERE p.name <> '{HIDDEN}' OR r.shape = '{SERVICE}'",
        )
        if entity.name == "account"
        else entity
        for entity in REGISTRY.entities
    ),
    REGISTRY.subscriptions_sql,
)
"""Sales does not see an account of that name, service does."""

Gone = dict[tuple[str, str], str | None]


def gone_of(world: World, account: UUID) -> Gone:
    """By bucket and shape."""
    rows = world.engine_sql(
        "SELECT bucket, shape, gone FROM sync_feed WHERE tenant_id = :tenant AND record_id = :id", id=account
    )
    return {(bucket, shape): gone for bucket, shape, gone in rows}


def change(world: World, account: UUID, assignments: str, **values: object) -> None:
    world.sql(f"UPDATE accounts SET {assignments} WHERE id = :id", id=account, **values)


def drained(world: World) -> None:
    assert drain(world.db.engine, RULES, world.id, now=utc_now(), lock_timeout_ms=5_000) is not None


class TestOfAnOwner:
    """Beside the channels of the territory there is one of the account's owner."""

    @pytest.fixture
    def owners(self, world: World) -> tuple[UUID, UUID, UUID]:
        first, second, third = (world.person("rep", world.north).id for _ in range(3))
        return first, second, third

    @pytest.mark.parametrize("poison", ["", ", last_visited_at = 'infinity'"], ids=["readable", "unreadable"])
    def test_only_that_one_is_left_when_the_owner_changes(
        self, world: World, owners: tuple[UUID, UUID, UUID], poison: str
    ) -> None:
        first, second, _ = owners
        account = world.account(owner_id=first)
        world.drain()

        change(world, account, f"owner_id = :owner{poison}", owner=second)
        world.drain()

        north = f"territory:{world.north}"
        found = gone_of(world, account)
        assert found[f"user:{first}", SALES] == "out_of_scope"
        assert (found[north, SALES], found[north, SERVICE]) == (None, None)
        assert miscounted(world) == []

    @pytest.mark.parametrize("poison", ["", ", last_visited_at = 'infinity'"], ids=["readable", "unreadable"])
    def test_a_channel_that_was_left_before_is_not_left_again(
        self, world: World, owners: tuple[UUID, UUID, UUID], poison: str
    ) -> None:
        first, second, third = owners
        account = world.account(owner_id=first)
        world.drain()
        change(world, account, "owner_id = :owner", owner=second)
        world.drain()

        position: Callable[[], int] = partial(_position, world, account, f"user:{first}")
        before = position()
        change(world, account, f"owner_id = :owner{poison}", owner=third)
        world.drain()

        assert position() == before
        assert miscounted(world) == []

    @pytest.mark.parametrize("poison", ["", ", last_visited_at = 'infinity'"], ids=["readable", "unreadable"])
    def test_other_accounts_stay_in_what_one_leaves(
        self, world: World, owners: tuple[UUID, UUID, UUID], poison: str
    ) -> None:
        first, second, _ = owners
        account, other = world.account(owner_id=first), world.account(owner_id=first)
        world.drain()
        before = gone_of(world, other)

        change(world, account, f"owner_id = :owner{poison}", owner=second)
        world.drain()

        assert gone_of(world, other) == before
        assert miscounted(world) == []


def _position(world: World, account: UUID, bucket: str) -> int:
    rows = world.engine_sql(
        "SELECT position FROM sync_feed WHERE tenant_id = :tenant AND record_id = :id AND bucket = :bucket",
        id=account,
        bucket=bucket,
    )
    return int(rows[0][0])


class TestOfTwoShapes:
    @pytest.mark.parametrize("poison", ["", ", last_visited_at = 'infinity'"], ids=["readable", "unreadable"])
    def test_one_is_left_and_the_other_stays(self, world: World, poison: str) -> None:
        account = world.account()
        drained(world)

        change(world, account, f"name = '{HIDDEN}'{poison}")
        drained(world)

        north = f"territory:{world.north}"
        assert gone_of(world, account) == {(north, SALES): "out_of_scope", (north, SERVICE): None}
        assert miscounted(world) == []

    def test_the_second_is_counted_when_it_comes_later(self, world: World) -> None:
        account = world.account(name=HIDDEN)
        drained(world)

        change(world, account, "name = '가람'")
        drained(world)

        north = f"territory:{world.north}"
        assert gone_of(world, account) == {(north, SALES): None, (north, SERVICE): None}
        assert miscounted(world) == []

    def test_one_that_was_left_is_counted_again_when_the_record_returns(self, world: World) -> None:
        account = world.account()
        drained(world)
        change(world, account, f"name = '{HIDDEN}'")
        drained(world)

        change(world, account, "name = '가람'")
        drained(world)

        assert miscounted(world) == []


def test_companies_without_marks_are_not_drained(world: World) -> None:
    """Another one has some at the time."""
    busy = World(world.app, world.db)
    world.drain()
    busy.account()

    waiting = FeedStore.tenants_with_marks(world.db.engine)

    assert busy.id in waiting
    assert world.id not in waiting


def test_one_account_leaves_what_another_stays_in_at_the_same_time(world: World) -> None:
    moved, renamed = world.account(), world.account()
    world.drain()

    change(world, renamed, "name = '새 이름'")
    change(world, moved, "territory_id = :south", south=world.south)
    world.drain()

    north = f"territory:{world.north}"
    assert gone_of(world, moved)[north, SALES] == "out_of_scope"
    assert gone_of(world, renamed)[north, SALES] is None


class TestOfAnAssignee:
    """A visit is out of scope where it is nobody's any more; only where its time is over it left a window."""

    @pytest.fixture
    def assignee(self, world: World) -> UUID:
        return world.person("rep", world.north).id

    @pytest.fixture
    def visit(self, world: World, assignee: UUID) -> UUID:
        visit_id = new_id()
        world.insert(
            "visits",
            id=visit_id,
            account_id=world.account(),
            assignee_id=assignee,
            planned_start=utc_now(),
        )
        world.drain()
        return visit_id

    def test_a_visit_that_goes_to_another_left_no_window(
        self, world: World, assignee: UUID, visit: UUID
    ) -> None:
        other = world.person("rep", world.north).id

        world.sql("UPDATE visits SET assignee_id = :other WHERE id = :id", other=other, id=visit)
        world.drain()

        found = gone_of(world, visit)
        assert (found[f"user:{assignee}", "sales"], found[f"user:{other}", "sales"]) == ("out_of_scope", None)

    def test_a_visit_left_no_window_because_another_stays(
        self, world: World, assignee: UUID, visit: UUID
    ) -> None:
        other = world.person("rep", world.north).id
        world.insert(
            "visits",
            id=new_id(),
            account_id=world.account(),
            assignee_id=assignee,
            planned_start=utc_now(),
        )

        world.sql("UPDATE visits SET assignee_id = :other WHERE id = :id", other=other, id=visit)
        world.drain()

        assert gone_of(world, visit)[f"user:{assignee}", "sales"] == "out_of_scope"

    def test_a_visit_that_is_shown_otherwise_left_no_window(
        self, world: World, assignee: UUID, visit: UUID
    ) -> None:
        world.sql("UPDATE users SET role = 'technician' WHERE id = :id", id=assignee)
        world.drain()

        found = gone_of(world, visit)
        assert (found[f"user:{assignee}", "sales"], found[f"user:{assignee}", "service"]) == (
            "out_of_scope",
            None,
        )


class TestSubscriptions:
    def buckets(self, world: World, user: UUID) -> set[str]:
        rows = world.engine_sql(
            "SELECT bucket FROM sync_subscriptions WHERE tenant_id = :tenant AND user_id = :u", u=user
        )
        return {row[0] for row in rows}

    @pytest.mark.parametrize("both_are_asked", [False, True])
    def test_of_one_who_leaves_are_dropped_and_no_other(self, world: World, both_are_asked: bool) -> None:
        leaving, staying = (world.person("rep", world.north).id for _ in range(2))
        world.drain()
        before, north = self.buckets(world, staying), f"territory:{world.north}"

        world.sql("DELETE FROM territory_members WHERE user_id = :u", u=leaving)
        if both_are_asked:
            world.sql("UPDATE users SET name = '새 이름' WHERE id = :u", u=staying)
        world.drain()

        assert north in before
        assert self.buckets(world, staying) == before
        assert north not in self.buckets(world, leaving)

    def test_that_stay_as_they_are_are_no_change(self, world: World) -> None:
        user = world.person("rep", world.north).id
        world.drain()

        with FeedStore.locked(world.db.engine, world.id, 5_000, 5_000) as store:
            assert store.refresh_subscriptions(REGISTRY.subscriptions_sql, [user], utc_now()) == []


def test_a_record_that_heals_leaves_others_set_aside(world: World) -> None:
    healed, other = world.account(), world.account()
    for account in (healed, other):
        change(world, account, "last_visited_at = 'infinity'")
    world.drain()

    change(world, healed, "last_visited_at = NULL")
    world.drain()

    rows = world.engine_sql("SELECT record_id FROM sync_quarantine WHERE tenant_id = :tenant")
    assert [row[0] for row in rows] == [other]
