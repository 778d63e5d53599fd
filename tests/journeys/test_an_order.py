"""An order from the customer's yard to the last won: taken offline on two phones, disputed, approved by somebody who
stands in, shipped in parts, invoiced and paid at a visit."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from app.identity import service as identity
from examples.phone import Phone
from examples.phone.price_book import PriceBook
from tests.catalog.shop import Shop, open_shop
from tests.journeys.conftest import InHand
from tests.world import Person, World

Json = dict[str, Any]
LEVELS = [{"approver": "manager", "escalate_after_h": 9}] * 2


def priced(phone: Phone, order: Json, day: str) -> Json:
    """What the phone reckons an order to cost, without a network."""
    lines = [
        {
            "id": line["id"],
            "product_id": line["product_id"],
            "unit": line["unit"],
            "quantity": line["quantity"],
            "manual": {"kind": line["manual_kind"], "value": line["manual_value"]}
            if line.get("manual_kind")
            else None,
        }
        for line in order["lines"]
    ]

    def records(entity: str) -> Mapping[str, Json]:
        return phone.store.records(entity)

    return PriceBook(records).price(order["account_id"], "KRW", day, lines)


def shown(price: Json, day: str) -> Json:
    """What the phone tells of a price when it submits."""
    return {
        "currency": "KRW",
        "priced_on": day,
        "lines": [{"id": line["id"], "total": line["total"]} for line in price["lines"]],
        "total": price["total"],
    }


def line(product: UUID, quantity: str, **values: Any) -> Json:
    return {
        "id": str(new_id()),
        "product_id": str(product),
        "unit": "EA",
        "quantity": quantity,
        "manual_kind": None,
        "manual_value": None,
        "position": 0,
        "note": None,
    } | values


def last_verdict(phone: Phone) -> Json:
    found: Json = phone.verdicts()[-1]["verdict"]
    return found


def tell(sap: Person, kind: str, **row: Any) -> None:
    """What the ERP says; its row has to be taken."""
    response = sap.call("POST", f"/api/v1/erp/{kind}", {"system": "SAP", "rows": [row]})
    assert response.status_code == 200, response.text
    (result,) = response.json["results"]
    assert result["outcome"] in ("created", "updated"), result


class Company:
    """A shop, its customer, and everybody whom an order meets."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.shop: Shop = open_shop(world)
        self.oil, self.grease = self.shop.product("윤활유-5W30"), self.shop.product("그리스-2호")
        self.shop.price(self.oil, "10000")
        self.grease_price = self.shop.price(self.grease, "5000")
        self.head = world.person(Role.MANAGER, world.region, name="본부장")
        self.manager = world.person(Role.MANAGER, world.region, manager=self.head, name="지점장")
        self.deputy = world.person(Role.MANAGER, world.south, name="남부 지점장")
        self.rep = world.person(Role.REP, world.north, manager=self.manager, name="김하늘")
        self.admin = world.person(Role.ADMIN)
        self.sap = world.person(Role.INTEGRATION)
        self.account = world.account(
            name="가람상사", credit_limit=10_000_000, credit_currency="KRW", owner_id=self.rep.id
        )
        world.insert(
            "external_refs",
            id=new_id(),
            entity="account",
            record_id=self.account,
            system="SAP",
            external_id="100234",
        )
        with world.session() as session:
            self.today = identity.tenant_day(session, world.id, utc_now())

    @property
    def day(self) -> str:
        return self.today.isoformat()

    def rules(self, office: InHand) -> None:
        """Reps may grant 5 %; what is more needs two levels."""
        office.desk.post("/discount-limits", {"role": "rep", "percent": "5.0000"})
        policy = {
            "name": "할인 5% 초과",
            "document_kind": "order",
            "metric": "discount_percent",
            "threshold": "5.0000",
            "levels": LEVELS,
        }
        office.desk.post("/approval-policies", policy)

    def leave(self, person: Person, deputy: Person) -> None:
        """Somebody is on leave, and somebody else decides for them."""
        days = {"first_day": self.today, "last_day": self.today + timedelta(days=5)}
        self.world.insert("absences", id=new_id(), user_id=person.id, **days)
        self.world.insert(
            "delegations",
            id=new_id(),
            from_user_id=person.id,
            to_user_id=deputy.id,
            work="approvals",
            valid_from=self.today,
            valid_to=self.today + timedelta(days=5),
        )


@pytest.fixture
def company(world: World) -> Company:
    return Company(world)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class TestAnOrder:
    def test_goes_from_two_offline_phones_to_the_last_won(
        self, company: Company, hand: Callable[..., InHand]
    ) -> None:
        office = hand(company.admin, "desk")
        company.rules(office)
        company.leave(company.manager, company.deputy)
        phone = hand(company.rep).phone
        tablet = hand(company.world.second_phone(company.rep), "iPad").phone
        order_id = taken_on_two_phones(company, phone, tablet)

        submitted(company, phone, tablet, order_id)
        approved(company, hand, phone, order_id)
        number = phone.get("order", order_id)["number"]  # type: ignore[index]
        sap = company.sap
        shipped_in_two_parts(company, sap, phone, order_id, number)
        invoiced_and_paid(company, sap, phone, order_id, number)

        assert_history(company, office, order_id)


def taken_on_two_phones(company: Company, phone: Phone, tablet: Phone) -> str:
    """Both without a network: one changes a quantity, the other adds a line with too much of a discount."""
    oil = line(company.oil, "10.000000")
    order_id = phone.create("order", account_id=str(company.account), lines=[oil])
    phone.sync()
    tablet.sync()
    phone.edit("order", order_id, lines=[oil | {"quantity": "20.000000"}], note="오전 배송")
    cheap = line(company.grease, "4.000000", manual_kind="percent", manual_value="40.0000", position=1)
    tablet.edit("order", order_id, lines=[oil, cheap])
    for device in (phone, tablet, phone):
        device.sync()
    held = phone.get("order", order_id)
    assert held is not None
    assert [(row["quantity"], row["manual_value"]) for row in held["lines"]] == [
        ("20.000000", None),
        ("4.000000", "40.0000"),
    ]
    assert held == tablet.get("order", order_id)
    return order_id


def submitted(company: Company, phone: Phone, tablet: Phone, order_id: str) -> None:
    """The price list changed meanwhile: the submit comes back with both prices, and passes with the new one."""
    held = phone.get("order", order_id)
    assert held is not None
    price = priced(phone, held, company.day)
    assert price["total"] == "233200.0000"
    company.world.sql(
        "UPDATE price_items SET price = 6000 WHERE tenant_id = :tenant AND price_id = :p",
        p=company.grease_price,
    )
    phone.command("order", order_id, "submit", price=shown(price, company.day))
    phone.sync()
    verdict = last_verdict(phone)
    assert (verdict["status"], verdict["code"]) == ("conflict", "order.price_differs")
    (item,) = phone.conflicts()
    assert item["theirs"]["mine"]["total"] == "233200.0000"
    assert item["theirs"]["theirs"]["total"] == "235840.0000"
    assert phone.get("order", order_id)["status"] == "draft"  # type: ignore[index]

    phone.sync()
    held = phone.get("order", order_id)
    assert held is not None
    again = priced(phone, held, company.day)
    assert again["total"] == "235840.0000"
    phone.command("order", order_id, "submit", price=shown(again, company.day))
    phone.resolve(item, "discard")
    for device in (phone, tablet):
        device.sync()
        waiting = device.get("order", order_id)
        assert waiting is not None
        assert (waiting["status"], waiting["total"]) == ("pending_approval", "235840.0000")
        assert waiting["number"].endswith("-000001")
    assert phone.conflicts() == []


def approved(company: Company, hand: Callable[..., InHand], phone: Phone, order_id: str) -> None:
    """The first level is on leave: who stands in decides without a network; the second at a desk."""
    deputy = hand(company.deputy).phone
    (request,) = deputy.list("approval", status="pending")
    assert request["snapshot"]["total"] == "235840.0000"
    deputy.command(
        "approval", request["id"], "approve", document_hash=request["document_hash"], comment="확인함"
    )
    deputy.sync()
    assert last_verdict(deputy)["status"] == "applied"
    head = hand(company.head).desk
    second = head.get(f"/approvals/{request['id']}")
    assert (second["status"], second["level"]) == ("pending", 2)
    (step,) = [one for one in second["steps"] if one["level"] == 1 and one["status"] == "approved"]
    assert (step["assignee_id"], step["acted_by"]) == (str(company.manager.id), str(company.deputy.id))
    head._client.call(
        "POST",
        f"/approvals/{request['id']}/approve",
        lambda: {"document_hash": second["document_hash"]},
        if_match=f'"{second["version"]}"',
    )
    phone.sync()
    assert phone.get("order", order_id)["status"] == "approved"  # type: ignore[index]
    assert [one["title_code"] for one in phone.list("notification")] == ["approval.notice_approved"]


def shipped_in_two_parts(company: Company, sap: Person, phone: Phone, order_id: str, number: str) -> None:
    tell(sap, "orders", external_id="45", order_number=number, status="confirmed")
    row = {"order_external_id": "45", "happened_at": stamp(utc_now())}
    part = {"sku": "윤활유-5W30", "unit": "EA", "quantity": "8.000000"}
    tell(sap, "shipments", external_id="S1", status="shipped", lines=[part], **row)
    phone.sync()
    assert phone.get("order", order_id)["status"] == "partially_shipped"  # type: ignore[index]
    tell(sap, "shipments", external_id="S2", status="shipped", **row)
    phone.sync()
    assert phone.get("order", order_id)["status"] == "shipped"  # type: ignore[index]
    for shipment in phone.list("shipment"):
        phone.command("shipment", shipment["id"], "deliver", signed_by="박담당", signature_sha256="ab" * 32)
    phone.sync()
    assert phone.get("order", order_id)["status"] == "delivered"  # type: ignore[index]


def invoiced_and_paid(company: Company, sap: Person, phone: Phone, order_id: str, number: str) -> None:
    """Money is taken on a visit without a network; the ERP hears of the same receipt later."""
    tell(
        sap,
        "invoices",
        external_id="9000",
        number="INV-1",
        account_external_id="100234",
        order_number=number,
        currency="KRW",
        amount="235840.0000",
        issued_on=company.day,
        due_on=company.day,
    )
    visit = phone.create(
        "visit",
        account_id=str(company.account),
        unplanned=True,
        purpose="collection",
        planned_start=stamp(utc_now()),
    )
    phone.sync()
    (balance,) = phone.list("account_balance")
    assert (balance["open_receivables"], balance["committed"]) == ("235840.0000", "0.0000")
    phone.command(
        "visit",
        visit,
        "collect_payment",
        amount="235840.0000",
        currency="KRW",
        method="cash",
        receipt_number="R-7F3A-000001",
    )
    phone.sync()
    assert last_verdict(phone)["status"] == "applied"
    tell(
        sap,
        "payments",
        external_id="P1",
        account_external_id="100234",
        currency="KRW",
        amount="235840.0000",
        method="cash",
        receipt_number="R-7F3A-000001",
        paid_at=stamp(utc_now()),
    )
    phone.sync()
    (balance,) = phone.list("account_balance")
    assert (balance["open_receivables"], balance["exposure"]) == ("0.0000", "0.0000")
    (payment,) = phone.list("payment")
    assert (payment["status"], payment["collected_by"]) == ("confirmed", str(company.rep.id))


def assert_history(company: Company, office: InHand, order_id: str) -> None:
    """Every step stands in the history of the customer, in its order, with who took it."""
    entries = list(office.desk.all(f"/accounts/{company.account}/history"))[::-1]
    steps = [
        (one["entity"], field["new"])
        for one in entries
        for field in one["fields"]
        if field["field"] == "status"
    ]
    wanted = [
        ("order", "draft"),
        ("approval", "pending"),
        ("order", "pending_approval"),
        ("approval", "approved"),
        ("order", "approved"),
        ("order", "confirmed"),
        ("shipment", "shipped"),
        ("order", "partially_shipped"),
        ("order", "shipped"),
        ("shipment", "delivered"),
        ("order", "delivered"),
        ("invoice", "open"),
        ("invoice", "paid"),
        ("payment", "recorded"),
        ("payment", "confirmed"),
    ]
    at = 0
    for step in steps:
        at += at < len(wanted) and step == wanted[at]
    assert at == len(wanted), (wanted[at], steps)
    timeline = list(office.desk.all(f"/accounts/{company.account}/timeline"))
    assert {one["entity"] for one in timeline} >= {"order", "shipment", "invoice", "payment", "visit"}
