"""What the rules say, each by itself."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.core.clock import utc_now
from app.core.errors import Forbidden
from app.core.ids import new_id
from app.identity import service as identity
from app.orders import service
from app.orders.service.errors import OrderPriceDiffers
from app.orders.states import OrderStatus
from tests.orders.trade import Trade


def today(trade: Trade) -> date:
    with trade.world.session() as session:
        return identity.tenant_day(session, trade.world.id, utc_now())


class TestRules:
    def test_about_the_floor_tell_a_rep_no_value(self, trade: Trade) -> None:
        cheap = trade.shop.product("CHEAP")
        trade.shop.price(cheap, "1000", floor="990")
        trade.shop.cost(cheap, "950", since=date(2026, 1, 1))
        trade.limit(50)
        trade.settings(minimum_margin=Decimal(20))
        order = trade.submitted(trade.line(1, cheap, manual_kind="percent", manual_value=Decimal(2)))
        assert trade.codes(order) == ["price_below_floor", "margin_too_low"]
        assert [one["values"] for one in order.findings] == [{}, {}]
        trade.rep.sync()
        held = str(trade.rep.held("order", order.id)) + str(trade.rep.held("conflict", order.id))
        assert "990" not in held
        assert "950" not in held
        for change in trade.world.sql("SELECT new FROM changes WHERE record_id = :o", o=order.id):
            assert not {"cost", "margin_percent", "facts"} & (change[0] or {}).keys()

    def test_about_margin_are_looked_up_by_managers_alone(self, trade: Trade) -> None:
        trade.shop.cost(trade.oil, "600", since=date(2026, 1, 1))
        order = trade.submitted(trade.line(2))
        with trade.world.acting(trade.manager) as (session, actor):
            margin = service.margin_of(session, actor, order.id, now=utc_now())
        assert (margin.cost, margin.margin_percent) == (1_200, 40)
        with trade.world.acting(trade.rep) as (session, actor), pytest.raises(Forbidden):
            service.margin_of(session, actor, order.id, now=utc_now())

    def test_about_the_smallest_order_go_by_what_the_company_decided(self, trade: Trade) -> None:
        trade.settings(minimum_order=Decimal(5_000), minimum_rule="warn")
        small, enough = trade.submitted(trade.line(4)), trade.submitted(trade.line(5))
        assert (trade.codes(small), trade.codes(enough)) == (["below_minimum_order"], [])
        assert small.status is OrderStatus.APPROVED

    def test_about_discontinued_products_hold(self, trade: Trade) -> None:
        order_id = trade.draft()
        trade.world.sql(
            "UPDATE products SET status = 'discontinued' WHERE id = :p AND tenant_id = :tenant", p=trade.oil
        )
        order = trade.do("submit", order_id)
        assert (order.status, order.hold_reasons) == (OrderStatus.ON_HOLD, ["stock"])

    def test_about_stock_count_base_units_and_free_goods(self, trade: Trade) -> None:
        trade.settings(stock_rule="hold")
        with trade.world.acting(trade.admin) as (session, actor):
            warehouse = service.create_warehouse(session, actor, {"code": "A", "name": "A"}, now=utc_now())
            row = {"warehouse_id": warehouse.id, "product_id": trade.oil, "quantity": Decimal(20)}
            older = row | {"quantity": Decimal(99), "taken_at": utc_now() - timedelta(days=1)}
            assert service.record_stock(session, actor, [row], now=utc_now()) == 1
            assert service.record_stock(session, actor, [older], now=utc_now()) == 0
        order = trade.submitted(trade.line(2, unit="BOX"))
        (finding,) = order.findings
        assert finding["values"]["products"] == [
            {"product_id": str(trade.oil), "wanted": "24.000000", "there": "20.000000"}
        ]
        assert order.hold_reasons == ["stock"]
        assert trade.submitted(trade.line(20)).status is OrderStatus.APPROVED

    def test_about_a_blocked_customer_hold(self, trade: Trade) -> None:
        trade.world.sql(
            "UPDATE accounts SET lifecycle_stage = 'blocked' WHERE id = :a AND tenant_id = :tenant",
            a=trade.account,
        )
        assert trade.codes(trade.submitted()) == ["customer_blocked"]

    def test_about_discounts_take_the_highest_line_and_ones_own_limit_first(self, trade: Trade) -> None:
        trade.limit(1)
        trade.limit(9, user_id=trade.rep.id)
        dear, little = (
            trade.line(50),
            trade.line(1, manual_kind="percent", manual_value=Decimal(10)),
        )
        order = trade.submitted(dear, little)
        (finding,) = order.findings
        assert finding["values"] == {"percent": "10.0000", "limit": "9.0000"}


class TestDayOfThePrice:
    def shown(self, trade: Trade, line: dict[str, object], day: date, total: str) -> dict[str, object]:
        return {
            "currency": "KRW",
            "priced_on": day,
            "lines": [{"id": line["id"], "total": Decimal(total)}],
            "total": Decimal(total),
        }

    def renamed(self, trade: Trade) -> date:
        """The list ended yesterday, and a dearer one holds since today."""
        now = today(trade)
        trade.world.sql(
            "UPDATE price_lists SET valid_to = :d WHERE id = :l AND tenant_id = :tenant",
            d=now - timedelta(days=1),
            l=trade.shop.list_id,
        )
        dearer = trade.shop.price_list("NEW", valid_from=now)
        trade.shop.assign(dearer)
        trade.shop.price(trade.oil, "1200", list_id=dearer)
        return now - timedelta(days=1)

    def test_is_the_phones_while_it_is_not_long_ago_and_says_that_the_list_has_ended(
        self, trade: Trade
    ) -> None:
        yesterday = self.renamed(trade)
        trade.settings(expired_rule="warn")
        line = trade.line()
        order_id = trade.draft(line)
        order = trade.do("submit", order_id, price=self.shown(trade, line, yesterday, "1100"))
        assert (order.total, order.priced_on) == (1_100, yesterday)
        assert trade.codes(order) == ["price_list_expired"]

    def test_holds_by_default_what_was_priced_by_a_list_that_has_ended(self, trade: Trade) -> None:
        yesterday = self.renamed(trade)
        line = trade.line()
        order = trade.do("submit", trade.draft(line), price=self.shown(trade, line, yesterday, "1100"))
        assert (order.status, order.hold_reasons) == (OrderStatus.ON_HOLD, ["price"])

    def test_is_todays_when_the_phones_is_too_long_ago(self, trade: Trade) -> None:
        self.renamed(trade)
        line = trade.line()
        order_id = trade.draft(line)
        long_ago = today(trade) - timedelta(days=8)
        with pytest.raises(OrderPriceDiffers) as refused:
            trade.do("submit", order_id, price=self.shown(trade, line, long_ago, "1100"))
        assert refused.value.details["theirs"]["total"] == "1320.0000"


class TestBudgets:
    def test_of_promotions_come_back_when_the_order_does(self, trade: Trade) -> None:
        promotion = trade.shop.promotion("B", "percent", "10", budget_left=Decimal(150), currency="KRW")
        first = trade.submitted()
        assert first.total == 990
        second = trade.submitted()
        assert second.total == 1_100
        trade.do("reopen", first.id)
        ((left,),) = trade.world.sql(
            "SELECT budget_left FROM promotions WHERE id = :p AND tenant_id = :tenant", p=promotion
        )
        assert left == 150


def test_a_foreign_order_is_answered_as_one_that_does_not_exist(trade: Trade) -> None:
    stranger = trade.world.person("rep", trade.world.south)
    order = trade.submitted()
    for order_id in (order.id, new_id()):
        answer = stranger.call("GET", f"/api/v1/orders/{order_id}")
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
