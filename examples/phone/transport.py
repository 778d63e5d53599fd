"""The way to the server: HTTP over one connection that is kept open."""

import gzip
import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the wire; header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def plain(self) -> bytes:
        """The body without its compression."""
        return plain(self.body, self.headers.get("content-encoding"))


def plain(body: bytes, encoding: str | None) -> bytes:
    """A body without its compression."""
    return gzip.decompress(body) if encoding == "gzip" else body


class Transport(Protocol):
    """Carries one request. Raises OSError or http.client.HTTPException where no answer came."""

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send and wait for the answer."""

    def close(self) -> None:
        """Let go of connections."""


class HttpTransport:
    """One connection that is kept open; a broken one is opened again by the next request."""

    def __init__(self, base_url: str, *, timeout_s: float = 30) -> None:
        """Nothing connects before the first request."""
        self._url = urlsplit(base_url)
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send and wait for the answer."""
        self._connection = connection = self._connection or self._open()
        try:
            connection.request(method, self._url.path.rstrip("/") + path, body, dict(headers))
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        except BaseException:
            self.close()
            raise

    def _open(self) -> http.client.HTTPConnection:
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        return kind(self._url.hostname or "127.0.0.1", self._url.port, timeout=self._timeout_s)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
