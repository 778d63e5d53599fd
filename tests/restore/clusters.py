"""PostgreSQL servers of our own, whose files and databases are saved and put back."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

import localpg
from app.config import Config
from localpg.account import server_account
from localpg.cluster import child_environment
from localpg.roles import Urls
from tests.servers import SECRET

ROLE_OF_SQL_PEOPLE = "fieldmerge_sql"


class Cluster:
    """One server; its data directory can be copied and exchanged."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.start()
        # A commit that was told is in the log: only then may a killed server be expected to know it.
        self.administer("ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()")

    def start(self) -> None:
        """Start it, after a crash with recovery."""
        self.server = localpg.start(self.name, durable=False)

    def stop(self) -> None:
        """Shut it down cleanly."""
        self.server.stop()

    def kill(self) -> None:
        """As the power cut does: the postmaster and, seeing it gone, its helpers end at once."""
        os.kill(self.server.pid, signal.SIGKILL)
        self.start()

    def urls(self, database: str) -> Urls:
        """Addresses by role."""
        return self.server.urls_for(database)

    def config(self, database: str) -> Config:
        """Settings of the application for one of its databases."""
        urls = self.urls(database)
        return Config(
            database_owner_url=urls.owner,
            database_engine_url=urls.engine,
            database_url=urls.app,
            secret_key=SECRET,
            unsafe_durability=True,
        )

    def settings(self, database: str) -> Callable[[], Config]:
        """``config``, asked for later."""
        return lambda: self.config(database)

    def administer(self, *statements: str, database: str = "postgres") -> None:
        """SQL of the superuser."""
        with psycopg.connect(self.urls(database).admin, autocommit=True) as connection:
            for statement in statements:
                connection.execute(sql.SQL(statement))  # type: ignore[arg-type]

    def timeline(self) -> int:
        """Which life of the log the server writes."""
        with psycopg.connect(self.urls("postgres").admin) as connection:
            row = connection.execute("SELECT timeline_id FROM pg_control_checkpoint()").fetchone()
        assert row is not None
        return int(row[0])

    # Dumps

    def run(self, program: str, *words: str | Path) -> str:
        """One of PostgreSQL's own programs; gives what it said."""
        done = self.try_to_run(program, *words)
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout

    def try_to_run(self, program: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """The same, whether it succeeds or not."""
        return subprocess.run(
            [self.server.binaries.program(program), *words],
            env=child_environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def dump(self, database: str, file: Path) -> None:
        """pg_dump, as the superuser: row-level security is forced on everybody else."""
        self.run("pg_dump", "--format=custom", f"--file={file}", f"--dbname={self.urls(database).admin}")

    def restore_dump(self, file: Path) -> None:
        """pg_restore in the place of the database of the same name, if there is one."""
        self.run(
            "pg_restore",
            "--clean",
            "--if-exists",
            "--create",
            "--exit-on-error",
            f"--dbname={self.urls('postgres').admin}",
            file,
        )

    def roles_of_sql_people(self) -> list[str]:
        """The statements of pg_dumpall --roles-only that a new cluster still needs."""
        text = self.run("pg_dumpall", "--roles-only", f"--dbname={self.urls('postgres').admin}")
        return [
            line for line in text.splitlines() if ROLE_OF_SQL_PEOPLE in line and not line.startswith("--")
        ]

    # Files

    @property
    def data(self) -> Path:
        """The data directory."""
        found = localpg.status(self.name).data
        assert found is not None
        return found

    def copy_files(self, target: Path) -> None:
        """A copy of the whole directory, of the stopped server."""
        self.stop()
        self._copy(self.data, target)
        self.start()

    def base_backup(self, target: Path) -> None:
        """pg_basebackup of the running server, with the log that it needs."""
        address = self.urls("postgres").admin
        self.run(
            "pg_basebackup", f"--pgdata={target}", f"--dbname={address}", "--checkpoint=fast", "--no-sync"
        )

    def put_files(self, source: Path, *, with_log_of: Path | None = None) -> None:
        """Exchange the data directory; with all later log the server recovers to the last commit."""
        self.stop()
        data = self.data
        if with_log_of is not None:
            for segment in (with_log_of / "pg_wal").iterdir():
                if segment.is_file():
                    shutil.copy2(segment, source / "pg_wal" / segment.name)
            (source / "recovery.signal").touch()
            with open(source / "postgresql.auto.conf", "a", encoding="utf-8") as file:
                file.write("restore_command = 'false'\nhot_standby = off\n")
        shutil.rmtree(data)
        self._copy(source, data)
        self.start()

    def _copy(self, source: Path, target: Path) -> None:
        subprocess.run(["/bin/cp", "-a", source, target], check=True)
        account = server_account(self.data if self.data.exists() else target)
        for path in (target, *target.rglob("*")):
            account.give(path)
        target.chmod(0o700)
