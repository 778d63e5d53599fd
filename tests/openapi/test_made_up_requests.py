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
ACCEPTANCE = "positive_data_acceptance"
ABOUT_STATUS = ("not_a_server_error", ACCEPTANCE, "negative_data_rejection")
# What holds for every body and stands in the text of the document, which no schema repeats at each text.
BEYOND_SCHEMAS = ("char_not_allowed", "limit_exceeded")
DOOR = "/api/v1/sync/watermelon"
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


@pytest.mark.more
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
        response = case.call()
        # A push whose place nobody knows is told to pull first, by the one kind of answer that its client tries again.
        is_told = response.status_code == 503 and response.json()["code"] == "pull_first"
        is_beyond = response.status_code == 400 and response.json()["code"] in BEYOND_SCHEMAS
        excluded = [
            CHECKS.get_one(name) for name in ABOUT_STATUS if is_told or (is_beyond and name == ACCEPTANCE)
        ]
        case.validate_response(response, checks=CHECKS.get_all(), excluded_checks=excluded)

    ask()


def put_signed(case: Any, person: Person) -> None:
    """Put what no client can make up: leave the place in a list out, sync from where the phone stands,
    and speak of one record in one row."""
    for name in ("cursor", "checkpoint", "migration"):
        case.query.pop(name, None)
    if case.operation.path == DOOR and case.method == "POST":
        pulled = person.call("GET", f"{DOOR}?limit=1")
        if pulled.status_code == 200:  # else an earlier request has ended the session
            case.query["last_pulled_at"] = str(pulled.json["timestamp"])
    if case.operation.path.endswith("/push"):
        rows = {row["newDocumentState"]["id"]: row for row in case.body}
        for record_id, row in rows.items():
            if row.get("assumedMasterState"):
                row["assumedMasterState"]["id"] = record_id
        case.body[:] = rows.values()
    if isinstance(case.body, dict) and case.operation.path in WITH_CURSOR:
        case.body["cursor"] = person.cursor
        if str(case.body.get("sent_at"))[:4] in ("0001", "9999"):  # outside of all years with its offset
            del case.body["sent_at"]
