"""Apps of other schema versions: the two before are served, older ones only hand in and forget."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.core.ids import new_id
from app.http.services import services
from app.sync_api.exchange import Exchange
from app.sync_api.registry import BY_NAME, REGISTRY
from app.sync_api.routes import EXTENSION, exchange
from sync.registry import Registry, RegistryInvalid
from tests.world import Person, World


def registry(version: int, oldest_wire: int = 1) -> Registry:
    """The real one some schema versions later: an account's notes came with 3, tasks with 4."""
    entities = []
    for entity in REGISTRY.entities:
        if entity.name == "account":
            fields = {n: replace(f, since=3) if n == "notes" else f for n, f in entity.fields.items()}
            entities.append(replace(entity, fields=fields))
        else:
            entities.append(replace(entity, since=4) if entity.name == "task" else entity)
    return Registry(tuple(entities), REGISTRY.subscriptions_sql, max(version, 4), oldest_wire)


class Server:
    """The application, of which the registry is exchanged."""

    def __init__(self, world: World) -> None:
        self.world = world
        with world.app.app_context():
            self.original = exchange()

    def speak(self, version: int, oldest_wire: int = 1) -> None:
        old = self.original
        found = Exchange(
            services(self.world.app).db,
            registry(version, oldest_wire),
            BY_NAME,
            old.drainer,
            old.clock,
            old.key,
        )
        self.world.app.extensions[EXTENSION] = found


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    found = Server(world)
    found.speak(4)
    yield found
    world.app.extensions[EXTENSION] = found.original


def pulled(person: Person, version: int, limit: int = 100) -> list[dict[str, Any]]:
    answers = []
    for _ in range(100):
        answers.append(person.post_sync(schema_version=version, limit=limit).json)
        person.take(answers[-1])
        if not answers[-1]["has_more"]:
            return answers
    raise AssertionError("no checkpoint")


@pytest.fixture
def rep(world: World) -> Person:
    person = world.person("rep", world.north)
    for _ in range(5):
        world.account(notes="메모")
    world.insert("tasks", id=new_id(), assignee_id=person.id, title="전화")
    return person


class TestAnAppThatIsBroughtUpToDate:
    @pytest.mark.parametrize("limit", [1, 2, 100])
    def test_is_given_again_what_the_older_one_could_not_keep_and_no_more(
        self, server: Server, rep: Person, limit: int
    ) -> None:
        pulled(rep, 2)
        assert not [key for key in rep.records if key[0] == "task"], "the older app knows no tasks"

        answers = pulled(rep, 4, limit)

        assert [a["directives"] for a in answers] == [[]] * len(answers), "it is no rebase"
        given = [(c["entity"], c["id"]) for a in answers for c in a["changes"]]
        assert sorted({entity for entity, _ in given}) == ["account", "task"]
        assert len(given) == len(set(given)) == 6

    def test_in_the_middle_of_being_given_again_misses_nothing_of_either(
        self, server: Server, rep: Person
    ) -> None:
        pulled(rep, 2)
        first = rep.post_sync(schema_version=3, limit=2).json
        rep.take(first)

        answers = pulled(rep, 4, 2)

        given = {(c["entity"], c["id"]) for a in answers for c in a["changes"]}
        assert len([g for g in given if g[0] == "account"]) == 5
        assert len([g for g in given if g[0] == "task"]) == 1

    def test_amid_its_first_sync_gets_the_beginning_again(self, server: Server, rep: Person) -> None:
        rep.take(rep.post_sync(schema_version=2, limit=4).json)

        pulled(rep, 4, 3)

        fresh = rep.world.second_phone(rep)
        pulled(fresh, 4)
        assert rep.records == fresh.records

    def test_is_asked_nothing_where_no_entity_changed(self, server: Server, rep: Person) -> None:
        server.speak(5)
        pulled(rep, 4)

        (answer,) = pulled(rep, 5)

        assert answer["changes"] == []

    def test_that_was_taken_back_starts_over(self, server: Server, rep: Person) -> None:
        pulled(rep, 4)

        assert rep.post_sync(schema_version=3).json["directives"] == ["rebase"]


class TestAnAppThatIsTooOld:
    @pytest.mark.parametrize("behind", [0, 1, 2])
    def test_is_not_one_of_the_two_versions_before(self, server: Server, rep: Person, behind: int) -> None:
        (answer,) = pulled(rep, 4 - behind)

        assert answer["directives"] == ["rebase"]
        assert answer["changes"]

    def test_pushes_and_forgets_while_its_changes_are_held(
        self, server: Server, world: World, rep: Person
    ) -> None:
        pulled(rep, 2)
        server.speak(6)
        held, gone = [k[1] for k in rep.records if k[0] == "account"][:2]
        world.sql("UPDATE accounts SET name = '바뀜' WHERE id = :id", id=held)
        world.sql("UPDATE accounts SET deleted_at = now() WHERE id = :id", id=gone)
        edit = rep.edit("account", held, {"phone": "+82-2-555-0100"})

        answer = rep.post_sync(schema_version=2, mutations=[edit]).json
        rep.take(answer)

        assert answer["directives"] == ["upgrade"]
        assert [v["status"] for v in answer["verdicts"]] == ["merged"]
        assert (answer["changes"], answer["has_more"]) == ([], True)
        assert [(r["id"], r["reason"]) for r in answer["removed"]] == [(gone, "deleted")]
        assert rep.post_sync(schema_version=2).json["removed"] == [], "they were told"
        pulled(rep, 6)
        assert (rep.held("account", held) or {})["name"] == "바뀜"
        fresh = world.second_phone(rep)
        pulled(fresh, 6)
        assert rep.records == fresh.records

    def test_is_given_nothing_at_a_first_sync(self, server: Server, rep: Person) -> None:
        server.speak(6)

        answer = rep.post_sync(schema_version=3, cursor=None).json

        assert answer["directives"] == ["rebase", "upgrade"]
        assert (answer["changes"], answer["has_more"]) == ([], True)

    def test_for_the_oldest_wire_is_refused_before_anything_is_judged(
        self, server: Server, world: World, rep: Person
    ) -> None:
        pulled(rep, 2)
        server.speak(6, oldest_wire=3)

        response = rep.post_sync(schema_version=2, mutations=[{"id": "x"}])

        assert (response.status_code, response.json["code"]) == (426, "schema_too_old")
        assert response.content_type == "application/problem+json"
        assert world.engine_sql("SELECT 1 FROM sync_mutations WHERE tenant_id = :tenant") == []

    def test_is_none_that_is_newer_than_the_server(self, server: Server, rep: Person) -> None:
        response = rep.post_sync(schema_version=5)

        assert (response.status_code, response.json["code"]) == (400, "value_out_of_range")

    def test_never_nulls_what_it_does_not_know(self, server: Server, world: World, rep: Person) -> None:
        pulled(rep, 2)
        account = next(k[1] for k in rep.records if k[0] == "account")

        edit = rep.edit("account", account, {"phone": "+82-2-555-0100"})
        rep.post_sync(schema_version=2, mutations=[edit])

        assert world.sql("SELECT notes FROM accounts WHERE id = :id", id=account)[0][0] == "메모"


class TestTheSchemaDocument:
    def test_says_since_when_a_field_and_an_entity_are_there(self, server: Server, rep: Person) -> None:
        found = rep.call("GET", "/api/v1/sync/schema").json

        assert (found["schema_version"], found["oldest_schema_version"], found["oldest_wire_version"]) == (
            4,
            2,
            1,
        )
        assert found["entities"]["account"]["fields"]["notes"]["since"] == 3
        assert found["entities"]["account"]["fields"]["name"]["since"] == 1
        assert (found["entities"]["task"]["since"], found["entities"]["visit"]["since"]) == (4, 1)


class TestTheRegistry:
    def test_refuses_what_is_newer_than_itself(self) -> None:
        with pytest.raises(RegistryInvalid, match="newer"):
            Registry(registry(4).entities, "", schema_version=3)


class TestRerender:
    def test_that_a_migration_asks_for_begins_anew_for_every_company(self, world: World) -> None:
        with world.psql() as owner:
            owner.execute("SELECT sync_ask_rerender('account')")
        world.engine_sql(
            "UPDATE sync_rerenders SET after_id = gen_random_uuid(), done_at = now() WHERE tenant_id = :tenant"
        )
        with world.psql() as owner:
            owner.execute("SELECT sync_ask_rerender('account')")

        rows = world.engine_sql(
            "SELECT entity, after_id, done_at FROM sync_rerenders WHERE tenant_id = :tenant"
        )
        assert rows == [("account", None, None)]

    def test_is_not_asked_for_by_requests(self, world: World) -> None:
        with pytest.raises(Exception, match="permission denied"):
            world.sql("SELECT sync_ask_rerender('account')")
