"""Spectral's rules and our own (``openapi/.spectral.yaml``), on the document and on one with planted faults."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from app.http.openapi import PATH
from localnode import installed, run

HERE = Path(__file__).parent
RULES = PATH.with_name(".spectral.yaml")

pytestmark = pytest.mark.more


def lint(document: Path, told: Path) -> list[str]:
    """What Spectral finds: ``code: where``, warnings and hints too; *told* takes its output."""
    home = installed(HERE / "spectral")
    program = home / "node_modules" / "@stoplight" / "spectral-cli" / "dist" / "index.js"
    # Its answer is read from a file: what it prints through a pipe is cut off where the pipe is full.
    run(
        program, "lint", "--quiet", "--fail-severity=error", "-D", "--ruleset", str(RULES),
        "-f", "json", "-o", str(told), "--fail-on-unmatched-globs", str(document), cwd=home, may_fail=True,
    )  # fmt: skip
    return [
        f"{one['code']}: {'.'.join(map(str, one['path']))}: {one['message']}"
        for one in json.loads(told.read_text(encoding="utf-8"))
    ]


def test_the_document_is_clean(tmp_path: Path) -> None:
    assert lint(PATH, tmp_path / "told.json") == []


def nameless(document: Any) -> None:
    document["paths"]["/api/v1/accounts"]["get"]["operationId"] = "List_Accounts"


def odd_model(document: Any) -> None:
    schemas = document["components"]["schemas"]
    schemas["account_thing"] = schemas["AccountPage"]


def html_error(document: Any) -> None:
    answer = document["components"]["responses"]["CONFLICT"]
    answer["content"] = {"text/html": next(iter(answer["content"].values()))}


def no_default(document: Any) -> None:
    del document["paths"]["/api/v1/accounts"]["get"]["responses"]["default"]


def no_refusal(document: Any) -> None:
    del document["paths"]["/api/v1/accounts"]["get"]["responses"]["401"]


def no_example(document: Any) -> None:
    del document["paths"]["/api/v1/accounts"]["post"]["requestBody"]["content"]["application/json"][
        "examples"
    ]


def money_as_number(document: Any) -> None:
    document["components"]["schemas"]["Invoice"]["properties"]["amount"] = {"type": "number"}


def loose_decimal(document: Any) -> None:
    del document["components"]["schemas"]["Invoice"]["properties"]["open_amount"]["pattern"]


def no_sunset(document: Any) -> None:
    document["paths"]["/api/v1/accounts"]["get"]["deprecated"] = True


def odd_path(document: Any) -> None:
    document["paths"]["/api/v1/Order_Things"] = {}


def no_description(document: Any) -> None:
    document["paths"]["/api/v1/accounts"]["get"]["description"] = ""


PLANTED: dict[Callable[[Any], None], str] = {
    nameless: "fieldmerge-operation-id",
    odd_model: "fieldmerge-model-name",
    html_error: "fieldmerge-problem",
    no_default: "fieldmerge-default-error",
    no_refusal: "fieldmerge-unauthenticated",
    no_example: "fieldmerge-examples",
    money_as_number: "fieldmerge-no-floats-named-money",
    loose_decimal: "fieldmerge-decimal-is-text",
    no_sunset: "fieldmerge-deprecated-has-sunset",
    odd_path: "fieldmerge-paths",
    no_description: "operation-description",
}


def test_every_rule_of_ours_finds_what_is_planted(tmp_path: Path) -> None:
    document = json.loads(PATH.read_text(encoding="utf-8"))
    kept = ("/api/v1/accounts", "/api/v1/invoices")
    document["paths"] = {p: item for p, item in document["paths"].items() if p in kept}
    planted = deepcopy(document)
    for plant in PLANTED:
        plant(planted)
    path = tmp_path / "planted.json"
    path.write_text(json.dumps(planted), encoding="utf-8")

    found = {line.split(":")[0] for line in lint(path, tmp_path / "told.json")}

    assert set(PLANTED.values()) - found == set()
