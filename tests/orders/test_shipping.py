"""Goods that leave in parts, arrive with proof, and come back."""

from decimal import Decimal

import pytest

from app.core.clock import utc_now
from app.core.errors import Forbidden, NotFound, ReferenceNotFound, TransitionNotAllowed
from app.core.ids import new_id
from app.orders import service
from app.orders.models import Order, OrderReturn
from app.orders.service.errors import InspectionIncomplete, QuantityNotOpen
from app.orders.states import OrderStatus, ReturnStatus, ShipmentStatus
from tests.orders.trade import Trade


def item_of(order: Order, place: int = 0) -> str:
    return str(order.lines[place].id)


def some(order: Order, quantity: int, place: int = 0) -> dict[str, object]:
    return {"item": item_of(order, place), "quantity": Decimal(quantity)}


class TestShipments:
    def test_take_an_order_through_its_states(self, trade: Trade) -> None:
        order = trade.confirmed(trade.line(5))
        first = trade.shipped(order.id, some(order, 2))
        assert trade.get(order.id).status is OrderStatus.PARTIALLY_SHIPPED
        second = trade.shipped(order.id, some(order, 3))
        assert trade.get(order.id).status is OrderStatus.SHIPPED
        trade.move_shipment("deliver", first, trade.rep, signed_by="김담당")
        assert trade.get(order.id).status is OrderStatus.SHIPPED
        trade.move_shipment("deliver", second, signed_by="김담당")
        assert trade.get(order.id).status is OrderStatus.DELIVERED
        assert trade.do("close", order.id, trade.manager).status is OrderStatus.CLOSED

    def test_never_take_more_than_is_open(self, trade: Trade) -> None:
        order = trade.confirmed(trade.line(5))
        trade.shipment(order.id, some(order, 3))
        with pytest.raises(QuantityNotOpen) as refused:
            trade.shipment(order.id, some(order, 3))
        assert refused.value.details == {"item": item_of(order), "open": "2.000000"}

    def test_take_free_goods_along_and_never_more_of_them(self, trade: Trade) -> None:
        gift = trade.shop.product("GIFT")
        trade.shop.promotion(
            "P1", "free_goods", "2", products=[trade.oil], free_product_id=gift, free_unit="EA"
        )
        order = trade.confirmed(trade.line(5))
        free = next(one for one in order.fulfilment if one["product_id"] == str(gift))
        assert free["ordered"] == "2.000000"
        with pytest.raises(QuantityNotOpen):
            trade.shipment(order.id, {"item": free["item"], "quantity": Decimal(3)})
        trade.delivered(order.id)
        assert trade.get(order.id).status is OrderStatus.DELIVERED

    def test_are_open_again_when_unpacked(self, trade: Trade) -> None:
        order = trade.confirmed(trade.line(5))
        shipment = trade.shipment(order.id)
        trade.move_shipment("cancel", shipment)
        assert trade.move_shipment("ship", trade.shipment(order.id)).status is ShipmentStatus.SHIPPED

    @pytest.mark.parametrize(
        ("done", "command", "allowed"),
        [("prepared", "deliver", ["cancel", "ship"]), ("shipped", "ship", ["deliver"])],
    )
    def test_name_the_steps_that_are_allowed(
        self, trade: Trade, done: str, command: str, allowed: list[str]
    ) -> None:
        order = trade.confirmed()
        shipment = trade.shipment(order.id) if done == "prepared" else trade.shipped(order.id)
        with pytest.raises(TransitionNotAllowed) as refused:
            trade.move_shipment(command, shipment, signed_by="김담당")
        assert refused.value.details == {"status": done, "allowed": allowed}

    def test_of_an_order_that_is_not_confirmed_name_the_orders_steps(self, trade: Trade) -> None:
        order = trade.submitted()
        with pytest.raises(TransitionNotAllowed) as refused:
            trade.shipment(order.id)
        assert refused.value.details["allowed"] == ["cancel", "confirm", "reopen"]

    def test_from_a_warehouse_or_of_an_order_of_others_are_refused_as_if_there_were_none(
        self, trade: Trade
    ) -> None:
        order = trade.confirmed()
        other = Trade(type(trade.world)(trade.world.app, trade.world.db))
        with other.world.acting(other.admin) as (session, actor):
            theirs = service.create_warehouse(session, actor, {"code": "X", "name": "X"}, now=utc_now())
        for values in ({"warehouse_id": theirs.id}, {"warehouse_id": new_id()}):
            with pytest.raises(ReferenceNotFound):
                trade.shipment(order.id, **values)
        for order_id in (other.confirmed().id, new_id()):
            with pytest.raises(ReferenceNotFound):
                trade.shipment(order_id)
            with pytest.raises(NotFound):
                trade.get(order_id)

    def test_are_prepared_by_the_office_alone(self, trade: Trade) -> None:
        order = trade.confirmed()
        with trade.world.acting(trade.rep) as (session, actor), pytest.raises(Forbidden):
            service.create_shipment(session, actor, {"order_id": order.id}, now=utc_now())


class TestTheRest:
    def test_is_cut_and_not_to_be_paid(self, trade: Trade) -> None:
        order = trade.confirmed(trade.line(4))
        trade.delivered(order.id, some(order, 1))
        closed = trade.do("close_remaining", order.id, trade.manager)
        assert (closed.status, closed.total, closed.payable) == (OrderStatus.DELIVERED, 4_400, 1_100)
        assert closed.fulfilment[0]["cut"] == "3.000000"
        assert trade.credit().committed == 1_100

    def test_is_not_cut_before_anything_has_left(self, trade: Trade) -> None:
        order = trade.confirmed()
        with pytest.raises(TransitionNotAllowed):
            trade.do("close_remaining", order.id, trade.manager)


class TestReturns:
    def asked(self, trade: Trade, order: Order, quantity: int) -> OrderReturn:
        values = {"order_id": order.id, "reason": "용기 파손", "lines": [some(order, quantity)]}
        with trade.world.acting(trade.rep) as (session, actor):
            return service.create_order_return(session, actor, values, now=utc_now())

    def step(self, trade: Trade, command: str, found: OrderReturn, **args: object) -> OrderReturn:
        with trade.world.acting(trade.manager) as (session, actor):
            verb = service.RETURN_COMMANDS[command]
            return verb(session, actor, found.id, args, at=utc_now(), now=utc_now())

    def test_are_credited_for_what_was_good(self, trade: Trade) -> None:
        order = trade.confirmed(trade.line(4))
        trade.delivered(order.id)
        back = self.asked(trade, order, 3)
        self.step(trade, "approve", back)
        self.step(trade, "receive", back)
        self.step(trade, "inspect", back, lines=[{"item": item_of(order), "accepted": Decimal(2)}])
        done = self.step(trade, "credit", back)
        assert (done.status, done.credited) == (ReturnStatus.CREDITED, 2_200)
        assert trade.get(order.id).payable == 2_200
        assert trade.credit().committed == 2_200

    def test_are_never_more_than_was_delivered(self, trade: Trade) -> None:
        order = trade.confirmed(trade.line(4))
        trade.delivered(order.id, some(order, 2))
        with pytest.raises(QuantityNotOpen):
            self.asked(trade, order, 3)
        first = self.asked(trade, order, 2)
        with pytest.raises(QuantityNotOpen):
            self.asked(trade, order, 1)
        self.step(trade, "reject", first, reason="개봉됨")
        self.asked(trade, order, 2)

    def test_are_inspected_whole(self, trade: Trade) -> None:
        order = trade.confirmed(trade.line(4))
        trade.delivered(order.id)
        back = self.asked(trade, order, 2)
        self.step(trade, "approve", back)
        self.step(trade, "receive", back)
        for lines in ([], [{"item": item_of(order), "accepted": Decimal(3)}]):
            with pytest.raises(InspectionIncomplete):
                self.step(trade, "inspect", back, lines=lines)

    @pytest.mark.parametrize("command", ["receive", "inspect", "credit"])
    def test_name_the_steps_that_are_allowed(self, trade: Trade, command: str) -> None:
        order = trade.confirmed()
        trade.delivered(order.id)
        back = self.asked(trade, order, 1)
        with pytest.raises(TransitionNotAllowed) as refused:
            self.step(trade, command, back, lines=[])
        assert refused.value.details == {"status": "requested", "allowed": ["approve", "reject"]}

    def test_of_an_order_that_never_arrived_are_refused(self, trade: Trade) -> None:
        with pytest.raises(TransitionNotAllowed):
            self.asked(trade, trade.confirmed(), 1)
