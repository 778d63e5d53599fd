"""Answers from pieces that were compressed one by one: a piece can be kept and sent in many answers."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from backports import zstd

# Phones wait for the network, the server for its processor: the next levels gain little for what they take.
ZSTD_LEVEL = 1
GZIP_LEVEL = 3  # a twentieth fewer bytes than the first, for a seventh more time
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
DEFLATE_END = b"\x03\x00"  # a last block with nothing in it
POLYNOMIAL = 0xEDB88320  # of gzip's CRC-32, its bits reversed


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an answer, compressed without regard to what stands before and after it.

    Attributes:
        data: The compressed bytes.
        size: How many bytes it is of.
        check: What the encoding needs to check a whole that was put together of pieces.
    """

    data: bytes
    size: int
    check: tuple[int, int] = (0, 0)


class Packing(Protocol):
    """A content encoding that can be put together of pieces."""

    encoding: str

    def piece(self, plain: bytes) -> Piece:
        """Compress a stretch."""

    def whole(self, pieces: Sequence[Piece]) -> bytes:
        """One body of *pieces*, in order."""


class Plain:
    """For who takes nothing else."""

    encoding = ""

    def piece(self, plain: bytes) -> Piece:
        """As it is."""
        return Piece(plain, len(plain))

    def whole(self, pieces: Sequence[Piece]) -> bytes:
        """One after the other."""
        return b"".join(piece.data for piece in pieces)


class Zstd:
    """Frames, one after the other: RFC 8878 takes them as one body."""

    encoding = "zstd"

    def piece(self, plain: bytes) -> Piece:
        """A frame."""
        return Piece(zstd.compress(plain, ZSTD_LEVEL), len(plain))

    def whole(self, pieces: Sequence[Piece]) -> bytes:
        """One after the other."""
        return b"".join(piece.data for piece in pieces)


class Gzip:
    """One member, whatever it is made of: not every client reads a second one.

    A piece is deflate without a last block, ended on a whole byte; it refers to nothing before it. The
    checksum of the whole follows from those of the pieces.
    """

    encoding = "gzip"

    def piece(self, plain: bytes) -> Piece:
        """Blocks of deflate."""
        stream = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        data = stream.compress(plain) + stream.flush(zlib.Z_SYNC_FLUSH)
        return Piece(data, len(plain), (zlib.crc32(plain), _shift(len(plain))))

    def whole(self, pieces: Sequence[Piece]) -> bytes:
        """A member of the blocks of all pieces."""
        crc, size = 0, 0
        for piece in pieces:
            own, shift = piece.check
            crc = _times(shift, crc) ^ own
            size += piece.size
        tail = struct.pack("<LL", crc, size & 0xFFFFFFFF)
        return b"".join((GZIP_HEAD, *(piece.data for piece in pieces), DEFLATE_END, tail))


def _times(left: int, right: int) -> int:
    """The product of two polynomials modulo that of the CRC; the highest bit is the power 0."""
    product, bit = 0, 1 << 31
    while bit:
        if left & bit:
            product ^= right
        bit >>= 1
        right = (right >> 1) ^ POLYNOMIAL if right & 1 else right >> 1
    return product


@lru_cache(maxsize=256)
def _squared(power: int) -> int:
    """x to the power of 2 ** *power*."""
    return 1 << 30 if power == 0 else _times(_squared(power - 1), _squared(power - 1))


def _shift(size: int) -> int:
    """By what the CRC of something is multiplied when *size* bytes follow it."""
    shift, power = 1 << 31, 3  # bytes are 2 ** 3 bits
    while size:
        if size & 1:
            shift = _times(_squared(power), shift)
        size, power = size >> 1, power + 1
    return shift


PLAIN = Plain()
PACKINGS: tuple[Packing, ...] = (Zstd(), Gzip(), PLAIN)
"""In the server's order of preference."""
