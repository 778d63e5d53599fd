"""The sample customers: repeatable, as dirty as stated, and nothing in them real."""

import csv
import re
from collections import Counter
from itertools import islice
from pathlib import Path

import phonenumbers
import pytest

from app.core.business_numbers import BusinessNumberInvalid, parse_business_number
from app.core.money import AmountInvalid, parse_amount
from app.core.phones import PhoneInvalid, parse_phone
from app.core.text import company_key, mask_national_ids, nfc
from app.sample.customers import (
    DIRTY_SHARE,
    DUPLICATE_SHARE,
    HEADERS,
    MOST_CUSTOMERS,
    SHIPPED_CSV,
    SHIPPED_ENCODING,
    SHIPPED_ROWS,
    SHIPPED_SEED,
    STEMS,
    customers,
    expected,
    write_sample_csv,
)
from app.sample.dirt import DIRT, Plan, Row
from app.sample.regions import DISTRICTS, PROVINCES, TERRITORIES, find_district, find_province

COUNT, SEED = 3_000, 7
PLAN = Plan(SEED, DIRTY_SHARE, DUPLICATE_SHARE, always_plain=24)
NOBODYS_PHONE = re.compile(r"\+82(?:100\d{7}|20\d{6}|[3-6]\d0\d{6})")


def cleaned(row: Row) -> Row:
    """What an import does before it judges: compose and trim."""
    return {header: nfc(text).strip() for header, text in row.items()}


def reason_to_reject(row: Row) -> str | None:
    """A small import, written from the README: the first thing that is wrong with a cleaned row."""
    if not row["거래처코드"]:
        return "code_missing"
    if not row["거래처명"]:
        return "name_missing"
    if find_province(row["시도"]) is None:
        return "province_unknown"
    try:
        parse_business_number(row["사업자등록번호"])
        parse_phone(row["전화번호"])
        parse_amount(row["여신한도"], row["통화"])
    except (BusinessNumberInvalid, PhoneInvalid, AmountInvalid) as error:
        return error.code
    return None


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(customers(COUNT, SEED))


@pytest.fixture(scope="module")
def accepted(rows: list[Row]) -> list[Row]:
    return [row for row in map(cleaned, rows) if reason_to_reject(row) is None]


@pytest.fixture(scope="module")
def repetitions(rows: list[Row]) -> list[tuple[Row, Row]]:
    """Each repeated company: its first row and its later one."""
    return [
        (rows[original], row)
        for number, row in enumerate(rows)
        if (original := PLAN.original_of(number)) is not None
    ]


class TestCustomers:
    def test_are_the_same_for_the_same_seed(self, rows: list[Row]) -> None:
        assert list(customers(COUNT, SEED)) == rows

    def test_are_others_for_another_seed(self, rows: list[Row]) -> None:
        assert list(customers(COUNT, SEED + 1)) != rows

    def test_do_not_depend_on_how_many_follow(self, rows: list[Row]) -> None:
        assert list(customers(150, SEED)) == rows[:150]

    def test_come_one_by_one(self) -> None:
        assert len(list(islice(customers(MOST_CUSTOMERS, SEED), 3))) == 3

    def test_have_the_columns_of_the_file(self, rows: list[Row]) -> None:
        assert {tuple(row) for row in rows} == {HEADERS}

    def test_have_each_code_once(self, accepted: list[Row]) -> None:
        assert len({row["거래처코드"] for row in accepted}) == len(accepted)

    def test_are_companies_with_an_invented_stem(self, accepted: list[Row]) -> None:
        assert [
            row["거래처명"] for row in accepted if not any(stem in row["거래처명"] for stem in STEMS)
        ] == []

    def test_have_owners_with_an_invented_family_name(self, accepted: list[Row]) -> None:
        assert {row["대표자"][:2] for row in accepted} <= set(STEMS)

    def test_have_phones_that_can_belong_to_nobody(self, accepted: list[Row]) -> None:
        phones = {parse_phone(row["전화번호"]) for row in accepted}

        assert [phone for phone in phones if not NOBODYS_PHONE.fullmatch(phone)] == []

    def test_have_landlines_outside_the_numbering_plan(self, accepted: list[Row]) -> None:
        phones = {parse_phone(row["전화번호"]) for row in accepted}
        landlines = [phonenumbers.parse(phone) for phone in phones if not phone.startswith("+8210")]

        assert [number for number in landlines if phonenumbers.is_valid_number(number)] == []

    def test_have_emails_in_reserved_domains_only(self, rows: list[Row]) -> None:
        domains = {row["이메일"].partition("@")[2] for row in rows if row["이메일"]}

        assert [name for name in domains if name != "example.com" and not name.endswith(".example")] == []

    def test_have_business_numbers_of_offices_that_do_not_exist(self, accepted: list[Row]) -> None:
        assert max(parse_business_number(row["사업자등록번호"]) for row in accepted) < "101"

    def test_have_business_numbers_of_offices_that_do_not_exist_up_to_the_last(self) -> None:
        assert (MOST_CUSTOMERS - 1) // 9_999 < 101

    def test_live_in_districts_that_exist(self, accepted: list[Row]) -> None:
        assert [row for row in accepted if find_district(row["시도"], row["시군구"]) is None] == []

    def test_live_in_streets_that_do_not_exist(self, accepted: list[Row]) -> None:
        assert [row for row in accepted if " 견본" not in row["주소"]] == []

    def test_have_postcodes_of_their_province(self, accepted: list[Row]) -> None:
        postcodes = {province.name: province.postcodes for province in PROVINCES}

        for row in accepted:
            first, last = postcodes[row["시도"]]
            assert first <= int(row["우편번호"][:2]) <= last

    def test_stand_near_the_centre_of_their_district(self, accepted: list[Row]) -> None:
        for row in filter(lambda row: row["위도"], accepted):
            district = find_district(row["시도"], row["시군구"])
            assert district is not None
            assert float(row["위도"]) == pytest.approx(district.latitude, abs=0.0201)
            assert float(row["경도"]) == pytest.approx(district.longitude, abs=0.0201)

    def test_belong_to_the_territory_of_their_district(self, accepted: list[Row]) -> None:
        territories = {
            (district.province, district.name): territory.name
            for region in TERRITORIES
            for territory in region.children
            for district in territory.districts
        }

        assert [row for row in accepted if territories[row["시도"], row["시군구"]] != row["영업구역"]] == []

    def test_are_dealers_stations_and_direct_accounts_of_every_subtype(self, accepted: list[Row]) -> None:
        assert {row["구분"] for row in accepted} == {"대리점", "주유소", "충전소", "직매", "산업체"}
        assert {row["유형코드"] for row in accepted} == {"AC", "DC", "CC"}

    def test_include_stations_whose_dealer_of_the_same_territory_came_before(
        self, accepted: list[Row]
    ) -> None:
        territory_of_dealer: dict[str, str] = {}
        for row in accepted:
            if parent := row["상위거래처코드"]:
                assert row["구분"] in ("주유소", "충전소")
                assert territory_of_dealer[parent] == row["영업구역"]
            if row["구분"] == "대리점":
                territory_of_dealer[row["거래처코드"]] = row["영업구역"]

        assert len(territory_of_dealer) > 100

    def test_have_credit_limits_with_thousands_separators_and_without(self, accepted: list[Row]) -> None:
        assert {"," in row["여신한도"] for row in accepted} == {True, False}

    def test_are_each_another_company_but_for_the_duplicates(self, rows: list[Row]) -> None:
        firsts = [row for number, row in enumerate(map(cleaned, rows)) if PLAN.is_plain(number)]

        for identity in (
            lambda row: company_key(row["거래처명"]),
            lambda row: parse_business_number(row["사업자등록번호"]),
            lambda row: parse_phone(row["전화번호"]),
        ):
            assert Counter(map(identity, firsts)).most_common(1)[0][1] == 1

    def test_far_down_a_long_file_have_names_that_were_not_there_before(self) -> None:
        names = [row["거래처명"] for row in customers(24_000, SEED, dirty_share=0, duplicate_share=0)]

        assert len({company_key(name) for name in names}) == len(names)

    @pytest.mark.parametrize(
        ("count", "shares"),
        [
            (-1, {}),
            (MOST_CUSTOMERS + 1, {}),
            (10, {"dirty_share": -0.1}),
            (10, {"dirty_share": 0.3, "duplicate_share": 0.3}),
        ],
    )
    def test_refuse_impossible_counts_and_shares(self, count: int, shares: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=r"count|share"):
            customers(count, SEED, **shares)


class TestDuplicates:
    def test_come_under_another_code(self, repetitions: list[tuple[Row, Row]]) -> None:
        assert all(first["거래처코드"] != later["거래처코드"] for first, later in repetitions)

    def test_spell_name_and_phone_otherwise(self, repetitions: list[tuple[Row, Row]]) -> None:
        for first, later in repetitions:
            assert first["거래처명"] != later["거래처명"]
            assert first["전화번호"] != later["전화번호"]

    def test_mean_the_same_company(self, repetitions: list[tuple[Row, Row]]) -> None:
        for first, later in repetitions:
            assert company_key(first["거래처명"]) == company_key(later["거래처명"])
            assert parse_phone(first["전화번호"]) == parse_phone(later["전화번호"])
            assert parse_business_number(first["사업자등록번호"]) == parse_business_number(
                later["사업자등록번호"]
            )


class TestExpected:
    def test_states_the_shares_to_the_row(self) -> None:
        counts = expected(COUNT, SEED)

        assert sum(counts.dirt.values()) == COUNT * DIRTY_SHARE
        assert counts.duplicates == COUNT * DUPLICATE_SHARE

    def test_follows_other_shares(self) -> None:
        counts = expected(1_000, SEED, dirty_share=0.105, duplicate_share=0.2)

        assert (sum(counts.dirt.values()), counts.duplicates) == (105, 200)

    def test_names_every_kind_of_dirt(self) -> None:
        assert set(expected(COUNT, SEED).dirt) == {dirt.name for dirt in DIRT}

    def test_is_what_an_import_finds(self, rows: list[Row], accepted: list[Row]) -> None:
        found = Counter(filter(None, map(reason_to_reject, map(cleaned, rows))))

        assert (found, len(accepted)) == (expected(COUNT, SEED).rejected, expected(COUNT, SEED).accepted)

    def test_counts_the_rows_with_a_national_id_number(self, accepted: list[Row]) -> None:
        masked = [row for row in accepted if mask_national_ids(row["비고"])[1]]

        assert len(masked) == expected(COUNT, SEED).masked

    def test_is_all_plain_without_dirt_and_duplicates(self) -> None:
        assert expected(500, SEED, dirty_share=0, duplicate_share=0) == (500, 500, {}, 0, 0, {})


class TestNationalIdsInNotes:
    def test_are_of_people_who_are_not_born_yet(self) -> None:
        notes = " ".join(row["비고"] for row in customers(COUNT, SEED, dirty_share=0.4))
        numbers = re.findall(r"(\d\d)\d{4}[- ]?([1-8])\d{6}", notes)

        assert numbers
        assert all(int(year) >= 80 and century in "34" for year, century in numbers)


class TestWriteSampleCsv:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_reads_back_to_the_rows(self, tmp_path: Path, rows: list[Row], encoding: str) -> None:
        path = tmp_path / "sample.csv"
        write_sample_csv(path, COUNT, SEED, encoding)

        with path.open(encoding=encoding, newline="") as file:
            assert list(csv.DictReader(file)) == rows

    def test_composes_text_for_cp949(self, tmp_path: Path, rows: list[Row]) -> None:
        path = tmp_path / "sample.csv"
        write_sample_csv(path, COUNT, SEED, "cp949")

        with path.open(encoding="cp949", newline="") as file:
            assert list(csv.DictReader(file)) == [
                {header: nfc(text) for header, text in row.items()} for row in rows
            ]

    def test_makes_dirt_of_which_some_is_decomposed(self, rows: list[Row]) -> None:
        assert any(nfc(row["거래처명"]) != row["거래처명"] for row in rows)


class TestShippedFile:
    def test_is_what_the_generator_makes(self, tmp_path: Path) -> None:
        fresh = tmp_path / "fresh.csv"
        write_sample_csv(fresh, SHIPPED_ROWS, SHIPPED_SEED, SHIPPED_ENCODING)

        assert fresh.read_bytes() == SHIPPED_CSV.read_bytes()

    def test_leaves_at_least_two_thousand_customers_after_the_rejects(self) -> None:
        assert expected(SHIPPED_ROWS, SHIPPED_SEED).accepted >= 2_000

    def test_is_described_by_the_readme(self) -> None:
        readme = (SHIPPED_CSV.parent / "README.md").read_text(encoding="utf-8")
        counts = expected(SHIPPED_ROWS, SHIPPED_SEED)

        assert f"{counts.accepted:,} are accepted" in readme
        assert f"{counts.duplicates} of them are duplicates" in readme
        for kind in DIRT:
            outcome = f"rejected: `{kind.reason}`" if kind.reason else "accepted"
            assert re.search(rf"\| `{kind.name}` \|.*\| {outcome}.*\| {counts.dirt[kind.name]} \|", readme)

    def test_has_columns_that_the_readme_names(self) -> None:
        readme = (SHIPPED_CSV.parent / "README.md").read_text(encoding="utf-8")

        assert [header for header in HEADERS if f"| {header} |" not in readme] == []


class TestRegions:
    def test_hold_all_provinces_and_districts(self) -> None:
        assert len(PROVINCES) == 17
        assert len({(district.province, district.name) for district in DISTRICTS}) == len(DISTRICTS) == 229

    @pytest.mark.parametrize(
        ("province", "districts"),
        [
            ("서울특별시", 25),
            ("부산광역시", 16),
            ("대구광역시", 9),
            ("경기도", 31),
            ("전라남도", 22),
            ("제주특별자치도", 2),
        ],
    )
    def test_hold_as_many_districts_as_the_province_has(self, province: str, districts: int) -> None:
        assert sum(district.province == province for district in DISTRICTS) == districts

    def test_hold_no_district_of_an_unknown_province(self) -> None:
        assert {district.province for district in DISTRICTS} == {province.name for province in PROVINCES}

    def test_lie_in_korea(self) -> None:
        assert all(33 < district.latitude < 38.7 and 126 < district.longitude < 131 for district in DISTRICTS)

    def test_form_twenty_four_territories_in_five_regions(self) -> None:
        assert [region.name for region in TERRITORIES] == ["수도권", "강원", "충청", "호남", "영남·제주"]
        assert sum(len(region.children) for region in TERRITORIES) == 24

    def test_have_each_territory_code_and_name_once(self) -> None:
        territories = [territory for region in TERRITORIES for territory in region.children]

        assert len({territory.code for territory in territories}) == len(territories)
        assert len({territory.name for territory in territories}) == len(territories)

    @pytest.mark.parametrize("name", ["강원특별자치도", "강원도", "강원"])
    def test_find_a_province_by_each_of_its_names(self, name: str) -> None:
        province = find_province(name)

        assert province is not None
        assert province.name == "강원특별자치도"

    def test_find_no_province_that_does_not_exist(self) -> None:
        assert find_province("미지도") is None

    def test_tell_districts_of_one_name_apart(self) -> None:
        in_gangwon, in_gyeongnam = (
            find_district("강원특별자치도", "고성군"),
            find_district("경상남도", "고성군"),
        )

        assert in_gangwon is not None
        assert in_gangwon != in_gyeongnam

    def test_find_no_district_in_another_province(self) -> None:
        assert find_district("부산광역시", "강남구") is None
