"""Make a data directory and write its settings."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from localpg.account import Account
from localpg.binaries import Binaries
from localpg.errors import LocalPostgresError
from localpg.state import SUPERUSER, Memory, Progress, unfinished

_SETTINGS_FILE = "fieldmerge.conf"

# Sized for two cores and a few hundred megabytes; sorting and time must not depend on the machine.
_SETTINGS = {
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "max_locks_per_transaction": "256",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "max_parallel_workers_per_gather": "1",
    "random_page_cost": "1.1",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_THROWAWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "10min",
}


def data_major(data: Path) -> int | None:
    """The major version that made a data directory, or None when there is none yet.

    Raises:
        LocalPostgresError: The directory exists without a version: it is damaged or something else.
    """
    if not data.exists():
        return None
    try:
        return int((data / "PG_VERSION").read_text(encoding="ascii").strip())
    except (FileNotFoundError, ValueError) as error:
        raise LocalPostgresError(
            f"{data} is no data directory of PostgreSQL 10 or newer. "
            "Move it away, or delete it with `python -m localpg reset`."
        ) from error


def child_environment() -> dict[str, str]:
    """Our environment without what would steer PostgreSQL's programs or change their language."""
    steering = ("PG", "LC_", "LANG")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(steering)}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def create_cluster(
    data: Path, binaries: Binaries, account: Account, password: str, progress: Progress
) -> None:
    """Run initdb. The directory appears in one step, whole: an interrupted run leaves nothing behind.

    Args:
        data: Where the data directory is to be; must not exist.
        binaries: Programs that ``account`` can run.
        account: The user who owns the data and will run the server.
        password: The superuser's.
        progress: Told what is going on.

    Raises:
        LocalPostgresError: initdb failed, with what it said.
    """
    progress(f"Creating the database files (PostgreSQL {binaries.version}) …")
    scratch = unfinished(data)
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        refusal = _initdb_in_best_locale(scratch, binaries, account, password)
        if refusal is not None:
            raise LocalPostgresError(f"The database files could not be created in {data}:\n{refusal}")
        with open(scratch / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(f"\ninclude_if_exists '{_SETTINGS_FILE}'\n")
        scratch.rename(data)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def write_settings(data: Path, memory: Memory, account: Account) -> None:
    """Write the settings that we keep apart from initdb's file; read at the next start."""
    tcp = memory.tcp_port is not None
    settings = {
        **_SETTINGS,
        **(_DURABLE if memory.durable else _THROWAWAY),
        "listen_addresses": "127.0.0.1" if tcp else "",
        "port": str(memory.tcp_port if tcp else 5432),
        "unix_socket_directories": memory.socket_directory,
    }
    lines = [
        "# Written by localpg at each start; put settings of your own into postgresql.conf below its include."
    ]
    lines += [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()]
    path = data / _SETTINGS_FILE
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o600)
    account.give(path)


def _locales() -> list[list[str]]:
    """Ways to name a UTF-8 locale, best first. ``C`` alone would know no letters beyond ASCII."""
    c_utf8 = ["--locale=C.UTF-8"]
    # Older macOS has no C.UTF-8: letters from en_US, order by code point all the same.
    en_us = ["--lc-collate=C", "--lc-ctype=en_US.UTF-8"]
    return [c_utf8, en_us] if sys.platform == "darwin" else [c_utf8, ["--locale=C.utf8"], en_us]


def _initdb_in_best_locale(scratch: Path, binaries: Binaries, account: Account, password: str) -> str | None:
    """Give None on success, else what initdb said about the best locale."""
    refusals: list[str] = []
    for locale in _locales():
        refusal = _initdb(scratch, binaries, account, password, locale)
        if refusal is None:
            return None
        refusals.append(refusal)
    return refusals[0]


def _initdb(
    scratch: Path, binaries: Binaries, account: Account, password: str, locale: list[str]
) -> str | None:
    """Give None on success, else what initdb said."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    account.give(scratch)
    with tempfile.NamedTemporaryFile(dir=scratch.parent, prefix="password-") as password_file:
        password_file.write(password.encode() + b"\n")
        password_file.flush()
        account.give(Path(password_file.name))
        answer = subprocess.run(
            [
                binaries.program("initdb"),
                f"--pgdata={scratch}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=libc",
                *locale,
                "--data-checksums",
                "--no-instructions",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
            umask=0o077,
            env=child_environment(),
            **account.popen_options,
        )
    if answer.returncode == 0:
        return None
    return answer.stderr.strip() or answer.stdout.strip() or f"initdb ended with {answer.returncode}"
