"""No block of a page goes unproved: each is run, or compared with what it shows, or says why it cannot be."""

import ast
import hashlib
import hmac
import importlib.util
import inspect
import json
import re
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator

from app.approvals import service as approvals
from app.cli.application import create_app
from app.webhooks.service.sending import signature
from tests.documents.fences import HOUSE, Fence, all_fences, fences
from tests.documents.test_running import PAGES as RUN_IN_ORDER
from tests.world import World

PICTURES = {"", "text", "{toctree}"}
"""Figures, trees of files and samples of output: no code."""
HERE = {"json", "mermaid", "sql"}
"""What this file, ``test_blocks`` and ``test_diagrams`` check wherever it stands."""
DOCUMENT = json.loads((HOUSE / "openapi" / "openapi.json").read_text(encoding="utf-8"))
AT_ONCE = re.compile(r"\s*(?:&&|\|\||;|\|)\s*")


def named(page: str, language: str) -> list[Fence]:
    return [one for one in fences(HOUSE / page) if one.language == language]


@pytest.mark.parametrize("page", sorted({one.page for one in all_fences()}))
def test_every_block_of_a_page_is_run_or_says_why_it_is_not(page: str) -> None:
    unproved = [
        f"{one.place} ({one.language}): put <!-- run by: FILE --> or <!-- norun: REASON --> right above it"
        for one in fences(HOUSE / page)
        if one.mark is None
        and one.language not in PICTURES | HERE
        and (page, one.language) not in RUN_IN_ORDER
    ]

    assert unproved == []


def test_what_a_block_is_run_by_is_there_and_knows_the_page() -> None:
    marked = {(one.page, one.mark[1]) for one in all_fences() if one.mark and one.mark[0] == "run by"}
    strangers = [
        f"{page}: {runner}"
        for page, runner in sorted(marked)
        if not (HOUSE / runner).is_file()
        or (page not in (text := (HOUSE / runner).read_text("utf-8")) and Path(page).name not in text)
    ]

    assert len(marked) > 10
    assert strangers == []


def commands(block: Fence) -> list[list[str]]:
    """The words of each command line that starts one of our own programs; of console blocks only what is typed."""
    found = []
    for line in block.typed.replace("\\\n", " ").splitlines():
        for part in AT_ONCE.split(line):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:  # half of a text of several lines
                continue
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words and words[0] in {"flask", "make", "python", ".venv/bin/python", ".venv/bin/flask"}:
                found.append([Path(words[0]).name, *words[1:]])
    return found


ALL = [
    pytest.param(one, words, id=f"{one.place} {' '.join(words)[:60]}")
    for one in all_fences()
    if one.language in {"sh", "console"}
    for words in commands(one)
]


@pytest.mark.parametrize(("block", "words"), ALL)
def test_every_command_of_a_page_is_one_that_there_is(block: Fence, words: list[str]) -> None:
    if words[0] == "make":
        done = subprocess.run(
            ["make", "-n", *words[1:]], cwd=HOUSE, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block.place}: {done.stderr}"
    elif words[:2] == ["python", "-m"] and words[2] == "flask":
        assert understood(words[3:]), block.place
    elif words[0] == "flask":
        assert "$@" in words or understood(words[1:]), block.place
    elif words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]), block.place


def understood(words: list[str]) -> bool:
    """Whether the command is there and takes these options; what it would do is not done."""
    command: click.Command = click.Group(commands=dict(create_app().cli.commands))
    context = click.Context(command, info_name="flask")
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        if found is None:
            return words[0] in {"run", "--help"}
        command, words = found, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    if "--help" not in words:
        command.make_parser(context).parse_args(list(words))
    return True


@pytest.mark.parametrize(
    "block", [one for one in all_fences() if one.language == "json"], ids=lambda one: one.place
)
def test_json_of_a_page_is_what_the_api_document_calls_it(block: Fence) -> None:
    """``json request=Name`` or ``answer=Name`` behind the three signs names the schema; ``…`` stands for any text."""
    values = [json.loads(part) for part in re.split(r"\n(?=\{)", block.text.strip())]
    schema = re.search(r"(?:request|answer)=(\w+)", block.info)
    assert schema, f"{block.place}: say which schema it is: json request=…"

    validator: Any = Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema[1]}", "components": DOCUMENT["components"]}
    )
    for value in values:
        assert [
            error.message for error in validator.iter_errors(value) if "…" not in str(error.instance)
        ] == []


@pytest.mark.parametrize(
    "block", [one for one in all_fences() if one.language == "sql"], ids=lambda one: one.place
)
def test_sql_of_a_page_is_run(block: Fence, world: World) -> None:
    rows = world.sql(block.text)

    if block.page == "docs/security.md":  # it lists the tables that lack what the page promises
        assert rows == [("sql_users",)]


def test_the_signature_of_webhooks_is_proved_as_the_page_does_it() -> None:
    (block,) = named("docs/webhooks.md", "python")
    space: dict[str, Any] = {"hmac": hmac, "hashlib": hashlib}
    exec(block.text, space)  # noqa: S102 - the page's own code
    now, body = datetime(2026, 11, 23, 9, tzinfo=UTC), b'{"event": "order.approved"}'
    header = signature(["whsec_new", "whsec_old"], body, now)

    assert space["is_ours"](header, body, "whsec_old", now.timestamp())
    assert not space["is_ours"](header, body + b" ", "whsec_old", now.timestamp())
    assert not space["is_ours"](header, body, "whsec_other", now.timestamp())
    assert not space["is_ours"](header, body, "whsec_old", now.timestamp() + 301)


def test_the_calls_of_docs_approvals_are_those_of_the_service() -> None:
    """docs/approvals.md"""
    (block,) = named("docs/approvals.md", "python")
    calls = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Call)]

    assert len(calls) == 4
    for call in calls:
        assert isinstance(call.func, ast.Attribute)
        function = getattr(approvals, call.func.attr)
        inspect.signature(function).bind(*call.args, **{str(word.arg): word for word in call.keywords})


def test_the_room_that_contributing_shows_is_that_of_visits() -> None:
    """CONTRIBUTING.md"""
    (block,) = named("CONTRIBUTING.md", "python")
    real = " ".join((HOUSE / "app" / "visits" / "routes.py").read_text(encoding="utf-8").split())

    for part in re.split(r"\n\s*\n", block.text):
        for line in part.splitlines():
            assert " ".join(line.split()) in real, line
