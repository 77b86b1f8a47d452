"""`kill -9` of the service and its worker, again and again in the middle of everything; after each, all is judged."""

import os
import random
import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from subprocess import Popen

from tests.live.bad_source import BadSource
from tests.live.download_worker import working
from tests.live.server import wait_until
from tests.torture.callers import Unexpected
from tests.torture.installation import Installation, QuietServer, make_games, prepare, settings_of
from tests.torture.judge import judge
from tests.torture.stories import LEVELS

STORIES_OF_A_LIFE = 40
LONGEST_LIFE_SECONDS = 1.5
PAUSE_SECONDS = 0.01
LONG_AGO = 1 << 62
"""After everything: a kill loses nothing that was acknowledged."""


class Killing:
    """One installation that is killed over and over."""

    def __init__(self, installation: Installation, stack: ExitStack) -> None:
        self._installation = installation
        self._server = installation.server
        self._stack = stack
        self._worker: Popen[bytes] | None = None
        self._known = 0

    def cycle(self, number: int) -> list[str]:
        """Start, be judged for the life before, live, and be killed: what is wrong."""
        self._start()
        faults = self._judge()
        if not self._installation.stories:
            self._installation.fetch_games()
        self._known = len(self._installation.stories)
        self._live_and_die()
        return [f"cycle {number}: {fault}" for fault in faults]

    def _start(self) -> None:
        self._server.start()
        if self._worker is None or self._worker.poll() is not None:
            self._worker = self._stack.enter_context(working(self._server.data_dir, **self._server.environment))

    def _live_and_die(self) -> None:
        broken = threading.Event()
        timer = threading.Timer(self._installation.chance.uniform(0.05, LONGEST_LIFE_SECONDS), self._kill, [broken])
        timer.start()
        with suppress(OSError, Unexpected):  # before anybody has signed in
            self._installation.traffic(STORIES_OF_A_LIFE, broken=broken, pause_seconds=PAUSE_SECONDS)
        timer.join()
        if not broken.is_set():
            self._kill(broken)

    def _kill(self, broken: threading.Event) -> None:
        broken.set()
        self._server.kill()
        if self._worker is not None and self._installation.chance.random() < 0.5:
            with suppress(ProcessLookupError):
                os.kill(self._worker.pid, signal.SIGKILL)
            self._worker.wait()

    def _judge(self) -> list[str]:
        """What is wrong with the stories of the latest life, and with all downloads."""
        installation = self._installation
        call = installation.world().call
        stories = [*installation.fetched, *(each for each in installation.stories[self._known :] if each.steps)]
        faults = installation.faults[:]
        installation.faults.clear()
        with self._server.services() as services:
            return faults + judge(call, stories, position=LONG_AGO, level="ack", services=services)

    def finish(self) -> list[str]:
        """What is wrong when the worker has come to the end of the downloads."""
        self._start()
        with self._server.services() as services:
            wait_until(
                lambda: all(not job.state.is_active for job in services.remote_downloads.list_downloads()), seconds=60
            )
            ends = [job.state for job in services.remote_downloads.list_downloads()]
        self._installation.look()
        faults = self._judge()
        self._server.stop()
        return faults + [f"a download ended {end}" for end in ends if end != "completed"]


def torture(cycles: int, seed: int, say: Callable[[str], None], *, levels: Sequence[str] = LEVELS) -> list[str]:
    """All that was found wrong in so many cycles, shared by the levels."""
    faults: list[str] = []
    for number, level in enumerate(levels):
        share = cycles // len(levels) + (number < cycles % len(levels))
        if share:
            found = _torture_level(level, share, seed + number)
            say(f"{level}: {share} cycles, {len(found)} faults")
            for fault in found:
                say(f"  {fault}")
            faults += [f"{level}, {fault}" for fault in found]
    return faults


def _torture_level(level: str, cycles: int, seed: int) -> list[str]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transfer-kill-")))
        source = stack.enter_context(BadSource())
        games = make_games(source)
        server = QuietServer(folder / "data", settings_of(source, level, folder))
        prepare(server, games)
        moments = count()
        installation = Installation(server, source, games, random.Random(seed), level, clock=lambda: next(moments))
        workers = stack.enter_context(ExitStack())
        killing = Killing(installation, workers)
        faults = [fault for number in range(cycles) for fault in killing.cycle(number)]
        return faults + killing.finish()
