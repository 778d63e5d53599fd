"""Every operation of the document, asked by those who may not and by those of another company."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.http.house import DOCUMENT, OPERATIONS, WITH_IDS, Operation, named, random_ids
from tests.sync_api.untouched import untouched
from tests.world import Person, World


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_a_role_outside_the_rule_is_refused(
    operation: Operation, everybody: dict[str, Person], ids: dict[str, str], house: World
) -> None:
    for role, person in everybody.items():
        if role not in operation.roles:
            with untouched(house):
                answer = operation.ask(person, random_ids() | ids)

            assert (answer.status_code, answer.json["code"]) == (403, "forbidden"), role


@pytest.mark.parametrize("operation", WITH_IDS, ids=named)
def test_an_id_of_another_company_is_answered_as_a_random_one(
    operation: Operation, ids: dict[str, str], stranger: Person, house: World
) -> None:
    with untouched(house):
        foreign = operation.ask(stranger, random_ids() | ids)
        random = operation.ask(stranger, random_ids())

    assert foreign.status_code == random.status_code
    assert said(foreign) == said(random)
    assert foreign.status_code == 404 or foreign.json["code"] in ("reference_not_found", "validation_failed")


# What is sold, from where it is shipped and what words it goes by is known to the whole company; for how much is not.
KNOWN_TO_ALL = ("currencies", "products", "search", "tax-codes", "warehouses")
OF_TERRITORIES = [one for one in WITH_IDS if one.room not in KNOWN_TO_ALL]


@pytest.mark.parametrize("role", ["rep", "technician", "manager", "partner"])
@pytest.mark.parametrize("operation", OF_TERRITORIES, ids=named)
def test_an_id_of_another_territory_is_answered_as_a_random_one(
    operation: Operation, role: str, ids: dict[str, str], neighbours: dict[str, Person], house: World
) -> None:
    if role not in operation.roles:
        return  # refused whatever the id is: the first test
    with untouched(house):
        foreign = operation.ask(neighbours[role], random_ids() | ids)
        random = operation.ask(neighbours[role], random_ids())

    assert foreign.status_code == random.status_code
    assert said(foreign) == said(random)
    assert foreign.status_code == 404 or foreign.json["code"] in ("reference_not_found", "validation_failed")


@pytest.mark.parametrize("place", sorted(random_ids()))
def test_the_ids_of_these_tests_are_real(
    place: str, ids: dict[str, str], everybody: dict[str, Person]
) -> None:
    room, name = place.split("/")
    reads = [o for o in WITH_IDS if (o.method, o.room) == ("GET", room) and o.path.endswith(f"{{{name}}}")]
    for operation in reads:
        assert operation.ask(everybody["admin"], ids).status_code == 200
    assert place in ids


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
