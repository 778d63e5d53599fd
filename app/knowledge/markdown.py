"""Markdown of articles: what may be written, its links, and the safe HTML that it becomes."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

MAX_BYTES: Final = 200_000
MAX_LINES: Final = 5_000
MAX_DEPTH: Final = 20
# Each opening bracket may be a link, and is looked for to the end of its paragraph: time grows with the square.
MAX_BRACKETS: Final = 5_000
MAX_LINKS: Final = 1_000

ARTICLE: Final = "article:"
SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
SCHEMES: Final = frozenset({"http", "https", "mailto"})

TAGS: Final = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip

# Raw HTML is shown as the text that it is; pictures come with uploaded files.
_PARSER = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_DEPTH + 1}).enable(
    ["table", "strikethrough"]
)
# Every address is parsed as a link, so that one which is not allowed can be named instead of standing there as text.
_PARSER.validateLink = lambda url: True  # type: ignore[method-assign]


class MarkdownRefused(ValueError):
    """A text that cannot be an article's. ``code`` says why, ``what`` names the place."""

    def __init__(self, code: str, what: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.what = what[:200]


def check(body: str) -> tuple[str, ...]:
    """Refuse what is too large, too deep, or points where no article may.

    Returns:
        The slugs of the articles that it links to, each once, in order.

    Raises:
        MarkdownRefused: ``too_long``, ``too_many_lines``, ``markdown_too_deep``, ``markdown_too_many_links``,
            ``markdown_link_not_allowed`` or ``markdown_image_not_allowed``.
    """
    _check_size(body)
    slugs: dict[str, None] = {}
    links = 0
    for token in _all(_parsed(body)):
        if token.type == "image":
            raise MarkdownRefused("markdown_image_not_allowed", str(token.attrGet("src") or ""))
        if token.type != "link_open":
            continue
        links += 1
        if links > MAX_LINKS:
            raise MarkdownRefused("markdown_too_many_links")
        href = str(token.attrGet("href") or "")
        if not _is_allowed(href):
            raise MarkdownRefused("markdown_link_not_allowed", href)
        if href.startswith(ARTICLE):
            slugs[href.removeprefix(ARTICLE)] = None
    return tuple(slugs)


def html(body: str, *, leads: Callable[[str], bool] = lambda slug: True) -> str:
    """Safe HTML of a text, whatever stands in it: what ``check`` would refuse becomes plain text.

    Args:
        body: Markdown.
        leads: Whether an article of this slug may be linked to; a link that leads nowhere becomes its words.
    """
    try:
        _check_size(body)
        tokens = _parsed(body)
    except MarkdownRefused:
        return f"<pre>{nh3.clean_text(body)}</pre>"
    for token in tokens:
        if token.children:
            token.children = list(_without_dead_links(token.children, leads))
    rendered = _PARSER.renderer.render(tokens, _PARSER.options, {})
    return nh3.clean(
        rendered,
        tags=TAGS,
        attributes={"a": {"href", "title"}, "th": {"style"}, "td": {"style"}, "ol": {"start"}},
        url_schemes={*SCHEMES, ARTICLE.removesuffix(":")},
        link_rel="noopener noreferrer nofollow",
        filter_style_properties={"text-align"},
    )


def _check_size(body: str) -> None:
    if len(body.encode()) > MAX_BYTES:
        raise MarkdownRefused("too_long")
    if body.count("\n") >= MAX_LINES:
        raise MarkdownRefused("too_many_lines")
    if body.count("[") > MAX_BRACKETS:
        raise MarkdownRefused("markdown_too_many_links")


def _parsed(body: str) -> list[Token]:
    tokens = _PARSER.parse(body)
    if any(token.level >= MAX_DEPTH for token in _all(tokens)):
        raise MarkdownRefused("markdown_too_deep")
    return tokens


def _all(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        if token.children:
            yield from _all(token.children)


def _is_allowed(href: str) -> bool:
    scheme, colon, rest = href.partition(":")
    if not colon:
        return False  # there is nothing that an address without a scheme could be relative to
    if scheme == "article":
        return bool(SLUG.fullmatch(rest))
    return scheme.lower() in SCHEMES and bool(rest.strip("/"))


def _without_dead_links(tokens: Sequence[Token], leads: Callable[[str], bool]) -> Iterator[Token]:
    """The tokens without links that are not allowed or lead nowhere, and without pictures; their words stay."""
    dropped: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            href = str(token.attrGet("href") or "")
            slug = href.removeprefix(ARTICLE) if href.startswith(ARTICLE) else None
            dropped.append(not _is_allowed(href) or (slug is not None and not leads(slug)))
            if dropped[-1]:
                continue
        elif token.type == "link_close":
            if dropped.pop():
                continue
        elif token.type == "image":
            yield Token("text", "", 0, content=token.content)
            continue
        yield token
