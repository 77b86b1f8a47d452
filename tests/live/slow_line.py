"""A long line between a client and a server: bytes take their time, and only so many are on their way.

Like TCP over a distance: a sender may have a window of bytes that are not confirmed, and a confirmation takes as long
as the bytes did. It runs in a process of its own.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

REPOSITORY = Path(__file__).parents[2]
WINDOW_BYTES = 4 * 1024 * 1024  # what Linux lets a sender have on its way (tcp_wmem)
BLOCK_BYTES = 128 * 1024


class _Line:
    """One connection, in both directions."""

    def __init__(self, server_port: int, one_way_seconds: float) -> None:
        self._server_port = server_port
        self._one_way_seconds = one_way_seconds

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until both ends have closed."""
        there, back = await asyncio.open_connection("127.0.0.1", self._server_port, limit=BLOCK_BYTES)
        await asyncio.gather(self._move(reader, back), self._move(there, writer), return_exceptions=True)
        for each in (back, writer):
            each.close()

    async def _move(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        loop, window = asyncio.get_running_loop(), _Window()
        arriving: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await arriving.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    target.write_eof()
                    return
                target.write(data)
                await target.drain()
                loop.call_later(self._one_way_seconds, window.give, len(data))

        delivering = asyncio.ensure_future(deliver())
        while data := await source.read(BLOCK_BYTES):
            await window.take(len(data))
            arriving.put_nowait((loop.time() + self._one_way_seconds, data))
        arriving.put_nowait((loop.time() + self._one_way_seconds, b""))
        await delivering


class _Window:
    """How much may still be sent."""

    def __init__(self) -> None:
        self._free_bytes = WINDOW_BYTES
        self._changed = asyncio.Event()

    async def take(self, size: int) -> None:
        """Wait for room."""
        while self._free_bytes < size:
            self._changed.clear()
            await self._changed.wait()
        self._free_bytes -= size

    def give(self, size: int) -> None:
        """What was confirmed."""
        self._free_bytes += size
        self._changed.set()


async def _serve(port: int, server_port: int, round_trip_seconds: float) -> None:
    line = _Line(server_port, round_trip_seconds / 2)
    server = await asyncio.start_server(line.carry, "127.0.0.1", port, limit=BLOCK_BYTES)
    print("ready", flush=True)  # noqa: T201 - to who has started it
    await server.serve_forever()


@contextmanager
def slow_line(server_port: int, *, round_trip_seconds: float) -> Iterator[int]:
    """The port at which the line to a local server begins."""
    port = free_port()
    command = [sys.executable, "-m", "tests.live.slow_line", str(port), str(server_port), str(round_trip_seconds)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield port
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
