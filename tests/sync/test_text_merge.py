"""Three-way merge by line."""

import time
from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.text_merge import merge_text

BASE = "one\ntwo\nthree\nfour\nfive\n"

lines = st.sampled_from(["", "a", "b", "c", "d", "e", "f"])
texts = st.lists(lines, max_size=9).map("\n".join)
quick = settings(deadline=None, max_examples=200)


class Edit(NamedTuple):
    """What one side does at one line."""

    keeps: bool
    adds: int


edited_lines = st.builds(Edit, st.booleans(), st.integers(0, 2))


def edited(base: list[str], edits: list[Edit], side: str) -> str:
    result: list[str] = []
    for line, edit in zip(base, edits, strict=True):
        result += [line] * edit.keeps + [f"{side} {line}"] * edit.adds
    return "\n".join(result)


class TestRepeatedLines:
    def test_one_of_which_was_removed_lose_just_that(self) -> None:
        assert merge_text("a\na\nb", "a\nb", "a\na\nb\nc").text == "a\nb\nc"

    def test_one_of_which_was_added_gain_just_that(self) -> None:
        assert merge_text("a\nb\nc", "a\na\nb\nc", "a\nb\nc\nd").text == "a\na\nb\nc\nd"


class TestCleanMerge:
    @pytest.mark.parametrize(
        ("mine", "theirs", "expected"),
        [
            (
                "ONE\ntwo\nthree\nfour\nfive\n",
                "one\ntwo\nthree\nfour\nFIVE\n",
                "ONE\ntwo\nthree\nfour\nFIVE\n",
            ),
            ("zero\n" + BASE, BASE + "six\n", "zero\n" + BASE + "six\n"),
            ("two\nthree\nfour\nfive\n", "one\ntwo\nthree\nFOUR\nfive\n", "two\nthree\nFOUR\nfive\n"),
            ("one\ntwo\nthree\nfour\nfive", "ONE\ntwo\nthree\nfour\nfive\n", "ONE\ntwo\nthree\nfour\nfive"),
            (BASE + "x\n", BASE + "x\n", BASE + "x\n"),
            (
                "one\nTWO\nthree\nfour\nfive\nsix\n",
                "one\nTWO\nthree\nFOUR\nfive\n",
                "one\nTWO\nthree\nFOUR\nfive\nsix\n",
            ),
        ],
        ids=["far lines", "both ends", "deleted and edited", "final newline", "same", "same and more"],
    )
    def test_holds_both_edits(self, mine: str, theirs: str, expected: str) -> None:
        merged = merge_text(BASE, mine, theirs)

        assert merged.clean
        assert merged.text == expected

    def test_does_not_need_a_final_newline(self) -> None:
        assert merge_text("a\nb\nc", "A\nb\nc", "a\nb\nc\nd").text == "A\nb\nc\nd"

    def test_keeps_other_line_ends_as_they_are(self) -> None:
        assert merge_text("a\r\nb\r\nc", "A\r\nb\r\nc", "a\r\nb\r\nC").text == "A\r\nb\r\nC"


class TestConflict:
    @pytest.mark.parametrize(
        ("mine", "theirs"),
        [
            ("one\nTWO\nthree\nfour\nfive\n", "one\n2\nthree\nfour\nfive\n"),
            ("one\nTWO\nthree\nfour\nfive\n", "one\ntwo\nTHREE\nfour\nfive\n"),
            ("one\nthree\nfour\nfive\n", "one\nTWO\nthree\nfour\nfive\n"),
            (BASE + "mine\n", BASE + "theirs\n"),
            ("one\ntwo\nmine\nthree\nfour\nfive\n", "one\ntwo\ntheirs\nthree\nfour\nfive\n"),
            ("", "one\ntwo\nthree\nfour\nFIVE\n"),
        ],
        ids=["same line", "neighbours", "deleted and edited", "two at the end", "two in between", "emptied"],
    )
    def test_gives_no_text(self, mine: str, theirs: str) -> None:
        merged = merge_text(BASE, mine, theirs)

        assert not merged.clean
        assert merged.text is None


def test_a_side_with_two_edits_is_not_taken_for_one_that_made_the_last_of_them() -> None:
    """Both changed one region; the later edit alone would come out as the other side's text."""
    assert not merge_text("b\nb\na\na\nb\na", "c\nb\na\nc\nc\nb", "b").clean


class TestAnyTexts:
    @quick
    @given(texts, texts, texts)
    def test_the_order_of_the_sides_does_not_matter(self, base: str, mine: str, theirs: str) -> None:
        assert merge_text(base, mine, theirs) == merge_text(base, theirs, mine)

    @quick
    @given(texts, texts)
    def test_one_edit_alone_is_taken_as_it_is(self, base: str, edit: str) -> None:
        assert merge_text(base, edit, base).text == edit
        assert merge_text(base, base, edit).text == edit

    @quick
    @given(texts, texts)
    def test_the_same_edit_twice_is_made_once(self, base: str, edit: str) -> None:
        assert merge_text(base, edit, edit).text == edit

    @quick
    @given(texts, texts, texts)
    def test_no_added_line_is_lost(self, base: str, mine: str, theirs: str) -> None:
        merged = merge_text(base, mine, theirs)

        before = Counter(base.split("\n"))
        for side in (mine, theirs):
            for line, count in Counter(side.split("\n")).items():
                if merged.text is not None and line not in before:
                    assert Counter(merged.text.split("\n"))[line] >= count

    @quick
    @given(texts, texts, texts)
    def test_no_line_comes_from_nowhere(self, base: str, mine: str, theirs: str) -> None:
        merged = merge_text(base, mine, theirs)

        if merged.text is not None:
            sides = Counter(mine.split("\n")) + Counter(theirs.split("\n"))
            assert Counter(merged.text.split("\n")) <= sides

    @quick
    @given(st.lists(edited_lines, min_size=6, max_size=6), st.lists(edited_lines, min_size=6, max_size=6))
    def test_no_line_that_one_side_removed_comes_back(self, ours: list[Edit], theirs: list[Edit]) -> None:
        base = [f"line {at}" for at in range(6)]

        merged = merge_text("\n".join(base), edited(base, ours, "m"), edited(base, theirs, "t"))

        if merged.text is not None:
            kept = {base[at] for at in range(6) if ours[at].keeps and theirs[at].keeps}
            assert set(merged.text.split("\n")) & set(base) == kept

    @quick
    @given(texts, texts, st.sampled_from([(0, 2), (1, 5), (3, 8)]))
    def test_edits_with_a_line_between_them_are_both_made(
        self, new_first: str, new_second: str, places: tuple[int, int]
    ) -> None:
        base = [f"line {at}" for at in range(9)]
        first, second = places
        mine, theirs, both = [*base], [*base], [*base]
        mine[first] = both[first] = new_first
        theirs[second] = both[second] = new_second

        assert merge_text("\n".join(base), "\n".join(mine), "\n".join(theirs)).text == "\n".join(both)


def test_a_long_text_of_equal_lines_takes_no_time() -> None:
    base = "start\n" + "\n" * 20_000 + "end"
    mine = "START\n" + "\n" * 20_001 + "END"
    started = time.thread_time()

    assert merge_text(base, mine, base).text == mine
    assert not merge_text(base, mine, "start\nand\n" + "\n" * 20_000 + "end").clean
    assert time.thread_time() - started < 2
