"""Which tests can see a mutant."""

from tests.mutation.reached import naming, reaching, readers_of

ENTERED = {
    "m:Store.read": ["tests/a.py::test_reads", "tests/a.py::test_all", "tests/b.py"],
    "m:Store.write": ["tests/a.py::test_all", "tests/b.py::test_writes"],
    "m:open": [""],
}


def near(place: str) -> list[str]:
    return reaching(place, ENTERED, {"m:SQL": {"m:Store.write"}})


class TestTestsThatReach:
    def test_a_function_are_those_that_enter_it_and_the_narrow_come_first(self) -> None:
        assert near("m:Store.read") == ["tests/a.py::test_reads", "tests/b.py", "tests/a.py::test_all"]

    def test_a_constant_are_those_of_the_functions_that_read_it(self) -> None:
        assert near("m:SQL") == ["tests/b.py::test_writes", "tests/a.py::test_all"]

    def test_what_a_session_enters_are_all(self) -> None:
        assert near("m:open") == [""]

    def test_what_nobody_entered_are_none(self) -> None:
        assert near("m:Store.gone") == []

    def test_the_text_itself_are_first_the_files_that_name_it(self) -> None:
        files = ["tests/sync/test_feed_reader.py", "tests/sync_api/test_glance.py"]
        tests = ["tests/sync/test_feed_reader.py::test_one", "tests/sync_api/test_glance.py::test_two"]
        assert naming("DELTA", files, tests) == [files[0], tests[1]]
        assert naming("NO_SUCH_TEXT", files, tests) == tests


def test_constants_are_read_in_other_modules_too() -> None:
    assert "app.sync_api.looking:_said" in readers_of(["sync.stores.glance"])["sync.stores.glance:GLANCE"]
