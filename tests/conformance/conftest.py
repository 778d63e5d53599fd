"""The sandbox of tests/sandbox behind a socket, by an honest way and by one that lies."""

from tests.sandbox.conftest import base_url, box

__all__ = ["base_url", "box"]
