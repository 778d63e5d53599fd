"""The model's books: records, ledger, inbox and verdicts of one company, and writes that come from no phone."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sync.policy import Kind, Merge, SyncEntity
from tests.simulator.oracle.company import DECIDE_SCOPE, Company, Delegation, Member, Territory, User
from tests.simulator.oracle.expected import Mutation, Verdict
from tests.simulator.oracle.merging import Loss
from tests.simulator.oracle.records import Author, Change, Key, Record
from tests.simulator.oracle.values import UNKNOWN, Path, Stamp, canonical

REJECTED = "rejected"
# Kinds of change that are more than their fields.
GONE: Path = ("deleted_at",)
EVENTS: Mapping[str, frozenset[Path]] = {kind: frozenset({GONE}) for kind in ("delete", "erase", "restore")}
# product.md: where a record begins, if its creator does not say so.
INITIAL: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "visit": lambda fields: "checked_in" if fields.get("unplanned") is True else "planned",
    "task": lambda fields: "open",
}


@dataclass(slots=True)
class Item:
    """§4 inbox: one open item for each (record, field), or one whole mutation."""

    kind: str
    key: Key
    field: str | None
    mutations: list[tuple[str, str]]  # (user, mutation id): the author's first, then later losers
    mine: Any = None
    base: Any = None
    open: bool = True
    server_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """A verdict that was given: what I1 speaks of."""

    user: str
    device: str
    mutation: Mutation
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Lost:
    """A losing value, its record and its mutation."""

    key: Key
    mutation_id: str
    loss: Loss


@dataclass(slots=True)
class Parked:
    user: str
    mutation: Mutation
    until: datetime


class Books:
    """All that the model remembers, and how a committed write changes it."""

    def __init__(self, entities: Mapping[str, SyncEntity]) -> None:
        """An empty company with records of these entities."""
        self.entities = dict(entities)
        self.records: dict[Key, Record] = {}
        self.company = Company(self.records)
        self.verdicts: dict[tuple[str, str], Ack] = {}
        self.inbox: list[Item] = []
        self.losses: list[Lost] = []
        self.rejected: list[Ack] = []
        self._open: dict[tuple[Key, str], Item] = {}
        self._aliases: dict[str, set[str]] = {}
        self._judged: dict[str, set[int]] = {}
        self._groups: dict[tuple[str, str], frozenset[str]] = {}
        self._rejected_creates: dict[str, set[Key]] = {}
        self._given: dict[str, set[Key]] = {}
        self._maybe_given: dict[str, set[Key]] = {}
        self._subscribed: dict[str, set[tuple[str, str]]] = {}
        self._ever_in: dict[Key, set[tuple[str, str]]] = {}
        self._parked: dict[Key, list[Parked]] = {}
        self._checks: dict[tuple[Key, str], Callable[[Any], bool]] = {}
        self._loose: set[Key] = set()  # records whose version only the server knows
        self._transaction: dict[Key, int] | None = None

    # The company

    def upsert_user(self, user_id: str, *, role: str, unit: str | None = None, active: bool = True) -> None:
        """A person came or changed."""
        self.company.users[user_id] = User(user_id, role, unit, active)

    def upsert_unit(self, unit_id: str, *, parent: str | None = None) -> None:
        """An org unit came or moved."""
        self.company.units[unit_id] = parent

    def upsert_territory(
        self,
        territory_id: str,
        *,
        parent: str | None = None,
        valid_from: date | None = None,
        valid_to: date | None = None,
        deleted: bool = False,
    ) -> None:
        """A territory came or changed."""
        self.company.territories[territory_id] = Territory(
            territory_id, parent, valid_from, valid_to, deleted
        )

    def upsert_member(
        self,
        member_id: str,
        *,
        territory: str,
        user: str,
        kind: str = "owner",
        valid_from: date | None = None,
        valid_to: date | None = None,
        deleted: bool = False,
    ) -> None:
        """A membership of a territory came or changed."""
        self.company.members[member_id] = Member(
            member_id, territory, user, kind, valid_from, valid_to, deleted
        )

    def upsert_delegation(
        self,
        delegation_id: str,
        *,
        from_user: str,
        to_user: str,
        starts: datetime,
        ends: datetime,
        deleted: bool = False,
    ) -> None:
        """Somebody lent their territories."""
        self.company.delegations[delegation_id] = Delegation(
            delegation_id, from_user, to_user, starts, ends, deleted
        )

    def in_scope(self, user_id: str, entity: str, record_id: str, now: datetime) -> bool:
        """Whether the user may see and change a live record."""
        return self.company.in_scope(user_id, entity, record_id, now)

    def given(self, user_id: str, ids: Iterable[Key], now: datetime) -> None:
        """An answer carried these records to a device of the user (§3 "unsent work").

        The server keeps positions of buckets, not names of records: whatever stood in a bucket that the
        user was subscribed to then may count as given, too.
        """
        self._given.setdefault(user_id, set()).update(ids)
        self._subscribed.setdefault(user_id, set()).update(self.company.subscriptions(user_id, now))

    def maybe_given(self, user_id: str, ids: Iterable[Key], now: datetime) -> None:
        """An answer that the harness cannot be sure of."""
        self._maybe_given.setdefault(user_id, set()).update(ids)
        self._subscribed.setdefault(user_id, set()).update(self.company.subscriptions(user_id, now))

    def _note_buckets(self, record: Record, now: datetime, written: Iterable[str] = DECIDE_SCOPE) -> None:
        """Remember the buckets of a record and of all that hang on the same account."""
        if DECIDE_SCOPE.isdisjoint(written):
            return
        name = record.values.get("account_id")
        account = record if record.entity.name == "account" else self.records.get(("account", name or ""))
        family = [record] if account is None else [account, *self.company.children_of(account.id)]
        for each in family:
            self._ever_in.setdefault(each.key, set()).update(self.company.buckets_of(each, now))

    def told(self, entity: str, record_id: str, version: int, fields: Iterable[str]) -> None:
        """The server's ledger says which fields a version changed: what it computes nobody writes."""
        record = self.records.get((entity, record_id))
        if record is not None:
            record.told[version] = record.told.get(version, frozenset()) | frozenset(fields)

    # Writes by nobody's phone

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """§1 version: "+1 for each transaction that changes the record or its parts"."""
        outer, self._transaction = self._transaction, {}
        try:
            yield
        finally:
            self._transaction = outer

    def server_write(
        self,
        entity: str,
        record_id: str,
        kind: str,
        fields: Mapping[str, Any] | None = None,
        *,
        now: datetime,
        version: int | None = None,
        by: Author | None = None,
    ) -> int:
        """A committed write of REST, a job or a person in psql, stamped with the clock (§5).

        Args:
            entity: Kind of the record.
            record_id: Of the record.
            kind: insert, update, delete (soft), restore or erase (a physical DELETE).
            fields: What it wrote; rows as a whole list.
            now: The database's clock at the write.
            version: The record's version afterwards, where known.
            by: For side effects of a mutation on another record.

        Returns:
            The record's version afterwards.
        """
        declared = self.entities[entity]
        record = self.records.setdefault((entity, record_id), Record(declared, record_id))
        self._note_buckets(record, now)
        values = {
            name: canonical(declared.fields[name], value)
            for name, value in (fields or {}).items()
            if name in declared.fields
        }
        stamp = Stamp(now, by.mutation_id if by else "")
        if kind == "insert":
            self._insert(record, values, stamp, by, version)
        elif kind in ("delete", "erase"):
            self._change(record, {}, {(): stamp}, stamp, by, kind, version)
        else:
            changed = _changed_paths(declared, record.values, values)
            stamps = dict.fromkeys(changed, stamp)
            if changed or kind == "restore":
                self._change(record, values, stamps, stamp, by, kind, version)
        self._note_buckets(record, now)
        return record.version

    def _insert(
        self,
        record: Record,
        values: Mapping[str, Any],
        stamp: Stamp,
        author: Author | None,
        version: int | None,
    ) -> None:
        """§1: "an INSERT takes the version after the ledger's last of that id"."""
        record.stamps.clear()
        whole = dict.fromkeys(record.entity.fields, UNKNOWN) | dict(values)
        machine = record.entity.machine
        if machine and whole.get(machine.field) is UNKNOWN and record.entity.name in INITIAL:
            whole[machine.field] = INITIAL[record.entity.name](values)
        if author and whole.get("author_id") is UNKNOWN:
            whole["author_id"] = author.user
        if author and record.entity.name == "account":
            self._own(author, whole)
        self._change(record, whole, {(): stamp}, stamp, author, "insert", version)

    def _own(self, author: Author, account: dict[str, Any]) -> None:
        """product.md: reps own what they create, and so do managers who name neither owner nor territory."""
        names = (account.get(name) not in (None, UNKNOWN) for name in ("owner_id", "territory_id"))
        has_owner, has_territory = names
        role = self.company.users[author.user].role
        is_reps = role == "rep" and account.get("owner_id") is UNKNOWN
        if is_reps or (role in ("rep", "manager") and not has_owner and not has_territory):
            account["owner_id"] = author.user

    def _change(
        self,
        record: Record,
        values: Mapping[str, Any],
        stamps: Mapping[Path, Stamp],
        stamp: Stamp,
        author: Author | None,
        kind: str,
        version: int | None,
    ) -> list[str]:
        """Write values and stamps; a version, and a row of the ledger, if anything changed by it."""
        errors: list[str] = []
        paths = _changed_paths(record.entity, record.values, values)
        happened = bool(paths) or kind != "update"
        old = {name: record.values.get(name) for name in values if _touched(name, paths)}
        if happened:
            errors = self._step(record, version)
        record.values.update(values)
        record.stamps.update(stamps)
        for name in values:
            self._checks.pop((record.key, name), None)
        if not happened:
            return errors
        record.deleted = kind in ("delete", "erase") or (record.deleted and kind == "update")
        record.erased = kind == "erase" or (record.erased and kind == "update")
        pairs = {name: (before, values[name]) for name, before in old.items()}
        paths |= EVENTS.get(kind, frozenset())
        record.history.append(Change(record.version, pairs, frozenset(paths), stamp, author, kind))
        self._forget_computed(record, values)
        return errors

    def _step(self, record: Record, told: int | None) -> list[str]:
        """Take the record's next version; the server may cut a request into several transactions."""
        done = self._transaction.get(record.key) if self._transaction is not None else None
        likely = record.version + 1 if done is None else record.version
        legal = {likely, record.version + 1}
        version = likely if told is None else told
        errors = []
        if version not in legal and record.key not in self._loose:
            errors = [f"version {version} after {record.version}, expected one of {sorted(legal)} (§1)"]
        self._loose.discard(record.key)
        record.version = version
        if self._transaction is not None:
            self._transaction[record.key] = version
        return errors

    def _forget_computed(self, record: Record, written: Mapping[str, Any]) -> None:
        """What the server computes may follow any change; only ``adopt`` tells."""
        machine = record.entity.machine
        kept = {machine.field if machine else "", "author_id", *written}
        for name, field in record.entity.fields.items():
            if field.merge is Merge.READ_ONLY and name not in kept:
                record.values[name] = UNKNOWN


def _changed_paths(entity: SyncEntity, before: Mapping[str, Any], values: Mapping[str, Any]) -> set[Path]:
    """What exactly differs: fields, elements of sets, rows, fields of rows."""
    found: set[Path] = set()
    for name, new in values.items():
        old = before.get(name)
        kind = entity.fields[name].kind
        if old is UNKNOWN or new is UNKNOWN or kind not in (Kind.TEXTS, Kind.ROWS):
            if old is UNKNOWN or new is UNKNOWN or old != new:
                found.add((name,))
        elif kind is Kind.TEXTS:
            found |= {(name, element) for element in (old or frozenset()) ^ new}
        else:
            found |= _changed_rows(name, old or {}, new)
    return found


def _changed_rows(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> set[Path]:
    found: set[Path] = {(name, row_id) for row_id in old.keys() ^ new.keys()}
    for row_id in old.keys() & new.keys():
        one, other = old[row_id], new[row_id]
        found |= {
            (name, row_id, each) for each in one.keys() | other.keys() if one.get(each) != other.get(each)
        }
    return found


def _touched(name: str, paths: Iterable[Path]) -> bool:
    return any(path[0] == name for path in paths)
