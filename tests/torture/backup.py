"""Backups while everything goes on, some killed, of services that are killed meanwhile; each is restored and judged."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.object_store import CREDENTIALS, object_store
from benchmarks.postgres import postgresql
from tests.conftest import SECRET
from tests.live.bad_source import BadSource
from tests.live.download_worker import working
from tests.live.server import REPOSITORY
from tests.torture.callers import Unexpected
from tests.torture.installation import Installation, QuietServer, make_games, prepare, settings_of
from tests.torture.judge import judge_folder
from tests.torture.other_stories import Fetched

STORIES_OF_A_LIFE = 60
PAUSE_SECONDS = 0.03
LONGEST_BACKUP_SECONDS = 6.0
"""After which one that is to be killed has mostly begun to copy."""
NewDatabase = Callable[[], str | None]


@dataclass(frozen=True)
class Window:
    """The moments between which a backup was made."""

    began: int
    ended: int


class Drill:
    """One installation of which backups are made, into one folder."""

    def __init__(self, installation: Installation, folder: Path, new_database: NewDatabase, clock: Any) -> None:
        self._installation = installation
        self._server = installation.server
        self._chance = installation.chance
        self._folder = folder
        self._new_database = new_database
        self._clock = clock
        self._last: Window | None = None
        self._number = 0

    def cycle(self) -> list[str]:
        """Live, be backed up, and judge what is restored: what is wrong."""
        if not self._server.is_running():
            self._server.start()
        if not self._installation.stories:
            self._installation.fetch_games()
        faults = self._back_up_under_load()
        return faults + (self._restore(self._last) if self._last is not None else [])

    def _back_up_under_load(self) -> list[str]:
        broken, ended = threading.Event(), threading.Event()
        clients = [
            threading.Thread(target=self._traffic, args=(broken,)),
            threading.Thread(target=self._churn, args=(broken, ended)),
        ]
        for each in clients:
            each.start()
        ended.wait(self._chance.uniform(0.3, 1.5))
        try:
            return self._back_up(broken)
        finally:
            ended.set()
            for each in clients:
                each.join()

    def _back_up(self, broken: threading.Event) -> list[str]:
        kills_backup, kills_service = self._chance.random() < 0.4, self._chance.random() < 0.4
        began = next(self._clock)
        backup = subprocess.Popen(self._command("backup"), env=self._environment(), cwd=REPOSITORY, **_SAYS)
        if kills_service:
            threading.Event().wait(self._chance.uniform(0.5, LONGEST_BACKUP_SECONDS / 2))
            broken.set()
            self._server.kill()
        if kills_backup:
            with suppress(subprocess.TimeoutExpired):
                backup.wait(self._chance.uniform(1.0, LONGEST_BACKUP_SECONDS))
            backup.send_signal(signal.SIGKILL)
        said, _ = backup.communicate()
        if backup.returncode == 0:
            self._last = Window(began, next(self._clock))
        elif not kills_backup:
            return [f"a backup has failed: {said.decode()}"]
        return []

    def _traffic(self, broken: threading.Event) -> None:
        with suppress(OSError, Unexpected):  # the service was killed before anybody had signed in
            self._installation.traffic(STORIES_OF_A_LIFE, broken=broken, pause_seconds=PAUSE_SECONDS)

    def _churn(self, broken: threading.Event, ended: threading.Event) -> None:
        """Files and attachments that come and go for good: `verify` says whether any of their bytes are missing."""
        with suppress(OSError):
            session = self._server.sign_in("bob")
            for number in count():
                if broken.is_set() or ended.is_set():
                    return
                name = f"churn-{number % 7}.bin"
                path = f"{self._server.url}/api/files"
                session.post(path, params={"filename": name, "overwrite": "true"}, data=os.urandom(20_000), timeout=30)
                session.delete(f"{path}/churn-{(number + 3) % 7}.bin", params={"permanent": "true"}, timeout=30)

    def _restore(self, window: Window) -> list[str]:
        self._number += 1
        place = self._folder.parent / f"place-{self._number}"
        database = self._new_database()
        where = {"TRANSFER_DATA_DIR": str(place), **({"TRANSFER_DATABASE_URL": database} if database else {})}
        environment = {name: value for name, value in self._environment().items() if name not in _PLACES} | where
        if self._chance.random() < 0.5:
            killed = subprocess.Popen(self._command("restore"), env=environment, cwd=REPOSITORY, **_SAYS)
            with suppress(subprocess.TimeoutExpired):
                killed.wait(self._chance.uniform(1.0, LONGEST_BACKUP_SECONDS))
            killed.kill()
            killed.communicate()
            if killed.returncode == 0:
                return self._judge(window, place, database)
        restored = subprocess.run(self._command("restore"), env=environment, cwd=REPOSITORY, check=False, **_SAYS)
        if restored.returncode and b"here already" not in restored.stdout:  # it was killed while it verified
            return [f"a restore has failed: {restored.stdout.decode()}"]
        return self._judge(window, place, database)

    def _judge(self, window: Window, place: Path, database: str | None) -> list[str]:
        """What is wrong with the stories, as of some moment of the window: what began in it may count or not."""
        for story in self._installation.stories:
            for step in story.steps:
                if step.began <= window.ended:
                    step.began = min(step.began, window.began)
        faults, self._installation.faults[:] = self._installation.faults[:], []
        stories = [each for each in self._installation.stories if isinstance(each, Fetched) or each.steps]
        settings: dict[str, Any] = {"database_url": database} if database else {}
        return faults + judge_folder(place, stories, position=window.began, level="ack", **settings)

    def _command(self, words: str) -> list[str]:
        return [sys.executable, "-m", "flask", "--app", "wsgi", words, str(self._folder)]

    def _environment(self) -> dict[str, str]:
        return self._server._environment()


_SAYS: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
_PLACES = {"TRANSFER_DATABASE_URL", "TRANSFER_STORAGE_URL", "TRANSFER_DATA_DIR"}


@contextmanager
def _engines(*, grown: bool) -> Iterator[tuple[dict[str, str], NewDatabase]]:
    """What says where the installation is, and what makes a new database; of the default neither is needed."""
    if not grown:
        yield {}, lambda: None
        return
    os.environ.update(CREDENTIALS)
    with postgresql() as database, object_store() as store:
        names = (f"drill_{number}" for number in count())
        place = {"TRANSFER_DATABASE_URL": database.create(next(names)), "TRANSFER_STORAGE_URL": store.new_url()}
        yield place, lambda: database.create(next(names))


def torture(cycles: int, seed: int, say: Callable[[str], None], *, grown: bool) -> list[str]:
    """All that was found wrong in so many cycles; `grown`: on PostgreSQL and an object store."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transfer-backup-")))
        place, new_database = stack.enter_context(_engines(grown=grown))
        source = stack.enter_context(BadSource())
        games = make_games(source)
        server = QuietServer(folder / "data", settings_of(source, "process", folder) | place | {"SECRET_KEY": SECRET})
        prepare(server, games)
        moments = count()
        installation = Installation(server, source, games, random.Random(seed), "ack", clock=lambda: next(moments))
        stack.callback(server.stop)
        drill = Drill(installation, folder / "backup", new_database, moments)
        server.start()
        stack.enter_context(working(server.data_dir, **server.environment))
        faults: list[str] = []
        for number in range(cycles):
            found = [f"cycle {number}: {fault}" for fault in drill.cycle()]
            say(f"cycle {number}: {len(installation.stories)} stories, {len(found)} faults")
            for fault in found:
                say(f"  {fault}")
            faults += found
    return faults
