import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient

from app.core.clock import clock_at
from app.core.errors import Unauthenticated
from app.core.scope import Role
from app.http.auth import (
    AUDIENCE,
    ISSUER,
    PURPOSE,
    TokenExpired,
    TokenInvalid,
    issue_access_token,
    read_access_token,
    token_key,
)
from app.http.services import derive_key
from tests.http.things import CONFIG, DEVICE, TENANT, THING, USER, Server

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
LIFE = timedelta(seconds=CONFIG.access_token_s)


def claims(**changes: Any) -> dict[str, Any]:
    issued = int(NOW.timestamp())
    plain = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(USER),
        "tid": str(TENANT),
        "did": str(DEVICE),
        "iat": issued,
        "exp": issued + 900,
    }
    return {name: value for name, value in (plain | changes).items() if value != "absent"}


def signed(
    payload: dict[str, Any],
    header: dict[str, Any] | None = None,
    key: bytes | None = None,
    digest: Any = hashlib.sha256,
) -> str:
    """A token made by hand, so that headers can be had that PyJWT would not write."""
    parts = [header or {"alg": "HS256", "typ": "at+jwt"}, payload]
    text = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
    mac = hmac.new(key or token_key(CONFIG), text.encode(), digest).digest()
    return f"{text}.{_encoded(mac)}"


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


FORGED = {
    "no algorithm": jwt.encode(claims(), None, algorithm="none", headers={"typ": "at+jwt"}),
    "no algorithm in capitals": signed(claims(), {"alg": "NONE", "typ": "at+jwt"}),
    "no signature": signed(claims()).rpartition(".")[0] + ".",
    "another HMAC": signed(claims(), {"alg": "HS512", "typ": "at+jwt"}, digest=hashlib.sha512),
    "an RSA algorithm over our key": signed(claims(), {"alg": "RS256", "typ": "at+jwt"}),
    "another key": signed(claims(), key=b"k" * 32),
    "the bare secret as key": signed(claims(), key=CONFIG.secret_key.encode()),
    "the key of page cursors": signed(claims(), key=derive_key(CONFIG.secret_key, "page-cursor")),
    "a changed payload": signed(claims())[:-4] + "AAAA",
    "a kid": signed(claims(), {"alg": "HS256", "typ": "at+jwt", "kid": "../../../../dev/null"}),
    "a jku": signed(claims(), {"alg": "HS256", "typ": "at+jwt", "jku": "https://evil.example/keys"}),
    "a jwk": signed(claims(), {"alg": "HS256", "typ": "at+jwt", "jwk": {"kty": "oct", "k": "AA"}}),
    "a critical extension": signed(claims(), {"alg": "HS256", "typ": "at+jwt", "crit": ["x"], "x": 1}),
    "another type": signed(claims(), {"alg": "HS256", "typ": "JWT"}),
    "the type of a refresh token": signed(claims(), {"alg": "HS256", "typ": "rt+jwt"}),
    "no type": signed(claims(), {"alg": "HS256"}),
    "another issuer": signed(claims(iss="elsewhere")),
    "another audience": signed(claims(aud="elsewhere")),
    "several audiences": signed(claims(aud=[AUDIENCE, "elsewhere"])),
    "no expiry": signed(claims(exp="absent")),
    "an expiry in text": signed(claims(exp="9999999999")),
    "an endless expiry": signed(claims(exp=float("inf"))),
    "an expiry that is true": signed(claims(exp=True)),
    "a time of issue far ahead": signed(claims(iat=int(NOW.timestamp()) + 3600)),
    "no subject": signed(claims(sub="absent")),
    "a subject that is a number": signed(claims(sub=1)),
    "a subject that is no id": signed(claims(sub="admin")),
    "no tenant": signed(claims(tid="absent")),
    "no word about the device": signed(claims(did="absent")),
    "a tenant that is a list": signed(claims(tid=[str(TENANT)])),
    "nothing": "",
    "rubbish": "a.b.c",
    "a wordy token": signed(claims(note="x" * 5000)),
    "emoji": "😀.😀.😀",
}


class TestReadAccessToken:
    def test_gives_back_whom_the_token_names(self) -> None:
        token = issue_access_token(CONFIG, TENANT, USER, DEVICE, NOW)

        found = read_access_token(CONFIG, token, NOW)

        assert (found.tenant_id, found.user_id, found.device_id, found.issued_at) == (
            TENANT,
            USER,
            DEVICE,
            NOW,
        )

    def test_takes_a_token_without_device(self) -> None:
        token = issue_access_token(CONFIG, TENANT, USER, None, NOW)

        assert read_access_token(CONFIG, token, NOW).device_id is None

    def test_takes_what_the_forger_of_these_tests_makes_when_he_forges_nothing(self) -> None:
        assert read_access_token(CONFIG, signed(claims()), NOW).user_id == USER

    @pytest.mark.parametrize("what", FORGED)
    def test_refuses(self, what: str) -> None:
        with pytest.raises(TokenInvalid):
            read_access_token(CONFIG, FORGED[what], NOW)

    def test_is_good_until_its_last_second(self) -> None:
        token = issue_access_token(CONFIG, TENANT, USER, DEVICE, NOW)

        assert read_access_token(CONFIG, token, NOW + LIFE - timedelta(seconds=1))

    def test_runs_out(self) -> None:
        token = issue_access_token(CONFIG, TENANT, USER, DEVICE, NOW)

        with pytest.raises(TokenExpired):
            read_access_token(CONFIG, token, NOW + LIFE)

    def test_holds_no_right(self) -> None:
        token = issue_access_token(CONFIG, TENANT, USER, DEVICE, NOW)

        payload = jwt.decode(token, options={"verify_signature": False})

        assert set(payload) == {"iss", "aud", "sub", "tid", "did", "iat", "exp"}

    def test_errors_are_kinds_of_unauthenticated(self) -> None:
        assert issubclass(TokenExpired, Unauthenticated)
        assert issubclass(TokenInvalid, Unauthenticated)
        assert PURPOSE


class TestRequests:
    @pytest.mark.parametrize("what", FORGED)
    def test_a_forged_token_is_answered_401(self, client: FlaskClient, what: str) -> None:
        with clock_at(NOW):
            answer = client.get("/api/v1/things", headers=[("Authorization", f"Bearer {FORGED[what]}")])

        assert answer.status_code == 401
        assert answer.mimetype == "application/problem+json"
        assert answer.json["code"] in ("token_invalid", "unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "Bearer ", "token abc"])
    def test_no_bearer_token_is_answered_401(self, client: FlaskClient, header: str) -> None:
        answer = client.get("/api/v1/things", headers={"Authorization": header} if header else {})

        assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")

    def test_an_expired_token_says_so(self, client: FlaskClient, headers: dict[str, str]) -> None:
        with clock_at(datetime.now(UTC) + timedelta(hours=1)):
            answer = client.get("/api/v1/things", headers=headers)

        assert (answer.status_code, answer.json["code"]) == (401, "token_expired")

    def test_a_body_is_not_read_before_the_token(self, client: FlaskClient) -> None:
        answer = client.post("/api/v1/things", data=b"{" * 100, content_type="application/json")

        assert answer.status_code == 401

    def test_the_transaction_is_of_the_tokens_tenant_user_and_device(
        self, client: FlaskClient, server: Server, headers: dict[str, str]
    ) -> None:
        client.get("/api/v1/things", headers=headers)

        assert server.db.writers == [{"tenant_id": TENANT, "user_id": USER, "device_id": DEVICE}]

    def test_a_role_outside_the_rule_is_answered_403(
        self, client: FlaskClient, server: Server, headers: dict[str, str]
    ) -> None:
        server.role = Role.REP

        answer = client.patch(
            f"/api/v1/things/{THING}", json={"name": "a"}, headers=headers | {"If-Match": '"7"'}
        )

        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
        assert (server.db.committed, server.db.rolled_back) == (0, 1)

    def test_a_view_that_never_asks_who_calls_answers_500_and_not_its_secret(
        self, client: FlaskClient, server: Server, headers: dict[str, str]
    ) -> None:
        server.role = Role.REP

        answer = client.get("/api/v1/things/careless", headers=headers)

        assert answer.status_code == 500
        assert b"secret" not in answer.data
