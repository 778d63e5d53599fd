"""Canonical wire values."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.policy import Field, Kind, Merge, last_write, merged, read_only, rows, text_set
from sync.values import canonical, from_ledger, in_utc, loads, moment_at, row_order, same, whole, wire_time

LINES = rows(
    "order_lines",
    "order_id",
    {
        "position": last_write(Kind.INTEGER),
        "price": last_write(Kind.MONEY),
        "product": Field(Merge.LAST_WRITE, Kind.ID, column="product_id"),
    },
)
LINE_ID = "0190aaaa-0000-7000-8000-00000000000a"
OTHER_ID = "0190aaaa-0000-7000-8000-00000000000b"


class TestPoint:
    def test_knows_no_minus_zero(self) -> None:
        for point in ([-0.0, -0.0], {"lat": -0.0, "lon": -0.0}):
            assert str(canonical(last_write(Kind.POINT), point)) == "{'lat': 0.0, 'lon': 0.0}"


class TestWholeNumber:
    @pytest.mark.parametrize(
        ("value", "expected"), [(1.0, 1), (-3.0, -3), (1.5, 1.5), (7, 7), ("1.0", "1.0")]
    )
    def test_is_an_integer_however_json_wrote_it(self, value: Any, expected: Any) -> None:
        assert (whole(value), type(whole(value))) == (expected, type(expected))


class TestLedgerValue:
    @pytest.mark.parametrize(
        ("kind", "kept", "expected"),
        [
            (Kind.TEXT, "서울", "서울"),
            (Kind.INTEGER, 12, 12),
            (Kind.BOOLEAN, False, False),
            (Kind.MONEY, 12, "12.0000"),
            (Kind.MONEY, 12.5, "12.5000"),
            (Kind.MONEY, "0.0500", "0.0500"),
            (Kind.MONEY, Decimal("99999999999999.9999"), "99999999999999.9999"),
            (Kind.MONEY, "NaN", "NaN"),
            (Kind.QUANTITY, Decimal("1.5"), "1.500000"),
            (Kind.TIME, "2026-11-21T09:00:00+00:00", "2026-11-21T09:00:00.000000Z"),
            (Kind.TIME, "2026-11-21T09:00:00.12+00:00", "2026-11-21T09:00:00.120000Z"),
            (Kind.TIME, "2026-11-21T18:00:00+09:00", "2026-11-21T09:00:00.000000Z"),
            (Kind.TIME, "2026-11-21T09:00:00", "2026-11-21T09:00:00.000000Z"),
            (Kind.TIME, "infinity", "infinity"),
            (Kind.DATE, "2026-11-21", "2026-11-21"),
            (Kind.ID, LINE_ID.upper(), LINE_ID),
            (Kind.TEXTS, ["b", "a", "b"], ["b", "a", "b"]),
            (Kind.POINT, [37.5, 127], {"lat": 37.5, "lon": 127.0}),
            (Kind.POINT, {"lat": 37, "lon": 127.5}, {"lat": 37.0, "lon": 127.5}),
            (Kind.POINT, ["NaN", 127], ["NaN", 127]),
            (Kind.POINT, [37.5], [37.5]),
            (
                Kind.JSON,
                {"a": [Decimal("0.1"), None, {"b": True}]},
                {"a": [0.1, None, {"b": True}]},
            ),
        ],
    )
    def test_becomes_the_wire_value(self, kind: Kind, kept: Any, expected: Any) -> None:
        assert from_ledger(last_write(kind), kept) == expected

    @pytest.mark.parametrize("kind", Kind)
    def test_stays_null(self, kind: Kind) -> None:
        assert from_ledger(last_write(kind), None) is None

    def test_of_a_set_holds_each_element_once_and_no_null(self) -> None:
        assert from_ledger(text_set(), ["b", None, "a", "b"]) == ["b", "a"]

    def test_of_rows_is_cut_to_the_declared_fields_under_their_wire_names(self) -> None:
        row = {"tenant_id": "t", "id": LINE_ID.upper(), "product_id": OTHER_ID, "price": 5, "stamps": {}}

        assert from_ledger(LINES, [row]) == [{"id": LINE_ID, "price": "5.0000", "product": OTHER_ID}]

    def test_of_rows_is_ordered_by_position_then_id(self) -> None:
        kept = [{"id": OTHER_ID, "position": 1}, {"id": LINE_ID, "position": 1}, {"id": "c", "position": 0}]

        assert [row["id"] for row in from_ledger(LINES, kept)] == ["c", LINE_ID, OTHER_ID]


class TestWireValue:
    @pytest.mark.parametrize(
        ("kind", "sent", "expected"),
        [
            (Kind.MONEY, "-0.00", "0.0000"),
            (Kind.MONEY, "no number", "no number"),
            (Kind.MONEY, "1e400", "1e400"),
            (Kind.QUANTITY, "2", "2.000000"),
            (Kind.TIME, "2026-11-21T09:00:00Z", "2026-11-21T09:00:00.000000Z"),
            (Kind.TIME, datetime(2026, 11, 21, 9, tzinfo=UTC), "2026-11-21T09:00:00.000000Z"),
            (Kind.DATE, date(2026, 11, 21), "2026-11-21"),
            (Kind.ID, UUID(LINE_ID), LINE_ID),
            (Kind.POINT, {"lat": Decimal("37.5"), "lon": -0.0}, {"lat": 37.5, "lon": 0.0}),
            (Kind.POINT, {"lat": None, "lon": 1}, {"lat": None, "lon": 1}),
        ],
    )
    def test_has_one_spelling(self, kind: Kind, sent: Any, expected: Any) -> None:
        assert canonical(last_write(kind), sent) == expected

    def test_of_rows_keeps_the_declared_fields_that_were_sent(self) -> None:
        sent = [{"id": UUID(LINE_ID), "price": "5", "colour": "red"}]

        assert canonical(LINES, sent) == [{"id": LINE_ID, "price": "5.0000"}]

    @settings(deadline=None, max_examples=100)
    @given(st.decimals(min_value=-(10**14), max_value=10**14, places=4))
    def test_is_canonical_for_good(self, amount: Decimal) -> None:
        money = last_write(Kind.MONEY)
        once = canonical(money, amount)

        assert canonical(money, once) == once
        assert Decimal(once) == amount

    @settings(deadline=None, max_examples=100)
    @given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)), st.integers(-14, 14))  # noqa: DTZ001  (Hypothesis takes naive bounds)
    def test_of_a_time_is_the_same_from_any_zone(self, local: datetime, hours: int) -> None:
        moment = local.replace(tzinfo=UTC)
        elsewhere = moment.astimezone(timezone(timedelta(hours=hours)))

        assert canonical(last_write(Kind.TIME), elsewhere.isoformat()) == wire_time(moment)


class TestSame:
    def test_takes_sets_without_regard_to_order(self) -> None:
        assert same(text_set(), ["a", "b"], ["b", "a"])
        assert not same(text_set(), ["a"], ["a", "b"])

    def test_takes_an_absent_set_for_an_empty_one(self) -> None:
        assert same(text_set(), None, [])

    def test_takes_lists_with_regard_to_order(self) -> None:
        assert not same(last_write(Kind.TEXTS), ["a", "b"], ["b", "a"])
        assert not same(last_write(Kind.TEXTS), ["a"], ["a", "b"])

    @pytest.mark.parametrize(
        ("left", "right"),
        [(True, 1), ([0], [False]), ({"a": 1}, {"a": True}), ({"a": 1}, {"b": 1}), ({}, []), (None, False)],
    )
    def test_tells_json_values_apart_that_python_does_not(self, left: Any, right: Any) -> None:
        assert not same(last_write(Kind.JSON), left, right)

    def test_compares_json_by_value(self) -> None:
        assert same(last_write(Kind.JSON), {"a": [1.0, True]}, {"a": [1, True]})


class TestMoments:
    def test_never_leave_the_calendar(self) -> None:
        assert moment_at(-1) == datetime.min.replace(tzinfo=UTC)
        assert moment_at(10**30) == datetime.max.replace(tzinfo=UTC)

    def test_at_its_edges_can_be_brought_to_utc(self) -> None:
        first = datetime.min.replace(tzinfo=timezone(timedelta(hours=9)))
        last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-9)))

        assert in_utc(first) == datetime.min.replace(tzinfo=UTC)
        assert in_utc(last) == datetime.max.replace(tzinfo=UTC)


def test_numbers_are_loaded_exactly() -> None:
    assert loads('{"a": 99999999999999.9999}') == {"a": Decimal("99999999999999.9999")}


def test_a_row_without_position_comes_last() -> None:
    assert sorted([{"id": "a"}, {"id": "b", "position": 9}], key=row_order)[0]["id"] == "b"


def test_a_read_only_field_of_a_row_is_read_as_any_other() -> None:
    part = rows("t", "r", {"total": read_only(Kind.MONEY)})

    assert from_ledger(part, [{"id": "a", "total": 1}]) == [{"id": "a", "total": "1.0000"}]


def test_a_policy_does_not_change_how_a_value_is_written() -> None:
    assert canonical(merged(Merge.SUM, Kind.QUANTITY), 3) == "3.000000"
