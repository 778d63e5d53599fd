"""What the RxDB client sends: checkpoints and rows of a push, checked before anything is judged."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.sync_api.rxdb.sets import life_of
from sync.errors import Refused, RequestInvalid
from sync.values import whole
from sync.wire import MAX_MUTATIONS, is_id, time_of

DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000
MAX_VERSION = (1 << 31) - 1
MAX_NUMBER = (1 << 53) - 1
CHECKPOINT_KEYS = frozenset({"c", "t"})
ROW_KEYS = frozenset({"newDocumentState", "assumedMasterState"})
STAMPED = frozenset({"id", "version", "generation", "_deleted", "_attachments"})
"""Members of a document that are no fields of the record."""

NAMES_OF_THE_CLIENT = frozenset({"deleted", "primary", "revision", "synced"})
"""The client's documents have such members themselves, and refuse a schema with them: such a field is left out."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One document that the phone wants to write, and what it believes that the server has."""

    id: UUID
    new: Document
    assumed: Document | None

    @property
    def is_delete(self) -> bool:
        """Whether the document was deleted on the phone."""
        return self.new.get("_deleted") is True

    @property
    def version(self) -> int:
        """The version that it was based on; 0 where the server never gave one."""
        return _whole(self._seen.get("version"), MAX_VERSION)

    @property
    def generation(self) -> int:
        """The number of the set in which that version was given; see ``sets``."""
        return _whole(self._seen.get("generation"), MAX_NUMBER)

    @property
    def life(self) -> int:
        """The life of the database in which that version was given."""
        return life_of(self.generation)

    @property
    def _seen(self) -> Document:
        return self.new if self.assumed is None else self.assumed

    def mutation_id(self, entity: str, after: UUID | None) -> UUID:
        """The name of this push: the same for each delivery.

        Args:
            entity: Of the record.
            after: The push of the same user that stands between this one and an earlier one that was the same.
        """
        told = json.dumps(self.new, sort_keys=True, ensure_ascii=True)
        parts = [entity, str(self.id), self.life, self.version, told, after and str(after)]
        return UUID(bytes=hashlib.sha256(json.dumps(parts).encode()).digest()[:16], version=5)


def rows_of(body: Sequence[Any]) -> tuple[list[Row], list[str]]:
    """The rows of a push, and the ids of those that no record can have.

    Raises:
        RequestInvalid: It is no list of rows; nothing was judged.
    """
    if len(body) > MAX_MUTATIONS:
        raise RequestInvalid("too_many_mutations", "")
    rows: dict[UUID, Row] = {}
    strange: list[str] = []
    for index, raw in enumerate(body):
        at = f"/{index}"
        if not isinstance(raw, dict):
            raise RequestInvalid("type_mismatch", at)
        for name in raw:
            if name not in ROW_KEYS:
                raise RequestInvalid("unknown_field", f"{at}/{name}")
        new, assumed = raw.get("newDocumentState"), raw.get("assumedMasterState")
        if not isinstance(new, dict) or not isinstance(new.get("id"), str):
            raise RequestInvalid("type_mismatch", f"{at}/newDocumentState")
        if assumed is not None and (not isinstance(assumed, dict) or assumed.get("id") != new["id"]):
            raise RequestInvalid("type_mismatch", f"{at}/assumedMasterState")
        if not is_id(new["id"]):
            strange.append(new["id"])
            continue
        row = Row(UUID(new["id"]), new, assumed)
        if row.id in rows:
            raise RequestInvalid("duplicate_item", at)
        rows[row.id] = row
    return list(rows.values()), strange


def checkpoint_of(text: str | None) -> tuple[str | None, datetime | None]:
    """The cursor in a checkpoint as the client sends it back, and when it was given; None for a first pull.

    Raises:
        RequestInvalid: It is none that this door gives.
    """
    if not text or text in ("null", "undefined"):
        return None, None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestInvalid("checkpoint_invalid", "/checkpoint") from error
    if not isinstance(found, dict) or not found.keys() <= CHECKPOINT_KEYS:
        raise RequestInvalid("checkpoint_invalid", "/checkpoint")
    token = found.get("c")
    if token is not None and not isinstance(token, str):
        raise RequestInvalid("checkpoint_invalid", "/checkpoint")
    try:
        return token, time_of(found.get("t"), "/checkpoint")
    except Refused as refused:
        raise RequestInvalid("checkpoint_invalid", "/checkpoint") from refused


def _whole(value: Any, most: int) -> int:
    found = whole(value)
    return found if type(found) is int and 0 <= found <= most else 0
