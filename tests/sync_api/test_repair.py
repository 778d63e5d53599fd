"""Repair over HTTP: a phone whose store was damaged is mended row by row, and told nothing of others."""

import random
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from tests.world import Person, World

ID = "01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d"
PATH = "/api/v1/sync/repair"
Json = dict[str, Any]


def ask(person: Person, entity: str, held: Json, **more: Any) -> Any:
    return person.call("POST", PATH, {"cursor": person.cursor, "entity": entity, "held": listed(held)} | more)


def listed(held: Json) -> list[Json]:
    return [{"id": record_id, "version": version} for record_id, version in held.items()]


def answered(person: Person, entity: str, held: Json, **more: Any) -> Json:
    answer = ask(person, entity, held, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def versions(person: Person, entity: str) -> Json:
    return {i: r["version"] for (e, i), r in person.records.items() if e == entity}


def mend(person: Person, entity: str, **more: Any) -> int:
    """Repair all of an entity as a phone would; gives the number of requests."""
    after, rounds = None, 0
    while True:
        rounds += 1
        held = {i: v for i, v in versions(person, entity).items() if after is None or i > after}
        answer = answered(person, entity, held, after=after, **more)
        for removed in answer["removed"]:
            del person.records[entity, removed["id"]]
        for change in answer["changes"]:
            person.records[entity, change["id"]] = change["record"]
        after = answer["next_after"]
        if after is None:
            return rounds


@pytest.fixture
def rep(world: World) -> Person:
    person = world.person("rep", world.north)
    for number in range(6):
        world.account(name=f"거래처 {number}")
    person.sync()
    return person


def test_says_nothing_to_a_phone_that_is_whole(rep: Person) -> None:
    answer = answered(rep, "account", versions(rep, "account"))

    assert answer == {"changes": [], "removed": [], "next_after": None}


def test_gives_a_record_that_the_phone_lost(rep: Person) -> None:
    held = versions(rep, "account")
    lost = next(iter(held))

    answer = answered(rep, "account", {i: v for i, v in held.items() if i != lost})

    (change,) = answer["changes"]
    assert change == {"entity": "account", "id": lost, "version": 1, "record": rep.held("account", lost)}


@pytest.mark.parametrize("wrong", [0, 2, 99])
def test_overwrites_a_record_of_another_version_also_of_a_higher_one(rep: Person, wrong: int) -> None:
    held = versions(rep, "account")
    damaged = next(iter(held))

    answer = answered(rep, "account", held | {damaged: wrong})

    assert [(c["id"], c["version"]) for c in answer["changes"]] == [(damaged, 1)]


def test_tells_what_the_phone_must_drop(rep: Person, world: World) -> None:
    ghost = str(uuid4())

    answer = answered(rep, "account", versions(rep, "account") | {ghost: 3})

    assert answer["removed"] == [{"entity": "account", "id": ghost, "reason": "out_of_scope"}]
    assert answer["changes"] == []


def test_answers_a_foreign_id_exactly_as_an_unknown_one(rep: Person, world: World) -> None:
    foreign, unknown = str(world.account(world.south)), str(uuid4())
    deleted = str(world.account(world.south))
    world.sql("UPDATE accounts SET deleted_at = now() WHERE id = :id", id=deleted)
    world.drain()
    held = versions(rep, "account")

    said = [
        answered(rep, "account", held | {one: 1})["removed"][0] | {"id": "?"}
        for one in (foreign, deleted, unknown)
    ]

    assert said[0] == said[1] == said[2]


def test_bodies_are_those_of_a_pull_in_the_shape_of_the_user(world: World) -> None:
    technician = world.person("technician", world.north)
    world.account(credit_limit="900000.0000", credit_currency="KRW")
    technician.sync()

    (change,) = answered(technician, "account", {})["changes"]

    assert change["record"] == technician.held("account", change["id"])
    assert "credit_limit" not in change["record"]


def test_an_entity_that_the_shape_does_not_know_is_empty(world: World) -> None:
    partner = world.person("partner", world.north)
    account = world.account()
    values = {"account_id": account, "kind": "call", "author_id": partner.id, "happened_at": utc_now()}
    world.insert("activities", id=new_id(), **values)
    partner.sync()

    assert answered(partner, "activity", {})["changes"] == []


def test_goes_page_by_page(rep: Person) -> None:
    whole = dict(rep.records)
    rep.records = {k: v for k, v in rep.records.items() if k[0] != "account"}

    rounds = mend(rep, "account", limit=2)

    assert rounds == 3
    assert rep.records == whole


def test_a_page_ends_where_its_bytes_are_spent_and_always_holds_one_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rep = world.person("rep", world.north)
    for _ in range(3):
        world.account(notes="글" * 400)
    rep.sync()
    monkeypatch.setattr("app.sync_api.support.REPAIR_BYTES", 10)

    first = answered(rep, "account", {})

    assert len(first["changes"]) == 1
    assert first["next_after"] == first["changes"][0]["id"]
    rep.records.clear()
    assert mend(rep, "account") == 3


def test_a_stretch_of_ids_is_compared_alone(rep: Person) -> None:
    ids = sorted(versions(rep, "account"))

    answer = answered(rep, "account", {ids[2]: 1}, after=ids[1], until=ids[3])

    assert [c["id"] for c in answer["changes"]] == [ids[3]]
    assert answer["removed"] == []


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_damage_the_phone_is_whole_afterwards(world: World, seed: int) -> None:
    chance = random.Random(seed)
    rep = world.person("rep", world.north)
    for number in range(30):
        account = world.account(name=f"{number}")
        world.insert("contacts", id=new_id(), account_id=account, name="뷔람담")
    rep.sync()
    whole = dict(rep.records)
    for key in sorted(whole):
        match chance.randrange(5):
            case 0:
                del rep.records[key]
            case 1:
                rep.records[key] = whole[key] | {"version": chance.choice([0, 2, 5])}
            case 2:
                rep.records[key[0], str(uuid4())] = {"version": chance.randrange(4)}

    for entity in {entity for entity, _ in whole}:
        mend(rep, entity, limit=chance.randrange(1, 9))

    assert rep.records == whole


def test_a_damaged_body_of_the_right_version_is_mended_when_the_phone_says_version_0(rep: Person) -> None:
    held = versions(rep, "account")
    damaged = next(iter(held))
    right = rep.held("account", damaged)
    rep.records["account", damaged] = {"version": 1, "name": "\x00\x00"}

    answer = answered(rep, "account", held | {damaged: 0})

    assert [c["record"] for c in answer["changes"]] == [right]


def test_shown_records_are_written_down_in_the_access_log(rep: Person, world: World) -> None:
    answered(rep, "account", {})

    found = world.sql(
        "SELECT user_id, device_id, entity, count FROM access_log"
        " WHERE tenant_id = :tenant AND action = 'repair'"
    )
    assert found == [(rep.id, rep.device_id, "account", 6)]


def test_nothing_is_written_down_when_nothing_was_shown(rep: Person, world: World) -> None:
    answered(rep, "account", versions(rep, "account") | {str(uuid4()): 1})

    assert world.sql("SELECT 1 FROM access_log WHERE tenant_id = :tenant AND action = 'repair'") == []


class TestRefuses:
    def test_a_device_that_is_behind(self, rep: Person, world: World) -> None:
        world.account()
        world.drain()

        answer = ask(rep, "account", {})

        assert (answer.status_code, answer.json["code"]) == (409, "behind")

    def test_a_device_without_a_cursor(self, rep: Person) -> None:
        answer = ask(rep, "account", {}, cursor=None)

        assert (answer.status_code, answer.json["code"]) == (409, "behind")

    def test_a_cursor_of_another_device(self, rep: Person, world: World) -> None:
        other = world.person("rep", world.north)

        answer = ask(other, "account", {}, cursor=rep.cursor)

        assert (answer.status_code, answer.json["code"]) == (400, "cursor_invalid")

    @pytest.mark.parametrize(
        ("body", "pointer", "code"),
        [
            ({"entity": "nonsense"}, "/entity", "choice_unknown"),
            ({"entity": 7}, "/entity", "type_mismatch"),
            ({"entity": None}, "/entity", "null_not_allowed"),
            ({"held": {}}, "/held", "type_mismatch"),
            ({"held": None}, "/held", "null_not_allowed"),
            ({"held": ["x"]}, "/held/0", "type_mismatch"),
            ({"held": [{"id": ID}]}, "/held/0/version", "required"),
            ({"held": [{"version": 1}]}, "/held/0/id", "required"),
            ({"held": [{"id": ID, "version": 1, "hash": "a"}]}, "/held/0/hash", "unknown_field"),
            ({"held": [{"id": "x", "version": 1}]}, "/held/0/id", "id_invalid"),
            ({"held": [{"id": ID.upper(), "version": 1}]}, "/held/0/id", "id_invalid"),
            ({"held": [{"id": 7, "version": 1}]}, "/held/0/id", "type_mismatch"),
            ({"held": [{"id": ID, "version": "1"}]}, "/held/0/version", "type_mismatch"),
            ({"held": [{"id": ID, "version": True}]}, "/held/0/version", "type_mismatch"),
            ({"held": [{"id": ID, "version": 1.0}]}, "/held/0/version", "type_mismatch"),
            ({"held": [{"id": ID, "version": None}]}, "/held/0/version", "type_mismatch"),
            ({"held": [{"id": ID, "version": -1}]}, "/held/0/version", "value_out_of_range"),
            ({"held": [{"id": ID, "version": 2**31}]}, "/held/0/version", "value_out_of_range"),
            ({"held": [{"id": ID, "version": 1}] * 2}, "/held/1/id", "duplicate_item"),
            ({"limit": 0}, "/limit", "value_out_of_range"),
            ({"limit": 2001}, "/limit", "value_out_of_range"),
            ({"limit": "5"}, "/limit", "type_mismatch"),
            ({"after": "x"}, "/after", "id_invalid"),
            ({"until": 1}, "/until", "type_mismatch"),
            ({"cursor": 1}, "/cursor", "type_mismatch"),
            ({"cursor": "a" * 70_000}, "/cursor", "too_long"),
            ({"nonsense": 1}, "/nonsense", "unknown_field"),
        ],
        ids=str,
    )
    def test_what_it_would_have_to_guess(self, rep: Person, body: Json, pointer: str, code: str) -> None:
        answer = rep.call("POST", PATH, {"cursor": rep.cursor, "entity": "account", "held": []} | body)

        assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
        assert answer.json["errors"][0]["pointer"].startswith(pointer)
        assert answer.json["errors"][0]["code"] == code

    def test_more_ids_than_it_takes_at_once(self, rep: Person) -> None:
        held = {str(UUID(int=(1 << 100) + n)): 1 for n in range(10_001)}

        answer = ask(rep, "account", held)

        assert answer.json["errors"][0] | {"detail": ""} == {
            "pointer": "/held",
            "code": "too_many_items",
            "detail": "",
        }

    def test_ids_outside_the_stretch_that_the_phone_speaks_of(self, rep: Person) -> None:
        low, high = sorted(versions(rep, "account"))[:2]

        for held, more in (({low: 1}, {"after": low}), ({high: 1}, {"until": low})):
            answer = ask(rep, "account", held, **more)

            assert answer.status_code == 422
            assert answer.json["errors"][0]["code"] == "value_out_of_range"

    def test_a_stretch_that_ends_before_it_begins(self, rep: Person) -> None:
        low, high = sorted(versions(rep, "account"))[:2]

        answer = ask(rep, "account", {}, after=high, until=low)

        assert answer.json["errors"][0]["pointer"] == "/until"
