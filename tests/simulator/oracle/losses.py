"""I1: no acknowledged edit is lost, checked against what the server shows of itself."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sync.policy import Field, Merge
from tests.simulator.oracle.books import Ack
from tests.simulator.oracle.expected import outcomes_of
from tests.simulator.oracle.model import Oracle
from tests.simulator.oracle.records import Key
from tests.simulator.oracle.values import UNKNOWN, canonical


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One value in the server's ledger, in wire form.

    Attributes:
        entity: Kind of the record (of the root, for a part).
        record_id: Of the root.
        field: Of the record; for a part the rows field.
        row_id: Of the part, if it is one.
        row_field: Field of the part.
        old: Value before.
        new: Value after; the losing one where ``lost``.
        mutation_id: Which mutation wrote it.
        lost: Whether it is a losing value that was kept.
        winner: What won: a mutation, or whatever else names the winner.
    """

    entity: str
    record_id: str
    field: str | None
    old: Any
    new: Any
    mutation_id: str | None
    row_id: str | None = None
    row_field: str | None = None
    lost: bool = False
    winner: str | None = None


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One inbox item: the mutations of its author and of all who joined it."""

    entity: str
    record_id: str
    field: str | None
    mutation_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where an acknowledged value may be found."""

    state: Mapping[Key, Mapping[str, Any]]
    ledger: Mapping[str, list[LedgerRow]]  # by mutation
    inbox: frozenset[str]  # mutations whose values wait, or waited until somebody decided
    rejections: frozenset[str]


def check_no_ack_lost(
    oracle: Oracle,
    state: Mapping[Key, Mapping[str, Any]],
    ledger: Iterable[LedgerRow],
    inbox: Iterable[InboxRow],
    rejections: Iterable[str],
) -> list[str]:
    """§7 I1: each field of an acknowledged edit is the current value, or stands in the ledger with the winner
    named, or is in the inbox, or it was ``rejected`` and is listed.

    Args:
        oracle: Knows every verdict that was given.
        state: The server's live records, wire form, all fields.
        ledger: All of the server's ledger.
        inbox: All inbox items, the resolved ones too.
        rejections: Mutation ids that the lists of rejections name.
    """
    by_mutation: dict[str, list[LedgerRow]] = defaultdict(list)
    for row in ledger:
        if row.mutation_id is not None:
            by_mutation[row.mutation_id].append(row)
    waiting = frozenset(name for item in inbox for name in item.mutation_ids)
    evidence = Evidence(state, by_mutation, waiting, frozenset(rejections))
    return [error for ack in oracle.verdicts.values() for error in _lost(oracle, ack, evidence)]


def _lost(oracle: Oracle, ack: Ack, evidence: Evidence) -> Iterator[str]:
    mutation, status = ack.mutation, ack.verdict["status"]
    mutation_id = str(mutation["id"]).lower()
    if status == "rejected":
        if mutation_id not in evidence.rejections:
            yield f"I1: {mutation_id} was rejected ({ack.verdict.get('code')}) and is listed nowhere"
        return
    words = outcomes_of(ack.verdict)
    if status == "conflict" and "conflict" not in words.values():
        if mutation_id not in evidence.inbox:
            yield f"I1: {mutation_id} is a conflict ({ack.verdict.get('code')}) and in no inbox item"
        return
    if mutation["op"] not in ("create", "update"):
        if mutation["op"] != "resolve" and not _left_a_trace(evidence, mutation_id, mutation, oracle):
            yield f"I1: {mutation['op']} {mutation_id} was acknowledged and left no trace"
        return
    entity = oracle.entities[str(mutation["entity"])]
    for name, value in (mutation.get("fields") or {}).items():
        field = entity.fields[name]
        word = words.get(name, "applied")
        mine = canonical(field, value)
        if not _is_kept(oracle, evidence, mutation, field, name, mine, word):
            yield f"I1: {mutation_id} {mutation['entity']}.{name} = {value!r} ({word}) is lost"


def _left_a_trace(evidence: Evidence, mutation_id: str, mutation: Mapping[str, Any], oracle: Oracle) -> bool:
    """A command or delete stands in the ledger, or found its work done."""
    if evidence.ledger.get(mutation_id):
        return True
    key = str(mutation["entity"]), str(mutation["record_id"]).lower()
    record = oracle.records.get(key)
    if mutation["op"] == "delete":
        return record is not None and any(change.kind in ("delete", "erase") for change in record.history)
    machine = oracle.entities[key[0]].machine
    if record is None or machine is None or mutation["op"] not in machine.steps:
        return True  # a command of the room
    target = machine.steps[mutation["op"]][1]
    return any(change.values.get(machine.field, (None, None))[1] == target for change in record.history)


def _is_kept(
    oracle: Oracle,
    evidence: Evidence,
    mutation: Mapping[str, Any],
    field: Field,
    name: str,
    mine: Any,
    word: str,
) -> bool:
    """One acknowledged field: current, in the ledger, or in the inbox."""
    mutation_id = str(mutation["id"]).lower()
    if word == "conflict":
        return mutation_id in evidence.inbox
    rows = [row for row in evidence.ledger.get(mutation_id, ()) if row.field == name]
    if word == "superseded":
        return any(row.lost and row.winner for row in rows)
    key = str(mutation["entity"]), str(mutation["record_id"]).lower()
    current = evidence.state.get(key, {}).get(name, UNKNOWN)
    if current is not UNKNOWN and _holds(field, canonical(field, current), mine):
        return True
    if any(not row.lost or row.winner for row in rows):
        return True  # it was written by this very mutation; what overwrote it stands in the ledger, too
    if word != "equal":
        return False
    # somebody else had written the same value before
    record = oracle.records.get(key)
    return record is not None and any(
        name in change.values and change.values[name][1] == mine for change in record.history
    )


def _holds(field: Field, current: Any, mine: Any) -> bool:
    if field.merge is Merge.SET:
        return bool(mine <= current)
    return bool(current == mine or (current in (None, "") and mine in (None, "")))
