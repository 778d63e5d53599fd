"""Start, adopt, stop and delete the managed local PostgreSQL."""

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from localpg import roles
from localpg.account import Account, server_account
from localpg.binaries import Binaries, copy_binaries, examine, find_binaries
from localpg.cluster import create_cluster, data_major, write_settings
from localpg.errors import LocalPostgresError
from localpg.postmaster import (
    Postmaster,
    ended_just_now,
    find_postmaster,
    launch,
    stop_postmaster,
    wait_ended,
    wait_ready,
)
from localpg.state import DATABASE, SUPERUSER, Home, Memory, Progress

# A socket's whole address must fit into 104 bytes on macOS, 108 on Linux.
_LONGEST_SOCKET_PATH = 100


@dataclass
class Server:
    """A running local server, started by us or found running.

    Attributes:
        name: ``demo``, ``test``, …
        urls: Addresses of the database ``fieldmerge``.
        binaries: Its programs; ``binaries.program("psql")`` gives a path.
        version: As PostgreSQL says it, ``"18.4"``.
        pid: Of the postmaster.
    """

    name: str
    urls: roles.Urls
    binaries: Binaries
    version: str
    pid: int
    _home: Home = field(repr=False)
    _memory: Memory = field(repr=False)
    _use: int | None = field(repr=False)

    def stop(self) -> None:
        """Stop the server, whoever else may use it."""
        self._end_use()
        stop(self.name)

    def release(self, *, progress: Progress | None = None) -> bool:
        """Say that we are done with it; the last of all live users stops it.

        Returns:
            Whether it was stopped.
        """
        say = progress or _silent
        self._end_use()
        with self._home.lock(say):
            return not self._home.is_used() and _stop_locked(self._home, self._memory, say)

    def urls_for(self, database: str) -> roles.Urls:
        """Addresses of another database on this server."""
        return roles.urls_of(self._memory, database)

    def create_database(self, name: str, template: str | None = None) -> roles.Urls:
        """Create a database like ``fieldmerge``: of the owner, with CREATE for the engine.

        Args:
            name: The new database.
            template: A database to copy, to which nobody is connected; None for an empty one.

        Returns:
            Its addresses.

        Raises:
            psycopg.errors.DuplicateDatabase: The name is taken.
            psycopg.errors.ObjectInUse: Somebody is connected to the template.
        """
        with self._admin() as connection:
            roles.create_database(connection, name, template)
        return self.urls_for(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, ending the connections to it."""
        with self._admin() as connection:
            roles.drop_database(connection, name)

    def _admin(self) -> psycopg.Connection:
        return roles.connect_admin(self._memory)

    def _end_use(self) -> None:
        if self._use is not None:
            os.close(self._use)
            self._use = None


@dataclass(frozen=True)
class Status:
    """What is known of a local server: None before its first start, or while it does not run."""

    name: str
    running: bool
    pid: int | None
    version: str | None
    data: Path | None
    socket_directory: Path | None
    programs: Path | None
    log: Path


def start(
    name: str, *, progress: Progress | None = None, durable: bool = True, tcp_port: int | None = None
) -> Server:
    """Start a local server, or adopt it when it runs already; made on the first call.

    It outlives this process. Two processes that start it at once get the same one.

    Args:
        name: ``demo``, ``test``: each has its own data and socket.
        progress: Told, in a sentence, before anything that may take longer than a second.
        durable: False turns off fsync and the like: for tests, whose data may be lost with the machine.
        tcp_port: Also listen there on 127.0.0.1; by default there is only a Unix socket.

    Returns:
        The server, ready for connections, with the three roles and the database made.

    Raises:
        LocalPostgresError: It cannot be started, or runs with other settings; the message says what to do.
    """
    say = progress or _silent
    home = Home.of(name)
    home.create()
    with home.lock(say):
        memory = home.recall() or home.new_memory(server_account(None))
        binaries, pid = _start_or_adopt(home, memory, durable, tcp_port, say)
        try:
            roles.ensure_roles_and_database(memory)
        except LocalPostgresError:
            if not ended_just_now(pid):
                raise
            # It was killed a moment ago and still looked alive.
            binaries, pid = _start_or_adopt(home, memory, durable, tcp_port, say)
            roles.ensure_roles_and_database(memory)
        use = home.begin_use()
    return Server(name, roles.urls_of(memory, DATABASE), binaries, binaries.version, pid, home, memory, use)


def stop(name: str, *, progress: Progress | None = None) -> bool:
    """Stop a local server, whoever started it.

    Returns:
        Whether it was running.

    Raises:
        LocalPostgresError: It does not end, or belongs to another user.
    """
    say = progress or _silent
    home = Home.of(name)
    if not home.path.exists():
        return False
    with home.lock(say):
        return _stop_locked(home, home.recall(), say)


def reset(name: str, *, progress: Progress | None = None) -> None:
    """Stop a local server and delete its data.

    Raises:
        LocalPostgresError: It does not end, or its data cannot be deleted.
    """
    say = progress or _silent
    home = Home.of(name)
    if not home.path.exists():
        return
    with home.lock(say):
        try:
            memory = home.recall()
        except LocalPostgresError:
            memory = None  # damaged; the usual places are cleared all the same
        _stop_locked(home, memory, say)
        home.forget()


def status(name: str) -> Status:
    """Look at a local server without touching it."""
    home = Home.of(name)
    memory = home.recall()
    if memory is None:
        return Status(name, False, None, None, None, None, None, home.log)
    data = home.data(memory)
    postmaster = find_postmaster(data)
    if postmaster is None:
        major = data_major(data)
        return Status(name, False, None, str(major) if major else None, data, None, None, home.log)
    binaries = _binaries_of(postmaster, data)
    sockets = Path(memory.socket_directory)
    return Status(name, True, postmaster.pid, binaries.version, data, sockets, binaries.directory, home.log)


def running_urls(name: str) -> roles.Urls | None:
    """Addresses of a local server's database, or None while it is not running."""
    home = Home.of(name)
    memory = home.recall()
    if memory is None or find_postmaster(home.data(memory)) is None:
        return None
    return roles.urls_of(memory, DATABASE)


def _silent(_: str) -> None:
    pass


def _start_or_adopt(
    home: Home, memory: Memory, durable: bool, tcp_port: int | None, say: Progress
) -> tuple[Binaries, int]:
    data = home.data(memory)
    account = server_account(data)
    postmaster = _adopt(data, say)
    if postmaster is not None:
        _refuse_other_settings(home.name, memory, durable, tcp_port)
        # It may be run by programs that are no longer found, or PG_BIN may name others.
        return _binaries_of(postmaster, data), postmaster.pid
    memory.durable, memory.tcp_port = durable, tcp_port
    binaries = _reachable(find_binaries(data_major(data)), account, home, say)
    return binaries, _start_locked(home, memory, binaries, account, say)


def _adopt(data: Path, say: Progress) -> Postmaster | None:
    """Find a server that runs on the data and is going to stay."""
    postmaster = find_postmaster(data)
    if postmaster is None:
        return None
    if postmaster.state == "stopping":
        wait_ended(postmaster.pid, say)
        return None
    return postmaster if wait_ready(postmaster.pid, data, say) else None


def _refuse_other_settings(name: str, memory: Memory, durable: bool, tcp_port: int | None) -> None:
    again = f"stop it first with `python -m localpg stop --name {name}`."
    if durable and not memory.durable:
        raise LocalPostgresError(f"The {name} database server runs without durable writes; {again}")
    if tcp_port not in (None, memory.tcp_port):
        raise LocalPostgresError(f"The {name} database server runs without TCP port {tcp_port}; {again}")


def _start_locked(home: Home, memory: Memory, binaries: Binaries, account: Account, say: Progress) -> int:
    data = home.data(memory)
    memory.socket_directory = str(_socket_directory(memory, account))
    # Before the data: an interrupted first start must not leave data without passwords.
    home.remember(memory)
    if not data.exists():
        create_cluster(data, binaries, account, memory.passwords[SUPERUSER], say)
    write_settings(data, memory, account)
    say(f"Starting PostgreSQL {binaries.version} …")
    return launch(data, binaries, account, home.log, say)


def _stop_locked(home: Home, memory: Memory | None, say: Progress) -> bool:
    stopped = False
    for data in home.places():
        postmaster = find_postmaster(data)
        if postmaster is not None:
            stop_postmaster(postmaster.pid, say)
            stopped = True
            if postmaster.socket_directory is not None:
                _remove_socket_directory(postmaster.socket_directory, server_account(data).uid)
    if memory is not None and memory.socket_directory:
        _remove_socket_directory(Path(memory.socket_directory), server_account(home.data(memory)).uid)
    return stopped


def _remove_socket_directory(directory: Path, uid: int) -> None:
    # The server's user can write where this is read from; root removes only what is that user's own.
    if directory.name.startswith("fm-") and _is_private(directory, uid):
        shutil.rmtree(directory, ignore_errors=True)


def _reachable(binaries: Binaries, account: Account, home: Home, say: Progress) -> Binaries:
    if account.can_run(binaries.program("postgres")) and account.can_enter(binaries.directory):
        return binaries
    say(f"Copying PostgreSQL {binaries.version} to where user {account.name} can run it …")
    copied = copy_binaries(binaries, home.create_refuge())
    if not account.can_run(copied.program("postgres")):
        raise LocalPostgresError(
            f"User {account.name!r}, who would run PostgreSQL for root, can run it neither in "
            f"{binaries.directory} nor in {copied.directory}. Run the command as an ordinary user."
        )
    return copied


def _binaries_of(postmaster: Postmaster, data: Path) -> Binaries:
    directory = Path(postmaster.process.command.removesuffix(f" -D {data}")).parent
    # The programs may have been deleted under a running server, with a virtual environment for one.
    return examine(directory, "running") or Binaries(directory, str(data_major(data)), "running")


def _socket_directory(memory: Memory, account: Account) -> Path:
    """A short directory that only the server's user can enter; the last one again, if it is still ours."""
    last = Path(memory.socket_directory)
    if memory.socket_directory and _is_private(last, account.uid):
        return last
    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108 - mkdtemp makes it 0700
        fits = len(f"{base}/fm-12345678/.s.PGSQL.65535") <= _LONGEST_SOCKET_PATH
        if fits and os.access(base, os.W_OK | os.X_OK) and account.can_enter(Path(base)):
            directory = Path(tempfile.mkdtemp(prefix="fm-", dir=base))
            account.give(directory)
            return directory
    raise LocalPostgresError(
        "There is no temporary directory for PostgreSQL's socket; set TMPDIR to a short path."
    )


def _is_private(directory: Path, uid: int) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not found.st_mode & 0o077
