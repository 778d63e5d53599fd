"""Dismissed people and revoked devices: work is handed in, the device wipes itself, then nothing is answered."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from app.core.clock import clock_at
from app.core.errors import Forbidden, Unauthenticated
from app.core.scope import Role
from app.http.auth import (
    AccessClaims,
    Rule,
    TokenExpired,
    TokenInvalid,
    current_claims,
    current_farewell,
    issue_access_token,
    issue_farewell_token,
    prove_caller,
    read_access_token,
    read_farewell_token,
)
from app.http.services import services
from app.identity import service
from app.identity.models import User, UserStatus
from app.identity.service.errors import (
    DeviceRevoked,
    RefreshExpired,
    RefreshReused,
    SessionEnded,
    UserDisabled,
)
from tests.identity.conftest import NOW, PASSWORD, Company

QUARTER, GRACE = timedelta(minutes=15), timedelta(seconds=60)
TAKES_FAREWELLS = Rule(frozenset(Role), farewell=True)
# Where unsent work is handed in; pings are asked of their own process, with a token of their own rule.
TAKE_FAREWELLS = {
    "/api/v1/sync",
    "/api/v1/sync/events",
    "/api/v1/sync/watermelon",
    "/api/v1/sync/rxdb/<string:entity>/pull",
    "/api/v1/sync/rxdb/<string:entity>/push",
    "/api/v1/sync/rxdb/events",
}


def dismiss(company: Company, user: User) -> None:
    with company.office() as (session, actor):
        service.disable_user(session, actor, user.id, now=NOW)


def welcome(company: Company, user: User) -> None:
    with company.office() as (session, actor):
        service.update_user(session, actor, user.id, {"status": UserStatus.ACTIVE}, now=NOW)


def lock_out(company: Company, signed_in: service.SignedIn) -> None:
    with company.office() as (session, actor):
        service.revoke_device(session, actor, signed_in.device_id, now=NOW)


def order_wipe(company: Company, signed_in: service.SignedIn) -> None:
    with company.office() as (session, actor):
        service.wipe_device(session, actor, signed_in.device_id, now=NOW)


def confirm(company: Company, signed_in: service.SignedIn) -> None:
    with company.database.session(company.id) as session:
        service.confirm_wipe(session, company.id, signed_in.user_id, signed_in.device_id, now=NOW)


@pytest.fixture(params=["dismissed", "locked out", "to be wiped"])
def leaving(request: pytest.FixtureRequest, company: Company) -> service.SignedIn:
    """Somebody whose device is to hand in its work, for each of the reasons."""
    rep = company.person()
    signed_in = company.log_in(rep)
    if request.param == "dismissed":
        dismiss(company, rep)
    else:
        (lock_out if request.param == "locked out" else order_wipe)(company, signed_in)
    return signed_in


class TestRefresh:
    def test_buys_a_farewell(self, company: Company, leaving: service.SignedIn) -> None:
        renewed = company.refresh(leaving.refresh_token)

        assert (renewed.farewell, renewed.device_id) == (True, leaving.device_id)
        assert renewed.refresh_token != leaving.refresh_token

    def test_goes_on_until_the_work_is_in(self, company: Company, leaving: service.SignedIn) -> None:
        token = leaving.refresh_token
        for turn in range(1, 20):
            token = company.refresh(token, after=turn * timedelta(days=1)).refresh_token

        assert company.refresh(token, after=timedelta(days=100)).farewell

    def test_survives_a_lost_answer(self, company: Company, leaving: service.SignedIn) -> None:
        lost = company.refresh(leaving.refresh_token)

        assert company.refresh(leaving.refresh_token, after=QUARTER + GRACE) == lost

    def test_ends_for_good_when_a_used_token_comes_late(
        self, company: Company, leaving: service.SignedIn
    ) -> None:
        second = company.refresh(leaving.refresh_token)
        with pytest.raises(RefreshReused):
            company.refresh(leaving.refresh_token, after=QUARTER + GRACE + timedelta(seconds=1))
        with pytest.raises(RefreshReused):
            company.refresh(second.refresh_token, after=2 * QUARTER)
        with company.database.session(company.id) as session, pytest.raises(SessionEnded):
            service.check_farewell(session, company.id, leaving.user_id, leaving.device_id, NOW)

    def test_ends_when_the_device_has_wiped_itself(self, company: Company, leaving: service.SignedIn) -> None:
        renewed = company.refresh(leaving.refresh_token)
        confirm(company, leaving)

        for token in (leaving.refresh_token, renewed.refresh_token):
            with pytest.raises((UserDisabled, DeviceRevoked)):
                company.refresh(token, after=QUARTER)

    def test_ends_when_idle_for_too_long(self, company: Company, leaving: service.SignedIn) -> None:
        with pytest.raises((UserDisabled, DeviceRevoked)):
            company.refresh(leaving.refresh_token, after=timedelta(days=181))

    def test_is_not_bought_by_a_session_that_its_owner_ended(self, company: Company) -> None:
        rep = company.person()
        signed_in = company.log_in(rep)
        with company.as_(rep, device_id=signed_in.device_id) as (session, actor):
            service.log_out(session, actor, now=NOW)
        dismiss(company, rep)
        with pytest.raises(UserDisabled):
            company.refresh(signed_in.refresh_token)

    def test_is_not_bought_by_a_session_that_was_stolen(self, company: Company) -> None:
        rep = company.person()
        signed_in = company.log_in(rep)
        company.refresh(signed_in.refresh_token)
        with pytest.raises(RefreshReused):
            company.refresh(signed_in.refresh_token, after=2 * QUARTER)
        dismiss(company, rep)
        with pytest.raises(RefreshReused):
            company.refresh(signed_in.refresh_token)

    def test_is_bought_after_a_password_was_taken_away_first(self, company: Company) -> None:
        rep = company.person()
        signed_in = company.log_in(rep)
        with company.office() as (session, actor):
            service.issue_one_time_password(session, actor, rep.id, now=NOW)
        with pytest.raises(SessionEnded):
            company.refresh(signed_in.refresh_token)
        dismiss(company, rep)

        assert company.refresh(signed_in.refresh_token).farewell

    def test_leaves_the_persons_other_phone_alone(self, company: Company) -> None:
        rep = company.person()
        first, second = company.log_in(rep), company.log_in(rep)
        order_wipe(company, first)

        assert not company.refresh(second.refresh_token).farewell

    def test_of_a_session_that_expired_is_refused_as_ever(self, company: Company) -> None:
        signed_in = company.log_in(company.person())
        with pytest.raises(RefreshExpired):
            company.refresh(signed_in.refresh_token, after=timedelta(days=180))

    def test_of_somebody_deleted_in_sql_buys_a_farewell(self, company: Company) -> None:
        rep = company.person()
        signed_in = company.log_in(rep)
        with company.office() as (session, _):
            session.get_one(User, (company.id, rep.id)).deleted_at = NOW

        assert company.refresh(signed_in.refresh_token).farewell


class TestComingBack:
    def test_takes_a_new_login(self, company: Company) -> None:
        rep = company.person()
        signed_in = company.log_in(rep)
        dismiss(company, rep)
        farewell = company.refresh(signed_in.refresh_token)
        welcome(company, rep)

        for token in (signed_in.refresh_token, farewell.refresh_token):
            with pytest.raises(SessionEnded):
                company.refresh(token)
        with company.database.session(company.id) as session, pytest.raises(SessionEnded):
            service.check_farewell(session, company.id, rep.id, signed_in.device_id, NOW)
        assert company.log_in(rep, device=_same_phone(signed_in)).device_id == signed_in.device_id

    def test_makes_a_wiped_phone_another_device(self, company: Company) -> None:
        rep = company.person()
        signed_in = company.log_in(rep)
        dismiss(company, rep)
        confirm(company, signed_in)
        welcome(company, rep)

        assert company.log_in(rep, device=_same_phone(signed_in)).device_id != signed_in.device_id

    def test_after_a_wipe_makes_another_device(self, company: Company) -> None:
        rep = company.person()
        signed_in = company.log_in(rep)
        order_wipe(company, signed_in)
        again = company.log_in(rep, device=_same_phone(signed_in))

        assert again.device_id != signed_in.device_id
        assert not company.refresh(again.refresh_token).farewell
        assert company.refresh(signed_in.refresh_token).farewell


def _same_phone(signed_in: service.SignedIn) -> service.DeviceInfo:
    return service.DeviceInfo("phone", "android", "1.0", signed_in.device_id)


class TestWipe:
    def test_is_confirmed_once(self, company: Company, leaving: service.SignedIn) -> None:
        confirm(company, leaving)
        with pytest.raises(SessionEnded):
            confirm(company, leaving)

        with company.office() as (session, actor):
            assert service.get_device(session, actor, leaving.device_id).wiped_at == NOW

    def test_of_a_device_in_use_is_not_taken(self, company: Company) -> None:
        signed_in = company.log_in(company.person())
        with pytest.raises(SessionEnded):
            confirm(company, signed_in)

        assert not company.refresh(signed_in.refresh_token).farewell

    def test_of_another_persons_device_is_not_taken(
        self, company: Company, leaving: service.SignedIn
    ) -> None:
        stranger = company.person()
        with company.database.session(company.id) as session, pytest.raises(SessionEnded):
            service.confirm_wipe(session, company.id, stranger.id, leaving.device_id, now=NOW)

    def test_is_ordered_by_its_owner(self, company: Company) -> None:
        rep = company.person()
        lost, kept = company.log_in(rep), company.log_in(rep)
        with company.as_(rep, device_id=kept.device_id) as (session, actor):
            device = service.wipe_device(session, actor, lost.device_id, now=NOW)

            assert (device.wipe_ordered_by, device.revoked_by) == (rep.id, rep.id)

    def test_is_not_ordered_by_a_manager(self, company: Company) -> None:
        manager = company.person(Role.MANAGER)
        rep = company.person(manager_id=manager.id)
        phone, own = company.log_in(rep), company.log_in(manager)
        with (
            company.as_(manager, device_id=own.device_id) as (session, actor),
            pytest.raises(Forbidden),
        ):
            service.wipe_device(session, actor, phone.device_id, now=NOW)

    def test_ordered_again_keeps_its_first_moment(self, company: Company) -> None:
        signed_in = company.log_in(company.person())
        order_wipe(company, signed_in)
        with company.office() as (session, actor):
            later = NOW + timedelta(hours=1)
            assert service.wipe_device(session, actor, signed_in.device_id, now=later).wipe_ordered_at == NOW


class TestToken:
    def token(self, company: Company, signed_in: service.SignedIn) -> str:
        return issue_farewell_token(company.config, company.id, signed_in.user_id, signed_in.device_id, NOW)

    @pytest.fixture
    def app(self, served: Flask) -> Iterator[Flask]:
        with clock_at(NOW):
            yield served

    @contextmanager
    def asked(self, app: Flask, token: str, rule: Rule = TAKES_FAREWELLS) -> Iterator[None]:
        with app.test_request_context(headers={"Authorization": f"Bearer {token}"}):
            g.rule = rule
            yield

    def test_is_known_where_farewells_are_taken(
        self, app: Flask, company: Company, leaving: service.SignedIn
    ) -> None:
        with self.asked(app, self.token(company, leaving)):
            prove_caller(TAKES_FAREWELLS)
            assert current_farewell() == AccessClaims(company.id, leaving.user_id, leaving.device_id, NOW)

    def test_is_no_access_token(self, app: Flask, company: Company, leaving: service.SignedIn) -> None:
        with self.asked(app, self.token(company, leaving)), pytest.raises(TokenInvalid):
            current_claims()

    def test_is_refused_by_every_other_operation(self, served: Flask, company: Company) -> None:
        signed_in = company.log_in(company.person())
        lock_out(company, signed_in)
        client, answers = served.test_client(), {}
        with clock_at(NOW):
            token = self.token(company, signed_in)
            for rule in served.url_map.iter_rules():
                if "/api/v1/" in rule.rule and rule.rule not in {*TAKE_FAREWELLS, *ANONYMOUS}:
                    path = rule.build(dict.fromkeys(rule.arguments, signed_in.device_id))
                    assert path is not None
                    for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
                        headers = {"Authorization": f"Bearer {token}"}
                        answers[method, rule.rule] = client.open(path[1], method=method, headers=headers)

        assert len(answers) > 60
        assert {key for key, answer in answers.items() if answer.status_code != 401} == set()

    def test_is_refused_when_the_device_has_wiped_itself(
        self, app: Flask, company: Company, leaving: service.SignedIn
    ) -> None:
        confirm(company, leaving)
        with self.asked(app, self.token(company, leaving)), pytest.raises(SessionEnded):
            prove_caller(TAKES_FAREWELLS)

    def test_is_refused_where_no_farewell_is_due(self, app: Flask, company: Company) -> None:
        signed_in = company.log_in(company.person())
        with self.asked(app, self.token(company, signed_in)), pytest.raises(SessionEnded):
            prove_caller(TAKES_FAREWELLS)

    def test_runs_out_after_fifteen_minutes(
        self, app: Flask, company: Company, leaving: service.SignedIn
    ) -> None:
        with (
            self.asked(app, self.token(company, leaving)),
            clock_at(NOW + QUARTER),
            pytest.raises(TokenExpired),
        ):
            prove_caller(TAKES_FAREWELLS)

    def test_is_none_of_an_access_token(self, app: Flask, company: Company) -> None:
        signed_in = company.log_in(company.person())
        access = issue_access_token(company.config, company.id, signed_in.user_id, signed_in.device_id, NOW)
        with self.asked(app, access):
            prove_caller(TAKES_FAREWELLS)
            assert current_farewell() is None
        with pytest.raises(TokenInvalid):
            read_farewell_token(company.config, access, NOW)

    def test_with_the_type_of_the_other_is_neither(self, company: Company) -> None:
        signed_in = company.log_in(company.person())
        names = (company.config, company.id, signed_in.user_id, signed_in.device_id, NOW)
        farewell, access = issue_farewell_token(*names), issue_access_token(*names)
        head = {name: text.split(".")[0] for name, text in (("farewell", farewell), ("access", access))}

        with pytest.raises(TokenInvalid):
            read_access_token(company.config, ".".join([head["access"], *farewell.split(".")[1:]]), NOW)
        with pytest.raises(TokenInvalid):
            read_farewell_token(company.config, ".".join([head["farewell"], *access.split(".")[1:]]), NOW)

    def test_may_not_be_asked_where_none_is_taken(self, app: Flask, company: Company) -> None:
        signed_in = company.log_in(company.person())
        with self.asked(app, self.token(company, signed_in), Rule()), pytest.raises(RuntimeError):
            current_farewell()

    @pytest.mark.parametrize("junk", ["", "x", "a.b.c", "😀", "x" * 3_000])
    def test_is_not_taken_for_junk(self, app: Flask, junk: str) -> None:
        with self.asked(app, junk), pytest.raises(Unauthenticated):
            prove_caller(TAKES_FAREWELLS)


ANONYMOUS = ("/api/v1/auth/login", "/api/v1/auth/refresh")


class TestOverHttp:
    @pytest.fixture
    def client(self, served: Flask) -> Iterator[FlaskClient]:
        with clock_at(NOW):
            yield served.test_client()

    def sign_in(self, client: FlaskClient, company: Company, user: User) -> dict[str, Any]:
        body = {"tenant": company.code, "login": user.login, "password": PASSWORD}
        answer = client.post("/api/v1/auth/login", json=body | {"device": {"name": "x", "platform": "y"}})
        found: dict[str, Any] = answer.get_json()
        return found

    def test_an_administrator_has_a_phone_wiped(self, client: FlaskClient, company: Company) -> None:
        rep = self.sign_in(client, company, company.person())
        admin = self.sign_in(client, company, company.person(Role.ADMIN))
        headers = {
            name: {"Authorization": f"Bearer {body['access_token']}"}
            for name, body in (("rep", rep), ("admin", admin))
        }

        ordered = client.post(f"/api/v1/devices/{rep['device_id']}/wipe", headers=headers["admin"])
        next_request = client.get("/api/v1/auth/me", headers=headers["rep"])
        refreshed = client.post("/api/v1/auth/refresh", json={"refresh_token": rep["refresh_token"]})

        assert (ordered.status_code, ordered.json["wiped_at"]) == (200, None)
        assert (next_request.status_code, next_request.json["code"]) == (401, "auth.device_revoked")
        assert (refreshed.status_code, refreshed.json["farewell"], refreshed.json["expires_in"]) == (
            200,
            True,
            900,
        )
        farewell = refreshed.json["access_token"]
        assert read_farewell_token(services(client.application).config, farewell, NOW)

    def test_a_revoked_phone_is_refused_at_the_next_request(
        self, client: FlaskClient, company: Company
    ) -> None:
        rep = self.sign_in(client, company, company.person())
        headers = {"Authorization": f"Bearer {rep['access_token']}"}

        revoked = client.post(f"/api/v1/devices/{rep['device_id']}/revoke", headers=headers)

        assert revoked.json["revoked_at"]
        assert client.get("/api/v1/auth/me", headers=headers).status_code == 401

    def test_anothers_device_answers_as_an_unknown_one(self, client: FlaskClient, company: Company) -> None:
        rep = self.sign_in(client, company, company.person())
        stranger = self.sign_in(client, company, company.person())
        headers = {"Authorization": f"Bearer {stranger['access_token']}"}

        for verb in ("revoke", "wipe"):
            told = [
                client.post(f"/api/v1/devices/{one}/{verb}", headers=headers).get_json() | {"request_id": ""}
                for one in (rep["device_id"], company.id)
            ]
            assert told[0] == told[1]
            assert told[0]["status"] == 404

    def test_a_password_change_tells_the_other_phones_to_log_in_again(
        self, client: FlaskClient, company: Company
    ) -> None:
        rep = company.person()
        here, there = self.sign_in(client, company, rep), self.sign_in(client, company, rep)
        body = {"current_password": PASSWORD, "new_password": "staple battery horse"}
        headers = {"Authorization": f"Bearer {here['access_token']}"}

        changed = client.post("/api/v1/auth/password", json=body, headers=headers)

        others = {"Authorization": f"Bearer {there['access_token']}"}
        answers = [
            client.get("/api/v1/auth/me", headers=others),
            client.post("/api/v1/auth/refresh", json={"refresh_token": there["refresh_token"]}),
        ]
        assert changed.status_code == 204
        for answer in answers:
            assert (answer.status_code, answer.json["code"]) == (401, "auth.session_ended")
            assert answer.json["details"] == {"directives": ["reauth"]}
