"""A locked-out phone hands in its work unjudged, is told to wipe, confirms, and is not served any more."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.ids import new_id
from sync.states import StoredVerdict
from sync.stores.push import PushStore
from tests.world import PASSWORD, Person, World

Json = dict[str, Any]


@pytest.fixture
def rep(world: World) -> Person:
    """Somebody who was dismissed and has a farewell token."""
    return sent_away(world, "dismissed")


def sent_away(world: World, cause: str) -> Person:
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
    if cause == "dismissed":
        world.sql("UPDATE users SET status = 'disabled' WHERE id = :id", id=person.id)
    else:
        way = {"revoked": "revoke", "told to wipe": "wipe"}[cause]
        done = world.person("admin").call("POST", f"/api/v1/devices/{person.device_id}/{way}")
        assert done.status_code < 300, done.text
    answer = world.app.test_client().post("/api/v1/auth/refresh", json={"refresh_token": refresh})
    assert (answer.status_code, answer.json["farewell"]) == (200, True), answer.json
    person.token = answer.json["access_token"]
    return person


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it: the next look for first verdicts comes too early, another request gives them right after it."""
    original = PushStore.verdicts

    def look_too_early() -> None:
        early = iter([True])

        def verdicts(store: PushStore, ids: Sequence[UUID]) -> dict[UUID, StoredVerdict]:
            return {} if next(early, False) else original(store, ids)

        monkeypatch.setattr(PushStore, "verdicts", verdicts)

    return look_too_early


def told(answer: Json) -> list[tuple[str, str, bool]]:
    return [(v["status"], v["code"], v["replayed"]) for v in answer["verdicts"]]


def items(world: World) -> list[Json]:
    return [
        r[0] for r in world.sql("SELECT to_jsonb(c) FROM conflicts c WHERE tenant_id = :tenant ORDER BY id")
    ]


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

    @pytest.mark.parametrize("cause", ["dismissed", "revoked", "told to wipe"])
    def test_says_wipe_in_every_answer(self, world: World, cause: str) -> None:
        rep = sent_away(world, cause)
        work = task(rep)
        bodies: list[Json] = [
            {"mutations": [work]},
            {"mutations": [work]},
            {"mutations": [task(rep), task(rep)], "client": {"pending": 700}},
            {"mutations": [task(rep) | {"op": None}]},
            {"mutations": [task(rep) | {"group": str(uuid4())}]},
            {"cursor": None},
            {"client": {"wiped": False}},
            {"client": {"last_error": "disk full"}, "limit": 1},
            {"mutations": [task(rep)], "client": {"wiped": True}},
            {"client": {"wiped": True, "pending": 1}},
        ]

        for body in bodies:
            answer = rep.post_sync(**body)

            assert (answer.status_code, answer.json["directives"]) == (200, ["wipe"]), body
        assert rep.post_sync(client={"wiped": True}).json["directives"] == []

    def test_is_not_over_while_the_phone_says_that_work_is_left(self, rep: Person) -> None:
        rep.post_sync(client={"wiped": True, "pending": 1})

        answer = rep.post_sync(mutations=[task(rep)]).json

        assert [v["code"] for v in answer["verdicts"]] == ["quarantined"]

    def test_takes_work_before_a_confirmation(self, rep: Person) -> None:
        answer = rep.post_sync(mutations=[task(rep)], client={"wiped": True}).json

        assert [v["code"] for v in answer["verdicts"]] == ["quarantined"]
        assert answer["directives"] == ["wipe"], "there was work: it is confirmed once there is none"

    def test_confirmation_that_is_no_boolean_is_refused(self, rep: Person) -> None:
        response = rep.post_sync(client={"wiped": 1})

        assert (response.status_code, response.json["code"]) == (400, "type_mismatch")


class TestWorkThatAnotherRequestSetAsideMeanwhile:
    """Both looked for first verdicts before either had given one."""

    def test_is_answered_with_its_verdict_and_not_kept_twice(
        self, world: World, rep: Person, late: Callable[[], None]
    ) -> None:
        work = task(rep)
        first = rep.post_sync(mutations=[work]).json["verdicts"]
        late()

        again = rep.post_sync(mutations=[work]).json["verdicts"]

        assert [v | {"replayed": True} for v in first] == again
        assert len(items(world)) == 1

    def test_in_a_group_is_answered_with_its_verdicts(
        self, world: World, rep: Person, late: Callable[[], None]
    ) -> None:
        group = str(uuid4())
        work = [task(rep) | {"group": group} for _ in range(2)]
        first = rep.post_sync(mutations=work).json["verdicts"]
        late()

        again = rep.post_sync(mutations=work).json["verdicts"]

        assert [v | {"replayed": True} for v in first] == again
        assert len(items(world)) == 1

    def test_and_is_now_a_member_of_a_group_leaves_the_others_to_be_kept(
        self, world: World, rep: Person, late: Callable[[], None]
    ) -> None:
        work = [task(rep) for _ in range(3)]
        rep.post_sync(mutations=work[:1])
        late()

        answer = rep.post_sync(mutations=[m | {"group": str(UUID(int=7))} for m in work]).json

        assert told(answer) == [
            ("rejected", "mutation_id_reused", False),
            ("conflict", "quarantined", False),
            ("conflict", "quarantined", False),
        ]
        alone, group = items(world)
        assert alone["kind"] == "quarantined"
        assert [m["mutation_id"] for m in group["mine"]["members"]] == [m["id"] for m in work[1:]]

    def test_and_is_now_a_group_as_a_whole_is_kept_as_it_came_first(
        self, world: World, rep: Person, late: Callable[[], None]
    ) -> None:
        work = [task(rep) for _ in range(2)]
        rep.post_sync(mutations=work)
        late()

        answer = rep.post_sync(mutations=[m | {"group": str(uuid4())} for m in work]).json

        assert told(answer) == [("rejected", "mutation_id_reused", False)] * 2
        assert [item["kind"] for item in items(world)] == ["quarantined"] * 2
