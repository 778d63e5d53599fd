"""The kit passes on an honest server, and fails on each that lies."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
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
from tests.conformance.lies import LIES, Liar, Lie
from tests.sandbox.conftest import PASSWORD

DOCS = Path(__file__).parents[2] / "docs"
ROLES = ("rep", "technician", "manager", "admin")


@contextmanager
def serving(app: Any) -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
        assert unproved == {
            "pings", "older-and-newer-apps", "tries-are-limited", "foreign-ids-are-unknown-ids",
        }  # fmt: skip


@pytest.mark.more
class TestOnALyingServer:
    @pytest.mark.parametrize("lie", LIES, ids=lambda one: one.name)
    def test_the_lie_is_caught(self, lie: Lie, served: Flask, box: Filled) -> None:
        with serving(Liar(served.wsgi_app, lie)) as url:
            (result,) = played(url, box, lie.caught_by)

        assert result.verdict == "fail", result


class TestCommand:
    def test_lists_every_scenario_with_its_section(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--list"]) == 0

        shown = capsys.readouterr().out
        assert all(one.name in shown and one.section in shown for one in SCENARIOS)

    def test_names_sections_that_the_protocol_has(self) -> None:
        headings = {
            line.lstrip("# ")
            for line in (DOCS / "sync-protocol.md").read_text().splitlines()
            if line.startswith("#")
        }

        assert {one.section for one in SCENARIOS} <= headings

    def test_says_that_there_is_no_server(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["http://127.0.0.1:9", "--password", "x"]) == 2
        assert "No server" in capsys.readouterr().err

    def test_wants_a_login(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CONFORMANCE_PASSWORD", raising=False)

        assert main(["http://127.0.0.1:9"]) == 2
        assert "login" in capsys.readouterr().err

    def test_knows_no_other_scenario(self) -> None:
        with pytest.raises(SystemExit, match="no scenario fly"):
            main(["--list", "--only", "fly"])

    @pytest.mark.more
    def test_plays_prints_and_writes(
        self, base_url: str, box: Filled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        report = tmp_path / "report.json"
        asked = ["--tenant", box.code, "--password", PASSWORD, "--only", "per-field", "--json", str(report)]

        assert main([base_url, *asked]) == 0
        assert "1 passed, 0 failed" in capsys.readouterr().out
        assert json.loads(report.read_text())["scenarios"][0]["verdict"] == "pass"


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

    def test_no_answer_is_a_failure(self) -> None:
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
