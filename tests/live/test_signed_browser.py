"""Signed addresses that a person opens in a browser: what is shown, and that nothing of it runs."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import requests

from tests.live.chromium import Page, browser
from tests.live.server import LiveServer, running, wait_until
from tests.live.test_chat_browser import FILM, PICTURE, PLAY

SCRIPT = b"<script>document.title = 'ran'</script>"
RED = (255, 0, 0)


def red_pdf() -> bytes:
    """One page, all red."""
    stream = b"1 0 0 rg 0 0 300 300 re f"
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    text, places = b"%PDF-1.4\n", b"0000000000 65535 f \n"
    for number, part in enumerate(parts, 1):
        places += b"%010d 00000 n \n" % len(text)
        text += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    tail = b"xref\n0 5\n%strailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (places, len(text))
    return text + tail


class Scene(NamedTuple):
    """A service, one who gives out addresses, and the browser of somebody without an account."""

    server: LiveServer
    alice: requests.Session
    page: Page

    def sign(self, name: str, data: bytes, media_type: str) -> str:
        """The address of a new file, to be shown."""
        headers, query = {"Content-Type": media_type}, {"filename": name}
        sent = self.alice.post(f"{self.server.url}/api/files", data=data, params=query, headers=headers, timeout=30)
        asked = f"{self.server.url}/api/files/{sent.json()['file_id']}/url"
        return str(self.alice.post(asked, json={"inline": True}, timeout=30).json()["url"])

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """The colour of one point of the page."""
        png = self.page.screenshot(clip={"x": x, "y": y, "width": 1, "height": 1, "scale": 1})
        at, data = 8, b""
        while at < len(png):
            (size,) = struct.unpack(">I", png[at : at + 4])
            data += png[at + 8 : at + 8 + size] if png[at + 4 : at + 8] == b"IDAT" else b""
            at += size + 12
        red, green, blue = zlib.decompress(data)[1:4]
        return red, green, blue


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running(tmp_path_factory.mktemp("signed") / "data", "alice") as server, browser() as page:
        yield Scene(server, server.sign_in("alice"), page)


def test_pictures_films_and_texts_show(scene: Scene) -> None:
    scene.page.open(scene.sign("a.gif", PICTURE, "image/gif"))
    assert scene.page.evaluate("document.images[0].naturalWidth") == 1
    scene.page.open(scene.sign("a.webm", FILM, "video/webm"))
    assert scene.page.evaluate(PLAY) == 32
    scene.page.open(scene.sign("a.txt", b"hello " + SCRIPT, "text/plain"))
    shown = scene.page.evaluate("[document.body.innerText, document.title, document.scripts.length]")
    assert shown == [f"hello {SCRIPT.decode()}", "", 0]


def test_a_pdf_shows(scene: Scene) -> None:
    scene.page.open(scene.sign("a.pdf", red_pdf(), "application/pdf"))
    wait_until(lambda: scene.pixel(400, 300) == RED)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.html", "text/html"), ("a.html", "text/plain"), ("a.svg", "image/svg+xml"), ("a.xml", "text/xml"),
        ("a.xhtml", "application/xhtml+xml"), ("a", "text/html"), ("a.png", "text/html"),
    ],
)  # fmt: skip
def test_what_could_run_is_saved(scene: Scene, name: str, media_type: str) -> None:
    scene.page.open(f"{scene.server.url}/healthz")
    scene.page.call("Page.navigate", url=scene.sign(name, b"<html>" + SCRIPT, media_type))
    assert scene.page.evaluate("[location.pathname, document.title]") == ["/healthz", ""]


@pytest.mark.parametrize(("name", "media_type"), [("a.gif", "image/gif"), ("a.txt", "text/plain"), ("a", "image/png")])
def test_a_page_that_pretends_is_not_one(scene: Scene, name: str, media_type: str) -> None:
    scene.page.open(scene.sign(name, b"<html>" + SCRIPT, media_type))
    assert scene.page.evaluate("document.title === 'ran'") is False
