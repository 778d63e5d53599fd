"""What an ERP sends in bulk: judged row by row, safe to send again, and told to nobody who may not."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import pytest

from app.core.scope import Role
from tests.orders.trade import Trade
from tests.world import Person, World

NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()
MOMENT = NOW.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture
def trade(world: World) -> Trade:
    trade = Trade(world)
    world.sql(
        "INSERT INTO external_refs (tenant_id, id, entity, record_id, system, external_id)"
        " VALUES (:tenant, gen_random_uuid(), 'account', :account, 'SAP', '100234')",
        account=trade.account,
    )
    return trade


@pytest.fixture
def sap(trade: Trade) -> Person:
    return trade.world.person(Role.INTEGRATION)


def send(who: Person, kind: str, *rows: Any) -> Any:
    response = who.call("POST", f"/api/v1/erp/{kind}", {"system": "SAP", "rows": list(rows)})
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.json


def outcomes(answer: Any) -> list[str]:
    return [one["outcome"] for one in answer["results"]]


def only(answer: Any) -> Any:
    (one,) = answer["results"]
    return one


def invoice(external_id: str = "9000012345", **values: Any) -> dict[str, Any]:
    return {
        "external_id": external_id,
        "number": f"INV-{external_id}",
        "account_external_id": "100234",
        "currency": "KRW",
        "amount": "11000.0000",
        "issued_on": TODAY,
        "due_on": TODAY,
    } | values


def payment(external_id: str = "P-1", **values: Any) -> dict[str, Any]:
    return {
        "external_id": external_id,
        "account_external_id": "100234",
        "currency": "KRW",
        "amount": "11000.0000",
        "method": "transfer",
        "paid_at": MOMENT,
    } | values


class TestDelivery:
    def test_that_is_sent_again_changes_nothing(self, trade: Trade, sap: Person) -> None:
        first = send(sap, "invoices", invoice())
        again = send(sap, "invoices", invoice())

        assert (outcomes(first), outcomes(again)) == (["created"], ["unchanged"])
        assert only(first)["id"] == only(again)["id"]
        assert trade.credit().open_receivables == 11_000

    def test_with_a_bad_row_keeps_the_good_ones(self, trade: Trade, sap: Person) -> None:
        answer = send(
            sap,
            "invoices",
            invoice("1"),
            invoice("2", amount="12.34567"),
            invoice("3", account_external_id="nobody"),
            "no row at all",
            invoice("5"),
        )

        assert outcomes(answer) == ["created", "rejected", "rejected", "rejected", "created"]
        assert answer["results"][1]["errors"] == [{"pointer": "/amount", "code": "too_many_decimals"}]
        assert answer["results"][2]["code"] == "reference_not_found"
        assert answer["results"][3]["code"] == "type_mismatch"
        assert (answer["created"], answer["rejected"]) == (2, 3)
        assert trade.credit().open_receivables == 22_000

    def test_of_another_system_has_keys_of_its_own(self, trade: Trade, sap: Person) -> None:
        body = {"system": "ORACLE", "rows": [invoice()]}

        answer = sap.call("POST", "/api/v1/erp/invoices", body).json

        assert only(answer)["code"] == "reference_not_found"

    @pytest.mark.parametrize("role", [Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.PARTNER])
    def test_is_taken_from_no_person_but_an_admin(self, trade: Trade, role: Role) -> None:
        person = trade.world.person(role, trade.world.north)

        response = person.call("POST", "/api/v1/erp/invoices", {"system": "SAP", "rows": [invoice()]})

        assert response.status_code == 403
        assert trade.credit().open_receivables == 0


class TestInvoice:
    def test_is_corrected_by_its_key(self, trade: Trade, sap: Person) -> None:
        send(sap, "invoices", invoice())

        assert outcomes(send(sap, "invoices", invoice(amount="9000.0000"))) == ["updated"]
        assert trade.credit().open_receivables == 9_000

    def test_is_called_off_once(self, trade: Trade, sap: Person) -> None:
        send(sap, "invoices", invoice())

        assert outcomes(send(sap, "invoices", invoice(void=True))) == ["updated"]
        assert outcomes(send(sap, "invoices", invoice(void=True))) == ["unchanged"]
        assert trade.credit().open_receivables == 0

    def test_stays_with_its_currency(self, trade: Trade, sap: Person) -> None:
        send(sap, "invoices", invoice())

        one = only(send(sap, "invoices", invoice(currency="USD", amount="11.0000")))

        assert (one["code"], one["details"]) == ("erp.row_changed", {"field": "currency"})

    def test_of_an_order_is_no_longer_committed(self, trade: Trade, sap: Person) -> None:
        order = trade.confirmed(trade.line(10))
        assert trade.credit().committed == 11_000

        send(sap, "invoices", invoice(order_number=order.number))

        assert (trade.credit().committed, trade.credit().open_receivables) == (0, 11_000)

    def test_that_is_corrected_without_naming_its_order_stays_the_orders(
        self, trade: Trade, sap: Person
    ) -> None:
        order = trade.confirmed(trade.line(10))
        send(sap, "invoices", invoice(order_number=order.number))

        send(sap, "invoices", invoice(due_on="2099-01-01"))

        assert (trade.credit().committed, trade.credit().open_receivables) == (0, 11_000)


class TestPayment:
    def test_settles_the_invoice_that_it_names(self, trade: Trade, sap: Person) -> None:
        send(sap, "invoices", invoice("old"), invoice("meant"))

        send(
            sap,
            "payments",
            payment(allocations=[{"invoice_external_id": "meant", "amount": "11000.0000"}]),
        )

        left = trade.world.sql("SELECT number FROM invoices WHERE tenant_id = :tenant AND open_amount > 0")
        assert [row[0] for row in left] == ["INV-old"]

    def test_that_bounced_is_owed_again(self, trade: Trade, sap: Person) -> None:
        send(sap, "invoices", invoice())
        send(sap, "payments", payment())
        assert trade.credit().open_receivables == 0

        send(sap, "payments", payment(status="bounced", reason="잔액 부족"))

        assert trade.credit().open_receivables == 11_000

    def test_of_another_amount_under_the_same_key_is_refused(self, trade: Trade, sap: Person) -> None:
        send(sap, "payments", payment())

        one = only(send(sap, "payments", payment(amount="12000.0000")))

        assert (one["code"], one["details"]) == ("erp.row_changed", {"field": "amount"})

    def test_that_bounced_is_not_confirmed_any_more_and_the_row_says_so(
        self, trade: Trade, sap: Person
    ) -> None:
        send(sap, "payments", payment())
        send(sap, "payments", payment(status="bounced", reason="잔액 부족"))

        one = only(send(sap, "payments", payment()))

        assert (one["outcome"], one["code"]) == ("rejected", "transition_not_allowed")

    def test_that_bounced_may_be_told_again_with_another_reason(self, trade: Trade, sap: Person) -> None:
        send(sap, "payments", payment())
        send(sap, "payments", payment(status="bounced", reason="잔액 부족"))

        assert outcomes(send(sap, "payments", payment(status="bounced", reason="부도"))) == ["updated"]


class TestOrder:
    def test_is_confirmed_by_its_number_and_then_by_its_key(self, trade: Trade, sap: Person) -> None:
        order = trade.submitted(trade.line(3))

        first = send(
            sap, "orders", {"external_id": "45", "order_number": order.number, "status": "confirmed"}
        )
        assert outcomes(first) == ["created"]
        assert trade.get(order.id).status == "confirmed"
        send(sap, "orders", {"external_id": "45", "status": "cancelled", "reason": "단종"})

        assert trade.get(order.id).status == "cancelled"

    def test_that_waits_for_approval_is_not_confirmed(self, trade: Trade, sap: Person) -> None:
        trade.policy(metric="amount", threshold=0)
        order = trade.submitted(trade.line(3))

        one = only(
            send(sap, "orders", {"external_id": "45", "order_id": str(order.id), "status": "confirmed"})
        )

        assert one["code"] == "transition_not_allowed"
        assert one["details"]["status"] == "pending_approval"

    def test_of_which_nothing_is_known_has_to_be_named(self, trade: Trade, sap: Person) -> None:
        one = only(send(sap, "orders", {"external_id": "45", "status": "confirmed"}))

        assert one["code"] == "erp.never_told"


class TestOrderOfTheErp:
    ROW: ClassVar[dict[str, Any]] = {
        "external_id": "77",
        "status": "confirmed",
        "account_external_id": "100234",
        "customer_reference": "PO-2026-118",
        "lines": [{"sku": "OIL-5W30", "unit": "EA", "quantity": "10.000000"}],
    }

    def test_is_priced_judged_numbered_and_confirmed(self, trade: Trade, sap: Person) -> None:
        one = only(send(sap, "orders", self.ROW))

        order = trade.get(UUID(one["id"]))
        assert (order.status, order.total, order.customer_reference) == ("confirmed", 11_000, "PO-2026-118")
        assert one["details"] == {"status": "confirmed", "number": order.number}
        assert trade.credit().committed == 11_000

    def test_above_the_credit_is_held_and_says_so(self, trade: Trade, sap: Person) -> None:
        trade.credit_limit(10_000)

        one = only(send(sap, "orders", self.ROW))

        assert (one["outcome"], one["details"]["status"]) == ("created", "on_hold")
        assert trade.credit().committed == 0

    def test_sent_again_with_later_news_stays_one_order(self, trade: Trade, sap: Person) -> None:
        first = only(send(sap, "orders", self.ROW))

        again = only(send(sap, "orders", self.ROW | {"status": "cancelled", "reason": "단종"}))

        assert (again["outcome"], again["id"]) == ("updated", first["id"])
        assert trade.get(UUID(first["id"])).status == "cancelled"

    def test_with_other_lines_is_refused(self, trade: Trade, sap: Person) -> None:
        send(sap, "orders", self.ROW)
        lines = [{"sku": "OIL-5W30", "unit": "EA", "quantity": "11.000000"}]

        one = only(send(sap, "orders", self.ROW | {"lines": lines}))

        assert (one["code"], one["details"]) == ("erp.row_changed", {"field": "lines"})

    def test_that_is_refused_when_it_is_submitted_leaves_no_draft(self, trade: Trade, sap: Person) -> None:
        trade.shop.product("UNPRICED")
        lines = [{"sku": "UNPRICED", "unit": "EA", "quantity": "1.000000"}]

        answer = send(sap, "orders", self.ROW | {"lines": lines}, self.ROW | {"external_id": "78"})

        assert outcomes(answer) == ["rejected", "created"]
        assert trade.world.sql("SELECT count(*) FROM orders WHERE tenant_id = :tenant")[0][0] == 1

    def test_of_an_unknown_product_leaves_nothing(self, trade: Trade, sap: Person) -> None:
        lines = [{"sku": "NOTHING", "unit": "EA", "quantity": "1.000000"}]

        one = only(send(sap, "orders", self.ROW | {"lines": lines}))

        assert (one["code"], one["details"]) == ("reference_not_found", {"field": "sku"})
        assert trade.world.sql("SELECT count(*) FROM orders WHERE tenant_id = :tenant")[0][0] == 0


class TestShipment:
    def test_of_a_part_and_then_the_rest_delivers_the_order(self, trade: Trade, sap: Person) -> None:
        order = trade.confirmed(trade.line(10))
        line = {"sku": "OIL-5W30", "unit": "EA"}
        row = {"order_number": order.number, "happened_at": MOMENT}

        part = row | {"external_id": "S1", "lines": [line | {"quantity": "4.000000"}]}
        send(sap, "shipments", part | {"status": "shipped"})
        assert trade.get(order.id).status == "partially_shipped"
        send(sap, "shipments", row | {"external_id": "S2", "status": "delivered"})
        send(sap, "shipments", part | {"status": "delivered", "signed_by": "김영희"})

        assert trade.get(order.id).status == "delivered"

    def test_of_more_than_was_ordered_is_refused(self, trade: Trade, sap: Person) -> None:
        order = trade.confirmed(trade.line(10))
        lines = [{"sku": "OIL-5W30", "unit": "EA", "quantity": "10.000001"}]

        one = only(
            send(
                sap,
                "shipments",
                {
                    "external_id": "S1",
                    "order_number": order.number,
                    "status": "shipped",
                    "happened_at": MOMENT,
                    "lines": lines,
                },
            )
        )

        assert one["outcome"] == "rejected"
        assert trade.get(order.id).status == "confirmed"


class TestStock:
    def test_is_the_newest_count(self, trade: Trade, sap: Person) -> None:
        created = trade.admin.call("POST", "/api/v1/warehouses", {"code": "ICN-1", "name": "인천 창고"})
        assert created.status_code == 201, created.get_data(as_text=True)
        row = {"warehouse": "ICN-1", "sku": "OIL-5W30"}

        send(sap, "stock", row | {"external_id": "a", "quantity": "40.000000", "as_of": MOMENT})
        send(
            sap,
            "stock",
            row | {"external_id": "a", "quantity": "90.000000", "as_of": "2020-01-01T00:00:00.000000Z"},
        )

        found = trade.world.sql("SELECT quantity FROM stock_snapshots WHERE tenant_id = :tenant")
        assert [row[0] for row in found] == [40]
