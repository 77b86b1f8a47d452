"""The page of the trash, and deleting where there is one."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import PHONE, at_width, axe, sideways
from tests.live.console.undoing import hold_undo, let_undo_pass
from tests.live.server import LiveServer, running, wait_until

HOSTILE = '"><img src=x onerror=alert(1)>.txt'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """An instance that keeps what is deleted."""
    with running(tmp_path_factory.mktemp("live") / "data", "alice", "bob", TRANSFER_TRASH_DAYS="30") as server:
        yield server


def trashed(alice: requests.Session, server: LiveServer) -> list[str]:
    return [each["filename"] for each in alice.get(f"{server.url}/api/trash", timeout=30).json()["files"]]


def test_what_was_deleted_is_found_brought_back_or_removed(
    console: Page, alice: requests.Session, server: LiveServer
) -> None:
    for name in (HOSTILE, "Trip/old.jpg", "draft.txt", "notes.txt"):
        server.store(alice, name, b"content")
    hold_undo(console)
    console.reload()
    console.get_by_role("button", name="Actions for notes.txt").click()
    console.get_by_role("menuitem", name="Delete").click()
    expect(console.get_by_text("Moved “notes.txt” to the trash")).to_be_visible()
    console.get_by_role("link", name="Trash").click()
    expect(console.get_by_text("The trash is empty")).to_be_visible()
    assert axe(console) == []

    let_undo_pass(console)
    wait_until(lambda: trashed(alice, server) == ["notes.txt"])
    alice.delete(f"{server.url}/api/folders/Trip", params={"recursive": "true"}, timeout=30)
    for name in (HOSTILE, "draft.txt"):
        alice.delete(f"{server.url}/api/files/{quote(name, safe='')}", timeout=30)
    server.store(alice, "notes.txt", b"other")
    console.reload()
    expect(console.get_by_role("row", name=HOSTILE)).to_be_visible()
    assert axe(console) == []
    at_width(console, PHONE)
    assert sideways(console) == []
    at_width(console, 1280)

    console.get_by_role("searchbox", name="Search trash").fill("TRIP")
    expect(console.get_by_role("table").locator("[data-index]")).to_have_count(1)
    console.get_by_role("button", name="Restore old.jpg").click()
    expect(console.get_by_text("Restored “old.jpg”")).to_be_visible()
    expect(console.get_by_role("heading", name="Trash")).to_be_focused()
    console.get_by_role("searchbox", name="Search trash").fill("")
    restore = console.get_by_role("button", name="Restore notes.txt")
    restore.focus()
    console.keyboard.press("Home")
    console.keyboard.press("End")
    expect(restore).to_be_focused()
    console.keyboard.press("Enter")
    expect(console.get_by_text("“notes.txt” is back as “notes (2).txt”")).to_be_visible()

    console.get_by_role("button", name=f"Delete {HOSTILE} for good").click()
    console.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(console.get_by_role("row", name=HOSTILE)).to_have_count(0)
    assert trashed(alice, server) == ["draft.txt"]
    console.get_by_role("button", name="Empty trash").click()
    console.get_by_role("dialog").get_by_role("button", name="Delete all").click()
    expect(console.get_by_text("The trash is empty", exact=True)).to_be_visible()
    assert trashed(alice, server) == []
    names = {each["filename"] for each in alice.get(f"{server.url}/api/files", timeout=30).json()["files"]}
    assert names == {"Trip/old.jpg", "notes.txt", "notes (2).txt"}


def test_it_is_german_and_dark_for_whoever_wants_that(open_console: OpenConsole, server: LiveServer) -> None:
    bob = server.sign_in("bob")
    server.store(bob, "first.txt", b"0")
    bob.delete(f"{server.url}/api/files/first.txt", timeout=30)
    page = open_console("/console/trash", account="bob", color_scheme="dark", locale="de-DE")
    expect(page.get_by_role("button", name="first.txt wiederherstellen")).to_be_visible()
    assert axe(page) == []
