"""The digest over HTTP: what a device at its checkpoint should hold, and ``behind`` for any other."""

import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.sync_api.registry import REGISTRY
from sync.digest import Digest
from tests.world import Person, World

PATH = "/api/v1/sync/digest"


def ask(person: Person, cursor: str | None = None) -> Any:
    return person.call("GET", f"{PATH}?cursor={cursor or person.cursor}")


def of_what_it_holds(person: Person) -> dict[str, Any]:
    """The digest that the phone computes itself."""
    held: dict[str, list[tuple[UUID, int]]] = {}
    for (entity, record_id), record in person.records.items():
        held.setdefault(entity, []).append((UUID(record_id), record["version"]))
    return {entity: Digest.of(records).to_wire() for entity, records in held.items()}


def told(person: Person) -> dict[str, Any]:
    answer = ask(person)
    assert answer.status_code == 200, answer.text
    return {name: one for name, one in answer.json["entities"].items() if one["count"]}


@pytest.mark.parametrize("role", ["rep", "technician", "manager", "admin", "partner"])
def test_is_that_of_a_phone_at_its_checkpoint_whatever_its_shape(world: World, role: str) -> None:
    for territory in (world.north, world.south):
        account = world.account(territory)
        world.insert("contacts", id=new_id(), account_id=account, name="뷔람담")
        world.insert("sites", id=new_id(), account_id=account, name="공장")
    person = world.person(role, world.region if role == "manager" else world.north)
    person.sync()

    assert told(person) == of_what_it_holds(person)
    assert told(person)["user"]["count"] >= 1


def test_counts_a_record_of_several_buckets_once(world: World) -> None:
    rep = world.person("rep", world.north)
    world.account(world.north, owner_id=rep.id)
    rep.sync()

    assert told(rep)["account"]["count"] == 1
    assert told(rep) == of_what_it_holds(rep)


def test_names_every_entity_of_the_shape_also_where_nothing_is_held(world: World) -> None:
    partner = world.person("partner", world.north)
    partner.sync()

    answer = ask(partner).json["entities"]

    assert set(answer) == {e.name for e in REGISTRY.entities if e.shape_for("partner")}
    assert answer["account"] == {"count": 0, "sum": "0"}


def test_follows_changes_and_removals(world: World) -> None:
    rep = world.person("rep", world.north)
    kept, lost = world.account(), world.account()
    rep.sync()
    before = told(rep)
    world.sql("UPDATE accounts SET name = '새이름' WHERE id = :id", id=kept)
    world.sql("UPDATE accounts SET territory_id = :south WHERE id = :id", id=lost, south=world.south)

    rep.sync()

    assert told(rep) == of_what_it_holds(rep) != before
    assert told(rep)["account"]["count"] == 1


def test_finds_a_phone_that_lost_a_row(world: World) -> None:
    rep = world.person("rep", world.north)
    world.account()
    lost = world.account()
    rep.sync()

    del rep.records["account", str(lost)]

    assert told(rep)["account"] != of_what_it_holds(rep)["account"]


def test_a_change_that_is_not_sequenced_yet_is_not_in_it(world: World) -> None:
    rep = world.person("rep", world.north)
    world.account()
    rep.sync()

    world.account()

    assert told(rep) == of_what_it_holds(rep)


def test_what_happens_elsewhere_does_not_leave_a_device_behind(world: World) -> None:
    rep = world.person("rep", world.north)
    world.account()
    rep.sync()

    world.account(world.south)
    world.drain()

    assert told(rep) == of_what_it_holds(rep)


def test_leaves_out_what_the_budget_leaves_out(world: World) -> None:
    rep = world.person("rep", world.north, world.south)
    for territory in (world.north, world.south):
        for _ in range(4):
            world.account(territory)
    world.engine_sql(
        "INSERT INTO sync_settings (tenant_id, records_warn, records_cap) VALUES (:tenant, 1, 7)"
    )
    rep.sync()

    assert told(rep) == of_what_it_holds(rep)
    assert told(rep)["account"]["count"] == 4


def test_leaves_out_what_lies_outside_a_window(world: World) -> None:
    rep, account = world.person("rep", world.north), world.account()
    for days in (0, 60):
        start = utc_now() + timedelta(days=days)
        world.insert("visits", id=new_id(), account_id=account, assignee_id=rep.id, planned_start=start)
    rep.sync()

    assert told(rep)["visit"]["count"] == 1
    assert told(rep) == of_what_it_holds(rep)


class TestBehind:
    def behind(self, answer: Any) -> bool:
        return (answer.status_code, answer.json["code"]) == (409, "behind")

    def test_is_a_device_without_a_cursor(self, world: World) -> None:
        assert self.behind(world.person("rep", world.north).call("GET", PATH))

    def test_is_a_device_for_which_there_is_something_newer(self, world: World) -> None:
        rep = world.person("rep", world.north)
        rep.sync()
        world.account()
        world.drain()

        assert self.behind(ask(rep))
        rep.sync()
        assert ask(rep).status_code == 200

    def test_is_a_device_that_has_a_removal_before_it(self, world: World) -> None:
        rep = world.person("rep", world.north)
        account = world.account()
        rep.sync()
        world.sql("UPDATE accounts SET deleted_at = now() WHERE id = :id", id=account)
        world.drain()

        assert self.behind(ask(rep))

    def test_is_a_device_in_the_middle_of_its_first_sync(self, world: World) -> None:
        rep = world.person("rep", world.north)
        for _ in range(5):
            world.account()
        answer = rep.post_sync(limit=2).json

        assert answer["has_more"]
        assert self.behind(ask(rep, answer["cursor"]))

    def test_is_a_device_with_unsent_work(self, world: World) -> None:
        rep = world.person("rep", world.north)
        account = world.account()
        rep.sync()
        world.sql("UPDATE accounts SET deleted_at = now() WHERE id = :id", id=account)
        answer = rep.post_sync(client={"pending": 1}).json

        assert self.behind(ask(rep, answer["cursor"]))

    @pytest.mark.parametrize("drained", [False, True])
    def test_is_a_device_whose_territories_changed(self, world: World, drained: bool) -> None:
        rep = world.person("rep", world.north)
        world.account(world.south)
        rep.sync()
        with world.session() as session:
            world.join(session, rep.id, world.south)
        if drained:
            world.drain()

        assert self.behind(ask(rep))
        rep.sync()
        assert told(rep) == of_what_it_holds(rep)

    def test_is_a_device_that_was_promoted_to_another_shape(self, world: World) -> None:
        rep = world.person("rep", world.north)
        rep.sync()
        world.sql("UPDATE users SET role = 'technician' WHERE id = :id", id=rep.id)

        assert self.behind(ask(rep))

    def test_is_a_device_that_knows_of_more_judged_work_than_the_database(self, world: World) -> None:
        rep, account = world.person("rep", world.north), world.account()
        rep.sync()
        rep.sync(rep.edit("account", account, {"name": "새이름"}))
        world.sql("UPDATE sync_devices SET highest_n = 0 WHERE device_id = :id", id=rep.device_id)

        assert self.behind(ask(rep))

    def test_is_a_device_of_an_ended_epoch(self, world: World) -> None:
        rep = world.person("rep", world.north)
        rep.sync()
        world.engine_sql(
            "UPDATE sync_drain SET nonce = gen_random_uuid() WHERE tenant_id = :tenant AND position > 0"
        )

        assert self.behind(ask(rep))


class TestRefuses:
    def test_a_cursor_of_another_device(self, world: World) -> None:
        rep, other = world.person("rep", world.north), world.person("rep", world.north)
        rep.sync()

        answer = ask(other, rep.cursor)

        assert (answer.status_code, answer.json["code"]) == (400, "cursor_invalid")

    def test_a_cursor_that_was_changed(self, world: World) -> None:
        rep = world.person("rep", world.north)
        rep.sync()
        assert rep.cursor

        answer = ask(rep, rep.cursor[:-2] + ("AA" if not rep.cursor.endswith("AA") else "BB"))

        assert (answer.status_code, answer.json["code"]) == (400, "cursor_invalid")

    def test_a_parameter_that_it_does_not_know(self, world: World) -> None:
        rep = world.person("rep", world.north)

        answer = rep.call("GET", f"{PATH}?cursor=a&entity=account")

        assert answer.status_code == 422
        assert answer.json["errors"][0]["code"] == "unknown_field"

    def test_nobody(self, world: World) -> None:
        assert world.app.test_client().get(PATH).status_code == 401


def test_twenty_thousand_records_take_well_under_a_second(world: World) -> None:
    rep = world.person("rep", world.north)
    rep.sync()
    world.engine_sql(
        "INSERT INTO sync_feed (tenant_id, bucket, shape, entity, record_id, position, entered, version, body)"
        " SELECT :tenant, :bucket, 'manager+partner+sales', 'account', gen_random_uuid(), 1000 + n, 1000 + n, 1, '{}'"
        " FROM generate_series(1, 20000) AS n",
        bucket=f"territory:{world.north}",
    )
    world.engine_sql(
        "UPDATE sync_heads SET position = 21000 WHERE tenant_id = :tenant",
    )
    world.engine_sql("INSERT INTO sync_drain (tenant_id, position) VALUES (:tenant, 21000)")
    rep.sync(limit=10_000, limit_bytes=8 << 20)

    took = []
    for _ in range(3):
        started = time.perf_counter()
        answer = ask(rep)
        took.append(time.perf_counter() - started)
        assert answer.json["entities"]["account"]["count"] == 20_000

    assert min(took) < 1


def test_the_hashing_of_the_database_is_that_of_the_engine(world: World) -> None:
    rep = world.person("rep", world.north)
    ids = [world.account() for _ in range(40)]
    rep.sync()

    assert told(rep)["account"] == Digest.of((one, 1) for one in ids).to_wire()
