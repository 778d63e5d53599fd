"""Who sees which device, where it stands, and how the list is narrowed and sorted."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.clock import utc_now
from tests.world import PASSWORD, Person, World, wire

Json = dict[str, Any]
PATH = "/api/v1/devices"


def listed(person: Person, **query: Any) -> list[Json]:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    answer = person.call("GET", f"{PATH}?{words}")
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


def ids(entries: list[Json]) -> set[UUID]:
    return {UUID(entry["id"]) for entry in entries}


def shown(person: Person, device_id: UUID) -> Json:
    answer = person.call("GET", f"{PATH}/{device_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


class TestWhoSees:
    def test_everybody_sees_their_own_devices(self, world: World) -> None:
        rep, other = world.person("rep", world.north), world.person("rep", world.north)
        second = world.second_phone(rep)

        assert ids(listed(rep)) == {rep.device_id, second.device_id}
        assert rep.call("GET", f"{PATH}/{other.device_id}").status_code == 404

    def test_a_manager_sees_the_team_and_nobody_else(self, world: World) -> None:
        manager, stranger = world.person("manager", world.region), world.person("rep", world.north)
        member = world.person("rep", world.north, manager=manager)

        assert ids(listed(manager)) == {manager.device_id, member.device_id}
        assert manager.call("GET", f"{PATH}/{stranger.device_id}").status_code == 404
        assert manager.call("GET", f"{PATH}/{stranger.device_id}/trace").status_code == 404

    def test_an_administrator_sees_those_of_the_company_alone(self, world: World) -> None:
        admin, rep = world.person("admin"), world.person("rep", world.north)
        stranger = World(world.app, world.db).person("rep")

        assert ids(listed(admin)) == {admin.device_id, rep.device_id}
        assert admin.call("GET", f"{PATH}/{stranger.device_id}").status_code == 404

    def test_positions_count_what_the_whole_company_does_and_are_for_administrators(
        self, world: World
    ) -> None:
        admin = world.person("admin")
        manager = world.person("manager", world.region)
        rep = world.person("rep", world.north, manager=manager)
        rep.sync()

        for person in (rep, manager):
            entry = shown(person, rep.device_id)
            assert (entry["position"], entry["positions_behind"]) == (None, None)
            for trace in person.call("GET", f"{PATH}/{rep.device_id}/trace").json["items"]:
                assert trace["position"] is None
        assert shown(admin, rep.device_id)["position"] > 0


class TestWhatIsTold:
    def test_of_a_device_that_never_synced(self, world: World) -> None:
        rep = world.person("rep", world.north, name="김하늘")

        entry = shown(rep, rep.device_id)

        assert (entry["user_name"], entry["login"], entry["name"]) == ("김하늘", rep.login, "Galaxy S26")
        assert (entry["platform"], entry["app_version"], entry["state"]) == ("android", "1.0.0", "active")
        assert (entry["last_sync_at"], entry["lag_s"], entry["at_checkpoint"]) == (None, None, None)
        assert (entry["schema_version"], entry["pending"], entry["last_error"]) == (None, 0, None)

    def test_of_a_device_is_what_it_said_at_its_last_sync(self, world: World) -> None:
        rep = world.person("rep", world.north)

        rep.post_sync(
            client={"app_version": "2.1.0", "platform": "ios", "pending": 4, "last_error": "disk full"}
        )

        entry = shown(rep, rep.device_id)
        assert (entry["app_version"], entry["platform"]) == ("2.1.0", "ios")
        assert (entry["pending"], entry["last_error"], entry["schema_version"]) == (4, "disk full", 1)
        assert 0 <= entry["lag_s"] < 60

    def test_how_far_it_is_behind(self, world: World) -> None:
        admin, rep = world.person("admin"), world.person("rep", world.north)
        world.account()
        rep.sync()
        assert shown(admin, rep.device_id)["positions_behind"] == 0
        for _ in range(3):
            world.account()
        world.drain()

        entry = shown(admin, rep.device_id)

        assert entry["positions_behind"] >= 3
        assert entry["at_checkpoint"] is True

    def test_a_device_in_its_first_sync_is_at_no_checkpoint(self, world: World) -> None:
        rep = world.person("rep", world.north)
        for _ in range(5):
            world.account()
        rep.post_sync(limit=2)

        assert shown(rep, rep.device_id)["at_checkpoint"] is False

    @pytest.mark.parametrize(("order", "state"), [("revoke", "revoked"), ("wipe", "wiping")])
    def test_that_it_was_locked_out_or_told_to_wipe(self, world: World, order: str, state: str) -> None:
        admin, rep = world.person("admin"), world.person("rep", world.north)

        assert admin.call("POST", f"{PATH}/{rep.device_id}/{order}").status_code == 200

        assert shown(admin, rep.device_id)["state"] == state

    def test_that_it_has_wiped_itself(self, world: World) -> None:
        admin, rep = world.person("admin"), world.person("rep", world.north)
        admin.call("POST", f"{PATH}/{rep.device_id}/wipe")
        world.sql("UPDATE devices SET wiped_at = now() WHERE id = :id", id=rep.device_id)

        entry = shown(admin, rep.device_id)

        assert entry["state"] == "wiped"
        assert entry["wiped_at"] > entry["wipe_ordered_at"]

    def test_that_two_phones_speak_as_it(self, world: World) -> None:
        rep, account = world.person("rep", world.north), world.account()
        rep.sync()
        rep.sync(rep.edit("account", account, {"name": "첫째"}, n=1))
        assert shown(rep, rep.device_id)["state"] == "active"

        rep.sync(rep.edit("account", account, {"name": "둘째"}, n=1))

        entry = shown(rep, rep.device_id)
        assert (entry["state"], entry["cloned_at"] is not None) == ("cloned", True)


class TestAClonedDevice:
    """Two phones speak as it, until its user has registered another one."""

    @pytest.fixture
    def cloned(self, world: World) -> Person:
        rep, account = world.person("rep", world.north), world.account()
        rep.sync()
        self.clash(rep, account)
        return rep

    def clash(self, rep: Person, account: UUID) -> None:
        """Send two edits under one ``n``, as two phones would."""
        for name in ("첫째", "둘째"):
            rep.sync(rep.edit("account", account, {"name": name}, n=1))

    def state(self, world: World, device_id: UUID) -> tuple[str, bool]:
        entry = shown(world.person("admin"), device_id)
        return entry["state"], entry["cloned_at"] is not None

    def test_is_one_phones_again_when_the_other_goes_on_as_a_new_device(
        self, world: World, cloned: Person
    ) -> None:
        other = world.second_phone(cloned)

        assert self.state(world, cloned.device_id) == ("active", False)
        assert self.state(world, other.device_id) == ("active", False)
        assert cloned.post_sync().status_code == 200

    def test_is_not_taken_up_by_a_login_that_names_it(self, world: World, cloned: Person) -> None:
        old = cloned.device_id

        answer = log_in_as(world, cloned, old)

        assert answer["device_id"] != str(old)
        assert self.state(world, old) == ("active", False)

    def test_can_be_taken_up_again_by_the_phone_that_stayed(self, world: World, cloned: Person) -> None:
        world.second_phone(cloned)

        assert log_in_as(world, cloned, cloned.device_id)["device_id"] == str(cloned.device_id)

    def test_is_noted_anew_when_two_phones_still_speak_as_it(self, world: World, cloned: Person) -> None:
        world.second_phone(cloned)
        (account,) = [UUID(record) for entity, record in cloned.records if entity == "account"]

        self.clash(cloned, account)

        assert self.state(world, cloned.device_id) == ("cloned", True)

    def test_is_not_cleared_by_somebody_elses_login(self, world: World, cloned: Person) -> None:
        world.log_in(world.person("rep", world.north))

        assert self.state(world, cloned.device_id) == ("cloned", True)

    def test_is_not_cleared_by_another_phone_of_the_user_that_was_registered_before(
        self, world: World, cloned: Person
    ) -> None:
        tablet = world.second_phone(cloned)
        (account,) = [UUID(record) for entity, record in cloned.records if entity == "account"]
        self.clash(cloned, account)

        log_in_as(world, cloned, tablet.device_id)

        assert self.state(world, cloned.device_id) == ("cloned", True)


def log_in_as(world: World, person: Person, device_id: UUID) -> Any:
    """The answer to a login of an app that names the device that it was."""
    device = {"id": str(device_id), "name": "Galaxy", "platform": "android"}
    body = {"tenant": world.code, "login": person.login, "password": PASSWORD, "device": device}
    answer = world.app.test_client().post("/api/v1/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json


class TestFilters:
    @pytest.fixture
    def fleet(self, world: World) -> dict[str, Person]:
        people = {name: world.person("rep", world.north) for name in ("busy", "ill", "old", "silent", "fine")}
        people["admin"] = world.person("admin")
        people["busy"].post_sync(client={"pending": 3})
        people["ill"].post_sync(client={"last_error": "disk full"})
        people["old"].post_sync()
        people["fine"].post_sync()
        people["admin"].post_sync()
        world.sql(
            "UPDATE sync_devices SET last_sync_at = now() - interval '3 days', schema_version = 0"
            " WHERE device_id = :id",
            id=people["old"].device_id,
        )
        world.sql("UPDATE devices SET revoked_at = now() WHERE id = :id", id=people["fine"].device_id)
        return people

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"has_pending": "true"}, {"busy"}),
            ({"has_pending": "false"}, {"ill", "old", "silent", "fine", "admin"}),
            ({"has_error": "true"}, {"ill"}),
            ({"has_error": "false"}, {"busy", "old", "silent", "fine", "admin"}),
            ({"lag_over": 86_400}, {"old", "silent"}),
            ({"schema_below": 1}, {"old", "silent"}),
            ({"state": "revoked"}, {"fine"}),
            ({"state": "active", "has_error": "true"}, {"ill"}),
            ({"state": "wiped"}, set()),
        ],
        ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
    )
    def test_narrow_the_list(self, fleet: dict[str, Person], query: Json, expected: set[str]) -> None:
        found = ids(listed(fleet["admin"], **query))

        assert found == {fleet[name].device_id for name in expected}

    def test_find_what_was_not_heard_of_since_a_moment(self, fleet: dict[str, Person]) -> None:
        since = wire(utc_now() - timedelta(days=1))

        found = ids(listed(fleet["admin"], stale_since=since))

        assert found == {fleet["old"].device_id, fleet["silent"].device_id}

    def test_find_those_of_one_person(self, fleet: dict[str, Person]) -> None:
        assert ids(listed(fleet["admin"], user_id=fleet["ill"].id)) == {fleet["ill"].device_id}

    def test_find_none_of_a_person_whom_one_may_not_know(self, fleet: dict[str, Person]) -> None:
        assert listed(fleet["busy"], user_id=fleet["ill"].id) == []

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("state=lost", "choice_unknown"),
            ("has_pending=1", "type_mismatch"),
            ("lag_over=-1", "value_out_of_range"),
            ("stale_since=yesterday", "timestamp_invalid"),
            ("user_id=7", "id_invalid"),
            ("nonsense=1", "unknown_field"),
        ],
    )
    def test_are_read_strictly(self, world: World, query: str, code: str) -> None:
        answer = world.person("rep").call("GET", f"{PATH}?{query}")

        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, code)


class TestOrder:
    @pytest.mark.parametrize(
        "sort",
        ["last_sync_at", "-last_sync_at", "pending", "-pending", "user_name", "-login", "position", "state"],
    )
    def test_pages_give_each_device_once_in_any_order(self, world: World, sort: str) -> None:
        admin = world.person("admin")
        people = [world.person("rep", world.north) for _ in range(6)]
        for number, person in enumerate(people[:4]):
            person.post_sync(client={"pending": number % 2})

        seen: list[str] = []
        cursor = None
        while True:
            query = f"{PATH}?limit=2&sort={sort}" + (f"&cursor={cursor}" if cursor else "")
            answer = admin.call("GET", query).json
            seen += [entry["id"] for entry in answer["items"]]
            cursor = answer["next_cursor"]
            if cursor is None:
                break

        assert len(seen) == len(set(seen)) == 7

    def test_the_longest_unheard_of_come_first(self, world: World) -> None:
        admin, early, late = world.person("admin"), world.person("rep"), world.person("rep")
        early.post_sync()
        late.post_sync()

        found = [UUID(entry["id"]) for entry in listed(admin, sort="last_sync_at")]

        assert found == [early.device_id, late.device_id, admin.device_id]

    def test_an_unknown_order_is_refused(self, world: World) -> None:
        answer = world.person("admin").call("GET", f"{PATH}?sort=lag_s")

        assert (answer.status_code, answer.json["code"]) == (422, "sort_not_allowed")


class TestTrace:
    def test_tells_the_last_syncs_the_newest_first(self, world: World) -> None:
        admin, rep = world.person("admin"), world.person("rep", world.north)
        account = world.account()
        rep.sync()
        rep.sync(rep.edit("account", account, {"name": "새이름"}))

        items = admin.call("GET", f"{PATH}/{rep.device_id}/trace").json["items"]

        assert [item["kind"] for item in items][:2] == ["push", "first"]
        push, first = items[:2]
        assert (push["mutations"], push["verdicts"]) == (1, {"applied": 1})
        assert push["position"] > first["position"] > 0
        assert (first["changes"], first["has_more"]) == (len(rep.records), False)
        assert first["directives"] == ["rebase"]

    def test_holds_nothing_of_the_records(self, world: World) -> None:
        rep = world.person("rep", world.north)
        world.account(name="비밀상사")
        rep.sync(client={"last_error": "call 김하늘"})

        traces = world.sql("SELECT to_jsonb(t)::text FROM sync_traces t WHERE tenant_id = :tenant")

        assert traces
        for (text,) in traces:
            assert "비밀" not in text
            assert "김하늘" not in text

    def test_of_an_unknown_device_is_not_found(self, world: World) -> None:
        answer = world.person("admin").call("GET", f"{PATH}/{uuid4()}/trace")

        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
