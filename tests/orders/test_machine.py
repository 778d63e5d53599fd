"""No sequence of legal calls ships an order above credit or discount limits without an approval of exactly it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from app.approvals import service as approvals
from app.core.errors import Conflict, RuleViolation
from app.orders.models import Order
from app.orders.service.documents import hash_of, snapshot_of
from app.orders.states import COMMITTED, OrderStatus
from tests.orders.trade import Trade
from tests.world import World

LIMIT = 30_000
MAY_GRANT = Decimal(5)
ANY = st.integers(0, 2)
BY_REP = ("submit", "recheck", "request_release", "reopen")
COMMANDS = (*BY_REP, "cancel", "confirm", "close_remaining", "close")
PRICED = (OrderStatus.SUBMITTED, OrderStatus.PENDING_APPROVAL, OrderStatus.ON_HOLD, *COMMITTED)


class Orders(RuleBasedStateMachine):
    """A rep and their manager do to three orders of one account whatever the service lets them."""

    make: Callable[[], Trade]

    @initialize()
    def open_company(self) -> None:
        self.trade = type(self).make()
        self.trade.limit(MAY_GRANT)
        self.trade.policy("discount_percent", MAY_GRANT)
        self.trade.policy("credit_over")
        self.trade.credit_limit(LIMIT)
        self.orders = [
            self.trade.draft(self.trade.line(pieces), manual_percent=Decimal(percent))
            for pieces, percent in ((10, 0), (20, 6), (30, 50))
        ]

    def attempt(self, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """What it gives, or None where a rule says no: a refusal changes nothing."""
        try:
            return work(*args, **named)
        except (Conflict, RuleViolation):
            return None

    @rule(n=ANY, pieces=st.integers(1, 40), percent=st.sampled_from([0, 5, 6, 50]))
    def edit(self, n: int, pieces: int, percent: int) -> None:
        (line,) = self.trade.get(self.orders[n]).lines
        self.attempt(
            self.trade.change,
            self.orders[n],
            manual_percent=Decimal(percent),
            lines=[{"id": line.id, "quantity": Decimal(pieces)}],
        )

    @rule(n=ANY, command=st.sampled_from(COMMANDS))
    def act(self, n: int, command: str) -> None:
        person = self.trade.rep if command in BY_REP else self.trade.manager
        args = {"reason": "취소"} if command == "cancel" else {}
        self.attempt(self.trade.do, command, self.orders[n], person, **args)

    @rule(n=ANY, verdict=st.sampled_from(["approve", "reject", "return"]))
    def decide(self, n: int, verdict: str) -> None:
        with self.trade.world.session() as session:
            waits = approvals.find_open(session, "order", self.orders[n]) is not None
        if waits:
            self.attempt(self.trade.decide, self.orders[n], verdict)

    @rule(n=ANY)
    def hurry(self, n: int) -> None:
        """All that brings an order to the door, as far as it is let through."""
        self.act(n, "submit")
        self.act(n, "request_release")
        self.decide(n, "approve")
        self.act(n, "confirm")

    @rule(n=ANY, limit=st.sampled_from([None, LIMIT, 5_000]), arrives=st.booleans())
    def ship(self, n: int, limit: int | None, arrives: bool) -> None:
        """All that is open leaves, or what was prepared and stayed the last time."""
        if limit is not None:
            self.trade.credit_limit(limit)  # the office thinks otherwise while the truck is loaded
        self.attempt(self.trade.shipment, self.orders[n])
        waiting = self.trade.world.sql(
            "SELECT id FROM shipments WHERE tenant_id = :tenant AND order_id = :o AND status = 'prepared'",
            o=self.orders[n],
        )
        for (shipment,) in waiting:
            if self.attempt(self.trade.move_shipment, "ship", shipment) is None:
                continue
            self.left_rightly(self.trade.get(self.orders[n]))
            if arrives:
                self.trade.move_shipment("deliver", shipment, signed_by="김담당")

    def left_rightly(self, order: Order) -> None:
        """Goods have just left: within the limits, or by an approval of exactly this document."""
        credit = self.trade.credit()
        assert order.document_hash == hash_of(snapshot_of(order))
        with self.trade.world.session() as session:
            grant = approvals.granted(session, "order", order.id, order.document_hash)
        granted = grant.metrics if grant else {}
        over = credit.exposure - (credit.limit or 0)
        assert over <= 0 or granted.get("credit_over", Decimal(0)) >= over
        discount = max(Decimal(line["manual_percent"]) for line in order.priced["lines"])
        assert discount <= MAY_GRANT or granted.get("discount_percent", Decimal(0)) >= discount

    @invariant()
    def what_is_committed_is_right(self) -> None:
        if not hasattr(self, "orders"):
            return
        orders = [self.trade.get(one) for one in self.orders]
        for order in orders:
            if order.status not in PRICED:
                continue
            for name in ("net", "tax", "total"):
                of_lines = sum(Decimal(line[name]) for line in order.priced["lines"])
                assert getattr(order, name) == of_lines == Decimal(order.priced[name])
            assert order.document_hash == hash_of(snapshot_of(order))
        owed = sum((o.payable or Decimal(0) for o in orders if o.status in COMMITTED), Decimal(0))
        assert self.trade.credit().committed == owed
        numbers = sorted(order.number for order in orders if order.number)
        assert [int(number[-6:]) for number in numbers] == list(range(1, len(numbers) + 1))


def test_limits_hold_through_all_sequences_of_calls(world: World) -> None:
    class Here(Orders):
        make = staticmethod(lambda: Trade(World(world.app, world.db)))

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Here,
        settings=settings(
            max_examples=6,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate,),  # each step is real: shrinking takes longer than reading the steps
        ),
    )


@pytest.mark.more
def test_limits_hold_through_many_more_sequences(world: World) -> None:
    class Here(Orders):
        make = staticmethod(lambda: Trade(World(world.app, world.db)))

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Here,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate,),  # each step is real: shrinking takes longer than reading the steps
        ),
    )
