"""Pages of games in a real browser: they have their own parts, and nothing of ours, whatever they try."""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.games import add_archive, make_zip
from tests.live.chromium import Page, browser
from tests.live.server import LiveServer, running


def png(red: int, green: int, blue: int) -> bytes:
    """A picture of 40 by 30 pixels in one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes((red, green, blue)) * 40) * 30
    size = struct.pack(">IIBBBBB", 40, 30, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


GAME = b"""<!DOCTYPE html><meta charset="utf-8"><title>Game</title><link rel="stylesheet" href="look.css">
<p id="text">wait</p><img id="local" src="pictures/red.png"><img id="web" src="/game-zip/http://example.com/blue.png">
<iframe name="inner" src="inner.html" width="60" height="60"></iframe><script src="play.js"></script>"""
NOSY = b"""<!DOCTYPE html><title>Nosy</title><script>
const attempt = look => { try { return look() } catch (error) { return error.name } }
const found = [() => parent.document.cookie, () => parent.location.href, () => parent.localStorage.length].map(attempt)
parent.postMessage(found, '*')
</script>"""
MEMBERS = {
    "index.html": GAME,
    "look.css": b"body { margin: 0; background: rgb(0, 128, 0) } #text { display: none } img { display: block }",
    "play.js": b"document.getElementById('text').textContent = 'played'",
    "pictures/red.png": png(255, 0, 0),
    "content/example.com/blue.png": png(0, 0, 255),
    "inner.html": b"<body style='margin: 0; background: black'>",
    "hostile.html": b"<!DOCTYPE html><title>Hostile</title><p>hello",
    "nosy.html": NOSY,
}


@dataclass
class Player:
    """`alice`, signed in in a browser that has a page of the game open."""

    page: Page
    server: LiveServer
    base: str

    def open(self, name: str) -> None:
        self.page.open(f"{self.server.url}{self.base}/{name}")

    def tries(self, script: str) -> Any:
        """What an async function body in the hostile page gives, or the name of the error that it runs into."""
        guarded = f"(async () => {{ try {{ {script} }} catch (error) {{ return error.name }} }})()"
        return self.page.evaluate(guarded)


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    data_dir = tmp_path_factory.mktemp("games") / "data"
    with running(data_dir, "alice") as server, browser() as page:
        with server.services() as services:
            game_id = add_archive(services, data_dir, make_zip(MEMBERS))
        page.sign_in(server.url, "alice")
        page.evaluate("localStorage.setItem('secret', 'of this origin')")
        yield Player(page, server, f"/game-zip/{game_id}")


def test_a_page_has_its_script_styles_and_pictures(player: Player) -> None:
    player.open("index.html")
    loaded = {url.removeprefix(player.server.url): status for url, status in player.page.responses().items()}
    parts = [f"{player.base}/{name}" for name in ("look.css", "play.js", "pictures/red.png", "inner.html")]
    assert [loaded.get(path) for path in [*parts, "/game-zip/http://example.com/blue.png"]] == [200] * 5
    assert player.page.evaluate("document.getElementById('text').textContent") == "played"


def test_it_looks_as_it_was_made(player: Player) -> None:
    player.open("index.html")
    at = {name: pixel(player.page, *place) for name, place in PLACES.items()}
    assert at == {"red": (255, 0, 0), "blue": (0, 0, 255), "frame": (0, 0, 0), "behind": (0, 128, 0)}


PLACES = {"red": (20, 15), "blue": (20, 45), "frame": (32, 92), "behind": (400, 300)}


def pixel(page: Page, x: int, y: int) -> tuple[int, ...]:
    """The colour at a place of what is to be seen."""
    clip = {"x": x, "y": y, "width": 1, "height": 1, "scale": 1}
    return decode_pixel(page.screenshot(clip=clip))


def decode_pixel(picture: bytes) -> tuple[int, ...]:
    """The first pixel of a PNG."""
    place, data = 8, b""
    while place < len(picture):
        size, kind = struct.unpack_from(">I4s", picture, place)
        if kind == b"IDAT":
            data += picture[place + 8 : place + 8 + size]
        place += 12 + size
    return tuple(zlib.decompress(data)[1:4])


HOSTILE = [
    pytest.param("return document.cookie", "SecurityError", id="cookies"),
    pytest.param("return localStorage.getItem('secret')", "SecurityError", id="storage"),
    pytest.param("return await indexedDB.databases()", "SecurityError", id="databases"),
    pytest.param("return self.origin", "null", id="origin"),
    pytest.param("return (await fetch('/api/files', {credentials: 'include'})).status", "TypeError", id="api"),
    pytest.param("return (await fetch('/healthz')).status", "TypeError", id="open-part-of-the-api"),
    pytest.param("return (await fetch(location.href, {credentials: 'include'})).status", "TypeError", id="itself"),
    pytest.param(
        "return await navigator.serviceWorker.register('play.js')", "SecurityError", id="service-worker"
    ),
    pytest.param(
        "const r = new XMLHttpRequest(); r.open('GET', '/api/files', false); r.withCredentials = true; r.send();"
        " return r.status",
        "NetworkError", id="synchronous-request",
    ),
    pytest.param(
        "return (await fetch('/api/files/x', {method: 'DELETE', credentials: 'include'})).status", "TypeError",
        id="changing-the-api",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("script", "outcome"), HOSTILE)
def test_a_hostile_page_gets_nothing_of_ours(player: Player, script: str, outcome: str) -> None:
    player.open("hostile.html")
    assert player.tries(script) == outcome
    assert 200 not in [status for url, status in player.page.responses().items() if "/api/" in url]


def test_a_hostile_page_cannot_sign_anybody_out(player: Player) -> None:
    player.open("hostile.html")
    player.tries("await fetch('/auth/logout', {method: 'POST', mode: 'no-cors', credentials: 'include'})")
    player.page.open(f"{player.server.url}/healthz")
    assert player.page.evaluate("fetch('/api/files').then(answer => answer.status)") == 200


def test_a_hostile_page_cannot_reach_the_page_around_it(player: Player) -> None:
    player.page.open(f"{player.server.url}/healthz")
    address = json.dumps(f"{player.base}/nosy.html")
    told = player.page.evaluate(
        "new Promise(done => { const frame = document.createElement('iframe');"
        f" onmessage = message => done([message.origin, message.data, frame.contentDocument]); frame.src = {address};"
        " document.body.append(frame) })"
    )
    assert told == ["null", ["SecurityError"] * 3, None]


def test_the_cookie_for_members_opens_nothing_else(player: Player) -> None:
    cookies = {each["name"]: each for each in player.page.cookies()}
    cookie = cookies["game_zip_token"]
    assert (cookie["path"], cookie["httpOnly"], cookie["secure"]) == ("/game-zip/", True, True)
    assert {name: each.get("sameSite") for name, each in cookies.items() if name != "game_zip_token"} == dict.fromkeys(
        ("access_token_cookie", "csrf_access_token", "refresh_token_cookie", "csrf_refresh_token"), "Lax"
    )
