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
        """The version it is based on; None where that is unknown."""
        version = self.mutation.get("base_version")
        return int(version) if version is not None and self.context.base_known else None

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
            if self._is_own(case, each.author)
            and (each.version > version or (each.version == version and self._was_rejected(each.author)))
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

    def _changed_elsewhere(self, case: Case, record: Record, version: int | None) -> bool | None:
        """Whether "others had changed other fields"; None where that cannot be told."""
        if version is None:
            return None
        others = [change for change in record.after(version) if not self._is_own(case, change.author)]
        if not others:
            return False
        names = {path[0] for change in others for path in change.paths if path}
        # A field outside the user's shape is not told of (I4), not even that it was changed.
        shape = record.entity.shape_for(self.company.users[case.user].shape)
        if names & set(record.entity.fields_of(shape) if shape else ()) - case.fields.keys():
            return True
        computed = any(field.merge is Merge.READ_ONLY for field in record.entity.fields.values())
        return None if computed else False

    def _corrected(self, case: Case) -> datetime:
        """§5 corrected time, before its bounds: spans only, never the phone's clock itself."""
        age = case.mutation.get("age_ms")
        if age is not None:
            return case.now - timedelta(milliseconds=age)
        return instant(case.mutation["occurred_at"]) + (case.now - case.sent_at)

    def _stamps(self, case: Case, record: Record, version: int | None) -> tuple[Stamp, ...]:
        """The write's stamp: "at most now; strictly above every stamp of the version that it was based on and
        of this device's earlier mutations of the record (the latter rule wins)".

        Two of them where others confirmed a value of that very version later: whether such a stamp
        belongs to "the version that it was based on" is not said.
        """
        own = max((each.stamp for each in record.sent if self._is_own(case, each.author)), default=NEVER)
        floors = record.stamps_at(version) if version else (NEVER, NEVER)
        corrected = min(self._corrected(case), case.now)
        found = []
        for floor in floors:
            lowest = max(floor, own).at
            at = max(corrected, lowest + TICK) if lowest > NEVER.at else corrected
            found.append(Stamp(at, case.id))
        return tuple(dict.fromkeys(found))

    def _note_sent(self, case: Case, record: Record, stamp: Stamp) -> None:
        fields = case.mine() if case.op in ("update", "create") else {}
        record.sent.append(Sent(case.author, record.version, fields, case.op, stamp))

    def _was_rejected(self, author: Author) -> bool:
        ack = self.verdicts.get((author.user, author.mutation_id))
        return ack is not None and ack.verdict["status"] == REJECTED
