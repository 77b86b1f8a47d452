"""Files shown large: pictures, films, sounds, documents and texts, one after the other."""

import hashlib
import math
import re
import struct
import wave
from collections.abc import Iterator, Sequence
from functools import partial
from io import BytesIO

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import PHONE, at_width, axe, sideways
from tests.live.console.sample import document, movie
from tests.live.server import LiveServer, wait_until
from tests.previewer.samples import film, picture
from tests.previewer.working import working
from transfer_service.services.previews.maker import Maker

pytestmark = pytest.mark.long

HOSTILE = b"<!doctype html><script>top.hacked = true</script>\n<img src=x onerror='top.hacked = true'>\n"
DRAWING = b"<svg xmlns='http://www.w3.org/2000/svg' onload='top.hacked = true'><script>top.hacked = true</script></svg>"
LONG = "".join(f"{number:07d} {'grün ' * 40}\n" for number in range(4000)).encode()
OPEN = """async (files) => {
  const { assets } = document.body.dataset;
  const [{ html, render }, { Shown }] = await Promise.all(
    ["/vendor/htm-preact.js", "/console/previews/shown.js"].map((path) => import(assets + path)));
  globalThis.last = [];
  const place = document.body.appendChild(document.createElement("div"));
  render(html`<${Shown} files=${files} onClosed=${(id) => last.push(id)} />`, place);
}"""


def sound() -> bytes:
    """A second of a tone."""
    target = BytesIO()
    with wave.open(target, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(place / 5))) for place in range(8000)))
    return target.getvalue()


CONTENTS = {
    "lake.jpg": picture("JPEG", 1600, 900), "scan.tiff": picture("TIFF"), "broken.png": b"\x89PNG\r\n\x1a\nno",
    "long.webm": movie(12 * 1024 * 1024), "old.avi": film("avi"), "tone.wav": sound(), "lease.pdf": document("Lease"),
    "page.html": HOSTILE, "drawing.svg": DRAWING, "long.log": LONG, "old.txt": "Grüße".encode("latin-1"),
    "data.txt": bytes(range(256)), "rest.xyz": b"12345",
}  # fmt: skip


@pytest.fixture(scope="module")
def files(server: LiveServer) -> Iterator[dict[str, dict[str, str]]]:
    """What can be looked at, with previews of what has some."""
    alice, maker = server.sign_in("alice"), Maker()
    made = {}
    for name, content in CONTENTS.items():
        made[name] = {"file_id": server.store(alice, name, content).split("/")[-2], "filename": name}
    with server.services() as services, working(services.core, maker):
        for name in ("lake.jpg", "scan.tiff", "long.webm", "old.avi"):
            file_id = made[name]["file_id"]
            wait_until(partial(_has_preview, server, alice, file_id), seconds=120)
    maker.stop()
    yield made
    for each in made.values():
        alice.delete(f"{server.url}/api/files/{each['file_id']}", timeout=30)


def _has_preview(server: LiveServer, person: requests.Session, file_id: str) -> bool:
    return person.get(f"{server.url}/api/files/{file_id}", timeout=30).json()["width"] is not None


def show(page: Page, files: Sequence[dict[str, str]]) -> None:
    """Go to the first of these files, as a link to it does."""
    page.get_by_role("button", name="Sign out").wait_for()
    page.evaluate(OPEN, list(files))
    page.evaluate(
        "(id) => { history.pushState(null, '', `?show=${id}`); dispatchEvent(new PopStateEvent('popstate')); }",
        files[0]["file_id"],
    )
    expect(page.get_by_role("dialog", name=files[0]["filename"])).to_be_visible()


def natural_width(page: Page) -> int:
    width: int = page.evaluate("document.querySelector('.viewer-picture img')?.naturalWidth ?? 0")
    return width


def width_of(shown: Locator) -> float:
    width: float = shown.evaluate("(element) => element.getBoundingClientRect().width")
    return width


def test_pictures_follow_each_other(open_console: OpenConsole, files: dict[str, dict[str, str]]) -> None:
    page = open_console("/console/nowhere", color_scheme="dark")
    show(page, [files[name] for name in ("lake.jpg", "scan.tiff", "broken.png")])
    lake = page.get_by_role("img", name="lake.jpg")
    wait_until(lambda: natural_width(page) == 1600)
    fitted = width_of(lake)
    page.get_by_role("button", name="Larger").click()
    wait_until(lambda: width_of(lake) == pytest.approx(1.5 * fitted, abs=2))
    page.get_by_role("button", name="Details").click()
    facts = page.get_by_role("complementary", name="Details")
    expect(facts).to_contain_text("1600 \u00d7 900")
    digest = hashlib.sha256(CONTENTS["lake.jpg"]).hexdigest()
    assert facts.get_by_label("SHA-256", exact=True).input_value() == digest
    assert axe(page) == []
    at_width(page, PHONE)
    assert (axe(page), sideways(page)) == ([], [])
    page.get_by_role("button", name="Next file").press("Enter")
    expect(page.get_by_role("dialog", name="scan.tiff").get_by_role("img", name="scan.tiff")).to_be_visible()
    wait_until(lambda: natural_width(page) == 400)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("dialog", name="broken.png")).to_contain_text("There is no preview of this file.")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("status").filter(has_text="broken.png, 3 of 3")).to_be_attached()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("dialog", name="scan.tiff")).to_be_visible()
    expect(page).to_have_url(re.compile(f"[?]show={files['scan.tiff']['file_id']}$"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    wait_until(lambda: page.evaluate("last") == [files["scan.tiff"]["file_id"]])
    expect(page).to_have_url(re.compile("/console/nowhere$"))


def test_an_address_shows_its_file_and_back_closes_it(
    open_console: OpenConsole, files: dict[str, dict[str, str]], server: LiveServer
) -> None:
    page = open_console("/console/files?search=lake")
    name = page.get_by_role("main").get_by_role("link", name="lake.jpg", exact=True)
    name.click()
    lake = page.get_by_role("dialog", name="lake.jpg", exact=True)
    expect(lake).to_be_visible()
    expect(page).to_have_url(re.compile(f"show={files['lake.jpg']['file_id']}$"))
    page.reload()
    expect(lake).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download", exact=True).click()
    assert download.value.path().read_bytes() == CONTENTS["lake.jpg"]
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("dialog", name="Share lake.jpg")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Share lake.jpg")).to_have_count(0)
    expect(page.get_by_role("button", name="Share")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(name).to_be_focused()
    expect(page).to_have_url(f"{server.url}/console/files?search=lake")
    page.keyboard.press("Enter")
    expect(lake).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.go_forward()
    expect(lake).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(name).to_be_focused()


def test_films_and_sounds_are_played_from_any_place(
    open_console: OpenConsole, files: dict[str, dict[str, str]]
) -> None:
    page = open_console("/console/nowhere")
    answers: list[tuple[int, str]] = []
    page.on("response", lambda each: answers.append((each.status, each.headers.get("content-range", ""))))
    show(page, [files[name] for name in ("long.webm", "tone.wav", "old.avi")])
    video = page.locator("video")
    expect(video).to_have_attribute("aria-label", "long.webm")
    wait_until(lambda: video.evaluate("(film) => film.readyState") >= 1)
    sought = (
        "(film) => new Promise((done) => { film.onseeked = () => done(film.currentTime); film.currentTime = 1.5; })"
    )
    assert video.evaluate(sought) == pytest.approx(1.5, abs=0.2)
    wait_until(lambda: page.evaluate("1") and 206 in {status for status, _ in answers})
    page.get_by_role("button", name="Next file").click()
    wait_until(lambda: page.locator("audio").evaluate("(sound) => sound.duration") == pytest.approx(1, abs=0.01))
    page.get_by_role("button", name="Next file").click()
    expect(page.get_by_role("dialog", name="old.avi")).to_contain_text("This browser cannot play it.")
    wait_until(lambda: page.evaluate("document.querySelector('.viewer-other img').naturalWidth") == 320)


def test_a_document_is_read_in_the_page(open_console: OpenConsole, files: dict[str, dict[str, str]]) -> None:
    page = open_console("/console/nowhere")
    show(page, [files["lease.pdf"]])
    if not page.evaluate("navigator.pdfViewerEnabled"):
        expect(page.get_by_role("dialog")).to_contain_text("This browser shows no PDF inside of pages.")
    else:
        expect(page.locator("iframe")).to_have_attribute("title", "lease.pdf")
    address = page.get_by_role("link", name="Open in a new tab").get_attribute("href") or ""
    answer = page.request.get(address)
    assert (answer.headers["content-disposition"].partition(";")[0], answer.body()[:5]) == ("inline", b"%PDF-")


def test_texts_are_texts_whatever_stands_in_them(open_console: OpenConsole, files: dict[str, dict[str, str]]) -> None:
    page = open_console("/console/nowhere")
    names = ("page.html", "drawing.svg", "long.log", "old.txt", "data.txt", "rest.xyz")
    show(page, [files[name] for name in names])
    text = page.get_by_role("region", name="page.html")
    expect(text).to_have_text(HOSTILE.decode().strip())
    assert (axe(page), text.locator("code").count()) == ([], 2)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("region", name="drawing.svg")).to_have_text(DRAWING.decode())
    drawn = "document.querySelectorAll('.viewer-shown img, .viewer-shown svg').length"
    assert page.evaluate(f"[typeof hacked, {drawn}]") == ["undefined", 0]
    page.get_by_role("button", name="Next file").click()
    log = page.get_by_role("region", name="long.log")
    expect(log).to_be_visible()
    expect(page.get_by_text("The first 262.1 kB. Download it for the rest.")).to_be_visible()
    assert log.evaluate("(log) => log.textContent") == LONG[: 256 * 1024].decode(errors="ignore") + "\n"
    page.get_by_role("checkbox", name="Wrap long lines").uncheck()
    at_width(page, PHONE)
    assert sideways(page) == []
    page.get_by_role("button", name="Next file").click()
    expect(page.get_by_role("region", name="old.txt")).to_have_text("Grüße")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("dialog", name="data.txt")).to_contain_text("This is no text that can be read.")
    page.get_by_role("button", name="Next file").click()
    expect(page.get_by_role("dialog", name="rest.xyz")).to_contain_text("There is no preview of this file.")
