"""``python -m conformance http://…``: play the protocol's scenarios against a server, and print a table."""

import argparse
import os
import sys
from collections.abc import Sequence

from conformance import scenarios as _scenarios  # noqa: F401  (fills SCENARIOS)
from conformance.client import Wire
from conformance.errors import NoLogin, NoServer
from conformance.options import read
from conformance.suite import SCHEMA, Bench, Result, greeting, run
from conformance.table import show_begun, show_list, show_result, show_start, show_sum, write_report

FAILED, COULD_NOT_BEGIN, INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Play the scenarios; gives the exit status.

    Raises:
        SystemExit: The words of the command line are wrong.
    """
    options = read(argv)
    if options.list:
        show_list(sys.stdout, options.scenarios)
        return 0
    wire = Wire(options.url)
    try:
        bench = _ready(options, wire)
    except (NoServer, NoLogin) as reason:
        print(reason, file=sys.stderr)
        return COULD_NOT_BEGIN
    except KeyboardInterrupt:
        return INTERRUPTED
    try:
        return _play(options, bench)
    finally:
        wire.close()


def _ready(options: argparse.Namespace, wire: Wire) -> Bench:
    """A bench at which everybody who was named is logged in, in a company where the kit may play.

    Raises:
        NoServer: No server of this protocol, or no sandbox.
        NoLogin: Somebody cannot log in.
    """
    status = greeting(wire)
    if status not in (200, 401):
        raise NoServer(f"{options.url} speaks another protocol: it answers {status} to GET {SCHEMA}")
    bench = Bench(wire, options.tenant, options.logins, options.may_reset, options.may_lock, options.other)
    for role in options.logins:
        bench.sign_in(role)
    if options.other:
        bench.of_another_company()
    if not bench.is_sandbox() and not options.any_company:
        bench.sign_out()
        raise NoServer(
            f"Company {options.tenant} is no sandbox, and what the kit makes there would stay. Make one with"
            " `flask sandbox create`; or say --any-company, if nobody works with that company's data."
        )
    return bench


def _play(options: argparse.Namespace, bench: Bench) -> int:
    results: list[Result] = []
    ended = 0
    show_start(sys.stdout, options.url, options.tenant, len(options.scenarios))
    try:
        for result in run(bench, options.scenarios, begun=lambda one: show_begun(sys.stdout, one)):
            results.append(result)
            show_result(sys.stdout, result)
    except KeyboardInterrupt:
        ended = INTERRUPTED
    show_sum(sys.stdout, results, bench.tidy())
    if options.json:
        try:
            write_report(options.json, options.url, results)
        except OSError as error:
            print(f"The results could not be written: {error}", file=sys.stderr)
            ended = ended or COULD_NOT_BEGIN
    return ended or (FAILED if any(one.verdict == "fail" for one in results) else 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        # Whoever read the table has seen enough; nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
