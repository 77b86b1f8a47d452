"""Addresses as they are counted. Counting itself is tested with what counts: sign-ins and requests."""

import pytest

from transfer_service.services.shared_windows import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_a_customer_of_ipv6_has_a_network(address: str, network: str) -> None:
    assert network_of(address) == network
