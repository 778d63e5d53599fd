"""What is asked of the feed: heads and index probes, never a body or an id."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from sync.pull import Channel

HEAD = text("SELECT position FROM sync_heads WHERE tenant_id = :tenant")

# One statement, so that head and probes are of one snapshot; each channel is one step of the index.
PROBE = text(
    """
    SELECT 0 AS n, position FROM sync_heads WHERE tenant_id = :tenant
    UNION ALL
    SELECT c.n, newest.position
    FROM unnest(CAST(:buckets AS text[]), CAST(:shapes AS text[])) WITH ORDINALITY AS c (bucket, shape, n)
    CROSS JOIN LATERAL (
        SELECT f.position FROM sync_feed f
        WHERE f.tenant_id = :tenant AND f.bucket = c.bucket AND f.shape = c.shape AND f.position > :after
        ORDER BY f.position DESC LIMIT 1) AS newest
    """
)


@dataclass(frozen=True, slots=True)
class Probed:
    """The head of a company, and the channels with rows above the position that was asked about."""

    head: int
    channels: list[Channel]


def head_of(session: Session, tenant_id: UUID) -> int:
    """The last position of a company; 0 for one that has none."""
    return int(session.scalar(HEAD, {"tenant": tenant_id}) or 0)


def probe(session: Session, tenant_id: UUID, channels: Collection[Channel], after: int) -> Probed:
    """Ask once which of the channels have a row, live or gone, above *after*."""
    asked = list(channels)
    rows = session.execute(
        PROBE,
        {
            "tenant": tenant_id,
            "buckets": [bucket for bucket, _ in asked],
            "shapes": [shape for _, shape in asked],
            "after": after,
        },
    ).all()
    head = next((int(position) for n, position in rows if n == 0), 0)
    return Probed(head, [asked[n - 1] for n, _ in rows if n > 0])
