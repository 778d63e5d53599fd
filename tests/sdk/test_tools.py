"""What ``make sdk`` runs on, and what it says and leaves where something is missing."""

from pathlib import Path

import pytest

from sdk import __main__ as command
from sdk import tools


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of ``PATH``."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install_java(machine: Path, says: str, status: int = 0) -> str:
    program = machine / "java"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("version", ['openjdk version "17.0.15" 2025-04-15', 'java version "11"'])
def test_the_java_of_the_system_comes_first(machine: Path, version: str) -> None:
    program = install_java(machine, version)

    assert tools.system_java() == program


@pytest.mark.parametrize(
    ("says", "status"),
    [
        ('java version "1.8.0_402"', 0),
        ('openjdk version "10.0.2" 2018-07-17', 0),
        ("Unable to locate a Java Runtime.", 1),
        ("something else", 0),
    ],
)
def test_a_java_that_is_too_old_or_none_is_not_taken(machine: Path, says: str, status: int) -> None:
    install_java(machine, says, status)

    assert tools.system_java() is None


def test_a_machine_without_java_has_none(machine: Path) -> None:
    assert tools.system_java() is None


def test_without_its_tools_it_says_how_to_make_them_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tools, "PYTHON", tmp_path / "none")
    (tmp_path / "kotlin").mkdir()
    (tmp_path / "kotlin" / "Account.kt").write_text("of yesterday")

    assert command.main(["--out", str(tmp_path), "kotlin"]) == 1

    assert "make .fieldmerge/sdk-tools/.ready" in capsys.readouterr().err
    assert (tmp_path / "kotlin" / "Account.kt").exists()


def test_a_language_that_it_does_not_know_is_named_with_those_that_it_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        command.main(["cobol"])

    assert (
        "there is no cobol; choose from typescript, python, kotlin, swift, stores" in capsys.readouterr().err
    )
