"""Runs an example in Node.js: its packages, the definitions of its store, and the demo's logins."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app.cli.installation import NoInstallation, find_installation
from app.demo.world import password_for
from localnode import play, staged
from sdk.stores.__main__ import generate
from sdk.stores.document import SHAPES, Catalogue, own

HERE = Path(__file__).parent
DEFAULT_URL = "http://127.0.0.1:8000"


def tell(example: str, arguments: Sequence[str], entities: Sequence[str] = ()) -> int:
    """Play the story of an example against a running server.

    Args:
        example: Its folder and store: ``rxdb`` or ``watermelon``.
        arguments: The server's address, or nothing for that of ``make demo``.
        entities: What its store is to hold; everything, when left out.

    Returns:
        Exit status of the story.
    """
    catalogue = Catalogue.of(own(SHAPES))
    with staged(HERE / example, HERE / "shared") as stage:
        generate(
            catalogue.only(entities) if entities else catalogue, stage / example / "generated", [example]
        )
        sys.stdout.flush()
        url = arguments[0] if arguments else DEFAULT_URL
        return play(stage / example / "story.mjs", url, environ=logins())


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
