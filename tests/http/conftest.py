"""The application with one made-up room, and tokens for it; a real company for every operation."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from app.factory import create_app
from app.http import auth
from app.http.api import Api
from app.http.auth import issue_access_token
from app.http.services import EXTENSION, Services
from tests.approvals.planted import plant_approval, plant_days_off, plant_notification, plant_policy
from tests.http.goods import goods
from tests.http.house import ACTIVITY, INVOICE, PAYMENT, VISIT, WEBHOOK, made
from tests.http.things import CONFIG, DEVICE, TENANT, USER, Server, WatchedDatabase, make_blueprint
from tests.knowledge.planted import plant_article, plant_run, plant_said, plant_tree
from tests.orders.planted import plant_orders, plant_terms
from tests.world import Person, World


@pytest.fixture(scope="session")
def app() -> Flask:
    made = create_app(CONFIG)
    api: Api = made.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    api.register_blueprint(make_blueprint())
    made.test_client().get("/healthz")  # the first request builds the routing table
    return made


@pytest.fixture
def server(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Server:
    db = WatchedDatabase()
    monkeypatch.setitem(app.extensions, EXTENSION, Services(CONFIG, db))  # type: ignore[arg-type]
    made = Server(app, db)
    monkeypatch.setattr(auth, "_askers", [made.actor_query])
    return made


@pytest.fixture
def client(server: Server) -> FlaskClient:
    return server.app.test_client()


@pytest.fixture
def token() -> str:
    return issue_access_token(CONFIG, TENANT, USER, DEVICE, utc_now())


@pytest.fixture
def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


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
        "invoices/invoice_id": made(admin, "invoices", account_id=str(account), number="1", **INVOICE),
        "payments/payment_id": made(admin, "payments", account_id=str(account), **PAYMENT),
    }
    found |= goods(admin, str(account))
    orders = plant_orders(house, account, everybody["rep"].id)
    terms = plant_terms(house)
    found |= {
        "orders/order_id": orders["order"],
        "shipments/shipment_id": orders["shipment"],
        "order-returns/return_id": orders["order_return"],
        "warehouses/warehouse_id": terms["warehouse"],
        "discount-limits/limit_id": terms["discount_limit"],
        "search/synonym_id": made(admin, "search/synonyms", words=["엔진오일", "engine oil"]),
    }
    ((balance,),) = house.sql("SELECT id FROM account_balances WHERE account_id = :id", id=account)
    found["account-balances/balance_id"] = balance
    article = plant_article(house, admin.id, unit_id=house.unit_id, must_read=True)
    found["knowledge/article_id"] = article["article"]
    found["knowledge/version_id"] = article["article_version"]
    visit = UUID(found["visits/visit_id"])
    tree = plant_tree(house, admin.id, unit_id=house.unit_id)
    said = plant_said(house, article, everybody["rep"].id, visit)
    found |= {
        "knowledge/tree_id": tree["diagnosis_tree"],
        "knowledge/tree_version_id": tree["tree_version"],
        "knowledge/run_id": plant_run(house, tree, account, visit, everybody["rep"].id),
        "knowledge/feedback_id": said["article_feedback"],
        "knowledge/use_id": plant_said(house, article, admin.id, visit)["article_use"],
        "knowledge/proposal_id": said["article_proposal"],
        "knowledge/question_id": said["expert_question"],
    }
    found["webhooks/endpoint_id"] = made(admin, "webhooks", **WEBHOOK)
    made(admin, "payments", account_id=str(account), **PAYMENT)
    ((delivery,),) = house.sql("SELECT id FROM webhook_deliveries")
    found["webhook-deliveries/delivery_id"] = delivery
    return {place: str(value) for place, value in found.items()} | waiting(everybody, house)


def waiting(everybody: dict[str, Person], house: World) -> dict[str, str]:
    """Ids of what takes more than one request to come about: an item of the inbox, a delegation, an approval."""
    admin, rep = everybody["admin"], everybody["rep"]
    account = house.account(name="나래상사", legal_name="나래", owner_id=rep.id)
    rep.sync()
    edit = rep.edit("account", account, {"legal_name": "우리 이름"})
    house.sql("UPDATE accounts SET legal_name = '본사' WHERE tenant_id = :tenant AND id = :id", id=account)
    (verdict,) = rep.sync(edit)
    stands_in = {"from_user_id": str(rep.id), "to_user_id": str(everybody["manager"].id)}
    days = {"work": "territories", "valid_from": "2030-01-01", "valid_to": "2030-01-08"}
    absence, holiday = plant_days_off(house, rep.id, date(2030, 1, 2))
    return {
        "approvals/request_id": str(plant_approval(house, rep.id, everybody["manager"].id)),
        "approval-policies/policy_id": str(plant_policy(house, active=False)),
        "absences/absence_id": str(absence),
        "company-holidays/holiday_id": str(holiday),
        "notifications/notification_id": str(plant_notification(house, admin.id)),
        "conflicts/conflict_id": str(verdict["conflict_id"]),
        "delegations/delegation_id": made(admin, "delegations", **stands_in, **days),
    }
