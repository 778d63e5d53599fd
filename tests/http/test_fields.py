import enum
import json
import unicodedata
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from app.http.fields import (
    FIELD_CODES,
    Boolean,
    BusinessNumber,
    Choice,
    CurrencyCode,
    Day,
    Float,
    Id,
    Integer,
    Json,
    ListOf,
    Money,
    Phone,
    Point,
    Quantity,
    Text,
    Texts,
    Time,
    WireField,
)


class Colour(enum.StrEnum):
    RED = "red"
    GREEN = "green"


TEXT = Text(max=5, min=1, blank=False)
AMOUNT = Money(min=0)
COLOUR = Choice(Colour)
NOT_TEXT: list[Any] = [True, 1, 1.5, ["a"], {"a": 1}]

REFUSED: list[tuple[WireField, Any, str]] = [
    *((TEXT, value, "type_mismatch") for value in NOT_TEXT),
    (TEXT, None, "null_not_allowed"),
    (TEXT, "a\x00b", "char_not_allowed"),
    (TEXT, "\ud800", "char_not_allowed"),
    (TEXT, "a\udfff", "char_not_allowed"),
    (TEXT, "123456", "too_long"),
    (TEXT, "", "too_short"),
    (TEXT, " \t", "blank"),
    (Text(max=5, pattern="[a-z]+"), "a1", "value_invalid"),
    (Integer(), True, "type_mismatch"),
    (Integer(), 1.5, "type_mismatch"),
    (Integer(), "12", "type_mismatch"),
    (Integer(), 2**31, "value_out_of_range"),
    (Integer(), -(2**31) - 1, "value_out_of_range"),
    (Integer(max=2**63 - 1), 2**63, "value_out_of_range"),
    (Integer(min=0), -1, "value_out_of_range"),
    (Boolean(), "yes", "type_mismatch"),
    (Boolean(), "true", "type_mismatch"),
    (Boolean(), 0, "type_mismatch"),
    (Boolean(), 1, "type_mismatch"),
    (AMOUNT, 0.005, "type_mismatch"),
    (AMOUNT, 12.5, "type_mismatch"),
    (AMOUNT, 12, "type_mismatch"),
    (AMOUNT, True, "type_mismatch"),
    (AMOUNT, "0.00005", "too_many_decimals"),
    (AMOUNT, "1.00000", "too_many_decimals"),
    (AMOUNT, "100000000000000", "value_out_of_range"),
    (AMOUNT, "9" * 5000, "decimal_invalid"),
    (AMOUNT, "-1", "value_out_of_range"),
    *(
        (AMOUNT, text, "decimal_invalid")
        for text in ("", "1e3", "NaN", "Infinity", "+1", "01", ".5", "5.", "1,000")
    ),
    *((AMOUNT, text, "decimal_invalid") for text in (" 1", "1\n", "١", "0x1", "1_000")),
    (Quantity(), "0.0000005", "too_many_decimals"),
    (Quantity(), "1000000000000", "value_out_of_range"),
    (Time(), 1_700_000_000, "type_mismatch"),
    (Time(), "1700000000", "timestamp_invalid"),
    *(
        (Time(), text, "timestamp_invalid")
        for text in (
            "now",
            "infinity",
            "today",
            "",
            "2026-11-21",
            "2026-11-21T09:00:00",
            "2026-11-21 09:00:00Z",
            "2026-11-21T09:00Z",
            "20261121T090000Z",
            "2026-11-21T09:00:00z",
            "2026-11-21T09:00:00+0900",
            "2026-11-21T09:00:00,5Z",
            "2026-02-30T09:00:00Z",
            "2026-06-30T23:59:60Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T09:00:00+24:00",
            "294277-01-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "2026-W47-6T09:00:00Z",
            "2026-11-21T09:00:00Z\n",
            "２026-11-21T09:00:00Z",
        )
    ),
    (Time(), "1899-12-31T23:59:59Z", "value_out_of_range"),
    (Time(), "1900-01-01T00:00:00+09:00", "value_out_of_range"),
    (Day(), 20261121, "type_mismatch"),
    *((Day(), text, "date_invalid") for text in ("2026-02-30", "20261121", "today", "2026-11-21T00:00:00Z")),
    (Day(), "1899-12-31", "value_out_of_range"),
    (Id(), 5, "type_mismatch"),
    (Id(), "5", "id_invalid"),
    (Id(), "00000000-0000-0000-0000-000000000000", "id_invalid"),
    (Id(), "{01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d}", "id_not_canonical"),
    (Id(), "01932C5E-8F00-7A3B-9C1D-2E4F5A6B7C8D", "id_not_canonical"),
    (Id(), "01932c5e8f007a3b9c1d2e4f5a6b7c8d", "id_not_canonical"),
    (Id(), "urn:uuid:01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d", "id_not_canonical"),
    (Id(), "01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d\n", "id_invalid"),
    (Id(), "01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8😀", "id_invalid"),
    (Texts(), "dealer", "type_mismatch"),
    (Texts(), {"a": 1}, "type_mismatch"),
    (Texts(), ["a", "a"], "duplicate_item"),
    (Texts(), ["한", unicodedata.normalize("NFD", "한")], "duplicate_item"),
    (Texts(), [str(i) for i in range(101)], "too_many_items"),
    (Point(), [37.5, 127.0], "type_mismatch"),
    (Point(), "37.5,127", "type_mismatch"),
    (Point(), {"lat": 0, "lon": 0}, "value_out_of_range"),
    (Point(), {"lat": 0.0, "lon": -0.0}, "value_out_of_range"),
    (COLOUR, "blue", "choice_unknown"),
    (COLOUR, "RED", "choice_unknown"),
    (COLOUR, 1, "type_mismatch"),
    (CurrencyCode(), "krw", "currency_invalid"),
    (CurrencyCode(), "WON₩", "currency_invalid"),
    (CurrencyCode(), 410, "type_mismatch"),
    (Phone(), 1012345678, "type_mismatch"),
    (Phone(), "call me", "phone_invalid"),
    (Phone(), "0" * 100, "phone_invalid"),
    (Phone(), "010\x001234", "char_not_allowed"),
    (BusinessNumber(), "123-45-67890", "business_number_invalid"),
    (BusinessNumber(), 1234567891, "type_mismatch"),
    (Json(), {"a": ["\x00"]}, "char_not_allowed"),
    (Json(), {"\x00": 1}, "char_not_allowed"),
    (Json(max=100), {"a": "x" * 200}, "too_long"),
    (Float(min=0, max=10), float("nan"), "value_out_of_range"),
    (Float(min=0, max=10), float("inf"), "value_out_of_range"),
    (Float(min=0, max=10), True, "type_mismatch"),
    (Float(min=0, max=10), "1", "type_mismatch"),
    (ListOf(Id(), min_items=1), [], "too_few_items"),
    (ListOf(Integer(), max_items=1), [1, 2], "too_many_items"),
    (ListOf(Integer(), unique=True), [1, 1], "duplicate_item"),
]


@pytest.mark.parametrize(("field", "value", "code"), REFUSED)
def test_a_bad_value_is_refused_by_its_code(field: WireField, value: Any, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        field.deserialize(value)

    assert refused.value.messages == [code]
    assert code in FIELD_CODES


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ({"lat": 91, "lon": 127}, {"lat": ["value_out_of_range"]}),
        ({"lat": 37, "lon": -181}, {"lon": ["value_out_of_range"]}),
        ({"lat": "37.5", "lon": 127}, {"lat": ["type_mismatch"]}),
        ({"lat": True, "lon": None}, {"lat": ["type_mismatch"], "lon": ["type_mismatch"]}),
        ({"lat": float("nan"), "lon": 127}, {"lat": ["value_out_of_range"]}),
        ({"lat": 37}, {"lon": ["required"]}),
        ({"lat": 37, "lon": 127, "alt": 5}, {"alt": ["unknown_field"]}),
    ],
)
def test_a_bad_point_names_the_bad_part(value: Any, messages: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        Point().deserialize(value)

    assert refused.value.messages == messages


def test_a_bad_item_of_a_list_is_named_by_its_place() -> None:
    with pytest.raises(ValidationError) as refused:
        Texts().deserialize(["a", 1, " "])

    assert refused.value.messages == {1: ["type_mismatch"], 2: ["blank"]}


@pytest.mark.parametrize(
    ("field", "sent", "loaded"),
    [
        (Text(max=9), "한국 (주)\n", "한국 (주)\n"),
        (Text(max=9), unicodedata.normalize("NFD", "한"), unicodedata.normalize("NFD", "한")),
        (Text(max=9, nfc=True), unicodedata.normalize("NFD", "한"), "한"),
        (Text(max=2), "😀😀", "😀😀"),
        (Text(max=99), "=HYPERLINK(1)", "=HYPERLINK(1)"),
        (Integer(), -(2**31), -(2**31)),
        (Boolean(), False, False),
        (Money(), "-0.5", Decimal("-0.5")),
        (Integer(), 3.0, 3),
        (Money(), "99999999999999.9999", Decimal("99999999999999.9999")),
        (Quantity(), "0.000001", Decimal("0.000001")),
        (Id(), "01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d", UUID("01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d")),
        (Time(), "2026-11-21T18:00:00+09:00", datetime(2026, 11, 21, 9, tzinfo=UTC)),
        (Time(), "2026-11-21T09:00:00.1Z", datetime(2026, 11, 21, 9, 0, 0, 100_000, tzinfo=UTC)),
        (Time(), "2026-11-21T09:00:00.123456789Z", datetime(2026, 11, 21, 9, 0, 0, 123_456, tzinfo=UTC)),
        (Day(), "2028-02-29", date(2028, 2, 29)),
        (Texts(), ["b", "a"], ["b", "a"]),
        (Point(), {"lat": 37, "lon": 126.978}, [37.0, 126.978]),
        (Choice(Colour), "red", Colour.RED),
        (CurrencyCode(), "KRW", "KRW"),
        (Phone(), "02-555-0100", "+8225550100"),
        (BusinessNumber(), "1234567891", "123-45-67891"),
        (Json(), {"a": [1, None, {"b": "한"}]}, {"a": [1, None, {"b": "한"}]}),
        (Float(min=0, max=500), 12, 12.0),
        (Text(max=5, allow_none=True), None, None),
    ],
)
def test_a_good_value_is_loaded(field: WireField, sent: Any, loaded: Any) -> None:
    assert field.deserialize(sent) == loaded


@pytest.mark.parametrize(
    ("field", "value", "dumped"),
    [
        (Money(), Decimal("1200.5"), "1200.5000"),
        (Money(), Decimal("1E+3"), "1000.0000"),
        (Money(), Decimal("0E-10"), "0.0000"),
        (Quantity(), Decimal("12.5"), "12.500000"),
        (Time(), datetime(2026, 11, 21, 9, tzinfo=UTC), "2026-11-21T09:00:00.000000Z"),
        (Day(), date(2026, 11, 21), "2026-11-21"),
        (Point(), [37.0, 126.978], {"lat": 37, "lon": 126.978}),
        (Choice(Colour), Colour.RED, "red"),
        (Texts(), ("b", "a"), ["b", "a"]),
        (Time(), None, None),
        (Point(), None, None),
    ],
)
def test_a_value_is_dumped_in_its_one_wire_form(field: WireField, value: Any, dumped: Any) -> None:
    found = field.serialize("x", {"x": value})

    assert json.dumps(found) == json.dumps(dumped)


def test_a_time_before_the_year_1000_is_dumped_with_four_digits() -> None:
    assert Time().serialize("x", {"x": datetime(1, 1, 1, tzinfo=UTC)}) == "0001-01-01T00:00:00.000000Z"


@given(st.decimals(min_value=-(10**14) + 1, max_value=10**14 - 1, places=4))
def test_money_survives_the_wire_unchanged(amount: Decimal) -> None:
    sent = Money().serialize("x", {"x": amount})

    assert Money().deserialize(sent) == amount


@given(st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001  (made aware)
def test_a_time_survives_the_wire_unchanged(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)

    assert Time().deserialize(Time().serialize("x", {"x": aware})) == aware


@given(
    st.from_type(object).filter(lambda v: not isinstance(v, type)) | st.text() | st.floats() | st.integers()
)
def test_no_value_at_all_makes_a_field_fail_otherwise_than_by_a_code(value: Any) -> None:
    fields = (TEXT, Integer(), Boolean(), AMOUNT, Quantity(), Time(), Day(), Id(), Texts(), Point(), COLOUR)
    for field in (*fields, CurrencyCode(), Phone(), BusinessNumber(), Json()):
        with suppress(ValidationError):
            field.deserialize(value)
