import errno
import re
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import ValidationError
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core import errors as domain
from app.core.errors import DomainError
from app.http.errors import STATUS, field_errors, status_of
from tests.http.things import THING, Server

SECRET = "customer Kim, 010-1234-5678"


def database_error(kind: type[Any], state: str | None, **options: Any) -> Exception:
    original = psycopg.Error(SECRET)
    original.sqlstate = state
    statement = f"INSERT INTO accounts VALUES ('{SECRET}')"
    made: Exception = kind(statement, {"phone": SECRET}, original, **options)
    return made


class OrderTooOld(domain.Conflict):
    """Made up."""

    code = "test.order_too_old"


class TestStatusOf:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (domain.Unauthenticated(), 401),
            (domain.Forbidden(), 403),
            (domain.NotFound(), 404),
            (domain.IdTaken(), 409),
            (domain.TransitionNotAllowed(), 409),
            (OrderTooOld(), 409),
            (domain.Stale(), 412),
            (domain.ReferenceNotFound(), 422),
            (domain.RuleViolation(), 422),
            (domain.TooManyRequests(), 429),
            (domain.Unavailable(), 503),
        ],
    )
    def test_is_that_of_the_nearest_ancestor(self, error: DomainError, status: int) -> None:
        assert status_of(error) == status

    def test_every_direct_kind_of_error_has_one(self) -> None:
        kinds = [kind for kind in DomainError.__subclasses__() if kind.__module__.startswith("app.core")]

        assert set(kinds) == set(STATUS)


class TestFieldErrors:
    def test_points_at_nested_fields(self) -> None:
        messages = {
            "name": ["required"],
            "lines": {0: {"quantity": ["type_mismatch"]}, 2: {"_schema": ["x"]}},
        }

        assert field_errors(messages) == [
            {"pointer": "/name", "code": "required"},
            {"pointer": "/lines/0/quantity", "code": "type_mismatch"},
            {"pointer": "/lines/2", "code": "x"},
        ]

    def test_escapes_names_as_json_pointers_want_it(self) -> None:
        assert field_errors({"a/b~c": ["x"]}) == [{"pointer": "/a~1b~0c", "code": "x"}]

    def test_survives_a_name_that_is_no_text(self) -> None:
        assert field_errors({"\ud800": ["x"]}) == [{"pointer": "/?", "code": "x"}]

    def test_names_the_place_when_it_is_not_the_body(self) -> None:
        assert field_errors({"limit": ["x"]}, "query") == [{"pointer": "/limit", "code": "x", "in": "query"}]

    def test_stops_at_a_hundred(self) -> None:
        assert len(field_errors({f"f{i}": ["unknown_field"] for i in range(1000)})) == 100


@pytest.fixture
def failing(server: Server, headers: dict[str, str]) -> Any:
    """Answers a request whose transaction ends with the given exception."""

    def ask(error: Exception, **more: str) -> Any:
        server.db.fails_with = error
        return server.app.test_client().get("/api/v1/things", headers=headers | more)

    return ask


class TestFailures:
    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (database_error(OperationalError, "40P01"), 503, "unavailable"),
            (database_error(OperationalError, "40001"), 503, "unavailable"),
            (database_error(OperationalError, "57P01"), 503, "unavailable"),
            (database_error(OperationalError, "53300"), 503, "unavailable"),
            (database_error(OperationalError, "55P03"), 503, "unavailable"),
            (database_error(OperationalError, None), 503, "unavailable"),
            (database_error(InterfaceError, None), 503, "unavailable"),
            (database_error(ProgrammingError, "42P01", connection_invalidated=True), 503, "unavailable"),
            (PoolTimeout("QueuePool limit"), 503, "unavailable"),
            (OSError(errno.EMFILE, "Too many open files"), 503, "unavailable"),
            (OSError(errno.ENOSPC, "No space left on device"), 503, "unavailable"),
            (OSError(errno.EBADF, "Bad file descriptor"), 500, "internal_error"),
            (database_error(DataError, "22003"), 422, "value_out_of_range"),
            (database_error(IntegrityError, "23505"), 409, "duplicate"),
            (database_error(IntegrityError, "23503"), 422, "reference_not_found"),
            (database_error(IntegrityError, "23514"), 422, "rule_violation"),
            (database_error(ProgrammingError, "42P01"), 500, "internal_error"),
            (KeyError(SECRET), 500, "internal_error"),
            (ValidationError({"a": ["required"]}), 422, "validation_failed"),
            (OrderTooOld(), 409, "test.order_too_old"),
        ],
    )
    def test_are_problems_with_a_code(self, failing: Any, error: Exception, status: int, code: str) -> None:
        answer = failing(error)

        assert (answer.status_code, answer.json["code"], answer.json["status"]) == (status, code, status)
        assert answer.mimetype == "application/problem+json"
        assert answer.json["type"] == f"urn:fieldmerge:problem:{code}"
        assert answer.json["request_id"] == answer.headers["X-Request-Id"]

    @pytest.mark.parametrize(
        "error",
        [
            database_error(IntegrityError, "23505"),
            database_error(DataError, "22003"),
            database_error(ProgrammingError, "42P01"),
            database_error(OperationalError, "57P01"),
            KeyError(SECRET),
        ],
    )
    def test_leak_nothing_to_the_caller_or_the_log(
        self, failing: Any, capsys: pytest.CaptureFixture[str], error: Exception
    ) -> None:
        answer = failing(error)

        logged = capsys.readouterr()
        assert "Kim" not in answer.text + logged.err + logged.out
        assert "accounts" not in answer.text
        assert answer.json["request_id"] in logged.err

    def test_a_busy_server_says_when_to_come_back_with_jitter(self, failing: Any) -> None:
        waits = {failing(PoolTimeout("x")).headers["Retry-After"] for _ in range(60)}

        assert len(waits) > 1
        assert all(1 <= int(wait) <= 10 for wait in waits)

    def test_a_limit_says_when_to_come_back(self, failing: Any) -> None:
        answer = failing(domain.TooManyRequests(retry_after_s=77))

        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "77")

    def test_details_help_the_client_on(self, failing: Any) -> None:
        answer = failing(domain.TransitionNotAllowed(status="missed", allowed=["check_in", "cancel"]))

        assert answer.json["details"] == {"status": "missed", "allowed": ["check_in", "cancel"]}
        assert "check_in, cancel" in answer.json["detail"]

    def test_nothing_is_committed(self, server: Server, failing: Any) -> None:
        failing(OrderTooOld())

        assert (server.db.committed, server.db.rolled_back) == (0, 1)

    @pytest.mark.parametrize(
        ("accepted", "locale", "word"),
        [
            ("ko", "ko", "상태"),
            ("ko-KR,ko;q=0.9,en;q=0.8", "ko", "상태"),
            ("en-GB", "en", "state"),
            ("fr", "en", "state"),
            ("", "en", "state"),
            ("ko;q=0.1, en", "en", "state"),
            ("x" * 3000, "en", "state"),
        ],
    )
    def test_speak_the_language_that_is_accepted(
        self, failing: Any, accepted: str, locale: str, word: str
    ) -> None:
        answer = failing(domain.Conflict(), **{"Accept-Language": accepted})

        assert word in answer.json["detail"]
        assert answer.headers["Content-Language"] == locale


class TestNotFound:
    def test_a_foreign_id_is_answered_as_an_address_that_does_not_exist(
        self, client: FlaskClient, headers: dict[str, str]
    ) -> None:
        foreign = client.get(f"/api/v1/things/{THING}".replace("0004", "0009"), headers=headers)
        nowhere = client.get("/api/v1/nothing", headers=headers)

        bodies = [re.sub(r'"request_id":"[^"]*"', "", answer.text) for answer in (foreign, nowhere)]
        assert foreign.status_code == nowhere.status_code == 404
        assert bodies[0] == bodies[1]


def test_an_unforeseen_kind_of_domain_error_is_a_bug(server: Server, headers: dict[str, str]) -> None:
    class Orphan(DomainError):
        code = "test.orphan"

    server.db.fails_with = Orphan()

    answer = server.app.test_client().get("/api/v1/things", headers=headers)

    assert answer.status_code == 500


def test_redirects_are_no_errors(server: Server) -> None:
    app: Flask = server.app
    answer = app.test_client().get("/api/docs")

    assert answer.status_code == 308
