"""Links: made for files and for what others send, looked at, copied, opened and taken back."""

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import PHONE, at_width, axe, sideways
from tests.live.server import LiveServer

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
    yield alice.post(url, params={"filename": HOSTILE}, data=b"hello", timeout=30).json()
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
    password = dialog.get_by_label("Password").input_value()
    assert (axe(page), len(password)) == ([], 14)
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
