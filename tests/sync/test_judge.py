"""Judging without a database: what no entity of this application and no quiet moment leads to."""

from dataclasses import replace
from typing import Any
from unittest.mock import create_autospec
from uuid import UUID, uuid4

import pytest

from app.core.clock import utc_now
from sync.errors import Refused
from sync.inbox import InboxItem
from sync.judge import Judge, Sender
from sync.policy import SyncEntity, last_write
from sync.registry import Registry
from sync.rooms import Checked, Rooms
from sync.states import History, RecordState
from sync.stores.push import PushStore, RecordUnreadable
from sync.wire import intent_of, mutations_of

STOCK = SyncEntity(
    "stock",
    "stocks",
    fields={"name": last_write(), "account_id": last_write()},
    buckets="",
    commands=("count",),
)
SENDER = Sender(user_id=uuid4(), device_id=uuid4(), shape_class="sales", now=utc_now(), sent_at=None)


class Case:
    """One mutation on one record, which the user sees unless it is said otherwise."""

    def __init__(self, op: str = "update", entity: SyncEntity = STOCK) -> None:
        raw = {"id": str(uuid4()), "n": 1, "entity": "stock", "record_id": str(uuid4()), "op": op}
        (mutation,) = mutations_of({"mutations": [raw | {"fields": {"name": "가"}}]})
        self.account_id = uuid4()
        self.store = create_autospec(PushStore, instance=True)
        self.store.record.return_value = self.record()
        self.store.was_given.return_value = False
        self.store.create_did_not_pass.return_value = False
        self.store.history.return_value = History()
        self.store.account_of.return_value = self.account_id
        self.rooms = create_autospec(Rooms, instance=True)
        self.rooms.sees.return_value = True
        self.rooms.check.side_effect = lambda _entity, _op, fields: Checked(dict(fields))
        self.rooms.keepable.side_effect = lambda value: value
        self.rooms.open_item.return_value = uuid4()
        self.judge = Judge(
            intent_of(mutation), self.store, Registry.of([entity], ""), self.rooms, SENDER, [SENDER.device_id]
        )

    def record(self) -> RecordState:
        fields: dict[str, Any] = {"name": "나", "account_id": str(self.account_id)}
        return RecordState(version=3, deleted=False, fields=fields, stamps={}, row_stamps={})

    def leave_the_scope(self) -> None:
        """The phone was given the record; now its user sees it no more."""
        self.rooms.sees.return_value = False
        self.store.was_given.return_value = True

    @property
    def item(self) -> InboxItem:
        """What was put into the inbox."""
        item: InboxItem = self.rooms.open_item.call_args.args[0]
        return item


class TestWorkOnARecordThatIsSeen:
    def test_and_vanishes_before_it_is_read_is_not_found(self) -> None:
        case = Case()
        case.store.record.return_value = None

        with pytest.raises(Refused, match="not_found"):
            case.judge.decide()

    def test_and_vanishes_before_it_is_read_depends_on_a_create_that_was_rejected(self) -> None:
        case = Case()
        case.store.record.return_value = None
        case.store.create_did_not_pass.return_value = True

        with pytest.raises(Refused, match="depends_on"):
            case.judge.decide()


class TestWorkOnALostRecord:
    def test_names_the_account_in_its_item(self) -> None:
        case = Case()
        case.leave_the_scope()

        case.judge.decide()

        assert (case.item.kind, case.item.account_id) == ("out_of_scope", case.account_id)

    def test_of_an_entity_that_hangs_on_no_account_names_none(self) -> None:
        case = Case(entity=replace(STOCK, account_field=None))
        case.leave_the_scope()

        case.judge.decide()

        assert (case.item.kind, case.item.account_id) == ("out_of_scope", None)

    def test_by_a_command_that_is_no_step_of_a_machine_is_not_found(self) -> None:
        case = Case("count")
        case.leave_the_scope()

        with pytest.raises(Refused, match="not_found"):
            case.judge.decide()
        case.rooms.open_item.assert_not_called()


class TestARecordThatNobodyCanRead:
    @pytest.mark.parametrize("error", [RecordUnreadable("stock"), ValueError("another fault")])
    @pytest.mark.parametrize("sees", [True, False])
    def test_is_decided_on_by_the_managers_of_its_account_only_where_its_author_sees_it(
        self, error: Exception, sees: bool
    ) -> None:
        case = Case()
        case.rooms.sees.return_value = sees

        case.judge.failed(error)

        told: UUID | None = case.account_id if sees and isinstance(error, RecordUnreadable) else None
        assert (case.item.kind, case.item.account_id) == ("failed", told)
