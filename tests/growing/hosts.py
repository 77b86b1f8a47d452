"""Another host: a network namespace on a wire of its own, that can be cut, and one that only the test uses."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.missing import missing

_numbers = itertools.count(os.getpid() % 200)


@dataclass(frozen=True)
class Host:
    """`address` is its own, for the test; `ours` is this host's, as it is seen from there over the wire."""

    name: str
    address: str
    ours: str
    _bridge: str
    _port: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What the command of a process begins with that is to run there."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Pull the wire out of the switch: nobody is told, on neither side."""
        _ip("link", "set", self._port, "nomaster")

    def mend(self) -> None:
        """Put it in again."""
        _ip("link", "set", self._port, "master", self._bridge)


@contextmanager
def another_host() -> Iterator[Host]:
    """One that is connected. Where that cannot be the test is skipped, in CI it fails; but who is not root cannot."""
    if os.geteuid() != 0:
        missing("network namespaces need root")
    if shutil.which("ip") is None:
        missing("ip, of iproute2, is not installed")
    number = next(_numbers) % 250
    name, bridge, wires, port = f"tr{number}", f"trb{number}", f"10.77.{number}", f"trp{number}"
    with ExitStack() as stack:
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "del", name)
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "del", bridge)
        _ip("addr", "add", f"{wires}.1/30", "dev", bridge)
        _ip("link", "set", bridge, "up")
        _wire(name, port, f"{wires}.2/30")
        _ip("link", "set", port, "master", bridge)
        aside = f"trm{number}"
        _wire(name, aside, f"{wires}.6/30")
        _ip("addr", "add", f"{wires}.5/30", "dev", aside)
        _ip("-n", name, "link", "set", "lo", "up")
        yield Host(name, f"{wires}.6", f"{wires}.1", bridge, port)


def _wire(name: str, here: str, address: str) -> None:
    """Between this host, where it is called `here`, and the other one, which has an address on it."""
    there = f"{here}x"
    _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
    _ip("link", "set", here, "up")
    _ip("-n", name, "addr", "add", address, "dev", there)
    _ip("-n", name, "link", "set", there, "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
