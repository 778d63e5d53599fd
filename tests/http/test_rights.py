"""Every operation of the document, asked by those who may not and by those of another company."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from jsonschema import Draft202012Validator

from app.core.ids import new_id
from app.core.scope import Role
from app.factory import create_app
from app.http.openapi import offline_config
from tests.world import Person, World

VISIT = {"planned_start": "2030-01-02T01:00:00Z", "planned_end": "2030-01-02T02:00:00Z"}
ACTIVITY = {"kind": "call", "subject": "Oil change"}
DOCUMENT: Any = create_app(offline_config()).test_client().get("/api/openapi.json").json


@dataclass(frozen=True)
class Operation:
    """One operation of the document, ready to be asked."""

    method: str
    path: str
    roles: frozenset[str]
    body: Any

    def ask(self, person: Person, ids: dict[str, str]) -> Any:
        path = re.sub(r"\{(\w+)\}", lambda found: ids[f"{self.room}/{found[1]}"], self.path)
        return person.call(self.method, path, self.body, **{"If-Match": '"1"'})

    @property
    def room(self) -> str:
        return self.path.split("/")[3]


def operations() -> Iterator[Operation]:
    for path, item in DOCUMENT["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item and "x-roles" in item[method] and item[method]["x-roles"]:
                content = item[method].get("requestBody", {}).get("content", {})
                body = content.get("application/json", {}).get("example")
                yield Operation(method.upper(), path, frozenset(item[method]["x-roles"]), body)


OPERATIONS = list(operations())
WITH_IDS = [operation for operation in OPERATIONS if "{" in operation.path]


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.fixture(scope="module")
def house(served: Flask, pools: Any) -> World:
    return World(served, pools)


@pytest.fixture(scope="module")
def everybody(house: World) -> dict[str, Person]:
    return {role.value: house.person(role, house.region) for role in Role}


@pytest.fixture(scope="module")
def stranger(served: Flask, pools: Any) -> Person:
    return World(served, pools).person(Role.ADMIN)


@pytest.fixture(scope="module")
def neighbours(house: World) -> dict[str, Person]:
    """Colleagues in a territory and a unit of their own, who share no record with the others."""
    territory, unit = new_id(), new_id()
    house.insert("territories", id=territory, code="jeju", name="제주")
    house.insert("org_units", id=unit, code="jeju", name="제주지점", kind="branch")
    found = {
        role: house.person(Role(role), territory) for role in ("rep", "technician", "manager", "partner")
    }
    house.sql(
        "UPDATE users SET org_unit_id = :unit WHERE tenant_id = :tenant AND id = ANY(:ids)",
        unit=unit,
        ids=[person.id for person in found.values()],
    )
    return found


@pytest.fixture(scope="module")
def ids(house: World, everybody: dict[str, Person]) -> dict[str, str]:
    """An id of this company for every place in a path."""
    admin = everybody["admin"]
    account = house.account(owner_id=everybody["rep"].id)
    contact = made(admin, f"accounts/{account}/contacts", name="김한결")
    found = {
        "accounts/account_id": account,
        "devices/device_id": everybody["rep"].device_id,
        "users/user_id": everybody["rep"].id,
        "org-units/unit_id": house.unit_id,
        "territories/territory_id": house.region,
        "territories/member_id": house.sql(
            "SELECT id FROM territory_members WHERE tenant_id = :tenant AND user_id = :user", user=admin.id
        )[0][0],
        "visits/visit_id": made(admin, "visits", account_id=str(account), **VISIT),
        "tasks/task_id": made(admin, "tasks", account_id=str(account), title="Call back"),
        "activities/activity_id": made(admin, "activities", account_id=str(account), **ACTIVITY),
        "sites/record_id": made(admin, f"accounts/{account}/sites", name="Depot"),
        "contacts/record_id": contact,
        "relations/record_id": made(
            admin, f"accounts/{account}/relations", kind="supplies", to_account_id=str(house.account())
        ),
        "buying-roles/record_id": made(
            admin, f"accounts/{account}/buying-roles", contact_id=contact, role="approver"
        ),
    }
    return {place: str(value) for place, value in found.items()}


def made(person: Person, path: str, **values: Any) -> str:
    """The id of a record that a person makes."""
    answer = person.call("POST", f"/api/v1/{path}", values)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def random_ids() -> dict[str, str]:
    places = {f"{o.room}/{name}" for o in WITH_IDS for name in re.findall(r"\{(\w+)\}", o.path)}
    return {place: str(uuid4()) for place in places}


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_a_role_outside_the_rule_is_refused(operation: Operation, everybody: dict[str, Person]) -> None:
    ids = random_ids()
    for role, person in everybody.items():
        if role not in operation.roles:
            answer = operation.ask(person, ids)

            assert (answer.status_code, answer.json["code"]) == (403, "forbidden"), role


@pytest.mark.parametrize("operation", WITH_IDS, ids=named)
def test_an_id_of_another_company_is_answered_as_a_random_one(
    operation: Operation, ids: dict[str, str], stranger: Person
) -> None:
    foreign = operation.ask(stranger, random_ids() | ids)
    random = operation.ask(stranger, random_ids())

    assert foreign.status_code == random.status_code
    assert said(foreign) == said(random)
    assert foreign.status_code == 404 or foreign.json["code"] in ("reference_not_found", "validation_failed")


@pytest.mark.parametrize("role", ["rep", "technician", "manager", "partner"])
@pytest.mark.parametrize("operation", WITH_IDS, ids=named)
def test_an_id_of_another_territory_is_answered_as_a_random_one(
    operation: Operation, role: str, ids: dict[str, str], neighbours: dict[str, Person]
) -> None:
    if role not in operation.roles:
        return  # refused whatever the id is: the first test
    foreign = operation.ask(neighbours[role], random_ids() | ids)
    random = operation.ask(neighbours[role], random_ids())

    assert foreign.status_code == random.status_code
    assert said(foreign) == said(random)
    assert foreign.status_code == 404 or foreign.json["code"] in ("reference_not_found", "validation_failed")


@pytest.mark.parametrize("place", sorted(random_ids()))
def test_the_ids_of_these_tests_are_real(
    place: str, ids: dict[str, str], everybody: dict[str, Person]
) -> None:
    reads = [o for o in WITH_IDS if o.method == "GET" and o.path.endswith("{" + place.split("/")[1] + "}")]
    for operation in (o for o in reads if o.room == place.split("/")[0] and place in ids):
        assert operation.ask(everybody["admin"], ids).status_code == 200


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.method == "GET"], ids=named)
def test_an_answer_is_as_the_document_says(
    operation: Operation, ids: dict[str, str], everybody: dict[str, Person]
) -> None:
    described = DOCUMENT["paths"][operation.path]["get"]["responses"]["200"]["content"]["application/json"]
    validator = Draft202012Validator(described["schema"] | {"components": DOCUMENT["components"]})

    for role in sorted(operation.roles):
        answer = operation.ask(everybody[role], random_ids() | ids)

        wrong = validator.iter_errors(answer.json) if answer.status_code == 200 else ()
        assert [f"{role} {list(error.absolute_path)} {error.message[:80]}" for error in wrong] == []


def said(answer: Any) -> Any:
    """The answer without what differs between any two."""
    return {name: value for name, value in (answer.json or {}).items() if name != "request_id"}
