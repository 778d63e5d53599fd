"""The list of commands, as a person in a fresh clone meets it."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from app.cli.application import COMMANDS

PROJECT = Path(__file__).parents[2]
WORDS = (
    *("accounts", "db", "demo", "devices", "doctor", "openapi", "scheduler", "seed", "serve", "sql-user"),
    *("sync", "tenant", "user"),
)


def in_fresh_clone(*words: str, state: Path) -> "subprocess.CompletedProcess[str]":
    """`flask *words*` in the project's directory with an empty environment."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(state), "FIELDMERGE_STATE": str(state)}
    return subprocess.run(
        [sys.executable, "-m", "flask", *words],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def leaves(command: click.Command, path: str = "flask") -> list[tuple[str, click.Command]]:
    """A command and all below it, with their full names."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    own = f"{path} {command.name}"
    return [(own, command), *(leaf for one in below for leaf in leaves(one, own))]


class TestFlask:
    def test_lists_every_command_where_nothing_is_set_up(self, tmp_path: Path) -> None:
        done = in_fresh_clone("--help", state=tmp_path)

        listed = {
            line.split()[0] for line in done.stdout.partition("Commands:")[2].splitlines() if line.strip()
        }
        assert (done.returncode, done.stderr, set(WORDS) - listed) == (0, "", set())

    def test_says_what_is_missing_in_one_sentence(self, tmp_path: Path) -> None:
        done = in_fresh_clone("user", "list", state=tmp_path)

        assert done.returncode == 1
        assert done.stderr.startswith("Error: No database is named")
        assert "Traceback" not in done.stderr

    def test_shows_the_routes_of_the_product_only_with_settings(self, tmp_path: Path) -> None:
        done = in_fresh_clone("routes", state=tmp_path)

        assert done.returncode == 1
        assert "ConfigInvalid: Set DATABASE_URL" in done.stderr


@pytest.mark.parametrize(("name", "command"), [leaf for one in COMMANDS for leaf in leaves(one)])
def test_each_command_explains_itself(name: str, command: click.Command) -> None:
    assert command.help, f"{name} has no docstring"
