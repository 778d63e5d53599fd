"""What tests put around a transport: one loses answers, one keeps what came."""

from collections.abc import Mapping

from examples.phone.transport import Reply, Transport, plain


class LossyTransport:
    """Loses answers on the way back: the server did the work, and the phone does not know."""

    def __init__(self, inner: Transport) -> None:
        """Lose nothing yet: set ``lose_next`` to the number of answers that shall not arrive."""
        self.inner = inner
        self.lose_next = 0
        self.lost = 0

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send, and perhaps lose the answer."""
        reply = self.inner.send(method, path, headers, body)
        if self.lose_next > 0:
            self.lose_next -= 1
            self.lost += 1
            raise ConnectionResetError("the answer was lost")
        return reply

    def close(self) -> None:
        """Let go of connections."""
        self.inner.close()


class RecordingTransport:
    """Keeps every byte that came, headers too, as it was before compression."""

    def __init__(self, inner: Transport) -> None:
        """Record what *inner* receives."""
        self.inner = inner
        self.received: list[bytes] = []
        self.sent: list[tuple[str, bytes]] = []

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send, and keep what comes."""
        self.sent.append((path, plain(body or b"", headers.get("Content-Encoding"))))
        reply = self.inner.send(method, path, headers, body)
        head = "".join(f"{name}: {value}\n" for name, value in reply.headers.items())
        self.received.append(f"{reply.status}\n{head}\n".encode() + reply.plain)
        return reply

    def has_received(self, text: str) -> bool:
        """Whether *text* ever came, in plain UTF-8 or escaped as JSON may write it."""
        escaped = text.encode("ascii", "backslashreplace")
        return any(text.encode() in part or escaped in part for part in self.received)

    def close(self) -> None:
        """Let go of connections."""
        self.inner.close()
