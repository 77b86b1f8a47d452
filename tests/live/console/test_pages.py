"""Every page as a whole: as narrow as a phone, light and dark, right to left, and for whoever cannot see it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import PHONE, at_width, axe, sideways
from tests.live.console.sample import Furnished, furnish
from tests.live.server import LiveServer, running

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
    page.emulate_media(color_scheme="dark")
    at_width(page, WIDE)
    wrong += [f"{address}, dark: {each}" for each in axe(page, "color-contrast")]
    page.emulate_media(color_scheme="light")
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
        page.get_by_role("button", name=button, exact=True).first.click()
        for name in chosen:
            page.get_by_role("menuitem", name=name, exact=True).click()
        opened = page.get_by_role("dialog").or_(page.get_by_role("menu"))
        expect(opened).to_be_visible()
        box = opened.bounding_box()
        assert box is not None
        if box["x"] < 0 or box["x"] + box["width"] > PHONE:
            wrong.append(f"{button} {chosen}: from {box['x']} on {box['width']} wide")
        wrong += [f"{button} {chosen}: {each}" for each in [*sideways(page), *axe(page)]]
        page.emulate_media(color_scheme="dark")
        at_width(page, PHONE)
        wrong += [f"{button} {chosen}, dark: {each}" for each in axe(page, "color-contrast")]
        page.emulate_media(color_scheme="light")
        page.keyboard.press("Escape")
        expect(opened).to_have_count(0)
        expect(page.get_by_role("button", name=button, exact=True).first).to_be_focused()
    assert not wrong, "\n".join(wrong)
