"""Amounts of money as people and ERPs write them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import (
    AmountInvalid,
    AmountOutOfRange,
    CurrencyUnknown,
    TooManyDecimals,
    currency_precision,
    parse_amount,
)


class TestCurrencyPrecision:
    @pytest.mark.parametrize(("currency", "decimals"), [("KRW", 0), ("JPY", 0), ("USD", 2), ("KWD", 3)])
    def test_is_that_of_the_currency(self, currency: str, decimals: int) -> None:
        assert currency_precision(currency) == decimals

    @pytest.mark.parametrize("currency", ["", "krw", "WON", "₩"])
    def test_refuses_what_is_no_currency(self, currency: str) -> None:
        with pytest.raises(CurrencyUnknown):
            currency_precision(currency)


class TestParseAmount:
    @pytest.mark.parametrize(
        "raw",
        [
            "1234567",
            "1,234,567",
            "₩1,234,567",
            "￦1,234,567",
            "\\1,234,567",
            "1,234,567원",
            "1,234,567 원",
            "KRW 1,234,567",
            "1,234,567 KRW",
            "+1,234,567",
            "1,234,567.00",
            "１，２３４，５６７",
            " 1,234,567 ",
        ],
    )
    def test_reads_every_form(self, raw: str) -> None:
        assert parse_amount(raw, "KRW") == 1234567

    @pytest.mark.parametrize(
        "raw",
        ["-1,234", "(1,234)", "1,234-", "△1,234", "−1,234", "-₩1,234", "₩-1,234", "(₩1,234)", "₩(1,234)"],
    )
    def test_reads_every_form_of_a_negative(self, raw: str) -> None:
        assert parse_amount(raw, "KRW") == -1234

    def test_has_exactly_the_decimals_of_the_currency(self) -> None:
        assert str(parse_amount("$1,234.5", "USD")) == "1234.50"

    def test_has_no_negative_zero(self) -> None:
        assert str(parse_amount("-0.00", "USD")) == "0.00"

    def test_reads_a_fraction_without_its_zero(self) -> None:
        assert parse_amount(".5", "USD") == Decimal("0.5")

    @pytest.mark.parametrize(("raw", "currency"), [("1.5", "KRW"), ("1.234", "USD"), ("1.2345", "KWD")])
    def test_refuses_more_decimals_than_the_currency_has(self, raw: str, currency: str) -> None:
        with pytest.raises(TooManyDecimals):
            parse_amount(raw, currency)

    @pytest.mark.parametrize(("raw", "currency"), [("1.000", "KRW"), ("1.500", "USD")])
    def test_refuses_what_may_be_a_european_thousand(self, raw: str, currency: str) -> None:
        with pytest.raises(TooManyDecimals):
            parse_amount(raw, currency)

    @pytest.mark.parametrize("raw", ["1,2,34", "12,34", "1,2345", "1234,567", ",123", "1,", "1,234,56"])
    def test_refuses_groups_of_other_than_three_digits(self, raw: str) -> None:
        with pytest.raises(AmountInvalid):
            parse_amount(raw, "KRW")

    @pytest.mark.parametrize(
        "raw",
        [
            "",
            "-",
            "₩",
            "백만원",
            "1e5",
            "1E+05",
            "NaN",
            "Infinity",
            "0x10",
            "1_000",
            "٣",
            "1 234",
            "5.",
            "1.2.3",
        ],
    )
    def test_refuses_what_is_no_plain_number(self, raw: str) -> None:
        with pytest.raises(AmountInvalid):
            parse_amount(raw, "KRW")

    @pytest.mark.parametrize("raw", ["--1", "-(1)", "(-1)", "-1-", "(1", "1)", "+1-"])
    def test_refuses_two_signs_and_half_a_bracket(self, raw: str) -> None:
        with pytest.raises(AmountInvalid):
            parse_amount(raw, "KRW")

    @pytest.mark.parametrize(("raw", "currency"), [("$1", "KRW"), ("1원", "USD"), ("USD 1", "EUR")])
    def test_refuses_the_sign_of_another_currency(self, raw: str, currency: str) -> None:
        with pytest.raises(AmountInvalid):
            parse_amount(raw, currency)

    def test_takes_the_largest_amount_that_the_database_holds(self) -> None:
        assert parse_amount("99,999,999,999,999", "KRW") == 10**14 - 1

    @pytest.mark.parametrize("raw", ["100,000,000,000,000", "-100000000000000", "9" * 59])
    def test_refuses_an_amount_that_the_database_cannot_hold(self, raw: str) -> None:
        with pytest.raises(AmountOutOfRange):
            parse_amount(raw, "KRW")

    def test_refuses_an_endless_number(self) -> None:
        with pytest.raises(AmountInvalid):
            parse_amount("9" * 5000, "KRW")

    def test_refuses_an_unknown_currency(self) -> None:
        with pytest.raises(CurrencyUnknown):
            parse_amount("1", "XXY")

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (AmountInvalid, "amount_invalid"),
            (TooManyDecimals, "too_many_decimals"),
            (AmountOutOfRange, "value_out_of_range"),
            (CurrencyUnknown, "currency_unknown"),
        ],
    )
    def test_gives_each_error_a_code(self, error: type[AmountInvalid], code: str) -> None:
        assert error.code == code

    @given(st.integers(-(10**14) + 1, 10**14 - 1))
    def test_reads_back_every_amount_written_with_separators(self, amount: int) -> None:
        assert parse_amount(f"{amount:,}", "KRW") == amount

    @given(st.decimals(-(10**13), 10**13, places=2))
    def test_rounds_nothing(self, amount: Decimal) -> None:
        assert parse_amount(f"{amount:,f}", "USD") == amount

    @given(
        st.text(alphabet="0123456789,.-+()₩원$ eE", max_size=24) | st.text(), st.sampled_from(["KRW", "USD"])
    )
    def test_answers_any_text_with_an_amount_or_a_refusal(self, raw: str, currency: str) -> None:
        try:
            amount = parse_amount(raw, currency)
        except AmountInvalid:
            return
        assert amount.is_finite()
