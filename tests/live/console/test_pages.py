"""Every page as a whole: as narrow as a phone, light and dark, right to left, in German, for whoever cannot see it;
and what the first one costs.
"""

import gzip
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, Response, expect

from tests.live.console.conftest import MakeContext, OpenConsole
from tests.live.console.judging import PHONE, at_width, axe, in_colours, sideways
from tests.live.console.sample import SAID, Furnished, furnish
from tests.live.console.steps import sign_in_by_form
from tests.live.server import LiveServer, running

pytestmark = pytest.mark.long

WIDE = 1280
ADMIN = {
    "accounts": "bob", "usage": "alice", "transfers": "Drone survey.mov", "activities": "Give it to me",
    "webhooks": "hooks.example", "health": "Ready",
}  # fmt: skip
OPENED = [
    ("files", "New folder"),
    ("files", "Actions for Crane lift.webm"),
    ("files", "Actions for Crane lift.webm", "Rename"),
    ("files", "Actions for Crane lift.webm", "Share"),
    ("files", "Actions for Contracts", "Move"),
    ("links", "New upload link"),
    ("links", "Actions for Film and photo"),
    ("chat", "New conversation"),
    ("account", "New key"),
    ("trash", "Empty trash"),
]
"""A page, a button of it, and what is chosen in the menu that opens."""
PLACES = ("files", "links", "chat", "games", "trash", "account")
ALIKE = {
    "Chat",
    "Name",
    "Transfer Service",
    "Status",
    "Version",
    "Text",
    "PDF",
    "Browser",
    "Download",
    "Downloads",
    "Links",
    "Details",
    "Uploads",
}
"""Words that are the same in both languages."""
TEXTS = """() => {
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const names = "bdi, noscript, time, code";
  const isShown = (each) => each.checkVisibility({ visibilityProperty: true }) && !each.closest(names);
  while (walker.nextNode()) if (isShown(walker.currentNode.parentElement)) seen.add(walker.currentNode.data.trim());
  for (const name of ["aria-label", "placeholder", "title"]) {
    for (const each of document.querySelectorAll(`[${name}]`)) {
      if (isShown(each)) seen.add(each.getAttribute(name).trim());
    }
  }
  const called = new Set([...document.querySelectorAll("bdi")].map((each) => each.textContent.trim()));
  return [...seen].filter((text) => /[a-z]{3}/i.test(text) && !called.has(text));
}"""
MOST_BYTES = 150_000
MIRRORED = "document.documentElement.dir = 'rtl'"
OFFSET = "document.querySelector('nav').getBoundingClientRect().left"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """An instance that keeps a trash."""
    data_dir = tmp_path_factory.mktemp("live") / "data"
    with running(data_dir, "alice", "bob", "root", TRANSFER_TRASH_DAYS="7") as server:
        yield server


@pytest.fixture(scope="module")
def furnished(server: LiveServer) -> Furnished:
    return furnish(server)


def addresses(furnished: Furnished) -> dict[str, str]:
    """Each page of the console and what its heading or list shows as soon as it is there."""
    return {
        "/console/files": "Crane lift.webm",
        "/console/files/Contracts/2026": "Lease.pdf",
        "/console/links": "Film and photo",
        f"/console/chat/{furnished.conversation}": "Look at this light",
        "/console/games": "Paper Gliders",
        f"/console/games/{furnished.game}": "Lighthouse",
        "/console/trash": "old draft.txt",
        "/console/account": "Weather station",
        "/console/nothing": "There is no such page",
        "/console/admin": "Only for administrators",
    }


def open_page(page: Page, address: str, shown: str) -> None:
    """Open it and wait until it has what it shows."""
    page.goto(address)
    expect(page.get_by_role("main").get_by_text(shown).first).to_be_visible()
    page.wait_for_load_state("networkidle")


def look(page: Page, address: str, shown: str) -> list[str]:
    """Everything that is wrong with a page at both widths, and with its colours where it is dark."""
    open_page(page, address, shown)
    wrong = []
    for width in (PHONE, WIDE):
        at_width(page, width)
        wrong += [f"{address} at {width}: {each}" for each in [*sideways(page), *axe(page)]]
    in_colours(page, "dark")
    wrong += [f"{address}, dark: {each}" for each in axe(page, "color-contrast")]
    in_colours(page, "light")
    return wrong


def test_everybody_can_use_every_page(open_console: OpenConsole, furnished: Furnished) -> None:
    wrong = look(open_console(account=None), "/", "Sign in")
    page = open_console()
    for address, shown in addresses(furnished).items():
        wrong += look(page, address, shown)
    assert not wrong, "\n".join(wrong)


def test_every_page_can_be_mirrored(open_console: OpenConsole, furnished: Furnished) -> None:
    page, wrong = open_console(), []
    for address, shown in addresses(furnished).items():
        page.goto(address)
        page.evaluate(MIRRORED)
        expect(page.get_by_role("main").get_by_text(shown).first).to_be_visible()
        for width in (PHONE, WIDE):
            at_width(page, width)
            wrong += [f"{address} at {width}: {each}" for each in sideways(page)]
        assert page.evaluate(OFFSET) > WIDE / 2
    assert wrong == []


def test_administrators_can_use_their_pages(open_console: OpenConsole, furnished: Furnished) -> None:
    assert furnished.game
    page, wrong = open_console(account="root"), []
    for part, shown in ADMIN.items():
        wrong += look(page, f"/console/admin/{part}", shown)
    assert not wrong, "\n".join(wrong)


def test_menus_and_dialogs_fit_a_phone(open_console: OpenConsole, furnished: Furnished) -> None:
    assert furnished.game
    page, wrong = open_console(), []
    at_width(page, PHONE)
    for place, button, *chosen in OPENED:
        page.goto(f"/console/{place}")
        page.wait_for_load_state("networkidle")
        opener = page.get_by_role("button", name=button, exact=True).first
        opener.scroll_into_view_if_needed()
        opener.click()
        for name in chosen:
            page.get_by_role("menuitem", name=name, exact=True).click()
        opened = page.get_by_role("dialog").or_(page.get_by_role("menu"))
        expect(opened).to_be_visible()
        box = opened.bounding_box()
        assert box is not None
        if box["x"] < 0 or box["x"] + box["width"] > PHONE:
            wrong.append(f"{button} {chosen}: from {box['x']} on {box['width']} wide")
        wrong += [f"{button} {chosen}: {each}" for each in [*sideways(page), *axe(page)]]
        in_colours(page, "dark")
        wrong += [f"{button} {chosen}, dark: {each}" for each in axe(page, "color-contrast")]
        in_colours(page, "light")
        page.keyboard.press("Escape")
        expect(opened).to_have_count(0)
        expect(opener).to_be_focused()
    assert not wrong, "\n".join(wrong)


def texts(page: Page, place: str) -> set[str]:
    """All that is to be read on a page, and that is read out, but names of users' things."""
    page.goto(f"/console/{place}")
    expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    return {each for each in page.evaluate(TEXTS) if not each.endswith(SAID)}


def test_a_german_browser_is_spoken_to_in_german_only(open_console: OpenConsole, furnished: Furnished) -> None:
    assert furnished.game
    german, english = open_console(locale="de-DE"), open_console(locale="en-GB")
    assert german.evaluate("document.documentElement.lang") == "de"
    left = {place: texts(german, place) & texts(english, place) - ALIKE for place in PLACES}
    assert {place: alike for place, alike in left.items() if alike} == {}


def test_a_german_may_sign_in(open_console: OpenConsole) -> None:
    page = open_console(account=None, locale="de-DE")
    expect(page.get_by_label("Passwort", exact=True)).to_be_visible()
    assert page.title().startswith("Anmelden")


def test_sign_in_and_files_load_little_script(make_context: MakeContext) -> None:
    page = make_context().new_page()
    loaded: list[Response] = []
    page.on("response", lambda response: loaded.append(response))
    page.goto("/")
    sign_in_by_form(page, "alice")
    expect(page.get_by_role("heading", name="Files", exact=True)).to_be_visible()
    page.wait_for_load_state("networkidle")
    scripts = {each.url: len(gzip.compress(each.body())) for each in loaded if each.request.resource_type == "script"}
    assert len(scripts) > 3
    assert sum(scripts.values()) <= MOST_BYTES, scripts


def test_the_page_names_nobody_and_needs_no_account(server: LiveServer) -> None:
    with requests.Session() as session:
        body = {"username": "alice", "password": "correct horse"}
        session.post(f"{server.url}/auth/login", json=body, timeout=30)
        signed = session.get(server.url, headers={"Accept": "text/html"}, timeout=30)
    nobody = requests.get(server.url, headers={"Accept": "text/html"}, timeout=30)
    assert signed.content == nobody.content
    assert "Set-Cookie" not in nobody.headers
