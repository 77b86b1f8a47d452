"""Networks that break where a test says so: between one instance and one engine, for all connections at once."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum

BLOCK_BYTES = 256 * 1024


class State(Enum):
    """What a gate does with connections, those that there are and new ones."""

    OPEN = "open"
    REFUSED = "refused"
    """They are reset."""
    SILENT = "silent"
    """Nothing comes through, and nobody is told. What was sent meanwhile arrives when the gate is open again."""


class Gate:
    """Listens on a `port` of its own and forwards to another one, both on 127.0.0.1."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target_port: int) -> None:
        self._loop = loop
        self._target_port = target_port
        self._passable = asyncio.Event()
        self._passable.set()
        self._state = State.OPEN
        self._writers: set[asyncio.StreamWriter] = set()
        serving = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), loop)
        self._server = serving.result()
        self.port: int = self._server.sockets[0].getsockname()[1]

    def turn(self, state: State) -> None:
        """Be in that state from now on."""
        asyncio.run_coroutine_threadsafe(self._turn(state), self._loop).result()

    async def _turn(self, state: State) -> None:
        self._state = state
        if state is State.SILENT:
            self._passable.clear()
        else:
            self._passable.set()
        if state is State.REFUSED:
            self._reset_all()

    def close(self) -> None:
        """End it with all connections."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()

    async def _close(self) -> None:
        self._server.close()
        self._passable.set()
        self._reset_all()

    def _reset_all(self) -> None:
        for writer in self._writers:
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state is State.REFUSED:
            _reset(writer)
            return
        self._writers.add(writer)
        other: asyncio.StreamWriter | None = None
        try:
            await self._passable.wait()
            source, other = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(other)
            await asyncio.gather(self._flow(reader, other), self._flow(source, writer))
        except OSError:
            pass
        finally:
            for each in (writer, other):
                if each is not None:
                    self._writers.discard(each)
                    _reset(each)

    async def _flow(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while block := await source.read(BLOCK_BYTES):
            await self._passable.wait()
            sink.write(block)
            await sink.drain()
        await self._passable.wait()
        with suppress(OSError):
            sink.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a RST in place of a FIN."""
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def gate_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The loop that gates run in, on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gates")
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
