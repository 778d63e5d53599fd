"""Identity over HTTP."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.config import Config
from app.core import clock
from app.core.scope import Role
from app.factory import create_app
from app.http.services import services
from app.identity.models import User
from tests.identity.conftest import NOW, PASSWORD, TODAY, Company


@pytest.fixture(scope="module")
def app_client(config: Config) -> Iterator[FlaskClient]:
    app = create_app(config)
    yield app.test_client()
    services(app).db.dispose()


@pytest.fixture
def client(app_client: FlaskClient) -> Iterator[FlaskClient]:
    with clock.clock_at(NOW):
        yield app_client


def log_in(client: FlaskClient, company: Company, user: User, **more: Any) -> TestResponse:
    body = {
        "tenant": company.code,
        "login": user.login,
        "password": PASSWORD,
        "device": {"name": "Galaxy", "platform": "android", "app_version": "1.4.0"},
    } | more
    return client.post("/api/v1/auth/login", json=body)


def bearer(client: FlaskClient, company: Company, user: User) -> dict[str, str]:
    token = log_in(client, company, user).get_json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


class TestLogin:
    def test_answers_with_both_tokens(self, client: FlaskClient, company: Company) -> None:
        rep = company.person()
        answer = log_in(client, company, rep)
        body = answer.get_json()
        assert (answer.status_code, body["user_id"], body["expires_in"]) == (200, str(rep.id), 900)
        assert body["token_type"] == "Bearer"

    def test_answers_the_same_for_a_wrong_password_and_an_unknown_login(
        self, client: FlaskClient, company: Company
    ) -> None:
        rep = company.person()
        answers = [
            log_in(client, company, rep, **wrong) for wrong in ({"password": "no"}, {"login": "nobody"})
        ]
        answers.append(log_in(client, company, rep, tenant="nobody"))
        for answer in answers:
            assert answer.status_code == 401
            assert answer.mimetype == "application/problem+json"
        bodies = [answer.get_json() | {"request_id": ""} for answer in answers]
        assert bodies[0] == bodies[1] == bodies[2]
        assert bodies[0]["code"] == "auth.login_failed"

    def test_says_when_to_come_back(self, client: FlaskClient, company: Company) -> None:
        rep = company.person()
        for _ in range(10):
            log_in(client, company, rep, password="no")
        answer = log_in(client, company, rep)
        assert (answer.status_code, answer.get_json()["code"]) == (429, "auth.too_many_tries")
        assert int(answer.headers["Retry-After"]) == 900

    @pytest.mark.parametrize(
        ("more", "pointer", "code"),
        [
            ({"login": "a\x00b"}, "/login", "char_not_allowed"),
            ({"password": 7}, "/password", "type_mismatch"),
            ({"device": {"name": "x"}}, "/device/platform", "required"),
            ({"admin": True}, "/admin", "unknown_field"),
            ({"device": {"name": "x", "platform": "y", "id": "7"}}, "/device/id", "id_invalid"),
        ],
    )
    def test_refuses_bad_bodies(
        self, client: FlaskClient, company: Company, more: dict[str, Any], pointer: str, code: str
    ) -> None:
        answer = log_in(client, company, company.person(), **more)
        error = answer.get_json()["errors"][0]
        assert (answer.status_code, error["pointer"], error["code"]) == (422, pointer, code)


class TestSession:
    def test_is_renewed(self, client: FlaskClient, company: Company) -> None:
        first = log_in(client, company, company.person()).get_json()
        answer = client.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
        assert answer.status_code == 200
        assert answer.get_json()["refresh_token"] != first["refresh_token"]

    def test_is_not_renewed_by_junk(self, client: FlaskClient) -> None:
        answer = client.post("/api/v1/auth/refresh", json={"refresh_token": "junk"})
        assert (answer.status_code, answer.get_json()["code"]) == (401, "auth.refresh_invalid")

    def test_says_who_one_is(self, client: FlaskClient, company: Company) -> None:
        rep, territory = company.person(), company.territory()
        company.member(territory, rep)
        body = client.get("/api/v1/auth/me", headers=bearer(client, company, rep)).get_json()
        assert body["user"]["login"] == rep.login
        assert body["tenant"]["code"] == company.code
        assert (body["shape"], body["territory_ids"]) == ("sales", [str(territory.id)])

    def test_ends_at_once_with_logout(self, client: FlaskClient, company: Company) -> None:
        headers = bearer(client, company, company.person())
        assert client.post("/api/v1/auth/logout", headers=headers).status_code == 204
        answer = client.get("/api/v1/auth/me", headers=headers)
        assert (answer.status_code, answer.get_json()["code"]) == (401, "auth.session_ended")

    def test_ends_at_once_when_the_device_is_locked(self, client: FlaskClient, company: Company) -> None:
        headers = bearer(client, company, company.person())
        (device,) = client.get("/api/v1/devices", headers=headers).get_json()["items"]
        assert client.delete(f"/api/v1/devices/{device['id']}", headers=headers).status_code == 204
        answer = client.get("/api/v1/users", headers=headers)
        assert (answer.status_code, answer.get_json()["code"]) == (401, "auth.device_revoked")

    def test_goes_on_after_a_password_change(self, client: FlaskClient, company: Company) -> None:
        headers = bearer(client, company, company.person())
        body = {"current_password": PASSWORD, "new_password": "blue tea at nine"}
        assert client.post("/api/v1/auth/password", json=body, headers=headers).status_code == 204
        assert client.get("/api/v1/auth/me", headers=headers).status_code == 200


class TestFirstSteps:
    def test_only_lead_to_a_password(self, client: FlaskClient, company: Company) -> None:
        admin, rep = company.person(Role.ADMIN), company.person()
        reset = client.post(f"/api/v1/users/{rep.id}/password-reset", headers=bearer(client, company, admin))
        one_time = reset.get_json()["password"]
        answer = log_in(client, company, rep, password=one_time).get_json()
        assert answer["must_change_password"] is True
        headers = {"Authorization": f"Bearer {answer['access_token']}"}
        refused = client.get("/api/v1/users", headers=headers)
        assert (refused.status_code, refused.get_json()["code"]) == (403, "auth.password_change_due")
        assert client.get("/api/v1/auth/me", headers=headers).get_json()["must_change_password"] is True
        body = {"current_password": one_time, "new_password": "blue tea at nine"}
        assert client.post("/api/v1/auth/password", json=body, headers=headers).status_code == 204
        assert client.get("/api/v1/users", headers=headers).status_code == 200


class TestUsers:
    def test_are_made_changed_and_disabled(self, client: FlaskClient, company: Company) -> None:
        headers = bearer(client, company, company.person(Role.ADMIN))
        body = {"login": "new", "name": "새사람", "role": "rep", "password": PASSWORD}
        made = client.post("/api/v1/users", json=body, headers=headers)
        assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
        assert "password" not in made.get_json()
        address = f"/api/v1/users/{made.get_json()['id']}"
        changed = client.patch(address, json={"role": "manager"}, headers=headers | {"If-Match": '"1"'})
        assert (changed.get_json()["role"], changed.headers["ETag"]) == ("manager", '"2"')
        closed = client.post(f"{address}/disablement", headers=headers | {"If-Match": '"2"'})
        assert closed.get_json()["status"] == "disabled"

    def test_are_changed_only_at_the_version_that_was_read(
        self, client: FlaskClient, company: Company
    ) -> None:
        rep = company.person()
        headers = bearer(client, company, rep)
        address = f"/api/v1/users/{rep.id}"
        assert client.patch(address, json={"locale": "en"}, headers=headers).status_code == 428
        stale = client.patch(address, json={"locale": "en"}, headers=headers | {"If-Match": '"9"'})
        assert stale.status_code == 412
        fresh = client.patch(address, json={"locale": "en"}, headers=headers | {"If-Match": '"1"'})
        assert fresh.get_json()["locale"] == "en"

    def test_of_another_company_answer_as_unknown_ones(
        self, client: FlaskClient, company: Company, other_company: Company
    ) -> None:
        headers = bearer(client, company, company.person(Role.ADMIN))
        answers = [
            client.get(f"/api/v1/users/{user_id}", headers=headers)
            for user_id in (other_company.user().id, uuid4())
        ]
        bodies = [answer.get_json() | {"request_id": ""} for answer in answers]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert bodies[0] == bodies[1]

    def test_are_not_made_by_reps(self, client: FlaskClient, company: Company) -> None:
        headers = bearer(client, company, company.person())
        body = {"login": "new", "name": "New", "role": "admin"}
        assert client.post("/api/v1/users", json=body, headers=headers).status_code == 403

    @pytest.mark.parametrize("field", ["id", "version"])
    def test_keep_what_belongs_to_the_server(self, client: FlaskClient, company: Company, field: str) -> None:
        rep = company.person()
        headers = bearer(client, company, rep) | {"If-Match": '"1"'}
        answer = client.patch(f"/api/v1/users/{rep.id}", json={field: 7}, headers=headers)
        assert answer.get_json()["errors"][0] == {
            "pointer": f"/{field}",
            "code": "read_only_field",
            "detail": answer.get_json()["errors"][0]["detail"],
        }

    def test_are_listed_page_by_page(self, client: FlaskClient, company: Company) -> None:
        headers = bearer(client, company, company.person(Role.ADMIN))
        for _ in range(4):
            company.user()
        seen, cursor = [], None
        while True:
            query = {"limit": 2, "sort": "login"} | ({"cursor": cursor} if cursor else {})
            body = client.get("/api/v1/users", query_string=query, headers=headers).get_json()
            seen += [user["login"] for user in body["items"]]
            cursor = body["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == 5
        assert seen == sorted(seen)

    def test_hold_permission_sets(self, client: FlaskClient, company: Company) -> None:
        rep = company.user()
        headers = bearer(client, company, company.person(Role.ADMIN))
        answer = client.put(f"/api/v1/users/{rep.id}/permission-sets", json={"codes": ["x"]}, headers=headers)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "reference_not_found")

    @pytest.mark.parametrize("code", ["dispatch", "knowledge_editor", "marketing", "privacy_officer"])
    def test_hold_sets_that_the_product_asks_for_though_their_company_is_older(
        self, client: FlaskClient, company: Company, code: str
    ) -> None:
        address = f"/api/v1/users/{company.user().id}/permission-sets"
        headers = bearer(client, company, company.person(Role.ADMIN))
        assert client.put(address, json={"codes": [code]}, headers=headers).status_code == 200
        assert client.get(address, headers=headers).get_json() == {"codes": [code]}


class TestTerritories:
    def test_are_built_and_peopled(self, client: FlaskClient, company: Company) -> None:
        headers = bearer(client, company, company.person(Role.ADMIN))
        rep = company.person()
        made = client.post("/api/v1/territories", json={"code": "S", "name": "서울"}, headers=headers)
        address = f"/api/v1/territories/{made.get_json()['id']}"
        body = {"user_id": str(rep.id), "kind": "owner", "valid_from": TODAY.isoformat()}
        member = client.post(f"{address}/members", json=body, headers=headers)
        assert (member.status_code, member.get_json()["valid_to"]) == (201, None)
        seen = client.get("/api/v1/territories", headers=bearer(client, company, rep)).get_json()
        assert [territory["code"] for territory in seen["items"]] == ["S"]
        place = f"{address}/members/{member.get_json()['id']}"
        ended = client.patch(place, json={"valid_to": "2026-11-20"}, headers=headers | {"If-Match": '"1"'})
        assert (ended.status_code, ended.get_json()["code"]) == (422, "identity.dates_reversed")
        assert client.delete(place, headers=headers | {"If-Match": '"1"'}).status_code == 204
        assert client.delete(address, headers=headers | {"If-Match": '"1"'}).status_code == 204


class TestOrgUnits:
    def test_are_built_and_closed(self, client: FlaskClient, company: Company) -> None:
        headers = bearer(client, company, company.person(Role.ADMIN))
        body = {"code": "HQ", "name": "본사", "kind": "hq"}
        made = client.post("/api/v1/org-units", json=body, headers=headers)
        address = f"/api/v1/org-units/{made.get_json()['id']}"
        named = client.patch(address, json={"name": "본점"}, headers=headers | {"If-Match": '"1"'})
        assert (named.status_code, named.get_json()["name"]) == (200, "본점")
        assert client.delete(address, headers=headers | {"If-Match": '"2"'}).status_code == 204
        assert client.get(address, headers=headers).status_code == 404
