"""Two clocks and the ids made with one of them."""

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID


class Clock:
    """The clock on the wall, which may be wrong, and one that only ever counts the milliseconds.

    Attributes:
        skew: How far the wall clock is ahead.
        boot: Names the life of the counting clock; two readings can be subtracted only within one.
    """

    def __init__(self, skew: timedelta = timedelta(0)) -> None:
        """Start both."""
        self.skew = skew
        self.boot = os.urandom(8).hex()
        self._passed = timedelta(0)

    def now(self) -> datetime:
        """What the phone takes for the time, aware UTC."""
        return datetime.now(UTC) + self.skew + self._passed

    def running_ms(self) -> int:
        """Milliseconds since some moment of this life."""
        return time.monotonic_ns() // 1_000_000 + self._passed // timedelta(milliseconds=1)

    def let_pass(self, span: timedelta) -> None:
        """Turn both clocks on, to play a day in seconds."""
        self._passed += span


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC, as the wire wants it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id(clock: Clock) -> str:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, the rest random. Records sort by when they were made."""
    milliseconds = max(0, int(clock.now().timestamp() * 1000)) & (1 << 48) - 1
    number = milliseconds << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76  # version
    number = number & ~(0x3 << 62) | 0x2 << 62  # variant
    return str(UUID(int=number))
