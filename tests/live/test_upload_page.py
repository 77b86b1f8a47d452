"""The page of an upload link in a real browser: files and folders arrive, also over a line that breaks and a reload."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.live.chromium import Page, browser
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.server import LiveServer, wait_until
from tests.live.test_link_pages import is_whole, share
from tests.live.test_pages_browser import CONTRAST, complaints, look

PASSWORD = "open sesame"
HOSTILE = '"><img src=x onerror=alert(1)>.bin'
MEBIBYTE = 1024 * 1024
FILES, FOLDER = "input[multiple]", "input[webkitdirectory]"
STATES = "[...document.querySelectorAll('.uploads li')].map((row) => row.dataset.state)"
BUTTONS = "[...document.querySelectorAll('.uploads button')].filter((button) => !button.hidden)"


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with browser() as page:
        yield page


@pytest.fixture
def page(tab: Page, alice: requests.Session, server: LiveServer) -> Page:
    """The page of a new link."""
    hurry(tab)
    tab.open(share(alice, server, upload=True, folder="from friends"))
    return tab


def hurry(page: Page, bytes_a_second: int = -1, *, is_offline: bool = False) -> None:
    """Let the line be so fast."""
    page.call(
        "Network.emulateNetworkConditions",
        offline=is_offline, latency=0, downloadThroughput=-1, uploadThroughput=bytes_a_second,
    )  # fmt: skip


def made(folder: Path, name: str, size: int) -> Path:
    """A file of random bytes."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def arrived(alice: requests.Session, server: LiveServer) -> dict[str, str]:
    """The SHA-256 of what has arrived whole, by name."""
    listed = alice.get(f"{server.url}/api/files", params={"limit": "1000"}, timeout=30).json()["files"]
    return {each["filename"]: each["sha256"] for each in listed if each["status"] == "complete"}


def press(page: Page, name: str) -> None:
    """The button of that name, as assistive technology has it."""
    found = page.evaluate(f"{BUTTONS}.find((each) => each.getAttribute('aria-label') === {name!r})?.click() ?? true")
    assert found is True, page.evaluate(f"{BUTTONS}.map((each) => each.getAttribute('aria-label'))")


def tree(page: Page) -> list[tuple[str, str]]:
    """Roles and names, as assistive technology has them."""
    nodes: list[dict[str, Any]] = page.call("Accessibility.getFullAXTree")["nodes"]
    return [(each["role"]["value"], each["name"]["value"]) for each in nodes if "name" in each and "role" in each]


def wait_for(page: Page, *states: str) -> None:
    wait_until(lambda: page.evaluate(STATES) == list(states), seconds=60)


@pytest.mark.parametrize("size", [0, 5, 3 * MEBIBYTE], ids=["empty", "small", "large"])
def test_a_chosen_file_arrives(
    page: Page, alice: requests.Session, server: LiveServer, tmp_path: Path, size: int
) -> None:
    path = made(tmp_path, f"lake {size} 湖.jpg", size)
    page.choose(FILES, path)
    wait_for(page, "done")
    assert arrived(alice, server)[f"from friends/{path.name}"] == digest(path)
    assert f"{path.name} was sent." in page.evaluate("document.querySelector('[role=status]').textContent")
    assert (complaints(page), page.evaluate("localStorage.length")) == ([], 0)


def test_folders_come_with_their_paths(page: Page, alice: requests.Session, server: LiveServer, tmp_path: Path) -> None:
    paths = [made(tmp_path, name, 1000) for name in ("Trip/day 1/a.bin", "Trip/day 2/a.bin", "Trip/b.bin")]
    page.choose(FOLDER, tmp_path / "Trip")
    wait_for(page, "done", "done", "done")
    found = arrived(alice, server)
    assert [found[f"from friends/{each.relative_to(tmp_path)}"] for each in paths] == list(map(digest, paths))


def test_what_is_dropped_arrives_files_and_folders(
    page: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    inside, single = made(tmp_path, "Dropped/deep/a.bin", 1000), made(tmp_path, "dropped.bin", 1000)
    page.drop(10, 10, tmp_path / "Dropped", single)
    wait_for(page, "done", "done")
    found = arrived(alice, server)
    assert found["from friends/Dropped/deep/a.bin"] == digest(inside)
    assert found["from friends/dropped.bin"] == digest(single)


def test_an_upload_can_be_paused_resumed_and_cancelled(
    page: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    kept, dropped = made(tmp_path, "kept.bin", 3 * MEBIBYTE), made(tmp_path, HOSTILE.replace("/", ""), 3 * MEBIBYTE)
    hurry(page, MEBIBYTE)
    page.choose(FILES, kept, dropped)
    wait_for(page, "running", "running")
    names = tree(page)
    assert {("progressbar", each.name) for each in (kept, dropped)} <= {*names}
    assert {("button", f"{word} {each.name}") for each in (kept, dropped) for word in ("Pause", "Cancel")} <= {*names}
    wait_until(lambda: page.evaluate("document.querySelector('progress').value") > 0)
    press(page, "Pause kept.bin")
    press(page, f"Cancel {dropped.name}")
    wait_for(page, "paused")
    hurry(page)
    assert ("button", "Resume kept.bin") in tree(page)
    wait_until(lambda: [each["filename"] for each in under_way(alice, server)] == ["from friends/kept.bin"])
    press(page, "Resume kept.bin")
    wait_for(page, "done")
    assert arrived(alice, server)["from friends/kept.bin"] == digest(kept)
    assert not [name for name in arrived(alice, server) if "onerror" in name]


def under_way(alice: requests.Session, server: LiveServer) -> list[dict[str, Any]]:
    uploads: list[dict[str, Any]] = alice.get(f"{server.url}/api/uploads", timeout=30).json()["uploads"]
    return uploads


def test_it_goes_on_over_a_line_that_breaks(
    tab: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    path = made(tmp_path, "broken line.bin", 4 * MEBIBYTE)
    link = urlsplit(share(alice, server, upload=True)).path
    cuts = [Fault(reset_at=900_000, toward="server")] * 10  # some of the connections bring the page only
    hurry(tab)
    with FaultProxy(server.port, cuts) as proxy:
        tab.open(f"http://127.0.0.1:{proxy.port}{link}")
        tab.choose(FILES, path)
        wait_for(tab, "done")
        assert len(proxy.faults_done) >= 2
    assert arrived(alice, server)["broken line.bin"] == digest(path)


def test_it_begins_when_the_network_is_there(
    page: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    path = made(tmp_path, "offline.bin", 1000)
    hurry(page, is_offline=True)
    page.choose(FILES, path)
    wait_until(lambda: "Waiting for the network" in page.evaluate("document.querySelector('.uploads').textContent"))
    assert ("button", "Pause offline.bin") in tree(page)
    hurry(page)
    wait_for(page, "done")
    assert arrived(alice, server)["from friends/offline.bin"] == digest(path)


def test_it_goes_on_after_a_reload_with_the_same_file(
    page: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    path, other = made(tmp_path, "reloaded.bin", 4 * MEBIBYTE), made(tmp_path, "never.bin", 4 * MEBIBYTE)
    hurry(page, MEBIBYTE)
    page.choose(FILES, path, other)
    wait_until(lambda: page.evaluate("document.querySelector('progress')?.value") > MEBIBYTE)
    url = page.evaluate("location.href")
    page.call("Page.setInterceptFileChooserDialog", enabled=False)
    page.evaluate("window.addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), true)")
    page.open(url)
    hurry(page)
    wait_for(page, "lost", "lost")
    wait_until(lambda: all(each["offset"] > 0 for each in under_way(alice, server)))
    assert ("button", "Cancel reloaded.bin") in tree(page)
    page.choose(FILES, path)
    wait_for(page, "done", "lost")
    press(page, "Cancel never.bin")
    wait_until(lambda: under_way(alice, server) == [])
    assert page.evaluate("localStorage.length") == 0
    assert arrived(alice, server)["from friends/reloaded.bin"] == digest(path)


def test_what_is_refused_is_told(tab: Page, alice: requests.Session, server: LiveServer, tmp_path: Path) -> None:
    hurry(tab)
    tab.open(share(alice, server, upload=True, max_files=1, max_bytes=1000))
    assert "1 file, 1.0 kB in all" in tab.evaluate("document.body.textContent.replace(/\\s+/g, ' ')")
    tab.choose(FILES, made(tmp_path, "too large.bin", 1001))
    wait_for(tab, "failed")
    assert "no room" in tab.evaluate("document.querySelector('.uploads .size').textContent")
    tab.choose(FILES, made(tmp_path, "fits.bin", 1000))
    wait_for(tab, "failed", "done")
    tab.choose(FILES, made(tmp_path, "one more.bin", 1))
    wait_for(tab, "failed", "done", "failed")
    assert "takes no more files" in tab.evaluate("document.querySelector('[role=status]').textContent")


def test_a_link_that_is_taken_back_meanwhile_is_told(
    tab: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    url = share(alice, server, upload=True)
    tab.open(url)
    hurry(tab, MEBIBYTE)
    tab.choose(FILES, made(tmp_path, "too late.bin", 6 * MEBIBYTE))
    wait_until(lambda: tab.evaluate("document.querySelector('progress')?.value") > MEBIBYTE)
    (link,) = [each for each in alice.get(f"{server.url}/api/links", timeout=30).json()["links"] if each["url"] == url]
    assert alice.delete(f"{server.url}/api/links/{link['id']}", timeout=30).status_code == 204
    wait_for(tab, "failed")
    assert "does not work any more" in tab.evaluate("document.querySelector('.uploads .size').textContent")
    assert under_way(alice, server) == []
    hurry(tab)


def test_a_page_with_a_password_sends_the_cookie_along(
    tab: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    hurry(tab)
    tab.open(share(alice, server, upload=True, password=PASSWORD))
    tab.evaluate(f"document.querySelector('input[type=password]').value = '{PASSWORD}'")
    tab.events.clear()
    tab.evaluate("document.querySelector('form').submit()")
    wait_until(lambda: tab.evaluate("Boolean(document.querySelector('.drop:not([hidden])'))"))
    path = made(tmp_path, "behind a password.bin", 1000)
    tab.choose(FILES, path)
    wait_for(tab, "done")
    assert arrived(alice, server)[path.name] == digest(path)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_whole_on_every_screen(page: Page, tmp_path: Path, width: int, scheme: str) -> None:
    look(page, width=width, scheme=scheme)
    hurry(page, MEBIBYTE)
    page.choose(FILES, made(tmp_path, f"{'a_name_without_a_place_to_break_' * 6}.bin", 3 * MEBIBYTE))
    wait_for(page, "running")
    assert is_whole(page)
    assert page.evaluate(CONTRAST) >= 4.5
    assert complaints(page) == []
    press(page, page.evaluate(f"{BUTTONS}[1].getAttribute('aria-label')"))
    hurry(page)


def test_the_keyboard_is_enough(page: Page, tmp_path: Path) -> None:
    look(page, width=1280, scheme="light")
    hurry(page, MEBIBYTE)
    page.choose(FILES, made(tmp_path, "a.bin", 3 * MEBIBYTE), made(tmp_path, "b.bin", 3 * MEBIBYTE))
    wait_for(page, "running", "running")
    page.evaluate(f"{BUTTONS}[0].focus()")
    key(page, " ", "Space", 32)
    wait_for(page, "paused", "running")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Resume a.bin"
    key(page, "Tab", "Tab", 9)
    key(page, "Enter", "Enter", 13)
    wait_for(page, "running")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Cancel b.bin"
    key(page, "Enter", "Enter", 13)
    wait_for(page)
    assert page.evaluate("document.activeElement.matches('input[multiple]')")
    hurry(page)


def key(page: Page, text: str, code: str, number: int) -> None:
    """Press a key."""
    typed = {"text": "\r" if code == "Enter" else text} if code != "Tab" else {}
    for kind in ("keyDown", "keyUp"):
        page.call(
            "Input.dispatchKeyEvent", type=kind, key=text, code=code, windowsVirtualKeyCode=number,
            **(typed if kind == "keyDown" else {}),
        )  # fmt: skip


def test_who_has_no_scripts_is_told(tab: Page, alice: requests.Session, server: LiveServer) -> None:
    url = share(alice, server, upload=True)
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(url)
    tab.call("Emulation.setScriptExecutionDisabled", value=False)
    shown = tab.evaluate("document.body.innerText")
    assert "needs scripts" in shown
    assert f"{url}/uploads" in shown
    assert "Drop files" not in shown
