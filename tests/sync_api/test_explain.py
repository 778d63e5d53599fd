"""Why a record is, or is not, on a phone; and that nothing is told of what is none of the user's."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from tests.world import Person, World

Json = dict[str, Any]
PATH = "/api/v1/sync/explain"
UNKNOWN: Json = {
    "state": "unknown",
    "reason": None,
    "shape": None,
    "version": None,
    "because": [],
    "waiting": False,
    "quarantined": False,
}


def asked(person: Person, entity: str, record_id: UUID | str, **more: Any) -> Any:
    query = "&".join(f"{k}={v}" for k, v in {"entity": entity, "id": record_id, **more}.items())
    return person.call("GET", f"{PATH}?{query}")


def told(person: Person, entity: str, record_id: UUID | str, **more: Any) -> Json:
    answer = asked(person, entity, record_id, **more)
    assert answer.status_code == 200, answer.text
    assert (answer.json["entity"], answer.json["id"]) == (entity, str(record_id))
    return dict(answer.json)


def said(answer: Json) -> Json:
    return {name: answer[name] for name in UNKNOWN}


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


class TestWhatIsHeld:
    def test_is_explained_by_the_membership_that_brings_it(self, rep: Person, world: World) -> None:
        account = world.account()
        rep.sync()

        answer = told(rep, "account", account)

        assert (answer["state"], answer["shape"], answer["version"]) == ("held", "manager+partner+sales", 1)
        (because,) = answer["because"]
        assert because == {
            "bucket": f"territory:{world.north}",
            "way": "member",
            "territory_id": str(world.north),
            "kind": "owner",
            "until": None,
            "for_user_id": None,
            "fields": [],
            "visit_ids": [],
        }

    def test_is_explained_by_the_territory_above_for_a_manager(self, world: World) -> None:
        manager = world.person("manager", world.region)
        account = world.account()
        manager.sync()

        (because,) = told(manager, "account", account)["because"]

        assert (because["way"], because["territory_id"]) == ("above", str(world.region))
        assert because["bucket"] == f"territory:{world.north}"

    def test_is_explained_by_every_way_there_is(self, rep: Person, world: World) -> None:
        account = world.account(owner_id=rep.id)
        rep.sync()

        ways = {b["way"]: b for b in told(rep, "account", account)["because"]}

        assert set(ways) == {"member", "own"}
        assert ways["own"]["fields"] == ["owner_id"]

    def test_is_explained_for_a_child_by_the_owner_of_its_account(self, rep: Person, world: World) -> None:
        account, site = world.account(world.south, owner_id=rep.id), new_id()
        world.insert("sites", id=site, account_id=account, name="공장")
        rep.sync()

        (because,) = told(rep, "site", site)["because"]

        assert (because["way"], because["fields"]) == ("own", ["account.owner_id"])

    def test_is_explained_by_the_visits_of_a_technician(self, world: World) -> None:
        technician = world.person("technician")
        account, visit = world.account(), new_id()
        world.insert(
            "visits", id=visit, account_id=account, assignee_id=technician.id, planned_start=utc_now()
        )
        technician.sync()

        (because,) = told(technician, "account", account)["because"]

        assert (because["way"], because["visit_ids"]) == ("own", [str(visit)])
        assert told(technician, "visit", visit)["because"][0]["fields"] == ["assignee_id"]

    def test_is_explained_by_the_person_stood_in_for(self, world: World) -> None:
        owner, backup = world.person("rep", world.north), world.person("rep", world.south)
        day = date(2020, 1, 1)
        world.insert(
            "delegations",
            id=new_id(),
            from_user_id=owner.id,
            to_user_id=backup.id,
            work="territories",
            valid_from=day,
        )
        account = world.account()
        backup.sync()

        answer = told(backup, "account", account)

        assert [(b["way"], b["for_user_id"]) for b in answer["because"]] == [("stands_in", str(owner.id))]

    def test_says_until_when_a_membership_goes(self, world: World) -> None:
        rep = world.person("rep")
        until = utc_now().date() + timedelta(days=9)
        world.insert(
            "territory_members",
            id=new_id(),
            territory_id=world.north,
            user_id=rep.id,
            kind="backup",
            valid_from=date(2020, 1, 1),
            valid_to=until,
        )
        account = world.account()
        rep.sync()

        (because,) = told(rep, "account", account)["because"]

        assert (because["kind"], because["until"]) == ("backup", until.isoformat())

    def test_is_coming_when_the_device_is_not_there_yet(self, rep: Person, world: World) -> None:
        rep.sync()
        account = world.account()
        world.drain()

        assert told(rep, "account", account)["state"] == "coming"

    def test_is_coming_as_long_as_the_first_sync_goes_on(self, rep: Person, world: World) -> None:
        account = world.account()
        rep.post_sync(limit=1)

        answer = told(rep, "account", account)

        assert (answer["state"], answer["device"]["at_checkpoint"]) == ("coming", False)

    def test_is_stale_when_a_newer_version_comes(self, rep: Person, world: World) -> None:
        account = world.account()
        rep.sync()
        world.sql("UPDATE accounts SET name = '새이름' WHERE id = :id", id=account)
        world.drain()

        answer = told(rep, "account", account)

        assert (answer["state"], answer["version"]) == ("stale", 2)

    def test_says_that_a_change_of_it_waits(self, rep: Person, world: World) -> None:
        account = world.account()
        rep.sync()
        world.sql("UPDATE accounts SET name = '새이름' WHERE id = :id", id=account)

        answer = told(rep, "account", account)

        assert (answer["state"], answer["version"], answer["waiting"]) == ("held", 1, True)


class TestWhatIsNotHeld:
    def test_waits_to_be_sequenced(self, rep: Person, world: World) -> None:
        rep.sync()

        answer = told(rep, "account", world.account())

        assert (answer["state"], answer["waiting"], answer["because"]) == ("waiting", True, [])

    def test_waits_for_a_territory_that_was_just_given(self, rep: Person, world: World) -> None:
        account = world.account(world.south)
        rep.sync()
        world.drain()
        with world.session() as session:
            world.join(session, rep.id, world.south)

        assert told(rep, "account", account)["state"] == "waiting"

    def test_is_left_out_by_the_budget(self, world: World) -> None:
        rep = world.person("rep", world.north, world.south)
        accounts = [world.account(place) for place in (world.north, world.south) for _ in range(4)]
        world.engine_sql(
            "INSERT INTO sync_settings (tenant_id, records_warn, records_cap) VALUES (:tenant, 1, 7)"
        )
        rep.sync()

        states = [told(rep, "account", account)["state"] for account in accounts]

        assert sorted(states) == ["held"] * 4 + ["left_out"] * 4

    def test_lies_outside_the_window(self, rep: Person, world: World) -> None:
        account, visit = world.account(), new_id()
        far = utc_now() + timedelta(days=60)
        world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=far)
        rep.sync()

        assert told(rep, "visit", visit)["state"] == "window"

    def test_is_seen_over_rest_only(self, rep: Person, world: World) -> None:
        here, there, relation = world.account(), world.account(world.south, owner_id=rep.id), new_id()
        world.insert("account_relations", id=relation, account_id=here, to_account_id=there, kind="supplies")
        rep.sync()

        assert told(rep, "account_relation", relation)["state"] == "not_carried"

    def test_cannot_be_rendered(self, rep: Person, world: World) -> None:
        account = world.account()
        world.drain()
        world.engine_sql("DELETE FROM sync_feed WHERE tenant_id = :tenant AND record_id = :id", id=account)
        world.engine_sql(
            "INSERT INTO sync_quarantine (tenant_id, entity, record_id, sqlstate, message)"
            " VALUES (:tenant, 'account', :id, '22008', 'the year 20000 of Mr Kim')",
            id=account,
        )
        rep.sync()

        answer = told(rep, "account", account)

        assert (answer["state"], answer["quarantined"]) == ("quarantined", True)
        assert "Kim" not in str(answer)

    def test_is_of_an_entity_that_the_role_does_not_see(self, world: World) -> None:
        partner = world.person("partner", world.north)
        account, activity = world.account(), new_id()
        values = {"account_id": account, "author_id": partner.id, "kind": "call", "happened_at": utc_now()}
        world.insert("activities", id=activity, **values)
        partner.sync()

        real, made_up = told(partner, "activity", activity), told(partner, "activity", uuid4())

        assert said(real) == said(made_up) == UNKNOWN | {"state": "not_in_shape"}

    @pytest.mark.parametrize(
        ("change", "reason"),
        [("deleted_at = now()", "deleted"), ("territory_id = :south", "out_of_scope")],
    )
    def test_was_held_once_and_is_gone_for_a_reason(
        self, rep: Person, world: World, change: str, reason: str
    ) -> None:
        account = world.account()
        rep.sync()
        world.sql(f"UPDATE accounts SET {change} WHERE id = :id", id=account, south=world.south)
        world.drain()

        assert said(told(rep, "account", account)) == UNKNOWN | {"state": "gone", "reason": reason}

    def test_was_held_once_in_a_territory_that_was_lost(self, rep: Person, world: World) -> None:
        account = world.account()
        rep.sync()
        world.sql("UPDATE territory_members SET deleted_at = now() WHERE user_id = :id", id=rep.id)
        world.drain()

        assert said(told(rep, "account", account)) == UNKNOWN | {"state": "gone", "reason": "out_of_scope"}


class TestAForeignRecord:
    """⚑ A foreign id answers exactly as an unknown one."""

    def records(self, world: World) -> dict[str, UUID]:
        """Records that are none of the rep's, each for another cause."""
        elsewhere, gone, aside = world.account(world.south), world.account(world.south), new_id()
        world.drain()
        world.sql("UPDATE accounts SET deleted_at = now() WHERE id = :id", id=gone)
        world.insert("accounts", id=aside, name="나래", territory_id=world.south)
        world.engine_sql(
            "INSERT INTO sync_quarantine (tenant_id, entity, record_id, sqlstate, message)"
            " VALUES (:tenant, 'account', :id, '22008', 'x')",
            id=aside,
        )
        other = World(world.app, world.db)
        return {
            "of another territory": elsewhere,
            "deleted elsewhere": gone,
            "in quarantine and waiting": aside,
            "of another company": other.account(other.north),
        }

    def test_answers_as_an_unknown_one(self, rep: Person, world: World) -> None:
        rep.sync()
        foreign = self.records(world)

        unknown = told(rep, "account", uuid4())
        answers = {why: told(rep, "account", one) for why, one in foreign.items()}

        assert said(unknown) == UNKNOWN
        for why, answer in answers.items():
            assert answer | {"id": ""} == unknown | {"id": ""}, why

    def test_that_left_before_its_territory_was_gained_stays_unknown(self, rep: Person, world: World) -> None:
        account = world.account(world.south)
        world.drain()
        world.sql("UPDATE accounts SET deleted_at = now() WHERE id = :id", id=account)
        world.drain()
        with world.session() as session:
            world.join(session, rep.id, world.south)
        rep.sync()

        assert said(told(rep, "account", account)) == UNKNOWN

    def test_is_a_secret_also_from_a_technician_who_owns_it(self, world: World) -> None:
        technician = world.person("technician")
        account = world.account(owner_id=technician.id)
        technician.sync()

        assert said(told(technician, "account", account)) == UNKNOWN


class TestAnotherDevice:
    def test_of_ones_own_may_be_asked_about(self, rep: Person, world: World) -> None:
        second = world.second_phone(rep)
        account = world.account()
        rep.sync()

        assert told(rep, "account", account)["state"] == "held"
        assert told(rep, "account", account, device_id=second.device_id)["state"] == "coming"

    @pytest.mark.parametrize("role", ["rep", "manager"])
    def test_of_somebody_else_is_as_unknown_as_any_other(self, world: World, role: str) -> None:
        person = world.person(role, world.north)
        other = world.person("rep", world.north, manager=person)

        real = asked(person, "account", uuid4(), device_id=other.device_id)
        made_up = asked(person, "account", uuid4(), device_id=uuid4())

        assert real.status_code == made_up.status_code == 404
        assert real.json["code"] == made_up.json["code"] == "not_found"

    def test_of_another_company_is_unknown_to_an_administrator(self, world: World) -> None:
        admin, other = world.person("admin"), World(world.app, world.db)
        stranger = other.person("rep", other.north)

        assert asked(admin, "account", uuid4(), device_id=stranger.device_id).status_code == 404


class TestAnAdministrator:
    def test_sees_why_a_rep_does_not_hold_a_record(self, rep: Person, world: World) -> None:
        admin, account = world.person("admin"), world.account(world.south)
        rep.sync()

        answer = told(admin, "account", account, device_id=rep.device_id)

        assert answer["state"] == "unknown"
        assert answer["internals"]["row"] == {"version": 1, "deleted": False}
        rows = answer["internals"]["feed"]
        assert {row["bucket"] for row in rows} == {f"territory:{world.south}"}
        assert {row["subscribed"] for row in rows} == {False}

    def test_sees_positions_and_the_reason_of_a_quarantine(self, rep: Person, world: World) -> None:
        admin, account = world.person("admin"), world.account()
        rep.sync()
        world.engine_sql(
            "INSERT INTO sync_quarantine (tenant_id, entity, record_id, sqlstate, message)"
            " VALUES (:tenant, 'account', :id, '22008', 'a year too far')",
            id=account,
        )

        internals = told(admin, "account", account, device_id=rep.device_id)["internals"]

        assert internals["position"] == internals["head"] > 0
        assert internals["quarantine"]["message"] == "a year too far"

    def test_sees_that_there_is_no_such_record_at_all(self, rep: Person, world: World) -> None:
        internals = told(world.person("admin"), "account", uuid4(), device_id=rep.device_id)["internals"]

        assert (internals["row"], internals["feed"], internals["waiting"]) == (None, [], False)

    def test_sees_that_the_account_of_the_user_is_closed(self, rep: Person, world: World) -> None:
        account = world.account()
        rep.sync()
        world.sql("UPDATE users SET status = 'disabled' WHERE id = :id", id=rep.id)

        assert told(world.person("admin"), "account", account, device_id=rep.device_id)["state"] == "closed"

    def test_is_shown_internals_and_nobody_else_is(self, rep: Person, world: World) -> None:
        account = world.account()
        manager = world.person("manager", world.region)
        for person in (rep, manager):
            person.sync()

            assert told(person, "account", account)["internals"] is None


class TestRefuses:
    @pytest.mark.parametrize(
        ("query", "pointer", "code"),
        [
            ("id=01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d", "/entity", "required"),
            ("entity=account", "/id", "required"),
            ("entity=nonsense&id=01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d", "/entity", "choice_unknown"),
            ("entity=account&id=7", "/id", "id_invalid"),
            ("entity=account&id=01932C5E-8F00-7A3B-9C1D-2E4F5A6B7C8D", "/id", "id_not_canonical"),
        ],
    )
    def test_what_it_would_have_to_guess(self, rep: Person, query: str, pointer: str, code: str) -> None:
        answer = rep.call("GET", f"{PATH}?{query}")

        assert answer.status_code == 422
        assert (answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]) == (pointer, code)
