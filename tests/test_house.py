"""Habits of the whole tree that no tool checks."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]
TEXT = {".py", ".md", ".toml", ".sh", ".yaml", ".yml", ".mako", ".txt", ".cfg", ".ini", ".json", ".sql", ""}
GENERATED = {"requirements.lock", "requirements/dev.lock", "openapi/openapi.json"}

# Put together here, so that this file does not break its own rule.
PLACES = ("/wo" + "rk/", "/ro" + "ot/", r"\.\./sha" + "red", "/ho" + "me/(?!you/)", "/Us" + "ers/")
MACHINE_PATHS = re.compile("|".join(PLACES))
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "managers"}
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)#\s]+)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
SETTING = re.compile(r"\b(?:FIELDMERGE_[A-Z_]+[A-Z]|PG_BIN)\b")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def tracked() -> list[Path]:
    """Files of the project: those that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=HOUSE,
        capture_output=True,
        check=True,
    )
    found = (HOUSE / name for name in listed.stdout.decode().split("\0") if name)
    return sorted(path for path in found if path.is_file())


def texts() -> Iterator[tuple[str, str]]:
    """Names and contents of what people wrote."""
    for path in tracked():
        name = path.relative_to(HOUSE).as_posix()
        if path.suffix in TEXT and name not in GENERATED:
            yield name, path.read_text(encoding="utf-8")


def documents() -> dict[str, str]:
    return {name: text for name, text in texts() if name.endswith(".md")}


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(FENCE.sub("", text)))
    return {heading.strip().replace(" ", "-") for heading in kept}


def targets() -> list[str]:
    makefile = (HOUSE / "Makefile").read_text(encoding="utf-8")
    return re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)


def test_no_file_names_a_place_of_one_machine() -> None:
    found = [f"{name}: {hit[0]}" for name, text in texts() for hit in MACHINE_PATHS.finditer(text)]

    assert found == []


def test_every_module_has_a_name_of_its_own() -> None:
    assert [str(path) for path in tracked() if path.suffix == ".py" and path.stem in NAMELESS] == []


def test_every_module_says_in_one_line_what_it_is() -> None:
    silent = [
        name
        for name, text in texts()
        if name.endswith(".py") and not name.startswith("tests/") and not text.startswith(('"""', 'r"""'))
    ]
    assert silent == []


def test_no_test_is_put_aside() -> None:
    marks = re.compile(r"pytest\.mark\.(?:sk" + r"ip\b|xfa" + r"il)|pytest\.(?:sk" + r"ip|xfa" + r"il)\(")

    assert [name for name, text in texts() if name.startswith("tests/") and marks.search(text)] == []


def test_nothing_is_left_to_be_done_later_in_code() -> None:
    left = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")

    assert [name for name, text in texts() if name.endswith((".py", ".sh")) and left.search(text)] == []


@pytest.mark.parametrize("name", sorted(documents()))
def test_every_link_of_a_document_leads_somewhere(name: str) -> None:
    text, place = documents()[name], (HOUSE / name).parent
    broken = []
    for target, anchor in LINK.findall(FENCE.sub("", text)):
        path = (place / target).resolve()
        if not path.exists() or (
            anchor and path.suffix == ".md" and anchor not in anchors(path.read_text("utf-8"))
        ):
            broken.append(f"{target}#{anchor}")

    assert broken == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/operations.md"])
def test_every_file_that_a_document_names_is_there(name: str) -> None:
    text = FENCE.sub("", documents()[name])
    named = {
        word.split("::")[0] for word in CODE.findall(text) if re.fullmatch(r"[\w.\-]+(/[\w.\-]+)+", word)
    }
    ours = {word for word in named if (HOUSE / word.split("/")[0]).is_dir()}

    assert [word for word in sorted(ours) if not (HOUSE / word).exists()] == []


def test_every_setting_is_explained_to_operators() -> None:
    named = {
        word
        for name, text in texts()
        if name.startswith(("app/", "localpg/"))
        for word in SETTING.findall(text)
    }

    assert [word for word in sorted(named) if f"`{word}`" not in documents()["docs/operations.md"]] == []


def test_the_readme_quotes_the_walk_that_the_checks_take() -> None:
    script = (HOUSE / "docs" / "walkthrough.sh").read_text(encoding="utf-8")
    quoted = FENCE.findall(documents()["README.md"].partition("## A walk through the API")[2])[0]
    lines = [line for line in quoted.splitlines()[1:-1] if line.strip() and not line.startswith("# →")]

    assert [line for line in lines if line not in script.splitlines()] == []
    assert len(lines) > 20


@pytest.mark.parametrize("target", targets())
def test_every_make_target_is_explained_to_contributors(target: str) -> None:
    assert f"`make {target}" in documents()["CONTRIBUTING.md"]


def test_every_direct_dependency_has_its_reason() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *(one for extra in project["project"]["optional-dependencies"].values() for one in extra),
        *(one for group in project["dependency-groups"].values() for one in group),
    ]
    names = {re.split(r"[<>=\[]", one)[0] for one in wanted}
    table = documents()["docs/dependencies.md"]

    assert [name for name in sorted(names) if f"| {name} |" not in table] == []


def test_every_decision_is_one_page_with_its_reasons() -> None:
    decisions = {name: text for name, text in documents().items() if name.startswith("docs/decisions/")}

    assert decisions
    for name, text in decisions.items():
        assert re.fullmatch(r"docs/decisions/\d{4}-[a-z0-9-]+\.md", name)
        assert len(text.splitlines()) <= 70, f"{name} is longer than a page"
        for part in ("## Context", "## Decision", "## Consequences"):
            assert part in text, f"{name} lacks {part}"


def test_every_choice_is_held_by_a_test_that_is_there() -> None:
    page = (HOUSE / "docs/decisions/0012-where-the-rules-leave-a-choice.md").read_text(encoding="utf-8")
    rows = [line.split("|")[-2] for line in page.splitlines() if re.match(r"\| (?!situation|-)", line)]
    missing = []
    for cell in rows:
        tests = ""
        for word in re.findall(r"`[^`]+`|[\w]+", cell):
            if word.startswith("`"):
                name = word.strip("`")
                tests = (HOUSE / (name if "/" in name else f"tests/sync/{name}.py")).read_text(
                    encoding="utf-8"
                )
            elif not re.search(rf"class {word}\b|def test_\w*{word}", tests):
                missing.append((cell, word))
    assert len(rows) > 30
    assert missing == []
