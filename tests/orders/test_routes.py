"""Orders over REST."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import text

from app.core.ids import new_id
from tests.orders.trade import Trade
from tests.world import Person

API = "/api/v1"


def post(person: Person, path: str, body: Any = None, version: int | None = None) -> Any:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return person.call("POST", f"{API}/{path}", {} if body is None else body, **headers)


def written(trade: Trade, quantity: str = "2") -> Any:
    line = {"product_id": str(trade.oil), "unit": "EA", "quantity": quantity}
    answer = post(trade.rep, "orders", {"account_id": str(trade.account), "lines": [line]})
    assert answer.status_code == 201, answer.text
    return answer.json


class TestOrders:
    def test_go_from_a_draft_to_the_customers_door(self, trade: Trade) -> None:
        order = written(trade)
        path = f"orders/{order['id']}"
        assert trade.rep.call("GET", f"{API}/{path}/price").json["price"]["total"] == "2200.0000"
        submitted = post(trade.rep, f"{path}/submit", version=order["version"]).json
        assert (submitted["status"], submitted["total"]) == ("approved", "2200.0000")
        confirmed = post(trade.manager, f"{path}/confirm", version=submitted["version"])
        assert confirmed.json["status"] == "confirmed"
        shipment = post(trade.manager, "shipments", {"order_id": order["id"]}).json
        assert shipment["lines"][0]["quantity"] == "2.000000"
        left = post(trade.manager, f"shipments/{shipment['id']}/ship", version=shipment["version"]).json
        proof = {"signed_by": "김담당", "photo_sha256": "ab" * 32}
        arrived = post(trade.rep, f"shipments/{shipment['id']}/deliver", proof, version=left["version"])
        assert (arrived.status_code, arrived.json["status"]) == (200, "delivered")
        assert trade.rep.call("GET", f"{API}/{path}").json["status"] == "delivered"

    def test_that_differ_in_price_are_a_conflict_with_both(self, trade: Trade) -> None:
        order = written(trade)
        shown = {
            "currency": "KRW",
            "priced_on": "2026-01-05",
            "lines": [{"id": order["lines"][0]["id"], "total": "1.0000"}],
            "total": "1.0000",
        }
        answer = post(trade.rep, f"orders/{order['id']}/submit", {"price": shown}, version=order["version"])
        assert (answer.status_code, answer.json["code"]) == (409, "order.price_differs")
        assert answer.json["details"]["theirs"]["total"] == "2200.0000"
        assert trade.rep.call("GET", f"{API}/orders/{order['id']}").json["status"] == "draft"

    def test_take_commands_on_the_version_that_was_seen(self, trade: Trade) -> None:
        order = written(trade)
        path = f"orders/{order['id']}/submit"
        assert post(trade.rep, path).json["code"] == "version_required"
        assert post(trade.rep, path, version=order["version"] + 1).json["code"] == "version_stale"

    def test_of_another_rep_may_be_seen_and_not_touched(self, trade: Trade) -> None:
        colleague = trade.world.person("rep", trade.world.north)
        order = written(trade)
        assert colleague.call("GET", f"{API}/orders/{order['id']}").status_code == 200
        answer = post(colleague, f"orders/{order['id']}/submit", version=order["version"])
        assert (answer.status_code, answer.json["code"]) == (403, "order.not_yours")

    def test_keep_their_margin_from_reps(self, trade: Trade) -> None:
        order = written(trade)
        assert trade.rep.call("GET", f"{API}/orders/{order['id']}/margin").status_code == 403
        assert trade.manager.call("GET", f"{API}/orders/{order['id']}/margin").status_code == 200

    def test_that_were_submitted_once_are_never_deleted(self, trade: Trade) -> None:
        order = trade.submitted()
        reopened = trade.do("reopen", order.id)
        path = f"{API}/orders/{order.id}"
        answer = trade.rep.call("DELETE", path, None, **{"If-Match": f'"{reopened.version}"'})
        assert (answer.status_code, answer.json["code"]) == (409, "order.numbered")
        draft = written(trade)
        path = f"{API}/orders/{draft['id']}"
        gone = trade.rep.call("DELETE", path, None, **{"If-Match": f'"{draft["version"]}"'})
        assert (gone.status_code, trade.rep.call("GET", path).status_code) == (204, 404)


class TestShipments:
    def test_of_two_requests_at_once_the_second_has_seen_too_little(self, trade: Trade) -> None:
        order = trade.confirmed()
        shipment = trade.shipment(order.id)
        version = trade.manager.call("GET", f"{API}/shipments/{shipment}").json["version"]
        with ThreadPoolExecutor(2) as pool:
            with trade.world.session() as session:
                session.execute(text("SELECT 1 FROM orders WHERE id = :id FOR UPDATE"), {"id": order.id})
                asked = [
                    pool.submit(post, trade.manager, f"shipments/{shipment}/ship", version=version)
                    for _ in "ab"
                ]
                time.sleep(1)  # both wait for the order now
            answers = [one.result(timeout=30).status_code for one in asked]

        assert sorted(answers) == [200, 412]


class TestAnAccount:
    def test_with_orders_is_not_deleted_nor_the_site_that_they_go_to(self, trade: Trade) -> None:
        site = new_id()
        trade.world.insert("sites", id=site, account_id=trade.account, name="공장")
        trade.submitted(site_id=site)

        for path, hanging in ((f"accounts/{trade.account}", ["site", "order"]), (f"sites/{site}", ["order"])):
            seen = trade.manager.call("GET", f"{API}/{path}").headers["ETag"]
            refused = trade.manager.call("DELETE", f"{API}/{path}", **{"If-Match": seen})
            assert (refused.status_code, refused.json["code"]) == (409, "has_dependants")
            assert refused.json["details"] == {"dependants": hanging}


class TestTerms:
    def test_are_decided_by_admins(self, trade: Trade) -> None:
        assert trade.rep.call("GET", f"{API}/order-settings").status_code == 403
        seen = trade.admin.call("GET", f"{API}/order-settings")
        assert seen.json["stock_rule"] == "warn"
        tag = {"If-Match": seen.headers["ETag"]}
        changed = trade.admin.call("PATCH", f"{API}/order-settings", {"overdue_days": 10}, **tag)
        assert (changed.status_code, changed.json["overdue_days"]) == (200, 10)
        again = trade.admin.call(
            "PATCH", f"{API}/order-settings", {"stock_rule": "hold"}, **{"If-Match": changed.headers["ETag"]}
        )
        assert again.headers["ETag"] == '"2"'
        stale = trade.admin.call("PATCH", f"{API}/order-settings", {"overdue_days": 0}, **tag)
        assert stale.json["code"] == "version_stale"

    def test_of_stock_name_only_what_exists(self, trade: Trade) -> None:
        row = {"warehouse_id": str(new_id()), "product_id": str(trade.oil), "quantity": "1"}
        answer = post(trade.admin, "stock", {"rows": [row]})
        assert answer.json["code"] == "reference_not_found"

    def test_of_limits_are_one_for_each_person_or_role(self, trade: Trade) -> None:
        body = {"role": "rep", "percent": "5"}
        assert post(trade.admin, "discount-limits", body).status_code == 201
        assert post(trade.admin, "discount-limits", body).json["code"] == "discount_limit.taken"
        both = body | {"user_id": str(trade.rep.id)}
        assert post(trade.admin, "discount-limits", both).json["code"] == "discount_limit.whose"
