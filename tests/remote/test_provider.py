"""What a provider publishes: kept for a while, and asked for within bounds."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from joserfc.jwk import RSAKey

from tests.live.server import wait_until
from tests.openid_provider import HostileProvider, hostile_provider
from transfer_service.errors import ProviderAway
from transfer_service.remote.provider import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, Exchange, Provider

DISCOVERY = "/.well-known/openid-configuration"


class Watch:
    """A clock that stands still."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def honest() -> Iterator[HostileProvider]:
    with hostile_provider() as running:
        yield running


@pytest.fixture
def provider(honest: HostileProvider, watch: Watch) -> Provider:
    return Provider(honest.issuer, Exchange(), now=watch)


def asked(honest: HostileProvider) -> int:
    return honest.asked.count(DISCOVERY)


def test_what_is_fresh_is_not_asked_for_again(provider: Provider, honest: HostileProvider, watch: Watch) -> None:
    first = provider.published()
    watch.seconds += FRESH_SECONDS - 1
    assert (provider.published() is first, asked(honest)) == (True, 1)


def test_what_is_old_counts_while_it_is_asked_for_beside(
    provider: Provider, honest: HostileProvider, watch: Watch
) -> None:
    first = provider.published()
    watch.seconds += FRESH_SECONDS
    assert provider.published() is first
    wait_until(lambda: provider.published() is not first)
    assert asked(honest) == 2


def test_what_is_a_day_old_does_not_count(provider: Provider, honest: HostileProvider, watch: Watch) -> None:
    provider.published()
    honest.is_away = True
    watch.seconds += STALE_SECONDS - 1
    provider.published()
    wait_until(lambda: asked(honest) == 2)
    watch.seconds += PAUSE_SECONDS
    with pytest.raises(ProviderAway):
        provider.published()


def test_many_at_once_ask_once(provider: Provider, honest: HostileProvider) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(map(id, pool.map(lambda _: provider.published(), range(8))))
    assert (len(found), asked(honest)) == (1, 1)


def test_after_a_failure_nobody_asks_for_a_while(provider: Provider, honest: HostileProvider, watch: Watch) -> None:
    honest.is_away = True
    for _ in range(3):
        with pytest.raises(ProviderAway):
            provider.published()
    assert asked(honest) == 1
    honest.is_away = False
    watch.seconds += PAUSE_SECONDS
    assert provider.published().metadata["issuer"] == honest.issuer


def test_keys_that_change_again_are_waited_for(honest: HostileProvider, watch: Watch) -> None:
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        watch.seconds += seconds

    provider = Provider(honest.issuer, Exchange(), now=watch, sleep=sleep)
    known = provider.published()
    for name in ("second", "third"):
        watch.seconds += 2
        honest.published = [RSAKey.generate_key(2048, {"kid": name})]
        known = provider.republished(known)
        assert [key.kid for key in known.keys] == [name]
    assert (waited, asked(honest)) == ([PAUSE_SECONDS - 2] * 2, 3)


def test_keys_that_are_not_published_are_waited_for_once(honest: HostileProvider, watch: Watch) -> None:
    waited: list[float] = []
    provider = Provider(honest.issuer, Exchange(), now=watch, sleep=waited.append)
    known = provider.published()
    for _ in range(5):
        known = provider.republished(known)
    assert (waited, asked(honest)) == ([PAUSE_SECONDS], 2)
    watch.seconds += PAUSE_SECONDS
    provider.republished(known)
    assert (waited, asked(honest)) == ([PAUSE_SECONDS], 3)


def test_nobody_waits_for_keys_of_a_provider_that_is_away(honest: HostileProvider, watch: Watch) -> None:
    waited: list[float] = []
    provider = Provider(honest.issuer, Exchange(), now=watch, sleep=waited.append)
    known = provider.published()
    watch.seconds += PAUSE_SECONDS
    honest.is_away = True
    with pytest.raises(ProviderAway):
        provider.republished(known)
    watch.seconds += 1
    assert provider.republished(known) is known
    assert (waited, asked(honest)) == ([], 2)


def test_an_issuer_by_https_publishes_no_addresses_by_http() -> None:
    provider = Provider("https://login.example.com", Exchange())
    with pytest.raises(ProviderAway, match="not secure"):
        provider._address("http://login.example.com/token")
    assert provider._address("https://elsewhere.example.com/token") == "https://elsewhere.example.com/token"


def _say_nothing(_connection: socket.socket, _is_over: threading.Event) -> None:
    """Nothing comes."""


def _drip(connection: socket.socket, is_over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not is_over.wait(0.05):
        connection.sendall(b" ")


def _head_without_end(connection: socket.socket, is_over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not is_over.wait(0.05):
        connection.sendall(b"X: y\r\n")


@pytest.mark.parametrize("behave", [_say_nothing, _drip, _head_without_end])
def test_a_provider_that_never_ends_is_left_in_time(behave: Callable[[socket.socket, threading.Event], None]) -> None:
    is_over = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                behave(connection, is_over)
                is_over.wait(20)
            except OSError:  # the client has left
                return

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        began = time.monotonic()
        with pytest.raises(ProviderAway):
            Exchange(seconds=0.5).ask(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        took = time.monotonic() - began
        is_over.set()
        thread.join()
    assert took < 5


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://224.0.0.1/", "ftp://127.0.0.1/", "http://no.such.invalid/"]
)
def test_what_cannot_be_reached_is_away(url: str) -> None:
    with pytest.raises(ProviderAway):
        Exchange(seconds=5).ask(url)
