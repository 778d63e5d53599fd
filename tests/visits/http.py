"""Calls of one person over HTTP."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.clock import clock_at, utc_now
from app.core.scope import Role
from app.http.auth import issue_access_token
from tests.visits.company import NOW, Company

PREFIX = "/api/v1"


@dataclass
class Caller:
    """A person with a fresh token and no device."""

    company: Company
    client: FlaskClient
    user_id: UUID

    def get(self, path: str) -> TestResponse:
        return self.client.get(PREFIX + path, headers=self._headers(None))

    def post(self, path: str, body: dict[str, Any], *, version: int | None = None) -> TestResponse:
        return self.client.post(PREFIX + path, json=body, headers=self._headers(version))

    def patch(self, path: str, body: dict[str, Any], *, version: int | None = None) -> TestResponse:
        return self.client.patch(PREFIX + path, json=body, headers=self._headers(version))

    def delete(self, path: str, *, version: int | None = None) -> TestResponse:
        return self.client.delete(PREFIX + path, headers=self._headers(version))

    def _headers(self, version: int | None) -> dict[str, str]:
        token = issue_access_token(self.company.config, self.company.id, self.user_id, None, utc_now())
        headers = {"Authorization": f"Bearer {token}"}
        return headers if version is None else headers | {"If-Match": f'"{version}"'}


@pytest.fixture
def client(served: Flask) -> Iterator[FlaskClient]:
    """Calls at noon in Seoul."""
    with clock_at(NOW):
        yield served.test_client()


@pytest.fixture
def rep(company: Company, client: FlaskClient) -> Caller:
    return Caller(company, client, company.user(Role.REP, company.north))


@pytest.fixture
def manager(company: Company, client: FlaskClient) -> Caller:
    return Caller(company, client, company.user(Role.MANAGER, company.north))
