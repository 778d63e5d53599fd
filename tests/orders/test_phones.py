"""Orders on phones, through the real engine: written offline, merged, submitted, disputed."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.core.clock import utc_now
from app.core.ids import new_id
from app.identity import service as identity
from app.jobs.windows import move_windows
from app.orders.states import OrderStatus
from tests.orders.trade import Trade
from tests.world import Person


def today(trade: Trade) -> str:
    with trade.world.session() as session:
        return identity.tenant_day(session, trade.world.id, utc_now()).isoformat()


def line(trade: Trade, quantity: str = "1.000000") -> dict[str, Any]:
    return {"id": str(new_id()), "product_id": str(trade.oil), "unit": "EA", "quantity": quantity}


def written(trade: Trade, phone: Person, *lines: dict[str, Any]) -> UUID:
    """A draft that was made on the phone."""
    order_id = new_id()
    fields = {"account_id": str(trade.account), "lines": list(lines)}
    (verdict,) = phone.sync(phone.mutation("create", "order", order_id, fields=fields))
    assert verdict["status"] == "applied", verdict
    return order_id


def shown(trade: Trade, *amounts: tuple[dict[str, Any], str]) -> dict[str, Any]:
    """What the phone showed for each line."""
    total = sum(Decimal(amount) for _, amount in amounts)
    return {
        "price": {
            "currency": "KRW",
            "priced_on": today(trade),
            "lines": [{"id": one["id"], "total": amount} for one, amount in amounts],
            "total": f"{total}",
        }
    }


def submit(phone: Person, order_id: UUID, fields: dict[str, Any]) -> dict[str, Any]:
    held = phone.records["order", str(order_id)]
    return phone.mutation("submit", "order", order_id, base_version=held["version"], fields=fields)


class TestDrafts:
    def test_merge_lines_that_two_phones_of_a_rep_changed(self, trade: Trade) -> None:
        tablet = trade.world.second_phone(trade.rep)
        first, second = line(trade), line(trade)
        order_id = written(trade, trade.rep, first, second)
        tablet.sync()
        ours = trade.rep.edit(
            "order", order_id, {"lines": [first | {"quantity": "5.000000"}, second], "note": "오전 배송"}
        )
        third = line(trade, "7.000000")
        theirs = tablet.edit("order", order_id, {"lines": [first, second | {"note": "파렛트"}, third]})
        trade.rep.sync(ours)
        (verdict,) = tablet.sync(theirs)
        assert verdict["status"] == "merged"
        held = tablet.held("order", order_id)
        assert held is not None
        rows = {row["id"]: (row["quantity"], row["note"]) for row in held["lines"]}
        assert rows == {
            first["id"]: ("5.000000", None),
            second["id"]: ("1.000000", "파렛트"),
            third["id"]: ("7.000000", None),
        }
        assert held["note"] == "오전 배송"

    def test_take_no_figures_from_a_phone(self, trade: Trade) -> None:
        order_id = written(trade, trade.rep, line(trade))
        (verdict,) = trade.rep.sync(trade.rep.edit("order", order_id, {"total": "1.0000"}))
        assert (verdict["status"], verdict["code"]) == ("rejected", "read_only_field")

    def test_of_a_foreign_account_or_product_are_refused_as_if_there_were_none(self, trade: Trade) -> None:
        for account, product in (
            (trade.foreign, trade.oil),
            (new_id(), trade.oil),
            (trade.account, new_id()),
        ):
            fields = {
                "account_id": str(account),
                "lines": [line(trade) | {"product_id": str(product)}],
            }
            (verdict,) = trade.rep.sync(trade.rep.mutation("create", "order", new_id(), fields=fields))
            assert (verdict["status"], verdict["code"]) == ("rejected", "reference_not_found")


class TestSubmit:
    def test_with_the_price_that_the_server_finds_too_goes_on(self, trade: Trade) -> None:
        one = line(trade, "2.000000")
        order_id = written(trade, trade.rep, one)
        (verdict,) = trade.rep.sync(submit(trade.rep, order_id, shown(trade, (one, "2200.0000"))))
        assert verdict["status"] in ("applied", "merged"), verdict
        held = trade.rep.held("order", order_id)
        assert held is not None
        assert (held["status"], held["total"], held["findings"]) == ("approved", "2200.0000", [])

    def test_with_another_price_stays_a_draft_and_comes_back_with_both(self, trade: Trade) -> None:
        one = line(trade, "2.000000")
        order_id = written(trade, trade.rep, one)
        (verdict,) = trade.rep.sync(submit(trade.rep, order_id, shown(trade, (one, "2000.0000"))))
        assert (verdict["status"], verdict["code"]) == ("conflict", "order.price_differs")
        held = trade.rep.held("order", order_id)
        assert held is not None
        assert (held["status"], held["number"]) == ("draft", None)
        item = trade.rep.held("conflict", verdict["conflict_id"])
        assert item is not None
        assert item["mine"]["fields"]["price"]["total"] == "2000.0000"
        assert item["theirs"]["mine"]["total"] == "2000.0000"
        assert item["theirs"]["theirs"]["total"] == "2200.0000"
        assert item["theirs"]["theirs"]["lines"][0]["steps"]

    def test_within_the_tolerance_takes_the_servers_price_and_says_so(self, trade: Trade) -> None:
        trade.settings(price_tolerance_percent=Decimal(10))
        one = line(trade, "2.000000")
        order_id = written(trade, trade.rep, one)
        trade.rep.sync(submit(trade.rep, order_id, shown(trade, (one, "2000.0000"))))
        held = trade.rep.held("order", order_id)
        assert held is not None
        assert (held["status"], held["total"]) == ("approved", "2200.0000")
        (finding,) = held["findings"]
        assert (finding["code"], finding["verdict"]) == ("price_adjusted", "warn")
        assert finding["values"] == {"shown": "2000.0000", "total": "2200.0000", "currency": "KRW"}

    def test_of_lines_that_another_phone_added_is_no_small_difference(self, trade: Trade) -> None:
        trade.settings(price_tolerance_percent=Decimal(100))
        tablet = trade.world.second_phone(trade.rep)
        one, added = line(trade), line(trade)
        order_id = written(trade, trade.rep, one)
        tablet.sync()
        tablet.sync(tablet.edit("order", order_id, {"lines": [one, added]}))
        (verdict,) = trade.rep.sync(submit(trade.rep, order_id, shown(trade, (one, "1100.0000"))))
        assert verdict["code"] == "order.price_differs"

    def test_whose_answer_was_lost_is_done_once_and_uses_one_number(self, trade: Trade) -> None:
        one = line(trade)
        order_id = written(trade, trade.rep, one)
        mutation = submit(trade.rep, order_id, shown(trade, (one, "1100.0000")))
        trade.rep.post_sync(mutations=[mutation])  # the answer never arrives
        (verdict,) = trade.rep.sync(mutation)
        assert verdict["status"] in ("applied", "merged")
        assert verdict["replayed"] is True
        order = trade.get(order_id)
        assert order.status is OrderStatus.APPROVED
        ((last,),) = trade.world.sql("SELECT last FROM order_numbers WHERE tenant_id = :tenant")
        assert last == 1

    def test_of_the_other_phone_finds_the_order_submitted(self, trade: Trade) -> None:
        tablet = trade.world.second_phone(trade.rep)
        one = line(trade)
        order_id = written(trade, trade.rep, one)
        tablet.sync()
        again = submit(tablet, order_id, shown(trade, (one, "1100.0000")))
        trade.rep.sync(submit(trade.rep, order_id, shown(trade, (one, "1100.0000"))))
        (verdict,) = tablet.sync(again)
        assert (verdict["status"], verdict["code"]) == ("conflict", "transition_not_allowed")
        ((last,),) = trade.world.sql("SELECT last FROM order_numbers WHERE tenant_id = :tenant")
        assert last == 1

    def test_as_a_command_alone_when_it_was_illegal_names_what_is_allowed(self, trade: Trade) -> None:
        order_id = trade.submitted().id
        trade.rep.sync()
        (verdict,) = trade.rep.sync(submit(trade.rep, order_id, {}))
        assert verdict["code"] == "transition_not_allowed"
        assert verdict["detail"] == {"status": "approved", "allowed": ["cancel", "confirm", "reopen"]}


class TestPhones:
    def test_of_a_manager_hold_an_order_that_waits_however_old_it_is(self, trade: Trade) -> None:
        old = trade.submitted(manual_percent=Decimal(1))
        done = trade.submitted()
        trade.world.sql(
            "UPDATE orders SET taken_at = now() - interval '60 days' WHERE tenant_id = :tenant AND id IN (:a, :b)",
            a=old.id,
            b=done.id,
        )
        for person in (trade.manager, trade.rep):
            person.sync()
        assert trade.manager.held("order", old.id)
        assert trade.manager.held("order", done.id) is None
        assert trade.rep.held("order", done.id)

    def test_of_technicians_and_of_other_territories_hold_none(self, trade: Trade) -> None:
        order = trade.submitted()
        technician = trade.world.person("technician", trade.world.north)
        stranger = trade.world.person("rep", trade.world.south)
        for person in (technician, stranger):
            person.sync()
            assert person.held("order", order.id) is None

    def test_hold_ones_own_limit_and_no_colleagues(self, trade: Trade) -> None:
        other = trade.world.person("rep", trade.world.north)
        trade.limit(5)
        trade.limit(9, user_id=other.id)
        trade.rep.sync()
        limits = [r["percent"] for (entity, _), r in trade.rep.records.items() if entity == "discount_limit"]
        assert limits == ["5.0000"]

    def test_deliver_with_proof_what_was_shipped(self, trade: Trade) -> None:
        order = trade.confirmed(trade.line(2))
        shipment = trade.shipped(order.id)
        trade.rep.sync()
        held = trade.rep.records["shipment", str(shipment)]
        proof = {
            "signed_by": "김담당",
            "signature_sha256": "ab" * 32,
            "location": {"lat": 37.5, "lon": 127.0},
        }
        (verdict,) = trade.rep.sync(
            trade.rep.mutation("deliver", "shipment", shipment, base_version=held["version"], fields=proof)
        )
        assert verdict["status"] == "applied", verdict
        after = trade.rep.held("shipment", shipment)
        assert after is not None
        assert (after["status"], after["signed_by"]) == ("delivered", "김담당")
        delivered = trade.rep.held("order", order.id)
        assert delivered is not None
        assert delivered["status"] == "delivered"

    def test_ask_for_a_return_of_what_was_delivered(self, trade: Trade) -> None:
        order = trade.confirmed(trade.line(2))
        trade.delivered(order.id)
        trade.rep.sync()
        item = str(order.lines[0].id)
        return_id = new_id()
        fields = {
            "order_id": str(order.id),
            "reason": "용기 파손",
            "lines": [{"id": str(new_id()), "item": item, "quantity": "1.000000"}],
        }
        (verdict,) = trade.rep.sync(trade.rep.mutation("create", "order_return", return_id, fields=fields))
        assert verdict["status"] == "applied", verdict
        held = trade.rep.held("order_return", return_id)
        assert held is not None
        assert (held["status"], held["account_id"]) == ("requested", str(trade.account))


class TestWindows:
    def test_let_go_of_what_is_done_after_ninety_days_and_of_what_hangs_on_it(self, trade: Trade) -> None:
        order = trade.confirmed()
        shipment = trade.delivered(order.id)
        trade.do("close", order.id, trade.manager)
        waiting = trade.draft()
        trade.world.sql(
            "UPDATE orders SET taken_at = now() - interval '2159 hours' WHERE tenant_id = :tenant"
        )
        move_windows(trade.world.db, trade.world.id, utc_now())
        trade.rep.sync()
        assert trade.rep.held("order", order.id)
        assert trade.rep.held("shipment", shipment)
        later = utc_now() + timedelta(hours=2)
        assert move_windows(trade.world.db, trade.world.id, later) >= 2
        trade.world.drain(later)
        trade.rep.sync()
        assert trade.rep.held("order", order.id) is None
        assert trade.rep.held("shipment", shipment) is None
        assert trade.rep.held("order", waiting)


class TestDisputes:
    def test_keep_both_prices_when_they_are_decided_on_an_older_state(self, trade: Trade) -> None:
        one = line(trade, "2.000000")
        order_id = written(trade, trade.rep, one)
        (verdict,) = trade.rep.sync(submit(trade.rep, order_id, shown(trade, (one, "2000.0000"))))
        trade.change(order_id, note="다시 확인")
        trade.manager.sync()
        held = trade.manager.held("conflict", verdict["conflict_id"])
        assert held is not None
        decision = {"choice": "apply", "record_version": held["record_version"]}
        (refused,) = trade.manager.sync(
            trade.manager.mutation(
                "resolve", "conflict", held["id"], base_version=held["version"], fields=decision
            )
        )
        assert refused["code"] == "conflict_changed"
        after = trade.manager.held("conflict", held["id"])
        assert after is not None
        assert after["theirs"]["theirs"]["total"] == "2200.0000"

    def test_are_given_up_by_their_author_who_submits_at_the_servers_price(self, trade: Trade) -> None:
        one = line(trade, "2.000000")
        order_id = written(trade, trade.rep, one)
        (verdict,) = trade.rep.sync(submit(trade.rep, order_id, shown(trade, (one, "2000.0000"))))
        give_way = trade.rep.mutation(
            "resolve", "conflict", verdict["conflict_id"], base_version=1, fields={"choice": "discard"}
        )
        again = submit(trade.rep, order_id, shown(trade, (one, "2200.0000")))
        assert [v["status"] for v in trade.rep.sync(give_way, again)] == ["applied", "applied"]
        held = trade.rep.held("order", order_id)
        assert held is not None
        assert held["status"] == "approved"
