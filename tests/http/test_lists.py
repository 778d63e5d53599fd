"""Every list of the document, asked for places, orders, filters and lengths that it does not have."""

import base64
import json
from datetime import date
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from app.core.ids import new_id
from app.sync_api.registry import BY_NAME
from tests.approvals.planted import plant_approval, plant_days_off, plant_notification, plant_policy
from tests.http.goods import goods
from tests.http.house import (
    ACTIVITY,
    DOCUMENT,
    INVOICE,
    OPERATIONS,
    PAYMENT,
    VISIT,
    WEBHOOK,
    Operation,
    made,
    named,
)
from tests.knowledge.planted import (
    plant_article,
    plant_packs,
    plant_receipt,
    plant_run,
    plant_said,
    plant_tree,
)
from tests.orders.planted import plant_orders, plant_terms
from tests.world import Person, World

SYNC_CURSOR = "/api/v1/sync/digest"
HIDDEN = sorted(set(BY_NAME["account"].policy.fields) - set(BY_NAME["account"].policy.fields_of("service")))


def parameters(operation: Operation) -> set[str]:
    declared = DOCUMENT["paths"][operation.path][operation.method.lower()].get("parameters", [])
    return {p["name"] for p in declared if p.get("in") == "query"}


LISTS = [o for o in OPERATIONS if "cursor" in parameters(o) and o.path != SYNC_CURSOR]


def refusal(answer: Any) -> tuple[int, str, str]:
    return answer.status_code, answer.mimetype, answer.json["code"]


PROBLEM = "application/problem+json"
INVALID = (422, PROBLEM, "validation_failed")
CURSOR_INVALID = (400, PROBLEM, "cursor_invalid")


@pytest.fixture(scope="module")
def two_of_each(house: World, ids: dict[str, str], everybody: dict[str, Person]) -> None:
    """What the other fixtures made one of, or none."""
    admin, rep = everybody["admin"], everybody["rep"]
    account = ids["accounts/account_id"]
    made(admin, "visits", account_id=account, **VISIT)
    made(admin, "tasks", account_id=account, title="Call back")
    made(admin, "activities", account_id=account, **ACTIVITY)
    made(admin, f"accounts/{account}/sites", name="Second depot")
    contact = made(admin, f"accounts/{account}/contacts", name="이하늘")
    other = str(house.account())
    for number in ("2", "3"):
        made(admin, "invoices", account_id=other, number=number, **INVOICE)
        made(admin, "payments", account_id=other, **PAYMENT)
    made(admin, "webhooks", **WEBHOOK)
    credit = f"/api/v1/accounts/{account}/credit"
    for turn in ("hold", "release"):
        seen = admin.call("GET", credit).headers["ETag"]
        answer = admin.call("POST", f"{credit}/{turn}", {"reason": "연체"}, **{"If-Match": seen})
        assert answer.status_code == 200, answer.text
    made(admin, f"accounts/{account}/relations", kind="supplies", to_account_id=other)
    made(admin, f"accounts/{account}/buying-roles", contact_id=contact, role="user")
    goods(admin, account, 2)
    plant_orders(house, house.account(), rep.id)
    plant_terms(house, user_id=rep.id)
    made(admin, "search/synonyms", words=["그리스", "grease"])
    for day in ("2031-01-01", "2032-01-01"):
        to = {"from_user_id": str(rep.id), "to_user_id": str(everybody["manager"].id)}
        made(admin, "delegations", work="territories", valid_from=day, valid_to=day, **to)
    for code in ("a", "b"):
        house.insert("org_units", id=new_id(), code=code, name=code, kind="branch")
        house.insert("permission_sets", id=new_id(), code=code, name=code)
    plant_approval(house, rep.id, everybody["manager"].id)
    plant_policy(house, active=False)
    plant_days_off(house, rep.id, date(2031, 1, 2))
    plant_notification(house, admin.id)
    for _ in range(2):
        notice = plant_article(house, admin.id, role="rep", must_read=True, next_review_on=date(2020, 1, 1))
        plant_receipt(house, notice, admin.id)
        plant_said(house, notice, admin.id, UUID(ids["visits/visit_id"]))
        tree = plant_tree(house, admin.id, role="rep")
        plant_run(house, tree, UUID(str(ids["accounts/account_id"])), UUID(ids["visits/visit_id"]), admin.id)
    plant_packs(house, "audience:rep")
    for table, columns, values in (
        ("sync_alarms", "kind, entity", "'mark_without_row', 'account'"),
        (
            "sync_quarantine",
            "entity, record_id, sqlstate, message",
            "'account', gen_random_uuid(), '22008', 'x'",
        ),
    ):
        house.engine_sql(
            f"INSERT INTO {table} (tenant_id, {columns}) SELECT :tenant, {values} FROM generate_series(1, 2)"
        )
    rep.sync()
    refused = [rep.mutation("update", "account", new_id(), base_version=1, fields={}) for _ in range(2)]
    edit = rep.edit("account", account, {"legal_name": "우리 이름"})
    house.sql("UPDATE accounts SET legal_name = '본사' WHERE tenant_id = :tenant AND id = :id", id=account)
    assert [v["status"] for v in rep.sync(*refused, edit)] == ["rejected", "rejected", "conflict"]


class TestLength:
    @pytest.mark.parametrize("operation", LISTS, ids=named)
    def test_is_within_bounds(
        self, operation: Operation, ids: dict[str, str], everybody: dict[str, Person]
    ) -> None:
        for limit in ("0", "-1", "201", "1000000000", "1e9", "abc", "", "1.5", "%00"):
            answer = operation.ask(everybody["admin"], ids, query=f"limit={limit}")

            assert refusal(answer) == INVALID, limit
            assert [(e["in"], e["pointer"]) for e in answer.json["errors"]] == [("query", "/limit")]


class TestOrder:
    @pytest.mark.parametrize("operation", LISTS, ids=named)
    def test_is_by_a_declared_field_or_refused(
        self, operation: Operation, ids: dict[str, str], everybody: dict[str, Person]
    ) -> None:
        expected = (422, PROBLEM, "sort_not_allowed") if "sort" in parameters(operation) else INVALID

        for sort in ("tenant_id", "stamps", "password_hash", "--id", "-", "", "id;DROP"):
            answer = operation.ask(everybody["admin"], ids, query=f"sort={sort}")

            assert refusal(answer) == expected, sort

    @pytest.mark.parametrize("operation", [o for o in LISTS if "sort" in parameters(o)], ids=named)
    def test_is_honoured_both_ways(
        self, operation: Operation, ids: dict[str, str], everybody: dict[str, Person], two_of_each: None
    ) -> None:
        admin = everybody["admin"]
        names = operation.ask(admin, ids, query="sort=nonsense").json["details"]["allowed"]
        assert "id" in names

        for name in names:
            up, down = (
                operation.ask(admin, ids, query=f"sort={sign}{name}&limit=200").json["items"]
                for sign in ("", "-")
            )
            if name == "id" and up and "id" in up[0]:
                # Not whole items: how far behind a device is, say, changes with each second.
                rising, falling = ([item["id"] for item in items] for items in (up, down))
                assert rising == sorted(rising)
                assert rising == falling[::-1]
            assert len(up) == len(down)

    def test_by_a_field_that_one_may_not_see_is_by_no_field_at_all(
        self, everybody: dict[str, Person]
    ) -> None:
        technician = everybody["technician"]
        for path in ("accounts", "contacts"):
            told = [
                technician.call("GET", f"/api/v1/{path}?sort={name}").json | {"request_id": None}
                for name in ("nonsense", *HIDDEN)
            ]

            assert told[0]["code"] == "sort_not_allowed"
            assert told == [told[0]] * len(told)


class TestFilters:
    @pytest.mark.parametrize("operation", LISTS, ids=named)
    def test_that_are_not_declared_are_refused(
        self, operation: Operation, ids: dict[str, str], everybody: dict[str, Person]
    ) -> None:
        for name in ("tenant_id", "deleted_at", "page", "%F0%9F%8D%B5"):
            answer = operation.ask(everybody["admin"], ids, query=f"{name}=1")

            assert refusal(answer) == INVALID
            assert [e["code"] for e in answer.json["errors"]] == ["unknown_field"]

    def test_by_a_field_that_one_may_not_see_are_as_unknown_as_any(
        self, everybody: dict[str, Person]
    ) -> None:
        technician = everybody["technician"]
        told = []
        for name in ("nonsense", *HIDDEN):
            answer = technician.call("GET", f"/api/v1/accounts?{name}=1")
            told.append((answer.status_code, answer.text.replace(name, "?").rpartition(',"request_id"')[0]))

        assert told == [told[0]] * len(told)
        assert told[0][0] == 422

    def test_by_a_field_that_one_may_not_see_find_nothing_by_search(
        self, house: World, everybody: dict[str, Person]
    ) -> None:
        house.account(
            house.region, name="숨은상사", business_number="220-81-62517", email="hidden@example.com"
        )
        technician, manager = everybody["technician"], everybody["manager"]

        for words in ("220-81-62517", "2208162517", "hidden@example.com"):
            found = [
                [a["name"] for a in person.call("GET", f"/api/v1/accounts?q={words}").json["items"]]
                for person in (technician, manager)
            ]
            assert found[0] == [], (words, found)


FORGED = {
    "nothing": "",
    "one letter": "x",
    "a number": "5",
    "zero": "0",
    "a negative number": "-1",
    "a number of the future": str(2**62),
    "a number beyond all": "9" * 40,
    "Arabic digits": "١",
    "an emoji": "🍵",
    "base64 of nothing much": base64.urlsafe_b64encode(b"{}").decode(),
    "a place written by hand": base64.urlsafe_b64encode(
        f"2026-11-21T09:00:00+00:00 {new_id()}".encode()
    ).decode(),
    "a place at the end of time": base64.urlsafe_b64encode(
        f"9999-12-31T23:59:59-23:59 {new_id()}".encode()
    ).decode(),
    "a place in JSON": base64.urlsafe_b64encode(json.dumps(["json", 1, str(new_id())]).encode()).decode(),
    "2,000 letters": "A" * 2_000,
}


class TestPlace:
    @pytest.mark.parametrize("operation", LISTS, ids=named)
    def test_that_the_list_never_gave_is_refused(
        self, operation: Operation, ids: dict[str, str], everybody: dict[str, Person]
    ) -> None:
        for what, cursor in FORGED.items():
            answer = operation.ask(everybody["admin"], ids, query=f"cursor={quote(cursor)}")

            assert refusal(answer) == CURSOR_INVALID, what

    @pytest.mark.parametrize("operation", LISTS, ids=named)
    def test_is_good_for_its_list_and_its_owner_alone(
        self,
        operation: Operation,
        house: World,
        ids: dict[str, str],
        everybody: dict[str, Person],
        two_of_each: None,
    ) -> None:
        admin, other = everybody["admin"], house.person("admin")
        first = operation.ask(admin, ids, query="limit=1").json
        cursor = first["next_cursor"]
        assert len(first["items"]) == 1
        assert cursor

        second = operation.ask(admin, ids, query=f"limit=1&cursor={cursor}")

        assert second.status_code == 200, second.text
        assert second.json["items"] != first["items"]
        assert refusal(operation.ask(other, ids, query=f"limit=1&cursor={cursor}")) == CURSOR_INVALID
        for length in (1, len(cursor) // 2, len(cursor) - 2):
            cut = operation.ask(admin, ids, query=f"cursor={cursor[:length]}")
            assert refusal(cut) == CURSOR_INVALID
        next_list = LISTS[(LISTS.index(operation) + 1) % len(LISTS)]
        assert refusal(next_list.ask(admin, ids, query=f"cursor={cursor}")) == CURSOR_INVALID
