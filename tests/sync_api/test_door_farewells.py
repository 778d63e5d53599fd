"""A locked-out phone hands in its work by the door that it came by, and is told to wipe."""

import json
from typing import Any
from uuid import UUID

import pytest

from app.core.ids import new_id
from app.sync_api.rxdb.sets import SETS
from tests.sync_api.test_farewell_over_sync import sent_away
from tests.world import Person, World

MELON = "/api/v1/sync/watermelon"
RX = "/api/v1/sync/rxdb"


@pytest.fixture
def rep(world: World) -> Person:
    """Somebody who was dismissed and has a farewell token."""
    return sent_away(world, "dismissed")


def pulled(rep: Person, door: str) -> Any:
    path = f"{MELON}?last_pulled_at=null" if door == "watermelon" else f"{RX}/task/pull"
    return rep.call("GET", path)


def pushed(rep: Person, door: str, record_id: UUID, title: str = "견적") -> Any:
    """A new task, as the door's client writes it."""
    if door == "watermelon":
        row = {"id": str(record_id), "title": title, "_status": "created", "_changed": ""}
        body: Any = {"task": {"created": [row], "updated": [], "deleted": []}}
        return rep.call("POST", f"{MELON}?last_pulled_at=1", body)
    body = [{"newDocumentState": {"id": str(record_id), "title": title, "status": "open", "_deleted": False}}]
    return rep.call("POST", f"{RX}/task/push", body)


def items(world: World) -> list[Any]:
    return [
        tuple(row)
        for row in world.sql(
            "SELECT kind, record_id, mine -> 'fields' FROM conflicts WHERE tenant_id = :tenant ORDER BY id"
        )
    ]


@pytest.mark.parametrize("door", ["watermelon", "rxdb"])
class TestByEitherDoor:
    def test_a_pull_gives_nothing_and_says_wipe(self, world: World, rep: Person, door: str) -> None:
        world.account(name="새 고객")

        answer = pulled(rep, door)

        assert (answer.status_code, answer.json["directives"]) == (200, ["wipe"])
        given = answer.json["changes"] if door == "watermelon" else answer.json["documents"]
        assert not given

    def test_a_push_is_kept_unjudged_from_wherever_it_comes(
        self, world: World, rep: Person, door: str
    ) -> None:
        answer = pushed(rep, door, record_id := new_id())

        assert answer.status_code == 200
        assert items(world) == [("quarantined", record_id, {"title": "견적"})]
        assert world.sql("SELECT 1 FROM tasks WHERE tenant_id = :tenant") == []

    def test_a_push_that_comes_twice_is_kept_once(self, world: World, rep: Person, door: str) -> None:
        record_id = new_id()
        for _ in range(2):
            assert pushed(rep, door, record_id).status_code == 200

        assert len(items(world)) == 1

    def test_once_it_has_told_that_it_is_empty_it_is_not_served_any_more(
        self, rep: Person, door: str
    ) -> None:
        pulled(rep, door)
        pushed(rep, door, new_id())

        assert rep.post_sync(cursor=None, client={"wiped": True}).json["directives"] == []
        assert pulled(rep, door).status_code == 401
        assert pushed(rep, door, new_id()).status_code == 401

    def test_the_access_token_says_why_it_is_good_no_more(self, world: World, door: str) -> None:
        person = world.person("rep", world.north)
        world.sql("UPDATE users SET status = 'disabled' WHERE id = :id", id=person.id)

        for answer in (pulled(person, door), pushed(person, door, new_id())):
            assert (answer.status_code, answer.json["code"]) == (401, "auth.user_disabled")

    def test_work_by_somebody_who_is_welcome_again_needs_a_log_in(
        self, world: World, rep: Person, door: str
    ) -> None:
        world.sql("UPDATE users SET status = 'active' WHERE id = :id", id=rep.id)

        assert pushed(rep, door, new_id()).status_code == 401
        assert items(world) == []


class TestByWatermelon:
    def test_the_client_stays_where_it_stood(self, rep: Person) -> None:
        answer = rep.call("GET", f"{MELON}?last_pulled_at=1099511627777&pending=3").json

        assert (answer["timestamp"], answer["has_more"]) == (1099511627777, False)

    def test_what_belongs_together_waits_together(self, world: World, rep: Person) -> None:
        rows = [
            {"id": str(new_id()), "title": title, "sync_group": "g", "_status": "created"} for title in "가나"
        ]
        rep.call("POST", f"{MELON}?last_pulled_at=1", {"task": {"created": rows}})

        ((kind, count),) = world.sql("SELECT kind, json_array_length(mine -> 'members') FROM conflicts")
        assert (kind, count) == ("group", 2)


class TestByRxdb:
    def test_the_client_stays_where_it_stood(self, rep: Person) -> None:
        checkpoint = json.dumps({"c": "abc"})
        client = rep.world.app.test_client()
        answer = client.get(f"{RX}/task/pull", query_string={"checkpoint": checkpoint}, headers=rep.headers)

        assert (answer.json["checkpoint"]["c"], answer.json["rebase"]) == ("abc", False)  # type: ignore[index]

    def test_a_client_that_was_given_nothing_yet_stays_there_too(self, rep: Person) -> None:
        assert pulled(rep, "rxdb").json["checkpoint"] == {}

    def test_only_what_its_user_changed_is_kept(self, world: World, rep: Person) -> None:
        ((account,),) = world.sql("SELECT id FROM accounts WHERE tenant_id = :tenant")
        held = {
            "id": str(account),
            "version": 1,
            "generation": SETS,
            "name": "가람상사",
            "tags": ["가"],
            "_deleted": False,
        }
        new = held | {"name": "새 이름", "tags": ["가", "나"]}
        row = {"newDocumentState": new, "assumedMasterState": held}
        assert rep.call("POST", f"{RX}/account/push", [row]).json == []

        ((mine,),) = world.sql("SELECT mine FROM conflicts")
        assert (mine["op"], mine["fields"]) == ("update", {"name": "새 이름", "tags": ["가", "나"]})
        assert mine["base"] == {"name": "가람상사", "tags": ["가"]}

    def test_a_record_that_is_not_there_was_dropped_and_is_no_delete(self, world: World, rep: Person) -> None:
        gone = {"id": str(new_id()), "version": 1, "name": "가게", "_deleted": True}
        rep.call("POST", f"{RX}/account/push", [{"newDocumentState": gone}])

        assert items(world) == []

    def test_there_is_no_other_collection(self, rep: Person) -> None:
        assert rep.call("GET", f"{RX}/nothing/pull").status_code == 404
        assert rep.call("POST", f"{RX}/nothing/push", []).status_code == 404
