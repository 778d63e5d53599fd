"""From a draft to an order: its price, its number, its credit, its approvals."""

from decimal import Decimal

import pytest

from app.core.errors import TransitionNotAllowed
from app.orders.service.errors import OrderEmpty, OrderNotPriced
from app.orders.states import OrderStatus
from tests.orders.trade import Trade


class TestSubmit:
    def test_approves_what_no_rule_minds_and_commits_it(self, trade: Trade) -> None:
        order = trade.submitted(trade.line(10))
        assert (order.status, order.total, order.net) == (OrderStatus.APPROVED, 11_000, 10_000)
        assert order.number == "hq-2026-000001"
        assert trade.credit().committed == 11_000

    def test_holds_what_is_above_the_credit_limit(self, trade: Trade) -> None:
        trade.submitted(trade.line(80))
        order = trade.submitted(trade.line(20))
        assert (order.status, order.hold_reasons) == (OrderStatus.ON_HOLD, ["credit"])
        (finding,) = order.findings
        assert finding["code"] == "credit_limit"
        assert finding["values"]["over"] == "10000.0000"
        assert trade.credit().committed == 88_000

    def test_is_refused_twice_and_names_what_may_be_done(self, trade: Trade) -> None:
        order = trade.submitted()
        with pytest.raises(TransitionNotAllowed) as refused:
            trade.do("submit", order.id)
        assert refused.value.details == {"status": "approved", "allowed": ["cancel", "confirm", "reopen"]}

    def test_refuses_an_empty_order_and_gives_no_number(self, trade: Trade) -> None:
        order_id = trade.draft(lines=[])
        with pytest.raises(OrderEmpty):
            trade.do("submit", order_id)
        assert trade.submitted().number.endswith("-000001")  # type: ignore[union-attr]

    def test_refuses_lines_without_a_price(self, trade: Trade) -> None:
        unpriced = trade.shop.product("NEW")
        order_id = trade.draft(trade.line(1, unpriced))
        with pytest.raises(OrderNotPriced) as refused:
            trade.do("submit", order_id)
        assert refused.value.details["problems"][0]["code"] == "price_missing"

    def test_routes_a_discount_over_the_reps_limit_to_the_manager(self, trade: Trade) -> None:
        trade.limit(5)
        trade.policy()
        within = trade.submitted(manual_percent=Decimal(0))
        over = trade.submitted(trade.line(manual_kind="percent", manual_value=Decimal(6)))
        assert (within.status, over.status) == (OrderStatus.APPROVED, OrderStatus.PENDING_APPROVAL)
        trade.decide(over.id)
        assert trade.get(over.id).status is OrderStatus.APPROVED

    def test_holds_what_nobody_is_named_to_approve(self, trade: Trade) -> None:
        order = trade.submitted(manual_percent=Decimal(1))
        assert (order.status, order.hold_reasons) == (OrderStatus.ON_HOLD, ["approval"])
