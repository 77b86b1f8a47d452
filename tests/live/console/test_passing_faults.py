"""Answers and lines that fail for a while: what was wanted is done by itself once they work, and once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, Route, expect

from tests.live.console.conftest import MakeContext, OpenConsole, sign_in
from tests.live.console.steps import act, choose, link_to, made, signed_in
from tests.live.console.talk import act as act_on
from tests.live.console.talk import begin, log, said, say
from tests.live.console.undoing import hold_undo, let_undo_pass
from tests.live.server import LiveServer, running, wait_until
from tests.previewer.samples import picture
from tests.proofs import sample

EXPECTED = (r"^(429|50[234]): ", r"console error: .* (429|50[234]|net::ERR_)", "console .*WebSocket")
KINDS = {503: "503", 429: "429", 0: "broken-line"}
FAULTS = pytest.mark.parametrize("fault", sample(list(KINDS), every=2), ids=KINDS.get)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """An instance that keeps what is deleted."""
    with running(tmp_path_factory.mktemp("live") / "data", "alice", "bob", "root", TRANSFER_TRASH_DAYS="30") as server:
        yield server


class Refusals:
    """Answers the first requests of a method to addresses of a pattern with a fault."""

    def __init__(self, page: Page, method: str, pattern: str, fault: int = 503, count: int = 2, after: int = 0) -> None:
        self.count = 0
        self._page, self._method, self._fault, self._most, self._after = page, method, fault, count, after
        page.context.route(pattern, self._answer)

    def _answer(self, route: Route) -> None:
        if route.request.method != self._method or self.count == self._most:
            route.fallback()
            return
        self.count += 1
        if self._fault:
            headers = {"Retry-After": str(self._after)} if self._after else {}
            route.fulfill(status=self._fault, json={"detail": "Not now"}, headers=headers)
        else:
            route.abort("connectionreset")

    def have_happened(self) -> None:
        """Wait for all of them."""
        wait_until(lambda: self._page.evaluate("1") and self.count == self._most, seconds=60)


PLACES = {
    "files": ("/", "**/api/files?*", "No files yet"),
    "links": ("/console/links", "**/api/links?*", "Send files"),
    "games": ("/console/games", "**/api/games?*", "catalogue"),
    "sign-ins": ("/console/account", "**/auth/sessions?*", "This one"),
    "trash": ("/console/trash", "**/api/trash?*", "The trash is empty"),
    "conversations": ("/console/chat", "**/conversations", "No conversations yet"),
    "accounts": ("/console/admin/accounts", "**/api/admin/accounts?*", "root"),
}


@pytest.mark.parametrize(
    ("place", "fault"),
    sample([pytest.param(place, fault, id=f"{place}-{KINDS[fault]}") for place in PLACES for fault in KINDS], every=4),
)
def test_what_a_page_could_not_get_is_asked_for_again(
    open_console: OpenConsole, expected_errors: Callable[..., None], place: str, fault: int
) -> None:
    expected_errors(*EXPECTED)
    path, pattern, text = PLACES[place]
    page = open_console("/console/nowhere", account="root")
    signed_in(page, "root")
    refusals = Refusals(page, "GET", pattern, fault)
    page.goto(path)
    refusals.have_happened()
    expect(page.get_by_role("main").get_by_text(text).first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("pattern", ["**/conversations/info?*", "**/messages/changes?*", "**/messages/get?*"])
def test_a_conversation_is_asked_for_again(
    open_console: OpenConsole, server: LiveServer, alice: requests.Session,
    expected_errors: Callable[..., None], pattern: str,
) -> None:  # fmt: skip
    expected_errors(*EXPECTED)
    conversation = begin(server, alice, "bob", group="Slowly")
    say(server, alice, conversation, "there all the time")
    page = open_console("/console/account")
    signed_in(page, "alice")
    refusals = Refusals(page, "GET", pattern)
    page.goto(f"/console/chat/{conversation}")
    refusals.have_happened()
    expect(log(page).get_by_text("there all the time")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_words_and_scripts_are_asked_for_again(make_context: MakeContext, expected_errors: Callable[..., None]) -> None:
    expected_errors(*EXPECTED)
    context = make_context()
    sign_in(context, "alice")
    page = context.new_page()
    words = Refusals(page, "GET", "**/messages/en.json", count=1)
    script = Refusals(page, "GET", "**/links/page.js", count=1)
    page.goto("/console/links")
    expect(page.get_by_role("heading", name="Links", exact=True)).to_be_visible()
    assert (words.count, script.count) == (1, 1)


def test_uploads_that_were_left_are_looked_for_again(
    open_console: OpenConsole, server: LiveServer, alice: requests.Session, expected_errors: Callable[..., None]
) -> None:
    expected_errors(*EXPECTED)
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000", "Upload-Metadata": "filename bGVmdC5iaW4="}
    made = alice.post(f"{server.url}/api/uploads", headers=headers, timeout=30)
    page = open_console("/console/account")
    signed_in(page, "alice")
    refusals = Refusals(page, "GET", "**/api/uploads?*")
    page.goto("/")
    refusals.have_happened()
    expect(page.get_by_role("progressbar", name="left.bin")).to_be_visible()
    assert alice.delete(made.headers["Location"], headers=headers, timeout=30).ok


@FAULTS
def test_a_file_is_deleted_in_the_end(
    console: Page, server: LiveServer, alice: requests.Session, expected_errors: Callable[..., None], fault: int
) -> None:
    expected_errors(*EXPECTED)
    server.store(alice, "unwanted.txt", b"content")
    hold_undo(console)
    console.reload()
    refusals = Refusals(console, "DELETE", "**/api/files/*", fault)
    act(console, "unwanted.txt", "Delete")
    expect(console.get_by_role("button", name="Undo")).to_be_visible()
    let_undo_pass(console)
    refusals.have_happened()
    expect(link_to(console, "unwanted.txt")).to_have_count(0)
    wait_until(lambda: console.evaluate("1") and not names(server, alice))
    expect(console.get_by_role("alert")).to_have_count(0)


def names(server: LiveServer, person: requests.Session) -> list[str]:
    return [each["filename"] for each in person.get(f"{server.url}/api/files", timeout=30).json()["files"]]


def test_who_leaves_before_the_next_try_has_deleted_the_file(
    console: Page, server: LiveServer, alice: requests.Session, expected_errors: Callable[..., None]
) -> None:
    expected_errors(*EXPECTED)
    server.store(alice, "left behind.txt", b"content")
    hold_undo(console)
    console.reload()
    refusals = Refusals(console, "DELETE", "**/api/files/*", count=1, after=25)
    act(console, "left behind.txt", "Delete")
    let_undo_pass(console)
    refusals.have_happened()
    console.goto("about:blank")
    wait_until(lambda: console.evaluate("1") and not names(server, alice), seconds=20)


def test_a_link_is_taken_back_in_the_end(
    open_console: OpenConsole, server: LiveServer, alice: requests.Session, expected_errors: Callable[..., None]
) -> None:
    expected_errors(*EXPECTED)
    server.store(alice, "shared.txt", b"content")
    (file,) = alice.get(f"{server.url}/api/files", timeout=30).json()["files"]
    made = {"file_ids": [file["file_id"]], "name": "Shared"}
    assert alice.post(f"{server.url}/api/links", json=made, timeout=30).ok
    page = open_console("/console/links")
    hold_undo(page)
    page.reload()
    refusals = Refusals(page, "DELETE", "**/api/links/*")
    page.get_by_role("button", name="Actions for Shared").click()
    page.get_by_role("menuitem", name="Take back").click()
    let_undo_pass(page)
    refusals.have_happened()
    wait_until(lambda: page.evaluate("1") and not alice.get(f"{server.url}/api/links", timeout=30).json()["links"])
    expect(page.get_by_role("alert")).to_have_count(0)
    alice.delete(f"{server.url}/api/files/{file['file_id']}", timeout=30)


def test_a_message_is_deleted_in_the_end(
    open_console: OpenConsole, server: LiveServer, alice: requests.Session, expected_errors: Callable[..., None]
) -> None:
    expected_errors(*EXPECTED)
    conversation = begin(server, alice, "bob", group="Said too much")
    say(server, alice, conversation, "never mind")
    page = open_console(f"/console/chat/{conversation}")
    hold_undo(page)
    page.reload()
    refusals = Refusals(page, "DELETE", "**/messages/*")
    act_on(page, "never mind", "Delete")
    let_undo_pass(page)
    refusals.have_happened()
    wait_until(lambda: page.evaluate("1") and said(server, alice, conversation)[0]["is_deleted"])
    expect(page.get_by_role("alert")).to_have_count(0)


@FAULTS
def test_a_picture_is_shown_in_the_end(
    console: Page, server: LiveServer, alice: requests.Session, expected_errors: Callable[..., None], fault: int
) -> None:
    expected_errors(*EXPECTED)
    name = f"lake {fault}.jpg"
    file_id = server.store(alice, name, picture("JPEG", 160, 90)).split("/")[-2]
    console.reload()
    refusals = Refusals(console, "GET", f"**/api/files/{file_id}/download", fault, count=1)
    probes = Refusals(console, "HEAD", f"**/api/files/{file_id}/download", fault, count=2)
    link_to(console, name).click()
    refusals.have_happened()
    probes.have_happened()
    shown = console.get_by_role("dialog").get_by_role("img", name=name)
    wait_until(lambda: bool(shown.evaluate("(image) => image.naturalWidth")), seconds=60)
    alice.delete(f"{server.url}/api/files/{file_id}", timeout=30)


def test_a_picture_is_fetched_with_new_tokens(
    console: Page, server: LiveServer, alice: requests.Session, expected_errors: Callable[..., None]
) -> None:
    expected_errors(*EXPECTED, "401")
    file_id = server.store(alice, "late.jpg", picture("JPEG", 160, 90)).split("/")[-2]
    console.reload()

    def end_token(route: Route) -> None:
        console.context.clear_cookies(name="access_token_cookie")
        route.fulfill(status=401, json={"detail": "Could not validate credentials"})

    console.route(f"**/api/files/{file_id}/download", end_token, times=1)
    link_to(console, "late.jpg").click()
    shown = console.get_by_role("dialog").get_by_role("img", name="late.jpg")
    wait_until(lambda: bool(shown.evaluate("(image) => image.naturalWidth")), seconds=60)
    alice.delete(f"{server.url}/api/files/{file_id}", timeout=30)


def test_a_file_that_was_replaced_by_half_is_replaced_by_the_next_try(
    console: Page, server: LiveServer, alice: requests.Session, expected_errors: Callable[..., None], tmp_path: Path
) -> None:
    expected_errors(*EXPECTED)
    server.store(alice, "twice.txt", b"old")
    choose(console, made(tmp_path, "twice.txt", 100))
    Refusals(console, "PATCH", "**/api/files/*", count=1)
    replace = console.get_by_role("button", name="Replace twice.txt")
    replace.click()
    expect(console.get_by_role("alert")).to_contain_text("The service is busy.")
    assert names(server, alice) == ["twice (2).txt"]
    replace.click()
    wait_until(lambda: console.evaluate("1") and names(server, alice) == ["twice.txt"])
