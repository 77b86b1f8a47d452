"""A TCP proxy that breaks connections where a test says so: a bad network between a real client and a real server."""

import asyncio
import fcntl
import socket
import struct
import termios
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

Side = Literal["client", "server"]
BLOCK_BYTES = 256 * 1024
DELIVERY_SECONDS = 10.0


@dataclass(frozen=True)
class Trickle:
    """At most `size` bytes, then `seconds` of silence, and so on."""

    size: int
    seconds: float


@dataclass(frozen=True)
class Fault:
    """What goes wrong on one connection, on the bytes that go `toward` one side of it.

    Offsets count the bytes of that direction on that connection, heads included. All bytes before the offset arrive.
    """

    reset_at: int | None = None
    """Both sides get a RST."""
    half_close_at: int | None = None
    """That side gets a FIN; what it sends is still forwarded, what it should have received is not."""
    silent_at: int | None = None
    """From here on nothing arrives, and nobody is told, until the one who sends gives up; then both sides get a RST."""
    delay_seconds: float = 0.0
    """Before the first byte."""
    trickle: Trickle | None = None
    toward: Side = "client"

    @property
    def cut_at(self) -> int | None:
        """Where the connection breaks, if it does."""
        return next((at for at in (self.reset_at, self.half_close_at, self.silent_at) if at is not None), None)


NO_FAULT = Fault()


class FaultProxy:
    """Listens on a free `port` and forwards to `target_port`, both on 127.0.0.1, until the `with` block ends.

    Each connection takes the next fault of `plan`, and has none when the plan is used up. A fault that its connection
    was too short for goes back to the front: so every fault happens to somebody who gets that far.
    """

    def __init__(self, target_port: int, plan: Iterable[Fault] = ()) -> None:
        self.plan = deque(plan)
        self.faults_done: list[Fault] = []
        self.connections = 0
        self.bytes_toward: dict[Side, int] = {"client": 0, "server": 0}
        self._target_port = target_port
        self._running: set[asyncio.Task[None]] = set()

    def __enter__(self) -> "FaultProxy":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._loop.add_reader(self._listener, self._accept)
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy")
        self._thread.start()
        return self

    def __exit__(self, *_args: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for connection in self._running:
            connection.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            client, _ = self._listener.accept()
            self.connections += 1
            connection = self._loop.create_task(self._serve(client))
            self._running.add(connection)
            connection.add_done_callback(self._running.discard)
            connection.add_done_callback(lambda _: client.close())  # also if it was cancelled before it began

    async def _serve(self, client: socket.socket) -> None:
        fault = self.plan.popleft() if self.plan else NO_FAULT
        with socket.socket() as server:
            connection = _Connection(self, client, server, fault)
            try:
                await connection.run(self._target_port)
            except OSError:  # of either side, or the fault itself: the other side is to see it too
                _reset(client)
                _reset(server)
        if fault != NO_FAULT and not connection.is_fault_done:
            self.plan.appendleft(fault)


class _Connection:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket, fault: Fault) -> None:
        self.is_fault_done = False
        self._proxy = proxy
        self._ends: dict[Side, socket.socket] = {"client": client, "server": server}
        self._fault = fault

    async def run(self, target_port: int) -> None:
        """Forward both directions to their ends. Raises OSError if the connection was, or has to be, reset."""
        for end in self._ends.values():
            end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(self._ends["server"], ("127.0.0.1", target_port))
        flows = [
            asyncio.ensure_future(self._flow("server", "client")),
            asyncio.ensure_future(self._flow("client", "server")),
        ]
        try:
            await asyncio.gather(*flows)
        finally:
            for flow in flows:
                flow.cancel()
            await asyncio.gather(*flows, return_exceptions=True)

    async def _flow(self, origin: Side, toward: Side) -> None:
        """Forward one direction until the end of the stream or the cut."""
        loop, source, sink = asyncio.get_running_loop(), self._ends[origin], self._ends[toward]
        fault = self._fault if self._fault.toward == toward else NO_FAULT
        step = fault.trickle.size if fault.trickle else BLOCK_BYTES
        passed = 0
        while passed != fault.cut_at:
            block = await loop.sock_recv(source, step if fault.cut_at is None else min(step, fault.cut_at - passed))
            if not block:
                sink.shutdown(socket.SHUT_WR)
                return
            if passed == 0:
                await asyncio.sleep(fault.delay_seconds)
            elif fault.trickle:
                await asyncio.sleep(fault.trickle.seconds)
            await loop.sock_sendall(sink, block)
            passed += len(block)
            self._proxy.bytes_toward[toward] += len(block)
            if fault.cut_at is None:
                self._happened(fault)
        await _until_delivered(sink)
        self._happened(fault)
        if fault.silent_at is not None:
            while await loop.sock_recv(source, BLOCK_BYTES):
                pass
        if fault.half_close_at is None:
            raise ConnectionResetError
        sink.shutdown(socket.SHUT_WR)

    def _happened(self, fault: Fault) -> None:
        if fault != NO_FAULT and not self.is_fault_done:
            self.is_fault_done = True
            self._proxy.faults_done.append(fault)


async def _until_delivered(connection: socket.socket) -> None:
    """Wait until the other end's kernel has acknowledged everything: a RST throws away what is still here."""
    for _ in range(int(DELIVERY_SECONDS / 0.001)):
        (unsent,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))
        if not unsent:
            return
        await asyncio.sleep(0.001)


def _reset(connection: socket.socket) -> None:
    """Close with a RST instead of a FIN."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
