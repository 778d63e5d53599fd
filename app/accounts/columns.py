"""Names that ERPs give to the columns and kinds of a customer list, in Korean and English."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

# Field → headers, without spaces, punctuation and case.
HEADERS: Final[Mapping[str, str]] = {
    "code": "거래처코드 거래처번호 고객코드 고객번호 업체코드 회사코드"
    " code accountcode customercode customerno customernumber customerid bpcode kunnr",
    "name": "거래처명 거래처 고객명 업체명 상호 상호명 회사명"
    " name accountname customername companyname company name1",
    "legal_name": "법인명 정식상호 사업자명 legalname",
    "business_number": "사업자등록번호 사업자번호 등록번호"
    " businessnumber businessregistrationnumber brn taxid stcd1",
    "kinds": "구분 거래처구분 고객구분 업종구분 kind kinds type customertype accounttype",
    "subtype": "유형코드 유형 거래처유형 고객유형 subtype subtypecode",
    "parent_code": "상위거래처코드 상위거래처 상위코드 본점코드 대리점코드 parentcode parent parentaccount",
    "tier": "등급 고객등급 거래처등급 tier grade class",
    "lifecycle_stage": "단계 거래단계 lifecycle lifecyclestage stage",
    "phone": "전화번호 전화 대표전화 연락처 tel telephone phone phonenumber telf1",
    "email": "이메일 메일 전자우편 email mail emailaddress",
    "website": "홈페이지 웹사이트 website homepage url",
    "postcode": "우편번호 postcode postalcode zip zipcode pstlz",
    "sido": "시도 광역시도 province sido",
    "sigungu": "시군구 district sigungu",
    "address": "주소 사업장주소 소재지 address street address1",
    "latitude": "위도 lat latitude",
    "longitude": "경도 lon lng longitude",
    "opening_hours": "영업시간 운영시간 openinghours hours",
    "credit_limit": "여신한도 신용한도 한도 한도액 creditlimit klimk",
    "credit_currency": "통화 통화코드 currency currencycode waers",
    "payment_terms": "결제조건 지급조건 paymentterms terms zterm",
    "risk_class": "위험등급 신용등급 riskclass ctlpc",
    "tags": "태그 분류 tags labels",
    "notes": "비고 메모 특이사항 적요 notes note remark remarks memo comment",
    "territory": "영업구역 담당구역 구역 관할 territory salesterritory",
}
FIELDS_OF_HEADERS: Final[Mapping[str, str]] = {
    header: name for name, headers in HEADERS.items() for header in headers.split()
}
# Columns that we add to rejected rows ourselves, so that a corrected file can be read again.
IGNORED_HEADERS: Final = frozenset({"import_line", "import_errors"})

_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "대리점": ("customer", "partner"),
    "특약점": ("customer", "partner"),
    "dealer": ("customer", "partner"),
    "파트너": ("partner",),
    "협력사": ("partner",),
    "partner": ("partner",),
    "매입처": ("supplier",),
    "공급사": ("supplier",),
    "공급업체": ("supplier",),
    "supplier": ("supplier",),
    "vendor": ("supplier",),
    "매입매출처": ("customer", "supplier"),
    "잠재": ("prospect",),
    "잠재고객": ("prospect",),
    "가망고객": ("prospect",),
    "prospect": ("prospect",),
    "lead": ("prospect",),
    "경쟁사": ("competitor",),
    "competitor": ("competitor",),
}
_NOT_A_WORD = re.compile(r"[\W_]+")


def header_key(header: str) -> str:
    """A header without spaces, punctuation, case and width: ``사업자 등록번호`` is ``사업자등록번호``."""
    return _NOT_A_WORD.sub("", unicodedata.normalize("NFKC", header).casefold())


def kinds_of(word: str | None) -> list[str]:
    """What an account of the source's kind is to us. Sources have words of their own (주유소, 산업체);
    whoever is in a customer list and is called nothing else is a customer."""
    return list(_KINDS.get(header_key(word or ""), ("customer",)))
