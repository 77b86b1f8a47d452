"""Two people talk in the console: what one does the other sees, whatever happens to the service meanwhile."""

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import Page, Route, expect

from benchmarks.scale_data import chat_id_of
from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import PHONE, at_width, axe, sideways
from tests.live.console.sample import movie
from tests.live.console.sending import SLOW, Line, offsets_sent, wait_for_bytes
from tests.live.console.steps import MEBIBYTE, digest, made
from tests.live.console.talk import act, begin, log, make_messages, said, say, write
from tests.live.console.undoing import hold_undo
from tests.live.download_worker import working
from tests.live.server import LiveServer, running, wait_until

pytestmark = pytest.mark.long

START_SECONDS = 300.0
"""For a worker to start in, which imports a lot, and to make a preview."""
LOST = (r"^(400|502|503): ", r"console error: Failed to load resource", r"console error: WebSocket connection")
"""What a browser complains of while a service is away."""

HOSTILE = (
    '"><script>alert(1)</script>',
    "<img src=x onerror=alert(1)> javascript:alert(1) data:text/html,x",
    'https://example.com/a_(b)?c=1&d="><b>, (http://example.com/x). http:// https://',
    "שלום <b>עולם</b>",
    "\u202egnp.exe\u202c",
    "w" * 3000,
    "line one\n\n  line three 👩‍👩‍👧‍👦",
)

GO_UP = """each => {
  each.scrollTop = 200;
  const seen = [...each.querySelectorAll("article")].find((one) => one.getBoundingClientRect().top > 100);
  return [seen.dataset.id, seen.getBoundingClientRect().top];
}"""
OPEN_AND_GO_ON = """async (link) => {
  link.click();
  for (let turn = 0; turn < 20; turn += 1) await null;
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
}"""
"""Opened, and a key pressed, before the browser has shown anything of it."""
WHERE_IS = "(each, id) => each.querySelector(`[data-id='${id}']`).getBoundingClientRect().top"


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
    hold_undo(hers)
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
    # The key is held by the first try, of the process that was killed.
    expected_errors(*LOST, "409: POST .*/messages|status of 409")
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
    wait_until(lambda: len(said(server, alice, conversation)) >= len(wanted))  # his page sends again in its own time
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
    line.at(SLOW)
    attach = hers.get_by_label("Attach file", exact=True)
    attach.set_input_files([path, unwanted])
    hers.get_by_role("button", name="Pause film.bin").click()
    wait_for_bytes(hers, alice, server, "Chat attachments/unwanted.bin")
    hers.get_by_role("button", name="Cancel unwanted.bin").click()
    expect(hers.get_by_role("progressbar", name="unwanted.bin")).to_have_count(0)
    hers.get_by_role("button", name="Resume film.bin").click()
    wait_for_bytes(hers, alice, server, "Chat attachments/film.bin")
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

    def is_previewed() -> bool:
        return any(each["media"]["width"] for each in said(server, alice, conversation))

    with working(server.data_dir):
        has_started(server, alice)
        hers.get_by_label("Attach file", exact=True).set_input_files(tmp_path / "lake.jpg")
        wait_until(lambda: hers.evaluate("1") and is_previewed())
        for page in (hers, his):
            link = log(page).get_by_role("link", name="Picture lake.jpg")
            picture = link.get_by_role("img", name="Picture lake.jpg", exact=True).and_(page.locator(".there"))
            expect(picture).to_be_visible()
            wait_until(lambda shown=picture: shown.evaluate("each => each.naturalWidth") == 480)  # type: ignore[misc]
    (tmp_path / "sea.jpg").write_bytes((tmp_path / "lake.jpg").read_bytes())
    hers.get_by_label("Attach file", exact=True).set_input_files(tmp_path / "sea.jpg")
    expect(log(his)).to_contain_text("sea.jpg")  # no preview of it is made any more
    log(his).get_by_role("link", name="Picture lake.jpg").click()
    expect(his.get_by_role("dialog").get_by_role("img", name="lake.jpg")).to_be_visible()
    his.keyboard.press("ArrowRight")
    expect(his.get_by_role("dialog").get_by_role("img", name="sea.jpg")).to_be_visible()
    his.keyboard.press("Escape")
    expect(log(his).get_by_role("link", name="Picture lake.jpg")).to_be_focused()
    log(his).get_by_role("link", name="Picture lake.jpg").evaluate(OPEN_AND_GO_ON)
    expect(his.get_by_role("dialog").get_by_role("img", name="sea.jpg")).to_be_visible()


def has_started(server: LiveServer, person: requests.Session) -> None:
    """Wait until the worker makes previews: a page looks for one of a new picture for a minute only."""
    picture = BytesIO()
    Image.new("RGB", (600, 400)).save(picture, "PNG")
    address = server.url + server.store(person, "first.png", picture.getvalue()).removesuffix("/download")
    wait_until(lambda: person.get(address, timeout=30).json()["width"] == 600, seconds=START_SECONDS)
    assert person.delete(address, timeout=30).ok


def test_films_play_in_their_place(open_console: OpenConsole, server: LiveServer, alice: requests.Session) -> None:
    conversation = begin(server, alice, "bob", group="Films")
    hers = open_console(f"/console/chat/{conversation}")
    his = open_console(f"/console/chat/{conversation}", account="bob")
    film = {"name": "sun.webm", "mimeType": "video/webm", "buffer": movie()}
    hers.get_by_label("Attach file", exact=True).set_input_files(film)  # type: ignore[arg-type]
    hers.get_by_role("button", name="Send", exact=True).click()  # it goes by itself: that more is asked does no harm
    player = log(his).get_by_label("Film sun.webm")

    def is_previewed() -> bool:
        return any(each["media"]["width"] for each in said(server, alice, conversation))

    expect(player).to_be_visible()
    with working(server.data_dir):
        wait_until(lambda: his.evaluate("1") and is_previewed(), seconds=START_SECONDS)
    his.evaluate("window.dispatchEvent(new Event('focus'))")  # by itself it looks for a minute only
    expect(player).to_have_attribute("preload", "none")  # there is a poster
    is_resting = "each => each.play().then(() => each.paused && !each.ended)"
    assert player.evaluate(is_resting) is False
    player.evaluate("each => { each.currentTime = 1.5; }")
    wait_until(lambda: player.evaluate("each => !each.seeking && each.currentTime >= 1.5"))
    assert [each["type"] for each in said(server, alice, conversation)] == ["video"]


def test_a_long_history_is_read_from_any_place(
    open_console: OpenConsole, server: LiveServer, alice: requests.Session, bob: requests.Session
) -> None:
    conversation = begin(server, alice, "bob", group="Years")
    make_messages(server, conversation, "bob", 10_000)
    page = open_console(f"/console/chat/{conversation}")
    expect(log(page).get_by_text("said 10000", exact=True)).to_be_in_viewport()
    say(server, bob, conversation, "as I said", reply_to=chat_id_of(2))
    expect(log(page).get_by_text("as I said")).to_be_in_viewport()

    numbers = shown(page)
    while numbers[0] > 9_700:  # further than is kept in memory
        place = log(page).evaluate(GO_UP)
        expect(log(page).locator("article").first).not_to_contain_text(f"said {numbers[0]}")
        numbers = shown(page)
        assert (numbers, len(numbers) <= 240) == (list(range(numbers[0], numbers[0] + len(numbers))), True)
        assert abs(log(page).evaluate(WHERE_IS, place[0]) - place[1]) < 2
    log(page).evaluate("each => { each.scrollTop = each.scrollHeight; }")
    expect(log(page).get_by_text(f"said {numbers[-1] + 1}", exact=True)).to_be_attached()

    page.get_by_role("button", name="Go to the newest message").click()
    log(page).get_by_role("button", name="In answer to bob said 2").click()
    expect(log(page).locator(f"[data-id='{chat_id_of(2)}']")).to_be_focused()
    assert shown(page)[0] == 1
    say(server, bob, conversation, "something new")
    page.get_by_role("button", name="Go to the newest message").click()
    expect(log(page).get_by_text("something new")).to_be_in_viewport()


def shown(page: Page) -> list[int]:
    """The numbers of what `make_messages` has made, as far as it is in the page."""
    found = [each.split() for each in log(page).locator("article > .bubble > .message-text").all_inner_texts()]
    return [int(number) for word, number, *_ in found if word == "said"]


def test_a_group_has_an_owner_and_ends_for_who_is_removed(
    open_console: OpenConsole, expected_errors: Callable[..., None]
) -> None:
    expected_errors("403")  # nothing tells who is removed but the next answer
    hers = open_console("/console/chat")
    hers.get_by_role("button", name="New conversation").first.click()
    for name in ("bob", "carol"):
        hers.get_by_label("With", exact=True).fill(name)
        hers.get_by_label("With", exact=True).press("Enter")
    hers.get_by_label("Name of the group", exact=True).fill(HOSTILE[0])
    hers.get_by_label("Name of the group", exact=True).press("Enter")
    expect(hers.get_by_role("heading", name=HOSTILE[0])).to_be_visible()
    write(hers, "Who is there?")

    his = open_console(hers.url, account="bob")
    expect(log(his).get_by_role("article")).to_contain_text("alice")
    his.get_by_role("button", name="People").click()
    expect(his.get_by_role("dialog").get_by_role("button", name="Remove carol")).to_have_count(0)
    his.keyboard.press("Escape")
    expect(his.get_by_role("dialog")).to_have_count(0)
    his.get_by_role("textbox", name="Message", exact=True).focus()
    hers.get_by_role("button", name="People").click()
    hers.get_by_role("button", name="Remove bob").click()
    expect(hers.get_by_role("list", name="People").get_by_role("listitem")).to_have_count(2)
    his.keyboard.type("Me\n")  # may be told while he types, or before
    expect(his.get_by_role("heading", name="This conversation is closed to you")).to_be_visible()
    expect(his.get_by_role("link", name=re.compile("script"))).to_have_count(0)
    hers.get_by_label("Add people").fill("bo")
    hers.get_by_role("option", name="bob").click()
    hers.get_by_role("button", name="Add", exact=True).click()
    expect(hers.get_by_role("list", name="People").get_by_role("listitem")).to_have_count(3)
    hers.keyboard.press("Escape")
    his.get_by_role("button", name="All conversations").click()
    his.reload()
    his.get_by_role("link", name=re.compile("script")).click()
    his.get_by_role("button", name="More").click()
    his.get_by_role("menuitem", name="Leave").click()
    his.get_by_role("dialog").get_by_role("button", name="Leave").click()
    expect(his.get_by_role("link", name=re.compile("script"))).to_have_count(0)


def test_whatever_is_said_is_text_on_every_screen(
    open_console: OpenConsole, server: LiveServer, alice: requests.Session, bob: requests.Session
) -> None:
    conversation = begin(server, alice, "bob", group="Whatever")
    for number, content in enumerate(HOSTILE):
        say(server, (alice, bob)[number % 2], conversation, content)
    page = open_console(f"/console/chat/{conversation}", color_scheme="dark")
    expect(log(page).get_by_role("article")).to_have_count(len(HOSTILE))
    log(page).get_by_role("button", name="Show all of it").click()
    assert log(page).locator(".message-text").evaluate_all("all => all.map((each) => each.textContent)") == list(
        HOSTILE
    )
    links = log(page).get_by_role("link")
    assert [each.get_attribute("href") for each in links.all()] == [
        "https://example.com/a_(b)?c=1&d=", "http://example.com/x",
    ]  # fmt: skip
    assert {each.get_attribute("rel") for each in links.all()} == {"noopener noreferrer nofollow"}
    assert (axe(page), sideways(page)) == ([], [])

    log(page).focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Reply")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Message", exact=True)).to_be_focused()
    page.keyboard.type("by keys alone")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("in two lines")
    page.keyboard.press("Enter")
    expect(log(page).get_by_role("article").last).to_have_text(
        re.compile("line one.*by keys alone\nin two lines", re.DOTALL)
    )

    page.emulate_media(color_scheme="light")
    at_width(page, PHONE)
    page.evaluate("document.documentElement.dir = 'rtl'")
    assert (axe(page), sideways(page)) == ([], [])
    expect(page.get_by_role("list", name="Conversations")).to_have_count(0)
    page.get_by_role("link", name="All conversations").click()
    expect(page.get_by_role("list", name="Conversations").get_by_role("link").first).to_contain_text("Whatever")
    expect(log(page)).to_have_count(0)
    assert (axe(page), sideways(page)) == ([], [])
