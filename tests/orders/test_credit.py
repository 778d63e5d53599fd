"""No way around the credit limit: not by many at once, by closing and reopening, nor by edits after approval."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from sqlalchemy.exc import OperationalError, TimeoutError

from app.core.clock import utc_now
from app.core.errors import TransitionNotAllowed
from app.orders.service.errors import (
    CreditExceeded,
    NoPolicyForRelease,
    NothingToRelease,
    ReleasePending,
)
from app.orders.states import OrderStatus
from app.receivables import service as receivables
from tests.orders.trade import LIMIT, Trade

AT_ONCE = 40


class TestManyAtOnce:
    def test_never_bring_the_exposure_above_the_limit_without_hold(self, trade: Trade) -> None:
        """Forty orders of 11,000 won by forty threads: nine fit into 100,000, and the others are held."""
        drafts = [trade.draft(trade.line(10)) for _ in range(AT_ONCE)]
        together = Barrier(8)

        def submit(order_id: object) -> None:
            together.wait(timeout=60)
            for _ in range(20):
                try:
                    trade.do("submit", order_id)  # type: ignore[arg-type]
                except (OperationalError, TimeoutError):  # a busy pool: a client would ask again
                    continue
                return
            raise AssertionError("never let in")

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(submit, drafts))

        orders = [trade.get(order_id) for order_id in drafts]
        by_status = {status: sum(o.status is status for o in orders) for status in OrderStatus}
        assert by_status[OrderStatus.APPROVED] == LIMIT // 11_000
        assert by_status[OrderStatus.ON_HOLD] == AT_ONCE - LIMIT // 11_000
        credit = trade.credit()
        assert credit.exposure == credit.committed == 9 * 11_000 <= LIMIT

    def test_number_without_gaps_and_without_twins(self, trade: Trade) -> None:
        drafts = [trade.draft() for _ in range(16)]
        with ThreadPoolExecutor(8) as threads:
            orders = list(threads.map(lambda one: trade.do("submit", one), drafts))
        year = utc_now().astimezone().year
        assert sorted(str(o.number) for o in orders) == [f"hq-{year}-{n:06d}" for n in range(1, 17)]


class TestHold:
    def test_is_lifted_by_a_recheck_once_there_is_room(self, trade: Trade) -> None:
        first = trade.submitted(trade.line(80))
        second = trade.submitted(trade.line(20))
        trade.do("cancel", first.id, reason="고객 취소")
        assert trade.do("recheck", second.id).status is OrderStatus.APPROVED
        assert trade.credit().committed == 22_000

    def test_stays_through_a_recheck_while_there_is_none(self, trade: Trade) -> None:
        trade.submitted(trade.line(80))
        held = trade.submitted(trade.line(20))
        assert trade.do("recheck", held.id).status is OrderStatus.ON_HOLD

    def test_is_released_by_an_approval_of_exactly_this_document(self, trade: Trade) -> None:
        trade.policy("credit_over")
        order = trade.submitted(trade.line(100))
        pending = trade.do("request_release", order.id)
        assert (pending.status, pending.hold_reasons) == (OrderStatus.PENDING_APPROVAL, [])
        trade.decide(order.id)
        assert trade.get(order.id).status is OrderStatus.APPROVED
        assert trade.credit().committed == 110_000

    def test_comes_back_when_more_is_used_than_the_approval_was_for(self, trade: Trade) -> None:
        trade.policy("credit_over")
        order = trade.submitted(trade.line(100))
        trade.do("request_release", order.id)
        trade.submitted(trade.line(1))
        trade.decide(order.id)
        after = trade.get(order.id)
        assert (after.status, after.hold_reasons) == (OrderStatus.ON_HOLD, ["credit"])

    def test_asks_nobody_where_no_policy_says_whom(self, trade: Trade) -> None:
        order = trade.submitted(trade.line(100))
        with pytest.raises(NoPolicyForRelease):
            trade.do("request_release", order.id)
        assert trade.get(order.id).status is OrderStatus.ON_HOLD

    def test_of_an_account_that_somebody_put_on_hold_needs_that_hold_lifted(self, trade: Trade) -> None:
        trade.policy("credit_over")
        with trade.world.acting(trade.admin) as (session, actor):
            receivables.place_hold(session, actor, trade.account, "부도 위험", utc_now())
        order = trade.submitted()
        assert trade.codes(order) == ["credit_on_hold"]
        with pytest.raises(NothingToRelease):
            trade.do("request_release", order.id)
        with trade.world.acting(trade.admin) as (session, actor):
            receivables.release_hold(session, actor, trade.account, "확인", utc_now())
        assert trade.do("recheck", order.id).status is OrderStatus.APPROVED

    def test_of_a_rejected_release_makes_a_draft_of_it(self, trade: Trade) -> None:
        trade.policy("credit_over")
        order = trade.submitted(trade.line(100))
        trade.do("request_release", order.id)
        trade.decide(order.id, "reject")
        after = trade.get(order.id)
        assert (after.status, after.revision, after.total) == (OrderStatus.DRAFT, 2, None)
        assert after.number == order.number


class TestReopening:
    def test_gives_the_room_back_and_checks_all_again(self, trade: Trade) -> None:
        order = trade.submitted(trade.line(50))
        trade.do("reopen", order.id)
        assert trade.credit().committed == 0
        trade.submitted(trade.line(60))
        assert trade.do("submit", order.id).status is OrderStatus.ON_HOLD

    def test_supersedes_the_approval_even_of_an_unchanged_document(self, trade: Trade) -> None:
        trade.policy()
        order = trade.submitted(manual_percent=Decimal(5))
        trade.decide(order.id)
        assert trade.get(order.id).status is OrderStatus.APPROVED
        trade.do("reopen", order.id)
        again = trade.do("submit", order.id)
        assert (again.status, again.revision) == (OrderStatus.PENDING_APPROVAL, 2)
        assert again.number == order.number

    def test_is_too_late_once_the_order_is_confirmed(self, trade: Trade) -> None:
        order = trade.confirmed()
        with pytest.raises(TransitionNotAllowed) as refused:
            trade.do("reopen", order.id)
        assert refused.value.details["allowed"] == ["cancel", "request_release"]


class TestShipping:
    def test_is_refused_when_the_limit_was_lowered_meanwhile(self, trade: Trade) -> None:
        order = trade.confirmed(trade.line(10))
        shipment = trade.shipment(order.id)
        trade.credit_limit(5_000)
        with pytest.raises(CreditExceeded) as refused:
            trade.move_shipment("ship", shipment)
        assert refused.value.details["findings"][0]["code"] == "credit_limit"
        assert trade.get(order.id).status is OrderStatus.CONFIRMED

    def test_goes_on_after_an_approval_that_covers_as_much(self, trade: Trade) -> None:
        trade.policy("credit_over")
        order = trade.confirmed(trade.line(10))
        shipment = trade.shipment(order.id)
        trade.credit_limit(5_000)
        trade.do("request_release", order.id)
        with pytest.raises(ReleasePending):
            trade.do("request_release", order.id)
        with pytest.raises(CreditExceeded):
            trade.move_shipment("ship", shipment)
        trade.decide(order.id)
        assert trade.get(order.id).status is OrderStatus.CONFIRMED
        trade.move_shipment("ship", shipment)
        assert trade.get(order.id).status is OrderStatus.SHIPPED

    def test_needs_a_new_approval_when_more_is_over_than_was_granted(self, trade: Trade) -> None:
        trade.policy("credit_over")
        order = trade.confirmed(trade.line(10))
        shipment = trade.shipment(order.id)
        trade.credit_limit(5_000)
        trade.do("request_release", order.id)
        trade.decide(order.id)
        trade.credit_limit(1_000)
        with pytest.raises(CreditExceeded):
            trade.move_shipment("ship", shipment)


class TestPrepaid:
    def test_passes_as_far_as_the_money_is_there(self, trade: Trade) -> None:
        trade.credit_limit(0)
        with trade.world.acting(trade.admin) as (session, actor):
            values = {
                "account_id": trade.account,
                "method": "transfer",
                "currency": "KRW",
                "amount": Decimal(11_000),
                "received_at": utc_now(),
            }
            receivables.record_payment(session, actor, values, utc_now())
        paid = trade.submitted(trade.line(10), prepaid=True)
        unpaid = trade.submitted(trade.line(1), prepaid=True)
        assert (paid.status, unpaid.status) == (OrderStatus.APPROVED, OrderStatus.ON_HOLD)


class TestInvoices:
    def test_move_what_was_committed_to_what_is_owed(self, trade: Trade) -> None:
        order = trade.confirmed(trade.line(10))
        with trade.world.acting(trade.admin) as (session, actor):
            today = utc_now().date()
            values = {
                "account_id": trade.account,
                "order_id": order.id,
                "number": "세금-1",
                "issued_on": today,
                "due_on": today,
                "currency": "KRW",
                "amount": Decimal(4_000),
            }
            receivables.record_invoice(session, actor, values, utc_now())
        credit = trade.credit()
        assert (credit.open_receivables, credit.committed, credit.exposure) == (4_000, 7_000, 11_000)
