"""What is to go says so in the document and in each answer."""

from datetime import date
from typing import Any

import pytest
from flask import Flask
from flask.views import MethodView

from app.factory import create_app
from app.http import finishing
from app.http.api import Api, Blueprint
from app.http.openapi import PROBLEM_NAMES, offline_config, spec_plugins

SINCE, SUNSET = date(2027, 1, 1), date(2028, 1, 1)


@pytest.fixture
def app() -> Flask:
    made = create_app(offline_config())
    blp = Blueprint("old", __name__, url_prefix="/api/v1/old", description="Old")

    @blp.route("")
    class Old(MethodView):
        @blp.deprecated(since=SINCE, sunset=SUNSET, instead="/api/v1/accounts")
        @blp.allow("rep")
        @blp.response(200)
        def get(self) -> Any:
            """See what is old"""
            return {}

    made.config.update({"OLD_API_TITLE": "Old", "OLD_API_VERSION": "1", "OLD_OPENAPI_VERSION": "3.1.0"})
    made.old = Api(made, spec_kwargs=spec_plugins() | {"config_prefix": "OLD"})  # type: ignore[attr-defined]
    made.old.register_blueprint(blp)  # type: ignore[attr-defined]
    return made


def test_refusals_of_a_deprecated_operation_announce_its_end_too(app: Flask) -> None:
    answer = app.test_client().get("/api/v1/old")

    assert answer.status_code == 401
    assert answer.headers["Deprecation"] == "@1798761600"
    assert answer.headers["Sunset"] == "Sat, 01 Jan 2028 00:00:00 GMT"
    assert answer.headers["Link"] == '</api/v1/accounts>; rel="successor-version"'


def test_other_operations_announce_nothing(app: Flask) -> None:
    assert not {"Deprecation", "Sunset"} & set(app.test_client().get("/api/v1/orders").headers.keys())


def test_the_document_marks_it_and_names_the_headers(app: Flask) -> None:
    spec = app.old.spec.to_dict()  # type: ignore[attr-defined]
    operation = finishing.finished(spec, PROBLEM_NAMES, {})["paths"]["/api/v1/old"]["get"]

    assert operation["deprecated"] is True
    assert operation["x-sunset"] == "2028-01-01"
    assert "Use `/api/v1/accounts` instead." in operation["description"]
    assert {"Deprecation", "Sunset"} <= operation["responses"]["200"]["headers"].keys()


def test_a_notice_of_less_than_a_year_is_refused() -> None:
    blp = Blueprint("short", __name__)

    with pytest.raises(ValueError, match="a year"):
        blp.deprecated(since=SINCE, sunset=date(2027, 12, 31))
