"""Mutations as phones send them, without a database."""

import json
from typing import Any
from uuid import UUID

import pytest

from sync.wire import Mutation, envelope_of, is_id, payload_of

ID = "6f1f7a52-5d2e-4d37-9f4b-0c1c2f7d9a01"


class TestPayloadOf:
    @pytest.mark.parametrize(
        "value",
        ["a\x00", "\ud800", 1 << 63, -(1 << 63) - 1, 10**39, 1e300, -1e20, float("inf"), float("nan")],
    )
    def test_keeps_what_the_database_cannot_as_a_text_of_json(self, value: Any) -> None:
        raw = {"fields": {"글": [value]}}

        assert payload_of(raw) == json.dumps(json.dumps(raw))

    @pytest.mark.parametrize(
        "value", ["글", "\\u0000", "NaN", "9" * 40, (1 << 63) - 1, 1e-300, 0.1, None, True]
    )
    def test_keeps_all_else_as_it_is(self, value: Any) -> None:
        raw = {"fields": {"글": [value]}}

        assert payload_of(raw) == json.dumps(raw)


class TestIsId:
    @pytest.mark.parametrize(
        "value", [str(UUID(int=0)), ID.upper(), ID.replace("-", ""), f"{ID}\n", f"{{{ID}}}", None, 7, [ID]]
    )
    def test_refuses_what_is_not_canonical(self, value: Any) -> None:
        assert not is_id(value)

    def test_takes_what_has_a_single_digit_that_is_not_nil(self) -> None:
        assert is_id(str(UUID(int=1)))


class TestEnvelope:
    def test_of_a_mutation_that_says_nothing_is_empty(self) -> None:
        envelope = envelope_of(Mutation(UUID(ID), 1, {"id": ID, "entity": None, "group": 0}))

        assert (envelope.entity, envelope.op) == ("", "")
        assert envelope.record_id is envelope.base_version is envelope.group is envelope.occurred_at is None
