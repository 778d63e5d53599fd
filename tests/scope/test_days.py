"""Memberships, territories and delegations that begin or end with a day, noticed without any request."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from app.core.ids import new_id
from app.jobs.memberships import turn_days
from tests.scope.phones import let_time_pass, marked_users, midnight, moment, settle
from tests.world import Person, World

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
TURN = date(2027, 3, 10)


def member(world: World, person: Person, territory: UUID, first: date, last: date | None = None) -> None:
    world.insert(
        "territory_members",
        id=new_id(),
        territory_id=territory,
        user_id=person.id,
        kind="owner",
        valid_from=first,
        valid_to=last,
    )


def run(world: World, now: datetime) -> list[UUID]:
    """One run of the job and no drain; whom it marked."""
    world.engine_sql("DELETE FROM sync_pending WHERE tenant_id = :tenant")
    turn_days(world.db, world.id, now)
    return sorted(marked_users(world))


def drained(world: World, person: Person) -> set[str]:
    rows = world.engine_sql(
        "SELECT bucket FROM sync_subscriptions WHERE tenant_id = :tenant AND user_id = :user", user=person.id
    )
    return {row[0] for row in rows if row[0].startswith("territory:")}


@pytest.fixture
def evening(world: World) -> datetime:
    """The evening before the day, with everything before it drained and settled."""
    now = midnight(TURN) - timedelta(hours=2)
    let_time_pass(world, now)
    return now


class TestWhoIsMarked:
    def test_a_member_whose_last_day_is_over_and_nobody_else(self, world: World, evening: datetime) -> None:
        leaving, staying = world.person("rep"), world.person("rep", world.north)
        member(world, leaving, world.north, date(2020, 1, 1), TURN - DAY)
        member(world, staying, world.south, date(2020, 1, 1), TURN)

        assert run(world, midnight(TURN)) == [leaving.id]

    def test_a_member_whose_first_day_has_come(self, world: World, evening: datetime) -> None:
        coming, later = world.person("rep"), world.person("rep")
        member(world, coming, world.north, TURN)
        member(world, later, world.north, TURN + DAY)

        assert run(world, midnight(TURN)) == [coming.id]

    def test_nobody_before_midnight(self, world: World, evening: datetime) -> None:
        leaving = world.person("rep")
        member(world, leaving, world.north, date(2020, 1, 1), TURN - DAY)

        assert run(world, midnight(TURN) - SECOND) == []

    def test_members_and_managers_above_of_a_territory_that_ends(
        self, world: World, evening: datetime
    ) -> None:
        rep, above = world.person("rep", world.north), world.person("manager", world.region)
        world.person("rep", world.region), world.person("manager", world.south)
        world.sql(
            "UPDATE territories SET valid_to = :day WHERE tenant_id = :tenant AND id = :id",
            day=TURN - DAY,
            id=world.north,
        )

        assert run(world, midnight(TURN)) == sorted([rep.id, above.id])

    def test_who_stands_in_for_one_of_these(self, world: World, evening: datetime) -> None:
        leaving, standing_in, over = (world.person("rep") for _ in range(3))
        member(world, leaving, world.north, date(2020, 1, 1), TURN - DAY)
        for person, last in ((standing_in, None), (over, TURN - 9 * DAY)):
            stand_in(world, leaving, person, date(2020, 1, 1), last)

        assert run(world, midnight(TURN)) == sorted([leaving.id, standing_in.id])

    def test_who_begins_or_ends_to_stand_in(self, world: World, evening: datetime) -> None:
        giver, beginning, ending, staying = (world.person("rep") for _ in range(4))
        stand_in(world, giver, beginning, TURN, None)
        stand_in(world, giver, ending, TURN - 5 * DAY, TURN - DAY)
        stand_in(world, giver, staying, TURN - 5 * DAY, TURN)

        assert run(world, midnight(TURN)) == sorted([beginning.id, ending.id])

    def test_no_disabled_people(self, world: World, evening: datetime) -> None:
        leaving = world.person("rep")
        member(world, leaving, world.north, date(2020, 1, 1), TURN - DAY)
        world.sql("UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :u", u=leaving.id)

        assert run(world, midnight(TURN)) == []

    def test_weakly(self, world: World, evening: datetime) -> None:
        member(world, world.person("rep"), world.north, TURN)
        run(world, midnight(TURN))

        weak = world.engine_sql("SELECT weak FROM sync_pending WHERE tenant_id = :tenant")
        assert [row[0] for row in weak] == [True]


def stand_in(world: World, giver: Person, taker: Person, first: date, last: date | None) -> None:
    world.insert(
        "delegations",
        id=new_id(),
        from_user_id=giver.id,
        to_user_id=taker.id,
        work="territories",
        valid_from=first,
        valid_to=last,
    )


class TestRuns:
    def test_that_were_missed_are_made_up_for(self, world: World, evening: datetime) -> None:
        first, second = world.person("rep"), world.person("rep")
        member(world, first, world.north, date(2020, 1, 1), TURN + DAY)
        member(world, second, world.north, TURN + 5 * DAY)

        assert run(world, midnight(TURN + 40 * DAY)) == sorted([first.id, second.id])

    def test_see_two_edges_of_one_person_at_once(self, world: World, evening: datetime) -> None:
        short = world.person("rep")
        member(world, short, world.north, TURN, TURN)
        member(world, short, world.south, TURN + DAY)
        let_time_pass(world, midnight(TURN + 2 * DAY))

        assert drained(world, short) == {f"territory:{world.south}"}

    def test_a_day_without_a_turn_marks_nobody(self, world: World, evening: datetime) -> None:
        world.person("rep", world.north)

        assert run(world, midnight(TURN)) == []

    def test_mark_again_for_a_minute(self, world: World, evening: datetime) -> None:
        """A drain that read the clock before midnight may take marks made after it."""
        leaving = world.person("rep")
        member(world, leaving, world.north, date(2020, 1, 1), TURN - DAY)

        marked = [run(world, midnight(TURN) + timedelta(seconds=s)) for s in (0, 59, 61, 62)]

        assert marked == [[leaving.id], [leaving.id], [leaving.id], []]

    def test_turn_days_back_with_the_clock(self, world: World, evening: datetime) -> None:
        leaving = world.person("rep")
        member(world, leaving, world.north, date(2020, 1, 1), TURN - DAY)
        let_time_pass(world, midnight(TURN) + timedelta(hours=1))
        after = drained(world, leaving)
        let_time_pass(world, midnight(TURN) - timedelta(hours=1))

        assert (after, drained(world, leaving)) == (set(), {f"territory:{world.north}"})

    def test_begin_with_the_day_on_which_the_company_was_made(self, world: World) -> None:
        coming = world.person("rep")
        member(world, coming, world.north, TURN)

        assert run(world, midnight(TURN)) == [coming.id]

    def test_leave_other_companies_alone(self, world: World, evening: datetime) -> None:
        other = World(world.app, world.db)
        member(other, other.person("rep"), other.north, TURN)
        other.engine_sql("DELETE FROM sync_pending WHERE tenant_id = :tenant")

        run(world, midnight(TURN))

        assert marked_users(other) == []


class TestZones:
    @pytest.mark.parametrize(
        ("zone", "day"),
        [
            ("America/New_York", date(2027, 3, 14)),  # clocks go forward in the night
            ("America/New_York", date(2027, 11, 7)),  # and back
            ("Africa/Cairo", date(2027, 4, 30)),  # no midnight: 00:00 is 01:00
            ("America/Havana", date(2027, 11, 7)),  # 00:30 comes twice
            ("Pacific/Kiritimati", date(2027, 1, 1)),
            ("Asia/Kathmandu", date(2027, 1, 1)),
        ],
    )
    def test_a_day_turns_at_its_own_midnight(self, world: World, zone: str, day: date) -> None:
        world.sql("UPDATE tenants SET time_zone = :zone WHERE id = :tenant", zone=zone)
        leaving, coming = world.person("rep"), world.person("rep")
        member(world, leaving, world.north, date(2020, 1, 1), day - DAY)
        member(world, coming, world.north, day)
        start = midnight(day, zone)
        let_time_pass(world, start - timedelta(hours=3))

        assert run(world, start - SECOND) == []
        assert run(world, start) == sorted([leaving.id, coming.id])

    def test_a_company_that_moves_west_turns_the_day_back(self, world: World, evening: datetime) -> None:
        leaving = world.person("rep")
        member(world, leaving, world.north, date(2020, 1, 1), TURN - DAY)
        morning = midnight(TURN) + timedelta(hours=3)
        let_time_pass(world, morning)
        seoul = drained(world, leaving)

        world.sql("UPDATE tenants SET time_zone = 'America/New_York' WHERE id = :tenant")
        let_time_pass(world, morning + SECOND)

        assert (seoul, drained(world, leaving)) == (set(), {f"territory:{world.north}"})


class TestPhones:
    def test_lose_and_gain_at_midnight(self, world: World) -> None:
        account, other = world.account(world.north), world.account(world.south)
        rep = world.person("rep")
        member(world, rep, world.north, date(2020, 1, 1), TURN - DAY)
        member(world, rep, world.south, TURN)
        evening = midnight(TURN) - timedelta(minutes=5)
        let_time_pass(world, evening)
        with moment(evening, rep):
            settle(rep)
            before = [rep.held("account", one) is not None for one in (account, other)]
        let_time_pass(world, midnight(TURN))
        with moment(midnight(TURN) + SECOND, rep):
            pulled = settle(rep)[rep.login]
            after = [rep.held("account", one) is not None for one in (account, other)]

        assert (before, after) == ([True, False], [False, True])
        assert set(pulled.removed) == {("account", str(account)), ("territory", str(world.north))}

    def test_of_others_learn_what_hangs_on_a_scope_that_ended(self, world: World) -> None:
        """A visit is its assignee's only while they hold the account: nobody asked, yet it is re-bucketed."""
        account = world.account(world.north)
        rep = world.person("rep")
        member(world, rep, world.north, date(2020, 1, 1), TURN - DAY)
        visit = new_id()
        world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=midnight(TURN))
        let_time_pass(world, midnight(TURN) - timedelta(hours=1))
        bucket = (
            "SELECT gone FROM sync_feed WHERE tenant_id = :tenant AND record_id = :id AND bucket = :bucket"
        )
        before = world.engine_sql(bucket, id=visit, bucket=f"user:{rep.id}")

        let_time_pass(world, midnight(TURN))

        after = world.engine_sql(bucket, id=visit, bucket=f"user:{rep.id}")
        assert ([row[0] for row in before], [row[0] for row in after]) == ([None], ["out_of_scope"])


def test_the_edge_is_kept_in_the_database(world: World, evening: datetime) -> None:
    turn_days(world.db, world.id, midnight(TURN) + timedelta(hours=1))

    ((edge,),) = world.engine_sql(
        "SELECT edge FROM sync_windows WHERE tenant_id = :tenant AND name = 'memberships'"
    )
    assert edge.astimezone(UTC).date() == TURN
