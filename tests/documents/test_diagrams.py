"""The diagrams of the documents, drawn by the program that draws them for readers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page

import localnode
from tests.documents.fences import HOUSE, Fence, all_fences
from tests.pages.chromium import browser

pytestmark = pytest.mark.more
DIAGRAMS = [one for one in all_fences() if one.language == "mermaid"]
DRAW = "text => mermaid.render('drawn', text).then(({ svg }) => svg)"


@pytest.fixture(scope="module")
def site() -> Iterator[Page]:
    drawer = (
        localnode.installed(Path(HOUSE, "docs", "site"))
        / "node_modules"
        / "mermaid"
        / "dist"
        / "mermaid.min.js"
    )
    with browser() as one:
        made = one.new_page()
        made.add_script_tag(path=str(drawer))
        yield made


@pytest.mark.parametrize("diagram", DIAGRAMS, ids=lambda one: one.place)
def test_is_drawn(site: Page, diagram: Fence) -> None:
    drawn = site.evaluate(DRAW, diagram.text)

    assert drawn.startswith("<svg")
    assert "Syntax error" not in drawn


def test_a_broken_one_is_refused(site: Page) -> None:
    with pytest.raises(Error, match="Parse error"):
        site.evaluate(DRAW, DIAGRAMS[0].text.replace("\n", "\n ->->> \n", 2))


def test_there_are_some() -> None:
    assert len(DIAGRAMS) >= 3
