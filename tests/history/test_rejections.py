"""Refused mutations are kept with what they carried, for their author and their manager."""

from uuid import UUID

import pytest

from app.core.ids import new_id
from tests.sync.pushing import Json, push
from tests.world import Person, World


@pytest.fixture
def manager(world: World) -> Person:
    return world.person("manager", world.north)


@pytest.fixture
def rep(world: World, manager: Person) -> Person:
    return world.person("rep", world.north, manager=manager, name="김하늘")


def refused(rep: Person, title: object = 7) -> Json:
    """A mutation that the server refused."""
    mutation = rep.mutation("create", "task", new_id(), fields={"title": title})
    assert push(rep, mutation)["status"] == "rejected"
    return mutation


def listed(person: Person, query: str = "") -> list[Json]:
    response = person.call("GET", f"/api/v1/rejections{query}")
    assert response.status_code == 200, response.json
    found: list[Json] = response.json["items"]
    return found


class TestTheList:
    def test_shows_what_was_sent_and_why_it_was_refused(self, rep: Person) -> None:
        mutation = refused(rep)

        (item,) = listed(rep)

        assert (item["id"], item["code"], item["entity"], item["op"]) == (
            mutation["id"],
            "type_mismatch",
            "task",
            "create",
        )
        assert item["payload"] == mutation
        assert item["detail"]["errors"] == [{"pointer": "/fields/title", "code": "type_mismatch"}]
        assert (item["person"], item["user_id"], item["device_id"]) == (
            "김하늘",
            str(rep.id),
            str(rep.device_id),
        )

    def test_holds_nothing_that_passed_or_waits(self, world: World, rep: Person) -> None:
        account = world.account()
        rep.sync()
        edit = rep.edit("account", account, {"legal_name": "나"})
        world.sql(
            "UPDATE accounts SET legal_name = '본사' WHERE tenant_id = :tenant AND id = :id", id=account
        )
        rep.sync(edit, rep.mutation("create", "task", new_id(), fields={"title": "일"}))

        assert listed(rep) == []

    def test_is_paged_newest_first(self, rep: Person) -> None:
        sent = [refused(rep, number)["id"] for number in range(5)]

        found: list[str] = []
        cursor = ""
        while True:
            page = rep.call("GET", f"/api/v1/rejections?limit=2{cursor}").json
            found += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"

        assert found == sent[::-1]

    @pytest.mark.parametrize("cursor", ["x", "AAAA", "MjAyNg==", "é", "bm93IHg="])
    def test_refuses_a_cursor_that_is_none(self, rep: Person, cursor: str) -> None:
        response = rep.call("GET", f"/api/v1/rejections?cursor={cursor}")

        assert (response.status_code, response.content_type) == (400, "application/problem+json")
        assert response.json["code"] == "cursor_invalid"

    def test_shows_what_no_column_could_hold_as_it_was_sent(self, world: World, rep: Person) -> None:
        rep.sync()
        task = f'"id":"{new_id()}","n":1,"entity":"task","record_id":"{new_id()}","op":"create"'
        odd = r'{"title":"a\u0000b","body":"\ud800","due_on":%s}' % (10**30)
        raw = f'{{"schema_version":1,"cursor":"{rep.cursor}","mutations":[{{{task},"fields":{odd}}}]}}'
        response = world.app.test_client().post(
            "/api/v1/sync", data=raw, headers={**rep.headers, "Content-Type": "application/json"}
        )
        assert response.json["verdicts"][0]["status"] == "rejected"

        (item,) = listed(rep)

        assert '"title": "a\\u0000b"' in item["payload"]


class TestWhoSeesIt:
    def test_the_author_the_manager_and_the_admin(self, world: World, rep: Person, manager: Person) -> None:
        mutation = refused(rep)
        admin = world.person("admin")

        for person in (rep, manager, admin):
            assert [item["id"] for item in listed(person)] == [mutation["id"]]

    def test_no_colleague(self, world: World, rep: Person) -> None:
        refused(rep)

        for role in ("rep", "technician", "partner"):
            assert listed(world.person(role, world.north)) == []

    def test_no_other_company(self, world: World, rep: Person) -> None:
        refused(rep)
        other = World(world.app, world.db)

        assert listed(other.person("admin")) == []

    def test_a_manager_of_another_unit_sees_it_only_as_the_persons_own_manager(
        self, world: World, rep: Person, manager: Person
    ) -> None:
        mutation, stranger = refused(rep), world.person("manager", world.south)
        unit: UUID = new_id()
        world.insert("org_units", id=unit, kind="branch", code="b", name="지점", parent_id=world.unit_id)
        for person in (manager, stranger):
            world.sql(
                "UPDATE users SET org_unit_id = :unit WHERE tenant_id = :tenant AND id = :id",
                id=person.id,
                unit=unit,
            )

        assert [item["id"] for item in listed(manager)] == [mutation["id"]]
        assert listed(stranger) == []
