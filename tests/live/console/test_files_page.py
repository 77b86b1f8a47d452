"""The page of files: what lies where, what may be done with it, by pointer and by keyboard, with very many too."""

import re
from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.live.server import LiveServer, wait_until


@pytest.fixture
def put(alice: requests.Session, server: LiveServer) -> Callable[..., str]:
    """Store a file of `alice`; gives its id."""

    def put_file(name: str, content: bytes = b"content") -> str:
        answer = alice.post(f"{server.url}/api/files", params={"filename": name}, data=content, timeout=30)
        assert answer.status_code == 201, answer.text
        file_id: str = answer.json()["file_id"]
        return file_id

    return put_file


@pytest.fixture(autouse=True)
def empty(alice: requests.Session, server: LiveServer) -> None:
    """Each test begins without files."""
    while True:
        page = alice.get(f"{server.url}/api/files", params={"folder": "", "limit": "1000"}, timeout=30).json()
        for each in page["folders"]:
            alice.delete(f"{server.url}/api/folders/{each['path']}", params={"recursive": "true"}, timeout=30)
        for each in page["files"]:
            alice.delete(f"{server.url}/api/files/{each['file_id']}", timeout=30)
        if page["next_cursor"] is None:
            return


def rows(page: Page) -> Locator:
    return page.get_by_role("table").locator("[data-index]")


def names(page: Page) -> list[str]:
    return rows(page).locator(".name").all_inner_texts()


def choose(page: Page, name: str, action: str) -> None:
    """Open the menu of a row and do what it offers."""
    page.get_by_role("button", name=f"Actions for {name}", exact=True).click()
    page.get_by_role("menuitem", name=action, exact=True).click()


def listed(alice: requests.Session, server: LiveServer) -> set[str]:
    return {each["filename"] for each in alice.get(f"{server.url}/api/files", timeout=30).json()["files"]}


def test_folders_are_made_gone_into_and_left_again(console: Page, put: Callable[..., str]) -> None:
    for number in range(16):
        put(f"Trip/photo {number:02}.jpg")
    put("notes.txt")
    put("Trip/day 1/map.pdf")
    console.reload()
    expect(console.get_by_role("row", name="notes.txt")).to_be_visible()
    assert names(console) == ["Trip", "notes.txt"]

    console.get_by_role("link", name="Trip", exact=True).click()
    expect(console).to_have_url(re.compile(r"/console/files/Trip$"))
    expect(console.get_by_role("link", name="day 1", exact=True)).to_be_focused()
    expect(console).to_have_title("Trip · Transfer Service")
    way = console.get_by_role("navigation", name="Folders")
    expect(way.get_by_role("link")).to_have_text(["Home", "Trip"])

    console.get_by_role("button", name="New folder").click()
    console.get_by_label("Folder name").fill("a/b")
    console.get_by_role("button", name="Create").click()
    expect(console.get_by_text("A name cannot have a slash.")).to_be_visible()
    console.get_by_label("Folder name").fill("day 1")
    console.get_by_label("Folder name").fill("day 2")
    console.get_by_label("Folder name").press("Enter")
    expect(console.get_by_role("row", name="day 2")).to_be_visible()
    expect(console.get_by_role("dialog")).to_have_count(0)

    link = console.get_by_role("link", name="day 2", exact=True)
    link.press("End")
    expect(console.get_by_role("link", name="photo 00.jpg")).to_be_focused()
    console.get_by_role("link", name="photo 00.jpg").press("Home")
    link.focus()
    wait_until(lambda: bool(console.evaluate("history.state?.files?.key === 'Trip/day 2/'")))
    link.press("Enter")
    expect(console.get_by_text("This folder is empty")).to_be_visible()
    console.go_back()
    expect(link).to_be_focused()
    way.get_by_role("link", name="Home").click()
    expect(console.get_by_role("row", name="notes.txt")).to_be_visible()


def test_the_menu_of_a_row_renames_moves_and_deletes(
    console: Page,
    put: Callable[..., str],
    alice: requests.Session,
    server: LiveServer,
    expected_errors: Callable[..., None],
) -> None:
    for name in ("one.txt", "two.txt", "three.txt", "Work/plan.txt"):
        put(name)
    console.reload()
    choose(console, "one.txt", "Rename")
    field = console.get_by_label("New name")
    expect(field).to_be_focused()
    assert console.evaluate("getSelection().toString()") == "one"
    expected_errors("409", "Failed to load resource")
    field.fill("two.txt")
    field.press("Enter")
    expect(console.get_by_role("alert")).to_have_text("This name is taken. Choose another one.")
    field.fill("first.txt")
    field.press("Enter")
    expect(console.get_by_role("button", name="Actions for first.txt")).to_be_focused()

    choose(console, "Work", "Rename")
    console.get_by_label("New name").fill("Office")
    console.get_by_role("button", name="Rename", exact=True).click()
    expect(console.get_by_role("button", name="Actions for Office")).to_be_focused()

    choose(console, "two.txt", "Move")
    dialog = console.get_by_role("dialog", name="Move two.txt")
    dialog.get_by_role("button", name="Office").click()
    dialog.get_by_label("Folder name").fill("2026")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_role("button", name="2026")).to_be_visible()
    dialog.get_by_role("button", name="Move here").click()
    expect(console.get_by_text("Moved “two.txt” to “2026”")).to_be_visible()
    expect(console.get_by_role("button", name="Actions for first.txt")).to_be_focused()

    choose(console, "first.txt", "Delete")
    expect(console.get_by_role("row", name="first.txt")).to_have_count(0)
    expect(console.get_by_role("button", name="Actions for three.txt")).to_be_focused()
    assert "first.txt" in listed(alice, server)
    console.get_by_role("button", name="Undo").click()
    expect(console.get_by_role("link", name="first.txt")).to_be_focused()
    choose(console, "Office", "Delete")
    expect(console.get_by_text("Deleted “Office” with 2 files")).to_be_visible()
    choose(console, "three.txt", "Delete")
    console.close(run_before_unload=False)
    wait_until(lambda: listed(alice, server) == {"first.txt"})
