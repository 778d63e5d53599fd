"""Phone numbers as people and ERPs write them."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.phones import PhoneInvalid, parse_phone


class TestParsePhone:
    @pytest.mark.parametrize(
        "raw",
        [
            "010-1234-5678",
            "01012345678",
            "010 1234 5678",
            "010.1234.5678",
            "(010)1234-5678",
            "010–1234–5678",
            "０１０－１２３４－５６７８",
            "+82-10-1234-5678",
            "+82 (0)10 1234 5678",
            "+82010-1234-5678",
            "82-10-1234-5678",
            "821012345678",
            "0082-10-1234-5678",
            "00182-10-1234-5678",
            " 010-1234-5678\u200b",
        ],
    )
    def test_reads_every_form_of_a_mobile_number(self, raw: str) -> None:
        assert parse_phone(raw) == "+821012345678"

    @pytest.mark.parametrize(
        "raw",
        ["02-555-0100", "02)555-0100", "(02) 555 0100", "025550100", "82-2-555-0100", "+82 (0)2 555 0100"],
    )
    def test_reads_every_form_of_a_landline(self, raw: str) -> None:
        assert parse_phone(raw) == "+8225550100"

    @pytest.mark.parametrize("raw", ["1012345678", "1012345678.0", "1.012345678E9", "1.012345678e+09"])
    def test_restores_the_zero_that_a_spreadsheet_dropped(self, raw: str) -> None:
        assert parse_phone(raw) == "+821012345678"

    @pytest.mark.parametrize("raw", ["1.01E+09", "1.01234567E9"])
    def test_refuses_a_number_that_a_spreadsheet_rounded(self, raw: str) -> None:
        with pytest.raises(PhoneInvalid):
            parse_phone(raw)

    @pytest.mark.parametrize("raw", ["1588-0000", "15880000"])
    def test_keeps_a_representative_number_without_area_code(self, raw: str) -> None:
        assert parse_phone(raw) == "+8215880000"

    @pytest.mark.parametrize(
        "raw",
        [
            "02-555-0100 내선 12",
            "02-555-0100(내선 12번)",
            "02-555-0100 내선:12",
            "02-555-0100#12",
            "02-555-0100 ext. 12",
            "02-555-0100 (교환 12)",
        ],
    )
    def test_drops_the_extension(self, raw: str) -> None:
        assert parse_phone(raw) == "+8225550100"

    @pytest.mark.parametrize("raw", ["02-555-0100~2", "02-555-0100 ~ 0102"])
    def test_takes_the_first_of_a_run_of_lines(self, raw: str) -> None:
        assert parse_phone(raw) == "+8225550100"

    @pytest.mark.parametrize("raw", ["02-012-3456", "02)0123-4567", "064-012-3456"])
    def test_takes_landlines_that_belong_to_nobody(self, raw: str) -> None:
        assert not phonenumbers.is_valid_number(phonenumbers.parse(parse_phone(raw)))

    def test_reads_a_foreign_number_with_its_country_code(self) -> None:
        assert parse_phone("+1 201-555-0123") == "+12015550123"

    def test_reads_numbers_without_country_code_as_those_of_the_region(self) -> None:
        assert parse_phone("(201) 555-0123", region="US") == "+12015550123"

    @pytest.mark.parametrize(
        "raw",
        [
            "",
            " ",
            "전화없음",
            "()",
            "+",
            "010-123",
            "010-1234-56789",
            "010-O123-4567",
            "02-",
            "555-0100",
            "5555-0100",
            "119",
            "000-0000-0000",
            "02-555-0100, 02-555-0101",
            "010-1234-5678/010-1234-5679",
            "010-1234-5678 김사장",
            "+999 1234567",
            "٠١٠-1234-5678",
            "0" * 41,
        ],
    )
    def test_refuses_what_cannot_be_dialled(self, raw: str) -> None:
        with pytest.raises(PhoneInvalid):
            parse_phone(raw)

    def test_says_nothing_of_the_number_in_its_error(self) -> None:
        with pytest.raises(PhoneInvalid) as caught:
            parse_phone("010-1234-56789")

        assert not any(character.isdigit() for character in str(caught.value))

    def test_gives_its_error_a_code(self) -> None:
        assert PhoneInvalid.code == "phone_invalid"

    @given(st.integers(0, 99_999_999))
    def test_reads_its_own_answer(self, subscriber: int) -> None:
        e164 = parse_phone(f"010-{subscriber:08d}")

        assert parse_phone(e164) == e164

    @given(st.text(alphabet="0123456789+-() .#~eE내선０", max_size=24) | st.text())
    def test_answers_any_text_with_e164_or_a_refusal(self, raw: str) -> None:
        try:
            e164 = parse_phone(raw)
        except PhoneInvalid:
            return
        assert e164[0] == "+"
        assert e164[1:].isdecimal()
