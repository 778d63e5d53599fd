"""What the views that rooms share write down of who read."""

import pytest

from app.core.scope import Role
from tests.world import Person, World

API = "/api/v1"


@pytest.fixture
def rep(world: World) -> Person:
    return world.person(Role.REP, world.north)


def noted(world: World) -> list[tuple[object, ...]]:
    rows = world.engine_sql(
        "SELECT action, entity, record_id, count FROM access_log WHERE tenant_id = :tenant ORDER BY at, id"
    )
    return [tuple(row) for row in rows]


def test_a_list_is_noted_once_with_the_number_of_records_shown(world: World, rep: Person) -> None:
    for name in ("가", "나", "다"):
        world.account(name=name)

    rep.call("GET", f"{API}/accounts?limit=2")

    assert noted(world) == [("list", "account", None, 2)]


def test_a_list_below_an_account_names_the_account_and_holds_only_what_is_its_own(
    world: World, rep: Person
) -> None:
    account_id, other_id = world.account(), world.account()
    made = [rep.call("POST", f"{API}/accounts/{of}/sites", {"name": "창고"}) for of in (account_id, other_id)]

    found = rep.call("GET", f"{API}/accounts/{account_id}/sites").json

    assert found["items"] == [made[0].json]
    assert noted(world) == [("list", "site", account_id, 1)]


def test_a_task_says_nothing_about_a_customer_and_is_not_noted(rep: Person, world: World) -> None:
    made = rep.call("POST", f"{API}/tasks", {"title": "견적서 송부"})

    assert rep.call("GET", f"{API}/tasks").json["items"] == [made.json]
    assert rep.call("GET", f"{API}/tasks/{made.json['id']}").json == made.json
    assert noted(world) == []


def test_what_phones_do_not_hold_goes_out_whole_and_is_not_noted(rep: Person, world: World) -> None:
    assert rep.call("GET", f"{API}/discount-limits").status_code == 200
    assert noted(world) == []
