"""The published test vectors of search: ``python -m tests.textindex.vectors`` writes them anew."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from app.textindex.ranking import (
    SEEN_AT_MOST,
    SPELLED,
    Candidate,
    Scored,
    highlight,
    near,
    rank,
    spelling_keys,
    unknown,
)
from app.textindex.tokens import Text, Thesaurus, analyse, corrected, strokes, thesaurus, tokens_of, widen

Json = dict[str, Any]
FOLDER = Path(__file__).parents[2] / "openapi" / "vectors"
TODAY = "2026-11-22"
SYNONYMS = {
    "same": [["엔진오일", "엔진 오일", "engine oil"], ["그리스", "구리스", "grease"]],
    "similar": [["누유", "새는", "leak"], ["엔진오일", "윤활유"], ["교환", "바꾸"]],
}
KNOWN = thesaurus(**SYNONYMS)

TEXTS: dict[str, list[dict[str, str]]] = {
    "a title with a grade": [{"field": "title", "value": "합성 윤활유 5W-30 교환"}],
    "each field weighs": [
        {"field": "title", "value": "누유 점검"},
        {"field": "keywords", "value": "누유, 펌프"},
        {"field": "summary", "value": "펌프의 누유를 본다"},
        {"field": "body", "value": "누유는 누유에서 누유로. ISO VG 46 오일"},
    ],
    "letters typed apart, wide letters, capitals": [
        {"field": "title", "value": "윤활유 ＳＡＥ １０Ｗ－４０ Pumps"}
    ],
    "a person": [{"field": "name", "value": "김하늘"}, {"field": "code", "value": "+821012345678"}],
    "a product": [{"field": "name", "value": "누리 프로텍 4L"}, {"field": "code", "value": "LUB-5W30-4L"}],
    "nothing to find": [{"field": "body", "value": "😀 … !!! —"}],
}
QUESTIONS = [
    "누유", "윤활유제품", "윤활유 제품", "윤활유는", "펌프에서", "ㅇㅎㅇ", "ㅇㅈ ㅇㅇ", "5W30", "5W-30",
    "5w 30", "ISO VG46", "Pumps", "engine oil 교환", "구리스를 넣는 방법",
    "펌프에서 소음이 나는데 왜 그런가요?", "010-1234-5678", "+82 10 1234 5678", "LUB-5W30", "물이",
    "온도", "어떻게 하나요", "😀", "", "은 는 이 가", "가" * 300,
]  # fmt: skip
DOCUMENTS: dict[str, Json] = {
    "oil-change": {"title": "엔진오일 교환 절차", "keywords": "엔진오일, 교환", "published_on": "2026-11-01"},
    "oil-change-old": {
        "title": "엔진오일 교환 절차",
        "keywords": "엔진오일, 교환",
        "published_on": "2020-01-01",
    },
    "oil-5w30": {"title": "누리 프로텍 5W-30 엔진오일 규격", "keywords": "합성유", "rating": 3},
    "oil-5w40": {"title": "누리 프로텍 5W-40 엔진오일 규격", "keywords": "합성유", "priority": 2},
    "grease": {"title": "베어링 그리스 재급유", "body": "그리스 건으로 천천히 넣습니다."},
    "leak": {"title": "펌프 누유 점검", "summary": "씰에서 새는 기름"},
    "noise": {"title": "펌프 소음의 원인", "body": "캐비테이션이 생기면 자갈 소리가 납니다."},
    "english": {"title": "Grease relubrication of motor bearings", "body": "Clean the fitting."},
}
SEARCHES = [
    "엔진오일", "engine oil", "엔진 오일 교환", "교환절차", "5w 30", "5W40", "ㅇㅈㅇㅇ", "ㅇㅈ",
    "ㅍㅍ ㅅㅇ", "구리스", "펌프에서 소음이 나는데 왜 그런가요?", "누유", "앤진오일", "그리슈",
    "bearinsg", "점검표", "자갈", "캐비테이숀", "없는말",
]  # fmt: skip
SHOWN = [
    ("엔진오일 5w30", "새 엔진 오일은 5W-30 이다"),
    ("누유", "펌프 누유 점검: 누유량"),
    ("PUMP", "Two pumps"),
    ("ㅅㅌㄹㅇㄴ", "펌프 스트레이너 청소"),
    ("ㅍㅍ ㅅㅌ", "펌프 스트레이너 청소"),
    ("😀", "😀"),
]


def token_vectors() -> list[Json]:
    """Texts, and what they are found by."""
    return [
        {"name": name, "texts": texts, "expected": tokens_of([Text(**text) for text in texts])}
        for name, texts in TEXTS.items()
    ]


def query_vectors() -> list[Json]:
    """What people type, taken apart."""
    return [{"q": q, "synonyms": SYNONYMS, "expected": asdict(widen(analyse(q), KNOWN))} for q in QUESTIONS]


def texts_of(document: Mapping[str, Any]) -> list[Text]:
    """The texts of a document."""
    return [
        Text(field, document[field])
        for field in ("title", "keywords", "summary", "body")
        if field in document
    ]


def search(q: str, documents: Mapping[str, Json], synonyms: Thesaurus, today: str) -> Json:
    """A search in the documents of a file."""
    tokens = {key: tokens_of(texts_of(document)) for key, document in documents.items()}
    facts = {
        key: (
            date.fromisoformat(one["published_on"]) if "published_on" in one else None,
            one.get("rating", 0),
            one.get("priority", 0),
        )
        for key, one in documents.items()
    }
    return {"order": [asdict(one) for one in ordered(q, tokens, facts, synonyms, date.fromisoformat(today))]}


def ordered(
    q: str,
    tokens: Mapping[str, Mapping[str, int]],
    facts: Mapping[str, tuple[date | None, int, int]],
    synonyms: Thesaurus,
    today: date,
) -> list[Scored]:
    """The whole way of a phone: every document is looked at, nothing is left unread."""
    query = widen(analyse(q), synonyms)
    strange = unknown(query, _seen(query.tokens, tokens))
    words = sorted({token[1:] for found in tokens.values() for token in found if token[0] == "="})
    words = [word for word in words if len(strokes(word)) in SPELLED]
    better = {term.text: found[0] for term in strange if (found := near(term.text, words))}
    if better:
        query = widen(corrected(query, better), synonyms)
    candidates = [
        Candidate(key, {token: found[token] for token in query.tokens if token in found}, *facts.get(key, ()))
        for key, found in tokens.items()
    ]
    return rank(query, candidates, seen=_seen(query.tokens, tokens), today=today)


def _seen(wanted: Sequence[str], tokens: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    counts = {token: sum(token in found for found in tokens.values()) for token in wanted}
    return {token: min(count, SEEN_AT_MOST) for token, count in counts.items() if count}


def ranking_vectors() -> Json:
    """Documents, questions, and the order of the answers."""
    return {
        "today": TODAY,
        "synonyms": SYNONYMS,
        "documents": DOCUMENTS,
        "searches": [{"q": q, "expected": search(q, DOCUMENTS, KNOWN, TODAY)} for q in SEARCHES],
        "highlights": [{"q": q, "text": text, "expected": highlight(analyse(q), text)} for q, text in SHOWN],
        "spelling_keys": {word: spelling_keys(word) for word in ("펌프", "과열", "pump")},
    }


def written() -> dict[str, str]:
    """The files, by name."""
    return {
        "search-tokens.json": _lines("docs/search.md says which token comes from what.", token_vectors()),
        "search-queries.json": _lines(
            "`needs` are all wanted, `bonus` makes it better, `percent` is what a way is worth.",
            query_vectors(),
        ),
        "search-ranking.json": json.dumps(ranking_vectors(), ensure_ascii=False, indent=1) + "\n",
    }


def _lines(about: str, vectors: Sequence[Json]) -> str:
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in vectors)
    return f'{{"about": {json.dumps(about)},\n"vectors": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    for name, text in written().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
