"""What receiving bytes costs at least on this machine: a bare loop without HTTP, to judge the service's figures by."""

import hashlib
import multiprocessing
import os
import socket
import tempfile
import time
from pathlib import Path

BLOCK_BYTES = 256 * 1024
BLOCKS_A_WRITE = 4


def bare_receive_cpu_seconds(path: Path) -> float:
    """CPU seconds to receive the file over the loopback interface, hash it and write it, in our service's blocks."""
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryFile() as file:
        sender = multiprocessing.get_context("fork").Process(target=_send, args=(path, listener.getsockname()[1]))
        sender.start()
        connection, _ = listener.accept()
        with connection:
            before = time.process_time()
            _receive(connection, file.fileno())
            spent = time.process_time() - before
        sender.join()
    return spent


def _send(path: Path, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection, path.open("rb") as file:
        offset, length = 0, path.stat().st_size
        while offset < length:
            offset += os.sendfile(connection.fileno(), file.fileno(), offset, length - offset)


def _receive(connection: socket.socket, descriptor: int) -> None:
    hasher, offset = hashlib.sha256(), 0
    while True:
        blocks = [block for _ in range(BLOCKS_A_WRITE) if (block := connection.recv(BLOCK_BYTES))]
        if not blocks:
            return
        offset += os.pwritev(descriptor, blocks, offset)
        for block in blocks:
            hasher.update(block)
