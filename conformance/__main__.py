"""``python -m conformance http://…``: play the protocol's scenarios against a server, and print a table."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance import scenarios as _scenarios  # noqa: F401  (fills SCENARIOS)
from conformance.client import Wire
from conformance.errors import NoServer
from conformance.suite import SCENARIOS, Bench, Result, Scenario, is_there, run
from conformance.table import show_list, show_result, show_sum, write_report

ROLES = ("rep", "technician", "manager", "admin")
FAILED, NO_SERVER = 1, 2
ABOUT = """Logins: --rep LOGIN:PASSWORD and so on, or CONFORMANCE_REP and so on; with --password (or
CONFORMANCE_PASSWORD) the logins are rep, technician, manager and admin, as `flask sandbox create` makes them.
Without the admin, scenarios that need the office are not provable.

Exit status: 0 every scenario passed or is not provable here, 1 one failed, 2 no server or no login."""


def main(argv: Sequence[str] | None = None) -> int:
    """Play the scenarios; gives the exit status."""
    options = _options(argv)
    chosen = _chosen(options.only)
    if options.list:
        show_list(sys.stdout, chosen)
        return 0
    if not options.url:
        print("Name a server: python -m conformance http://127.0.0.1:8000", file=sys.stderr)
        return NO_SERVER
    logins = _logins(options)
    if "rep" not in logins:
        print("Name a login: --password WORD, or --rep LOGIN:PASSWORD", file=sys.stderr)
        return NO_SERVER
    wire = Wire(options.url)
    other = tuple(options.other.split(":", 2)) if options.other else None
    bench = Bench(wire, options.tenant, logins, options.may_reset, options.may_lock, other)
    results: list[Result] = []
    try:
        if not is_there(wire):
            raise NoServer(f"nothing at {options.url} speaks this protocol")
        bench.new("rep")
        for result in run(bench, chosen):
            results.append(result)
            show_result(sys.stdout, result)
    except NoServer as lost:
        print(f"No server: {lost}", file=sys.stderr)
        return NO_SERVER
    finally:
        wire.close()
        if options.json:
            write_report(options.json, options.url, results)
    show_sum(sys.stdout, results)
    return FAILED if any(one.verdict == "fail" for one in results) else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    read = argparse.ArgumentParser(
        prog="python -m conformance",
        description="Play the scenarios of the sync protocol against a server.",
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
    read.add_argument("--may-reset", action="store_true", help="the company is a sandbox and may be reset")
    read.add_argument("--may-lock", action="store_true", help="guess passwords until the server refuses")
    read.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    read.add_argument("--list", action="store_true", help="show the scenarios and end")
    return read.parse_args(argv)


def _logins(options: argparse.Namespace) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for role in ROLES:
        given = getattr(options, role)
        if given and ":" in given:
            login, _, password = given.partition(":")
            found[role] = login, password
        elif options.password:
            found[role] = given or role, options.password
    return found


def _chosen(names: Sequence[str] | None) -> list[Scenario]:
    if not names:
        return SCENARIOS
    known = {one.name: one for one in SCENARIOS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"There is no scenario {', '.join(unknown)}; see --list")
    return [known[name] for name in names]


if __name__ == "__main__":
    sys.exit(main())
