"""Korean text."""

import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.text import company_key, mask_national_ids, nfc


class TestNfc:
    def test_composes_hangul_that_arrives_as_separate_letters(self) -> None:
        assert nfc(unicodedata.normalize("NFD", "강남주유소")) == "강남주유소"

    def test_keeps_the_width_and_the_signs_that_people_typed(self) -> None:
        assert nfc("㈜ＡＢ") == "㈜ＡＢ"

    @given(st.text())
    def test_changes_nothing_the_second_time(self, value: str) -> None:
        assert nfc(nfc(value)) == nfc(value)


class TestCompanyKey:
    @pytest.mark.parametrize(
        "name",
        [
            "한빛정밀",
            "(주)한빛정밀",
            "（주）한빛정밀",
            "한빛정밀(주)",
            "㈜한빛정밀",
            "㈜ 한빛 정밀",
            "주식회사 한빛정밀",
            "한빛정밀주식회사",
            "한빛정밀 (주식회사)",
            "(유)한빛정밀",
            "한빛정밀 유한회사",
            "유한책임회사 한빛정밀",
            "(합)한빛정밀",
            "합자회사한빛정밀",
            "사단법인 한빛정밀",
            "농업회사법인 주식회사 한빛정밀",
            "주)한빛정밀",
            "한빛정밀 Co., Ltd.",
            "한빛정밀 CO.,LTD",
            "한빛정밀, Inc.",
            " 한빛-정밀 ",
        ],
    )
    def test_is_one_for_all_spellings_of_a_company(self, name: str) -> None:
        assert company_key(name) == "한빛정밀"

    def test_ignores_case_and_width(self) -> None:
        assert company_key("ＨａｎＢｉｔ Precision Co., Ltd.") == company_key("hanbit PRECISION")

    def test_is_one_for_composed_and_decomposed_text(self) -> None:
        assert company_key(unicodedata.normalize("NFD", "㈜한빛정밀")) == "한빛정밀"

    def test_keeps_the_branch_that_follows_a_legal_form(self) -> None:
        assert company_key("한빛(주) 강남지점") == "한빛강남지점"

    def test_keeps_words_that_merely_contain_a_legal_form(self) -> None:
        assert company_key("강남주유소") == "강남주유소"

    def test_keeps_an_english_word_that_ends_like_a_legal_form(self) -> None:
        assert company_key("Texaco") == "texaco"

    def test_keeps_a_legal_form_that_is_the_whole_name(self) -> None:
        assert company_key("주식회사") == "주식회사"

    def test_is_empty_for_punctuation_only(self) -> None:
        assert company_key(" - ") == ""

    @given(st.text(max_size=30))
    def test_of_a_key_is_the_key(self, name: str) -> None:
        assert company_key(company_key(name)) == company_key(name)

    @given(st.text(alphabet="가나다 한빛AbcＺ-.", max_size=12), st.sampled_from(["(주)", "㈜", "주식회사 "]))
    def test_does_not_depend_on_a_legal_form_in_front(self, name: str, form: str) -> None:
        key = company_key(name)

        assert not key or company_key(form + name) == key

    def test_takes_long_punctuation_without_slowing_down(self) -> None:
        assert company_key("가" + " ." * 50_000 + "나") == "가나"


class TestMaskNationalIds:
    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            ("900101-1234567", "900101-*******"),
            ("9001011234567", "900101-*******"),
            ("900101 1234567", "900101-*******"),
            ("900101 - 1234567", "900101-*******"),
            ("900101–2234567", "900101-*******"),
            ("９００１０１－１２３４５６７", "９００１０１-*******"),
            ("대표 주민번호900101-1234567입니다", "대표 주민번호900101-*******입니다"),
            ("3.900101-1234567", "3.900101-*******"),
        ],
    )
    def test_masks_what_follows_the_birth_date(self, text: str, masked: str) -> None:
        assert mask_national_ids(text) == (masked, 1)

    @pytest.mark.parametrize("start", ["900101-5", "900101-6", "100101-7", "100101-8"])
    def test_masks_numbers_of_foreigners(self, start: str) -> None:
        assert mask_national_ids(f"{start}000000") == (f"{start[:6]}-*******", 1)

    def test_masks_a_number_that_fails_the_old_check_digit(self) -> None:
        assert mask_national_ids("201101-3000000") == ("201101-*******", 1)

    def test_counts_every_number(self) -> None:
        assert mask_national_ids("900101-1234567, 850630-2345678")[1] == 2

    def test_asks_whether_the_day_exists_in_the_century_of_the_number(self) -> None:
        assert mask_national_ids("000229-1234567") == ("000229-1234567", 0)

    @pytest.mark.parametrize(
        "text",
        [
            "010-1234-5678",
            "01012345678",
            "+82 10-1234-5678",
            "02-555-0100 내선 12",
            "주문 20260131-1234567",
            "주문 202413-1234567",
            "계좌 110-123-456789",
            "계좌 123456-01-123456",
            "계좌 901301-1234567",
            "계좌 900101-9234567",
            "카드 9001-0112-3456-7890",
            "사업자 000-81-00018",
            "90010112345678",
            "900101\n1234567",
            "900101-*******",
        ],
    )
    def test_leaves_other_numbers_alone(self, text: str) -> None:
        assert mask_national_ids(text) == (text, 0)

    @given(
        st.dates(date(1900, 1, 1), date(2099, 12, 31)),
        st.integers(0, 999_999),
        st.booleans(),
        st.sampled_from(["", " ", "-", " - "]),
        st.text(alphabet="가나 .,", max_size=5),
    )
    def test_leaves_no_serial_of_any_birth_date(
        self, born: date, serial: int, foreign: bool, separator: str, around: str
    ) -> None:
        digit = (1 if born.year < 2000 else 3) + 4 * foreign
        number = f"{born:%y%m%d}{separator}{digit}{serial:06d}"

        masked, count = mask_national_ids(around + number + around)

        assert (masked, count) == (f"{around}{born:%y%m%d}-*******{around}", 1)

    @given(st.text())
    def test_finds_nothing_in_what_it_has_masked(self, text: str) -> None:
        masked, _ = mask_national_ids(text)

        assert mask_national_ids(masked) == (masked, 0)
