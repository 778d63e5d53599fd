"""A locked-out phone hands in its work unjudged, is told to wipe, confirms, and is not served any more."""

from typing import Any
from uuid import UUID

import pytest

from app.core.ids import new_id
from tests.world import PASSWORD, Person, World

Json = dict[str, Any]


@pytest.fixture
def rep(world: World) -> Person:
    """Somebody with a refresh token, who was dismissed."""
    person = world.person("rep", world.north)
    world.account()
    answer = world.app.test_client().post(
        "/api/v1/auth/login",
        json={
            "tenant": world.code,
            "login": person.login,
            "password": PASSWORD,
            "device": {"name": "Galaxy", "platform": "android", "app_version": "1.0.0"},
        },
    )
    person.token, refresh = answer.json["access_token"], answer.json["refresh_token"]
    person.device_id = UUID(answer.json["device_id"])
    person.sync()
    world.sql("UPDATE users SET status = 'disabled' WHERE id = :id", id=person.id)
    answer = world.app.test_client().post("/api/v1/auth/refresh", json={"refresh_token": refresh})
    assert (answer.status_code, answer.json["farewell"]) == (200, True), answer.json
    person.token = answer.json["access_token"]
    return person


def task(person: Person) -> Json:
    return person.mutation("create", "task", new_id(), fields={"title": "견적"})


class TestAFarewell:
    def test_sets_mutations_aside_and_pulls_nothing(self, world: World, rep: Person) -> None:
        world.account(name="새 고객")

        answer = rep.post_sync(mutations=[task(rep)]).json

        assert [(v["status"], v["code"]) for v in answer["verdicts"]] == [("conflict", "quarantined")]
        assert (answer["changes"], answer["removed"], answer["cursor"], answer["has_more"]) == (
            [],
            [],
            None,
            False,
        )
        assert (answer["directives"], answer["budget"]) == (["wipe"], None)
        assert world.sql("SELECT 1 FROM tasks WHERE tenant_id = :tenant") == []

    def test_takes_work_without_a_cursor_too(self, rep: Person) -> None:
        answer = rep.post_sync(cursor=None, mutations=[task(rep)]).json

        assert [v["code"] for v in answer["verdicts"]] == ["quarantined"]

    def test_gives_a_replay_its_first_verdict(self, rep: Person) -> None:
        work = [task(rep)]
        first = rep.post_sync(mutations=work).json["verdicts"]

        again = rep.post_sync(mutations=work).json["verdicts"]

        assert [v | {"replayed": True} for v in first] == again

    def test_says_wipe_until_that_is_confirmed(self, world: World, rep: Person) -> None:
        for _ in range(2):
            assert rep.post_sync().json["directives"] == ["wipe"]

        answer = rep.post_sync(client={"wiped": True})

        assert (answer.status_code, answer.json["directives"]) == (200, [])
        assert rep.post_sync().status_code == 401
        rows = world.engine_sql("SELECT wiped_at IS NOT NULL FROM devices WHERE id = :d", d=rep.device_id)
        assert rows == [(True,)]

    def test_takes_work_before_a_confirmation(self, rep: Person) -> None:
        answer = rep.post_sync(mutations=[task(rep)], client={"wiped": True}).json

        assert [v["code"] for v in answer["verdicts"]] == ["quarantined"]
        assert answer["directives"] == ["wipe"], "there was work: it is confirmed once there is none"

    def test_confirmation_that_is_no_boolean_is_refused(self, rep: Person) -> None:
        response = rep.post_sync(client={"wiped": 1})

        assert (response.status_code, response.json["code"]) == (400, "type_mismatch")
