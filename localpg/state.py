"""Where a managed server keeps its files, what it remembers, and the lock around both."""

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localpg.account import Account
from localpg.errors import LocalPostgresError

Progress = Callable[[str], None]

SUPERUSER = "postgres"
OWNER, ENGINE, APP = "fieldmerge_owner", "fieldmerge_engine", "fieldmerge_app"
DATABASE = "fieldmerge"


def state_root() -> Path:
    """The directory of everything that local commands leave behind.

    Returns:
        ``$FIELDMERGE_STATE``, else ``.fieldmerge`` of the project (of the working directory, when the
        package is installed elsewhere). Servers have subdirectories by name: ``demo``, ``test``.
    """
    chosen = os.environ.get("FIELDMERGE_STATE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    project = Path(__file__).resolve().parent.parent
    inside_project = (project / "pyproject.toml").exists()
    return (project if inside_project else Path.cwd()) / ".fieldmerge"


@dataclass
class Memory:
    """What has to be known again by the next command; kept in a 0600 file."""

    home: str
    in_refuge: bool
    durable: bool = True
    tcp_port: int | None = None
    socket_directory: str = ""
    passwords: dict[str, str] = field(
        default_factory=lambda: {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER, ENGINE, APP)}
    )


@dataclass(frozen=True)
class Home:
    """The directory of one named server."""

    name: str
    path: Path

    @classmethod
    def of(cls, name: str) -> "Home":
        """The home of a server; nothing is created.

        Raises:
            LocalPostgresError: The name is not a plain lower-case word.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name):
            raise LocalPostgresError(f"{name!r} is no name for a local server: use a-z, 0-9, - and _.")
        return cls(name, state_root() / name)

    @property
    def log(self) -> Path:
        """What the server has to say."""
        return self.path / "postgresql.log"

    @property
    def refuge(self) -> Path:
        """Where root puts what another user must reach, when the home lies behind closed doors."""
        digest = hashlib.sha256(os.fsencode(self.path.parent)).hexdigest()[:12]
        return Path(f"/var/tmp/fieldmerge-{digest}")  # noqa: S108 - owner and mode are checked before use

    def create(self) -> None:
        """Make the directory; only directories made here get a mode, those that exist keep theirs.

        Raises:
            LocalPostgresError: It cannot be made or written.
        """
        # Root's server runs as another user, who has to pass through; what is secret has its own mode.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            for directory in (self.path.parent, self.path):
                if not directory.exists():
                    directory.mkdir(parents=True, exist_ok=True)
                    directory.chmod(mode)
        except OSError as error:
            raise _not_writable(self.path, error) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise _not_writable(self.path, "it belongs to another user")

    def create_refuge(self) -> Path:
        """Make the refuge, trusting nothing that others may have put in its place.

        Raises:
            LocalPostgresError: Something else is there.
        """
        refuge = self.refuge
        try:
            refuge.mkdir()
            refuge.chmod(0o711)
        except FileExistsError:
            if not self._refuge_is_ours():
                raise LocalPostgresError(f"{refuge} exists and is not ours; remove it.") from None
        return refuge

    def _refuge_is_ours(self) -> bool:
        """Anybody may put something there, a link for one; only what root alone can change is followed."""
        try:
            found = self.refuge.lstat()
        except FileNotFoundError:
            return False
        return os.geteuid() == 0 == found.st_uid and stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022

    def recall(self) -> Memory | None:
        """What was remembered, or None for a server never started.

        Raises:
            LocalPostgresError: The file is unreadable.
        """
        try:
            memory = Memory(**json.loads((self.path / "server.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise _not_writable(self.path, error) from error
        except (ValueError, TypeError) as error:
            raise LocalPostgresError(
                f"{self.path / 'server.json'} is damaged ({error}); the server's passwords are in it. "
                "Restore it, or delete the data with `python -m localpg reset`."
            ) from error
        if memory.home != str(self.path):
            # The project was moved or copied; a copy must not use the socket of the original.
            memory.home, memory.socket_directory = str(self.path), ""
        return memory

    def remember(self, memory: Memory) -> None:
        """Write the memory, readable by us alone, all of it or nothing."""
        scratch = self.path / "server.json.new"
        scratch.unlink(missing_ok=True)
        with open(
            os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            json.dump(asdict(memory), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.path / "server.json")

    def data(self, memory: Memory) -> Path:
        """The data directory; it need not exist yet."""
        return (self.refuge / self.name if memory.in_refuge else self.path) / "data"

    def new_memory(self, account: Account) -> Memory:
        """Choose where a new data directory goes, here or for root perhaps in the refuge, and passwords.

        Raises:
            LocalPostgresError: There is data already, or no place for it.
        """
        memory = Memory(home=str(self.path), in_refuge=not self._admits(account))
        if self.data(memory).exists():
            raise LocalPostgresError(
                f"{self.path} has database files but no server.json, which held the passwords. "
                "Restore it, or delete the data with `python -m localpg reset`."
            )
        return memory

    def _admits(self, account: Account) -> bool:
        """Whether the server's user can enter here; if not, the refuge is made ready.

        Raises:
            LocalPostgresError: That user can enter neither.
        """
        if account.can_enter(self.path):
            return True
        directory = self.create_refuge() / self.name
        directory.mkdir(exist_ok=True)
        directory.chmod(0o711)
        if not account.can_enter(directory):
            raise LocalPostgresError(
                f"User {account.name!r}, who would run PostgreSQL for root, can enter neither {self.path} "
                f"nor {directory}. Set FIELDMERGE_STATE to a directory that user can reach."
            )
        return False

    def places(self) -> list[Path]:
        """Every data directory that may be this server's, whatever is remembered."""
        refuge = [self.refuge / self.name / "data"] if self._refuge_is_ours() else []
        return [self.path / "data", *refuge]

    def forget(self) -> None:
        """Delete the data and the memory; the lock file stays, so that others keep waiting for it.

        Raises:
            LocalPostgresError: Something could not be deleted.
        """
        for data in self.places():
            for directory in (data, unfinished(data)):
                shutil.rmtree(directory, ignore_errors=True)
                if directory.exists():
                    raise LocalPostgresError(
                        f"{directory} could not be deleted; it may belong to another user."
                    )
        self._forget_refuge()
        for name in ("server.json", "server.json.new", self.log.name, self.log.name + ".old"):
            (self.path / name).unlink(missing_ok=True)

    def _forget_refuge(self) -> None:
        """Delete our part of the refuge, and the copied programs with the last part that needs them."""
        if self._refuge_is_ours():
            shutil.rmtree(self.refuge / self.name, ignore_errors=True)
            if all(path.match("postgresql-*") for path in self.refuge.iterdir()):
                shutil.rmtree(self.refuge, ignore_errors=True)

    @contextmanager
    def lock(self, progress: Progress) -> Iterator[None]:
        """Hold the server's lock: one command at a time starts, stops or deletes it."""
        with _open_lock_file(self.path / "lock") as descriptor:
            if not _try_lock(descriptor, fcntl.LOCK_EX):
                progress(f"Waiting for another command that is busy with the {self.name} database server …")
                while not _try_lock(descriptor, fcntl.LOCK_EX):
                    time.sleep(0.05)
            yield

    def begin_use(self) -> int:
        """Mark the server as in use by us until the descriptor is closed or this process ends."""
        descriptor = os.open(self.path / "in-use", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def is_used(self) -> bool:
        """Whether any live process uses the server; ask under the lock."""
        with _open_lock_file(self.path / "in-use") as descriptor:
            return not _try_lock(descriptor, fcntl.LOCK_EX)


def unfinished(data: Path) -> Path:
    """Where a data directory is made, before it gets its name in one step."""
    return data.with_name(data.name + ".new")


@contextmanager
def _open_lock_file(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _not_writable(path.parent, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _not_writable(path: Path, reason: object) -> LocalPostgresError:
    return LocalPostgresError(
        f"{path} cannot be used ({reason}). Set FIELDMERGE_STATE to a directory that you can write."
    )
