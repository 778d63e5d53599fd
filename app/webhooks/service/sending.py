"""One message over HTTP: signed, to an address that was checked, with an end to everything."""

import hmac
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from http.client import HTTPException
from typing import Final
from urllib.parse import SplitResult

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, SSLError
from urllib3.util.ssl_match_hostname import CertificateError

from app.webhooks.service.addresses import AddressRefused, Resolve, check_url, public_addresses, resolve
from app.webhooks.service.errors import WebhookUrlRefused

CONNECT_S: Final = 5.0
SILENCE_S: Final = 10.0
WHOLE_S: Final = 20.0
READ_BYTES: Final = 16_384
ADDRESSES: Final = 3
USER_AGENT: Final = "Fieldmerge-Webhooks/1"
SIGNATURE: Final = "Fieldmerge-Signature"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, or why there is none."""

    status: int | None
    error: str | None

    @property
    def arrived(self) -> bool:
        """Whether the other side has taken the message."""
        return self.error is None


def signature(secrets: Sequence[str], body: bytes, at: datetime) -> str:
    """``t=…,v1=…``: seconds since 1970, and for each secret the HMAC-SHA256 of ``t.body`` in hexadecimals."""
    moment = str(int(at.timestamp()))
    signed = moment.encode() + b"." + body
    marks = [f"v1={hmac.new(secret.encode(), signed, sha256).hexdigest()}" for secret in secrets]
    return ",".join([f"t={moment}", *marks])


def send(
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    loopback: bool,
    resolver: Resolve = resolve,
    whole_s: float = WHOLE_S,
    trusted: ssl.SSLContext | None = None,
) -> Answer:
    """POST a message and wait for its status.

    The name is looked up once, and the connection goes to the address that was checked then: an answer of the
    name server that comes later changes nothing. Proxies are not asked, redirects are not followed, the
    answer's body is not kept.

    Args:
        url: Of the endpoint.
        body: JSON.
        headers: Of the message.
        loopback: Whether this machine itself is allowed; for tests.
        resolver: Looks names up.
        whole_s: When to end it, however slowly the other side goes on.
        trusted: Whose certificates are taken; of those that the system trusts, when left out.
    """
    try:
        parts = check_url(url, loopback=loopback)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = public_addresses(parts.hostname or "", port, loopback=loopback, resolver=resolver)
    except (WebhookUrlRefused, AddressRefused):
        return Answer(None, "address_refused")
    except (OSError, UnicodeError):
        return Answer(None, "name_unknown")
    answer = Answer(None, "unreachable")
    for address in addresses[:ADDRESSES]:
        answer = _posted(_connection(parts, address, port, trusted), parts, body, headers, whole_s)
        if answer.error != "unreachable":
            break
    return answer


def _posted(
    connection: HTTPConnection, parts: SplitResult, body: bytes, headers: dict[str, str], whole_s: float
) -> Answer:
    late = threading.Event()
    watch = threading.Timer(whole_s, _cut, (connection, late))
    watch.daemon = True
    watch.start()
    try:
        connection.connect()
        connection.timeout = SILENCE_S
        if connection.sock is not None:
            connection.sock.settimeout(SILENCE_S)
        target = parts.path or "/"
        connection.request(
            "POST",
            f"{target}?{parts.query}" if parts.query else target,
            body=body,
            headers={"Host": parts.netloc, "User-Agent": USER_AGENT, **headers},
            preload_content=False,
            decode_content=False,
        )
        response = connection.getresponse()
        status = response.status
        with suppress(HTTPError, OSError):
            response.read(READ_BYTES)
        # Headers that break off with the connection are taken for whole ones.
        return Answer(None, "timeout") if late.is_set() else Answer(status, _fault(status))
    except (SSLError, ssl.SSLError, CertificateError):
        return Answer(None, "timeout" if late.is_set() else "tls_failed")
    except (ConnectTimeoutError, TimeoutError):
        return Answer(None, "timeout")
    except (HTTPError, HTTPException, OSError, ValueError):
        if late.is_set():
            return Answer(None, "timeout")
        return Answer(None, "unreachable" if connection.sock is None else "connection_broken")
    finally:
        watch.cancel()
        connection.close()


def _connection(
    parts: SplitResult, address: str, port: int, trusted: ssl.SSLContext | None
) -> HTTPConnection:
    if parts.scheme == "http":
        return HTTPConnection(address, port, timeout=CONNECT_S)
    # Certificates are of the name that somebody typed, not of the address behind it.
    name = parts.hostname
    context = trusted or ssl.create_default_context()
    return HTTPSConnection(
        address, port, timeout=CONNECT_S, server_hostname=name, assert_hostname=name, ssl_context=context
    )


def _cut(connection: HTTPConnection, late: threading.Event) -> None:
    late.set()
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _fault(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    return "redirected" if 300 <= status < 400 else "refused"
