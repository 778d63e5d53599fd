from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from app.factory import create_app
from app.http.openapi import PATH, offline_config, written

METHODS = ("get", "post", "put", "patch", "delete")


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


def test_every_body_has_an_example(document: Any) -> None:
    lacking = [
        f"{name} {part}"
        for name, operation in operations(document)
        for part, body in bodies(operation)
        if "example" not in body and "examples" not in body
    ]

    assert lacking == []


def test_every_example_is_valid_by_its_schema(document: Any) -> None:
    wrong = []
    for name, operation in operations(document):
        for part, body in bodies(operation):
            validator = Draft202012Validator(body["schema"] | {"components": document["components"]})
            wrong += [
                f"{name} {part}: {list(error.absolute_path)} {error.message[:100]}"
                for error in validator.iter_errors(body.get("example"))
            ]

    assert wrong == []


def test_every_operation_that_is_not_open_wants_a_token(document: Any) -> None:
    assert document["security"] == [{"accessToken": []}]
    open_to_all = [name for name, operation in operations(document) if operation.get("security") == []]

    assert sorted(open_to_all) == ["POST /api/v1/auth/login", "POST /api/v1/auth/refresh"]


def test_no_schema_takes_unknown_fields(document: Any) -> None:
    lax = [
        n for n, s in document["components"]["schemas"].items() if s.get("additionalProperties") is not False
    ]

    assert lax == []


def test_amounts_are_text_and_never_numbers(document: Any) -> None:
    text = PATH.read_text(encoding="utf-8")

    assert '"format": "decimal"' in text
    for schema in document["components"]["schemas"].values():
        for field in schema["properties"].values():
            if field.get("format") == "decimal":
                assert "string" in field["type"]
