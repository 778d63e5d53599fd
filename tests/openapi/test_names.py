"""Names of operations and models: in the SDKs people read and type them."""

import json
import re
from typing import Any

import pytest

from app.http.openapi import PATH

VERBS = {
    "accept", "acknowledge", "add", "allocate", "answer", "approve", "bounce", "cancel", "change", "check", "close",
    "collect", "compare", "complete", "confirm", "create", "credit", "decline", "delete", "deliver", "disable", "explain",
    "flag", "forward", "get", "hold", "import", "inspect", "list", "listen", "login", "logout", "mark", "move", "promote",
    "publish", "pull", "push", "read", "reassign", "receive", "recheck", "record", "refresh", "reject", "release",
    "remove", "reopen", "repair", "replace", "replay", "request", "reschedule", "reset", "resolve", "return", "revoke",
    "rotate", "search", "set", "ship", "start", "submit", "suggest", "sync", "update", "verify", "void", "wipe", "withdraw",
}  # fmt: skip
# Of Swift, Kotlin, TypeScript and Python, where a model of that name would hide something that everybody uses.
TAKEN = {
    "Any", "Array", "Binary", "Boolean", "Character", "Data", "Date", "Decimal", "Dictionary", "Document", "Double",
    "Element", "Enum", "Error", "Event", "Exception", "Field", "File", "Float", "Function", "Int", "Integer", "List",
    "Locale", "Location", "Long", "Map", "Model", "Node", "Notification", "Number", "Object", "Optional", "Pair", "Range",
    "Record", "Request", "Response", "Result", "Self", "Sequence", "Set", "String", "Symbol", "Task", "Text", "Triple",
    "Type", "URL", "UUID", "Unit", "Void",
}  # fmt: skip


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(PATH.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def operation_ids(document: Any) -> list[str]:
    return [
        o["operationId"] for item in document["paths"].values() for m, o in item.items() if m != "parameters"
    ]


def test_every_operation_has_a_name_of_its_own(operation_ids: list[str]) -> None:
    assert len(operation_ids) == len({name.lower() for name in operation_ids})


def test_every_operation_is_named_by_a_verb_and_its_noun(operation_ids: list[str]) -> None:
    odd = [
        name
        for name in operation_ids
        if not re.fullmatch(r"[a-z][A-Za-z0-9]{2,50}", name) or re.split(r"(?=[A-Z])", name)[0] not in VERBS
    ]

    assert odd == []


def test_no_model_is_named_after_how_it_was_generated(document: Any) -> None:
    odd = [
        name
        for name in document["components"]["schemas"]
        if not re.fullmatch(r"[A-Z][A-Za-z]+(360)?", name)
        or re.search(r"Inner|(?<!Spare)Part$|Schema.|Args|^(Get|Post|Api)|PatchPatch|CreateCreate", name)
    ]

    assert odd == []


def test_no_model_hides_a_word_of_the_languages(document: Any) -> None:
    assert document["components"]["schemas"].keys() & TAKEN == set()


def test_no_two_models_differ_in_their_case_only(document: Any) -> None:
    names = list(document["components"]["schemas"])

    assert len(names) == len({name.lower() for name in names})


def test_every_object_has_a_name_so_that_no_generator_makes_one_up(document: Any) -> None:
    nameless: list[str] = []

    def look(node: Any, place: str) -> None:
        for step, inner in (
            node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        ):
            if step in ("examples", "example"):
                continue
            if (
                isinstance(inner, dict)
                and "properties" in inner
                and not re.fullmatch("/components/schemas", place)
            ):
                nameless.append(f"{place}/{step}")
            look(inner, f"{place}/{step}")

    look(document, "")

    assert [place for place in nameless if not place.endswith("/properties")] == []


def test_every_tag_is_described_and_used(document: Any) -> None:
    tags = {tag["name"]: tag.get("description") for tag in document["tags"]}
    used = {
        t
        for item in document["paths"].values()
        for m, o in item.items()
        if m != "parameters"
        for t in o["tags"]
    }

    assert tags.keys() == used
    assert all(tags.values())


def test_the_document_stays_of_a_size_that_a_browser_opens(document: Any) -> None:
    assert PATH.stat().st_size < 1_500_000
    assert document["servers"]
