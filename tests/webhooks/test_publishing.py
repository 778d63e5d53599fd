"""Events in the outbox."""

from decimal import Decimal

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.webhooks import service
from tests.world import World


def endpoint(world: World, *events: str, **values: object) -> None:
    world.insert(
        "webhook_endpoints",
        id=new_id(),
        url="https://erp.example.com/hooks",
        events=list(events),
        created_at=utc_now(),
        created_by=new_id(),
        **values,
    )


def deliveries(world: World) -> int:
    ((found,),) = world.sql("SELECT count(*) FROM webhook_deliveries")
    return int(found)


class TestPublish:
    def test_tells_nothing_of_what_was_rolled_back(self, world: World) -> None:
        endpoint(world, "*")

        with pytest.raises(ZeroDivisionError), world.session() as session:
            service.publish(session, world.id, "order.approved", {}, now=utc_now())
            raise ZeroDivisionError

        assert (deliveries(world), world.sql("SELECT count(*) FROM webhook_events")) == (0, [(0,)])

    @pytest.mark.parametrize("pattern", ["order.approved", "order.*", "*"])
    def test_reaches_who_asked_for_it(self, world: World, pattern: str) -> None:
        endpoint(world, "payment.*", pattern)

        with world.session() as session:
            service.publish(
                session,
                world.id,
                "order.approved",
                {"total": Decimal("1.5000"), "by": "이보람"},
                now=utc_now(),
            )

        assert deliveries(world) == 1
        assert world.sql("SELECT event, data ->> 'total', data ->> 'by' FROM webhook_events") == [
            ("order.approved", "1.5000", "이보람")
        ]

    @pytest.mark.parametrize("pattern", ["order.rejected", "orders.*", "payment.*"])
    def test_leaves_others_alone(self, world: World, pattern: str) -> None:
        endpoint(world, pattern)

        with world.session() as session:
            service.publish(session, world.id, "order.approved", {}, now=utc_now())

        assert deliveries(world) == 0

    def test_leaves_an_endpoint_alone_that_is_switched_off(self, world: World) -> None:
        endpoint(world, "*", active=False)
        endpoint(world, "*", deleted_at=utc_now())

        with world.session() as session:
            service.publish(session, world.id, "order.approved", {}, now=utc_now())

        assert deliveries(world) == 0
