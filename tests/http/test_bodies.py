"""Every operation that takes a body, sent what is none, and fields that are not the caller's to write."""

import re
from typing import Any

import pytest

from app.core.ids import new_id
from tests.http.house import DOCUMENT, OPERATIONS, Operation, named
from tests.http.test_strict_json import REFUSED
from tests.sync_api.untouched import untouched
from tests.world import Person, World

# Those that take a list are asked in the tests of the door that has them.
WITH_BODY = [o for o in OPERATIONS if o.body is not None and not isinstance(o.body, list)]
WRITING = [
    o for o in WITH_BODY if o.path not in ("/api/v1/sync", "/api/v1/sync/repair", "/api/v1/sync/watermelon")
]
KINDS = (
    "an empty body",
    "a truncated object",
    "something after the object",
    "a list",
    "null",
    "NaN",
    "a number over the range of floats",
    "an integer of 5,000 digits",
    "the same key twice",
    "UTF-16",
    "a byte order mark",
    "invalid UTF-8",
    "33 levels",
    "5,000 keys",
    "a key of 1 MB",
    "a text of 5 MB",
    "more than 8 MB",
    "a lone surrogate in a key",
)
TABLES = {
    "accounts": "accounts",
    "sites": "sites",
    "contacts": "contacts",
    "relations": "account_relations",
    "buying-roles": "account_contacts",
    "visits": "visits",
    "activities": "activities",
    "tasks": "tasks",
    "users": "users",
    "org-units": "org_units",
    "territories": "territories",
    "members": "territory_members",
    "delegations": "delegations",
    "approval-policies": "approval_policies",
    "absences": "absences",
    "company-holidays": "company_holidays",
    "currencies": "currencies",
    "tax-codes": "tax_codes",
    "products": "products",
    "cost": "product_costs",
    "exchange-rates": "exchange_rates",
    "price-lists": "price_lists",
    "price-list-assignments": "price_list_assignments",
    "prices": "prices",
    "promotions": "promotions",
    "promotion-accounts": "promotion_accounts",
    "orders": "orders",
    "shipments": "shipments",
    "order-returns": "order_returns",
    "order-settings": "order_settings",
    "warehouses": "warehouses",
    "discount-limits": "discount_limits",
    "stock": "stock_snapshots",
    "articles": "articles",
    "trees": "diagnosis_trees",
    "tree-versions": "tree_versions",
    "runs": "diagnosis_runs",
    "feedback": "article_feedback",
    "uses": "article_uses",
    "proposals": "article_proposals",
    "questions": "expert_questions",
    "promote": "promoted_notes",
    "versions": "article_versions",
    "pack-budgets": "pack_budgets",
    "search": "search_synonyms",
}


def send(operation: Operation, person: Person, ids: dict[str, str], raw: bytes, media_type: str) -> Any:
    path = re.sub(r"\{(\w+)\}", lambda found: ids[f"{operation.room}/{found[1]}"], operation.path)
    headers = person.headers | {"If-Match": '"1"', "Content-Type": media_type}
    client = person.world.app.test_client()
    return client.open(path, method=operation.method, data=raw, headers=headers)


@pytest.mark.parametrize("operation", WITH_BODY, ids=named)
def test_what_is_no_decent_json_is_refused_and_changes_nothing(
    operation: Operation, house: World, ids: dict[str, str], everybody: dict[str, Person]
) -> None:
    person = everybody["admin" if "admin" in operation.roles else min(operation.roles)]

    with untouched(house):
        for kind in KINDS:
            raw, code = REFUSED[kind]
            answer = send(operation, person, ids, raw, "application/json")
            found = answer.status_code, answer.mimetype, answer.json["code"]
            assert found == (413 if code == "body_too_large" else 400, "application/problem+json", code), kind
        for media_type in (
            "",
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
        ):
            answer = send(operation, person, ids, b"{}", media_type)
            assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("operation", WRITING, ids=named)
def test_fields_that_are_not_the_callers_are_refused_and_change_nothing(
    operation: Operation, house: World, ids: dict[str, str], everybody: dict[str, Person]
) -> None:
    """Every column of the table that the body does not declare, and a few that no table has."""
    last = re.sub(r"/\{\w+\}", "", operation.path).split("/")[-1]
    table = TABLES.get(last) or TABLES.get(operation.room)
    columns = {
        name
        for (name,) in house.engine_sql(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped",
            name=table,
        )
    }
    body = DOCUMENT["paths"][operation.path][operation.method.lower()]["requestBody"]
    declared = resolved(body["content"]["application/json"]["schema"])["properties"]
    takes = {name for name, one in declared.items() if not one.get("readOnly")}
    owned = sorted((columns | set(declared) | {"never_heard_of", "__proto__", "is_admin"}) - takes)
    person = everybody["admin" if "admin" in operation.roles else min(operation.roles)]

    with untouched(house):
        for name in owned:
            answer = person_asks(operation, person, ids, {**operation.body, name: str(new_id())})
            assert answer.status_code == 422, (name, answer.text)
            errors = {e["pointer"]: e["code"] for e in answer.json["errors"]}
            assert errors.get(f"/{name}") in ("read_only_field", "unknown_field"), (name, errors)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def person_asks(operation: Operation, person: Person, ids: dict[str, str], body: dict[str, Any]) -> Any:
    path = re.sub(r"\{(\w+)\}", lambda found: ids[f"{operation.room}/{found[1]}"], operation.path)
    return person.call(operation.method, path, body, **{"If-Match": '"1"'})
