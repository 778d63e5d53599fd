"""The judged search test set is whole and well-formed."""

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

JUDGED = Path(__file__).parent / "judged"
DOMAINS = ("insurance", "lubricants", "pharma", "pumps")
SETS = ("queries", "held_out")
TYPES = {"spec", "application", "comparison", "competitor", "faq", "procedure", "safety_notice"}
KINDS = {
    "two_syllable",
    "spacing",
    "particle",
    "initials",
    "mixed",
    "typo",
    "natural",
    "english",
    "synonym",
}
ARTICLE = {"key", "type", "language", "title", "summary", "keywords", "body", "audience"}
ROLES = {"rep", "technician", "manager", "partner"}
LEAST = {"queries": 4, "held_out": 2}

Line = dict[str, Any]


def no_twins(pairs: list[tuple[str, Any]]) -> Line:
    """An object of a line; JSON itself would let the last of two equal names win in silence."""
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"a name stands twice in {names}"
    return dict(pairs)


@cache
def lines(folder: str, domain: str) -> tuple[Line, ...]:
    text = (JUDGED / folder / f"{domain}.jsonl").read_text(encoding="utf-8")
    return tuple(json.loads(line, object_pairs_hook=no_twins) for line in text.splitlines())


def questions(domain: str) -> list[Line]:
    return [line for name in SETS for line in lines(name, domain)]


def words(text: str) -> str:
    return " ".join(text.casefold().split())


@pytest.mark.parametrize("domain", DOMAINS)
def test_an_article_has_every_part_and_a_body_of_usual_length(domain: str) -> None:
    for article in lines("articles", domain):
        key = article["key"]
        assert set(article) == ARTICLE, key
        assert article["type"] in TYPES, key
        assert article["language"] in {"ko", "en"}, key
        assert all(article[part].strip() for part in ("title", "summary", "body")), key
        assert 250 <= len(article["body"]) <= 600, (key, len(article["body"]))
        assert article["keywords"], key
        assert all(word.strip() for word in article["keywords"]), key
        assert article["audience"], key
        assert set(article["audience"]) <= ROLES, key


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_type_of_article_is_there_and_most_are_korean(domain: str) -> None:
    articles = lines("articles", domain)

    assert {article["type"] for article in articles} == TYPES
    languages = Counter(article["language"] for article in articles)
    assert languages["en"] >= 4
    assert languages["ko"] >= 0.8 * len(articles)


def test_more_than_four_hundred_articles_no_two_of_one_key_title_or_body() -> None:
    articles = [article for domain in DOMAINS for article in lines("articles", domain)]

    assert len(articles) >= 400
    assert min(len(lines("articles", domain)) for domain in DOMAINS) >= 105
    for part in ("key", "title", "body"):
        seen = Counter(words(article[part]) for article in articles)
        assert [value for value, times in seen.items() if times > 1] == [], part


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_question_has_an_answer_and_judges_only_articles_that_exist(domain: str) -> None:
    keys = {article["key"] for article in lines("articles", domain)}

    for question in questions(domain):
        assert set(question) == {"q", "kind", "judged"}, question
        assert question["q"] == " ".join(question["q"].split()), question
        assert 0 < len(question["q"]) <= 200, question
        assert question["kind"] in KINDS, question
        assert set(question["judged"]) <= keys, (question["q"], set(question["judged"]) - keys)
        assert set(question["judged"].values()) <= {1, 2, 3}, question["q"]
        assert 3 in question["judged"].values(), question["q"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_question_is_asked_twice_not_even_once_openly_and_once_held_out(domain: str) -> None:
    asked = Counter(words(question["q"]) for question in questions(domain))

    assert [question for question, times in asked.items() if times > 1] == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_each_kind_of_question_stands_in_both_sets_and_a_third_is_held_out(domain: str) -> None:
    for name in SETS:
        kinds = Counter(question["kind"] for question in lines(name, domain))
        assert {kind for kind in KINDS if kinds[kind] < LEAST[name]} == set(), name

    everything = len(questions(domain))
    assert everything >= 44
    assert 0.28 <= len(lines("held_out", domain)) / everything <= 0.40


@pytest.mark.parametrize("domain", DOMAINS)
def test_synonyms_are_groups_of_different_words_and_a_word_is_in_one_group(domain: str) -> None:
    groups = lines("synonyms", domain)

    assert 10 <= len(groups) <= 20
    assert all(set(group) == {"words"} and len(group["words"]) >= 2 for group in groups)
    seen = Counter(words(word) for group in groups for word in group["words"])
    assert [word for word, times in seen.items() if times > 1] == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_question_of_the_kind_synonym_has_a_word_of_a_group(domain: str) -> None:
    known = [words(word) for group in lines("synonyms", domain) for word in group["words"]]

    for question in questions(domain):
        if question["kind"] == "synonym":
            assert any(word in words(question["q"]) for word in known), question["q"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_question_of_the_kind_initials_has_initials_in_it(domain: str) -> None:
    for question in questions(domain):
        if question["kind"] == "initials":
            assert any("ㄱ" <= letter <= "ㅎ" for letter in question["q"]), question["q"]
