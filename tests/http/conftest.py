"""The application with one made-up room, and tokens for it."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.clock import utc_now
from app.factory import create_app
from app.http import auth
from app.http.api import Api
from app.http.auth import issue_access_token
from app.http.services import EXTENSION, Services
from tests.http.things import CONFIG, DEVICE, TENANT, USER, Server, WatchedDatabase, make_blueprint


@pytest.fixture(scope="session")
def app() -> Flask:
    made = create_app(CONFIG)
    api: Api = made.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    api.register_blueprint(make_blueprint())
    made.test_client().get("/healthz")  # the first request builds the routing table
    return made


@pytest.fixture
def server(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Server:
    db = WatchedDatabase()
    monkeypatch.setitem(app.extensions, EXTENSION, Services(CONFIG, db))  # type: ignore[arg-type]
    made = Server(app, db)
    monkeypatch.setattr(auth, "_loaders", [made.load_actor])
    return made


@pytest.fixture
def client(server: Server) -> FlaskClient:
    return server.app.test_client()


@pytest.fixture
def token() -> str:
    return issue_access_token(CONFIG, TENANT, USER, DEVICE, utc_now())


@pytest.fixture
def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
