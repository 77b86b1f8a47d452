"""Seeded histories of many files over three instances that die, freeze and are cut off, against a model of each."""

import random
import re
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from tests.growing.client import Client
from tests.growing.fleet import Fleet, running_fleet
from tests.growing.histories import HISTORIES, History
from tests.growing.installations import engines, new_installation, running_engines
from tests.growing.model import Fault
from tests.growing.stock import stock_faults
from tests.growing.topology import INSTANCES, Instance
from tests.live.server import LiveServer
from tests.torture.callers import Unexpected

LANES = 6
"""So many histories live at once, each with trouble of its own making."""
BATCH = 48
"""After so many all trouble ends, everything is looked at from every instance, and cleaned up."""
LONGEST_TROUBLE_SECONDS = 9.0
HOURS_LATER = (30, 32)
"""When nothing is too young for cleanup any more; and when what it has set aside is past its time."""


@dataclass
class Torture:
    """Histories of one installation. `faults` says what was wrong, with the seed of the history."""

    fleet: Fleet
    prepared: LiveServer
    seed: int
    say: Callable[[str], None]
    faults: list[str] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def batch(self, numbers: Sequence[int]) -> None:
        """Let these histories live, and look at what is left."""
        token = str(self._sign_in())
        waiting, lived = list(reversed(numbers)), list[History]()
        lanes = [threading.Thread(target=self._lane, args=(waiting, lived, token)) for _ in range(LANES)]
        for lane in lanes:
            lane.start()
        while any(lane.is_alive() for lane in lanes):
            self.fleet.heal_old(LONGEST_TROUBLE_SECONDS)
            time.sleep(0.1)
        for number in range(INSTANCES):
            self.fleet.heal(number)
        self._look(lived)
        self._clean_up(lived)

    def _sign_in(self) -> object:
        return self.fleet.members[0].server.sign_in("root").headers["Authorization"]

    def _lane(self, waiting: list[int], lived: list[History], token: str) -> None:
        while True:
            with self._turn:
                if not waiting:
                    return
                number = waiting.pop()
            chance = random.Random(f"{self.seed}.{number}")
            client = Client(self.fleet, token, chance)
            history = chance.choice(HISTORIES)(f"{self.seed}-{number}", client)
            lived.append(history)
            self._try(history, history.play)
            client.heal()

    def _try(self, history: History, work: Callable[[], None]) -> None:
        try:
            work()
        except (Fault, Unexpected) as fault:
            self._found(history, str(fault))
        except Exception:  # noqa: BLE001 - whatever it is, it is told
            self._found(history, traceback.format_exc())

    def _found(self, history: History, what: str) -> None:
        with self._turn:
            line = f"history {history.number} ({history.door}): {what}"
            self.faults.append(line)
            self.say(f"  {line}")
            for logged in self._logged(what):
                self.say(f"    {logged}")

    def _logged(self, what: str) -> list[str]:
        """What the instances have logged of a request that a fault names."""
        request = re.search(r"request ([0-9a-f]{32})", what)
        lines = self.prepared.log_path.read_text().splitlines() if request else []
        return [line[:4000] for line in lines if request and request[1] in line]

    def _look(self, lived: Sequence[History]) -> None:
        """From every instance, now that all are well again."""
        for number in range(INSTANCES):
            for history in lived:
                self._try(history, lambda: history.check(number))  # noqa: B023 - at once

    def _clean_up(self, lived: Sequence[History]) -> None:
        """What is left over goes with a cleanup, and the store has what the records name, and nothing else."""
        for hours in HOURS_LATER:
            now = partial(_later, timedelta(hours=hours))
            with self.prepared.services(now=now, quarantine_days=0) as services:
                services.cleanup.run(even_many=True)
        with self.prepared.services() as services:
            found = stock_faults(services)
        for fault in found:
            self.faults.append(fault)
            self.say(f"  after histories {lived[0].number} to {lived[-1].number}: {fault}")
        for history in lived[::2]:  # and the others stay
            history.client.ask("DELETE", f"/api/files/{history.name}", at=0)


def _later(by: timedelta) -> datetime:
    return datetime.now(UTC) + by


def torture(histories: int, seed: int, say: Callable[[str], None], *, first: int = 0) -> list[str]:
    """What was wrong in so many histories, from the `first` on. Raises NotInstalled."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transfer-growing-")))
        installation = new_installation(engines() or stack.enter_context(running_engines()), folder)
        stack.callback(installation.end)
        prepared = Instance(folder / "data", installation.settings)
        prepared.prepare("root")
        fleet = stack.enter_context(running_fleet(folder, installation))
        tortured = Torture(fleet, prepared, seed, say)
        for start in range(first, first + histories, BATCH):
            numbers = range(start, min(start + BATCH, first + histories))
            began = time.monotonic()
            tortured.batch(numbers)
            seconds, done = time.monotonic() - began, numbers[-1] + 1 - first
            say(f"{done} histories, {len(tortured.faults)} faults, the last {len(numbers)} in {seconds:.0f} s")
        troubles = ", ".join(f"{trouble.value}: {count}" for trouble, count in fleet.done.items())
        say(f"trouble: {troubles}")
        return tortured.faults
