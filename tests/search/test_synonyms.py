"""Words that editors take for one: whose searches they are for, on the server and on phones."""

from typing import Any
from uuid import UUID

import pytest

from app.search import service
from tests.world import Person, World

SYNONYMS = "/api/v1/search/synonyms"
OIL = ["엔진오일", "엔진 오일", "engine oil"]


@pytest.fixture
def admin(world: World) -> Person:
    return world.person("admin")


def made(person: Person, *words: str, **values: Any) -> dict[str, Any]:
    answer = person.call("POST", SYNONYMS, {"words": list(words or OIL), **values})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json
    return body


def searched_with(world: World, person: Person) -> list[list[str]]:
    with world.acting(person) as (session, actor):
        known = service.synonyms_for(session, actor)
    return [
        list(words) for words in dict.fromkeys(g.words for groups in known.groups.values() for g in groups)
    ]


class TestAGroup:
    def test_for_managers_alone_is_told_to_nobody_else_in_any_way(self, world: World, admin: Person) -> None:
        group = made(admin, "미공개품", "프로젝트 한라", audience=["manager"])
        rep, technician = world.person("rep", world.north), world.person("technician", world.north)
        manager = world.person("manager", world.north)
        world.drain()

        for person in (rep, technician):
            person.sync()
            missing = person.call("GET", f"{SYNONYMS}/{'0' * 8}-0000-4000-8000-000000000000")
            foreign = person.call("GET", f"{SYNONYMS}/{group['id']}")
            assert foreign.status_code == missing.status_code == 404
            assert person.call("GET", SYNONYMS).json["items"] == []
            assert person.held("synonym_group", group["id"]) is None
            assert searched_with(world, person) == []
        manager.sync()
        held = manager.held("synonym_group", group["id"])
        assert held is not None
        assert held["words"] == ["미공개품", "프로젝트 한라"]
        assert searched_with(world, manager) == [["미공개품", "프로젝트 한라"]]

    def test_leaves_the_phones_of_a_class_that_it_is_no_longer_for(self, world: World, admin: Person) -> None:
        group = made(admin)
        technician = world.person("technician", world.north)
        world.drain()
        technician.sync()
        assert technician.held("synonym_group", group["id"]) is not None

        answer = admin.call(
            "PATCH", f"{SYNONYMS}/{group['id']}", {"audience": ["sales"]}, **{"If-Match": '"1"'}
        )
        assert answer.status_code == 200, answer.text
        world.drain()
        technician.sync()

        assert technician.held("synonym_group", group["id"]) is None

    def test_of_one_company_is_nothing_to_another(self, world: World, admin: Person) -> None:
        other = World(world.app, world.db)
        stranger = other.person("admin")
        group = made(admin)

        assert stranger.call("GET", f"{SYNONYMS}/{group['id']}").status_code == 404
        assert stranger.call("GET", SYNONYMS).json["items"] == []
        assert searched_with(other, stranger) == []

    def test_is_for_everybody_when_nobody_is_named(self, admin: Person) -> None:
        assert made(admin)["audience"] == ["sales", "service", "manager", "partner"]

    def test_that_was_deleted_is_gone_from_searches_and_phones(self, world: World, admin: Person) -> None:
        group = made(admin)
        rep = world.person("rep", world.north)
        world.drain()
        rep.sync()

        answer = admin.call("DELETE", f"{SYNONYMS}/{group['id']}", **{"If-Match": '"1"'})
        world.drain()
        rep.sync()

        assert answer.status_code == 204
        assert searched_with(world, rep) == []
        assert rep.held("synonym_group", group["id"]) is None


class TestEditing:
    def test_is_for_admins_and_knowledge_editors_only(self, world: World, admin: Person) -> None:
        group = made(admin)
        for role in ("rep", "technician", "manager", "partner", "integration"):
            person = world.person(role, world.north)
            match = {"If-Match": '"1"'}

            refused = [
                person.call("POST", SYNONYMS, {"words": OIL}),
                person.call("PATCH", f"{SYNONYMS}/{group['id']}", {"words": ["a", "b"]}, **match),
                person.call("DELETE", f"{SYNONYMS}/{group['id']}", **match),
            ]

            assert [(r.status_code, r.json["code"]) for r in refused] == [(403, "forbidden")] * 3, role

    def test_is_allowed_by_the_permission_whatever_the_role(self, world: World, admin: Person) -> None:
        group = made(admin, audience=["manager"])
        rep = world.person("rep", world.north)
        grant_editing(world, rep.id)

        shown = rep.call("GET", f"{SYNONYMS}/{group['id']}")
        changed = rep.call(
            "PATCH", f"{SYNONYMS}/{group['id']}", {"words": ["그리스", "grease"]}, **{"If-Match": '"1"'}
        )

        assert (shown.status_code, changed.status_code) == (200, 200)
        # Editing is over REST: their searches and their phone still are those of their class.
        assert searched_with(world, rep) == []

    def test_without_the_version_that_was_seen_changes_nothing(self, admin: Person) -> None:
        group = made(admin)
        path = f"{SYNONYMS}/{group['id']}"

        unsaid = admin.call("PATCH", path, {"words": ["a", "b"]})
        stale = admin.call("PATCH", path, {"words": ["a", "b"]}, **{"If-Match": '"7"'})

        assert (unsaid.status_code, stale.status_code) == (428, 412)
        assert admin.call("GET", path).json["words"] == OIL

    @pytest.mark.parametrize(
        "words", [["엔진오일", "엔진오일 "], ["OIL", "oil"], ["ＯＩＬ", "oil"], ["!!", "엔진오일"]]
    )
    def test_takes_two_words_that_search_tells_apart(self, admin: Person, words: list[str]) -> None:
        answer = admin.call("POST", SYNONYMS, {"words": words})

        assert (answer.status_code, answer.json["code"]) == (422, "search.synonyms_alike")

    @pytest.mark.parametrize(
        "body",
        [
            {"words": ["하나"] * 2},
            {"words": ["a" * 61, "b"]},
            {"words": [f"w{n}" for n in range(21)]},
            {"words": ["a", ""]},
            {"words": OIL, "audience": []},
            {"words": OIL, "audience": ["everybody"]},
            {"words": OIL, "audience": ["sales", "sales"]},
            {"audience": ["sales"]},
        ],
    )
    def test_refuses_what_is_no_group(self, admin: Person, body: dict[str, Any]) -> None:
        answer = admin.call("POST", SYNONYMS, body)

        assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")

    def test_in_psql_reaches_the_phones_too(self, world: World, admin: Person) -> None:
        group = made(admin)
        rep = world.person("rep", world.north)
        world.drain()
        rep.sync()

        world.engine_sql(
            "UPDATE search_synonyms SET words = ARRAY['기어유', 'gear oil'] WHERE tenant_id = :tenant AND id = :id",
            id=UUID(group["id"]),
        )
        world.drain()
        rep.sync()

        held = rep.held("synonym_group", group["id"])
        assert held is not None
        assert held["words"] == ["기어유", "gear oil"]


def grant_editing(world: World, user_id: UUID) -> None:
    world.engine_sql(
        "INSERT INTO permission_sets (tenant_id, id, code, name)"
        " VALUES (:tenant, gen_random_uuid(), 'knowledge_editor', '지식 편집') ON CONFLICT DO NOTHING"
    )
    world.engine_sql(
        "INSERT INTO user_permission_sets (tenant_id, id, user_id, permission_set_id)"
        " SELECT :tenant, gen_random_uuid(), :user, id FROM permission_sets"
        " WHERE tenant_id = :tenant AND code = 'knowledge_editor'",
        user=user_id,
    )
