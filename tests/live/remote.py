"""Remote downloads between real processes: a service, its worker, and sources that do what a test says.

with remote_site(data_dir, bytes_of_a_game) as site, working(data_dir, **site.server.environment):
    game = site.next_game(Behaviour(cut_at=1000), HONEST)      # what its first source does with each request
    site.start(game)
    site.wait_for(game, "completed")
"""

import hashlib
import json
import random
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import requests

from tests.conftest import PASSWORD
from tests.games import make_zip
from tests.live.bad_source import BadSource, Behaviour, Request
from tests.live.download_worker import STOP_SECONDS, environment_of
from tests.live.server import REPOSITORY, LiveServer, make_server, started, wait_until
from tests.prepared import migrate
from tests.stores import content, listed
from transfer_service.errors import BlobMissing
from transfer_service.wire.game_catalogue import parse_catalogue

FIRST, SECOND = "first", "second"
PATIENCE_SECONDS = 120.0
PAGE = b"<!doctype html><title>A game</title>"
_ADDED_AT = datetime(2024, 5, 1, 12, 0, 0, 123000, tzinfo=UTC)


def game_bytes(size: int) -> bytes:
    """A zip with a page at `content/game.test/index.html`, and a little more than `size` bytes long."""
    noise = random.Random(size).randbytes(size)
    return make_zip({"content/game.test/index.html": PAGE, "noise.bin": noise}, zipfile.ZIP_STORED)


@dataclass(frozen=True)
class GameEntry:
    """A game of the catalogue with one archive."""

    game_id: str
    data_id: int
    data: bytes = field(repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the game's row, or others in their place."""

    @property
    def title(self) -> str:
        return str(self.facts.get("title", f"Game {self.data_id}"))

    @property
    def added_at(self) -> datetime:
        return _ADDED_AT + timedelta(milliseconds=self.data_id)

    def path(self, source: str = FIRST) -> str:
        """Where a source has it: the contract's base, id and milliseconds."""
        milliseconds = (self.added_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        return f"/{source}/{self.game_id}-{milliseconds}.zip"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def catalogue(games: Sequence[GameEntry]) -> str:
    """The file that `games import` reads."""
    rows = {game.game_id: {"id": game.game_id, **game.facts, "title": game.title} for game in games}
    data = [
        {
            "id": game.data_id,
            "gameId": game.game_id,
            "title": "Data",
            "dateAdded": game.added_at.isoformat(),
            "sha256": game.sha256,
            "size": len(game.data),
        }
        for game in games
    ]
    return json.dumps({"games": list(rows.values()), "gameData": data})


def sources_setting(**bases: str) -> str:
    """TRANSFER_GAME_DATA_SOURCES: a name and a base URL for each source."""
    return json.dumps([{"type": "raw", "name": name, "arguments": [base]} for name, base in bases.items()])


@dataclass
class Site:
    """An instance with a catalogue, whose two sources are folders of one server. `carol` may
    download, and read the log."""

    server: LiveServer
    source: BadSource
    carol: requests.Session
    unused: list[GameEntry] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def games_dir(self) -> Path:
        return self.server.data_dir / "games"

    def add_games(self, *contents: bytes) -> None:
        """Import a game for each of the contents, for `next_game`."""
        games = [GameEntry(str(uuid.uuid4()), next(self._numbers), data) for data in contents]
        self.import_games(games)
        self.unused += games

    def add_game(self, data: bytes, *behaviours: Behaviour, game_id: str = "", **facts: Any) -> GameEntry:
        """A game of a test's own, or with `game_id` another archive of one. Without behaviours no source knows it."""
        game = GameEntry(game_id or str(uuid.uuid4()), next(self._numbers), data, facts)
        self.import_games([game])
        if behaviours:
            self.source.serve(game.path(), data, *behaviours)
        return game

    def import_games(self, games: Sequence[GameEntry]) -> None:
        with self.server.services() as services:
            services.games.import_catalogue(parse_catalogue(catalogue(games).encode()))

    def next_game(self, *behaviours: Behaviour, second: Sequence[Behaviour] = (), of: bytes | None = None) -> GameEntry:
        """A game that no other test has, with any content or one. A source without behaviours does not know it."""
        game = next(each for each in self.unused if of is None or each.data == of)
        self.unused.remove(game)
        for name, plan in ((FIRST, behaviours), (SECOND, second)):
            if plan:
                self.source.serve(game.path(name), game.data, *plan)
        return game

    def requests_for(self, game: GameEntry, source: str = FIRST) -> list[Request]:
        return self.source.requests_to(game.path(source))

    def url_of(self, game: GameEntry) -> str:
        return f"{self.server.url}/api/downloads/{game.game_id}/download"

    def ask(self, game: GameEntry, session: requests.Session | None = None) -> requests.Response:
        """Ask for a download, whatever the answer."""
        return (session or self.carol).post(self.url_of(game), json={"gameDataId": game.data_id}, timeout=30)

    def start(self, game: GameEntry) -> None:
        answer = self.ask(game)
        assert answer.status_code == 202, answer.text

    def cancel(self, game: GameEntry) -> requests.Response:
        return self.carol.delete(self.url_of(game), timeout=30)

    def job(self, game: GameEntry) -> dict[str, Any]:
        """The last download of a game, as it is listed."""
        answer = self.carol.get(f"{self.server.url}/api/downloads", timeout=30)
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = next(each for each in answer.json()["downloads"] if each["gameId"] == game.game_id)
        return job

    def state(self, game: GameEntry) -> str:
        return str(self.job(game)["status"])

    def wait_for(self, game: GameEntry, state: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The job once it has come into a state; fails where it ends in another one."""
        ends = {"completed", "error", "cancelled"}
        wait_until(lambda: self.state(game) in {state, *ends}, seconds=seconds)
        job = self.job(game)
        assert job["status"] == state, job
        return job

    def wait_for_bytes(self, game: GameEntry, count: int) -> None:
        """Return when the service knows of exactly so many bytes, which are stored then."""
        wait_until(lambda: self.job(game)["bytesDownloaded"] == count, seconds=PATIENCE_SECONDS)

    def events(self, game: GameEntry) -> Iterator[dict[str, Any]]:
        """What the stream of progress says, until the service closes it."""
        with self.carol.get(f"{self.url_of(game)}/progress", stream=True, timeout=60) as answer:
            assert answer.status_code == 200, answer.text
            for line in answer.iter_lines():
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    def activities(self, game: GameEntry) -> list[dict[str, Any]]:
        """What was logged about a game, oldest first."""
        answer = self.carol.get(f"{self.server.url}/api/activities", params={"limit": 200}, timeout=30)
        return [each for each in reversed(answer.json()["data"]) if each["resourceId"] == game.game_id]

    def actions(self, game: GameEntry) -> list[str]:
        return [str(each["action"]).removeprefix("download.") for each in self.activities(game)]

    def archive(self, game: GameEntry) -> bytes | None:
        """The stored archive, None where there is none."""
        with self.server.services() as services:
            try:
                return content(services.core.games, f"{game.data_id}.zip")
            except BlobMissing:
                return None

    def stored(self) -> set[str]:
        """The names of all archives and parts."""
        with self.server.services() as services:
            return {each.key for each in listed(services.core.games)}

    def parts(self) -> set[str]:
        return {name for name in self.stored() if name.endswith(".part")}


@contextmanager
def remote_site(data_dir: Path, *contents: bytes, accounts: Sequence[str] = (), **environment: str) -> Iterator[Site]:
    """A started instance, without a worker, with a game for each of the contents."""
    with BadSource() as source:
        settings = {
            "TRANSFER_GAME_DATA_SOURCES": sources_setting(
                **{name: f"{source.url}/{name}/" for name in (FIRST, SECOND)}
            ),
            "TRANSFER_ALLOW_PRIVATE_SOURCES": "true",
            **environment,
        }
        server = make_server(data_dir, settings)
        with server.services() as services:
            migrate(services.database.url)
            services.accounts.create("carol", PASSWORD, permissions=("games.download", "activities.read"))
            for name in accounts:
                services.accounts.create(name, PASSWORD)
        with started(server):
            site = Site(server, source, server.sign_in("carol"))
            site.add_games(*contents)
            yield site


_IMPATIENT = """
from gevent import monkey
monkey.patch_all()
import json, sys
from config import load_settings
from transfer_service.logs import configure_logging
from transfer_service.remote.fetcher import Limits
from transfer_service.worker import build_worker
configure_logging()
settings = load_settings()
build_worker(settings, limits=Limits(**json.loads(sys.argv[1]))).run()
"""


@contextmanager
def impatient_worker(
    data_dir: Path, limits: Mapping[str, float], settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with limits of its own (`Limits` of the fetcher), so that nobody waits half a minute for a stall."""
    environment = {**environment_of(data_dir, **settings), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", _IMPATIENT, json.dumps(limits)]
    with (data_dir.parent / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
