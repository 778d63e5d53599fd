"""Which installation a command works on: what the environment names, or the managed local server."""

import contextlib
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import localpg
from app.config import Config, ConfigInvalid

LOCAL_SERVER: Final = "demo"
ADDRESSES: Final = ("DATABASE_URL", "DATABASE_ENGINE_URL", "DATABASE_OWNER_URL")
SECRET: Final = "FIELDMERGE_SECRET_KEY"  # noqa: S105 - the variable's name


class NoInstallation(ConfigInvalid):
    """Nothing says which database to use."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Settings, and where they are from.

    Attributes:
        config: For this process.
        variables: What a child process needs besides our environment, to have the same settings.
        is_local: Whether the database is the managed local server.
    """

    config: Config
    variables: Mapping[str, str]
    is_local: bool


def find_installation(environ: Mapping[str, str] = os.environ) -> Installation:
    """The installation that the environment names, else the local server while it runs.

    Raises:
        ConfigInvalid: The environment is incomplete or unsafe.
        NoInstallation: It names no database, and the local server does not run.
        LocalPostgresError: The local server's files are damaged.
    """
    if is_named(environ):
        return Installation(Config.from_env(environ), {}, is_local=False)
    urls = localpg.running_urls(LOCAL_SERVER)
    if urls is None:
        raise NoInstallation(
            f"No database is named and the local one does not run. Start it with `make demo` or `make serve`,"
            f" or set {', '.join(ADDRESSES)} and {SECRET} (docs/operations.md)."
        )
    return _local(urls, environ)


def is_named(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment names a database."""
    return any(environ.get(name) for name in ADDRESSES)


def start_local(
    progress: Callable[[str], None], environ: Mapping[str, str] = os.environ
) -> tuple[Installation, localpg.Server]:
    """Start the managed local server, or adopt it when it runs already.

    Returns:
        Its installation, and the server, which the caller releases or stops.

    Raises:
        LocalPostgresError: It cannot be started; the message says what to do.
    """
    server = localpg.start(LOCAL_SERVER, progress=progress)
    return _local(server.urls, environ), server


def _local(urls: localpg.Urls, environ: Mapping[str, str]) -> Installation:
    variables = {
        "DATABASE_URL": urls.app,
        "DATABASE_ENGINE_URL": urls.engine,
        "DATABASE_OWNER_URL": urls.owner,
        SECRET: environ.get(SECRET) or _local_secret(localpg.state_root() / "secret-key"),
    }
    return Installation(Config.from_env({**environ, **variables}), variables, is_local=True)


def _local_secret(path: Path) -> str:
    """The local installation's key, made on first use; two commands that make it at once get the same."""
    if not path.exists():
        scratch = path.with_name(f"{path.name}.{os.getpid()}")
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            os.link(scratch, path)
        scratch.unlink()
    return path.read_text(encoding="ascii")
