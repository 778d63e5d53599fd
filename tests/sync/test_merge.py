"""Merging one field."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.merge import (
    MISSING,
    ConflictDetail,
    FieldResult,
    Incoming,
    Outcome,
    Present,
    RowHistory,
    merge_field,
)
from sync.policy import Field, Kind, Merge, ask, last_write, merged, read_only, rows, text_merge, text_set
from sync.stamps import Stamp, element_stamp, field_stamp
from sync.values import row_order, same

BORN = datetime(2026, 11, 1, tzinfo=UTC)
FLOOR = Stamp.of(BORN)
LINES = rows(
    "order_lines",
    "order_id",
    {
        "position": last_write(Kind.INTEGER),
        "quantity": last_write(Kind.QUANTITY),
        "note": last_write(),
        "total": read_only(Kind.MONEY),
    },
)


def at(minute: int) -> Stamp:
    """The stamp of a mutation made so many minutes after the base version."""
    return Stamp.of(BORN + timedelta(minutes=minute), f"mutation-{minute}")


def born(**stamps: Any) -> dict[str, Any]:
    """The stamps of a record that was made before the base version."""
    return {"_": FLOOR.to_json(), **stamps}


def merge(
    policy: Field,
    *,
    base: Any = MISSING,
    mine: Any,
    theirs: Any,
    mine_at: int = 5,
    theirs_at: int | None = None,
    base_known: bool = True,
    others_changed: bool | None = None,
    **history: Any,
) -> FieldResult:
    """Merge an edit of field ``f``; with ``theirs_at`` another has written it since."""
    stamps = born() if theirs_at is None else born(f=at(theirs_at).to_json())
    changed = theirs_at is not None if others_changed is None else others_changed
    return merge_field(
        "f",
        policy,
        Incoming(mine, base, at(mine_at)),
        Present(theirs, stamps, changed, base_known, FLOOR),
        **history,
    )


def line(row_id: str, position: int = 1, quantity: str = "1.000000", **more: Any) -> dict[str, Any]:
    return {"id": row_id, "position": position, "quantity": quantity, **more}


ANY_POLICY = [
    pytest.param(last_write(), "old", "new", id="last_write"),
    pytest.param(merged(Merge.SERVER_WINS), "old", "new", id="server_wins"),
    pytest.param(merged(Merge.CLIENT_WINS), "old", "new", id="client_wins"),
    pytest.param(merged(Merge.MAX, Kind.INTEGER), 5, 3, id="max"),
    pytest.param(merged(Merge.MIN, Kind.INTEGER), 3, 5, id="min"),
    pytest.param(merged(Merge.SUM, Kind.INTEGER), 5, 3, id="sum"),
    pytest.param(text_set(), ["a"], ["b"], id="set"),
    pytest.param(LINES, [line("a")], [line("b")], id="rows"),
    pytest.param(text_merge(), "old", "new", id="text"),
    pytest.param(ask(), "old", "new", id="ask"),
]


class TestAnyPolicy:
    @pytest.mark.parametrize(("policy", "old", "new"), ANY_POLICY)
    def test_takes_an_edit_of_what_nobody_else_changed(self, policy: Field, old: Any, new: Any) -> None:
        result = merge(policy, base=old, mine=new, theirs=old)

        assert (result.outcome, result.value, result.write) == (Outcome.APPLIED, new, True)
        assert result.lost is MISSING
        assert result.conflict is None

    @pytest.mark.parametrize(("policy", "old", "new"), [p for p in ANY_POLICY if p.id != "sum"])
    def test_writes_nothing_when_the_value_is_there_already(self, policy: Field, old: Any, new: Any) -> None:
        result = merge(policy, base=old, mine=new, theirs=new, theirs_at=9)

        assert (result.outcome, result.value, result.write) == (Outcome.EQUAL, new, False)
        assert result.stamps is None

    @pytest.mark.parametrize(
        ("policy", "old", "new"), [p for p in ANY_POLICY if p.id not in ("set", "rows", "sum")]
    )
    def test_raises_the_stamp_of_an_equal_value(self, policy: Field, old: Any, new: Any) -> None:
        assert merge(policy, base=old, mine=new, theirs=new, theirs_at=2).stamps == at(5).to_json()

    def test_understands_values_in_any_spelling(self) -> None:
        result = merge(last_write(Kind.MONEY), base="5", mine="5.00", theirs="5.0000")

        assert (result.outcome, result.value) == (Outcome.EQUAL, "5.0000")

    def test_never_merges_what_the_server_owns(self) -> None:
        with pytest.raises(ValueError, match="read-only"):
            merge(read_only(), mine="x", theirs="y")


class TestUnknownBase:
    """The base version is of an ended epoch: what the phone sent as base is all there is."""

    @pytest.mark.parametrize(("policy", "old", "new"), ANY_POLICY)
    def test_an_edit_of_the_very_value_that_stands_is_taken(self, policy: Field, old: Any, new: Any) -> None:
        result = merge(policy, base=old, mine=new, theirs=old, base_known=False, others_changed=True)

        assert (result.outcome, result.value) == (Outcome.APPLIED, new)

    @pytest.mark.parametrize(
        ("policy", "old", "new"), [p for p in ANY_POLICY if p.id in ("last_write", "set")]
    )
    def test_such_an_edit_wins_whatever_its_time(self, policy: Field, old: Any, new: Any) -> None:
        result = merge(policy, base=old, mine=new, theirs=old, theirs_at=9, base_known=False)

        assert result.value == new
        written = result.stamps if policy.merge is Merge.LAST_WRITE else result.stamps["a"]
        assert written == at(9).to_json()

    def test_a_field_without_a_base_counts_as_changed_by_others(self) -> None:
        result = merge(ask(), mine="mine", theirs="theirs", base_known=False, others_changed=False)

        assert result.outcome is Outcome.CONFLICT

    def test_a_field_with_another_base_counts_as_changed_by_others(self) -> None:
        result = merge(ask(), base="base", mine="mine", theirs="theirs", base_known=False)

        assert result.outcome is Outcome.CONFLICT


class TestLastWrite:
    def test_takes_the_later_edit(self) -> None:
        result = merge(last_write(), base="a", mine="b", theirs="c", mine_at=5, theirs_at=4)

        assert (result.outcome, result.value, result.stamps) == (Outcome.APPLIED, "b", at(5).to_json())

    def test_keeps_the_earlier_edit_for_the_ledger_and_names_the_winner(self) -> None:
        result = merge(last_write(), base="a", mine="b", theirs="c", mine_at=5, theirs_at=6)

        assert (result.outcome, result.value, result.write) == (Outcome.SUPERSEDED, "c", False)
        assert (result.lost, result.winner, result.stamps) == ("b", at(6), None)

    def test_settles_a_tie_by_mutation_id(self) -> None:
        stamps = born(f=[at(5).at, "mutation-a"])

        for mutation, expected in (("mutation-b", Outcome.APPLIED), ("mutation-A", Outcome.SUPERSEDED)):
            edit = Incoming("b", "a", Stamp(at(5).at, mutation))
            assert merge_field("f", last_write(), edit, Present("c", stamps, True, True)).outcome is expected

    def test_gives_way_to_a_later_edit_that_only_confirmed_the_old_value(self) -> None:
        result = merge(
            last_write(), base="a", mine="b", theirs="a", mine_at=5, theirs_at=6, others_changed=False
        )

        assert result.outcome is Outcome.SUPERSEDED


class TestServerWins:
    def test_keeps_what_another_changed(self) -> None:
        result = merge(merged(Merge.SERVER_WINS), base="a", mine="b", theirs="c", theirs_at=1)

        assert (result.outcome, result.value, result.lost) == (Outcome.SUPERSEDED, "c", "b")


class TestClientWins:
    def test_takes_the_phones_value_whatever_the_stamps(self) -> None:
        result = merge(merged(Merge.CLIENT_WINS), base="a", mine="b", theirs="c", theirs_at=9)

        assert (result.outcome, result.value, result.stamps) == (Outcome.APPLIED, "b", at(9).to_json())


class TestAsk:
    def test_leaves_two_different_edits_to_a_person(self) -> None:
        result = merge(ask(), base="a", mine="b", theirs="c", theirs_at=1)

        assert (result.outcome, result.value, result.write) == (Outcome.CONFLICT, "c", False)
        assert result.conflict == ConflictDetail("field", "b", "a", "c")
        assert result.lost is MISSING

    def test_sees_an_edit_that_was_taken_back(self) -> None:
        result = merge(ask(), base="a", mine="b", theirs="a", theirs_at=1)

        assert result.conflict == ConflictDetail("field", "b", "a", "a")


class TestFurthest:
    @pytest.mark.parametrize(
        ("policy", "less", "more"),
        [
            (Merge.MAX, "9.0000", "10.0000"),
            (Merge.MAX, None, "1.0000"),
            (Merge.MIN, "10.0000", "9.0000"),
            (Merge.MIN, None, "1.0000"),
        ],
    )
    def test_number_wins(self, policy: Merge, less: Any, more: Any) -> None:
        money = merged(policy, Kind.MONEY)

        winning = merge(money, base="5.0000", mine=more, theirs=less, mine_at=1, theirs_at=2)
        losing = merge(money, base="5.0000", mine=less, theirs=more, mine_at=3, theirs_at=2)

        assert (winning.outcome, winning.value, winning.stamps) == (Outcome.APPLIED, more, at(1).to_json())
        assert (losing.outcome, losing.value, losing.lost) == (Outcome.SUPERSEDED, more, less)
        assert (losing.stamps, losing.winner) == (None, at(2))

    def test_time_wins(self) -> None:
        early, late = "2026-11-21T09:00:00.000000Z", "2026-11-21T10:00:00.000000Z"

        assert merge(merged(Merge.MAX, Kind.TIME), mine=late, theirs=early, theirs_at=9).value == late

    def test_text_wins_by_code_point(self) -> None:
        assert merge(merged(Merge.MAX), mine="3-won", theirs="2-offer", theirs_at=9).value == "3-won"

    def test_does_not_hinder_a_correction_of_what_nobody_else_touched(self) -> None:
        assert merge(merged(Merge.MAX, Kind.INTEGER), base=5, mine=3, theirs=5).value == 3

    def test_wins_over_a_correction_when_another_confirmed_it(self) -> None:
        highest = merged(Merge.MAX, Kind.INTEGER)

        result = merge(highest, base=5, mine=3, theirs=5, theirs_at=1, others_changed=False)

        assert (result.outcome, result.value) == (Outcome.SUPERSEDED, 5)

    def test_does_not_hinder_a_correction_of_what_the_base_version_wrote(self) -> None:
        present = Present(5, born(f=at(1).to_json()), False, True, Stamp(at(1).at, ""))

        result = merge_field("f", merged(Merge.MAX, Kind.INTEGER), Incoming(3, 5, at(2)), present)

        assert result.value == 3

    def test_of_a_phone_that_goes_back_stays_once_another_wrote_between(self) -> None:
        # 5 at the base; the phone made 8 of it, then 2. Whether another's 4 came between them decides what is
        # left: the one exception from the independence of the order of arrival.
        furthest = merged(Merge.MAX, Kind.INTEGER)

        alone = merge(furthest, base=5, mine=2, theirs=8, others_changed=False)
        after_another = merge(furthest, base=5, mine=2, theirs=8, others_changed=True)

        assert (alone.value, after_another.value) == (2, 8)

    def test_needs_no_floor(self) -> None:
        present = Present(5, born(f=at(1).to_json()), False, True)

        result = merge_field("f", merged(Merge.MAX, Kind.INTEGER), Incoming(3, 5, at(2)), present)

        assert result.value == 3


class TestSum:
    @pytest.mark.parametrize(
        ("kind", "base", "mine", "theirs", "total"),
        [
            (Kind.INTEGER, 10, 13, 8, 11),
            (Kind.INTEGER, None, 3, None, 3),
            (Kind.INTEGER, 3, None, 5, 2),
            (Kind.MONEY, "0.1000", "0.3000", "0.1000", "0.3000"),
            (Kind.MONEY, "10.0000", "7.5000", "8.0000", "5.5000"),
            (Kind.QUANTITY, "1.000000", "1.000001", "2.000000", "2.000001"),
        ],
    )
    def test_adds_what_the_user_added(
        self, kind: Kind, base: Any, mine: Any, theirs: Any, total: Any
    ) -> None:
        assert merge(merged(Merge.SUM, kind), base=base, mine=mine, theirs=theirs).value == total

    def test_adds_even_when_the_value_is_equal(self) -> None:
        result = merge(merged(Merge.SUM, Kind.INTEGER), base=10, mine=13, theirs=13, theirs_at=2)

        assert (result.outcome, result.value, result.write) == (Outcome.COMBINED, 16, True)

    def test_without_a_base_is_for_a_person_to_say(self) -> None:
        counter = merged(Merge.SUM, Kind.INTEGER)
        result = merge(counter, mine=13, theirs=20, base_known=False)

        assert result.conflict == ConflictDetail("field", 13, MISSING, 20)

    def test_keeps_the_later_stamp_of_the_two(self) -> None:
        result = merge(merged(Merge.SUM, Kind.INTEGER), base=10, mine=13, theirs=20, theirs_at=9)

        assert result.stamps == at(9).to_json()

    def test_writes_nothing_when_nothing_was_added(self) -> None:
        counter = merged(Merge.SUM, Kind.INTEGER)

        untouched = merge(counter, base=10, mine=10, theirs=10)
        elsewhere = merge(counter, base=10, mine=10, theirs=12, theirs_at=9)

        assert (untouched.outcome, untouched.write) == (Outcome.EQUAL, False)
        assert (elsewhere.outcome, elsewhere.write, elsewhere.stamps) == (Outcome.COMBINED, False, None)

    def test_cannot_add_without_a_base(self) -> None:
        counter = merged(Merge.SUM, Kind.INTEGER)

        assert merge(counter, mine=13, theirs=10).outcome is Outcome.CONFLICT
        assert merge(counter, mine=10, theirs=10).outcome is Outcome.EQUAL


class TestSet:
    def test_joins_what_both_added_and_drops_what_either_removed(self) -> None:
        result = merge(text_set(), base=["a", "b"], mine=["b", "x"], theirs=["a", "b", "c"])

        assert (result.outcome, result.value) == (Outcome.COMBINED, ["b", "c", "x"])
        assert result.stamps == {"a": at(5).to_json(), "x": at(5).to_json()}

    def test_keeps_the_present_order_and_adds_in_the_order_of_the_phone(self) -> None:
        result = merge(text_set(), base=["b", "a"], mine=["z", "a", "y", "b"], theirs=["b", "a"])

        assert result.value == ["b", "a", "z", "y"]

    def test_does_not_bring_back_an_element_that_was_removed_later(self) -> None:
        present = Present([], born(f={"_": FLOOR.to_json(), "x": at(9).to_json()}), True, True)

        result = merge_field("f", text_set(), Incoming(["x"], [], at(5)), present)

        assert (result.outcome, result.value, result.write) == (Outcome.SUPERSEDED, [], False)
        assert (result.lost, result.winner, result.stamps) == (["x"], at(9), None)

    def test_keeps_what_wins_beside_what_loses(self) -> None:
        present = Present([], born(f={"x": at(9).to_json()}), True, True)

        result = merge_field("f", text_set(), Incoming(["x", "y"], [], at(5)), present)

        assert (result.outcome, result.value, result.lost) == (Outcome.COMBINED, ["y"], ["x", "y"])

    def test_raises_the_stamp_of_an_element_that_another_added_too(self) -> None:
        present = Present(["x"], born(f={"x": at(3).to_json()}), True, True)

        result = merge_field("f", text_set(), Incoming(["x"], [], at(5)), present)

        assert (result.outcome, result.write, result.stamps) == (Outcome.EQUAL, False, {"x": at(5).to_json()})

    def test_leaves_the_stamps_of_elements_alone_that_the_user_did_not_touch(self) -> None:
        result = merge(text_set(), base=["a"], mine=["a", "x"], theirs=["a"])

        assert result.stamps == {"x": at(5).to_json()}

    def test_without_a_base_removes_nothing(self) -> None:
        assert merge(text_set(), mine=["x"], theirs=["a"]).value == ["a", "x"]

    def test_takes_null_for_empty(self) -> None:
        assert merge(text_set(), base=None, mine=["x"], theirs=None).value == ["x"]
        assert merge(text_set(), base=["x"], mine=None, theirs=["x"]).value == []
        assert merge(text_set(), base=None, mine=None, theirs=None).outcome is Outcome.EQUAL

    def test_touched_nowhere_changes_nothing(self) -> None:
        result = merge(text_set(), base=["a"], mine=["a"], theirs=["b"], theirs_at=1)

        assert (result.outcome, result.value, result.write) == (Outcome.COMBINED, ["b"], False)


class TestText:
    def test_joins_edits_of_different_lines(self) -> None:
        result = merge(text_merge(), base="a\nb\nc", mine="A\nb\nc", theirs="a\nb\nC", theirs_at=9)

        assert (result.outcome, result.value, result.write) == (Outcome.COMBINED, "A\nb\nC", True)
        assert result.stamps == at(9).to_json()

    def test_leaves_two_edits_of_one_line_to_a_person(self) -> None:
        result = merge(text_merge(), base="a", mine="b", theirs="c", theirs_at=1)

        assert (result.outcome, result.value, result.write) == (Outcome.CONFLICT, "c", False)
        assert result.conflict == ConflictDetail("text", "b", "a", "c")

    def test_leaves_two_texts_without_a_base_to_a_person(self) -> None:
        result = merge(text_merge(), mine="b", theirs="c", base_known=False)

        assert result.conflict == ConflictDetail("text", "b", MISSING, "c")

    def test_takes_null_for_an_empty_text(self) -> None:
        assert merge(text_merge(), base=None, mine="b", theirs="c", theirs_at=1).outcome is Outcome.CONFLICT
        assert merge(text_merge(), base="a", mine=None, theirs="", theirs_at=1).value == ""
        assert merge(text_merge(), base=None, mine="b", theirs=None, theirs_at=1).value == "b"
        assert merge(text_merge(), base="a", mine=None, theirs="a", theirs_at=1).value == ""

    def test_writes_nothing_when_another_made_the_same_edit_and_more(self) -> None:
        result = merge(text_merge(), base="a\nb\nc", mine="A\nb\nc", theirs="A\nb\nC", theirs_at=9)

        assert (result.outcome, result.write, result.stamps) == (Outcome.COMBINED, False, None)


def merge_lines(
    *,
    base: Any = (),
    mine: Sequence[Any],
    theirs: Sequence[Any],
    stamps: Mapping[str, Mapping[str, Any]] | None = None,
    history: Mapping[str, RowHistory] | None = None,
    base_known: bool = True,
) -> FieldResult:
    return merge(
        LINES,
        base=base if base is MISSING else list(base),
        mine=list(mine),
        theirs=list(theirs),
        base_known=base_known,
        row_stamps=stamps or {row["id"]: born() for row in theirs},
        rows_history=history or {},
    )


class TestRows:
    def test_that_both_sides_added_all_stay(self) -> None:
        result = merge_lines(mine=[line("m", 2)], theirs=[line("t", 1)])

        assert (result.outcome, result.value) == (Outcome.COMBINED, [line("t", 1), line("m", 2)])

    def test_are_ordered_by_position_then_id(self) -> None:
        result = merge_lines(mine=[line("b", 1), line("a", 1)], theirs=[])

        assert [row["id"] for row in result.value] == ["a", "b"]

    def test_that_only_the_user_deleted_go(self) -> None:
        result = merge_lines(base=[line("a"), line("b")], mine=[line("a")], theirs=[line("a"), line("b")])

        assert (result.outcome, result.value, result.write) == (Outcome.APPLIED, [line("a")], True)

    def test_that_another_deleted_stay_away(self) -> None:
        result = merge_lines(base=[line("a")], mine=[line("a")], theirs=[])

        assert (result.outcome, result.value, result.write) == (Outcome.COMBINED, [], False)

    def test_that_both_deleted_are_settled(self) -> None:
        result = merge_lines(base=[line("a"), line("b")], mine=[line("a")], theirs=[line("a")])

        assert (result.outcome, result.write) == (Outcome.EQUAL, False)

    def test_edited_in_different_fields_hold_both_edits(self) -> None:
        result = merge_lines(
            base=[line("a", note="x")],
            mine=[line("a", quantity="2", note="x")],
            theirs=[line("a", note="y")],
            stamps={"a": born(note=at(9).to_json())},
        )

        assert result.outcome is Outcome.COMBINED
        assert result.value == [line("a", quantity="2.000000", note="y")]
        assert result.row_stamps == {"a": {"quantity": at(5).to_json()}}
        assert result.stamps is None

    def test_edited_in_one_field_take_the_later_edit(self) -> None:
        result = merge_lines(
            base=[line("a", note="x")],
            mine=[line("a", note="m")],
            theirs=[line("a", note="t")],
            stamps={"a": born(note=at(9).to_json())},
        )

        assert (result.outcome, result.value) == (Outcome.SUPERSEDED, [line("a", note="t")])
        assert (result.lost, result.winner) == ([{"id": "a", "note": "m"}], at(9))

    @pytest.mark.parametrize(
        ("base", "mine", "theirs", "kept"),
        [
            ([line("b")], [], [line("b")], []),
            ([], [line("b")], [], [line("b")]),
            ([line("b")], [line("b", quantity="2")], [line("b")], [line("b", quantity="2.000000")]),
        ],
        ids=["deleted", "added", "edited"],
    )
    def test_are_combined_where_one_row_lost_and_another_was_kept(
        self, base: Any, mine: Any, theirs: Any, kept: Any
    ) -> None:
        result = merge_lines(
            base=[line("a", note="x"), *base],
            mine=[line("a", note="m"), *mine],
            theirs=[line("a", note="t"), *theirs],
            stamps={"a": born(note=at(9).to_json()), "b": born()},
        )

        assert (result.outcome, result.value) == (Outcome.COMBINED, [line("a", note="t"), *kept])
        assert result.lost == [{"id": "a", "note": "m"}]

    def test_keep_every_value_that_lost(self) -> None:
        both = born(note=at(9).to_json(), position=at(8).to_json())

        result = merge_lines(
            base=[line("a", 1, note="x"), line("b", 2, note="x")],
            mine=[line("a", 3, note="m"), line("b", 2, note="m")],
            theirs=[line("a", 4, note="t"), line("b", 2, note="t")],
            stamps={"a": both, "b": both},
        )

        assert result.lost == [{"id": "b", "note": "m"}, {"id": "a", "position": 3, "note": "m"}]
        assert result.winner == at(9)

    def test_raise_the_stamp_of_an_equal_edit(self) -> None:
        theirs = [line("a", note="same")]

        older = merge_lines(
            base=[line("a", note="x")], mine=theirs, theirs=theirs, stamps={"a": born(note=at(2).to_json())}
        )
        newer = merge_lines(
            base=[line("a", note="x")], mine=theirs, theirs=theirs, stamps={"a": born(note=at(9).to_json())}
        )

        assert (older.outcome, older.row_stamps) == (Outcome.EQUAL, {"a": {"note": at(5).to_json()}})
        assert (newer.outcome, newer.row_stamps, newer.lost) == (Outcome.EQUAL, {}, MISSING)

    def test_added_under_one_id_are_one_row(self) -> None:
        result = merge_lines(
            mine=[line("a", 1, note="m")], theirs=[line("a", 1)], stamps={"a": {"_": at(2).to_json()}}
        )

        assert (result.outcome, result.value) == (Outcome.APPLIED, [line("a", 1, note="m")])

    def test_do_not_lose_fields_that_the_phone_does_not_know(self) -> None:
        result = merge_lines(
            base=[{"id": "a", "note": "x"}], mine=[{"id": "a", "note": "m"}], theirs=[line("a", note="x")]
        )

        assert (result.outcome, result.value) == (Outcome.APPLIED, [line("a", note="m")])

    def test_leave_to_the_server_what_it_owns(self) -> None:
        result = merge_lines(
            base=[line("a", total="1")], mine=[line("a", total="7")], theirs=[line("a", total="2")]
        )

        assert (result.outcome, result.value) == (Outcome.EQUAL, [line("a", total="2.0000")])

    def test_without_a_base_delete_nothing(self) -> None:
        result = merge_lines(base=MISSING, mine=[line("m", 2)], theirs=[line("t", 1)], base_known=False)

        assert result.value == [line("t", 1), line("m", 2)]

    def test_stand_where_they_stood_when_they_have_no_position(self) -> None:
        result = merge_lines(mine=[{"id": "a"}], theirs=[{"id": "b"}])

        assert result.value == [{"id": "a"}, {"id": "b"}]


class TestRowConflict:
    def test_keeps_a_row_that_another_edited_and_the_user_deleted(self) -> None:
        was, now = line("a", note="x"), line("a", note="t")

        result = merge_lines(base=[was, line("b", 2)], mine=[line("b", 2)], theirs=[now, line("b", 2)])

        assert (result.outcome, result.value, result.write) == (Outcome.CONFLICT, [now, line("b", 2)], False)
        assert result.conflicts == (ConflictDetail("row", None, was, now, "a"),)

    def test_sees_an_edit_that_was_taken_back(self) -> None:
        history = {"a": RowHistory(changed=frozenset({"note"}))}

        result = merge_lines(base=[line("a")], mine=[], theirs=[line("a")], history=history)

        assert result.outcome is Outcome.CONFLICT

    def test_does_not_bring_back_a_row_that_the_user_edited_and_another_deleted(self) -> None:
        was, mine = line("a"), line("a", note="m")

        result = merge_lines(base=[was], mine=[mine], theirs=[])

        assert (result.outcome, result.value, result.write) == (Outcome.CONFLICT, [], False)
        assert result.conflicts == (ConflictDetail("row", mine, was, None, "a"),)

    def test_does_not_bring_back_a_row_that_another_deleted_before_the_user_added_it(self) -> None:
        result = merge_lines(mine=[line("a")], theirs=[], history={"a": RowHistory(deleted=True)})

        assert result.conflict == ConflictDetail("row", line("a"), None, None, "a")

    def test_does_not_keep_the_other_rows_from_being_merged(self) -> None:
        result = merge_lines(
            base=[line("a"), line("b", 2)],
            mine=[line("a", note="m"), line("b", 2, note="m"), line("c", 3)],
            theirs=[line("b", 2)],
        )

        assert (result.outcome, result.write) == (Outcome.CONFLICT, True)
        assert result.value == [line("b", 2, note="m"), line("c", 3)]

    def test_tells_of_every_row(self) -> None:
        result = merge_lines(
            base=[line("a"), line("b")], mine=[line("a", note="m"), line("b", note="m")], theirs=[]
        )

        assert [detail.row_id for detail in result.conflicts] == ["a", "b"]


@dataclass
class Edit:
    """A mutation of field ``f``, made on the base version by a device of its own."""

    device: int
    value: Any
    stamp: Stamp


@dataclass
class Server:
    """A record of one field, stamped as the capture triggers stamp it."""

    policy: Field
    base: Any
    value: Any = None
    stamps: dict[str, Any] = field(default_factory=born)
    row_stamps: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: list[tuple[int, Any, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.value = self.base
        if self.policy.kind is Kind.ROWS:
            self.row_stamps = {row["id"]: born() for row in self.base}

    def receive(self, edit: Edit) -> FieldResult:
        others = [(old, new) for device, old, new in self.changes if device != edit.device]
        result = merge_field(
            "f",
            self.policy,
            Incoming(edit.value, self.base, edit.stamp),
            Present(self.value, self.stamps, bool(others), True, FLOOR),
            row_stamps=self.row_stamps,
            rows_history=self._history(others),
        )
        if result.write:
            self.changes.append((edit.device, self.value, result.value))
            self._stamp(result.value, edit.stamp.to_json())
            self.value = result.value
        self._lay_over(result)
        return result

    def _history(self, changes: Iterable[tuple[Any, Any]]) -> dict[str, RowHistory]:
        if self.policy.kind is not Kind.ROWS:
            return {}
        history: dict[str, RowHistory] = {}
        for old, new in changes:
            before, after = ({row["id"]: row for row in part} for part in (old, new))
            for row_id in before:
                if row_id not in after:
                    history[row_id] = RowHistory(deleted=True)
                elif before[row_id] != after[row_id]:
                    history[row_id] = RowHistory(changed=frozenset({"something"}))
        return history

    def _stamp(self, value: Any, stamp: list[str]) -> None:
        if self.policy.kind is Kind.ROWS:
            self._stamp_rows(value, stamp)
        elif self.policy.merge is Merge.SET:
            node = self.stamps.setdefault("f", {"_": self.stamps["_"]})
            node.update(dict.fromkeys(set(value) ^ set(self.value), stamp))
        else:
            self.stamps["f"] = stamp

    def _stamp_rows(self, value: Any, stamp: list[str]) -> None:
        before = {row["id"]: row for row in self.value}
        for row in value:
            stamps = self.row_stamps.setdefault(row["id"], {"_": stamp})
            was = before.get(row["id"])
            if was is not None:
                stamps.update({name: stamp for name in row if row[name] != was.get(name)})
        for gone in before.keys() - {row["id"] for row in value}:
            del self.row_stamps[gone]

    def _lay_over(self, result: FieldResult) -> None:
        if isinstance(result.stamps, dict):
            self.stamps.setdefault("f", {"_": self.stamps["_"]}).update(result.stamps)
        elif result.stamps is not None:
            self.stamps["f"] = result.stamps
        for row_id, stamps in result.row_stamps.items():
            self.row_stamps[row_id].update(stamps)

    def state(self) -> Any:
        """Value and stamps, without regard to the order of a set and to how stamps are written down."""
        if self.policy.kind is Kind.ROWS:
            stamps = {
                row_id: {name: field_stamp(node, name) for name in self.policy.rows}
                for row_id, node in self.row_stamps.items()
            }
            return self.value, stamps
        if self.policy.merge is Merge.SET:
            return set(self.value), {element: element_stamp(self.stamps, "f", element) for element in TAGS}
        return self.value, field_stamp(self.stamps, "f")


TAGS = ("a", "b", "c", "d")
tags = st.lists(st.sampled_from(TAGS), unique=True)
numbers = st.integers(0, 6)
amounts = st.decimals(0, 3, places=4).map(lambda amount: f"{amount:.4f}")


def edits_of(values: Sequence[Any], minutes: Sequence[int]) -> list[Edit]:
    return [Edit(device, value, at(minutes[device])) for device, value in enumerate(values)]


@st.composite
def concurrent_edits(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> tuple[Any, list[Edit]]:
    """A base value and 2 to 4 edits of it from different devices, at different times."""
    base = draw(values)
    made = draw(st.lists(values, min_size=2, max_size=4))
    return base, edits_of(made, draw(st.permutations(range(1, 1 + len(made)))))


@st.composite
def edited_rows(draw: st.DrawFn) -> tuple[Any, list[Edit]]:
    """Edits of rows: fields of ``a`` and ``b``, deletions of ``c`` (which nobody edits), new rows."""
    base = [line("a", 0, note="x"), line("b", 1, note="x"), line("c", 2, note="x")]
    made = []
    for device in range(draw(st.integers(2, 4))):
        mine = [
            {
                **row,
                "position": draw(st.sampled_from([row["position"], 5])),
                "note": draw(st.sampled_from(["x", "y", "z"])),
            }
            for row in base[:2]
        ]
        mine += base[2:] if draw(st.booleans()) else []
        mine += [line(f"new-{device}", draw(st.integers(0, 3)))] if draw(st.booleans()) else []
        made.append(mine)
    return base, edits_of(made, draw(st.permutations(range(1, 1 + len(made)))))


@st.composite
def edited_texts(draw: st.DrawFn) -> tuple[Any, list[Edit]]:
    """Edits that each rewrite a line of their own, with an untouched line before the next."""
    lines = [f"line {number}" for number in range(9)]
    made = []
    for device in range(draw(st.integers(2, 4))):
        mine = [*lines]
        mine[2 * device] = draw(st.sampled_from(["new", "new\nand more", "", lines[2 * device]]))
        made.append("\n".join(mine))
    return "\n".join(lines), edits_of(made, draw(st.permutations(range(1, 1 + len(made)))))


STORIES: list[tuple[Field, Callable[[], st.SearchStrategy[tuple[Any, list[Edit]]]]]] = [
    (last_write(), lambda: concurrent_edits(st.sampled_from(["x", "y", "z"]))),
    (merged(Merge.MAX, Kind.INTEGER), lambda: concurrent_edits(st.none() | numbers)),
    (merged(Merge.MIN, Kind.MONEY), lambda: concurrent_edits(st.none() | amounts)),
    (merged(Merge.SUM, Kind.INTEGER), lambda: concurrent_edits(numbers)),
    (merged(Merge.SUM, Kind.MONEY), lambda: concurrent_edits(amounts)),
    (text_set(), lambda: concurrent_edits(tags)),
    (LINES, edited_rows),
    (text_merge(), edited_texts),
]
IN_ANY_ORDER = pytest.mark.parametrize(
    ("policy", "story"), [pytest.param(policy, story(), id=policy.merge) for policy, story in STORIES]
)


class TestManyDevices:
    @IN_ANY_ORDER
    @settings(deadline=None, max_examples=60)
    @given(data=st.data())
    def test_the_order_of_arrival_does_not_matter(
        self, policy: Field, story: st.SearchStrategy[tuple[Any, list[Edit]]], data: st.DataObject
    ) -> None:
        base, edits = data.draw(story)

        states = []
        for order in itertools.permutations(edits):
            server = Server(policy, base)
            for edit in order:
                server.receive(edit)
            states.append(server.state())

        assert all(state == states[0] for state in states)

    @IN_ANY_ORDER
    @settings(deadline=None, max_examples=60)
    @given(data=st.data())
    def test_a_replay_changes_nothing(
        self, policy: Field, story: st.SearchStrategy[tuple[Any, list[Edit]]], data: st.DataObject
    ) -> None:
        base, edits = data.draw(story)
        server = Server(policy, base)
        for edit in edits:
            server.receive(edit)
            before = server.state()
            if policy.merge is not Merge.SUM:  # a sum is kept from being added twice by its verdict
                server.receive(edit)
            assert server.state() == before

    @IN_ANY_ORDER
    @settings(deadline=None, max_examples=60)
    @given(data=st.data())
    def test_no_edit_is_lost_in_silence(
        self, policy: Field, story: st.SearchStrategy[tuple[Any, list[Edit]]], data: st.DataObject
    ) -> None:
        base, edits = data.draw(story)
        server = Server(policy, base)

        for edit in edits:
            result = server.receive(edit)
            if result.outcome in (Outcome.APPLIED, Outcome.EQUAL):
                assert _holds(policy, server.value, edit.value)
            if result.outcome is Outcome.SUPERSEDED:
                assert result.lost is not MISSING
                assert result.winner is not None
            assert result.write == (not same(policy, result.value, edit_base(result, server)))


def edit_base(result: FieldResult, server: Server) -> Any:
    """The value that stood before *result* was written."""
    return server.changes[-1][1] if result.write else server.value


def _holds(policy: Field, value: Any, sent: Any) -> bool:
    return same(policy, value, sorted(sent, key=row_order) if policy.kind is Kind.ROWS else sent)


class TestDisjointEdits:
    @settings(deadline=None, max_examples=60)
    @given(st.sets(st.sampled_from(TAGS)), st.permutations([0, 1]), st.permutations([1, 2]))
    def test_of_elements_are_all_in_the_set(
        self, base: set[str], order: list[int], minutes: list[int]
    ) -> None:
        start = sorted(base)
        values = [sorted(base ^ {"a", "b"}), sorted(base ^ {"c"})]
        server = Server(text_set(), start)
        edits = edits_of(values, minutes)

        for device in order:
            server.receive(edits[device])

        assert set(server.value) == base ^ {"a", "b", "c"}

    @settings(deadline=None, max_examples=60)
    @given(st.permutations([0, 1, 2]), st.permutations([1, 2, 3]))
    def test_of_fields_of_one_row_are_all_in_the_row(self, order: list[int], minutes: list[int]) -> None:
        base = line("a", 1, note="x")
        values = [[{**base, **edit}] for edit in ({"note": "y"}, {"position": 7}, {"quantity": "9.000000"})]
        server = Server(LINES, [base])
        edits = edits_of(values, minutes)

        for device in order:
            server.receive(edits[device])

        assert server.value == [line("a", 7, "9.000000", note="y")]
