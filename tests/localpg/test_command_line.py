"""``python -m localpg``."""

import pytest

import localpg
from localpg.__main__ import main


class TestCommandLine:
    def test_urls_are_lines_for_a_shell(
        self, server: localpg.Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["urls", "--name", "shared"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"export DATABASE_URL='{server.urls.app}'"
        assert [line.split("=")[0] for line in lines[1:]] == [
            "export DATABASE_ENGINE_URL",
            "export DATABASE_OWNER_URL",
        ]

    def test_status_tells_whether_it_runs(
        self, server: localpg.Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["status", "--name", "shared"]) == 0
        assert f"process {server.pid}" in capsys.readouterr().out

    def test_a_server_that_does_not_run_has_no_urls(
        self, server: localpg.Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["urls", "--name", "other"]) == 1
        assert "python -m localpg start --name other" in capsys.readouterr().err

    def test_help_names_the_commands(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit, match="0"):
            main(["--help"])
        text = capsys.readouterr().out
        assert [name for name in ("start", "stop", "status", "reset", "urls") if name not in text] == []
