"""``GET /sync/schema`` names, for each shape, exactly what the bodies hold."""

import json
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from jsonschema import Draft202012Validator

from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.sync_api.registry import BY_NAME
from sync.policy import Merge
from tests.approvals.planted import plant_approval, plant_notification
from tests.catalog.shop import open_shop
from tests.knowledge.planted import (
    plant_article,
    plant_packs,
    plant_receipt,
    plant_run,
    plant_said,
    plant_tree,
)
from tests.orders.planted import plant_orders, plant_terms
from tests.world import Person, World

Json = dict[str, Any]
ROLES = ("rep", "technician", "manager", "admin", "partner")


@pytest.fixture(scope="module")
def world(served: Flask, pools: Database) -> World:
    """A company with something of every entity, in the sight of everybody."""
    return World(served, pools)


@pytest.fixture(scope="module")
def people(world: World) -> dict[str, Person]:
    found = {role: world.person(role, world.region if role == "manager" else world.north) for role in ROLES}
    fill(world, found)
    for person in found.values():
        person.sync()
    return found


def fill(world: World, people: dict[str, Person]) -> None:
    account, other = (
        world.account(legal_name="가람상사 주식회사", location=[37.5, 127.0]),
        world.account(name="나래"),
    )
    contact = new_id()
    world.insert("sites", id=new_id(), account_id=account, name="공장")
    world.insert("contacts", id=contact, account_id=account, name="뷔람담")
    world.insert("account_relations", id=new_id(), account_id=account, to_account_id=other, kind="supplies")
    world.insert("account_contacts", id=new_id(), account_id=account, contact_id=contact, role="user")
    world.insert(
        "activities",
        id=new_id(),
        account_id=account,
        author_id=people["rep"].id,
        kind="call",
        happened_at=utc_now(),
    )
    fill_catalogue(world, account)
    everybody = ["sales", "service", "manager", "partner"]
    world.insert("search_synonyms", id=new_id(), words=["엔진오일", "engine oil"], audience=everybody)
    plant_orders(
        world, account, people["rep"].id, words="오전 배송", requested_on=utc_now(), hold_reasons=["credit"]
    )
    for role in ("rep", "manager", "admin"):
        plant_terms(world, role=role)
    fill_receivables(world, account, people["rep"])
    for role in ("rep", "technician", "manager", "admin"):
        person, visit = people[role], new_id()
        world.insert("visits", id=visit, account_id=account, assignee_id=person.id, planned_start=utc_now())
        world.insert("visit_tasks", id=new_id(), visit_id=visit, title="설문", done_at=utc_now(), done=True)
        world.insert(
            "tasks", id=new_id(), account_id=account, assignee_id=person.id, title="견적", due_on=utc_now()
        )
        open_conflict(world, person, account)
    notice = plant_article(world, people["admin"].id, unit_id=world.unit_id)
    plant_packs(world, f"unit:{world.unit_id}")
    tree = plant_tree(world, people["admin"].id, unit_id=world.unit_id)
    plant_run(world, tree, account, visit, people["rep"].id)
    for person in people.values():
        plant_receipt(world, notice, person.id)
        plant_said(world, notice, person.id, visit)
        plant_approval(world, person.id, people["admin"].id)
        plant_notification(world, person.id, read_at=utc_now())


def fill_catalogue(world: World, account: UUID) -> None:
    shop = open_shop(world)
    product = shop.product("OIL", name_en="Engine oil", warranty_months=12, categories=["lube"])
    shop.price(product, "1000", floor="900", until=date(2099, 12, 31))
    shop.promotion(
        "GIFT",
        "free_goods",
        "1",
        account,
        free_product_id=product,
        free_unit="EA",
        budget_left=Decimal("10.5"),
    )
    world.insert("currencies", id=new_id(), code="USD", line_unit=Decimal("0.01"), tax_unit=Decimal("0.01"))


def fill_receivables(world: World, account: UUID, rep: Person) -> None:
    money = {"currency": "KRW", "amount": 1000, "base_amount": 1000, "rate": 1, "rate_date": utc_now()}
    invoice, payment = new_id(), new_id()
    days = {"issued_on": utc_now(), "due_on": utc_now()}
    world.insert("invoices", id=invoice, account_id=account, number="1", open_amount=400, **money | days)
    world.insert(
        "payments",
        id=payment,
        account_id=account,
        collected_by=rep.id,
        method="cash",
        received_at=utc_now(),
        received_on=utc_now(),
        unapplied_amount=400,
        **money,
    )
    world.insert("payment_allocations", id=new_id(), payment_id=payment, invoice_id=invoice, amount=600)
    world.insert("account_balances", id=new_id(), account_id=account, currency="KRW", oldest_due_on=utc_now())


def open_conflict(world: World, person: Person, account: UUID) -> None:
    person.sync()
    edit = person.edit("account", account, {"legal_name": f"이름 {person.login}"})
    world.sql(
        "UPDATE accounts SET legal_name = :name WHERE tenant_id = :tenant AND id = :id",
        id=account,
        name=f"본사 {person.login}",
    )
    (verdict,) = person.sync(edit)
    assert verdict["status"] == "conflict", verdict


def document(person: Person) -> Json:
    response = person.call("GET", "/api/v1/sync/schema")
    assert response.status_code == 200
    found: Json = response.json
    return found


class TestEveryShape:
    @pytest.mark.parametrize("role", ROLES)
    def test_gets_in_its_bodies_the_fields_that_its_document_names_and_in_their_order(
        self, people: dict[str, Person], role: str
    ) -> None:
        person = people[role]
        entities = document(person)["entities"]

        held = {(entity, tuple(body)) for (entity, _), body in person.records.items()}

        assert held
        for entity, keys in held:
            assert list(keys) == ["id", "version", *entities[entity]["fields"]], entity

    @pytest.mark.parametrize("role", ROLES)
    def test_is_named_no_entity_that_it_never_holds(self, people: dict[str, Person], role: str) -> None:
        person = people[role]
        named = set(document(person)["entities"])

        held = {entity for entity, _ in person.records}

        assert held <= named
        # Partners have a shape of visits and tasks for the day when they get some, and open no conflicts yet.
        assert named - held <= ({"visit", "task", "conflict"} if role == "partner" else set())

    @pytest.mark.parametrize("role", ROLES)
    def test_gets_values_of_the_types_that_its_document_names(
        self, people: dict[str, Person], role: str
    ) -> None:
        person = people[role]
        entities = document(person)["entities"]

        for (entity, _), body in person.records.items():
            schema = entities[entity]["json_schema"]
            assert set(schema["required"]) == set(body)
            for name, value in body.items():
                assert valid(schema["properties"][name], value), (entity, name, value)
            assert valid(schema, body)

    @pytest.mark.parametrize("role", ROLES)
    def test_is_told_the_same_by_rest(self, people: dict[str, Person], role: str) -> None:
        person = people[role]
        paths = {
            "account": "accounts",
            "contact": "contacts",
            "site": "sites",
            "visit": "visits",
            "task": "tasks",
            "currency": "currencies",
            "tax_code": "tax-codes",
            "product": "products",
            "price_list": "price-lists",
            "price_list_assignment": "price-list-assignments",
            "price": "prices",
            "promotion": "promotions",
            "promotion_account": "promotion-accounts",
            "invoice": "invoices",
            "payment": "payments",
            "account_balance": "account-balances",
            "synonym_group": "search/synonyms",
        }

        for entity, path in paths.items():
            mine = [body for (name, _), body in person.records.items() if name == entity]
            for body in mine[:2]:
                response = person.call("GET", f"/api/v1/{path}/{body['id']}")
                assert response.status_code == 200, (entity, response.json)
                assert response.json == body

    @pytest.mark.parametrize("role", ROLES)
    def test_that_may_not_see_a_field_is_not_told_that_there_is_one(
        self, people: dict[str, Person], role: str
    ) -> None:
        person = people[role]
        shape = {"rep": "sales", "technician": "service", "partner": "partner"}.get(role, "manager")
        whole = json.dumps(document(person))

        for name, one in BY_NAME.items():
            mine = one.policy.shape_for(shape)
            hidden = set(one.policy.fields) - set(one.policy.fields_of(mine) if mine else {})
            if mine is None:
                assert f'"{name}": ' not in whole
            elif name == "account":
                assert not [field for field in hidden if f'"{field}"' in whole]


def valid(schema: Json, value: Any) -> bool:
    return bool(
        Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).is_valid(value)
    )


class TestTheDocument:
    def test_names_operations_commands_and_steps_that_the_server_takes(
        self, people: dict[str, Person]
    ) -> None:
        entities = document(people["rep"])["entities"]

        assert entities["visit"]["operations"] == ["create", "update", "delete"]
        assert "check_in" in entities["visit"]["commands"]
        assert entities["visit"]["states"]["steps"]["check_in"] == {
            "from": ["en_route", "planned"],
            "to": "checked_in",
        }
        assert entities["activity"]["operations"] == ["create"]
        assert entities["activity"]["append_only"]
        assert entities["user"]["operations"] == []
        assert entities["conflict"]["commands"] == ["resolve"]

    def test_names_every_command_of_the_registry(self, people: dict[str, Person]) -> None:
        for name, entity in document(people["manager"])["entities"].items():
            assert set(entity["commands"]) == set(BY_NAME[name].commands)
            steps = set(entity["states"]["steps"]) if entity["states"] else set()
            assert steps <= set(entity["commands"])

    def test_says_which_fields_need_their_base(self, people: dict[str, Person]) -> None:
        fields = document(people["rep"])["entities"]["account"]["fields"]

        assert {n for n, f in fields.items() if f["needs_base"]} == {"kinds", "tags", "notes"}
        assert fields["legal_name"]["merge"] == "ask"

    def test_names_limits_and_windows(self, people: dict[str, Person]) -> None:
        found = document(people["rep"])

        assert found["limits"]["mutations"] == 500
        assert found["limits"]["records"] == {"default": 2_000, "most": 10_000}
        assert found["windows"] == {
            "price_days_ahead": 30,
            "price_days_back": 7,
            "visit_days_back": 3,
            "visit_days_ahead": 14,
            "keep_acknowledged_days": 7,
            "longest_offline_days": 180,
        }

    def test_is_for_those_who_are_logged_in(self, world: World) -> None:
        assert world.app.test_client().get("/api/v1/sync/schema").status_code == 401

    def test_tells_where_the_live_pings_are(self, people: dict[str, Person]) -> None:
        found = document(people["rep"])

        assert (found["shape"], found["events"]) == ("sales", None)

    def test_says_of_every_policy_what_it_does(self, people: dict[str, Person]) -> None:
        found = document(people["manager"])
        named = {
            field["merge"] for entity in found["entities"].values() for field in entity["fields"].values()
        }

        assert named <= set(found["policies"]) == {str(merge) for merge in Merge}

    def test_says_to_what_a_reference_points_and_how_rows_are_merged(self, people: dict[str, Person]) -> None:
        entities = document(people["rep"])["entities"]

        assert entities["visit"]["fields"]["account_id"]["refers"] == "account"
        assert entities["visit"]["fields"]["tasks"]["rows"]["result"]["merge"] == "last_write"


class TestJsonSchemas:
    """One for what is held, one for each thing that may be sent."""

    @pytest.mark.parametrize("role", ROLES)
    def test_are_such_of_the_draft_that_they_name(self, people: dict[str, Person], role: str) -> None:
        for entity in document(people[role])["entities"].values():
            for schema in (entity["json_schema"], *entity["mutations"].values()):
                assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
                Draft202012Validator.check_schema(schema)

    def test_say_money_as_text_enums_formats_and_what_may_be_null(self, people: dict[str, Person]) -> None:
        order = document(people["rep"])["entities"]["order"]["json_schema"]["properties"]

        assert order["total"] == {
            "type": ["string", "null"],
            "format": "decimal",
            "pattern": r"^-?[0-9]+\.[0-9]{4}$",
        }
        assert (order["account_id"]["format"], order["taken_at"]["format"]) == ("uuid", "date-time")
        assert "draft" in order["status"]["enum"]
        assert order["status"]["type"] == "string"

    def test_are_there_for_every_operation_and_command(self, people: dict[str, Person]) -> None:
        for entity in document(people["manager"])["entities"].values():
            named = {*entity["operations"], *entity["commands"]} - {"delete"}
            assert set(entity["mutations"]) == named

    def test_of_a_record_say_the_same_as_the_api_document(
        self, world: World, people: dict[str, Person]
    ) -> None:
        api = world.app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()
        components = api["components"]["schemas"]
        compared = set()
        for name, entity in document(people["manager"])["entities"].items():
            component = components.get(BY_NAME[name].schema.__name__.removesuffix("Schema"))
            if component is None:
                continue
            for field, told in entity["json_schema"]["properties"].items():
                assert core(told) == core(component["properties"][field], components), (name, field)
            compared.add(name)

        assert {"account", "visit", "order", "payment", "article", "conflict", "diagnosis_run"} <= compared

    def test_of_what_is_sent_take_what_the_server_takes_and_refuse_what_it_refuses(
        self, world: World, people: dict[str, Person]
    ) -> None:
        rep = people["rep"]
        schema = document(rep)["entities"]["account"]["mutations"]
        good = {"name": "다솜상사", "territory_id": str(world.north), "tags": ["겨울"]}
        cases = [
            good,
            {**good, "tier": "A"},
            {**good, "tier": "Z"},
            {**good, "version": 3},
            {**good, "tags": ["겨울", "겨울"]},
            {**good, "name": ""},
            {"name": "다솜상사", "tags": "겨울"},
        ]
        for fields in cases:
            (verdict,) = rep.sync(rep.mutation("create", "account", new_id(), fields=fields))
            assert (verdict["status"] == "applied") is valid(schema["create"], fields), (fields, verdict)


def core(told: Json, components: Json | None = None) -> Json:
    """Types, formats and enums of a JSON Schema, however it is written."""
    if components and "$ref" in told:
        told = components[told["$ref"].rpartition("/")[2]]
    kinds = told.get("type", "any")
    found: Json = {"type": sorted(kinds) if isinstance(kinds, list) else [kinds]}
    found |= {name: told[name] for name in ("format", "enum") if name in told}
    if "items" in told:
        found["items"] = core(told["items"], components)
    if "properties" in told:
        found["properties"] = {name: core(part, components) for name, part in told["properties"].items()}
    return found
