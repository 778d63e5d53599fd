import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from functools import reduce
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

from app.factory import create_app
from app.http.openapi import PATH, offline_config, written

FORMATS = FormatChecker(formats=())
FORMATS.checks("uuid", ValueError)(lambda value: value is None or str(UUID(value)) == value)
FORMATS.checks("date", ValueError)(lambda value: value is None or bool(date.fromisoformat(value)))
FORMATS.checks("date-time", ValueError)(
    lambda value: value is None or datetime.fromisoformat(value).tzinfo is not None
)
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def offline() -> Flask:
    return create_app(offline_config())


@pytest.fixture(scope="module")
def document(offline: Flask) -> Any:
    return offline.test_client().get("/api/openapi.json").json


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def bodies(operation: Any) -> Iterator[tuple[str, Any]]:
    """Its request and its answers with a JSON body."""
    found = {"request": operation.get("requestBody", {})}
    found |= {s: answer for s, answer in operation["responses"].items() if s.startswith("2")}
    for name, part in found.items():
        if "application/json" in part.get("content", {}):
            yield name, part["content"]["application/json"]


def test_the_committed_document_is_that_of_the_code(offline: Flask) -> None:
    committed = PATH.read_text(encoding="utf-8")

    assert committed == written(offline), "run: python -m app.http.openapi write"


def test_the_document_is_valid_openapi_3_1(document: Any) -> None:
    validate(document)

    assert document["openapi"].startswith("3.1")


def test_every_operation_has_a_summary(document: Any) -> None:
    lacking = [name for name, operation in operations(document) if not operation.get("summary")]

    assert lacking == []


def test_every_summary_is_one_line_without_a_full_stop(document: Any) -> None:
    odd = [
        o["summary"] for _, o in operations(document) if o["summary"].endswith(".") or len(o["summary"]) > 80
    ]

    assert odd == []


def test_every_operation_documents_errors_as_problems(document: Any) -> None:
    for name, operation in operations(document):
        errors = {s: a for s, a in operation["responses"].items() if s[0] in "45"}

        assert errors, name
        for answer in errors.values():
            found = (
                document["components"]["responses"][answer["$ref"].split("/")[-1]]
                if "$ref" in answer
                else answer
            )
            assert list(found["content"]) == ["application/problem+json"], name


def test_every_operation_tells_the_refusals_of_its_kind(document: Any) -> None:
    """What any body, any id in a path and any ``If-Match`` can be refused for, wherever they stand."""
    lacking = []
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            operation = item[method]
            named = [*item.get("parameters", []), *operation.get("parameters", [])]
            headers = {found["name"] for one in named if (found := resolved(document, one))["in"] == "header"}
            wanted = set() if operation.get("security") == [] else {"401"}
            wanted |= {"404"} if "{" in path else set()
            wanted |= {"413", "415", "422"} if "requestBody" in operation else set()
            wanted |= {"412", "428"} if "If-Match" in headers else set()
            lacking += [f"{method} {path} {status}" for status in wanted - operation["responses"].keys()]

    assert lacking == []


def shown(document: Any, media: Any) -> dict[str, Any]:
    """The examples of a body by name, references followed."""
    return {
        name: resolved(document, example)["value"] for name, example in media.get("examples", {}).items()
    } | ({"": media["example"]} if "example" in media else {})


def resolved(document: Any, node: Any) -> Any:
    """What *node* refers to, or itself."""
    if "$ref" not in node:
        return node
    return reduce(lambda inner, step: inner[step], node["$ref"].removeprefix("#/").split("/"), document)


def test_every_body_has_an_example(document: Any) -> None:
    lacking = [
        f"{name} {part}"
        for name, operation in operations(document)
        for part, body in bodies(operation)
        if not shown(document, body)
    ]

    assert lacking == []


def test_every_example_is_valid_by_its_schema_and_formats(document: Any) -> None:
    wrong = []
    for name, operation in operations(document):
        for part, body in bodies(operation):
            schema = body["schema"] | {"components": document["components"]}
            validator = Draft202012Validator(schema, format_checker=FORMATS)
            wrong += [
                f"{name} {part}: {list(error.absolute_path)} {error.message[:100]}"
                for value in shown(document, body).values()
                for error in validator.iter_errors(value)
            ]

    assert wrong == []


def test_every_example_of_an_error_is_a_valid_problem(document: Any) -> None:
    problem = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    for name, answer in document["components"]["responses"].items():
        (media,) = answer["content"].values()
        examples = shown(document, media)

        assert examples, name
        for value in examples.values():
            Draft202012Validator(problem).validate(value)


def test_examples_are_of_the_trade_and_not_fillers(document: Any) -> None:
    text = json.dumps(document["components"]["examples"], ensure_ascii=False)

    assert not re.search(r': "(text|foo|bar|test)"', text)
    assert {"(주)한빛에너지", "김민지", "1375000.0000"} <= set(re.findall(r'"([^"]+)"', text))


def test_the_same_record_has_the_same_id_in_every_example(document: Any) -> None:
    examples = document["components"]["examples"]
    account_id = examples["Account"]["value"]["id"]

    assert examples["Order"]["value"]["account_id"] == account_id
    assert examples["Visit"]["value"]["account_id"] == account_id
    assert examples["SyncRequest"]["value"]["mutations"][0]["record_id"] == account_id


def test_every_operation_that_is_not_open_wants_a_token(document: Any) -> None:
    assert document["security"] == [{"accessToken": []}]
    open_to_all = [name for name, operation in operations(document) if operation.get("security") == []]

    assert sorted(open_to_all) == ["POST /api/v1/auth/login", "POST /api/v1/auth/refresh"]


def test_no_schema_takes_unknown_fields(document: Any) -> None:
    lax = [
        n for n, s in document["components"]["schemas"].items() if s.get("additionalProperties") is not False
    ]

    # Documents of the two doors hold columns, whose names the schema operations tell.
    assert lax == ["RxdbDocument", "WatermelonChanges", "WatermelonRow", "WatermelonTableChanges"]


def test_amounts_are_text_and_never_numbers(document: Any) -> None:
    text = PATH.read_text(encoding="utf-8")

    assert '"format": "decimal"' in text
    for schema in document["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            if field.get("format") == "decimal":
                assert "string" in field["type"]


def test_no_number_stands_where_an_amount_of_money_belongs(document: Any) -> None:
    named = re.compile(
        r"(^|_)(amount|net|tax|total|payable|price|cost|exposure|credit_limit|unapplied|wallet)$"
        r"|^(base_)?(total|amount)$|_percent$"
    )
    numbers = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, found in schema.get("properties", {}).items()
        if named.search(field) and re.search("integer|number", str(found.get("type")))
    ]

    assert numbers == ["SearchResult.total"]  # how many hits there are
