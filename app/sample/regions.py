"""Korean provinces (시/도) and districts (시/군/구) with rough centres, and sales territories over them.

As of 1 January 2026: 17 provinces; 226 cities, counties and autonomous districts, the two cities of Jeju, and
Sejong, which has no districts and stands for itself. Later reorganisations are not in it.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final


@dataclass(frozen=True, slots=True)
class Province:
    """A 시/도.

    ``other_names`` are the short and former names that customer files still hold; ``area_code`` is that of
    its landlines; ``postcodes`` are the first and the last two-digit beginning of its five-digit postcodes.
    """

    name: str
    other_names: tuple[str, ...]
    area_code: str
    postcodes: tuple[int, int]


@dataclass(frozen=True, slots=True)
class District:
    """A 시/군/구 with a point near its town hall, good to about 3 km (degrees, WGS 84)."""

    province: str
    name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Territory:
    """A node of the sales territory tree: a region with ``children``, or a territory with ``districts``."""

    code: str
    name: str
    children: tuple["Territory", ...] = ()
    districts: tuple[District, ...] = ()


PROVINCES: Final = (
    Province("서울특별시", ("서울", "서울시"), "02", (1, 9)),
    Province("부산광역시", ("부산", "부산시"), "051", (46, 49)),
    Province("대구광역시", ("대구", "대구시"), "053", (41, 43)),
    Province("인천광역시", ("인천", "인천시"), "032", (21, 23)),
    Province("광주광역시", ("광주", "광주시"), "062", (61, 62)),
    Province("대전광역시", ("대전", "대전시"), "042", (34, 35)),
    Province("울산광역시", ("울산", "울산시"), "052", (44, 45)),
    Province("세종특별자치시", ("세종", "세종시"), "044", (30, 30)),
    Province("경기도", ("경기",), "031", (10, 20)),
    Province("강원특별자치도", ("강원", "강원도"), "033", (24, 26)),
    Province("충청북도", ("충북",), "043", (27, 29)),
    Province("충청남도", ("충남",), "041", (31, 33)),
    Province("전북특별자치도", ("전북", "전라북도"), "063", (54, 56)),
    Province("전라남도", ("전남",), "061", (57, 60)),
    Province("경상북도", ("경북",), "054", (36, 40)),
    Province("경상남도", ("경남",), "055", (50, 53)),
    Province("제주특별자치도", ("제주", "제주도"), "064", (63, 63)),
)

# Region > territory > province: district latitude longitude, …
_TERRITORY_TABLE = """
CAPITAL 수도권
  SEOUL-GANGNAM 서울강남
    서울특별시: 강남구 37.51 127.05, 서초구 37.48 127.03, 송파구 37.51 127.11, 강동구 37.53 127.13
  SEOUL-GANGSEO 서울강서
    서울특별시: 강서구 37.55 126.85, 양천구 37.52 126.87, 영등포구 37.53 126.90, 구로구 37.50 126.88
    서울특별시: 금천구 37.46 126.90, 동작구 37.51 126.95, 관악구 37.48 126.95
  SEOUL-CENTRE 서울도심
    서울특별시: 종로구 37.58 126.98, 중구 37.56 126.99, 용산구 37.53 126.98, 은평구 37.61 126.93
    서울특별시: 서대문구 37.58 126.94, 마포구 37.56 126.91
  SEOUL-GANGBUK 서울강북
    서울특별시: 성동구 37.56 127.04, 광진구 37.54 127.08, 동대문구 37.58 127.05, 중랑구 37.60 127.09
    서울특별시: 성북구 37.60 127.02, 강북구 37.64 127.02, 도봉구 37.67 127.04, 노원구 37.65 127.07
  INCHEON 인천
    인천광역시: 중구 37.47 126.62, 동구 37.47 126.64, 미추홀구 37.46 126.65, 연수구 37.41 126.68
    인천광역시: 남동구 37.45 126.73, 부평구 37.51 126.72, 계양구 37.54 126.74, 서구 37.55 126.68
    인천광역시: 강화군 37.75 126.49, 옹진군 37.25 126.47
  GYEONGGI-NORTH 경기북부
    경기도: 고양시 37.66 126.83, 파주시 37.76 126.78, 의정부시 37.74 127.03, 양주시 37.79 127.05
    경기도: 동두천시 37.90 127.06, 포천시 37.89 127.20, 연천군 38.10 127.07, 김포시 37.62 126.72
  GYEONGGI-SOUTH 경기남부
    경기도: 수원시 37.26 127.03, 화성시 37.20 126.83, 오산시 37.15 127.08, 평택시 36.99 127.11
    경기도: 안성시 37.01 127.28, 안산시 37.32 126.83, 시흥시 37.38 126.80, 안양시 37.39 126.95
    경기도: 군포시 37.36 126.94, 의왕시 37.34 126.97, 과천시 37.43 126.99, 광명시 37.48 126.86
    경기도: 부천시 37.50 126.77
  GYEONGGI-EAST 경기동부
    경기도: 성남시 37.42 127.13, 용인시 37.24 127.18, 하남시 37.54 127.21, 광주시 37.43 127.26
    경기도: 이천시 37.27 127.44, 여주시 37.30 127.64, 양평군 37.49 127.49, 남양주시 37.64 127.22
    경기도: 구리시 37.59 127.13, 가평군 37.83 127.51
GANGWON 강원
  GANGWON-WEST 강원영서
    강원특별자치도: 춘천시 37.88 127.73, 원주시 37.34 127.92, 홍천군 37.70 127.89, 횡성군 37.49 127.98
    강원특별자치도: 영월군 37.18 128.46, 평창군 37.37 128.39, 정선군 37.38 128.66, 철원군 38.15 127.31
    강원특별자치도: 화천군 38.11 127.71, 양구군 38.11 127.99, 인제군 38.07 128.17
  GANGWON-EAST 강원영동
    강원특별자치도: 강릉시 37.75 128.88, 동해시 37.52 129.11, 삼척시 37.45 129.17, 태백시 37.16 128.99
    강원특별자치도: 속초시 38.21 128.59, 고성군 38.38 128.47, 양양군 38.08 128.62
CHUNGCHEONG 충청
  DAEJEON-SEJONG 대전세종
    대전광역시: 동구 36.31 127.45, 중구 36.33 127.42, 서구 36.36 127.38, 유성구 36.36 127.36
    대전광역시: 대덕구 36.35 127.42
    세종특별자치시: 세종시 36.48 127.29
  CHUNGBUK 충북
    충청북도: 청주시 36.64 127.49, 충주시 36.99 127.93, 제천시 37.13 128.19, 보은군 36.49 127.73
    충청북도: 옥천군 36.31 127.57, 영동군 36.18 127.78, 증평군 36.79 127.58, 진천군 36.86 127.44
    충청북도: 괴산군 36.82 127.79, 음성군 36.94 127.69, 단양군 36.98 128.37
  CHUNGNAM-NORTH 충남북부
    충청남도: 천안시 36.82 127.11, 아산시 36.79 127.00, 당진시 36.89 126.63, 서산시 36.78 126.45
    충청남도: 태안군 36.75 126.30, 예산군 36.68 126.85, 홍성군 36.60 126.66
  CHUNGNAM-SOUTH 충남남부
    충청남도: 공주시 36.45 127.12, 보령시 36.33 126.61, 논산시 36.19 127.10, 계룡시 36.27 127.25
    충청남도: 금산군 36.11 127.49, 부여군 36.28 126.91, 서천군 36.08 126.69, 청양군 36.46 126.80
HONAM 호남
  JEONBUK 전북
    전북특별자치도: 전주시 35.82 127.15, 군산시 35.97 126.74, 익산시 35.95 126.96, 정읍시 35.57 126.86
    전북특별자치도: 남원시 35.42 127.39, 김제시 35.80 126.88, 완주군 35.90 127.16, 진안군 35.79 127.42
    전북특별자치도: 무주군 36.01 127.66, 장수군 35.65 127.52, 임실군 35.62 127.29, 순창군 35.37 127.14
    전북특별자치도: 고창군 35.44 126.70, 부안군 35.73 126.73
  GWANGJU 광주
    광주광역시: 동구 35.15 126.92, 서구 35.15 126.89, 남구 35.13 126.90, 북구 35.17 126.91
    광주광역시: 광산구 35.14 126.79
  JEONNAM-EAST 전남동부
    전라남도: 여수시 34.76 127.66, 순천시 34.95 127.49, 광양시 34.94 127.70, 곡성군 35.28 127.29
    전라남도: 구례군 35.20 127.46, 고흥군 34.61 127.28, 보성군 34.77 127.08, 화순군 35.06 126.99
    전라남도: 담양군 35.32 126.99
  JEONNAM-WEST 전남서부
    전라남도: 목포시 34.81 126.39, 나주시 35.02 126.71, 장흥군 34.68 126.91, 강진군 34.64 126.77
    전라남도: 해남군 34.57 126.60, 영암군 34.80 126.70, 무안군 34.99 126.48, 함평군 35.07 126.52
    전라남도: 영광군 35.28 126.51, 장성군 35.30 126.78, 완도군 34.31 126.76, 진도군 34.49 126.26
    전라남도: 신안군 34.83 126.35
YEONGNAM-JEJU 영남·제주
  BUSAN 부산
    부산광역시: 중구 35.11 129.03, 서구 35.10 129.02, 동구 35.13 129.05, 영도구 35.09 129.07
    부산광역시: 부산진구 35.16 129.05, 동래구 35.20 129.08, 남구 35.14 129.08, 북구 35.20 128.99
    부산광역시: 해운대구 35.16 129.16, 사하구 35.10 128.97, 금정구 35.24 129.09, 강서구 35.21 128.98
    부산광역시: 연제구 35.18 129.08, 수영구 35.15 129.11, 사상구 35.15 128.99, 기장군 35.24 129.22
  ULSAN 울산
    울산광역시: 중구 35.57 129.33, 남구 35.54 129.33, 동구 35.50 129.42, 북구 35.58 129.36
    울산광역시: 울주군 35.52 129.24
  DAEGU 대구
    대구광역시: 중구 35.87 128.61, 동구 35.89 128.64, 서구 35.87 128.56, 남구 35.85 128.60, 북구 35.89 128.58
    대구광역시: 수성구 35.86 128.63, 달서구 35.83 128.53, 달성군 35.77 128.43, 군위군 36.24 128.57
  GYEONGBUK 경북
    경상북도: 포항시 36.02 129.34, 경주시 35.86 129.22, 김천시 36.14 128.11, 안동시 36.57 128.73
    경상북도: 구미시 36.12 128.34, 영주시 36.81 128.62, 영천시 35.97 128.94, 상주시 36.41 128.16
    경상북도: 문경시 36.59 128.19, 경산시 35.83 128.74, 의성군 36.35 128.70, 청송군 36.44 129.06
    경상북도: 영양군 36.67 129.11, 영덕군 36.42 129.37, 청도군 35.65 128.73, 고령군 35.73 128.26
    경상북도: 성주군 35.92 128.28, 칠곡군 35.99 128.40, 예천군 36.66 128.45, 봉화군 36.89 128.73
    경상북도: 울진군 36.99 129.40, 울릉군 37.48 130.91
  GYEONGNAM 경남
    경상남도: 창원시 35.23 128.68, 진주시 35.18 128.11, 통영시 34.85 128.43, 사천시 35.00 128.06
    경상남도: 김해시 35.23 128.89, 밀양시 35.50 128.75, 거제시 34.88 128.62, 양산시 35.34 129.04
    경상남도: 의령군 35.32 128.26, 함안군 35.27 128.41, 창녕군 35.54 128.49, 고성군 34.97 128.32
    경상남도: 남해군 34.84 127.89, 하동군 35.07 127.75, 산청군 35.42 127.87, 함양군 35.52 127.73
    경상남도: 거창군 35.69 127.91, 합천군 35.57 128.17
  JEJU 제주
    제주특별자치도: 제주시 33.50 126.53, 서귀포시 33.25 126.56
"""

_ROAD_NAMES = """
중앙로 중앙대로 시청로 군청길 역전로 시장길 공단로 산단1로 산단2로 산단3로 항만로 터미널로
강변로 순환로 북부로 남부로 동부대로 서부대로 신도시로 학교길 체육관로 농공단지길 국도변길 나들목로
"""


def _districts_in(lines: list[str]) -> tuple[District, ...]:
    found = []
    for line in lines:
        province, _, entries = line.strip().partition(": ")
        for entry in entries.split(", "):
            name, latitude, longitude = entry.split()
            found.append(District(province, name, float(latitude), float(longitude)))
    return tuple(found)


def _sections(lines: list[str], depth: int) -> list[tuple[str, list[str]]]:
    """Cut lines into (heading, lines below it) at the headings that are indented by ``depth`` spaces."""
    sections: list[tuple[str, list[str]]] = []
    for line in lines:
        if line[depth] != " ":
            sections.append((line.strip(), []))
        else:
            sections[-1][1].append(line)
    return sections


def _territory_tree() -> tuple[Territory, ...]:
    regions = []
    for region_heading, below in _sections(_TERRITORY_TABLE.strip().splitlines(), depth=0):
        territories = []
        for heading, lines in _sections(below, depth=2):
            code, name = heading.split()
            territories.append(Territory(code, name, districts=_districts_in(lines)))
        code, name = region_heading.split()
        regions.append(Territory(code, name, children=tuple(territories)))
    return tuple(regions)


TERRITORIES: Final = _territory_tree()
"""Five regions, each with its territories; together they hold every district once."""

ROADS: Final = tuple(f"견본{road}" for road in _ROAD_NAMES.split())
"""Street names in the shapes of real ones; 견본 (specimen) in front says that no town has them."""

DISTRICTS: Final = tuple(
    district for region in TERRITORIES for territory in region.children for district in territory.districts
)


@cache
def _provinces_by_name() -> dict[str, Province]:
    return {name: province for province in PROVINCES for name in (province.name, *province.other_names)}


def find_province(name: str) -> Province | None:
    """Find a province by its name, its short form or its former name (``강원도``), composed and trimmed."""
    return _provinces_by_name().get(name)


@cache
def _districts_by_name() -> dict[tuple[str, str], District]:
    return {(district.province, district.name): district for district in DISTRICTS}


def find_district(province: str, name: str) -> District | None:
    """Find a district by the full name of its province and its own name; ``중구`` alone exists six times."""
    return _districts_by_name().get((province, name))
