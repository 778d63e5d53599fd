"""One bad mutation: a 200 with a verdict ``rejected``, the right code, nothing changed, never a 5xx."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import marshmallow as ma
import pytest
from flask import Flask

from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.http import fields as wire_fields
from app.http.shapes import schema_for
from app.identity.models import Territory
from app.sync_api.registry import BY_NAME, SYNCED
from sync.policy import Kind
from tests.knowledge.planted import plant_article, plant_run, plant_tree
from tests.orders.planted import plant_orders
from tests.sync_api.untouched import untouched
from tests.world import Person, World

Json = dict[str, Any]
WRITABLE = ("account", "site", "contact", "account_relation", "account_contact", "visit", "task")
CREATABLE = (*WRITABLE, "activity")

# Values that a field of each kind refuses, with the code that says why.
BAD: dict[type[ma.fields.Field[Any]], list[tuple[Any, str]]] = {
    wire_fields.Text: [
        (7, "type_mismatch"),
        (True, "type_mismatch"),
        (["글"], "type_mismatch"),
        ({"ko": "글"}, "type_mismatch"),
        ("a\x00b", "char_not_allowed"),
        ("\ud800", "char_not_allowed"),
        ("가" * 20_001, "too_long"),
    ],
    wire_fields.Integer: [
        (True, "type_mismatch"),
        (1.5, "type_mismatch"),
        ("12", "type_mismatch"),
        ([1], "type_mismatch"),
        (2**63, "value_out_of_range"),
        (-(2**63), "value_out_of_range"),
        (2**31, "value_out_of_range"),
    ],
    wire_fields.Boolean: [
        (0, "type_mismatch"),
        (1, "type_mismatch"),
        ("yes", "type_mismatch"),
        ("true", "type_mismatch"),
    ],
    wire_fields.Money: [
        (100, "type_mismatch"),
        (0.5, "type_mismatch"),
        (True, "type_mismatch"),
        ("0.00005", "too_many_decimals"),
        ("100000000000000", "value_out_of_range"),
        ("1e3", "decimal_invalid"),
        ("NaN", "decimal_invalid"),
        ("1,000", "decimal_invalid"),
        ("-1", "value_out_of_range"),
    ],
    wire_fields.Id: [
        (7, "type_mismatch"),
        ("{01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d}", "id_not_canonical"),
        ("01932C5E-8F00-7A3B-9C1D-2E4F5A6B7C8D", "id_not_canonical"),
        ("01932c5e8f007a3b9c1d2e4f5a6b7c8d", "id_not_canonical"),
        ("00000000-0000-0000-0000-000000000000", "id_invalid"),
        ("01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d\n", "id_invalid"),
        ("🍵", "id_invalid"),
    ],
    wire_fields.Time: [
        ("now", "timestamp_invalid"),
        ("infinity", "timestamp_invalid"),
        ("2026-11-21T09:00:00", "timestamp_invalid"),
        ("2026-02-30T09:00:00Z", "timestamp_invalid"),
        ("294277-01-01T00:00:00Z", "timestamp_invalid"),
        ("2026-06-30T23:59:60Z", "timestamp_invalid"),
        ("2026-11-21", "timestamp_invalid"),
        (1_763_715_600, "type_mismatch"),
        ("0001-01-01T00:00:00Z", "value_out_of_range"),
    ],
    wire_fields.Day: [
        ("tomorrow", "date_invalid"),
        ("2026-02-30", "date_invalid"),
        ("2026-11-21T00:00:00Z", "date_invalid"),
        (20261121, "type_mismatch"),
    ],
    wire_fields.Point: [
        ({"lat": 91, "lon": 0}, "value_out_of_range"),
        ({"lat": 0, "lon": 181}, "value_out_of_range"),
        ({"lat": 0, "lon": 0}, "value_out_of_range"),
        ({"lat": "37.5", "lon": 127}, "type_mismatch"),
        ({"lat": True, "lon": 127}, "type_mismatch"),
        ({"lat": 37.5}, "required"),
        ({"lat": 37.5, "lon": 127, "alt": 3}, "unknown_field"),
        ([37.5, 127], "type_mismatch"),
        ("37.5,127", "type_mismatch"),
    ],
    wire_fields.Choice: [("nonsense", "choice_unknown"), ("", "choice_unknown"), (1, "type_mismatch")],
    wire_fields.Texts: [
        ("글", "type_mismatch"),
        ([1], "type_mismatch"),
        ([["글"]], "type_mismatch"),
        ([""], "blank"),
        (["글", "글"], "duplicate_item"),
        (["a\x00"], "char_not_allowed"),
        (["가" * 101], "too_long"),
        ([str(n) for n in range(101)], "too_many_items"),
        ({"글": True}, "type_mismatch"),
    ],
    wire_fields.ListOf: [
        ("customer", "type_mismatch"),
        (["nonsense"], "choice_unknown"),
        (["customer", "customer"], "duplicate_item"),
    ],
    wire_fields.CurrencyCode: [
        ("won", "currency_invalid"),
        ("KR", "currency_invalid"),
        (410, "type_mismatch"),
    ],
    wire_fields.Phone: [("전화", "phone_invalid"), ("12", "phone_invalid"), (25550100, "type_mismatch")],
    wire_fields.BusinessNumber: [("123-45-67890", "business_number_invalid"), (1234567891, "type_mismatch")],
    wire_fields.Rows: [
        ({}, "type_mismatch"),
        ("[]", "type_mismatch"),
        ([7], "type_mismatch"),
        ([{"id": "x", "title": "일"}], "id_invalid"),
        ([{"id": "01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d"}], "required"),
        ([{"id": "01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d", "title": "일", "done": 1}], "type_mismatch"),
        ([{"id": "01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d", "title": "일", "price": 1}], "unknown_field"),
    ],
}
SERVER_OWNED = ("id", "version")
NEVER_ON_THE_WIRE = (
    "tenant_id",
    "created_at",
    "updated_at",
    "updated_by",
    "deleted_at",
    "stamps",
    "search_key",
)


@dataclass(frozen=True)
class Company:
    """One company with one record of everything, for all tests here: none of them changes anything."""

    world: World
    rep: Person
    technician: Person
    manager: Person
    records: dict[str, UUID]
    foreign: dict[str, dict[str, UUID]]  # entity → what is wrong with it → id


@pytest.fixture(scope="module")
def company(served: Flask, pools: Database) -> Company:
    world = World(served, pools)
    with world.session() as session:
        east = Territory(tenant_id=world.id, id=new_id(), code="e", name="강원")
        session.add(east)
        session.flush()
        east_id = east.id
    rep = world.person("rep", world.north, name="김하늘")
    technician = world.person("technician", world.north)
    manager = world.person("manager", world.region)
    stranger_world = World(served, pools)
    stranger = stranger_world.person("rep", stranger_world.north)
    here = one_of_each(world, world.north, rep.id)
    there = one_of_each(world, east_id, world.person("rep", east_id).id)
    gone = one_of_each(world, world.north, rep.id)
    for name, record_id in gone.items():
        if name not in ("user", "territory", "activity"):
            world.sql(
                f"UPDATE {BY_NAME[name].policy.table} SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id",
                id=record_id,
            )
    elsewhere = one_of_each(stranger_world, stranger_world.north, stranger.id)
    foreign = {
        name: {
            "of another territory": there[name],
            "of another company": elsewhere[name],
            "deleted": gone[name],
        }
        for name in here
    }
    for person in (rep, technician, manager):
        person.sync()
    return Company(world, rep, technician, manager, here, foreign)


def one_of_each(world: World, territory: UUID, person: UUID) -> dict[str, UUID]:
    names = ("site", "contact", "account_relation", "account_contact", "visit", "activity", "task")
    account, other = world.account(territory), world.account(territory, name="나래상사")
    ids = {name: new_id() for name in names}
    world.insert("sites", id=ids["site"], account_id=account, name="공장")
    world.insert("contacts", id=ids["contact"], account_id=account, name="뷔람담")
    world.insert(
        "account_relations",
        id=ids["account_relation"],
        account_id=account,
        to_account_id=other,
        kind="supplies",
    )
    world.insert(
        "account_contacts",
        id=ids["account_contact"],
        account_id=account,
        contact_id=ids["contact"],
        role="user",
    )
    world.insert("visits", id=ids["visit"], account_id=account, assignee_id=person, planned_start=utc_now())
    world.insert(
        "activities",
        id=ids["activity"],
        account_id=account,
        author_id=person,
        kind="call",
        happened_at=utc_now(),
    )
    world.insert("tasks", id=ids["task"], account_id=account, assignee_id=person, title="견적")
    ids |= plant_orders(world, account, person)
    # For managers here, for partners elsewhere.
    role = "manager" if territory == world.north else "partner"
    article, tree = plant_article(world, person, role=role), plant_tree(world, person, role=role)
    ids |= {"article_version": article["article_version"], "tree_version": tree["tree_version"]}
    ids["diagnosis_run"] = plant_run(world, tree, account, ids["visit"], person)
    ids["product"] = new_id()
    world.insert("products", id=ids["product"], sku=ids["product"].hex, name="윤활유", base_unit="EA")
    ids["warehouse"] = new_id()
    world.insert("warehouses", id=ids["warehouse"], code=ids["warehouse"].hex, name="인천 물류센터")
    return ids | {"account": account, "user": person, "territory": territory}


def judged(person: Person, *mutations: Json) -> list[Json]:
    """The verdicts; sent as raw bytes, since no honest JSON library would write some of these."""
    body = {"schema_version": 1, "cursor": person.cursor, "mutations": mutations}
    response = person.world.app.test_client().post(
        "/api/v1/sync",
        data=json.dumps(body).encode(),
        headers={**person.headers, "Content-Type": "application/json"},
    )
    assert response.status_code == 200, response.get_data(as_text=True)
    found: list[Json] = response.json["verdicts"]
    return found


def update(person: Person, entity: str, record_id: UUID, fields: Json, **parts: Any) -> Json:
    return (
        person.mutation(
            "update", entity, record_id, base_version=1, fields=fields, base=dict.fromkeys(fields)
        )
        | parts
    )


def writable_fields(shape: str = "manager") -> Iterator[tuple[str, str]]:
    for name in WRITABLE:
        for field, declared in schema_of(name, shape).fields.items():
            if not declared.dump_only:
                yield name, field


def operations() -> Iterator[tuple[str, str]]:
    for name in CREATABLE:
        for op in ("update", "delete", *BY_NAME[name].commands):
            yield name, op


def schema_of(entity: str, shape: str = "manager") -> ma.Schema:
    return schema_for(BY_NAME[entity].policy, BY_NAME[entity].schema, shape)


def cause(verdict: Json) -> tuple[str, str]:
    """Status and code, the code of the one field at fault where fields are."""
    errors = (verdict["detail"] or {}).get("errors")
    return verdict["status"], errors[0]["code"] if errors else verdict["code"]


class TestAFieldOfAKind:
    @pytest.mark.parametrize(("entity", "field"), list(writable_fields()))
    def test_refuses_what_it_cannot_hold_and_says_why_and_where(
        self, company: Company, entity: str, field: str
    ) -> None:
        manager = company.manager
        bad = bad_values(schema_of(entity).fields[field])
        mutations = [update(manager, entity, company.records[entity], {field: value}) for value, _ in bad]

        with untouched(company.world):
            verdicts = judged(manager, *mutations)

        assert [cause(v) for v in verdicts] == [("rejected", code) for _, code in bad]
        for verdict in verdicts:
            assert verdict["detail"]["errors"][0]["pointer"].startswith(f"/fields/{field}")
            assert (verdict["version"], verdict["fields"], verdict["conflict_id"]) == (None, {}, None)

    def test_of_every_kind_has_its_bad_values(self) -> None:
        for entity, field in writable_fields():
            assert bad_values(schema_of(entity).fields[field]), (entity, field)

    @pytest.mark.parametrize(
        ("entity", "field"), [(e, f) for e, f in writable_fields() if not schema_of(e).fields[f].allow_none]
    )
    def test_that_may_not_be_empty_refuses_null(self, company: Company, entity: str, field: str) -> None:
        with untouched(company.world):
            (verdict,) = judged(
                company.manager, update(company.manager, entity, company.records[entity], {field: None})
            )

        assert cause(verdict) == ("rejected", "null_not_allowed")


def bad_values(field: ma.fields.Field[Any]) -> list[tuple[Any, str]]:
    return next((bad for kind, bad in BAD.items() if type(field) is kind), [])


class TestServerOwnedFields:
    @pytest.mark.parametrize("entity", WRITABLE)
    def test_are_refused_each_by_its_own_code(self, company: Company, entity: str) -> None:
        manager, record_id = company.manager, company.records[entity]
        owned = [n for n, f in schema_of(entity).fields.items() if f.dump_only]
        assert set(SERVER_OWNED) <= set(owned)

        with untouched(company.world):
            verdicts = judged(manager, *(update(manager, entity, record_id, {n: None}) for n in owned))

        assert [cause(v) for v in verdicts] == [("rejected", "read_only_field")] * len(owned)

    @pytest.mark.parametrize("entity", CREATABLE)
    def test_are_refused_in_a_create_too(self, company: Company, entity: str) -> None:
        owned = [n for n, f in schema_of(entity).fields.items() if f.dump_only]
        manager = company.manager
        creates = [manager.mutation("create", entity, new_id(), fields={n: None}) for n in owned]

        with untouched(company.world):
            verdicts = judged(manager, *creates)

        for name, verdict in zip(owned, verdicts, strict=True):
            assert {"pointer": f"/fields/{name}", "code": "read_only_field"} in verdict["detail"]["errors"]

    @pytest.mark.parametrize("one", [s for s in SYNCED if s.create], ids=lambda one: one.policy.name)
    def test_are_the_same_in_policy_and_schema(self, one: Any) -> None:
        owned = {n for n, f in one.policy.fields.items() if f.merge.value == "read_only"}
        schema = one.schema()

        assert {n for n in one.policy.fields if schema.fields[n].dump_only} == owned

    @pytest.mark.parametrize("entity", WRITABLE)
    def test_that_are_no_part_of_the_wire_are_unknown(self, company: Company, entity: str) -> None:
        manager, record_id = company.manager, company.records[entity]
        names = [*NEVER_ON_THE_WIRE, "never_heard_of", "", "a b", "__proto__", "금액", "a\x00b", "x" * 200]

        with untouched(company.world):
            verdicts = judged(manager, *(update(manager, entity, record_id, {n: 1}) for n in names))

        assert [cause(v) for v in verdicts] == [("rejected", "unknown_field")] * len(names)

    @pytest.mark.parametrize("op", ["create", "update"])
    @pytest.mark.parametrize("entity", WRITABLE)
    def test_are_all_columns_that_the_wire_does_not_take(
        self, company: Company, entity: str, op: str
    ) -> None:
        manager = company.manager
        takes = {n for n, f in schema_of(entity).fields.items() if not f.dump_only}
        columns = company.world.engine_sql(
            "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:name AS regclass) AND attnum > 0"
            " AND NOT attisdropped",
            name=BY_NAME[entity].policy.table,
        )
        owned = sorted({name for (name,) in columns} - takes)
        assert {"tenant_id", "id", "version", "created_by", "updated_at", "stamps"} <= set(owned)
        sound = creation(company, entity) if op == "create" else {}
        record_id = company.records[entity]

        with untouched(company.world):
            verdicts = judged(
                manager,
                *(
                    update(manager, entity, new_id() if op == "create" else record_id, sound | {n: 1}, op=op)
                    for n in owned
                ),
            )

        for name, verdict in zip(owned, verdicts, strict=True):
            assert verdict["status"] == "rejected", name
            assert [e["pointer"] for e in verdict["detail"]["errors"]] == [f"/fields/{name}"]
            assert cause(verdict)[1] in ("read_only_field", "unknown_field"), name


class TestHiddenFields:
    HIDDEN = sorted(
        set(BY_NAME["account"].policy.fields) - set(BY_NAME["account"].policy.fields_of("service"))
    )

    def test_are_those_of_sales(self) -> None:
        assert {"credit_limit", "credit_currency", "payment_terms", "risk_class", "estimated_wallet"} <= set(
            self.HIDDEN
        )

    @pytest.mark.parametrize("op", ["update", "create"])
    def test_are_as_unknown_to_a_technician_as_any_other_name(self, company: Company, op: str) -> None:
        technician = company.technician
        record_id = company.records["account"]

        def make(name: str) -> Json:
            return update(
                technician, "account", record_id if op == "update" else new_id(), {name: None}, op=op
            )

        with untouched(company.world):
            verdicts = judged(technician, *(make(n) for n in ("never_heard_of", *self.HIDDEN)))

        told = [comparable(v, n) for v, n in zip(verdicts, ("never_heard_of", *self.HIDDEN), strict=True)]
        assert {"pointer": "/fields/?", "code": "unknown_field"} in verdicts_errors(told[0])
        assert told == [told[0]] * len(told)

    def test_in_the_base_are_not_looked_at(self, company: Company) -> None:
        technician, account = company.technician, company.records["account"]
        guesses = [{"tags": [], "credit_limit": guess} for guess in (None, "1.0000", 7)]
        mutations = [
            update(technician, "account", account, {"tags": ["a", "a"]}, base=base) for base in guesses
        ]

        verdicts = judged(technician, *mutations)

        assert len({json.dumps(v["detail"]) for v in verdicts}) == 1

    def test_and_hidden_records_are_unknown_too(self, company: Company) -> None:
        technician = company.technician
        known = technician.mutation(
            "update", "account_relation", company.records["account_relation"], fields={}
        )
        never = technician.mutation("update", "nonsense", new_id(), fields={})

        verdicts = judged(technician, known, never)

        assert [(v["status"], v["code"], v["detail"]) for v in verdicts] == [
            ("rejected", "unknown_entity", {"errors": [{"pointer": "/entity", "code": "unknown_entity"}]})
        ] * 2


def comparable(verdict: Json, *names: str) -> Json:
    """A verdict without its own id, and without the names that the phone itself sent."""
    text = json.dumps({k: v for k, v in verdict.items() if k != "id"})
    for name in names:
        text = text.replace(name, "?")
    found: Json = json.loads(text)
    return found


def verdicts_errors(verdict: Json) -> list[Json]:
    found: list[Json] = verdict["detail"]["errors"]
    return found


# Fields that name another record: entity, field, the entity that it names.
REFERENCES = [
    ("account", "parent_id", "account"),
    ("account", "territory_id", "territory"),
    ("account", "owner_id", "user"),
    ("site", "account_id", "account"),
    ("contact", "account_id", "account"),
    ("account_relation", "account_id", "account"),
    ("account_relation", "to_account_id", "account"),
    ("account_contact", "account_id", "account"),
    ("account_contact", "contact_id", "contact"),
    ("visit", "account_id", "account"),
    ("visit", "site_id", "site"),
    ("visit", "contact_id", "contact"),
    ("visit", "assignee_id", "user"),
    ("activity", "account_id", "account"),
    ("activity", "contact_id", "contact"),
    ("activity", "visit_id", "visit"),
    ("task", "account_id", "account"),
    ("task", "assignee_id", "user"),
    ("order", "account_id", "account"),
    ("order", "site_id", "site"),
    ("order", "warehouse_id", "warehouse"),
    ("order_return", "order_id", "order"),
    ("diagnosis_run", "account_id", "account"),
    ("diagnosis_run", "visit_id", "visit"),
    ("diagnosis_run", "tree_version_id", "tree_version"),
    ("article_feedback", "version_id", "article_version"),
    ("article_proposal", "version_id", "article_version"),
    ("expert_question", "product_id", "product"),
    ("article_use", "visit_id", "visit"),
    ("article_use", "version_id", "article_version"),
]
# Colleagues of the same company are no secret to each other, nor are warehouses and products.
NO_SECRET = {
    "user": {"of another territory", "deleted"},
    "territory": {"deleted"},
    "warehouse": {"of another territory"},
    "product": {"of another territory"},
}


def creation(company: Company, entity: str) -> Json:
    """Fields with which the manager may create one."""
    ids = {n: str(i) for n, i in company.records.items()}
    return {
        "account": {"name": "새 고객", "territory_id": ids["territory"]},
        "site": {"account_id": ids["account"], "name": "공장"},
        "contact": {"account_id": ids["account"], "name": "이름"},
        "account_relation": {
            "account_id": ids["account"],
            "to_account_id": ids["account"],
            "kind": "supplies",
        },
        "account_contact": {"account_id": ids["account"], "contact_id": ids["contact"], "role": "user"},
        "visit": {"account_id": ids["account"], "planned_start": "2026-11-22T01:00:00Z"},
        "activity": {"account_id": ids["account"], "kind": "call"},
        "task": {"account_id": ids["account"], "title": "일"},
        "order": {"account_id": ids["account"]},
        "order_return": {
            "order_id": ids["order"],
            "reason": "용기 파손",
            "lines": [{"id": str(new_id()), "item": "1", "quantity": "1.000000"}],
        },
        "diagnosis_run": {
            "account_id": ids["account"],
            "visit_id": ids["visit"],
            "tree_version_id": ids["tree_version"],
            "path": [{"node": "noise", "answer": "go", "at": None}],
            "outcome": "solved",
        },
        "article_feedback": {"version_id": ids["article_version"], "helpful": True},
        "article_proposal": {"version_id": ids["article_version"], "correction": "3개월마다"},
        "expert_question": {"question": "0W-20을 써도 됩니까?"},
        "article_use": {"visit_id": ids["visit"], "version_id": ids["article_version"], "kind": "read"},
    }[entity]


class TestAReferenceTo:
    """What is out of sight and what never was are one and the same answer, for every foreign key."""

    def test_every_field_that_names_a_record_is_in_the_table(self) -> None:
        named = {
            (one.policy.name, name)
            for one in SYNCED
            if one.create
            for name, field in one.policy.fields.items()
            if field.kind is Kind.ID and field.merge.value != "read_only"
        }

        assert named == {(entity, field) for entity, field, _ in REFERENCES}

    @pytest.mark.parametrize(("entity", "field", "target"), REFERENCES)
    def test_what_one_may_not_know_answers_like_what_is_not(
        self, company: Company, entity: str, field: str, target: str
    ) -> None:
        manager = company.manager
        foreign = {w: i for w, i in company.foreign[target].items() if w not in NO_SECRET.get(target, set())}
        ids = [uuid4(), *foreign.values()]
        creates = [
            manager.mutation("create", entity, new_id(), fields=creation(company, entity) | {field: str(i)})
            for i in ids
        ]

        with untouched(company.world):
            verdicts = judged(manager, *creates)

        told = [comparable(v, str(i)) for v, i in zip(verdicts, ids, strict=True)]
        assert (told[0]["status"], told[0]["code"]) == ("rejected", "reference_not_found")
        assert told == [told[0]] * len(told)

    @pytest.mark.parametrize(("entity", "field", "target"), [r for r in REFERENCES if BY_NAME[r[0]].update])
    def test_the_same_in_an_edit(self, company: Company, entity: str, field: str, target: str) -> None:
        manager = company.manager
        foreign = {w: i for w, i in company.foreign[target].items() if w not in NO_SECRET.get(target, set())}
        ids = [uuid4(), *foreign.values()]
        edits = [update(manager, entity, company.records[entity], {field: str(i)}) for i in ids]

        with untouched(company.world):
            verdicts = judged(manager, *edits)

        told = [comparable(v, str(i)) for v, i in zip(verdicts, ids, strict=True)]
        assert told[0]["status"] == "rejected"
        assert told[0]["record"] is not None
        assert told == [told[0]] * len(told)

    def test_an_account_above_itself_is_refused(self, company: Company) -> None:
        manager, account = company.manager, company.records["account"]

        with untouched(company.world):
            (verdict,) = judged(manager, update(manager, "account", account, {"parent_id": str(account)}))

        assert (verdict["status"], verdict["code"]) == ("rejected", "account.parent_cycle")

    @pytest.mark.parametrize("length", [2, 3, 20])
    def test_an_account_above_which_one_stands_below_it_is_refused(
        self, served: Flask, pools: Database, length: int
    ) -> None:
        world = World(served, pools)
        manager = world.person("manager", world.region)
        chain = [world.account() for _ in range(length)]
        manager.sync()

        verdicts = manager.sync(
            *(
                manager.edit("account", below, {"parent_id": str(above)})
                for below, above in zip(chain, [*chain[1:], chain[0]], strict=True)
            )
        )

        assert [(v["status"], v["code"]) for v in verdicts] == [
            *[("applied", None)] * (length - 1),
            ("rejected", "account.parent_cycle"),
        ]


class TestTheScopeOfARecord:
    """Where an account belongs, and to whom, is not its rep's to say, and a manager's only within their own."""

    @pytest.mark.parametrize("field", ["territory_id", "owner_id"])
    def test_is_not_edited_by_a_rep(self, company: Company, field: str) -> None:
        rep, record_id = company.rep, company.records["account"]
        value = {"territory_id": company.world.south, "owner_id": rep.id}[field]

        with untouched(company.world):
            verdicts = judged(
                rep,
                update(rep, "account", record_id, {field: str(value)}),
                update(rep, "account", record_id, {field: None})
                if field == "territory_id"
                else update(rep, "account", record_id, {field: str(company.manager.id)}),
            )

        refused = ("rejected", "account.reassign_not_allowed")
        assert [(v["status"], v["code"]) for v in verdicts] == [refused] * 2

    @pytest.mark.parametrize("role", ["rep", "technician", "partner"])
    def test_is_not_chosen_in_a_create_for_somebody_else(self, company: Company, role: str) -> None:
        person = company.world.person(role, company.world.north)
        person.sync()
        fields = {
            "name": "새 고객",
            "territory_id": str(company.world.south),
            "owner_id": str(company.manager.id),
        }

        with untouched(company.world):
            verdicts = judged(
                person,
                person.mutation("create", "account", new_id(), fields=fields),
                person.mutation("create", "account", new_id(), fields=fields | {"owner_id": str(person.id)}),
            )

        assert {v["status"] for v in verdicts} == {"rejected"}


class TestAmounts:
    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"credit_limit": "5.00"}, "currency_missing"),
            ({"credit_limit": "5.00", "credit_currency": 3 * "X"}, "currency_unknown"),
            ({"credit_limit": "5.00", "credit_currency": "ZZZ"}, "currency_unknown"),
            ({"credit_limit": "0.005", "credit_currency": "USD"}, "too_many_decimals"),
            ({"credit_limit": "0.5", "credit_currency": "KRW"}, "too_many_decimals"),
            ({"credit_limit": "0.0005", "credit_currency": "KWD"}, "too_many_decimals"),
            ({"credit_limit": "5.00", "credit_currency": "won"}, "currency_invalid"),
            ({"credit_limit": "0.00001", "credit_currency": "KRW"}, "too_many_decimals"),
            ({"credit_limit": 5.5, "credit_currency": "KRW"}, "type_mismatch"),
            ({"credit_limit": "-1", "credit_currency": "KRW"}, "value_out_of_range"),
            ({"estimated_wallet": "5.00"}, "currency_missing"),
        ],
    )
    def test_that_make_no_sense_are_refused(self, company: Company, fields: Json, code: str) -> None:
        manager = company.manager

        with untouched(company.world):
            (verdict,) = judged(manager, update(manager, "account", company.records["account"], fields))

        assert verdict["status"] == "rejected"
        assert code in json.dumps(verdict["detail"]) or verdict["code"] == code


class TestARecordThat:
    @pytest.mark.parametrize(("entity", "op"), list(operations()))
    def test_one_may_not_know_answers_like_one_that_is_not(
        self, company: Company, entity: str, op: str
    ) -> None:
        manager = company.manager
        foreign = company.foreign[entity]
        ids = [uuid4(), foreign["of another territory"], foreign["of another company"]]
        mutations = [manager.mutation(op, entity, i, base_version=1, fields={}) for i in ids]

        with untouched(company.world):
            verdicts = judged(manager, *mutations)

        told = [comparable(v, str(i)) for v, i in zip(verdicts, ids, strict=True)]
        assert (told[0]["status"], told[0]["code"], told[0]["record"]) == ("rejected", "not_found", None)
        assert told == [told[0]] * len(told)

    @pytest.mark.parametrize("entity", ["user", "territory"])
    @pytest.mark.parametrize("op", ["create", "update", "delete"])
    def test_phones_may_only_read_is_refused(self, company: Company, entity: str, op: str) -> None:
        manager = company.manager

        with untouched(company.world):
            (verdict,) = judged(
                manager, manager.mutation(op, entity, company.records[entity], base_version=1, fields={})
            )

        assert (verdict["status"], verdict["code"]) == ("rejected", "unknown_op")

    @pytest.mark.parametrize("op", ["create", "update", "delete"])
    def test_is_an_inbox_item_is_only_ever_resolved(self, company: Company, op: str) -> None:
        manager = company.manager

        with untouched(company.world):
            (verdict,) = judged(
                manager, manager.mutation(op, "conflict", new_id(), base_version=1, fields={})
            )

        assert (verdict["status"], verdict["code"]) == ("rejected", "unknown_op")


PARTS: dict[str, tuple[Json, str]] = {
    "no entity": ({"entity": None}, "required"),
    "an entity that is a number": ({"entity": 7}, "type_mismatch"),
    "an entity with a NUL": ({"entity": "a\x00"}, "choice_unknown"),
    "an entity of SQL": ({"entity": "accounts; DROP TABLE accounts"}, "choice_unknown"),
    "an entity that is nobody's": ({"entity": "spaceship"}, "unknown_entity"),
    "no op": ({"op": None}, "required"),
    "an op that is nobody's": ({"op": "explode"}, "unknown_op"),
    "an op that is a list": ({"op": ["update"]}, "type_mismatch"),
    "no record id": ({"record_id": None}, "required"),
    "a record id in capitals": ({"record_id": "ABCDEF00-0000-7000-8000-000000000001"}, "id_not_canonical"),
    "the nil record id": ({"record_id": "00000000-0000-0000-0000-000000000000"}, "id_not_canonical"),
    "fields that are a list": ({"fields": [1]}, "type_mismatch"),
    "fields that are a text": ({"fields": "name"}, "type_mismatch"),
    "a base that is a list": ({"base": [1]}, "type_mismatch"),
    "a base version as text": ({"base_version": "1"}, "type_mismatch"),
    "a base version as boolean": ({"base_version": True}, "type_mismatch"),
    "a base version 1.5": ({"base_version": 1.5}, "type_mismatch"),
    "a negative base version": ({"base_version": -1}, "value_out_of_range"),
    "a base version 2^63": ({"base_version": 2**63}, "value_out_of_range"),
    "a base version that never was": ({"base_version": 2**31 - 1}, "base_version_unknown"),
    "an age as text": ({"age_ms": "1"}, "type_mismatch"),
    "an age of 1e30": ({"age_ms": 10**30}, "value_out_of_range"),
    "a time of now": ({"occurred_at": "now"}, "timestamp_invalid"),
    "a time without a zone": ({"occurred_at": "2026-11-21T09:00:00"}, "timestamp_invalid"),
    "a time on 30 February": ({"occurred_at": "2026-02-30T09:00:00Z"}, "timestamp_invalid"),
    "a time in Arabic digits": ({"occurred_at": "٢٠٢٦-11-21T09:00:00Z"}, "timestamp_invalid"),
    "a leap second": ({"occurred_at": "2026-06-30T23:59:60Z"}, "timestamp_invalid"),
    "a time as a number": ({"occurred_at": 1_763_715_600}, "type_mismatch"),
    "an epoch that is no id": ({"epoch": "x"}, "id_not_canonical"),
    "a group that is no id": ({"group": 7}, "id_not_canonical"),
    "an unknown member": ({"tenant_id": "x"}, "unknown_field"),
    "an unknown member with a NUL": ({"a\x00b": 1}, "unknown_field"),
    "201 fields": ({"fields": {f"f{n}": 1 for n in range(201)}}, "limit_exceeded"),
}


class TestTheEnvelopeOfAMutation:
    @pytest.mark.parametrize("what", PARTS)
    def test_that_is_unsound_is_its_own_verdict(self, company: Company, what: str) -> None:
        rep, (parts, code) = company.rep, PARTS[what]
        mutation = update(rep, "account", company.records["account"], {"tier": "A"}) | parts

        with untouched(company.world):
            (verdict,) = judged(rep, mutation)

        assert cause(verdict) == ("rejected", code)

    @pytest.mark.parametrize("what", PARTS)
    def test_that_is_unsound_is_listed_for_its_author_with_all_that_was_sent(
        self, company: Company, what: str
    ) -> None:
        rep, (parts, _) = company.rep, PARTS[what]
        mutation = update(rep, "account", company.records["account"], {"tier": "A"}) | parts
        judged(rep, mutation)

        (listed,) = [
            item
            for item in rep.call("GET", "/api/v1/rejections?limit=5").json["items"]
            if item["id"] == mutation["id"]
        ]

        payload = listed["payload"]
        assert (json.loads(payload) if isinstance(payload, str) else payload) == mutation

    def test_sent_again_is_a_replay(self, company: Company) -> None:
        mutation = update(company.rep, "account", company.records["account"], {"tier": "A"}, op=None)

        verdicts = [judged(company.rep, mutation)[0] for _ in range(2)]

        assert [v["replayed"] for v in verdicts] == [False, True]
        assert verdicts[0]["code"] == verdicts[1]["code"] == "required"

    def test_twice_in_one_request_is_judged_once(self, company: Company) -> None:
        world = World(company.world.app, company.world.db)
        rep, account = world.person("rep", world.north), world.account(tags=[])
        rep.sync()
        edit = rep.edit("account", account, {"tags": ["겨울"]})

        verdicts = judged(rep, edit, edit, edit | {"n": edit["n"] + 1})

        assert [(v["status"], v["replayed"]) for v in verdicts] == [
            ("applied", False),
            ("applied", True),
            ("applied", True),
        ]
        assert world.sql("SELECT version FROM accounts WHERE tenant_id = :tenant") == [(2,)]

    def test_that_is_unsound_leaves_the_others_alone(self, company: Company) -> None:
        world = World(company.world.app, company.world.db)
        rep = world.person("rep", world.north)
        rep.sync()
        bad = [update(rep, "account", new_id(), {}) | parts for parts, _ in PARTS.values()]
        good = [rep.mutation("create", "task", new_id(), fields={"title": "일"}) for _ in bad]
        mixed = [one for pair in zip(good, bad, strict=True) for one in pair]
        for n, one in enumerate(mixed, 1):
            one["n"] = n

        verdicts = judged(rep, *mixed)

        assert [v["status"] for v in verdicts] == ["applied", "rejected"] * len(bad)

    def test_with_the_id_of_another_in_the_same_request_is_refused(self, company: Company) -> None:
        rep = company.rep
        first = update(rep, "account", company.records["account"], {"tier": 7})
        second = first | {"fields": {"tier": 8}, "n": first["n"] + 1}

        verdicts = judged(rep, first, second)

        assert [v["code"] for v in verdicts] == ["type_mismatch", "mutation_id_reused"]


class TestTheArgumentsOfACommand:
    @pytest.mark.parametrize(
        ("name", "fields", "code"),
        [
            ("check_in", {"location": {"lat": 91, "lon": 127}}, "value_out_of_range"),
            ("check_in", {"location": {"lat": "37", "lon": 127}}, "type_mismatch"),
            ("check_in", {"location": "37,127"}, "type_mismatch"),
            ("check_in", {"location": {"lat": 37, "lon": 127, "accuracy_m": -1}}, "value_out_of_range"),
            ("check_in", {"location": {"lat": 37, "lon": 127, "accuracy_m": "5"}}, "type_mismatch"),
            ("check_in", {"location": {"lat": 37, "lon": 127, "accuracy_m": 10**9}}, "value_out_of_range"),
            ("check_in", {"location": {"lat": 37, "lon": -181}}, "value_out_of_range"),
            ("check_in", {"where": "여기"}, "unknown_field"),
            ("check_in", {"status": "verified"}, "unknown_field"),
            ("start_travel", {"a\x00": 1}, "unknown_field"),
            ("cancel", {}, "required"),
            ("cancel", {"reason": "\ud800"}, "char_not_allowed"),
            ("cancel", {"reason": " "}, "blank"),
            ("reschedule", {"planned_start": "tomorrow"}, "timestamp_invalid"),
            ("reassign", {"assignee_id": "x"}, "id_invalid"),
            ("verify", {"note": 7}, "type_mismatch"),
        ],
    )
    def test_are_refused_by_the_same_codes(
        self, company: Company, name: str, fields: Json, code: str
    ) -> None:
        manager = company.manager

        with untouched(company.world):
            (verdict,) = judged(
                manager,
                manager.mutation(name, "visit", company.records["visit"], base_version=1, fields=fields),
            )

        assert cause(verdict) == ("rejected", code)


class TestAPositionOfNowhere:
    """Chips without a fix say (0, 0). A check-in is never blocked for its position."""

    def test_is_taken_for_none(self, company: Company) -> None:
        world = World(company.world.app, company.world.db)
        rep, visit = world.person("rep", world.north), new_id()
        account = world.account(location=[37.5, 127.0])
        world.insert("visits", id=visit, account_id=account, assignee_id=rep.id, planned_start=utc_now())
        rep.sync()

        (verdict,) = rep.sync(
            rep.mutation(
                "check_in",
                "visit",
                visit,
                base_version=1,
                fields={"location": {"lat": 0, "lon": 0, "accuracy_m": 12}},
            )
        )

        assert verdict["status"] == "applied"
        record = verdict["record"]
        assert (record["geo_verdict"], record["checked_in_location"]) == ("no_fix", None)


class Garbage:
    """Mutations that no phone would send, the same ones for each seed."""

    TEXTS = (
        "",
        " ",
        "글",
        "a\x00",
        "\ud800",
        "=1+1",
        "null",
        "2026-02-30",
        "9" * 40,
        "🍵" * 300,
        "900101-1234567",
    )
    NUMBERS = (0, -1, 1, 1.5, -0.0, 1e308, 2**31, 2**53, 2**63, -(2**63), 10**39)

    def __init__(self, seed: int, person: Person, ids: list[UUID]) -> None:
        self.random = random.Random(seed)
        self.person = person
        self.ids = ids

    def value(self, depth: int = 0) -> Any:
        kind = self.random.randrange(9 if depth < 4 else 6)
        if kind == 0:
            return None
        if kind == 1:
            return self.random.random() < 0.5
        if kind == 2:
            return self.random.choice(self.NUMBERS)
        if kind in (3, 4):
            return self.random.choice(self.TEXTS)
        if kind == 5:
            return str(self.random.choice(self.ids))
        if kind == 6:
            return [self.value(depth + 1) for _ in range(self.random.randrange(4))]
        return {
            self.random.choice(("id", "lat", "lon", "title", "a", "글", "")): self.value(depth + 1)
            for _ in range(self.random.randrange(4))
        }

    def fields(self, entity: str) -> Json:
        names = [*BY_NAME[entity].policy.fields, "id", "never"] if entity in BY_NAME else ["x"]
        return {self.random.choice(names): self.value() for _ in range(self.random.randrange(5))}

    def mutation(self) -> Json:
        entity = self.random.choice([*BY_NAME, "nonsense"])
        commands = sorted(BY_NAME[entity].commands) if entity in BY_NAME else []
        op = self.random.choice(["create", "update", "delete", *commands])
        fields = self.fields(entity)
        parts: Json = {
            "base_version": self.random.choice((None, 0, 1, 2)),
            "fields": fields,
            "base": {n: self.value() for n in fields},
        }
        if self.random.random() < 0.1:
            parts[self.random.choice(("entity", "op", "fields", "base", "base_version", "occurred_at"))] = (
                self.value()
            )
        if self.random.random() < 0.3 and commands:
            parts["fields"] = {
                name: self.value() for name in schema_of_command(entity, op) if self.random.random() < 0.7
            }
        return self.person.mutation(op, entity, self.random.choice(self.ids)) | parts


def schema_of_command(entity: str, op: str) -> list[str]:
    commands = BY_NAME[entity].commands
    return list(commands[op][1]().fields) if op in commands else []


class TestGarbage:
    @pytest.mark.parametrize("seed", range(8))
    def test_is_judged_and_breaks_nothing(self, served: Flask, pools: Database, seed: int) -> None:
        world = World(served, pools)
        person = world.person("manager" if seed % 2 else "technician", world.north)
        ids = [*one_of_each(world, world.north, person.id).values(), new_id(), uuid4()]
        person.sync()
        garbage = Garbage(seed, person, ids)

        verdicts = judged(person, *(garbage.mutation() for _ in range(150)))

        assert len(verdicts) == 150
        assert {v["status"] for v in verdicts} <= {"applied", "merged", "superseded", "conflict", "rejected"}
        assert [v for v in verdicts if v["code"] == "failed"] == []
        for path in ("conflicts", "rejections", "accounts", "visits", f"accounts/{ids[-4]}/history"):
            assert person.call("GET", f"/api/v1/{path}").status_code < 500
        person.sync()


class TestFormulas:
    def test_are_texts_like_others(self, company: Company) -> None:
        world = World(company.world.app, company.world.db)
        rep, account = world.person("rep", world.north), world.account()
        rep.sync()

        rep.sync(rep.edit("account", account, {"notes": '=HYPERLINK("x")', "website": "@SUM(A1)"}))

        held = rep.held("account", account)
        assert held
        assert (held["notes"], held["website"]) == ('=HYPERLINK("x")', "@SUM(A1)")
