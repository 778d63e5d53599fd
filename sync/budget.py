"""Budget: how many records a phone is given, and which buckets are left out over the cap."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

ALWAYS_GIVEN = frozenset({"tenant", "audience", "user", "unit"})
"""Kinds of buckets without which a phone is of no use (reference data, colleagues, one's own day); the cap
never leaves them out."""

RETURN_BELOW = 0.9
"""Share of the cap below which a bucket that was left out comes back: a record more or less moves nothing."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a tenant's administrators set of sync; these are the defaults.

    Attributes:
        records_warn: Records from which a user is warned.
        records_cap: Most records of a user.
        keep_days: How long removals can be told; longest time that a phone may be offline.
        resend_days: How long phones keep acknowledged work, to send it again after a restore.
        version: Goes up by one with each change.
    """

    records_warn: int = 8_000
    records_cap: int = 20_000
    keep_days: int = 180
    resend_days: int = 7
    version: int = 1


DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Budget:
    """What a phone is given, beside the numbers that an administrator set.

    Attributes:
        records: In the buckets that are given; a record in two of them counts twice.
        warn_at: From here on the user is to be warned.
        cap: Above it whole buckets are left out.
        left_out: Their names, sorted.
    """

    records: int
    warn_at: int
    cap: int
    left_out: tuple[str, ...] = ()


def left_out(buckets: Sequence[str], sizes: Mapping[str, int], cap: int, before: Collection[str]) -> set[str]:
    """Which buckets to leave out.

    Args:
        buckets: In priority order, the most important first.
        sizes: Records of each.
        cap: Most records.
        before: What was left out until now; it comes back only well below the cap.
    """
    out = {bucket for bucket in before if bucket in buckets and _optional(bucket)}
    total = sum(sizes.get(bucket, 0) for bucket in buckets if bucket not in out)
    for bucket in reversed(buckets):
        if total > cap and bucket not in out and _optional(bucket):
            out.add(bucket)
            total -= sizes.get(bucket, 0)
    for bucket in buckets:
        if bucket in out and bucket in before:
            if total + sizes.get(bucket, 0) > RETURN_BELOW * cap:
                break
            out.remove(bucket)
            total += sizes.get(bucket, 0)
    return out


def _optional(bucket: str) -> bool:
    return bucket.partition(":")[0] not in ALWAYS_GIVEN
