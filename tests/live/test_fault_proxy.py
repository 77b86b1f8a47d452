"""The proxy that breaks connections: each fault does what it says."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.live.fault_proxy import Fault, FaultProxy, Trickle
from tests.live.server import wait_until

pytestmark = pytest.mark.one_machine("there is no service in it")

DATA = bytes(range(256)) * 4096  # 1 MiB


def echo(connection: socket.socket) -> None:
    """Read to the end of the stream and send it all back."""
    received = b""
    while block := connection.recv(65536):
        received += block
    connection.sendall(received)


def count(connection: socket.socket) -> None:
    """Read until the stream ends or breaks, and answer how much it was."""
    size, end = 0, "end"
    try:
        while block := connection.recv(65536):
            size += len(block)
    except ConnectionResetError:
        end = "reset"
    counted.append((size, end))
    connection.sendall(f"{size}".encode())


counted: list[tuple[int, str]] = []


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that handles one connection after the other; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                with suppress(ConnectionError):
                    handle(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def exchange(proxy: FaultProxy, data: bytes = DATA) -> tuple[bytes, str]:
    """Send `data` and the end of the stream; give what comes back and how it ends."""
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while block := connection.recv(65536):
                received += block
    except TimeoutError:
        raise
    except OSError:
        return received, "reset"
    return received, "end"


def test_without_a_fault_every_byte_passes_both_ways() -> None:
    with serving(echo) as port, FaultProxy(port) as proxy:
        assert exchange(proxy) == (DATA, "end")
        assert proxy.bytes_toward == {"client": len(DATA), "server": len(DATA)}
        assert (proxy.connections, proxy.faults_done) == (1, [])


@pytest.mark.parametrize("offset", [0, 1, 100_000, len(DATA) - 1])
@pytest.mark.parametrize("end", ["reset", "end"])
def test_a_client_is_cut_off_behind_exactly_that_byte(offset: int, end: str) -> None:
    fault = Fault(reset_at=offset) if end == "reset" else Fault(half_close_at=offset)
    with serving(echo) as port, FaultProxy(port, [fault]) as proxy:
        assert exchange(proxy) == (DATA[:offset], end)
        assert proxy.faults_done == [fault]
        assert exchange(proxy) == (DATA, "end")


def test_a_server_is_reset_behind_exactly_that_byte_and_its_client_too() -> None:
    counted.clear()
    with serving(count) as port, FaultProxy(port, [Fault(reset_at=100_000, toward="server")]) as proxy:
        assert exchange(proxy) == (b"", "reset")
        assert len(proxy.faults_done) == 1
    assert counted == [(100_000, "reset")]


def test_behind_a_silent_byte_nothing_arrives_until_the_sender_gives_up() -> None:
    counted.clear()
    with serving(count) as port, FaultProxy(port, [Fault(silent_at=100_000, toward="server")]) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
            connection.sendall(DATA)  # all of it is taken
            wait_until(lambda: len(proxy.faults_done) == 1)
            assert (counted, proxy.bytes_toward["server"]) == ([], 100_000)
        wait_until(lambda: counted == [(100_000, "reset")])


def test_a_half_closed_server_can_still_answer() -> None:
    with serving(count) as port, FaultProxy(port, [Fault(half_close_at=100_000, toward="server")]) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
            connection.sendall(DATA[:200_000])
            assert connection.recv(100) == b"100000"
        assert len(proxy.faults_done) == 1


@pytest.mark.parametrize("toward", ["client", "server"])
def test_the_first_byte_is_late_and_the_rest_comes_by_itself(toward: str) -> None:
    fault = Fault(delay_seconds=0.2, toward="client" if toward == "client" else "server")
    with serving(echo) as port, FaultProxy(port, [fault]) as proxy:
        began_at = time.monotonic()
        assert exchange(proxy) == (DATA, "end")
        assert time.monotonic() - began_at >= 0.2
        assert proxy.faults_done == [fault]


def test_a_trickle_takes_its_time_and_loses_nothing() -> None:
    fault = Fault(trickle=Trickle(size=100, seconds=0.02))
    with serving(echo) as port, FaultProxy(port, [fault]) as proxy:
        began_at = time.monotonic()
        assert exchange(proxy, DATA[:1100]) == (DATA[:1100], "end")
        assert time.monotonic() - began_at >= 0.2
        assert proxy.faults_done == [fault]


def test_a_fault_waits_for_a_connection_that_is_long_enough() -> None:
    fault = Fault(reset_at=1000)
    with serving(echo) as port, FaultProxy(port, [fault]) as proxy:
        assert exchange(proxy, DATA[:999]) == (DATA[:999], "end")
        assert proxy.faults_done == []
        wait_until(lambda: list(proxy.plan) == [fault])
        assert exchange(proxy) == (DATA[:1000], "reset")
        assert (proxy.faults_done, proxy.connections) == ([fault], 2)


def test_a_server_that_is_not_there_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with FaultProxy(port) as proxy:
        assert exchange(proxy) == (b"", "reset")


def test_the_end_of_the_proxy_ends_its_connections() -> None:
    with serving(echo) as port:
        with FaultProxy(port) as proxy:
            connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
            connection.sendall(b"x")
        with connection, suppress(ConnectionResetError):
            assert connection.recv(1) == b""
