"""The reference phone, which imports nothing of the product, meets the published vectors of search."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from examples.phone import search_ranking, search_terms
from tests.textindex.vectors import FOLDER, QUESTIONS, SHOWN, SYNONYMS


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("place", range(len(QUESTIONS)))
def test_it_takes_a_query_apart_alike(place: int) -> None:
    vector = read("search-queries.json")["vectors"][place]

    found = search_terms.widen(search_terms.analyse(vector["q"]), search_terms.thesaurus(**SYNONYMS))

    assert json.loads(json.dumps(asdict(found))) == vector["expected"]


@pytest.mark.parametrize("place", range(len(SHOWN)))
def test_it_marks_the_same_places(place: int) -> None:
    vector = read("search-ranking.json")["highlights"][place]

    found = search_ranking.highlight(search_terms.analyse(vector["q"]), vector["text"])

    assert [list(one) for one in found] == vector["expected"]


def test_it_has_the_same_spelling_keys() -> None:
    for word, keys in read("search-ranking.json")["spelling_keys"].items():
        assert list(search_ranking.spelling_keys(word)) == keys
