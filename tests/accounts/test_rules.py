"""Rules that hold wherever values come from."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.accounts.service.rules import mask_free_text, masked_fields, not_in_the_future, wrong_fields

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


class TestWrongFields:
    def test_finds_nothing_in_right_values(self) -> None:
        values = {
            "name": "가람상사",
            "kinds": ["customer", "partner"],
            "email": "office@example.com",
            "time_zone": "Asia/Seoul",
            "credit_limit": Decimal(100),
            "credit_currency": "KRW",
            "tags": ["겨울"],
        }

        assert wrong_fields(values) == {}

    @pytest.mark.parametrize(
        ("values", "field", "code"),
        [
            ({"name": " "}, "name", "name_missing"),
            ({"name": None}, "name", "name_missing"),
            ({"name": "가" * 201}, "name", "too_long"),
            ({"kinds": ["friend"]}, "kinds", "choice_unknown"),
            ({"email": "office@example"}, "email", "email_invalid"),
            ({"email": "a@b.c, d@e.f"}, "email", "email_invalid"),
            ({"time_zone": "Seoul"}, "time_zone", "time_zone_unknown"),
            ({"time_zone": None}, "time_zone", "time_zone_unknown"),
            ({"credit_limit": Decimal(-1), "credit_currency": "KRW"}, "credit_limit", "value_out_of_range"),
            ({"credit_limit": Decimal(1)}, "credit_currency", "currency_missing"),
            ({"credit_currency": "WON"}, "credit_currency", "currency_unknown"),
            ({"credit_currency": 3 * "X"}, "credit_currency", "currency_unknown"),
            ({"credit_limit": Decimal("0.5"), "credit_currency": "KRW"}, "credit_limit", "too_many_decimals"),
            (
                {"estimated_wallet": Decimal("0.005"), "estimated_wallet_currency": "USD"},
                "estimated_wallet",
                "too_many_decimals",
            ),
            ({"tags": ["x" * 61]}, "tags", "too_long"),
            ({"tags": [str(n) for n in range(51)]}, "tags", "too_many_items"),
        ],
    )
    def test_says_what_is_wrong(self, values: dict[str, Any], field: str, code: str) -> None:
        assert wrong_fields(values) == {field: code}

    @pytest.mark.parametrize(
        ("amount", "currency"),
        [("1000.0000", "KRW"), ("0.0500", "USD"), ("0.005", "KWD"), ("0", "KRW"), ("1E+3", "KRW")],
    )
    def test_counts_no_decimals_that_say_nothing(self, amount: str, currency: str) -> None:
        assert wrong_fields({"credit_limit": Decimal(amount), "credit_currency": currency}) == {}

    def test_does_not_ask_for_absent_fields(self) -> None:
        assert wrong_fields({}) == {}


class TestMaskFreeText:
    def test_masks_texts_and_tags(self) -> None:
        values = {"notes": "담당 900101-1234567", "tags": ["단골", "9001011234567"], "code": "9001011234567"}

        clean, masked = mask_free_text(values)

        assert clean == {
            "notes": "담당 900101-*******",
            "tags": ["단골", "900101-*******"],
            "code": "9001011234567",
        }
        assert masked == {"notes", "tags"}

    def test_leaves_its_input_alone(self) -> None:
        values = {"notes": "900101-1234567"}

        mask_free_text(values)

        assert values == {"notes": "900101-1234567"}

    def test_names_the_fields_without_masking(self) -> None:
        assert masked_fields({"notes": "900101-1234567", "name": "가람"}) == {"notes"}


class TestNotInTheFuture:
    def test_holds_a_wrong_clock_at_the_server_time(self) -> None:
        assert not_in_the_future({"last_visited_at": NOW + timedelta(days=3650)}, NOW) == {
            "last_visited_at": NOW
        }

    def test_leaves_the_past_alone(self) -> None:
        assert not_in_the_future({"last_visited_at": NOW - timedelta(days=1)}, NOW) == {
            "last_visited_at": NOW - timedelta(days=1)
        }
