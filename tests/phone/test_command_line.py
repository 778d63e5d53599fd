"""The phone on a terminal."""

from pathlib import Path
from typing import Any

import pytest

from examples.phone import Phone
from examples.phone.__main__ import main
from examples.phone.conflicts import described

CONFLICT: dict[str, Any] = {
    "id": "c",
    "entity": "account",
    "record_id": "r",
    "field": "legal_name",
    "kind": "field",
    "base": "하늘",
    "mine": "하늘 상사",
    "theirs": None,
    "losers": [{"mine": "하늘 유통", "author_id": "u2"}],
}


class TestCommandLine:
    def test_explains_itself(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["--help"])

        assert ended.value.code == 0
        assert "conflicts" in capsys.readouterr().out

    def test_says_that_nobody_is_logged_in(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        status = main(["--store", str(tmp_path / "phone.db"), "sync"])

        assert status == 1
        assert "Log in first" in capsys.readouterr().err

    def test_lists_what_was_made_offline(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store = str(tmp_path / "phone.db")
        phone = Phone("http://stub", store)
        phone.create("account", name="새 고객")
        phone.close()

        main(["--store", store, "list", "account"])

        assert "새 고객" in capsys.readouterr().out


class TestDescribed:
    def test_shows_base_mine_theirs_and_later_losers(self) -> None:
        text = described(CONFLICT, {"name": "하늘 상사"}, {"u2": "김기사"}.get)

        assert [line.split() for line in text.split("\n")[1:]] == [
            ["base", "하늘"],
            ["mine", "하늘", "상사"],
            ["theirs", "–"],
            ["also,", "of", "김기사", "하늘", "유통"],
        ]
