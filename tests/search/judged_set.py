"""The judged search set as documents and questions, and how an order of answers is valued."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from app.search.service.synonyms import STARTER
from app.textindex.service import Document
from app.textindex.tokens import Text, Thesaurus, thesaurus

FOLDER = Path(__file__).parent / "judged"
DOMAINS = ("insurance", "lubricants", "pharma", "pumps")
OPEN, HELD_OUT = "queries", "held_out"
_NAMES = UUID("6d1f2f0e-6a51-5d53-9d5c-1d3e8f3b7a10")


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asks, and what each article is worth to them: 3 the answer, 1 related."""

    domain: str
    kind: str
    words: str
    judged: Mapping[UUID, int]


def lines(folder: str, domain: str) -> list[dict[str, Any]]:
    """The lines of one file."""
    text = (FOLDER / folder / f"{domain}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def id_of(key: str) -> UUID:
    """The id that an article has in every run."""
    return uuid5(_NAMES, key)


def texts_of(article: Mapping[str, Any]) -> list[Text]:
    """What an article is found by."""
    return [
        Text("title", article["title"]),
        Text("keywords", ", ".join(article["keywords"])),
        Text("summary", article["summary"]),
        Text("body", article["body"]),
    ]


def documents(domain: str) -> list[Document]:
    """The articles of a domain."""
    return [Document(id_of(one["key"]), texts_of(one)) for one in lines("articles", domain)]


def questions(folder: str = OPEN) -> list[Question]:
    """All questions of the open set, or of the one that is held out."""
    return [
        Question(domain, one["kind"], one["q"], {id_of(key): worth for key, worth in one["judged"].items()})
        for domain in DOMAINS
        for one in lines(folder, domain)
    ]


def synonyms(domain: str) -> Thesaurus:
    """What the editors of a domain hold to mean the same, and the groups that come with the product."""
    same = [one["words"] for one in lines("synonyms", domain)]
    return thesaurus(same, starter_groups())


@cache
def starter_groups() -> list[list[str]]:
    """The groups that ``flask search starter`` adds."""
    return [json.loads(line)["words"] for line in STARTER.read_text(encoding="utf-8").splitlines()]


def ndcg5(question: Question, found: Sequence[UUID]) -> float:
    """nDCG of the first five answers, with a gain of 2^worth - 1 (Burges et al. 2005)."""
    best = sorted(question.judged.values(), reverse=True)
    return _gain([question.judged.get(one, 0) for one in found]) / _gain(best)


def _gain(worths: Sequence[int]) -> float:
    return sum((2**worth - 1) / math.log2(place + 2) for place, worth in enumerate(worths[:5]))
