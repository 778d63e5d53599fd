"""What the server forgets while a device is away for longer than it remembers."""

from app.core.clock import utc_now
from app.jobs.retention import forget_the_past
from tests.world import World


def delete(world: World, account: str) -> None:
    """Take an account off the books, and have that in the feed."""
    world.sql("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=account)
    world.drain()


def forget_all(world: World) -> None:
    """Half a year goes by: who went is told to no device any more that has not heard of it."""
    world.drain()
    world.engine_sql(
        "UPDATE sync_drain SET drained_at = drained_at - interval '181 days' WHERE tenant_id = :tenant"
    )
    forget_the_past(world.db, world.id, utc_now())
