"""PostgreSQL servers of the harness's own: durable, on a port that stays, killed as a power cut kills."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

import localpg
from localpg.account import server_account
from localpg.cluster import child_environment
from localpg.processes import find_process
from tests.faults.processes import children_of, is_alive, send, wait_until

ROLES = ("owner", "engine", "app", "admin")
LIMIT_S = 60.0


class Postgres:
    """One durable server on 127.0.0.1."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.port = name, port
        self.start()
        self.passwords = {role: urlsplit(getattr(self.server.urls, role)).password or "" for role in ROLES}
        self.users = {role: urlsplit(getattr(self.server.urls, role)).username or "" for role in ROLES}
        # Old files of the log are not kept: what fills the disk in a scenario shall fill it soon.
        self.administer(
            "ALTER SYSTEM SET wal_keep_size = '64MB'",
            "ALTER SYSTEM SET max_wal_size = '256MB'",
            "ALTER SYSTEM SET hot_standby = on",
            "SELECT pg_reload_conf()",
        )

    def start(self, **environment: str) -> None:
        """Start it, after a crash with recovery; variables for the server alone."""
        kept = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        try:
            self.server = localpg.start(self.name, durable=True, tcp_port=self.port)
        finally:
            for name, value in kept.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    @property
    def pid(self) -> int:
        """The postmaster."""
        return self.server.pid

    @property
    def data(self) -> Path:
        """Its files."""
        found = localpg.status(self.name).data
        assert found is not None
        return found

    @property
    def log(self) -> Path:
        """What it has to say."""
        return localpg.status(self.name).log

    def url(self, role: str, database: str, port: int | None = None) -> str:
        """The address of a database for a role, by TCP; of another port, where a proxy stands between."""
        who = f"{self.users[role]}:{quote(self.passwords[role], safe='')}"
        return (
            f"postgresql://{who}@127.0.0.1:{port or self.port}/{database}?sslmode=disable&connect_timeout=5"
        )

    @contextmanager
    def admin(self, database: str = "postgres", **options: Any) -> Iterator[psycopg.Connection[Any]]:
        """The superuser's connection, in autocommit."""
        with psycopg.connect(self.url("admin", database), autocommit=True, **options) as connection:
            yield connection

    def administer(self, *statements: str, database: str = "postgres") -> None:
        """Statements of the superuser."""
        with self.admin(database) as connection:
            for statement in statements:
                connection.execute(sql.SQL(statement))

    def settings(self) -> dict[str, str]:
        """What makes writes durable."""
        with self.admin() as connection:
            rows = connection.execute(
                "SELECT name, setting FROM pg_settings WHERE name IN"
                " ('fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums', 'server_version')"
            ).fetchall()
        return dict(rows)

    def processes(self) -> list[int]:
        """The postmaster and all its children."""
        return [self.pid, *children_of(self.pid)]

    def kill(self) -> None:
        """As when the machine stops: nobody gets a chance to write another byte."""
        send(self.pid, signal.SIGSTOP)  # no child is born meanwhile, and nobody is told of the others' end
        pids = self.processes()
        for pid in reversed(pids):
            send(pid, signal.SIGKILL)
        self._wait_gone(pids)

    def stop_at_once(self) -> None:
        """``pg_ctl stop -m immediate``."""
        pids = self.processes()
        send(self.pid, signal.SIGQUIT)
        self._wait_gone(pids)

    def stop(self) -> None:
        """Shut it down cleanly."""
        pids = self.processes()
        send(self.pid, signal.SIGINT)
        self._wait_gone(pids)

    def has_ended(self) -> bool:
        """Whether the postmaster is gone; reaped, if it was ours."""
        return find_process(self.pid) is None or not is_alive(self.pid)

    def _wait_gone(self, pids: list[int]) -> None:
        if not wait_until(lambda: not any(is_alive(pid) for pid in pids), LIMIT_S):
            raise TimeoutError(f"PostgreSQL did not end: {[pid for pid in pids if is_alive(pid)]}")
        # Reaps the postmaster, lets go of the lock file of this use and of the socket's directory.
        self.server.release()

    def run(self, program: str, *words: str | Path) -> None:
        """One of PostgreSQL's own programs, as the user who owns the files."""
        done = subprocess.run(
            [self.server.binaries.program(program), *words],
            env=child_environment(),
            cwd="/",
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            **server_account(self.data).popen_options,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()}")

    def base_backup(self, target: Path, *more: str) -> None:
        """``pg_basebackup`` of the running server."""
        self.run(
            "pg_basebackup",
            f"--pgdata={target}",
            f"--dbname={self.url('admin', 'postgres')}",
            "--checkpoint=fast",
            *more,
        )

    def put_back(self, backup: Path) -> None:
        """Exchange the files of the stopped server for those of a backup."""
        data = self.data
        shutil.rmtree(data)
        subprocess.run(["/bin/cp", "-a", backup, data], check=True, timeout=120)

    def end(self) -> None:
        """Stop it and delete everything."""
        self.server.release()
        localpg.reset(self.name)


class Standby:
    """A copy that follows a server, and takes its place."""

    def __init__(self, of: Postgres, source_port: int, directory: Path, port: int) -> None:
        """Make the copy with ``pg_basebackup -R`` from the server on *source_port*, and start it."""
        self.of, self.port, self.data = of, port, directory
        self.account = server_account(of.data)
        of.run(
            "pg_basebackup",
            f"--pgdata={directory}",
            f"--dbname={of.url('admin', 'postgres', source_port)}",
            "--checkpoint=fast",
            "--write-recovery-conf",
        )
        self.log = directory.parent / f"{directory.name}.log"
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                [
                    of.server.binaries.program("postgres"),
                    "-D",
                    directory,
                    *("-c", f"port={port}"),
                    *("-c", "listen_addresses=127.0.0.1"),
                    *("-c", "unix_socket_directories="),
                    *("-c", "synchronous_standby_names="),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                env=child_environment(),
                **self.account.popen_options,
            )
        if not wait_until(self._answers, LIMIT_S, 0.1):
            self.kill()
            raise TimeoutError(f"the standby did not start; see {self.log}")

    def _answers(self) -> bool:
        try:
            with self.admin() as connection:
                return bool(connection.execute("SELECT pg_is_in_recovery()").fetchone())
        except psycopg.OperationalError:
            return False

    @contextmanager
    def admin(self, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """The superuser's connection, in autocommit."""
        with psycopg.connect(self.of.url("admin", database, self.port), autocommit=True) as connection:
            yield connection

    def receiver(self) -> int | None:
        """The process that takes the log in."""
        with self.admin() as connection:
            row = connection.execute("SELECT pid FROM pg_stat_wal_receiver").fetchone()
        return None if row is None else int(row[0])

    def promote(self) -> None:
        """Let it become the server."""
        with self.admin() as connection:
            connection.execute("SELECT pg_promote(true, 60)")
            row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            assert row is not None
            assert row[0] is False

    def kill(self) -> None:
        """As when the machine stops."""
        send(self.process.pid, signal.SIGSTOP)
        for pid in reversed([self.process.pid, *children_of(self.process.pid)]):
            send(pid, signal.SIGKILL)
        self.process.wait(LIMIT_S)
        time.sleep(0.1)
