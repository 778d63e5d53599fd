"""Mutations as phones send them: the envelope is checked here, the fields by the rooms' schemas."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from re import compile as pattern
from typing import Any, TypeVar
from uuid import UUID

from sync.errors import Refused, RequestInvalid
from sync.values import whole

Read = TypeVar("Read")

MAX_MUTATIONS = 500
MAX_FIELDS = 200
CANONICAL_ID = pattern(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
NIL = str(UUID(int=0))
RFC3339 = pattern(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)
UNSTORABLE = pattern("[\x00\ud800-\udfff]")
SUSPICIOUS_WORD = pattern(r"\\u0000|\\ud[89a-f]|NaN|Infinity")
SUSPICIOUS_NUMBER = pattern(r"[0-9](?:[0-9]{18}|e\+[0-9])")
"""In JSON that may hold something unstorable; without either there is nothing. Two, as each has a first character
to look for: one of both took three times as long."""
NAME = pattern(r"[a-z][a-z0-9_]{0,59}\Z")
MAX_N = (1 << 53) - 1
KNOWN_KEYS = frozenset(
    {
        "id",
        "n",
        "group",
        "epoch",
        "entity",
        "record_id",
        "op",
        "base_version",
        "fields",
        "base",
        "occurred_at",
        "age_ms",
    }
)
NOT_CONTENT = frozenset({"n", "sent_at", "age_ms"})
"""What may differ between two deliveries of one mutation."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One intent made on a phone. ``raw`` is what was sent."""

    id: UUID
    n: int
    raw: Mapping[str, Any]

    @property
    def hash(self) -> bytes:
        """Digest of the content, the same for every delivery; a member that is null may as well be missing."""
        content = {k: v for k, v in self.raw.items() if k not in NOT_CONTENT and v is not None}
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).digest()


def payload_of(raw: Any) -> str:
    """A mutation as JSON text for a jsonb column; what is not storable is kept whole as a string of JSON."""
    whole = json.dumps(raw, ensure_ascii=True)
    if not (SUSPICIOUS_WORD.search(whole) or SUSPICIOUS_NUMBER.search(whole)):
        return whole
    return whole if storable(raw) == raw else json.dumps(whole)


def storable(value: Any) -> Any:
    """JSON that PostgreSQL takes and every JSON writer gives back.

    NUL and lone surrogates in texts become U+FFFD; numbers beyond 64 bits, of which jsonb makes integers of
    any length, become texts.
    """
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, int | float) and not -(1 << 63) <= value < 1 << 63:
        return str(value)
    if isinstance(value, Mapping):
        return {storable(name): storable(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [storable(member) for member in value]
    return value


@dataclass(frozen=True, slots=True)
class Envelope:
    """The parts of a mutation's envelope that are sound, each by itself; the payload keeps the rest."""

    entity: str
    record_id: UUID | None
    op: str
    base_version: int | None
    group: UUID | None
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True)
class Intent:
    """A mutation whose envelope is sound."""

    mutation: Mutation
    entity: str
    record_id: UUID
    op: str
    fields: dict[str, Any]
    base: dict[str, Any]
    base_version: int | None
    occurred_at: datetime | None
    age_ms: int | None
    epoch: UUID | None
    group: UUID | None


def mutations_of(body: Mapping[str, Any]) -> list[Mutation]:
    """The request's mutations in ``n`` order.

    Raises:
        RequestInvalid: They cannot be told apart or ordered: no list, too many, no canonical id, no ``n``.
    """
    sent = body.get("mutations", [])
    if not isinstance(sent, list):
        raise RequestInvalid("type_mismatch", "/mutations")
    if len(sent) > MAX_MUTATIONS:
        raise RequestInvalid("too_many_mutations", "/mutations")
    found = [_mutation(raw, f"/mutations/{index}") for index, raw in enumerate(sent)]
    return sorted(found, key=lambda m: m.n)


def _mutation(raw: Any, pointer: str) -> Mutation:
    if not isinstance(raw, dict):
        raise RequestInvalid("type_mismatch", pointer)
    if not is_id(raw.get("id")):
        raise RequestInvalid("id_not_canonical", f"{pointer}/id")
    n = whole(raw.get("n"))
    if type(n) is not int:
        raise RequestInvalid("type_mismatch", f"{pointer}/n")
    if not 1 <= n <= MAX_N:
        raise RequestInvalid("value_out_of_range", f"{pointer}/n")
    return Mutation(UUID(raw["id"]), n, raw)


def intent_of(mutation: Mutation) -> Intent:
    """Check the rest of the envelope.

    Raises:
        Refused: The mutation alone is at fault.
    """
    raw = mutation.raw
    unknown = sorted(set(raw) - KNOWN_KEYS)
    if unknown:
        raise refusal("unknown_field", f"/{unknown[0]}")
    fields, base = _object(raw, "fields"), _object(raw, "base")
    if len(fields) > MAX_FIELDS:
        raise refusal("limit_exceeded", "/fields")
    return Intent(
        mutation,
        entity=_name(raw, "entity"),
        record_id=_id(raw, "record_id"),
        op=_name(raw, "op"),
        fields=fields,
        base=base,
        base_version=_version(raw, "base_version"),
        occurred_at=_time(raw, "occurred_at"),
        age_ms=_age(raw, "age_ms"),
        epoch=None if raw.get("epoch") is None else _id(raw, "epoch"),
        group=None if raw.get("group") is None else _id(raw, "group"),
    )


def envelope_of(mutation: Mutation) -> Envelope:
    """What can be told of a mutation even where it will be refused: later ones may depend on it."""
    raw = mutation.raw
    return Envelope(
        entity=_or_none(_name, raw, "entity") or "",
        record_id=_or_none(_id, raw, "record_id"),
        op=_or_none(_name, raw, "op") or "",
        base_version=_or_none(_version, raw, "base_version"),
        group=_or_none(_id, raw, "group"),
        occurred_at=_or_none(_time, raw, "occurred_at"),
    )


def _or_none(read: Callable[[Mapping[str, Any], str], Read], raw: Mapping[str, Any], key: str) -> Read | None:
    if raw.get(key) is None:  # as often as not, and a refusal of it would cost more than all else here
        return None
    try:
        return read(raw, key)
    except Refused:
        return None


def group_of(mutation: Mutation) -> UUID | None:
    """The group that the mutation says it belongs to, if it says so soundly."""
    return _or_none(_id, mutation.raw, "group")


def age_of(mutation: Mutation) -> int | None:
    """Milliseconds from edit to sending by the phone's monotonic clock, if they are sound."""
    return _or_none(_age, mutation.raw, "age_ms")


def refusal(code: str, pointer: str) -> Refused:
    """A refusal that names one place."""
    return Refused(code, {"errors": [{"pointer": pointer, "code": code}]})


def is_id(value: Any) -> bool:
    """Whether *value* is a canonical UUID (lower case, hyphens, not nil)."""
    return isinstance(value, str) and bool(CANONICAL_ID.match(value)) and value != NIL


def time_of(value: Any, pointer: str) -> datetime | None:
    """An RFC 3339 time with zone as aware UTC, or None; refuses anything else."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise refusal("type_mismatch", pointer)
    if not RFC3339.match(value):
        raise refusal("timestamp_invalid", pointer)
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise refusal("timestamp_invalid", pointer) from error


def _name(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str):
        raise refusal("required" if value is None else "type_mismatch", f"/{key}")
    if not NAME.match(value):
        raise refusal("choice_unknown", f"/{key}")
    return value


def _id(raw: Mapping[str, Any], key: str) -> UUID:
    value = raw.get(key)
    if not is_id(value):
        raise refusal("required" if value is None else "id_not_canonical", f"/{key}")
    return UUID(value)


def _object(raw: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = raw.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refusal("type_mismatch", f"/{key}")
    return value


def _version(raw: Mapping[str, Any], key: str) -> int | None:
    return _whole(raw, key, 0, (1 << 31) - 1)


def _age(raw: Mapping[str, Any], key: str) -> int | None:
    return _whole(raw, key, -(1 << 62), 1 << 62)


def _time(raw: Mapping[str, Any], key: str) -> datetime | None:
    return time_of(raw.get(key), f"/{key}")


def _whole(raw: Mapping[str, Any], key: str, least: int, most: int) -> int | None:
    value = whole(raw.get(key))
    if value is None:
        return None
    if type(value) is not int:
        raise refusal("type_mismatch", f"/{key}")
    if not least <= value <= most:
        raise refusal("value_out_of_range", f"/{key}")
    return value
