"""The published vectors of search are what the rules give, and some of them are worked out by hand."""

import json
from typing import Any

import pytest

from tests.textindex.vectors import DOCUMENTS, FOLDER, KNOWN, TODAY, search, written


def order(q: str) -> list[str]:
    return [one["key"] for one in search(q, DOCUMENTS, KNOWN, TODAY)["order"]]


@pytest.mark.parametrize("name", sorted(written()))
def test_a_file_is_what_the_rules_give(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == written()[name]


def vector(file: str, **wanted: Any) -> Any:
    found = json.loads((FOLDER / file).read_text(encoding="utf-8"))["vectors"]
    return next(one["expected"] for one in found if wanted.items() <= one.items())


def test_a_word_of_two_syllables_in_three_fields_weighs_their_sum() -> None:
    # Title 16, keywords 12, summary 6, body 2 and 1 more for three times: 37.
    assert vector("search-tokens.json", name="each field weighs")["2누유"] == 37


def test_the_newer_of_two_equal_articles_comes_first() -> None:
    assert order("엔진오일 교환")[:2] == ["oil-change", "oil-change-old"]


@pytest.mark.parametrize(
    ("q", "first"),
    [
        ("5w 30", "oil-5w30"),
        ("5W40", "oil-5w40"),
        ("ㅍㅍ ㅅㅇ", "noise"),
        ("그리슈", "grease"),
        ("자갈", "noise"),
    ],
)
def test_the_answer_comes_first(q: str, first: str) -> None:
    assert order(q)[0] == first


def test_a_word_that_nobody_has_finds_nothing() -> None:
    assert order("없는말") == []
