"""A small server: the files of the app, and behind /api/ the API, so that the browser sees one origin."""

import http.client
import json
import socket
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

from examples.pwa.files import FIRST, LIST, WORKER, File, headers_of

API: Final = "/api/"
MOST_BYTES: Final = 8 << 20  # of a request; the API takes no more
TIMEOUT_S: Final = 60
# The live pings never end: they need a proxy that passes on what comes as it comes (docs/pwa.md).
STREAMS: Final = ("/api/v1/sync/events", "/api/v1/sync/rxdb/events")
SENT_ON: Final = (
    "Authorization",
    "Content-Type",
    "Accept-Language",
    "Accept-Encoding",
    "If-Match",
    "User-Agent",
)
BROUGHT_BACK: Final = (
    "Content-Type",
    "Content-Encoding",
    "Content-Language",
    "ETag",
    "Retry-After",
    "X-Request-Id",
)

Load = Callable[[], Mapping[str, File]]


class Server(ThreadingHTTPServer):
    """Serves until it is shut down."""

    daemon_threads = True

    def __init__(self, host: str, port: int, api: str, load: Load) -> None:
        """Listen.

        Args:
            host: Address to listen on.
            port: 0 for any.
            api: Where the API is, ``http://127.0.0.1:8000``.
            load: Gives the files; asked at each request of the worker, so that an edit of them is a new version.
        """
        self.api = urlsplit(api)
        self.load = load
        self.files = load()
        super().__init__((host, port), Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"http://{'localhost' if host == '127.0.0.1' else host}:{port}/"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server
    timeout = TIMEOUT_S

    def do_GET(self) -> None:
        """A file, or the API."""
        path = urlsplit(self.path).path
        if path.startswith(API):
            self._pass_on()
            return
        name = path.removeprefix("/") or FIRST
        if name in (FIRST, WORKER, LIST):
            self.server.files = self.server.load()
        file = self.server.files.get(name)
        if file is None:
            self._problem(404, "not_found")
        elif self.headers.get("If-None-Match") == file.etag:
            self._answer(304, b"", {**headers_of(name), "ETag": file.etag})
        else:
            packed = "gzip" in self.headers.get("Accept-Encoding", "") and len(file.packed) < len(
                file.content
            )
            more = {"Content-Encoding": "gzip"} if packed else {}
            kind = {"Content-Type": file.type, "ETag": file.etag, "Vary": "Accept-Encoding"}
            headers = {**headers_of(name), **kind, **more}
            self._answer(200, file.packed if packed else file.content, headers)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        """The API only."""
        if self.path.startswith(API):
            self._pass_on()
        else:
            self.close_connection = True
            self._problem(404, "not_found")

    do_PATCH = do_PUT = do_DELETE = do_POST  # noqa: N815

    def _pass_on(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._problem(411, "length_required")
            return
        if int(length) > MOST_BYTES:
            self.close_connection = True
            self._problem(413, "body_too_large")
            return
        body = self.rfile.read(int(length)) or None
        if urlsplit(self.path).path in STREAMS:
            self._problem(503, "events_unavailable")
            return
        try:
            status, headers, content = self._ask(body)
        except (OSError, http.client.HTTPException):
            self._problem(502, "api_unreachable")
            return
        self._answer(
            status, content, {**headers, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        )

    def _ask(self, body: bytes | None) -> tuple[int, dict[str, str], bytes]:
        api = self.server.api
        kind = http.client.HTTPSConnection if api.scheme == "https" else http.client.HTTPConnection
        connection = kind(api.hostname or "127.0.0.1", api.port, timeout=TIMEOUT_S)
        try:
            headers = {name: self.headers[name] for name in SENT_ON if name in self.headers}
            connection.request(self.command, api.path.rstrip("/") + self.path, body, headers)
            reply = connection.getresponse()
            brought = {name: reply.headers[name] for name in BROUGHT_BACK if name in reply.headers}
            return reply.status, brought, reply.read()
        finally:
            connection.close()

    def _problem(self, status: int, code: str) -> None:
        content = json.dumps({"type": "about:blank", "status": status, "code": code}).encode()
        self._answer(status, content, {"Content-Type": "application/problem+json"})

    def _answer(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def version_string(self) -> str:
        """Name no versions."""
        return "fieldmerge-pwa"

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: paths hold ids of records."""


def is_there(api: str) -> bool:
    """Whether the API answers."""
    where = urlsplit(api)
    try:
        with socket.create_connection((where.hostname or "127.0.0.1", where.port or 80), timeout=2):
            return True
    except OSError:
        return False
