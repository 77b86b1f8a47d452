"""The language of the page is the browser's, as near as there is a catalogue of it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.live.console.conftest import OpenConsole
from tests.live.console.sample import SAID, furnish
from tests.live.server import LiveServer, running

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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    data_dir = tmp_path_factory.mktemp("live") / "data"
    with running(data_dir, "alice", "bob", "root", TRANSFER_TRASH_DAYS="7") as server:
        furnish(server)
        yield server


def texts(page: Page, place: str) -> set[str]:
    """All that is to be read on a page, and that is read out, but names of users' things."""
    page.goto(f"/console/{place}")
    expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    return {each for each in page.evaluate(TEXTS) if not each.endswith(SAID)}


def test_a_german_browser_is_spoken_to_in_german_only(open_console: OpenConsole) -> None:
    german, english = open_console(locale="de-DE"), open_console(locale="en-GB")
    assert german.evaluate("document.documentElement.lang") == "de"
    left = {place: texts(german, place) & texts(english, place) - ALIKE for place in PLACES}
    assert {place: alike for place, alike in left.items() if alike} == {}


def test_a_german_may_sign_in(open_console: OpenConsole) -> None:
    page = open_console(account=None, locale="de-DE")
    expect(page.get_by_label("Passwort", exact=True)).to_be_visible()
    assert page.title().startswith("Anmelden")
