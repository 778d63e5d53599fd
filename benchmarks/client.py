"""A small keep-alive client, the same for us and for the floors."""

import gzip
import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit


class Client:
    """One connection that stays open."""

    def __init__(self, url: str, token: str = "") -> None:
        """Connect lazily to *url*."""
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=120)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.token = token
        self.bytes_in = 0

    def post(self, path: str, body: Any) -> Any:
        """POST JSON, give the parsed answer (None where it is not an object)."""
        return json.loads(self.post_raw(path, json.dumps(body).encode()))

    def post_raw(self, path: str, body: bytes) -> bytes:
        """POST bytes, give the decompressed answer."""
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        self.connection.request("POST", path, body, headers)
        response = self.connection.getresponse()
        raw = response.read()
        self.bytes_in += len(raw)
        if response.status != http.client.OK:
            raise RuntimeError(f"{path}: {response.status} {raw[:500]!r}")
        return gzip.decompress(raw) if response.headers.get("Content-Encoding") == "gzip" else raw
