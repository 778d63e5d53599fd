"""A day's work in the browser: visits, orders, knowledge, approvals, conflicts, without a network where one may be."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.pages.company import Company
from tests.pages.handset import Handset

pytestmark = pytest.mark.more
Hand = Callable[..., Handset]


def test_a_visit_is_made_without_a_network_with_its_place(company: Company, handset: Hand) -> None:
    visit = company.visit()
    here = {"latitude": 37.4979, "longitude": 127.0276, "accuracy": 12}
    phone = handset(company.rep, geolocation=here, permissions=["geolocation"])
    page = phone.page
    phone.cut()
    phone.go(f"visit/{visit}")

    page.get_by_role("button", name="체크인").click()
    expect(page.locator(".badge", has_text="방문 중")).to_be_visible()
    page.get_by_label("펌프 누유 점검").check()
    page.get_by_label("결과").fill("계약 갱신")
    page.get_by_label("보고").fill("단가표 전달\n다음 주 회신")
    page.get_by_role("button", name="저장").click()
    expect(page.locator(".standing")).to_contain_text("오프라인 · 3")
    page.get_by_role("button", name="체크아웃").click()
    page.get_by_role("button", name="방문 완료").click()
    expect(page.locator(".standing")).to_contain_text("오프라인 · 5")
    expect(page.get_by_text("연결되면 전송합니다")).to_be_visible()
    phone.reconnect()
    phone.synced()
    expect(page.get_by_text("연결되면 전송합니다")).to_have_count(0)

    made = company.rep.call("GET", f"/api/v1/visits/{visit}").json
    assert (made["status"], made["outcome"]) == ("completed", "계약 갱신")
    assert made["report"] == "단가표 전달\n다음 주 회신"
    assert [task["done"] for task in sorted(made["tasks"], key=lambda task: task["position"])] == [
        True,
        False,
    ]
    assert made["checked_in_location"] == {"lat": 37.4979, "lon": 127.0276}


def test_an_order_is_taken_offline_priced_by_the_office_and_approved_by_the_manager(
    company: Company, handset: Hand
) -> None:
    company.goods()
    company.asks_approval()
    phone = handset(company.rep)
    page = phone.page
    phone.cut()
    phone.go(f"customer/{company.customer}")
    page.get_by_role("link", name="주문 작성").click()
    page.get_by_label("제품").select_option(label="합성 엔진오일 5W30 4L")
    page.get_by_label("수량").fill("12")
    page.get_by_label("비고").fill("화요일 오전 배송")
    page.get_by_role("button", name="임시 저장").click()
    page.wait_for_url(re.compile("#/order/"))
    expect(page.get_by_text("가격은 제출할 때 본사가 정합니다")).to_be_visible()
    page.reload()
    expect(page.get_by_label("수량")).to_have_value("12")
    page.get_by_role("button", name="제출").click()
    expect(page.locator(".badge", has_text="제출됨")).to_be_visible()
    phone.reconnect()
    phone.synced()
    expect(page.locator(".badge", has_text="결재 대기")).to_be_visible()
    expect(page.locator("tfoot")).to_contain_text("501,600")

    desk = handset(company.manager)
    desk.go("inbox")
    desk.page.locator(".row", has_text="501,600").click()
    expect(desk.page.locator("table")).to_contain_text("합성 엔진오일 5W30 4L")
    desk.cut()
    desk.page.get_by_label("의견").fill("확인")
    desk.page.get_by_role("button", name="승인").click()
    expect(desk.page.get_by_text("휴대폰에 저장했습니다")).to_be_visible()
    expect(desk.page.locator(".row", has_text="501,600")).to_contain_text("전송 대기")
    desk.reconnect()
    desk.synced()
    phone.sync()

    expect(page.locator(".badge", has_text="승인")).to_be_visible()
    order = company.world.sql(
        "SELECT status, total, number FROM orders WHERE tenant_id = :tenant AND account_id = :id",
        id=company.customer,
    )[0]
    assert (order.status, int(order.total)) == ("approved", 501_600)


def test_a_document_that_changed_is_not_approved_by_its_old_hash(company: Company, handset: Hand) -> None:
    oil, _ = company.goods()
    company.asks_approval()
    rep = company.rep
    order = rep.call(
        "POST",
        "/api/v1/orders",
        {
            "account_id": company.customer,
            "lines": [{"product_id": oil, "unit": "EA", "quantity": "2.000000"}],
        },
    ).json
    path = f"/api/v1/orders/{order['id']}"

    def command(name: str, **arguments: object) -> None:
        etag = rep.call("GET", path).headers["ETag"]
        done = rep.call("POST", f"{path}/{name}", arguments, **{"If-Match": etag})
        assert done.status_code == 200, done.get_data(as_text=True)

    command("submit")
    desk = handset(company.manager)
    desk.go("inbox")
    desk.page.locator(".row", has_text="83,600").click()
    desk.cut()
    desk.page.get_by_role("button", name="승인").click()
    expect(desk.page.locator(".standing")).to_contain_text("오프라인 · 1")
    command("reopen")
    etag = rep.call("GET", path).headers["ETag"]
    rep.call("PATCH", path, {"note": "수량을 다시 확인"}, **{"If-Match": etag})
    command("submit")
    desk.reconnect()
    desk.synced()

    assert rep.call("GET", path).json["status"] == "pending_approval"
    desk.go("inbox")
    expect(desk.page.locator("section", has_text="거절된 작업")).to_contain_text(
        re.compile("문서가 바뀌었습니다|지금 상태에서는")
    )


def test_a_manager_decides_a_conflict_and_a_decision_on_an_old_state_decides_nothing(
    company: Company, handset: Hand
) -> None:
    phone = handset(company.rep)
    phone.cut()
    phone.go(f"edit/{company.customer}")
    phone.page.get_by_label("법인명").fill("한결산업개발 주식회사")
    phone.page.get_by_role("button", name="저장").click()
    expect(phone.page.locator(".standing")).to_contain_text("오프라인 · 1")
    company.office(legal_name="(주)한결에너지산업")
    phone.reconnect()
    phone.synced()

    desk = handset(company.manager)
    page = desk.page
    desk.go("inbox")
    page.locator(".row", has_text="법인명").click()
    expect(page.locator(".side.mine")).to_contain_text("김하늘님이 쓴 값")
    desk.cut()
    page.get_by_role("button", name="김하늘님의 값으로").click()
    expect(page.locator(".standing")).to_contain_text("오프라인 · 1")
    company.office(legal_name="(주)한결홀딩스")
    desk.reconnect()
    desk.synced()
    assert company.account()["legal_name"] == "(주)한결홀딩스"
    expect(page.locator("section", has_text="거절된 작업")).to_contain_text("그 사이에 값이 바뀌었습니다")

    page.get_by_role("button", name="확인했음").click()
    page.locator(".row", has_text="법인명").click()
    expect(page.locator(".side.theirs")).to_contain_text("(주)한결홀딩스")
    page.get_by_label("이유").fill("등기부 확인")
    page.get_by_role("button", name="김하늘님의 값으로").click()
    expect(page.locator(".empty", has_text="확인할 일이 없습니다")).to_be_visible()
    desk.synced()

    assert company.account()["legal_name"] == "한결산업개발 주식회사"


def test_a_page_is_found_by_initials_without_a_network_and_runs_nothing(
    company: Company, handset: Hand
) -> None:
    company.page()
    phone = handset(company.rep, language="en-GB")
    page = phone.page
    phone.cut()
    page.reload()
    page.get_by_role("link", name="Knowledge").click()
    page.get_by_label("What are you looking for?").fill("ㅇㅎㅇ")
    page.locator(".row", has_text="윤활유 교체 주기").click()

    expect(page.locator("article strong")).to_have_text("6개월")
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("article").get_attribute("lang") == "ko"


def test_what_people_wrote_stays_text(company: Company, handset: Hand) -> None:
    planted = "<img src=x onerror=\"document.title='planted'\"><script>document.title='planted'</script>"
    company.office(notes=planted, tags=[planted[:50]])
    phone = handset(company.rep)
    phone.go(f"customer/{company.customer}")

    expect(phone.page.locator("dd", has_text="onerror").first).to_be_visible()
    assert phone.page.locator("main img, main script").count() == 0
    assert "planted" not in phone.page.title()
