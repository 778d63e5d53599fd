"""The managed local PostgreSQL: found again, restarted after a crash, stopped, deleted."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

import localpg
from localpg.postmaster import find_running
from localpg.state import Home

START = "import localpg; print(localpg.start('{name}', durable=False).pid, flush=True)"


def run_python(code: str) -> subprocess.Popen[str]:
    project = Path(localpg.__file__).parent.parent
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=project)


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


class TestStart:
    def test_lets_the_three_roles_in(self, server: localpg.Server) -> None:
        urls = [server.urls.owner, server.urls.engine, server.urls.app]
        users = [value(url, "SELECT current_user") for url in urls]
        assert users == ["fieldmerge_owner", "fieldmerge_engine", "fieldmerge_app"]

    def test_says_its_version(self, server: localpg.Server) -> None:
        shown = str(value(server.urls.app, "SHOW server_version"))
        assert shown.split()[0] == server.version
        assert server.binaries.major >= 15

    def test_listens_on_no_network(self, server: localpg.Server) -> None:
        assert value(server.urls.app, "SHOW listen_addresses") == ""

    def test_knows_korean_letters(self, server: localpg.Server) -> None:
        assert value(server.urls.app, r"SELECT '치과' ~ '^\w+$' AND lower('É') = 'é'") is True
        assert value(server.urls.app, "SELECT '가나' < '나가' AND 'Z' < 'a'") is True

    def test_checks_its_pages(self, server: localpg.Server) -> None:
        assert value(server.urls.app, "SHOW data_checksums") == "on"

    def test_keeps_its_secrets_private(self, state: Path, server: localpg.Server) -> None:
        socket_directory = localpg.status("shared").socket_directory
        assert socket_directory is not None
        assert stat.S_IMODE(socket_directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((state / "shared" / "server.json").stat().st_mode) == 0o600

    def test_gives_the_running_server_again(self, server: localpg.Server) -> None:
        again = localpg.start("shared", durable=False)
        again.release()
        assert (again.pid, again.urls) == (server.pid, server.urls)

    def test_refuses_to_call_a_careless_server_durable(self, server: localpg.Server) -> None:
        with pytest.raises(localpg.LocalPostgresError, match="without durable writes"):
            localpg.start("shared")

    def test_writes_durably_unless_told_otherwise(self, state: Path) -> None:
        server = localpg.start("durable")
        settings = [value(server.urls.app, f"SHOW {name}") for name in ("fsync", "synchronous_commit")]
        server.stop()
        assert settings == ["on", "on"]

    def test_adopts_the_server_of_a_process_that_was_killed(self, state: Path) -> None:
        with run_python(START.format(name="orphan") + "; import time; time.sleep(600)") as owner:
            assert owner.stdout is not None
            pid = int(owner.stdout.readline())
            owner.kill()
        adopted = localpg.start("orphan", durable=False)
        assert adopted.pid == pid
        adopted.stop()
        assert find_running(pid) is None

    def test_gives_one_server_to_two_who_start_it_at_once(self, state: Path) -> None:
        starters = [run_python(START.format(name="twice")) for _ in range(2)]
        pids = {int(starter.communicate(timeout=120)[0]) for starter in starters}
        assert len(pids) == 1
        assert localpg.stop("twice")

    def test_takes_no_notice_of_a_pid_that_means_another_program(self, state: Path) -> None:
        localpg.start("reused", durable=False).stop()
        (state / "reused" / "data" / "postmaster.pid").write_text(f"{os.getppid()}\n")
        server = localpg.start("reused", durable=False)
        assert value(server.urls.app, "SELECT 1") == 1
        server.stop()

    def test_says_what_the_server_said_when_it_does_not_start(self, state: Path) -> None:
        localpg.start("broken", durable=False).stop()
        with open(state / "broken" / "data" / "postgresql.conf", "a") as file:
            file.write("shared_buffers = 'a lot'\n")
        with pytest.raises(localpg.LocalPostgresError, match="a lot"):
            localpg.start("broken", durable=False)

    def test_names_the_version_that_the_data_needs(self, state: Path) -> None:
        localpg.start("old", durable=False).stop()
        (state / "old" / "data" / "PG_VERSION").write_text("9\n")
        with pytest.raises(localpg.LocalPostgresError, match="PostgreSQL 9"):
            localpg.start("old", durable=False)

    def test_refuses_a_name_that_is_a_path(self, state: Path) -> None:
        with pytest.raises(localpg.LocalPostgresError, match="no name"):
            localpg.start("../demo")

    def test_keeps_a_copy_of_the_project_apart_from_the_original(
        self, state: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = localpg.start("copied", durable=False)
        with monkeypatch.context() as patch:
            patch.setenv("FIELDMERGE_STATE", str(state / "copies"))
            shutil.copytree(
                state / "copied", state / "copies" / "copied", ignore=shutil.ignore_patterns("data")
            )
            copy = localpg.start("copied", durable=False)
            localpg.reset("copied")
        assert copy.pid != original.pid
        assert value(original.urls.app, "SELECT 1") == 1
        original.stop()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the server another user")
    def test_finds_a_place_when_root_lives_behind_a_closed_door(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tmp_path.chmod(0o700)
        monkeypatch.setenv("FIELDMERGE_STATE", str(tmp_path / "state"))
        refuge = Home.of("closed").refuge
        server = localpg.start("closed", durable=False)
        try:
            assert value(server.urls.app, "SELECT 1") == 1
            assert refuge in Path(str(localpg.status("closed").data)).parents
            assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
        finally:
            localpg.reset("closed")
        assert not refuge.exists()


class TestCrash:
    def test_keeps_committed_rows_when_the_server_is_killed(self, state: Path) -> None:
        server = localpg.start("crash")
        with psycopg.connect(server.urls.owner) as connection:
            connection.execute("CREATE TABLE visits AS SELECT generate_series(1, 1000) AS id")
        os.kill(server.pid, signal.SIGKILL)
        again = localpg.start("crash")
        assert again.pid != server.pid
        assert again.urls == server.urls
        assert value(again.urls.owner, "SELECT count(*) FROM visits") == 1000
        again.stop()


class TestStop:
    def test_ends_the_process_and_says_so(self, state: Path) -> None:
        server = localpg.start("stopped", durable=False)
        socket_directory = localpg.status("stopped").socket_directory
        assert localpg.stop("stopped")
        assert not localpg.stop("stopped")
        assert find_running(server.pid) is None
        assert not localpg.status("stopped").running
        assert socket_directory is not None
        assert not socket_directory.exists()

    def test_was_not_running_when_never_started(self, state: Path) -> None:
        assert not localpg.stop("never")

    def test_is_left_to_the_last_who_releases_it(self, state: Path) -> None:
        first = localpg.start("released", durable=False)
        second = localpg.start("released", durable=False)
        assert not first.release()
        assert localpg.status("released").running
        assert second.release()
        assert not localpg.status("released").running


class TestReset:
    def test_deletes_the_data(self, state: Path) -> None:
        localpg.start("gone", durable=False)
        localpg.reset("gone")
        assert sorted(path.name for path in (state / "gone").iterdir()) == ["in-use", "lock"]

    def test_works_when_the_passwords_are_lost(self, state: Path) -> None:
        server = localpg.start("lost", durable=False)
        (state / "lost" / "server.json").write_text("{")
        with pytest.raises(localpg.LocalPostgresError, match="damaged"):
            localpg.start("lost", durable=False)
        localpg.reset("lost")
        assert find_running(server.pid) is None
        localpg.start("lost", durable=False).stop()


class TestBinaries:
    def test_pg_bin_must_hold_programs(
        self, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PG_BIN", str(tmp_path))
        with pytest.raises(localpg.LocalPostgresError, match="PG_BIN"):
            localpg.start("nothing", durable=False)
