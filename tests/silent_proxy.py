"""A TCP proxy that falls silent: connections stay, new ones are made, and nothing comes through any more."""

import selectors
import socket
import threading
from contextlib import suppress


class SilentProxy:
    """Listens on `port` and forwards to `target_port`, both on 127.0.0.1, until the `with` block ends."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._peers: dict[socket.socket, socket.socket] = {}
        self._is_silent = threading.Event()
        self._is_ended = threading.Event()

    def __enter__(self) -> "SilentProxy":
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="silent-proxy")
        self._thread.start()
        return self

    def __exit__(self, *_args: object) -> None:
        self._is_ended.set()
        self._thread.join()
        self._selector.close()
        for end in [self._listener, *self._peers]:
            end.close()

    def fall_silent(self) -> None:
        """From now on every byte waits here."""
        self._is_silent.set()

    def speak(self) -> None:
        """Let everything through that has waited, and what comes."""
        self._is_silent.clear()

    def _run(self) -> None:
        while not self._is_ended.is_set():
            if self._is_silent.is_set():
                self._is_ended.wait(0.02)
                continue
            for key, _ in self._selector.select(0.02):
                end = key.fileobj
                assert isinstance(end, socket.socket)
                if end is self._listener:
                    self._accept()
                elif end in self._peers:
                    self._forward(end)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._target_port))
        except OSError:
            client.close()
            return
        self._peers.update({client: server, server: client})
        for end in (client, server):
            self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, end: socket.socket) -> None:
        peer, block = self._peers[end], b""
        with suppress(OSError):
            block = end.recv(256 * 1024)
            peer.sendall(block)
        if not block:
            for closed in (end, peer):
                self._selector.unregister(closed)
                del self._peers[closed]
                closed.close()
