"""Which network addresses the service may connect to on behalf of a source or of a redirect."""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from transfer_service.errors import SourceFailed

FORBIDDEN = "The address of the source is not allowed"

Resolve = Callable[..., Iterable[tuple[Any, ...]]]
"""Called and answering like `socket.getaddrinfo`."""

_FORBIDDEN_IPV4 = [
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by the customers of a provider
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
# Everything outside is loopback, private, link-local, site-local, multicast, reserved, or IPv4 in disguise (mapped,
# compatible, NAT64).
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
_FORBIDDEN_IPV6 = [
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, which embeds IPv4 addresses, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: embeds IPv4 addresses
        "3ffe::/16",  # the former 6bone
        "3fff::/20",  # documentation
    )
]
_THIS_HOST = ipaddress.IPv4Network("0.0.0.0/8")
_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A socket address of a host, to be connected to exactly as it was checked."""

    family: int
    address: tuple[Any, ...]


def is_allowed(address: str, *, allow_private: bool) -> bool:
    """Whether a numeric address may be connected to: globally reachable, or with `allow_private` any single host."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if allow_private:
        return _is_single_host(parsed)
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _FORBIDDEN_IPV4)
    if parsed.scope_id is not None or parsed not in _GLOBAL_IPV6:
        return False
    return not any(parsed in network for network in _FORBIDDEN_IPV6)


def is_spelled_inside(host: str) -> bool:
    """Whether a host needs no resolver to lead where only `allow_private` may: a forbidden address, or this machine."""
    if host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost"):  # RFC 6761 section 6.3
        return True
    try:
        return not is_allowed(str(ipaddress.ip_address(host)), allow_private=False)
    except ValueError:
        pass
    try:
        return not is_allowed(socket.inet_ntoa(socket.inet_aton(host)), allow_private=False)  # 127.1, 0x7f000001
    except (OSError, ValueError):
        return False


def _is_single_host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # the kernel would send it by IPv4
    if isinstance(address, ipaddress.IPv4Address) and (address in _THIS_HOST or address == _BROADCAST):
        return False
    return not (address.is_multicast or address.is_unspecified)


def resolve_allowed(host: str, port: int, *, allow_private: bool, resolve: Resolve) -> list[Candidate]:
    """All addresses of a host. Raises OSError or UnicodeError if it has none, SourceFailed if one is forbidden.

    One forbidden address spoils the others: a public name that also points inwards is a mistake or an attack.
    """
    found = resolve(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    candidates = [Candidate(family=family, address=address) for family, _, _, _, address in found]
    if not candidates:
        raise OSError("no address")
    for candidate in candidates:
        if not _is_candidate_allowed(candidate, allow_private=allow_private):
            raise SourceFailed(FORBIDDEN)
    return candidates


def _is_candidate_allowed(candidate: Candidate, *, allow_private: bool) -> bool:
    if candidate.family == socket.AF_INET6 and not allow_private and candidate.address[3]:
        return False  # a zone that is not spelled in the address itself
    is_internet = candidate.family in (socket.AF_INET, socket.AF_INET6)
    return is_internet and is_allowed(str(candidate.address[0]), allow_private=allow_private)
