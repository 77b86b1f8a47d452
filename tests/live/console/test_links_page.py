"""Links: made for files and for what others send, looked at, copied, opened and taken back."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import PHONE, at_width, axe, sideways
from tests.live.console.undoing import hold_undo, let_undo_pass
from tests.live.server import LiveServer, wait_until

HOSTILE = '"><img src=x onerror=alert(1)>.txt'
OPEN_SHARE_DIALOG = """async (files) => {
  const { assets } = document.body.dataset;
  const [{ html, render }, { ShareDialog }] = await Promise.all(
    ["/vendor/htm-preact.js", "/console/links/share_dialog.js"].map((path) => import(assets + path)));
  const place = document.body.appendChild(document.createElement("div"));
  render(html`<${ShareDialog} files=${files} onClose=${() => render(null, place)} />`, place);
}"""


@pytest.fixture
def file(alice: requests.Session, server: LiveServer) -> Iterator[dict[str, str]]:
    url = f"{server.url}/api/files"
    stored = alice.post(url, params={"filename": HOSTILE}, data=b"hello", timeout=30).json()
    yield stored
    alice.delete(f"{url}/{stored['file_id']}", timeout=30)
    for each in alice.get(f"{server.url}/api/links", timeout=30).json()["links"]:
        alice.delete(f"{server.url}/api/links/{each['id']}", timeout=30)


def test_a_file_is_shared_and_its_address_copied(open_console: OpenConsole, file: dict[str, str]) -> None:
    page = open_console("/console/links", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Sign out").focus()
    page.evaluate(OPEN_SHARE_DIALOG, [file])
    dialog = page.get_by_role("dialog", name=f"Share {HOSTILE}")
    expect(dialog.get_by_label("Title")).to_be_focused()
    dialog.get_by_label("Title").fill("For you")
    dialog.get_by_label("Works for").select_option("1 day")
    dialog.get_by_label("Downloads in all").fill("3")
    dialog.get_by_role("button", name="Generate").click()
    expect(dialog.get_by_label("Password")).to_have_value(re.compile("^.{14}$"))
    password = dialog.get_by_label("Password").input_value()
    assert axe(page) == []
    dialog.get_by_role("button", name="Create link").press("Enter")
    made = page.get_by_role("dialog", name="The link is ready")
    expect(made.get_by_label("Password", exact=True)).to_have_value(password)
    expect(made.get_by_role("button", name="Copy Address")).to_be_focused()
    page.keyboard.press("Enter")
    expect(made.get_by_text("Copied")).to_be_attached()
    at_width(page, PHONE)
    assert (axe(page), sideways(page)) == ([], [])
    _opens(page, password)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_focused()


def _opens(page: Page, password: str) -> None:
    """What was copied leads to the file, for whoever knows the password."""
    url = page.evaluate("navigator.clipboard.readText()")
    stranger = requests.Session()
    stranger.headers["Accept"] = "application/json"
    assert stranger.get(url, timeout=30).json() == {"kind": "download", "has_password": True}
    assert stranger.post(f"{url}/unlock", json={"password": password}, timeout=30).status_code == 204
    shown = stranger.get(url, timeout=30).json()
    assert (shown["name"], [each["filename"] for each in shown["files"]]) == ("For you", [HOSTILE])


def test_what_a_browser_will_not_copy_is_selected(open_console: OpenConsole, file: dict[str, str]) -> None:
    page = open_console("/console/links")
    page.add_init_script("delete Navigator.prototype.clipboard; Document.prototype.execCommand = () => false")
    page.reload()
    page.get_by_role("navigation", name="Pages").wait_for()
    page.evaluate(OPEN_SHARE_DIALOG, [file])
    page.get_by_label("Works for").select_option("Until a day of my own")
    page.get_by_label("Last day").fill(page.get_by_label("Last day").get_attribute("min") or "")
    page.get_by_role("button", name="Create link").click()
    page.get_by_role("button", name="Copy Address").click()
    expect(page.get_by_role("status").filter(has_text="press Ctrl+C")).to_be_visible()
    assert page.evaluate("getSelection().toString()") == page.get_by_label("Address", exact=True).input_value()


def links_of(alice: requests.Session, server: LiveServer) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = alice.get(f"{server.url}/api/links", timeout=30).json()["links"]
    return listed


def share(alice: requests.Session, server: LiveServer, **fields: Any) -> dict[str, Any]:
    answer = alice.post(f"{server.url}/api/links", json=fields, timeout=30)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("button", name=f"Actions for {name}", exact=True))


def choose(page: Page, name: str, action: str) -> None:
    page.get_by_role("button", name=f"Actions for {name}", exact=True).click()
    page.get_by_role("menuitem", name=action, exact=True).click()


def test_others_send_files_by_a_link(
    open_console: OpenConsole, alice: requests.Session, server: LiveServer, file: dict[str, str],
    expected_errors: Callable[..., None],
) -> None:  # fmt: skip
    assert file["status"] == "complete"
    expected_errors("409: POST .*/api/links", "status of 409")
    page = open_console("/console/links")
    expect(page.get_by_role("heading", name="No links yet")).to_be_visible()
    assert (axe(page), page.get_by_role("heading", level=3).all_inner_texts()) == ([], ["Send files", "Receive files"])
    page.get_by_role("button", name="New upload link").press("Enter")
    dialog = page.get_by_role("dialog", name="New upload link")
    for label, text in (("Folder", f"/{HOSTILE}/"), ("Files at most", "3"), ("Gigabytes at most", "0.5")):
        dialog.get_by_label(label).fill(text)
    dialog.get_by_role("button", name="Create link").click()
    expect(dialog.get_by_role("alert")).to_have_text("A file has the name of this folder. Choose another one.")
    dialog.get_by_label("Folder").fill("inbox")
    dialog.get_by_label("Title").fill(HOSTILE)
    dialog.get_by_role("button", name="Create link").click()
    url = page.get_by_role("dialog", name="The link is ready").get_by_label("Address", exact=True).input_value()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("button", name="New upload link")).to_be_focused()
    (link,) = links_of(alice, server)
    asked = {name: link[name] for name in ("url", "kind", "name", "max_files", "max_bytes")}
    assert asked == {"url": url, "kind": "upload", "name": HOSTILE, "max_files": 3, "max_bytes": 500_000_000}
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Content-Type": "application/offset+octet-stream"}
    assert requests.post(f"{url}/uploads", headers=tus, data=b"hello", timeout=30).status_code == 201
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(row(page, HOSTILE)).to_contain_text("1 of 3 files received")
    expect(row(page, HOSTILE)).to_contain_text("5 bytes of 500 MB")


def test_links_tell_what_became_of_them(
    open_console: OpenConsole, alice: requests.Session, server: LiveServer, file: dict[str, str]
) -> None:
    gone = alice.post(f"{server.url}/api/files", params={"filename": "gone"}, data=b"1", timeout=30).json()["file_id"]
    share(alice, server, file_ids=[gone], name="Emptied")
    assert alice.delete(f"{server.url}/api/files/{gone}", timeout=30).ok
    used = share(alice, server, file_ids=[file["file_id"]], max_downloads=1, name="Used")
    assert requests.get(used["files"][0]["url"], timeout=30).content == b"hello"
    share(alice, server, file_ids=[file["file_id"]], password="open sesame", expires_in=365 * 24 * 3600)
    for number in range(50):
        share(alice, server, file_ids=[file["file_id"]], name=f"Link {number}")
    page = open_console("/console/links", color_scheme="dark")
    expect(page.get_by_role("listitem")).to_have_count(50)
    page.get_by_role("button", name="More links").click()
    expect(page.get_by_role("listitem")).to_have_count(53)
    expect(row(page, "Emptied")).to_contain_text("Nothing left in it")
    expect(row(page, "Used")).to_contain_text("Used up")
    expect(row(page, HOSTILE)).to_contain_text("Password")
    expect(row(page, "Link 1")).to_contain_text("Ends in 6 days")
    row(page, HOSTILE).get_by_role("button", name=HOSTILE, exact=True).click()
    details = page.get_by_role("dialog", name=HOSTILE)
    expect(details.get_by_role("listitem")).to_have_text(f"{HOSTILE}5 bytes")
    at_width(page, PHONE)
    assert (axe(page), sideways(page)) == ([], [])
    page.keyboard.press("Escape")
    assert (axe(page), sideways(page)) == ([], [])
    page.clock.set_fixed_time(page.evaluate("Date.now()") / 1000 + 8 * 24 * 3600)
    page.reload()
    expect(row(page, "Link 1")).to_contain_text("Ended yesterday")


def test_a_link_is_taken_back_unless_that_is_undone(
    open_console: OpenConsole, alice: requests.Session, server: LiveServer, file: dict[str, str]
) -> None:
    for name in ("First", "Second", "Third"):
        share(alice, server, file_ids=[file["file_id"]], name=name)
    page = open_console("about:blank")
    page.clock.install()
    page.goto("/console/links")
    hold_undo(page, until_reload=True)
    choose(page, "Second", "Take back")
    expect(row(page, "Second")).to_have_count(0)
    expect(page.get_by_role("button", name="Actions for First")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Actions for Second")).to_be_focused()
    let_undo_pass(page)
    assert len(links_of(alice, server)) == 3
    page.reload()
    choose(page, "Second", "Take back")
    page.clock.run_for(20_000)
    wait_until(lambda: [link["name"] for link in links_of(alice, server)] == ["Third", "First"])
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    choose(page, "Third", "Take back")
    page.goto("about:blank")
    wait_until(lambda: [link["name"] for link in links_of(alice, server)] == ["First"])
    page.goto("/console/links")
    choose(page, "First", "Take back")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert links_of(alice, server) == []
