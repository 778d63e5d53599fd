"""Work without a network is kept by the browser, whatever happens to it, and merged when the network is back."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.pages.company import NOTES, Company
from tests.pages.handset import Handset

pytestmark = pytest.mark.more
Hand = Callable[..., Handset]
HOUSE = Path(__file__).parents[2]
PICTURES = Path(os.environ.get("FIELDMERGE_PICTURES", HOUSE / ".fieldmerge" / "pictures"))
"""Those of docs/pwa.md are made by FIELDMERGE_PICTURES=docs/images."""
LARGEST_BYTES = 150_000


def picture(phone: Handset, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    phone.page.mouse.move(0, 0)
    assert len(phone.page.screenshot(path=PICTURES / f"{name}.png")) < LARGEST_BYTES


def test_what_was_edited_offline_survives_a_reload_and_a_killed_tab_and_is_merged(
    company: Company, handset: Hand
) -> None:
    company.visit()
    phone = handset(company.rep)
    page = phone.page
    expect(page.locator("main .row").first).to_contain_text("한결산업")

    phone.cut()
    page.reload()
    expect(page.locator(".standing")).to_contain_text("오프라인")
    page.get_by_role("link", name=re.compile("한결산업")).first.click()
    page.get_by_role("link", name="한결산업").click()
    page.get_by_role("link", name="고객 정보 수정").click()
    page.get_by_label("전화").fill("+821012345678")
    page.get_by_label("법인명").fill("한결산업개발 주식회사")
    page.get_by_label("태그").fill("겨울물량, 신규계약")
    page.get_by_label("메모").fill(NOTES.replace("정문 경비실에 명함 제시", "정문, 하루 전 예약"))
    page.get_by_role("button", name="저장").click()
    expect(page.get_by_role("status").filter(has_text="휴대폰에 저장했습니다")).to_be_visible()
    expect(page.locator("dd", has_text="한결산업개발 주식회사")).to_be_visible()
    picture(phone, "pwa-offline")

    company.office(
        notes=NOTES.replace("매주 화요일", "매주 화·금요일"),
        legal_name="(주)한결에너지산업",
        tags=["겨울물량", "구형펌프", "단가협의"],
    )
    phone.crash()
    page = phone.page
    phone.go(f"customer/{company.customer}")
    expect(page.locator("dd", has_text="한결산업개발 주식회사")).to_be_visible()
    expect(page.locator(".standing")).to_contain_text("오프라인 · 1")

    phone.reconnect()
    phone.synced()
    expect(page.locator("dd", has_text="(주)한결에너지산업")).to_be_visible()
    expect(page.locator(".row.warning")).to_contain_text("법인명")
    picture(phone, "pwa-merged")
    merged = company.account()
    assert merged["phone"] == "+821012345678"
    assert set(merged["tags"]) == {"겨울물량", "신규계약", "단가협의"}
    assert merged["notes"] == NOTES.replace("정문 경비실에 명함 제시", "정문, 하루 전 예약").replace(
        "매주 화요일", "매주 화·금요일"
    )
    assert merged["legal_name"] == "(주)한결에너지산업"

    page.locator(".toast").get_by_role("button", name="닫기").click()
    page.locator(".row.warning").click()
    for value in ("한결산업 주식회사", "한결산업개발 주식회사", "(주)한결에너지산업"):
        expect(page.locator(".side", has_text=value).first).to_be_visible()
    picture(phone, "pwa-conflict")
