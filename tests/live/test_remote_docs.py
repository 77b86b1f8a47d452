"""docs/remote-downloads.md by its own word: every example is run as printed, and the tables name what there is."""

import hashlib
import io
import json
import re
import shlex
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
from dotenv import dotenv_values

from config import Settings
from tests.conftest import PASSWORD
from tests.live.bad_source import BadSource
from tests.live.doc_examples import Browser, blocks, browsing, run_node, run_shell
from tests.live.download_worker import working
from tests.live.node import token_of
from tests.live.server import REPOSITORY, LiveServer, running
from transfer_service import errors
from transfer_service.remote import exchange, fetcher, responses, targets, url_guard
from transfer_service.remote.fetcher import Limits
from transfer_service.services.games import archives as game_archives
from transfer_service.services.games import fetching
from transfer_service.services.games.downloads import ABANDONED_AFTER, WORKER_GONE
from transfer_service.services.games.leases import LEASE
from transfer_service.storage import zip_members
from transfer_service.wire.game_catalogue import Source, parse_catalogue

PAGE = "remote-downloads.md"
TEXT = (REPOSITORY / "docs" / PAGE).read_text("utf-8")
CATALOGUE, STARTED, LISTED, ACTIVITIES, LAUNCH = blocks(PAGE, "json")
FOLLOW, IN_BROWSERS, IN_NODE = blocks(PAGE, "js")
SETTINGS = next(block for block in blocks(PAGE, "sh") if "cat >> .env" in block)
HOSTS = ("https://archive.example.com", "https://mirror.example.net")
INDEX = b"<h1>The lake</h1>"
GAMES = {name: f"0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f{number}" for number, name in enumerate(("", "browser", "node"))}


LIMITS = Limits()
# Not imported: the worker's module patches the process that imports it.
WORKER = dict(
    re.findall(r'^(\w+) = "?([^"\n]+)"?$', (REPOSITORY / "transfer_service/worker.py").read_text(), re.MULTILINE)
)


@dataclass(frozen=True)
class Installation:
    """A service, its worker, and sources that have an archive for each of GAMES."""

    server: LiveServer
    source: BadSource
    folder: Path


def archive() -> bytes:
    """The archive that the page speaks of."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo("content/example.com/lake/index.html"), INDEX)
    return buffer.getvalue()


def catalogue(game: str, data_id: int, data: bytes) -> dict[str, Any]:
    """The printed catalogue, for another game and with the facts of `data`."""
    printed: dict[str, Any] = json.loads(CATALOGUE.replace(GAMES[""], game))
    printed["gameData"][0] |= {"id": data_id, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return printed


def printed_sources(folder: Path) -> str:
    """The value that the page puts into `.env`."""
    folder.mkdir()
    run_shell(SETTINGS, folder)
    return str(dotenv_values(folder / ".env")["TRANSFER_GAME_DATA_SOURCES"])


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder, data = tmp_path_factory.mktemp("remote"), archive()
    with BadSource() as source:
        sources = printed_sources(folder / "settings")
        for host in HOSTS:
            sources = sources.replace(host, source.url)
        settings = {"TRANSFER_GAME_DATA_SOURCES": sources, "TRANSFER_ALLOW_PRIVATE_SOURCES": "true"}
        with running(folder / "data", "alice", "bob", **settings) as server, working(folder / "data", **settings):
            for number, game in enumerate(GAMES.values()):
                source.serve(f"/games/{game}-1714564800000.zip", data)
                path = folder / ("catalogue.json" if number == 0 else "more.json")
                path.write_text(json.dumps(catalogue(game, 12345 + number, data)))
                if number:
                    server.command("games", "import", str(path))
            server.command("accounts", "grant", "bob", "games.download")
            yield Installation(server, source, folder)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def test_the_shell_examples_work_as_printed_and_the_answers_look_so(installation: Installation) -> None:
    server, steps = installation.server, [block for block in blocks(PAGE, "sh") if block != SETTINGS]
    flask = f'flask() {{ PYTHONPATH={shlex.quote(str(REPOSITORY))} {sys.executable} -m flask "$@"; }}\n'
    environment = {
        "SERVER": server.url, "TOKEN": token_of(server.sign_in("alice")),
        "TRANSFER_DATA_DIR": str(server.data_dir), "TRANSFER_BIND": "127.0.0.1:0", **server.shared_settings(),
    }  # fmt: skip
    script = f"export {' '.join(environment)}\n{flask}" + "\necho; echo ----\n".join(steps)
    output = run_shell(script, installation.folder, **environment)
    imported, granted, started, stream, calls, games, members, removed = map(str.strip, output.split("----\n"))
    downloads, activities, cancelled = map(json.loads, calls.splitlines())
    assert imported.startswith("Imported: 1 game (1 new, 0 changed), 1 archive (1 new, 0 changed)\n" + GAMES[""])
    assert granted == "games.download granted to alice\nactivities.read granted to alice"
    assert json.loads(started) == json.loads(STARTED)
    assert events(stream)[-1]["status"] == "completed"
    assert {"success": True, "downloads": [json.loads(LISTED).keys()], "next_cursor": None} == {
        **downloads, "downloads": [each.keys() for each in downloads["downloads"]],
    }  # fmt: skip
    assert shape(activities) == shape(json.loads(ACTIVITIES))
    assert cancelled == {"success": False, "error": "No active download"}
    page, game, launch = map(json.loads, games.splitlines())
    assert (game in page["games"], page["pagination"]["total"]) == (True, 3)
    assert launch == json.loads(LAUNCH)
    assert (members, removed) == (2 * INDEX.decode(), "")
    with server.services() as services:
        assert services.core.games.stored_bytes("12345.zip") is None


def events(stream: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in re.findall(r"^data: (.*)$", stream, flags=re.MULTILINE)]


def shape(page: dict[str, Any]) -> list[Any]:
    """The keys of a page of activities and of the newest one, which must tell of the same kind of thing."""
    newest = page["data"][0]
    named = {name: newest[name] for name in ("action", "resource", "resourceId", "username")}
    return [page.keys(), newest.keys(), newest["details"].keys(), newest["details"]["sources"], named]


def test_the_printed_stream_has_the_fields_and_ids_of_a_real_one(installation: Installation) -> None:
    server = installation.server
    session = server.sign_in("bob")
    url = f"{server.url}/api/downloads/{GAMES['']}/download"
    session.post(url, json={"gameDataId": 12345}, timeout=30)  # 409 after the test above
    real = session.get(f"{url}/progress", timeout=60).text
    (printed,) = re.findall(r"^```\n(retry: .*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert {tuple(event) for event in events(printed)} == {tuple(event) for event in events(real)}
    assert real.splitlines()[0] == printed.splitlines()[0]
    (last_id,) = re.findall(r"^id: (\d+-completed)$", real, flags=re.MULTILINE)
    again = session.get(f"{url}/progress", headers={"Last-Event-ID": last_id}, timeout=30)
    assert (again.status_code, again.content) == (204, b"")


def test_the_browser_example_starts_a_download_and_follows_it(installation: Installation, browser: Browser) -> None:
    game, server = GAMES["browser"], installation.server
    result = browser.run(
        f"""{FOLLOW}\n{IN_BROWSERS}
        const body = new URLSearchParams({{ username: "bob", password: "{PASSWORD}" }});
        await fetch("/auth/login", {{ method: "POST", body }});
        const seen = [];
        const last = await download("{game}", 12346, (progress) => seen.push(progress.status));
        const again = await download("{game}", 12346, () => {{}}).catch((error) => error.message);
        const result = {{ seen, last, again, member: await (await fetch("{member_path(game)}")).text() }};""",
        server.url,
    )
    assert (result["last"]["status"], result["last"]["progress"]) == ("completed", 100)
    assert result["seen"][-1] == "completed"
    assert (result["again"], result["member"]) == ("This game data is already downloaded", INDEX.decode())


def member_path(game: str) -> str:
    """What the page puts into a frame, of another game."""
    (source,) = re.findall(r'<iframe src="([^"]+)">', TEXT)
    return str(source).replace(GAMES[""], game)


def test_the_node_example_follows_with_a_token(installation: Installation, tmp_path: Path) -> None:
    game, server = GAMES["node"], installation.server
    session = server.sign_in("bob")
    url = f"{server.url}/api/downloads/{game}/download"
    assert session.post(url, json={"gameDataId": 12347}, timeout=30).status_code == 202
    given = json.dumps([server.url, token_of(session), game])
    result = run_node(
        f"""{FOLLOW}\n{IN_NODE}
        const [server, token, game] = {given};
        const last = await followWithToken(server, token, game, () => {{}});
        const refused = await followWithToken(server, "wrong", game, () => {{}}).catch((error) => error.message);
        const result = {{ last, refused }};""",
        tmp_path,
    )
    assert (result["last"]["status"], result["refused"]) == ("completed", "The stream was refused")


@pytest.mark.one_machine("who removes an archive by hand does it in a folder")
def test_an_archive_that_was_removed_by_hand_is_gone_at_once_and_may_be_fetched_again(
    installation: Installation,
) -> None:
    server, game = installation.server, GAMES[""]
    session = server.sign_in("bob")
    url = f"{server.url}/api/downloads/{game}/download"
    session.post(url, json={"gameDataId": 12345}, timeout=30)
    session.get(f"{url}/progress", timeout=60)
    (server.data_dir / "games/12345.zip").unlink()
    gone = session.get(server.url + member_path(game), timeout=30).status_code
    again = session.post(url, json={"gameDataId": 12345}, timeout=30).status_code
    assert (gone, again, events(session.get(f"{url}/progress", timeout=60).text)[-1]["status"]) == (
        404,
        202,
        "completed",
    )
    assert session.get(server.url + member_path(game), timeout=30).content == INDEX


def test_the_printed_sources_are_settings_and_lead_where_the_table_says(tmp_path: Path) -> None:
    printed_sources(tmp_path / "settings")
    settings = Settings(_env_file=tmp_path / "settings/.env")  # type: ignore[call-arg] # pydantic-settings' own argument
    (data,) = parse_catalogue(CATALOGUE.encode()).game_data
    shown = re.findall(r"^\| `(https:\S+)` \| `(https:\S+)` \|$", TEXT, flags=re.MULTILINE)
    led = [
        Source(name="shown", base_url=base).url_of(
            game_id=data.game_id, game_data_id=data.id, added_at=data.added_at, sha256=data.sha256
        )
        for base, _ in shown
    ]
    assert [source.name for source in settings.game_data_sources] == ["archive", "mirror"]
    assert led == [address for _, address in shown]
    assert {base.partition("/{")[0].removesuffix("/games/") for base, _ in shown} == set(HOSTS)


def constants(module: ModuleType) -> list[str]:
    """The sentences that a module may answer with."""
    return [value for name, value in vars(module).items() if name.isupper() and isinstance(value, str) and " " in value]


SENTENCES = {
    *(text for module in (exchange, fetcher, responses, targets, url_guard) for text in constants(module)),
    fetching.WRONG_BYTES, fetching.NO_SOURCES, WORKER_GONE, game_archives.NO_ZIP, zip_members.NO_MATCH,
    *game_archives._DETAILS.values(),
    *(kind.detail for kind in (errors.DownloadInProgress, errors.AlreadyDownloaded, errors.TooManyDownloads)),
    *(kind.detail for kind in (errors.StorageFull, errors.StoreUnavailable, errors.ReadFailed)),
    errors.MissingPermission.detail, WORKER["FAULT"],
}  # fmt: skip


@pytest.mark.parametrize("sentence", sorted(SENTENCES))
def test_the_tables_name_every_sentence(sentence: str) -> None:
    shortened = re.sub(r"^(The source|This member of the archive) ", "… ", sentence)
    assert f"`{sentence}`" in TEXT or f"`{shortened}`" in TEXT


def seconds(duration: timedelta) -> int:
    return round(duration.total_seconds())


@pytest.mark.parametrize(
    "claim",
    [
        f"the lease of {seconds(LEASE)} seconds",
        f"up to {seconds(LEASE) + float(WORKER['LOOK_SECONDS']):.0f} seconds later",
        f"| no worker for {seconds(ABANDONED_AFTER)} seconds |",
        f"| silence of a source | {LIMITS.idle_seconds} s |",
        f"| redirects | {LIMITS.redirects}; never",
        f"| {LIMITS.breaks}; pauses of {LIMITS.backoff_seconds} s, doubled up to {LIMITS.longest_backoff_seconds} s",
        f"| connecting | {LIMITS.connect_seconds} s for each address",
        f"| one download, over all sources | {fetching.LONGEST_SECONDS / 3600:.0f} hours |",
    ],
)
def test_the_numbers_are_those_of_the_code(claim: str) -> None:
    assert claim in TEXT


def test_every_route_is_named(installation: Installation) -> None:
    described = (REPOSITORY / "openapi.yaml").read_text("utf-8")
    paths = re.findall(
        r"^  (/(?:api/downloads|api/activities|api/games|game-zip)[^:]*(?:://[^:]*)?):$", described, flags=re.MULTILINE
    )
    named = (
        TEXT.replace("{gameId}", "{game_id}")
        .replace("{gameDataId}", "{game_data_id}")
        .replace("{host}/{path}", "{location}")
    )
    shown = [path for path in paths if path.replace("https://", "http://") in named]
    assert shown == paths
    assert requests.get(f"{installation.server.url}/openapi.yaml", timeout=30).text == described
