"""Tokens, queries and ranking as plain rules: bounded, deterministic, the same whoever asks."""

import itertools
import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.textindex.ranking import (
    Candidate,
    highlight,
    importance,
    near,
    rank,
    rarity,
    spelling_keys,
)
from app.textindex.service.lines import lines_of, wanted_lines, weights_in
from app.textindex.tokens import (
    MAX_QUERY,
    MAX_TOKENS,
    Text,
    analyse,
    corrected,
    initials,
    normalise,
    stem,
    strokes,
    thesaurus,
    tokens_of,
    widen,
)

TODAY = date(2026, 11, 22)
WORDS = st.text(st.sampled_from("윤활유엔진오일펌프누점검은는에서 5W-30abcㅇㅎ😀é\u1112\u1161"), max_size=40)


class TestTokensOf:
    def test_of_a_body_of_a_million_characters_are_bounded_and_quick(self) -> None:
        texts = [Text("body", " ".join(f"낱말{n}값" for n in range(200_000))), Text("title", "점도 표")]
        started = time.thread_time()

        found = tokens_of(texts)

        assert len(found) <= MAX_TOKENS
        assert found["2점도"] >= 16
        assert time.thread_time() - started < 2

    @given(WORDS, WORDS)
    def test_are_the_same_in_whichever_order_and_form_the_texts_come(self, title: str, body: str) -> None:
        texts = [Text("title", title), Text("body", body)]

        assert tokens_of(texts) == tokens_of(texts[::-1])

    @given(WORDS)
    def test_hold_no_line_end_and_a_weight_that_a_line_can_carry(self, value: str) -> None:
        found = tokens_of([Text("title", value), Text("keywords", value), Text("body", f"{value} {value}")])

        assert all("\n" not in token and 0 < weight <= 40 for token, weight in found.items())
        assert weights_in(lines_of(found), wanted_lines([*found, "2없음"])) == found

    @pytest.mark.parametrize(
        "value", ["윤활유", "윤활유".encode().decode(), "\u110b\u1172\u11ab\u1112\u116a\u11af\u110b\u1172"]
    )
    def test_of_syllables_typed_as_separate_letters_are_those_of_the_syllables(self, value: str) -> None:
        assert {"2윤활", "2활유", "=윤활유", "^ㅇㅎㅇ"} <= set(tokens_of([Text("title", value)]))


class TestAnalyse:
    @given(st.text(max_size=400))
    def test_takes_apart_anything_within_bounds(self, query: str) -> None:
        found = analyse(query)

        assert len(found.text) <= MAX_QUERY
        assert len(found.terms) <= 16
        assert len(found.tokens) <= 1_000

    @pytest.mark.parametrize(
        "words", ["윤활유는", "윤활유를", "윤활유에서", "윤활유의", "윤활유로", "윤활유까지"]
    )
    def test_takes_a_particle_off(self, words: str) -> None:
        assert [term.text for term in analyse(words).terms] == ["윤활유"]

    @pytest.mark.parametrize("word", ["온도", "점도", "고점도", "불만", "회의", "나이", "효과"])
    def test_leaves_a_noun_that_ends_like_one_with_a_particle(self, word: str) -> None:
        assert stem(word) == word

    def test_leaves_out_what_says_nothing_unless_nothing_else_is_there(self) -> None:
        assert next(term.text for term in analyse("어떻게 누유를 찾나요").terms) == "누유"
        assert [term.text for term in analyse("어떻게").terms] == ["어떻게"]

    def test_takes_consonants_for_initials_however_the_keyboard_sends_them(self) -> None:
        assert analyse("ㅇㅎㅇ").terms == analyse("\u110b\u1112\u110b").terms

    def test_sees_a_synonym_through_spaces_and_particles(self) -> None:
        groups = thesaurus([["엔진오일", "engine oil"]])

        for words in ("엔진 오일", "엔진오일은", "Engine  Oil"):
            assert "=engine" in widen(analyse(words), groups).tokens, words

    def test_takes_the_longest_that_a_group_has_from_the_left(self) -> None:
        known = thesaurus([["engine oil", "엔진오일"], ["oil change", "오일교환"]])

        query = widen(analyse("engine oil change"), known)

        assert [term.text for term in query.terms] == ["engineoil", "change"]

    def test_a_word_that_is_only_similar_is_worth_less_and_weighs_nothing(self) -> None:
        known = thesaurus([], [["누유", "새는"]])
        (term,) = widen(analyse("누유"), known).terms

        assert {way.percent for way in term.ways} == {100, 75}
        assert importance(term, {"2누유": 300, "2새는": 1}) == rarity(300)
        assert importance(term, {"2새는": 1}) == rarity(1)


class TestNear:
    @pytest.mark.parametrize(
        "typed", ["윤할유", "윤홀유", "윤활우", "윤활융", "운활유", "윤활유ㅇ", "윤활ㅠ"]
    )
    def test_finds_a_word_through_one_slip_of_a_key(self, typed: str) -> None:
        assert near(typed, ["윤활유", "펌프"]) == ["윤활유"]

    @pytest.mark.parametrize("typed", ["pmup", "punp", "pum", "pumpp"])
    def test_finds_an_english_word_too(self, typed: str) -> None:
        assert near(typed, ["pump", "valve"]) == ["pump"]

    def test_leaves_what_is_two_slips_away(self) -> None:
        assert near("윤할우", ["윤활유"]) == []

    @given(st.text(st.sampled_from("가나다라각난"), min_size=1, max_size=4), st.data())
    def test_shares_a_key_with_every_word_that_it_finds(self, word: str, data: st.DataObject) -> None:
        pressed = strokes(word)
        place = data.draw(st.integers(0, len(pressed) - 1))
        other = pressed[:place] + data.draw(st.sampled_from("ㄱㄴㅏㅓ")) + pressed[place + 1 :]

        assert near(word, [other]) == [] or set(spelling_keys(word)) & set(spelling_keys(other))

    def test_puts_the_key_beside_first(self) -> None:
        # On the keyboard ㅗ lies beside ㅎ and ㅓ, not beside ㅣ.
        assert near("고", ["기", "거"]) == ["거", "기"]


class TestRank:
    def ordered(self, words: str, *candidates: Candidate) -> list[str]:
        query = analyse(words)
        seen = {token: sum(token in one.tokens for one in candidates) for token in query.tokens}
        seen = {token: count for token, count in seen.items() if count}
        return [one.key for one in rank(query, candidates, seen=seen, today=TODAY)]

    def document(self, key: str, title: str, body: str = "", **facts: int) -> Candidate:
        return Candidate(key, tokens_of([Text("title", title), Text("body", body)]), None, **facts)

    def test_wants_a_third_of_what_was_asked(self) -> None:
        assert self.ordered(
            "누유 소음 진동 과열", self.document("a", "누유 점검"), self.document("b", "표")
        ) == ["a"]

    def test_puts_what_readers_and_editors_think_well_of_first_among_equals(self) -> None:
        documents = [
            self.document("a", "누유"),
            self.document("b", "누유", rating=2),
            self.document("c", "누유", priority=4),
        ]

        assert self.ordered("누유", *documents) == ["c", "b", "a"]

    def test_lets_no_opinion_outweigh_the_title(self) -> None:
        title, body = self.document("a", "누유"), self.document("b", "표", "누유", rating=4, priority=4)

        assert self.ordered("누유", title, body) == ["a", "b"]

    def test_depends_on_no_order_in_which_documents_come(self) -> None:
        documents = [self.document(key, "누유") for key in "cab"]

        assert self.ordered("누유", *documents) == ["a", "b", "c"]


class TestHighlight:
    @given(WORDS, WORDS)
    def test_gives_ranges_in_order_that_do_not_overlap(self, words: str, value: str) -> None:
        ranges = highlight(analyse(words), value)

        assert all(0 <= start < end <= len(value) for start, end in ranges)
        assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))

    def test_marks_what_was_found_under_a_synonym_or_another_spelling(self) -> None:
        query = corrected(analyse("윤할유"), {"윤할유": "윤활유"})

        assert highlight(query, "새 윤활유 제품") == [(2, 5)]

    @pytest.mark.parametrize(
        ("initials_typed", "marked"),
        [("ㅅㅌㄹ", "스트레"), ("ㅍㅍㅅㅌ", "펌프 스트"), ("ㅊㅅ", "청소"), ("ㄹㅇㄴ", None)],
    )
    def test_marks_words_that_begin_with_the_initials(self, initials_typed: str, marked: str | None) -> None:
        title = "새 펌프 스트레이너 청소"
        ranges = highlight(analyse(initials_typed), title)

        assert [title[start:end] for start, end in ranges] == ([] if marked is None else [marked])


def test_a_syllable_has_its_initial_consonant() -> None:
    assert initials("윤활유 5W") == "ㅇㅎㅇ 5W"


def test_wide_letters_and_capitals_are_the_same() -> None:
    assert normalise("ＳＡＥ ５Ｗ") == "sae 5w"
