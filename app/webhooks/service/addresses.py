"""Which addresses may be told anything: never one inside our own network."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from app.webhooks.service.errors import WebhookUrlRefused

URL_MAX: Final = 2_000
_NAT64: Final = IPv6Network("64:ff9b::/96")

Resolve = Callable[[str, int], list[str]]


class AddressRefused(Exception):
    """A name stands for an address that is not of the public Internet."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, each once; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def check_url(url: str, *, loopback: bool) -> SplitResult:
    """Refuse what is no address that events may go to.

    Args:
        url: As somebody has typed it.
        loopback: Whether this machine itself is allowed, over plain http; for tests.

    Raises:
        WebhookUrlRefused: ``details``: ``reason``.
    """
    if len(url) > URL_MAX or not url.isascii() or any(c.isspace() or ord(c) < 32 for c in url):
        raise WebhookUrlRefused(reason="malformed")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WebhookUrlRefused(reason="malformed") from None
    if parts.scheme != "https" and not (loopback and parts.scheme == "http"):
        raise WebhookUrlRefused(reason="not_https")
    if not parts.hostname or port == 0 or "\\" in url:
        raise WebhookUrlRefused(reason="malformed")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise WebhookUrlRefused(reason="credentials_or_fragment")
    if _is_number(parts.hostname) and not is_public(parts.hostname, loopback=loopback):
        raise WebhookUrlRefused(reason="private_address")
    return parts


def public_addresses(host: str, port: int, *, loopback: bool, resolver: Resolve = resolve) -> list[str]:
    """The addresses of a name, all of them public, to be connected to as they are.

    One private address among them refuses the name: it is somebody's trick, or a mistake.

    Raises:
        AddressRefused: Not all are public.
        OSError: The name is unknown.
    """
    found = resolver(host, port)
    if not found or not all(is_public(one, loopback=loopback) for one in found):
        raise AddressRefused
    return found


def is_public(text: str, *, loopback: bool = False) -> bool:
    """Whether an address is one of the public Internet, also where it hides in another."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if loopback and address.is_loopback:
        return True
    return all(one.is_global and not one.is_multicast for one in _with_hidden(address))


def _with_hidden(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address and the IPv4 ones that it carries: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    found: list[IPv4Address | IPv6Address] = [address]
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    if address in _NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return found


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
