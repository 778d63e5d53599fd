"""One mutation under judgement: what is its device's own, what is others', and when it happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sync.policy import Merge, SyncEntity
from tests.simulator.oracle.books import REJECTED, Books
from tests.simulator.oracle.expected import (
    Context,
    Mutation,
)
from tests.simulator.oracle.records import Author, Key, Record, Sent
from tests.simulator.oracle.values import NEVER, Path, Stamp, canonical, instant

TICK = timedelta(microseconds=1)  # "strictly above"


@dataclass(frozen=True, slots=True)
class Case:
    """One mutation under judgement."""

    user: str
    device: str
    mutation: Mutation
    sent_at: datetime
    now: datetime
    context: Context
    entity: SyncEntity
    with_it: frozenset[Key] = frozenset()  # records that its group deletes

    @property
    def id(self) -> str:
        return str(self.mutation["id"]).lower()

    @property
    def op(self) -> str:
        return str(self.mutation["op"])

    @property
    def n(self) -> int:
        return int(self.mutation["n"])

    @property
    def record_id(self) -> str:
        return str(self.mutation["record_id"]).lower()

    @property
    def key(self) -> Key:
        return self.entity.name, self.record_id

    @property
    def author(self) -> Author:
        return Author(self.user, self.device, self.id, self.n)

    @property
    def fields(self) -> Mapping[str, Any]:
        return self.mutation.get("fields") or {}

    @property
    def base_version(self) -> int | None:
        """The version it is based on, 0 where it names none; None where it is of an ended epoch."""
        return int(self.mutation.get("base_version") or 0) if self.context.base_known else None

    def mine(self) -> dict[str, Any]:
        """The sent values of declared fields, canonical."""
        declared = self.entity.fields
        return {
            name: canonical(declared[name], value) for name, value in self.fields.items() if name in declared
        }

    def sent_base(self) -> dict[str, Any]:
        """The old values that the phone sent, canonical."""
        declared = self.entity.fields
        sent = self.mutation.get("base") or {}
        return {name: canonical(declared[name], value) for name, value in sent.items() if name in declared}


class Bench(Books):
    """What §4 and §5 say of own and others' changes, and of corrected time."""

    def _is_own(self, case: Case, author: Author | None) -> bool:
        """§5 "this device's own earlier mutations"; under an older device of the user, whatever came before."""
        if author is None or author.user != case.user:
            return False
        if author.device == case.device:
            return author.n < case.n
        return author.device in self._aliases.get(case.device, ())

    def _own_later(self, case: Case, record: Record, version: int) -> list[Sent]:
        """This device's mutations of the record, judged after the base version, of lower ``n``."""
        own = [
            each
            for each in record.sent
            if self._is_own(case, each.author) and (each.version > version or each.base_version >= version)
        ]
        return sorted(own, key=lambda each: each.author.n)

    def _changed_by_others(self, case: Case, record: Record, version: int, path: Path) -> bool:
        """§5 "Others are all changes after `base_version`, every version between and not only the head"."""
        return any(
            each[: len(path)] == path
            for change in record.after(version)
            if not self._is_own(case, change.author)
            for each in change.paths
        )

    def _fields_of_others(self, case: Case, record: Record, version: int | None) -> set[str]:
        """Fields that others changed since the base, those that the server computed of it included."""
        if (
            version is None
        ):  # §6: "the base is the sent `base`, a field without one counts as changed by others"
            sent = case.sent_base()
            return {
                name
                for name, field in record.entity.fields.items()
                if field.merge is not Merge.READ_ONLY
                and not (name in sent and sent[name] == record.values.get(name))
            }
        found = set[str]()
        for change in record.after(version):
            if not self._is_own(case, change.author):
                found |= {path[0] for path in change.paths if path}
                found |= record.told.get(change.version, frozenset())
        return found & record.entity.fields.keys()

    def _changed_elsewhere(self, case: Case, record: Record, version: int | None) -> bool:
        """Whether "others had changed other fields"."""
        # A field outside the user's shape is not told of (I4), not even that it was changed.
        shape = record.entity.shape_for(self.company.users[case.user].shape)
        shown = set(record.entity.fields_of(shape) if shape else ())
        return bool(self._fields_of_others(case, record, version) & shown - case.fields.keys())

    def _corrected(self, case: Case) -> datetime:
        """§5 corrected time, before its bounds: spans only, never the phone's clock itself."""
        age = case.mutation.get("age_ms")
        if age is not None:
            return case.now - timedelta(milliseconds=age)
        return instant(case.mutation["occurred_at"]) + (case.now - case.sent_at)

    def _floor(self, case: Case, record: Record, version: int | None) -> Stamp:
        """The latest stamp of the version that it was based on and of this device's earlier mutations."""
        own = max((each.stamp for each in record.sent if self._is_own(case, each.author)), default=NEVER)
        return max(own, record.written_at(version) if version else NEVER)

    def _stamp(self, case: Case, record: Record, version: int | None) -> Stamp:
        """The write's stamp: "at most now; strictly above every stamp of the version that it was based on and
        of this device's earlier mutations of the record (the latter rule wins)"."""
        lowest = self._floor(case, record, version).at
        corrected = min(self._corrected(case), case.now)
        return Stamp(max(corrected, lowest + TICK) if lowest > NEVER.at else corrected, case.id)

    def _note_sent(self, case: Case, record: Record, stamp: Stamp) -> None:
        fields = case.mine() if case.op in ("update", "create") else {}
        record.sent.append(
            Sent(
                case.author,
                record.version,
                fields,
                case.op,
                stamp,
                int(case.mutation.get("base_version") or 0),
            )
        )

    def _was_rejected(self, author: Author) -> bool:
        ack = self.verdicts.get((author.user, author.mutation_id))
        return ack is not None and ack.verdict["status"] == REJECTED
