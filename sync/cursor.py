"""The cursor: an opaque token that says how far a device has come. Its contents are under our MAC."""

import hmac
import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

LONGEST_TOKEN = 64 * 1024
SHORT_TOKEN = 1_000
"""Longer ones are of phones on their way through a walk, which send each token once."""

COMPRESSED_FROM = 400  # bytes; below, zlib gains nothing

MAC_BYTES = 16
PLAIN, COMPRESSED = b"\x01", b"\x02"  # first byte: the format
CONTEXT = b"fieldmerge sync cursor 1"
WALK_KINDS = ("gain", "loss", "delta", "again")
_UNPACK: dict[bytes, Callable[[bytes], bytes]] = {PLAIN: bytes, COMPRESSED: zlib.decompress}


class CursorInvalid(ValueError):
    """The token was not made by this server for this device."""

    code = "cursor_invalid"


@dataclass(frozen=True, slots=True)
class Walk:
    """A stretch of the feed that a device has not wholly been given.

    Attributes:
        kind: ``gain`` and ``loss`` of a bucket, ``again`` for what a newer app can take more of, or
            ``delta``: the changes of all others, cut by a page.
        bucket: Its name; empty for ``delta``.
        shape: The shape in which the bucket is, or was, given; empty for ``delta``.
        at: Position up to which it has been walked.
        until: Position that bounds it; see ``sync.pull``.
    """

    kind: Literal["gain", "loss", "delta", "again"]
    bucket: str
    shape: str
    at: int
    until: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a device has come.

    Attributes:
        tenant_id: Whose; not in the token, but bound by its MAC, as is the device.
        device_id: Whose.
        schema_version: Of the wire that the device speaks.
        epoch: Life of the database.
        position: Changes up to here were given.
        nonce: Of the drain that wrote ``position``.
        removals: Removals up to here were given; normally equal to ``position``.
        removals_nonce: Of the drain that wrote ``removals``.
        highest_n: Highest ``n`` judged for the device.
        subscription_set: Id of the immutable set of channels that it was served from.
        walks: What is not finished, in the order of serving.
        newest: The newest drain of the snapshot in which the cursor was made, and its nonce: walks speak of
            places up to it. None where it is ``position``.
        again_since: Schema version under which the records were given that the walks ``again`` give anew.
    """

    tenant_id: UUID
    device_id: UUID
    schema_version: int
    epoch: UUID
    position: int
    nonce: UUID
    removals: int
    removals_nonce: UUID
    highest_n: int
    subscription_set: str
    walks: tuple[Walk, ...] = ()
    newest: tuple[int, UUID] | None = None
    again_since: int | None = None

    @property
    def drains(self) -> tuple[tuple[int, UUID], ...]:
        """The drains that it names, each with the nonce that proves it."""
        named = ((self.position, self.nonce), (self.removals, self.removals_nonce))
        return named if self.newest is None else (*named, self.newest)

    @property
    def highest(self) -> int:
        """The highest position that it speaks of."""
        return max(*(position for position, _ in self.drains), *(max(w.at, w.until) for w in self.walks), 0)

    @property
    def lowest(self) -> int:
        """The lowest position above which ``gone`` marks have yet to be told."""
        marks = [
            walk.at if walk.kind == "delta" else max(walk.at, walk.until)
            for walk in self.walks
            if walk.bucket
        ]
        return min(self.position, self.removals, *marks)


def encode(cursor: Cursor, key: bytes) -> str:
    """The token of *cursor*, of letters, digits, ``-`` and ``_``.

    Args:
        cursor: Checked: negative numbers and a token of more than 64 kB are a ``ValueError``.
        key: The secret of the installation; the key of the MAC is derived from it.
    """
    if not _is_sound(cursor):
        raise ValueError(f"a cursor cannot hold this: {cursor}")
    payload = json.dumps(_to_json(cursor), separators=(",", ":"), ensure_ascii=False).encode()
    body = PLAIN + payload
    if len(payload) >= COMPRESSED_FROM:
        body = COMPRESSED + zlib.compress(payload, 9)
    token = _to_text(body + _mac(body, key, cursor.tenant_id, cursor.device_id))
    if len(token) > LONGEST_TOKEN:
        raise ValueError(f"a cursor with {len(cursor.walks)} unfinished walks is too long")
    return token


def decode(token: str, key: bytes, *, tenant_id: UUID, device_id: UUID) -> Cursor:
    """The cursor in *token*.

    Raises:
        CursorInvalid: It is forged, cut, of another tenant or device, or of a format no longer read.
            Which of them is not told.
    """
    if isinstance(token, str) and len(token) <= SHORT_TOKEN:
        return _decoded(token, key, tenant_id, device_id)
    return _decode(token, key, tenant_id, device_id)


def _decode(token: str, key: bytes, tenant_id: UUID, device_id: UUID) -> Cursor:
    signed = _from_text(token)
    body, mac = signed[:-MAC_BYTES], signed[-MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(body, key, tenant_id, device_id)):
        raise CursorInvalid("the cursor is not of this server and device")
    try:
        cursor = _from_json(json.loads(_UNPACK[body[:1]](body[1:])), tenant_id, device_id)
    except (ValueError, TypeError, AttributeError, KeyError, zlib.error) as error:
        raise CursorInvalid("the cursor is of another format") from error
    if not _is_sound(cursor):
        raise CursorInvalid("the cursor is of another format")
    return cursor


# A phone to which nothing is new sends the same token again and again.
_decoded = lru_cache(maxsize=4096)(_decode)


def _mac(body: bytes, key: bytes, tenant_id: UUID, device_id: UUID) -> bytes:
    return hmac.digest(_own_key(key), tenant_id.bytes + device_id.bytes + body, "sha256")[:MAC_BYTES]


@lru_cache(maxsize=8)
def _own_key(key: bytes) -> bytes:
    return hmac.digest(key, CONTEXT, "sha256")


def _to_text(signed: bytes) -> str:
    return urlsafe_b64encode(signed).rstrip(b"=").decode("ascii")


def _from_text(token: str) -> bytes:
    """The bytes of a token in its one spelling: base64 ignores foreign characters and spare bits."""
    if not isinstance(token, str) or len(token) > LONGEST_TOKEN or not token.isascii():
        raise CursorInvalid("the cursor is no token")
    try:
        signed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError as error:
        raise CursorInvalid("the cursor is no token") from error
    if len(signed) <= MAC_BYTES or _to_text(signed) != token:
        raise CursorInvalid("the cursor is no token")
    return signed


def _to_json(cursor: Cursor) -> list[Any]:
    return [
        cursor.schema_version,
        cursor.epoch.hex,
        cursor.position,
        cursor.nonce.hex,
        cursor.removals,
        cursor.removals_nonce.hex,
        cursor.highest_n,
        cursor.subscription_set,
        [[walk.kind, walk.bucket, walk.shape, walk.at, walk.until] for walk in cursor.walks],
        cursor.newest and [cursor.newest[0], cursor.newest[1].hex],
        cursor.again_since,
    ]


def _from_json(parts: Sequence[Any], tenant_id: UUID, device_id: UUID) -> Cursor:
    version, epoch, position, nonce, removals, removals_nonce, highest_n, subscription_set, walks = parts[:9]
    newest, again_since = parts[9:] or (None, None)  # cursors of the first release end before them
    return Cursor(
        tenant_id=tenant_id,
        device_id=device_id,
        schema_version=version,
        epoch=UUID(epoch),
        position=position,
        nonce=UUID(nonce),
        removals=removals,
        removals_nonce=UUID(removals_nonce),
        highest_n=highest_n,
        subscription_set=subscription_set,
        walks=tuple(Walk(*walk) for walk in walks),
        newest=None if newest is None else _drain_of(*newest),
        again_since=again_since,
    )


def _drain_of(position: int, nonce: str) -> tuple[int, UUID]:
    return position, UUID(nonce)


def _is_sound(cursor: Cursor) -> bool:
    numbers = [cursor.schema_version, cursor.position, cursor.removals, cursor.highest_n]
    numbers += [
        number for number in (cursor.again_since, cursor.newest and cursor.newest[0]) if number is not None
    ]
    for walk in cursor.walks:
        numbers += [walk.at, walk.until]
    texts = [cursor.subscription_set, *(text for walk in cursor.walks for text in (walk.bucket, walk.shape))]
    return (
        all(type(number) is int and number >= 0 for number in numbers)
        and all(type(text) is str for text in texts)
        and all(walk.kind in WALK_KINDS for walk in cursor.walks)
    )
