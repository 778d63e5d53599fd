"""For everybody's eyes and thumbs: axe on every view in both languages and both schemes, and targets of 48 pixels."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.pages import packages
from tests.pages.company import Company
from tests.pages.handset import Handset

pytestmark = pytest.mark.more
Hand = Callable[..., Handset]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Another scheme is other colours and nothing else.
IN_DARK = ["cat.color"]
LEAST_PX = 48
# What can be tapped, as large as its label where it has one.
SMALL = """least => [...document.querySelectorAll("a[href], button, input, select, textarea, [role=button]")]
  .map((one) => [one.outerHTML.slice(0, 120), (one.closest("label") ?? one).getBoundingClientRect(), one])
  .filter(([, box, one]) => box.width && !one.closest(".skip") && (box.height < least - 0.5 || box.width < least - 0.5))
  .map(([html, box]) => `${Math.round(box.width)}x${Math.round(box.height)} ${html}`)"""
WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def faults(page: Page, rules: list[str] = RULES) -> list[str]:
    """What axe finds wrong, as sentences."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((packages.modules() / "axe-core/axe.min.js").read_text("utf-8"))
    found: list[dict[str, Any]] = page.evaluate(
        "rules => axe.run(document, { runOnly: rules, resultTypes: ['violations'] }).then((all) => all.violations)",
        rules,
    )
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found
        for node in one["nodes"]
    ]


def looked_at(phone: Handset, places: list[str], scheme: str) -> dict[str, list[str]]:
    """Every fault, by place."""
    page = phone.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    wrong = {}
    for place in places:
        phone.go(place)
        expect(page.locator("main > :not(.news)").first).to_be_visible()
        found = faults(page, IN_DARK if scheme == "dark" else RULES) + page.evaluate(SMALL, LEAST_PX)
        if page.evaluate(WIDER):
            found.append("wider than the phone")
        if found:
            wrong[f"{place.split('/')[0]} {scheme}"] = found
    return wrong


@pytest.fixture
def busy(company: Company) -> Company:
    """A company where every view has something to show."""
    oil, _ = company.goods()
    company.page()
    company.asks_approval()
    rep = company.rep
    rep.sync()
    rep.sync(
        rep.mutation(
            "create",
            "order",
            "01932c5e-8f00-7a3b-8c4d-000000000001",
            fields={
                "account_id": company.customer,
                "lines": [
                    {
                        "id": "01932c5e-8f00-7a3b-8c4d-0000000000a1",
                        "product_id": oil,
                        "unit": "EA",
                        "quantity": "2.000000",
                    }
                ],
            },
        ),
        rep.mutation("submit", "order", "01932c5e-8f00-7a3b-8c4d-000000000001", fields={}),
        rep.mutation(
            "create",
            "order",
            "01932c5e-8f00-7a3b-8c4d-000000000002",
            fields={"account_id": company.customer, "lines": []},
        ),
    )
    company.office(legal_name="(주)한결에너지산업")
    rep.sync(
        rep.edit("account", company.customer, {"legal_name": "한결산업개발 주식회사"})
        | {"base_version": 1, "base": {"legal_name": "한결산업 주식회사"}}
    )
    return company


def only(person: Any, entity: str) -> str:
    return next(key[1] for key in person.records if key[0] == entity)


@pytest.mark.parametrize("language", ["ko-KR", "en-GB"])
def test_every_view_is_clean_in_light_and_dark(busy: Company, handset: Hand, language: str) -> None:
    visit = busy.visit()
    busy.rep.sync()
    busy.manager.sync()
    phone = handset(busy.rep, language=language)
    mine = [
        "today", "customers", f"customer/{busy.customer}", f"edit/{busy.customer}", f"visit/{visit}",
        f"new-order/{busy.customer}", "order/01932c5e-8f00-7a3b-8c4d-000000000001",
        "order/01932c5e-8f00-7a3b-8c4d-000000000002", "knowledge", f"article/{only(busy.rep, 'article_version')}",
        "inbox", f"conflict/{only(busy.rep, 'conflict')}", "settings",
    ]  # fmt: skip
    wrong = looked_at(phone, mine, "light") | looked_at(phone, mine, "dark")
    desk = handset(busy.manager, language=language)
    wrong |= looked_at(
        desk,
        ["inbox", f"approval/{only(busy.manager, 'approval')}", f"conflict/{only(busy.manager, 'conflict')}"],
        "light",
    )
    away = handset(language=language)
    expect(away.page.get_by_role("heading", level=1)).to_be_visible()
    wrong |= {"login": faults(away.page) + away.page.evaluate(SMALL, LEAST_PX)}

    assert {place: found for place, found in wrong.items() if found} == {}


def test_the_keyboard_reaches_everything_in_order_and_the_heading_is_told(
    company: Company, handset: Hand
) -> None:
    phone = handset(company.rep)
    page = phone.page
    page.get_by_role("link", name="고객").click()
    expect(page.get_by_role("heading", name="고객")).to_be_focused()
    assert page.title() == "고객 · Fieldmerge"

    page.keyboard.press("Tab")
    expect(page.locator(".standing")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("한결")
    expect(page.locator(".row")).to_have_count(1)  # the list follows what is typed, in its own time
    page.keyboard.press("Tab")
    expect(page.locator(".row", has_text="한결산업")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h2", has_text="한결산업")).to_be_visible()


def test_the_language_is_changed_for_everything_and_remembered(company: Company, handset: Hand) -> None:
    phone = handset(company.rep)
    page = phone.page
    phone.go("settings")
    page.get_by_role("button", name="English").click()

    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "en"
