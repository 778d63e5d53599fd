"""What the engine asks of the application while it judges a push."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sync.errors import Refused
from sync.inbox import InboxItem
from sync.policy import SyncEntity
from sync.stores.driver import Said
from sync.wire import Intent


@dataclass(frozen=True, slots=True)
class Checked:
    """Fields of a mutation in canonical wire form; in the ``masked`` ones something was blanked."""

    fields: dict[str, Any]
    masked: frozenset[str] = frozenset()


class Rooms(Protocol):
    """The service functions of the application, with the permissions of the device's user.

    Everything runs in the push transaction. A refusal by a business rule is raised as ``Refused``,
    one by the record's present state as ``Overtaken``,
    one because the record is somebody else's by now as ``HandedOver``, before anything is written.
    """

    def offers(self, entity: SyncEntity, op: str) -> bool:
        """Whether phones may do *op* to such records at all."""

    def check(self, entity: SyncEntity, op: str, fields: Mapping[str, Any]) -> Checked:
        """Validate the shape of *fields* for *op*; raises Refused with pointers."""

    def check_base(
        self, entity: SyncEntity, base: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Old values of *fields* in canonical form; raises Refused where one has the wrong type."""

    def keepable(self, value: Any) -> Any:
        """JSON as it may be kept: without what must never be stored."""

    def sees(self, entity: SyncEntity, record_id: UUID) -> bool:
        """Whether the live record is in the user's scope."""

    def sees_which(self, entity: SyncEntity, ids: Sequence[UUID]) -> set[UUID]:
        """Which of the live records are in the user's scope."""

    def holding(self, entity: SyncEntity, record_id: UUID, fields: Mapping[str, Any]) -> Said:
        """The statement that locks a record in the user's scope which ``update_many`` is about to write."""

    def held(self, entity: SyncEntity, rows: Sequence[Any]) -> bool:
        """Take what that statement gave, so that ``update_many`` need not ask again; gives whether it is in scope.

        No savepoint may be rolled back between the two.
        """

    def takes_many(self, entity: SyncEntity, names: Mapping[str, Any]) -> bool:
        """Whether these fields may be written by ``update_many``: no rule reads them but the record's own."""

    def create(self, entity: SyncEntity, record_id: UUID, fields: Mapping[str, Any], *, at: datetime) -> None:
        """Make a record; *at* is when it happened."""

    def update(self, entity: SyncEntity, record_id: UUID, changes: Mapping[str, Any]) -> int:
        """Write fields; gives the record's version."""

    def update_many(self, entity: SyncEntity, changes: Mapping[UUID, Mapping[str, Any]]) -> dict[UUID, int]:
        """Write fields of many records, all or none; gives their versions."""

    def delete(self, entity: SyncEntity, record_id: UUID) -> None:
        """Delete softly."""

    def command(
        self,
        entity: SyncEntity,
        record_id: UUID,
        name: str,
        arguments: Mapping[str, Any],
        *,
        at: datetime,
        status: str | None,
    ) -> object:
        """Do a command; *status* is the state to judge from where a clock-made one gives way."""

    def open_item(
        self, item: InboxItem, mutation_id: UUID, occurred_at: datetime | None, at: datetime
    ) -> UUID:
        """Put something into the inbox, or join the open item of the same field; gives its id."""

    def refused(self, intent: Intent, refused: Refused) -> None:
        """Told of a refusal, after all that the mutation did was undone."""

    def refusal_of(self, error: Exception) -> Refused | None:
        """A database error that is the mutation's own fault, as a refusal; None for anything else."""

    def is_transient(self, error: Exception) -> bool:
        """Whether the whole chunk should be tried again (deadlock, serialization, lost connection)."""

    def report(self, error: Exception) -> None:
        """Tell the operator of a fault of the server."""
