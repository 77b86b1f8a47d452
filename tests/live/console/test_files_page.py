"""The page of files: what lies where, what may be done with it, by pointer and by keyboard, with very many too."""

import re
from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import PHONE, at_width, axe, sideways
from tests.live.console.many import make_files
from tests.live.console.undoing import hold_undo, let_undo_pass
from tests.live.server import LiveServer, wait_until

pytestmark = pytest.mark.long

MANY = 100_000
HOSTILE = ('"><img src=x onerror=alert(1)>.html', "\u05dc" * 60 + ".txt", "x" * 251 + ".bin", "\U0001f389 50% #1?.csv")


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
    console.get_by_label("Folder name").press("Enter")
    expect(console.get_by_text("This name is taken.")).to_be_visible()
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
    hold_undo(console)
    console.reload()
    choose(console, "one.txt", "Rename")
    field = console.get_by_label("New name")
    expect(field).to_be_focused()
    wait_until(lambda: bool(console.evaluate("getSelection().toString() === 'one'")))
    expected_errors("409", "Failed to load resource")
    field.fill("two.txt")
    field.press("Enter")
    expect(console.get_by_role("alert")).to_have_text("This name is taken. Choose another one.")
    field.fill("first.txt")
    field.press("Enter")
    expect(console.get_by_role("button", name="Actions for first.txt")).to_be_focused()

    with console.expect_download() as whole:
        choose(console, "first.txt", "Download")
    assert whole.value.suggested_filename == "first.txt"
    with console.expect_download() as archive:
        choose(console, "Work", "Download")
    assert archive.value.suggested_filename == "Work.zip"
    choose(console, "Work", "Rename")
    console.get_by_label("New name").fill("Office")
    console.get_by_role("button", name="Rename", exact=True).click()
    expect(console.get_by_role("button", name="Actions for Office")).to_be_focused()

    choose(console, "two.txt", "Move")
    dialog = console.get_by_role("dialog", name="Move two.txt")
    dialog.get_by_role("button", name="Office").click()
    expect(dialog.get_by_text("No folders in here.")).to_be_visible()
    dialog.get_by_label("Folder name").fill("2026")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_role("button", name="2026")).to_have_attribute("aria-current", "true")
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


def test_rows_are_selected_and_worked_on_together(
    console: Page,
    put: Callable[..., str],
    alice: requests.Session,
    server: LiveServer,
    expected_errors: Callable[..., None],
) -> None:
    for name in ("a.txt", "b.txt", "c.txt", "d.txt", "Work/plan.txt"):
        put(name)
    hold_undo(console)
    console.reload()
    console.get_by_role("button", name="Name", exact=True).click()
    expect(console.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
    wait_until(lambda: names(console) == ["Work", "a.txt", "b.txt", "c.txt", "d.txt"])
    expect(console.get_by_role("button", name="Name", exact=True)).to_be_focused()
    console.get_by_role("checkbox", name="Select a.txt").click()
    with console.expect_download() as one:
        console.get_by_role("button", name="Download", exact=True).click()
    assert one.value.suggested_filename == "a.txt"
    console.get_by_role("checkbox", name="Select c.txt").click(modifiers=["Shift"])
    tools = console.get_by_role("group", name="Selection")
    expect(tools.get_by_role("status")).to_have_text("3 selected")
    with console.expect_download() as several:
        tools.get_by_role("button", name="Download").click()
    assert several.value.suggested_filename == "files.zip"
    tools.get_by_role("button", name="Share").click()
    expect(console.get_by_role("dialog")).to_be_visible()
    console.keyboard.press("Escape")
    expect(console.get_by_role("dialog")).to_have_count(0)

    first = console.get_by_role("link", name="a.txt")
    first.focus()
    console.keyboard.press("Escape")
    expect(tools.get_by_role("status")).to_have_text("")
    console.keyboard.press("Space")
    console.keyboard.press("Shift+ArrowDown")
    expect(console.get_by_role("link", name="b.txt")).to_be_focused()
    expect(tools.get_by_role("status")).to_have_text("2 selected")
    console.keyboard.press("ControlOrMeta+a")
    expect(tools.get_by_role("status")).to_have_text("5 selected")
    assert axe(console) == []
    console.keyboard.press("Escape")
    console.keyboard.press("Space")
    console.keyboard.press("Shift+ArrowDown")
    console.keyboard.press("Delete")
    expect(console.get_by_text("Deleted 2 items")).to_be_visible()
    expect(console.get_by_role("link", name="d.txt")).to_be_focused()
    assert names(console) == ["Work", "a.txt", "d.txt"]

    expected_errors("503", "Failed to load resource")
    console.route(
        "**/api/files/*",
        lambda route: route.fulfill(status=503) if route.request.method == "DELETE" else route.fallback(),
    )
    let_undo_pass(console)
    expect(console.get_by_role("alert")).to_contain_text("2 items could not be deleted. The service is busy.")
    wait_until(lambda: names(console) == ["Work", "a.txt", "b.txt", "c.txt", "d.txt"])
    console.unroute_all()
    console.get_by_role("row", name="d.txt").drag_to(console.get_by_role("row", name="Work"))
    wait_until(lambda: names(console) == ["Work", "a.txt", "b.txt", "c.txt"])
    assert listed(alice, server) == {"a.txt", "b.txt", "c.txt", "Work/d.txt", "Work/plan.txt"}
    console.get_by_role("button", name="Undo").click()
    wait_until(lambda: names(console) == ["Work", "a.txt", "b.txt", "c.txt", "d.txt"])
    console.get_by_role("link", name="Work", exact=True).click()
    home = console.get_by_role("navigation", name="Folders").get_by_role("link", name="Home")
    console.get_by_role("row", name="plan.txt").drag_to(home)
    expect(console.get_by_text("This folder is empty")).to_be_visible()
    assert listed(alice, server) == {"a.txt", "b.txt", "c.txt", "d.txt", "plan.txt"}


def test_names_of_any_kind_are_found_below_the_folder_that_is_shown(
    open_console: OpenConsole, put: Callable[..., str]
) -> None:
    for name in HOSTILE:
        put(f"Deep/down here/{name}")
    put("elsewhere.html")
    page = open_console("/console/files/Deep", color_scheme="dark")
    page.get_by_role("searchbox", name="Search files").fill(".HTML")
    found = page.get_by_role("row", name=HOSTILE[0])
    expect(found.get_by_role("link", name="down here")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="1 found")).to_be_attached()
    expect(page).to_have_url(re.compile(r"/console/files/Deep[?]search=.HTML$"))
    page.reload()
    found.get_by_role("link", name=HOSTILE[0]).click()
    expect(page.get_by_role("dialog", name=HOSTILE[0])).to_be_visible()
    page.keyboard.press("Escape")
    expect(found.get_by_role("link", name=HOSTILE[0])).to_be_focused()
    found.get_by_role("link", name="down here").click()
    for name in HOSTILE:
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
        expect(page.get_by_role("button", name=f"Actions for {name}", exact=True)).to_be_visible()
    assert axe(page) == []
    at_width(page, PHONE)
    assert sideways(page) == []
    assert axe(page) == []
    page.get_by_label("Sort by").select_option("Name, Z to A")
    wait_until(lambda: names(page) == sorted(HOSTILE, key=str.encode, reverse=True))

    choose(page, HOSTILE[0], "Rename")
    page.get_by_label("New name").fill(HOSTILE[0] * 9)
    page.get_by_label("New name").press("Enter")
    expect(page.get_by_text("This name is too long.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.go_back()
    expect(found).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value(".HTML")  # or it would take that after what comes now
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    expect(page.get_by_text("Search from Home")).to_be_visible()
    assert (axe(page), sideways(page)) == ([], [])
    page.get_by_role("navigation", name="Folders").get_by_role("link", name="Home", exact=True).click()
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.get_by_text("No name of a file or folder contains that.")).to_be_visible()


def test_what_arrives_is_seen(console: Page, alice: requests.Session, server: LiveServer) -> None:
    expect(console.get_by_text("No files yet")).to_be_visible()
    assert axe(console) == []
    console.get_by_label("Upload files").set_input_files(
        {"name": "new.txt", "mimeType": "text/plain", "buffer": b"new"}
    )
    expect(console.get_by_role("row", name="new.txt")).to_be_visible()
    server.store(alice, "from elsewhere.txt", b"content")
    console.wait_for_timeout(0)
    wait_until(
        lambda: console.evaluate("window.dispatchEvent(new Event('focus'))") and "from elsewhere.txt" in names(console),
        seconds=60,
    )


def test_very_many_files_are_a_matter_of_course(open_console: OpenConsole, server: LiveServer) -> None:
    make_files(server, "bob", MANY)
    page = open_console(account="bob")
    expect(page.get_by_role("table", name="Files")).to_have_attribute("aria-rowcount", "-1")
    link = page.get_by_role("link", name=f"photo {MANY:06}.jpg")
    link.focus()
    for _ in range(30):
        page.keyboard.press("PageDown")
    assert rows(page).count() < 50
    page.keyboard.press("End")
    last = page.get_by_role("link", name="photo 000001.jpg")
    expect(last).to_be_focused(timeout=300_000)
    expect(page.get_by_role("table", name="Files")).to_have_attribute("aria-rowcount", str(MANY + 1))
    assert page.evaluate("document.querySelectorAll('*').length") < 1500
    top = page.evaluate("window.scrollY")
    page.get_by_role("link", name="Links").click()
    page.go_back()
    expect(last).to_be_focused()
    assert abs(page.evaluate("window.scrollY") - top) < 60
    page.evaluate("window.scrollTo(0, 0)")
    expect(link).to_be_visible()
