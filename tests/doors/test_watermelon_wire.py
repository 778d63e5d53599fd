"""The door for WatermelonDB, asked as its client asks."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from app.jobs.retention import forget_the_past
from app.sync_api.watermelon.wire import Edit
from tests.world import Person, World

PATH = "/api/v1/sync/watermelon"


def pull(person: Person, mark: int | None = None, **more: Any) -> Any:
    query = "&".join(f"{k}={v}" for k, v in {"last_pulled_at": mark or "null", **more}.items())
    response = person.call("GET", f"{PATH}?{query}")
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.json


def push(person: Person, mark: int, **tables: Any) -> Any:
    response = person.call("POST", f"{PATH}?last_pulled_at={mark}", tables)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.json


class TestThin:
    def test_a_first_sync_and_an_edit(self, world: World) -> None:
        account = str(world.account(phone="+8220000001"))
        rep = world.person(Role.REP, world.north)
        first = pull(rep)
        rows = {r["id"]: r for r in first["changes"]["account"]["updated"]}
        row = rows[account] | {"phone": "+8220000002", "_status": "updated", "_changed": "phone"}
        told = push(rep, first["timestamp"], account={"created": [], "updated": [row], "deleted": []})
        assert told["verdicts"] == []
        assert world.sql("SELECT phone FROM accounts WHERE tenant_id = :tenant") == [("+8220000002",)]
        second = pull(rep, first["timestamp"])
        assert [r["phone"] for r in second["changes"]["account"]["updated"]] == ["+8220000002"]
        assert second["timestamp"] > first["timestamp"]
        assert not second["has_more"]


def account_row(answer: Any, account: str, **edits: Any) -> dict[str, Any]:
    """A row as it came, edited as the client writes it down."""
    row = next(row for row in answer["changes"]["account"]["updated"] if row["id"] == account)
    return row | edits | {"_status": "updated", "_changed": ",".join(edits)}


class TestTheWire:
    @pytest.mark.parametrize("mark", ["x", "-1", "1.5", str(1 << 60)])
    def test_a_number_that_the_server_cannot_have_given_is_refused(self, world: World, mark: str) -> None:
        response = world.person(Role.REP, world.north).call("GET", f"{PATH}?last_pulled_at={mark}")
        assert (response.status_code, response.json["code"]) == (400, "value_out_of_range")

    @pytest.mark.parametrize("mark", ["", "0", "null", "undefined"])
    def test_a_first_sync_is_written_in_many_ways(self, world: World, mark: str) -> None:
        world.account()
        response = world.person(Role.REP, world.north).call("GET", f"{PATH}?last_pulled_at={mark}")
        assert len(response.json["changes"]["account"]["updated"]) == 1

    @pytest.mark.parametrize("migration", ["[]", "{", '{"tables": 1, "columns": []}'])
    def test_a_migration_that_is_none_is_refused(self, world: World, migration: str) -> None:
        response = world.person(Role.REP, world.north).call("GET", f"{PATH}?migration={migration}")
        assert (response.status_code, response.json["code"]) == (400, "json_invalid")

    @pytest.mark.parametrize(
        "body",
        [
            {"account": []},
            {"account": {"created": {}}},
            {"account": {"updated": [1]}},
            {"account": {"deleted": [1]}},
        ],
    )
    def test_a_push_of_another_form_is_refused_whole(self, world: World, body: Any) -> None:
        rep = world.person(Role.REP, world.north)
        mark = pull(rep)["timestamp"]
        response = rep.call("POST", f"{PATH}?last_pulled_at={mark}", body)
        assert (response.status_code, response.json["code"]) == (400, "type_mismatch")

    def test_a_push_from_an_unknown_place_judges_nothing(self, world: World) -> None:
        account = str(world.account(phone="+8220000001"))
        rep = world.person(Role.REP, world.north)
        first = pull(rep)
        row = account_row(first, account, phone="+8220000002")
        for mark in (first["timestamp"] + 1, "null"):
            response = rep.call("POST", f"{PATH}?last_pulled_at={mark}", {"account": {"updated": [row]}})
            assert (response.status_code, response.json["code"]) == (503, "pull_first")
            assert "Retry-After" in response.headers
        assert world.sql("SELECT phone FROM accounts WHERE tenant_id = :tenant") == [("+8220000001",)]

    def test_a_place_of_another_device_is_unknown(self, world: World) -> None:
        account = str(world.account())
        rep = world.person(Role.REP, world.north)
        mark = pull(rep)["timestamp"]
        other = pull(world.second_phone(rep), mark)
        assert [row["id"] for row in other["changes"]["account"]["updated"]] == [account]

    def test_one_row_that_is_none_leaves_the_others_alone(self, world: World) -> None:
        account = str(world.account())
        rep = world.person(Role.REP, world.north)
        first = pull(rep)
        row = account_row(first, account, phone="+8220000002")
        strange = {
            "id": "Ab3dEf6hIj9kLm2n",
            "name": "x",
            "account_id": account,
            "_status": "created",
            "_changed": "",
        }
        told = push(
            rep,
            first["timestamp"],
            account={"updated": [row]},
            contact={"created": [strange]},
            drafts={"deleted": ["x"]},
        )
        assert {(one["table"], one["code"]) for one in told["verdicts"]} == {
            ("contact", "id_not_canonical"),
            ("drafts", "unknown_entity"),
        } or {one["status"] for one in told["verdicts"]} == {"rejected"}
        assert world.sql("SELECT phone FROM accounts WHERE tenant_id = :tenant") == [("+8220000002",)]

    def test_one_push_that_comes_many_times_at_once_has_one_effect(self, world: World) -> None:
        account = str(world.account(tags=["가"]))
        rep = world.person(Role.REP, world.north)
        first = pull(rep)
        row = account_row(first, account, tags='["가","나"]')
        contact = {
            "id": str(new_id()),
            "account_id": account,
            "name": "윤담당",
            "_status": "created",
            "_changed": "",
        }
        with ThreadPoolExecutor(4) as pool:
            sent = [
                pool.submit(
                    push, rep, first["timestamp"], account={"updated": [row]}, contact={"created": [contact]}
                )
                for _ in range(4)
            ]
            assert [one.result()["verdicts"] for one in sent] == [[]] * 4
        assert world.sql("SELECT tags, version FROM accounts WHERE tenant_id = :tenant") == [
            (["가", "나"], 2)
        ]
        assert world.sql("SELECT version FROM contacts WHERE tenant_id = :tenant") == [(1,)]

    def test_a_technician_is_told_of_the_columns_of_their_shape_only(self, world: World) -> None:
        account = world.account(credit_limit=1000, email="a@example.com")
        technician = world.person(Role.TECHNICIAN)
        world.insert(
            "visits", id=new_id(), account_id=account, assignee_id=technician.id, planned_start=utc_now()
        )
        row = pull(technician)["changes"]["account"]["updated"][0]
        known = technician.call("GET", f"{PATH}/schema").json["tables"]["account"]
        assert set(row) == {"id", *known}
        assert not {"credit_limit", "email"} & set(row)

    def test_when_an_edit_was_made_is_told_by_the_apps_own_column(self, world: World) -> None:
        account = str(world.account(phone="+8220000001"))
        rep = world.person(Role.REP, world.north)
        first = pull(rep)
        made, sent = utc_now() - timedelta(hours=3), utc_now()
        row = account_row(first, account, phone="+8220000002") | {"updated_at": made.timestamp() * 1000 // 1}
        rep.call(
            "POST",
            f"{PATH}?last_pulled_at={first['timestamp']}&sent_at={int(sent.timestamp() * 1000)}",
            {"account": {"updated": [row]}},
        )
        told = world.sql("SELECT occurred_at FROM changes WHERE tenant_id = :tenant AND op = 'update'")[0][0]
        assert abs(told - made) < timedelta(seconds=1)


class TestRetention:
    def test_a_device_that_has_not_come_for_half_a_year_is_forgotten_and_begins_anew(
        self, world: World
    ) -> None:
        account = str(world.account())
        rep, other = world.person(Role.REP, world.north), world.person(Role.REP, world.north)
        mark = pull(rep)["timestamp"]
        pull(other)
        world.sql(
            "UPDATE watermelon_devices SET seen_at = seen_at - interval '181 days'"
            " WHERE tenant_id = :tenant AND device_id = :device",
            device=rep.device_id,
        )
        forget_the_past(world.db, world.id, utc_now())

        for table in ("devices", "rows", "marks"):
            kept = world.sql(f"SELECT DISTINCT device_id FROM watermelon_{table} WHERE tenant_id = :tenant")
            assert [row[0] for row in kept] == [other.device_id], table
        assert [row["id"] for row in pull(rep, mark)["changes"]["account"]["updated"]] == [account]


def test_a_row_that_was_only_in_a_lost_page_leaves_with_its_scope(world: World) -> None:
    """The device made it; the page that had it never arrived, and before the next one it was somebody else's."""
    account = world.account()
    rep = world.person(Role.REP, world.north)
    mark, made = pull(rep)["timestamp"], str(new_id())
    row = {"id": made, "_status": "created", "_changed": "", "account_id": str(account), "name": "김한결"}
    push(rep, mark, contact={"created": [row], "updated": [], "deleted": []})
    lost = pull(rep, mark, pending=0)
    assert made in [one["id"] for one in lost["changes"]["contact"]["updated"]]
    world.sql(
        "UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant AND id = :id",
        to=world.south,
        id=account,
    )

    found = pull(rep, mark, pending=0)

    assert made in found["changes"]["contact"]["deleted"]


def created(record_id: Any, group: str = "", **fields: Any) -> dict[str, Any]:
    return {"id": str(record_id), **fields, "sync_group": group, "_status": "created", "_changed": ""}


def pushed_groups(world: World) -> dict[str, set[str]]:
    """The names that were pushed together."""
    rows = world.sql(
        "SELECT group_id, payload -> 'fields' ->> 'name' FROM sync_mutations WHERE tenant_id = :tenant"
    )
    found: dict[str, set[str]] = {}
    for group, name in rows:
        found.setdefault(str(group), set()).add(name)
    return found


class TestGroups:
    def test_come_behind_what_they_hang_on_and_before_what_hangs_on_them(self, world: World) -> None:
        """Of a group there is a customer that a lone contact hangs on, and a contact of a lone customer."""
        rep = world.person(Role.REP, world.north)
        mark = pull(rep)["timestamp"]
        lone, grouped = new_id(), new_id()
        accounts = [
            created(grouped, "g", name="묶음", territory_id=str(world.north)),
            created(lone, name="홀로", territory_id=str(world.north)),
        ]
        contacts = [
            created(new_id(), name="가", account_id=str(grouped)),
            created(new_id(), "g", name="나", account_id=str(lone)),
        ]
        told = push(rep, mark, account={"created": accounts}, contact={"created": contacts})

        assert told["verdicts"] == []
        groups = pushed_groups(world)
        assert groups.pop("None") == {"홀로", "가"}
        assert list(groups.values()) == [{"묶음", "나"}]

    def test_of_which_a_part_came_before_are_judged_with_the_rest(self, world: World) -> None:
        """Its answer was lost, and one row was edited once more with the column as it was."""
        first, second = world.account(name="하나"), world.account(name="둘")
        rep = world.person(Role.REP, world.north)
        mark = pull(rep)["timestamp"]
        one = {"id": str(first), "name": "하나!", "sync_group": "g", "_changed": "name,sync_group"}
        other = {"id": str(second), "name": "둘!", "sync_group": "g", "_changed": "name,sync_group"}
        push(rep, mark, account={"updated": [one, other]})
        told = push(rep, mark, account={"updated": [one | {"name": "하나!!"}, other]})

        assert told["verdicts"] == []
        names = world.sql("SELECT name FROM accounts WHERE tenant_id = :tenant ORDER BY name")
        assert [row[0] for row in names] == ["둘!", "하나!!"]

    def test_end_with_the_push_whatever_the_column_still_says(self, world: World) -> None:
        account = world.account(name="하나")
        rep = world.person(Role.REP, world.north)
        mark = pull(rep)["timestamp"]
        row = {"id": str(account), "name": "둘", "sync_group": "g", "_status": "updated", "_changed": "name"}
        push(rep, mark, account={"updated": [row]})

        assert pushed_groups(world) == {"None": {"둘"}}

    def test_of_more_than_the_engine_takes_at_once_are_refused_whole(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        mark = pull(rep)["timestamp"]
        rows = [created(new_id(), "g", name=f"가게 {n}", territory_id=str(world.north)) for n in range(51)]
        told = push(rep, mark, account={"created": rows})

        assert {one["code"] for one in told["verdicts"]} == {"group_too_large"}
        assert world.sql("SELECT count(*) FROM accounts WHERE tenant_id = :tenant")[0][0] == 0


def test_a_number_beyond_all_columns_has_its_hash_too() -> None:
    """What is wrong with it is said when it is judged."""
    assert len(Edit("account", str(new_id()), "create", {"name": 10**30}).hash) == 32
