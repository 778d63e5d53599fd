"""What the doors send is what the generated definitions have a place for, of every entity and role."""

from typing import Any

import pytest
from flask import Flask

from app.core.db import Database
from sdk.stores import rxdb, watermelon
from sdk.stores.document import Catalogue, own
from tests.sync_api.test_schema_document import ROLES, fill
from tests.world import Person, World

SHAPE_OF = {"rep": "sales", "technician": "service", "partner": "partner"}


@pytest.fixture(scope="module")
def people(served: Flask, pools: Database) -> dict[str, Person]:
    world = World(served, pools)
    found = {role: world.person(role, world.region if role == "manager" else world.north) for role in ROLES}
    fill(world, found)
    return found


@pytest.mark.parametrize("role", ROLES)
def test_documents_of_the_rxdb_door_fit_their_collections(people: dict[str, Person], role: str) -> None:
    schemas = rxdb.schemas_of(Catalogue.of(own([SHAPE_OF.get(role, "manager")])))
    seen = set()
    for name, schema in schemas.items():
        for document in asked(people[role], f"/api/v1/sync/rxdb/{name}/pull?limit=100")["documents"]:
            if not document.pop("_deleted"):
                assert document.keys() == schema["properties"].keys(), name
                seen.add(name)

    assert len(seen) >= 10


@pytest.mark.parametrize("role", ROLES)
def test_rows_of_the_watermelon_door_fit_their_tables(people: dict[str, Person], role: str) -> None:
    tables = watermelon.tables_of(Catalogue.of(own([SHAPE_OF.get(role, "manager")])))
    types = {"string": str, "number": int, "boolean": bool}
    changes = asked(people[role], "/api/v1/sync/watermelon?last_pulled_at=null")["changes"]
    for name, lists in changes.items():
        for row in lists["updated"]:
            assert row.keys() - {"id"} == tables[name].keys() - {"updated_at"}, name
            for column, value in row.items():
                assert column == "id" or value is None or type(value) is types[tables[name][column]["type"]]

    assert len(changes) >= 10


def asked(person: Person, path: str) -> Any:
    response = person.call("GET", path)
    assert response.status_code == 200, response.json
    return response.json
