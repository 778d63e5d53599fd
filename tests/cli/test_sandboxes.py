"""`flask sandbox`: made whole or not at all, and nothing of it touches a real company."""

from uuid import uuid4

import pytest

from app.sandbox import service
from tests.cli.conftest import Run
from tests.world import World


@pytest.fixture
def code() -> str:
    return f"box-{uuid4().hex[:8]}"


class TestOfARealCompany:
    @pytest.mark.parametrize("words", [("reset",), ("keep",), ("drop", "--yes")])
    def test_nothing_is_reset_kept_or_dropped(self, flask: Run, world: World, words: tuple[str, ...]) -> None:
        done = flask("sandbox", words[0], world.code, *words[1:])

        assert done.exit_code == 1
        assert "sandbox.none" in done.output
        assert world.sql("SELECT code FROM tenants WHERE id = :tenant") == [(world.code,)]


class TestRhythm:
    @pytest.mark.parametrize(("every", "says"), [("5s", "sandbox.rhythm"), ("soon", "is no span")])
    def test_that_cannot_be_is_refused_before_anything_is_made(
        self, flask: Run, code: str, every: str, says: str
    ) -> None:
        done = flask("sandbox", "create", code, "--reset-every", every)

        assert done.exit_code != 0
        assert says in done.output
        assert code not in flask("sandbox", "list").output


@pytest.mark.more
class TestLife:
    def test_begins_whole_and_ends_without_a_trace(self, flask: Run, code: str) -> None:
        made = flask("sandbox", "create", code, "--reset-every", "90m")

        assert made.exit_code == 0, made.output
        assert all(f"  {login} " in made.output for login in ("admin", "manager", "rep", "technician"))
        assert code in flask("sandbox", "list").output
        assert "0 rows put right" in flask("sandbox", "reset", code).output
        assert flask("sandbox", "keep", code, "--reset-every", "never").exit_code == 0
        assert "next never" in next(
            line for line in flask("sandbox", "list").output.splitlines() if line.startswith(code)
        )
        assert flask("sandbox", "drop", code, "--yes").exit_code == 0
        assert code not in flask("sandbox", "list").output

    def test_does_not_begin_with_half_a_company(self, flask: Run, code: str) -> None:
        done = flask("sandbox", "create", code, "--password", "kurz")

        assert done.exit_code == 1
        assert "auth.password_weak" in done.output
        assert code not in flask("sandbox", "list").output

    def test_says_why_it_did_not_begin_even_if_the_half_cannot_be_taken_away_yet(
        self, flask: Run, code: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(*_: object) -> None:
            raise service.SandboxBusy("Another reset is under way; try again in a moment.")

        with monkeypatch.context() as patch:
            patch.setattr(service, "drop", busy)
            done = flask("sandbox", "create", code, "--password", "kurz")

        assert "auth.password_weak" in done.output
        assert f"flask sandbox drop {code}" in done.output
        assert flask("sandbox", "drop", code, "--yes").exit_code == 0
