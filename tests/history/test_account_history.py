"""The central customer history: who changed what, when, on which device, and what lost."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from tests.sync.pushing import Json, push
from tests.world import Person, World


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north, name="김하늘")


@pytest.fixture
def technician(world: World) -> Person:
    return world.person("technician", world.north, name="이준서")


@pytest.fixture
def account(world: World) -> UUID:
    return world.account(phone="+82255500001")


def history(person: Person, account: UUID, query: str = "limit=200") -> list[Json]:
    """Newest first."""
    response = person.call("GET", f"/api/v1/accounts/{account}/history?{query}")
    assert response.status_code == 200, response.json
    found: list[Json] = response.json["items"]
    return found


def fields(entry: Json) -> dict[str, tuple[Any, Any]]:
    return {f["field"]: (f["old"], f["new"]) for f in entry["fields"]}


class TestAnEntry:
    def test_of_a_phone_names_the_person_the_device_the_mutation_and_both_times(
        self, rep: Person, account: UUID
    ) -> None:
        rep.sync()
        said = "2026-11-20T08:12:55.001000Z"
        mutation = rep.edit("account", account, {"phone": "+82255500002"}, occurred_at=said)
        push(rep, mutation)

        entry = history(rep, account)[0]

        assert (entry["entity"], entry["record_id"], entry["op"], entry["version"]) == (
            "account",
            str(account),
            "update",
            2,
        )
        assert entry["actor"] == {"kind": "user", "id": str(rep.id), "name": "김하늘"}
        assert entry["device"] == {"id": str(rep.device_id), "name": "Galaxy S26"}
        assert (entry["mutation_id"], entry["occurred_at"]) == (mutation["id"], said)
        assert abs((utc_now() - datetime.fromisoformat(entry["recorded_at"])).total_seconds()) < 60
        assert fields(entry) == {"phone": ("+82255500001", "+82255500002")}

    def test_over_rest_names_the_person_and_the_device_and_no_mutation(
        self, rep: Person, account: UUID
    ) -> None:
        rep.call("PATCH", f"/api/v1/accounts/{account}", {"tier": "A"}, **{"If-Match": '"1"'})

        entry = history(rep, account)[0]

        assert (entry["actor"]["id"], entry["device"]["id"]) == (str(rep.id), str(rep.device_id))
        assert (entry["mutation_id"], entry["occurred_at"]) == (None, None)

    def test_of_a_job_names_the_job(self, world: World, rep: Person, account: UUID) -> None:
        world.sql("UPDATE accounts SET tier = 'A' WHERE tenant_id = :tenant AND id = :id", id=account)

        assert history(rep, account)[0]["actor"] == {"kind": "cli", "id": None, "name": "test"}

    def test_of_raw_sql_names_the_database_role(self, world: World, rep: Person, account: UUID) -> None:
        with world.psql() as owner:
            owner.execute("SELECT set_config('app.tenant', %s, false)", (str(world.id),))
            owner.execute("SET ROLE fieldmerge_engine")
            owner.execute("UPDATE accounts SET tier = 'A' WHERE id = %s", (account,))

        actor = history(rep, account)[0]["actor"]

        assert actor == {"kind": "sql", "id": None, "name": "fieldmerge_owner"}

    def test_shows_values_as_the_wire_writes_them(self, world: World, rep: Person, account: UUID) -> None:
        world.sql(
            "UPDATE accounts SET credit_limit = 5000000, credit_currency = 'KRW', location = '{37.5,127}',"
            " tags = '{겨울}', last_visited_at = '2026-11-01 18:00+09' WHERE tenant_id = :tenant AND id = :id",
            id=account,
        )

        found = fields(history(rep, account)[0])

        assert found["credit_limit"] == (None, "5000000.0000")
        assert found["location"] == (None, {"lat": 37.5, "lon": 127.0})
        assert found["tags"] == ([], ["겨울"])
        assert found["last_visited_at"] == (None, "2026-11-01T09:00:00.000000Z")

    def test_of_children_and_their_parts_stands_with_their_account(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        visit, task = new_id(), new_id()
        world.insert("contacts", id=new_id(), account_id=account, name="뷔람담")
        world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=utc_now())
        world.insert("visit_tasks", id=task, visit_id=visit, title="설문")

        entries = history(rep, account)

        assert [(e["entity"], e["op"], e["part"], e["part_id"]) for e in entries] == [
            ("visit", "insert", "tasks", str(task)),
            ("visit", "insert", None, None),
            ("contact", "insert", None, None),
            ("account", "insert", None, None),
        ]
        assert fields(entries[0])["title"] == (None, "설문")

    def test_tells_deletes_and_restores(self, world: World, rep: Person, account: UUID) -> None:
        contact = new_id()
        world.insert("contacts", id=contact, account_id=account, name="뷔람담")
        for value in ("now()", "NULL"):
            world.sql(
                f"UPDATE contacts SET deleted_at = {value} WHERE tenant_id = :tenant AND id = :id", id=contact
            )

        assert [e["op"] for e in history(rep, account)][:2] == ["restore", "delete"]

    def test_of_the_inbox_is_none(self, world: World, rep: Person, account: UUID) -> None:
        rep.sync()
        edit = rep.edit("account", account, {"legal_name": "나"})
        world.sql(
            "UPDATE accounts SET legal_name = '본사' WHERE tenant_id = :tenant AND id = :id", id=account
        )
        push(rep, edit)

        assert {e["entity"] for e in history(rep, account)} == {"account"}


class TestPages:
    def test_follow_each_other_without_a_gap(self, world: World, rep: Person, account: UUID) -> None:
        for number in range(7):
            world.sql(
                "UPDATE accounts SET tier = :tier WHERE tenant_id = :tenant AND id = :id",
                id=account,
                tier=str(number),
            )

        assert [e["id"] for e in self.walk(rep, account, 3)] == [e["id"] for e in history(rep, account)]

    def test_go_on_past_changes_of_nothing_but_hidden_fields(
        self, world: World, technician: Person, account: UUID
    ) -> None:
        for number in range(6):
            world.sql(
                "UPDATE accounts SET payment_terms = :terms WHERE tenant_id = :tenant AND id = :id",
                id=account,
                terms=f"조건 {number}",
            )

        found = self.walk(technician, account, 2)

        assert [(e["entity"], e["op"]) for e in found] == [("account", "insert")]

    @staticmethod
    def walk(person: Person, account: UUID, limit: int) -> list[Json]:
        found: list[Json] = []
        cursor = None
        for _ in range(20):
            query = f"limit={limit}" + (f"&cursor={cursor}" if cursor else "")
            page = person.call("GET", f"/api/v1/accounts/{account}/history?{query}").json
            assert len(page["items"]) <= limit
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found
        raise AssertionError("no end")

    @pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "²", "٣", "9" * 30, "1;DROP", "%00", "1 "])
    def test_of_a_cursor_that_is_none_are_refused(self, rep: Person, account: UUID, cursor: str) -> None:
        response = rep.call("GET", f"/api/v1/accounts/{account}/history?cursor={cursor}")

        assert response.status_code in (400, 422)
        assert response.content_type == "application/problem+json"

    @pytest.mark.parametrize("limit", ["0", "-1", "1e9", "abc", "201"])
    def test_of_a_limit_that_is_none_are_refused(self, rep: Person, account: UUID, limit: str) -> None:
        assert rep.call("GET", f"/api/v1/accounts/{account}/history?limit={limit}").status_code == 422


class TestWhoSeesWhat:
    def test_a_technician_is_shown_no_field_of_sales(
        self, world: World, technician: Person, account: UUID
    ) -> None:
        world.sql(
            "UPDATE accounts SET payment_terms = '현금', phone = '+82255500009' WHERE tenant_id = :tenant AND id = :id",
            id=account,
        )

        assert fields(history(technician, account)[0]) == {"phone": ("+82255500001", "+82255500009")}

    def test_a_loser_in_a_hidden_field_is_hidden_too(
        self, world: World, rep: Person, technician: Person, account: UUID
    ) -> None:
        rep.sync()
        edit = rep.edit("account", account, {"lifecycle_stage": "옛것"}, age_ms=3_600_000)
        world.sql(
            "UPDATE accounts SET lifecycle_stage = '새것' WHERE tenant_id = :tenant AND id = :id", id=account
        )
        assert push(rep, edit)["status"] == "superseded"

        assert [e["op"] for e in history(rep, account)] == ["lost", "update", "insert"]
        assert [e["op"] for e in history(technician, account)] == ["insert"]

    def test_a_technician_is_shown_own_visits_and_tasks_only(
        self, world: World, rep: Person, technician: Person, account: UUID
    ) -> None:
        mine = new_id()
        for person, visit in ((rep, new_id()), (technician, mine)):
            world.insert(
                "visits", id=visit, account_id=account, assignee_id=person.id, planned_start=utc_now()
            )
            world.insert("tasks", id=new_id(), account_id=account, assignee_id=person.id, title=person.login)

        entries = history(technician, account)

        assert [e["record_id"] for e in entries if e["entity"] == "visit"] == [str(mine)]
        assert [fields(e)["title"][1] for e in entries if e["entity"] == "task"] == [technician.login]
        assert len([e for e in history(rep, account) if e["entity"] in ("visit", "task")]) == 4

    @pytest.mark.parametrize("role", ["rep", "manager", "admin", "technician"])
    def test_private_activities_are_shown_to_their_author_alone(
        self, world: World, rep: Person, account: UUID, role: str
    ) -> None:
        other = world.person(role, *([] if role == "admin" else [world.north]))
        fields_ = {"account_id": str(account), "kind": "note", "body": "비밀", "private": True}
        push(rep, rep.mutation("create", "activity", new_id(), fields=fields_))

        assert [e["entity"] for e in history(rep, account)] == ["activity", "account"]
        assert [e["entity"] for e in history(other, account)] == ["account"]

    def test_private_activities_stay_private_when_the_operator_mends_one_in_sql(
        self, world: World, rep: Person, account: UUID
    ) -> None:
        activity, colleague = new_id(), world.person("rep", world.north)
        world.insert(
            "activities",
            id=activity,
            account_id=account,
            author_id=rep.id,
            kind="note",
            body="비밀",
            private=True,
            happened_at=utc_now(),
        )
        world.engine_sql(
            "UPDATE activities SET body = '고친 비밀' WHERE tenant_id = :tenant AND id = :id", id=activity
        )

        assert "비밀" not in str(history(colleague, account))
        assert [e["op"] for e in history(rep, account) if e["entity"] == "activity"] == ["update", "insert"]

    def test_the_history_of_a_foreign_account_is_as_unknown_as_that_of_none(
        self, world: World, rep: Person
    ) -> None:
        foreign = world.account(world.south)

        answers = [rep.call("GET", f"/api/v1/accounts/{i}/history") for i in (foreign, new_id())]

        assert [a.status_code for a in answers] == [404, 404]
        assert [a.json["code"] for a in answers] == ["not_found", "not_found"]

    def test_partners_have_no_history(self, world: World, account: UUID) -> None:
        partner = world.person("partner", world.north)

        assert partner.call("GET", f"/api/v1/accounts/{account}/history").status_code == 403

    def test_reading_it_is_written_down(self, world: World, rep: Person, account: UUID) -> None:
        history(rep, account)

        logged = world.sql(
            "SELECT user_id, action, entity, record_id FROM access_log WHERE tenant_id = :tenant"
        )
        assert logged == [(rep.id, "history", "account", account)]
