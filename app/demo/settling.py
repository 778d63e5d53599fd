"""Waiting until phones are served all that the office has done."""

from typing import Final
from uuid import UUID

from app.core.clock import utc_now
from app.core.db import Database
from app.core.errors import Unavailable
from app.sync_api.registry import REGISTRY
from sync.sequencer import drain

WITHIN_S: Final = 60


def settle(db: Database, tenant_id: UUID, *, within_s: float = WITHIN_S) -> None:
    """Sequence what waits in a company. A phone's own request leaves that to a drain that is under way.

    Raises:
        Unavailable: Another drain of the company did not end.
    """
    done = drain(db.engine, REGISTRY, tenant_id, now=utc_now(), lock_timeout_ms=int(within_s * 1_000))
    if done is None:
        raise Unavailable(
            "The company is being sequenced elsewhere, for longer than is usual.", retry_after_s=WITHIN_S
        )
