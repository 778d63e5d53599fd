"""`flask serve` and `flask scheduler run`, as processes."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.config import Config
from app.serve import find_port
from tests.cli.conftest import Run, variables_of
from tests.faults.processes import children_of, is_alive, wait_until

PROJECT = Path(__file__).parents[2]
PATIENCE_S = 60


@contextmanager
def running(
    words: tuple[str, ...], config: Config, place: Path, **variables: str
) -> "Iterator[subprocess.Popen[bytes]]":
    """`flask *words*` in the background, with its output in ``out.log``; killed if it does not end."""
    environment = {**os.environ, **variables_of(config), "FIELDMERGE_STATE": str(place), **variables}
    with open(place / "out.log", "wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "flask", *words], cwd=PROJECT, env=environment, stdout=log, stderr=log
        )
    with child:
        try:
            yield child
        finally:
            end(child)


def end(child: subprocess.Popen[bytes]) -> None:
    """Let a server end what it started."""
    child.terminate()
    try:
        child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()


def wait_for(pattern: str, place: Path) -> str:
    """Wait until something stands in the output; gives its first group, or all of it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        said = (place / "out.log").read_text(encoding="utf-8")
        if found := re.search(pattern, said):
            return found[found.re.groups and 1]
        assert time.monotonic() < deadline, said
        time.sleep(0.05)


def status_of(url: str) -> int:
    return fetched(url)[0]


def body_of(url: str) -> bytes:
    return fetched(url)[1]


def fetched(url: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class TestServe:
    def test_answers_and_ends_with_a_signal(self, migrated: Config, tmp_path: Path) -> None:
        words = ("serve", "--port", str(find_port(18_000)), "--workers", "1", "--threads", "2")
        with running(words, migrated, tmp_path) as child:
            url = wait_for(r"Serving on (\S+) ", tmp_path)

            assert status_of(f"{url}/readyz") == 200
            child.send_signal(signal.SIGINT)
            assert child.wait(PATIENCE_S) == 0

    @pytest.mark.more
    def test_runs_the_live_pings_and_tells_where(self, migrated: Config, tmp_path: Path) -> None:
        words = ("serve", "--port", str(find_port(18_020)), "--events-port", str(find_port(18_120)))
        with running((*words, "--workers", "1", "--no-scheduler"), migrated, tmp_path) as child:
            url = wait_for(r"Serving on (\S+) ", tmp_path)
            wait_for("events.listens", tmp_path)
            pings = json.loads(body_of(f"{url}/api/v1/sync/events"))["details"]["url"]

            assert pings.endswith("/api/v1/sync/events")
            assert status_of(pings) == 401
            assert status_of(pings.replace("/api/v1/sync/events", "/readyz")) == 200
            assert b"fieldmerge_event_listening 1.0" in body_of(f"{url}/metrics")
            child.send_signal(signal.SIGTERM)
            assert child.wait(PATIENCE_S) == 0
        assert "events.ended" in (tmp_path / "out.log").read_text()

    @pytest.mark.more
    def test_says_that_there_are_no_pings_through_a_pooler(self, migrated: Config, tmp_path: Path) -> None:
        words = ("serve", "--port", str(find_port(18_040)), "--workers", "1", "--no-scheduler")
        pooled = {"FIELDMERGE_PGBOUNCER": "1"}
        with running(words, migrated, tmp_path, **pooled) as child:
            url = wait_for(r"Serving on (\S+) ", tmp_path)

            assert "FIELDMERGE_EVENTS_DATABASE_URL" in (tmp_path / "out.log").read_text()
            assert json.loads(body_of(f"{url}/api/v1/sync/events"))["details"]["url"] is None
            child.send_signal(signal.SIGTERM)
            assert child.wait(PATIENCE_S) == 0

    def test_what_it_started_ends_when_it_is_killed(self, migrated: Config, tmp_path: Path) -> None:
        words = ("serve", "--port", str(find_port(18_060)), "--workers", "1", "--no-events")
        with running(words, migrated, tmp_path) as child:
            wait_for("scheduler.leads", tmp_path)
            below = children_of(child.pid)
            below += [pid for one in below for pid in children_of(one)]
            assert len(below) == 3  # gunicorn's master, its worker, the scheduler

            child.kill()

            assert wait_until(lambda: not any(is_alive(pid) for pid in below), PATIENCE_S)

    def test_refuses_a_database_without_durability(self, flask: Run, migrated: Config) -> None:
        lossy = f"{migrated.database_url}&options=-c%20synchronous_commit%3Doff"

        done = flask("serve", DATABASE_URL=lossy, FIELDMERGE_UNSAFE_DURABILITY="")

        assert done.exit_code == 1
        assert "power cut" in done.stderr

    def test_refuses_half_a_configuration(self, flask: Run) -> None:
        done = flask("serve", DATABASE_OWNER_URL="")

        assert (done.exit_code, done.stderr.startswith("Error: Set DATABASE_OWNER_URL")) == (1, True)

    def test_refuses_a_port_that_there_is_not(self, flask: Run) -> None:
        assert flask("serve", "--port", "70000").exit_code == 2


class TestScheduler:
    def test_leads_and_ends_with_a_signal(self, migrated: Config, tmp_path: Path) -> None:
        with running(("scheduler", "run"), migrated, tmp_path) as child:
            wait_for("scheduler.leads", tmp_path)

            child.send_signal(signal.SIGTERM)
            assert child.wait(PATIENCE_S) == 0
        assert "job.failed" not in (tmp_path / "out.log").read_text()

    def test_refuses_a_database_without_durability(self, flask: Run, migrated: Config) -> None:
        lossy = f"{migrated.database_url}&options=-c%20synchronous_commit%3Doff"

        done = flask("scheduler", "run", DATABASE_URL=lossy, FIELDMERGE_UNSAFE_DURABILITY="")

        assert done.exit_code == 1
        assert "power cut" in done.stderr
