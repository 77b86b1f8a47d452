"""The pages of links in a real browser: on a phone, dark and light, by keyboard, without scripts, of hostile names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.live.chromium import Page, browser
from tests.live.server import LiveServer, wait_until
from tests.live.test_pages_browser import CONTRAST, complaints, look
from tests.previewer.samples import picture
from tests.previewer.working import working
from transfer_service.services.previews.maker import Maker

PASSWORD = "open sesame"
LONG = f"{'a_name_without_any_place_to_break_' * 7}.txt"
HOSTILE = '"><img src=x onerror=alert(1)>.txt'
NAMES = ["lake.jpg", LONG, HOSTILE, "تقرير نهائي.pdf", "no picture.png"]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as page:
        yield page


@pytest.fixture(scope="module")
def files(server: LiveServer) -> list[str]:
    """The ids of files with names of all kinds; one is a picture with a preview."""
    alice, maker = server.sign_in("alice"), Maker()
    ids = [server.store(alice, name, picture() if name == "lake.jpg" else b"text").split("/")[-2] for name in NAMES]
    for name in ("Trip/day one/a.txt", "Trip/b.txt"):
        server.store(alice, name, b"hello")
    with server.services() as services, working(services.core, maker):
        wait_until(lambda: _has_preview(server, alice, ids[0]))
    maker.stop()
    return ids


def _has_preview(server: LiveServer, alice: requests.Session, file_id: str) -> bool:
    url = f"{server.url}/api/files/{file_id}/thumbnail?size=160"
    return alice.get(url, timeout=30).status_code == 200


@pytest.fixture
def link(alice: requests.Session, server: LiveServer, files: list[str]) -> str:
    """The address of a link to all of them, and to a folder."""
    return share(alice, server, file_ids=files, folders=["Trip"], name=HOSTILE)


def share(alice: requests.Session, server: LiveServer, **fields: Any) -> str:
    answer = alice.post(f"{server.url}/api/links", json=fields, timeout=30)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["url"])


def is_whole(page: Page) -> bool:
    """Whether nothing sticks out at the side."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_link_is_whole_on_every_screen(page: Page, link: str, width: int, scheme: str) -> None:
    look(page, width=width, scheme=scheme)
    page.open(link)
    wait_until(lambda: page.evaluate("document.images[1].naturalWidth") > 0)
    asked = page.responses()
    assert all(url.startswith(link.partition("/s/")[0]) for url in asked)
    assert {url.rpartition("/")[2] for url, status in asked.items() if status >= 400} <= {"thumbnail?size=160"}
    assert page.evaluate("[...document.querySelectorAll('.name')].map((name) => name.textContent)") == [
        *NAMES,
        "b.txt",
        "a.txt",
    ]
    assert page.evaluate("document.querySelector('h1').textContent") == HOSTILE
    assert is_whole(page)
    assert page.evaluate(CONTRAST) >= 4.5


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_so_are_the_question_for_a_password_and_what_goes_wrong(
    page: Page, server: LiveServer, alice: requests.Session, files: list[str], width: int, scheme: str
) -> None:
    look(page, width=width, scheme=scheme)
    locked = share(alice, server, file_ids=files, password=PASSWORD)
    page.open(locked)
    unexpected = [each for each in complaints(page) if "should have (optionally hidden) username" not in each]
    assert (is_whole(page), page.evaluate(CONTRAST) >= 4.5, unexpected) == (True, True, [])
    for path in (f"{locked}/files/{files[0]}", f"{server.url}/s/{'a' * 32}"):
        page.open(path)
        assert (is_whole(page), page.evaluate(CONTRAST) >= 4.5) == (True, True)
        assert page.evaluate("document.querySelectorAll('h1').length") == 1


def test_what_assistive_technology_hears(page: Page, link: str) -> None:
    look(page, width=1280, scheme="light")
    page.open(link)
    heard = [(node["role"]["value"], node["name"]["value"]) for node in _nodes(page) if node.get("name")]
    links = [name for role, name in heard if role == "link"]
    assert links == ["Download all as ZIP", *(f"Download {name}" for name in (*NAMES, "b.txt", "a.txt"))]
    assert [name for role, name in heard if role == "heading"] == [HOSTILE, "Trip", "Trip/day one"]
    assert [name for role, name in heard if role == "region"] == ["Files", "Trip", "Trip/day one"]
    assert not [name for role, name in heard if role == "image" and name]


def _nodes(page: Page) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = page.call("Accessibility.getFullAXTree")["nodes"]
    return [node for node in nodes if not node["ignored"]]


def test_a_password_by_keyboard_and_without_scripts(
    page: Page, server: LiveServer, alice: requests.Session, files: list[str]
) -> None:
    look(page, width=360, scheme="light")
    locked = share(alice, server, file_ids=files[:1], password=PASSWORD, name="Behind it")
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(locked)
        _type(page, "open barley")
        wait_until(lambda: "The password is wrong." in _text(page))
        _type(page, PASSWORD)
        wait_until(lambda: "Behind it" in _text(page))
        assert "lake.jpg" in _text(page)
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
    (cookie,) = [each for each in page.cookies() if each["name"] == "transfer_link"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", f"/s/{locked.rpartition('/')[2]}")


def _type(page: Page, text: str) -> None:
    """Into the field that has the focus from the start, and Enter."""
    wait_until(lambda: any(_is_focused(node) for node in _nodes(page) if node["role"]["value"] == "textbox"))
    page.call("Input.insertText", text=text)
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="Enter", windowsVirtualKeyCode=13, text="\r")


def _is_focused(node: dict[str, Any]) -> bool:
    return any(each["name"] == "focused" and each["value"]["value"] for each in node["properties"])


def _text(page: Page) -> str:
    """What stands on the page, for a browser that runs no scripts."""
    return " ".join(node["name"]["value"] for node in _nodes(page) if node.get("name"))


def test_a_click_saves_a_file_under_its_name(page: Page, link: str, tmp_path: Path) -> None:
    look(page, width=360, scheme="light")
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.open(link)
    page.evaluate("document.querySelectorAll('.files a')[0].click()")
    wait_until(lambda: (tmp_path / "lake.jpg").exists())
    assert (tmp_path / "lake.jpg").read_bytes() == picture()


def test_nothing_inline_runs_and_nobody_else_is_reached(page: Page, link: str) -> None:
    page.open(link)
    assert page.evaluate("document.querySelectorAll('script, style, iframe, [style], [onerror]').length") == 0
    assert page.evaluate("fetch('https://example.com/').catch(() => 'refused')") == "refused"
