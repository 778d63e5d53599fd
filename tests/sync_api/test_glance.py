"""A phone for which there is nothing new costs one look, and is told what a whole reading would have told it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import event

from app.core.db import Database
from app.sync_api import exchange as exchanges
from sync.stores import glance as glances
from sync.stores.glance import Glance, NotAtAGlance
from tests.world import Person, World

Json = dict[str, Any]


@contextmanager
def statements(pools: Database) -> Iterator[list[str]]:
    """What is asked of the database beside the look."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    for pool in (pools.app, pools.engine):
        event.listen(pool, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        for pool in (pools.app, pools.engine):
            event.remove(pool, "before_cursor_execute", note)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each look, whether it was answered."""
    found: list[bool] = []
    look = exchanges.look

    def noted(*args: Any, **named: Any) -> Any:
        rows = look(*args, **named)
        found.append(rows is not None)
        return rows

    monkeypatch.setattr(exchanges, "look", noted)
    return found


@pytest.fixture
def rep(world: World) -> Person:
    person = world.person("rep", world.north)
    for number in range(3):
        world.account(name=f"가람 {number}")
    person.sync()
    person.sync()
    return person


def test_nothing_else_is_asked_of_the_database(rep: Person, pools: Database, looks: list[bool]) -> None:
    with statements(pools) as asked:
        answer = rep.post_sync()

    assert (answer.status_code, answer.json["changes"], answer.json["has_more"]) == (200, [], False)
    assert (asked, looks) == ([], [True])


def leave(world: World, person: Person) -> None:
    world.sql("DELETE FROM territory_members WHERE tenant_id = :tenant AND user_id = :id", id=person.id)


SITUATIONS: dict[str, Callable[[World, Person], Json]] = {
    "nothing": lambda world, rep: {},
    "a new record": lambda world, rep: world.account() and {},
    "a new record that a drain has seen": lambda world, rep: world.account() and world.drain() and {},
    "a new record of others": lambda world, rep: world.account(world.south) and world.drain() and {},
    "a territory that was lost": lambda world, rep: leave(world, rep) or {},
    "a territory that was lost, as a drain has seen": lambda world, rep: (
        leave(world, rep) or (world.drain() and {})
    ),
    "a territory that was gained": lambda world, rep: world.join(rep, world.south) or {},
    "work that waits on the phone": lambda world, rep: {"client": {"pending": 2}},
    "a phone of another version": lambda world, rep: {"client": {"app_version": "9"}},
}


@pytest.mark.parametrize("name", sorted(SITUATIONS))
def test_it_changes_no_answer(
    world: World, rep: Person, pools: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    world.join(rep, world.north)
    rep.sync()
    body = SITUATIONS[name](world, rep)

    looked = rep.post_sync(**body).json
    monkeypatch.setattr(exchanges, "look", lambda *_, **__: None)
    whole = rep.post_sync(**body).json

    for answer in (looked, whole):
        answer.pop("server_time")
    assert looked == whole


def test_what_is_new_is_read_with_the_second_look_and_known_to_the_next_phone(
    world: World, rep: Person, pools: Database, looks: list[bool]
) -> None:
    world.account(name="나래")
    world.drain()

    with statements(pools) as asked:
        names = [change["record"].get("name") for change in rep.post_sync().json["changes"]]
        again = rep.post_sync()  # as another phone would that stands where this one stood

    assert names == ["나래"]
    assert again.json["changes"][0]["record"]["name"] == "나래"
    assert (asked, looks) == ([], [True, True, True])


def test_a_phone_in_the_middle_of_a_walk_is_not_looked_at_first(
    world: World, rep: Person, looks: list[bool]
) -> None:
    cursor = rep.post_sync(cursor=None, limit=1).json["cursor"]

    assert rep.post_sync(cursor=cursor, limit=1).json["changes"]
    assert looks == []


def test_the_ends_of_few_companies_feeds_are_remembered(
    world: World, rep: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "HEADS", 1)
    other = World(world.app, world.db)
    stranger = other.person("rep", other.north)
    stranger.sync()

    for person in (rep, stranger, rep, stranger):
        assert person.post_sync().status_code == 200


def test_subscriptions_of_many_words_are_read_anew_each_time() -> None:
    words = json.dumps([["territory:" + "x" * 5_000, True, "all", 7]])
    glance = Glance(SimpleNamespace(subscribed=words), frozenset())
    kept = glances._subscribed_kept.cache_info().currsize

    assert glance.sizes(UUID(int=1)) == {("territory:" + "x" * 5_000, "all"): 7}
    assert glance.left_out(UUID(int=1)) == {"territory:" + "x" * 5_000}
    assert glances._subscribed_kept.cache_info().currsize == kept


def test_somebody_who_was_dismissed_is_refused(world: World, rep: Person, looks: list[bool]) -> None:
    world.sql("UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :id", id=rep.id)

    assert rep.post_sync().status_code == 401
    assert looks == [True]


def test_a_dead_connection_is_thrown_away_and_the_question_asked_anew(
    rep: Person, pools: Database, looks: list[bool]
) -> None:
    pools.app.dispose()
    with pools.app.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        connection.rollback()
        with psycopg.connect(
            pools.app.url.render_as_string(hide_password=False).replace("+psycopg", "")
        ) as other:
            other.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])

    assert rep.post_sync().status_code == 200
    assert looks == [False]


def test_it_does_not_guess() -> None:
    row = SimpleNamespace(subscribed=None, channels=None, news=True)
    glance = Glance(row, frozenset())
    channel = ("tenant", "all")
    unknown: tuple[Callable[[], Any], ...] = (
        lambda: glance.epoch_holds(UUID(int=1)),
        lambda: glance.delta([channel], after=0, changes_after=0, gone_after=0, limit=1),
        lambda: glance.walk(channel, after=0, gone_after=0, limit=1),
        lambda: glance.lost(channel, after=0, given=0, limit=1),
        lambda: glance.again(channel, ["account"], after=0, until=9, limit=1),
        lambda: glance.held([("account", uuid4())], [(channel, 1)]),
    )

    assert glance.channels("gone") is None
    for ask in unknown:
        with pytest.raises(NotAtAGlance):
            ask()
