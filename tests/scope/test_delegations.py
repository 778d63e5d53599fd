"""One person stands in for another: their territories come for a window of days, and go."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from app.core.db import Database
from tests.scope.phones import let_time_pass, midnight, moment, of, pull, settle, today, whole_account
from tests.world import Person, World

DAY = timedelta(days=1)


def give(actor: Person, to: Person, **values: Any) -> Any:
    """POST a delegation of territories that begins today."""
    body = {"to_user_id": str(to.id), "work": "territories", "valid_from": str(today())}
    return actor.call("POST", "/api/v1/delegations", body | values)


def refusal(response: Any) -> tuple[int, str]:
    return response.status_code, response.json["code"]


@pytest.fixture
def manager(world: World) -> Person:
    return world.person("manager", world.region)


@pytest.fixture
def kim(world: World, manager: Person) -> Person:
    return world.person("rep", world.north, manager=manager)


@pytest.fixture
def lee(world: World, manager: Person) -> Person:
    return world.person("rep", world.south, manager=manager)


class TestAWindow:
    def test_brings_the_territories_whole_and_takes_them_back(
        self, world: World, kim: Person, lee: Person
    ) -> None:
        ids = whole_account(world, world.north, kim)
        settle(kim, lee)
        made = give(kim, lee)

        gained = settle(lee)[lee.login]
        delegation = kim.call("GET", f"/api/v1/delegations/{made.json['id']}")
        ended = kim.call(
            "DELETE", f"/api/v1/delegations/{made.json['id']}", **{"If-Match": delegation.headers["ETag"]}
        )
        lost = settle(lee)[lee.login]

        shared = of(ids, "account", "site", "contact", "account_contact", "account_relation")
        assert (made.status_code, ended.status_code) == (201, 204)
        assert gained.changed >= shared
        assert set(lost.removed) >= shared
        assert ("territory", str(world.north)) in lost.removed

    def test_opens_and_closes_by_time_alone(self, world: World, kim: Person, lee: Person) -> None:
        account = world.account(world.north)
        first, last = today() + 2 * DAY, today() + 3 * DAY
        assert give(kim, lee, valid_from=str(first), valid_to=str(last)).status_code == 201
        held = []
        for day in (first - DAY, first, last, last + DAY):
            let_time_pass(world, midnight(day) + timedelta(seconds=1))
            with moment(midnight(day) + timedelta(minutes=5), lee):
                settle(lee)
            held.append(lee.held("account", account) is not None)

        assert held == [False, True, True, False]

    def test_gives_what_a_manager_has_below(self, world: World, manager: Person, lee: Person) -> None:
        account = world.account(world.north)
        settle(lee)

        give(manager, lee)

        settle(lee)
        assert lee.held("account", account)

    def test_gives_a_technician_the_shape_of_a_technician(self, world: World, kim: Person) -> None:
        account = world.account(world.north, payment_terms="30 days")
        technician = world.person("technician")

        give(kim, technician)

        settle(technician)
        held = technician.held("account", account)
        assert held is not None
        assert "payment_terms" not in held

    def test_is_the_same_over_rest(self, world: World, kim: Person, lee: Person) -> None:
        account = world.account(world.north)
        before = lee.call("GET", f"/api/v1/accounts/{account}").status_code

        give(kim, lee)

        after = lee.call("GET", f"/api/v1/accounts/{account}").status_code
        listed = {row["id"] for row in lee.call("GET", "/api/v1/accounts").json["items"]}
        assert (before, after, str(account) in listed) == (404, 200, True)

    def test_lets_the_delegate_edit_on_the_phone(self, world: World, kim: Person, lee: Person) -> None:
        account = world.account(world.north)
        give(kim, lee)
        lee.sync()

        (verdict,) = lee.sync(lee.edit("account", account, {"phone": "+82255500002"}))

        assert verdict["status"] == "applied"

    def test_is_not_handed_on_to_a_third(self, world: World, kim: Person, lee: Person) -> None:
        account = world.account(world.north)
        third = world.person("rep")
        give(kim, lee)
        give(lee, third)

        settle(third)

        assert third.held("account", account) is None
        assert third.held("territory", world.south)

    def test_of_approvals_gives_no_territory(self, world: World, kim: Person, lee: Person) -> None:
        give(kim, lee, work="approvals")

        settle(lee)

        assert lee.held("territory", world.north) is None

    def test_takes_along_own_visits_there(self, world: World, kim: Person, lee: Person) -> None:
        ids = whole_account(world, world.north, lee)
        settle(lee)
        before = {key for key in of(ids, "visit", "task", "activity") if key in lee.records}

        give(kim, lee)
        settle(lee)

        assert before == set()
        assert of(ids, "task", "activity") <= set(lee.records)
        assert lee.held("visit", ids["visit"][0])


class TestWithoutARequestOfTheDelegate:
    """What others change is drained into the delegate's subscriptions by marks."""

    def drained(self, world: World, person: Person) -> set[str]:
        world.drain()
        rows = world.engine_sql(
            "SELECT bucket FROM sync_subscriptions WHERE tenant_id = :tenant AND user_id = :user",
            user=person.id,
        )
        return {row[0] for row in rows if row[0].startswith("territory:")}

    def test_the_delegators_new_membership_comes(self, world: World, kim: Person, lee: Person) -> None:
        give(kim, lee)
        before = self.drained(world, lee)
        with world.session() as session:
            world.join(session, kim.id, world.region)

        assert self.drained(world, lee) - before == {f"territory:{world.region}"}

    def test_the_delegators_membership_goes(self, world: World, kim: Person, lee: Person) -> None:
        give(kim, lee)
        before = self.drained(world, lee)
        world.sql(
            "UPDATE territory_members SET deleted_at = now() WHERE tenant_id = :tenant AND user_id = :u",
            u=kim.id,
        )

        assert before - self.drained(world, lee) == {f"territory:{world.north}"}

    @pytest.mark.parametrize("change", ["status = 'disabled'", "deleted_at = now()"])
    def test_a_delegator_who_leaves_ends_it(
        self, world: World, kim: Person, lee: Person, change: str
    ) -> None:
        give(kim, lee)
        before = self.drained(world, lee)
        world.sql(f"UPDATE users SET {change} WHERE tenant_id = :tenant AND id = :u", u=kim.id)

        assert before - self.drained(world, lee) == {f"territory:{world.north}"}

    def test_a_delegator_who_is_promoted_gives_what_lies_below(self, world: World, lee: Person) -> None:
        boss = world.person("rep", world.region)
        give(boss, lee)
        before = self.drained(world, lee)
        world.sql("UPDATE users SET role = 'manager' WHERE tenant_id = :tenant AND id = :u", u=boss.id)

        assert self.drained(world, lee) - before == {f"territory:{world.north}"}

    def test_a_row_written_in_sql_counts(self, world: World, kim: Person, lee: Person) -> None:
        before = self.drained(world, lee)
        with world.psql() as connection:
            connection.execute(
                "INSERT INTO delegations (tenant_id, id, from_user_id, to_user_id, work, valid_from)"
                " VALUES (%s, %s, %s, %s, 'territories', '2020-01-01')",
                (world.id, uuid4(), kim.id, lee.id),
            )

        assert self.drained(world, lee) - before == {f"territory:{world.north}"}

    def test_a_delegate_who_becomes_a_partner_loses_it(self, world: World, kim: Person, lee: Person) -> None:
        give(kim, lee)
        before = self.drained(world, lee)
        world.sql("UPDATE users SET role = 'partner' WHERE tenant_id = :tenant AND id = :u", u=lee.id)

        assert before - self.drained(world, lee) == {f"territory:{world.north}"}


class TestWhoMayGive:
    def test_everybody_for_themself(self, kim: Person, lee: Person) -> None:
        assert give(kim, lee).json["from_user_id"] == str(kim.id)

    def test_a_manager_for_their_team(self, manager: Person, kim: Person, lee: Person) -> None:
        assert give(manager, lee, from_user_id=str(kim.id)).status_code == 201

    def test_an_administrator_for_everybody(self, world: World, kim: Person, lee: Person) -> None:
        admin = world.person("admin")

        assert give(admin, lee, from_user_id=str(kim.id)).status_code == 201

    def test_nobody_for_a_colleague(self, kim: Person, lee: Person, manager: Person) -> None:
        assert refusal(give(kim, manager, from_user_id=str(lee.id))) == (403, "forbidden")

    def test_no_manager_for_people_of_another_team(self, world: World, manager: Person, lee: Person) -> None:
        stranger = world.person("rep")

        assert refusal(give(manager, lee, from_user_id=str(stranger.id))) == (403, "forbidden")

    def test_delegates_may_lay_it_down_but_not_extend_it(self, kim: Person, lee: Person) -> None:
        made = give(kim, lee)
        path, match = f"/api/v1/delegations/{made.json['id']}", {"If-Match": made.headers["ETag"]}

        longer = lee.call("PATCH", path, {"valid_to": str(today() + DAY)}, **match)
        laid_down = lee.call("DELETE", path, **match)

        assert (longer.status_code, laid_down.status_code) == (403, 204)

    def test_others_do_not_find_it(self, world: World, kim: Person, lee: Person) -> None:
        made = give(kim, lee)
        stranger = world.person("rep")

        found = stranger.call("GET", f"/api/v1/delegations/{made.json['id']}")
        unknown = stranger.call("GET", f"/api/v1/delegations/{uuid4()}")

        assert (found.status_code, found.json["code"]) == (unknown.status_code, unknown.json["code"])
        assert stranger.call("GET", "/api/v1/delegations").json["items"] == []


class TestWhatIsRefused:
    def test_oneself(self, kim: Person) -> None:
        assert refusal(give(kim, kim)) == (422, "delegation.self")

    def test_a_day_in_the_past(self, kim: Person, lee: Person) -> None:
        assert refusal(give(kim, lee, valid_from=str(today() - DAY))) == (422, "delegation.past")

    def test_days_in_the_wrong_order(self, kim: Person, lee: Person) -> None:
        refused = give(kim, lee, valid_to=str(today() - DAY))

        assert refusal(refused) == (422, "identity.dates_reversed")

    def test_overlapping_days_of_the_same_two(self, kim: Person, lee: Person) -> None:
        give(kim, lee, valid_to=str(today() + 3 * DAY))

        again = give(kim, lee, valid_from=str(today() + 3 * DAY))
        after = give(kim, lee, valid_from=str(today() + 4 * DAY))

        assert (refusal(again), after.status_code) == ((409, "delegation.taken"), 201)

    def test_each_for_the_other(self, kim: Person, lee: Person) -> None:
        give(kim, lee)

        assert refusal(give(lee, kim)) == (409, "delegation.cycle")

    def test_a_circle_of_three(self, world: World, kim: Person, lee: Person) -> None:
        third = world.person("rep")
        give(kim, lee)
        give(lee, third)

        assert refusal(give(third, kim)) == (409, "delegation.cycle")

    def test_no_circle_of_days_that_do_not_meet(self, kim: Person, lee: Person) -> None:
        give(kim, lee, valid_to=str(today() + DAY))

        assert give(lee, kim, valid_from=str(today() + 2 * DAY)).status_code == 201

    def test_days_changed_into_a_circle(self, kim: Person, lee: Person) -> None:
        first = give(kim, lee, valid_to=str(today() + DAY))
        give(lee, kim, valid_from=str(today() + 2 * DAY))

        longer = kim.call(
            "PATCH",
            f"/api/v1/delegations/{first.json['id']}",
            {"valid_to": str(today() + 2 * DAY)},
            **{"If-Match": first.headers["ETag"]},
        )

        assert refusal(longer) == (409, "delegation.cycle")

    def test_an_end_in_the_past(self, kim: Person, lee: Person) -> None:
        made = give(kim, lee)

        ended = kim.call(
            "PATCH",
            f"/api/v1/delegations/{made.json['id']}",
            {"valid_from": str(today() - 3 * DAY), "valid_to": str(today() - DAY)},
            **{"If-Match": made.headers["ETag"]},
        )

        assert refusal(ended) == (422, "delegation.past")

    @pytest.mark.parametrize("role", ["partner", "integration"])
    def test_outsiders(self, world: World, kim: Person, role: str) -> None:
        assert refusal(give(kim, world.person(role))) == (422, "delegation.unfit")

    def test_people_of_another_company_as_unknown_ones(
        self, served: Flask, pools: Database, kim: Person
    ) -> None:
        foreign = World(served, pools).person("rep")

        answers = [give(kim, kim, to_user_id=str(to)) for to in (foreign.id, uuid4())]

        assert [refusal(a) for a in answers] == [(422, "reference_not_found")] * 2
        assert pull(foreign).removed == []

    def test_a_version_that_is_not_the_present_one(self, kim: Person, lee: Person) -> None:
        made = give(kim, lee)

        stale = kim.call("DELETE", f"/api/v1/delegations/{made.json['id']}", **{"If-Match": '"7"'})

        assert stale.status_code == 412

    def test_a_disabled_person(self, world: World, kim: Person, lee: Person) -> None:
        world.sql("UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :u", u=lee.id)

        assert refusal(give(kim, lee)) == (422, "reference_not_found")


def test_the_ledger_tells_who_let_whom_stand_in(world: World, kim: Person, lee: Person) -> None:
    give(kim, lee)

    rows = world.sql(
        "SELECT op, actor_id, new ->> 'to_user_id' FROM changes WHERE tenant_id = :tenant AND entity = 'delegation'"
    )
    assert [tuple(row) for row in rows] == [("insert", kim.id, str(lee.id))]
