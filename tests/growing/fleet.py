"""Three instances that are killed, frozen and cut off from their engines, each by itself, while others go on."""

import asyncio
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import psutil

from tests.growing.gates import Gate, State, gate_loop
from tests.growing.installations import STORE, Installation, is_without_disk, local_ports
from tests.growing.topology import INSTANCES, Instance
from tests.live.download_worker import Zygote, zygote_in

SOUND = 1
"""So many instances are always left alone."""


class Trouble(Enum):
    """What may happen to an instance."""

    KILL = "kill -9"
    STALL = "SIGSTOP"
    NO_DATABASE = "no database"
    NO_STORE = "no store"
    NO_REDIS = "no Redis"
    KILL_WORKER = "kill -9 of the worker"
    """Who makes one object of many. Another one takes its place."""


_ENGINES = {
    Trouble.NO_DATABASE: "TRANSFER_DATABASE_URL",
    Trouble.NO_STORE: STORE,
    Trouble.NO_REDIS: "TRANSFER_REDIS_URL",
}


@dataclass
class Member:
    """One of them, with its ways to the engines by the setting that names each."""

    server: Instance
    gates: dict[str, Gate]
    trouble: Trouble | None = None
    since: float = 0.0

    def stop_or_go_on(self, number: signal.Signals) -> None:
        assert self.server.process is not None
        with suppress(psutil.NoSuchProcess):
            arbiter = psutil.Process(self.server.process.pid)
            for process in [arbiter, *arbiter.children(recursive=True)]:
                process.send_signal(number)


@dataclass
class Fleet:
    """All of them. Who makes trouble may be any thread."""

    members: list[Member]
    workers: Zygote
    worker: int
    """The process that works just now."""
    done: dict[Trouble, int] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, trouble: Trouble, victim: int, *, is_silent: bool) -> bool:
        """Let it happen, unless too few would be left or that member has trouble already. Whether it happened."""
        member = self.members[victim]
        with self._turn:
            if trouble is Trouble.KILL_WORKER:
                self.done[trouble] = self.done.get(trouble, 0) + 1
                self.workers.kill(self.worker)
                self.worker = self.workers.fork()
                return True
            sound = sum(each.trouble is None for each in self.members)
            if member.trouble is not None or sound <= SOUND:
                return False
            if (setting := _ENGINES.get(trouble)) and setting not in member.gates:
                return False
            member.trouble, member.since = trouble, time.monotonic()
            self.done[trouble] = self.done.get(trouble, 0) + 1
            if trouble is Trouble.KILL:
                member.server.kill()
            elif trouble is Trouble.STALL:
                member.stop_or_go_on(signal.SIGSTOP)
            else:
                member.gates[_ENGINES[trouble]].turn(State.SILENT if is_silent else State.REFUSED)
        return True

    def heal(self, victim: int, *, without_disk: bool = False) -> None:
        """End a member's trouble. Who was killed comes back, `without_disk` with nothing of what it had there."""
        member = self.members[victim]
        with self._turn:
            if member.trouble is Trouble.KILL:
                if without_disk and is_without_disk(member.server.environment):
                    shutil.rmtree(member.server.own_folder, ignore_errors=True)
                member.server.start()
            elif member.trouble is Trouble.STALL:
                member.stop_or_go_on(signal.SIGCONT)
            elif member.trouble is not None:
                member.gates[_ENGINES[member.trouble]].turn(State.OPEN)
            member.trouble = None

    def heal_old(self, seconds: float) -> None:
        """End what has lasted for so long: who began it may have ended."""
        for number, member in enumerate(self.members):
            if member.trouble is not None and time.monotonic() - member.since > seconds:
                self.heal(number)

    def sound(self) -> list[int]:
        """Who has no trouble just now."""
        return [number for number, member in enumerate(self.members) if member.trouble is None]

    def url(self, number: int) -> str:
        return self.members[number].server.url


@contextmanager
def running_fleet(folder: Path, installation: Installation, **environment: str) -> Iterator[Fleet]:
    """Three started instances of a prepared installation."""
    with ExitStack() as stack:
        loop = stack.enter_context(gate_loop())
        members = []
        for _ in range(INSTANCES):
            member = _member(folder / "data", installation, environment, loop)
            for gate in member.gates.values():
                stack.callback(gate.close)
            stack.callback(_end, member)
            member.server.start()
            members.append(member)
        workers = stack.enter_context(
            zygote_in(folder, Instance(folder / "data", installation.settings)._environment())
        )
        fleet = Fleet(members, workers, workers.fork())
        stack.callback(lambda: workers.kill(fleet.worker))
        yield fleet


def _end(member: Member) -> None:
    if member.server.process is not None:
        member.stop_or_go_on(signal.SIGCONT)
        member.server.stop()


def _member(
    folder: Path, installation: Installation, environment: dict[str, str], loop: asyncio.AbstractEventLoop
) -> Member:
    settings, gates = {**installation.settings, **environment}, {}
    for name, port in local_ports(settings).items():
        gates[name] = Gate(loop, port)
        settings[name] = settings[name].replace(f"127.0.0.1:{port}", f"127.0.0.1:{gates[name].port}")
    return Member(Instance(folder, settings), gates)
