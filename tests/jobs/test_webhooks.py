"""The job that tells other systems."""

from datetime import timedelta

from app.core.clock import utc_now
from app.core.ids import new_id
from app.jobs.webhooks import deliver_webhooks, forget_old_events
from app.webhooks import service
from tests.webhooks.receiver import receiving
from tests.world import World


def test_sends_all_that_waits_in_the_order_in_which_it_happened(world: World) -> None:
    admin = world.person("admin")
    now = utc_now()
    with receiving() as receiver:
        with world.acting(admin) as (session, actor):
            values = {"url": receiver.url, "events": ["order.*"]}
            service.create_endpoint(session, actor, values, now=now, loopback=True)
        for n in range(45):
            with world.session() as session:
                service.publish(session, world.id, "order.approved", {"n": n}, now=now)
        sent = deliver_webhooks(world.db, world.id, now, loopback=True)

    assert sent == 45
    assert [event["data"]["n"] for event in receiver.events] == list(range(45))
    assert forget_old_events(world.db, world.id, now + timedelta(days=31)) == 90


def test_sends_nothing_to_this_machine_unless_it_is_told_so(world: World) -> None:
    with receiving() as receiver:
        world.insert(
            "webhook_endpoints",
            id=new_id(),
            url=receiver.url,
            events=["*"],
            created_at=utc_now(),
            created_by=new_id(),
        )
        with world.session() as session:
            service.publish(session, world.id, "order.approved", {}, now=utc_now())
        deliver_webhooks(world.db, world.id, utc_now())

    assert receiver.heard == []
    assert world.sql("SELECT error FROM webhook_deliveries") == [("address_refused",)]
