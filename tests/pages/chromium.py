"""Chromium for the tests of the web app: the system's own, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
NOT_WANTED = "FIELDMERGE_NO_CHROMIUM"
# Nothing of a browser's own business with its maker, and no sandbox where there is only root.
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoChromium(Exception):
    """There is no browser to test in."""


def program() -> str:
    """Where it is.

    Raises:
        NoChromium: Nowhere; the message says what to do.
    """
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise NoChromium(
            "The tests of the web app need Chromium. On Debian and Ubuntu: apt install chromium fonts-noto-cjk;"
            f" elsewhere name the program by CHROMIUM=…, or leave these tests out with {NOT_WANTED}=1."
        )
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """A running browser with a new profile, ended afterwards."""
    alone = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program(), args=[*QUIET, *alone])
        yield made
        made.close()
