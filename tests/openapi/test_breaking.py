"""What would break the apps of the last release is found before it is released."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from app.http.openapi import PATH, as_released
from tests.openapi.comparing import breaking_changes, last_release

ACCOUNTS, ACCOUNT = "/api/v1/accounts", "/api/v1/accounts/{account_id}"


@pytest.fixture(scope="module")
def released() -> Any:
    return json.loads(last_release().read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def some(released: Any) -> Any:
    """Of accounts, visits and orders only: what is planted is found no better in all."""
    kept = ("/api/v1/accounts", "/api/v1/visits", "/api/v1/orders")
    return released | {
        "paths": {path: item for path, item in released["paths"].items() if path.startswith(kept)}
    }


def broken(released: Any, change: Callable[[Any], None]) -> list[str]:
    changed = deepcopy(released)
    change(changed)
    return breaking_changes(released, changed)


def schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


def remove_operation(document: Any) -> None:
    del document["paths"][ACCOUNT]["delete"]


def remove_answered_field(document: Any) -> None:
    del schema(document, "Account")["properties"]["tier"]


def require_sent_field(document: Any) -> None:
    schema(document, "AccountCreate").setdefault("required", []).append("tier")


def add_required_sent_field(document: Any) -> None:
    found = schema(document, "VisitCreate")
    found["properties"]["reason"] = {"type": "string"}
    found.setdefault("required", []).append("reason")


def narrow_sent_enum(document: Any) -> None:
    schema(document, "AccountCreate")["properties"]["kinds"]["items"]["enum"].remove("supplier")


def widen_answered_enum(document: Any) -> None:
    schema(document, "Order")["properties"]["status"]["enum"].append("lost")


def change_sent_type(document: Any) -> None:
    schema(document, "VisitCreate")["properties"]["unplanned"]["type"] = "string"


def change_answered_type(document: Any) -> None:
    schema(document, "Account")["properties"]["completeness"]["type"] = "string"


def make_money_a_number(document: Any) -> None:
    schema(document, "Order")["properties"]["net"] = {"type": ["number", "null"], "readOnly": True}


def shorten_sent_text(document: Any) -> None:
    schema(document, "AccountCreate")["properties"]["name"]["maxLength"] = 20


def require_parameter(document: Any) -> None:
    found = document["paths"][ACCOUNTS]["get"]["parameters"]
    next(one for one in found if one.get("name") == "tier")["required"] = True


def let_id_be_missing(document: Any) -> None:
    schema(document, "Account")["required"].remove("id")


BREAKING = {
    remove_operation: "api-removed-without-deprecation: DELETE /api/v1/accounts/{account_id}",
    remove_answered_field: "response-optional-property-removed: GET /api/v1/accounts/{account_id}",
    require_sent_field: "request-property-became-required: POST /api/v1/accounts:",
    add_required_sent_field: "new-required-request-property: POST /api/v1/visits:",
    narrow_sent_enum: "request-property-enum-value-removed: POST /api/v1/accounts:",
    widen_answered_enum: "response-property-enum-value-added: GET /api/v1/orders/{order_id}:",
    change_sent_type: "request-property-type-changed: POST /api/v1/visits:",
    change_answered_type: "response-property-type-changed: GET /api/v1/accounts/{account_id}:",
    make_money_a_number: "response-property-type-changed: GET /api/v1/orders/{order_id}:",
    shorten_sent_text: "request-property-max-length-decreased: POST /api/v1/accounts:",
    require_parameter: "request-parameter-became-required: GET /api/v1/accounts:",
    let_id_be_missing: "response-property-became-optional: GET /api/v1/accounts/{account_id}:",
}


@pytest.mark.parametrize("change", BREAKING, ids=lambda change: change.__name__)
def test_what_would_break_apps_is_found(some: Any, change: Callable[[Any], None]) -> None:
    found = broken(some, change)

    assert any(line.startswith(BREAKING[change]) for line in found), found


def add_operation(document: Any) -> None:
    document["paths"]["/api/v1/new"] = {
        "get": deepcopy(document["paths"][ACCOUNTS]["get"]) | {"operationId": "listNew"}
    }


def add_answered_field(document: Any) -> None:
    schema(document, "Account")["properties"]["mood"] = {"type": "string", "readOnly": True}


def add_optional_sent_field(document: Any) -> None:
    schema(document, "AccountCreate")["properties"]["mood"] = {"type": "string"}


def add_refusal(document: Any) -> None:
    document["paths"][ACCOUNTS]["get"]["responses"]["429"] = {
        "$ref": "#/components/responses/TOO_MANY_REQUESTS"
    }


@pytest.mark.parametrize(
    "change",
    [add_operation, add_answered_field, add_optional_sent_field, add_refusal],
    ids=lambda change: change.__name__,
)
def test_what_the_policy_allows_breaks_nothing(some: Any, change: Callable[[Any], None]) -> None:
    assert broken(some, change) == []


def test_nothing_breaks_the_apps_of_the_last_release(released: Any) -> None:
    today = json.loads(PATH.read_text(encoding="utf-8"))

    assert breaking_changes(released, today) == []


def test_a_release_keeps_all_but_the_examples() -> None:
    today = json.loads(PATH.read_text(encoding="utf-8"))
    kept = json.loads(as_released(today))

    assert kept["paths"].keys() == today["paths"].keys()
    assert kept["components"]["schemas"].keys() == today["components"]["schemas"].keys()
    assert "한빛" not in json.dumps(kept, ensure_ascii=False)
