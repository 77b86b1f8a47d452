"""Names that want to be more than names: everywhere they are shown as they are, and nothing else happens."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.conftest import PASSWORD
from tests.games import add_game
from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import PHONE, at_width, sideways
from tests.live.console.steps import act, link_to
from tests.live.server import LiveServer

SCRIPT = '"><img src=x onerror=alert(1)><script>'
NAMES = [
    SCRIPT,
    "'><img src=x onerror=alert(1)>.txt",
    "javascript:alert(1)",
    "%2F%2e%2e%00 %41.txt",
    "100% & more? #1; a=b+c.txt",
    "two  spaces .txt",
    "{{7*7}}${7*7}`.txt",
    "חשבונית 2026.txt",
    "فاتورة نهائية.txt",
    "👩‍👩‍👧‍👦🏳️‍🌈.txt",
    "éclair.txt",
    "W" * 251 + ".txt",
    "ж" * 127,
    "constructor",
    "__proto__",
]
BYTES = b"hello\n"


def ask(server: LiveServer, session: requests.Session, method: str, path: str, **how: Any) -> Any:
    answer = session.request(method, f"{server.url}{path}", timeout=30, **how)
    assert answer.ok, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def names(server: LiveServer) -> list[str]:
    """What is stored of each."""
    alice = server.sign_in("alice")
    sent = [ask(server, alice, "POST", "/api/files", params={"filename": name}, data=BYTES) for name in NAMES]
    return [each["filename"] for each in sent]


def shows(page: Page, text: str) -> None:
    expect(page.get_by_role("main").get_by_text(text, exact=True).filter(visible=True).first).to_be_visible()


def test_files_are_called_what_they_are_called(open_console: OpenConsole, names: list[str]) -> None:
    page = open_console()
    for name in names:
        expect(link_to(page, name)).to_have_count(1)
        expect(page.get_by_role("button", name=f"Actions for {name}", exact=True)).to_have_count(1)
    link_to(page, SCRIPT).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_label("Search files", exact=True).fill("<script>")
    expect(link_to(page, "__proto__")).to_have_count(0)
    expect(link_to(page, SCRIPT)).to_be_visible()
    at_width(page, PHONE)
    assert sideways(page) == []


@pytest.mark.parametrize("name", [SCRIPT, "%2F%41", "עברית 👩‍👩‍👧‍👦", "constructor"])
def test_folders_and_what_is_in_them(open_console: OpenConsole, server: LiveServer, name: str) -> None:
    alice, folder = server.sign_in("alice"), f"folder {name}"
    ask(server, alice, "POST", "/api/files", params={"filename": f"{folder}/in {folder}/plain.txt"}, data=BYTES)
    page = open_console("/console/files")
    link_to(page, folder).click()
    link_to(page, f"in {folder}").click()
    expect(link_to(page, "plain.txt")).to_be_visible()
    page.reload()
    act(page, "plain.txt", "Rename")
    page.get_by_role("dialog").get_by_role("textbox").fill(f"{name}.txt")
    page.keyboard.press("Enter")
    expect(link_to(page, f"{name}.txt")).to_be_visible()
    page.get_by_role("navigation", name="Folders").get_by_role("link", name=folder, exact=True).click()
    expect(link_to(page, f"in {folder}")).to_be_visible()


def test_talk_links_games_and_traces(open_console: OpenConsole, server: LiveServer, names: list[str]) -> None:
    alice, agent = server.sign_in("alice"), f"Agent {SCRIPT}"
    form = {"username": "alice", "password": PASSWORD}
    requests.post(f"{server.url}/auth/login", json=form, headers={"User-Agent": agent}, timeout=30)
    files = ask(server, alice, "GET", "/api/files?limit=100")["files"]
    ids = [each["file_id"] for each in files if each["filename"] in names]
    ask(server, alice, "POST", "/api/links", json={"file_ids": ids, "name": f"link {SCRIPT}"})
    body: dict[str, Any] = {"group_name": f"group {SCRIPT}", "participants": ["bob"]}
    group = ask(server, alice, "POST", "/conversations/create/group", json=body)["conversation_id"]
    body = {"conversation_id": group, "content": f"text {SCRIPT} https://example.com/?a=1&b=<b> {'x' * 300}"}
    ask(server, alice, "POST", "/messages", json=body)
    attached = {"file": (f"file {SCRIPT}.txt", BYTES, "text/html")}
    name = ask(server, alice, "POST", "/messages/upload", data={"conversation_id": group}, files=attached)
    ask(server, alice, "POST", "/auth/keys", json={"name": f"key {SCRIPT}", "scopes": ["upload"]})
    with server.services() as services:
        game = add_game(services, 1, title=f"game {SCRIPT}")
    page = open_console("/console/links")
    shown = {
        "/console/links": f"link {SCRIPT}",
        "/console/chat": f"group {SCRIPT}",
        f"/console/chat/{group}": name["message"]["media"]["name"],
        "/console/games": f"game {SCRIPT}",
        f"/console/games/{game}": f"game {SCRIPT}",
        "/console/account": f"key {SCRIPT}",
    }
    wrong = []
    for address, text in shown.items():
        page.goto(address)
        shows(page, text)
        at_width(page, PHONE)
        wrong += [f"{address}: {each}" for each in sideways(page)]
    assert wrong == []


def test_addresses_may_name_anything(open_console: OpenConsole, expected_errors: Callable[..., None]) -> None:
    expected_errors("404: GET .*/api/files", "Failed to load resource.*404")
    page = open_console()
    for name in ("constructor", "__proto__", "toString", "admin/constructor", "%2e%2e%2fauth%2flogout", "%3Cscript%3E"):
        page.goto(f"/console/{name}")
        place = "Only for administrators" if name.startswith("admin") else "There is no such page"
        expect(page.get_by_role("heading", name=place)).to_be_visible()
    page.goto("/console/files/constructor/%253Cscript%253E")
    expect(page.get_by_text("There is no such folder")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
