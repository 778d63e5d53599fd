"""``python -m examples.pwa``: serve the web app beside a Fieldmerge server, or write its files out."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from examples.pwa.files import load, write
from examples.pwa.serving import Server, is_there

PORTS_TRIED = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; gives the exit status."""
    options = parser().parse_args(arguments)
    if options.write is not None:
        print(f"{write(options.write)} files in {options.write}")
        return 0
    if urlsplit(options.api).scheme not in ("http", "https") or not urlsplit(options.api).hostname:
        return _complain(f"{options.api!r} is no address: --api http://127.0.0.1:8000")
    try:
        server = _listen(options.host, options.port, options.api)
    except OSError as error:
        return _complain(f"Cannot listen on {options.host}:{options.port}: {error.strerror}.")
    with server:
        if not options.quiet:
            _welcome(server, options.api)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m examples.pwa", description=__doc__)
    top.add_argument("--api", default="http://127.0.0.1:8000", help="address of the Fieldmerge server")
    top.add_argument("--host", default="127.0.0.1", help="address to listen on")
    top.add_argument("--port", type=int, default=8080, help="port, or the first free one after it")
    top.add_argument("--quiet", action="store_true", help="print neither the address nor the demo's logins")
    top.add_argument(
        "--write", type=Path, metavar="DIR", help="write the files for another web server, and end"
    )
    return top


def _listen(host: str, port: int, api: str) -> Server:
    for tried in range(port, port + PORTS_TRIED):
        try:
            return Server(host, tried, api, load)
        except OSError:
            if tried == port + PORTS_TRIED - 1:
                raise
    raise AssertionError("unreachable")


def _welcome(server: Server, api: str) -> None:
    # The demo brings half of the server along, which takes longer than all the rest here.
    from examples.pwa.logins import COMPANY, logins

    if not is_there(api):
        print(
            f"Nobody answers on {api} yet. Start it with `make demo`, or name it with --api.", file=sys.stderr
        )
    print(f"The web app     {server.url}")
    for login, role, password in logins():
        print(f"  {role:<12}  company {COMPANY}, login {login}, password {password}")
    print("Ctrl-C stops it.", flush=True)


def _complain(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
