"""What people do in the console, by the names that the contract gives to fields, buttons and links."""

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

import psutil
import requests
from playwright.sync_api import Locator, Page, expect

from tests.conftest import PASSWORD
from tests.live.server import LiveServer

MEBIBYTE = 1024 * 1024


def sign_in_by_form(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the form and wait for the page behind it."""
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()


def signed_in(page: Page, name: str) -> None:
    """Wait until the page is shown to that account."""
    expect(page.get_by_role("banner").get_by_text(name, exact=True)).to_be_visible()


def go_to(page: Page, place: str) -> None:
    """Follow a link of the navigation."""
    page.get_by_role("navigation").get_by_role("link", name=place, exact=True).click()


def open_links(page: Page) -> None:
    """Open that page, and leave nothing of it under way: who signs out then has no request refused."""
    with page.expect_response("**/api/links?*"):
        page.goto("/console/links")
    expect(page.get_by_role("heading", name="Links", exact=True)).to_be_visible()


def go_to_account(page: Page) -> None:
    """Go there, and leave nothing of it under way."""
    answered = page.expect_response
    with answered("**/auth/me"), answered("**/auth/keys?*"), answered("**/auth/sessions?*"):
        go_to(page, "Account")


def link_to(page: Page, name: str) -> Locator:
    """The name of a file or folder in the list."""
    return page.get_by_role("main").get_by_role("link", name=name, exact=True)


def choose(page: Page, *paths: Path) -> None:
    """Choose files to upload."""
    page.get_by_label("Upload files", exact=True).set_input_files(paths)


def act(page: Page, name: str, action: str) -> None:
    """Choose an action from the menu of a file or folder."""
    page.get_by_role("button", name=f"Actions for {name}", exact=True).click()
    page.get_by_role("menuitem", name=action, exact=True).click()


def bar(page: Page, name: str) -> Locator:
    """The progress of an upload."""
    return page.get_by_role("progressbar", name=name, exact=True)


def hurry(page: Page, bytes_a_second: float) -> None:
    """Let what is sent from the page go so fast; -1 is as fast as it gets."""
    settings = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", settings)


def made(folder: Path, name: str, size: int) -> Path:
    """A file of random bytes."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


def digest(path: Path) -> str:
    """Its SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stored(server: LiveServer, person: requests.Session) -> dict[str, str]:
    """The SHA-256 of each finished file of an account."""
    listed = person.get(f"{server.url}/api/files", params={"limit": "1000"}, timeout=30).json()["files"]
    return {each["filename"]: each["sha256"] for each in listed if each["status"] == "complete"}


def lines_of(server: LiveServer, text: str) -> list[str]:
    """Lines of the server's log with a text in them."""
    return [line for line in server.log_path.read_text().splitlines() if re.search(text, line)]


def end_other_sessions(server: LiveServer, account: str) -> None:
    """End all sign-ins of an account but one that nobody has besides."""
    session = server.sign_in(account)
    for each in session.get(f"{server.url}/auth/sessions", timeout=30).json()["sessions"]:
        if not each["current"]:
            session.delete(f"{server.url}/auth/sessions/{each['id']}", timeout=30)


def kill_browser(profile: Path) -> None:
    """`kill -9`, all processes of the browser that has this profile; they are gone when this returns."""
    killed = []
    for process in psutil.process_iter(["cmdline"]):
        if any(str(profile) in argument for argument in process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):  # with the one that was killed before
                process.kill()
                killed.append(process)
    _, left = psutil.wait_procs(killed, timeout=60)
    assert left == []
