"""What those who run the server see: health, metrics, logs, documents, and who may call what."""

import json
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import Config
from app.factory import create_app
from app.http.api import operations
from app.http.metrics import metrics_token
from app.http.openapi import offline_config
from tests.http.things import CONFIG, THING

PUBLIC = {
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("GET", "/api/v1/sync/events"),  # only tells where they are
    ("GET", "/api/v1/sync/rxdb/events"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/docs/"),
    ("GET", "/api/docs/<path:path>"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
}


class TestRules:
    def test_no_operation_is_without_a_rule(self, served: Flask) -> None:
        assert [f"{o.method} {o.path}" for o in operations(served) if o.rule is None] == []

    def test_only_these_are_open_to_anybody(self, served: Flask) -> None:
        found = {(o.method, o.path) for o in operations(served) if o.rule and o.rule.anonymous}

        assert found == PUBLIC

    def test_every_operation_of_a_room_names_its_roles_in_the_document(self, served: Flask) -> None:
        document = served.test_client().get("/api/openapi.json").json

        for operation in operations(served):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", operation.path)
            if operation.rule and not operation.rule.anonymous:
                described = document["paths"][path][operation.method.lower()]
                assert described["x-roles"] == sorted(operation.rule.roles)

    def test_without_a_token_nothing_is_told(self, served: Flask) -> None:
        client = served.test_client()
        for operation in operations(served):
            if operation.rule and not operation.rule.anonymous:
                path = re.sub(r"<[^>]+>", str(THING), operation.path)

                answer = client.open(path, method=operation.method, json={})

                assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated"), path


class TestHealth:
    def test_the_process_lives_without_a_database(self, client: FlaskClient) -> None:
        assert client.get("/healthz").json == {"status": "ok"}

    def test_a_migrated_database_is_ready(self, served: Flask) -> None:
        answer = served.test_client().get("/readyz")

        assert (answer.status_code, answer.json["database"]) == (200, "ok")

    def test_without_its_database_it_is_not_ready(self) -> None:
        app = create_app(offline_config())

        answer = app.test_client().get("/readyz")

        assert (answer.status_code, answer.json["database"]) == (503, "unreachable")


class TestMetrics:
    def test_count_by_endpoint_and_never_by_id(self, client: FlaskClient) -> None:
        client.get(f"/api/v1/things/{THING}")
        client.get("/api/v1/nowhere/010-1234-5678")

        shown = client.get("/metrics").text

        assert (
            'fieldmerge_http_requests_total{endpoint="things.ThingView",method="GET",status="401"}' in shown
        )
        assert str(THING) not in shown
        assert "010-1234" not in shown

    @pytest.mark.parametrize(
        ("address", "sent"),
        [
            ("203.0.113.9", {}),
            ("203.0.113.9", {"Authorization": "Bearer guess"}),
            ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}),
            ("::1", {"Forwarded": "for=203.0.113.9"}),
        ],
    )
    def test_are_not_there_for_strangers(
        self, client: FlaskClient, address: str, sent: dict[str, str]
    ) -> None:
        answer = client.get("/metrics", headers=sent, environ_overrides={"REMOTE_ADDR": address})

        assert (answer.status_code, answer.json["code"]) == (404, "not_found")

    def test_are_shown_to_the_bearer_of_the_token(self, client: FlaskClient) -> None:
        sent = {"Authorization": f"Bearer {metrics_token(CONFIG.secret_key)}"}

        answer = client.get("/metrics", headers=sent, environ_overrides={"REMOTE_ADDR": "203.0.113.9"})

        assert answer.status_code == 200


class TestLogs:
    def test_a_request_is_one_line_of_json_without_anything_about_people(
        self, client: FlaskClient, headers: dict[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        client.post(
            "/api/v1/things?q=010-1234-5678",
            json={"name": "김한결", "tags": ["37.5665"]},
            headers=headers | {"User-Agent": "phone of Kim"},
        )

        lines = capsys.readouterr().err.splitlines()
        logged = json.loads(lines[-1])
        assert {"event": "request", "status": 201, "endpoint": "things.ThingsView"}.items() <= logged.items()
        assert not re.search("Kim|김|1234|37.5|eyJ", lines[-1])

    def test_one_request_does_not_log_as_the_person_of_another(
        self, client: FlaskClient, headers: dict[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        client.get("/api/v1/things", headers=headers)
        client.get("/healthz")

        assert "user_id" not in json.loads(capsys.readouterr().err.splitlines()[-1])


class TestDocuments:
    def test_the_page_asks_nobody_else_for_anything(self, client: FlaskClient) -> None:
        page = client.get("/api/docs/")
        linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)

        assert page.status_code == 200
        assert all(link.startswith("/api/docs/") for link in linked)
        for link in linked:
            with client.get(link) as answer:
                assert answer.status_code == 200

    def test_the_page_is_forbidden_to_load_from_elsewhere(self, client: FlaskClient) -> None:
        policy = client.get("/api/docs/").headers["Content-Security-Policy"]

        assert policy.startswith("default-src 'self'")
        assert "http" not in policy

    def test_the_page_does_not_have_its_document_validated_elsewhere(self, client: FlaskClient) -> None:
        assert '"validatorUrl": null' in client.get("/api/docs/").text

    def test_the_style_sheets_fetch_nothing(self, client: FlaskClient) -> None:
        for name in ("index.css", "swagger-ui.css"):
            with client.get(f"/api/docs/{name}") as answer:
                assert not re.search(r"url\([\"']?https?:|@import", answer.text)

    @pytest.mark.parametrize("path", ["../../../etc/passwd", "..%2f..%2fwsgi.py", "%2e%2e/x", "nothing.js"])
    def test_the_page_serves_only_its_own_files(self, client: FlaskClient, path: str) -> None:
        assert client.get(f"/api/docs/{path}").status_code == 404


class TestCors:
    def test_a_named_origin_may_read_and_others_may_not(self) -> None:
        config = Config(
            database_url=CONFIG.database_url,
            database_engine_url=CONFIG.database_engine_url,
            database_owner_url=CONFIG.database_owner_url,
            secret_key=CONFIG.secret_key,
            cors_origins=("https://office.example",),
        )
        client = create_app(config).test_client()

        allowed = client.get("/api/v1/accounts", headers={"Origin": "https://office.example"})
        other = client.get("/api/v1/accounts", headers={"Origin": "https://evil.example"})

        assert allowed.headers["Access-Control-Allow-Origin"] == "https://office.example"
        assert "ETag" in allowed.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in allowed.headers
        assert "Access-Control-Allow-Origin" not in other.headers
