"""What is asked for at the command line, looked at before anything is sent."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import urllib3

from conformance.suite import SCENARIOS, Scenario

ROLES: Final = ("rep", "technician", "manager", "admin")
ABOUT: Final = """Logins: --rep LOGIN:PASSWORD and so on, or CONFORMANCE_REP and so on; with --password (or
CONFORMANCE_PASSWORD) the logins are rep, technician, manager and admin, as `flask sandbox create` makes them.
Environment variables keep passwords out of the list of processes. Without a role's login, scenarios that need
it are n/a: they cannot be proved either way.

The kit makes customers, contacts and visits, and never deletes them: it plays in sandboxes only, unless
--any-company is said.

Exit status: 0 no scenario failed, 1 one failed, 2 it could not begin: no server of this protocol at the
address, no login, no sandbox, or wrong words above. 130 it was interrupted."""


class _Parser(argparse.ArgumentParser):
    """One sentence instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}\nSee python -m conformance --help.\n")


def read(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options; ``scenarios`` are those to be played, ``logins`` those that were given, by role.

    Raises:
        SystemExit: 2, having said what is wrong.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    options.scenarios = _chosen(parser, options.only)
    if options.list:
        return options
    options.url = _address(parser, options.url)
    options.logins = _logins(parser, options)
    options.other = _parts(parser, "--other", options.other, 3) if options.other else None
    if options.json and not options.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no folder {options.json.absolute().parent}")
    return options


def _parser() -> argparse.ArgumentParser:
    read = _Parser(
        prog="python -m conformance",
        description="Play the scenarios of the sync protocol against a server, and print a table.",
        epilog=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    read.add_argument("url", nargs="?", help="address of the server, http://127.0.0.1:8000")
    read.add_argument(
        "--tenant", default=os.environ.get("CONFORMANCE_TENANT", "sandbox"), help="code of the company"
    )
    read.add_argument("--password", default=os.environ.get("CONFORMANCE_PASSWORD"), help="one for all roles")
    for role in ROLES:
        given = os.environ.get(f"CONFORMANCE_{role.upper()}")
        read.add_argument(f"--{role}", default=given, metavar="LOGIN:PASSWORD", help=f"who is a {role}")
    read.add_argument("--other", metavar="TENANT:LOGIN:PASSWORD", help="somebody of another company")
    read.add_argument("--only", action="append", metavar="SCENARIO", help="this one; may be repeated")
    read.add_argument(
        "--may-reset", action="store_true", help="reset the sandbox: as a scenario, and to tidy up at the end"
    )
    read.add_argument("--may-lock", action="store_true", help="guess passwords until the server refuses")
    read.add_argument("--any-company", action="store_true", help="play where records stay for good")
    read.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    read.add_argument("--list", action="store_true", help="show the scenarios and end")
    return read


def _address(parser: argparse.ArgumentParser, url: str | None) -> str:
    if not url:
        parser.error("Name a server: python -m conformance http://127.0.0.1:8000")
    try:
        read = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        parser.error(f"{url} is no address")
    if read.scheme not in ("http", "https") or not read.host:
        parser.error(f"{url} is no address of a server: write http://HOST:PORT or https://HOST")
    if read.query or read.auth or read.fragment:
        parser.error(f"{read._replace(auth=None).url}: write the address without user, ? and #")
    return url.rstrip("/")


def _logins(parser: argparse.ArgumentParser, options: argparse.Namespace) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for role in ROLES:
        given = getattr(options, role)
        if given and (":" in given or not options.password):
            login, password = _parts(parser, f"--{role}", given, 2)
            found[role] = login, password
        elif options.password:
            found[role] = given or role, options.password
    if "rep" not in found:
        parser.error("Name a login: --password WORD, or --rep LOGIN:PASSWORD")
    return found


def _parts(parser: argparse.ArgumentParser, option: str, given: str, count: int) -> tuple[str, ...]:
    parts = tuple(given.split(":", count - 1))
    if len(parts) < count or not all(parts):
        parser.error(f"{option} is {'TENANT:' if count == 3 else ''}LOGIN:PASSWORD, with a colon between")
    return parts


def _chosen(parser: argparse.ArgumentParser, names: Sequence[str] | None) -> list[Scenario]:
    known = {one.name: one for one in SCENARIOS}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        parser.error(f"There is no scenario {', '.join(unknown)}; --list shows them")
    return [one for one in SCENARIOS if not names or one.name in names]
