"""The server's final answer to a mutation, from what became of each of its fields."""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sync.merge import Outcome


class Status(enum.StrEnum):
    """Verdict on a mutation; a closed set, the first that fits."""

    REJECTED = "rejected"
    CONFLICT = "conflict"
    SUPERSEDED = "superseded"
    MERGED = "merged"
    APPLIED = "applied"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one final answer to a mutation; its record is rendered when it is sent.

    ``entity`` and ``record_id`` are empty where the mutation did not say soundly what it was about.
    """

    id: UUID
    status: str
    code: str | None = None
    detail: Any = None
    version: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    conflict_id: UUID | None = None
    replayed: bool = False
    entity: str = ""
    record_id: UUID | None = None


AS_SENT = frozenset({Outcome.APPLIED, Outcome.EQUAL})


def verdict_of(
    field_outcomes: Mapping[str, Outcome],
    *,
    sent_fields: Collection[str],
    others_changed_other_fields: bool,
) -> Status:
    """The verdict that the outcomes of a mutation's fields add up to.

    ``equal`` counts as applied: the record holds what was sent. ``combined`` and ``masked`` do not,
    nor does a sent field without an outcome: such a mutation is ``merged``.

    Args:
        field_outcomes: By field.
        sent_fields: What the mutation sent.
        others_changed_other_fields: Whether others changed, since its base, fields that it did not send.

    Returns:
        Anything but ``rejected``, which is decided before a field is merged.
    """
    outcomes = [*field_outcomes.values(), *(None for name in sent_fields if name not in field_outcomes)]
    if Outcome.CONFLICT in outcomes:
        return Status.CONFLICT
    if outcomes and all(outcome is Outcome.SUPERSEDED for outcome in outcomes):
        return Status.SUPERSEDED
    if others_changed_other_fields or not AS_SENT.issuperset(outcomes):
        return Status.MERGED
    return Status.APPLIED


def outcomes_on_wire(field_outcomes: Mapping[str, Outcome]) -> dict[str, dict[str, str]]:
    """The ``fields`` member of a verdict: ``{"phone": {"outcome": "applied"}}``."""
    return {name: {"outcome": outcome.value} for name, outcome in field_outcomes.items()}
