"""Two people talk in the console: what one does the other sees, whatever happens to the service meanwhile."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import Route, expect

from tests.live.console.conftest import OpenConsole
from tests.live.console.sending import MEBIBYTE, Line, digest, made, offsets_sent, wait_for_bytes
from tests.live.console.talk import act, begin, log, said, say, write
from tests.live.download_worker import working
from tests.live.server import LiveServer, running, wait_until

LOST = (r"^(400|502|503): ", r"console error: Failed to load resource", r"console error: WebSocket connection")
"""What a browser complains of while a service is away."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A running instance of this module's own: what is said stays."""
    with running(tmp_path_factory.mktemp("chat") / "data", "alice", "bob", "carol", "root") as server:
        yield server


@pytest.fixture
def bob(server: LiveServer) -> requests.Session:
    return server.sign_in("bob")


def test_two_people_talk(open_console: OpenConsole, server: LiveServer, alice: requests.Session) -> None:
    hers, his = open_console("/console/chat"), open_console("/console/chat", account="bob")
    hers.get_by_role("button", name="New conversation").first.click()
    hers.get_by_label("With", exact=True).fill("bo")
    hers.get_by_role("option", name="bob").click()
    hers.get_by_role("button", name="Start", exact=True).click()
    expect(hers).to_have_title("bob · Chat · Transfer Service")
    conversation = hers.url.rpartition("/")[2]

    write(hers, "Good morning")
    his.get_by_role("list", name="Conversations").get_by_role(
        "link", name=re.compile("alice.*Good morning.*Unread", re.DOTALL)
    ).click()
    expect(log(hers).get_by_text("Read", exact=True)).to_have_count(1)
    his.get_by_role("textbox", name="Message").press_sequentially("Good")
    expect(hers.get_by_text("bob is typing…")).to_be_visible()
    write(his, "Good evening")
    expect(log(hers)).to_contain_text("Good evening")
    expect(hers.get_by_text("bob is typing…")).to_have_count(0)

    act(hers, "Good evening", "Reply")
    write(hers, "It is morning")
    expect(log(his).get_by_role("button", name="In answer to bob Good evening")).to_be_visible()
    his.get_by_role("textbox", name="Message").press("ArrowUp")
    write(his, "Good night")
    expect(log(hers)).to_contain_text("edited")
    expect(log(hers).get_by_role("button", name="In answer to bob Good night")).to_be_visible()
    act(his, "It is morning", "Pin")
    hers.get_by_role("button", name="1 pinned message").click()
    hers.get_by_role("dialog").get_by_role("button", name=re.compile("^alice.*It is morning")).click()
    act(hers, "It is morning", "Delete")
    hers.get_by_role("status").get_by_role("button", name="Undo").click()
    act(hers, "It is morning", "Delete")
    hers.get_by_role("link", name="Files", exact=True).click()
    hers.reload()
    expect(log(his).get_by_text("Message deleted")).to_have_count(1)
    assert [(each["sender"], each["content"]) for each in said(server, alice, conversation)] == [
        ("alice", "Good morning"), ("bob", "Good night"), ("alice", None),
    ]  # fmt: skip


def test_nothing_is_lost_or_doubled_when_the_service_dies(
    open_console: OpenConsole, server: LiveServer, alice: requests.Session, bob: requests.Session,
    expected_errors: Callable[..., None],
) -> None:  # fmt: skip
    expected_errors(*LOST)
    conversation = begin(server, alice, "bob", group="Storm")
    hers = open_console(f"/console/chat/{conversation}")
    his = open_console(f"/console/chat/{conversation}", account="bob")
    wanted = []
    for turn in "one", "two":
        for page, text in ((hers, f"hers {turn}"), (his, f"his {turn}")):
            write(page, text)
            expect(log(page).get_by_text(text, exact=True)).to_be_visible()
        server.kill()
        expect(hers.get_by_text("Connection lost. Trying again…")).to_be_visible()
        write(hers, f"first lost {turn}")
        write(hers, f"then lost {turn}")
        server.start()
        say(server, bob, conversation, f"meanwhile {turn}")
        wanted += [f"{each} {turn}" for each in ("hers", "his", "first lost", "then lost", "meanwhile")]
        expect(log(hers).get_by_role("article", name="On its way")).to_have_count(0)
    stored = [each["content"] for each in said(server, alice, conversation)]
    assert sorted(stored) == sorted(wanted)
    assert [each for each in stored if "lost" in each] == [each for each in wanted if "lost" in each]
    for page in (hers, his):
        expect(log(page).locator("article .message-text")).to_have_text(stored)


def test_an_attachment_goes_on_after_a_reload_and_becomes_one_message(
    open_console: OpenConsole, server: LiveServer, alice: requests.Session, tmp_path: Path,
    expected_errors: Callable[..., None],
) -> None:  # fmt: skip
    expected_errors("ERR_CONNECTION_RESET")  # the answer that is lost
    conversation = begin(server, alice, "bob", group="Films")
    hers = open_console(f"/console/chat/{conversation}")
    his = open_console(f"/console/chat/{conversation}", account="bob")
    path, unwanted = made(tmp_path, "film.bin", 6 * MEBIBYTE), made(tmp_path, "unwanted.bin", 6 * MEBIBYTE)
    line = Line(hers)
    line.at(2 * MEBIBYTE)
    attach = hers.get_by_label("Attach file", exact=True)
    attach.set_input_files([path, unwanted])
    hers.get_by_role("button", name="Pause film.bin").click()
    wait_for_bytes(hers, alice, server, "Chat attachments/unwanted.bin")
    hers.get_by_role("button", name="Cancel unwanted.bin").click()
    expect(hers.get_by_role("progressbar", name="unwanted.bin")).to_have_count(0)
    hers.get_by_role("button", name="Resume film.bin").click()
    wait_for_bytes(hers, alice, server, "Chat attachments/film.bin")
    hers.on("dialog", lambda dialog: dialog.accept())  # whether to leave while something is sent
    hers.reload()
    expect(hers.get_by_role("progressbar", name="film.bin")).to_be_visible()

    line.at()
    sent, lost = offsets_sent(hers), []

    def lose_answer(route: Route) -> None:
        lost.append(route.fetch().status)
        route.abort("connectionreset")

    hers.route("**/messages", lose_answer, times=1)
    hers.get_by_label("Resume film.bin").set_input_files(path)
    for page in (hers, his):
        expect(log(page).get_by_role("link", name="film.bin")).to_have_count(1)
    expect(hers.get_by_role("article", name="On its way")).to_have_count(0)
    (message,) = said(server, alice, conversation)
    assert (message["media"]["name"], message["media"]["sha256"], lost) == ("film.bin", digest(path), [200])
    assert sent[0][1] > 0
    with his.expect_download() as download:
        log(his).get_by_role("link", name="film.bin").click()
    assert digest(download.value.path()) == digest(path)
    top = {"folder": ""}
    wait_until(
        lambda: (
            hers.evaluate("1") and not alice.get(f"{server.url}/api/files", params=top, timeout=30).json()["folders"]
        )
    )


def test_pictures_are_seen_in_their_place(
    open_console: OpenConsole, server: LiveServer, alice: requests.Session, tmp_path: Path
) -> None:
    conversation = begin(server, alice, "bob", group="Pictures")
    Image.effect_noise((1200, 800), 60).convert("RGB").save(tmp_path / "lake.jpg")
    hers = open_console(f"/console/chat/{conversation}")
    his = open_console(f"/console/chat/{conversation}", account="bob")
    with working(server.data_dir):
        hers.get_by_label("Attach file", exact=True).set_input_files(tmp_path / "lake.jpg")
        for page in (hers, his):
            picture = log(page).get_by_role("link", name="Picture lake.jpg").locator("img.there")
            expect(picture).to_be_visible()
            assert picture.evaluate("each => each.naturalWidth") == 480
    log(his).get_by_role("link", name="Picture lake.jpg").click()
    expect(his.get_by_role("dialog").get_by_role("img", name="lake.jpg")).to_be_visible()
    his.keyboard.press("Escape")
    expect(log(his).get_by_role("link", name="Picture lake.jpg")).to_be_focused()
