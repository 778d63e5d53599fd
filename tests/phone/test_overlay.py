"""What the user sees: own edits over what others did since."""

from typing import Any

import pytest

from examples.phone.overlay import overlaid, reapplied


class TestReapplied:
    @pytest.mark.parametrize(
        ("base", "mine", "theirs", "seen"),
        [
            ("a", "b", "a", "b"),
            ("a", "b", "c", "b"),
            (["a", "b"], ["b", "x"], ["a", "b", "c"], ["b", "c", "x"]),
            ([], ["x"], ["x"], ["x"]),
            ("one\ntwo\nthree", "one\ntwo\n3", "1\ntwo\nthree", "1\ntwo\n3"),
            ("one\ntwo", "one\ntwo\nthree", "zero\none\ntwo", "zero\none\ntwo\nthree"),
            ("one\ntwo", "one\nmine", "one\ntheirs", "one\nmine"),
            (None, ["x"], ["y"], ["y", "x"]),
            (3, 4, 7, 4),
        ],
    )
    def test_lays_my_edit_over_theirs(self, base: Any, mine: Any, theirs: Any, seen: Any) -> None:
        assert reapplied(base, mine, theirs) == seen

    def test_rows_are_told_apart_by_id_and_by_field(self) -> None:
        base = [{"id": "1", "done": False, "title": "a"}, {"id": "2", "done": False, "title": "b"}]
        mine = [{"id": "1", "done": True, "title": "a"}, {"id": "9", "done": False, "title": "new"}]
        theirs = [{"id": "1", "done": False, "title": "A"}, {"id": "2", "done": False, "title": "b"}]
        theirs.append({"id": "3", "done": False, "title": "theirs"})

        assert reapplied(base, mine, theirs) == [
            {"id": "1", "done": True, "title": "A"},
            {"id": "3", "done": False, "title": "theirs"},
            {"id": "9", "done": False, "title": "new"},
        ]


class TestOverlaid:
    def test_a_created_record_is_there_at_once(self) -> None:
        assert overlaid(None, [mutation("create", name="a")]) == {"id": "r", "name": "a"}

    def test_a_deleted_record_is_gone_at_once(self) -> None:
        assert overlaid({"id": "r"}, [mutation("delete")]) is None

    def test_a_command_shows_the_state_that_it_leads_to(self) -> None:
        seen = overlaid({"id": "r", "status": "planned"}, [mutation("check_in"), mutation("check_out")])

        assert seen == {"id": "r", "status": "checked_out"}

    def test_an_edit_of_a_record_that_left_shows_nothing(self) -> None:
        assert overlaid(None, [mutation("update", name="a")]) is None


def mutation(op: str, **fields: Any) -> dict[str, Any]:
    return {"entity": "visit", "record_id": "r", "op": op, "fields": fields, "base": {}}
