"""The envelope of ``POST /sync``, checked before anything is judged."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sync.errors import Refused, RequestInvalid, SchemaTooOld
from sync.values import whole
from sync.wire import Mutation, mutations_of, time_of

DEFAULT_LIMIT = 2_000
MAX_LIMIT = 10_000
DEFAULT_BYTES = 1 << 20
MAX_BYTES = 8 << 20
TEXT_MAX = 500
MAX_PENDING = (1 << 31) - 1
LONGEST_CURSOR = 64 << 10
KEYS = frozenset({"schema_version", "cursor", "sent_at", "mutations", "limit", "limit_bytes", "client"})
NOT_ALLOWED = re.compile("[\x00\ud800-\udfff]")
CLIENT_KEYS = frozenset({"app_version", "platform", "pending", "last_error", "wiped"})


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What a phone asks, sound in form.

    ``told`` is what the device says of itself: schema version, app version, platform, pending
    count, last error. ``wiped`` confirms that it has wiped itself, as it was told to. ``seen`` and ``bases`` are
    of clients that tell no old values; see ``sync.judge.Sender``.
    """

    schema_version: int
    cursor: str | None
    sent_at: datetime | None
    mutations: list[Mutation]
    limit: int
    byte_limit: int
    pending: int
    told: tuple[Any, ...]
    wiped: bool = False
    seen: Mapping[UUID, tuple[int, ...]] = field(default_factory=dict)
    bases: Mapping[UUID, Mapping[str, Any]] = field(default_factory=dict)


def sync_request(body: Mapping[str, Any], newest_schema: int, oldest_wire: int = 1) -> SyncRequest:
    """Check the envelope.

    Args:
        body: The request's JSON object.
        newest_schema: The schema version of this server.
        oldest_wire: The oldest one whose requests are understood.

    Raises:
        RequestInvalid: With a code and the place of the first fault.
        SchemaTooOld: 426; the rest of the body is not looked at.
    """
    schema_version = _whole(body, "schema_version", None, 1, newest_schema)
    if schema_version < oldest_wire:
        raise SchemaTooOld
    _known(body, KEYS, "")
    client = body.get("client") or {}
    if not isinstance(client, dict):
        raise RequestInvalid("type_mismatch", "/client")
    _known(client, CLIENT_KEYS, "/client")
    pending = _whole(client, "pending", 0, 0, MAX_PENDING, "/client")
    return SyncRequest(
        schema_version=schema_version,
        cursor=_text(body, "cursor", LONGEST_CURSOR),
        sent_at=_time(body),
        mutations=mutations_of(body),
        limit=_whole(body, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
        byte_limit=_whole(body, "limit_bytes", DEFAULT_BYTES, 1, MAX_BYTES),
        pending=pending,
        told=(
            schema_version,
            _text(client, "app_version", TEXT_MAX, "/client"),
            _text(client, "platform", TEXT_MAX, "/client"),
            pending,
            _text(client, "last_error", TEXT_MAX, "/client"),
        ),
        wiped=_flag(client, "wiped", "/client"),
    )


def _known(body: Mapping[str, Any], keys: frozenset[str], at: str) -> None:
    for name in body:
        if name not in keys:
            raise RequestInvalid("unknown_field", f"{at}/{name}")


def _whole(
    body: Mapping[str, Any], key: str, default: int | None, least: int, most: int, at: str = ""
) -> int:
    value = whole(body.get(key, default))
    if value is None:
        raise RequestInvalid("required", f"{at}/{key}")
    if type(value) is not int:
        raise RequestInvalid("type_mismatch", f"{at}/{key}")
    if not least <= value <= most:
        raise RequestInvalid("value_out_of_range", f"{at}/{key}")
    return value


def _flag(body: Mapping[str, Any], key: str, at: str) -> bool:
    value = body.get(key, False)
    if type(value) is not bool:
        raise RequestInvalid("type_mismatch", f"{at}/{key}")
    return value


def _text(body: Mapping[str, Any], key: str, most: int, at: str = "") -> str | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RequestInvalid("type_mismatch", f"{at}/{key}")
    if len(value) > most:
        raise RequestInvalid("too_long", f"{at}/{key}")
    if NOT_ALLOWED.search(value):
        raise RequestInvalid("char_not_allowed", f"{at}/{key}")
    return value


def _time(body: Mapping[str, Any]) -> datetime | None:
    try:
        return time_of(body.get("sent_at"), "/sent_at")
    except Refused as refused:
        raise RequestInvalid(refused.code, "/sent_at") from refused
