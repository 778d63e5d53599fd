"""Korean business registration numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.business_numbers import BusinessNumberInvalid, check_digit, parse_business_number

nine_digits = st.from_regex(r"[0-9]{3}(?:0[1-9]|[1-9][0-9])(?:000[1-9]|[1-9][0-9]{3})", fullmatch=True)


class TestCheckDigit:
    def test_follows_the_worked_example(self) -> None:
        assert check_digit("123456789") == 1

    def test_adds_the_tens_of_the_ninth_product(self) -> None:
        assert check_digit("000000002") == 9  # 2 × 5 = 10, and its one ten: 11

    def test_is_zero_where_the_sum_is_a_multiple_of_ten(self) -> None:
        assert check_digit("000000000") == 0


class TestParseBusinessNumber:
    @pytest.mark.parametrize(
        "raw",
        [
            "123-45-67891",
            "1234567891",
            "123 45 67891",
            " 123 - 45 - 67891 ",
            "123–45–67891",
            "１２３－４５－６７８９１",
        ],
    )
    def test_reads_every_form(self, raw: str) -> None:
        assert parse_business_number(raw) == "123-45-67891"

    def test_takes_a_number_of_an_office_that_does_not_exist(self) -> None:
        assert parse_business_number(f"000-81-0001{check_digit('000810001')}").startswith("000-81-")

    @pytest.mark.parametrize("raw", ["123-45-67890", "132-45-67891", "123-45-67819"])
    def test_refuses_a_wrong_or_swapped_digit(self, raw: str) -> None:
        with pytest.raises(BusinessNumberInvalid):
            parse_business_number(raw)

    @pytest.mark.parametrize(
        "raw", ["", "123-45-6789", "123-45-678910", "12-345-67891", "123/45/67891", "없음", "٣23-45-67891"]
    )
    def test_refuses_what_has_not_ten_digits_in_that_form(self, raw: str) -> None:
        with pytest.raises(BusinessNumberInvalid):
            parse_business_number(raw)

    @pytest.mark.parametrize("raw", ["000-00-00000", "123-00-67890", "123-45-00003"])
    def test_refuses_placeholders_though_their_check_digit_fits(self, raw: str) -> None:
        assert check_digit(raw.replace("-", "")[:9]) == int(raw[-1])
        with pytest.raises(BusinessNumberInvalid, match="placeholder"):
            parse_business_number(raw)

    def test_gives_its_error_a_code(self) -> None:
        assert BusinessNumberInvalid.code == "business_number_invalid"

    @given(nine_digits)
    def test_takes_exactly_one_tenth_digit(self, nine: str) -> None:
        taken = []
        for digit in "0123456789":
            try:
                taken.append(parse_business_number(nine + digit))
            except BusinessNumberInvalid:
                continue

        assert taken == [f"{nine[:3]}-{nine[3:5]}-{nine[5:]}{check_digit(nine)}"]

    @given(nine_digits, st.integers(0, 8), st.integers(1, 9))
    def test_refuses_any_one_mistyped_digit_among_the_first_nine(self, nine: str, at: int, by: int) -> None:
        mistyped = nine[:at] + str((int(nine[at]) + by) % 10) + nine[at + 1 :]

        with pytest.raises(BusinessNumberInvalid):
            parse_business_number(f"{mistyped}{check_digit(nine)}")
