"""Nobody approves an order of their own, whoever's it is in name."""

import threading
import time

import pytest

from app.approvals import service as approvals
from app.approvals.service.errors import DocumentChanged
from app.core.clock import utc_now
from app.core.errors import NotFound
from app.core.scope import Role
from app.orders.service.steps import lock_document
from app.orders.states import OrderStatus
from tests.orders.trade import Trade


class TestSubmittedForAnother:
    def test_by_their_manager_goes_to_somebody_else(self, trade: Trade) -> None:
        trade.policy()
        order_id = trade.draft()
        trade.change(order_id, trade.manager, manual_percent=50)
        order = trade.do("submit", order_id, trade.manager)
        assert order.status is OrderStatus.PENDING_APPROVAL
        with pytest.raises(NotFound):
            trade.decide(order_id)
        trade.decide(order_id, by=trade.admin)
        assert trade.get(order_id).status is OrderStatus.APPROVED

    def test_by_the_rep_themself_goes_to_their_manager(self, trade: Trade) -> None:
        trade.policy()
        order_id = trade.draft(manual_percent=50)
        assert trade.rep.role is Role.REP
        trade.do("submit", order_id)
        trade.decide(order_id)
        assert trade.get(order_id).status is OrderStatus.APPROVED


class TestAtTheSameMoment:
    def test_a_decision_waits_for_a_change_of_mind_and_the_two_never_for_each_other(
        self, trade: Trade
    ) -> None:
        trade.policy()
        order_id = trade.draft(manual_percent=50)
        trade.do("submit", order_id)
        found: list[Exception] = []

        def decide() -> None:
            try:
                trade.decide(order_id)
            except Exception as error:
                found.append(error)

        with trade.world.acting(trade.rep) as (session, _):
            lock_document(session, order_id)  # as every command on an order begins
            thread = threading.Thread(target=decide)
            thread.start()
            wait_for_a_lock(trade)
            approvals.supersede(session, "order", order_id, now=utc_now())
        thread.join()
        assert [type(error) for error in found] == [DocumentChanged]


def wait_for_a_lock(trade: Trade) -> None:
    """Until somebody waits for a row of ours."""
    for _ in range(200):
        with trade.world.psql() as connection:
            waiting = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
        if waiting and waiting[0]:
            return
        time.sleep(0.02)
    raise AssertionError("nobody waits")
