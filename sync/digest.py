"""Digest: a number by which a phone and the server find out that they hold the same records."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

MODULUS = 1 << 64
"""Sums wrap here, so that order and grouping do not matter and a record can be taken out again."""


def weight(record_id: UUID, version: int) -> int:
    """What a record adds to the sum: the first 8 bytes, big-endian, of SHA-256 of ``<id>:<version>``."""
    return int.from_bytes(hashlib.sha256(f"{record_id}:{version}".encode()).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class Digest:
    """How many records of an entity there are, and the sum of their weights modulo 2^64."""

    count: int = 0
    sum: int = 0

    @classmethod
    def of(cls, records: Iterable[tuple[UUID, int]]) -> "Digest":
        """The digest of records, each given once as id and version."""
        found = cls()
        for record_id, version in records:
            found = found.plus(record_id, version)
        return found

    @classmethod
    def counted(cls, count: int, total: int) -> "Digest":
        """From a plain sum of weights, be they taken as signed or unsigned numbers of 64 bits."""
        return cls(count, total % MODULUS)

    def plus(self, record_id: UUID, version: int) -> "Digest":
        """With one record more."""
        return Digest(self.count + 1, (self.sum + weight(record_id, version)) % MODULUS)

    def minus(self, record_id: UUID, version: int) -> "Digest":
        """With one record less, which it must hold in that version."""
        return Digest(self.count - 1, (self.sum - weight(record_id, version)) % MODULUS)

    def to_wire(self) -> dict[str, int | str]:
        """As phones read it: the sum as text, since numbers of JSON lose digits above 2^53."""
        return {"count": self.count, "sum": str(self.sum)}
