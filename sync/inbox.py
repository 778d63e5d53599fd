"""What the merge leaves for a person to decide."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

TRIED_ANEW = ("failed", "quarantined", "awaiting_record", "group")
"""Kinds that were never judged to their end: they hold what the phone sent, and nothing of the server's state."""


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One thing to decide. Values are JSON.

    Attributes:
        kind: ``field``, ``row``, ``text`` for a value; ``command``, ``delete``, ``deleted``, ``frozen``,
            ``out_of_scope``, and the kinds of ``TRIED_ANEW``, for a whole mutation or a group of them.
        account_id: The customer whose managers decide; None where only the author and their team may know.
        record_version: The record's version that ``theirs`` was read at.
        mine: What the phone's user wanted.
        base: What they saw.
        theirs: What stands on the server.
        row_id: Of a row of a part.
        code: Why it came here, where the kind alone does not say.
    """

    kind: str
    entity: str
    record_id: UUID
    account_id: UUID | None
    record_version: int
    mine: Any
    base: Any = None
    theirs: Any = None
    field: str | None = None
    row_id: UUID | None = None
    code: str | None = None
