"""What a browser wants of an app that it installs, and what the first load costs."""

import threading
from collections.abc import Callable, Iterator, Mapping

import pytest
from playwright.sync_api import expect

from examples.pwa.files import load
from examples.pwa.serving import Handler, Server
from tests.pages.handset import Handset, until
from tests.pages.test_app import FIRST_LOAD_BYTES

pytestmark = pytest.mark.more
# The browsers of these tests keep nothing, and a window that keeps nothing installs nothing: no fault of the app's.
OF_THE_TEST = {"in-incognito"}


class Weighing(Handler):
    """Notes how much it sends."""

    sent: list[int]

    def _answer(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.sent.append(len(content) if status == 200 else 0)
        super()._answer(status, content, headers)


@pytest.fixture
def weighed(api_url: str) -> Iterator[tuple[str, list[int]]]:
    """The address of a server of the app, and the bytes of each file that it has sent."""
    sent: list[int] = []
    server = Server("127.0.0.1", 0, api_url, load)
    server.RequestHandlerClass = type("Weighing", (Weighing,), {"sent": sent})
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    yield server.url, sent
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_browser_offers_to_install_it_after_a_first_load_that_is_small(
    handset: Callable[..., Handset], weighed: tuple[str, list[int]]
) -> None:
    address, sent = weighed
    page = handset().page
    page.goto(address)
    expect(page.get_by_role("heading", name="로그인")).to_be_visible()
    until(
        lambda: page.evaluate(
            "navigator.serviceWorker.ready.then((one) => one.active?.state === 'activated')"
        )
    )

    browser = page.context.new_cdp_session(page)
    told = browser.send("Page.getAppManifest")
    wrong = browser.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert told["url"] == f"{address}manifest.webmanifest"
    assert told["errors"] == []
    assert [one for one in wrong if one["errorId"] not in OF_THE_TEST] == []
    assert sum(sent) < FIRST_LOAD_BYTES, "the worker loads again what the page has just loaded"
