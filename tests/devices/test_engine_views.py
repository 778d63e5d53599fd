"""What administrators see and set of the engine: settings, alarms, quarantine, lives of the database."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.world import Person, World

Json = dict[str, Any]
SETTINGS = "/api/v1/sync/settings"
DEFAULTS = {"records_warn": 8000, "records_cap": 20000, "keep_days": 180, "resend_days": 7, "version": 1}


@pytest.fixture
def admin(world: World) -> Person:
    return world.person("admin")


def patch(admin: Person, changes: Json, version: int = 1) -> Any:
    return admin.call("PATCH", SETTINGS, changes, **{"If-Match": f'"{version}"'})


class TestSettings:
    def test_are_the_defaults_until_somebody_sets_them(self, admin: Person) -> None:
        assert admin.call("GET", SETTINGS).json == DEFAULTS

    def test_are_set_one_by_one(self, admin: Person, world: World) -> None:
        first = patch(admin, {"records_cap": 30_000})
        assert first.json == DEFAULTS | {"records_cap": 30_000, "version": 2}
        assert patch(admin, {"keep_days": 90}, version=2).status_code == 200

        both = {"records_cap": 30_000, "keep_days": 90, "version": 3}
        assert admin.call("GET", SETTINGS).json == DEFAULTS | both

    @pytest.mark.parametrize("set_before", [False, True])
    def test_are_changed_only_at_the_version_that_was_read(self, admin: Person, set_before: bool) -> None:
        if set_before:
            patch(admin, {"keep_days": 91})
        read = admin.call("GET", SETTINGS)
        version = read.json["version"]
        assert read.headers["ETag"] == f'"{version}"'
        patch(admin, {"keep_days": 90}, version)

        late = patch(admin, {"records_cap": 30_000}, version)

        assert (late.status_code, late.json["code"]) == (412, "version_stale")
        assert late.json["details"]["version"] == version + 1
        now = DEFAULTS | {"keep_days": 90, "version": version + 1}
        assert admin.call("GET", SETTINGS).json == now

    def test_are_not_changed_without_a_version(self, admin: Person) -> None:
        answer = admin.call("PATCH", SETTINGS, {"keep_days": 90})

        assert (answer.status_code, answer.json["code"]) == (428, "version_required")
        assert admin.call("GET", SETTINGS).json == DEFAULTS

    def test_that_stay_as_they_were_keep_their_version(self, admin: Person) -> None:
        assert patch(admin, {"keep_days": 180}).json == DEFAULTS

    def test_of_two_who_set_them_at_once_one_is_told(self, world: World, admin: Person) -> None:
        changes = [{"keep_days": 90}, {"keep_days": 91}, {"records_cap": 30_000}, {"records_cap": 31_000}]

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda change: patch(admin, change).status_code, changes))

        assert sorted(answers) == [200, 412, 412, 412]

    def test_are_of_one_company(self, admin: Person, world: World) -> None:
        patch(admin, {"keep_days": 90})
        other = World(world.app, world.db)

        assert other.person("admin").call("GET", SETTINGS).json == DEFAULTS

    def test_work_at_the_next_sync(self, admin: Person, world: World) -> None:
        rep = world.person("rep", world.north)
        patch(admin, {"records_warn": 5})

        assert rep.post_sync().json["budget"]["warn_at"] == 5

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"records_warn": 20_001}, "records_warn"),
            ({"records_cap": 7_999}, "records_warn"),
            ({"resend_days": 181}, "resend_days"),
            ({"keep_days": 7, "resend_days": 8}, "resend_days"),
        ],
    )
    def test_that_do_not_go_together_are_refused(self, admin: Person, changes: Json, field: str) -> None:
        answer = patch(admin, changes)

        assert (answer.status_code, answer.json["code"]) == (422, "sync.settings_contradict")
        assert answer.json["errors"][0]["pointer"] == f"/{field}"
        assert admin.call("GET", SETTINGS).json == DEFAULTS

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"records_cap": 99}, "value_out_of_range"),
            ({"records_cap": "20000"}, "type_mismatch"),
            ({"records_warn": 0}, "value_out_of_range"),
            ({"keep_days": None}, "null_not_allowed"),
            ({"keep_days": 6}, "value_out_of_range"),
            ({"resend_days": 0}, "value_out_of_range"),
            ({"nonsense": 1}, "unknown_field"),
            ({"version": 7}, "read_only_field"),
        ],
    )
    def test_are_read_strictly(self, admin: Person, changes: Json, code: str) -> None:
        answer = patch(admin, changes)

        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, code)


class TestAlarms:
    def raise_some(self, world: World, count: int, kind: str = "mark_without_row") -> None:
        world.engine_sql(
            "INSERT INTO sync_alarms (tenant_id, kind, entity, record_id, detail)"
            " SELECT :tenant, :kind, 'account', gen_random_uuid(), 'alarm ' || n FROM generate_series(1, :n) AS n",
            kind=kind,
            n=count,
        )

    def test_come_page_by_page_the_newest_first(self, admin: Person, world: World) -> None:
        self.raise_some(world, 5)

        seen: list[str] = []
        cursor = ""
        while cursor is not None:
            answer = admin.call("GET", f"/api/v1/sync/alarms?limit=2{cursor and f'&cursor={cursor}'}").json
            seen += [item["detail"] for item in answer["items"]]
            cursor = answer["next_cursor"]

        assert seen == [f"alarm {n}" for n in (5, 4, 3, 2, 1)]

    def test_may_be_asked_for_by_kind(self, admin: Person, world: World) -> None:
        self.raise_some(world, 1)
        self.raise_some(world, 2, "quarantined")

        items = admin.call("GET", "/api/v1/sync/alarms?kind=quarantined").json["items"]

        assert [item["kind"] for item in items] == ["quarantined"] * 2

    def test_of_another_company_are_not_shown(self, admin: Person, world: World) -> None:
        self.raise_some(World(world.app, world.db), 1)

        assert admin.call("GET", "/api/v1/sync/alarms").json == {"items": [], "next_cursor": None}

    @pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 40, "١"])
    def test_take_no_cursor_that_they_did_not_give(self, admin: Person, cursor: str) -> None:
        answer = admin.call("GET", f"/api/v1/sync/alarms?cursor={cursor}")

        assert (answer.status_code, answer.json["code"]) == (400, "cursor_invalid")


class TestQuarantine:
    def test_says_what_cannot_be_rendered_and_why(self, admin: Person, world: World) -> None:
        records = [uuid4() for _ in range(3)]
        for record in records:
            world.engine_sql(
                "INSERT INTO sync_quarantine (tenant_id, entity, record_id, sqlstate, message)"
                " VALUES (:tenant, 'account', :id, '22008', 'a year too far')",
                id=record,
            )

        first = admin.call("GET", "/api/v1/sync/quarantine?limit=2&sort=since").json
        last = admin.call(
            "GET", f"/api/v1/sync/quarantine?limit=2&sort=since&cursor={first['next_cursor']}"
        ).json

        found = [*first["items"], *last["items"]]
        assert [item["record_id"] for item in found] == [str(record) for record in records]
        assert {(item["sqlstate"], item["message"]) for item in found} == {("22008", "a year too far")}
        assert last["next_cursor"] is None


class TestEpochs:
    def test_the_present_one_comes_first(self, admin: Person) -> None:
        items = admin.call("GET", "/api/v1/sync/epochs").json["items"]

        assert items[0]["ended_at"] is None
        assert admin.post_sync().json["epoch"] == items[0]["id"]


@pytest.mark.parametrize("path", ["settings", "alarms", "quarantine", "epochs"])
@pytest.mark.parametrize("role", ["rep", "technician", "manager", "partner", "integration"])
def test_nobody_but_administrators_is_shown_them(world: World, role: str, path: str) -> None:
    answer = world.person(role).call("GET", f"/api/v1/sync/{path}")

    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
