"""What is wrong with some sample rows, which rows those are, and what an import must make of them."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from app.sample.draw import Draw

Row = dict[str, str]
"""One customer: column header → text, as in the file."""

BLOCK: Final = 100
"""Shares hold in every run of this many rows."""


@dataclass(frozen=True, slots=True)
class Dirt:
    """One thing that is wrong with a row.

    ``reason`` is the code under which an import must reject the row; None: the row is to be accepted, after
    trimming, composing (NFC) or narrowing its text. ``masked``: a national id number in it is to be masked.
    """

    name: str
    spoil: Callable[[Row, Draw], None]
    reason: str | None = None
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Which rows are dirty and which repeat an earlier company; the rest is plain.

    Decided for each row by itself, so that no row depends on how many follow. The first ``always_plain`` rows
    are never touched.
    """

    seed: int
    dirty_share: float
    duplicate_share: float
    always_plain: int

    def dirt_of(self, row: int) -> Dirt | None:
        """Find what is wrong with row ``row`` (from 0)."""
        block, rank = self._place(row)
        if rank >= _quota(self.dirty_share, block):
            return None
        return DIRT[(_total(self.dirty_share, block) + rank) % len(DIRT)]

    def original_of(self, row: int) -> int | None:
        """Find the earlier plain row whose company row ``row`` repeats."""
        if not self._is_duplicate(row):
            return None
        original = Draw(self.seed, "original", row).below(row)
        while not self.is_plain(original):
            original -= 1
        return original

    def is_plain(self, row: int) -> bool:
        """Say whether row ``row`` is neither dirty nor a repetition."""
        return self.dirt_of(row) is None and not self._is_duplicate(row)

    def _is_duplicate(self, row: int) -> bool:
        block, rank = self._place(row)
        dirty = _quota(self.dirty_share, block)
        return dirty <= rank < dirty + _quota(self.duplicate_share, block)

    def _place(self, row: int) -> tuple[int, int]:
        block, at = divmod(row, BLOCK)
        return block, _ranks(self.seed, block, self.always_plain)[at]


def _total(share: float, blocks: int) -> int:
    return round(share * BLOCK * blocks)


def _quota(share: float, block: int) -> int:
    return _total(share, block + 1) - _total(share, block)


@lru_cache(maxsize=4096)
def _ranks(seed: int, block: int, always_plain: int) -> bytes:
    """Shuffle the rows of a block: the lowest ranks are dirty, the next are duplicates."""
    draw = Draw(seed, "ranks", block)
    protected = min(max(always_plain - block * BLOCK, 0), BLOCK)
    ranks = list(range(BLOCK - protected))
    for last in range(len(ranks) - 1, 0, -1):
        other = draw.below(last + 1)
        ranks[last], ranks[other] = ranks[other], ranks[last]
    return bytes([BLOCK] * protected + ranks)


def _wrong_check_digit(row: Row, draw: Draw) -> None:
    number = row["사업자등록번호"]
    row["사업자등록번호"] = number[:-1] + str((int(number[-1]) + 1 + draw.below(9)) % 10)


def _no_name(row: Row, draw: Draw) -> None:
    row["거래처명"] = draw.pick(("", " "))


def _unreadable_phone(row: Row, draw: Draw) -> None:
    row["전화번호"] = draw.pick(("전화없음", "문의요망", "02-", "010-012-34", "010-0O12-3456", "012-3456"))


def _wrong_thousands(row: Row, draw: Draw) -> None:
    row["여신한도"] = draw.pick(("1,2,34", "12,34,000", "50,000,00", "1억5천", "3,000만"))


def _unknown_province(row: Row, draw: Draw) -> None:
    row["시도"] = draw.pick(("미지도", "서울광역특별시", "강안도", "기타"))


def _no_code(row: Row, _: Draw) -> None:
    row["거래처코드"] = ""


def _national_id_in_note(row: Row, draw: Draw) -> None:
    # Born 2080–2099: a number of nobody, whatever its last six digits.
    birth = f"{80 + draw.below(20)}{1 + draw.below(12):02d}{1 + draw.below(28):02d}"
    number = f"{birth}{draw.pick(('-', '', ' '))}{3 + draw.below(2)}{draw.below(1_000_000):06d}"
    row["비고"] = draw.pick((f"대표자 주민번호 {number} 확인", f"{number} (보증인)", f"연대보증 {number}"))


def _commas_in_note(row: Row, draw: Draw) -> None:
    row["비고"] = draw.pick(
        ("월, 수, 금 오전 방문", "세금계산서, 거래명세서 각 1부", "후문, 지하 1층, 창고 순으로 하역")
    )


def _lines_in_note(row: Row, draw: Draw) -> None:
    row["비고"] = draw.pick(
        ("1) 방문 전 연락\n2) 안전모 착용", "담당자 변경\n\n인수인계 완료", "오전 하역\n오후 하역 불가")
    )


def _quotes_in_note(row: Row, draw: Draw) -> None:
    row["비고"] = draw.pick(('간판 "견본" 옆 진입로', '"익월 정산" 요청', '담당자가 "급함"이라고 메모'))


def _decomposed_text(row: Row, _: Draw) -> None:
    for header in ("거래처명", "대표자", "시도", "시군구", "주소"):
        row[header] = unicodedata.normalize("NFD", row[header])


def _stray_spaces(row: Row, draw: Draw) -> None:
    for header in (
        "거래처코드",
        "거래처명",
        "사업자등록번호",
        "구분",
        "시도",
        "전화번호",
        "여신한도",
        "등급",
        "영업구역",
    ):
        row[header] = draw.pick(("{}  ", " {}", "{}\u3000", "\t{} ")).format(row[header])


_WIDE = str.maketrans("0123456789-,", "０１２３４５６７８９－，")


def _wide_digits(row: Row, _: Draw) -> None:
    for header in ("사업자등록번호", "전화번호", "여신한도"):
        row[header] = row[header].translate(_WIDE)


DIRT: Final = (
    Dirt("wrong_check_digit", _wrong_check_digit, reason="business_number_invalid"),
    Dirt("national_id_in_note", _national_id_in_note, masked=True),
    Dirt("no_name", _no_name, reason="name_missing"),
    Dirt("commas_in_note", _commas_in_note),
    Dirt("unreadable_phone", _unreadable_phone, reason="phone_invalid"),
    Dirt("lines_in_note", _lines_in_note),
    Dirt("wrong_thousands", _wrong_thousands, reason="amount_invalid"),
    Dirt("quotes_in_note", _quotes_in_note),
    Dirt("unknown_province", _unknown_province, reason="province_unknown"),
    Dirt("decomposed_text", _decomposed_text),
    Dirt("no_code", _no_code, reason="code_missing"),
    Dirt("stray_spaces", _stray_spaces),
    Dirt("wide_digits", _wide_digits),
)
"""The kinds of dirt; dirty rows take them in turn."""
