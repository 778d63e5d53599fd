"""Requests made up from the API document: every operation, well-formed and malformed, with all checks.

The seed changes each day and is printed; ``FIELDMERGE_SEED`` repeats one, ``FIELDMERGE_EXAMPLES`` asks more.
"""

import datetime
import os
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from app.core.db import Database
from app.core.scope import Role
from app.factory import create_app
from app.http.openapi import offline_config
from tests.world import Person, World

EXAMPLES = int(os.environ.get("FIELDMERGE_EXAMPLES", "20"))
SEED = int(os.environ.get("FIELDMERGE_SEED", f"{datetime.datetime.now(datetime.UTC):%Y%m%d}"))
DOCUMENT: Any = create_app(offline_config()).test_client().get("/api/openapi.json").json
METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS = [
    (method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in METHODS if method in item
]
# What a sound request may meet besides success: nobody's id, another state, a business rule, too many logins.
REFUSALS = ["2xx", "401", "403", "404", "409", "412", "422", "429"]
# And an unsound one besides what the library expects: addresses and bodies beyond measure.
TURNED_AWAY = ["4xx"]
CONFIG = {
    "checks": {
        "positive_data_acceptance": {"expected-statuses": REFUSALS},
        "negative_data_rejection": {"expected-statuses": TURNED_AWAY},
    }
}
WITH_CURSOR = ("/api/v1/sync", "/api/v1/sync/repair")

load_all_checks()


@pytest.fixture(scope="module")
def house(served: Flask, pools: Database) -> World:
    return World(served, pools)


@pytest.fixture(scope="module")
def admin(house: World) -> Person:
    person = house.person(Role.ADMIN)
    person.sync()
    return person


@pytest.fixture(scope="module")
def api(served: Flask) -> Any:
    return schemathesis.openapi.from_wsgi(
        "/api/openapi.json", served, config=schemathesis.Config.from_dict(CONFIG)
    )


def test_all_checks_of_the_library_are_taken() -> None:
    assert len(CHECKS.get_all_names()) >= 14


@pytest.fixture(autouse=True)
def told(record_property: Any) -> None:
    """The seed stands in the report, and in the id of the failing test."""
    record_property("seed", SEED)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: f"{mode.value}-{SEED}")
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=str)
def test_is_answered_as_the_document_says(
    api: Any, admin: Person, method: str, path: str, mode: GenerationMode
) -> None:
    operation = api[path][method]

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        derandomize=False,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:
            put_signed(case, admin)
        case.headers.update({"Authorization": f"Bearer {admin.token}", "Accept-Encoding": "identity"})
        case.call_and_validate(checks=CHECKS.get_all())

    ask()


def put_signed(case: Any, person: Person) -> None:
    """Put what no client can make up: leave the place in a list out, and sync from where the phone stands."""
    if case.query:
        case.query.pop("cursor", None)
    if isinstance(case.body, dict) and case.operation.path in WITH_CURSOR:
        case.body["cursor"] = person.cursor
