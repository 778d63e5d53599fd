"""Pages whose code is run against the product as an operator starts it, in the order of the page."""

from pathlib import Path

import pytest

from tests.documents.fences import HOUSE, fences
from tests.documents.running import differences

pytestmark = pytest.mark.more

PAGES = {("docs/conflicts.md", "python"), ("docs/cookbook.md", "python")}


@pytest.mark.parametrize("page", sorted(page for page, _ in PAGES))
def test_the_code_of_a_page_does_what_the_page_says(
    page: str, logins: dict[str, str], url: str, tmp_path: Path
) -> None:
    blocks = [one for one in fences(HOUSE / page) if one.language == "python"]

    assert blocks
    assert differences(blocks, "python", url, logins, tmp_path) == []
