"""The wire form of visits."""

from typing import Any

import pytest
from marshmallow import ValidationError

from app.core.ids import new_id
from app.visits import service
from app.visits.schemas import COMMAND_SCHEMAS, VisitCreateSchema, VisitSchema, VisitTaskSchema
from app.visits.sync import TASK_FIELDS, VISIT
from sync.policy import Merge

ACCOUNT = str(new_id())
START = "2026-11-21T09:00:00Z"


def problems(values: dict[str, Any]) -> Any:
    with pytest.raises(ValidationError) as refused:
        VisitCreateSchema().load(values)
    return refused.value.messages


class TestVisitSchema:
    def test_has_the_fields_of_the_feed_in_its_order(self) -> None:
        assert list(VisitSchema().dump_fields) == ["id", "version", *VISIT.fields]

    def test_has_the_rows_of_the_feed_in_their_order(self) -> None:
        assert list(VisitTaskSchema().dump_fields) == ["id", *TASK_FIELDS]

    def test_refuses_exactly_what_the_server_owns(self) -> None:
        owned = {name for name, field in VISIT.fields.items() if field.merge is Merge.READ_ONLY}
        assert {name for name, field in VisitSchema().fields.items() if field.dump_only} == {
            "id",
            "version",
            *owned,
        }

    def test_has_arguments_for_every_command(self) -> None:
        assert set(COMMAND_SCHEMAS) == set(service.COMMANDS)
        declared = {*(VISIT.machine.steps if VISIT.machine else ()), *VISIT.commands}
        assert declared - set(COMMAND_SCHEMAS) == {"collect_payment"}, (
            "another room's, which knows its arguments"
        )

    def test_wants_a_time_for_a_plan(self) -> None:
        assert problems({"account_id": ACCOUNT}) == {"planned_start": ["required"]}

    def test_wants_none_for_an_unplanned_visit(self) -> None:
        assert VisitCreateSchema().load({"account_id": ACCOUNT, "unplanned": True})["unplanned"]

    def test_refuses_a_status(self) -> None:
        values = {"account_id": ACCOUNT, "planned_start": START, "status": "verified"}
        assert problems(values) == {"status": ["read_only_field"]}

    def test_refuses_a_task_without_a_title(self) -> None:
        values = {"account_id": ACCOUNT, "planned_start": START, "tasks": [{"kind": "survey"}]}
        assert problems(values) == {"tasks": {0: {"title": ["required"]}}}
