"""Ways to an engine that are cut, and come back."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.growing.gates import Gate, State, gate_loop


def _echo(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection,)).start()


def _answer(connection: socket.socket) -> None:
    with connection, suppress(ConnectionError):
        while data := connection.recv(100):
            connection.sendall(data.upper())


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with gate_loop() as loop:
        yield loop


@pytest.fixture
def gate(loop: asyncio.AbstractEventLoop) -> Iterator[Gate]:
    """The way to a server that answers in capitals."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_echo, args=(listener,))
        thread.start()
        gate = Gate(loop, listener.getsockname()[1])
        yield gate
        gate.close()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _connected(gate: Gate) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gate.port), timeout=5)


def _ask(connection: socket.socket, data: bytes = b"hello") -> bytes:
    connection.sendall(data)
    return connection.recv(100)


def test_an_open_gate_lets_everything_through(gate: Gate) -> None:
    with _connected(gate) as client:
        assert _ask(client) == b"HELLO"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


def test_a_gate_that_refuses_resets_what_is_there_and_what_comes(gate: Gate) -> None:
    with _connected(gate) as client:
        _ask(client)
        gate.turn(State.REFUSED)
        with pytest.raises(ConnectionResetError):
            client.recv(100)
    with pytest.raises(ConnectionError), _connected(gate) as later:
        _ask(later)


def test_a_silent_gate_keeps_what_is_sent_until_it_is_open(gate: Gate) -> None:
    with _connected(gate) as client:
        _ask(client)
        gate.turn(State.SILENT)
        client.settimeout(0.1)
        with _connected(gate) as later:
            for each in (client, later):
                each.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    _ask(each)
            gate.turn(State.OPEN)
            client.settimeout(5)
            later.settimeout(5)
            assert client.recv(100) == later.recv(100) == b"HELLO"
