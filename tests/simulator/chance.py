"""Everything random of a history comes from named streams of its seed; ids come from their names."""

import random
from datetime import UTC, datetime
from uuid import UUID

START = datetime(2027, 3, 1, 0, 0, tzinfo=UTC)
"""The server's clock when a history begins; no history looks at the real one."""


def stream(seed: int, name: str) -> random.Random:
    """The random sub-stream *name* of a seed: one more draw in one stream moves nothing in another."""
    return random.Random(f"{seed}/{name}")


def id_of(symbol: str) -> UUID:
    """The id that a symbol stands for: a UUIDv7 of a fixed time, the same in every history and tenant."""
    bits = random.Random(f"id/{symbol}").getrandbits(128)
    bits = bits & ~(0xF << 76) | (0x7 << 76)
    bits = bits & ~(0x3 << 62) | (0x2 << 62)
    # Times of about START, so that no id is older than the company.
    millis = int(START.timestamp() * 1000) + (bits >> 80) % 86_400_000
    return UUID(int=(millis << 80) | (bits & ((1 << 80) - 1)))


def wire(moment: datetime) -> str:
    """A time as phones write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
