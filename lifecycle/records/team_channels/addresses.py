"""Where a channel's address may lead: to the public internet over TLS, and nowhere inside our own network.

A name may lead somewhere else at every look-up, so what counts is the address that is connected to. Hosts
that whoever runs the installation has named (CHANNEL_HOSTS_ALLOWED) are excused.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from flask import current_app

from lifecycle.core.errors import Invalid
from lifecycle.records.mailer import Refused

LONGEST: Final = 2000
# An IPv4 address within one of NAT64 (RFC 6052).
_NAT64: Final = IPv6Network("64:ff9b::/96")
# Public by their numbers, and a cloud's own to each of its machines.
_METADATA: Final = frozenset({IPv4Address("168.63.129.16"), IPv4Address("192.0.0.192")})
_SHORTEST: Final = 0.05  # seconds
_NOT_PUBLIC: Final = "It leads into a private network, or to this machine. Channels must be on the internet."


class NotPublic(Refused):
    """The address leads to where no channel can be."""

    def __init__(self) -> None:
        Exception.__init__(self, _NOT_PUBLIC)
        self.is_final = True


def clean_address(text: str) -> str:
    """Return an address that messages may be posted to, as far as its letters tell.

    Raises:
        Invalid: it is none; the error stands at `address`.
    """
    address = text.strip()
    problem = _problem_of(address)
    if problem is not None:
        raise Invalid(problem, {"address": problem})
    return address


def shown(address: str) -> str:
    """Return what of an address may be read: whoever knows the rest may post there."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/…{address[-4:] if len(parts.path + parts.query) > 24 else ''}"


def dial(host: str, port: int, seconds: float) -> socket.socket:
    """Connect to a host, to a public address of it only unless the installation excuses it.

    While there are others, one has half of what is left of the time.

    Raises:
        NotPublic: it has none; OSError: nobody answers there.
    """
    found = _look_up(host, port)
    is_excused = _is_allowed(host, port)
    open_to_us = [each for each in found if is_excused or is_public(str(each[4][0]))]
    failure: Exception = NotPublic() if found else OSError("The name leads nowhere.")
    # For all of them together: who answers for a name says how many there are.
    ends_at = time.monotonic() + seconds
    for number, (family, kind, protocol, _, where) in enumerate(open_to_us, 1):
        left = ends_at - time.monotonic()
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(left if number == len(open_to_us) else left / 2, _SHORTEST))
            sock.connect(where)
        except OSError as error:
            sock.close()
            failure = error
            if left < _SHORTEST:
                break
        else:
            sock.settimeout(seconds)
            return sock
    raise failure


def _look_up(host: str, port: int) -> list[tuple[Any, Any, int, str, Any]]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("The host's name cannot be one.") from None


def is_public(text: str) -> bool:
    """Say whether an IP address is one of the internet's, whatever it is wrapped in."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
    is_open = address.is_global and not (address.is_multicast or address.is_reserved)
    # Site-local addresses were given up for others, and some networks still have theirs.
    is_of_a_site = isinstance(address, IPv6Address) and address.is_site_local
    return is_open and not is_of_a_site and address not in _METADATA


def _problem_of(address: str) -> str | None:
    if not address:
        return "Enter the address."
    if len(address) > LONGEST or not address.isascii() or any(not letter.isprintable() for letter in address):
        return "Enter an address of plain letters, as it was copied."
    if " " in address:
        return "Enter one address without spaces."
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "Enter an address like https://hooks.example.com/…"
    return _problem_of_parts(parts, host, port)


def _problem_of_parts(parts: SplitResult, host: str, port: int | None) -> str | None:
    is_excused = _is_allowed(host, port or (443 if parts.scheme == "https" else 80))
    settings = current_app.extensions["settings"]
    may_be_open = parts.scheme == "http" and is_excused and settings.environment != "production"
    if parts.scheme != "https" and not may_be_open:
        return "The address must begin with https://."
    if not host:
        return "Enter an address like https://hooks.example.com/…"
    if "@" in parts.netloc:
        return "The address must not hold a user name or a password."
    if parts.fragment:
        return "Leave out what follows the #."
    if not is_excused and _is_plainly_private(host):
        return _NOT_PUBLIC
    return None


def _is_plainly_private(host: str) -> bool:
    """Say whether one sees it without a look-up; every connection is looked at all the same."""
    if host.rstrip(".").lower() == "localhost" or host.rstrip(".").lower().endswith(".localhost"):
        return True
    with suppress(ValueError):
        return not is_public(host)
    with suppress(OSError):
        # As numbers may be written too: 127.1, 0x7f000001.
        return not is_public(socket.inet_ntoa(socket.inet_aton(host)))
    return False


def _is_allowed(host: str, port: int) -> bool:
    allowed: frozenset[str] = current_app.extensions["settings"].channel_hosts_allowed
    return host.lower() in allowed or f"{host.lower()}:{port}" in allowed
