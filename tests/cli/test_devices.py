"""`flask devices`, and what `flask sync` shows of the engine."""

import json
from typing import Any
from uuid import uuid4

import pytest

from app.core.ids import new_id
from tests.cli.conftest import Run
from tests.world import PASSWORD, Person, World


@pytest.fixture
def rep(world: World) -> Person:
    person = world.person("rep", world.north, name="김하늘")
    world.account()
    person.sync(client={"last_error": "disk full [red]"})
    return person


def told(flask: Run, world: World, *words: str) -> Any:
    done = flask(*words, "--json", "--tenant", world.code)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def login_of(world: World, person: Person) -> dict[str, Any]:
    device = {"name": "Galaxy", "platform": "android"}
    return {"tenant": world.code, "login": person.login, "password": PASSWORD, "device": device}


class TestList:
    def test_is_a_table_for_people(self, flask: Run, world: World, rep: Person) -> None:
        done = flask("devices", "list", "--tenant", world.code)

        assert done.exit_code == 0
        [line] = [one for one in done.output.splitlines() if str(rep.device_id) in one]
        for word in (rep.login, "Galaxy S26", "android", "active", "disk full [red]"):
            assert word in line

    def test_is_json_for_scripts_and_the_same_as_over_rest(
        self, flask: Run, world: World, rep: Person
    ) -> None:
        admin = world.person("admin")
        by_rest = admin.call("GET", f"/api/v1/devices/{rep.device_id}").json

        (entry,) = told(flask, world, "devices", "list", "--user", rep.login)

        assert entry | {"lag_s": 0} == by_rest | {"lag_s": 0}

    @pytest.mark.parametrize(
        ("options", "found"),
        [
            (("--errors",), True),
            (("--pending",), False),
            (("--stale", "24"), False),
            (("--stale", "0"), True),
            (("--state", "active"), True),
            (("--state", "wiped"), False),
            (("--schema-below", "1"), False),
            (("--sort", "user_name", "--reverse"), True),
        ],
    )
    def test_is_narrowed_by_options(
        self, flask: Run, world: World, rep: Person, options: tuple[str, ...], found: bool
    ) -> None:
        entries = told(flask, world, "devices", "list", *options)

        assert (str(rep.device_id) in [entry["id"] for entry in entries]) == found

    def test_says_when_there_is_none(self, flask: Run, world: World) -> None:
        assert flask("devices", "list", "--tenant", world.code).output == "No device is like that.\n"

    def test_of_an_unknown_person_fails_in_words(self, flask: Run, world: World) -> None:
        done = flask("devices", "list", "--user", "nobody", "--tenant", world.code)

        assert done.exit_code == 1
        assert "There is no user nobody" in done.output


class TestOne:
    def test_is_shown_with_all_that_is_known(self, flask: Run, world: World, rep: Person) -> None:
        entry = told(flask, world, "devices", "show", str(rep.device_id))

        assert (entry["user_name"], entry["positions_behind"], entry["state"]) == ("김하늘", 0, "active")
        assert "김하늘" in flask("devices", "show", str(rep.device_id), "--tenant", world.code).output

    def test_of_another_company_is_not_found(self, flask: Run, world: World, rep: Person) -> None:
        other = World(world.app, world.db)

        done = flask("devices", "show", str(rep.device_id), "--tenant", other.code)

        assert (done.exit_code, "not_found" in done.output) == (1, True)

    def test_tells_its_last_syncs(self, flask: Run, world: World, rep: Person) -> None:
        (first,) = told(flask, world, "devices", "trace", str(rep.device_id))

        assert (first["kind"], first["changes"]) == ("first", len(rep.records))
        assert "rebase" in flask("devices", "trace", str(rep.device_id), "--tenant", world.code).output

    def test_that_never_synced_has_no_trace(self, flask: Run, world: World) -> None:
        device = world.person("rep").device_id

        assert flask("devices", "trace", str(device), "--tenant", world.code).output == "It never synced.\n"


class TestLockingOut:
    @pytest.mark.parametrize(("command", "state"), [("revoke", "revoked"), ("wipe", "wiping")])
    def test_works_at_the_next_request(
        self, flask: Run, world: World, rep: Person, command: str, state: str
    ) -> None:
        done = flask("devices", command, str(rep.device_id), "--tenant", world.code)

        assert done.exit_code == 0, done.output
        assert rep.post_sync().status_code == 401
        assert told(flask, world, "devices", "show", str(rep.device_id))["state"] == state

    def test_by_a_wipe_is_followed_until_the_phone_has_told_that_it_is_empty(
        self, flask: Run, world: World
    ) -> None:
        rep = world.person("rep", world.north)
        answer = rep.call("POST", "/api/v1/auth/login", login_of(world, rep)).json
        device = answer["device_id"]
        flask("devices", "wipe", device, "--tenant", world.code)

        answer = rep.call("POST", "/api/v1/auth/refresh", {"refresh_token": answer["refresh_token"]}).json
        rep.token = answer["access_token"]
        assert (answer["farewell"], rep.post_sync().json["directives"]) == (True, ["wipe"])
        assert told(flask, world, "devices", "show", device)["state"] == "wiping"

        rep.post_sync(client={"wiped": True})
        assert told(flask, world, "devices", "show", device)["state"] == "wiped"

    def test_by_a_wipe_leaves_the_persons_other_phone_alone(
        self, flask: Run, world: World, rep: Person
    ) -> None:
        tablet = world.second_phone(rep)

        flask("devices", "wipe", str(rep.device_id), "--tenant", world.code)

        assert tablet.post_sync().status_code == 200

    @pytest.mark.parametrize("command", ["revoke", "wipe"])
    def test_knows_no_device_of_another_company(
        self, flask: Run, world: World, rep: Person, command: str
    ) -> None:
        other = World(world.app, world.db)

        done = flask("devices", command, str(rep.device_id), "--tenant", other.code)

        assert (done.exit_code, "No such device" in done.output) == (1, True)
        assert rep.post_sync().status_code == 200

    def test_of_an_unknown_device_fails_in_words(self, flask: Run, world: World) -> None:
        done = flask("devices", "revoke", str(uuid4()), "--tenant", world.code)

        assert done.exit_code == 1
        assert "No such device" in done.output


class TestExplain:
    def test_tells_why_a_phone_holds_a_record(self, flask: Run, world: World, rep: Person) -> None:
        (account,) = [record_id for entity, record_id in rep.records if entity == "account"]

        answer = told(flask, world, "devices", "explain", str(rep.device_id), "account", account)

        assert (answer["state"], answer["because"][0]["way"]) == ("held", "member")
        words = flask(
            "devices", "explain", str(rep.device_id), "account", account, "--tenant", world.code
        ).output
        assert "held" in words
        assert f"territory:{world.north}" in words

    def test_tells_why_it_does_not(self, flask: Run, world: World, rep: Person) -> None:
        foreign = world.account(world.south)
        world.drain()

        answer = told(flask, world, "devices", "explain", str(rep.device_id), "account", str(foreign))

        assert answer["state"] == "unknown"
        assert answer["internals"]["feed"][0]["bucket"] == f"territory:{world.south}"

    def test_knows_its_entities(self, flask: Run, world: World, rep: Person) -> None:
        done = flask("devices", "explain", str(rep.device_id), "nonsense", str(new_id()))

        assert done.exit_code == 2


class TestEngine:
    def test_shows_alarms(self, flask: Run, world: World) -> None:
        assert "raised no alarm" in flask("sync", "alarms", "--tenant", world.code).output
        world.engine_sql(
            "INSERT INTO sync_alarms (tenant_id, kind, entity, record_id, detail)"
            " VALUES (:tenant, 'mark_without_row', 'account', gen_random_uuid(), 'no row')"
        )

        (alarm,) = told(flask, world, "sync", "alarms")

        assert (alarm["kind"], alarm["detail"]) == ("mark_without_row", "no row")

    def test_shows_the_quarantine(self, flask: Run, world: World) -> None:
        assert "No record is in quarantine" in flask("sync", "quarantine", "--tenant", world.code).output
        world.engine_sql(
            "INSERT INTO sync_quarantine (tenant_id, entity, record_id, sqlstate, message)"
            " VALUES (:tenant, 'account', gen_random_uuid(), '22008', 'a year too far')"
        )

        assert "a year too far" in flask("sync", "quarantine", "--tenant", world.code).output
        assert told(flask, world, "sync", "quarantine")[0]["sqlstate"] == "22008"

    def test_shows_the_lives_of_the_database(self, flask: Run, world: World) -> None:
        assert told(flask, world, "sync", "epochs")[0]["ended_at"] is None


@pytest.mark.parametrize("command", ["list", "show", "trace", "revoke", "wipe", "explain"])
def test_every_command_explains_itself(flask: Run, command: str) -> None:
    done = flask("devices", command, "--help")

    assert done.exit_code == 0
    assert "--tenant" in done.output
