"""Corrected time over HTTP: a phone's clock decides nothing, only the span from its edit to its sending."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from tests.sync.pushing import Json, outcomes, push, row
from tests.world import Person, World, wire

DAY = timedelta(days=1)
YEAR = timedelta(days=365)
SKEWS = [timedelta(0), 3 * DAY, -3 * DAY, 10 * YEAR, -10 * YEAR]


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def colleague(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def account(world: World, rep: Person, colleague: Person) -> UUID:
    """An account of ten days ago that both phones hold."""
    found = world.account(phone="+82255500001")
    long_ago(world, found, utc_now() - 10 * DAY)
    rep.sync()
    colleague.sync()
    return found


def long_ago(world: World, account: UUID, at: datetime) -> None:
    """Let the account's stamps be of *at*."""
    with world.db.engine.begin() as engine:
        parameters = {"at": wire(at), "id": account}
        engine.exec_driver_sql("UPDATE changes SET stamp_at = %(at)s WHERE record_id = %(id)s", parameters)
    with world.session() as session:
        connection = session.connection()
        connection.exec_driver_sql(
            "SELECT set_config('app.stamps', %(stamps)s, true)",
            {"stamps": f'{{"{account}": {{"_": ["{wire(at)}", ""]}}}}'},
        )
        connection.exec_driver_sql("UPDATE accounts SET stamps = stamps WHERE id = %(id)s", {"id": account})


def stamp_of(world: World, account: UUID, field: str = "phone") -> datetime:
    stamps = row(world, "accounts", account)["stamps"]
    return datetime.fromisoformat(stamps[field][0])


def aged(person: Person, account: UUID, age: timedelta, skew: timedelta, fields: Json, **parts: Any) -> Json:
    """An edit made *age* ago by a clock that is *skew* wrong."""
    return person.edit("account", account, fields, occurred_at=wire(utc_now() - age + skew), **parts)


def send(person: Person, mutation: Json, skew: timedelta = timedelta(0)) -> Json:
    return push(person, mutation, sent_at=wire(utc_now() + skew))


class TestWithoutAMonotonicAge:
    @pytest.mark.parametrize("skew", SKEWS)
    def test_the_span_between_edit_and_sending_counts_whatever_the_clock(
        self, world: World, rep: Person, account: UUID, skew: timedelta
    ) -> None:
        send(rep, aged(rep, account, 2 * DAY, skew, {"phone": "+82255500002"}), skew)

        assert abs(utc_now() - 2 * DAY - stamp_of(world, account)) < timedelta(seconds=30)

    @pytest.mark.parametrize("skew", SKEWS)
    def test_the_later_of_two_edits_wins_whatever_the_clocks(
        self, world: World, rep: Person, colleague: Person, account: UUID, skew: timedelta
    ) -> None:
        older = aged(rep, account, 3 * DAY, skew, {"phone": "+82255500002"})
        newer = aged(colleague, account, 1 * DAY, -skew, {"phone": "+82255500003"})

        assert outcomes(send(colleague, newer, -skew)) == {"phone": "applied"}
        assert outcomes(send(rep, older, skew)) == {"phone": "superseded"}
        assert row(world, "accounts", account)["phone"] == "+82255500003"

    def test_an_edit_of_the_future_counts_as_made_now(self, world: World, rep: Person, account: UUID) -> None:
        send(rep, aged(rep, account, -5 * DAY, timedelta(0), {"phone": "+82255500002"}))

        assert timedelta(0) <= utc_now() - stamp_of(world, account) < timedelta(seconds=30)

    def test_an_edit_that_does_not_say_when_counts_as_made_now(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        send(rep, rep.edit("account", account, {"phone": "+82255500002"}, occurred_at=None))

        assert utc_now() - stamp_of(world, account) < timedelta(seconds=30)


class TestWithAMonotonicAge:
    @pytest.mark.parametrize("skew", SKEWS)
    def test_neither_time_of_the_phone_counts(
        self, world: World, rep: Person, account: UUID, skew: timedelta
    ) -> None:
        # The clock was set between edit and sending, so that the two times of the phone disagree.
        mutation = aged(rep, account, timedelta(0), skew, {"phone": "+82255500002"}, age_ms=4 * 86_400_000)

        send(rep, mutation)

        assert abs(utc_now() - 4 * DAY - stamp_of(world, account)) < timedelta(seconds=30)

    def test_a_negative_age_counts_as_none(self, world: World, rep: Person, account: UUID) -> None:
        send(rep, rep.edit("account", account, {"phone": "+82255500002"}, age_ms=-1_000_000))

        assert timedelta(0) <= utc_now() - stamp_of(world, account) < timedelta(seconds=30)


class TestTheFloor:
    def test_an_edit_stands_above_the_version_that_it_was_based_on(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        send(colleague, colleague.edit("account", account, {"phone": "+82255500002"}))
        seen = stamp_of(world, account)
        rep.sync()

        verdict = send(rep, rep.edit("account", account, {"phone": "+82255500003"}, age_ms=5 * 86_400_000))

        assert outcomes(verdict) == {"phone": "applied"}
        assert stamp_of(world, account) == seen + timedelta(microseconds=1)

    def test_an_edit_does_not_stand_above_versions_that_it_did_not_see(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        blind = rep.edit("account", account, {"phone": "+82255500003"}, age_ms=5 * 86_400_000)
        send(colleague, colleague.edit("account", account, {"phone": "+82255500002"}))

        assert outcomes(send(rep, blind)) == {"phone": "superseded"}

    def test_an_edit_stands_above_the_earlier_ones_of_its_phone_even_those_that_lost(
        self, world: World, rep: Person, colleague: Person, account: UUID
    ) -> None:
        lost = rep.edit("account", account, {"phone": "+82255500003"}, age_ms=2 * 86_400_000)
        later = rep.edit("account", account, {"tier": "A"}, age_ms=9 * 86_400_000)
        send(colleague, colleague.edit("account", account, {"phone": "+82255500002"}))

        rep.sync(lost, later)

        (judged,) = world.sql(
            "SELECT stamp_at FROM sync_mutations WHERE tenant_id = :tenant AND id = :id", id=lost["id"]
        )
        assert stamp_of(world, account, "tier") == judged[0] + timedelta(microseconds=1)

    def test_holds_also_against_a_stamp_of_the_far_future_that_sql_left(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        long_ago(world, account, datetime(2036, 1, 1, tzinfo=UTC))

        assert outcomes(send(rep, rep.edit("account", account, {"phone": "+82255500002"}))) == {
            "phone": "applied"
        }


class TestWhatIsShown:
    def test_the_history_tells_both_times_and_the_phones_is_as_it_said(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        said = "2016-03-01T12:00:00.000000Z"
        mutation = rep.edit("account", account, {"phone": "+82255500002"}, occurred_at=said, age_ms=0)
        send(rep, mutation)

        entries = rep.call("GET", f"/api/v1/accounts/{account}/history").json["items"]

        entry = entries[0]
        assert (entry["mutation_id"], entry["occurred_at"]) == (mutation["id"], said)
        assert utc_now() - datetime.fromisoformat(entry["recorded_at"]) < timedelta(minutes=1)
        assert entry["device"]["name"] == "Galaxy S26"

    def test_a_write_of_the_office_is_stamped_with_the_clock_of_the_database(
        self, world: World, account: UUID
    ) -> None:
        world.sql(
            "UPDATE accounts SET phone = '+82255500009' WHERE tenant_id = :tenant AND id = :id", id=account
        )

        assert utc_now() - stamp_of(world, account) < timedelta(seconds=30)

    @pytest.mark.parametrize("said", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
    def test_the_ends_of_the_calendar_are_times_like_others(
        self, world: World, rep: Person, account: UUID, said: str
    ) -> None:
        mutation = rep.edit("account", account, {"phone": "+82255500002"}, occurred_at=said)

        assert outcomes(push(rep, mutation))["phone"] in ("applied", "superseded")
        rep.sync()
        assert rep.call("GET", f"/api/v1/accounts/{account}/history").status_code == 200
