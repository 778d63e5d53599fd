"""Customers of a fuel company as its ERP would export them: made up, repeatable, streamed.

Nothing in them can be real; README.md beside this file says why, field by field.
"""

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from app.core.business_numbers import check_digit
from app.core.text import nfc
from app.sample.dirt import Plan, Row
from app.sample.draw import Draw
from app.sample.regions import PROVINCES, ROADS, TERRITORIES, District

HEADERS: Final = (
    "거래처코드",
    "거래처명",
    "사업자등록번호",
    "대표자",
    "구분",
    "유형코드",
    "상위거래처코드",
    "시도",
    "시군구",
    "주소",
    "우편번호",
    "전화번호",
    "이메일",
    "여신한도",
    "통화",
    "결제조건",
    "영업시간",
    "등급",
    "태그",
    "비고",
    "위도",
    "경도",
    "영업구역",
)
DIRTY_SHARE: Final = 0.04
DUPLICATE_SHARE: Final = 0.03
MOST_CUSTOMERS: Final = 500_000
"""Names and numbers repeat after this many."""

SHIPPED_CSV: Final = Path(__file__).with_name("customers_kr.csv")
SHIPPED_ROWS: Final = 2_400
SHIPPED_SEED: Final = 2026
SHIPPED_ENCODING: Final = "cp949"

# Invented: no such words, companies or family names exist. Each company and each person has one of them.
_STEM_LIST = """
뷔람 뎌울 뱌돔 펴룬 햐담 냐솜 캬룹 져란 텨울 쟈룬 쿄벨 퓨룸
랴온 려솜 됴람 툐벨 푀룬 꾜담 긔람 늬온 싀담 믜솔 븨론 츄벨
"""
STEMS: Final = tuple(_STEM_LIST.split())
_SYLLABLES = "솔빛찬담결벗뫼샘길늘봄품참별달숲들돌울온람룬벨돔솜란론빈린민"
_CORES = len(STEMS) * len(_SYLLABLES) * (len(_SYLLABLES) + 1)

# Kind of customer (구분) → what its business calls itself.
_TRADES = {
    "대리점": ("석유", "에너지", "유통", "오일", "상사", "석유판매"),
    "주유소": ("주유소", "셀프주유소"),
    "충전소": ("충전소", "가스충전소", "LPG충전소"),
    "직매": ("물류", "운수", "건설", "농원", "고속", "레미콘"),
    "산업체": ("정밀", "화학", "제강", "전자", "식품", "제지", "기계", "섬유"),
}
_TAGS = {
    "대리점": ("저유소", "탱크로리", "홈로리", "선박급유"),
    "주유소": ("세차장", "경정비", "편의점", "셀프", "전기차충전", "화물우대"),
    "충전소": ("세차장", "편의점", "택시우대", "전기차충전"),
    "직매": ("물류", "건설", "농업", "어업", "버스"),
    "산업체": ("공장", "보일러", "윤활유", "자가탱크"),
}
_LETTERS = {"대리점": "D", "주유소": "S", "충전소": "S", "직매": "C", "산업체": "C"}
_LEGAL_FORMS = ("주식회사",) * 8 + ("유한회사", "")
_STATION_LEGAL_FORMS = ("", "", "", "주식회사", "주식회사")
_STATION_HOURS = ("24시간", "06:00-24:00", "06:00-22:00", "05:30-23:00")
_OFFICE_HOURS = ("월-금 09:00-18:00", "월-금 08:30-17:30; 토 09:00-13:00", "월-토 08:00-18:00", "")
_TERMS = ("선입금", "현금", "월말 현금", "익월 10일", "익월 말일", "30일", "60일", "어음 90일")
_TIERS = "ABBBCCCCDD"
_NOTES = (
    "오전 방문 선호",
    "월 2회 방문",
    "탱크로리는 후문으로 진입",
    "소방점검 매년 3월",
    "담당자 부재 시 사무실로 연락",
    "경쟁사 병행 거래",
    "보너스카드 가맹",
    "단가 협의 중",
    "겨울철 등유 물량 많음",
    "세금계산서는 월말 일괄 발행",
)

# Spellings of one thing, which an import must read as the same.
_NAME_SPELLINGS = {
    "주식회사": (
        "(주){0}{1}",
        "{0}{1}(주)",
        "㈜{0}{1}",
        "주식회사 {0}{1}",
        "{0}{1} 주식회사",
        "{0}{1}㈜",
        "{0}{1} Co., Ltd.",
    ),
    "유한회사": ("(유){0}{1}", "{0}{1}(유)", "유한회사 {0}{1}", "{0}{1} 유한회사"),
    "": ("{0}{1}", "{0} {1}"),
}
_PHONE_SPELLINGS = (
    "0{0}-{1}-{2}",
    "0{0}{1}{2}",
    "0{0}){1}-{2}",
    "(0{0}) {1} {2}",
    "0{0}.{1}.{2}",
    "82-{0}-{1}-{2}",
    "+82-{0}-{1}-{2}",
    "+82 (0){0} {1} {2}",
    "{0}{1}{2}",
    "0{0}-{1}-{2} 내선 12",
    "0{0}-{1}-{2}#3",
)
_BUSINESS_NUMBER_SPELLINGS = ("{0}-{1}-{2}", "{0}-{1}-{2}", "{0}{1}{2}", "{0} {1} {2}")
_KRW_SPELLINGS = ("{:,}", "{:,}", "{:,}", "{}", "{:,}원", "￦{:,}")
_USD_SPELLINGS = ("{:,.2f}", "{:.2f}", "${:,.2f}")

_CORPORATE_TYPES = ("81", "86", "87", "88")
_EMAIL_NAMES = ("info", "sales", "order", "office")
_EMAIL_DOMAINS = ("example.com", "mail.example", "fuel.example", "shop.example")


class Expected(NamedTuple):
    """What an import must make of the file.

    ``rejected``: reason → rows; ``masked``: accepted rows with a national id number to mask; ``duplicates``:
    accepted rows that repeat an earlier company under another code; ``dirt``: kind → rows, rejected or not.
    """

    rows: int
    accepted: int
    rejected: dict[str, int]
    masked: int
    duplicates: int
    dirt: dict[str, int]


def customers(
    count: int,
    seed: int,
    *,
    dirty_share: float = DIRTY_SHARE,
    duplicate_share: float = DUPLICATE_SHARE,
) -> Iterator[Row]:
    """Make customers one by one, the same ones for the same arguments on every machine.

    The first rows do not depend on ``count``. A parent dealer always comes before its stations and is neither
    dirty nor a duplicate.

    Args:
        count: How many, up to MOST_CUSTOMERS.
        seed: Another seed gives other customers.
        dirty_share: Part of the rows that is dirty, to the row in every hundred.
        duplicate_share: Part of the rows that repeats an earlier company under another code. Both shares
            together are at most one half.

    Returns:
        Rows with the columns HEADERS; text as it would be in a UTF-8 file, some of it decomposed.
    """
    plan = _plan(count, seed, dirty_share, duplicate_share)
    return (_row(plan, number) for number in range(count))


def expected(
    count: int,
    seed: int,
    *,
    dirty_share: float = DIRTY_SHARE,
    duplicate_share: float = DUPLICATE_SHARE,
) -> Expected:
    """Count what an import must make of ``customers`` with the same arguments."""
    plan = _plan(count, seed, dirty_share, duplicate_share)
    dirt = [found for number in range(count) if (found := plan.dirt_of(number))]
    rejected = Counter(found.reason for found in dirt if found.reason)
    return Expected(
        rows=count,
        accepted=count - rejected.total(),
        rejected=dict(rejected),
        masked=sum(found.masked for found in dirt),
        duplicates=sum(plan.original_of(number) is not None for number in range(count)),
        dirt=dict(Counter(found.name for found in dirt)),
    )


def write_sample_csv(
    path: Path,
    count: int,
    seed: int,
    encoding: str = SHIPPED_ENCODING,
    dirty_share: float = DIRTY_SHARE,
    duplicate_share: float = DUPLICATE_SHARE,
) -> None:
    """Write ``customers`` as Korean ERPs export them: comma-separated, CRLF, quoted where needed.

    CP949 cannot hold decomposed Hangul, so text is composed there; ``utf-8`` and ``utf-8-sig`` keep it.
    """
    spell = str if codecs.lookup(encoding).name.startswith("utf") else nfc
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(HEADERS)
        for row in customers(count, seed, dirty_share=dirty_share, duplicate_share=duplicate_share):
            writer.writerow([spell(row[header]) for header in HEADERS])


_PROVINCES = {province.name: province for province in PROVINCES}
_TERRITORIES = tuple(territory for region in TERRITORIES for territory in region.children)
_PLACES = tuple((territory, district) for territory in _TERRITORIES for district in territory.districts)
_DEALER_EVERY = 12  # after the first dealer of each territory, which open the file


@dataclass(frozen=True, slots=True)
class _Company:
    """A customer before its ERP spells it: name as (core, trade), numbers in their three parts."""

    kind: str
    legal_form: str
    name: tuple[str, str]
    business_number: tuple[str, str, str]
    phone: tuple[str, str, str]
    name_spelling: int
    phone_spelling: int
    other_columns: Row


def _plan(count: int, seed: int, dirty_share: float, duplicate_share: float) -> Plan:
    if not 0 <= count <= MOST_CUSTOMERS:
        raise ValueError(f"count: 0 to {MOST_CUSTOMERS}")
    if dirty_share < 0 or duplicate_share < 0 or dirty_share + duplicate_share > 0.5:
        raise ValueError("dirty_share and duplicate_share: not negative, together at most 0.5")
    return Plan(seed, dirty_share, duplicate_share, always_plain=len(_TERRITORIES))


def _row(plan: Plan, number: int) -> Row:
    draw = Draw(plan.seed, "row", number)
    original = plan.original_of(number)
    company = _company(plan, number if original is None else original)
    name_spelling, phone_spelling = company.name_spelling, company.phone_spelling
    name_spellings = _NAME_SPELLINGS[company.legal_form]
    if original is not None:
        name_spelling = _another(name_spelling, len(name_spellings), draw)
        phone_spelling = _another(phone_spelling, len(_PHONE_SPELLINGS), draw)
    row = dict.fromkeys(HEADERS, "") | company.other_columns
    row |= {
        "거래처코드": _code(company.kind, number),
        "거래처명": name_spellings[name_spelling].format(*company.name),
        "사업자등록번호": draw.pick(_BUSINESS_NUMBER_SPELLINGS).format(*company.business_number),
        "전화번호": _PHONE_SPELLINGS[phone_spelling].format(*company.phone),
        "비고": draw.pick(_NOTES) if draw.happens(0.35) else "",
    }
    if dirt := plan.dirt_of(number):
        dirt.spoil(row, draw)
    return row


def _another(spelling: int, spellings: int, draw: Draw) -> int:
    return (spelling + 1 + draw.below(spellings - 1)) % spellings


def _code(kind: str, number: int) -> str:
    return f"{_LETTERS[kind]}{100_001 + number}"


def _company(plan: Plan, index: int) -> _Company:
    """Make the company that row ``index`` shows first; names, numbers and addresses never repeat."""
    draw = Draw(plan.seed, "company", index)
    kind, territory_at, district = _kind_and_place(index, draw)
    is_station = kind in ("주유소", "충전소")
    parent = _parent_of_station(plan, index, territory_at, draw) if is_station else ""
    legal_form = draw.pick(_STATION_LEGAL_FORMS if is_station else _LEGAL_FORMS)
    return _Company(
        kind,
        legal_form,
        name=(_name_core(plan.seed, index), draw.pick(_TRADES[kind])),
        business_number=_business_number(plan.seed, index, bool(legal_form), draw),
        phone=_phone(plan.seed, index, _PROVINCES[district.province].area_code, draw),
        name_spelling=draw.below(len(_NAME_SPELLINGS[legal_form])),
        phone_spelling=0 if draw.happens(0.4) else draw.below(len(_PHONE_SPELLINGS)),
        other_columns={
            "대표자": draw.pick(STEMS) + draw.pick(_SYLLABLES) + draw.pick(_SYLLABLES),
            "구분": kind,
            "유형코드": _subtype(kind, parent, draw),
            "상위거래처코드": parent,
            "이메일": _email(draw) if draw.happens(0.8) else "",
            "결제조건": draw.pick(_TERMS),
            "영업시간": draw.pick(_STATION_HOURS if is_station else _OFFICE_HOURS),
            "등급": draw.pick(_TIERS),
            "태그": _tags(kind, draw),
            "영업구역": _TERRITORIES[territory_at].name,
            **_address(district, draw),
            **_credit(kind, draw),
        },
    )


def _kind_and_place(index: int, draw: Draw) -> tuple[str, int, District]:
    dealer = _dealers_before(index + 1) - 1
    if _row_of_dealer(dealer) == index:
        territory_at = dealer % len(_TERRITORIES)
        return "대리점", territory_at, draw.pick(_TERRITORIES[territory_at].districts)
    territory, district = draw.pick(_PLACES)
    kind = draw.pick(("주유소",) * 8 + ("충전소",) * 2 + ("직매",) * 3 + ("산업체",) * 3)
    return kind, _TERRITORIES.index(territory), district


def _row_of_dealer(dealer: int) -> int:
    beyond_the_first = dealer - len(_TERRITORIES)
    return dealer if beyond_the_first < 0 else len(_TERRITORIES) + beyond_the_first * _DEALER_EVERY


def _dealers_before(row: int) -> int:
    beyond_the_first = row - len(_TERRITORIES)
    return row if beyond_the_first < 0 else len(_TERRITORIES) + -(-beyond_the_first // _DEALER_EVERY)


def _parent_of_station(plan: Plan, index: int, territory_at: int, draw: Draw) -> str:
    """Name a dealer of the station's territory in an earlier, plain row; one station in ten has none."""
    if draw.happens(0.1):
        return ""
    dealers = range(territory_at, _dealers_before(index), len(_TERRITORIES))
    row = _row_of_dealer(draw.pick(dealers))
    return _code("대리점", row if plan.is_plain(row) else territory_at)


def _subtype(kind: str, parent: str, draw: Draw) -> str:
    """Tell the channel: AC through an agency (대리점), DC direct, CC under a contract of its own."""
    if kind == "대리점":
        return "AC"
    if parent:
        return "AC" if draw.happens(0.7) else "CC"
    return "CC" if kind == "산업체" else "DC"


def _name_core(seed: int, index: int) -> str:
    """Compose a stem and syllables, each pair once; after all pairs, again with a second stem."""
    rounds, at = divmod(index, _CORES)
    at = (at * 13_807 + seed) % _CORES
    at, stem = divmod(at, len(STEMS))
    second, first = divmod(at, len(_SYLLABLES))
    core = STEMS[stem] + _SYLLABLES[first] + _SYLLABLES[second - 1 : second]
    return core + (STEMS[rounds - 1] if rounds else "")


def _business_number(seed: int, index: int, corporate: bool, draw: Draw) -> tuple[str, str, str]:
    """Give a right check digit to a number that is never issued: offices begin at 101, these end at 050."""
    office = f"{index // 9_999:03d}"
    business_type = draw.pick(_CORPORATE_TYPES) if corporate else f"{1 + draw.below(79):02d}"
    serial = f"{1 + (index * 3_571 + seed) % 9_999:04d}"
    return office, business_type, f"{serial}{check_digit(office + business_type + serial)}"


def _phone(seed: int, index: int, area_code: str, draw: Draw) -> tuple[str, str, str]:
    """Dial into an exchange that begins with 0: such exchanges are given to nobody, mobile or fixed."""
    line = f"{(index * 7_919 + seed) % 1_000_000:06d}"
    if draw.happens(0.45):
        return "10", f"0{draw.below(10)}{line[:2]}", line[2:]
    return area_code[1:], f"0{line[:2]}", line[2:]


def _email(draw: Draw) -> str:
    return f"{draw.pick(_EMAIL_NAMES)}{draw.below(1_000_000):06d}@{draw.pick(_EMAIL_DOMAINS)}"


def _tags(kind: str, draw: Draw) -> str:
    tags = sorted({draw.pick(_TAGS[kind]) for _ in range(draw.below(4))})
    return ";".join(tags)


def _address(district: District, draw: Draw) -> Row:
    """Give a street that does not exist in a district that does, and a point near its town hall."""
    first, last = _PROVINCES[district.province].postcodes
    town = "" if district.name == "세종시" else f" {district.name}"
    located = draw.happens(0.85)
    latitude = district.latitude + (draw.below(4001) - 2000) / 100_000
    longitude = district.longitude + (draw.below(4001) - 2000) / 100_000
    return {
        "시도": district.province,
        "시군구": district.name,
        "주소": f"{district.province}{town} {draw.pick(ROADS)} {1 + draw.below(480)}",
        "우편번호": f"{first + draw.below(last - first + 1):02d}{draw.below(1000):03d}",
        "위도": f"{latitude:.5f}" if located else "",
        "경도": f"{longitude:.5f}" if located else "",
    }


def _credit(kind: str, draw: Draw) -> Row:
    if kind == "산업체" and draw.happens(0.08):
        return {"여신한도": draw.pick(_USD_SPELLINGS).format(2_500.0 * (1 + draw.below(100))), "통화": "USD"}
    step, steps = {"대리점": (50_000_000, 60), "주유소": (10_000_000, 50)}.get(kind, (5_000_000, 60))
    return {"여신한도": draw.pick(_KRW_SPELLINGS).format(step * (1 + draw.below(steps))), "통화": "KRW"}
