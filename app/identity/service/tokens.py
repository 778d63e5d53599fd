"""Refresh tokens: derived, not stored, so that a lost answer can be given again."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

from app.config import Config
from app.identity.service.errors import RefreshInvalid

PREFIX = "fmr1."
PURPOSE = b"fieldmerge refresh token"
MAC_BYTES = 32
BODY_BYTES = 16 + 16 + 4


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Which token of which session: the family's *generation*-th, counted from 1."""

    tenant_id: UUID
    family_id: UUID
    generation: int


def write_token(config: Config, token: RefreshToken) -> str:
    """The token as text. The same three values always give the same text."""
    body = token.tenant_id.bytes + token.family_id.bytes + token.generation.to_bytes(4, "big")
    return PREFIX + base64.urlsafe_b64encode(body + _mac(config, body)).decode()


def read_token(config: Config, text: str) -> RefreshToken:
    """Prove that *text* is a token of ours, before anything is looked up.

    Raises:
        RefreshInvalid: It is not.
    """
    raw = _decoded(text)
    body, mac = raw[:BODY_BYTES], raw[BODY_BYTES:]
    if len(raw) != BODY_BYTES + MAC_BYTES or not hmac.compare_digest(mac, _mac(config, body)):
        raise RefreshInvalid("Log in again.")
    token = RefreshToken(UUID(bytes=body[:16]), UUID(bytes=body[16:32]), int.from_bytes(body[32:], "big"))
    if write_token(config, token) != text:  # base64 has several spellings of the same bytes
        raise RefreshInvalid("Log in again.")
    return token


def _decoded(text: str) -> bytes:
    if not text.startswith(PREFIX) or len(text) > 200:
        raise RefreshInvalid("Log in again.")
    try:
        return base64.b64decode(text.removeprefix(PREFIX), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise RefreshInvalid("Log in again.") from None


def _mac(config: Config, body: bytes) -> bytes:
    key = hmac.digest(config.secret_key.encode(), PURPOSE, hashlib.sha256)
    return hmac.digest(key, body, hashlib.sha256)
