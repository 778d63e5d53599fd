"""Commands of the pages, typed in a folder of a reader's own, on a server that runs.

docs/conformance.md, docs/import.md, docs/operations.md, docs/pwa.md, docs/sandbox.md, docs/stores.md, README.md
and examples/phone/README.md
"""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from app.config import Config
from app.sample.customers import SHIPPED_CSV
from app.serve import find_port
from localpg.binaries import find_binaries
from tests.cli.conftest import variables_of
from tests.cli.test_serve import body_of, wait_for
from tests.documents.fences import HOUSE, LINE, fences, the_fence
from tests.world import PASSWORD, World

pytestmark = pytest.mark.more
PATIENCE_S = 240
OWN_SERVER = "http://127.0.0.1:8000"

Type = Callable[..., str]


@pytest.fixture
def typed(migrated: Config, tmp_path: Path) -> Type:
    """Type the lines of a page's blocks that contain *sign*; what was answered. A failing line fails the test."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, words in {"flask": "-m flask", "python": ""}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n', encoding="utf-8")
        (programs / name).chmod(0o755)
    (tmp_path / ".venv").symlink_to(HOUSE / ".venv")
    settings = variables_of(migrated) | {
        "PATH": f"{programs}:{find_binaries().directory}:{os.environ['PATH']}",
        "PYTHONPATH": str(HOUSE),
        "PYTHONUTF8": "1",
        "FLASK_APP": str(HOUSE / "wsgi.py"),
    }

    def typed(
        page: str,
        *signs: str,
        given: str = "",
        replaced: dict[str, str] | None = None,
        place: Path = tmp_path,
        **variables: str,
    ) -> str:
        script = "\n".join(the_fence(page, sign).typed for sign in signs)
        for word, other in (replaced or {}).items():
            assert word in script, word
            script = script.replace(word, other)
        done = subprocess.run(
            ["sh", "-euc", script],
            cwd=place,
            env=os.environ | settings | variables,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, f"{page}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    return typed


def test_stores_are_written_where_the_reader_says(typed: Type, tmp_path: Path) -> None:
    typed("docs/stores.md", "python -m sdk.stores --out")
    assert {path.name for path in (tmp_path / "my-app" / "fieldmerge").iterdir()} >= {"rxdb", "watermelon"}


def test_a_sandbox_is_made_and_reset_over_rest(typed: Type, url: str) -> None:
    told = typed("docs/sandbox.md", "flask sandbox create app-ci")
    shown = the_fence("docs/sandbox.md", "Sandbox app-ci:").text
    assert told.partition("(")[0] == shown.partition("(")[0]
    made = re.search(r"^  admin +(\S+) ", told, re.MULTILINE)
    assert made, told
    body = {
        "tenant": "app-ci",
        "login": "admin",
        "password": made[1],
        "device": {"name": "CI", "platform": "web", "app_version": "1.0.0"},
    }
    asked = urllib.request.Request(  # noqa: S310 - our own server
        f"{url}/api/v1/auth/login", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
        token = json.load(answer)["access_token"]

    again = json.loads(typed("docs/sandbox.md", "/api/v1/sandbox/reset", SERVER=url, ADMIN_TOKEN=token))

    assert again["resets"] == 1


def test_the_conformance_kit_plays_against_a_sandbox(typed: Type, url: str) -> None:
    told = typed("docs/conformance.md", "python -m conformance", replaced={OWN_SERVER: url})
    shown = the_fence("docs/conformance.md", "scenarios against").text.replace(OWN_SERVER, url)

    scenarios = re.compile(r"^\d+ scenarios against .*", re.MULTILINE)
    assert scenarios.findall(told) == scenarios.findall(shown)
    assert " 0 failed" in told


def test_customers_are_imported_and_a_company_is_filled(typed: Type, world: World, tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_bytes(SHIPPED_CSV.read_bytes())
    told = typed(
        "docs/import.md",
        "flask accounts import customers.csv",
        replaced={"--tenant acme": f"--tenant {world.code}"},
    )
    page = (HOUSE / "docs" / "import.md").read_text(encoding="utf-8")
    for line in re.findall(r"^  (\w+) +([\d,]+)$", page, re.MULTILINE):
        assert re.search(rf"^  {line[0]} +{line[1]}$", told, re.MULTILINE), (line, told)

    small = {"--tenant load": f"--tenant {world.code}", "7000": "3", "200000": "30", "50000": "9"}
    typed("docs/import.md", "flask seed", replaced=small, LOAD_PASSWORD=PASSWORD)


@pytest.fixture
def no_alarms(migrated: Config) -> None:
    """What companies of earlier tests, on the same database, have raised is not what a page promises."""
    with psycopg.connect(migrated.database_engine_url, autocommit=True) as connection:
        connection.execute("DELETE FROM sync_alarms")


@pytest.mark.usefixtures("no_alarms")
def test_a_company_is_made_and_the_doctor_finds_nothing(typed: Type) -> None:
    """README.md; that ``flask serve`` serves is what the other tests here stand on."""
    export = next(
        line for line in LINE.findall((HOUSE / "README.md").read_text("utf-8")) if "DATABASE_URL=…" in line
    )

    told = typed(
        "README.md",
        "flask tenant create acme",
        replaced={
            export: "",
            "flask doctor": "flask doctor || test $? = 1",
            "flask serve": "flask serve --help",
        },
    )

    assert "Row-level security is forced on every table of a tenant." in told
    assert wrong_in(told) == []


def wrong_in(told: str) -> list[str]:
    """What the doctor finds wrong, but for what is wanted of the servers of tests: that they may forget."""
    return [one for one in re.findall("✗ (.*)", told) if "power cut" not in one]


@pytest.mark.usefixtures("no_alarms")
def test_a_newer_version_is_fetched_and_migrated(typed: Type, tmp_path: Path) -> None:
    git = ("git", "-c", "user.name=Release", "-c", "user.email=release@example.com", "-C", str(tmp_path))
    for words in (
        ("clone", "--quiet", str(HOUSE), "released"),
        ("clone", "--quiet", "released", "opt"),
        ("-C", "released", "commit", "--quiet", "--allow-empty", "--message", "The next version"),
    ):
        subprocess.run([*git, *words], check=True)
    packages = tmp_path / "opt" / ".venv"
    packages.mkdir()
    (packages / "bin").symlink_to(Path(sys.executable).parent)
    (packages / ".ready").touch()  # the next version needs no others

    told = typed(
        "docs/operations.md",
        "git pull",
        place=tmp_path / "opt",
        replaced={"flask doctor": "flask doctor || test $? = 1"},
        PYTHONPATH=str(tmp_path / "opt"),
        FLASK_APP="wsgi.py",
    )

    assert wrong_in(told) == []
    newest = subprocess.run(
        [*git, "-C", "opt", "log", "-1", "--format=%s"], check=True, capture_output=True, text=True
    )
    assert newest.stdout == "The next version\n"


def test_the_web_app_is_served_beside_the_server(url: str, migrated: Config, tmp_path: Path) -> None:
    block = next(one for one in fences(HOUSE / "docs" / "pwa.md") if one.language == "sh")
    # What is installed is here; a port of its own, should a reader's own app be running.
    line = block.typed.replace("make", f"make --old-file=.venv/.ready ARGS='--port {find_port(8080)}'")
    with (tmp_path / "out.log").open("wb") as log:
        serving = subprocess.Popen(
            ["sh", "-euc", line],
            cwd=HOUSE,
            env=os.environ | variables_of(migrated) | {"URL": url},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        app = wait_for(r"The web app +(http://\S+)", tmp_path)
        wait_for("Ctrl-C stops it", tmp_path)
        page, behind = body_of(f"{app}/"), body_of(f"{app}/api/v1/visits")
    finally:
        os.killpg(serving.pid, signal.SIGINT)
        serving.wait(PATIENCE_S)

    assert b"<title>" in page
    assert json.loads(behind)["code"] == "unauthenticated"  # says the server, not the web app
    assert "login rep, password " in (tmp_path / "out.log").read_text(encoding="utf-8")


def test_the_token_of_metrics_is_printed(typed: Type) -> None:
    assert re.fullmatch(r"\S{20,}\n", typed("docs/operations.md", "metrics_token"))


def test_the_local_server_is_started_looked_into_dumped_and_restored(typed: Type, tmp_path: Path) -> None:
    own = {"FIELDMERGE_STATE": str(tmp_path / "state")}
    page, start = "docs/operations.md", "python -m localpg start"
    try:
        told = typed(page, f"$ {start}", replaced={". .venv/bin/activate": "true"}, **own)
        assert "running:    yes" in told
        subprocess.run(
            [sys.executable, *start.split()[1:]],
            cwd=HOUSE,
            env=os.environ | own,
            check=True,
            capture_output=True,
        )
        looked = typed(page, 'psql "$DATABASE_OWNER_URL"', given="SELECT 40 + 2;\n", **own)
        assert "42" in looked
        typed(page, 'pg_dump --format=custom --file=fieldmerge.dump "$DATABASE_ADMIN_URL"', **own)
        typed(page, 'pg_restore --exit-on-error --clean --if-exists --dbname="$DATABASE_ADMIN_URL"', **own)
    finally:
        reset = [sys.executable, "-m", "localpg", "reset"]
        subprocess.run(reset, cwd=HOUSE, env=os.environ | own, check=True, capture_output=True)


def test_the_reference_phone_does_what_its_page_types(
    typed: Type, logins: dict[str, str], world: World, url: str
) -> None:
    account = str(world.account(name="가람상사", tier="A"))
    replaced = {OWN_SERVER: url, "login demo rep": f"login {world.code} {logins['REP']}", "0190…": account}

    told = typed(
        "examples/phone/README.md", "python -m examples.phone", given=f"{PASSWORD}\n", replaced=replaced
    )

    assert "가람상사" in told
    assert world.sql(f"SELECT tags FROM accounts WHERE id = '{account}'") == [(["저유소"],)]
