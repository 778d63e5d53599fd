"""What goes wrong with phones: answers lost, sessions over, tabs, other people, no room, clocks, new versions."""

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from examples.pwa.files import APP, load
from examples.pwa.serving import Server
from tests.pages.company import Company
from tests.pages.handset import Handset, until
from tests.world import PASSWORD

pytestmark = pytest.mark.more
Hand = Callable[..., Handset]
SYNC = "**/api/v1/sync"
# To begin a sync beside the one that is held.
OTHERS_HAVE_MS = 500


def change(page: Page, customer: str, label: str, value: str, *, opened: bool = False) -> None:
    """Fill in one field of the customer's form, and save."""
    if not opened:
        page.evaluate("id => { location.hash = `#/edit/${id}` }", customer)
    page.get_by_label(label).fill(value)
    page.get_by_role("button", name="저장").click()
    expect(page.locator(".toast span")).to_contain_text("저장")


def phone_of(company: Company) -> str | None:
    return str(company.account()["phone"])


def pushes(company: Company) -> list[str]:
    """What the server was ever told of the customer by phones, each once."""
    rows = company.world.sql(
        "SELECT id::text FROM sync_mutations WHERE tenant_id = :tenant AND record_id = :id",
        id=company.customer,
    )
    return [row[0] for row in rows]


def test_an_answer_that_was_lost_after_the_commit_does_nothing_twice(company: Company, handset: Hand) -> None:
    phone = handset(company.rep)
    page = phone.page
    sent: list[list[str]] = []

    def lose_first(route: Route) -> None:
        mutations = json.loads(route.request.post_data or "{}")["mutations"]
        if not mutations:
            route.continue_()
            return
        sent.append([one["id"] for one in mutations])
        if len(sent) == 1:
            route.fetch()  # the server has done it
            route.abort("connectionreset")
        else:
            route.continue_()

    # Past the worker, which never touches the API anyway.
    phone.context.route(SYNC, lose_first)
    change(page, company.customer, "전화", "+821011112222")
    expect(page.locator(".standing")).to_contain_text("오프라인 · 1")
    page.locator(".standing").click()
    phone.synced()
    phone.context.unroute_all(behavior="wait")

    assert sent[0] == sent[1]
    assert pushes(company) == sent[0]
    assert phone_of(company) == "+821011112222"


def test_a_session_that_is_over_keeps_the_work_until_its_person_is_back(
    company: Company, handset: Hand
) -> None:
    phone = handset(company.rep)
    page = phone.page
    end_sessions(company)
    change(page, company.customer, "전화", "+821033334444")

    page.get_by_role("link", name="다시 로그인").click()
    expect(page.get_by_label("아이디")).to_have_value(company.rep.login)
    page.get_by_label("비밀번호").fill(PASSWORD)
    page.get_by_role("button", name="로그인").click()
    phone.synced()

    assert phone_of(company) == "+821033334444"


def end_sessions(company: Company) -> None:
    """As when somebody changes their password elsewhere."""
    done = company.rep.call(
        "POST", "/api/v1/auth/password", {"current_password": PASSWORD, "new_password": "barley tea at eight"}
    )
    assert done.status_code in (200, 204), done.get_data(as_text=True)
    again = company.world.app.test_client().post(
        "/api/v1/auth/login",
        json={
            "tenant": company.world.code,
            "login": company.rep.login,
            "password": "barley tea at eight",
            "device": {"name": "x", "platform": "web", "app_version": "1"},
        },
    )
    back = company.world.app.test_client().post(
        "/api/v1/auth/password",
        json={"current_password": "barley tea at eight", "new_password": PASSWORD},
        headers={"Authorization": f"Bearer {again.json['access_token']}"},
    )
    assert back.status_code in (200, 204), back.get_data(as_text=True)


def test_work_of_one_person_is_never_sent_in_the_name_of_another(company: Company, handset: Hand) -> None:
    phone = handset(company.rep)
    page = phone.page
    phone.cut()
    change(page, company.customer, "전화", "+821055556666")
    expect(page.locator(".standing")).to_contain_text("오프라인 · 1")
    phone.go("settings")
    page.get_by_role("button", name="로그아웃").click()
    expect(page.get_by_text(f"{company.rep.login} · 전송되지 않은 작업 1건")).to_be_visible()
    phone.reconnect()

    phone.log_in(company.manager)
    phone.go("settings")
    expect(page.get_by_text("박도윤")).to_be_visible()
    phone.sync()
    assert pushes(company) == []
    page.get_by_role("button", name="로그아웃").click()
    expect(page.locator("input[name=tenant]")).to_be_visible()
    assert page.evaluate("indexedDB.databases().then((all) => all.length)") == 2

    phone.log_in(company.rep)
    assert phone_of(company) == "+821055556666"
    author = company.world.sql(
        "SELECT DISTINCT user_id::text FROM sync_mutations WHERE tenant_id = :tenant AND record_id = :id",
        id=company.customer,
    )
    assert [row[0] for row in author] == [str(company.rep.id)]


def test_of_two_tabs_one_syncs_and_both_show(company: Company, handset: Hand) -> None:
    phone = handset(company.rep)
    first, second = phone.page, phone.new_tab()
    held: list[Route] = []
    phone.context.route(SYNC, lambda route: held.append(route))
    for page in (first, second):
        page.evaluate("id => { location.hash = `#/customer/${id}` }", company.customer)
    change(second, company.customer, "전화", "+821077778888")
    for page in (first, second, first, second):
        page.locator(".standing").click()
    until(lambda: first.wait_for_timeout(50) or held != [])
    first.wait_for_timeout(OTHERS_HAVE_MS)
    assert len(held) == 1

    phone.context.route(SYNC, lambda route: route.continue_())
    held[0].continue_()
    expect(first.locator("dd", has_text="+821077778888")).to_be_visible()
    for page in (first, second):
        expect(page.locator(".standing")).to_contain_text("모두 전송됨")
    phone.context.unroute_all(behavior="wait")
    assert len(pushes(company)) == 1


def test_what_left_the_scope_leaves_the_phone(company: Company, handset: Hand) -> None:
    phone = handset(company.rep)
    page = phone.page
    phone.go("customers")
    expect(page.locator(".row", has_text="한결산업")).to_be_visible()

    company.world.sql(
        "UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant AND id = :id",
        to=company.world.south,
        id=company.customer,
    )
    phone.sync()

    expect(page.locator(".row", has_text="가람상사")).to_be_visible()
    expect(page.locator(".row", has_text="한결산업")).to_have_count(0)
    phone.go(f"customer/{company.customer}")
    expect(page.get_by_text("더 이상 이 휴대폰에 없습니다")).to_be_visible()


def test_without_room_nothing_is_said_to_be_saved_and_nothing_typed_is_lost(
    company: Company, handset: Hand
) -> None:
    phone = handset()
    page = phone.page
    room = {"origin": phone.site.url.rstrip("/"), "quotaSize": 12_000_000}
    session = phone.context.new_cdp_session(page)
    session.send("Storage.overrideQuotaForOrigin", room)
    phone.log_in(company.rep)
    phone.cut()
    phone.go(f"edit/{company.customer}")
    assert page.evaluate(FILL) == "QuotaExceededError"
    long = "\n".join(f"{i} 점검 기록" for i in range(1_000))
    page.get_by_label("메모").fill(long)
    page.get_by_role("button", name="저장").click()
    expect(page.get_by_role("alert")).to_contain_text("저장 공간이 가득 차")
    assert page.get_by_label("메모").input_value() == long

    page.evaluate("new Promise((done) => (indexedDB.deleteDatabase('filler').onsuccess = () => done()))")
    session.send("Storage.overrideQuotaForOrigin", {"origin": room["origin"]})

    def saved() -> bool:  # the browser takes its time to notice that there is room again
        button = page.get_by_role("button", name="저장")
        if button.count():
            button.click()
        page.wait_for_timeout(500)
        return "·" in page.locator(".standing").inner_text()

    until(saved)
    expect(page.locator(".standing")).to_contain_text("오프라인 · 1")


# Takes all the room that there is, down to a few kilobytes; gives the name of the error that ends it.
FILL = """
(async () => {
  const open = indexedDB.open("filler");
  open.onupgradeneeded = () => open.result.createObjectStore("all", { autoIncrement: true });
  await new Promise((resolve) => (open.onsuccess = resolve));
  open.result.onversionchange = () => open.result.close();
  let error = null;
  for (let size = 1 << 20; size > 1 << 10; size >>= 1) {
    for (let i = 0; i < 40; i++) {
      error = await new Promise((resolve) => {
        const tx = open.result.transaction("all", "readwrite");
        const noise = crypto.getRandomValues(new Uint8Array(Math.min(size, 65536))).join("");
        tx.objectStore("all").add(noise.slice(0, size).padEnd(size, "x"));
        tx.oncomplete = () => resolve(null);
        tx.onabort = () => resolve(tx.error?.name ?? "aborted");
      });
      if (error) break;
    }
  }
  return error;
})()
"""


def test_a_clock_three_days_ahead_wins_nothing_and_is_told(company: Company, handset: Hand) -> None:
    phone = handset(company.rep, clock_ahead_ms=3 * 86_400_000)
    page = phone.page
    expect(page.get_by_text("휴대폰 시계가 3일 빠릅니다")).to_be_visible()
    phone.cut()
    change(page, company.customer, "전화", "+821010101010")
    expect(page.locator(".standing")).to_contain_text("오프라인 · 1")
    company.office(phone="+8225559999")  # later than the phone's edit, whatever its clock says
    phone.reconnect()
    phone.synced()

    assert phone_of(company) == "+8225559999"


def test_an_edit_made_while_others_change_the_same_form_is_based_on_what_was_shown(
    company: Company, handset: Hand
) -> None:
    phone = handset(company.rep)
    page = phone.page
    phone.go(f"edit/{company.customer}")
    page.get_by_label("전화").fill("+821020202020")
    company.office(legal_name="(주)한결홀딩스", opening_hours="월-금 08-18시")
    phone.sync()
    expect(page.get_by_label("전화")).to_have_value("+821020202020")
    page.get_by_role("button", name="저장").click()
    phone.saved()
    phone.synced()

    merged = company.account()
    assert (merged["phone"], merged["legal_name"], merged["opening_hours"]) == (
        "+821020202020",
        "(주)한결홀딩스",
        "월-금 08-18시",
    )


def test_a_first_sync_of_many_pages_shows_how_far_it_is(company: Company, handset: Hand) -> None:
    company.world.sql(
        "INSERT INTO accounts (tenant_id, id, name, territory_id)"
        " SELECT :tenant, gen_random_uuid(), '고객 ' || i, :territory FROM generate_series(1, 1500) AS i",
        territory=company.world.north,
    )
    company.world.drain()
    phone = handset()
    phone.page.evaluate(
        """() => { window.shown = [];
        new MutationObserver(() => { const one = document.querySelector(".standing")?.textContent.trim();
          if (one && window.shown.at(-1) !== one) window.shown.push(one); })
          .observe(document.body, { subtree: true, childList: true, characterData: true }); }"""
    )
    phone.log_in(company.rep)
    phone.go("customers")

    expect(phone.page.get_by_text("1,502곳")).to_be_visible()
    assert any(re.search(r"\d+건 받음", one) for one in phone.page.evaluate("window.shown"))


@pytest.fixture
def own_site(api_url: str, tmp_path: Path, site: Any) -> Iterator[tuple[Server, Path]]:
    """A server of files that a test may change."""
    folder = tmp_path / "app"
    shutil.copytree(APP, folder)
    server = Server("127.0.0.1", 0, api_url, partial(load, folder))
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    yield server, folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_new_version_is_offered_and_not_forced_in_the_middle_of_an_edit(
    company: Company, handset: Hand, own_site: tuple[Server, Path]
) -> None:
    server, folder = own_site
    phone = handset()
    page = phone.page
    page.goto(server.url)
    phone.log_in(company.rep)
    phone.go(f"edit/{company.customer}")
    page.get_by_label("메모").fill("반쯤 쓴 메모")

    words = folder / "words" / "ko.js"
    words.write_text(words.read_text("utf-8").replace('"오늘 방문"', '"오늘의 새 방문"'), "utf-8")
    page.evaluate(
        "navigator.serviceWorker.getRegistration().then((one) => one.update()).then(() => undefined)"
    )
    expect(page.get_by_text("새 버전이 있습니다")).to_be_visible()
    expect(page.get_by_label("메모")).to_have_value("반쯤 쓴 메모")
    page.get_by_role("button", name="저장").click()
    phone.saved()
    phone.synced()
    page.get_by_role("button", name="새 버전으로 열기").click()

    page.wait_for_load_state()
    page.get_by_role("link", name="오늘", exact=True).click()
    expect(page.get_by_role("heading", name="오늘의 새 방문")).to_be_visible()
    assert company.account()["notes"] == "반쯤 쓴 메모"
