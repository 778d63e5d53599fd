"""Every operation of the document, ready to be asked, and one company of everybody to ask them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from app.factory import create_app
from app.http.openapi import offline_config
from tests.world import Person

VISIT = {"planned_start": "2030-01-02T01:00:00Z", "planned_end": "2030-01-02T02:00:00Z"}
ACTIVITY = {"kind": "call", "subject": "Oil change"}
INVOICE = {"issued_on": "2026-11-01", "due_on": "2026-12-01", "currency": "KRW", "amount": "300000"}
PAYMENT = {"method": "transfer", "currency": "KRW", "amount": "100000"}
WEBHOOK = {"url": "https://erp.example.com/hooks", "events": ["*"]}
DOCUMENT: Any = create_app(offline_config()).test_client().get("/api/openapi.json").json


@dataclass(frozen=True)
class Operation:
    """One operation of the document, ready to be asked."""

    method: str
    path: str
    roles: frozenset[str]
    body: Any

    def ask(self, person: Person, ids: dict[str, str], query: str = "") -> Any:
        path = re.sub(
            r"\{(\w+)\}", lambda found: NAMES.get(found[1]) or ids[f"{self.room}/{found[1]}"], self.path
        )
        return person.call(
            self.method, f"{path}?{query}" if query else path, self.body, **{"If-Match": '"1"'}
        )

    @property
    def room(self) -> str:
        return self.path.split("/")[3]


def operations() -> Iterator[Operation]:
    for path, item in DOCUMENT["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item and "x-roles" in item[method] and item[method]["x-roles"]:
                content = item[method].get("requestBody", {}).get("content", {})
                names = list(content.get("application/json", {}).get("examples", ()))
                body = DOCUMENT["components"]["examples"][names[0]]["value"] if names else None
                if path == "/api/v1/sync":  # the example's cursor is good for nobody
                    body = {"schema_version": 1}
                yield Operation(method.upper(), path, frozenset(item[method]["x-roles"]), body)


OPERATIONS = list(operations())
NAMES = {"entity": "account"}
"""Places in a path that are no ids."""
WITH_IDS = [operation for operation in OPERATIONS if re.search(r"\{\w+_id\}", operation.path)]


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def made(person: Person, path: str, **values: Any) -> str:
    """The id of a record that a person makes."""
    answer = person.call("POST", f"/api/v1/{path}", values)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def random_ids() -> dict[str, str]:
    places = {f"{o.room}/{name}" for o in WITH_IDS for name in re.findall(r"\{(\w+_id)\}", o.path)}
    return {place: str(uuid4()) for place in places}
