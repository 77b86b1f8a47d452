"""Which addresses may be connected to."""

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.errors import SourceFailed
from transfer_service.remote.url_guard import FORBIDDEN, is_allowed, resolve_allowed

GLOBAL = [
    *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0"),
    *("198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111", "2001:200::1", "2a00:1450::1"),
]
SINGLE_HOSTS = [
    pytest.param("10.0.0.1", id="private-10"),
    pytest.param("10.255.255.255", id="private-10-end"),
    pytest.param("100.64.0.0", id="shared"),
    pytest.param("100.127.255.255", id="shared-end"),
    pytest.param("127.0.0.1", id="loopback"),
    pytest.param("127.255.255.254", id="loopback-end"),
    pytest.param("169.254.169.254", id="cloud-metadata"),
    pytest.param("172.16.0.1", id="private-172"),
    pytest.param("172.31.255.255", id="private-172-end"),
    pytest.param("192.0.0.8", id="protocol-assignments"),
    pytest.param("192.0.0.9", id="protocol-assignment-that-is-global"),
    pytest.param("192.0.2.1", id="documentation-1"),
    pytest.param("192.88.99.1", id="6to4-relay"),
    pytest.param("192.168.0.1", id="private-192"),
    pytest.param("198.18.0.1", id="benchmark"),
    pytest.param("198.19.255.255", id="benchmark-end"),
    pytest.param("198.51.100.1", id="documentation-2"),
    pytest.param("203.0.113.1", id="documentation-3"),
    pytest.param("240.0.0.1", id="reserved"),
    pytest.param("255.255.255.254", id="reserved-end"),
    pytest.param("::1", id="loopback-6"),
    pytest.param("::ffff:127.0.0.1", id="mapped-loopback"),
    pytest.param("::ffff:8.8.8.8", id="mapped-global"),
    pytest.param("::ffff:0:8.8.8.8", id="translated"),
    pytest.param("::127.0.0.1", id="compatible-loopback"),
    pytest.param("::8.8.8.8", id="compatible-global"),
    pytest.param("64:ff9b::a00:1", id="nat64-private"),
    pytest.param("64:ff9b::808:808", id="nat64-global"),
    pytest.param("64:ff9b:1::1", id="nat64-local"),
    pytest.param("100::1", id="discard"),
    pytest.param("2001::1", id="teredo"),
    pytest.param("2001:0:7f00:1::", id="teredo-loopback"),
    pytest.param("2001:2::1", id="benchmark-6"),
    pytest.param("2001:10::1", id="orchid"),
    pytest.param("2001:20::1", id="orchid-2"),
    pytest.param("2001:db8::1", id="documentation-6"),
    pytest.param("2002:7f00:1::", id="6to4-loopback"),
    pytest.param("2002:808:808::", id="6to4-global"),
    pytest.param("3ffe::1", id="6bone"),
    pytest.param("3fff::1", id="documentation-6-new"),
    pytest.param("5f00::1", id="segment-routing"),
    pytest.param("fc00::1", id="unique-local"),
    pytest.param("fd12:3456::1", id="unique-local-fd"),
    pytest.param("fe80::1", id="link-local"),
    pytest.param("fe80::1%eth0", id="link-local-with-zone"),
    pytest.param("fec0::1", id="site-local"),
    pytest.param("2606:4700:4700::1111%eth0", id="global-with-zone"),
]
NEVER = [
    pytest.param("0.0.0.0", id="unspecified"),
    pytest.param("0.1.2.3", id="this-network"),
    pytest.param("224.0.0.1", id="multicast"),
    pytest.param("239.255.255.255", id="multicast-end"),
    pytest.param("255.255.255.255", id="broadcast"),
    pytest.param("::", id="unspecified-6"),
    pytest.param("ff02::1", id="multicast-6"),
    pytest.param("ff0e::1", id="global-multicast-6"),
    pytest.param("::ffff:0.0.0.0", id="mapped-unspecified"),
    pytest.param("::ffff:224.0.0.1", id="mapped-multicast"),
    pytest.param("::ffff:255.255.255.255", id="mapped-broadcast"),
    pytest.param("", id="empty"),
    pytest.param("localhost", id="name"),
    pytest.param("127.1", id="short"),
    pytest.param("0x7f.1", id="hexadecimal"),
    pytest.param("2130706433", id="one-number"),
    pytest.param("0177.0.0.1", id="octal"),
    pytest.param("8.8.8.8.", id="trailing-dot"),
    pytest.param("[::1]", id="brackets"),
    pytest.param(" 8.8.8.8", id="space"),
]


def answering(*addresses: str, zone: int = 0) -> Any:
    """A resolver that gives these addresses for every name."""

    def resolve(_host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for address in addresses:
            if ":" in address:
                found.append((socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, zone)))
            else:
                found.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)))
        return found

    return resolve


@pytest.mark.parametrize("address", GLOBAL)
@pytest.mark.parametrize("allow_private", [True, False], ids=["private-allowed", "private-refused"])
def test_a_global_address_is_allowed(address: str, allow_private: bool) -> None:
    assert is_allowed(address, allow_private=allow_private)


@pytest.mark.parametrize("address", SINGLE_HOSTS)
def test_any_other_address_is_allowed_only_where_private_ones_are(address: str) -> None:
    assert not is_allowed(address, allow_private=False)
    assert is_allowed(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("allow_private", [True, False], ids=["private-allowed", "private-refused"])
def test_what_is_not_one_host_is_never_allowed(address: str, allow_private: bool) -> None:
    assert not is_allowed(address, allow_private=allow_private)


@given(address=st.ip_addresses())
def test_what_python_knows_as_special_is_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert is_allowed(str(address), allow_private=False) <= (address.is_global and not address.is_multicast)


@given(address=st.ip_addresses(v=4))
def test_an_ipv4_address_inside_of_an_ipv6_one_is_refused(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    inside = [number, 0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80]
    inside.append(0x20010000 << 96 | number << 64)  # the server of a Teredo address
    assert not [each for each in inside if is_allowed(str(ipaddress.IPv6Address(each)), allow_private=False)]


@given(text=st.text(max_size=60))
def test_no_text_makes_the_check_fail(text: str) -> None:
    assert is_allowed(text, allow_private=False) in (True, False)


@pytest.mark.parametrize("host", ["0x7f.1", "2130706433", "127.1", "0177.0.0.1", "localhost", "127.0.0.1"])
def test_an_unusual_spelling_is_judged_by_where_it_leads(host: str) -> None:
    with pytest.raises(SourceFailed, match=FORBIDDEN):
        resolve_allowed(host, 80, allow_private=False, resolve=socket.getaddrinfo)


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(("8.8.8.8", "10.0.0.1"), id="private-last"),
        pytest.param(("10.0.0.1", "8.8.8.8"), id="private-first"),
        pytest.param(("8.8.8.8", "::1"), id="the-other-family"),
    ],
)
def test_one_forbidden_address_spoils_a_host(addresses: tuple[str, ...]) -> None:
    with pytest.raises(SourceFailed, match=FORBIDDEN):
        resolve_allowed("source.example", 80, allow_private=False, resolve=answering(*addresses))


def test_an_address_with_a_numeric_zone_is_refused() -> None:
    resolve = answering("2606:4700:4700::1111", zone=2)
    with pytest.raises(SourceFailed, match=FORBIDDEN):
        resolve_allowed("source.example", 80, allow_private=False, resolve=resolve)


def test_another_family_of_addresses_is_refused() -> None:
    def resolve(*_arguments: Any, **_options: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", ("/run/service",))]

    with pytest.raises(SourceFailed, match=FORBIDDEN):
        resolve_allowed("source.example", 80, allow_private=True, resolve=resolve)


def test_a_host_without_addresses_is_an_error() -> None:
    with pytest.raises(OSError, match="no address"):
        resolve_allowed("source.example", 80, allow_private=False, resolve=answering())


def test_all_allowed_addresses_are_candidates_as_they_were_checked() -> None:
    resolve = answering("8.8.8.8", "2606:4700:4700::1111")
    candidates = resolve_allowed("source.example", 443, allow_private=False, resolve=resolve)
    assert [each.address for each in candidates] == [("8.8.8.8", 443), ("2606:4700:4700::1111", 443, 0, 0)]
