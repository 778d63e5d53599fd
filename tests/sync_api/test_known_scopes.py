"""A scope that is known is not read anew, and never outlives what it follows from."""

import re
import time
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.ids import new_id
from app.identity.queries import SUBSCRIPTIONS_SQL, TODAY_SQL
from app.sync_api import exchange as exchanges
from app.sync_api import scopes
from app.sync_api.routes import EXTENSION
from app.sync_api.scopes import Scopes
from tests.scope.phones import let_time_pass, midnight, moment
from tests.world import Person, World

OF_MEMBER = " WHERE tenant_id = :tenant AND user_id = :user"
OF_NORTH = " WHERE tenant_id = :tenant AND id = :north"
OF_USER = " WHERE tenant_id = :tenant AND id = :user"
TURN = date(2027, 3, 10)

# Each way in which a row that a scope follows from may change, by plain SQL.
CHANGES = {
    "territory_members, taken away": f"DELETE FROM territory_members{OF_MEMBER}",
    "territory_members, ended": f"UPDATE territory_members SET valid_to = '2021-01-01'{OF_MEMBER}",
    "territory_members, of another territory": f"UPDATE territory_members SET territory_id = :south{OF_MEMBER}",
    "territories, ended": f"UPDATE territories SET valid_to = '2021-01-01'{OF_NORTH}",
    "territories, deleted": f"UPDATE territories SET deleted_at = now(){OF_NORTH}",
    "territories, below another": f"UPDATE territories SET parent_id = :south{OF_NORTH}",
    "org_units, deleted": "UPDATE org_units SET deleted_at = now() WHERE tenant_id = :tenant AND id = :unit",
    "users, of no unit": f"UPDATE users SET org_unit_id = NULL{OF_USER}",
    "users, of another role": f"UPDATE users SET role = 'technician'{OF_USER}",
    "delegations, given": (
        "INSERT INTO delegations (tenant_id, id, from_user_id, to_user_id, work, valid_from)"
        " VALUES (:tenant, :id, :other, :user, 'territories', '2020-01-01')"
    ),
    "territory_members, of whom one stands in for": (
        "UPDATE territory_members SET valid_to = '2021-01-01' WHERE tenant_id = :tenant AND user_id = :other"
    ),
    "users, whom one stands in for": (
        "UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :other"
    ),
}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each look, whether it left the scope unread."""
    found: list[bool] = []
    look = exchanges.look

    def noted(*args: Any, briefly: bool = False) -> Any:
        found.append(briefly)
        return look(*args, briefly=briefly)

    monkeypatch.setattr(exchanges, "look", noted)
    return found


@pytest.fixture
def other(world: World) -> Person:
    return world.person("rep", world.south)


@pytest.fixture
def rep(world: World, other: Person) -> Person:
    """A rep whose scope is known."""
    person = world.person("rep", world.north)
    world.account(name="가람")
    world.account(world.south, name="나래")
    world.drain()
    for _ in range(3):
        person.sync()
    return person


def changed(world: World, rep: Person, other: Person, name: str) -> int:
    if "stands in for" in name:
        changed(world, rep, other, "delegations, given")
        world.drain()
        for _ in range(3):
            rep.sync()
    asked = {"user": rep.id, "other": other.id, "id": new_id(), "unit": world.unit_id}
    asked |= {"north": world.north, "south": world.south}
    names: set[str] = set(re.findall(r":(\w+)", CHANGES[name])) - {"tenant"}
    world.engine_sql("DELETE FROM sync_pending WHERE tenant_id = :tenant")
    world.sql(CHANGES[name], **{name: asked[name] for name in names})
    ((marks,),) = world.sql("SELECT count(*) FROM sync_pending WHERE tenant_id = :tenant")
    return int(marks)


def test_a_pull_that_finds_nothing_leaves_a_known_scope_unread(rep: Person, looks: list[bool]) -> None:
    assert rep.post_sync().json["changes"] == []
    assert looks == [True]


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_whatever_a_scope_follows_from_leaves_a_mark(
    world: World, rep: Person, other: Person, name: str
) -> None:
    assert changed(world, rep, other, name) > 0


def test_there_is_a_change_here_of_each_table_that_a_scope_is_read_from() -> None:
    read = {*re.findall(r"(?:FROM|JOIN) (\w+) \w\b", SUBSCRIPTIONS_SQL)}
    tables = {name.partition(",")[0] for name in CHANGES}

    # The day is read at each look.
    assert (
        read - {"people", "places", "held_territories", "held_units", "given"},
        "tenants" in TODAY_SQL,
    ) == (
        tables,
        True,
    )


@pytest.mark.parametrize("name", sorted(CHANGES))
@pytest.mark.more
@pytest.mark.parametrize("by", ["the request", "another process"])
def test_the_next_answer_is_that_of_a_process_which_knows_nothing(
    world: World, rep: Person, other: Person, monkeypatch: pytest.MonkeyPatch, name: str, by: str
) -> None:
    changed(world, rep, other, name)
    if by == "another process":
        world.drain()

    knowing = rep.post_sync().json
    monkeypatch.setattr(Scopes, "of", lambda *_: None)
    ignorant = rep.post_sync().json

    for answer in (knowing, ignorant):
        answer.pop("server_time")
    assert knowing == ignorant


def test_a_membership_that_ends_with_the_day_is_seen_to_end_without_a_mark(
    world: World, other: Person, looks: list[bool]
) -> None:
    evening = midnight(TURN) - timedelta(hours=2)
    let_time_pass(world, evening)
    rep = world.person("rep", world.north)
    world.sql(
        f"UPDATE territory_members SET valid_to = :last{OF_MEMBER}",
        last=TURN - timedelta(days=1),
        user=rep.id,
    )
    account = world.account(name="가람")
    world.drain(evening)
    with moment(evening, rep):
        for _ in range(3):
            rep.sync()
        assert looks[-1]

    with moment(midnight(TURN), rep):
        rep.sync()

    assert rep.held("account", account) is None


def test_somebody_whose_scope_is_known_is_refused_once_dismissed_or_locked_out(
    world: World, rep: Person
) -> None:
    for statement, code in (
        (f"UPDATE devices SET revoked_at = now(){OF_MEMBER}", "auth.device_revoked"),
        (f"UPDATE users SET status = 'disabled'{OF_USER}", "auth.user_disabled"),
    ):
        world.sql(statement, user=rep.id)
        world.drain()
        answer = rep.post_sync()
        assert (answer.status_code, answer.json["code"]) == (401, code)


def test_a_scope_is_read_anew_after_a_while(
    rep: Person, monkeypatch: pytest.MonkeyPatch, looks: list[bool]
) -> None:
    known = rep.world.app.extensions[EXTENSION].scopes
    later = time.monotonic() + scopes.LIFE_S + 1
    monkeypatch.setattr(known, "_clock", lambda: later)

    rep.post_sync()

    assert looks == [False]


def test_nothing_is_known_after_the_database_could_not_be_asked(
    rep: Person, monkeypatch: pytest.MonkeyPatch, looks: list[bool]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(exchanges, "look", lambda *_, **__: None)
        assert rep.post_sync().status_code == 200

    assert rep.post_sync().status_code == 200
    assert looks == [False]


def test_few_users_are_remembered(rep: Person, other: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "MOST", 1)
    for _ in range(3):
        other.sync()

    assert list(rep.world.app.extensions[EXTENSION].scopes._known) == [(rep.world.id, UUID(str(other.id)))]


def test_what_another_life_of_the_database_gave_is_not_supposed(rep: Person, looks: list[bool]) -> None:
    known = rep.world.app.extensions[EXTENSION].scopes
    ((who, found),) = [(who, one) for who, one in known._known.items() if who[1] == UUID(str(rep.id))]
    known._known[who] = replace(found, epoch=new_id())

    rep.post_sync()

    assert looks == [True, False]
