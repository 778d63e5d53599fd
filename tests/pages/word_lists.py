"""The word lists of search for the web app: ``python -m tests.pages.word_lists`` writes them from the server's."""

from collections.abc import Collection
from pathlib import Path

from app.textindex import tokens

WRITTEN = Path(__file__).parents[2] / "examples" / "pwa" / "app" / "search" / "word_lists.js"
WIDTH = 120


def text() -> str:
    """The file."""
    parts = [
        "/** Words that searching knows: particles, endings, and what says nothing of a question's subject. "
        "Generated. */\n",
        _list("AFTER_FINAL", "Particles that follow a final consonant.", tokens._AFTER_FINAL),
        _list("AFTER_VOWEL", "Particles that follow a vowel.", tokens._AFTER_VOWEL),
        _list("AFTER_ANY", "Particles that follow either.", tokens._AFTER_ANY),
        _list("ENDINGS", "What ends a verb.", tokens._ENDINGS),
        _list("NOTHING", "", sorted(tokens._SAYS_NOTHING)).replace("export const NOTHING", "const NOTHING"),
        "/** Left out unless nothing else is there. */\nexport const SAYS_NOTHING = new Set(NOTHING);\n",
    ]
    return "\n".join(parts)


def _list(name: str, about: str, words: Collection[str]) -> str:
    lines, line = [], " "
    for word in words:
        if len(line) + len(word) + 1 > WIDTH - 10:
            lines.append(line)
            line = " "
        line += f" {word}"
    body = "\n".join([*lines, line])
    comment = f"/** {about} */\n" if about else ""
    return f"{comment}export const {name} = `\n{body}\n`.trim().split(/\\s+/);\n"


if __name__ == "__main__":
    WRITTEN.write_text(text(), encoding="utf-8")
