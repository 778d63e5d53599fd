"""Accounts and what hangs on them over REST: status, body, permission."""

from typing import Any
from uuid import UUID

import pytest

from app.core.ids import new_id
from app.core.scope import Role
from app.identity.models import MemberKind
from tests.world import Person, World

ACCOUNTS = "/api/v1/accounts"
NEW = {"name": "가람상사", "phone": "02-555-0100", "kinds": ["customer"], "tags": ["겨울"]}


@pytest.fixture
def rep(world: World) -> Person:
    return world.person(Role.REP, world.north)


@pytest.fixture
def technician(world: World) -> Person:
    return world.person(Role.TECHNICIAN, world.north, kind=MemberKind.OVERLAY)


def match(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


class TestPostAccount:
    def test_answers_with_the_record_and_its_version(self, rep: Person) -> None:
        response = rep.call("POST", ACCOUNTS, NEW)

        assert response.status_code == 201
        assert response.headers["ETag"] == '"1"'
        assert response.json["phone"] == "+8225550100"
        assert response.json["owner_id"] == str(rep.id)

    @pytest.mark.parametrize(
        ("body", "pointer", "code"),
        [
            ({}, "/name", "required"),
            ({"name": " "}, "/name", "blank"),
            ({"name": "가", "phone": "전화없음"}, "/phone", "phone_invalid"),
            (
                {"name": "가", "business_number": "123-45-67890"},
                "/business_number",
                "business_number_invalid",
            ),
            ({"name": "가", "kinds": ["friend"]}, "/kinds/0", "choice_unknown"),
            ({"name": "가", "credit_limit": 5}, "/credit_limit", "type_mismatch"),
            ({"name": "가", "location": {"lat": 91, "lon": 0}}, "/location/lat", "value_out_of_range"),
            ({"name": "가", "completeness": 100}, "/completeness", "read_only_field"),
            ({"name": "가", "birth_date": "1990-01-01"}, "/birth_date", "unknown_field"),
        ],
    )
    def test_points_to_what_is_wrong(
        self, rep: Person, body: dict[str, Any], pointer: str, code: str
    ) -> None:
        response = rep.call("POST", ACCOUNTS, body)

        assert response.status_code == 422
        assert (pointer, code) in {(error["pointer"], error["code"]) for error in response.json["errors"]}

    def test_tells_that_a_code_is_taken(self, world: World, rep: Person) -> None:
        world.account(code="C1")

        response = rep.call("POST", ACCOUNTS, {"name": "가람", "code": "C1"})

        assert (response.status_code, response.json["code"]) == (409, "account.code_taken")

    def test_is_not_for_technicians(self, technician: Person) -> None:
        assert technician.call("POST", ACCOUNTS, NEW).status_code == 403


class TestGetAccount:
    def test_shows_a_technician_no_sales_terms(self, world: World, technician: Person) -> None:
        account_id = world.account(
            credit_limit=5, credit_currency="KRW", payment_terms="30일", email="a@b.example"
        )

        body = technician.call("GET", f"{ACCOUNTS}/{account_id}").json

        assert body["name"] == "가람상사"
        assert body.keys().isdisjoint(
            {"credit_limit", "payment_terms", "risk_class", "email", "completeness"}
        )

    def test_shows_a_rep_the_whole(self, world: World, rep: Person) -> None:
        account_id = world.account(credit_limit=5, credit_currency="KRW", location=[37.5, 127.0])

        body = rep.call("GET", f"{ACCOUNTS}/{account_id}").json

        assert (body["credit_limit"], body["location"]) == ("5.0000", {"lat": 37.5, "lon": 127})

    def test_answers_a_foreign_id_as_an_unknown_one(self, world: World, rep: Person) -> None:
        def answer(account_id: UUID) -> tuple[int, str]:
            response = rep.call("GET", f"{ACCOUNTS}/{account_id}")
            return response.status_code, response.json["code"]

        assert answer(world.account(world.south)) == answer(new_id()) == (404, "not_found")

    def test_writes_down_who_read_it(self, world: World, rep: Person) -> None:
        account_id = world.account()

        rep.call("GET", f"{ACCOUNTS}/{account_id}")

        noted = world.engine_sql(
            "SELECT user_id, action FROM access_log WHERE tenant_id = :tenant AND record_id = :id",
            id=account_id,
        )
        assert [tuple(row) for row in noted] == [(rep.id, "read")]


class TestListAccounts:
    def test_goes_on_by_cursor(self, world: World, rep: Person) -> None:
        made = {str(world.account(name=name)) for name in ("가", "나", "다")}

        first = rep.call("GET", f"{ACCOUNTS}?limit=2&sort=name").json
        second = rep.call("GET", f"{ACCOUNTS}?limit=2&sort=name&cursor={first['next_cursor']}").json

        assert [item["name"] for item in first["items"] + second["items"]] == ["가", "나", "다"]
        assert {item["id"] for item in first["items"] + second["items"]} == made
        assert second["next_cursor"] is None

    def test_takes_filters(self, world: World, rep: Person) -> None:
        wanted = world.account(tier="A", kinds=["partner"])
        world.account(tier="B")

        query = f"tier=A&kind=partner&q=가람&territory_id={world.north}&updated_since=2026-01-01T00:00:00Z"
        assert [item["id"] for item in rep.call("GET", f"{ACCOUNTS}?{query}").json["items"]] == [str(wanted)]

    def test_sorts_by_nothing_that_is_hidden(self, technician: Person) -> None:
        response = technician.call("GET", f"{ACCOUNTS}?sort=credit_limit")

        assert (response.status_code, response.json["code"]) == (422, "sort_not_allowed")


class TestPatchAccount:
    def test_changes_and_answers_with_the_next_version(self, world: World, rep: Person) -> None:
        response = rep.call("PATCH", f"{ACCOUNTS}/{world.account()}", {"tier": "A"}, **match(1))

        assert (response.status_code, response.headers["ETag"], response.json["tier"]) == (200, '"2"', "A")

    def test_answers_with_what_the_database_computed(self, world: World, rep: Person) -> None:
        account_id = world.account()
        before = rep.call("GET", f"{ACCOUNTS}/{account_id}").json["completeness"]

        response = rep.call("PATCH", f"{ACCOUNTS}/{account_id}", {"tier": "A"}, **match(1))

        assert response.json["completeness"] > before

    def test_refuses_a_stale_version(self, world: World, rep: Person) -> None:
        account_id = world.account()
        rep.call("PATCH", f"{ACCOUNTS}/{account_id}", {"tier": "A"}, **match(1))

        assert rep.call("PATCH", f"{ACCOUNTS}/{account_id}", {"tier": "B"}, **match(1)).status_code == 412

    def test_wants_a_version(self, world: World, rep: Person) -> None:
        assert rep.call("PATCH", f"{ACCOUNTS}/{world.account()}", {"tier": "A"}).status_code == 428

    @pytest.mark.parametrize("body", [{"credit_limit": "1.0000"}, {"name": "나"}])
    def test_lets_a_technician_write_no_sales_fields(
        self, world: World, technician: Person, body: dict[str, Any]
    ) -> None:
        response = technician.call("PATCH", f"{ACCOUNTS}/{world.account()}", body, **match(1))

        assert (response.status_code, response.json["code"]) == (422, "read_only_field")

    def test_does_not_let_a_rep_reassign(self, world: World, rep: Person) -> None:
        response = rep.call(
            "PATCH", f"{ACCOUNTS}/{world.account()}", {"territory_id": str(world.south)}, **match(1)
        )

        assert (response.status_code, response.json["code"]) == (422, "account.reassign_not_allowed")


class TestMoveAccount:
    def test_is_for_managers(self, world: World, rep: Person) -> None:
        manager = world.person(Role.MANAGER, world.region)
        url, body = f"{ACCOUNTS}/{world.account()}/move", {"territory_id": str(world.south)}

        assert rep.call("POST", url, body, **match(1)).status_code == 403
        assert manager.call("POST", url, body, **match(1)).json["territory_id"] == str(world.south)


class TestDeleteAccount:
    def test_is_for_managers(self, world: World, rep: Person) -> None:
        manager = world.person(Role.MANAGER, world.north)
        url = f"{ACCOUNTS}/{world.account()}"

        assert rep.call("DELETE", url, **match(1)).status_code == 403
        assert manager.call("DELETE", url, **match(1)).status_code == 204
        assert manager.call("GET", url).status_code == 404

    def test_names_what_hangs_on_it(self, world: World) -> None:
        account_id = world.account()
        world.account(parent_id=account_id)

        response = world.person(Role.ADMIN).call("DELETE", f"{ACCOUNTS}/{account_id}", **match(1))

        assert (response.status_code, response.json["code"]) == (409, "has_dependants")
        assert response.json["details"] == {"dependants": ["account"]}


CHILDREN = [
    ("sites", "sites", {"name": "공장", "radius_m": 200}, {"name": "창고"}),
    ("contacts", "contacts", {"name": "이보람", "phone": "010-0000-0001"}, {"job_title": "팀장"}),
    ("relations", "relations", {"kind": "supplies"}, {"kind": "owns"}),
    ("buying-roles", "buying-roles", {"role": "approver", "influence": 80}, {"stance": "supporter"}),
]


class TestChildren:
    @pytest.mark.parametrize(("below", "path", "values", "changes"), CHILDREN)
    def test_live_below_their_account_and_by_id(
        self,
        world: World,
        rep: Person,
        below: str,
        path: str,
        values: dict[str, Any],
        changes: dict[str, Any],
    ) -> None:
        account_id = world.account()
        values = dict(values)
        if below == "relations":
            values["to_account_id"] = str(world.account())
        if below == "buying-roles":
            person = rep.call("POST", f"{ACCOUNTS}/{account_id}/contacts", {"name": "이보람"}).json
            values["contact_id"] = person["id"]

        made = rep.call("POST", f"{ACCOUNTS}/{account_id}/{below}", values)
        url = f"/api/v1/{path}/{made.json['id']}"

        assert (made.status_code, made.json["account_id"]) == (201, str(account_id))
        listed = rep.call("GET", f"{ACCOUNTS}/{account_id}/{below}").json["items"]
        assert listed == rep.call("GET", f"/api/v1/{path}").json["items"] == [made.json]
        changed = rep.call("PATCH", url, changes, **match(1))
        assert changed.json == made.json | changes | {"version": 2}
        assert rep.call("GET", url).json == changed.json
        assert rep.call("DELETE", url, **match(2)).status_code == 204
        assert rep.call("GET", url).status_code == 404

    @pytest.mark.parametrize("below", [below for below, *_ in CHILDREN])
    def test_are_unknown_below_a_foreign_account(self, world: World, rep: Person, below: str) -> None:
        assert rep.call("GET", f"{ACCOUNTS}/{world.account(world.south)}/{below}").status_code == 404

    @pytest.mark.parametrize("path", ["relations", "buying-roles"])
    def test_of_selling_are_not_for_technicians(self, technician: Person, path: str) -> None:
        assert technician.call("GET", f"/api/v1/{path}").status_code == 403

    def test_show_a_technician_no_email(self, world: World, rep: Person, technician: Person) -> None:
        url = f"{ACCOUNTS}/{world.account()}/contacts"
        rep.call("POST", url, {"name": "이보람", "email": "lee@example.com"})

        assert "email" not in technician.call("GET", url).json["items"][0]
