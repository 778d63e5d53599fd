"""Runs an example in Node.js: its packages, the definitions of its store, and the demo's logins."""

import argparse
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from app.cli.installation import NoInstallation, find_installation
from app.demo.world import password_for
from localnode import play, staged
from sdk.stores.__main__ import generate
from sdk.stores.document import SHAPES, Catalogue, own

HERE = Path(__file__).parent
DEFAULT_URL = "http://127.0.0.1:8000"
PATIENCE_S = 10


def tell(example: str, words: Sequence[str], entities: Sequence[str] = ()) -> int:
    """Play the story of an example, or a script of the reader's own beside its files, against a running server.

    Args:
        example: Its folder and store: ``rxdb`` or ``watermelon``.
        words: Of the command line.
        entities: What its store is to hold; everything, when left out.

    Returns:
        Exit status of the script.
    """
    asked = _parser(example).parse_args(words)
    url = asked.url.rstrip("/")
    if wrong := hindrance(url, asked.app):
        sys.stderr.write(f"{wrong}\n")
        return 1
    catalogue = Catalogue.of(own(SHAPES))
    with staged(HERE / example, HERE / "javascript") as stage:
        place = stage / example
        generate(catalogue.only(entities) if entities else catalogue, place / "generated", [example])
        script = place / "story.mjs"
        if asked.app:
            script = place / asked.app.name
            shutil.copyfile(asked.app, script)
        sys.stdout.flush()
        return play(script, url, environ=logins())


def hindrance(url: str, app: Path | None) -> str | None:
    """Why nothing can be played: before packages are fetched, and in a sentence instead of Node's trace."""
    if app and not app.is_file():
        return f"There is no file {app}."
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        return f"{url!r} is no address of a server: URL={DEFAULT_URL}"
    # As Node's fetch: by no proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/api/v1/sync/schema", timeout=PATIENCE_S):
            pass
    except urllib.error.HTTPError as answer:
        with answer:
            if answer.headers.get_content_type() == "application/problem+json":
                return None  # it wants a token, as it should
    except (OSError, ValueError) as error:
        return (
            f"Nobody answers on {url} ({getattr(error, 'reason', error)}). Start the server with `make demo` and "
            f"wait for its address; where that is not {DEFAULT_URL}, say it: URL=http://127.0.0.1:8001"
        )
    return f"What answers on {url} is no Fieldmerge server. `make demo` prints the address of its own: URL=…"


def logins() -> dict[str, str]:
    """Passwords of the demo's people, which its key gives; those that the environment names come before them."""
    wanted = {"REP_PASSWORD": "rep", "MANAGER_PASSWORD": "manager"}
    try:
        config = find_installation().config
    except NoInstallation:
        return {}  # of a server somewhere else only the environment can know
    return {
        name: os.environ.get(name) or password_for(config, f"demo:{login}") for name, login in wanted.items()
    }


def _parser(example: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m examples.{example}")
    parser.add_argument("url", nargs="?", default=DEFAULT_URL, help="of the server; that of `make demo`")
    parser.add_argument(
        "--app", type=Path, metavar="FILE.mjs", help="a script of your own instead of the story"
    )
    return parser
