"""Which system user runs the server: PostgreSQL refuses to run as root, so root lends it another one."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localpg.errors import LocalPostgresError

_UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """The user a child process runs as. ``ids`` is None when it is simply our own."""

    name: str
    ids: tuple[int, int] | None

    @property
    def popen_options(self) -> dict[str, Any]:
        """Keyword arguments for ``subprocess`` that make a child run as this user."""
        if self.ids is None:
            return {}
        uid, gid = self.ids
        return {"user": uid, "group": gid, "extra_groups": []}

    @property
    def uid(self) -> int:
        """The numeric user."""
        return os.geteuid() if self.ids is None else self.ids[0]

    def give(self, path: Path) -> None:
        """Make one file or directory of ours this user's."""
        if self.ids is not None:
            os.chown(path, *self.ids)

    def can_enter(self, directory: Path) -> bool:
        """Whether the user can reach and enter a directory; asked of the kernel, as that user."""
        return self._shell('cd "$1"', directory)

    def can_run(self, program: Path) -> bool:
        """Whether the user can reach and execute a program."""
        return self._shell('test -x "$1"', program)

    def _shell(self, test: str, path: Path) -> bool:
        if self.ids is None:
            return os.access(path, os.X_OK)
        try:
            answer = subprocess.run(
                ["/bin/sh", "-c", test, "sh", str(path)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                **self.popen_options,
            )
        except PermissionError as error:
            raise LocalPostgresError(
                f"PostgreSQL does not run as root, and root cannot become {self.name!r} here ({error}). "
                "Run the command as an ordinary user."
            ) from error
        return answer.returncode == 0


def server_account(data: Path | None) -> Account:
    """Choose the user for a data directory.

    Args:
        data: An existing data directory, whose owner is kept; None for a new one.

    Returns:
        Ourselves, or for root: the owner of the data, else ``postgres``, else ``nobody``.

    Raises:
        LocalPostgresError: The data belongs to somebody else, or root finds no other user.
    """
    euid = os.geteuid()
    owner = data.stat().st_uid if data is not None and data.exists() else None
    if euid != 0:
        if owner not in (None, euid):
            raise LocalPostgresError(
                f"{data} belongs to another user (uid {owner}). Run the command as that user, "
                "or set FIELDMERGE_STATE to a directory of your own."
            )
        return Account(_name_of(euid), None)
    if owner:
        return Account(_name_of(owner), (owner, _group_of(owner)))
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, (entry.pw_uid, entry.pw_gid))
    raise LocalPostgresError(
        "PostgreSQL does not run as root, and there is neither a user postgres nor nobody to run it as. "
        "Run the command as an ordinary user."
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_of(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid
