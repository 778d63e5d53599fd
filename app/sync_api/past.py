"""A record as it was at earlier versions, for clients that tell no old values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from sync.judgement import Judgement
from sync.policy import SyncEntity
from sync.stamps import Stamp
from sync.states import HistoryAsked, LedgerRow, RecordState
from sync.stores.push import PushStore


@dataclass(frozen=True, slots=True)
class Past:
    """What the ledger holds of one record."""

    entity: SyncEntity
    state: RecordState
    ledger: Sequence[LedgerRow]

    @classmethod
    def of(cls, store: PushStore, entity: SyncEntity, record_id: UUID) -> Self | None:
        """Read it; None where the record is not there."""
        state = store.record(entity, record_id)
        if state is None:
            return None
        return cls(entity, state, store.history(HistoryAsked(entity.name, record_id, 0, 0), []).ledger)

    def versions(self, most: int) -> list[int]:
        """The newest versions, at most so many, the newest last."""
        return sorted({row.version for row in self.ledger} | {self.state.version})[-most:]

    def at(self, version: int) -> dict[str, Any]:
        """The fields as they were at a version."""
        later = [row for row in self.ledger if row.version > version]
        judgement = Judgement.of(
            self.entity, self.state, later, (), base_version=version, stamp=Stamp("", ""), floor=None
        )
        return {name: judgement.reckoned(name) for name in self.entity.fields}
