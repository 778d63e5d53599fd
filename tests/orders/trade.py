"""A company that sells oil at a thousand won: a rep with two accounts, a manager, an admin, one price list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.approvals import service as approvals
from app.core.clock import utc_now
from app.core.db import compact_json
from app.core.ids import new_id
from app.core.scope import Role
from app.orders import service
from app.orders.models import Order
from app.receivables import service as receivables
from tests.catalog.shop import Shop, open_shop
from tests.world import Person, World

LIMIT = 100_000


@dataclass
class Trade:
    """One tenant; times are the test's own clock."""

    world: World
    shop: Shop = field(init=False)
    rep: Person = field(init=False)
    manager: Person = field(init=False)
    admin: Person = field(init=False)
    account: UUID = field(init=False)
    foreign: UUID = field(init=False)
    oil: UUID = field(init=False)

    def __post_init__(self) -> None:
        self.shop = open_shop(self.world)
        self.admin = self.world.person(Role.ADMIN)
        self.manager = self.world.person(Role.MANAGER, self.world.region)
        self.rep = self.world.person(Role.REP, self.world.north, manager=self.manager)
        self.account = self.world.account(credit_limit=LIMIT, credit_currency="KRW")
        self.foreign = self.world.account(self.world.south)
        self.oil = self.shop.product("OIL-5W30")
        self.shop.price(self.oil, "1000")

    # -- what people do

    def draft(self, *lines: Mapping[str, Any], by: Person | None = None, **values: Any) -> UUID:
        """An order of the rep's, of one piece of oil unless lines say otherwise."""
        given = {"account_id": self.account, "lines": list(lines) or [self.line()]} | values
        with self.world.acting(by or self.rep) as (session, actor):
            return service.create_order(session, actor, given, now=utc_now()).id

    def line(self, quantity: int | str = 1, product: UUID | None = None, **values: Any) -> dict[str, Any]:
        return {
            "id": new_id(),
            "product_id": product or self.oil,
            "unit": "EA",
            "quantity": Decimal(quantity),
        } | values

    def do(
        self, command: str, order_id: UUID, by: Person | None = None, now: datetime | None = None, **args: Any
    ) -> Order:
        """A command on an order: the rep's, or somebody else's."""
        moment = now or utc_now()
        with self.world.acting(by or self.rep) as (session, actor):
            return service.COMMANDS[command](session, actor, order_id, args, at=moment, now=moment)

    def change(self, order_id: UUID, by: Person | None = None, **changes: Any) -> Order:
        with self.world.acting(by or self.rep) as (session, actor):
            return service.update_order(session, actor, order_id, changes, now=utc_now())

    def get(self, order_id: UUID, by: Person | None = None) -> Order:
        with self.world.acting(by or self.admin) as (session, actor):
            return service.get_order(session, actor, order_id)

    def submitted(self, *lines: Mapping[str, Any], **values: Any) -> Order:
        """A new order, submitted without anybody having seen a price."""
        return self.do("submit", self.draft(*lines, **values))

    def confirmed(self, *lines: Mapping[str, Any], **values: Any) -> Order:
        """One that goods may be shipped of."""
        return self.do("confirm", self.submitted(*lines, **values).id, self.manager)

    def shipment(self, order_id: UUID, *lines: Mapping[str, Any], **values: Any) -> UUID:
        """Goods that are ready to leave: all that is open unless lines say otherwise."""
        given = {"order_id": order_id, "lines": list(lines)} | values
        with self.world.acting(self.manager) as (session, actor):
            return service.create_shipment(session, actor, given, now=utc_now()).id

    def move_shipment(self, command: str, shipment_id: UUID, by: Person | None = None, **args: Any) -> Any:
        with self.world.acting(by or self.manager) as (session, actor):
            verb = service.SHIPMENT_COMMANDS[command]
            return verb(session, actor, shipment_id, args, at=utc_now(), now=utc_now())

    def shipped(self, order_id: UUID, *lines: Mapping[str, Any]) -> UUID:
        shipment = self.shipment(order_id, *lines)
        self.move_shipment("ship", shipment)
        return shipment

    def delivered(self, order_id: UUID, *lines: Mapping[str, Any]) -> UUID:
        shipment = self.shipped(order_id, *lines)
        self.move_shipment("deliver", shipment, signed_by="김담당")
        return shipment

    def settings(self, **changes: Any) -> None:
        with self.world.acting(self.admin) as (session, actor):
            service.change_settings(session, actor, changes, now=utc_now())

    def limit(self, percent: int | str, **whose: Any) -> None:
        """How much may be granted by hand: by reps, unless it is said by whom."""
        with self.world.acting(self.admin) as (session, actor):
            values = {"percent": Decimal(percent)} | (whose or {"role": Role.REP})
            service.create_discount_limit(session, actor, values, now=utc_now())

    def policy(self, metric: str = "discount_percent", threshold: int | str = 0, levels: int = 1) -> None:
        """Let the line of managers decide on orders above a threshold."""
        self.world.insert(
            "approval_policies",
            id=new_id(),
            name=f"{metric} {threshold}",
            document_kind="order",
            metric=metric,
            threshold=Decimal(threshold),
            levels=compact_json([{"approver": "manager", "escalate_after_h": 9}] * levels),
        )

    def decide(self, order_id: UUID, verdict: str = "approve", by: Person | None = None) -> None:
        """What the manager says of the order's open request."""
        with self.world.acting(by or self.manager) as (session, actor):
            request = approvals.find_open(session, "order", order_id)
            assert request is not None
            args = {"document_hash": request.document_hash, "comment": "검토함"}
            verb = approvals.COMMANDS[verdict]
            verb(session, actor, request.id, args, at=utc_now(), now=utc_now())

    # -- money

    def credit(self, account: UUID | None = None) -> receivables.Credit:
        with self.world.session() as session:
            return receivables.credit_of(session, account or self.account, now=utc_now())

    def credit_limit(self, amount: int | None) -> None:
        self.world.sql(
            "UPDATE accounts SET credit_limit = :l WHERE id = :a AND tenant_id = :tenant",
            l=amount,
            a=self.account,
        )

    def codes(self, order: Order) -> list[str]:
        """What the rules found."""
        return [one["code"] for one in order.findings]


@pytest.fixture
def trade(world: World) -> Trade:
    return Trade(world)
