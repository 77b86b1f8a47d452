"""The whole way without a mouse: each thing is reached by Tab, and the focus is never lost."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import PASSWORD
from tests.live.console.conftest import OpenConsole
from tests.live.console.steps import bar, link_to, made
from tests.live.console.undoing import hold_undo

pytestmark = pytest.mark.long

MOST_STEPS = 60
FOCUSED = """() => {
  const each = document.activeElement;
  const ids = each.getAttribute("aria-labelledby")?.split(" ");
  const labelled = ids?.map((id) => document.getElementById(id)?.textContent).join(" ");
  return (each.getAttribute("aria-label") ?? labelled ?? each.labels?.[0]?.textContent ?? each.textContent).trim();
}"""
IS_SEEN = """() => {
  const each = document.activeElement;
  const style = getComputedStyle(each);
  const box = each.getBoundingClientRect();
  const isInside = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
  return each === document.body || (isInside && (style.outlineStyle !== "none" || style.boxShadow !== "none"));
}"""


PRESSED_AT_ONCE = """async () => {
  const { assets } = document.body.dataset;
  const [{ html, render }, { useKeptFocus }] = await Promise.all(
    ["/vendor/htm-preact.js", "/console/ui/kept_focus.js"].map((path) => import(assets + path)));
  const Buttons = ({ names }) => names.map((name) => html`<button key=${name}>${name}</button>`);
  const List = ({ names }) => html`<div ref=${useKeptFocus(names.length)}><${Buttons} names=${names} /></div>`;
  const place = document.body.appendChild(document.createElement("div"));
  render(html`<${List} names=${["one", "two"]} />`, place);
  place.querySelector("button").focus();
  render(html`<${List} names=${["two"]} />`, place);
  return document.activeElement.textContent;
}"""
"""A list is drawn, its first button is pressed and goes away, all before the browser has shown anything of it."""


def focused(page: Page) -> str:
    """The name of what has the focus."""
    return str(page.evaluate(FOCUSED))


def tab_to(page: Page, name: str, *, backwards: bool = False) -> None:
    """Press Tab until what has that name has the focus. Wherever it goes, it is to be seen."""
    way = []
    for _ in range(MOST_STEPS):
        if focused(page) == name:
            return
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        way.append(focused(page)[:40])
        page.wait_for_function(IS_SEEN)
    raise AssertionError(f"no {name!r} among {way}")


def choose_action(page: Page, name: str, action: str) -> None:
    """Open the menu of a file and go down to one of its entries."""
    tab_to(page, f"Actions for {name}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("menu")).to_be_visible()
    for _ in range(12):
        if focused(page) == action:
            break
        page.keyboard.press("ArrowDown")
    assert focused(page) == action
    page.keyboard.press("Enter")


def test_the_main_flow_needs_no_mouse(open_console: OpenConsole, tmp_path: Path) -> None:
    page = open_console(account=None)
    hold_undo(page)
    expect(page.get_by_label("Name", exact=True)).to_be_visible()  # the keys would go nowhere before
    tab_to(page, "Name")
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Files", exact=True)).to_be_visible()
    expect(page.get_by_text("No files yet")).to_be_visible()
    report = made(tmp_path, "report.bin", 1000)
    with page.expect_file_chooser() as chooser:
        tab_to(page, "Upload files")
        page.keyboard.press("Enter")
    chooser.value.set_files(report)
    expect(link_to(page, report.name)).to_be_visible()
    expect(bar(page, report.name)).to_have_count(0)

    choose_action(page, report.name, "Rename")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("final.bin")
    page.keyboard.press("Enter")
    expect(link_to(page, "final.bin")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)

    choose_action(page, "final.bin", "Share")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Actions for final.bin", exact=True)).to_be_focused()

    choose_action(page, "final.bin", "Delete")
    expect(link_to(page, "final.bin")).to_have_count(0)
    page.wait_for_function("document.activeElement !== document.body")
    tab_to(page, "Undo")
    page.keyboard.press("Enter")
    expect(link_to(page, "final.bin")).to_be_visible()
    tab_to(page, "Sign out", backwards=True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=re.compile("^Sign in$"))).to_be_visible()


def test_the_focus_of_a_button_that_goes_is_kept_from_the_first_moment(open_console: OpenConsole) -> None:
    page = open_console("/console/nowhere")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    assert page.evaluate(PRESSED_AT_ONCE) == "two"
