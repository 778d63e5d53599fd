"""The kit passes on an honest server, and fails on each that lies."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.serving import make_server

from app.core.db import Database
from app.demo.sandbox import Filled
from app.sandbox import service
from conformance import scenarios as _scenarios  # noqa: F401
from conformance.__main__ import main
from conformance.client import Wire
from conformance.errors import NotProvable
from conformance.suite import SCENARIOS, Bench, Result, Scenario, run
from conformance.table import show_result
from tests.conformance.lies import LIES, Liar, Lie, Talk
from tests.sandbox.conftest import PASSWORD
from tests.world import PASSWORD as WORLDS
from tests.world import World

NOBODY = "http://127.0.0.1:9"
DOCS = Path(__file__).parents[2] / "docs"
ROLES = ("rep", "technician", "manager", "admin")


def answering_404(environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/html")])
    return [b"<h1>Not Found</h1>"]


@contextmanager
def serving(app: Any, *, dies_after: int | None = None) -> Iterator[str]:
    """The application behind a socket, which closes for good after so many requests."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    heard = count(1)

    def mortal(environ: Any, start_response: Any) -> Any:
        if next(heard) == dies_after:
            threading.Thread(target=end).start()
        return app(environ, start_response)

    def end() -> None:
        server.shutdown()
        server.server_close()

    server = make_server("127.0.0.1", 0, mortal if dies_after else app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        end()
        thread.join()


def named(name: str) -> Scenario:
    return next(one for one in SCENARIOS if one.name == name)


def played(url: str, box: Filled, *names: str, may_reset: bool = False) -> list[Result]:
    wire = Wire(url)
    bench = Bench(wire, box.code, {role: (role, PASSWORD) for role in ROLES}, may_reset)
    try:
        return list(run(bench, [named(name) for name in names] if names else SCENARIOS))
    finally:
        wire.close()


@pytest.mark.more
class TestOnAnHonestServer:
    def test_nothing_fails(self, base_url: str, box: Filled, pools: Database) -> None:
        try:
            results = played(base_url, box, may_reset=True)
        finally:
            service.reset(pools, box.tenant_id)

        assert [(one.scenario.name, one.why) for one in results if one.verdict == "fail"] == []
        unproved = {one.scenario.name for one in results if one.verdict == "not provable"}
        assert unproved == {"pings", "older-apps", "tries-are-limited", "ids-of-another-company"}


@pytest.mark.more
class TestOnALyingServer:
    @pytest.mark.parametrize("lie", LIES, ids=lambda one: one.name)
    def test_the_lie_is_caught(self, lie: Lie, served: Flask, box: Filled) -> None:
        with serving(Liar(served.wsgi_app, lie)) as url:
            (result,) = played(url, box, lie.caught_by)

        assert result.verdict == "fail", result


class Hesitant:
    """An honest server that sequences late: it says that more is to come, and for a while gives nothing."""

    def __init__(self, pages: int) -> None:
        self._left = pages

    def __call__(self, talk: Talk) -> None:
        if self._left and talk.is_sync and talk.status == 200 and talk.asked.get("cursor"):
            self._left -= 1
            talk.told |= {"changes": [], "removed": [], "cursor": talk.asked["cursor"], "has_more": True}


@pytest.mark.more
class TestOnAServerThatSequencesLate:
    def result(self, served: Flask, box: Filled, pages: int) -> Result:
        late = Lie("sequences-late", "push-and-pull", "is busy", after=Hesitant(pages))
        with serving(Liar(served.wsgi_app, late)) as url:
            (result,) = played(url, box, late.caught_by)
        return result

    def test_it_is_asked_again(self, served: Flask, box: Filled) -> None:
        assert self.result(served, box, 3).verdict == "pass"

    def test_it_is_not_asked_for_ever(
        self, served: Flask, box: Filled, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("conformance.client.MOST_STANDSTILLS", 3)

        assert self.result(served, box, 10_000).why.startswith("While has_more is true the cursor goes on")


def shown(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """The exit status, what was printed, and what was complained."""
    try:
        status = main(argv)
    except SystemExit as end:
        status = int(end.code or 0)
    return status, *capsys.readouterr()


@pytest.fixture(autouse=True)
def no_logins_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PASSWORD", "TENANT", *(role.upper() for role in ROLES)):
        monkeypatch.delenv(f"CONFORMANCE_{name}", raising=False)


class TestWords:
    def test_list_shows_every_scenario_with_its_section(self, capsys: pytest.CaptureFixture[str]) -> None:
        status, out, _ = shown(["--list"], capsys)

        assert status == 0
        assert all(one.name in out and one.section in out for one in SCENARIOS)

    def test_sections_are_those_of_the_protocol(self) -> None:
        headings = {
            line.lstrip("# ")
            for line in (DOCS / "sync-protocol.md").read_text().splitlines()
            if line.startswith("#")
        }

        assert {one.section for one in SCENARIOS} <= headings

    def test_the_page_tells_of_every_scenario_and_every_lie(self) -> None:
        page = (DOCS / "conformance.md").read_text(encoding="utf-8").splitlines()
        rows = [f"| `{one.name}` | {one.promise} |" for one in SCENARIOS]
        rows += [f"| {one.says} | `{one.caught_by}` |" for one in LIES]

        assert [row for row in rows if row not in page] == []
        assert f"{len(LIES)} servers," in " ".join(page)

    @pytest.mark.parametrize(
        ("argv", "says"),
        [
            ([], "Name a server"),
            (["http://127.0.0.1:9"], "Name a login"),
            (["127.0.0.1"], "no address of a server"),
            (["ftp://x.example"], "no address of a server"),
            (["http://127.0.0.1:99999"], "is no address"),
            (["http://"], "no address of a server"),
            (["http://me:secret@x.example"], "without user"),
            ([NOBODY, "--rep", "nocolon"], "--rep is LOGIN:PASSWORD"),
            ([NOBODY, "--password", "x", "--other", "a:b"], "--other is TENANT:LOGIN:PASSWORD"),
            ([NOBODY, "--password", "x", "--only", "fly"], "There is no scenario fly"),
            ([NOBODY, "--password", "x", "--json", "/no/such/folder/x.json"], "there is no folder"),
            ([NOBODY, "--password", "x", "--fly"], "unrecognized arguments: --fly"),
            ([NOBODY, "--password", "x"], "nobody listens there"),
        ],
    )
    def test_what_keeps_it_from_beginning_is_said_in_a_sentence(
        self, argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status, out, complained = shown(argv, capsys)

        assert (status, out) == (2, "")
        assert says in complained
        assert "secret" not in complained

    def test_another_kind_of_server_is_told_apart(self, capsys: pytest.CaptureFixture[str]) -> None:
        with serving(answering_404) as url:
            status, _, complained = shown([url, "--password", "x"], capsys)

        assert status == 2
        assert "speaks another protocol: it answers 404" in complained


def changes_of(world: World) -> int:
    with world.db.engine.connect() as connection:
        lines = text("SELECT count(*) FROM changes WHERE tenant_id = :tenant")
        return connection.scalar(lines, {"tenant": world.id}) or 0


@pytest.mark.more
class TestCommand:
    def asked(self, box: Filled, *more: str) -> list[str]:
        return ["--tenant", box.code, "--password", PASSWORD, *more]

    def test_plays_prints_writes_and_says_what_is_left(
        self, base_url: str, box: Filled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        report = tmp_path / "report.json"
        asked = self.asked(box, "--only", "per-field", "--json", str(report))

        status, out, _ = shown([base_url, *asked], capsys)

        assert status == 0
        assert "1 passed, 0 failed" in out
        assert f"Left behind in company {box.code}: 1 customers" in out
        assert json.loads(report.read_text())["scenarios"][0]["verdict"] == "pass"

    def test_takes_a_sandbox_back_where_it_may(
        self, base_url: str, box: Filled, pools: Database, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _, out, _ = shown([base_url, *self.asked(box, "--only", "per-field", "--may-reset")], capsys)

        assert f"Sandbox {box.code} was reset" in out
        assert service.reset(pools, box.tenant_id) == 0

    def test_plays_in_no_real_company_unless_told(
        self, base_url: str, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        person = world.person("rep", world.north)
        asked = [base_url, "--tenant", world.code, "--rep", f"{person.login}:{WORLDS}", "--only", "per-field"]

        before = changes_of(world)
        status, out, complained = shown(asked, capsys)

        assert (status, out) == (2, "")
        assert "is no sandbox" in complained
        assert changes_of(world) == before
        assert shown([*asked, "--any-company"], capsys)[0] == 0
        assert changes_of(world) > before

    def test_a_wrong_password_is_said_at_once_and_not_shown(
        self, base_url: str, box: Filled, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status, _, complained = shown([base_url, *self.asked(box, "--admin", "admin:geheim")], capsys)

        assert status == 2
        assert f"admin of company {box.code} cannot log in: the server answers 401" in complained
        assert "geheim" not in complained

    def test_a_server_that_goes_away_ends_it_with_what_was_not_played(
        self, served: Flask, box: Filled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("conformance.suite.BACK_WITHIN_S", 0.1)
        with serving(served.wsgi_app, dies_after=25) as url:
            status, out, _ = shown([url, *self.asked(box)], capsys)

        assert status == 1
        assert f"No answer from {url}: " in out
        assert "not played" in out
        assert "what was made before the server went away" in out
        assert "Traceback" not in out


class TestJudging:
    def result(self, play: Any) -> Result:
        wire = Wire("http://127.0.0.1:9")
        bench = Bench(wire, "t", {})
        (found,) = run(bench, [Scenario("made-up", "Something is promised", "Words", play)])
        return found

    def test_what_cannot_be_told_is_no_pass(self) -> None:
        def play(bench: Bench) -> None:
            raise NotProvable("needs an admin")

        assert (self.result(play).verdict, self.result(play).why) == ("not provable", "needs an admin")

    def test_an_answer_of_another_form_is_a_failure(self) -> None:
        def play(bench: Bench) -> None:
            raise KeyError("verdicts")

        assert self.result(play).verdict == "fail"

    def test_no_answer_is_a_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("conformance.suite.BACK_WITHIN_S", 0.0)

        assert self.result(lambda bench: bench.wire.ask("GET", "/") and None).verdict == "fail"

    def test_a_login_that_is_missing_is_not_provable(self) -> None:
        assert self.result(lambda bench: bench.device("admin") and None).verdict == "not provable"

    def test_a_failure_shows_what_was_promised(self) -> None:
        def play(bench: Bench) -> None:
            raise KeyError("verdicts")

        out = io.StringIO()
        show_result(out, self.result(play))

        assert "FAIL" in out.getvalue()
        assert "Something is promised" in out.getvalue()


class TestReportOfExchanges:
    def test_holds_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        wire = Wire("http://127.0.0.1:9")

        class Reply:
            status = 200
            headers = {"content-type": "application/json"}  # noqa: RUF012
            data = b'{"access_token": "geheim-1", "cursor": "geheim-2"}'

        monkeypatch.setattr(wire._pool, "request", lambda *_, **__: Reply())
        wire.ask("POST", "/x", {"password": "geheim-3"})

        assert "geheim" not in str(wire.said)
