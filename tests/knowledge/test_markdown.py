"""Hostile Markdown: what is refused and why, and that whatever is shown is safe."""

import time
from contextlib import suppress
from html.parser import HTMLParser

import pytest

from app.knowledge import markdown
from app.knowledge.markdown import MarkdownRefused, check, html

ATTRIBUTES = {"href", "title", "rel", "style", "start"}
SCHEMES = ("http://", "https://", "mailto:", "article:")


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name == "href"]


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[누르세요](javascript:alert(1))",
    "[누르세요](JaVaScRiPt:alert(1))",
    "[누르세요](java&#115;cript:alert(1))",
    "[누르세요](&#x6A;avascript:alert(1))",
    "[누르세요](\tjavascript:alert(1))",
    "[누르세요](<javascript:alert(1)>)",
    "[누르세요](vbscript:x)",
    "[누르세요](data:text/html;base64,PHNjcmlwdD4=)",
    "[누르세요](//evil.example)",
    "[누르세요](file:///etc/passwd)",
    "<javascript:alert(1)>",
    "![그림](https://evil.example/p.png)",
    "![그림](data:image/svg+xml,<svg onload=alert(1)>)",
    "[x]: javascript:alert(1)\n\n[x]",
    '[a](https://a.example "\\" onmouseover=\\"alert(1)")',
    "`<script>`\n\n```html\n<script>alert(1)</script>\n```",
    "<a href='javascript:alert(1)'>a</a>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "[a](article:x onmouseover=alert)",
    "<!-- --><style>*{}</style>",
)
HEAVY = {
    "quotes 10,000 deep": ">" * 10_000 + " x",
    "lists 10,000 deep": "- " * 10_000 + "x",
    "brackets": "[" * 190_000,
    "images": "![" * 95_000,
    "emphasis": "*a " * 60_000,
    "strong": "**a" * 60_000,
    "mixed": "*_" * 95_000,
    "links": "[a](" * 45_000,
    "backticks": "".join("a" + "`" * n for n in range(600)),
    "a table of 500 columns and 4,000 rows": "|" + "a|" * 500 + "\n|" + "-|" * 500 + "\n" + "|\n" * 4_000,
    "a table of 40,000 columns": "|" + "a|" * 40_000 + "\n|" + "-|" * 40_000,
    "headings": "# a\n" * 4_900,
    "entities": "&amp;" * 39_000,
    "references": "\n".join(f"[a{n}]: https://a.example" for n in range(4_000)),
    "a megabyte": "가" * 340_000,
}


class TestHtml:
    @pytest.mark.parametrize("body", HOSTILE)
    def test_of_hostile_text_is_safe(self, body: str) -> None:
        seen = Seen(html(body))

        assert seen.tags <= markdown.TAGS
        assert seen.attributes <= ATTRIBUTES
        assert all(address.startswith(SCHEMES) for address in seen.addresses)

    @pytest.mark.parametrize("name", HEAVY)
    def test_of_heavy_text_is_ready_in_time(self, name: str) -> None:
        start = time.process_time()
        shown = html(HEAVY[name])

        assert time.process_time() - start < 5
        assert len(shown.encode()) <= markdown.MAX_BYTES * 20

    def test_keeps_what_articles_are_made_of(self) -> None:
        shown = html(
            "# 제목\n\n**굵게** ~~취소~~ `코드`\n\n| 등급 | 점도 |\n|:--|--:|\n| 5W-30 | 11 |\n\n1. 하나\n2. 둘"
        )

        for part in (
            "<h1>제목</h1>",
            "<strong>굵게</strong>",
            "<s>취소</s>",
            "<code>코드</code>",
            "<td",
            "<ol>",
        ):
            assert part in shown

    def test_links_to_articles_that_the_reader_may_know_of(self) -> None:
        body = "[열린](article:open) [닫힌](article:closed)"

        shown = html(body, leads=lambda slug: slug == "open")
        assert 'href="article:open"' in shown
        assert "닫힌" in shown
        assert "closed" not in shown

    def test_tells_no_address_where_the_reader_was_sent_from(self) -> None:
        assert 'rel="noopener noreferrer nofollow"' in html("[a](https://a.example)")


class TestCheck:
    @pytest.mark.parametrize(
        ("body", "code", "what"),
        [
            ("[a](javascript:alert(1))", "markdown_link_not_allowed", "javascript:alert(1)"),
            ("[a](data:text/html,x)", "markdown_link_not_allowed", "data:text/html,x"),
            ("[a](/relative)", "markdown_link_not_allowed", "/relative"),
            ("[a](article:Not A Slug)", None, ""),
            ("[a](<article:Not A Slug>)", "markdown_link_not_allowed", "article:Not%20A%20Slug"),
            ("[a](http:)", "markdown_link_not_allowed", "http:"),
            ("![a](https://a.example/p.png)", "markdown_image_not_allowed", "https://a.example/p.png"),
            (HEAVY["quotes 10,000 deep"], "markdown_too_deep", ""),
            (HEAVY["lists 10,000 deep"], "markdown_too_deep", ""),
            (HEAVY["brackets"], "markdown_too_many_links", ""),
            (HEAVY["a megabyte"], "too_long", ""),
            ("\n" * 5_000, "too_many_lines", ""),
        ],
    )
    def test_names_what_is_wrong(self, body: str, code: str | None, what: str) -> None:
        if code is None:
            assert check(body) == ()
            return
        with pytest.raises(MarkdownRefused) as refused:
            check(body)
        assert (refused.value.code, refused.value.what) == (code, what)

    def test_gives_the_articles_that_are_linked_each_once(self) -> None:
        body = "[a](article:oil) [b](article:pump) [c](article:oil) <https://a.example> <a@b.example>"

        assert check(body) == ("oil", "pump")

    @pytest.mark.parametrize("name", HEAVY)
    def test_is_done_in_time(self, name: str) -> None:
        start = time.process_time()
        with suppress(MarkdownRefused):
            check(HEAVY[name])

        assert time.process_time() - start < 5
