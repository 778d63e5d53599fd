"""The code blocks of the documents, and how each says that it is checked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

HOUSE = Path(__file__).parents[2]
PAGES = ("*.md", "docs/**/*.md", "examples/*/README.md", "benchmarks/*.md")
LINE = re.compile(r"^\$ (.*)$", re.MULTILINE)
"""What is typed in a console."""
MARK = re.compile(r"^<!-- (run by|norun): (.+?) -->$")


@dataclass(frozen=True)
class Fence:
    """A block: *page* and *line* say where, *info* what stands behind its three signs, *mark* the comment above.

    A mark ``run by: FILE`` names the test or script that runs the block, ``norun: REASON`` why nothing can.
    """

    page: str
    line: int
    info: str
    text: str
    mark: tuple[str, str] | None

    @property
    def language(self) -> str:
        return self.info.split()[0] if self.info else ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def typed(self) -> str:
        """What a reader types; a console also shows what was answered."""
        return "\n".join(LINE.findall(self.text)) if self.language == "console" else self.text


def pages() -> list[Path]:
    found = {path for pattern in PAGES for path in HOUSE.glob(pattern)}
    return sorted(path for path in found if "node_modules" not in path.parts)


def fences(page: Path) -> Iterator[Fence]:
    """Those of a page in their order, inside lists too; the mark is the comment right above."""
    name, mark = page.relative_to(HOUSE).as_posix(), None
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            found = MARK.match(token.content.strip())
            mark = (found[1], found[2]) if found else None
        elif token.type in ("fence", "code_block"):
            yield Fence(name, (token.map or [0])[0] + 1, token.info.strip(), token.content, mark)
            mark = None
        elif token.nesting >= 0 and token.type not in ("list_item_open", "bullet_list_open"):
            mark = None


def the_fence(page: str, sign: str) -> Fence:
    """The only block of a page with *sign* in it."""
    (found,) = [one for one in fences(HOUSE / page) if sign in one.text]
    return found


def all_fences() -> list[Fence]:
    return [fence for page in pages() for fence in fences(page)]
