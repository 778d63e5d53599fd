"""No byte to a device comes from a record outside its scope, or from a field outside its shape."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import event

from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.sync_api.registry import BY_NAME
from sync.policy import Kind
from tests.approvals.planted import plant_approval, plant_notification
from tests.http.house import DOCUMENT
from tests.knowledge.planted import plant_article, plant_packs, plant_run, plant_said, plant_tree
from tests.orders.planted import plant_orders
from tests.sync.pushing import misbehave
from tests.sync_api.untouched import untouched
from tests.world import Person, World

Json = dict[str, Any]
FOREIGN = "FOREIGNTOKEN"
SALES = "SALESTOKEN"
PRIVATE = "PRIVATETOKEN"
OTHERS = "OTHERSVISIT"

LISTS = (
    "auth/me",
    "delegations",
    "devices",
    "org-units",
    "permission-sets",
    "sync/alarms",
    "sync/epochs",
    "sync/quarantine",
    "sync/settings",
    "accounts",
    "sites",
    "contacts",
    "buying-roles",
    "relations",
    "visits",
    "activities",
    "tasks",
    "approvals",
    "approvals?to_decide=true",
    "approval-policies",
    "absences",
    "company-holidays",
    "notifications",
    "conflicts",
    "conflicts?state=open",
    "rejections",
    "users",
    "territories",
    "currencies",
    "exchange-rates",
    "tax-codes",
    "products",
    "price-lists",
    "price-list-assignments",
    "prices",
    "price-changes",
    "promotions",
    "promotion-accounts",
    "invoices",
    "payments",
    "account-balances",
    "receivables/totals",
    "webhooks",
    "webhook-deliveries",
    "orders",
    "shipments",
    "order-returns",
    "order-settings",
    "warehouses",
    "discount-limits",
    "stock",
    "knowledge/articles",
    "knowledge/versions",
    "knowledge/receipts",
    "knowledge/unread",
    "knowledge/packs",
    "knowledge/pack-budgets",
    "knowledge/trees",
    "knowledge/tree-versions",
    "knowledge/runs",
    "knowledge/feedback",
    "knowledge/uses",
    "knowledge/proposals",
    "knowledge/questions",
    "knowledge/queue",
    "knowledge/due",
    "knowledge/report",
    "sync/schema",
    "sync/watermelon",
    "sync/watermelon/schema",
    "search/synonyms",
    "search/report",
    "search?q=FOREIGN",
    "search?q=FOREIGNTOKEN%20legal_name",
    "search?q=SALES",
    "search?q=220-81-62517",
    "search/suggest?q=FOREIGN",
    "search/suggest?q=2208162517",
    "sync/rxdb/account/pull",
    "sync/rxdb/contact/pull",
    "sync/rxdb/visit/pull",
    "accounts?q=FOREIGN",
    "accounts?q=SALES",
)
ONES = {
    "account": "accounts",
    "site": "sites",
    "contact": "contacts",
    "account_contact": "buying-roles",
    "account_relation": "relations",
    "visit": "visits",
    "activity": "activities",
    "task": "tasks",
    "approval": "approvals",
    "price_list": "price-lists",
    "price_list_assignment": "price-list-assignments",
    "price": "prices",
    "promotion": "promotions",
    "promotion_account": "promotion-accounts",
    "order": "orders",
    "shipment": "shipments",
    "order_return": "order-returns",
    "invoice": "invoices",
    "payment": "payments",
    "account_balance": "account-balances",
    "article": "knowledge/articles",
    "article_version": "knowledge/versions",
    "diagnosis_tree": "knowledge/trees",
    "tree_version": "knowledge/tree-versions",
    "diagnosis_run": "knowledge/runs",
    "article_feedback": "knowledge/feedback",
    "article_proposal": "knowledge/proposals",
    "expert_question": "knowledge/questions",
    "article_use": "knowledge/uses",
}
BY_COMPANY = re.compile(r"(?:\w+\.)?tenant_id = %\(\w+\)s(?:::UUID)?")
SALES_ONLY = sorted(
    set(BY_NAME["account"].policy.fields) - set(BY_NAME["account"].policy.fields_of("service"))
)
# Sales terms that are text or money, each with a value that stands nowhere else.
PLANTED: Json = {
    "business_number": "220-81-62517",
    "lifecycle_stage": f"{SALES}-stage",
    "email": f"{SALES.lower()}@example.com",
    "credit_limit": "771234567.8901",
    "credit_currency": "CHF",
    "payment_terms": f"{SALES}-terms",
    "risk_class": f"{SALES}-risk",
    "estimated_wallet": "882345678.9012",
    "estimated_wallet_currency": "NOK",
}


@dataclass
class Listener:
    """A person who keeps every byte that they are sent."""

    person: Person
    heard: list[bytes] = field(default_factory=list)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        response = self.person.call(method, f"/api/v1/{path}", body, **headers)
        assert response.status_code < 500, response.get_data(as_text=True)
        self.heard.append(response.get_data() + str(response.headers).encode())
        return response

    def sync(self, *mutations: Json) -> list[Json]:
        """Push, and pull to the checkpoint; the verdicts."""
        body: Json = {"schema_version": 1, "mutations": list(mutations)}
        verdicts: list[Json] = []
        for _ in range(50):
            response = self.call("POST", "sync", body | {"cursor": self.person.cursor})
            assert response.status_code == 200, response.json
            self.person.take(response.json)
            verdicts += response.json["verdicts"]
            body["mutations"] = []
            if not response.json["has_more"]:
                return verdicts
        raise AssertionError("no checkpoint")

    def heard_anything_of(self, *tokens: str) -> list[str]:
        """Which of *tokens* ever came, plain or as JSON may write them."""
        forms = {t: {t.encode(), json.dumps(t)[1:-1].encode()} for t in tokens}
        return [t for t, written in forms.items() if any(f in part for part in self.heard for f in written)]


@dataclass(frozen=True)
class Company:
    world: World
    accounts: dict[str, UUID]
    foreign: dict[str, UUID]
    visit: UUID


@pytest.fixture
def company(served: Flask, pools: Database) -> Company:
    """An account in the north with sales terms, and its likeness in the south with a token in every text."""
    world = World(served, pools)
    mine = world.account(name="가람상사", legal_name="가람", tags=["겨울"], **PLANTED)
    contact = new_id()
    world.insert(
        "contacts", id=contact, account_id=mine, name="뷔람담", email=f"{SALES.lower()}-2@example.com"
    )
    world.insert(
        "account_contacts", id=new_id(), account_id=mine, contact_id=contact, role="user", stance="opponent"
    )
    south = world.person("rep", world.south)  # colleagues' names are no secret: all are of one unit
    world.insert(
        "activities",
        id=new_id(),
        account_id=mine,
        author_id=south.id,
        kind="note",
        body=f"{PRIVATE}",
        private=True,
        happened_at=utc_now(),
    )
    others_visit = new_id()
    world.insert(
        "visits",
        id=others_visit,
        account_id=mine,
        assignee_id=south.id,
        planned_start=utc_now(),
        report=OTHERS,
    )
    world.insert("tasks", id=new_id(), account_id=mine, assignee_id=south.id, title=OTHERS)
    foreign = foreign_records(world, world.south, south)
    return Company(world, {"mine": mine}, foreign, others_visit)


def foreign_records(world: World, territory: UUID, person: Person) -> dict[str, UUID]:
    """Every record of a territory, with the token in every column that takes a text."""
    ids: dict[str, UUID] = {name: new_id() for name in ONES}
    ids["account"] = world.account(
        territory,
        **{
            c: f"{FOREIGN} {c}"
            for c in text_columns(world, "accounts")
            if c not in ("time_zone", "search_key")
        },
        tags=[f"{FOREIGN} tag"],
        credit_limit="991234567.1234",
        location=[33.123451, 126.123451],
    )
    other = world.account(territory, name=f"{FOREIGN} other")
    world.insert("sites", id=ids["site"], account_id=ids["account"], name=FOREIGN, address=FOREIGN)
    world.insert("contacts", id=ids["contact"], account_id=ids["account"], name=FOREIGN, job_title=FOREIGN)
    world.insert(
        "account_relations",
        id=ids["account_relation"],
        account_id=ids["account"],
        to_account_id=other,
        kind="supplies",
    )
    world.insert(
        "account_contacts",
        id=ids["account_contact"],
        account_id=ids["account"],
        contact_id=ids["contact"],
        role="user",
    )
    world.insert(
        "visits",
        id=ids["visit"],
        account_id=ids["account"],
        assignee_id=person.id,
        planned_start=utc_now(),
        report=FOREIGN,
        tags=[FOREIGN],
    )
    world.insert("visit_tasks", id=new_id(), visit_id=ids["visit"], title=FOREIGN)
    world.insert(
        "activities",
        id=ids["activity"],
        account_id=ids["account"],
        author_id=person.id,
        kind="note",
        body=FOREIGN,
        happened_at=utc_now(),
    )
    world.insert("tasks", id=ids["task"], account_id=ids["account"], assignee_id=person.id, title=FOREIGN)
    ids |= plant_orders(world, ids["account"], person.id, words=FOREIGN, cancel_reason=FOREIGN)
    ids["approval"] = plant_approval(
        world,
        person.id,
        person.id,
        account_id=ids["account"],
        title=FOREIGN,
        snapshot={"note": FOREIGN},
        metrics={"margin_percent": FOREIGN},
        triggered=[{"name": FOREIGN}],
        step={"comment": FOREIGN},
    )
    plant_notification(world, person.id, title_ko=FOREIGN, title_en=FOREIGN, details={"title": FOREIGN})
    foreign_terms(world, territory, ids)
    foreign_receivables(world, ids)
    ids |= foreign_knowledge(world, person, ids["account"], ids["visit"])
    person.sync()
    edit = person.edit("account", ids["account"], {"legal_name": f"{FOREIGN} mine"})
    world.sql(
        "UPDATE accounts SET legal_name = :name WHERE tenant_id = :tenant AND id = :id",
        id=ids["account"],
        name=f"{FOREIGN} theirs",
    )
    (verdict,) = person.sync(edit)
    return ids | {"conflict": UUID(verdict["conflict_id"])}


def foreign_terms(world: World, territory: UUID, ids: dict[str, UUID]) -> None:
    """A price list of the territory and a promotion for its account."""
    product = new_id()
    world.insert("products", id=product, sku=f"open-{product}", name="윤활유", base_unit="EA")
    world.insert("price_lists", id=ids["price_list"], code=FOREIGN, name=FOREIGN, currency="KRW")
    world.insert(
        "price_list_assignments",
        id=ids["price_list_assignment"],
        price_list_id=ids["price_list"],
        territory_id=territory,
    )
    world.insert(
        "prices",
        id=ids["price"],
        price_list_id=ids["price_list"],
        product_id=product,
        valid_from=date(2020, 1, 1),
    )
    world.insert("price_items", id=new_id(), price_id=ids["price"], unit=FOREIGN, price=1)
    world.insert(
        "promotions",
        id=ids["promotion"],
        code=FOREIGN,
        name=FOREIGN,
        benefit="percent",
        value=1,
        for_accounts=True,
    )
    world.insert(
        "promotion_accounts",
        id=ids["promotion_account"],
        promotion_id=ids["promotion"],
        account_id=ids["account"],
    )


def foreign_receivables(world: World, ids: dict[str, UUID]) -> None:
    """An invoice, a payment for it, and what the account owes."""
    money = {"currency": "KRW", "amount": 1000, "base_amount": 1000, "rate": 1, "rate_date": utc_now()}
    days = {"issued_on": utc_now(), "due_on": utc_now()}
    account = ids["account"]
    world.insert(
        "invoices", id=ids["invoice"], account_id=account, number=FOREIGN, open_amount=400, **money | days
    )
    world.insert(
        "payments",
        id=ids["payment"],
        account_id=account,
        receipt_number=FOREIGN,
        method="cash",
        received_at=utc_now(),
        received_on=utc_now(),
        note=FOREIGN,
        reason=FOREIGN,
        unapplied_amount=400,
        **money,
    )
    world.insert(
        "payment_allocations",
        id=new_id(),
        payment_id=ids["payment"],
        invoice_id=ids["invoice"],
        amount=600,
    )
    world.insert(
        "account_balances",
        id=ids["account_balance"],
        account_id=account,
        currency="KRW",
        exposure="991234567.1234",
        on_hold=True,
        hold_reason=FOREIGN,
    )


def foreign_knowledge(world: World, person: Person, account: UUID, visit: UUID) -> dict[str, UUID]:
    """A notice and a tree for a branch in which nobody works; what somebody said of them, and did with them."""
    unit = new_id()
    world.insert("org_units", id=unit, code=FOREIGN, name=FOREIGN, kind="branch")
    ids = plant_article(world, person.id, unit_id=unit, words=FOREIGN, must_read=True, asset_models=[FOREIGN])
    plant_packs(world, f"unit:{unit}", words=FOREIGN)
    tree = plant_tree(world, person.id, unit_id=unit, words=FOREIGN)
    run = plant_run(world, tree, account, visit, person.id, words=FOREIGN)
    return ids | tree | plant_said(world, ids, person.id, visit, words=FOREIGN) | {"diagnosis_run": run}


def text_columns(world: World, table: str) -> list[str]:
    return [
        name
        for (name,) in world.engine_sql(
            "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:name AS regclass) AND attnum > 0"
            " AND NOT attisdropped AND NOT attgenerated <> '' AND atttypid = 'varchar'::regtype",
            name=table,
        )
        if name not in ("code", "credit_currency", "estimated_wallet_currency")
    ]


def ask_for_everything(listener: Listener, company: Company) -> None:
    """Sync, every list, every record by its id, histories, errors: all that the person can think of."""
    listener.sync()
    for path in LISTS:
        listener.call("GET", path)
    for account in (company.accounts["mine"], company.foreign["account"]):
        listener.call("GET", f"accounts/{account}/history?limit=200")
        listener.call("GET", f"accounts/{account}")
        for below in (
            "timeline",
            "sites",
            "contacts",
            "relations",
            "buying-roles",
            "credit",
            "credit-events",
        ):
            listener.call("GET", f"accounts/{account}/{below}")
    for name, record_id in company.foreign.items():
        path = ONES.get(name, "conflicts")
        listener.call("GET", f"{path}/{record_id}")
        listener.call("PATCH", f"{path}/{record_id}", {"name": "x"}, **{"If-Match": '"1"'})
        listener.call("DELETE", f"{path}/{record_id}", **{"If-Match": '"1"'})
    resolution = {"choice": "mine", "record_version": 1}
    listener.call(
        "POST", f"conflicts/{company.foreign['conflict']}/resolution", resolution, **{"If-Match": '"1"'}
    )
    foreign = company.foreign["account"]
    listener.call(
        "POST", f"accounts/{foreign}/move", {"territory_id": str(company.world.north)}, **{"If-Match": '"1"'}
    )
    listener.call(
        "POST", "accounts/moves", {"ids": [str(foreign)], "to_territory_id": str(company.world.north)}
    )
    ask_about_the_phone(listener, company)
    push_everything(listener, company)
    listener.call("GET", "rejections?limit=200")
    listener.call("GET", "conflicts")


def ask_about_the_phone(listener: Listener, company: Company) -> None:
    listener.call("GET", f"sync/digest?cursor={listener.person.cursor}")
    for name, record_id in company.foreign.items():
        listener.call("GET", f"sync/explain?entity={name}&id={record_id}")
        repair = {
            "cursor": listener.person.cursor,
            "entity": name,
            "held": [{"id": str(record_id), "version": 1}],
        }
        listener.call("POST", "sync/repair", repair)
    listener.call("GET", f"devices/{listener.person.device_id}/trace")


def push_everything(listener: Listener, company: Company) -> None:
    person = listener.person
    mutations = []
    for name, record_id in company.foreign.items():
        for op in ("create", "update", "delete", *BY_NAME[name].commands):
            mutations.append(person.mutation(op, name, record_id, base_version=1, fields={}))
    for name, declared in BY_NAME.items():
        for reference in (n for n, f in declared.policy.fields.items() if f.kind is Kind.ID):
            target = company.foreign.get(reference.removesuffix("_id"), company.foreign["account"])
            fields = {reference: str(target), "name": "x", "title": "x", "kind": "call"}
            mutations.append(person.mutation("create", name, new_id(), fields=fields))
    listener.sync(*mutations)
    push_by_the_other_door(listener, company)


def push_by_the_other_door(listener: Listener, company: Company) -> None:
    mark = listener.call("GET", "sync/watermelon").json["timestamp"]
    tables = {
        name: {
            "created": [
                {"id": str(record_id), "name": "x"},
                {"id": str(new_id()), "account_id": str(record_id)},
            ],
            "updated": [{"id": str(record_id), "name": "x", "_changed": "name"}],
            "deleted": [str(record_id)],
        }
        for name, record_id in company.foreign.items()
    }
    listener.call("POST", f"sync/watermelon?last_pulled_at={mark}", tables)
    listener.call("GET", f"sync/watermelon?last_pulled_at={mark}&pending=0")


@contextmanager
def without_filters_by_company(db: Database) -> Iterator[list[str]]:
    """A bug for a while: no statement of a request compares the company any more; gives those that did."""
    dropped: list[str] = []

    def drop(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: bool) -> tuple[str, Any]:
        if not statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            return statement, parameters
        bare = BY_COMPANY.sub("true", statement)
        if bare != statement:
            dropped.append(statement)
        return bare, parameters

    event.listen(db.app, "before_cursor_execute", drop, retval=True)
    try:
        yield dropped
    finally:
        event.remove(db.app, "before_cursor_execute", drop)


class TestTheQuestions:
    def test_are_understood_by_the_server(self, company: Company) -> None:
        admin = Listener(company.world.person("admin"))

        assert {admin.call("GET", path).status_code for path in LISTS} == {200}
        paths = [path for path, item in DOCUMENT["paths"].items() if "get" in item and "{" not in path]
        elsewhere = {"sync/digest", "sync/explain", "sync/events", "sync/rxdb/events", "sandbox"}
        asked = {path.partition("?")[0] for path in LISTS}
        assert {path.removeprefix("/api/v1/") for path in paths} <= asked | elsewhere
        for name, path in ONES.items():
            assert admin.call("GET", f"{path}/{company.foreign[name]}").status_code == 200, name
        for below in ("history", "timeline", "sites", "contacts", "relations", "buying-roles", "credit"):
            assert admin.call("GET", f"accounts/{company.foreign['account']}/{below}").status_code == 200

    def test_find_every_token_where_one_may_see_it(self, company: Company) -> None:
        admin = Listener(company.world.person("admin"))

        ask_for_everything(admin, company)

        tokens = [FOREIGN, SALES, OTHERS, "991234567", "771234567", "33.123451", "opponent"]
        assert admin.heard_anything_of(*tokens) == tokens


class TestAnIdThatOneMayNotKnow:
    @pytest.mark.parametrize("role", ["rep", "technician", "manager"])
    def test_answers_over_rest_like_one_that_is_not(self, company: Company, role: str) -> None:
        listener = Listener(company.world.person(role, company.world.north))
        resolution = {"choice": "mine", "record_version": 1}
        if_match = {"If-Match": '"1"'}

        for name, record_id in company.foreign.items():
            path = ONES.get(name, "conflicts")
            calls: list[tuple[str, str, Any]] = [("GET", "", None)]
            if name != "conflict":
                calls.append(("DELETE", "", None))
                calls += [("GET", "/history", None), ("GET", "/sites", None)] if name == "account" else []
            else:
                calls.append(("POST", "/resolution", resolution))
            for method, below, body in calls:
                answers = [
                    listener.call(method, f"{path}/{i}{below}", body, **(if_match if method != "GET" else {}))
                    for i in (uuid4(), record_id)
                ]
                told = [
                    (a.status_code, a.content_type, {k: v for k, v in a.json.items() if k != "request_id"})
                    for a in answers
                ]
                assert told[0] == told[1], (method, path, below)
                assert told[0][0] in (403, 404, 405)


class TestAForeignTerritory:
    @pytest.mark.parametrize("role", ["rep", "technician", "manager", "partner"])
    def test_never_sends_a_byte(self, company: Company, role: str) -> None:
        listener = Listener(company.world.person(role, company.world.north))

        ask_for_everything(listener, company)

        assert listener.heard_anything_of(FOREIGN, "991234567", "33.123451") == []

    def test_never_sends_a_byte_to_another_company(self, served: Flask, company: Company) -> None:
        other = World(served, company.world.db)
        listener = Listener(other.person("admin"))

        ask_for_everything(listener, company)

        assert listener.heard_anything_of(FOREIGN, SALES, "991234567", "가람상사", "뷔람담") == []

    def test_of_another_company_is_kept_apart_by_row_level_security_alone(
        self, served: Flask, company: Company
    ) -> None:
        other = World(served, company.world.db)
        other.account(name="우리상사")
        listener = Listener(other.person("admin"))

        with untouched(company.world), without_filters_by_company(other.db) as dropped:
            ask_for_everything(listener, company)

        assert len(dropped) > 100
        assert listener.heard_anything_of("우리상사") == ["우리상사"]
        assert listener.heard_anything_of(FOREIGN, SALES, "991234567", "가람상사", "뷔람담") == []

    def test_takes_its_bytes_along_when_an_account_moves_there(self, company: Company) -> None:
        world, mine = company.world, company.accounts["mine"]
        listener = Listener(world.person("rep", world.north))
        listener.sync()
        edit = listener.person.edit("account", mine, {"legal_name": "내 이름"})
        late = listener.person.edit("account", mine, {"phone": "+82255500002"})
        world.sql("UPDATE accounts SET legal_name = '본사' WHERE tenant_id = :tenant AND id = :id", id=mine)
        listener.sync(edit)
        world.sql(
            "UPDATE accounts SET territory_id = :south, name = :name, phone = '+82999999999', notes = :name,"
            " legal_name = :name WHERE tenant_id = :tenant AND id = :id",
            id=mine,
            south=world.south,
            name=f"{FOREIGN} moved",
        )

        verdicts = listener.sync(edit, late)
        for path in ("conflicts", "rejections", f"accounts/{mine}", f"accounts/{mine}/history"):
            listener.call("GET", path)

        assert [v["record"] for v in verdicts] == [None, None]
        assert listener.heard_anything_of(FOREIGN, "+82999999999") == []
        assert listener.person.held("account", mine) is None

    def test_takes_the_decision_on_an_item_along(self, company: Company) -> None:
        world, mine = company.world, company.accounts["mine"]
        listener = Listener(world.person("rep", world.north))
        admin = world.person("admin")
        listener.sync()
        edit = listener.person.edit("account", mine, {"legal_name": "내 이름"})
        world.sql("UPDATE accounts SET legal_name = '본사' WHERE tenant_id = :tenant AND id = :id", id=mine)
        (verdict,) = listener.sync(edit)
        world.sql(
            "UPDATE accounts SET territory_id = :south WHERE tenant_id = :tenant AND id = :id",
            id=mine,
            south=world.south,
        )
        item = admin.call("GET", f"/api/v1/conflicts/{verdict['conflict_id']}")
        decision = {"choice": "value", "value": f"{FOREIGN} decided", "record_version": 99}
        decided = admin.call(
            "POST",
            f"/api/v1/conflicts/{verdict['conflict_id']}/resolution",
            decision,
            **{"If-Match": item.headers["ETag"]},
        )
        assert decided.status_code == 200, decided.json

        listener.sync()
        shown = listener.call("GET", f"conflicts/{verdict['conflict_id']}").json

        assert listener.heard_anything_of(FOREIGN) == []
        assert (shown["state"], shown["mine"]) == ("resolved", "내 이름")
        hidden = {"base": None, "theirs": None, "losers": [], "resolution": None, "record_version": None}
        assert {name: shown[name] for name in hidden} == hidden
        held = listener.person.held("conflict", verdict["conflict_id"])
        assert held == shown


class TestATechnician:
    @pytest.fixture
    def technician(self, company: Company) -> Listener:
        """One who has the account in an overlay territory, and a visit of their own there."""
        world = company.world
        person = world.person("technician", world.north)
        world.insert(
            "visits",
            id=new_id(),
            account_id=company.accounts["mine"],
            assignee_id=person.id,
            planned_start=utc_now(),
        )
        return Listener(person)

    @pytest.fixture
    def tokens(self) -> list[str]:
        """What stands in the columns of sales and nowhere else."""
        return [
            SALES,
            SALES.lower(),
            *(str(v) for v in PLANTED.values()),
            "771234567",
            "882345678",
            "opponent",
        ]

    def test_planted_columns_are_all_that_technicians_may_not_see(self) -> None:
        assert set(SALES_ONLY) == {*PLANTED, "profile_stage", "completeness"}

    def test_is_never_sent_a_byte_of_sales_terms(
        self, company: Company, technician: Listener, tokens: list[str]
    ) -> None:
        ask_for_everything(technician, company)

        assert technician.person.held("account", company.accounts["mine"])
        assert technician.heard_anything_of(*tokens) == []
        assert technician.heard_anything_of(*(f'"{name}"' for name in SALES_ONLY)) == []

    def test_is_told_nothing_of_sales_terms_when_they_change(
        self, company: Company, technician: Listener, tokens: list[str]
    ) -> None:
        world, mine = company.world, company.accounts["mine"]
        technician.sync()
        edit = technician.person.edit("account", mine, {"phone": "+82255500002", "legal_name": "기사 이름"})
        settings = ", ".join(f"{name} = :{name}" for name in PLANTED)
        changed = {n: v.replace(SALES, f"{SALES}-2") if SALES in v else v for n, v in PLANTED.items()}
        world.sql(
            f"UPDATE accounts SET {settings}, legal_name = '본사' WHERE tenant_id = :tenant AND id = :id",
            id=mine,
            **changed,
        )

        (verdict,) = technician.sync(edit)
        technician.call("GET", f"conflicts/{verdict['conflict_id']}")
        ask_for_everything(technician, company)

        assert verdict["status"] == "conflict"
        assert technician.heard_anything_of(*tokens) == []

    def test_hears_of_no_sales_terms_in_refusals(
        self, company: Company, technician: Listener, tokens: list[str]
    ) -> None:
        mine = company.accounts["mine"]
        technician.sync()
        guesses = [{n: v} for n, v in PLANTED.items()]
        for guess in guesses:
            response = technician.call("PATCH", f"accounts/{mine}", guess, **{"If-Match": '"1"'})
            assert response.status_code == 422

        technician.sync(
            *(
                technician.person.mutation("update", "account", mine, base_version=1, fields=g, base=g)
                for g in guesses
            )
        )

        assert technician.heard_anything_of(*(t for t in tokens if t not in ("CHF", "NOK"))) == []

    def test_hears_of_no_sales_terms_when_a_service_breaks(
        self, company: Company, technician: Listener, tokens: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError(json.dumps(PLANTED))

        technician.sync()
        misbehave(monkeypatch, "account", update=fail)
        edit = technician.person.edit("account", company.accounts["mine"], {"phone": "+82255500002"})

        assert technician.sync(edit)[0]["code"] == "failed"
        technician.call("GET", "conflicts")
        assert technician.heard_anything_of(*tokens) == []

    def test_sees_no_visits_tasks_and_private_notes_of_others_there(
        self, company: Company, technician: Listener
    ) -> None:
        ask_for_everything(technician, company)
        technician.call("GET", f"visits/{company.visit}")

        assert technician.heard_anything_of(OTHERS, PRIVATE) == []


class TestPrivateActivities:
    @pytest.mark.parametrize("role", ["rep", "manager", "admin"])
    def test_are_shown_to_nobody_but_their_author(self, company: Company, role: str) -> None:
        territory = [] if role == "admin" else [company.world.north]
        listener = Listener(company.world.person(role, *territory))

        listener.sync()
        listener.call("GET", "activities")
        for below in ("history", "timeline"):
            listener.call("GET", f"accounts/{company.accounts['mine']}/{below}")

        assert listener.heard_anything_of(PRIVATE) == []


class TestDemotion:
    def test_works_on_the_next_request(self, company: Company) -> None:
        world = company.world
        listener = Listener(world.person("manager", world.region))
        listener.sync()
        world.sql(
            "UPDATE users SET role = 'technician' WHERE tenant_id = :tenant AND id = :id",
            id=listener.person.id,
        )
        listener.heard.clear()

        listener.sync()
        ask_for_everything(listener, company)

        assert listener.heard_anything_of(SALES, "771234567", "882345678") == []
        assert not any("credit_limit" in body for body in listener.person.records.values())


class TestForgedAttribution:
    def test_of_tenant_user_and_device_is_refused_as_unknown_members(self, company: Company) -> None:
        listener = Listener(company.world.person("rep", company.world.north))
        listener.sync()
        edit = listener.person.edit("account", company.accounts["mine"], {"tier": "A"})

        verdicts = listener.sync(
            *(
                edit | {"id": str(new_id()), name: str(uuid4())}
                for name in ("user_id", "device_id", "actor_id")
            )
        )

        assert {v["code"] for v in verdicts} == {"unknown_field"}
