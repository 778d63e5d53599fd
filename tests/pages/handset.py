"""A phone: a browser of a phone's size with the app in it, and the network that can be taken away."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import Browser, Error, Page, expect

from tests.world import PASSWORD, Person

HOUSE = Path(__file__).parents[2]
PHONE = {"width": 390, "height": 844}
READY_S = 30.0
WAIT_S = 20.0
# Without a network the browser says of each request that it failed; that is no complaint of the app's.
EXPECTED = re.compile(r"net::ERR_|status of 4\d\d|status of 50[234]")


# A CI machine with two busy cores is slow, not wrong.
expect.set_options(timeout=WAIT_S * 1_000)


class Site:
    """The command that serves the app; always on the same port, whether it runs or not."""

    def __init__(self, api_url: str) -> None:
        self.api_url = api_url
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://localhost:{self.port}/"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve, unless it does."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "examples.pwa",
                "--quiet",
                "--api",
                self.api_url,
                "--port",
                str(self.port),
            ],
            cwd=HOUSE,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            try:
                urlopen(self.url, timeout=1).close()  # noqa: S310
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"python -m examples.pwa does not serve {self.url}")

    def stop(self) -> None:
        """End it, with all of its connections."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Handset:
    """One phone with a profile of its own."""

    def __init__(
        self,
        browser: Browser,
        site: Site,
        *,
        language: str = "ko-KR",
        clock_ahead_ms: int = 0,
        **options: Any,
    ) -> None:
        self.site = site
        self.context = browser.new_context(
            viewport=PHONE,  # type: ignore[arg-type]
            locale=language,
            timezone_id="Asia/Seoul",
            has_touch=True,
            is_mobile=True,
            device_scale_factor=2,
            **options,
        )
        self.context.set_default_timeout(WAIT_S * 1_000)
        if clock_ahead_ms:
            self.context.add_init_script(
                f"{{ const now = Date.now; Date.now = () => now() + {clock_ahead_ms}; }}"
            )
        self.complaints: list[str] = []
        self.page = self._tab()

    def _tab(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"thrown: {error}"))
        page.on(
            "console",
            lambda said: (
                self.complaints.append(said.text)
                if said.type in ("error", "warning") and not EXPECTED.search(said.text)
                else None
            ),
        )
        page.on("dialog", lambda dialog: dialog.accept())
        return page

    def open(self, hash: str = "") -> None:
        """Open the app, or a place in it."""
        self.page.goto(self.site.url + hash)

    def go(self, place: str) -> None:
        """Follow a link of the app."""
        self.page.evaluate("place => { location.hash = place }", f"#/{place}")
        expect(self.page.locator(f'#app[data-place="{place}"]')).to_be_attached()

    def new_tab(self) -> Page:
        """Another tab of the same browser."""
        page = self._tab()
        page.goto(self.site.url)
        return page

    def log_in(self, person: Person) -> None:
        """Through the form, and wait for the first sync and for the worker that makes it go without a network."""
        page = self.page
        page.locator("input[name=tenant]").fill(person.world.code)
        page.locator("input[name=login]").fill(person.login)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("form button.main").click()
        self.synced()
        until(lambda: page.evaluate("navigator.serviceWorker.controller !== null"))

    def saved(self) -> None:
        """Wait until the app says that it has kept something."""
        expect(self.page.locator(".toast span")).to_contain_text(re.compile("저장|Saved"))

    def synced(self) -> None:
        """Wait until nothing waits, and no sync is under way."""
        until(lambda: self.page.evaluate(IDLE))
        expect(self.page.locator(".standing")).to_have_text(re.compile("모두 전송됨|Everything is sent"))

    def sync(self) -> None:
        """Ask for a sync, and wait for its end."""
        heard = self.page.evaluate(HEARD)
        self.page.locator(".standing").click()
        until(lambda: self.page.evaluate(HEARD) != heard)
        self.synced()

    def cut(self) -> None:
        """Take the network away: the server is gone, and the browser is told that it is offline."""
        self.site.stop()
        self.context.set_offline(True)

    def reconnect(self) -> None:
        """Give it back."""
        self.site.start()
        self.context.set_offline(False)

    def crash(self) -> None:
        """Kill the tab's process, and open the app again in another tab."""
        with self.page.expect_event("crash"), suppress(Error):
            self.page.goto("chrome://crash", timeout=5_000)
        self.page.close()
        self.page = self._tab()
        self.open()

    def close(self) -> None:
        """Throw it away."""
        self.context.close()


def until(holds: Callable[[], bool]) -> None:
    """Wait for something. Not in the page: its policy lets nobody make code out of a text."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


_ASK = """
(async () => {
  const name = (await indexedDB.databases()).map((one) => one.name).find((one) => one.startsWith("fieldmerge "));
  if (!name) return null;
  const open = indexedDB.open(name);
  await new Promise((resolve) => (open.onsuccess = resolve));
  const read = open.result.transaction(["state", "queue"]).objectStore(%s);
  await new Promise((resolve) => (read.onsuccess = resolve));
  open.result.close();
  return %s;
})()
"""
# When the phone last heard from the server, by its own store.
HEARD = _ASK % ('"state").get("heard_at"', "read.result ?? null")
# Whether it has heard from the server, sent all, and is not at it.
IDLE = _ASK % (
    '"queue").count(',
    """read.result === 0 && document.querySelector(".standing[aria-busy=false]") !== null
       && document.querySelector(".standing:not(.cut)") !== null""",
)
