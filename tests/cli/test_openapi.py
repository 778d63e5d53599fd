"""`flask openapi`."""

from pathlib import Path

import pytest

from app.cli import openapi
from tests.cli.conftest import flask_command


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for the document, empty."""
    path = tmp_path / "openapi" / "openapi.json"
    monkeypatch.setattr(openapi, "PATH", path)
    return path


def test_write_makes_a_document_that_check_accepts(document: Path) -> None:
    assert flask_command("openapi", "write", env={}).output == "openapi.json was written.\n"
    assert flask_command("openapi", "check", env={}).exit_code == 0
    assert flask_command("openapi", "write", env={}).output == "openapi.json was up to date.\n"


def test_check_refuses_another_document(document: Path) -> None:
    document.parent.mkdir()
    document.write_text("{}\n")

    done = flask_command("openapi", "check", env={})

    assert done.exit_code == 1
    assert "flask openapi write" in done.stderr


def test_check_asks_for_a_document_that_is_missing(document: Path) -> None:
    done = flask_command("openapi", "check", env={})

    assert (done.exit_code, "Traceback" in done.output) == (1, False)
