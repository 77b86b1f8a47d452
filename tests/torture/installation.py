"""An installation to be tortured: a service, its worker, a source of archives, and clients with their stories."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.conftest import PASSWORD
from tests.live.bad_source import BadSource, Behaviour, Drip
from tests.live.download_worker import working
from tests.live.remote import GameEntry, catalogue, game_bytes, sources_setting
from tests.live.server import LiveServer
from tests.torture.callers import NetworkCaller, Unexpected
from tests.torture.chunk_stories import Growing, LongChunks, ShortChunks, Whole
from tests.torture.folder_stories import Placed
from tests.torture.other_stories import Attached, Fetched, Posted
from tests.torture.resumable_stories import Concatenated, DraftUpload, TusUpload
from tests.torture.stories import Story, World
from transfer_service.wire.game_catalogue import parse_catalogue

DOORS: tuple[type[Story], ...] = (
    LongChunks, ShortChunks, Growing, Whole, Whole, TusUpload, DraftUpload, Concatenated, Concatenated, Attached,
    Posted, Placed, Placed,
)  # fmt: skip
CLIENTS = 3
GAMES = 4
SLOWLY = Behaviour(drip=Drip(64 * 1024, 0.1))
"""So that archives are on their way all the time."""


class QuietServer(LiveServer):
    """One whose log is not on the disk that is tortured."""

    @property
    def log_path(self) -> Path:
        return Path(self.environment["LOG_FOLDER"]) / "service.log"


@dataclass
class Installation:
    """`server` is prepared on its data folder, and need not run yet."""

    server: LiveServer
    source: BadSource
    games: list[GameEntry]
    chance: random.Random
    level: str
    clock: Callable[[], int] = lambda: 0
    stories: list[Story] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _token: str | None = None

    @property
    def fetched(self) -> list[Fetched]:
        return [story for story in self.stories if isinstance(story, Fetched)]

    def world(self) -> World:
        """Somebody who is signed in, on a connection of his own."""
        if self._token is None:
            self._token = str(self.server.sign_in("alice").headers["Authorization"])
        session = requests.Session()
        session.headers["Authorization"] = self._token
        return World(NetworkCaller(self.server.url, session), self.clock, self.level)

    def fetch_games(self) -> None:
        """Start a download of each archive."""
        world = self.world()
        for game in self.games:
            story = Fetched(
                len(self.stories), self.chance, game_id=game.game_id, data_id=game.data_id, sha256=game.sha256
            )
            self.stories.append(story)
            story.play(world)

    def traffic(self, stories: int, *, broken: threading.Event | None = None, pause_seconds: float = 0.1) -> None:
        """Let clients live so many stories, a few at a time. Broken connections count where `broken` is not set."""
        conversation_id = self._conversation()
        plan = []
        for number in range(len(self.stories), len(self.stories) + stories):
            story = DOORS[number % len(DOORS)](number, random.Random(self.chance.random()))
            if isinstance(story, Attached):
                story.conversation_id = conversation_id
            plan.append(story)
        self.stories += plan
        self._live([story.play for story in plan], broken or threading.Event(), pause_seconds)

    def go_on(self, *, pause_seconds: float = 0.1) -> None:
        """Join the parts that were left."""
        left = [story for story in self.stories if isinstance(story, Concatenated) and story.is_left]
        self._live([story.go_on for story in left], threading.Event(), pause_seconds)

    def look(self) -> None:
        """Note which downloads are told to be completed."""
        world = self.world()
        for story in self.fetched:
            story.look(world)

    def _conversation(self) -> str:
        call = self.world().call
        headers = {"Content-Type": "application/json"}
        answer = call("POST", "/conversations/create", headers=headers, data=b'{"email": "bob"}')
        return str(answer.must_be(200, 201).fields["conversation_id"])

    def _live(self, lives: Sequence[Callable[[World], None]], broken: threading.Event, pause_seconds: float) -> None:
        queue = list(reversed(lives))

        def client(world: World, chance: random.Random) -> None:
            while queue and not broken.is_set():
                with suppress(IndexError):
                    self._live_one(queue.pop(), world, broken)
                time.sleep(chance.random() * pause_seconds * 2)

        threads = [
            threading.Thread(target=client, args=(self.world(), random.Random(self.chance.random())))
            for _ in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _live_one(self, live: Callable[[World], None], world: World, broken: threading.Event) -> None:
        try:
            live(world)
        except requests.RequestException as error:
            if not broken.is_set():
                self.faults.append(f"{live.__self__.name}: {error}")  # type: ignore[attr-defined] # of a story
        except Unexpected as fault:
            self.faults.append(f"{live.__self__.name}: {fault}")  # type: ignore[attr-defined]


def make_games(source: BadSource) -> list[GameEntry]:
    """Archives that the source has, slowly."""
    made = []
    for number in range(1, GAMES + 1):
        game = GameEntry(f"00000000-0000-4000-8000-{number:012}", number, game_bytes(600_000 * number))
        source.serve(game.path(), game.data, SLOWLY)
        made.append(game)
    return made


def settings_of(source: BadSource, level: str, log_folder: Path) -> dict[str, str]:
    """The environment of the service and its worker."""
    return {
        "LOG_FOLDER": str(log_folder),
        "TRANSFER_DURABILITY": level,
        "TRANSFER_TRASH_DAYS": "30",
        "TRANSFER_GAME_DATA_SOURCES": sources_setting(first=f"{source.url}/first/"),
        "TRANSFER_ALLOW_PRIVATE_SOURCES": "true",
        "TRANSFER_MAX_REMOTE_DOWNLOADS": str(GAMES),
    }


def prepare(server: LiveServer, games: Sequence[GameEntry]) -> None:
    """Accounts and a catalogue on an empty data folder."""
    server.prepare("bob")
    with server.services() as services:
        services.accounts.create("alice", PASSWORD, permissions=("games.download",))
        services.games.import_catalogue(parse_catalogue(catalogue(games).encode()))


@contextmanager
def running(installation: Installation) -> Iterator[None]:
    """The service and its worker, until the block ends: then they are stopped in order, or are dead already."""
    server = installation.server
    with ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        stack.enter_context(working(server.data_dir, **server.environment))
        yield
